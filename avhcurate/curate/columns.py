"""The user's own columns: a description of each, and which end of it means harder, kept with the dataset."""

from collections.abc import Mapping

import pandas as pd

from avhcurate.data.datasets import Harder
from avhcurate.data.workspace import Workspace
from avhcurate.errors import CurateError
from avhcurate.table.dataset_table import DatasetTable

#: What takes back what was said of a column.
NONE = "none"


def describe_columns(table: DatasetTable) -> pd.DataFrame:
    """A row for each column of the user's: `column, kind, samples, values, low, high, harder`.

    `samples` have a value; `values`, of text, is about how many there are; `low` and `high` are the ends of numbers and
    of dates; `harder` is "high", "low" or "".
    """
    rows = [
        (name, held.kind, held.filled, held.distinct, held.low, held.high, _harder(table, name))
        for name, held in table.summaries.items()
    ]
    columns = ["column", "kind", "samples", "values", "low", "high", "harder"]
    return pd.DataFrame(rows, columns=columns).astype({"values": "Int64"})


def set_harder(workspace: Workspace, table: DatasetTable, said: Mapping[str, str]) -> None:
    """Keeps which end of the user's columns of numbers means harder: high, low, or none to take it back.

    All or nothing. Tables that are open know it once they are opened again.
    """
    for column, end in said.items():
        _check(table, column, end)
    name = table.dataset.name
    with workspace.lock(name):
        record = table.dataset.record
        ends: dict[str, Harder] = record.harder | {key: end for key, end in said.items() if end in ("high", "low")}  # type: ignore[assignment]
        kept = {column: end for column, end in ends.items() if said.get(column) != NONE}
        if kept != record.harder:
            table.dataset.write_record(record.model_copy(update={"harder": kept}))


def _harder(table: DatasetTable, column: str) -> str:
    return table.ranked[column].harder if column in table.ranked else ""


def _check(table: DatasetTable, column: str, end: str) -> None:
    if end not in ("high", "low", NONE):
        raise CurateError(f"the harder end of {column} is high or low (or none), not {end!r}")
    numbers = table.own("number")
    if column in numbers:
        return
    if column in table.kinds:
        raise CurateError(f"{column} holds {table.kinds[column]}, and only numbers have a harder end")
    if column in table.columns:
        raise CurateError(f"{column} is not a column of yours: its harder end is known")
    there = ", ".join(numbers) or "none"
    raise CurateError(f"{table.dataset.name} has no column {column}; its columns of numbers are {there}")
