"""Values as they stand in the address of a page: texts, JSON, and ids as a compressed mask."""

import base64
import zlib
from functools import cache
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import ArrayLike
from pydantic import TypeAdapter
from pydantic_core import to_json


@cache
def kind_of(owner: type, field: str) -> TypeAdapter[Any]:
    """Return what checks the values of a field of a dataclass."""
    return TypeAdapter(get_type_hints(owner, include_extras=True)[field])


def write_value(value: Any) -> str:
    """Return a value in an address: a text itself, another as JSON, a list without its brackets.

    >>> write_value("avh > 1"), write_value(("a,b", None)), write_value(False)
    ('avh > 1', '"a,b",null', 'false')
    """
    if isinstance(value, str):
        return value
    return to_json(value, inf_nan_mode="null").decode().removeprefix("[").removesuffix("]")


def read_value(owner: type, field: str, text: str) -> Any:
    """Return the value of a field of a dataclass that `write_value` wrote; ValueError for another text."""
    kind = kind_of(owner, field)
    usual = getattr(owner, field)
    if field == "ids":
        return unpack_ids(text)
    if isinstance(usual, str):
        return kind.validate_python(text)
    if isinstance(usual, tuple):
        text = f"[{text}]"
    return kind.validate_json(text)


#: Characters of the longest address: servers refuse much longer ones.
LONGEST_ADDRESS = 8_000
#: The largest id that an address may name, so that no text becomes gigabytes.
_LARGEST_ID = 10**8


def pack_ids(ids: ArrayLike) -> str:
    """Return ids as a short text for an address: which are there, compressed.

    >>> unpack_ids(pack_ids([7, 3, 500]))
    (3, 7, 500)
    """
    marked = np.zeros(int(np.max(ids, initial=-1)) + 1, bool)
    marked[np.asarray(ids, np.int64)] = True
    return base64.urlsafe_b64encode(zlib.compress(np.packbits(marked).tobytes(), 9)).decode().rstrip("=")


def unpack_ids(text: str) -> tuple[int, ...]:
    """Return the ids of such a text, sorted; ValueError for any other text."""
    opened = zlib.decompressobj()
    try:
        packed = opened.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), _LARGEST_ID // 8)
    except zlib.error as error:
        raise ValueError(text) from error
    if not opened.eof:
        raise ValueError(text)
    return tuple(np.flatnonzero(np.unpackbits(np.frombuffer(packed, np.uint8))).tolist())
