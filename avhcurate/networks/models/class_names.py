"""The classes of ImageNet-1k, and which rows of a published head are a dataset's: by names, or by synset ids."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from avhcurate.errors import CurateError, Option
from avhcurate.workspace.disk.columns import listed

_SYNSET = re.compile(r"n\d{8}")


def imagenet_classes() -> tuple[str, ...]:
    """Return the 1000 names in the order of published heads, which torchvision's networks give too."""
    return tuple(name for _, name in _imagenet())


def imagenet_synsets() -> tuple[str, ...]:
    """Return the 1000 WordNet ids."""
    return tuple(synset for synset, _ in _imagenet())


@cache
def _imagenet() -> tuple[tuple[str, str], ...]:
    text = Path(__file__).with_name("imagenet_classes.txt").read_text(encoding="utf-8")
    return tuple((synset, name) for synset, _, name in (line.partition(" ") for line in text.splitlines()))


def rows_of_classes(classes: Sequence[str], names: Sequence[str] | None, *, model: str) -> list[int]:
    """Return the row of each class in a head whose rows have these names; raises CurateError where one has none.

    >>> rows_of_classes(["Great_white shark", "n01440764"], imagenet_classes(), model="net")
    [2, 0]
    """
    if not names or not classes:
        raise CurateError(
            f"The classes of {model} or of the dataset have no names.",
            fix=f"Fit a head by {Option('head', 'fit')}, or import it with {Option('classes')}",
        )
    row_of = _rows_by_name(tuple(names))
    missing = unknown_classes(classes, names)
    if missing:
        raise CurateError(
            f"{len(missing)} of the dataset's {len(classes)} classes are not among the {len(names)} of {model} by name "
            f"({listed(missing, 5)}).",
            fix=f"Fit a head for them by {Option('head', 'fit')}, or rename them by {Option('classes')} at import",
        )
    rows = [row_of[_key(name)] for name in classes]
    if len(set(rows)) < len(rows):
        twice = next(name for at, name in enumerate(classes) if rows[at] in rows[:at])
        raise CurateError(f"Two classes of the dataset are one class of {model}, {twice} among them. Merge them.")
    return rows


def unknown_classes(classes: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the classes that match no row, or more than one."""
    row_of = _rows_by_name(tuple(names))
    return [name for name in classes if row_of.get(_key(name), -1) < 0]


@cache
def _rows_by_name(names: tuple[str, ...]) -> dict[str, int]:
    """Return rows by name in lower case, -1 for a name of several rows; also by synset id for ImageNet's."""
    rows: dict[str, int] = {}
    for row, name in enumerate(names):
        if rows.setdefault(_key(name), row) != row:
            rows[_key(name)] = -1
    if names == imagenet_classes():
        rows |= {synset: row for row, synset in enumerate(imagenet_synsets())}
    return rows


def _key(name: str) -> str:
    """Return a name for comparing: a synset id in it, else without case, underscores and hyphens.

    >>> _key("n01440764 tench"), _key("Great_white-shark")
    ('n01440764', 'great white shark')
    """
    synset = _SYNSET.search(name)
    if synset:
        return synset[0]
    return " ".join(re.split(r"[\s_-]+", name.strip().lower()))
