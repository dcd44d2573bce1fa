"""Dawid-Skene: the most probable label of each sample from annotators of whom some are more reliable than others.

The model (Applied Statistics 28, 1979) estimates the class of each sample and each annotator's confusion matrix by
expectation maximisation. Its result is the probability that a label is right, not a frequency, so it finds wrong
labels. Hardness is measured by plain HSF, in which every annotator counts the same.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.special import softmax

from avhcurate.errors import CurateError
from avhcurate.people.hsf import class_indices
from avhcurate.people.responses import check_responses, questions, votes_of

#: Answers added to each cell of a confusion matrix, so that few answers are not taken as certainty.
_SMOOTHING = 0.01
#: The largest table of probabilities, in numbers.
_MOST_CELLS = 50_000_000
_LEAST = 1e-10


def dawid_skene(
    items: np.ndarray, annotators: np.ndarray, answers: np.ndarray, *, smoothing: float = _SMOOTHING, steps: int = 100
) -> np.ndarray:
    """Return the probability of each class for each item, (I, K), from answers: codes (A,) from 0, every item answered.

    The method starts from the shares of the votes and stops when no probability changes by 1e-6, or after `steps`.

    >>> prob = dawid_skene(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 0, 1, 2]), np.array([0, 0, 1, 1, 1, 0]))
    >>> prob.argmax(axis=1).tolist()
    [0, 1]
    """
    classes = int(answers.max()) + 1
    pairs, pair = np.unique(annotators * classes + answers, return_inverse=True)
    if max(len(pairs), int(items.max()) + 1) * classes > _MOST_CELLS:
        raise CurateError("There are too many answers and classes for Dawid-Skene. Use a part of the votes.")
    # How often each pair of annotator and answer was given to each item, and which pairs are an annotator's.
    times = csr_array((np.ones(len(items)), (pair, items)))
    of_annotator = csr_array((np.ones(len(pairs)), (pairs // classes, np.arange(len(pairs)))))
    votes = csr_array((np.ones(len(items)), (items, answers))).toarray()
    prob = votes / votes.sum(axis=1, keepdims=True)
    for _ in range(steps):
        answered = times @ prob
        shown = (of_annotator @ answered)[pairs // classes]
        chance = (answered + smoothing) / np.maximum(shown + classes * smoothing, _LEAST)
        prior = np.log(np.maximum(prob.mean(axis=0), _LEAST))
        before = prob
        prob = softmax(times.T @ np.log(np.maximum(chance, _LEAST)) + prior, axis=1)
        if np.abs(prob - before).max() < 1e-6:
            break
    return prob


def labels_by_dawid_skene(responses: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return `path, label, prob, votes` of a table of responses of one design, a row for each question.

    In `classify`, the label is the most probable class of the sample. In `select`, it is the class shown, and prob is
    the probability that the sample belongs to it. Each row without an annotator counts as one of its own.
    """
    votes = votes_of(check_responses(responses))
    if votes.empty:
        return pd.DataFrame({"path": [], "label": [], "prob": [], "votes": []})
    question, ticked = questions(votes)
    first = np.unique(question, return_index=True)[1]
    labels = class_indices(votes["answer"], classes)
    unsigned = pd.Series(np.arange(len(votes)).astype(str), index=votes.index)
    names = ("by " + votes["annotator"].astype(str)).where(votes["annotator"].notna(), unsigned)
    annotator = pd.factorize(names)[0]
    if votes["design"].iloc[0] == "select":
        label = labels[first]
        values = 1 - dawid_skene(question, annotator, ticked)[:, 0]
    else:
        voted, answer = np.unique(labels, return_inverse=True)
        prob = dawid_skene(question, annotator, answer)
        label = voted[prob.argmax(axis=1)]
        values = prob.max(axis=1)
    paths = votes["path"].to_numpy()[first]
    return pd.DataFrame({"path": paths, "label": label, "prob": values, "votes": np.bincount(question)})
