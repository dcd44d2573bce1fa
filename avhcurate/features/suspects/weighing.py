"""How much each source of evidence counts: learned on wrong labels that are drawn for the purpose."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

#: Samples for which a wrong label is drawn at most, and classes up to which confusions of pairs are counted.
MOST_DRAWN, MOST_CLASSES = 20_000, 1000
#: The share of the drawn labels that are any other class; the rest follow the confusions in the data.
_ANY = 0.8
#: A sample looks like a class from this quantile of the class's own probabilities on.
_SURE = 0.8
#: Quantiles of the own and of the drawn labels between which a source's likelihood ratio bends.
_KNOTS, _DRAWN_KNOTS = (0.5, 0.9, 0.97), (0.1, 0.3, 0.6)
#: The ridge penalty: it lets sources share, as each may fail. Votes come from elsewhere and may say more.
_RIDGE, _VOTES_RIDGE = 1e-2, 1e-4
#: The share of the samples, doubted most by the other sources, that tells whether a source confirms them; and how many
#: doubts of people take its place.
_FIRST, _ENOUGH = 0.02, 5
#: Others who doubt a smaller share of the drawn labels than this have nothing to be confirmed.
_TELLING = 0.3
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
    found, sure = likeliest.argmax(axis=1), likeliest.max(axis=1) >= 0
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (labels[sure], found[sure]), 1)
    return counts


def draw_wrong_labels(labels: np.ndarray, confused: np.ndarray | None = None, *, seed: int = 0) -> Drawn:
    """Draw another class that occurs for each of labels (n,) of two classes or more.

    Most are of any class, and some as `confused` (K, K) says.
    """
    rng, present = np.random.default_rng(seed), np.unique(labels)
    if confused is None:
        others = np.searchsorted(present, labels) + rng.integers(1, len(present), len(labels))
        return Drawn(present[others % len(present)], np.ones(len(labels)), np.empty((0, 0)))
    sizes = np.bincount(labels, minlength=len(confused))
    anything, rates = np.outer(sizes, sizes > 0).astype(float), confused.T * (sizes > 0)
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
    own: Mapping[str, np.ndarray],
    drawn: Mapping[str, np.ndarray],
    some: np.ndarray,
    importance: np.ndarray,
    *,
    doubting: Mapping[str, float],
) -> Weighed:
    """Weigh sources: numbers that rise with doubt, (N, m) for the given labels and (n, m) for drawn ones of `some`.

    NaN is no evidence, and says nothing. A logistic model separates drawn from given labels, additive over sources and
    rising in each number; each sample is judged by a model that has not seen it. A source counts less where it does
    not confirm the others as much as it confirms drawn labels: its errors are then of another kind. `doubting` is the
    share of labels that each doubts. Whoever doubts more is more often mistaken, so people judge the others alone where
    they doubt no more than half of these.
    """
    n = len(next(iter(own.values())))
    of = np.random.default_rng(1).permutation(n) % _FOLDS
    given = {name: np.empty(n) for name in own}
    wrong = {name: np.empty(len(some)) for name in own}
    for fold in range(_FOLDS):
        learn = of[some] != fold
        if not learn.any():
            learn[:] = True
        ratios = _fit({name: own[name][some[learn]] for name in own}, {name: drawn[name][learn] for name in own})
        slopes = _slopes(ratios, importance[learn])
        for name, ratio in ratios.items():
            given[name][of == fold] = ratio.ramps(own[name][of == fold]) @ slopes[name]
            wrong[name][of[some] == fold] = ratio.ramps(drawn[name][of[some] == fold]) @ slopes[name]
    told = {name: given[name][some] for name in own}
    others = [share for name, share in doubting.items() if name != "votes"]
    people = "votes" in own and bool(others) and bool(doubting["votes"] <= np.median(others))
    votes = own.get("votes", np.empty((n, 0)))[some]
    trust = _trust(told, wrong, importance, votes, drawn.get("votes"), people=people)
    gains = {
        name: max(0.0, trust[name] * float(np.average(wrong[name], weights=importance) - told[name].mean()))
        for name in own
    }
    total = sum(gains.values()) or 1.0
    doubt = np.sum([trust[name] * part for name, part in given.items()], axis=0)
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
    own, drawn = own[~np.isnan(own)], drawn[~np.isnan(drawn)]
    if not len(own) or not len(drawn):
        return np.array([0.0, 1.0])
    both = np.concatenate([own, drawn])
    inner = np.concatenate([np.quantile(own, _KNOTS), np.quantile(drawn, _DRAWN_KNOTS)])
    knots = np.unique(np.concatenate([[both.min()], inner, [both.max()]]))
    apart = np.diff(knots) > 1e-3 * (knots[-1] - knots[0])
    if not apart.any():
        return np.array([knots[0], knots[0] + 1.0])
    return np.concatenate([knots[:1], knots[1:][apart]])


def _fit(own: Mapping[str, np.ndarray], drawn: Mapping[str, np.ndarray]) -> dict[str, _Ratio]:
    return {name: _Ratio(own[name], drawn[name]) for name in own}


def _slopes(ratios: Mapping[str, _Ratio], importance: np.ndarray) -> dict[str, np.ndarray]:
    """Return the slopes of each source's ramps: a logistic regression with a ridge penalty and no negative slope."""
    x = np.concatenate(
        [np.hstack([one.own for one in ratios.values()]), np.hstack([one.drawn for one in ratios.values()])]
    )
    target = np.repeat([0.0, 1.0], [len(x) - len(importance), len(importance)])
    weight = np.concatenate([np.full(len(importance), 0.5 / len(importance)), 0.5 * importance / importance.sum()])
    ridge = np.concatenate([np.full(one.own.shape[1], _ridge(name)) for name, one in ratios.items()])

    def loss(slopes: np.ndarray) -> tuple[float, np.ndarray]:
        logit = x @ slopes[1:] + slopes[0]
        off = (expit(logit) - target) * weight
        value = weight @ (np.logaddexp(0, logit) - target * logit) + ridge / 2 @ slopes[1:] ** 2
        return float(value), np.concatenate([[off.sum()], off @ x + ridge * slopes[1:]])

    bounds = [(None, None), *[(0, None)] * x.shape[1]]
    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds).x[1:]
    ends = np.cumsum([one.own.shape[1] for one in ratios.values()])
    return dict(zip(ratios, np.split(found, ends[:-1]), strict=True))


def _ridge(source: str) -> float:
    if source == "votes":
        return _VOTES_RIDGE
    return _RIDGE


def _trust(
    told: Mapping[str, np.ndarray],
    wrong: Mapping[str, np.ndarray],
    importance: np.ndarray,
    votes: np.ndarray,
    drawn_votes: np.ndarray | None,
    *,
    people: bool,
) -> dict[str, float]:
    """Return for each source, 0 to 1, how much of what it says of drawn labels it says where the others doubt, too.

    It is 1 where the others see too little. Where `people` are the judges, they alone ask, and are not asked.
    """
    seen, rejected = np.ones(len(importance), bool), np.zeros(len(importance), bool)
    if people:
        assert drawn_votes is not None
        seen, rejected = ~np.isnan(votes[:, 0]), np.nan_to_num(votes[:, 0]) > 0.5
        people = int(rejected.sum()) >= _ENOUGH
    trust = {"votes": 1.0, "pairs": 1.0}
    for name, said in told.items():
        if name == "pairs" or (people and name == "votes"):
            continue
        if people:
            assert drawn_votes is not None
            asked, asked_drawn = rejected, np.nan_to_num(drawn_votes[:, 0]) > 0.5
        else:
            others = _all_but(name, told)
            limit = np.quantile(others, 1 - _FIRST)
            asked, asked_drawn = others >= limit, _all_but(name, wrong) >= limit
        trust[name], usual = 1.0, said[seen].mean()
        if np.average(asked_drawn[seen], weights=importance[seen]) < _TELLING:
            continue
        hoped = np.average(wrong[name][asked_drawn], weights=importance[asked_drawn]) - usual
        if hoped > 0:
            trust[name] = float(np.clip((said[asked].mean() - usual) / hoped, 0, 1))
    if people:
        trust["pairs"] = float(np.mean([trust[name] for name in told if name not in ("votes", "pairs")]))
    return trust


def _all_but(name: str, parts: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.sum([part for one, part in parts.items() if one != name], axis=0)
