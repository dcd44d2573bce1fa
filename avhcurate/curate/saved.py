"""Named sets of samples and named views of a dataset: saved, listed, combined, renamed and removed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.curate.annotations import user
from avhcurate.curate.sample_lists import listed_ids
from avhcurate.data.class_lists import ClassLists
from avhcurate.data.saved_log import Kind, SavedEntry
from avhcurate.data.workspace import Workspace
from avhcurate.disk.database import seconds_of
from avhcurate.errors import CurateError
from avhcurate.table.filters import FILTERS, NONE
from avhcurate.table.logs import open_annotations, open_saved

#: A name is short and printable, so that it fits a list, an address and a file.
LONGEST_NAME = 60

Combination = Literal["union", "intersection", "difference"]
#: How several sets become one: samples in any, in all, in the first only.
COMBINATIONS: dict[Combination, Callable[..., set[str]]] = {
    "union": set.union,
    "intersection": set.intersection,
    "difference": set.difference,
}


def save_set(workspace: Workspace, dataset: str, name: str, ids: Sequence[int] | np.ndarray, *, who: str = "") -> None:
    """Saves samples as a named set; the same name again replaces what it holds, which undo brings back."""
    name = check_name(name)
    paths = pq.read_table(workspace.dataset(dataset).samples_path, columns=["path"])["path"]
    chosen = np.unique(np.asarray(ids, np.int64))
    if not len(chosen):
        raise CurateError("no samples are chosen: select some first")
    if chosen[0] < 0 or chosen[-1] >= len(paths):
        raise CurateError(f"some of the chosen samples are not in {dataset}: ids run from 0 to {len(paths) - 1}")
    open_saved(workspace).save_set(dataset, name, paths.take(pa.array(chosen)).to_pylist(), who=who or user())


def save_view(
    workspace: Workspace, dataset: str, name: str, query: Mapping[str, str], page: str, *, who: str = ""
) -> None:
    """Saves a page's address under a name: the file name of the page and its URL parameters."""
    dataset = workspace.dataset(dataset).name
    open_saved(workspace).save_view(dataset, check_name(name), page, query, who=who or user())


def sets(workspace: Workspace, dataset: str) -> list[SavedEntry]:
    return open_saved(workspace).standing(dataset, "set")


def views(workspace: Workspace, dataset: str) -> list[SavedEntry]:
    """The views by name; classes that they filter by have the numbers that their names have now."""
    record = workspace.dataset(dataset).record
    lists = open_annotations(workspace).class_lists(dataset, record.classes)
    return [_with_classes_of_now(view, lists) for view in open_saved(workspace).standing(dataset, "view")]


def view(workspace: Workspace, dataset: str, name: str) -> SavedEntry:
    """One of them; an unknown name is refused."""
    open_saved(workspace).find(dataset, "view", name)
    return next(view for view in views(workspace, dataset) if view.name == name)


def _with_classes_of_now(view: SavedEntry, lists: ClassLists) -> SavedEntry:
    """A view saved before an import that gave classes other numbers; one that is gone gets a number that none has."""
    meant, changed = lists.at_time(seconds_of(view.at)), {}
    for entry in (FILTERS["classes"], FILTERS["predicted"]):
        try:
            chosen = entry.read(view.query[entry.key])
        except (KeyError, ValueError):  # no such filter, or none that can be read
            continue
        pairs = zip(chosen, lists.numbers_now(chosen, meant), strict=True)
        none = len(lists.now)
        changed[entry.key] = entry.write(
            [old if old == NONE else none + old if new is None else new for old, new in pairs]
        )
    return replace(view, query=view.query | changed)


def remove(workspace: Workspace, dataset: str, kind: Kind, name: str, *, who: str = "") -> int:
    """Removes a set or view; returns the number of the entry, by which it can be undone."""
    return open_saved(workspace).remove(dataset, kind, name, who=who or user())


def rename(workspace: Workspace, dataset: str, kind: Kind, name: str, new: str, *, who: str = "") -> None:
    """Gives a set or view another name, which must be free."""
    saved, new = open_saved(workspace), check_name(new)
    if any(entry.name == new for entry in saved.standing(dataset, kind)):
        raise CurateError(f"there is a {kind} {new} already: choose another name")
    query = view(workspace, dataset, name).query if kind == "view" else None
    saved.rename(dataset, kind, name, new, query=query, who=who or user())


def members(workspace: Workspace, dataset: str, name: str) -> list[str]:
    """Paths of a set, sorted; some may not be in the dataset any more."""
    saved = open_saved(workspace)
    paths: list[str] = saved.members(saved.find(dataset, "set", name).id).to_pylist()
    return paths


def combine(
    workspace: Workspace, dataset: str, name: str, names: Sequence[str], how: Combination, *, who: str = ""
) -> int:
    """Saves a combination of sets as a new one and returns how many samples it has: see `COMBINATIONS`."""
    if len(names) < 2:
        raise CurateError("choose two sets or more to combine")
    first, *others = (set(members(workspace, dataset, one)) for one in names)
    paths = COMBINATIONS[how](first, *others)
    if not paths:
        raise CurateError(f"the {how} of {', '.join(names)} is empty: nothing was saved")
    open_saved(workspace).save_set(dataset, check_name(name), paths, who=who or user())
    return len(paths)


def import_set(
    workspace: Workspace, dataset: str, name: str, content: bytes, *, who: str = ""
) -> tuple[int, list[str]]:
    """Saves the samples that a file lists (see `listed_ids`) as a set: how many, and the entries that are not in the
    dataset.
    """
    ids, unknown = listed_ids(workspace.dataset(dataset), content)
    save_set(workspace, dataset, name, ids, who=who)
    return len(ids), unknown


def check_name(name: str) -> str:
    """A name without blanks around it; one that cannot be a name is refused."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise CurateError(f"a name has 1 to {LONGEST_NAME} printable characters")
    return name
