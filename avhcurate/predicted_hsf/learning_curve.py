"""The learning curve of predicted HSF: Spearman with HSF by how many samples have votes, and how many a target needs.

A curve `limit - drop / sqrt(n)` is fitted to what was measured; beyond that it is a forecast.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.data.prediction import PredictionRecord
from avhcurate.predicted_hsf.vote_model import Check, CrossFit, Design, fit_votes
from avhcurate.stats.rank_influence import estimate, spearman_influence

#: Shares of the voted samples that models learn from.
SHARES = (0.05, 0.1, 0.2, 0.4)
#: Fewest samples that a point of the curve is learnt from.
_FEWEST = 20


def learning_curve(
    design: Design,
    hits: np.ndarray,
    votes: np.ndarray,
    folds: np.ndarray,
    fitted: CrossFit,
    *,
    weights: np.ndarray | None = None,
    seed: int = 0,
    check: Check = lambda: None,
) -> pd.DataFrame:
    """Spearman of HSF with predictions for samples held out, by the number learnt from: `learnt, n, rho, low, high`.

    Each row takes so many of the samples of the other folds, at random; the last row all of them, which is `fitted`.
    Intervals are 95 %, by a jackknife of ranks over the n samples; with weights (n,), a sample counts so many times.
    """
    rng, hsf, voted = np.random.default_rng(seed), hits / votes, len(hits)
    rows = []
    for share in SHARES:
        learnt, odds = round(share * voted), np.empty(voted)
        if learnt < _FEWEST:
            continue
        for fold, model in enumerate(fitted.models):
            check()
            held = folds == fold
            some = rng.choice(np.flatnonzero(~held), min(learnt, int((~held).sum())), replace=False)
            odds[held] = fit_votes(design.of(some), hits[some], votes[some], model.strength).odds(design.of(held))
        rows.append((learnt, odds))
    rows.append((round(voted * (1 - 1 / len(fitted.models))), fitted.odds))
    points = [(learnt, voted, *_agreement(odds, hsf, weights)) for learnt, odds in rows]
    return pd.DataFrame(points, columns=["learnt", "n", "rho", "low", "high"]).drop_duplicates("learnt")


def _agreement(odds: np.ndarray, hsf: np.ndarray, weights: np.ndarray | None) -> tuple[float, float, float]:
    found = estimate(*spearman_influence(odds, hsf, weights))
    return found.value, found.low, found.high


@dataclass(frozen=True)
class Forecast:
    """The curve `limit - drop / sqrt(n)` of Spearman by the number n of voted samples."""

    limit: float
    drop: float

    def rho(self, learnt: np.ndarray | float) -> np.ndarray | float:
        """Spearman to expect with so many voted samples."""
        return self.limit - self.drop / np.sqrt(learnt)

    def needed(self, target: float) -> int | None:
        """Voted samples to reach a Spearman of `target`; None where no number of them does.

        >>> Forecast(0.5, 1.0).needed(0.4), Forecast(0.5, 1.0).needed(0.6)
        (100, None)
        """
        if target >= self.limit or self.drop <= 0:
            return None
        return math.ceil(round((self.drop / (self.limit - target)) ** 2, 6))


def forecast(curve: pd.DataFrame) -> Forecast | None:
    """The curve through the measured points, each weighted by how many it was learnt from; None below two points."""
    known = curve.dropna(subset="rho")
    if len(known) < 2:
        return None
    learnt = known["learnt"].to_numpy(float)
    slope, limit = np.polyfit(1 / np.sqrt(learnt), known["rho"].to_numpy(float), 1, w=learnt**0.25)
    return Forecast(float(limit), float(-slope))


def forecast_of(record: PredictionRecord) -> Forecast | None:
    """The forecast of a prediction's own curve."""
    return forecast(pd.DataFrame([point.model_dump() for point in record.curve], columns=["learnt", "rho"]))
