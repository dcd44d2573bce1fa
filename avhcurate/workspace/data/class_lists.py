"""Classes by name: an import may give them other numbers, and what people wrote keeps its meaning."""

from collections.abc import Iterable, Sequence

import numpy as np


def stored_class(number: int, classes: Sequence[str]) -> str:
    """Return how a class is stored: by its name, or by #NUMBER beyond the list, where none has a name.

    >>> stored_class(1, ["cat", "dog"]), stored_class(7, ["cat", "dog"])
    ('dog', '#7')
    """
    return classes[number] if number < len(classes) else f"#{number}"


def class_number(stored: str, classes: Sequence[str]) -> int | None:
    """Return the number that a stored class has now, None where it is gone.

    Classes that were bare integers and have names now keep their numbers.

    >>> [class_number(stored, ["ant", "cat"]) for stored in ("cat", "#7", "1", "eel")]
    [1, 7, 1, None]
    """
    if stored in classes:
        return list(classes).index(stored)
    if stored.startswith("#"):
        return int(stored[1:])
    if stored.isdecimal() and int(stored) < len(classes) and not any(name.isdecimal() for name in classes):
        return int(stored)
    return None


def present_numbers(numbers: Iterable[int], before: Sequence[str], now: Sequence[str]) -> list[int | None]:
    """Return the number that each class of `before` has now, None where it is gone.

    >>> present_numbers([1, 0, 2], ("dog", "cat", "eel"), ("ant", "cat", "dog"))
    [1, 2, None]
    """
    return [class_number(stored_class(number, before), now) if number >= 0 else number for number in numbers]


def class_numbers(old: Sequence[str], new: Sequence[str]) -> np.ndarray:
    """Return the number in `new` of each class of `old`, by its name: (K,) int64, -1 where it is gone.

    >>> class_numbers(["cat", "dog"], ["ant", "dog"]).tolist()
    [-1, 1]
    """
    numbers = {name: number for number, name in enumerate(new)}
    return np.array([numbers.get(name, -1) for name in old], np.int64)


def under_new_names(old: Sequence[str], new: Sequence[str], *, declared: bool) -> list[str]:
    """Return the old classes, under their new names where labels were bare integers (not `declared`).

    >>> under_new_names(["0", "1"], ["cat", "dog"], declared=False)
    ['cat', 'dog']
    """
    if declared:
        return list(old)
    numbers = {str(number): name for number, name in enumerate(new)}
    return [name if name in new else numbers.get(name, name) for name in old]
