"""Parquet files that hold the images' bytes, in the Hugging Face layout."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.datasets.sources.folder import SPLITS
from avhcurate.datasets.sources.list_columns import ListSource, number_lists
from avhcurate.datasets.sources.source_table import ImportOptions, SourceTable, interpret
from avhcurate.errors import CurateError
from avhcurate.workspace.disk.columns import bytes_leaf, find_bytes_column
from avhcurate.workspace.disk.fingerprints import fingerprint_file
from avhcurate.workspace.disk.tabular import decoded, parquet_schema

_SHARD = re.compile(r"(?P<split>\w+?)-\d{5}-of-\d{5}")


def read_parquet(files: list[Path], base: Path, options: ImportOptions) -> SourceTable:
    """Return one sample per row of each file, in order of the files' names; no image is read.

    A sample is called by `image.path` if these paths are unique, else by FILE#ROW with FILE relative to `base`.
    """
    if options.root is not None:
        raise CurateError("These Parquet files hold the images themselves. Leave --root out.")
    schemas = [parquet_schema(file) for file in files]
    column, _ = find_bytes_column(schemas[0], options.image_column)
    for file, schema in zip(files, schemas, strict=True):
        if column not in schema.names or bytes_leaf(schema.field(column)) is None:
            raise CurateError(f"{file.name} has no image bytes in column {column!r}. Remove the file.")
    tables = [_without_bytes(file, schema, column) for file, schema in zip(files, schemas, strict=True)]
    try:
        table = pa.concat_tables(tables, promote_options="permissive").replace_schema_metadata(schemas[0].metadata)
    except pa.ArrowException as problem:
        raise CurateError(
            f"{files[0].name} and the other Parquet files have different columns ({problem}). Import them one by one."
        ) from problem
    sizes = [len(part) for part in tables]
    if not sum(sizes):  # a table without columns has rows, too
        raise CurateError(f"{base} has no rows.")
    file_of_row = np.repeat(np.arange(len(files)), sizes)
    rows = np.concatenate([np.arange(size) for size in sizes])
    names = [file.relative_to(base).as_posix() for file in files]
    paths, messages = _paths(table, pa.array(names).take(file_of_row), rows)
    evidence = [fingerprint_file(file) for file in files]
    if column != _usual_column(schemas[0]):  # the files are the same, but their images are others
        evidence.append(column)
    shared = set.intersection(*(set(number_lists(schema)) for schema in schemas))
    lists = None
    if shared:
        columns = [name for name in number_lists(schemas[0]) if name in shared]
        lists = ListSource([file.absolute() for file in files], columns)
    return interpret(
        table.select([name for name in table.column_names if name != _PATH]),
        options,
        paths=paths,
        files=pa.array([str(file.absolute()) for file in files]).take(file_of_row),
        rows=rows,
        splits=pa.array([split_of(name) for name in names], pa.string()).take(file_of_row),
        kind="parquet",
        image_column=column,
        evidence=evidence,
        messages=messages,
        lists=lists,
    )


def _usual_column(schema: pa.Schema) -> str:
    """Return the column of the images that is found without its name; "" if it must be named."""
    try:
        return find_bytes_column(schema)[0]
    except CurateError:
        return ""


#: Column of the paths inside the image column; a name that no user column has.
_PATH = "\0path"


def _without_bytes(file: Path, schema: pa.Schema, column: str) -> pa.Table:
    """Return all columns but those of bytes, and the path inside the image column under the name `_PATH`."""
    lists = number_lists(schema)
    wanted = [field.name for field in schema if bytes_leaf(field) is None and field.name not in lists]
    kind = schema.field(column).type
    if not pa.types.is_struct(kind) or kind.get_field_index("path") < 0:
        return decoded(pq.ParquetFile(file).read(columns=wanted))
    table = decoded(pq.ParquetFile(file).read(columns=[*wanted, f"{column}.path"]))
    paths = pc.struct_field(table[column], "path").cast(pa.string())
    return table.drop_columns([column]).append_column(_PATH, paths)


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
                f"the paths of the images are not unique ({unnamed} missing, {repeated} repeated): "
                "samples are called by file and row"
            )
    numbers = pa.array(rows).cast(pa.string())
    return pa.chunked_array([pc.binary_join_element_wise(names, numbers, "#")]), messages


def split_of(name: str) -> str | None:
    """Return the split in the name or folder of a Parquet file, as on Hugging Face.

    >>> [split_of(name) for name in ("data/train-00000-of-00003.parquet", "default/test/0000.parquet", "val.parquet")]
    ['train', 'test', 'val']
    >>> split_of("pictures.parquet") is None
    True
    """
    path = Path(name)
    if shard := _SHARD.fullmatch(path.stem):
        return shard["split"]
    candidates = (path.stem, path.parent.name)
    return next((text.casefold() for text in candidates if text.casefold() in SPLITS), None)
