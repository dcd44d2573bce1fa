"""Single votes against a score: a beta-binomial regression with the class as an effect.

Each vote counts, 51 of a sample as 51, and a sample has a chance of its own: Beta around the mean that its score and
its class give, so that votes of one sample are not taken for independent (Williams, Biometrics 31, 1975). The effect of
a class is drawn towards that of all, as a normal one with a standard deviation of 2 on the scale of log odds.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtr, ndtri

from avhcurate.stats.beta_binomial import vote_likelihood

_Z = float(ndtri(0.975))
#: Standard deviation of the effects of classes, log odds: without one, a class of unanimous votes has no finite effect.
_CLASS_SPREAD = 2.0
#: Bounds of the slope, log odds a standard deviation, and of the log of the precision.
_SLOPES, _PRECISIONS = (-20.0, 20.0), (-6.0, 12.0)


class VoteSlope(NamedTuple):
    """Log odds of a vote for the label by one standard deviation of the score, with its 95 % interval and p of 0.

    n, votes: samples and their votes. within: correlation between two votes of one sample with the same score and
    class, NaN where no sample has two. gain: mean log likelihood of a sample over that of the class alone, in nats: the
    larger, the better the score foretells votes, and comparable between scores on the same samples.
    """

    n: int
    votes: int
    slope: float
    low: float
    high: float
    p_value: float
    within: float
    gain: float


def vote_slope(score: np.ndarray, hits: np.ndarray, votes: np.ndarray, classes: np.ndarray) -> VoteSlope:
    """Fits hits of votes (n,) to a score (n,) without NaN and to classes (n,), 0 to K - 1.

    NaN below 10 samples, where the score, or every share of votes, is constant, and where the score tells the votes
    apart without a mistake: no slope is the likeliest then.
    """
    n, total = len(score), int(votes.sum())
    if n < 10 or np.ptp(score) == 0 or np.ptp(hits / votes) == 0:
        return VoteSlope(n, total, *[float("nan")] * 6)
    model = _BetaBinomial((score - score.mean()) / score.std(), hits, votes, np.unique(classes, return_inverse=True)[1])
    without, with_score = model.fit(slope=False), model.fit(slope=True)
    slope, error = with_score[0], model.slope_error(with_score)
    if abs(slope) > 0.999 * _SLOPES[1]:
        return VoteSlope(n, total, *[float("nan")] * 6)
    gain = (model.loss(without)[0] - model.loss(with_score)[0]) / n
    p = float(2 * ndtr(-abs(slope) / error))
    within = float(1 / (1 + np.exp(with_score[1]))) if votes.max() > 1 else float("nan")
    return VoteSlope(n, total, float(slope), float(slope - _Z * error), float(slope + _Z * error), p, within, gain)


class _BetaBinomial:
    """Likelihood by the parameters slope, log precision, mean effect, then the effect of each class."""

    def __init__(self, score: np.ndarray, hits: np.ndarray, votes: np.ndarray, classes: np.ndarray) -> None:
        self._score, self._hits, self._votes, self._classes = score, hits, votes, classes
        self._number = int(classes.max()) + 1

    def loss(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the log likelihood, less what the votes alone decide, and its gradient."""
        slope, log_precision, mean, effects = parameters[0], parameters[1], parameters[2], parameters[3:]
        odds = slope * self._score + mean + effects[self._classes]
        found = vote_likelihood(odds, log_precision, self._hits, self._votes)
        by_odds = found.by_odds
        by_class = np.bincount(self._classes, by_odds, self._number)
        pull = effects / _CLASS_SPREAD**2
        gradient = np.concatenate([[by_odds @ self._score, found.by_precision, by_odds.sum()], by_class - pull])
        return float(pull @ effects / 2 - found.values.sum()), -gradient

    def fit(self, *, slope: bool) -> np.ndarray:
        """The likeliest parameters; without the score where `slope` is False."""
        share = (self._hits.sum() + 0.5) / (self._votes.sum() + 1)
        start = np.zeros(3 + self._number)
        start[1:3] = 1.0, np.log(share / (1 - share))
        bounds = [_SLOPES if slope else (0.0, 0.0), _PRECISIONS, (-20.0, 20.0)] + [(-20.0, 20.0)] * self._number
        return minimize(self.loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x

    def slope_error(self, at: np.ndarray, step: float = 1e-4) -> float:
        """Standard error of the slope: the information of it that the other parameters leave.

        Effects of classes do not share samples, so one step of all of them gives the whole diagonal.
        """

        def change(direction: np.ndarray) -> np.ndarray:
            return (self.loss(at + step * direction)[1] - self.loss(at - step * direction)[1]) / (2 * step)

        first = np.array([change(row) for row in np.eye(3, len(at))])
        diagonal = change((np.arange(len(at)) >= 3).astype(float))[3:]
        shared, own = first[:, 3:], first[:, :3]
        information = own - (shared / diagonal) @ shared.T
        return float(np.sqrt(max(0.0, np.linalg.pinv(information, hermitian=True)[0, 0])))
