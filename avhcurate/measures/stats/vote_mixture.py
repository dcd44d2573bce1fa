"""The chances behind votes as a mixture of binomials, and what further votes would look like.

HSF of a few votes is noisy, and its noise is unequal: where nearly everybody agrees, a single stray vote decides the
rank of a sample. Formulas for Pearson correlations (Spearman-Brown, the correction for attenuation) therefore fail for
Spearman's. Here the distribution of the chance that a vote is for the label is estimated itself, without a form: as
weights on a fixed grid, by maximum likelihood (Laird 1978), by EM with the squared extrapolation of Varadhan and Roland
(2008). Any expectation over further votes follows exactly, so that nothing is simulated.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from avhcurate.measures.stats.blas import one_thread

#: Chances that a vote is for the label, evenly on the scale of log odds, with never and always: (G,).
CHANCES = np.concatenate([[0.0], 1 / (1 + np.exp(-np.linspace(-7, 7, 113))), [1.0]])
#: More votes of a sample are counted as so many: their HSF is as good as exact.
MOST_VOTES = 200
#: Outcomes, votes for the label by votes, beyond which numbers of votes are rounded, by up to a twentieth.
_OUTCOMES = 2000
#: Rounds of EM, of three steps each: about as far as 1,000 plain steps; more move the ceiling by less than 0.002.
_ROUNDS = 50
_TINY = 1e-300
#: How many times as far as a step of EM an extrapolation goes at most.
_FURTHEST = 64
#: Numbers of votes up to this factor apart are similar; samples that a mixture of their own needs.
_SIMILAR = 1.5
_STRATUM = 200


@dataclass(frozen=True)
class VoteKinds:
    """Samples by their votes: kind (J,) of each sample (N,), and how likely each chance makes each kind, (J, G).

    sizes: the different numbers of votes, (U,), ascending; size: which of them each kind has, (J,).
    """

    kind: np.ndarray
    likelihood: np.ndarray
    sizes: np.ndarray
    size: np.ndarray

    @classmethod
    def of(cls, hits: np.ndarray, votes: np.ndarray) -> "VoteKinds":
        """Count hits of votes, both (N,) whole numbers, votes 1 or more."""
        hits, votes = rounded_votes(hits, votes)
        code = votes * (MOST_VOTES + 1) + hits
        # Counted, not sorted: there are few codes.
        occurs = np.bincount(code) > 0
        pairs = np.flatnonzero(occurs)
        kind = (np.cumsum(occurs) - 1)[code]
        n, k = np.divmod(pairs, MOST_VOTES + 1)
        sizes, size = np.unique(n, return_inverse=True)
        return cls(kind, binom.pmf(k[:, None], n[:, None], CHANCES), sizes, size)

    def counts(self, weights: np.ndarray | None = None, groups: np.ndarray | None = None) -> np.ndarray:
        """Return the samples of each kind, (J,), counted `weights` (N,) times; (B, J) by `groups` (N,) 0 to B - 1."""
        kinds = len(self.likelihood)
        if groups is None:
            return np.bincount(self.kind, weights, kinds).astype(float)
        number = int(groups.max()) + 1
        return np.bincount(groups * kinds + self.kind, weights, number * kinds).reshape(number, kinds).astype(float)

    @one_thread()
    def fit(self, counts: np.ndarray) -> np.ndarray:
        """Return weights of the chances, (..., G), with sum 1, from how often each kind occurs, (..., J)."""
        shares = counts / counts.sum(axis=-1, keepdims=True)

        def step(weights: np.ndarray) -> np.ndarray:
            return weights * ((shares / np.maximum(weights @ self.likelihood.T, _TINY)) @ self.likelihood)

        weights = np.full((*counts.shape[:-1], len(CHANCES)), 1 / len(CHANCES))
        for _ in range(_ROUNDS):
            once = step(weights)
            twice = step(once)
            change = once - weights
            bend = twice - 2 * once + weights
            squares, bends = (np.square(part).sum(axis=-1, keepdims=True) for part in (change, bend))
            reach = np.clip(np.sqrt(squares / np.maximum(bends, _TINY)), 1, _FURTHEST)
            further = weights + 2 * reach * change + reach**2 * bend
            # Weights stay above 0: where an extrapolation would not, EM continues without it.
            weights = step(np.where((further < 0).any(axis=-1, keepdims=True), twice, further))
        return weights

    def log_likelihood(self, counts: np.ndarray) -> np.ndarray:
        """Return the highest log likelihood of any distribution of chances, (...), from counts of kinds (..., J)."""
        chances = np.maximum(self.fit(counts) @ self.likelihood.T, _TINY)
        return np.asarray((counts * np.log(chances)).sum(axis=-1))

    def shares(self, counts: np.ndarray) -> np.ndarray:
        """Return the samples with each number of votes, (..., U), from how often each kind occurs, (..., J)."""
        return counts @ (self.size[:, None] == np.arange(len(self.sizes)))


class Outcomes:
    """HSF that samples with given numbers of votes could have, as ranks: sizes (U,) ascending, 1 or more."""

    def __init__(self, sizes: np.ndarray) -> None:
        votes = np.repeat(sizes, sizes + 1)
        self._starts = np.concatenate([[0], np.cumsum(sizes[:-1] + 1)])
        hits = np.arange(len(votes)) - np.repeat(self._starts, sizes + 1)
        self._size = np.repeat(np.arange(len(sizes)), sizes + 1)
        self._chance = binom.pmf(hits[:, None], votes[:, None], CHANCES)
        # Ratios of small whole numbers tie exactly.
        self._level = np.unique(hits / votes, return_inverse=True)[1]

    def expected_ranks(self, shares: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the mean rank of HSF by number of votes and chance, (U, G), and the variance of the ranks.

        shares (U,) of the numbers of votes, weights of the chances (G,) or, by number of votes, (U, G). Ranks are
        shares of the samples below, ties counted half, minus a half.
        """
        weights = np.broadcast_to(weights, (len(shares), len(CHANCES)))
        occurs = shares[self._size] * np.einsum("og,og->o", self._chance, weights[self._size])
        level = np.bincount(self._level, occurs)
        ranks = (np.cumsum(level) - level / 2 - 0.5)[self._level]
        means = np.add.reduceat(ranks[:, None] * self._chance, self._starts)
        return means, float(occurs @ ranks**2)

    def agreement(self, shares: np.ndarray, weights: np.ndarray) -> float:
        """Return the expected Spearman of two sets of votes of such samples, in [0, 1]; 0 where HSF is constant."""
        means, variance = self.expected_ranks(shares, weights)
        if variance <= 1e-12:
            return 0.0
        return float(np.clip(shares @ (means**2 * weights).sum(axis=-1) / variance, 0, 1))


def strata(votes: np.ndarray) -> list[np.ndarray]:
    """Return the rows in groups with similar numbers of votes, each large enough for a mixture of its own.

    Samples that were given more votes may be harder or easier than the rest. votes (N,), 1 or more.

    >>> [len(rows) for rows in strata(np.repeat([5, 30], 500))], len(strata(np.arange(50, 60)))
    ([500, 500], 1)
    """
    order = np.argsort(votes, kind="stable")
    starts = [0]
    for start in np.flatnonzero(np.diff(votes[order])) + 1:
        wide = votes[order[start]] > _SIMILAR * votes[order[starts[-1]]]
        if wide and min(start - starts[-1], len(votes) - start) >= _STRATUM:
            starts.append(int(start))
    return np.split(order, starts[1:])


def rounded_votes(hits: np.ndarray, votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the votes with at most `MOST_VOTES` a sample and not too many different numbers of votes.

    >>> [part.tolist() for part in rounded_votes(np.array([3, 900]), np.array([4, 1000]))]
    [[3, 180], [4, 200]]
    """
    fewer = np.minimum(votes, MOST_VOTES)
    if np.unique(fewer).sum() > _OUTCOMES:
        fewer = np.round(1.1 ** np.round(np.log(fewer) / np.log(1.1))).astype(np.int64)
    changed = fewer != votes
    return np.where(changed, np.round(hits * fewer / votes), hits).astype(np.int64), fewer
