"""Discoveries 2, 4 and 5 of Chen et al. (2020), of models on the same samples: AVH and norm beside accuracy and HSF.

The function of each states its rule. A model counts once, whatever made it; intervals (95 %) account for the chance of
samples. None "holds" or fails for want of data: what no interval or test decides is "too little data".
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.special import ndtri

from avhcurate.stats.correlation import correlate
from avhcurate.stats.correlation_tests import compare
from avhcurate.stats.multiple_testing import holm
from avhcurate.training_dynamics.findings import LEAST_SAMPLES, Figure, Finding, Model, NotJudged

#: Fewer samples in an HSF bin do not suffice.
LEAST_IN_BIN = 30

_Z = float(ndtri(0.975))
#: How rarely a test may find a difference that is none.
_LEVEL = 0.05


# --- 2: better models, lower AVH -----------------------------------------------------------------------------


def lower_where_better(models: Sequence[Model], bin_index: np.ndarray, bin_labels: Sequence[str]) -> Finding:
    """Discovery 2. Models are compared two by two on the same samples (`bin_index` (n,), -1 for none), where one is
    clearly more accurate (the 95 % interval of the paired difference excludes 0), in every HSF bin of at least
    `LEAST_IN_BIN` samples.

    Holds when mean AVH of the more accurate one is clearly lower in every bin of every such pair (each paired interval
    lies below 0). Does not hold when it is clearly higher in one (the interval lies above 0, at 95 % over all
    comparisons together, Bonferroni). Else, and with fewer than two models, clear pairs or bins, too little data.
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
    reach = float(ndtri(1 - _LEVEL / 2 / count))
    lower, against = 0, []
    for better, worse in pairs:
        for number in judged:
            difference, error = _paired(better.avh[rows[number]], worse.avh[rows[number]])
            lower += difference + _Z * error < 0
            if difference - reach * error > 0:
                against.append((better.name, worse.name, bin_labels[number]))
    figures += [Figure("comparisons", count), Figure("clearly lower", lower), Figure("clearly higher", len(against))]
    if against:
        return Finding(2, "does not hold", figures, exception=against[0])
    return Finding(2, "holds" if lower == count else "too little data", figures)


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


# --- 4 and 5: AVH and norm beside HSF ------------------------------------------------------------------------


def avh_follows_hsf(models: Sequence[Model], hsf: np.ndarray) -> Finding:
    """Discovery 4. Spearman of AVH with HSF (n,) of each model. Holds when the 95 % interval of every model lies below
    0: AVH falls as HSF rises. Does not hold when that of one lies above 0, at 95 % over all models together
    (Bonferroni), or when one reaches 0 and its model differs clearly from one whose interval lies below: the paired
    test of `stats.correlation_tests`, Holm over all pairs. Else too little data, as with fewer than two models or
    `LEAST_SAMPLES` samples with HSF.
    """
    figures = _with_hsf(models, "avh", hsf)
    if missing := _too_few(figures, hsf):
        return Finding(4, "too little data", figures, not_judged=[missing])
    follows = {one.name: one.high < 0 for one in figures}
    if all(follows.values()):
        return Finding(4, "holds", figures)
    apart = _clearly_apart(models, "avh", hsf, list(follows))
    refuted = any(follows[first] != follows[second] for first, second in apart)
    refuted |= any(_lower_end(one, of=len(figures)) > 0 for one in figures)
    return Finding(4, "does not hold" if refuted else "too little data", figures)


def norm_is_inconsistent(models: Sequence[Model], hsf: np.ndarray) -> Finding:
    """Discovery 5. Spearman of the norm with HSF of each model. It is consistent, and the discovery does not hold, when
    the 95 % intervals of all models lie on the same side of 0. It holds when they do not and two models differ clearly
    (tested as in discovery 4), as two do whose intervals lie on opposite sides. Else too little data, and as there.
    """
    figures = _with_hsf(models, "norm", hsf)
    if missing := _too_few(figures, hsf):
        return Finding(5, "too little data", figures, not_judged=[missing])
    if all(one.low > 0 for one in figures) or all(one.high < 0 for one in figures):
        return Finding(5, "does not hold", figures)
    apart = _clearly_apart(models, "norm", hsf, [one.name for one in figures])
    return Finding(5, "holds" if apart else "too little data", figures)


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


def _clearly_apart(models: Sequence[Model], key: str, hsf: np.ndarray, names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of these models whose correlations with HSF differ, at 95 % over all pairs together."""
    values = {model.name: getattr(model, key) for model in models if model.name in names}
    pairs = compare(values, hsf, harder=dict.fromkeys(values, "low"))
    clear = pairs[holm(pairs["p_value"]) <= _LEVEL]
    return list(zip(clear["first"], clear["second"], strict=True))


def _lower_end(one: Figure, *, of: int) -> float:
    """Lower end of the interval of a correlation, at 95 % over so many together."""
    error = (np.arctanh(one.high) - np.arctanh(one.low)) / (2 * _Z)
    return float(np.tanh(np.arctanh(one.value) - ndtri(1 - _LEVEL / 2 / of) * error))
