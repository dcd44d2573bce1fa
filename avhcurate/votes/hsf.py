"""Human selection frequency: votes of either kind to HSF with its Wilson interval, and raw answers to votes."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from avhcurate.disk.columns import MISSING
from avhcurate.errors import CurateError
from avhcurate.stats.intervals import wilson

#: A whole number as a column with gaps has it.
_WHOLE = re.compile(r"^(\d+)\.0+$")
#: How many offending values an error message names.
_NAMED = 5


def from_ticks(selected: ArrayLike, shown: ArrayLike, *, level: float = 0.95) -> pd.DataFrame:
    """HSF of tick votes -> a table of N rows with the columns `votes, hsf, hsf_low, hsf_high`.

    selected, shown: (N,) times that a sample was ticked and shown for its label. HSF is in [0, 1], with its Wilson
    interval, and NaN without votes. `selections` turns K-way votes into such counts.

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
    votes, label = whole_counts(counts, "counts"), np.asarray(labels)
    if votes.ndim != 2:
        raise CurateError(f"counts must have the shape (samples, classes), not {votes.shape}")
    if label.shape != votes.shape[:1]:
        raise CurateError(f"{len(votes)} samples have votes but labels have the shape {label.shape}: give one a sample")
    if label.size and not np.issubdtype(label.dtype, np.integer):
        raise CurateError(f"labels must be class indices, with -1 for none, not {label.dtype}")
    if label.size and label.max() >= votes.shape[1]:
        raise CurateError(f"label {label.max()} is out of range: the votes distinguish {votes.shape[1]} classes")
    selected = np.take_along_axis(votes, np.maximum(label, 0)[:, None], axis=1)[:, 0]
    return np.where(label >= 0, selected, 0), np.where(label >= 0, votes.sum(axis=1), 0)


def ticks(selected: ArrayLike, shown: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both counts as int64 (N,), after a check that nothing was ticked more often than it was shown."""
    ticked, seen = whole_counts(selected, "selected"), whole_counts(shown, "shown")
    if ticked.shape != seen.shape or ticked.ndim != 1:
        raise CurateError(f"selected {ticked.shape} and shown {seen.shape} must hold one count a sample each")
    if (wrong := np.flatnonzero(ticked > seen)).size:
        row = wrong[0]
        raise CurateError(f"row {row} was selected {ticked[row]} times but shown {seen[row]} times: correct the votes")
    return ticked, seen


def whole_counts(values: ArrayLike, title: str) -> np.ndarray:
    """Counts as int64; `CurateError` for what is negative, fractional, missing or beyond 32 bits.

    >>> whole_counts([[3.0, 0.0]], "votes").tolist()
    [[3, 0]]
    """
    counts = np.asarray(values)
    if counts.dtype.kind not in "iufb":
        raise CurateError(f"{title} holds {counts.dtype} values: votes are counted in whole numbers")
    if counts.dtype.kind == "f" and not (np.isfinite(counts).all() and np.array_equal(counts, np.rint(counts))):
        raise CurateError(f"{title} holds fractions or missing numbers: give the counts themselves, not shares")
    if counts.size and counts.min() < 0:
        raise CurateError(f"{title} holds negative counts, the least {counts.min()}: counts are 0 or more")
    if counts.size and counts.max() > np.iinfo(np.int32).max:
        raise CurateError(f"{title} holds a count of {counts.max()}, more than 32 bits can hold: is it an identifier?")
    return counts.astype(np.int64)


def count_answers(answers: pd.DataFrame, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Counts answers to "which class is this?": a table of `sample, label` and, when known, `annotator`, one a row.

    Returns the samples (n,), sorted, their counts (n, K) int32, and messages about answers that do not count: an
    annotator counts once a sample, by the last answer (by row), and rows without a label are no answers. Rows without
    an annotator each count. A label is a class name, or an index when no label of the table is a class name. Raises
    CurateError for missing columns, rows without a sample, and labels that are no class, naming them.

    >>> answers = pd.DataFrame({"sample": ["a", "a", "a"], "annotator": [1, 2, 1], "label": ["cat", "dog", "dog"]})
    >>> count_answers(answers, ["cat", "dog"])[1]
    array([[0, 2]], dtype=int32)
    """
    if "label" in answers:
        answers = answers.assign(label=without_blanks(answers["label"], classes))
    answers, messages = _valid_answers(answers, "label", ["sample"])
    rows, samples = pd.factorize(answers["sample"], sort=True)
    counts = np.zeros((len(samples), len(classes)), np.int32)
    np.add.at(counts, (rows, class_indices(answers["label"], classes)), 1)
    return np.asarray(samples), counts, messages


def count_ticks(answers: pd.DataFrame, classes: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Counts answers to "does this belong to the class?": a table of `sample, class, selected` and `annotator`.

    Returns a table with the columns `sample, label` (class index), `selected, shown`, a row for each sample and class
    asked about, and messages as `count_answers` does. `selected` is true or false (also 1/0, yes/no). An annotator
    counts once a sample and class, by the last answer.

    >>> answers = pd.DataFrame({"sample": ["a", "a"], "class": ["cat", "cat"], "selected": [True, False]})
    >>> count_ticks(answers, ["cat", "dog"])[0].to_dict("records")
    [{'sample': 'a', 'label': 0, 'selected': 1, 'shown': 2}]
    """
    answers, messages = _valid_answers(answers, "selected", ["sample", "class"])
    labels, ticked = class_indices(answers["class"], classes), _truths(answers["selected"])
    flags = pd.DataFrame({"sample": answers["sample"], "label": labels, "selected": ticked})
    table = flags.groupby(["sample", "label"])["selected"].agg(selected="sum", shown="size").reset_index()
    return table.astype({"selected": np.int64, "shown": np.int64}), messages


def class_indices(values: pd.Series, classes: Sequence[str]) -> np.ndarray:
    """Class index of each value, (n,) int64: by name, or by index when no value is a class name.

    An index is written without zeros before it: 01 is a name.

    >>> class_indices(pd.Series(["dog", "cat"]), ["cat", "dog"])
    array([1, 0])
    """
    rows, unique = pd.factorize(_texts(values), use_na_sentinel=False)
    texts = [str(text) for text in unique]
    plain = [_WHOLE.sub(r"\1", text.strip()) for text in texts]
    names = {str(name): index for index, name in enumerate(classes)}
    indices = [names.get(text, names.get(number, -1)) for text, number in zip(texts, plain, strict=True)]
    if max(indices, default=-1) < 0:
        numbers = {str(index): index for index in range(len(classes))}
        indices = [numbers.get(number, -1) for number in plain]
    if unknown := [text for text, index in zip(texts, indices, strict=True) if index < 0]:
        raise CurateError(
            f"no class is called {_named(unknown)}; the classes are {_named(classes)}: correct the labels of the votes"
        )
    return np.array(indices, np.int64)[rows]


def without_blanks(values: pd.Series, classes: Sequence[str]) -> pd.Series:
    """Answers, missing where they say NaN as programs write it for none; a class may be called so all the same.

    >>> without_blanks(pd.Series(["cat", "nan"]), ["cat", "dog"]).isna().tolist()
    [False, True]
    """
    return values.mask(values.isin([word for word in MISSING if word not in classes]))


def _valid_answers(answers: pd.DataFrame, answer: str, keys: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """The answers that count, and messages about those that a later one replaced or that are blank."""
    if missing := [name for name in (*keys, answer) if name not in answers]:
        raise CurateError(f"the votes have no column {_named(missing)}: name the columns {', '.join([*keys, answer])}")
    for key in keys:
        if answers[key].isna().any():
            row = int(np.flatnonzero(answers[key].isna())[0])
            raise CurateError(f"row {row} of the votes (counted from 0) has no {key}: fill it in or remove the row")
    given = answers[answers[answer].notna()]
    replaced = pd.Series(False, given.index)
    if "annotator" in given:
        replaced = given["annotator"].notna() & given.duplicated([*keys, "annotator"], keep="last")
    messages = [f"{replaced.sum()} answers gave way to a later one of the same annotator"] if replaced.any() else []
    if blank := len(answers) - len(given):
        messages.append(f"{blank} rows without an answer were left out")
    return given[~replaced], messages


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
