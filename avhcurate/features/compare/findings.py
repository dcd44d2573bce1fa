"""What is found about the discoveries of Chen et al. (2020): models to judge, figures with intervals, verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

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
        values = [one.value for one in self.figures]
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
