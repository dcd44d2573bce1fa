"""The history of a dataset's tags, relabels, exclusions, sets and views: who and when, and undo of any entry."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from avhcurate.curate.annotations import user
from avhcurate.data.class_lists import ClassLists
from avhcurate.data.history_log import HistoryEntry, history_page, history_values
from avhcurate.errors import CurateError
from avhcurate.table.dataset_table import DatasetTable

#: A longer number is that of no entry, and no database takes it.
_MOST_DIGITS = 18
#: What undoing an old entry means where later ones decided about the same samples.
RULE = (
    "Undo takes one entry out of the history. Where a later entry has decided the same tag, label or exclusion of a "
    "sample, or saved the same name, the later one stands; where none has, what stood before comes back."
)

_WORDS = {
    "tag": "tagged",
    "untag": "took off the tag",
    "import labels": "took labels from",
    "exclude": "excluded",
    "include": "included again",
    "save set": "saved the set",
    "remove set": "removed the set",
    "save view": "saved the view",
    "save keys": "changed the",
    "remove view": "removed the view",
}


def history_entries(
    table: DatasetTable,
    *,
    who: str | None = None,
    actions: Sequence[str] = (),
    sample: int | None = None,
    offset: int = 0,
    limit: int = 50,
) -> tuple[list[HistoryEntry], int]:
    """Entries of the dataset by person, actions and annotated sample, newest first, and how many there are in all."""
    path = None if sample is None else table.sample(sample)["path"]
    entries, count = history_page(
        table.log.engine, table.dataset.name, who=who, actions=actions, path=path, offset=offset, limit=limit
    )
    return [_with_its_classes(entry, table.class_lists) for entry in entries], count


def _with_its_classes(entry: HistoryEntry, classes: ClassLists) -> HistoryEntry:
    """A relabel of before an import that changed the classes, with those that it means."""
    if entry.action != "relabel" or entry.id > classes.newest:
        return entry
    return replace(entry, classes=classes.at_entry(entry.id))


def filter_options(table: DatasetTable, column: Literal["who", "action"]) -> list[str]:
    """Everybody, or every action, in the history."""
    return history_values(table.log.engine, table.dataset.name, column)


def undo_entry(table: DatasetTable, key: str, *, who: str = "") -> str:
    """Undoes one entry and returns what it was about; one undone already is refused."""
    log, _, number = key.partition("-")
    if log not in ("label", "saved") or not number.isdecimal() or len(number) > _MOST_DIGITS:
        raise CurateError(f"no entry is called {key}: take one from `avhcurate history {table.dataset.name}`")
    name, me = table.present_name(), who or user()
    if log == "label":
        event = table.log.revert(name, int(number), who=me)
        about = f"{event.action} on {event.samples:,} samples"
    else:
        entry = table.saved.undo(name, int(number), who=me)
        about = f"{entry.action} {entry.kind} {entry.name}"
    table.refresh()
    return about


def describe(entry: HistoryEntry, classes: Sequence[str]) -> str:
    """What an entry did, in words; `classes` are the dataset's."""
    if entry.action == "relabel":
        if entry.value is None:
            return "restored the label"
        number = int(entry.value)
        classes = entry.classes or classes
        return f"relabelled as {classes[number] if number < len(classes) else number}"
    return " ".join(filter(None, (_WORDS[entry.action], entry.value)))
