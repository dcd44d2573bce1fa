"""Tasks of annotators: grids of tiles with controls for one class, and attention checks among single images.

`select` (ImageNetV2): one class and a shuffled grid of candidates, positive controls (known members of the class) and
negative controls (known members of the most similar other class). `classify` (CIFAR-10H): single images, about a fifth
of them attention checks: images whose class is beyond doubt. Answers to controls judge the annotator and are no votes.

The last grid of a class has too few candidates. It is padded with further known members and non-members in turn, so
that it looks like any other; padded tiles are marked `padding` and count as nothing, neither vote nor control.

Rows are positions of samples, (n,) int64. Everything is drawn from the seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from avhcurate.errors import CurateError
from avhcurate.scores.angular import angles

#: Kinds of controls. Only the answer to `none` is a vote.
CONTROLS = ("none", "positive", "negative", "attention", "padding")


@dataclass(frozen=True)
class GridDesign:
    """How many tiles of each sort a grid has; ImageNetV2's numbers."""

    candidates: int = 42
    positives: int = 3
    negatives: int = 3

    def __post_init__(self) -> None:
        if self.candidates < 1 or self.positives < 0 or self.negatives < 0:
            raise CurateError(
                f"a grid needs one candidate or more and no negative number of controls; it was {self.candidates} + "
                f"{self.positives} + {self.negatives}"
            )

    @property
    def size(self) -> int:
        return self.candidates + self.positives + self.negatives


@dataclass(frozen=True)
class TickGrid:
    """One task of the design `select`: the class asked about, its tiles in order, and the kind of each.

    rows: (size,) samples, none twice. control: (size,) of `none`, `positive`, `negative`, `padding`.
    """

    label: int
    rows: np.ndarray
    control: np.ndarray

    @property
    def candidates(self) -> np.ndarray:
        """The rows whose answers are votes."""
        return self.rows[self.control == "none"]


def next_grid(
    label: int,
    candidates: ArrayLike,
    positives: ArrayLike,
    negatives: ArrayLike,
    *,
    seen: ArrayLike = (),
    design: GridDesign | None = None,
    seed: int = 0,
) -> TickGrid | None:
    """The next grid of a class for an annotator, who has `seen` some rows for it already; None when nothing is left.

    candidates: rows to be asked about, in the order of a queue: the first ones not seen are taken. positives and
    negatives: pools of rows, from which controls and padding are drawn at random. A row is in a grid at most once, and
    never when it was seen, so that an annotator meets an image at most once a class. When a pool runs out, the grid has
    fewer controls, and when both do, fewer tiles.

    >>> grid = next_grid(0, range(10), range(10, 20), range(20, 30), design=GridDesign(6, 1, 1), seed=3)
    >>> sorted(grid.candidates.tolist()), len(grid.rows)
    ([0, 1, 2, 3, 4, 5], 8)
    """
    design = design or GridDesign()
    rng = np.random.default_rng(seed)
    used = set(np.asarray(seen, np.int64).tolist())
    chosen = _take(candidates, design.candidates, used)
    if not len(chosen):
        return None
    positive = _take(rng.permutation(np.asarray(positives, np.int64)), design.positives, used)
    negative = _take(rng.permutation(np.asarray(negatives, np.int64)), design.negatives, used)
    padding = _padding(positives, negatives, design.candidates - len(chosen), used, rng)
    parts = {"none": chosen, "positive": positive, "negative": negative, "padding": padding}
    rows = np.concatenate(list(parts.values()))
    control = np.repeat(np.array(list(parts)), [len(part) for part in parts.values()])
    order = rng.permutation(len(rows))
    return TickGrid(label, rows[order], control[order])


def similar_classes(vectors: np.ndarray) -> np.ndarray:
    """The other classes of each class, the most similar first: (K, D) class weights or prototypes -> (K, K - 1).

    Similar means a small angle between the vectors. Classes without a vector (NaN or zero) come last.

    >>> similar_classes(np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])).tolist()
    [[1, 2], [0, 2], [1, 0]]
    """
    vectors = np.asarray(vectors, np.float64)
    if vectors.ndim != 2 or len(vectors) < 2:
        raise CurateError(
            f"similar classes need a vector for each of two classes or more, not the shape {vectors.shape}"
        )
    valid = np.isfinite(vectors).all(axis=1) & (vectors != 0).any(axis=1)
    apart = np.full((len(vectors), len(vectors)), np.inf)
    if valid.any():
        apart[np.ix_(valid, valid)] = angles(vectors[valid], vectors[valid])
    np.fill_diagonal(apart, -1.0)
    return np.argsort(apart, axis=1, kind="stable")[:, 1:]


def prototypes(features: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Mean direction of each class's embeddings, (N, D) and (N,) -> (K, D); NaN for a class without samples.

    >>> prototypes(np.array([[2.0, 0.0], [0.0, 5.0], [0.0, 1.0]]), np.array([0, 1, 1]), 3).tolist()
    [[1.0, 0.0], [0.0, 1.0], [nan, nan]]
    """
    features = np.asarray(features, np.float64)
    means = np.full((num_classes, features.shape[1]), np.nan)
    for label in range(num_classes):
        members = features[labels == label]
        lengths = np.linalg.norm(members, axis=1)
        if (lengths > 0).any():
            means[label] = (members[lengths > 0] / lengths[lengths > 0, None]).mean(axis=0)
    return means


def known_members(
    labels: ArrayLike,
    label: int,
    *,
    hsf: ArrayLike | None = None,
    votes: ArrayLike | None = None,
    score: ArrayLike | None = None,
    harder: Literal["high", "low"] = "high",
    least_votes: int = 5,
    share: float = 0.1,
    needed: int = 1,
) -> np.ndarray:
    """Rows of a class that anybody should recognise, surest first: by unanimous votes, else by the easiest of a score.

    labels (N,), hsf and votes (N,) where there are votes, score (N,) where a model was run, NaN for none. Samples whose
    `least_votes` votes or more all agree with the label are taken; where these are fewer than `needed`, the easiest
    `share` of the class by the score are added (AVH: the lowest). Without votes and score any sample of the class
    serves. Controls chosen by a model are images that the model finds easy.
    """
    given = np.asarray(labels)
    members = np.flatnonzero(given == label)
    unanimous = np.array([], np.int64)
    if hsf is not None and votes is not None:
        share_for, number = np.asarray(hsf, float)[members], np.asarray(votes, float)[members]
        agreed = (share_for == 1) & (number >= least_votes)
        unanimous = members[agreed][np.argsort(-number[agreed], kind="stable")]
    if len(unanimous) >= max(1, needed):
        return unanimous
    if score is not None:
        values = np.asarray(score, float)[members]
        order = np.argsort(values if harder == "high" else -values, kind="stable")  # NaN last either way
        easiest = members[order[: max(needed, int(np.ceil(share * np.isfinite(values).sum())))]]
        easiest = easiest[np.isfinite(np.asarray(score, float)[easiest])]
        if len(easiest):
            return np.concatenate([unanimous, np.setdiff1d(easiest, unanimous, assume_unique=True)])
    return unanimous if len(unanimous) else members


def negative_pool(order: ArrayLike, members_of: Callable[[int], ArrayLike], *, needed: int) -> np.ndarray:
    """Known members of the most similar other class; of the next ones too where it has fewer than `needed`.

    order: the other classes of the class asked about, as a row of `similar_classes`; members_of: rows of a class.

    >>> negative_pool([2, 1], [[0], [1, 2, 3], [7]].__getitem__, needed=2).tolist()
    [7, 1, 2, 3]
    """
    pool: list[int] = []
    for label in np.asarray(order):
        if len(pool) >= needed:
            break
        pool.extend(np.asarray(members_of(int(label))).tolist())
    return np.array(pool, np.int64)


def is_check(position: int, *, share: float = 0.2, seed: int = 0) -> bool:
    """Whether the image at a position (from 0) of an annotator's session is an attention check.

    One of every 1 / share images is, at a random place among them, so that nobody can count them out. share in
    [0, 0.5]; 0 means none. The answer depends on the seed and the position alone.

    >>> sum(is_check(position, share=0.2, seed=1) for position in range(1000))
    200
    """
    if not 0 <= share <= 0.5:
        raise CurateError(f"the share of attention checks must lie between 0 and 0.5; it was {share:g}")
    if not share:
        return False
    block = int(np.floor((position + 1e-9) * share))
    # A block may begin one position later than its quotient says where share is no unit fraction.
    while np.ceil(block / share - 1e-9) > position:
        block -= 1
    first, end = (int(np.ceil(edge / share - 1e-9)) for edge in (block, block + 1))
    return bool(first + np.random.default_rng([seed, block]).integers(end - first) == position)


def _padding(
    positives: ArrayLike, negatives: ArrayLike, number: int, used: set[int], rng: np.random.Generator
) -> np.ndarray:
    """Further rows of both pools in turn, of the other where one is empty."""
    if number <= 0:
        return np.array([], np.int64)
    shuffled = [rng.permutation(np.asarray(pool, np.int64)) for pool in (positives, negatives)]
    turns = zip_longest(*(_take(pool, number, used.copy()).tolist() for pool in shuffled))
    return _take([row for turn in turns for row in turn if row is not None], number, used)


def _take(rows: ArrayLike, number: int, used: set[int]) -> np.ndarray:
    """The first rows that are not used yet, and marks them used."""
    taken = list(islice((row for row in dict.fromkeys(np.asarray(rows).tolist()) if row not in used), number))
    used.update(taken)
    return np.array(taken, np.int64)
