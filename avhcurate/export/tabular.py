"""Exports of one table in one file: CSV, JSON lines or Parquet."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from avhcurate.disk import files
from avhcurate.disk.json_text import json_text, records
from avhcurate.errors import CurateError
from avhcurate.export.columns import Chosen, batches, frames, rows
from avhcurate.export.output import atomic_output
from avhcurate.export.text import csv_text, text_file
from avhcurate.table.dataset_table import DatasetTable

#: Formats of a data frame.
_FRAME_FORMATS = ("csv", "jsonl", "parquet")


def write_csv(table: DatasetTable, chosen: Chosen, path: Path) -> None:
    with text_file(path) as stream:
        for number, frame in enumerate(frames(table, chosen)):
            frame["tags"] = frame["tags"].map(";".join)
            stream.write(csv_text(frame, header=number == 0))


def write_jsonl(table: DatasetTable, chosen: Chosen, path: Path) -> None:
    with text_file(path) as stream:
        for row in rows(table, chosen):
            stream.write(json_text(row) + "\n")


def write_parquet(table: DatasetTable, chosen: Chosen, path: Path) -> None:
    writer = None
    for batch in batches(table, chosen):
        writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd")
        writer.write_batch(batch)
    if writer:
        writer.close()


def write_frame(
    frame: pd.DataFrame, out: Path, record: Mapping[str, Any], *, format: str | None = None, force: bool = False
) -> None:
    """Writes a data frame and its manifest `record`; the ending of `out` gives the format where none is given.

    Existing files are refused unless `force`.
    """
    format = format or format_of(out)
    with atomic_output(out, folder=False, force=force) as output:
        if format == "parquet":
            files.write_parquet(output.path, frame)
        else:
            files.write_atomic(output.path, frame_text(frame, format))
        output.manifest |= record


def write_csv_file(frame: pd.DataFrame, out: Path, *, force: bool = False) -> None:
    """Writes a data frame as CSV; an existing file is refused unless `force`."""
    files.check_free(out, force=force)
    files.write_atomic(out, csv_text(frame))


def format_of(out: Path) -> str:
    """The format that the ending of a file names; `CurateError` for any other ending."""
    if (format := out.suffix.removeprefix(".")) not in _FRAME_FORMATS:
        raise CurateError(f"cannot tell the format of {out.name}: end the name with .csv, .jsonl or .parquet")
    return format


def frame_text(frame: pd.DataFrame, format: str) -> str:
    """A data frame as CSV, with lists as JSON, or as JSON lines.

    >>> print(frame_text(pd.DataFrame({"id": [1], "soft_label": [[0.5, 0.5]]}), "csv"), end="")
    id,soft_label
    1,"[0.5, 0.5]"
    """
    if format == "jsonl":
        return "".join(f"{json_text(row)}\n" for row in records(frame))
    lists = [str(name) for name in frame if frame[name].map(lambda value: isinstance(value, list)).any()]
    return csv_text(frame.assign(**{name: frame[name].map(_list_text) for name in lists}))


def _list_text(value: Any) -> str | None:
    return json.dumps(value) if isinstance(value, list) else None
