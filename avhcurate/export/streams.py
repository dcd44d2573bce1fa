"""Text files written piece by piece and flushed to disk, and JSON in them."""

import json
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO


@contextmanager
def text_file(path: Path) -> Iterator[TextIO]:
    """A new file for text, line ends as they come; flushed to the disk at the end."""
    with open(path, "w", encoding="utf-8", newline="") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


def json_text(value: Any) -> str:
    """JSON on one line; dates and the like as text, and null for numbers that JSON does not have.

    >>> json_text({"area": float("inf"), "box": [1.5, float("nan")]})
    '{"area": null, "box": [1.5, null]}'
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_items(stream: TextIO, items: Iterable[str]) -> None:
    """JSON texts with commas between them, a line each, as the inside of an array or object."""
    for number, item in enumerate(items):
        stream.write(("\n" if number == 0 else ",\n") + item)
    stream.write("\n")
