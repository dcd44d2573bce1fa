"""Tasks of annotators: grids of tiles with controls for one class, and attention checks among single images.

`select` (ImageNetV2): one class and a shuffled grid of candidates, positive controls (known members of the class) and
negative controls (known members of the most similar other class). `classify` (CIFAR-10H): single images, some of them
attention checks, whose class is beyond doubt. Answers to controls judge the annotator and are not votes.

The last grid of a class has too few candidates. It is padded with further known members and non-members, so that it
looks like any other; padded tiles are marked `padding` and count as nothing.

Rows are ids of samples, (n,) int64. Everything is drawn from the seed.
"""

import math
from fractions import Fraction
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import ArrayLike

#: Kinds of controls. Only the answer to `none` is a vote.
CONTROLS = ("none", "positive", "negative", "attention", "padding")
#: Candidates of a grid, and controls of each kind: ImageNetV2's numbers.
CANDIDATES = 42
GRID_CONTROLS = 3
#: A known member has as many votes, all for its label, or is among this share of its class that a score finds easiest.
_LEAST_VOTES = 5
_EASY_SHARE = 0.1


def grid_of(
    candidates: ArrayLike,
    positives: ArrayLike,
    negatives: ArrayLike,
    *,
    seen: ArrayLike = (),
    size: int = CANDIDATES,
    controls: int = GRID_CONTROLS,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the rows of the next grid of an annotator and the kind of each; None when no candidate is left.

    candidates: rows to ask about, in the order of a queue. positives and negatives: pools from which `controls` of each
    kind and padding are drawn. A row in `seen` is never in the grid, and no row occurs twice. When the pools run out,
    the grid has fewer controls or fewer tiles.

    >>> rows, control = grid_of(range(10), range(10, 20), range(20, 30), size=6, controls=1, seed=3)
    >>> sorted(rows[control == "none"].tolist()), len(rows)
    ([0, 1, 2, 3, 4, 5], 8)
    """
    rng = np.random.default_rng(seed)
    positives = rng.permutation(np.asarray(positives))
    negatives = rng.permutation(np.asarray(negatives))
    in_turn = [row for row in chain.from_iterable(zip_longest(positives, negatives)) if row is not None]
    used = set(np.asarray(seen, np.int64).tolist())
    selected = _take(candidates, size, used)
    if not selected:
        return None
    parts = {"none": selected}
    parts["positive"] = _take(positives, controls, used)
    parts["negative"] = _take(negatives, controls, used)
    parts["padding"] = _take(in_turn, size - len(selected), used)
    rows = np.array([row for part in parts.values() for row in part], np.int64)
    control = np.repeat(np.array(list(parts)), [len(part) for part in parts.values()])
    order = rng.permutation(len(rows))
    return rows[order], control[order]


def similar_classes(vectors: np.ndarray) -> np.ndarray:
    """Return the other classes of each class, most similar first: (K, D) class weights or prototypes -> (K, K - 1).

    Similar means a small angle between the vectors. Classes without a vector (NaN or zero) come last.

    >>> similar_classes(np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])).tolist()
    [[1, 2], [0, 2], [1, 0]]
    """
    vectors = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, lengths, out=np.full_like(vectors, np.nan), where=lengths > 0)
    similarity = np.nan_to_num(unit @ unit.T, nan=-2.0)
    np.fill_diagonal(similarity, 2.0)
    return np.argsort(-similarity, axis=1, kind="stable")[:, 1:]


def known_members(
    members: np.ndarray,
    *,
    hsf: np.ndarray | None = None,
    votes: np.ndarray | None = None,
    hardness: np.ndarray | None = None,
    needed: int = 1,
) -> np.ndarray:
    """Return the `members` of a class that anybody should recognise, surest first.

    hsf, votes and hardness (N,) are by id, where there are votes and a scored run. Members whose votes all agree with
    the label are taken; where these are fewer than `needed`, the easiest ones by hardness are added. Without either,
    any member serves. Controls that a model chose are images that the model finds easy.
    """
    unanimous = members[:0]
    if hsf is not None and votes is not None:
        agreed = members[(hsf[members] == 1) & (votes[members] >= _LEAST_VOTES)]
        unanimous = agreed[np.argsort(-votes[agreed], kind="stable")]
    if len(unanimous) >= max(1, needed):
        return unanimous
    if hardness is not None:
        scored = members[np.isfinite(hardness[members])]
        number = max(needed, math.ceil(_EASY_SHARE * len(scored)))
        easiest = scored[np.argsort(hardness[scored], kind="stable")][:number]
        unanimous = np.concatenate([unanimous, np.setdiff1d(easiest, unanimous)])
    if len(unanimous):
        return unanimous
    return members


def is_check(position: int, *, share: float, seed: int = 0) -> bool:
    """Return whether the image at a position (from 0) of an annotator's session is an attention check.

    One of every 1 / share images is, at a random place among them, so that they cannot be guessed by counting. share in
    [0, 0.5]; 0 means none.

    >>> sum(is_check(position, share=0.2, seed=1) for position in range(1000))
    200
    """
    if not share:
        return False
    exact = Fraction(share).limit_denominator(1000)
    block = math.floor(position * exact)
    first = math.ceil(block / exact)
    end = math.ceil((block + 1) / exact)
    return bool(first + np.random.default_rng([seed, block]).integers(end - first) == position)


def _take(rows: ArrayLike, number: int, used: set[int]) -> list[int]:
    """Return the first rows that are not used yet, and mark them used."""
    free = [row for row in dict.fromkeys(np.asarray(rows).tolist()) if row not in used]
    selected = free[: max(0, number)]
    used.update(selected)
    return selected
