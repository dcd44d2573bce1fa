"""Keeps exports harmless: cells that no spreadsheet runs as formulas, names that stay in their folder."""

import re
from typing import Any

import pandas as pd

#: Bytes of a name: file systems take 255, and what distinguishes files follows.
_LONGEST = 100


def safe_cell(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula gets an apostrophe before it; all else stays.

    >>> safe_cell("=1+1"), safe_cell("cat"), safe_cell(-1.5)
    ("'=1+1", 'cat', -1.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else value


def csv_text(frame: pd.DataFrame, *, header: bool = True) -> str:
    """A frame as CSV that no spreadsheet runs: see `safe_cell`."""
    texts = frame.select_dtypes(include=["object", "string"]).columns
    safe = frame.assign(**{name: frame[name].map(safe_cell) for name in texts}).rename(columns=safe_cell)
    text: str = safe.to_csv(index=False, header=header)
    return text


def safe_name(name: str) -> str:
    """A name for a file or folder: nothing that leaves the folder, hides or upsets a file system.

    >>> safe_name("../cat/dog"), safe_name("oil filter"), safe_name("...")
    ('cat_dog', 'oil filter', '_')
    """
    cleaned = re.sub(r'[\x00-\x1f<>:"/\\|?*]+', "_", name).strip(" ._")
    return cleaned.encode()[:_LONGEST].decode(errors="ignore").rstrip(" .") or "_"
