"""The five discoveries about AVH in training (Chen et al. 2020), each tested on given trainings and models.

The function of each states its rule, whose limits are the constants below. Intervals (95 %) account for the chance of
samples, smoothing and ranks for that of epochs: the ups and downs of a curve between evaluations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import ndtri

from avhcurate.stats.correlation import correlate
from avhcurate.stats.intervals import wilson
from avhcurate.stats.ranks import spearman, standard_ranks

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

#: The curves that settle, and whether they fall while a network learns.
FALLS = {"avh": True, "accuracy": False, "loss": True}
#: Share of its way after which a curve counts as settled.
SETTLED = 0.95
#: AVH settles clearly earlier when it needs at most this share of the epochs that accuracy and loss need.
CLEARLY = 0.8
#: Share of the planned epochs after which the norm's trend is read: before, the norm fluctuates.
WARM_UP = 0.1
#: Rank correlation of mean norm and epoch from which on the norm counts as increasing.
INCREASING = 0.8
#: Fewer evaluations (after the warm-up for the norm) or samples do not suffice; nor do fewer samples in an HSF bin.
LEAST_EVALUATIONS = 6
LEAST_SAMPLES = 100
LEAST_IN_BIN = 30

#: Share of the evaluations over whose mean the end of a curve is taken, and the least number of them.
_END_SHARE, _LEAST_AT_END = 0.2, 3
_RESAMPLES = 200
_Z = float(ndtri(0.975))


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

    `holding`: whether it holds in each training judged. `not_judged`: what was left out, or why the data are too few.
    `exception`: the first comparison that refutes discovery 2: the better model, the worse one, the HSF bin.
    """

    discovery: int
    verdict: Verdict
    figures: Sequence[Figure] = ()
    holding: Mapping[str, bool] = field(default_factory=dict)
    not_judged: Sequence[NotJudged] = ()
    exception: tuple[str, str, str] | None = None

    def figure(self, quantity: str, name: str = "") -> Figure:
        """The first figure of that kind of a training or model."""
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


def settled(epochs: np.ndarray, values: np.ndarray, *, falls: bool) -> float:
    """The epoch by which a curve has made 95 % of its way down (or up); NaN when it makes none.

    Its way ends at its mean over the last fifth of the evaluations (three at least). A curve that turns, as a loss does
    that rises again, is read to its lowest fifth: it turns when its last fifth lies higher by more than 5 % of the way.
    Up to there it is replaced by the falling curve nearest to it (isotonic regression), so that a single lucky
    evaluation settles nothing. Between two evaluations it is a straight line.

    >>> round(settled(np.array([0, 1, 2, 3, 4, 5]), np.array([1, 0.2, 0.1, 0, 0, 0]), falls=True), 6)
    2.5
    """
    finite = np.isfinite(values)
    epochs, values = np.asarray(epochs, float)[finite], np.where(falls, values, -values)[finite]
    width = max(_LEAST_AT_END, round(_END_SHARE * len(values)))
    if len(values) < 2 * width:
        return float("nan")
    means = np.convolve(values, np.full(width, 1 / width), "valid")
    lowest = int(np.argmin(means))
    turns = means[-1] - means[lowest] > (1 - SETTLED) * (values[0] - means[lowest])
    last = lowest if turns else len(means) - 1
    fitted = isotonic_regression(values[: last + width], increasing=False).x
    target = fitted[0] - SETTLED * (fitted[0] - means[last])
    if not means[last] < fitted[0]:
        return float("nan")
    after = int(np.argmax(fitted <= target))
    step = (fitted[after - 1] - target) / (fitted[after - 1] - fitted[after])
    return float(epochs[after - 1] + step * (epochs[after] - epochs[after - 1]))


# --- 1: AVH settles early ------------------------------------------------------------------------------------


def settles_early(trainings: Sequence[TrainingCurves]) -> Finding:
    """Discovery 1. Of each finished training: the epochs by which mean AVH has made 95 % of its fall, accuracy of its
    rise and loss of its fall (`settled`). It holds in a training when AVH needs at most `CLEARLY` of the epochs of the
    earlier of the other two, and the 95 % interval of that ratio, over resampled parts of the samples, ends below 1.

    Holds when it does in every training that can be judged. Too little data: no evaluation before training, fewer than
    `LEAST_EVALUATIONS` evaluations or `LEAST_SAMPLES` samples, a training that is not finished, or one of the three
    curves whose way may be chance (the interval of its length reaches 0).
    """
    holding: dict[str, bool] = {}
    not_judged: list[NotJudged] = []
    figures: list[Figure] = []
    for training in trainings:
        reason = _not_judged(training, evaluations=len(training.epochs))
        if not reason and training.epochs[0] > 0:
            reason = NotJudged("no evaluation before training", name=training.name)
        if not reason and not training.complete:
            reason = NotJudged("not finished", name=training.name)
        settling = None if reason else _settling(training)
        if settling is None:
            not_judged.append(reason or NotJudged("no clear change", name=training.name))
            continue
        ratio = settling[-1]
        figures += settling
        holding[training.name] = ratio.value <= CLEARLY and ratio.high < 1
    return _over_trainings(1, holding, not_judged, figures)


def _settling(training: TrainingCurves) -> list[Figure] | None:
    """Epochs at which the three curves have settled, and AVH's share of the earlier other, last; None for no way."""
    at = {key: settled(training.epochs, training.mean(key), falls=down) for key, down in FALLS.items()}
    if not all(np.isfinite(epoch) for epoch in at.values()):
        return None
    rng = np.random.default_rng(0)
    parts = len(training.sizes)
    weights = rng.multinomial(parts, np.full(parts, 1 / parts), size=_RESAMPLES) * training.sizes
    weights = weights / weights.sum(axis=1, keepdims=True)
    drawn = {key: weights @ training.parts[key].T for key in FALLS}  # (resamples, T)
    for key, down in FALLS.items():
        end = min(len(training.epochs) - 1, int(np.searchsorted(training.epochs, at[key])))
        way = (drawn[key][:, 0] - drawn[key][:, end]) * (1 if down else -1)
        if np.quantile(way, 0.025) <= 0:
            return None
    epochs = {key: np.array([settled(training.epochs, row, falls=FALLS[key]) for row in drawn[key]]) for key in FALLS}
    ratios = epochs["avh"] / np.minimum(epochs["accuracy"], epochs["loss"])
    low, high = np.nanquantile(ratios, [0.025, 0.975])
    ratio = at["avh"] / min(at["accuracy"], at["loss"])
    settling = [Figure(f"{key} settled", at[key], name=training.name) for key in FALLS]
    return [*settling, Figure("settling ratio", ratio, float(low), float(high), training.name)]


# --- 2: better models, lower AVH -----------------------------------------------------------------------------


def lower_where_better(models: Sequence[Model], bin_index: np.ndarray, bin_labels: Sequence[str]) -> Finding:
    """Discovery 2. Models are compared two by two on the same samples (`bin_index` (n,), -1 for none), where one is
    clearly more accurate (the 95 % interval of the paired difference excludes 0), in every HSF bin of at least
    `LEAST_IN_BIN` samples.

    Holds when mean AVH of the more accurate one is lower in every bin of every such pair. Does not hold when it is
    clearly higher in one (the paired interval excludes 0, at 95 % over all comparisons together, Bonferroni). Else, and
    with fewer than two models, clear pairs or bins, too little data.
    """
    rows = [np.flatnonzero(bin_index == number) for number in range(len(bin_labels))]
    judged = [number for number in range(len(rows)) if len(rows[number]) >= LEAST_IN_BIN]
    order = sorted(models, key=lambda model: -model.accuracy)
    pairs = [(better, worse) for better, worse in combinations(order, 2) if _clearly_better(better, worse)]
    figures = [Figure("accuracy", model.accuracy, name=model.name) for model in order]
    for number in judged:
        figures += [_mean_avh(model, rows[number], bin_labels[number]) for model in order]
    missing = None
    if len(models) < 2:
        missing = NotJudged("few models", len(models))
    elif len(judged) < 2:
        missing = NotJudged("few bins", len(judged))
    elif not pairs:
        missing = NotJudged("no clear pair", len(models))
    if missing:
        return Finding(2, "too little data", figures, not_judged=[missing])
    count = len(pairs) * len(judged)
    reach = float(ndtri(1 - 0.025 / count))
    lower, against = 0, []
    for better, worse in pairs:
        for number in judged:
            difference, error = _paired(better.avh[rows[number]], worse.avh[rows[number]])
            lower += difference < 0
            if difference - reach * error > 0:
                against.append((better.name, worse.name, bin_labels[number]))
    figures += [Figure("comparisons", count), Figure("lower", lower), Figure("clearly higher", len(against))]
    if lower == count:
        return Finding(2, "holds", figures)
    if against:
        return Finding(2, "does not hold", figures, exception=against[0])
    return Finding(2, "too little data", figures)


def _mean_avh(model: Model, rows: np.ndarray, bin_label: str) -> Figure:
    values = model.avh[rows]
    finite = values[np.isfinite(values)]
    mean = float(finite.mean(dtype=np.float64)) if len(finite) else float("nan")
    return Figure("mean avh", mean, name=model.name, bin=bin_label)


def _clearly_better(better: Model, worse: Model) -> bool:
    difference, error = _paired(better.correct.astype(float), worse.correct.astype(float))
    return difference - _Z * error > 0


def _paired(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Mean difference of two measures of the same samples, and its standard error."""
    difference = (first - second)[np.isfinite(first) & np.isfinite(second)]
    if len(difference) < 2:
        return float("nan"), float("nan")
    return float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference)))


# --- 3: the norm keeps increasing ----------------------------------------------------------------------------


def norm_increases(trainings: Sequence[TrainingCurves]) -> Finding:
    """Discovery 3. Of each training, from `WARM_UP` of its epochs on: Spearman of mean norm with the epoch, over
    evaluations, and the share of samples whose norm is larger at the last than at the first, with Wilson's 95 %
    interval. It holds in a training when the correlation is at least `INCREASING` and the share's interval lies above
    one half.

    Holds when it does in every training that can be judged. Too little data: fewer than `LEAST_EVALUATIONS` evaluations
    after the warm-up, or than `LEAST_SAMPLES` samples.
    """
    holding: dict[str, bool] = {}
    not_judged: list[NotJudged] = []
    figures: list[Figure] = []
    for training in trainings:
        after = training.epochs >= WARM_UP * training.planned
        if reason := _not_judged(training, evaluations=int(after.sum()), after_warm_up=True):
            not_judged.append(reason)
            continue
        rho = spearman(standard_ranks(training.mean("norm")[after]), standard_ranks(training.epochs[after]))
        rises = training.norm_change > 0
        rising, (low, high) = float(np.mean(rises)), map(float, wilson(rises.sum(), len(rises)))
        figures += [
            Figure("norm trend", rho, name=training.name),
            Figure("norm rises", rising, low, high, training.name),
        ]
        holding[training.name] = rho >= INCREASING and low > 0.5
    return _over_trainings(3, holding, not_judged, figures)


# --- 4 and 5: AVH and norm beside HSF ------------------------------------------------------------------------


def avh_follows_hsf(models: Sequence[Model], hsf: np.ndarray) -> Finding:
    """Discovery 4. Spearman of AVH with HSF (n,) of each model. Holds when the 95 % interval of every model lies below
    0: AVH falls as HSF rises. Too little data with fewer than two models or `LEAST_SAMPLES` samples with HSF.
    """
    figures = _with_hsf(models, "avh", hsf)
    if missing := _too_few(figures, hsf):
        return Finding(4, "too little data", figures, not_judged=[missing])
    return Finding(4, "holds" if all(one.high < 0 for one in figures) else "does not hold", figures)


def norm_is_inconsistent(models: Sequence[Model], hsf: np.ndarray) -> Finding:
    """Discovery 5. Spearman of the norm with HSF of each model. It is consistent, and the discovery does not hold, when
    the 95 % intervals of all models lie on the same side of 0; else it holds: the signs differ, or a model has none.
    Too little data as in discovery 4.
    """
    figures = _with_hsf(models, "norm", hsf)
    if missing := _too_few(figures, hsf):
        return Finding(5, "too little data", figures, not_judged=[missing])
    consistent = all(one.low > 0 for one in figures) or all(one.high < 0 for one in figures)
    return Finding(5, "does not hold" if consistent else "holds", figures)


def hsf_columns(model: Model, hsf: np.ndarray) -> dict[str, float]:
    """Spearman of AVH and of the norm with HSF (n,): `n`, and by key `KEY_spearman, KEY_low, KEY_high`."""
    columns: dict[str, float] = {}
    for key in ("avh", "norm"):
        one = _spearman(model, key, hsf)
        columns |= {"n": one.n, f"{key}_spearman": one.value, f"{key}_low": one.low, f"{key}_high": one.high}
    return columns


def _with_hsf(models: Sequence[Model], key: str, hsf: np.ndarray) -> list[Figure]:
    """Spearman with HSF of each model with enough samples."""
    figures = [_spearman(model, key, hsf) for model in models]
    return [one for one in figures if one.n >= LEAST_SAMPLES and np.isfinite(one.low)]


def _spearman(model: Model, key: str, hsf: np.ndarray) -> Figure:
    row = correlate({key: getattr(model, key)}, hsf).iloc[0]
    ends = float(row["ci_low"]), float(row["ci_high"])
    return Figure("spearman", float(row["spearman"]), *ends, name=model.name, n=int(row["n"]))


def _too_few(figures: Sequence[Figure], hsf: np.ndarray) -> NotJudged | None:
    if (voted := int(np.isfinite(hsf).sum())) < LEAST_SAMPLES:
        return NotJudged("few votes", voted)
    return NotJudged("few models", len(figures)) if len(figures) < 2 else None


# --- what they share -----------------------------------------------------------------------------------------


def _not_judged(training: TrainingCurves, *, evaluations: int, after_warm_up: bool = False) -> NotJudged | None:
    """Why a training cannot be judged; None where it can."""
    if training.samples < LEAST_SAMPLES:
        return NotJudged("few samples", training.samples, training.name)
    if evaluations < LEAST_EVALUATIONS:
        reason: Reason = "few evaluations after the warm-up" if after_warm_up else "few evaluations"
        return NotJudged(reason, evaluations, training.name)
    return None


def _over_trainings(
    discovery: int, holding: Mapping[str, bool], not_judged: Sequence[NotJudged], figures: Sequence[Figure]
) -> Finding:
    """Holds when it does in every training judged, else not."""
    verdict: Verdict = "too little data" if not holding else "holds" if all(holding.values()) else "does not hold"
    return Finding(discovery, verdict, figures, holding, not_judged)
