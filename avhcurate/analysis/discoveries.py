"""The paper's five discoveries about AVH in training, each read against the trainings and models at hand.

A rule says `holds`, `does not hold` or `too little data`, with a sentence and the figures behind it. Each rule is
written out in the function that applies it, its limits are the constants below. The chance of samples enters through
intervals (95 %), that of epochs, the ups and downs of a curve from look to look, through smoothing and ranks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import ndtri
from scipy.stats import binomtest

from avhcurate.analysis.correlation import correlate
from avhcurate.analysis.ranks import spearman, standard_ranks

Verdict = Literal["holds", "does not hold", "too little data"]

#: Share of its way after which a curve counts as settled.
SETTLED = 0.95
#: AVH settles clearly earlier when it needs at most this share of the epochs that accuracy and loss need.
CLEARLY = 0.8
#: Share of the planned epochs after which the norm's trend is read: before, the norm fluctuates.
WARM_UP = 0.1
#: Rank correlation of mean norm and epoch from which on the norm counts as increasing.
INCREASING = 0.8
#: Fewer looks (after the warm-up for the norm) or samples do not suffice; nor do fewer samples in an HSF bin.
LEAST_LOOKS = 6
LEAST_SAMPLES = 100
LEAST_IN_BIN = 30

#: Share of the looks over whose mean the end of a curve is taken, and at least so many looks.
_END_SHARE, _END_LOOKS = 0.2, 3
_RESAMPLES = 200
_Z = float(ndtri(0.975))


@dataclass(frozen=True)
class Reading:
    """What the data at hand say of one discovery. `figures` are numbers by what they are."""

    discovery: int
    title: str
    verdict: Verdict
    sentence: str
    figures: dict[str, float]


@dataclass(frozen=True)
class Course:
    """One training: curves over its looks at `epochs` (T,), 0 before training, as means over parts of the samples.

    `parts` holds for `avh`, `accuracy`, `loss` and `norm` (T, G) means over random parts, `sizes` (G,) the samples of
    each, so that resampled parts tell how far chance moves a curve. `planned`: epochs that were to run. `norm_change`:
    of each sample (n,), norm at the last look minus norm at the first one after the warm-up.
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

    Its way ends at its mean over the last fifth of the looks (three at least). A curve that turns, as a loss does that
    rises again, is read to its lowest fifth: it turns when its last fifth lies higher by more than 5 % of the way. Up
    to there it is replaced by the falling curve nearest to it (isotonic regression), so that a single lucky look
    settles nothing. Between two looks it is a straight line.

    >>> round(settled(np.array([0, 1, 2, 3, 4, 5]), np.array([1, 0.2, 0.1, 0, 0, 0]), falls=True), 6)
    2.5
    """
    known = np.isfinite(values)
    epochs, values = np.asarray(epochs, float)[known], np.where(falls, values, -values)[known]
    width = max(_END_LOOKS, round(_END_SHARE * len(values)))
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

_TITLES = {
    1: "AVH settles early, while accuracy and loss still improve",
    2: "Better models have lower AVH in every HSF bin",
    3: "The norm keeps increasing",
    4: "AVH follows HSF in every model",
    5: "The norm does not follow HSF consistently",
}


def settles_early(courses: Sequence[Course]) -> Reading:
    """Discovery 1. Of each finished training: the epochs by which mean AVH has made 95 % of its fall, accuracy of its
    rise and loss of its fall (`settled`). It holds in a training when AVH needs at most `CLEARLY` of the epochs of the
    earlier of the other two, and the 95 % interval of that ratio, over resampled parts of the samples, ends below 1.

    Holds when it does in every training that can be judged. Too little data: no look before training, fewer than
    `LEAST_LOOKS` looks or `LEAST_SAMPLES` samples, a training that is not finished, or one of the three curves whose
    way may be chance (the interval of its length reaches 0).
    """
    told: dict[str, tuple[bool, str]] = {}
    reasons: list[str] = []
    figures: dict[str, float] = {}
    for course in courses:
        if reason := _not_judged(course) or ("" if course.complete else "the training is not finished"):
            reasons.append(f"{course.name}: {reason}")
            continue
        found = _settling(course)
        if found is None:
            reasons.append(f"{course.name}: AVH, accuracy or loss does not clearly move")
            continue
        at, ratio, low, high = found
        for key, what in (("avh", "AVH"), ("accuracy", "accuracy"), ("loss", "loss")):
            figures[f"{course.name}: {what} settled by epoch"] = at[key]
        figures |= _interval(f"{course.name}: AVH's epochs over those of the earlier other", ratio, low, high)
        text = f"AVH has settled by epoch {at['avh']:.3g}, accuracy by {at['accuracy']:.3g}, loss by {at['loss']:.3g}"
        told[course.name] = ratio <= CLEARLY and high < 1, text
    claims = "AVH settles clearly earlier than accuracy and loss", "AVH does not settle clearly earlier than both"
    return _over_trainings(1, told, reasons, figures, *claims)


def _settling(course: Course) -> tuple[dict[str, float], float, float, float] | None:
    """Epochs at which the three curves have settled, AVH's share of the earlier other, and its interval."""
    falls = {"avh": True, "accuracy": False, "loss": True}
    at = {key: settled(course.epochs, course.mean(key), falls=down) for key, down in falls.items()}
    if not all(np.isfinite(epoch) for epoch in at.values()):
        return None
    rng = np.random.default_rng(0)
    parts = len(course.sizes)
    weights = rng.multinomial(parts, np.full(parts, 1 / parts), size=_RESAMPLES) * course.sizes
    weights = weights / weights.sum(axis=1, keepdims=True)
    drawn = {key: weights @ course.parts[key].T for key in falls}  # (resamples, T)
    for key, down in falls.items():
        end = min(len(course.epochs) - 1, int(np.searchsorted(course.epochs, at[key])))
        way = (drawn[key][:, 0] - drawn[key][:, end]) * (1 if down else -1)
        if np.quantile(way, 0.025) <= 0:
            return None
    epochs = {key: np.array([settled(course.epochs, row, falls=falls[key]) for row in drawn[key]]) for key in falls}
    ratios = epochs["avh"] / np.minimum(epochs["accuracy"], epochs["loss"])
    low, high = np.nanquantile(ratios, [0.025, 0.975])
    return at, at["avh"] / min(at["accuracy"], at["loss"]), float(low), float(high)


# --- 2: better models, lower AVH -----------------------------------------------------------------------------


def lower_where_better(models: Sequence[Model], bin_index: np.ndarray, bin_labels: Sequence[str]) -> Reading:
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
    figures = {f"{model.name}: accuracy": model.accuracy for model in order}
    for number in judged:
        within, place = rows[number], bin_labels[number]
        figures |= {f"{model.name}: mean AVH in {place}": _mean(model.avh[within]) for model in order}
    if len(models) < 2:
        return _too_little(2, f"It compares models on the same samples, and there is {len(models)}.", figures)
    if len(judged) < 2:
        return _too_little(2, f"Fewer than two HSF bins hold {LEAST_IN_BIN} samples.", figures)
    if not pairs:
        return _too_little(2, f"No two of the {len(models)} models differ clearly in accuracy.", figures)
    reach = float(ndtri(1 - 0.025 / (len(pairs) * len(judged))))
    lower, against = 0, []
    for better, worse in pairs:
        for number in judged:
            difference, error = _paired(better.avh[rows[number]], worse.avh[rows[number]])
            lower += difference < 0
            if difference - reach * error > 0:
                against.append(f"{better.name} against {worse.name} in {bin_labels[number]}")
    count = len(pairs) * len(judged)
    figures |= {"comparisons": count, "lower AVH in the better": lower, "clearly higher": len(against)}
    said = f"In {lower} of {count} comparisons ({_number(len(pairs), 'pair')} of models, {len(judged)} HSF bins)"
    sentence = f"{said} the more accurate model has the lower mean AVH."
    if lower == count:
        return Reading(2, _TITLES[2], "holds", sentence, figures)
    if against:
        worst = f" It is clearly higher in {len(against)}, such as {against[0]}."
        return Reading(2, _TITLES[2], "does not hold", sentence + worst, figures)
    return _too_little(2, f"{sentence} In none is it clearly higher.", figures)


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


def norm_increases(courses: Sequence[Course]) -> Reading:
    """Discovery 3. Of each training, from `WARM_UP` of its epochs on: Spearman of mean norm with the epoch, over looks,
    and the share of samples whose norm is larger at the last look than at the first, with Wilson's 95 % interval. It
    holds in a training when the correlation is at least `INCREASING` and the share's interval lies above one half.

    Holds when it does in every training that can be judged. Too little data: fewer than `LEAST_LOOKS` looks after the
    warm-up, or than `LEAST_SAMPLES` samples.
    """
    told: dict[str, tuple[bool, str]] = {}
    reasons: list[str] = []
    figures: dict[str, float] = {}
    for course in courses:
        after = course.epochs >= WARM_UP * course.planned
        if reason := _not_judged(course, looks=int(after.sum()), before=False):
            reasons.append(f"{course.name}: {reason}")
            continue
        rho = spearman(standard_ranks(course.mean("norm")[after]), standard_ranks(course.epochs[after]))
        rising, ends = float(np.mean(course.norm_change > 0)), _wilson(course.norm_change > 0)
        figures[f"{course.name}: Spearman of mean norm with the epoch"] = rho
        figures |= _interval(f"{course.name}: share of samples whose norm rises", rising, *ends)
        text = f"Spearman {_signed(rho)} with the epoch, the norm of {100 * rising:.0f} % of the samples rises"
        told[course.name] = rho >= INCREASING and ends[0] > 0.5, text
    claims = "The mean norm keeps increasing", "The mean norm does not keep increasing"
    return _over_trainings(3, told, reasons, figures, *claims)


def _wilson(hits: np.ndarray) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


# --- 4 and 5: AVH and norm beside HSF ------------------------------------------------------------------------


def avh_follows_hsf(models: Sequence[Model], hsf: np.ndarray) -> Reading:
    """Discovery 4. Spearman of AVH with HSF (n,) of each model. Holds when the 95 % interval of every model lies below
    0: AVH falls as HSF rises. Too little data with fewer than two models or `LEAST_SAMPLES` samples with HSF.
    """
    found, figures = _with_hsf(models, "avh", hsf)
    if reason := _too_few(found, hsf):
        return _too_little(4, reason, figures)
    below = sum(high < 0 for _, _, high in found.values())
    low, high = min(rho for rho, _, _ in found.values()), max(rho for rho, _, _ in found.values())
    sentence = (
        f"AVH falls as HSF rises in {below} of {len(found)} models: Spearman {_signed(low)} to {_signed(high)}"
        f"{'' if below == len(found) else '; in the others the interval reaches 0 or lies above'}."
    )
    return Reading(4, _TITLES[4], "holds" if below == len(found) else "does not hold", sentence, figures)


def norm_is_inconsistent(models: Sequence[Model], hsf: np.ndarray) -> Reading:
    """Discovery 5. Spearman of the norm with HSF of each model. It is consistent, and the discovery does not hold, when
    the 95 % intervals of all models lie on the same side of 0; else it holds: the signs differ, or a model has none.
    Too little data as in discovery 4.
    """
    found, figures = _with_hsf(models, "norm", hsf)
    if reason := _too_few(found, hsf):
        return _too_little(5, reason, figures)
    above = sum(low > 0 for _, low, _ in found.values())
    below = sum(high < 0 for _, _, high in found.values())
    neither = len(found) - above - below
    low, high = min(rho for rho, _, _ in found.values()), max(rho for rho, _, _ in found.values())
    sentence = (
        f"The norm rises with HSF in {above} of {len(found)} models, falls in {below}, and does neither clearly in "
        f"{neither}: Spearman {_signed(low)} to {_signed(high)}."
    )
    consistent = len(found) in (above, below)
    return Reading(5, _TITLES[5], "does not hold" if consistent else "holds", sentence, figures)


def _with_hsf(
    models: Sequence[Model], key: str, hsf: np.ndarray
) -> tuple[dict[str, tuple[float, float, float]], dict[str, float]]:
    """Spearman with HSF and its interval by model, for those with enough samples, and the figures."""
    found: dict[str, tuple[float, float, float]] = {}
    figures: dict[str, float] = {}
    for model in models:
        row = correlate({key: getattr(model, key)}, hsf).iloc[0]
        if row["n"] >= LEAST_SAMPLES and np.isfinite(row["ci_low"]):
            found[model.name] = (float(row["spearman"]), float(row["ci_low"]), float(row["ci_high"]))
            figures |= _interval(f"{model.name}: Spearman, n {int(row['n']):,}", *found[model.name])
    return found, figures


def _too_few(found: Mapping[str, object], hsf: np.ndarray) -> str:
    if (voted := int(np.isfinite(hsf).sum())) < LEAST_SAMPLES:
        return f"It needs {LEAST_SAMPLES} samples with human votes, and there are {voted:,}."
    return "" if len(found) >= 2 else f"It compares models, and there is {len(found)}."


# --- what they share -----------------------------------------------------------------------------------------


def _not_judged(course: Course, *, looks: int | None = None, before: bool = True) -> str:
    """Why a training cannot be judged; "" where it can."""
    looks = len(course.epochs) if looks is None else looks
    if course.samples < LEAST_SAMPLES:
        return f"{course.samples} samples, {LEAST_SAMPLES} are needed"
    if looks < LEAST_LOOKS:
        return f"{_number(looks, 'look')}{'' if before else ' after the warm-up'}, {LEAST_LOOKS} are needed"
    return "no look before training" if before and course.epochs[0] > 0 else ""


def _over_trainings(
    discovery: int,
    told: Mapping[str, tuple[bool, str]],
    reasons: Sequence[str],
    figures: dict[str, float],
    claim: str,
    denial: str,
) -> Reading:
    """Holds when it does in every training judged (`told`: by name, whether it does and the evidence); else not."""
    left = "; ".join(reasons)
    if not told:
        return _too_little(discovery, f"No training can be read: {left}." if left else "There is no training.", figures)
    holding = sum(holds for holds, _ in told.values())
    if len(told) == 1:
        evidence = next(text for _, text in told.values())
        said = claim if holding else denial
    else:
        evidence = "; ".join(f"{name}: {text}" for name, (_, text) in told.items())
        said = f"{claim} in {holding} of {len(told)} trainings"
    sentence = f"{said}: {evidence}.{f' Not read: {left}.' if left else ''}"
    verdict: Verdict = "holds" if holding == len(told) else "does not hold"
    return Reading(discovery, _TITLES[discovery], verdict, sentence, figures)


def _too_little(discovery: int, sentence: str, figures: dict[str, float]) -> Reading:
    return Reading(discovery, _TITLES[discovery], "too little data", sentence, figures)


def _interval(name: str, value: float, low: float, high: float) -> dict[str, float]:
    return {name: float(value), f"{name}, low": float(low), f"{name}, high": float(high)}


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=np.float64)) if len(known) else float("nan")


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
