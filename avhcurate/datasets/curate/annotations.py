"""Tags, relabels and exclusions of samples chosen by id or by filter, with undo."""

from collections.abc import Sequence

from avhcurate.datasets.table.columns import literal
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.empty_view import empty_view
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.workspace.data.class_lists import stored_class
from avhcurate.workspace.data.event import ACTIONS, Event
from avhcurate.workspace.disk.columns import listed

#: The samples that an action changes, as SQL of its value: what changes nothing is not written.
_CHANGES = {
    "tag": "NOT list_contains(tags, {value})",
    "untag": "list_contains(tags, {value})",
    "relabel": "curated_label IS DISTINCT FROM {value}",
    "exclude": "NOT excluded OR NOT list_contains(tags, {value})",
    "include": "excluded",
}
#: A tag is short and printable, so that it fits a chip and a file.
_LONGEST_TAG = 60


def annotate(
    decisions: Decisions, selected: Sequence[int] | Filters, action: str, value: str | int | None = None
) -> int:
    """Apply `action` (tag, untag, relabel, exclude, include) to samples by id or by filter; return how many changed.

    `value` is the tag, or the class index of a relabel (None restores the given label); an exclusion may have one as
    its reason, which is a tag until it is undone or the sample included again. The event is on disk when this returns;
    where nothing changes there is none.
    """
    stored = _stored(decisions, action, value)
    decisions.refresh()
    if not isinstance(selected, Filters):
        decisions.samples.paths_of(selected)  # refuses unknown ids
        selected = Filters(excluded=None, ids=tuple(map(int, selected)))
    paths = decisions.samples.paths(selected, _changes(action, stored, value))
    if not paths and not decisions.samples.count(selected):
        if selected.ids == ():
            raise CurateError("No images are chosen. Select some first.")
        raise empty_view(decisions.samples, selected, "No image satisfies the condition. Widen it.")
    if paths:
        decisions.log.annotate(decisions.present_id(), action, stored, paths)
        decisions.refresh()
    return len(paths)


def _changes(action: str, stored: str | None, value: str | int | None) -> str:
    """Return SQL of the samples that an action would change."""
    if action not in _CHANGES:
        raise CurateError(f"The action {action} is unknown. Choose from {', '.join(_CHANGES)}.")
    if action == "exclude" and stored is None:
        return "NOT excluded"
    compared = literal(stored)
    if action == "relabel":
        compared = "label"
        if value is not None:
            compared = str(int(value))
    return _CHANGES[action].format(value=compared)


def undo(decisions: Decisions, *, actions: Sequence[str] = ACTIONS) -> Event | None:
    """Undo the acting person's newest event (by one of `actions`) that is not undone; return it, None without any."""
    event = decisions.log.undo(decisions.present_id(), actions=actions)
    decisions.refresh()
    return event


def class_index(samples: SampleTable, label: str | int) -> int:
    """Return the class index of a name, or of an index; a name goes before an index that is written as text."""
    if label in samples.classes:
        return samples.classes.index(str(label))
    if str(label).isdecimal() and int(label) < len(samples.classes):
        return int(label)
    raise CurateError(f"Unknown class {label}. Choose from {listed(samples.classes)}.")


def check_text(text: object, what: str, longest: int) -> str:
    """Return a name or tag without blanks around it; refuse one that is empty, too long or not printable."""
    name = str(text or "").strip()
    if not name or len(name) > longest or not name.isprintable():
        raise CurateError(f"A {what} has 1 to {longest} printable characters.")
    return name


def _stored(decisions: Decisions, action: str, value: str | int | None) -> str | None:
    """Return the value as the log stores it."""
    if action in ("tag", "untag") or (action == "exclude" and value is not None):
        return check_text(value, "tag", _LONGEST_TAG)
    if action != "relabel" or value is None:
        return None
    if not str(value).isdecimal() or int(value) >= len(decisions.samples.classes):
        raise CurateError(f"Unknown class {value}. Labels run from 0 to {len(decisions.samples.classes) - 1}.")
    return stored_class(int(value), decisions.own_classes)
