"""The learning curve of predicted HSF: Spearman with HSF by how many samples have votes, and how many a target needs.

A curve `limit - drop / sqrt(n)` is fitted to what was measured; beyond that it is a forecast.
"""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd
from scipy.special import ndtri

from avhcurate.features.predicted_hsf.vote_model import Check, VotedSamples, cross_fit, held_out_ranks
from avhcurate.measures.stats.rank_influence import estimate, spearman_influence
from avhcurate.workspace.data.prediction import CurvePoint, PredictionRecord

#: Shares of the voted samples that models learn from.
SHARES = (0.05, 0.1, 0.2, 0.4)
#: Fewest samples that a point of the curve is learnt from.
_FEWEST = 20
#: More voted samples than this are called out of reach.
_FURTHEST = 1e9
#: A narrower interval shows no width in two digits.
_NARROWEST = 0.005
#: Standard errors from the middle of a 95 % interval to its ends.
_Z = float(ndtri(0.975))


def learning_curve(
    voted: VotedSamples, ranks: np.ndarray, *, seed: int = 0, check: Check = lambda: None
) -> pd.DataFrame:
    """Return the Spearman of HSF with predictions for samples held out: `learnt, n, rho, low, high`.

    Each row learns from so many of the samples of the other folds, at random; the last row from all, which predict
    `ranks` (n,). Intervals are 95 %, by a jackknife of ranks over the n samples, each as often as its weight.
    """
    rng = np.random.default_rng(seed)
    size = len(voted.hits)
    curve = {}
    for learnt in (round(share * size) for share in SHARES):
        if learnt >= _FEWEST:
            curve[learnt] = held_out_ranks(voted, cross_fit(voted, check, partial(_drawn, rng, learnt)))
    folds = int(voted.folds.max()) + 1
    curve[round(size * (1 - 1 / folds))] = ranks
    points = []
    for learnt, predicted in curve.items():
        rho = estimate(*spearman_influence(predicted, voted.hsf, voted.weights))
        points.append((learnt, size, rho.value, rho.low, rho.high))
    return pd.DataFrame(points, columns=list(CurvePoint.model_fields))


def _drawn(rng: np.random.Generator, count: int, rows: np.ndarray) -> np.ndarray:
    return rng.choice(rows, min(count, len(rows)), replace=False)


@dataclass(frozen=True)
class Forecast:
    """The curve `limit - drop / sqrt(n)` of Spearman by the number n of voted samples.

    covariance (2, 2): of limit and drop; zeros where the points have no intervals. `measured`: the largest number that
    a point was learnt from.
    """

    limit: float
    drop: float
    covariance: np.ndarray = field(default_factory=lambda: np.zeros((2, 2)))
    measured: float = float(_FEWEST)

    def rho(self, learnt: np.ndarray | float) -> np.ndarray | float:
        """Return the Spearman to expect with so many voted samples."""
        return self.limit - self.drop / np.sqrt(learnt)

    def band(self, learnt: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of its 95 % interval, (n,) each; that of the limit at infinity."""
        at = 1 / np.sqrt(np.atleast_1d(np.asarray(learnt, float)))
        (limit, both), (_, drop) = self.covariance
        reach = _Z * np.sqrt(np.maximum(0, limit - 2 * both * at + drop * at**2))
        middle = self.limit - self.drop * at
        return np.maximum(middle - reach, -1), np.minimum(middle + reach, 1)

    def limit_text(self) -> str:
        """Return the limit with its 95 % interval; "" where that has no width: it has run into 1, or is not known.

        >>> Forecast(0.5, 1.0, np.diag([0.0004, 0.0])).limit_text(), Forecast(0.5, 1.0).limit_text()
        ('0.50 (0.46 to 0.54)', '')
        """
        low, high = (float(end[0]) for end in self.band(np.inf))
        if high - low < _NARROWEST:
            return ""
        return f"{self.limit:.2f} ({low:.2f} to {high:.2f})"

    def needed(self, target: float) -> tuple[int | None, int | None, int | None]:
        """Return the voted samples to reach a Spearman of `target`: by the band's upper end, the curve, its lower end.

        From those measured on, to one in a hundred; None for more than `_FURTHEST`.

        >>> Forecast(0.5, 1.0).needed(0.4)[1], Forecast(0.5, 1.0).needed(0.6)[1]
        (101, None)
        """
        numbers = np.geomspace(self.measured, _FURTHEST, 2000)
        low, high = self.band(numbers)
        upper, likely, lower = (
            next(iter(np.ceil(numbers[curve >= target]).astype(int).tolist()), None)
            for curve in (high, self.rho(numbers), low)
        )
        return upper, likely, lower


def forecast(curve: pd.DataFrame) -> Forecast | None:
    """Return the curve through the measured points `learnt, rho, low, high`; None below two points.

    Each point is weighted by how many it was learnt from. The covariance is from the intervals of the points: their
    errors as far as they are independent, and that of the last point once more, since all are judged by the same
    samples, which the largest models have learnt from too.
    """
    points = curve.dropna(subset="rho").astype(float)
    if len(points) < 2:
        return None
    learnt = points["learnt"].to_numpy()
    inputs = np.stack([np.ones(len(points)), -1 / np.sqrt(learnt)], axis=1)
    weighted = inputs * np.sqrt(learnt)[:, None]
    solve = np.linalg.solve(weighted.T @ inputs, weighted.T)
    limit, drop = solve @ points["rho"].to_numpy()
    variances = ((points["high"] - points["low"]).fillna(0).to_numpy() / (2 * _Z)) ** 2
    covariance = (solve * variances) @ solve.T
    covariance[0, 0] += variances[-1]
    return Forecast(float(limit), float(drop), covariance, float(learnt.max()))


def points_of(record: PredictionRecord) -> pd.DataFrame:
    """Return the points of a prediction's own curve, as `learning_curve` returns them."""
    points = [point.model_dump() for point in record.curve]
    return pd.DataFrame(points, columns=list(CurvePoint.model_fields), dtype=float)


def forecast_of(record: PredictionRecord) -> Forecast | None:
    """Return the forecast of a prediction's own curve."""
    return forecast(points_of(record))
