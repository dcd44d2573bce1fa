"""Whether a network is right as often as its confidence says: reliability diagram and expected calibration error.

The confidence is the softmax probability of the predicted class. Samples are cut into bins by it, of equal mass (about
equally many samples each) or of equal width. In each, the gap is accuracy minus mean confidence; the expected
calibration error (ECE) is the mean of |gap| over samples (Naeini et al. 2015; Guo et al. 2017).

As it takes absolute values, ECE is above 0 by chance alone: `chance` is the value that a perfectly calibrated network
with these confidences stays below in 97.5 % of draws.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from avhcurate.errors import CurateError

Binning = Literal["mass", "width"]
#: How each way of cutting is called.
BINNINGS: dict[Binning, str] = {"mass": "equal mass", "width": "equal width"}
BINS = 15

_DRAWS = 2000


@dataclass(frozen=True)
class Calibration:
    """ECE over n samples with its 95 % interval, what chance alone reaches, and the bins that it comes from.

    `bins` are rows `low, high, n, confidence, accuracy`: a bin holds its upper edge, the first also its lower; empty
    ones are left out.
    """

    n: int
    ece: float
    low: float
    high: float
    chance: float
    bins: pd.DataFrame


def calibrate(
    confidence: ArrayLike, correct: ArrayLike, *, binning: Binning = "mass", bins: int = BINS, seed: int = 0
) -> Calibration:
    """ECE of confidences (n,) in [0, 1] against what was right, (n,) bool; NaN for no sample.

    Bins of equal mass are cut at attained values, so ties stay together and bins may become fewer.

    Interval: the basic bootstrap (2 ECE minus the quantiles of resamples), which takes off the upward bias; the
    resampled sums of a bin are drawn as normal with the bootstrap's own mean and covariance, so the cost does not grow
    with resamples times n. Its lower end is 0 where ECE is not above `chance`. In simulations of 200 to 10,000 samples
    it holds the truth in 84 to 98 % of cases.

    >>> result = calibrate([0.2, 0.4, 0.9, 0.9], [False, True, True, False], binning="width", bins=2)
    >>> round(result.ece, 6), result.bins["n"].tolist()  # |0.5 - 0.3| / 2 + |0.5 - 0.9| / 2
    (0.3, [2, 2])
    """
    p, right = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    _check(p, right, bins)
    n = len(p)
    if not n:
        nan = float("nan")
        return Calibration(0, nan, nan, nan, nan, _rows(*[np.empty(0)] * 4))
    edges = _edges(p, binning, bins)
    index = np.searchsorted(edges[1:-1], p, side="left")
    counts = np.bincount(index, minlength=len(edges) - 1)
    sums, hits = (np.bincount(index, weights=column, minlength=len(counts)) for column in (p, right))
    ece = float(np.abs(hits - sums).sum() / n)
    rng = np.random.default_rng(seed)
    chance = _chance(p, index, rng)
    low, high = 2 * ece - _resampled(right - p, index, rng)[::-1]
    low = 0.0 if ece <= chance else max(0.0, float(low))
    return Calibration(n, ece, low, max(0.0, float(high)), chance, _rows(edges, counts, sums, hits))


def _check(p: np.ndarray, right: np.ndarray, bins: int) -> None:
    if p.shape != right.shape or p.ndim != 1:
        raise CurateError(f"there are {p.shape} confidences for {right.shape} answers: give one of each a sample")
    if not ((p >= 0) & (p <= 1 + 1e-6)).all():
        raise CurateError("a confidence is a probability and must lie between 0 and 1")
    if bins < 1:
        raise CurateError(f"calibration needs one bin or more; it was {bins}")


def _edges(p: np.ndarray, binning: Binning, bins: int) -> np.ndarray:
    if binning == "width":
        return np.linspace(0, 1, bins + 1)
    last = -(-len(p) * np.arange(1, bins + 1) // bins) - 1  # the place of each bin's last sample
    edges = np.unique(np.sort(p)[np.concatenate([[0], last])])
    return edges if len(edges) > 1 else np.repeat(edges, 2)


def _resampled(gap: np.ndarray, index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The 2.5 and 97.5 % quantiles of ECE over resamples of the samples, whose gaps are `gap`."""
    n, size = len(gap), int(index.max()) + 1
    sums, squares = (np.bincount(index, weights=column, minlength=size) for column in (gap, gap * gap))
    covariance = np.diag(squares) - np.outer(sums, sums) / n
    values, vectors = np.linalg.eigh(covariance)
    normal = rng.standard_normal((_DRAWS, size)) * np.sqrt(np.maximum(values, 0))
    return np.quantile(np.abs(sums + normal @ vectors.T).sum(axis=1) / n, [0.025, 0.975])


def _chance(p: np.ndarray, index: np.ndarray, rng: np.random.Generator) -> float:
    """The 97.5 % quantile of ECE where a sample of confidence p is right with probability p."""
    spread = np.sqrt(np.bincount(index, weights=np.maximum(p * (1 - p), 0)))
    drawn = np.abs(rng.standard_normal((_DRAWS, len(spread)))) @ spread / len(p)
    return float(np.quantile(drawn, 0.975))


def _rows(edges: np.ndarray, counts: np.ndarray, sums: np.ndarray, hits: np.ndarray) -> pd.DataFrame:
    some = np.flatnonzero(counts)
    return pd.DataFrame(
        {
            "low": edges[some],
            "high": edges[1:][some],
            "n": counts[some].astype(np.int64),
            "confidence": sums[some] / counts[some],
            "accuracy": hits[some] / counts[some],
        }
    )
