"""Linear heads on frozen features, for `score --head fit`, suspects out of fold and benchmarks."""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from avhcurate.errors import CurateError
from avhcurate.measures.stats.blas import one_thread
from avhcurate.measures.stats.climb import climb
from avhcurate.measures.stats.folds import stratified_folds
from avhcurate.networks.scoring.shards import LOCAL, Engine, Step, work_through
from avhcurate.workspace.data.runs import FoldHeads

#: Strengths of the penalty that are tried, from the strongest: it counts half the squared weights once, against the sum
#: of the losses, so that a strength which is right for some of the samples is right for all.
STRENGTHS = tuple(4.0**power for power in range(7, -4, -1))
#: Samples on which strengths are compared, parts of them that are held out in turn, and numbers (samples times width)
#: up to which all samples are fitted. Heads that are fitted side by side have at most as many.
CHOICE_SAMPLES = 6000
PARTS = 3
MOST_NUMBERS = 1 << 27
#: A class without samples gets one at the mean of the features, of this weight: its class weights point away from what
#: there is.
_ABSENT = 1e-4
_STEPS = 1000
#: Tolerances of fits that are only compared, as strengths differ by a factor of four, and of those that are kept.
_ROUGH = 1e-5
_PRECISE = 1e-8
#: Axes with a smaller share of the squares than the largest has are those of rounding errors.
_NOTHING = 1e-10

#: What decides the numbers of a head, for a record and for the name of a folder.
RECIPE: dict[str, Any] = {
    "model": "multinomial logistic regression",
    "strengths": list(STRENGTHS),
    "choice_samples": CHOICE_SAMPLES,
    "parts": PARTS,
    "most_numbers": MOST_NUMBERS,
    "tolerances": [_ROUGH, _PRECISE],
}


def seconds_of_heads(heads: int, samples: int, width: int, num_classes: int) -> float:
    """Return the seconds that so many heads may take on two quiet cores: to choose their penalties, and to fit them."""
    choosing = 0.45e-9 * min(samples, CHOICE_SAMPLES) * min(samples, width)
    return 1.0 + heads * width * (choosing + 0.8e-9 * samples * num_classes)


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
    fit = _Fit(fitted, check, standardised=penalty.standardised)
    # The second begins near the minimum, whose curvature it then knows.
    fit.head(strength, _ROUGH)
    return fit.head(strength, _PRECISE), penalty


def _choose(samples: Samples, seed: int, check: Callable[[], None]) -> ChosenPenalty:
    """Return the penalty with the least loss on samples whose groups were held out."""
    parts = min(PARTS, len(np.unique(samples.groups)))
    if parts < 2:
        return ChosenPenalty(loss=math.nan, strength=1.0, standardised=False)
    of_sample = stratified_folds(samples.targets, samples.groups, folds=parts, seed=seed)
    # Of many samples one part says enough.
    held_out = range(parts if len(samples) < CHOICE_SAMPLES else 1)
    penalties = []
    position = len(STRENGTHS) // 2
    for standardised in (False, True):
        pairs = []
        for part in held_out:
            fit = _Fit(samples.part(of_sample != part), check, standardised=standardised)
            pairs.append((fit, samples.part(of_sample == part)))
        strength, gain = climb(STRENGTHS, position, partial(_less_loss, pairs))
        position = STRENGTHS.index(strength)
        penalties.append(ChosenPenalty(-gain, strength, standardised))
    return min(penalties)


def _less_loss(pairs: Sequence[tuple["_Fit", Samples]], strength: float) -> float:
    """Return the mean loss, taken as negative, of fits with this penalty on the samples that each did not have."""
    loss = sum(_loss(fit.head(strength, _ROUGH), held_out) for fit, held_out in pairs)
    return -loss / sum(len(held_out) for _, held_out in pairs)


class _Fit:
    """Fits to the same samples with several penalties, each from where the last one ended."""

    def __init__(self, samples: Samples, check: Callable[[], None], *, standardised: bool) -> None:
        self._check = check
        x = np.asarray(samples.features[samples.ids], np.float32)
        self._mean = x.mean(axis=0, dtype=np.float64)
        x -= self._mean
        scale = np.sqrt(np.einsum("nd,nd->d", x, x, dtype=np.float64) / len(x))
        # What is the same in all samples tells nothing.
        self._scale = np.where(scale > 1e-6 * scale.max(initial=0), scale, np.inf)
        if not standardised:
            self._scale = np.full(len(scale), math.sqrt(np.mean(scale**2)) or 1.0)
        x /= self._scale
        self._axes = _principal_axes(x)
        absent = np.setdiff1d(np.arange(samples.num_classes), samples.targets)
        self._targets = np.concatenate([samples.targets, absent])
        self._counts = np.repeat([1.0, _ABSENT], [len(x), len(absent)])
        # The last column is that of the bias, which has no penalty.
        self._x = np.zeros((len(self._targets), self._axes.shape[1] + 1), np.float32)
        np.matmul(x, self._axes, out=self._x[: len(x), :-1])
        self._x[:, -1] = 1
        self._penalised = np.append(np.ones(self._axes.shape[1]), 0)[:, None]
        self._squares = np.einsum("n,nd,nd->d", self._counts, self._x, self._x)[:, None]
        self._weights = np.zeros((self._x.shape[1], samples.num_classes))
        self._weights[-1] = np.log(np.bincount(self._targets, self._counts))

    def head(self, strength: float, tolerance: float) -> LinearHead:
        """Return the head with that penalty."""
        from scipy.optimize import minimize  # of what scoring imports, only this needs scipy

        self._check()
        penalty = strength * self._penalised
        probs, _ = self._probs(self._weights)
        spread = self._counts @ (probs * (1 - probs)) / self._counts.sum()
        # In units in which the curvature is about 1, a few steps are enough.
        turn = 1 / np.sqrt(self._squares * np.maximum(spread, 1e-12) + penalty)

        def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
            weights = turn * at.reshape(turn.shape)
            errors, log_probs = self._probs(weights)
            errors[np.arange(len(errors)), self._targets] -= 1
            errors *= self._counts[:, None]
            gradient = self._x.T @ errors + penalty * weights
            return float((penalty * weights**2).sum() / 2 - self._counts @ log_probs), (turn * gradient).ravel()

        options = {"maxiter": _STEPS, "maxfun": 2 * _STEPS, "ftol": tolerance, "gtol": math.sqrt(tolerance)}
        start = (self._weights / turn).ravel()
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
        self._weights = turn * found.reshape(turn.shape)
        weights = (self._axes @ self._weights[:-1]).T / self._scale
        bias = self._weights[-1] - weights @ self._mean
        return LinearHead(weights.astype(np.float32), bias.astype(np.float32))

    def _probs(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _softmax(self._x @ weights.astype(np.float32), self._targets)


def _principal_axes(x: np.ndarray) -> np.ndarray:
    """Return the axes (D, d) of samples (n, D) in which their coordinates are uncorrelated.

    Class weights at the minimum lie in the span of the samples, which is smaller than the width where these are few: in
    its axes the penalty is the same, and so is the head.
    """
    if len(x) >= x.shape[1]:
        axes = np.linalg.eigh(x.T @ x)[1]
    else:
        exact = x.astype(np.float64)
        squares, places = np.linalg.eigh(exact @ exact.T)
        spanned = squares > _NOTHING * squares[-1]
        axes = exact.T @ (places[:, spanned] / np.sqrt(squares[spanned]))
    return axes.astype(np.float32)


def _loss(head: LinearHead, samples: Samples) -> float:
    """Return the sum of the cross-entropies of a head on these samples."""
    logits = head.logits(np.asarray(samples.features[samples.ids], np.float32))
    return -float(_softmax(logits, samples.targets)[1].sum(dtype=np.float64))


def _softmax(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities (n, K), in place of the logits, and the logs of those of the targets (n,)."""
    logits -= logits.max(axis=1, keepdims=True)
    of_target = logits[np.arange(len(targets)), targets]
    probs = np.exp(logits, out=logits)
    sums = probs.sum(axis=1, keepdims=True)
    probs /= sums
    return probs, of_target - np.log(sums[:, 0])


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

    def begin(self) -> Callable[[Iterable[Sequence[int]]], Iterator[Step]]:
        samples = Samples(self.open(), self.ids, self.targets, self.groups, self.num_classes)
        return partial(self._steps, samples)

    def _steps(self, samples: Samples, runs: Iterable[Sequence[int]]) -> Iterator[Step]:
        """Fit heads side by side, each in one thread, so that their numbers do not depend on how many there are."""
        at_once = MOST_NUMBERS // max(1, len(samples) * samples.features.shape[1])
        workers = max(1, min(at_once, os.cpu_count() or 1))
        with one_thread(), ThreadPoolExecutor(workers) as pool:
            yield from pool.map(partial(self._fitted, samples), chain.from_iterable(runs))

    def _fitted(self, samples: Samples, fold: int) -> Step:
        head, _ = fit_head(samples.part(self.of_sample != fold), seed=self.seed, check=self.check)
        return Step(1, (fold, head))

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process gets: only this one can be stopped."""
        return vars(self) | {"check": _go_on}


def _go_on() -> None:
    pass


def fit_folds(folder: FoldHeads, fits: Fits, *, engine: Engine = LOCAL, tell: Callable[[int, int, str], None]) -> None:
    """Write the heads into a folder that may have some, each as soon as it is fitted; `tell` hears what is done.

    Raises CurateError where without one of the folds a single class is left.
    """
    if not all(np.ptp(fits.targets[fits.of_sample != fold]) for fold in fits.shards):
        raise CurateError(
            "Without one of the folds a single class is left, so its head could tell nothing apart. Label more images "
            "of each class."
        )

    def commit(result: tuple[int, LinearHead]) -> None:
        fold, head = result
        folder.write_head(head.class_weights, head.bias, fold)

    def tell_heads(done: int) -> None:
        fits.check()
        heads = len(fits.shards)
        tell(done, heads, f"{done} of {heads} heads fitted")

    work_through(fits, folder.has_head, engine, commit=commit, tell=tell_heads)
