"""How much each source of evidence counts: learned on wrong labels that are drawn for the purpose."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from avhcurate.measures.stats.blas import one_thread

#: Samples for which a wrong label is drawn at most, and classes up to which confusions of pairs are counted.
MOST_DRAWN = 20_000
MOST_CLASSES = 1000
#: The share of the drawn labels that are any other class; the rest follow the confusions in the data.
_ANY = 0.8
#: A sample looks like a class from this quantile of the class's own probabilities on.
_SURE = 0.8
#: Quantiles of the own and of the drawn labels between which a source's likelihood ratio bends.
_KNOTS = (0.5, 0.9, 0.97)
_DRAWN_KNOTS = (0.1, 0.3, 0.6)
#: The ridge penalty: it lets sources share, as each may fail. Votes come from elsewhere and may say more.
_RIDGE = 1e-2
_RIDGES = {"votes": 1e-4}
#: Rounds of learning; from the second on so many of the given labels, those doubted most, stand for wrong ones too, and
#: how much they count relative to the drawn ones.
_ROUNDS = 3
_FIRST = 0.05
_COUNT = 0.3
#: People who reject so many labels at least, and so large a share at most, say which are wrong.
_ENOUGH = 5
_FEW = 0.1
_FOLDS = 3


@dataclass(frozen=True)
class Drawn:
    """One wrong label for each of n samples: labels and importance (n,).

    `likely` (K, K): log of how often samples are given the first label that are of the second class, by the draw.
    """

    labels: np.ndarray
    importance: np.ndarray
    likely: np.ndarray


@dataclass(frozen=True)
class Weighed:
    """What all sources say together: `doubt` (N,), a log likelihood ratio, and each source's share in it, sum 1."""

    doubt: np.ndarray
    weights: dict[str, float]


def confusions(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Count (K, K) samples of a label (row) that look like a class (column), by probs (N, K) out of fold.

    >>> confusions(np.array([[0.9, 0.1]] * 8 + [[0.1, 0.9]] * 8), np.array([0] * 7 + [1] * 9)).tolist()
    [[7.0, 0.0], [1.0, 8.0]]
    """
    num_classes = probs.shape[1]
    usual = np.full(num_classes, np.inf)
    for label in np.unique(labels):
        usual[label] = np.quantile(probs[labels == label, label], _SURE)
    likeliest = np.where(probs >= usual * (1 - 1e-6), probs, -1.0)
    found = likeliest.argmax(axis=1)
    sure = likeliest.max(axis=1) >= 0
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (labels[sure], found[sure]), 1)
    return counts


def draw_wrong_labels(labels: np.ndarray, confused: np.ndarray | None = None) -> Drawn:
    """Draw another class that occurs for each of labels (n,) of two classes or more.

    Most are of any class, and some as `confused` (K, K) says.
    """
    rng = np.random.default_rng(0)
    present = np.unique(labels)
    if confused is None:
        others = np.searchsorted(present, labels) + rng.integers(1, len(present), len(labels))
        return Drawn(present[others % len(present)], np.ones(len(labels)), np.empty((0, 0)))
    sizes = np.bincount(labels, minlength=len(confused))
    anything = np.outer(sizes, sizes > 0).astype(float)
    rates = confused.T * (sizes > 0)
    for table in (anything, rates):
        np.fill_diagonal(table, 0)
    rates = _ANY * anything / anything.sum() + (1 - _ANY) * rates / max(1.0, rates.sum())
    wrong = np.empty(len(labels), np.int64)
    for label in present:
        members = np.flatnonzero(labels == label)
        wrong[members] = rng.choice(len(confused), len(members), p=rates[label] / rates[label].sum())
    importance = (rates.sum(axis=1) / np.maximum(sizes, 1))[labels]
    likely = rates.T / np.maximum(sizes, 1)[:, None]
    return Drawn(wrong, importance, np.log(np.maximum(likely, likely[likely > 0].min())))


def weigh(
    own: Mapping[str, np.ndarray], drawn: Mapping[str, np.ndarray], some: np.ndarray, importance: np.ndarray
) -> Weighed:
    """Weigh sources: numbers that rise with doubt, (N, m) for the given labels and (n, m) for drawn ones of `some`.

    NaN counts as no evidence. A logistic model separates drawn from given labels, additive over sources and
    rising in each number; each sample is judged by a model that has not seen it. Those that people reject, or that it
    doubts most, are then added to the drawn ones, as the errors that are there may be of another kind.
    """
    n = len(next(iter(own.values())))
    votes = own.get("votes", np.zeros((n, 1)))
    of = np.random.default_rng(1).permutation(n) % _FOLDS
    doubt = np.empty(n)
    gains = dict.fromkeys(own, 0.0)
    for fold in range(_FOLDS):
        learn = of[some] != fold
        judged = of == fold
        if not learn.any():
            learn[:] = True
        ratios = {name: _Ratio(own[name][some[learn]], drawn[name][learn]) for name in own}
        rejected = votes[some[learn], 0] > 0.5
        slopes = _slopes(ratios, importance[learn], rejected)
        doubt[judged] = np.sum([one.ramps(own[name][judged]) @ slopes[name] for name, one in ratios.items()], axis=0)
        for name, one in ratios.items():
            apart = importance[learn] @ one.drawn / importance[learn].sum() - one.own.mean(axis=0)
            gains[name] += max(0.0, float(apart @ slopes[name]))
    total = sum(gains.values()) or 1.0
    return Weighed(doubt, {name: gain / total for name, gain in gains.items()})


# --- the likelihood ratios ----------------------------------------------------------------------------------------


class _Ratio:
    """Ramps of the numbers of one source: a sum of them with slopes that are not negative rises with each number."""

    def __init__(self, own: np.ndarray, drawn: np.ndarray) -> None:
        self.knots = [_knots(*pair) for pair in zip(own.T, drawn.T, strict=True)]
        self.middle = 0.0
        self.own, self.drawn = self.ramps(own), self.ramps(drawn)
        known = [rows[~np.isnan(numbers[:, 0])] for rows, numbers in ((self.own, own), (self.drawn, drawn))]
        # Without evidence it says what is in the middle of both.
        if all(map(len, known)):
            self.middle = (known[0].mean(axis=0) + known[1].mean(axis=0)) / 2
            self.own, self.drawn = self.ramps(own), self.ramps(drawn)

    def ramps(self, numbers: np.ndarray) -> np.ndarray:
        """Return (n, ramps) of numbers (n, m): how far each has come from one knot to the next."""
        parts = [np.empty((len(numbers), 0))]
        for values, knots in zip(numbers.T, self.knots, strict=True):
            parts.append(np.clip((values[:, None] - knots[:-1]) / np.diff(knots), 0, 1))
        ramps = np.concatenate(parts, axis=1) - self.middle
        return np.where(np.isnan(numbers[:, :1]), 0.0, ramps)


def _knots(own: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    own = own[~np.isnan(own)]
    drawn = drawn[~np.isnan(drawn)]
    if not len(own) or not len(drawn):
        return np.array([0.0, 1.0])
    both = np.concatenate([own, drawn])
    inner = np.concatenate([np.quantile(own, _KNOTS), np.quantile(drawn, _DRAWN_KNOTS)])
    knots = np.unique(np.concatenate([[both.min()], inner, [both.max()]]))
    apart = np.diff(knots) > 1e-3 * (knots[-1] - knots[0])
    if not apart.any():
        return np.array([knots[0], knots[0] + 1.0])
    return np.concatenate([knots[:1], knots[1:][apart]])


@one_thread()
def _slopes(ratios: Mapping[str, _Ratio], importance: np.ndarray, rejected: np.ndarray) -> dict[str, np.ndarray]:
    """Return the slopes of each source's ramps: a logistic regression with a ridge penalty and no negative slope.

    Drawn labels, of an `importance` (n,), are wrong, and after the first round given ones too: those that people have
    `rejected` (m,) or, unless these are some and few, those that it doubts most.
    """
    own, drawn = (np.hstack([getattr(one, side) for one in ratios.values()]) for side in ("own", "drawn"))
    x = np.concatenate([own, own, drawn])
    first = np.zeros(len(own))
    count = 0.0
    target = np.repeat([0.0, 1.0], [len(own), len(own) + len(drawn)])
    ridge = np.concatenate([np.full(one.own.shape[1], _RIDGES.get(name, _RIDGE)) for name, one in ratios.items()])
    bounds = [(None, None), *[(0, None)] * x.shape[1]]
    for _ in range(_ROUNDS):
        parts = (
            (1 - first) / (1 - first).sum(),
            count * first / max(1, first.sum()),
            (1 - count) * importance / importance.sum(),
        )
        weight = np.concatenate(parts) / 2

        def loss(slopes: np.ndarray, weight: np.ndarray = weight) -> tuple[float, np.ndarray]:
            logit = x @ slopes[1:] + slopes[0]
            off = (expit(logit) - target) * weight
            value = weight @ (np.logaddexp(0, logit) - target * logit) + ridge / 2 @ slopes[1:] ** 2
            return float(value), np.concatenate([[off.sum()], off @ x + ridge * slopes[1:]])

        found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds).x[1:]
        doubt = own @ found
        count = _COUNT
        first = rejected
        if not _ENOUGH <= rejected.sum() <= _FEW * len(rejected):
            first = doubt > np.quantile(doubt, 1 - _FIRST)
    ends = np.cumsum([one.own.shape[1] for one in ratios.values()])
    return dict(zip(ratios, np.split(found, ends[:-1]), strict=True))
