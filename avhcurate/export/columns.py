"""The samples of an export: its columns, as batches, frames or rows."""

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters


@dataclass(frozen=True, eq=False)
class Chosen:
    """The samples that an export holds: by id, or in the order of `order`, (n,) int64 ids, where there is one."""

    filters: Filters
    order: np.ndarray | None = None


def export_columns(table: DatasetTable) -> list[str]:
    """The columns of an export: the standard ones, with the scores of a training if there are any; the user's own."""
    return [*table.standard, *table.user_columns]


def frames(table: DatasetTable, chosen: Chosen) -> Iterator[pd.DataFrame]:
    """All columns of the samples; integers with missing values are objects."""
    for batch in batches(table, chosen):
        yield pa.Table.from_batches([batch]).to_pandas(integer_object_nulls=True)


def rows(table: DatasetTable, chosen: Chosen) -> Iterator[dict[str, Any]]:
    """The same, a row at a time."""
    for batch in batches(table, chosen):
        yield from batch.to_pylist()


def batches(
    table: DatasetTable, chosen: Chosen, *, columns: Sequence[str] | None = None, rows: int = 50_000
) -> Iterator[pa.RecordBatch]:
    """The samples in batches; where votes are attached, `hsf_source` ("human", "simulated") follows the HSF columns,
    and `hsf_predicted_from` ("human votes", "simulated votes") those of a prediction.

    `columns` None takes those of an export.
    """
    for batch in table.batches(chosen.filters, columns=columns or export_columns(table), rows=rows, order=chosen.order):
        if table.votes is not None and "hsf_bin" in batch.schema.names:
            source = pa.array(["simulated" if table.simulated else "human"] * batch.num_rows, pa.string())
            batch = batch.add_column(batch.schema.get_field_index("hsf_bin") + 1, "hsf_source", source)
        if table.prediction is not None and "human_gap" in batch.schema.names:
            simulated = table.prediction.record.votes_simulated
            learnt = pa.array(["simulated votes" if simulated else "human votes"] * batch.num_rows, pa.string())
            batch = batch.add_column(batch.schema.get_field_index("human_gap") + 1, "hsf_predicted_from", learnt)
        yield batch


def without_missing(row: Mapping[str, Any], *, without: Container[str] = ()) -> dict[str, Any]:
    """A row as JSON: without missing values, empty lists and infinite numbers.

    >>> without_missing({"avh": 0.5, "hsf": None, "tags": [], "area": float("inf"), "path": "a"}, without=("path",))
    {'avh': 0.5}
    """
    return {name: value for name, value in row.items() if name not in without and _is_present(value)}


def _is_present(value: Any) -> bool:
    return math.isfinite(value) if isinstance(value, float) else value is not None and value != []
