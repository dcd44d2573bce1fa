"""Tables of answers, ticks or counts, by their columns: long CSV and Parquet, CIFAR-10H's raw answers, count lists."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.errors import CurateError
from avhcurate.people.files.labelers import labeler_columns, long_rows
from avhcurate.people.files.sheet import (
    FORMS,
    SAMPLE_COLUMNS,
    VoteSheet,
    counts_of_lists,
    sheet_of_rows,
    sheet_simulated,
)
from avhcurate.people.grids import CONTROLS
from avhcurate.people.hsf import whole_counts
from avhcurate.workspace.disk.arrays import number_type
from avhcurate.workspace.disk.columns import (
    MISSING,
    find_votes_column,
    is_list,
    is_text,
    listed,
    plain_cells,
    plain_values,
)

_ANSWER = ("chosen_label", "label", "answer", "choice", "vote", "response", "chosen", "chosen_category", "annotation")
_SHOWN_CLASS = ("class", "class_name", "shown_class", "label", "category", "wnid")
_SELECTED = ("selected", "ticked", "is_selected")
_TIMES = ("count", "counts", "votes", "times")
_CHECK = ("is_attn_check",)
_EXPECTED = ("expected", "true_label", "true_category")
#: Columns with details of an answer.
_DETAILS = {
    "annotator": (
        *("annotator", "annotator_id", "worker", "worker_id", "workerid", "rater", "rater_id", "user", "user_id"),
        *("participant", "participant_id", "observer", "completed_by"),
    ),
    "task": ("task", "hit_uuid", "session", "assignment_id"),
    "at": ("at", "timestamp", "created_at", "submitted_at", "answered_at"),
    "reaction_ms": ("reaction_ms", "reaction_time", "reaction_time_ms", "response_time_ms", "rt"),
}

#: Columns of a CSV that are always text: names, of which 01 is another than 1.
TEXT_COLUMNS = (*SAMPLE_COLUMNS, *_ANSWER, *_SHOWN_CLASS, *_EXPECTED, *_DETAILS["annotator"])

#: Answers that a table of counts may mean: some gigabytes of memory.
_MOST_ANSWERS = 50_000_000


def sheet_of_table(table: pa.Table, title: str) -> VoteSheet:
    """Return the counts, answers or ticks of a table, by its columns."""
    if not len(table):
        raise CurateError(f"{title} has no rows. Give {FORMS}.")
    simulated = "simulated" in table.column_names and sheet_simulated(table["simulated"].unique().to_pylist(), title)
    if {"simulated", "control"} <= set(table.column_names):  # ours: without apostrophes before formulas
        table = pa.table({name: plain_cells(table[name]) for name in table.column_names})
    samples = [name for name in _in_order(table, SAMPLE_COLUMNS) if not is_list(table[name].type)]
    column = _list_column(table)
    if column is not None:
        return replace(_sheet_of_counts(table, column, samples), simulated=simulated)
    if not samples:
        raise CurateError(
            f"{title} names no images. Its columns are {listed(table.column_names)}. Call one sample, id or path."
        )
    if (by_labeler := _by_labeler(table, samples)) is not None:
        table = by_labeler
    sources = _answer_columns(table, title) | {name: _first(table, names) for name, names in _DETAILS.items()}
    columns = {name: table[name] for name in samples} | {name: table[old] for name, old in sources.items() if old}
    rows = _with_controls(table, pa.table(columns).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get))
    return sheet_of_rows(_one_row_per_answer(table, _plain_details(rows), samples), samples, [], simulated=simulated)


def _by_labeler(table: pa.Table, samples: list[str]) -> pa.Table | None:
    """Return the answers of a table with a column for each labeler, a row each; None for any other table."""
    if _first(table, _SELECTED) or _in_order(table, (*_ANSWER, *_SHOWN_CLASS)):
        return None
    details = [name for names in (*_DETAILS.values(), _TIMES, _CHECK, _EXPECTED) for name in _in_order(table, names)]
    columns = labeler_columns(table, [*samples, *details, "simulated", "control"])
    if not columns:
        return None
    return long_rows(table, columns, samples)


def _sheet_of_counts(table: pa.Table, column: str, samples: list[str]) -> VoteSheet:
    rows, counts = counts_of_lists(table[column], column)
    if samples:
        return VoteSheet({name: table[name].take(rows) for name in samples}, counts=counts)
    full = np.zeros((len(table), counts.shape[1]), np.int64)  # rows are samples in order, so all of them stay
    full[rows] = counts
    return VoteSheet({}, counts=full)


def _answer_columns(table: pa.Table, title: str) -> dict[str, str | None]:
    """Return the columns of the answers: of `selected` and `class`, or of `label`."""
    selected = _first(table, _SELECTED)
    if selected is not None:
        return {"selected": selected, "class": _first(table, _SHOWN_CLASS)}
    names = [name for name in _in_order(table, _ANSWER) if not pa.types.is_nested(table[name].type)]
    # What is called chosen was chosen; another column may be the given label.
    names = [name for name in names if name.lower().startswith("chosen")][:1] or names
    names = names or _in_order(table, _SHOWN_CLASS)[:1]
    if not names:
        raise CurateError(
            f"{title} has no answers. Its columns are {listed(table.column_names)}. Call one label, or two class and "
            "selected, or give each labeler a column."
        )
    for other in names[1:]:
        if not table[names[0]].equals(table[other]):
            raise CurateError(
                f"{title} has the columns {names[0]!r} and {other!r}, and both may be the answers. Rename or remove "
                "the one that is not."
            )
    return {"label": names[0]}


def _with_controls(table: pa.Table, rows: pd.DataFrame) -> pd.DataFrame:
    """Add `control` and `expected`: CIFAR-10H marks attention checks, our files say what each image was for."""
    check = _first(table, _CHECK)
    control = _first(table, ("control",))
    expected = _first(table, _EXPECTED)
    if check is not None:
        try:
            is_check = pc.fill_null(table[check].cast(pa.bool_()), False).to_pandas()
        except pa.ArrowException as problem:
            raise CurateError(f"Column {check!r} must be true or false in each row ({problem}).") from problem
        rows["control"] = is_check.map({True: "attention", False: "none"})
    elif control is not None and set(table[control].unique().to_pylist()) <= {*CONTROLS, None}:
        rows["control"] = table[control].to_pandas()
    if expected is not None and "control" in rows:
        rows["expected"] = table[expected].to_pandas()
    return rows


def _plain_details(rows: pd.DataFrame) -> pd.DataFrame:
    """Return names of annotators, null where a program wrote nothing so; times and milliseconds as such."""
    if "annotator" in rows and pd.api.types.is_string_dtype(rows["annotator"]):
        names = rows["annotator"].str.strip()
        rows["annotator"] = names.mask(names.isin(MISSING))
    if "reaction_ms" in rows and not pd.api.types.is_numeric_dtype(rows["reaction_ms"]):
        rows = rows.drop(columns="reaction_ms")
    if "at" in rows and pd.api.types.is_numeric_dtype(rows["at"]):
        rows = rows.drop(columns="at")  # numbers of an unknown epoch
    if "at" in rows:
        texts = rows["at"].astype(str).where(rows["at"].notna())
        rows["at"] = pd.to_datetime(texts, utc=True, errors="coerce", format="mixed")
    return rows


def _one_row_per_answer(table: pa.Table, rows: pd.DataFrame, samples: list[str]) -> pd.DataFrame:
    """Return each row as often as it was answered.

    A column such as `count` says how often a label was given, `shown` next to `selected` how often a tile was shown.
    """
    if "selected" not in rows:
        times = _first(table, _TIMES)
        if times is None:
            return rows
        return rows.loc[rows.index.repeat(_times(table, times)), [*samples, "label"]]
    if "shown" not in table.column_names:
        return rows
    shown = _times(table, "shown")
    ticked = _times(table, str(_first(table, _SELECTED)))
    if (ticked > shown).any():
        row = int(np.argmax(ticked > shown))
        raise CurateError(f"Row {row + 1} was selected {ticked[row]} times but shown {shown[row]} times. Correct it.")
    rows = rows.drop(columns="annotator", errors="ignore").loc[rows.index.repeat(shown)]
    turn = rows.groupby(level=0).cumcount().to_numpy()
    return rows.assign(selected=turn < ticked[rows.index])


def _times(table: pa.Table, title: str) -> np.ndarray:
    """Return a column of counts of answers, which are taken one by one."""
    column = plain_values(table[title])
    if column.null_count or is_text(column.type):
        raise CurateError(f"Column {title!r} holds text or missing values. Write a count in each row, or rename it.")
    counts = whole_counts(column.to_numpy(), f"Column {title!r}")
    if counts.sum() > _MOST_ANSWERS:
        raise CurateError(f"Column {title!r} means {counts.sum()} answers, more than {_MOST_ANSWERS}.")
    return counts


def _list_column(table: pa.Table) -> str | None:
    """Return the column of counts: the only list of numbers, or the one called votes."""
    lists = [field.name for field in table.schema if is_list(field.type) and number_type(field.type) is not None]
    if len(lists) < 2:
        return next(iter(lists), None)
    votes = find_votes_column(table.schema)
    if votes is None:
        raise CurateError(f"Several columns hold lists of numbers: {listed(lists)}. Call one of them votes.")
    return votes


def _in_order(table: pa.Table, names: tuple[str, ...]) -> list[str]:
    return [column for name in names for column in table.column_names if column.casefold() == name]


def _first(table: pa.Table, names: tuple[str, ...]) -> str | None:
    return next(iter(_in_order(table, names)), None)
