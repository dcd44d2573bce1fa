"""Tables of answers, ticks or counts, by their columns: long CSV and Parquet, CIFAR-10H's raw answers, count lists."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.disk.columns import MISSING, find_votes_column, is_list, is_text, listed, plain_values
from avhcurate.disk.formulas import plain_cells
from avhcurate.errors import CurateError
from avhcurate.votes.files.sheet import FORMS, SAMPLE_COLUMNS, VoteSheet, counts_of_lists, sheet_simulated
from avhcurate.votes.grids import CONTROLS
from avhcurate.votes.hsf import whole_counts

_ANSWER = ("chosen_label", "label", "answer", "choice", "vote", "response", "chosen", "chosen_category", "annotation")
_ANNOTATOR = (
    *("annotator", "annotator_id", "worker", "worker_id", "workerid", "rater", "rater_id", "user", "user_id"),
    *("participant", "participant_id", "observer", "completed_by"),
)
_SHOWN_CLASS = ("class", "class_name", "shown_class", "label", "category", "wnid")
_SELECTED = ("selected", "ticked", "is_selected")
_TIMES = ("count", "counts", "votes", "times")
_CHECK = ("is_attn_check",)
_EXPECTED = ("expected", "true_label", "true_category")
_REACTION = ("reaction_ms", "reaction_time", "reaction_time_ms", "response_time_ms", "rt")
_TASK = ("task", "hit_uuid", "session", "assignment_id")
_AT = ("at", "timestamp", "created_at", "submitted_at", "answered_at")

#: Columns of a CSV that are text whatever they look like: names, of which 01 is another than 1.
TEXT_COLUMNS = (*SAMPLE_COLUMNS, *_ANSWER, *_SHOWN_CLASS, *_EXPECTED, *_ANNOTATOR)

#: Answers that a table of counts may mean: some gigabytes of memory.
_MOST_ANSWERS = 50_000_000


def sheet_of_table(table: pa.Table, title: str) -> VoteSheet:
    """A table of counts, answers or ticks, by its columns."""
    if not len(table):
        raise CurateError(f"{title} has no rows: give {FORMS}")
    simulated = "simulated" in table.column_names and sheet_simulated(table["simulated"].unique().to_pylist(), title)
    if {"simulated", "control"} <= set(table.column_names):
        table = _unescaped(table)
    table, judged, messages = _without_controls(table)
    sheet = _sheet(table, title)
    controls = _sheet(judged, title) if judged is not None and len(judged) else None
    return replace(sheet, messages=messages + sheet.messages, controls=controls, simulated=simulated)


def _sheet(table: pa.Table, title: str) -> VoteSheet:
    samples = {name: table[name] for name in _in_order(table, SAMPLE_COLUMNS) if not is_list(table[name].type)}
    column = _list_column(table)
    if column is not None:
        rows, counts = counts_of_lists(table[column], column)
        if not samples:  # rows are samples in order, so all of them stay
            full = np.zeros((len(table), counts.shape[1]), np.int64)
            full[rows] = counts
            return VoteSheet({}, counts=full)
        return VoteSheet({name: values.take(rows) for name, values in samples.items()}, counts=counts)
    if not samples:
        raise CurateError(
            f"{title} names no samples: its columns are {listed(table.column_names)}; call one sample, id or path"
        )
    selected = _first(table, _SELECTED)
    answer = _answer(table, title) if selected is None else _first(table, _SHOWN_CLASS)
    if selected is None and answer is None:
        raise CurateError(
            f"{title} holds no answers: its columns are {listed(table.column_names)}; call one label, or two class and "
            "selected"
        )
    named = {"selected": selected, "label" if selected is None else "class": answer} | _details(table)
    chosen = {new: table[old] for new, old in named.items() if old is not None}
    if "annotator" in chosen:
        chosen["annotator"] = _annotators(chosen["annotator"])
    answers = _times_and_numbers(pa.table(chosen).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get))
    rows, answers = _one_row_an_answer(table, answers)
    if len(rows) != len(table):
        samples = {name: column.take(rows) for name, column in samples.items()}
    return VoteSheet(samples, answers=answers)


def _answer(table: pa.Table, title: str) -> str | None:
    """The column of answers: what is called chosen, or the only one; another that differs may be the given label."""
    names = [name for name in _in_order(table, _ANSWER) if not pa.types.is_nested(table[name].type)]
    names = [name for name in names if name.lower().startswith("chosen")] or names
    for other in names[1:]:
        if not _say_the_same(table[names[0]], table[other]):
            raise CurateError(
                f"{title} has columns {names[0]!r} and {other!r}, which differ, and both may be the answers: rename or "
                "drop the one that is not"
            )
    return names[0] if names else None


def _say_the_same(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    """Whether two columns agree in each row, perhaps in other words throughout, as an index and a name do."""
    texts = pa.table({"one": one.cast(pa.string()), "other": other.cast(pa.string())})
    pairs = texts.group_by(["one", "other"]).aggregate([]).to_pylist()
    ones, others = {pair["one"] for pair in pairs}, {pair["other"] for pair in pairs}
    in_other_words = len(ones) == len(others) == len(pairs) and ones.isdisjoint(others)
    return in_other_words or all(pair["one"] == pair["other"] for pair in pairs)


def _unescaped(table: pa.Table) -> pa.Table:
    """A file of our own without the apostrophes that keep spreadsheets from running its texts as formulas."""
    return pa.table({name: plain_cells(table[name]) for name in table.column_names})


def _annotators(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Names of annotators, null for what programs write where nobody is named."""
    if not is_text(column.type):
        return column
    names = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.is_in(names, value_set=pa.array(MISSING, names.type)), pa.scalar(None, names.type), names)


def _details(table: pa.Table) -> dict[str, str | None]:
    """The columns with details of an answer."""
    details: dict[str, str | None] = {
        "annotator": _first(table, _ANNOTATOR),
        "task": _first(table, _TASK),
        "at": _first(table, _AT),
    }
    reaction = _first(table, _REACTION)
    details["reaction_ms"] = reaction if reaction and not is_text(table[reaction].type) else None
    if "_control" in table.column_names:
        details |= {"control": "_control", "expected": _first(table, _EXPECTED)}
    return details


def _times_and_numbers(answers: pd.DataFrame) -> pd.DataFrame:
    if "reaction_ms" in answers:
        answers["reaction_ms"] = pd.to_numeric(answers["reaction_ms"], errors="coerce").astype("Float64")
    if "at" in answers and pd.api.types.is_numeric_dtype(answers["at"]):
        answers = answers.drop(columns="at")  # numbers of an unknown epoch
    elif "at" in answers:
        texts = answers["at"].astype(str).where(answers["at"].notna())
        answers["at"] = pd.to_datetime(texts, utc=True, errors="coerce", format="mixed")
    return answers


def _one_row_an_answer(table: pa.Table, answers: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Each row as often as it was answered, and the row that each answer comes from.

    A column such as `count` says how often a label was given, `shown` beside `selected` of how many a tile was ticked.
    """
    rows = np.arange(len(table))
    if "selected" not in answers:
        times = _first(table, _TIMES)
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
    """Counts of as many answers, which are taken one by one."""
    counts = _numbers(column, title)
    if counts.sum() > _MOST_ANSWERS:
        raise CurateError(f"column {title!r} means {counts.sum()} answers, more than {_MOST_ANSWERS}: is it a count?")
    return counts


def _numbers(column: pa.ChunkedArray, title: str) -> np.ndarray:
    column = plain_values(column)
    if column.null_count or is_text(column.type):
        raise CurateError(
            f"column {title!r} holds text or missing values: write a count in each row, or give the column another name"
        )
    return whole_counts(column.to_numpy(), f"column {title!r}")


def _without_controls(table: pa.Table) -> tuple[pa.Table, pa.Table | None, list[str]]:
    """The votes; the answers that judge the annotator, in a table with the column `_control`; what to say of them.

    CIFAR-10H's raw answers mark attention checks, our own files name what each image was there for.
    """
    check, control = _first(table, _CHECK), _first(table, ("control",))
    if check is not None:
        try:
            judged = pc.fill_null(pc.cast(table[check], pa.bool_()), False)
        except pa.ArrowException as problem:
            raise CurateError(
                f"column {check!r} is neither true nor false in each row ({problem}): correct it"
            ) from problem
        checks = table.filter(judged)
        checks = checks.append_column("_control", pa.array(["attention"] * len(checks), pa.string()))
        return table.filter(pc.invert(judged)), checks, [f"{len(checks)} attention checks were left out"]
    if control is None or not set(table[control].unique().to_pylist()) <= {*CONTROLS, None}:
        return table, None, []
    kind = pc.fill_null(table[control], "none")
    padded = pc.equal(kind, "padding")
    judged = pc.invert(pc.or_(pc.equal(kind, "none"), padded))
    checks = table.filter(judged).append_column("_control", kind.filter(judged))
    number = pc.sum(padded).as_py() or 0
    messages = [f"{number} answers to padded tiles count as nothing"] if number else []
    messages += [f"{len(checks)} answers to controls judge the annotators and are no votes"] if len(checks) else []
    return table.filter(pc.equal(kind, "none")), checks, messages


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
    return [column for name in names for column in table.column_names if column.casefold() == name]


def _first(table: pa.Table, names: tuple[str, ...]) -> str | None:
    return next(iter(_in_order(table, names)), None)
