"""What heads, neighbours and votes say together: a product of ranks, of those that find errors drawn as a test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from avhcurate.measures.stats.ranks import rank_shares

# All numbers were chosen on errors planted in the digits, PACS and CIFAR-10H (docs/results/labels.md).
#: Samples on which confusions are counted and errors drawn at most, how often, and the share that gets one.
MOST_DRAWN = 20_000
DRAWS = 3
_WRONG = 0.1
#: Classes up to which confusions of pairs are counted.
MOST_CLASSES = 1000
#: A sample looks like a class from this quantile of the class's own probabilities on.
_SURE = 0.8
#: Samples of each class that are imagined besides, spread evenly over the labels.
_IMAGINED = 5
#: Given labels that an opinion ranks among so many may be wrong: they do not count against it. One opinion alone has to
#: be so much better than all together.
_DOUBTED = 0.1
_BETTER = 0.002
#: A class is often called another if this share of the samples that look like it are, so many at least, and if the
#: share is so many times that of any other pair.
_OFTEN = 0.2
_ENOUGH = 5
_APART = 2.5


@dataclass(frozen=True)
class Weighed:
    """What all sources say together: `doubt` (N,) and each source's share in it, sum 1.

    often: a class and the other class that it is often called, None for none.
    """

    doubt: np.ndarray
    weights: dict[str, float]
    often: tuple[int, int] | None = None


# --- confusions --------------------------------------------------------------------------------------------------


def confusions(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Count (K, K) samples of a label (column) that look like a class (row), by probs (N, K) out of fold.

    >>> confusions(np.array([[0.9, 0.1]] * 8 + [[0.1, 0.9]] * 8), np.array([0] * 7 + [1] * 9)).tolist()
    [[7.0, 1.0], [0.0, 8.0]]
    """
    num_classes = probs.shape[1]
    usual = np.full(num_classes, np.inf)
    for label in np.unique(labels):
        usual[label] = np.quantile(probs[labels == label, label], _SURE)
    likeliest = np.where(probs >= usual * (1 - 1e-6), probs, -1.0)
    found = likeliest.argmax(axis=1)
    sure = likeliest.max(axis=1) >= 0
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (found[sure], labels[sure]), 1)
    return counts


def often_called(counts: np.ndarray) -> tuple[int, int] | None:
    """Return a class and the class that it is often called, by `confusions`; None where no pair stands out.

    A pair may be confused in both directions; of two classes one direction has to stand out.

    >>> often_called(np.array([[30.0, 10.0, 0.0], [1.0, 40.0, 1.0], [0.0, 1.0, 40.0]]))
    (0, 1)
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    one, other = (int(label) for label in np.unravel_index(shares.argmax(), shares.shape))
    share = shares[one, other]
    shares[one, other] = 0
    if len(shares) > 2:
        shares[other, one] = 0
    if share > _OFTEN and counts[one, other] >= _ENOUGH and share >= _APART * shares.max():
        return one, other
    return None


def naming(counts: np.ndarray) -> np.ndarray:
    """Return how often each class (row) gets each label (column), (K, K), by `confusions`; none is impossible."""
    counts = counts + _IMAGINED / len(counts)
    return counts / counts.sum(axis=1, keepdims=True)


def draw_wrong_labels(labels: np.ndarray, named: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return labels (n,), some of them drawn anew: other classes that occur, as `naming` has them."""
    wrong = labels.copy()
    drawn = rng.random(len(labels)) < _WRONG
    present = np.unique(labels)
    for label in present:
        others = present[present != label]
        members = np.flatnonzero(drawn & (labels == label))
        wrong[members] = rng.choice(others, len(members), p=named[label, others] / named[label, others].sum())
    return wrong


# --- opinions: high = label in doubt -----------------------------------------------------------------------------


def of_heads(probs: np.ndarray, labels: np.ndarray, named: np.ndarray) -> np.ndarray:
    """Return log odds (n,) that a sample is of another class and was named so, by probs (n, K) and `naming`.

    >>> of_heads(np.array([[0.5, 0.5]]), np.array([0]), np.array([[0.8, 0.2], [0.4, 0.6]])).round(3)
    array([-0.693])
    """
    odds = np.empty(len(labels))
    for label in np.unique(labels):
        rows = labels == label
        chances = probs[rows] * named[:, label]
        right = chances[:, label]
        odds[rows] = np.log((chances.sum(axis=1) - right).clip(1e-12)) - np.log(right.clip(1e-12))
    return odds


def of_neighbours(nearest: np.ndarray, all_labels: np.ndarray, trust: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how much the nearest samples, ids (n, k) or -1, say for another label more than for `labels` (n,).

    Each speaks for its own label, among those of all (N,), with its `trust` (N,): the probability of that label. So
    wrong labels that lie together do not vouch for each other.

    >>> of_neighbours(np.array([[1, 2]]), np.array([0, 0, 1]), np.array([1, 0.2, 0.9]), np.array([0])).round(3)
    array([0.333])
    """
    theirs = np.where(nearest >= 0, all_labels[nearest], -1)
    weight = np.where(theirs >= 0, trust[nearest], 0)
    same = theirs == labels[:, None]
    support = np.einsum("nij,nj->ni", theirs[:, :, None] == theirs[:, None, :], weight)
    own = (weight * same).sum(axis=1)
    return (np.where(same, 0, support).max(axis=1) - own) / (1 + weight.sum(axis=1))


# --- together ----------------------------------------------------------------------------------------------------


def surprise(score: np.ndarray) -> np.ndarray:
    """Return how high each score ranks, as -log of the share of samples that rank as high; NaN is in the middle."""
    return -np.log(1 - np.nan_to_num(rank_shares(score), nan=0.5))


def together(opinions: Mapping[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Return the sum of the surprises of some opinions: a product of ranks."""
    return np.sum([surprise(opinions[name]) for name in names], axis=0)


def best(
    given: Mapping[str, np.ndarray], drawn: Sequence[tuple[Mapping[str, np.ndarray], np.ndarray]]
) -> Sequence[str]:
    """Return whether all opinions together, or which one alone, find drawn errors best, by mean average precision.

    given: opinions (n,) on the given labels. drawn: for each draw the opinions on its labels, and which are wrong.
    """
    choices = [list(given), *([name] for name in given)]
    doubted = np.any([rank_shares(together(given, names)) > 1 - _DOUBTED for names in choices], axis=0)

    def precision(names: Sequence[str]) -> float:
        found = [_average_precision(together(says, names)[w | ~doubted], w[w | ~doubted]) for says, w in drawn]
        return float(np.mean(found)) + _BETTER * (len(names) > 1)

    return max(choices, key=precision)


def _average_precision(score: np.ndarray, wrong: np.ndarray) -> float:
    hits = wrong[np.argsort(-score, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean()) if hits.any() else 0.0
