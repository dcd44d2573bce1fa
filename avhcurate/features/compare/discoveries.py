"""What is found of the discoveries of Chen et al. (2020): figures, verdicts and the rule of both; numbers 4 and 5.

One rule for all: a discovery is a claim about one number of each training, model or comparison. It holds when the 95 %
interval of every number lies on the claimed side. It does not hold when one lies on the other side, at 95 % over all of
them together (Bonferroni). Else, and without enough data, there is too little data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats

from avhcurate.measures.stats.correlation import correlate

Verdict = Literal["holds", "does not hold", "too little data"]

#: The title of each discovery, and what its figures are.
_TEXTS = {
    1: (
        "AVH settles early, while accuracy or loss still improves",
        "Share of its way that accuracy or loss has left when AVH has settled",
    ),
    2: ("Better models have lower AVH in every HSF bin", "Mean AVH of the better model less that of the worse one"),
    3: (
        "The norm keeps increasing",
        "Growth of the mean norm per epoch, over the second half",
    ),
    4: ("AVH follows HSF in every model", "Spearman of AVH with HSF"),
    5: ("The norm does not follow HSF consistently", "Spearman of the norm with HSF"),
}

#: Fewer samples are not judged.
LEAST_SAMPLES = 100
#: Half of a 95 % interval in standard errors.
Z = float(stats.norm.ppf(0.975))
_TWO_MODELS = f"It needs two models on the same {LEAST_SAMPLES} images with human votes."


class Figure(NamedTuple):
    """One number with its 95 % interval: of which training, model or comparison, and over how many samples."""

    name: str
    value: float
    low: float
    high: float
    n: int = 0

    @property
    def label(self) -> str:
        """Whose number it is, and over how many samples."""
        return f"{self.name}, n {self.n:,}"


@dataclass(frozen=True)
class Finding:
    """What the data show of one discovery. `missing` says why nothing could be judged."""

    discovery: int
    verdict: Verdict
    figures: Sequence[Figure] = ()
    missing: str = ""

    @property
    def title(self) -> str:
        """The discovery in words."""
        return _TEXTS[self.discovery][0]

    def sentence(self, *, simulated: bool = False) -> str:
        """Return what the data show; `simulated` votes are named where HSF plays a part.

        >>> Finding(4, "holds", [Figure("a", -0.3, -0.4, -0.2), Figure("b", -0.5, -0.6, -0.4)]).sentence()
        'Spearman of AVH with HSF: −0.5 to −0.3 over 2 figures.'
        """
        if self.missing:
            return self.missing
        values = [figure.value for figure in self.figures]
        ends = f"{min(values):.3g} to {max(values):.3g}".replace("-", "−")
        text = f"{_TEXTS[self.discovery][1]}: {ends} over {len(values)} figures."
        if simulated and self.discovery in (2, 4, 5):
            return f"{text} HSF comes from simulated votes."
        return text


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


# --- the rule -----------------------------------------------------------------------------------------------------


def verdict_of(figures: Sequence[Figure], *, above: float = 0.0, falls: bool = False) -> Verdict:
    """Return the verdict on the claim that every number lies above a limit or, if it `falls`, below 0.

    >>> verdict_of([Figure("a", 2.0, 1.0, 3.0), Figure("b", 0.5, -1.0, 2.0)])
    'too little data'
    """
    if not figures:
        return "too little data"
    if falls:
        figures = [figure._replace(value=-figure.value, low=-figure.high, high=-figure.low) for figure in figures]
    if all(figure.low > above for figure in figures):
        return "holds"
    reach = float(stats.norm.ppf(1 - 0.025 / len(figures))) / Z
    if any(figure.value + reach * (figure.high - figure.value) < above for figure in figures):
        return "does not hold"
    return "too little data"


def finding_of(
    discovery: int, figures: Sequence[Figure], missing: str, *, above: float = 0.0, falls: bool = False
) -> Finding:
    """Return the verdict on a claim, see `verdict_of`; `missing` is for no numbers."""
    if figures:
        missing = ""
    return Finding(discovery, verdict_of(figures, above=above, falls=falls), figures, missing)


# --- 4 and 5 ------------------------------------------------------------------------------------------------------


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
    verdict: Verdict = "too little data"
    if "holds" in (finding.verdict, verdict_of(figures, falls=True)):
        verdict = "does not hold"
    elif figures and max(figure.low for figure in figures) > min(figure.high for figure in figures):
        verdict = "holds"
    return replace(finding, verdict=verdict)


def _with_hsf(models: Sequence[Model], key: str, hsf: np.ndarray) -> list[Figure]:
    """Return Spearman of each model that has enough samples; nothing for fewer than two."""
    rows = [correlate({key: getattr(model, key)}, hsf).iloc[0] for model in models]
    figures = [
        Figure(model.name, float(row["spearman"]), float(row["ci_low"]), float(row["ci_high"]), int(row["n"]))
        for model, row in zip(models, rows, strict=True)
        if row["n"] >= LEAST_SAMPLES and np.isfinite(row["ci_low"])
    ]
    if len(figures) < 2:
        return []
    return figures
