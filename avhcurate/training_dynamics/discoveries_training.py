"""Discoveries 1 and 3 of Chen et al. (2020), of the curves of a training: AVH settles early, the norm keeps increasing.

The function of each states its rule. A training that is alone is judged by its own 95 % intervals, of two it must hold
in both; from three on the trainings are the units: each counts once, and the intervals are Student's over them.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import stats

from avhcurate.stats.correlation import fisher_interval
from avhcurate.stats.intervals import mean_over_seeds, wilson
from avhcurate.stats.ranks import spearman, standard_ranks
from avhcurate.training_dynamics.findings import (
    LEAST_EVALUATIONS,
    LEAST_SAMPLES,
    Figure,
    Finding,
    NotJudged,
    Reason,
    TrainingCurves,
    Verdict,
)
from avhcurate.training_dynamics.settling import FALLS, Way, way

#: Accuracy or loss still improves where more than this share of its way is left, of which AVH has 5 % left by then.
STILL = 0.1
#: Share of the planned epochs after which the norm's trend is read: before, the norm fluctuates.
WARM_UP = 0.1
#: Rank correlation of mean norm and epoch from which on the norm counts as increasing.
INCREASING = 0.8
#: From so many trainings on they are the units.
UNITS = 3

_RESAMPLES = 200

#: Of one training: its figures by quantity, or why it is not judged; and what a verdict makes of such figures.
_Judge = Callable[[TrainingCurves], "Mapping[str, Figure] | NotJudged"]
_Rule = Callable[[Mapping[str, Figure]], Verdict]


# --- 1: AVH settles early ------------------------------------------------------------------------------------


def settles_early(trainings: Sequence[TrainingCurves]) -> Finding:
    """Discovery 1: AVH settles while accuracy or loss still improves. Of each finished training, the epoch by which
    mean AVH has made 95 % of its fall (`settling.way`), and the share of their own way from before the training to its
    end that accuracy and loss still have left then, which no scale enters.

    Holds where the 95 % interval of one of the two shares lies above `STILL`, does not hold where both lie below.
    The interval covers the chance of samples (random parts of them, drawn again, the same for all three curves) and of
    epochs (the curves' ups and downs about their falling fit, with random signs, the same for all three).

    Too little data: an interval that reaches `STILL`; no evaluation before training, fewer than `LEAST_EVALUATIONS`
    evaluations or `LEAST_SAMPLES` samples, a training that is not finished, or one of the three curves whose way may be
    chance (the interval of its length reaches 0).
    """
    return _over_trainings(1, trainings, _left_when_settled, _still_improves)


def _left_when_settled(training: TrainingCurves) -> Mapping[str, Figure] | NotJudged:
    if reason := _too_short(training, evaluations=len(training.epochs)):
        return reason
    if training.epochs[0] > 0:
        return NotJudged("no evaluation before training", name=training.name)
    if not training.complete:
        return NotJudged("not finished", name=training.name)
    unclear = NotJudged("no clear change", name=training.name)
    found = {key: way(training.epochs, training.mean(key), falls=down) for key, down in FALLS.items()}
    ways = {key: one for key, one in found.items() if one is not None}
    if len(ways) < len(FALLS):
        return unclear
    shaken = _shaken(training, ways)
    for key, down in FALLS.items():
        made = shaken[key][:, 0] - shaken[key][:, len(ways[key].epochs) - 1]
        if np.quantile(made if down else -made, 0.025) <= 0:
            return unclear
    drawn = []
    for draw in range(_RESAMPLES):
        again = {key: way(training.epochs, shaken[key][draw], falls=down) for key, down in FALLS.items()}
        if all(again.values()):
            drawn.append(list(_left({key: one for key, one in again.items() if one is not None}).values()))
    if not drawn:
        return unclear
    ends = np.quantile(drawn, [0.025, 0.975], axis=0).T
    return {
        key: Figure(key, value, float(low), float(high), training.name)
        for (key, value), (low, high) in zip(_left(ways).items(), ends, strict=True)
    }


def _left(ways: Mapping[str, Way]) -> dict[str, float]:
    """When AVH has settled, and what accuracy and loss have left then."""
    at = ways["avh"].settled()
    return {"avh settled": at, "accuracy left": ways["accuracy"].left(at), "loss left": ways["loss"].left(at)}


def _shaken(training: TrainingCurves, ways: Mapping[str, Way]) -> dict[str, np.ndarray]:
    """The three curves as they might have come out too, (resamples, T) each."""
    rng = np.random.default_rng(0)
    parts, evaluations = len(training.sizes), len(training.epochs)
    weights = rng.multinomial(parts, np.full(parts, 1 / parts), size=_RESAMPLES) * training.sizes
    weights = weights / weights.sum(axis=1, keepdims=True)
    signs = rng.choice([-1.0, 1.0], size=(_RESAMPLES, evaluations))
    curves = {}
    for key, found in ways.items():
        mean = training.mean(key)
        fitted = mean.copy()  # what follows a turn has no fit
        fitted[: len(found.fitted)] = found.fitted if FALLS[key] else -found.fitted
        curves[key] = fitted + signs * (mean - fitted) + (weights @ training.parts[key].T - mean)
    return curves


def _still_improves(figures: Mapping[str, Figure]) -> Verdict:
    both = figures["accuracy left"], figures["loss left"]
    if any(one.low > STILL for one in both):
        return "holds"
    return "does not hold" if all(one.high < STILL for one in both) else "too little data"


# --- 3: the norm keeps increasing ----------------------------------------------------------------------------


def norm_increases(trainings: Sequence[TrainingCurves]) -> Finding:
    """Discovery 3. Of each training, from `WARM_UP` of its epochs on: growth an epoch of the mean norm, as a share of
    what it was then, with an interval that holds for a random walk with a direction (Student's t over the steps between
    evaluations); Spearman of mean norm with the epoch; and the share of samples whose norm is larger at the last
    evaluation than at the first, with Wilson's interval.

    Holds where the interval of the growth lies above 0 and that of the share above one half, and the correlation is at
    least `INCREASING`. Does not hold where that interval lies below 0 or one half, or the correlation's below
    `INCREASING`. Too little data: else, and with fewer than `LEAST_EVALUATIONS` evaluations after the warm-up, or than
    `LEAST_SAMPLES` samples.
    """
    return _over_trainings(3, trainings, _growth_of_norm, _keeps_increasing)


def _growth_of_norm(training: TrainingCurves) -> Mapping[str, Figure] | NotJudged:
    after = training.epochs >= WARM_UP * training.planned
    if reason := _too_short(training, evaluations=int(after.sum()), after_warm_up=True):
        return reason
    epochs, norms, name = training.epochs[after], training.mean("norm")[after], training.name
    trend = float(spearman(standard_ranks(norms), standard_ranks(epochs)))
    rises = training.norm_change > 0
    low, high = map(float, wilson(rises.sum(), len(rises)))
    ends = (trend, trend) if abs(trend) == 1 else fisher_interval(trend, len(epochs))
    return {
        "norm growth": Figure("norm growth", *_drift(epochs, norms / norms[0]), name),
        "norm trend": Figure("norm trend", trend, *ends, name),
        "norm rises": Figure("norm rises", float(np.mean(rises)), low, high, name),
    }


def _drift(times: np.ndarray, values: np.ndarray) -> tuple[float, float, float]:
    """Growth a unit of time of a walk whose steps vary in proportion to the time that they take; its 95 % interval."""
    gaps, steps = np.diff(times), np.diff(values)
    growth = float(steps.sum() / gaps.sum())
    variance = np.sum((steps - growth * gaps) ** 2 / gaps) / (len(steps) - 1)
    reach = float(stats.t.ppf(0.975, len(steps) - 1) * np.sqrt(variance / gaps.sum()))
    return growth, growth - reach, growth + reach


def _keeps_increasing(figures: Mapping[str, Figure]) -> Verdict:
    growth, trend, rises = figures["norm growth"], figures["norm trend"], figures["norm rises"]
    if growth.low > 0 and rises.low > 0.5 and trend.value >= INCREASING:
        return "holds"
    refuted = growth.high < 0 or rises.high < 0.5 or trend.high < INCREASING
    return "does not hold" if refuted else "too little data"


# --- what they share -----------------------------------------------------------------------------------------


def _too_short(training: TrainingCurves, *, evaluations: int, after_warm_up: bool = False) -> NotJudged | None:
    """Why a training cannot be judged; None where it can."""
    if training.samples < LEAST_SAMPLES:
        return NotJudged("few samples", training.samples, training.name)
    if evaluations < LEAST_EVALUATIONS:
        reason: Reason = "few evaluations after the warm-up" if after_warm_up else "few evaluations"
        return NotJudged(reason, evaluations, training.name)
    return None


def _over_trainings(discovery: int, trainings: Sequence[TrainingCurves], judge: _Judge, rule: _Rule) -> Finding:
    """The verdict on each training, and on all of them together."""
    judged = {training.name: judge(training.known()) for training in trainings}
    not_judged = [one for one in judged.values() if isinstance(one, NotJudged)]
    figures = {name: one for name, one in judged.items() if not isinstance(one, NotJudged)}
    verdicts = {name: rule(of_training) for name, of_training in figures.items()}
    shown = [one for of_training in figures.values() for one in of_training.values()]
    if len(figures) < UNITS:
        return Finding(discovery, _in_all(list(verdicts.values())), shown, verdicts, not_judged)
    first = next(iter(figures.values()))
    together = {quantity: _mean([each[quantity] for each in figures.values()]) for quantity in first}
    return Finding(discovery, rule(together), [*together.values(), *shown], verdicts, not_judged)


def _in_all(verdicts: Sequence[Verdict]) -> Verdict:
    if "does not hold" in verdicts:
        return "does not hold"
    return "holds" if verdicts and set(verdicts) == {"holds"} else "too little data"


def _mean(figures: Sequence[Figure]) -> Figure:
    """Over trainings, with Student's interval."""
    n, value, low, high, _ = mean_over_seeds([one.value for one in figures])
    return Figure(figures[0].quantity, value, low, high, n=n)
