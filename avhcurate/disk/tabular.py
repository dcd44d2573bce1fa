"""CSV and Parquet files as tables; columns of image bytes are never read."""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from avhcurate.disk.columns import MISSING, bytes_leaf, listed
from avhcurate.errors import CurateError

CSV_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")
PARQUET_SUFFIXES = (".parquet", ".pq")
#: Columns of a table, known from its header before anything else is read.
MOST_COLUMNS = 5000
#: Characters of the header of a CSV.
_LONGEST_HEADER = 1 << 24

#: What Arrow raises for damaged Parquet; a damaged name of a column is no text.
_BROKEN_PARQUET = (pa.ArrowException, OSError, UnicodeDecodeError)


def is_parquet(path: Path) -> bool:
    return path.suffix.casefold() in PARQUET_SUFFIXES


def has_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its first bytes."""
    with open(path, "rb") as stream:
        return stream.read(4) == b"PAR1"


def is_csv(path: Path) -> bool:
    return path.suffix.casefold() in CSV_SUFFIXES


def parquet_schema(path: Path) -> pa.Schema:
    """Schema of a Parquet file, or `CurateError`."""
    try:
        schema = pq.read_schema(path)
        names = schema.names
    except _BROKEN_PARQUET as problem:
        raise _not_parquet(path, problem) from problem
    _check_names(path, names)
    return schema


def _not_parquet(path: Path, problem: Exception) -> CurateError:
    return CurateError(f"{path} cannot be read as Parquet ({str(problem).splitlines()[0]}): is it complete?")


def _check_names(path: Path, columns: list[str]) -> None:
    if len(columns) > MOST_COLUMNS:
        raise CurateError(
            f"{path} has {len(columns):,} columns and {MOST_COLUMNS:,} are the most: keep those you need, and put "
            "embeddings or probabilities into one list column"
        )
    repeated = sorted(name for name, times in Counter(columns).items() if times > 1)
    if repeated:
        raise CurateError(f"{path} has several columns called {listed(repeated)}: give each its own name")


def table_of_frame(frame: pd.DataFrame, title: str) -> pa.Table:
    """A DataFrame without its index; `CurateError` for columns whose values are of no one type."""
    named = frame.rename(columns=str)
    _check_names(Path(title), list(named.columns))
    try:
        return decoded(pa.Table.from_pandas(named, preserve_index=False))
    except pa.ArrowException as problem:
        reason = str(problem.args[0] if problem.args else problem)
        raise CurateError(f"{title} cannot be read ({reason}): give each column values of one type") from problem


def decoded(table: pa.Table) -> pa.Table:
    """The table with the values of categories, as pandas writes them, and of views, which Arrow's functions refuse."""
    for place, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_string_view(kind):
            kind = pa.string()
        if kind != field.type:
            table = table.set_column(place, field.with_type(kind), table[field.name].cast(kind))
    return table


def read_table(path: Path, *, texts: Iterable[str] = (), without: Sequence[str] = ()) -> pa.Table:
    """A Parquet file by its first bytes, else CSV.

    Columns `texts` of a CSV, called so in any case, are text whatever they look like: 01 stays 01, and only an empty
    cell is missing, since "nan" may be a name. Columns `without` of a Parquet file are left out.
    """
    if not has_parquet(path):
        return _read_csv(path, {name.casefold() for name in texts})
    schema = parquet_schema(path)
    columns = [field.name for field in schema if bytes_leaf(field) is None and field.name not in without]
    try:
        return decoded(pq.ParquetFile(path).read(columns=columns))
    except _BROKEN_PARQUET as problem:
        raise _not_parquet(path, problem) from problem


def padded_columns(path: Path) -> list[str]:
    """The columns of a CSV that hold a whole number begun with a zero, as 007: codes, whose zeros count."""
    delimiter, columns = _csv_header(path)
    try:
        table = _parse_csv(path, delimiter, columns)
    except pa.ArrowInvalid:
        return []
    return [name for name in columns if pc.any(pc.match_substring_regex(table[name], r"^0\d+$")).as_py()]


def _read_csv(path: Path, wanted: set[str]) -> pa.Table:
    delimiter, columns = _csv_header(path)
    texts = [name for name in columns if name.casefold() in wanted]
    for forced in (texts, columns):
        try:
            return _without_missing(_parse_csv(path, delimiter, forced), texts)
        except pa.ArrowInvalid as problem:
            # Types are guessed from the first rows: where later ones disagree, everything is text.
            failure = problem
    raise CurateError(f"{path} cannot be read as CSV: {failure}") from failure


def _csv_header(path: Path) -> tuple[str, list[str]]:
    """The delimiter and the columns of a CSV, from its first line."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            head = stream.readline(_LONGEST_HEADER)
    except UnicodeDecodeError as problem:
        raise CurateError(f"{path} is not UTF-8 text: save it as CSV in UTF-8") from problem
    if len(head) == _LONGEST_HEADER:
        raise CurateError(f"the first line of {path} does not end within {_LONGEST_HEADER:,} characters: is it a CSV?")
    delimiter = max(",;\t", key=head.count)
    try:
        columns = next(csv.reader([head], delimiter=delimiter), [])
    except csv.Error as problem:
        raise CurateError(f"{path} cannot be read as CSV: {problem} in its first line") from problem
    if not any(columns):
        raise CurateError(f"{path} is empty: the first line of a CSV names its columns")
    _check_names(path, columns)
    return delimiter, columns


def _parse_csv(path: Path, delimiter: str, texts: list[str]) -> pa.Table:
    return pa_csv.read_csv(
        path,
        parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types={name: pa.string() for name in texts},
            null_values=["", *MISSING],
        ),
    )


def _without_missing(table: pa.Table, texts: list[str]) -> pa.Table:
    """Null in place of texts that mean none: empty ones, and of columns other than `texts` the words for it too."""
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            none = pa.array([""] if field.name in texts else ["", *MISSING])
            column = table[field.name]
            empty = pc.is_in(column, value_set=none)
            table = table.set_column(place, field.name, pc.if_else(empty, pa.scalar(None, pa.string()), column))
    return table
