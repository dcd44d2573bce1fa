"""The samples of an export: its columns, as batches, frames or rows."""

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.workspace.disk.jobs import SILENT, Progress


@dataclass(frozen=True, eq=False)
class Chosen:
    """The samples that an export holds: by id, or in the order of the ids `order`, (n,) int64; may be cancelled."""

    filters: Filters
    order: np.ndarray | None = None
    progress: Progress = SILENT


def export_columns(table: DatasetTable) -> list[str]:
    """Return the columns of an export: the standard ones, with the scores of a training if any; the user's own."""
    return [*table.standard, *table.user_columns]


def frames(table: DatasetTable, chosen: Chosen) -> Iterator[pd.DataFrame]:
    """Yield all columns of the samples as CSV has them; integers with missing values are objects."""
    for batch in batches(table, chosen):
        frame = pa.Table.from_batches([batch]).to_pandas(integer_object_nulls=True)
        yield frame.assign(tags=frame["tags"].map(";".join))


def rows(table: DatasetTable, chosen: Chosen) -> Iterator[dict[str, Any]]:
    """Yield the same, a row at a time, with tags as a list."""
    for batch in batches(table, chosen):
        yield from batch.to_pylist()


def batches(
    table: DatasetTable, chosen: Chosen, *, columns: Sequence[str] | None = None, rows: int = 50_000
) -> Iterator[pa.RecordBatch]:
    """Yield the samples in batches; `columns` None means those of an export.

    If votes are attached, `hsf_source` ("human", "simulated") follows the HSF columns, and `hsf_predicted_from` ("human
    votes", "simulated votes") those of a prediction.
    """
    sources = {}
    if table.votes is not None:
        sources["hsf_bin"] = "hsf_source", _kind(table.simulated)
    if table.prediction is not None:
        sources["human_gap"] = "hsf_predicted_from", f"{_kind(table.prediction.record.votes_simulated)} votes"
    for batch in table.batches(chosen.filters, columns=columns or export_columns(table), rows=rows, order=chosen.order):
        chosen.progress.check()
        for before, (name, text) in sources.items():
            if before in batch.schema.names:
                place = batch.schema.get_field_index(before) + 1
                batch = batch.add_column(place, name, pa.array([text] * batch.num_rows, pa.string()))
        yield batch


def _kind(simulated: bool) -> str:
    if simulated:
        return "simulated"
    return "human"


def without_missing(row: Mapping[str, Any], *, without: Container[str] = ()) -> dict[str, Any]:
    """Return a row as JSON: without missing values, empty lists and infinite numbers.

    >>> without_missing({"avh": 0.5, "hsf": None, "tags": [], "area": float("inf"), "path": "a"}, without=("path",))
    {'avh': 0.5}
    """
    return {
        name: value
        for name, value in row.items()
        if name not in without and value not in (None, []) and not _is_infinite(value)
    }


def _is_infinite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
