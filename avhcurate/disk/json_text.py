"""JSON that every reader takes: no NaN, dates as text, numbers with all their digits."""

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def json_text(value: Any, *, ascii: bool = False) -> str:
    """JSON on one line; dates and the like as text, arrays as lists, and null for numbers that JSON does not have.

    `ascii` escapes all other letters, for a terminal of any encoding.

    >>> json_text({"area": float("inf"), "box": [1.5, float("nan")]})
    '{"area": null, "box": [1.5, null]}'
    """
    try:
        return json.dumps(value, ensure_ascii=ascii, allow_nan=False, default=_plain)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=ascii, allow_nan=False, default=str)


def records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """`rows_of`, with None for what is missing, for `json_text`."""
    return rows_of(frame.astype(object).where(frame.notna(), None))


def rows_of(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return rows by name of the column."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _finite(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
