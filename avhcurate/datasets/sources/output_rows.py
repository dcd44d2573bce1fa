"""Which sample each row of an attached array is about: by order, by path or by a column."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.errors import CurateError, Option
from avhcurate.people.row_matching import match_paths
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.disk.arrays import ArrayInFile, read_texts
from avhcurate.workspace.disk.columns import PATH_NAMES, check_column, listed
from avhcurate.workspace.disk.files import user_path
from avhcurate.workspace.disk.tabular import read_table


def ids_of_rows(dataset: DatasetFolder, array: ArrayInFile, by: str, table: str) -> np.ndarray:
    """Return the id that each row is about, -1 for none; two rows about one sample are refused.

    by: order, path or a column. table: a file that names the rows; "" where a column next to the array does.
    """
    rows = array.shape[0]
    samples = dataset.record.samples
    if by == "order":
        if rows != samples:
            raise CurateError(
                f"{array.title} has {rows} rows and dataset {dataset.name!r} has {samples} samples.",
                fix=(
                    f"Give a row for each in order of id, or say by {Option('by', 'path')} or "
                    f"{Option('by', 'COLUMN')} which sample a row is"
                ),
            )
        return np.arange(rows)
    columns = [name for name in pq.read_schema(dataset.samples_path).names if not name.startswith("_")]
    if by not in columns:
        raise CurateError(f"{Option('by')} {by}: give order, path or a column of the dataset: {listed(columns)}.")
    texts = _names_of_rows(array, by, table)
    names = dataset.column(by)
    if by == "path":
        ids = match_paths(texts, names)[0]
    else:
        known = names.cast(pa.string()).to_pandas().dropna()
        if not known.is_unique:
            raise CurateError(f"Several samples have the same value in column {by!r}. Choose one whose values differ.")
        ids = np.append(known.index, -1)[pd.Index(known).get_indexer(texts.cast(pa.string()).to_pandas())]
    if len(texts) != rows or (ids < 0).all():
        raise CurateError(
            f"Of {rows} rows of {array.title}, {(ids >= 0).sum()} are named after a sample, as {texts[0]}.",
            fix=f"Give a name for each row, or choose another {Option('by')}",
        )
    twice = np.flatnonzero((ids >= 0) & pd.Series(ids).duplicated())
    if len(twice):
        rows_of = np.flatnonzero(ids == ids[twice[0]]).tolist()
        raise CurateError(f"Rows {rows_of} of {array.title} are about one sample. Leave all but one of them out.")
    return ids


def _names_of_rows(array: ArrayInFile, by: str, table: str) -> pa.ChunkedArray:
    """Return what the rows are called: a column of the table, else one next to the array in its file."""
    names = [by]
    if by == "path":
        names = PATH_NAMES
    if not table:
        return read_texts(array.path, *names)
    path = user_path(table)
    if not path.is_file():
        raise CurateError(
            f"{Option('rows')} {path} is not a file. Give a CSV or Parquet table with a row for each row."
        )
    rows = read_table(path, texts=names)
    name = next((name for name in names if name in rows.column_names), by)
    return rows[check_column(name, rows.column_names, "by")]
