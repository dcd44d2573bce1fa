"""Text of exports: CSV that no spreadsheet runs as formulas, lists of JSON, safe file names."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pandas as pd

from avhcurate.workspace.disk.columns import safe_cell


def csv_text(frame: pd.DataFrame, *, header: bool = True) -> str:
    """Return a frame as CSV that no spreadsheet runs: see `columns.safe_cell`. Lines end with LF on every system."""
    texts = frame.select_dtypes(include=["object", "string"]).columns
    safe = frame.assign(**{name: frame[name].map(safe_cell) for name in texts}).rename(columns=safe_cell)
    # Python quotes a text with \r only if lines end with one: they do at first, except within quotes.
    parts = safe.to_csv(index=False, header=header, lineterminator="\r\n").split('"')
    parts[::2] = [part.replace("\r\n", "\n") for part in parts[::2]]
    return '"'.join(parts)


@contextmanager
def text_file(path: Path) -> Iterator[TextIO]:
    """A new file for text with unchanged line ends; flushed to the disk at the end."""
    with open(path, "w", encoding="utf-8", newline="") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


def write_items(stream: TextIO, items: Iterable[str]) -> int:
    """Write JSON texts with commas between them, a line each, as the inside of an array or object; return how many."""
    count = 0
    separator = "\n"
    for item in items:
        stream.write(separator + item)
        count = count + 1
        separator = ",\n"
    stream.write("\n")
    return count


def write_readme(folder: Path, text: str, *, simulated: bool) -> None:
    """Write README.md, which says if the votes are simulated."""
    if simulated:
        text += "\nThe human votes behind the HSF columns are **simulated**.\n"
    (folder / "README.md").write_text(text, encoding="utf-8")
