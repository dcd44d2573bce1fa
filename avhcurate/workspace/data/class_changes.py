"""What people's changes of classes make of those that a dataset was imported with: a mapping of names.

Files of the import and of runs stay as they are: what is read through `DatasetFolder` follows the mapping.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np

from avhcurate.workspace.data.class_lists import class_numbers
from avhcurate.workspace.data.event import LABEL_BY_VOTES

#: The probability that a run gives, at least, to a class that it does not know; its logit is finite.
_LEAST = 1e-30


@dataclass(frozen=True)
class ClassChanges:
    """The changes that stand: `names` has what every name that a class had is today, "" for a retired class.

    `added`: the names of classes that people added, in order. `wholes`: the class that each part was split from.
    `splits`: the numbers of the events that gave images to parts. `parents`: the parent that classes were given last;
    a merged class keeps that of its name, else of the first, and a part that of its class. `labelled`: the number of
    the event that labelled images by votes, 0 for none, and `labels_by` the rule and the votes.
    `key` differs where labels may, "" for no such change.
    """

    names: dict[str, str] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    wholes: dict[str, str] = field(default_factory=dict)
    splits: tuple[int, ...] = ()
    parents: dict[str, str] = field(default_factory=dict)
    labelled: int = 0
    labels_by: str = ""
    key: str = ""

    def __bool__(self) -> bool:
        """Whether any change stands: without one, what was made before others were undone has other classes still."""
        return bool(self.key)

    @classmethod
    def of(cls, events: Iterable[Any]) -> "ClassChanges":
        """Return what the events that stand, oldest first, come to."""
        names: dict[str, str] = {}
        added: list[str] = []
        wholes: dict[str, str] = {}
        splits: list[int] = []
        parents: dict[str, str] = {}
        labelled, labels_by, key = 0, "", ""
        for event in events:
            change = event.details
            if "parents" in change:
                parents = dict(change["parents"])
                continue
            now = change["names"]
            for old in now:
                if old in parents:
                    parents.setdefault(now[old], parents.pop(old))
            names = now | {old: now.get(name, name) for old, name in names.items()}
            added += change["added"]
            if event.action == LABEL_BY_VOTES:
                splits = [event.id]  # people voted for parts too, so it has all labels anew
                labelled, labels_by = event.id, event.value
            elif event.samples:
                splits.append(event.id)
                wholes |= dict.fromkeys(change["added"], event.value)
                if event.value in parents:
                    parents |= dict.fromkeys(change["added"], parents[event.value])
            key += f" {event.id}"
        return cls(
            names=names,
            added=tuple(added),
            wholes=wholes,
            splits=tuple(splits),
            parents=parents,
            labelled=labelled,
            labels_by=labels_by,
            key=key,
        )

    def now(self, names: Iterable[str]) -> list[str]:
        """Return the present name of each class, "" for one that is retired."""
        return [self.names.get(name, name) for name in names]

    def names_of(self, imported: Sequence[str]) -> set[str]:
        """Return every name that a class has or had."""
        return {*imported, *self.added, *self.names, *self.names.values()}

    def classes(self, imported: Sequence[str]) -> list[str]:
        """Return the present classes in the order of the import.

        >>> ClassChanges({"cat": "pet", "dog": "pet", "eel": ""}, ("zebra",)).classes(["ant", "cat", "dog", "eel"])
        ['ant', 'pet', 'zebra']
        """
        return list(dict.fromkeys(filter(None, self.now([*imported, *self.added]))))

    def numbers(self, names: Sequence[str], classes: Sequence[str]) -> np.ndarray:
        """Return the number that each class of `names` has in the present classes: (K,) int64, -1 where it is gone."""
        return class_numbers(self.now(names), classes)

    def whole_numbers(self, classes: Sequence[str]) -> np.ndarray:
        """Return the number of the class that each of the present ones is a part of: (K,) int64, -1 for none."""
        wholes = dict(zip(self.now(self.wholes), self.now(self.wholes.values()), strict=True))
        return class_numbers([wholes.get(name, "") for name in classes], classes)

    def parents_of(self, classes: Sequence[str]) -> tuple[str, ...]:
        """Return the parent of each present class, itself where it was given none; () where no class was given any.

        >>> ClassChanges(parents={"cat": "animal", "dog": "animal"}).parents_of(["cat", "dog", "bus"])
        ('animal', 'animal', 'bus')
        """
        if not self.parents:
            return ()
        return tuple(self.parents.get(name, name) for name in classes)

    def version(self, fingerprint: str) -> str:
        """Return a fingerprint of an import with these classes."""
        return blake2b(f"{fingerprint}{self.key}".encode(), digest_size=32).hexdigest()


@dataclass(frozen=True)
class Today:
    """The present `classes`, for a run that was made with others: `numbers` (K of the run,) has what each is now, -1
    for one that is gone. `labels()` are the present labels (N,); `key` is that of the changes. `relabelled`: images
    have other labels by votes than when the run was made.
    """

    classes: list[str]
    numbers: np.ndarray
    labels: Callable[[], np.ndarray]
    key: str
    relabelled: bool = False

    @cached_property
    def rows(self) -> np.ndarray:
        """The row of class weights of each class, (K,), -1 where not exactly one is its own."""
        kept = np.flatnonzero(self.numbers >= 0)
        count = np.bincount(self.numbers[kept], minlength=len(self.classes))
        rows = np.full(len(self.classes), -1)
        rows[self.numbers[kept]] = kept
        return np.where(count == 1, rows, -1)

    @property
    def knows_any(self) -> bool:
        """Whether any class of the run is one of today."""
        return bool((self.numbers >= 0).any())

    @property
    def lacking(self) -> list[str]:
        """The classes without class weights of their own: merged, added or split."""
        return [self.classes[number] for number in np.flatnonzero(self.rows < 0)]


def added_up(counts: np.ndarray, numbers: np.ndarray, num_classes: int) -> np.ndarray:
    """Return columns (n, K) summed by the class that each has now, (n, num_classes); those of -1 are left out.

    >>> added_up(np.array([[1, 2, 4]]), np.array([1, 1, -1]), 2).tolist()
    [[0, 3]]
    """
    kept = np.flatnonzero(numbers >= 0)
    columns = np.bincount(numbers[kept], minlength=num_classes)
    alone = kept[columns[numbers[kept]] == 1]
    summed = np.zeros((len(counts), num_classes), counts.dtype)
    summed[:, numbers[alone]] = counts[:, alone]
    for number in np.flatnonzero(columns > 1):  # those that were merged are few
        summed[:, number] = counts[:, numbers == number].sum(axis=1)
    return summed


def merged_logits(logits: np.ndarray, numbers: np.ndarray, num_classes: int) -> np.ndarray:
    """Return logits (n, num_classes) whose softmax is that of `logits` (n, K), added up by class.

    >>> np.exp(merged_logits(np.log([[0.2, 0.3, 0.5]]), np.array([1, 1, 0]), 2)).round(3).tolist()
    [[1.0, 1.0]]
    """
    relative = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.log(np.maximum(added_up(relative, numbers, num_classes), _LEAST))
