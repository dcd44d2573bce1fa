"""Which rows of a published head are a dataset's classes: by ImageNet's names, by synset ids, or by a model's own."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from avhcurate.errors import CurateError
from avhcurate.models.registry import find_architecture
from avhcurate.models.torchvision_zoo import imagenet_classes

_SYNSET = re.compile(r"n\d{8}")
_NAMED = 5


def rows_of_classes(classes: Sequence[str], names: Sequence[str] | None, *, model: str) -> list[int]:
    """The row of each class in a head whose rows have these names; raises CurateError where one has none.

    >>> rows_of_classes(["Great_white shark", "n01440764"], imagenet_classes(), model="net")
    [2, 0]
    """
    if not names:
        raise CurateError(f"the classes of {model} have no names to choose by: fit a head by --head fit")
    if not classes:
        raise CurateError("the dataset's classes have no names to choose by: import it with --classes")
    known = _rows_by_name(tuple(names))
    if missing := unknown_classes(classes, names):
        few = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
        raise CurateError(
            f"{len(missing)} of the dataset's {len(classes)} classes are not among the {len(names)} of {model} by name "
            f"({few}): fit a head for them by --head fit, or rename them by --classes at import"
        )
    rows = [known[_key(name)] for name in classes]
    if len(set(rows)) < len(rows):
        twice = next(name for at, name in enumerate(classes) if rows[at] in rows[:at])
        raise CurateError(f"two classes of the dataset are one class of {model}, {twice} among them: merge them")
    return rows


def unknown_classes(classes: Sequence[str], names: Sequence[str]) -> list[str]:
    """Classes that are no name, or the name of several rows."""
    known = _rows_by_name(tuple(names))
    return [name for name in classes if known.get(_key(name), -1) < 0]


def published_classes(model: str) -> tuple[str, ...] | None:
    """Names of the classes that a model is published with, without loading it; None where there are none."""
    try:
        pretrained = find_architecture(model).pretrained
    except CurateError:
        return None
    return pretrained.classes if pretrained else None


@cache
def _rows_by_name(names: tuple[str, ...]) -> dict[str, int]:
    """Rows by name in lower case, -1 for a name of several rows; also by synset id where the names are ImageNet's."""
    rows: dict[str, int] = {}
    for row, name in enumerate(names):
        rows[_key(name)] = -1 if _key(name) in rows else row
    if names == imagenet_classes():
        synsets = Path(__file__).with_name("imagenet_synsets.txt").read_text(encoding="ascii").split()
        rows |= {synset: row for row, synset in enumerate(synsets)}
    return rows


def _key(name: str) -> str:
    """A name as it is compared: a synset id in it says it all, else without case, underscores and hyphens.

    >>> _key("n01440764 tench"), _key("Great_white-shark")
    ('n01440764', 'great white shark')
    """
    synset = _SYNSET.search(name)
    return synset[0] if synset else " ".join(re.split(r"[\s_-]+", name.strip().lower()))
