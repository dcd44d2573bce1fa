"""Tags, relabels and exclusions of samples chosen by id or by filter, with undo."""

import getpass
from collections.abc import Sequence
from typing import Any

from avhcurate.data.annotation_log import ACTIONS
from avhcurate.data.people import acting
from avhcurate.disk.columns import listed
from avhcurate.errors import CurateError
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.empty_view import empty_view
from avhcurate.table.filters import Filters

#: A tag is short and printable, so that it fits a chip and a file.
_LONGEST_TAG = 60


def annotate(
    table: DatasetTable, chosen: Sequence[int] | Filters, action: str, value: str | int | None = None, *, who: str = ""
) -> int:
    """Applies `action` (tag, untag, relabel, exclude, include) to samples by id or by filter; returns how many.

    `value` is the tag, or the class index of a relabel (None restores the given label); an exclusion may have one as
    its reason, which is a tag until it is undone or the sample included again. The entry is on the disk when this
    returns.
    """
    filters = chosen if isinstance(chosen, Filters) else None
    paths = table.paths(filters) if filters else table.paths_of(list(dict.fromkeys(chosen)))  # type: ignore[arg-type]
    if filters and not paths:
        raise empty_view(table, filters, "no sample satisfies the condition: widen it")
    checked = _checked(table, action, value)
    name = table.present_name()
    table.log.append(name, action, checked, paths, who=who or user(), classes=table.class_lists)
    table.refresh()
    return len(paths)


def undo(table: DatasetTable, *, who: str = "", actions: Sequence[str] = ACTIONS) -> Any | None:
    """Undoes the newest entry of `who` (by one of `actions`) that is not undone; its row, None when there is none."""
    entry = table.log.undo(table.present_name(), who=who or user(), actions=actions)
    table.refresh()
    return entry


def class_index(table: DatasetTable, label: str | int) -> int:
    """The class index of a name, or of an index; a name goes before an index that is written as text."""
    if label in table.classes:
        return table.classes.index(str(label))
    if str(label).isdecimal() and int(label) < len(table.classes):
        return int(label)
    raise CurateError(f"there is no class {label}: choose from {listed(table.classes)}")


def user() -> str:
    """Name under which entries are written: who is signed in, else the account's, "somebody" where it has none."""
    if name := acting().name:
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def _checked(table: DatasetTable, action: str, value: str | int | None) -> str | None:
    if action in ("tag", "untag") or (action == "exclude" and value is not None):
        tag = str(value or "").strip()
        if not tag or len(tag) > _LONGEST_TAG or not tag.isprintable():
            raise CurateError(f"a tag has 1 to {_LONGEST_TAG} printable characters")
        return tag
    if action == "relabel" and value is not None:
        if str(value) not in map(str, range(len(table.classes))):
            raise CurateError(f"there is no class {value}: labels run from 0 to {len(table.classes) - 1}")
        return str(value)
    return None
