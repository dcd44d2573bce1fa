"""Linear heads for cross-fitting: the penalty of each is chosen among the samples that it is trained on."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from avhcurate.disk.schema import StoredRecord
from avhcurate.models.runtime import one_thread
from avhcurate.stats.folds import stratified_folds
from avhcurate.training.linear_head import Objective, Samples
from avhcurate.training.probe import ProbeHead

#: Strengths of the penalty that are tried, from the strongest on, with features standardised and not.
STRENGTHS = tuple(4.0**power for power in range(7, -4, -1))
#: They are compared on so many samples at most, each part of which is held out once, or only one where there are more.
CHOICE_SAMPLES, PARTS = 12_000, 3
_CHOICE_TOLERANCE, _START_TOLERANCE, _TOLERANCE = 1e-3, 1e-5, 1e-6
#: The path to weaker penalties ends after so many that are worse than the best.
_PATIENCE = 2
#: Below so many numbers more threads cost more than they bring.
_SMALL = 1 << 22

#: What decides the numbers of a head, for a record and for the name of a folder.
RECIPE: dict[str, Any] = {
    "model": "multinomial logistic regression",
    "strengths": list(STRENGTHS),
    "choice_samples": CHOICE_SAMPLES,
    "parts": PARTS,
    "tolerance": _TOLERANCE,
}


class PenaltyChoice(StoredRecord):
    """The penalty chosen, and the mean cross-entropy of the samples held out to choose it; None where none could be."""

    strength: float
    standardised: bool
    loss: float | None


def fit_head(
    samples: Samples, *, seed: int = 0, check: Callable[[], None] = lambda: None
) -> tuple[ProbeHead, PenaltyChoice]:
    """The head of these samples, its penalty chosen among them alone; the same seed gives the same head.

    `check` is called before every pass over the samples and may raise.
    """
    small = len(samples) * samples.features.shape[1] <= _SMALL
    with one_thread() if small else nullcontext():
        choice = choose(samples, seed=seed, check=check)
        objective = Objective(samples, standardised=choice.standardised)
        start = _start(samples, objective, choice, seed, check) if len(samples) > 2 * CHOICE_SAMPLES else None
        point = objective.minimise(choice.strength, start=start, tolerance=_TOLERANCE, check=check)
        return objective.head(point), choice


def _start(
    samples: Samples, objective: Objective, choice: PenaltyChoice, seed: int, check: Callable[[], None]
) -> Tensor:
    """The minimum for some of the samples, a good part of the way: passes over all of them are what costs."""
    some = samples.some(CHOICE_SAMPLES, seed=seed)
    first = Objective(some, standardised=choice.standardised)
    strength = choice.strength * len(some) / len(samples)
    return objective.point(first.head(first.minimise(strength, tolerance=_START_TOLERANCE, check=check)))


def choose(samples: Samples, *, seed: int = 0, check: Callable[[], None] = lambda: None) -> PenaltyChoice:
    """The strength, and standardised or not, with the least loss on samples whose groups were held out.

    Strengths are of a sum over samples, so that one that is right for some of the samples is right for all of them.
    """
    some = samples.some(CHOICE_SAMPLES, seed=seed)
    parts = min(PARTS, len(np.unique(some.groups)))
    if parts < 2:
        return PenaltyChoice(strength=STRENGTHS[len(STRENGTHS) // 2], standardised=False, loss=None)
    of_sample = stratified_folds(some.targets, some.groups, folds=parts, seed=seed)
    held = range(1 if len(some) < len(samples) else parts)
    paths = [
        _Path(
            [Objective(some.part(of_sample != part), standardised=standardised) for part in held],
            [some.part(of_sample == part) for part in held],
        )
        for standardised in (False, True)
    ]
    found = [(loss, -strength, bool(at)) for at, path in enumerate(paths) for strength, loss in path.losses(check)]
    loss, strength, standardised = min(found)
    return PenaltyChoice(strength=-strength, standardised=standardised, loss=loss)


@dataclass(frozen=True)
class _Path:
    """Objectives and the samples held out of each."""

    objectives: list[Objective]
    held: list[Samples]

    def losses(self, check: Callable[[], None]) -> list[tuple[float, float]]:
        """Strengths and mean losses, until weaker penalties only make it worse; each starts where the last ended."""
        points: list[Tensor | None] = [None] * len(self.objectives)
        found: list[tuple[float, float]] = []
        for strength in STRENGTHS:
            total = 0.0
            for at, (objective, held) in enumerate(zip(self.objectives, self.held, strict=True)):
                point = objective.minimise(strength, start=points[at], tolerance=_CHOICE_TOLERANCE, check=check)
                points[at], total = point, total + len(held) * held.loss(objective.head(point))
            found.append((strength, total / sum(map(len, self.held))))
            best = min(range(len(found)), key=lambda at: found[at][1])
            if len(found) - 1 - best >= _PATIENCE or not math.isfinite(total):
                break
        return found
