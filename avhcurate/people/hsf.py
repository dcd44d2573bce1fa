"""Human selection frequency: votes of either kind to HSF with its Wilson interval, and raw answers to votes."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from avhcurate.errors import CurateError
from avhcurate.measures.stats.intervals import wilson
from avhcurate.workspace.disk.columns import MISSING, listed

#: A whole number as a column with gaps has it.
_WHOLE = re.compile(r"^(\d+)\.0+$")
_TRUTHS = {"true": 1, "1": 1, "yes": 1, "false": 0, "0": 0, "no": 0}


def from_ticks(selected: ArrayLike, shown: ArrayLike) -> dict[str, np.ndarray]:
    """Return HSF of tick votes: the columns `votes, hsf, hsf_low, hsf_high`, (N,) each.

    selected, shown: (N,) times that a sample was ticked and shown for its label. HSF is in [0, 1], with its Wilson
    interval, and NaN without votes. `selections` turns K-way votes into such counts.

    >>> {name: float(column[0].round(3)) for name, column in from_ticks([3], [4]).items()}
    {'votes': 4.0, 'hsf': 0.75, 'hsf_low': 0.301, 'hsf_high': 0.954}
    """
    ticked = np.asarray(selected, np.int64)
    seen = np.asarray(shown, np.int64)
    low, high = wilson(ticked, seen)
    hsf = ticked / np.where(seen > 0, seen, np.nan)
    return {"votes": seen, "hsf": hsf, "hsf_low": low, "hsf_high": high}


def selections(counts: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return K-way votes as ticks for the given label: (selected, shown), both (N,); 0 of 0 without a label.

    >>> selections([[6, 4], [1, 2]], [1, -1])
    (array([4, 0]), array([10,  0]))
    """
    votes = np.asarray(counts)
    label = np.asarray(labels)
    selected = np.take_along_axis(votes, np.maximum(label, 0)[:, None], axis=1)[:, 0]
    return np.where(label >= 0, selected, 0), np.where(label >= 0, row_sums(votes), 0)


def row_sums(counts: np.ndarray) -> np.ndarray:
    """Return the sum of each row (N,), in less than half the time of `sum`, which is slow over so few columns."""
    return np.einsum("ij->i", counts)


def whole_counts(values: ArrayLike, title: str) -> np.ndarray:
    """Return counts as int64; refuse what is negative, fractional, missing or beyond 32 bits.

    >>> whole_counts([[3.0, 0.0]], "votes").tolist()
    [[3, 0]]
    """
    counts = np.asarray(values)
    if counts.dtype.kind not in "iufb":
        raise CurateError(f"{title} holds {counts.dtype} values. Votes are counted in whole numbers.")
    if counts.dtype.kind == "f" and not np.array_equal(counts, np.rint(counts)):
        raise CurateError(f"{title} holds fractions or missing numbers. Give the counts themselves, not shares.")
    if counts.size and counts.min() < 0:
        raise CurateError(f"{title} holds negative counts. Counts are 0 or more.")
    if counts.size and counts.max() > np.iinfo(np.int32).max:
        raise CurateError(f"{title} holds a count of {counts.max()}, which does not fit into 32 bits.")
    return counts.astype(np.int64)


def count_answers(answers: pd.DataFrame, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Count answers to "which class is this?": a table of `sample, label` and, when known, `annotator`, one per row.

    Return the samples (n,), sorted, their counts (n, K) int32, and messages about answers that do not count: an
    annotator counts once per sample, by the last answer (by row), and rows without a label are not answers. Rows
    without an annotator each count. A label is a class name, or an index when no label of the table is a class name.

    >>> answers = pd.DataFrame({"sample": ["a", "a", "a"], "annotator": [1, 2, 1], "label": ["cat", "dog", "dog"]})
    >>> count_answers(answers, ["cat", "dog"])[1]
    array([[0, 2]], dtype=int32)
    """
    answers = answers.assign(label=without_blanks(answers["label"], classes))
    answers, messages = _valid_answers(answers, "label", ["sample"])
    rows, samples = pd.factorize(answers["sample"], sort=True)
    counts = np.zeros((len(samples), len(classes)), np.int32)
    np.add.at(counts, (rows, class_indices(answers["label"], classes)), 1)
    return np.asarray(samples), counts, messages


def count_ticks(answers: pd.DataFrame, classes: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Count answers to "does this belong to the class?": a table of `sample, class, selected` and `annotator`.

    Return a table with the columns `sample, label` (class index), `selected, shown`, a row for each sample and class
    asked about, and messages as `count_answers` does. `selected` is true or false (also 1/0, yes/no). An annotator
    counts once per sample and class, by the last answer.

    >>> answers = pd.DataFrame({"sample": ["a", "a"], "class": ["cat", "cat"], "selected": [True, False]})
    >>> count_ticks(answers, ["cat", "dog"])[0].to_dict("records")
    [{'sample': 'a', 'label': 0, 'selected': 1, 'shown': 2}]
    """
    answers, messages = _valid_answers(answers, "selected", ["sample", "class"])
    texts = _texts(answers["selected"])
    ticked = texts.str.strip().str.lower().map(_TRUTHS)
    if ticked.isna().any():
        unknown = listed(texts[ticked.isna()].unique(), 5)
        raise CurateError(f"selected is {unknown}, which is neither true nor false. Write 1 for a tick and 0 for none.")
    labels = class_indices(answers["class"], classes)
    flags = pd.DataFrame({"sample": answers["sample"], "label": labels, "selected": ticked.astype(np.int64)})
    table = flags.groupby(["sample", "label"])["selected"].agg(selected="sum", shown="size").reset_index()
    return table.astype({"selected": np.int64, "shown": np.int64}), messages


def class_indices(values: pd.Series, classes: Sequence[str]) -> np.ndarray:
    """Return the class index of each value, (n,) int64: by name, or by index when no value is a class name.

    An index is written without zeros before it: 01 is a name.

    >>> class_indices(pd.Series(["dog", "cat"]), ["cat", "dog"])
    array([1, 0])
    """
    rows, unique = pd.factorize(_texts(values), use_na_sentinel=False)
    texts = [str(text) for text in unique]
    plain = [_WHOLE.sub(r"\1", text.strip()) for text in texts]
    names = pd.Index(np.array(classes, object)).astype(str)
    indices = names.get_indexer(pd.Index(texts, dtype=object))
    indices = np.where(indices < 0, names.get_indexer(pd.Index(plain, dtype=object)), indices)
    if indices.max(initial=-1) < 0:
        indices = pd.Index(map(str, range(len(classes)))).get_indexer(pd.Index(plain, dtype=object))
    unknown = [text for text, index in zip(texts, indices, strict=True) if index < 0]
    if unknown:
        raise CurateError(
            f"Unknown class {listed(unknown, 5)}. The classes are {listed(classes, 5)}. Correct the votes."
        )
    return indices[rows].astype(np.int64)


def without_blanks(values: pd.Series, classes: Sequence[str]) -> pd.Series:
    """Return answers, missing where they are NaN as programs write it for none, unless a class has that name.

    >>> without_blanks(pd.Series(["cat", "nan"]), ["cat", "dog"]).isna().tolist()
    [False, True]
    """
    return values.mask(values.isin([word for word in MISSING if word not in classes]))


def _valid_answers(answers: pd.DataFrame, answer: str, keys: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Return the answers that count, and messages about those that a later one replaced or that are blank."""
    for key in keys:
        if answers[key].isna().any():
            row = int(np.argmax(answers[key].isna()))
            raise CurateError(f"Row {row} of the votes (from 0) has no {key}. Fill it in or remove the row.")
    blank = answers[answer].isna()
    answers = answers[~blank]
    messages = []
    if "annotator" in answers:
        replaced = answers["annotator"].notna() & answers.duplicated([*keys, "annotator"], keep="last")
        if replaced.any():
            messages.append(f"{replaced.sum()} answers were replaced by a later one of the same annotator")
        answers = answers[~replaced]
    if blank.any():
        messages.append(f"{blank.sum()} rows without an answer were left out")
    return answers, messages


def _texts(values: pd.Series) -> pd.Series:
    """Return values as text; whole numbers that a missing value turned into floats are written without ".0"."""
    if pd.api.types.is_float_dtype(values) and (values == values.round()).all():
        values = values.astype(np.int64)
    return values.astype(str)
