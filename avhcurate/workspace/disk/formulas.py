"""Texts that a spreadsheet would run as formulas: made safe in what is written, and themselves again when read."""

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.workspace.disk.columns import is_text

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_SAFE = r"^'([=+\-@\t\r\n])"


def safe_cell(value: Any) -> Any:
    """Return a text that a spreadsheet would run as a formula gets an apostrophe before it; all else stays.

    >>> safe_cell("=1+1"), safe_cell("cat"), safe_cell(-1.5)
    ("'=1+1", 'cat', -1.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_STARTS) else value


def plain_cell(text: str) -> str:
    """Return the text that `safe_cell` made safe.

    >>> plain_cell("'=1+1"), plain_cell("'tis")
    ('=1+1', "'tis")
    """
    return re.sub(_SAFE, r"\1", text)


def plain_cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """`plain_cell` of a column of text; other columns as they are."""
    return pc.replace_substring_regex(column, _SAFE, r"\1") if is_text(column.type) else column
