"""Human selection frequency: votes of either kind to HSF with its Wilson interval, and raw answers to votes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from avhcurate.errors import CurateError
from avhcurate.stats.intervals import wilson

#: How many offending values an error message names.
_NAMED = 5


def from_counts(counts: ArrayLike, labels: ArrayLike, *, level: float = 0.95) -> pd.DataFrame:
    """HSF of K-way votes: counts (N, K), labels (N,) with -1 for none -> `votes, hsf, hsf_low, hsf_high`, N rows.

    `votes` counts every vote of the sample; HSF is the share of them for the given label, in [0, 1], with its Wilson
    interval. Without votes or without a label HSF is NaN. Raises CurateError for negative or fractional counts and
    labels of K or more.

    >>> from_counts([[6, 4], [0, 0], [5, 5]], [0, 0, -1])[["votes", "hsf"]].to_dict("list")
    {'votes': [10, 0, 10], 'hsf': [0.6, nan, nan]}
    """
    table = from_ticks(*selections(counts, labels), level=level)
    return table.assign(votes=_counts(counts, "counts").sum(axis=1))


def from_ticks(selected: ArrayLike, shown: ArrayLike, *, level: float = 0.95) -> pd.DataFrame:
    """HSF of tick votes: times ticked (N,) and times shown (N,) for the label -> the columns of `from_counts`.

    >>> from_ticks([3], [4]).round(3).to_dict("records")
    [{'votes': 4, 'hsf': 0.75, 'hsf_low': 0.301, 'hsf_high': 0.954}]
    """
    ticked, seen = ticks(selected, shown)
    low, high = wilson(ticked, seen, level=level)
    hsf = np.divide(ticked, seen, out=np.full(len(seen), np.nan), where=seen > 0)
    return pd.DataFrame({"votes": seen, "hsf": hsf, "hsf_low": low, "hsf_high": high})


def selections(counts: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """K-way votes as ticks for the given label: (selected, shown), both (N,); 0 of 0 where there is no label.

    >>> selections([[6, 4], [1, 2]], [1, -1])
    (array([4, 0]), array([10,  0]))
    """
    votes = _counts(counts, "counts")
    if votes.ndim != 2:
        raise CurateError(f"counts must have the shape (samples, classes), not {votes.shape}")
    label = _labels(labels, *votes.shape)
    selected = np.take_along_axis(votes, np.maximum(label, 0)[:, None], axis=1)[:, 0]
    return np.where(label >= 0, selected, 0), np.where(label >= 0, votes.sum(axis=1), 0)


def ticks(selected: ArrayLike, shown: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both counts as int64 (N,), after a check that nothing was ticked more often than it was shown."""
    ticked, seen = _counts(selected, "selected"), _counts(shown, "shown")
    if ticked.shape != seen.shape or ticked.ndim != 1:
        raise CurateError(f"selected {ticked.shape} and shown {seen.shape} must hold one count a sample each")
    if (wrong := np.flatnonzero(ticked > seen)).size:
        row = wrong[0]
        raise CurateError(f"row {row} was selected {ticked[row]} times but shown {seen[row]} times: correct the votes")
    return ticked, seen


@dataclass(frozen=True)
class KWayVotes:
    """Answers "which class is this?" counted: counts (n, K) int32, one row for each of `samples`, in order of coming.

    `replaced` answers gave way to a later one by the same annotator on the same sample; `blank` ones said nothing.
    """

    samples: tuple[Any, ...]
    counts: np.ndarray
    replaced: int
    blank: int


@dataclass(frozen=True)
class TickVotes:
    """Answers "does this belong to the class?" counted, one row for each sample and class asked about.

    `table` has the columns `sample, label` (class index), `selected, shown`; `replaced` and `blank` as in KWayVotes.
    """

    table: pd.DataFrame
    replaced: int
    blank: int


def count_answers(answers: pd.DataFrame, classes: Sequence[str]) -> KWayVotes:
    """Counts a long table with the columns `sample, label` and, when known, `annotator`: one answer a row.

    A label is a class name, or an index when no label of the table is a class name. An annotator counts once a sample:
    the last answer (by row) wins. Rows without an annotator each count; rows without a label are no answers. Raises
    CurateError for missing columns, rows without a sample, and labels that are no class, naming them.

    >>> answers = pd.DataFrame({"sample": ["a", "a", "a"], "annotator": [1, 2, 1], "label": ["cat", "dog", "dog"]})
    >>> count_answers(answers, ["cat", "dog"]).counts
    array([[0, 2]], dtype=int32)
    """
    answers, replaced, blank = _answers(answers, "label", ["sample"])
    rows, samples = pd.factorize(answers["sample"])
    counts = np.zeros((len(samples), len(classes)), np.int32)
    np.add.at(counts, (rows, class_indices(answers["label"], classes)), 1)
    return KWayVotes(tuple(samples), counts, replaced, blank)


def count_ticks(answers: pd.DataFrame, classes: Sequence[str]) -> TickVotes:
    """Counts a long table with the columns `sample, class, selected` and, when known, `annotator`: one tile a row.

    `selected` is true or false (also 1/0, yes/no). An annotator counts once a sample and class: the last answer wins.
    Otherwise as `count_answers`.

    >>> answers = pd.DataFrame({"sample": ["a", "a"], "class": ["cat", "cat"], "selected": [True, False]})
    >>> count_ticks(answers, ["cat", "dog"]).table.to_dict("records")
    [{'sample': 'a', 'label': 0, 'selected': 1, 'shown': 2}]
    """
    answers, replaced, blank = _answers(answers, "selected", ["sample", "class"])
    flags = pd.DataFrame(
        {
            "sample": answers["sample"],
            "label": class_indices(answers["class"], classes),
            "selected": _truths(answers["selected"]),
        }
    )
    table = flags.groupby(["sample", "label"], sort=False)["selected"].agg(selected="sum", shown="size").reset_index()
    return TickVotes(table.astype({"selected": np.int64, "shown": np.int64}), replaced, blank)


def class_indices(values: pd.Series, classes: Sequence[str]) -> np.ndarray:
    """Class index of each value, (n,) int64: by name, or by index when no value is a class name.

    >>> class_indices(pd.Series(["dog", "cat"]), ["cat", "dog"])
    array([1, 0])
    """
    texts = _texts(values)
    known = texts.map({str(name): index for index, name in enumerate(classes)})
    if not known.notna().any():
        numbers = pd.to_numeric(texts, errors="coerce")
        known = numbers.where(numbers.isin(range(len(classes))))
    if len(unknown := texts[known.isna()].unique()):
        raise CurateError(
            f"no class is called {_named(unknown)}; the classes are {_named(classes)}: correct the labels of the votes"
        )
    return known.to_numpy(np.int64)


def _answers(answers: pd.DataFrame, answer: str, keys: list[str]) -> tuple[pd.DataFrame, int, int]:
    """The answers that count, how many a later one replaced, how many were blank."""
    if missing := [name for name in (*keys, answer) if name not in answers]:
        raise CurateError(f"the votes have no column {_named(missing)}: name the columns {', '.join([*keys, answer])}")
    for key in keys:
        if answers[key].isna().any():
            row = int(np.flatnonzero(answers[key].isna())[0])
            raise CurateError(f"row {row} of the votes (counted from 0) has no {key}: fill it in or remove the row")
    given = answers[answers[answer].notna()]
    if "annotator" not in given:
        return given, 0, len(answers) - len(given)
    replaced = given["annotator"].notna() & given.duplicated([*keys, "annotator"], keep="last")
    return given[~replaced], int(replaced.sum()), len(answers) - len(given)


def _texts(values: pd.Series) -> pd.Series:
    """Values as text; whole numbers that a missing value turned into floats are written without their ".0"."""
    if pd.api.types.is_float_dtype(values) and (values == values.round()).all():
        values = values.astype(np.int64)
    return values.astype(str)


def _truths(values: pd.Series) -> np.ndarray:
    spelled = {"true": 1, "1": 1, "yes": 1, "false": 0, "0": 0, "no": 0}
    texts = _texts(values)
    truths = texts.str.strip().str.lower().map(spelled)
    if len(unknown := texts[truths.isna()].unique()):
        raise CurateError(f"selected is {_named(unknown)}, neither true nor false: write 1 for a tick and 0 for none")
    return truths.to_numpy(np.int64)


def _named(values: Sequence[Any] | np.ndarray) -> str:
    more = f" and {len(values) - _NAMED} more" if len(values) > _NAMED else ""
    return ", ".join(repr(str(value)) for value in values[:_NAMED]) + more


def _counts(values: ArrayLike, name: str) -> np.ndarray:
    counts = np.asarray(values)
    if counts.dtype == object or not np.issubdtype(counts.dtype, np.number):
        raise CurateError(f"{name} must be numbers of votes, not {counts.dtype}")
    if counts.size and (not np.isfinite(counts).all() or counts.min() < 0 or (counts != np.floor(counts)).any()):
        raise CurateError(f"{name} must be whole numbers of votes, 0 or more: give counts, not shares")
    return counts.astype(np.int64)


def _labels(labels: ArrayLike, samples: int, classes: int) -> np.ndarray:
    label = np.asarray(labels)
    if label.shape != (samples,):
        raise CurateError(f"{samples} samples have votes but labels have the shape {label.shape}: give one a sample")
    if label.size and not np.issubdtype(label.dtype, np.integer):
        raise CurateError(f"labels must be class indices, with -1 for none, not {label.dtype}")
    if label.size and label.max() >= classes:
        raise CurateError(f"label {label.max()} is out of range: the votes tell {classes} classes apart")
    return label.astype(np.int64)
