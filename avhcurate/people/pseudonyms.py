"""Pseudonyms of people who removed their answers: a name can be recognised by them, but not read."""

import re
import secrets
from collections.abc import Iterable, Mapping
from hashlib import scrypt
from typing import TypeVar

_PSEUDONYM = re.compile(r"removed-([0-9a-f]{16})-([0-9a-f]{32})")
_Value = TypeVar("_Value")


def pseudonym(name: str) -> str:
    """Return a new pseudonym of a name: a salt and a slow digest, so that trying many names takes long."""
    salt = secrets.token_hex(8)
    return f"removed-{salt}-{_digest(name, salt)}"


def with_names(values: Mapping[str, _Value], names: Iterable[str]) -> dict[str, _Value]:
    """Return values by name or pseudonym, and those of pseudonyms under their names too, unless a name has its own.

    >>> found = with_names({pseudonym("ann"): 1, "bob": 2}, ["ann", "bob", "cyd"])
    >>> found["ann"], found["bob"], "cyd" in found
    (1, 2, False)
    """
    hidden = [match for match in map(_PSEUDONYM.fullmatch, values) if match]
    unknown = [name for name in names if name not in values] if hidden else []
    return dict(values) | {
        name: values[match[0]] for match in hidden for name in unknown if _digest(name, match[1]) == match[2]
    }


def _digest(name: str, salt: str) -> str:
    return scrypt(name.encode(), salt=salt.encode(), n=1 << 12, r=8, p=1, dklen=16).hex()
