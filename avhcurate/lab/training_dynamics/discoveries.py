"""Discoveries 1, 2 and 3 of Chen et al. (2020), tested on trainings and on models of them; 4 and 5 are of Models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.optimize import isotonic_regression

from avhcurate.features.compare.discoveries import LEAST_SAMPLES, Figure, Finding, Model, Z, finding_of

#: Accuracy or loss still improves where more than this share of its way is left; AVH has 5 % left by then.
STILL = 0.1
#: Fewer evaluations, and fewer samples in an HSF bin, are not judged.
LEAST_EVALUATIONS = 6
LEAST_IN_BIN = 30

_RESAMPLES = 100

#: The curves that settle, and whether they fall while a network learns.
FALLS = {"avh": True, "accuracy": False, "loss": True}
#: Share of its way after which a curve counts as settled.
SETTLED = 0.95

#: Share of the evaluations whose mean is the end of a curve, and the least number of them.
_END_SHARE = 0.2
_LEAST_AT_END = 3


@dataclass(frozen=True)
class TrainingCurves:
    """One training: curves over evaluations at `epochs` (T,), 0 before training, as means over parts of the n samples.

    `parts` holds for `avh`, `accuracy`, `loss` and `norm` (T, G) means over random parts of equal size. `planned`:
    epochs that were to run.
    """

    name: str
    epochs: np.ndarray
    parts: Mapping[str, np.ndarray]
    n: int
    planned: float


# --- when a curve has settled ------------------------------------------------------------------------------------


class Way(NamedTuple):
    """A curve's way, turned so that it falls: the falling values (m,) nearest to it at `epochs` (m,), and its `end`."""

    epochs: np.ndarray
    fitted: np.ndarray
    end: float

    def settled(self) -> float:
        """Return the epoch by which 95 % of the way is made, on a straight line between two evaluations."""
        target = self.fitted[0] - SETTLED * (self.fitted[0] - self.end)
        after = int(np.argmax(self.fitted <= target))
        return float(np.interp(-target, -self.fitted[after - 1 : after + 1], self.epochs[after - 1 : after + 1]))

    def left(self, epoch: float) -> float:
        """Return the share of the way that is left at an epoch."""
        return float((np.interp(epoch, self.epochs, self.fitted) - self.end) / (self.fitted[0] - self.end))


def way(epochs: np.ndarray, values: np.ndarray, *, falls: bool) -> Way | None:
    """Return the way down (or up) of a curve at `epochs` (T,); None where it makes none.

    It ends at the mean over the last fifth of the evaluations (three at least). A curve that turns, like a loss that
    rises again, is read to its lowest fifth: it turns when its last fifth is higher by more than 5 % of the way. The
    curve is replaced by the falling curve nearest to it (isotonic regression), so a single lucky evaluation does not
    count.
    """
    finite = np.isfinite(values)
    epochs = np.asarray(epochs, float)[finite]
    values = np.where(falls, values, -values)[finite]
    width = max(_LEAST_AT_END, round(_END_SHARE * len(values)))
    if len(values) < 2 * width:
        return None
    means = np.convolve(values, np.full(width, 1 / width), "valid")
    last = len(means) - 1
    lowest = int(np.argmin(means))
    if means[-1] - means[lowest] > (1 - SETTLED) * (values[0] - means[lowest]):
        last = lowest
    fitted = isotonic_regression(values[: last + width], increasing=False).x
    if means[last] >= fitted[0]:
        return None
    return Way(epochs[: last + width], fitted, float(means[last]))


# --- 1 and 3: trainings --------------------------------------------------------------------------------------


def settles_early(trainings: Sequence[TrainingCurves]) -> Finding:
    """Discovery 1: when AVH has made 95 % of its way, accuracy or loss has more than `STILL` of its own way left.

    The interval is over random parts of the samples, drawn again. A training is judged at its end, with an evaluation
    before it, where all three curves move.
    """
    figures = []
    for training in trainings:
        finished = len(training.epochs) and training.epochs[-1] >= training.planned - 1e-6
        if finished and training.epochs[0] == 0 and _enough(training, len(training.epochs)):
            figures += _left_when_settled(training)
    missing = "It needs a finished training with evaluations from before it on, in which AVH, accuracy and loss move."
    return finding_of(1, figures, missing, above=STILL)


def _left_when_settled(training: TrainingCurves) -> list[Figure]:
    """Return the share of its way that the slower of accuracy and loss has left when AVH has settled."""
    size = training.parts["avh"].shape[1]
    weights = np.random.default_rng(0).multinomial(size, np.full(size, 1 / size), _RESAMPLES) / size
    whole, *drawn = (_left(training, shares) for shares in (np.full(size, 1 / size), *weights))
    if whole is None or None in drawn:
        return []
    low, high = np.quantile(np.array(drawn, float), [0.025, 0.975])
    return [Figure(training.name, whole, float(low), float(high), training.n)]


def _left(training: TrainingCurves, weights: np.ndarray) -> float | None:
    ways = []
    for key, falls in FALLS.items():
        made = way(training.epochs, training.parts[key] @ weights, falls=falls)
        if made is None:
            return None
        ways.append(made)
    avh, *others = ways
    return max(other.left(avh.settled()) for other in others)


def norm_increases(trainings: Sequence[TrainingCurves]) -> Finding:
    """Discovery 3: in the second half of the training the mean norm still grows, as a share of what it was half-way.

    The interval is that of a random walk with a direction: Student's t over the steps between evaluations, of which as
    many count as their correlation leaves.
    """
    figures = []
    for training in trainings:
        late = training.epochs >= training.planned / 2
        if _enough(training, int(late.sum())):
            epochs = training.epochs[late]
            norms = training.parts["norm"].mean(axis=1)[late]
            figures.append(Figure(training.name, *_drift(epochs, norms / norms[0]), training.n))
    return finding_of(3, figures, f"It needs a training with {LEAST_EVALUATIONS} evaluations in its second half.")


def _drift(times: np.ndarray, values: np.ndarray) -> tuple[float, float, float]:
    """Return the growth per unit of time of a walk whose variance grows with time, and its 95 % interval."""
    gaps = np.diff(times)
    steps = np.diff(values)
    growth = float(steps.sum() / gaps.sum())
    n = len(steps)
    residuals = (steps - growth * gaps) / np.sqrt(gaps)
    squares = float(residuals @ residuals)
    if squares == 0:
        return growth, growth, growth
    correlation = max(0.0, float(residuals[1:] @ residuals[:-1]) / squares)
    if correlation:  # few steps show it too small (Kendall 1954)
        correlation = min(0.95, correlation + (1 + 3 * correlation) / n)
    counted = max(2.0, n * (1 - correlation) / (1 + correlation))
    variance = squares / n / (counted - 1)
    reach = float(stats.t.ppf(0.975, counted - 1) * np.sqrt(variance * n / gaps.sum()))
    return growth, growth - reach, growth + reach


def _enough(training: TrainingCurves, evaluations: int) -> bool:
    return evaluations >= LEAST_EVALUATIONS and training.n >= LEAST_SAMPLES


# --- 2: models ------------------------------------------------------------------------------------------------


def lower_where_better(models: Sequence[Model], bin_index: np.ndarray, bin_labels: Sequence[str]) -> Finding:
    """Discovery 2: of two models, one clearly more accurate, that one has lower mean AVH in every HSF bin.

    bin_index (n,): of each sample, -1 for none. Differences are paired, over bins of `LEAST_IN_BIN` samples or more.
    """
    members = {label: np.flatnonzero(bin_index == number) for number, label in enumerate(bin_labels)}
    figures = []
    for better, worse in combinations(sorted(models, key=lambda model: -model.accuracy), 2):
        if _paired("", better.correct.astype(float), worse.correct.astype(float)).low <= 0:
            continue
        for label, rows in members.items():
            if len(rows) >= LEAST_IN_BIN:
                name = f"{better.name} less {worse.name} in {label}"
                figures.append(_paired(name, better.avh[rows], worse.avh[rows]))
    missing = f"It needs two models that differ clearly in accuracy, and HSF bins of {LEAST_IN_BIN} images."
    return finding_of(2, figures, missing, falls=True)


def _paired(name: str, first: np.ndarray, second: np.ndarray) -> Figure:
    """Return the mean difference of two measures of the same samples."""
    difference = (first - second)[np.isfinite(first) & np.isfinite(second)]
    if len(difference) < 2:
        return Figure(name, float("nan"), float("nan"), float("nan"))
    mean = float(difference.mean())
    reach = Z * float(difference.std(ddof=1)) / np.sqrt(len(difference))
    return Figure(name, mean, mean - reach, mean + reach, len(difference))
