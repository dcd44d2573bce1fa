"""Class lists that a dataset has had: what people wrote by class index is read by the names it meant."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FormerClasses:
    """Classes that held until an import gave them other numbers.

    `entry` and `until`: the entry of the annotation log that says so, and its time in seconds since 1970.
    """

    entry: int
    until: float
    classes: tuple[str, ...]


@dataclass(frozen=True)
class ClassLists:
    """The classes of a dataset, `now`, and those that it had before, oldest first."""

    now: tuple[str, ...]
    former: tuple[FormerClasses, ...] = ()

    @property
    def newest(self) -> int:
        """Number of the entry that ended the list before; 0 where there was none."""
        return self.former[-1].entry if self.former else 0

    def at_entry(self, entry: int) -> tuple[str, ...]:
        """The classes that an entry of the annotation log means."""
        return next((one.classes for one in self.former if entry < one.entry), self.now)

    def at_time(self, seconds: float) -> tuple[str, ...]:
        """The classes that held at a time in seconds since 1970."""
        return next((one.classes for one in self.former if seconds < one.until), self.now)

    def numbers_now(self, numbers: Iterable[int], meant: Sequence[str]) -> list[int | None]:
        """The number that each class has now, None where it is gone; `meant` are the classes of `numbers`.

        A number beyond the list never had a name in it, and stays.

        >>> ClassLists(("ant", "cat", "dog")).numbers_now([1, 0, 2], ("dog", "cat", "eel"))
        [1, 2, None]
        """
        if tuple(meant) == self.now:
            return list(numbers)
        places = dict(enumerate(class_numbers(meant, self.now).tolist()))
        moved = (places.get(number, number) for number in numbers)
        return [number if 0 <= number < len(self.now) else None for number in moved]


def class_numbers(old: Sequence[str], new: Sequence[str]) -> np.ndarray:
    """Number in `new` of each class of `old`, by its name: (K,) int64, -1 where it is gone.

    >>> class_numbers(["cat", "dog"], ["ant", "dog"]).tolist()
    [-1, 1]
    """
    places = {name: number for number, name in enumerate(new)}
    return np.array([places.get(name, -1) for name in old], np.int64)


def under_new_names(old: Sequence[str], new: Sequence[str], *, declared: bool) -> list[str]:
    """The old classes, under their new names where labels were bare integers (not `declared`) and have names now.

    >>> under_new_names(["0", "1"], ["cat", "dog"], declared=False)
    ['cat', 'dog']
    """
    bare = {number for number, name in enumerate(old) if not declared and name == str(number) and name not in new}
    return [new[number] if number in bare and number < len(new) else name for number, name in enumerate(old)]
