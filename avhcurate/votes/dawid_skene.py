"""Dawid-Skene: one label a sample from the answers of many annotators, some more reliable than others.

The model (Applied Statistics 28, 1979) estimates, by expectation maximisation, the class of each sample and each
annotator's confusion matrix, so that an annotator who is always wrong counts against their own answers. Its result is
the probability that a label is right, not a frequency: it is near 0 or 1 for hard images too. So it finds wrong labels;
hardness is measured by plain HSF, in which every annotator counts the same, as in ImageNetV2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from avhcurate.errors import CurateError
from avhcurate.votes.hsf import class_indices
from avhcurate.votes.responses import check_responses, questions, votes_of

#: Pairs of an answer and a class that are held in memory at once: about 40 bytes each.
_MOST_PAIRS = 50_000_000
#: Up to so many pairs every class may be the true one of every sample; beyond, only those that somebody chose for it.
_FULL_PAIRS = 8_000_000
#: The least probability of an answer, so that no single one decides everything.
_LEAST = 1e-10


@dataclass(frozen=True)
class DawidSkene:
    """Result of expectation-maximisation.

    item, label, prob: (M,) the classes considered for each item, with their probabilities, which sum to 1 for each;
        ordered by item, then class. starts: (I + 1,) where each item's classes begin.
    prior: (K,) share of each class. accuracy: (J,) for each annotator the expected share of right answers.
    iterations, converged, log_likelihood: those of the last step.
    full: whether every class was considered for every item, else only those that somebody chose for it.
    """

    item: np.ndarray
    label: np.ndarray
    prob: np.ndarray
    starts: np.ndarray
    prior: np.ndarray
    accuracy: np.ndarray
    iterations: int
    converged: bool
    log_likelihood: float
    full: bool

    def prob_of(self, labels: ArrayLike) -> np.ndarray:
        """Probability that each item is of a given class, (I,) indices with -1 for none -> (I,), NaN for none."""
        given = np.asarray(labels, np.int64)
        if given.shape != (len(self.starts) - 1,):
            raise CurateError(f"there are {len(self.starts) - 1} items, and labels have the shape {given.shape}")
        hit = self.label == given[self.item]
        return np.where(given >= 0, np.bincount(self.item, self.prob * hit, minlength=len(given)), np.nan)

    def labels(self) -> np.ndarray:
        """Most probable class of each item, (I,); the lowest index in a tie."""
        best = np.maximum.reduceat(self.prob, self.starts[:-1])
        first = np.flatnonzero(self.prob == best[self.item])
        return self.label[first[np.unique(self.item[first], return_index=True)[1]]]


def dawid_skene(
    items: ArrayLike,
    annotators: ArrayLike,
    answers: ArrayLike,
    num_classes: int,
    *,
    smoothing: float = 0.01,
    tolerance: float = 1e-6,
    iterations: int = 200,
) -> DawidSkene:
    """Dawid-Skene from A answers: items, annotators and answers (A,), codes from 0, each item with one or more.

    Starts from the shares of the votes. smoothing: answers added to each cell of an annotator's table of what is said
    for which class, so that few answers are not taken as certainty; 0 for the plain method. Ends when the mean
    log-likelihood of an answer changes by less than `tolerance`, or after `iterations`. Memory grows with the answers,
    not with annotators times K squared: with more than a few million pairs of answer and class, the true class of an
    item is sought among those that somebody chose for it (`full` False). The result does not depend on the order of
    the answers nor on how annotators are numbered. A handful of answers says too little about an annotator.

    >>> result = dawid_skene([0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2], [0, 0, 1, 1, 1, 0], 2)
    >>> result.labels().tolist(), result.accuracy.round(2).tolist()
    ([0, 1], [1.0, 1.0, 0.0])
    """
    item, who, said = _codes(items, "items"), _codes(annotators, "annotators"), _codes(answers, "answers")
    if not len(item) == len(who) == len(said) or not len(item):
        raise CurateError(
            f"each answer needs an item and an annotator: {len(item)}, {len(who)} and {len(said)} were given"
        )
    if said.max() >= num_classes:
        raise CurateError(f"answer {said.max()} is out of range: there are {num_classes} classes")
    if len(np.unique(item)) != item.max() + 1:
        raise CurateError("items must be numbered from 0 without gaps: leave out those that nobody answered")
    if smoothing < 0 or tolerance <= 0 or iterations < 1:
        raise CurateError("smoothing must be 0 or more, tolerance above 0 and iterations 1 or more")
    model = _Model(item, who, said, num_classes, smoothing)
    prob = model.shares()
    likelihood, before, steps = -np.inf, -np.inf, 0
    while steps < iterations and (steps < 2 or abs(likelihood - before) >= tolerance * len(item)):
        before = likelihood
        prob, likelihood = model.step(prob)
        steps += 1
    prior, _ = model.estimate(prob)
    right = np.bincount(who, prob[model.named], minlength=model.annotators) / np.bincount(
        who, minlength=model.annotators
    )
    return DawidSkene(
        item=model.cell_item,
        label=model.cell_label,
        prob=prob,
        starts=model.starts,
        prior=prior,
        accuracy=right,
        iterations=steps,
        converged=steps > 1 and abs(likelihood - before) < tolerance * len(item),
        log_likelihood=likelihood,
        full=model.full,
    )


class _Model:
    """The sparse tables of the method: cells (item, class considered) and pairs (answer, cell of its item)."""

    def __init__(self, item: np.ndarray, who: np.ndarray, said: np.ndarray, num_classes: int, smoothing: float) -> None:
        self.num_classes, self.smoothing = num_classes, smoothing
        self.annotators = int(who.max()) + 1
        self.full = len(item) * num_classes <= _FULL_PAIRS
        number = int(item.max()) + 1
        cells = np.arange(number * num_classes) if self.full else np.unique(item * num_classes + said)
        self.cell_item, self.cell_label = cells // num_classes, cells % num_classes
        self.starts = np.searchsorted(self.cell_item, np.arange(number + 1))
        widths = np.diff(self.starts)[item]
        if widths.sum() > _MOST_PAIRS:
            raise CurateError(
                f"{len(item)} answers make {widths.sum()} pairs with a class, more than {_MOST_PAIRS}: aggregate a "
                "part of them at a time"
            )
        #: cell of the class that each answer names
        self.named = np.searchsorted(cells, item * num_classes + said)
        self.votes = np.bincount(self.named, minlength=len(cells))
        answer = np.repeat(np.arange(len(item), dtype=np.int32), widths)
        within = np.arange(len(answer)) - np.repeat(np.cumsum(widths) - widths, widths)
        self.cell = (self.starts[item[answer]] + within).astype(np.int32)
        # What an annotator says for a class: a row (annotator, class), and an entry (row, answer) of it.
        row = who[answer] * num_classes + self.cell_label[self.cell]
        entries, self.entry = np.unique(row * num_classes + said[answer], return_inverse=True)
        self.entry = self.entry.astype(np.int32)
        rows, self.row_of_entry = np.unique(entries // num_classes, return_inverse=True)
        self.rows = len(rows)

    def shares(self) -> np.ndarray:
        """Share of the votes for each cell."""
        return self.votes / np.bincount(self.cell_item, self.votes)[self.cell_item]

    def estimate(self, prob: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share of each class (K,), and of each entry: the probability of saying so for that class."""
        prior = np.bincount(self.cell_label, prob, minlength=self.num_classes) / (len(self.starts) - 1)
        said = np.bincount(self.entry, prob[self.cell], minlength=len(self.row_of_entry))
        row = np.bincount(self.row_of_entry, said, minlength=self.rows)[self.row_of_entry]
        chance = (said + self.smoothing) / np.maximum(row + self.num_classes * self.smoothing, _LEAST)
        return prior, np.maximum(chance, _LEAST)

    def step(self, prob: np.ndarray) -> tuple[np.ndarray, float]:
        """One maximisation and expectation: the new probabilities, and the log-likelihood of what they rest on."""
        prior, chance = self.estimate(prob)
        logs = np.log(np.maximum(prior, _LEAST))[self.cell_label]
        logs += np.bincount(self.cell, np.log(chance)[self.entry], minlength=len(logs))
        top = np.maximum.reduceat(logs, self.starts[:-1])
        weights = np.exp(logs - top[self.cell_item])
        total = np.add.reduceat(weights, self.starts[:-1])
        return weights / total[self.cell_item], float((top + np.log(total)).sum())


def dawid_skene_of_responses(responses: pd.DataFrame, classes: Sequence[str], **options: Any) -> pd.DataFrame:
    """Dawid-Skene of each design in a table of responses: `path, label, prob, votes, design`, a row a question.

    classify: label is the most probable class of the sample, by index, and prob its probability. select: label is the
    class shown, and prob the probability that the sample belongs to it. Rows without an annotator each count as one of
    their own. Options go to `dawid_skene`.
    """
    votes = votes_of(check_responses(responses))
    parts = []
    for design, rows in votes.groupby("design", sort=True):
        result = _of_design(rows, classes, str(design), options)
        question, _ = questions(rows)
        first = np.unique(question, return_index=True)[1]
        if design == "select":
            label = class_indices(rows["answer"].iloc[first], classes)
            prob = result.prob_of(np.ones(len(first), np.int64))
        else:
            label = result.labels()
            prob = result.prob_of(label)
        parts.append(
            pd.DataFrame(
                {
                    "path": rows["path"].to_numpy()[first],
                    "label": label,
                    "prob": prob,
                    "votes": np.bincount(question),
                    "design": str(design),
                }
            )
        )
    columns = ["path", "label", "prob", "votes", "design"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _of_design(rows: pd.DataFrame, classes: Sequence[str], design: str, options: dict[str, Any]) -> DawidSkene:
    question, said = questions(rows)
    if design == "classify":
        said = class_indices(rows["answer"], classes)
    unsigned = rows["annotator"].isna().to_numpy()
    names = rows["annotator"].astype(str).to_numpy(object)
    names = np.where(unsigned, [f"\0{number}" for number in range(len(rows))], names)
    who, _ = pd.factorize(names, sort=True)
    return dawid_skene(question, who, said, 2 if design == "select" else len(classes), **options)


def _codes(values: ArrayLike, name: str) -> np.ndarray:
    codes = np.asarray(values)
    whole = not codes.size or (np.issubdtype(codes.dtype, np.integer) and codes.min() >= 0)
    if codes.ndim != 1 or not whole:
        raise CurateError(f"{name} must be whole numbers from 0, one an answer, not {codes.dtype} {codes.shape}")
    return codes.astype(np.int64)
