"""Which samples are asked about next: at random, hardest first, where models disagree, fewest votes first."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from avhcurate.errors import CurateError

Queue = Literal["random", "hardest", "disagreement", "fewest"]
QUEUES: tuple[Queue, ...] = get_args(Queue)


def queue_order(
    queue: Queue,
    votes: ArrayLike,
    *,
    values: ArrayLike | None = None,
    harder: Literal["high", "low"] = "high",
    target: int | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Rows that still need votes, the next one first, (m,) int64.

    votes: (N,) votes each sample has. target: a sample with so many is done and left out (None: nobody is ever done).
    values: (N,) for `hardest` the score, of which the `harder` end comes first; for `disagreement` what
    `prediction_spread` or `rank_spread` gives. NaN comes last. Ties are broken at random by the seed, and the same way
    however many votes have come in, so that the order does not jump about. Raises CurateError where values are missing.

    >>> queue_order("fewest", [3, 0, 1, 5], target=5).tolist()
    [1, 2, 0]
    >>> queue_order("hardest", [0, 0, 0], values=[0.1, 0.9, 0.5]).tolist()
    [1, 2, 0]
    """
    if queue not in QUEUES:
        raise CurateError(f"there is no queue {queue!r}: choose one of {', '.join(QUEUES)}")
    have = np.asarray(votes, np.int64)
    if target is not None and target < 1:
        raise CurateError(f"the target must be one vote a sample or more; it was {target}")
    shuffled = np.random.default_rng(seed).permutation(len(have))
    if target is not None:
        shuffled = shuffled[have[shuffled] < target]
    if queue == "random":
        return shuffled
    if queue == "fewest":
        return shuffled[np.argsort(have[shuffled], kind="stable")]
    if values is None:
        raise CurateError(f"the queue {queue} needs a score of each sample: score the dataset with a model first")
    wanted = np.asarray(values, float)
    if wanted.shape != have.shape:
        raise CurateError(f"votes {have.shape} and values {wanted.shape} must hold one number a sample each")
    keys = wanted if queue == "hardest" and harder == "low" else -wanted
    return shuffled[np.argsort(keys[shuffled], kind="stable")]


def prediction_spread(predicted: ArrayLike) -> np.ndarray:
    """How often two models give a sample different labels: predicted (M, N), -1 for none -> (N,) in [0, 1].

    The share of pairs of models that differ; NaN where fewer than two have an opinion.

    >>> prediction_spread([[0, 0], [0, 1], [0, 2]]).tolist()
    [0.0, 1.0]
    """
    labels = np.asarray(predicted)
    if labels.ndim != 2:
        raise CurateError(f"predictions must have the shape (models, samples), not {labels.shape}")
    valid = labels >= 0
    same = sum(((labels == row) & valid & (row >= 0)).sum(axis=0) for row in labels) - valid.sum(axis=0)
    pairs = valid.sum(axis=0) * (valid.sum(axis=0) - 1)
    return 1 - np.divide(same, pairs, out=np.full(labels.shape[1], np.nan), where=pairs > 0)


def rank_spread(scores: ArrayLike) -> np.ndarray:
    """How far models are apart on how hard a sample is: scores (M, N), NaN for none -> (N,).

    The standard deviation over models of the sample's rank as a share of all, so that models whose scores have
    different scales can be compared; NaN where fewer than two have one.

    >>> rank_spread([[0.1, 0.2, 0.3], [1.0, 2.0, 3.0]]).tolist()
    [0.0, 0.0, 0.0]
    """
    values = np.asarray(scores, float)
    if values.ndim != 2:
        raise CurateError(f"scores must have the shape (models, samples), not {values.shape}")
    number = np.isfinite(values).sum(axis=1, keepdims=True)
    finite = np.where(np.isfinite(values), values, np.nan)
    ranks = (rankdata(finite, axis=1, nan_policy="omit") - 0.5) / np.maximum(1, number)
    known = np.isfinite(ranks).sum(axis=0)
    mean = np.nansum(ranks, axis=0) / np.maximum(1, known)
    spread = np.sqrt(np.nansum((ranks - mean) ** 2, axis=0) / np.maximum(1, known))
    return np.where(known >= 2, spread, np.nan)
