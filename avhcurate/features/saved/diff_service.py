"""What people changed between two moments of a dataset's history, by whom and why; and a way back to one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd

from avhcurate.datasets.curate.history import describe
from avhcurate.datasets.curate.second_person import second_person
from avhcurate.datasets.table.address_values import LONGEST_ADDRESS
from avhcurate.datasets.table.columns import KEPT
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset, open_dataset
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.features.saved import diff_rules
from avhcurate.features.saved.diff_rules import counts_of, text_of
from avhcurate.features.suspects.store import suspects_of
from avhcurate.workspace.data.class_lists import stored_class
from avhcurate.workspace.data.event import CLASS_ACTIONS, IMPORT_LABELS, Event
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace

#: Changes of classes that a comparison names.
_MOST_CHANGES = 100
#: The actions that make changes of each kind.
_ACTIONS = {
    "relabelled": ("relabel", IMPORT_LABELS),
    "excluded": ("exclude", "include"),
    "included": ("exclude", "include"),
    "tagged": ("tag", "untag", "exclude", "include"),
}


@dataclass(frozen=True)
class Diff:
    """What differs between two moments of a dataset: `changes` a row each, counts by class, and the summary.

    `since` and `until` are the entries of the history after which the moments are. `labels` are those of the second, by
    id. `run` is the name of the open run, "" without one. `notes` say what people made of the classes between them, for
    both moments have the labels that follow from all, and what a second person says of the decisions.
    """

    samples: SampleTable
    run: str
    since: int
    until: int
    changes: pd.DataFrame
    labels: pd.Series
    classes: pd.DataFrame
    summary: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many differences there are of each kind that occurs."""
        return counts_of(self.changes)

    def query(self, rows: pd.DataFrame) -> dict[str, str]:
        """Return the parameters of the gallery of the images of some changes; {} of too many for an address."""
        return gallery_of(self.samples.name, self.run, rows["id"])

    def of_kind(self, kind: str) -> pd.DataFrame:
        """Return the changes of a kind."""
        return self.changes[self.changes["kind"] == kind]

    def result(self) -> dict[str, Any]:
        """Return all of it but the single differences, for JSON."""
        galleries = {
            kind: f"gallery?{urlencode(query)}" for kind in self.counts if (query := self.query(self.of_kind(kind)))
        }
        return {
            "since": self.since,
            "until": self.until,
            "counts": self.counts,
            "galleries": galleries,
            "summary": self.summary,
            "classes": self.classes,
            "notes": list(self.notes),
        }

    @property
    def text(self) -> str:
        """How many differences there are of each kind, in words."""
        return text_of(self.counts)


def gallery_of(dataset: str, run: str, ids: pd.Series) -> dict[str, str]:
    """Return the parameters of the gallery of some images; {} of too many for an address."""
    filters = Filters(excluded=None, ids=tuple(ids.drop_duplicates().astype(int).tolist()))
    query = {"dataset": dataset} | filters.to_query()
    if run:
        query["run"] = run
    return query if len(urlencode(query)) <= LONGEST_ADDRESS else {}


def diff(opened: OpenDataset, since: int = 0, until: int | None = None) -> Diff:
    """Return what differs between the moments after two entries of the history; 0 is the import, None now."""
    if until is None:
        until = opened.samples.entry
    before = state(opened.decisions, opened.run, since)
    after = state(opened.decisions, opened.run, until)
    first, last = sorted((since, until))
    entries, _ = opened.decisions.log.history(opened.dataset.id, actions=CLASS_ACTIONS, limit=_MOST_CHANGES)
    between = [entry for entry in entries[::-1] if first < entry.id <= last and not entry.undone_by]
    notes = [f"{entry.who} {describe(entry, opened.samples.classes)} ({entry.at:%Y-%m-%d %H:%M})." for entry in between]
    if until == opened.samples.entry:
        notes += filter(None, [second_person(opened.decisions, opened.votes).text])
    return Diff(
        samples=opened.samples,
        run=name_of(opened.run),
        since=since,
        until=until,
        changes=_with_reasons(diff_rules.differences(before, after), opened.decisions, first, last),
        labels=after.set_index("id")["label"],
        classes=diff_rules.class_counts(before, after),
        summary=diff_rules.summary(before, after),
        notes=tuple(notes),
    )


def moments(
    workspace: Workspace, first: str, second: str = "", *, model: str | None = None
) -> tuple[OpenDataset, int, int]:
    """Return the table of DATASET or DATASET@ENTRY and two entries of its history: of the first and of the second name.

    Both are of one dataset. A name without an entry means now, and the first one alone the import. Without a second
    name, until now.
    """
    name, since = moment(first)
    _, until = moment(second or name)
    opened = open_dataset(workspace, name, model)
    if since is None:
        since = opened.samples.entry if second else 0
    if until is None:
        until = opened.samples.entry
    return opened, since, until


def moment(text: str) -> tuple[str, int | None]:
    """Return the dataset and the entry that DATASET or DATASET@ENTRY names, None for now."""
    name, at, entry = text.rpartition("@")
    if at and entry.isdecimal():
        return name, int(entry)
    return text, None


def state(decisions: Decisions, run: RunFolder | None, entry: int) -> pd.DataFrame:
    """Return the images after an entry of the history, by id: `id, path, given, label, excluded, tags, suspect`."""
    if entry > decisions.samples.entry:
        name = decisions.samples.name
        raise CurateError(f"The history of {name} ends with entry {decisions.samples.entry}. Take one from it, or 0.")
    rows = decisions.samples.frame(columns=["id", "path", "label"])
    names = np.array([*decisions.samples.classes, ""], object)
    given = names[rows.pop("label").to_numpy(np.int64, na_value=-1)]
    states = decisions.log.state(decisions.dataset.id, decisions.own_classes, until=entry).to_pandas()
    positions = pd.Index(rows["path"]).get_indexer(states["path"])
    states = states[positions >= 0]
    positions = positions[positions >= 0]
    label = given.copy()
    tags = np.full(len(rows), "", object)
    excluded = np.zeros(len(rows), bool)
    curated = pd.Series(decisions.samples.classes).reindex(states["curated_label"].astype("float")).to_numpy(object)
    label[positions] = np.where(states["curated_label"].notna(), curated, label[positions])
    tags[positions] = states["tags"].map(";".join).to_numpy(object)
    excluded[positions] = states["excluded"].to_numpy(bool)
    rows = rows.assign(given=given, label=label, excluded=excluded, tags=tags)
    return rows.assign(suspect=_suspects(run, rows))


def _suspects(run: RunFolder | None, rows: pd.DataFrame) -> np.ndarray | float:
    """Return which images are in the newest list of suspects and undecided; NaN without a list."""
    lists = suspects_of(run) if run else []
    if not lists:
        return np.nan
    listed = rows["id"].isin(lists[-1].suspects()["id"]) & (rows["label"] == rows["given"])
    return (listed & ~_tagged(rows, KEPT)).to_numpy(float)


def _tagged(rows: pd.DataFrame, tag: str) -> pd.Series:
    """Return which images have a tag."""
    return (";" + rows["tags"] + ";").str.contains(f";{tag};", regex=False)


# --- who and why -------------------------------------------------------------------------------------------------


def name_of(run: RunFolder | None) -> str:
    """Return the name of a run, "" for none."""
    if run is None:
        return ""
    return run.name


def _with_reasons(changes: pd.DataFrame, decisions: Decisions, since: int, until: int) -> pd.DataFrame:
    """Return the changes with who decided each, when and how."""
    changes = changes.assign(who="", at="", why="")
    between = decisions.log.decisions(decisions.dataset.id, since=since, until=until)
    if changes.empty or between.empty:
        return changes
    events = between.drop_duplicates("event").set_index("event")
    reasons = {
        "who": events["who"],
        "at": events["at"].map("{:%Y-%m-%d %H:%M}".format),
        "why": pd.Series([_why(row, decisions.samples.classes) for row in events.to_dict("records")], events.index),
    }
    for kind, actions in _ACTIONS.items():
        of_kind = changes["kind"] == kind
        acts = between[between["action"].isin(actions)].drop_duplicates("path", keep="last").set_index("path")
        last = changes.loc[of_kind, "path"].map(acts["event"])
        for column, texts in reasons.items():
            changes.loc[of_kind, column] = last.map(texts).astype(object).fillna("")
    return changes


def _why(row: Mapping[Any, Any], classes: tuple[str, ...]) -> str:
    entry = Event(id=0, at=row["at"], who=row["who"], action=row["action"], value=row["value"], details=None, samples=0)
    text = describe(entry, classes)
    if row["undo"]:
        return f"undid: {text}"
    return text


# --- the way back ------------------------------------------------------------------------------------------------


def restore(decisions: Decisions, run: RunFolder | None, entry: int, changes: pd.DataFrame | None = None) -> int:
    """Give labels, tags and exclusions the state after an entry of the history, as new entries that can be undone.

    Of `changes`, rows of `Diff.changes`, only these are taken back. Returns how many images change.
    """
    decisions.refresh()
    now = state(decisions, run, decisions.samples.entry)
    then = state(decisions, run, entry)
    id = decisions.present_id()
    changed = np.zeros(len(now), bool)

    def decide(action: str, value: str | None, rows: pd.Series, labels: list[str] | None = None) -> None:
        if rows.any():
            decisions.log.annotate(id, action, value, now["path"][rows].tolist(), labels=labels)
            changed[rows] = True

    def mask_of(*kinds: str) -> pd.Series:
        if changes is None:
            return pd.Series(True, now.index)
        return now["id"].isin(changes.loc[changes["kind"].isin(kinds), "id"])

    moved = mask_of("excluded", "included") & (then["excluded"] != now["excluded"])
    decide("exclude", None, moved & then["excluded"])
    decide("include", None, moved & ~then["excluded"])
    moved = mask_of("relabelled") & (then["label"] != now["label"])
    restored = moved & (then["label"] == then["given"])
    others = moved & ~restored
    stored = {
        name: stored_class(number, decisions.own_classes) for number, name in enumerate(decisions.samples.classes)
    }
    decide("relabel", None, restored)
    decide(IMPORT_LABELS, f"entry {entry}", others, then.loc[others, "label"].map(stored).tolist())
    decisions.refresh()
    now = state(decisions, run, decisions.samples.entry)
    for name in sorted(set(";".join([*then["tags"], *now["tags"]]).split(";")) - {""}):
        had = _tagged(then, name)
        has = _tagged(now, name)
        decide("tag", name, mask_of("tagged") & had & ~has)
        decide("untag", name, mask_of("tagged") & has & ~had)
    decisions.refresh()
    return int(changed.sum())
