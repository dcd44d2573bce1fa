"""JSON that every reader accepts (no NaN, dates as text, numbers with all their digits), and reading it."""

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def json_text(value: Any, *, ascii: bool = False) -> str:
    """Return JSON on one line; dates and the like as text, arrays as lists, and null for numbers that JSON lacks.

    `ascii` escapes all other letters, for a terminal of any encoding.

    >>> json_text({"area": float("inf"), "box": [1.5, float("nan")]})
    '{"area": null, "box": [1.5, null]}'
    """
    try:
        return json.dumps(value, ensure_ascii=ascii, allow_nan=False, default=_text)
    except (ValueError, TypeError):  # NaN, or an array
        return json.dumps(_plain(value), ensure_ascii=ascii, allow_nan=False, default=str)


def parsed(text: bytes | str) -> Any:
    """Return what JSON says; ValueError for another text, also for one that is nested too deeply to be read.

    >>> parsed('{"a": [1]}')
    {'a': [1]}
    """
    try:
        return json.loads(text)
    except RecursionError as problem:
        raise ValueError("it is nested too deeply") from problem


def records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return `rows_of`, with None for what is missing, for `json_text`."""
    return rows_of(frame.astype(object).where(frame.notna(), None))


def rows_of(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    rows: list[dict[Any, Any]] = frame.rename(columns=str).to_dict("records")
    return rows


def _text(value: Any) -> str:
    if hasattr(value, "tolist"):
        raise TypeError
    return str(value)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
