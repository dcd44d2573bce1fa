"""Classes by name: an import may give them other numbers, and what people wrote keeps its meaning."""

from collections.abc import Iterable, Sequence

import numpy as np

from avhcurate.errors import CurateError, Option
from avhcurate.workspace.disk.columns import listed

#: Names in the note of an order, at most, and standard deviations of chance that an exchange of classes must exceed.
_MOST = 20
_CLEAR = 3


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


def columns_of(order: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Return the column of each class in arrays whose columns are the classes in an order, by default their own: (K,).

    >>> columns_of(["dog", "eel", "cat"], ["cat", "dog", "eel"]).tolist()
    [2, 0, 1]
    """
    if order and sorted(order) != sorted(classes):
        raise CurateError(
            f"{Option('classes')} has {listed(order, _MOST)}, and the classes of the dataset are "
            f"{listed(classes, _MOST)}. Give these in the order of your columns."
        )
    return class_numbers(classes, order or classes)


def order_notes(order: Sequence[str], classes: Sequence[str], labels: np.ndarray, predicted: np.ndarray) -> list[str]:
    """Return in which order columns were taken as classes and, if so, which two make more sense exchanged.

    labels, predicted (n,): of each sample the given class, and the one of the largest column; -1 for none. Two
    classes are named where that would make clearly more of them equal.

    >>> order_notes([], ["cat", "dog"], np.repeat([0, 1], 10), np.repeat([1, 0], 10))[1]
    'with cat and dog exchanged, 20 of 20 images would have their given label, not 0: is that their order?'
    """
    notes = [f"classes were taken in this order: {listed(order or classes, _MOST)}"]
    known = (labels >= 0) & (predicted >= 0)
    labels = labels[known]
    predicted = predicted[known]
    right = np.bincount(labels[labels == predicted], minlength=len(classes))
    pairs = np.sort([labels, predicted], axis=0)[:, labels != predicted]
    (first, second), won = np.unique(pairs, axis=1, return_counts=True)
    lost = right[first] + right[second]
    gain = np.where(won - lost > _CLEAR * np.sqrt(won + lost), won - lost, 0)
    if gain.any():
        names = " and ".join(classes[label] for label in (first[gain.argmax()], second[gain.argmax()]))
        notes.append(
            f"with {names} exchanged, {right.sum() + gain.max()} of {len(labels)} images would have their given "
            f"label, not {right.sum()}: is that their order?"
        )
    return notes


def under_new_names(old: Sequence[str], new: Sequence[str], *, declared: bool) -> list[str]:
    """Return the old classes, under their new names where labels were bare integers (not `declared`).

    >>> under_new_names(["0", "1"], ["cat", "dog"], declared=False)
    ['cat', 'dog']
    """
    if declared:
        return list(old)
    numbers = {str(number): name for number, name in enumerate(new)}
    return [name if name in new else numbers.get(name, name) for name in old]
