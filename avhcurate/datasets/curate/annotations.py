"""Tags, relabels and exclusions of samples chosen by id or by filter, with undo."""

import getpass
from collections.abc import Sequence

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.empty_view import empty_view
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.workspace.data.class_lists import stored_class
from avhcurate.workspace.data.events import ACTIONS, Event
from avhcurate.workspace.data.people import acting
from avhcurate.workspace.disk.columns import listed

#: A tag is short and printable, so that it fits a chip and a file.
_LONGEST_TAG = 60


def annotate(table: DatasetTable, chosen: Sequence[int] | Filters, action: str, value: str | int | None = None) -> int:
    """Apply `action` (tag, untag, relabel, exclude, include) to samples by id or by filter; return how many.

    `value` is the tag, or the class index of a relabel (None restores the given label); an exclusion may have one as
    its reason, which is a tag until it is undone or the sample included again. The event is on disk when this returns.
    """
    if isinstance(chosen, Filters):
        paths = table.paths(chosen)
        if not paths:
            raise empty_view(table, chosen, "No sample satisfies the condition. Widen it.")
    else:
        paths = table.paths_of(list(dict.fromkeys(chosen)))
    stored = _stored(table, action, value)
    table.log.annotate(table.present_id(), action, stored, paths, who=user())
    table.refresh()
    return len(paths)


def undo(table: DatasetTable, *, actions: Sequence[str] = ACTIONS) -> Event | None:
    """Undo the acting person's newest event (by one of `actions`) that is not undone; return it, None without any."""
    event = table.log.undo(table.present_id(), who=user(), actions=actions)
    table.refresh()
    return event


def class_index(table: DatasetTable, label: str | int) -> int:
    """Return the class index of a name, or of an index; a name goes before an index that is written as text."""
    if label in table.classes:
        return table.classes.index(str(label))
    if str(label).isdecimal() and int(label) < len(table.classes):
        return int(label)
    raise CurateError(f"Unknown class {label}. Choose from {listed(table.classes)}.")


def user() -> str:
    """Return the name under which events are written: who is signed in, else the account's, else "somebody"."""
    try:
        return acting().name or getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def check_text(text: object, what: str, longest: int) -> str:
    """Return a name or tag without blanks around it; refuse one that is empty, too long or not printable."""
    name = str(text or "").strip()
    if not name or len(name) > longest or not name.isprintable():
        raise CurateError(f"A {what} has 1 to {longest} printable characters.")
    return name


def _stored(table: DatasetTable, action: str, value: str | int | None) -> str | None:
    """Return the value as the log stores it."""
    if action in ("tag", "untag") or (action == "exclude" and value is not None):
        return check_text(value, "tag", _LONGEST_TAG)
    if action != "relabel" or value is None:
        return None
    if not str(value).isdecimal() or int(value) >= len(table.classes):
        raise CurateError(f"Unknown class {value}. Labels run from 0 to {len(table.classes) - 1}.")
    return stored_class(int(value), table.own_classes)
