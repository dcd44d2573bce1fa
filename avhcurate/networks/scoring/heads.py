"""Linear heads on frozen features by scikit-learn, for `score --head fit`, suspects out of fold and benchmarks."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from avhcurate.measures.stats.blas import one_thread
from avhcurate.measures.stats.climb import climb
from avhcurate.measures.stats.folds import stratified_folds
from avhcurate.networks.scoring.shards import LOCAL, Engine, Step, work_through
from avhcurate.workspace.data.runs import FoldHeads

#: Strengths of the penalty that are tried, from the strongest: it counts half the squared weights once, against the sum
#: of the losses, so that a strength which is right for some of the samples is right for all.
STRENGTHS = tuple(4.0**power for power in range(7, -4, -1))
#: Samples on which strengths are compared, parts of them that are held out in turn, and numbers (samples times width)
#: up to which all samples are fitted.
CHOICE_SAMPLES = 6000
PARTS = 3
MOST_NUMBERS = 1 << 27
#: A class without samples gets one at the mean of the features, of this weight: its class weights point away from what
#: there is.
_ABSENT = 1e-4
_STEPS = 1000
#: The tolerance of the fits that are only compared: strengths differ by a factor of four.
_ROUGH = 1e-4

#: What decides the numbers of a head, for a record and for the name of a folder.
RECIPE: dict[str, Any] = {
    "model": "multinomial logistic regression",
    "strengths": list(STRENGTHS),
    "choice_samples": CHOICE_SAMPLES,
    "parts": PARTS,
    "most_numbers": MOST_NUMBERS,
    "choice_tolerance": _ROUGH,
}


@dataclass(frozen=True)
class LinearHead:
    """A linear head that reads plain features: class_weights (K, D) and bias (K,), float32."""

    class_weights: np.ndarray
    bias: np.ndarray

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return (n, K) of features (n, D)."""
        return features @ self.class_weights.T + self.bias


@dataclass(frozen=True)
class Samples:
    """Training samples: rows `ids` (n,) of features (N, D), with targets (n,) below K and groups (n,).

    Samples of one group always share a fold: copies of an image, for example.
    """

    features: np.ndarray
    ids: np.ndarray
    targets: np.ndarray
    groups: np.ndarray
    num_classes: int

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, which: np.ndarray) -> "Samples":
        """Return those that a mask or positions choose."""
        return replace(self, ids=self.ids[which], targets=self.targets[which], groups=self.groups[which])

    def some(self, most: int, *, seed: int) -> "Samples":
        """Return at most so many, drawn by chance, in their order."""
        if len(self) <= most:
            return self
        return self.part(np.sort(np.random.default_rng(seed).permutation(len(self))[:most]))


@dataclass(frozen=True, order=True)
class ChosenPenalty:
    """The mean loss of samples held out, and the penalty that gave it: its strength, and whether each feature is
    brought to unit variance or all by one number.
    """

    loss: float
    strength: float
    standardised: bool


@one_thread()
def fit_head(
    samples: Samples, *, seed: int = 0, check: Callable[[], None] = lambda: None
) -> tuple[LinearHead, ChosenPenalty]:
    """Return the head of these samples and its penalty, which is chosen among these samples.

    The same seed gives the same head. `check` is called before every fit and may raise.
    """
    fitted = samples.some(max(1, MOST_NUMBERS // samples.features.shape[1]), seed=seed)
    penalty = _choose(samples.some(CHOICE_SAMPLES, seed=seed), seed, check)
    # The penalty stays the same share of the objective.
    strength = penalty.strength * len(fitted) / len(samples)
    return _Fit(fitted, check, standardised=penalty.standardised, tolerance=1e-6).head(strength), penalty


def _choose(samples: Samples, seed: int, check: Callable[[], None]) -> ChosenPenalty:
    """Return the penalty with the least loss on samples whose groups were held out."""
    parts = min(PARTS, len(np.unique(samples.groups)))
    if parts < 2:
        return ChosenPenalty(loss=math.nan, strength=1.0, standardised=False)
    of_sample = stratified_folds(samples.targets, samples.groups, folds=parts, seed=seed)
    # Of many samples one part says enough.
    held_out = range(parts if len(samples) < CHOICE_SAMPLES else 1)
    penalties = []
    for standardised in (False, True):
        pairs = []
        for part in held_out:
            fit = _Fit(samples.part(of_sample != part), check, standardised=standardised, tolerance=_ROUGH)
            pairs.append((fit, samples.part(of_sample == part)))
        strength, gain = climb(STRENGTHS, len(STRENGTHS) // 2, partial(_less_loss, pairs))
        penalties.append(ChosenPenalty(-gain, strength, standardised))
    return min(penalties)


def _less_loss(pairs: Sequence[tuple["_Fit", Samples]], strength: float) -> float:
    """Return the mean loss, taken as negative, of fits with this penalty on the samples that each did not have."""
    loss = sum(_loss(fit.head(strength), judged) for fit, judged in pairs)
    return -loss / sum(len(judged) for _, judged in pairs)


class _Fit:
    """Fits to the same samples with several penalties, each from where the last one ended."""

    def __init__(self, samples: Samples, check: Callable[[], None], *, standardised: bool, tolerance: float) -> None:
        from sklearn.linear_model import LogisticRegression

        self._check = check
        self._num_classes = samples.num_classes
        x = np.asarray(samples.features[samples.ids], np.float32)
        self._mean = x.mean(axis=0, dtype=np.float64)
        scale = x.std(axis=0, dtype=np.float64)
        # What is the same in all samples tells nothing.
        self._scale = np.where(scale > 1e-6 * scale.max(initial=0), scale, np.inf)
        if not standardised:
            self._scale = np.full(len(scale), math.sqrt(np.mean(scale**2)) or 1.0)
        absent = np.setdiff1d(np.arange(samples.num_classes), samples.targets)
        zeros = np.zeros((len(absent), x.shape[1]), np.float32)
        self._x = np.concatenate([((x - self._mean) / self._scale).astype(np.float32), zeros])
        self._targets = np.concatenate([samples.targets, absent])
        self._weights = np.repeat([1.0, _ABSENT], [len(x), len(absent)])
        # Class weights at the minimum lie in the span of the samples, which is smaller than the width where these are
        # few: in its axes the penalty is the same, and so is the head.
        self._axes = None
        if len(self._x) < self._x.shape[1]:
            self._axes, in_axes = np.linalg.qr(self._x.T)
            self._x = np.ascontiguousarray(in_axes.T)
        self._model = LogisticRegression(warm_start=True, max_iter=_STEPS, tol=tolerance)

    def head(self, strength: float) -> LinearHead:
        """Return the head with that penalty."""
        from sklearn.exceptions import ConvergenceWarning

        self._check()
        # Two classes have one row of weights, whose square counts twice as much.
        self._model.C = (2 if self._num_classes == 2 else 1) / strength
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            self._model.fit(self._x, self._targets, self._weights)
        weights = self._model.coef_.astype(np.float64)
        bias = self._model.intercept_.astype(np.float64)
        if self._num_classes == 2:
            weights = np.stack([-weights[0], weights[0]]) / 2
            bias = np.array([-bias[0], bias[0]]) / 2
        if self._axes is not None:
            weights = weights @ self._axes.T.astype(np.float64)
        weights = weights / self._scale
        return LinearHead(weights.astype(np.float32), (bias - weights @ self._mean).astype(np.float32))


def _loss(head: LinearHead, samples: Samples) -> float:
    """Return the sum of the cross-entropies of a head on these samples."""
    from scipy.special import logsumexp  # of what scoring imports, only this needs scipy

    logits = head.logits(np.asarray(samples.features[samples.ids], np.float32)).astype(np.float64)
    return float((logsumexp(logits, axis=1) - logits[np.arange(len(samples)), samples.targets]).sum())


@dataclass(frozen=True)
class Fits:
    """Heads on the features that `open` maps: of each fold (n,) `of_sample`, fitted without it, and of all (-1).

    It is work whose shards are folds, each of one head. `ids`, `targets` and `groups` are those of `Samples`; `check`
    may raise Cancelled.
    """

    open: Callable[[], np.ndarray]
    ids: np.ndarray
    targets: np.ndarray
    groups: np.ndarray
    num_classes: int
    of_sample: np.ndarray
    seed: int
    shards: range
    check: Callable[[], None]

    def ids_of(self, fold: int) -> Sequence[int]:
        return [fold]

    def begin(self) -> Callable[[Sequence[int]], Iterator[Step]]:
        samples = Samples(self.open(), self.ids, self.targets, self.groups, self.num_classes)
        return partial(self._steps, samples)

    def _steps(self, samples: Samples, folds: Sequence[int]) -> Iterator[Step]:
        for fold in folds:
            head, _ = fit_head(samples.part(self.of_sample != fold), seed=self.seed, check=self.check)
            yield Step(1, (fold, head))

    def cut(self, samples: int) -> tuple["Fits", int]:
        """Return the same work as it can be pickled: only this process can be stopped."""
        return replace(self, check=_go_on), 1

    def join(self, fold: int, parts: Sequence[Any]) -> Any:
        return parts[0]


def _go_on() -> None:
    pass


def fit_folds(folder: FoldHeads, fits: Fits, *, engine: Engine = LOCAL, tell: Callable[[str], None]) -> None:
    """Write the heads into a folder that may have some, each as soon as it is fitted; `tell` hears what is done."""

    def commit(result: tuple[int, LinearHead]) -> None:
        fold, head = result
        folder.write_head(head.class_weights, head.bias, fold)

    def tell_heads(done: int, news: str) -> None:
        fits.check()
        tell(", ".join(filter(None, (f"{done} of {len(fits.shards)} heads fitted", news))))

    work_through(fits, folder.has_head, engine, commit=commit, tell=tell_heads)
