"""Whether a network is right as often as its confidence says: reliability diagram and expected calibration error.

The confidence is the softmax probability of the predicted class. Samples are cut into bins by it, of about equally many
samples each. In each, the gap is accuracy minus mean confidence; the expected
calibration error (ECE) is the mean of |gap| over samples (Naeini et al. 2015; Guo et al. 2017).

ECE is a mean of absolute values, so it is above 0 by chance too: `chance` is the value that a perfectly calibrated
network with these confidences stays below in 97.5 % of draws.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

BINS = 15

_DRAWS = 2000
#: Times as many for several comparisons, at most: their ends lie further out.
_MOST_TIMES = 10
_NAN = float("nan")
_COLUMNS = ["low", "high", "n", "confidence", "accuracy"]


@dataclass(frozen=True)
class Calibration:
    """ECE over n samples with its 95 % interval, the value that chance reaches, and the bins.

    `bins` are rows `low, high, n, confidence, accuracy`: a bin holds its upper edge, the first also its lower.
    """

    n: int
    ece: float
    low: float
    high: float
    chance: float
    bins: pd.DataFrame


#: That of no sample.
NO_CALIBRATION = Calibration(n=0, ece=_NAN, low=_NAN, high=_NAN, chance=_NAN, bins=pd.DataFrame(columns=_COLUMNS))


def calibrate(confidence: ArrayLike, correct: ArrayLike, *, bins: int = BINS) -> Calibration:
    """Return the ECE of confidences (n,) in [0, 1] and correct answers, (n,) bool; NaN without samples.

    Bins are cut at attained values, so ties stay together and there may be fewer bins.

    Interval: the basic bootstrap (2 ECE minus the quantiles of resamples), which removes the upward bias; the resampled
    sums of a bin are drawn as normal with the bootstrap's own mean and covariance, so the cost does not grow with
    resamples times n. Its lower end is 0 where ECE is not above `chance`. In simulations of 200 to 10,000 samples it
    holds the truth in 84 to 98 % of cases.

    >>> result = calibrate([0.2, 0.4, 0.9, 0.9], [False, True, True, False], bins=2)
    >>> round(result.ece, 6), result.bins["n"].tolist()  # |0.5 - 0.3| / 2 + |0.5 - 0.9| / 2
    (0.3, [2, 2])
    """
    p = np.asarray(confidence, np.float64)
    right = np.asarray(correct)
    if not len(p):
        return NO_CALIBRATION
    last = -(-len(p) * np.arange(1, bins + 1) // bins) - 1  # the position of the last sample of each bin
    ordered = np.sort(p)
    high = np.unique(ordered[last])
    index = np.searchsorted(high, p).astype(np.int16)
    sums = {"low": np.append(ordered[0], high[:-1]), "high": high, "n": np.bincount(index)}
    for name, values in {
        "confidence": p,
        "right": right,
        "squares": (right - p) ** 2,
        "spread": np.maximum(p * (1 - p), 0),
    }.items():
        sums[name] = np.bincount(index, values)
    return of_bins(pd.DataFrame(sums))


def of_bins(sums: pd.DataFrame, *, comparisons: int = 1) -> Calibration:
    """Return the same from a row a bin: `low, high, n`, and the sums over its samples of `confidence`, of `right` (1 or
    0), of `squares` of the one less the other, and of `spread`, confidence times (1 - confidence).

    Of several `comparisons` the interval and what chance reaches are those of all of them at once (Bonferroni).
    """
    tail = 0.025 / comparisons
    draws = _DRAWS * min(comparisons, _MOST_TIMES)
    n = int(sums["n"].sum())
    gaps = (sums["right"] - sums["confidence"]).to_numpy()
    ece = float(np.abs(gaps).sum() / n)
    rng = np.random.default_rng(0)
    spread = np.sqrt(sums["spread"].to_numpy())
    chance = float(np.quantile(np.abs(rng.standard_normal((draws, len(sums)))) @ spread / n, 1 - tail))
    values, vectors = np.linalg.eigh(np.diag(sums["squares"]) - np.outer(gaps, gaps) / n)
    resampled = rng.standard_normal((draws, len(sums))) * np.sqrt(np.maximum(values, 0)) @ vectors.T
    drawn = np.abs(gaps + resampled).sum(axis=1) / n
    low, high = np.maximum(0, 2 * ece - np.quantile(drawn, [1 - tail, tail]))
    if ece <= chance:
        low = 0.0
    bins = sums.assign(confidence=sums["confidence"] / sums["n"], accuracy=sums["right"] / sums["n"])[_COLUMNS]
    return Calibration(n=n, ece=ece, low=float(low), high=float(high), chance=chance, bins=bins)
