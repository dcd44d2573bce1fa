"""Parquet files that hold the images' bytes, as Hugging Face lays them out."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.disk.columns import bytes_leaf, find_bytes_column
from avhcurate.disk.fingerprints import fingerprint_file
from avhcurate.disk.tabular import decoded, parquet_schema
from avhcurate.errors import CurateError
from avhcurate.sources.folder import SPLITS
from avhcurate.sources.list_columns import ListSource, number_lists
from avhcurate.sources.source_table import ImportOptions, SourceTable, interpret

_SHARD = re.compile(r"(?P<split>\w+?)-\d{5}-of-\d{5}")


def read_parquet(files: list[Path], base: Path, options: ImportOptions) -> SourceTable:
    """One sample a row of each file, in order of the files' names; no image is read.

    A sample is called by `image.path` where these paths are unique, else by FILE#ROW with FILE relative to `base`.
    """
    if options.root is not None:
        raise CurateError("these Parquet files hold the images themselves: leave --root out")
    schemas = [parquet_schema(file) for file in files]
    column, _ = find_bytes_column(schemas[0], options.image_column)
    for file, schema in zip(files, schemas, strict=True):
        if column not in schema.names or bytes_leaf(schema.field(column)) is None:
            raise CurateError(f"{file.name} has no image bytes in column {column!r} as {files[0].name} has: remove it")
    tables = [_without_bytes(file, schema, column) for file, schema in zip(files, schemas, strict=True)]
    sizes = [len(table) for table in tables]
    if not sum(sizes):
        raise CurateError(f"{base} has no rows: there is nothing to import")
    table = _concatenated(tables, files).replace_schema_metadata(schemas[0].metadata)
    names = [file.relative_to(base).as_posix() for file in files]
    files_of_rows = np.repeat(np.arange(len(files)), sizes)
    rows = np.concatenate([np.arange(size) for size in sizes])
    paths, messages = _paths(table, pa.array(names).take(files_of_rows), rows)
    splits = pa.array([split_of(name) for name in names], pa.string())
    return interpret(
        table.drop_columns(_PATH) if _PATH in table.column_names else table,
        options,
        paths=paths,
        files=pa.array([str(file.absolute()) for file in files]).take(files_of_rows),
        rows=rows,
        splits=splits.take(files_of_rows),
        kind="parquet",
        image_column=column,
        evidence=[*(fingerprint_file(file) for file in files), *_named_column(schemas[0], column)],
        messages=messages,
        lists=_lists(files, schemas),
    )


def _named_column(schema: pa.Schema, column: str) -> list[str]:
    """The column of the images where it had to be named: the files are the same, and the images are others."""
    try:
        found, _ = find_bytes_column(schema)
    except CurateError:
        return [column]
    return [] if column == found else [column]


def _lists(files: list[Path], schemas: list[pa.Schema]) -> ListSource | None:
    """The columns of lists of numbers that every file has."""
    columns = [name for name in number_lists(schemas[0]) if all(name in number_lists(schema) for schema in schemas)]
    return ListSource([file.absolute() for file in files], columns) if columns else None


#: Column of the paths inside the image column; a name that no user column has.
_PATH = "\0path"


def _without_bytes(file: Path, schema: pa.Schema, column: str) -> pa.Table:
    """All columns but those of bytes, and the path inside the image column under the name `_PATH`."""
    lists = number_lists(schema)
    wanted = [field.name for field in schema if bytes_leaf(field) is None and field.name not in lists]
    kind = schema.field(column).type
    has_path = pa.types.is_struct(kind) and kind.get_field_index("path") >= 0
    table = decoded(pq.ParquetFile(file).read(columns=wanted + ([f"{column}.path"] if has_path else [])))
    if not has_path:
        return table
    paths = pc.struct_field(table[column], "path").cast(pa.string())
    return table.drop_columns([column]).append_column(_PATH, paths)


def _concatenated(tables: list[pa.Table], files: list[Path]) -> pa.Table:
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as problem:
        raise CurateError(
            f"the columns of {files[0].name} and the other Parquet files do not go together ({problem}): "
            "import them one by one"
        ) from problem


def _paths(table: pa.Table, names: pa.Array, rows: np.ndarray) -> tuple[pa.ChunkedArray, list[str]]:
    messages = []
    if _PATH in table.column_names:
        paths = table[_PATH]
        unnamed = paths.null_count + (pc.sum(pc.equal(paths, "")).as_py() or 0)
        repeated = len(paths) - len(paths.unique())
        if not unnamed and not repeated:
            return paths, []
        if unnamed < len(paths):
            messages.append(
                f"the paths beside the images are not unique ({unnamed} missing, {repeated} repeated): "
                "samples are called by file and row"
            )
    numbers = pa.array(rows).cast(pa.string())
    return pa.chunked_array([pc.binary_join_element_wise(names, numbers, "#")]), messages


def split_of(name: str) -> str | None:
    """The split in the name or folder of a Parquet file, as on Hugging Face.

    >>> [split_of(name) for name in ("data/train-00000-of-00003.parquet", "default/test/0000.parquet", "val.parquet")]
    ['train', 'test', 'val']
    >>> split_of("pictures.parquet") is None
    True
    """
    path = Path(name)
    shard = _SHARD.fullmatch(path.stem)
    if shard:
        return shard["split"]
    candidates = (path.stem, path.parent.name)
    return next((text.casefold() for text in candidates if text.casefold() in SPLITS), None)
