"""CSV, Parquet and JSON lines as tables; columns of image bytes are never read."""

import csv
import glob
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.budget import check_budget, check_file
from avhcurate.workspace.disk.columns import MISSING, bytes_leaf, listed
from avhcurate.workspace.disk.parquet_pages import leaves_of

if TYPE_CHECKING:
    import pandas as pd

Rows = TypeVar("Rows", pa.Table, pa.RecordBatch)

CSV_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")
PARQUET_SUFFIXES = (".parquet", ".pq")
#: Columns of a table, known from its header before anything else is read.
MOST_COLUMNS = 5000
#: Bytes that rows which are read at once may take, if each text is as large as its dictionary.
_AT_ONCE = 512 << 20
#: Characters of the header of a CSV.
_LONGEST_HEADER = 1 << 24


def is_parquet(path: Path) -> bool:
    return path.suffix.casefold() in PARQUET_SUFFIXES


def has_parquet(path: Path) -> bool:
    """Return whether a file is Parquet, by its first bytes."""
    with open(path, "rb") as stream:
        return stream.read(4) == b"PAR1"


def is_csv(path: Path) -> bool:
    return path.suffix.casefold() in CSV_SUFFIXES


def parquet_schema(path: Path) -> pa.Schema:
    """Return the schema of a Parquet file, or raise `CurateError`."""
    with _reading_parquet(path):
        schema = pq.read_schema(path)
        _check_names(path, schema.names)
        return schema


@contextmanager
def _reading_parquet(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, MemoryError) as problem:  # also for names that are not valid text
        reason = next(iter(str(problem).splitlines()), "damaged")[:200]
        raise CurateError(f"{path} cannot be read as Parquet ({reason}). Is it complete?") from problem


def _check_names(path: Path, columns: list[str]) -> None:
    if len(columns) > MOST_COLUMNS:
        raise CurateError(
            f"{path} has {len(columns):,} columns (limit {MOST_COLUMNS:,}). Keep those you need, and put embeddings or "
            "probabilities into one list column."
        )
    repeated = sorted(name for name, times in Counter(columns).items() if times > 1)
    if repeated:
        raise CurateError(f"{path} has several columns called {listed(repeated)}. Give each its own name.")


def table_of_frame(frame: "pd.DataFrame", title: str) -> pa.Table:
    """Return a DataFrame without its index; refuse columns whose values have no common type."""
    frame = frame.rename(columns=str)
    _check_names(Path(title), list(frame.columns))
    try:
        return decoded(pa.Table.from_pandas(frame, preserve_index=False))
    except pa.ArrowException as problem:
        raise CurateError(
            f"{title} cannot be read ({problem.args[0]}). Give each column values of one type."
        ) from problem


def whole_numbers(path: Path, *names: str) -> list[np.ndarray]:
    """Return columns of whole numbers of a Parquet file, (N,) each, -1 where one is missing.

    Arrow's own conversions, and its datasets, import pandas: a third of a second of processor time.
    """
    with pq.ParquetFile(path) as file:
        table = file.read(columns=names)
    return [_whole(table[name].combine_chunks()) for name in names]


def _whole(array: pa.Array) -> np.ndarray:
    _, content = array.buffers()
    values = np.frombuffer(content, array.type.to_pandas_dtype())[array.offset :][: len(array)]
    if not array.null_count:
        return values
    _, bits = array.is_valid().buffers()
    valid = np.unpackbits(np.frombuffer(bits, np.uint8), count=len(array), bitorder="little")
    return np.where(valid == 1, values, values.dtype.type(-1))


def nullable(table: pa.Table) -> "pd.DataFrame":
    """Return a data frame whose integers are nullable: missing stays missing."""
    import pandas as pd

    kinds = {"int8": pd.Int8Dtype(), "int16": pd.Int16Dtype(), "int32": pd.Int32Dtype(), "int64": pd.Int64Dtype()}
    return table.to_pandas(types_mapper=lambda kind: kinds.get(str(kind)))


def decoded(table: Rows) -> Rows:
    """Return the table with the values of categories and of string views, which Arrow's functions refuse."""
    for position, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_string_view(kind):
            kind = pa.string()
        if kind != field.type:
            table = table.set_column(position, field.with_type(kind), table[field.name].cast(kind))
    return table


def read_table(path: Path, *, texts: Iterable[str] = (), without: Sequence[str] = ()) -> pa.Table:
    """Read a Parquet file by its first bytes, else CSV.

    Columns `texts` of a CSV, in any case, are always text: 01 stays 01, and only an empty cell is
    missing, since "nan" may be a name. Columns `without` of a Parquet file are left out.
    """
    if not has_parquet(path):
        return _read_csv(path, {name.casefold() for name in texts})
    schema = parquet_schema(path)
    return parquet_table(
        path, [field.name for field in schema if bytes_leaf(field) is None and field.name not in without]
    )


def read_json_lines(path: Path, names: Iterable[str]) -> pa.Table:
    """Return columns of a file of JSON lines, all as text: those of these names that some line fills in."""
    import duckdb  # which turns a number into the text that stands there, and needs no common type

    check_file(path)
    columns = dict.fromkeys(names, "VARCHAR")
    try:
        with duckdb.connect(config={"threads": 2}) as connection:
            pattern = glob.escape(str(path))
            table = connection.read_json(pattern, columns=columns, format="newline_delimited").to_arrow_table()
    except duckdb.Error as problem:
        reason = str(problem).splitlines()[0][:200]
        raise CurateError(f"{path} cannot be read as JSON lines ({reason}). Is it complete?") from problem
    table = _without_empty(table)
    return table.select([name for name in columns if table[name].null_count < len(table)])


def parquet_table(path: Path, columns: Sequence[str]) -> pa.Table:
    batches = list(parquet_batches(path, columns))
    with _reading_parquet(path):
        if not batches or not columns:
            return pq.ParquetFile(path).read(columns=columns)
        return pa.Table.from_batches(batches)


def parquet_batches(path: Path, columns: Sequence[str], rows: int = 1 << 17) -> Iterator[pa.RecordBatch]:
    """Yield some columns of a Parquet file, at most so many rows at once, fewer where they may take much.

    Raise `CurateError` for a damaged file and for one that would take more than its budget.
    """
    with _reading_parquet(path), pq.ParquetFile(path, buffer_size=1 << 20) as file, open(path, "rb") as stream:
        groups = range(file.num_row_groups)
        pages = [list(leaves_of(file, group, stream, columns)) for group in groups]
        check_budget(path, sum(column.least_bytes for group in pages for column in group), str(path))
        size = 0
        for group in groups:
            at_once = rows
            while at_once > 1 and sum(column.bytes_of(at_once) for column in pages[group]) > _AT_ONCE:
                at_once //= 2
            for batch in file.iter_batches(at_once, row_groups=[group], columns=columns):
                batch.validate(full=True)
                batch = decoded(batch)
                size += batch.nbytes
                check_budget(path, size, str(path))
                yield batch


def padded_columns(path: Path) -> list[str]:
    """Return the columns of a CSV with a whole number that begins with a zero, as in 007: the zeros count."""
    table = _read_csv(path, None)
    return [name for name in table.column_names if pc.any(pc.match_substring_regex(table[name], r"^0\d+$")).as_py()]


def _read_csv(path: Path, wanted: set[str] | None) -> pa.Table:
    """Read a CSV with the `wanted` columns as text, None for all of them."""
    delimiter, columns = _csv_header(path)
    check_file(path)
    texts = [name for name in columns if wanted is None or name.casefold() in wanted]
    parsing = pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    # Types are guessed from the first rows: where later ones disagree, everything is text.
    for as_text in (texts, columns):
        types = dict.fromkeys(as_text, pa.string())
        converting = pa_csv.ConvertOptions(column_types=types, null_values=["", *MISSING])
        try:
            return _without_empty(pa_csv.read_csv(path, parse_options=parsing, convert_options=converting))
        except pa.ArrowInvalid as problem:
            reason = problem
    raise CurateError(f"{path} cannot be read as CSV: {' '.join(str(reason).split())}") from reason


def _csv_header(path: Path) -> tuple[str, list[str]]:
    """Return the delimiter and the columns of a CSV, from its first line."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            head = stream.readline(_LONGEST_HEADER)
        if len(head) == _LONGEST_HEADER:
            raise CurateError(f"The first line of {path} has {_LONGEST_HEADER:,} characters or more. Is it a CSV?")
        delimiter = max(",;\t", key=head.count)
        columns = next(csv.reader([head], delimiter=delimiter), [])
    except (UnicodeDecodeError, csv.Error) as problem:
        raise CurateError(f"{path} is not CSV in UTF-8 ({problem}). Save it as such.") from problem
    if not any(columns):
        raise CurateError(f"{path} is empty. The first line of a CSV names its columns.")
    _check_names(path, columns)
    return delimiter, columns


def _without_empty(table: pa.Table) -> pa.Table:
    for position, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            column = table[field.name]
            full = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
            table = table.set_column(position, field.name, full)
    return table
