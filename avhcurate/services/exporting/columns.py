"""The columns of an export, in batches."""

import math
from collections.abc import Container, Iterator, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from avhcurate.curation.filters import Filters
from avhcurate.services.tables import DatasetTable


def export_columns(table: DatasetTable) -> list[str]:
    """The columns of an export: the contract's, with the scores of a training when there are any, the user's own."""
    return [*table.standard, *table.user_columns]


def frames(table: DatasetTable, filters: Filters) -> Iterator[pd.DataFrame]:
    """All columns of the samples, by id; integers with missing values are objects."""
    for batch in table.batches(filters, columns=export_columns(table)):
        yield pa.Table.from_batches([with_source(table, batch)]).to_pandas(integer_object_nulls=True)


def with_source(table: DatasetTable, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Adds `hsf_source` ("human" or "simulated") behind the HSF columns where votes are attached."""
    votes = table.votes
    if votes is None or "hsf_bin" not in batch.schema.names:
        return batch
    source = pa.array(["simulated" if votes.simulated else "human"] * batch.num_rows, pa.string())
    return batch.add_column(batch.schema.get_field_index("hsf_bin") + 1, "hsf_source", source)


def known(row: Mapping[str, Any], *, without: Container[str] = ()) -> dict[str, Any]:
    """What a row knows, as JSON can say it: neither missing values nor empty lists nor numbers without an end.

    >>> known({"avh": 0.5, "hsf": None, "tags": [], "area": float("inf"), "path": "a"}, without=("path",))
    {'avh': 0.5}
    """
    return {name: value for name, value in row.items() if name not in without and _is_known(value)}


def _is_known(value: Any) -> bool:
    return math.isfinite(value) if isinstance(value, float) else value is not None and value != []
