"""Named sets of samples and named views of a dataset: saved, listed, combined, renamed and removed."""

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pyarrow as pa

from avhcurate.datasets.curate.annotations import check_text
from avhcurate.datasets.table.address_values import read_value, write_value
from avhcurate.datasets.table.filters import FILTERS, Filters
from avhcurate.errors import CurateError
from avhcurate.workspace.data.class_lists import present_numbers
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.event import Event, Kind, SavedView
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.columns import plain_cell

#: A name is short and printable, so that it fits a list, an address and a file.
LONGEST_NAME = 60

Combination = Literal["union", "intersection", "difference"]


class Saved:
    """The sets and views of a dataset; what it writes is in the name of the acting person."""

    def __init__(self, workspace: Workspace, dataset: str) -> None:
        self.folder = workspace.dataset(dataset)
        self.id = self.folder.id
        self.log = open_events(workspace.root)

    def save_set(self, name: str, ids: Sequence[int] | np.ndarray) -> None:
        """Save samples as a named set; the same name again replaces what it holds, which undo brings back."""
        name = check_name(name)
        selected_ids = np.unique(np.asarray(ids, np.int64))
        paths = self.folder.column("path")
        if not len(selected_ids):
            raise CurateError("No images are chosen. Select some first.")
        if selected_ids[0] < 0 or selected_ids[-1] >= len(paths):
            raise CurateError(
                f"Some of the chosen images are not in {self.folder.name}. Ids run from 0 to {len(paths) - 1}."
            )
        self._write_set(name, paths.take(pa.array(selected_ids)).to_pylist())

    def _write_set(self, name: str, paths: Collection[str]) -> None:
        self.log.save_set(self.id, name, paths)

    def save_view(self, name: str, query: Mapping[str, str], page: str) -> None:
        """Save a page's address under a name: the file name of the page and its URL parameters."""
        details = SavedView(page, dict(query), self.folder.record.classes)
        self.log.write(self.id, "save view", check_name(name), details=details)

    def sets(self) -> list[Event]:
        return self.log.saved(self.id, "set")

    def views(self) -> list[Event]:
        """Return the views by name; classes that they filter by have the numbers that their names have now."""
        return [self._present(view) for view in self.log.saved(self.id, "view")]

    def view(self, name: str) -> Event:
        """Return one of them; an unknown name is refused."""
        return self._present(self.log.find(self.id, "view", name))

    def _present(self, view: Event) -> Event:
        """Return a view by the present names and numbers; a class that is gone gets the number -1."""
        page, query, before = SavedView(*view.details)
        classes = self.folder.record.classes
        before = self.folder.names_now(before)
        changed = dict(query)
        if "dataset" in query:
            changed["dataset"] = self.folder.name
        for field in ("classes", "predicted"):
            key = FILTERS[field].key
            try:
                values = read_value(Filters, field, query[key])
            except (KeyError, ValueError):  # no such filter, or not a valid one
                continue
            numbers = [number for number in values if number is not None]
            now = zip(numbers, present_numbers(numbers, before, classes), strict=True)
            renumbered = {None: None} | {old: new for old, new in now if new is not None}
            changed[key] = write_value([renumbered.get(old, -1) for old in values])
        return replace(view, details=SavedView(page, changed, classes))

    def remove(self, kind: Kind, name: str) -> int:
        """Remove a set or view; return the number of the event, by which it can be undone."""
        return self.log.remove(self.id, kind, name)

    def rename(self, kind: Kind, name: str, new: str) -> None:
        """Give a set or view another name, which must be free."""
        new = check_name(new)
        if new in {event.name for event in self.log.saved(self.id, kind)}:
            raise CurateError(f"There is already a {kind} {new}. Choose another name.")
        old = self.log.find(self.id, kind, name)
        if kind == "set":
            self._write_set(new, self.members(name))
        else:
            self.log.write(self.id, f"save {kind}", new, details=old.details)
        self.remove(kind, name)

    def members(self, name: str) -> list[str]:
        """Return the paths of a set, sorted; some may no longer be in the dataset."""
        paths: list[str] = self.log.members(self.log.find(self.id, "set", name).id).to_pylist()
        return paths

    def combine(self, name: str, names: Sequence[str], combination: Combination) -> int:
        """Save the samples in any, in all or in the first only of some sets as a new one; return how many there are."""
        if len(names) < 2:
            raise CurateError("Choose two sets or more to combine.")
        first, *others = (set(self.members(title)) for title in names)
        paths: set[str] = getattr(first, combination)(*others)
        if not paths:
            raise CurateError(f"The {combination} of {', '.join(names)} is empty. Nothing was saved.")
        self._write_set(check_name(name), paths)
        return len(paths)

    def import_set(self, name: str, content: bytes) -> tuple[int, list[str]]:
        """Save the samples that a file lists (see `listed_ids`); return how many, and the entries of no sample."""
        ids, unknown = listed_ids(self.folder, content)
        self.save_set(name, ids)
        return len(ids), unknown


def check_name(name: str) -> str:
    """Return a name without blanks around it; refuse one that is not valid."""
    return check_text(name, "name", LONGEST_NAME)


def listed_ids(dataset: DatasetFolder, content: bytes) -> tuple[list[int], list[str]]:
    """Return the ids of the samples that a file lists, each once, and its entries that are not in the dataset.

    Its `content` is CSV with a column `path` or `id`, or text with a path or an id in each line.
    """
    paths = dataset.column("path").to_pylist()
    ids = {str(id): id for id in range(len(paths))} | {path: id for id, path in enumerate(paths)}
    entries = {text: ids.get(text, ids.get(plain_cell(text))) for text in _entries(content)}
    listed = dict.fromkeys(id for id in entries.values() if id is not None)
    if not listed:
        raise CurateError(f"The file lists no image of {dataset.name}. Write a path or an id in each line.")
    return list(listed), [text for text, id in entries.items() if id is None]


def _entries(content: bytes) -> list[str]:
    try:
        lines = content.decode("utf-8-sig").splitlines()
        rows = [row for row in csv.reader(lines) if row]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise CurateError(f"The file is not CSV or text in UTF-8 ({problem}).") from problem
    header = [cell.strip() for row in rows[:1] for cell in row]
    for key in ("path", "id"):
        if key in header:
            column = header.index(key)
            return [row[column].strip() for row in rows[1:] if len(row) > column and row[column].strip()]
    return [line.strip() for line in lines if line.strip()]
