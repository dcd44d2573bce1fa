"""Parquet files with the images' bytes, in the Hugging Face layout; such files of datasets of its library."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.datasets.sources.folder import split_of
from avhcurate.datasets.sources.source_table import ImportOptions, SourceTable, interpret
from avhcurate.errors import CurateError, Option
from avhcurate.workspace.disk.columns import bytes_leaf, find_bytes_column, number_lists
from avhcurate.workspace.disk.files import replacing, write_tables
from avhcurate.workspace.disk.fingerprints import fingerprint_file
from avhcurate.workspace.disk.tabular import parquet_schema, parquet_table

#: Column of the paths inside the image column; a name that no user column has.
_PATH = "\0path"
#: Rows of the library in memory at once, as many as it takes of images itself.
_AT_ONCE = 100


def holds_images(source: Path, options: ImportOptions) -> bool:
    """Return whether a Parquet file has image bytes; another names images by path."""
    schema = parquet_schema(source)
    if options.image_column in schema.names:
        return bytes_leaf(schema.field(options.image_column)) is not None
    return any(bytes_leaf(field) for field in schema)


def read_parquet(files: list[Path], base: Path, options: ImportOptions) -> SourceTable:
    """Return one sample per row of each file, in order of the files' names; no image is read.

    A sample is called by `image.path` if these paths are unique, else by FILE#ROW with FILE relative to `base`.
    """
    if options.root is not None:
        raise CurateError("These Parquet files hold the images themselves.", fix=f"Leave {Option('root')} out")
    schemas = [parquet_schema(file) for file in files]
    column, _ = find_bytes_column(schemas[0], options.image_column)
    tables = []
    parts = []
    for file, schema in zip(files, schemas, strict=True):
        if column not in schema.names or bytes_leaf(schema.field(column)) is None:
            raise CurateError(f"{file.name} has no image bytes in column {column!r}. Remove the file.")
        table = _without_bytes(file, schema, column)
        name = file.relative_to(base).as_posix()
        rows = range(len(table))
        paths = [f"{name}#{row}" for row in rows]
        parts.append(
            pd.DataFrame({"path": paths, "_file": str(file.absolute()), "split": split_of(name), "_row": rows})
        )
        tables.append(table)
    try:
        table = pa.concat_tables(tables, promote_options="permissive").replace_schema_metadata(schemas[0].metadata)
    except pa.ArrowException as problem:
        raise CurateError(
            f"{files[0].name} and the other Parquet files have different columns ({problem}). Import them one by one."
        ) from problem
    places = pd.concat(parts, ignore_index=True)
    if places.empty:  # a table without columns has rows, too
        raise CurateError(f"{base} has no rows.")
    messages = []
    if _PATH in table.column_names:
        paths = table[_PATH].to_pandas().replace("", None)
        if paths.notna().all() and paths.is_unique:
            places["path"] = paths
        elif paths.notna().any():
            messages.append("the paths of the images are missing or not unique: images are called by file and row")
    return interpret(
        table.select([name for name in table.column_names if name != _PATH]),
        options,
        places,
        kind="parquet",
        image_column=column,
        evidence=[*map(fingerprint_file, files), column],
        messages=messages,
        lists=number_lists(schemas[0]),
    )


def _without_bytes(file: Path, schema: pa.Schema, column: str) -> pa.Table:
    """Return all columns but those of bytes, and the path inside the image column under the name `_PATH`."""
    lists = number_lists(schema)
    wanted = [field.name for field in schema if bytes_leaf(field) is None and field.name not in lists]
    kind = schema.field(column).type
    has_paths = pa.types.is_struct(kind) and kind.get_field_index("path") >= 0
    table = parquet_table(file, wanted + [f"{column}.path"] * has_paths)
    if not has_paths:
        return table
    paths = pc.struct_field(table[column], "path").cast(pa.string())
    return table.drop_columns([column]).append_column(_PATH, paths)


def write_hugging_face(dataset: Any, path: Path) -> None:
    """Write a `datasets.Dataset` as one Parquet file; images in files of their own are read into it.

    `to_parquet` would write the path of such an image and not its bytes. Raises CurateError if an image is gone.
    """
    from datasets.table import embed_table_storage

    rows = dataset.with_format("arrow")

    def blocks() -> Iterator[pa.Table]:
        for block in rows.iter(_AT_ONCE):
            yield embed_table_storage(block)
        if not len(rows):
            yield rows.features.arrow_schema.empty_table()

    try:
        with replacing(path) as stream:
            write_tables(stream, blocks(), compression="none")
    except FileNotFoundError as problem:
        raise CurateError(
            f"An image of the Hugging Face dataset no longer exists ({problem.filename or problem}). Put its file "
            "back, or load the dataset again."
        ) from problem
