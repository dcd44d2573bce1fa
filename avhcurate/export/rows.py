"""Writes a frame as CSV, JSON lines or Parquet, with its manifest beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from avhcurate.disk.files import write_atomic, write_parquet
from avhcurate.errors import CurateError
from avhcurate.export.placing import placed, write_manifest
from avhcurate.export.safety import csv_text

#: Formats of a frame.
_FORMATS = ("csv", "jsonl", "parquet")


def write_rows(
    rows: pd.DataFrame, out: Path, manifest: Mapping[str, Any], *, format: str | None = None, force: bool = False
) -> None:
    """Writes `rows`, and `OUT.manifest.json`; the ending of `out` decides the format unless it is given.

    What exists is refused unless `force`.
    """
    format = format or format_of(out)
    beside = out.with_name(out.name + ".manifest.json")
    with placed(out, beside, folder=False, force=force) as temporary:
        if format == "parquet":
            write_parquet(temporary, rows)
        else:
            write_atomic(temporary, rows_text(rows, format))
        write_manifest(beside, manifest)


def format_of(out: Path) -> str:
    """The format of a file by its ending; another ending is refused."""
    if (format := out.suffix.removeprefix(".")) not in _FORMATS:
        raise CurateError(f"cannot tell the format of {out.name}: end the name with .csv, .jsonl or .parquet")
    return format


def rows_text(rows: pd.DataFrame, format: str) -> str:
    """A frame as CSV, lists in it as JSON, or as JSON lines.

    >>> print(rows_text(pd.DataFrame({"id": [1], "soft_label": [[0.5, 0.5]]}), "csv"), end="")
    id,soft_label
    1,"[0.5, 0.5]"
    """
    if format == "jsonl":
        text: str = rows.to_json(orient="records", lines=True, force_ascii=False)
        return text
    lists = [str(name) for name in rows if rows[name].map(lambda value: isinstance(value, list)).any()]
    return csv_text(rows.assign(**{name: rows[name].map(_list_text) for name in lists}))


def _list_text(value: Any) -> str | None:
    return json.dumps(value) if isinstance(value, list) else None
