"""Exports of one table in one file: CSV, JSON lines or Parquet."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.datasets.export.columns import Chosen, batches, frames, rows
from avhcurate.datasets.export.output import atomic_output
from avhcurate.datasets.export.text import csv_text, text_file
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.errors import CurateError
from avhcurate.workspace.disk import files
from avhcurate.workspace.disk.json_text import json_text, records

#: Formats of a data frame.
_FRAME_FORMATS = ("csv", "jsonl", "parquet")


def write_csv(table: DatasetTable, chosen: Chosen, path: Path) -> None:
    with text_file(path) as stream:
        for number, frame in enumerate(frames(table, chosen)):
            stream.write(csv_text(frame, header=number == 0))


def write_jsonl(table: DatasetTable, chosen: Chosen, path: Path) -> None:
    with text_file(path) as stream:
        for row in rows(table, chosen):
            stream.write(json_text(row) + "\n")


def write_parquet(table: DatasetTable, chosen: Chosen, path: Path) -> None:
    with ExitStack() as opened:
        writer = None
        for batch in batches(table, chosen):
            if writer is None:
                schema = _with_directions(table, batch.schema)
                writer = opened.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))
            writer.write_batch(batch.cast(schema))


def _with_directions(table: DatasetTable, schema: pa.Schema) -> pa.Schema:
    """Return the schema with which end of each score is harder, as metadata of its field."""
    ranked = {name: table.ranked[name].harder for name in schema.names if name in table.ranked}
    fields = [field.with_metadata({"harder": end}) if (end := ranked.get(field.name)) else field for field in schema]
    return pa.schema(fields, schema.metadata)


def write_frame(
    frame: pd.DataFrame, out: Path, record: Mapping[str, Any], *, format: str | None = None, force: bool = False
) -> None:
    """Write a data frame and its manifest `record`; without a format, the ending of `out` names it.

    Existing files are refused unless `force`.
    """
    format = format or format_of(out)
    with atomic_output(out, folder=False, force=force) as (path, manifest):
        if format == "parquet":
            files.write_parquet(path, frame)
        else:
            files.write_atomic(path, frame_text(frame, format))
        manifest |= record


def write_table(frame: pd.DataFrame, out: Path) -> None:
    """Write a data frame in the format that the ending of `out` names; an existing file is refused."""
    format = format_of(out)
    files.check_free(out, force=False)
    if format == "parquet":
        files.write_parquet(out, frame)
    else:
        files.write_atomic(out, frame_text(frame, format))


def format_of(out: Path) -> str:
    """Return the format that the ending of a file names; raise `CurateError` for any other ending."""
    if (format := out.suffix.removeprefix(".")) not in _FRAME_FORMATS:
        raise CurateError(f"The name {out.name} does not say its format. End it with .csv, .jsonl or .parquet.")
    return format


def frame_text(frame: pd.DataFrame, format: str) -> str:
    """Return a data frame as CSV, with lists as JSON, or as JSON lines.

    >>> print(frame_text(pd.DataFrame({"id": [1], "soft_label": [[0.5, 0.5]]}), "csv"), end="")
    id,soft_label
    1,"[0.5, 0.5]"
    """
    if format == "jsonl":
        return "".join(f"{json_text(row)}\n" for row in records(frame))
    objects = [str(name) for name in frame if frame[name].dtype == object]
    return csv_text(frame.assign(**{name: frame[name].map(_list_text) for name in objects}))


def _list_text(value: Any) -> Any:
    if isinstance(value, list):
        return json.dumps(value)
    return value
