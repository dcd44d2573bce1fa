"""Which classes may be one and which may be two, as a function of arrays: proposals, and what they rest on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse

from avhcurate.errors import CurateError
from avhcurate.features.classes.rules import pairs_of, two_parts
from avhcurate.workspace.disk.files import batched

#: A class of fewer images is not asked whether it holds two kinds; images that are drawn, of a class and of all.
_FEWEST = 20
_OF_A_CLASS = 500
_OF_ALL = 50_000
#: Images whose embeddings are read at once.
_AT_ONCE = 4096


@dataclass(frozen=True)
class ClassProposals:
    """What to merge and what to split, most of all first.

    `pairs`: classes that look like one, `first, second, crossings, means, weights, votes`: the share of the choices
    among the two that are for the other one, in [0, 1], the angles between their mean embeddings and between their
    class weights, in degrees, and the number of choices; NaN where nothing is known. `splits`: classes that look like
    two, `class, apart, images`: the share in [0, 1] of the variance of directions that is between two parts, and the
    number of images with an embedding; of classes of 20 images or more.
    """

    pairs: pd.DataFrame
    splits: pd.DataFrame


class Embeddings(NamedTuple):
    """Images with an embedding: `ids` (n,), their `labels` (n,), -1 for none, and what reads the embeddings, (m, D) of
    some ids (m,), of which `width` is D.
    """

    ids: np.ndarray
    labels: np.ndarray
    read: Callable[[np.ndarray], np.ndarray]
    width: int


def class_proposals(
    labels: ArrayLike,
    choices: ArrayLike,
    features: ArrayLike | None = None,
    class_weights: ArrayLike | None = None,
    *,
    classes: Sequence[str] | None = None,
) -> ClassProposals:
    """Return which of K classes look like one and which look like two, from the labels of N images.

    labels: (N,) class indices, -1 for none. choices: what the images were taken for: (N, K) counts of human votes, or
    (N,) predicted class indices, -1 for none. features, class_weights: (N, D) embeddings and (K, D) weights of the last
    layer. classes: K names, by default the numbers.

    Pairs are ordered by the sum of the ranks of their crossings and of the angle between their mean embeddings, classes
    to split by how far the two parts of 2-means of their directions lie apart; of many images some are drawn, the same
    each time. The orders are ours; `benchmarks/classes.py` shows what they find. Raises CurateError for shapes that do
    not fit and classes without a number.

    >>> found = class_proposals([0, 0, 1, 1, 2, 2], [1, 0, 0, 1, 2, 2], classes=["cat", "lynx", "dog"])
    >>> found.pairs[["first", "second", "crossings", "votes"]].values.tolist()[0]
    ['cat', 'lynx', 0.5, 4]
    """
    given = np.asarray(labels, np.int64)
    answers = np.asarray(choices)
    weights = None
    if class_weights is not None:
        weights = np.asarray(class_weights, np.float64)
    names = _names(given, answers, weights, classes)
    if answers.ndim == 1:
        cells = np.stack([given, answers.astype(np.int64), np.ones(len(given), np.int64)])[:, answers >= 0]
    else:
        cells = cells_of(given, answers.astype(np.int64))
    embeddings = None
    if features is not None:
        known = np.asarray(features)
        if known.ndim != 2 or len(known) != len(given):
            raise CurateError(f"features has the shape {known.shape} for {len(given)} labels. Give (N, D).")
        ids = np.flatnonzero(np.isfinite(known).all(axis=1))
        embeddings = Embeddings(ids, given[ids], known.__getitem__, known.shape[1])
    if weights is None:
        weights = np.full((len(names), 1), np.nan)
    label, answer, times = cells
    return propose(names, count_choices(label, answer, times, len(names)), embeddings, weights)


def _names(
    labels: np.ndarray, choices: np.ndarray, weights: np.ndarray | None, classes: Sequence[str] | None
) -> Sequence[str]:
    """Return the names of the classes; refuse arrays that do not fit."""
    if labels.ndim != 1 or len(choices) != len(labels) or choices.ndim not in (1, 2):
        raise CurateError(f"choices has the shape {choices.shape} for labels {labels.shape}. Give (N, K) or (N,).")
    highest = int(max(labels.max(initial=-1), choices.max(initial=-1) if choices.ndim == 1 else -1))
    number = highest + 1
    if choices.ndim == 2:
        number = choices.shape[1]
    elif weights is not None:
        number = len(weights)
    elif classes is not None:
        number = len(classes)
    names = classes
    if names is None:
        names = [str(label) for label in range(number)]
    if highest >= number or len(names) != number or (weights is not None and len(weights) != number):
        raise CurateError(
            f"There are {number} classes, with indices up to {highest} and {len(names)} names. "
            "Give K names, and choices and class_weights for all K."
        )
    return names


def cells_of(labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the label, the answer and how often it was given, (3, n), of votes (N, K) on images of labels (N,)."""
    rows, columns = counts.nonzero()
    return np.stack([labels[rows], columns, counts[rows, columns]])


def count_choices(labels: np.ndarray, answers: np.ndarray, times: np.ndarray, number: int) -> sparse.coo_array:
    """Return how often images of each label were taken for each class, (K, K), each cell once; label -1 counts not.

    >>> count_choices(np.array([0, 0, -1]), np.array([1, 1, 0]), np.array([2, 3, 9]), 2).toarray().tolist()
    [[0, 5], [0, 0]]
    """
    known = labels >= 0
    counts = sparse.coo_array((times[known], (labels[known], answers[known])), (number, number))
    counts.sum_duplicates()
    return counts


def propose(
    classes: Sequence[str], choices: sparse.coo_array, embeddings: Embeddings | None, weights: np.ndarray
) -> ClassProposals:
    """Return the proposals for K classes by `choices` (K, K), how often images of each were taken for each, and weights
    (K, D), NaN for none.
    """
    means = np.full((len(classes), 1), np.nan)
    rows = list[tuple[str, float, int]]()
    if embeddings is not None:
        means, rows = _parts(classes, embeddings)
    splits = pd.DataFrame(rows, columns=["class", "apart", "images"])
    if embeddings is not None:
        splits = splits.sort_values("apart", ascending=False, kind="stable", ignore_index=True)
    return ClassProposals(pairs=pairs_of(classes, choices, means, weights), splits=splits)


def _parts(classes: Sequence[str], embeddings: Embeddings) -> tuple[np.ndarray, list[tuple[str, float, int]]]:
    """Return the mean embedding of each class, (K, D), NaN for none, and of each how far two parts lie apart and how
    many images there are; of images that are drawn.
    """
    most = min(_OF_A_CLASS, 1 + _OF_ALL // max(1, len(classes)))
    of_class = _by_class(embeddings.ids, embeddings.labels, len(classes))
    rng = np.random.default_rng(0)
    drawn = [np.sort(rng.permutation(members)[:most]) for members in of_class if len(members)]
    there = [label for label, members in enumerate(of_class) if len(members)]
    means = np.full((len(classes), embeddings.width), np.nan)
    rows = []
    for part in batched(zip(there, drawn, strict=True), max(1, _AT_ONCE // most)):
        read = embeddings.read(np.concatenate([members for _, members in part]))
        ends = np.cumsum([len(members) for _, members in part])
        for (label, _), features in zip(part, np.split(read, ends[:-1]), strict=True):
            means[label] = features.mean(axis=0)
            if len(features) >= _FEWEST:
                rows.append((classes[label], two_parts(features)[1], len(of_class[label])))
    return means, rows


def _by_class(ids: np.ndarray, labels: np.ndarray, number: int) -> list[np.ndarray]:
    """Return the ids of each class, in their order."""
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], np.arange(number + 1))
    return np.split(ids[order], ends)[1:-1]
