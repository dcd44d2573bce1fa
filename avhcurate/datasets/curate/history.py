"""The history of a dataset's tags, relabels, exclusions, sets and views: who and when, and undo of any entry."""

from collections.abc import Sequence

from avhcurate.datasets.table.decisions import Decisions
from avhcurate.errors import CurateError, Run
from avhcurate.workspace.data.class_lists import class_number
from avhcurate.workspace.data.event import ACTIONS, Event

#: No database takes a longer number.
_MOST_DIGITS = 18
#: What undoing an old entry means where later ones decided about the same samples.
RULE = "Undo reverses one entry. Later decisions about the same images stay."
_WORDS = {
    "tag": "tagged",
    "untag": "removed the tag",
    "relabel": "relabelled as",
    "import labels": "took labels from",
    "exclude": "excluded",
    "include": "included again",
    "lock": "locked",
    "check": "checked by hand:",
    "look": "looked blind, for the certificate",
    "rename class": "renamed the class",
    "merge classes": "merged the classes",
    "add class": "added the class",
    "split class": "split the class",
    "label by votes": "labelled images by the",
    "retire class": "retired the class",
    "set parents": "took parents of the classes from",
    "save set": "saved the set",
    "remove set": "removed the set",
    "save view": "saved the view",
    "save keys": "changed the",
    "remove view": "removed the view",
}


def history_entries(
    decisions: Decisions,
    *,
    who: str | None = None,
    actions: Sequence[str] = (),
    sample: int | None = None,
    offset: int = 0,
    limit: int = 50,
) -> tuple[list[Event], int]:
    """Return entries by person, actions and annotated sample, newest first, and how many there are in all."""
    path = None
    if sample is not None:
        path = decisions.samples.sample(sample)["path"]
    return decisions.log.history(decisions.dataset.id, who=who, actions=actions, path=path, offset=offset, limit=limit)


def samples_of(decisions: Decisions, entries: Sequence[Event], *, most: int) -> dict[int, list[int]]:
    """Return the ids that decisions on at most so many samples are about, by the number of the entry."""
    numbers = [entry.id for entry in entries if entry.action in ACTIONS and entry.samples <= most]
    paths_of = decisions.log.paths_of(numbers)
    paths = [sorted({path for paths in paths_of.values() for path in paths})]
    ids = dict(
        decisions.samples.query("SELECT path, id FROM samples WHERE path IN (SELECT unnest(?::VARCHAR[]))", paths)
    )
    return {number: sorted(ids[path] for path in paths if path in ids) for number, paths in paths_of.items()}


def undo_entry(decisions: Decisions, key: str) -> str:
    """Undo one entry and return what it was about; one that is already undone is refused."""
    if not key.isdecimal() or len(key) > _MOST_DIGITS:
        raise CurateError(f"Unknown entry {key}.", fix=f"{Run('history', decisions.samples.name)} to see them")
    event = decisions.log.revert(decisions.dataset.id, int(key))
    decisions.refresh()
    return entry_text(event)


def entry_text(entry: Event) -> str:
    """Return what an entry was about, as after "undid": `tag blurred on 2 images`."""
    words = [entry.action]
    if entry.value and entry.action not in ("relabel", "include"):
        words.append(entry.value)
    if entry.action in ACTIONS:
        words.append(f"on {entry.samples:,} image{'s' * (entry.samples != 1)}")
    return " ".join(words)


def describe(entry: Event, classes: Sequence[str]) -> str:
    """Return in words what an entry did; `classes` are the table's."""
    value = entry.value
    if entry.action == "relabel":
        if value is None:
            return "restored the label"
        number = class_number(value, classes)
        if number is not None and number < len(classes):
            value = classes[number]
    return " ".join(filter(None, (_WORDS.get(entry.action, entry.action), value)))
