"""Two discoveries of Chen et al. (2020) on models that saw the same samples, and the rule by which one is judged.

One rule for all: a discovery is a claim about one number of each training, model or comparison. It holds when the 95 %
interval of every number lies on the claimed side. It does not hold when one lies on the other side, at 95 % over all of
them together (Bonferroni). Else, and without enough data, there is too little data.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from avhcurate.features.compare.findings import LEAST_SAMPLES, Figure, Finding, Model, Verdict
from avhcurate.measures.stats.correlation import correlate

#: Half of a 95 % interval in standard errors.
Z = float(stats.norm.ppf(0.975))
_TWO_MODELS = f"It needs two models on the same {LEAST_SAMPLES} samples with human votes."


def verdict_of(figures: Sequence[Figure], *, above: float) -> Verdict:
    """Return the verdict on the claim that every number lies above a limit.

    >>> verdict_of([Figure("a", 2.0, 1.0, 3.0), Figure("b", 0.5, -1.0, 2.0)], above=0)
    'too little data'
    """
    if not figures:
        return "too little data"
    if all(one.low > above for one in figures):
        return "holds"
    reach = float(stats.norm.ppf(1 - 0.025 / len(figures))) / Z
    if any(one.value + reach * (one.high - one.value) < above for one in figures):
        return "does not hold"
    return "too little data"


def _negated(figures: Sequence[Figure]) -> list[Figure]:
    return [one._replace(value=-one.value, low=-one.high, high=-one.low) for one in figures]


def finding_of(
    discovery: int, figures: Sequence[Figure], missing: str, *, above: float = 0.0, falls: bool = False
) -> Finding:
    """Test the claim that every number lies above a limit or, if it `falls`, below 0; `missing` is for no numbers."""
    claim = figures
    if falls:
        claim = _negated(figures)
    if figures:
        missing = ""
    return Finding(discovery, verdict_of(claim, above=above), figures, missing)


def avh_follows_hsf(models: Sequence[Model], hsf: np.ndarray) -> Finding:
    """Discovery 4: AVH falls as HSF (n,) rises in every model, by Spearman."""
    return finding_of(4, _with_hsf(models, "avh", hsf), _TWO_MODELS, falls=True)


def norm_is_inconsistent(models: Sequence[Model], hsf: np.ndarray) -> Finding:
    """Discovery 5: the norm does not follow HSF alike in all models, by Spearman.

    The claim is the opposite of a consistent direction: it does not hold when all intervals lie on one side of 0, and
    holds when the intervals of two models do not overlap.
    """
    figures = _with_hsf(models, "norm", hsf)
    finding = finding_of(5, figures, _TWO_MODELS)
    if "holds" in (finding.verdict, verdict_of(_negated(figures), above=0)):
        return replace(finding, verdict="does not hold")
    if figures and max(one.low for one in figures) > min(one.high for one in figures):
        return replace(finding, verdict="holds")
    return replace(finding, verdict="too little data")


def _with_hsf(models: Sequence[Model], key: str, hsf: np.ndarray) -> list[Figure]:
    """Return Spearman of each model that has enough samples; nothing for fewer than two."""
    if len(models) < 2:
        return []
    rows = [correlate({key: getattr(model, key)}, hsf).iloc[0] for model in models]
    figures = [
        Figure(model.name, float(row["spearman"]), float(row["ci_low"]), float(row["ci_high"]), int(row["n"]))
        for model, row in zip(models, rows, strict=True)
        if row["n"] >= LEAST_SAMPLES and np.isfinite(row["ci_low"])
    ]
    if len(figures) < 2:
        return []
    return figures
