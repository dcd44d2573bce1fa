"""Files of human answers, in the forms that people have them, read into one of three: counts, answers, ticks."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.errors import CurateError
from avhcurate.storage.columns import find_votes_column, is_list, is_text, listed
from avhcurate.storage.tabular import read_table

#: Columns that may name the sample of an answer; those that hold paths go before those that hold numbers.
_SAMPLE = (
    *("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "image_filename", "img"),
    *("url", "image_url", "sample", "sample_id", "image_id", "cifar10_test_set_idx", "index", "idx", "id"),
)
_ANSWER = ("chosen_label", "label", "answer", "choice", "vote", "response", "chosen", "chosen_category", "annotation")
_ANNOTATOR = (
    *("annotator", "annotator_id", "worker", "worker_id", "workerid", "rater", "rater_id", "user", "user_id"),
    *("participant", "participant_id", "observer", "completed_by"),
)
_SHOWN_CLASS = ("class", "class_name", "shown_class", "label", "category", "wnid")
_SELECTED = ("selected", "ticked", "is_selected")
_TIMES = ("count", "counts", "votes", "times")
_CHECK = ("is_attn_check",)

#: Answers that a table of counts may stand for: some gigabytes of memory.
_MOST_ANSWERS = 50_000_000

_FORMS = (
    "a count matrix (.npy, or a list column of a Parquet file), a long CSV or Parquet (sample, annotator, label; or "
    "sample, annotator, class, selected), or a Label Studio JSON export"
)


@dataclass(frozen=True)
class VoteSheet:
    """Human answers as they stand in a file, not yet matched with samples and classes.

    `samples` are columns that may name the sample of each row, best first; without any, rows are samples in order.
    Either `counts` (rows, K), or `answers` with a row an answer: `label` and perhaps `annotator`; or for ticks
    `selected`, perhaps `class` (else the sample's own label is meant) and `annotator`.
    """

    samples: dict[str, pa.ChunkedArray]
    counts: np.ndarray | None = None
    answers: pd.DataFrame | None = None
    messages: list[str] = field(default_factory=list)


def read_votes(path: Path) -> VoteSheet:
    """A file of votes, its form decided by its content; `CurateError` naming the forms when it has none of them."""
    if not path.is_file():
        raise CurateError(f"{path} is not a file: give {_FORMS}")
    with open(path, "rb") as stream:
        start = stream.read(64)
    if start.startswith(b"\x93NUMPY"):
        return _read_matrix(path)
    if start.startswith((b"\x80", b"PK\x03\x04")):
        raise CurateError(
            f"{path.name} is a pickle or an archive, and is not opened because it can hold code: give {_FORMS}"
        )
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"[", b"{")):
        return _read_label_studio(path)
    return sheet_of_table(read_table(path), path.name)


def whole_counts(values: np.ndarray, title: str) -> np.ndarray:
    """Counts as int64; `CurateError` for what is negative, fractional, missing or beyond 32 bits.

    >>> whole_counts(np.array([[3.0, 0.0]]), "votes").tolist()
    [[3, 0]]
    """
    if values.dtype.kind not in "iufb":
        raise CurateError(f"{title} holds {values.dtype} values: votes are counted in whole numbers")
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and np.array_equal(values, np.rint(values))):
        raise CurateError(f"{title} holds fractions or missing numbers: give the counts themselves, not shares")
    if values.size and values.min() < 0:
        raise CurateError(f"{title} holds negative counts, the least {values.min()}: nobody can vote less than never")
    if values.size and values.max() > np.iinfo(np.int32).max:
        raise CurateError(f"{title} holds a count of {values.max()}, more than 32 bits can: is it an identifier?")
    return values.astype(np.int64)


def counts_of_lists(column: pa.ChunkedArray, title: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a list column that hold counts, as positions (M,) and counts (M, K)."""
    rows = np.flatnonzero(column.is_valid().to_numpy())
    lists = column.drop_null()
    lengths = pc.unique(pc.list_value_length(lists)).to_pylist()
    if len(lengths) > 1:
        raise CurateError(
            f"column {title!r} holds lists of {listed(sorted(lengths), 5)} counts: each needs one a class"
        )
    values = pc.list_flatten(lists)
    if values.null_count:
        raise CurateError(f"column {title!r} holds missing counts: write 0 where nobody chose a class")
    counts = whole_counts(values.to_numpy(), f"column {title!r}")
    return rows, counts.reshape(len(rows), lengths[0] if lengths else 0)


def _read_matrix(path: Path) -> VoteSheet:
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as problem:
        raise CurateError(
            f"{path.name} cannot be read as an array of numbers ({problem}): save the counts anew"
        ) from problem
    if matrix.ndim != 2:
        raise CurateError(
            f"{path.name} has shape {matrix.shape}: a count matrix has a row a sample and a column a class"
        )
    return VoteSheet({}, counts=whole_counts(matrix, path.name))


def sheet_of_table(table: pa.Table, title: str) -> VoteSheet:
    """A table of counts, answers or ticks, by its columns."""
    if not len(table):
        raise CurateError(f"{title} has no rows: give {_FORMS}")
    table, messages = _without_attention_checks(table)
    samples = {name: table[name] for name in _in_order(table, _SAMPLE) if not is_list(table[name].type)}
    column = _list_column(table)
    if column is not None:
        rows, counts = counts_of_lists(table[column], column)
        if not samples:  # rows are samples in order, so all of them stay
            full = np.zeros((len(table), counts.shape[1]), np.int64)
            full[rows] = counts
            return VoteSheet({}, counts=full, messages=messages)
        return VoteSheet(
            {name: values.take(rows) for name, values in samples.items()}, counts=counts, messages=messages
        )
    if not samples:
        raise CurateError(
            f"{title} names no samples: its columns are {listed(table.column_names)}; call one sample, id or path"
        )
    selected, annotator = _first(table, _SELECTED), _first(table, _ANNOTATOR)
    answer = _first(table, _ANSWER) if selected is None else _first(table, _SHOWN_CLASS)
    if selected is None and answer is None:
        raise CurateError(
            f"{title} holds no answers: its columns are {listed(table.column_names)}; call one label, or two class and "
            "selected"
        )
    named = {"annotator": annotator, "selected": selected, "label" if selected is None else "class": answer}
    chosen = {new: table[old] for new, old in named.items() if old is not None}
    answers = pa.table(chosen).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    rows, answers = _one_row_an_answer(table, answers)
    if len(rows) != len(table):
        samples = {name: column.take(rows) for name, column in samples.items()}
    return VoteSheet(samples, answers=answers, messages=messages)


def _one_row_an_answer(table: pa.Table, answers: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Each row as often as it was answered, and the row that each answer comes from.

    A column such as `count` says how often a label was given, `shown` beside `selected` of how many a tile was ticked.
    """
    rows = np.arange(len(table))
    if "selected" not in answers:
        times = next((name for name in _in_order(table, _TIMES) if not is_text(table[name].type)), None)
        if times is None:
            return rows, answers
        rows = np.repeat(rows, _times(table[times], times))
        return rows, answers[["label"]].take(rows).reset_index(drop=True)
    if "shown" not in table.column_names:
        return rows, answers
    shown, ticked = _times(table["shown"], "shown"), _numbers(table[_first(table, _SELECTED)], "selected")
    if (ticked > shown).any():
        row = int(np.argmax(ticked > shown))
        raise CurateError(f"row {row + 1} was selected {ticked[row]} times but shown {shown[row]} times: correct it")
    rows = np.repeat(rows, shown)
    turn = np.arange(len(rows)) - np.repeat(np.cumsum(shown) - shown, shown)
    answers = answers.drop(columns="annotator", errors="ignore").take(rows).reset_index(drop=True)
    return rows, answers.assign(selected=turn < ticked[rows])


def _times(column: pa.ChunkedArray, title: str) -> np.ndarray:
    """Counts that stand for as many answers, which are taken one by one."""
    counts = _numbers(column, title)
    if counts.sum() > _MOST_ANSWERS:
        raise CurateError(
            f"column {title!r} stands for {counts.sum()} answers, more than {_MOST_ANSWERS}: is it a count?"
        )
    return counts


def _numbers(column: pa.ChunkedArray, title: str) -> np.ndarray:
    if column.null_count or is_text(column.type):
        raise CurateError(f"column {title!r} holds text or missing values: it should hold counts")
    return whole_counts(column.to_numpy(), f"column {title!r}")


def _without_attention_checks(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """The table without trials that test the annotator, as CIFAR-10H's raw answers mark them."""
    column = _first(table, _CHECK)
    if column is None:
        return table, []
    try:
        check = pc.fill_null(pc.cast(table[column], pa.bool_()), False)
    except pa.ArrowException as problem:
        raise CurateError(
            f"column {column!r} is neither true nor false in each row ({problem}): correct it"
        ) from problem
    return table.filter(pc.invert(check)), [f"{pc.sum(check).as_py() or 0} attention checks were left out"]


def _list_column(table: pa.Table) -> str | None:
    """The column of counts: the only list of numbers, or the only one called so."""
    lists = [item.name for item in table.schema if is_list(item.type) and _is_number(item.type.value_type)]
    if len(lists) > 1:
        named = find_votes_column(table.schema)
        if named is None:
            raise CurateError(f"several columns hold lists of numbers: {listed(lists)}; call one of them votes")
        return named
    return lists[0] if lists else None


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _in_order(table: pa.Table, names: tuple[str, ...]) -> list[str]:
    by_name = {name.casefold(): name for name in table.column_names}
    return [by_name[name] for name in names if name in by_name]


def _first(table: pa.Table, names: tuple[str, ...]) -> str | None:
    return next(iter(_in_order(table, names)), None)


#: What Label Studio puts before the name of an uploaded file.
_UPLOADED = r"^(.*/)?[0-9a-f]{8}-"


def _read_label_studio(path: Path) -> VoteSheet:
    """Choices of a Label Studio export: one answer for each annotation that was not cancelled."""
    try:
        tasks = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as problem:
        raise CurateError(f"{path.name} is not JSON ({problem}): export it from Label Studio as JSON") from problem
    if not isinstance(tasks, list) or not all(isinstance(task, dict) and "annotations" in task for task in tasks):
        raise CurateError(f"{path.name} is no Label Studio export: a list of tasks with `annotations` was expected")
    try:
        return _sheet_of_tasks(tasks, path.name)
    except (AttributeError, TypeError) as problem:
        raise CurateError(f"{path.name} is no Label Studio export ({problem}): export it anew as JSON") from problem


def _sheet_of_tasks(tasks: list[dict[str, Any]], title: str) -> VoteSheet:
    left_out = {"cancelled": 0, "without one choice": 0}
    rows = [(task.get("data") or {}, *answer) for task in tasks for answer in _choices(task, left_out)]
    if not rows:
        raise CurateError(f"{title} holds no choices among its {len(tasks)} tasks: annotate with a Choices control")
    messages = [f"{number} annotations {why} were left out" for why, number in left_out.items() if number]
    samples = {
        name: pa.chunked_array([pa.array([_sample_text(data.get(name)) for data, *_ in rows], pa.string())])
        for name in dict.fromkeys(key for data, *_ in rows for key in _ordered_keys(data))
    }
    uploads = {
        f"{name} without the upload's prefix": pc.replace_substring_regex(values, _UPLOADED, "")
        for name, values in samples.items()
    }
    answers = pd.DataFrame([answer for _, *answer in rows], columns=["annotator", "label"])
    return VoteSheet(samples | uploads, answers=answers, messages=messages)


def _choices(task: dict[str, Any], left_out: dict[str, int]) -> Iterator[tuple[str | None, str]]:
    """Annotator and choice of each annotation of a task that counts."""
    for annotation in task["annotations"]:
        if annotation.get("was_cancelled"):
            left_out["cancelled"] += 1
            continue
        results = [item for item in annotation.get("result") or [] if item.get("type") == "choices"]
        questions = {str(item.get("from_name")) for item in results}
        if len(questions) > 1:
            raise CurateError(f"tasks answer several questions ({listed(sorted(questions))}): export one of them")
        chosen = [choice for item in results for choice in (item.get("value") or {}).get("choices") or []]
        if len(chosen) != 1:
            left_out["without one choice"] += 1
            continue
        who = annotation.get("completed_by")
        who = who.get("id", who.get("email")) if isinstance(who, dict) else who
        yield None if who is None else str(who), str(chosen[0])


def _ordered_keys(data: dict[str, Any]) -> list[str]:
    return [name for name in _SAMPLE if name in data] + [name for name in data if name not in _SAMPLE]


def _sample_text(value: Any) -> str | None:
    """The file that a task's address means.

    >>> _sample_text("/data/local-files/?d=photos/a%20b.jpg"), _sample_text(7)
    ('photos/a b.jpg', '7')
    """
    if value is None or isinstance(value, dict | list):
        return None
    text = str(value)
    if "/local-files/" in text:
        return parse_qs(urlsplit(text).query).get("d", [text])[0]
    return unquote(text) if text.startswith("/data/") else text
