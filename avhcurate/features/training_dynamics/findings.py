"""What is found about the five discoveries: curves and models to judge, figures with intervals, verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

Verdict = Literal["holds", "does not hold", "too little data"]

#: Fewer evaluations or samples are not judged.
LEAST_EVALUATIONS = 6
LEAST_SAMPLES = 100


class Figure(NamedTuple):
    """One number with its 95 % interval: of which training, model or comparison, and over how many samples."""

    name: str
    value: float
    low: float
    high: float
    n: int = 0


@dataclass(frozen=True)
class Finding:
    """What the data show of one discovery. `missing` says why nothing could be judged."""

    discovery: int
    verdict: Verdict
    figures: Sequence[Figure] = ()
    missing: str = ""


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
