"""The gain of decisions about labels, with its interval: heads before and after them, on images that are locked away.

Heads learn from the images outside the lock, with the labels before and after the decisions, and are compared on the
locked ones. How much a head gains depends on its kind and penalty, so several are fitted, and the interval covers how
they differ. The given labels there may be wrong, so some are checked by hand, most of them where the heads differ; what
the checks say against the given labels corrects the gain (prediction-powered: Angelopoulos et al. 2023; Hansen and
Hurwitz 1943 for the draws).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from scipy.special import logsumexp
from scipy.stats import t as student

from avhcurate.measures.stats.blas import one_thread
from avhcurate.measures.stats.folds import stratified_folds
from avhcurate.measures.stats.softmax_heads import fit_softmax_heads

#: Subsamples of the images outside the lock, and their share of these: heads of one sample alone are a lottery.
SUBSAMPLES = 8
SHARE = 0.8
#: Axes of the features in which heads are fitted, and images that say which axes.
AXES = 128
AXES_FROM = 20_000
#: Penalties, strongest first: the ends are never chosen, so that a better one beyond them would be seen.
PENALTIES = tuple(4.0**power for power in range(7, -5, -1))
#: Images that choose among them, and parts of these that are held out in turn.
CHOICE_IMAGES = 6000
PARTS = 3
#: Softmax heads have the chosen penalty and these multiples of it, from the strongest; heads by least squares have
#: these, for each image and as many times the variance of an axis. Measured: see docs/results/payoff.md.
FACTORS = (4.0, 1.0, 0.25)
RIDGES = (3.0, 0.3, 0.03)
#: Below so many checks the given labels alone say more.
LEAST_CHECKS = 10
#: Intervals of the prototype were a little short: 93 to 95 of 100 held.
_WIDER = 1.05
_STEPS = 60
_NEXT_STEPS = 20


@dataclass(frozen=True)
class PenaltyChoice:
    """The penalty with the least loss on images held out, and the mean loss of each by penalty."""

    value: float
    losses: Mapping[float, float]


@dataclass(frozen=True)
class Difference:
    """By how much more of the heads after decisions than before name a class of each locked image.

    by_class: (L, K) in [-1, 1], of all heads. by_head: (J, L), the given label, of the heads of each kind and penalty.
    """

    by_class: np.ndarray
    by_head: np.ndarray

    @property
    def of_heads(self) -> float:
        """The variance of the gain between kinds and penalties of heads."""
        return float(self.by_head.mean(axis=1, dtype=np.float64).var(ddof=1))


@dataclass(frozen=True)
class Gain:
    """By how much decisions changed accuracy, and the ends of its 95 % interval, as shares of the locked images.

    `checked`: images that were checked by hand, and how many `draws` they answer.
    """

    gain: float
    low: float
    high: float
    locked: int
    checked: int
    #: Variances of the labels that are given, of one check, and between kinds of heads.
    of_labels: float = 0.0
    of_check: float = 0.0
    of_heads: float = 0.0
    draws: int = 0

    @property
    def verdict(self) -> str:
        if self.low > 0:
            return "helped"
        if self.high < 0:
            return "hurt"
        return "cannot tell"

    def half_width(self, more: int) -> float:
        """Return half of the interval that so many more draws, checked, would give, by what is known now."""
        return _half_width(self.of_labels + self.of_heads, self.of_check, self.draws + more, self.locked)

    @property
    def needed(self) -> float:
        """About how many locked images would decide a gain of this size; infinity where heads differ by more."""
        rest = (self.gain / (_WIDER * student.ppf(0.975, max(1, self.locked - 1)))) ** 2 - self.of_heads
        if rest <= 0:
            return math.inf
        return self.locked * self.of_labels / rest


def _half_width(spread: float, of_check: float, checks: int, locked: int) -> float:
    freedom = checks - 1 if checks else locked - 1
    return float(_WIDER * student.ppf(0.975, max(1, freedom)) * math.sqrt(spread + of_check / max(1, checks)))


# --- heads -------------------------------------------------------------------------------------------------------


@one_thread()
def principal(features: np.ndarray, learnt: np.ndarray) -> np.ndarray:
    """Return features (N, D) in the axes (N, d) in which those of some rows `learnt` (n,) vary most, on one scale."""
    rows = np.random.default_rng(0).permutation(learnt)[:AXES_FROM]
    sample = np.asarray(features[np.sort(rows)], np.float32)
    mean = sample.mean(axis=0)
    centred = sample - mean
    _, values, axes = np.linalg.svd((centred.T @ centred).astype(np.float64), hermitian=True)
    scale = math.sqrt(values[:AXES].mean() / max(1, len(sample) - 1)) or 1.0
    kept = (axes[:AXES].T / scale).astype(np.float32)
    blocks = np.array_split(np.arange(len(features)), max(1, len(features) // 8192))
    return np.concatenate([(np.asarray(features[block], np.float32) - mean) @ kept for block in blocks])


@one_thread()
def choose_penalty(x: np.ndarray, labels: np.ndarray, num_classes: int, groups: np.ndarray) -> PenaltyChoice:
    """Return the penalty that predicts labels (n,) of images held out best; x (n, d), groups (n,) stay together."""
    rows = np.sort(np.random.default_rng(0).permutation(len(labels))[:CHOICE_IMAGES])
    x = x[rows]
    labels = labels[rows]
    of_sample = stratified_folds(labels, groups[rows], folds=PARTS, seed=0)
    losses = dict.fromkeys(PENALTIES, 0.0)
    for part in range(PARTS):
        held_out = of_sample == part
        start = None
        for penalty in PENALTIES:
            heads = fit_softmax_heads(
                x[~held_out], labels[None, ~held_out], num_classes, penalty=penalty, start=start, steps=_NEXT_STEPS
            )
            start = heads.weights
            losses[penalty] += _loss(heads.logits(x[held_out])[:, 0], labels[held_out]) / len(labels)
    return PenaltyChoice(min(PENALTIES[1:-1], key=losses.__getitem__), losses)


def _loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the sum of the cross-entropies of logits (n, K)."""
    return float((logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]).sum())


@one_thread()
def differences(
    x: np.ndarray,
    before: np.ndarray,
    after: Sequence[np.ndarray],
    locked: np.ndarray,
    given: np.ndarray,
    num_classes: int,
    penalty: float,
) -> list[Difference]:
    """Return how heads after decisions differ from those before, for each of `after`.

    x: (n, d) outside the lock; `before` and each of `after`: labels (n,), -1 for an image left out; locked: (L, d),
    with given labels (L,).
    """
    labels = np.stack([before, *after])
    rows = np.arange(len(locked))
    named = np.zeros((len(labels), len(locked), num_classes), np.int16)
    right = np.zeros((len(FACTORS) + len(RIDGES), *named.shape[:2]), np.int16)
    starts = dict[float, np.ndarray]()
    for draw in range(SUBSAMPLES):
        drawn = np.sort(np.random.default_rng(draw).permutation(len(x))[: max(1, round(SHARE * len(x)))])
        # Equal labels have one head, so that nothing decided changes nothing.
        distinct, head_of = np.unique(labels[:, drawn], axis=0, return_inverse=True)
        kinds = chain(
            _by_softmax(x[drawn], distinct, locked, num_classes, penalty, starts),
            _by_least_squares(x[drawn], distinct, locked),
        )
        for kind, predicted in enumerate(kinds):
            for which, head in enumerate(head_of.ravel()):
                named[which, rows, predicted[head]] += 1
                right[kind, which] += predicted[head] == given
    heads = np.float32(SUBSAMPLES * len(right))
    by_class = (named[1:] - named[0]) / heads
    by_head = (right[:, 1:] - right[:, :1]) / np.float32(SUBSAMPLES)
    return [Difference(one, by_head[:, which]) for which, one in enumerate(by_class)]


def _by_softmax(
    x: np.ndarray,
    labels: np.ndarray,
    locked: np.ndarray,
    num_classes: int,
    penalty: float,
    starts: dict[float, np.ndarray],
) -> Iterator[np.ndarray]:
    """Yield the classes (B, L) that softmax heads of labels (B, n) name, by penalty; `starts` are where to begin."""
    start = None
    for factor in FACTORS:
        steps = _NEXT_STEPS if factor in starts else _STEPS
        start = starts.get(factor, start)
        heads = fit_softmax_heads(x, labels, num_classes, penalty=factor * penalty, start=start, steps=steps)
        start = starts[factor] = heads.weights[:, :1]
        yield heads.logits(locked).argmax(axis=2).T


def _by_least_squares(x: np.ndarray, labels: np.ndarray, locked: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the classes (B, L) that heads by least squares of labels (B, n) name, by penalty."""
    from sklearn.linear_model import RidgeClassifier  # a second to import

    for ridge in RIDGES:
        head = RidgeClassifier(alpha=ridge * len(x))
        yield np.stack([head.fit(x[one >= 0], one[one >= 0]).predict(locked) for one in labels])


# --- the gain ----------------------------------------------------------------------------------------------------


def draws(difference: np.ndarray, number: int, *, seed: int = 0) -> np.ndarray:
    """Return rows (number,) of a difference (L, K), drawn with replacement by the most that heads differ on one class.

    The draws begin alike for every number, and stay much the same when the difference changes little.

    >>> draws(np.array([[0, 0], [-1, 1], [0, 0]]), 3).tolist()
    [1, 1, 1]
    """
    reach = np.cumsum(np.abs(difference).max(axis=1))
    if not len(reach) or reach[-1] == 0:
        return np.empty(0, np.int64)
    points = np.random.default_rng(seed).random(number) * reach[-1]
    return np.minimum(np.searchsorted(reach, points, side="right"), len(reach) - 1)


def gain(
    difference: np.ndarray,
    given: np.ndarray,
    checked: Mapping[int, int],
    drawn: Sequence[int],
    drawn_by: np.ndarray | None = None,
    *,
    of_heads: float = 0.0,
) -> Gain:
    """Return the gain on locked images: difference (L, K), given labels (L,), and checks, labels by row.

    A check is -1 where the image is of no class that heads name. `drawn`: the rows in the order of `draws` of the
    difference `drawn_by`, by default the same; those up to the first without a check count. Where every image on which
    heads differ is checked, the checks replace the labels. `of_heads`: the variance between kinds of heads.
    """
    by_label = difference[np.arange(len(given)), given].astype(np.float64)
    differing = np.flatnonzero(difference.any(axis=1))
    weight = np.abs(difference if drawn_by is None else drawn_by).max(axis=1).astype(np.float64)
    by_check = {row: _at(difference, row, label) for row, label in checked.items()}
    if len(differing) and all(row in by_check for row in differing.tolist()):
        by_label[differing] = [by_check[row] for row in differing.tolist()]
        return _gain(by_label, np.empty(0), len(differing), of_heads)
    answered = 0
    while answered < len(drawn) and drawn[answered] in by_check:
        answered += 1
    if answered < LEAST_CHECKS:
        return _gain(by_label, np.empty(0), 0, of_heads)
    corrections = [(by_check[row] - by_label[row]) / weight[row] for row in drawn[:answered]]
    images = len(set(drawn[:answered]))
    return _gain(by_label, np.array(corrections) * weight.mean(), images, of_heads, unit=weight.mean())


def _gain(by_label: np.ndarray, corrections: np.ndarray, checked: int, of_heads: float, *, unit: float = 0.0) -> Gain:
    """Return the gain of what labels say (L,), less than which checks correct it (m,), of a share `unit` each."""
    locked = len(by_label)
    estimate = float(by_label.mean() + (corrections.mean() if len(corrections) else 0))
    of_labels = float(by_label.var(ddof=1) / locked)
    of_check = 0.0
    if len(corrections):
        # Half a wrong label more than was seen: few checks without any do not say that there is none.
        of_check = float(corrections.var(ddof=1) + unit**2 / 2 / len(corrections))
    width = _half_width(of_labels + of_heads, of_check, len(corrections), locked)
    return Gain(
        gain=estimate,
        low=estimate - width,
        high=estimate + width,
        locked=locked,
        checked=checked,
        of_labels=of_labels,
        of_check=of_check,
        of_heads=of_heads,
        draws=len(corrections),
    )


def _at(difference: np.ndarray, row: int, label: int) -> float:
    return float(difference[row, label]) if label >= 0 else 0.0
