"""What is found about the five discoveries: curves and models to judge, figures with intervals, verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np

Verdict = Literal["holds", "does not hold", "too little data"]
#: Why a training, or the whole discovery, is not judged.
Reason = Literal[
    "few samples",
    "few evaluations",
    "few evaluations after the warm-up",
    "no evaluation before training",
    "not finished",
    "no clear change",
    "few models",
    "few bins",
    "no clear pair",
    "few votes",
]

#: Fewer evaluations (after the warm-up for the norm) or samples do not suffice.
LEAST_EVALUATIONS = 6
LEAST_SAMPLES = 100


class Figure(NamedTuple):
    """One number behind a finding: its `quantity`, of which training or model and HSF bin, and its 95 % interval."""

    quantity: str
    value: float
    low: float = float("nan")
    high: float = float("nan")
    name: str = ""
    bin: str = ""
    n: int = 0


@dataclass(frozen=True)
class NotJudged:
    """What is missing, and how many there are of it; `name` of the training, "" where nothing could be judged."""

    reason: Reason
    count: int = 0
    name: str = ""


@dataclass(frozen=True)
class Finding:
    """What the data at hand say of one discovery.

    `verdicts`: on each training judged, by name. `not_judged`: what was left out, or why the data are too few.
    `exception`: the first comparison that refutes discovery 2: the better model, the worse one, the HSF bin.
    """

    discovery: int
    verdict: Verdict
    figures: Sequence[Figure] = ()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    not_judged: Sequence[NotJudged] = ()
    exception: tuple[str, str, str] | None = None

    def figure(self, quantity: str, name: str = "") -> Figure:
        """The first figure of that kind of a training or model; without a name, of all trainings together."""
        return next(one for one in self.figures if (one.quantity, one.name) == (quantity, name))


@dataclass(frozen=True)
class TrainingCurves:
    """One training: curves over evaluations at `epochs` (T,), 0 before training, as means over parts of the samples.

    `parts` holds for `avh`, `accuracy`, `loss` and `norm` (T, G) means over random parts, `sizes` (G,) the samples of
    each, so that resampled parts tell how far chance moves a curve. `planned`: epochs that were to run. `norm_change`:
    of each sample (n,), norm at the last evaluation minus norm at the first one after the warm-up.
    """

    name: str
    epochs: np.ndarray
    parts: Mapping[str, np.ndarray]
    sizes: np.ndarray
    planned: float
    norm_change: np.ndarray

    @property
    def samples(self) -> int:
        return int(self.sizes.sum())

    @property
    def complete(self) -> bool:
        """Whether it came to its last epoch."""
        return len(self.epochs) > 0 and float(self.epochs[-1]) >= self.planned - 1e-6

    def known(self) -> "TrainingCurves":
        """Without the evaluations at which a curve lacks a value, as where a network diverged for a while."""
        finite = np.all([np.isfinite(parts).all(axis=1) for parts in self.parts.values()], axis=0)
        return replace(self, epochs=self.epochs[finite], parts={key: one[finite] for key, one in self.parts.items()})

    def mean(self, key: str) -> np.ndarray:
        """The curve over all samples, (T,)."""
        return self.parts[key] @ self.sizes / self.sizes.sum()


@dataclass(frozen=True)
class Model:
    """One network on samples that all models share: `correct` (n,) bool, `avh` and `norm` (n,), NaN where missing."""

    name: str
    correct: np.ndarray
    avh: np.ndarray
    norm: np.ndarray

    @property
    def accuracy(self) -> float:
        return float(self.correct.mean())
