"""Tables of the sample table on their way in and out: Arrow to pandas with missing values, annotations to Arrow."""

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

_INTEGERS = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
}

_STATE = pa.schema(
    {"path": pa.string(), "tags": pa.list_(pa.string()), "curated_label": pa.int64(), "excluded": pa.bool_()}
)


def state_table(state: pd.DataFrame) -> pa.Table:
    """Annotations (`path, tags, curated_label, excluded`) as Arrow.

    Column by column, since an empty column of lists has no type that Arrow could take over.
    """
    columns = [pa.array(state[field.name].to_list(), field.type, from_pandas=True) for field in _STATE]
    return pa.table(columns, schema=_STATE)


def or_empty(frame: pd.DataFrame | None, columns: Sequence[str]) -> pd.DataFrame:
    """Some columns of a data frame; empty ones where there is none."""
    return pd.DataFrame({name: [] for name in columns}) if frame is None else frame[list(columns)]


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """A data frame whose integers are nullable."""
    return table.to_pandas(types_mapper=_INTEGERS.get)
