"""Two states of a dataset compared: moments of its history, imports, or exported label files; and a way back to one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd

from avhcurate.datasets.curate.annotations import user
from avhcurate.datasets.curate.history import describe
from avhcurate.datasets.table.columns import KEPT
from avhcurate.datasets.table.dataset_table import DatasetTable, open_table
from avhcurate.datasets.table.filters import LONGEST_ADDRESS, Filters
from avhcurate.errors import CurateError, Run, words
from avhcurate.features.saved import diff_rules
from avhcurate.features.saved.diff_rules import KINDS, ON_IMAGES
from avhcurate.features.suspects.store import suspects_of
from avhcurate.measures.scores import SCORES
from avhcurate.workspace.data.class_lists import stored_class
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.events import CLASS_ACTIONS, IMPORT_LABELS, Event
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.budget import check_file
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.json_text import parsed
from avhcurate.workspace.disk.tabular import read_table

#: Scores that are compared, with HSF.
COMPARED = ("confidence", "avh", "avc", "loss", "hsf")
#: What the columns of labels in a file are called here.
_TEXTS = {"label_name": "given", "curated_label_name": "label", "predicted_name": "predicted"}
#: The columns of class indices, and what their names are called here.
_CODES = {"label": "given", "curated_label": "label", "predicted": "predicted"}
_MANIFEST = ".manifest.json"
#: Changes of classes that a comparison names.
_MOST_CHANGES = 100


@dataclass(frozen=True)
class State:
    """The images of a dataset as they were at some time, a row each; see `diff_rules.differences`.

    `fingerprint` is that of the import, `entry` the number of the last entry of its history that counts. Without a
    `table` it comes from a file.
    """

    title: str
    rows: pd.DataFrame
    fingerprint: str
    entry: int
    table: DatasetTable | None = None

    def query(self, ids: pd.Series) -> dict[str, str]:
        """Return the parameters of the gallery of some images; {} from a file, and of too many for an address."""
        if self.table is None:
            return {}
        filters = Filters(excluded=None, ids=tuple(ids.astype(int).tolist()))
        query = {"dataset": self.table.dataset.name} | filters.to_query()
        if self.table.run is not None:
            query["run"] = self.table.run.name
        return query if len(urlencode(query)) <= LONGEST_ADDRESS else {}


@dataclass(frozen=True)
class Diff:
    """What differs between two states: `changes` a row each, `shifts` of scores, counts by class, and the summary.

    `notes` say what the comparison could not see.
    """

    before: State
    after: State
    changes: pd.DataFrame
    shifts: pd.DataFrame
    classes: pd.DataFrame
    summary: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many differences there are of each kind that occurs."""
        counts = self.changes["kind"].value_counts()
        return {kind: int(counts[kind]) for kind in KINDS if kind in counts}

    def query(self, kind: str) -> dict[str, str]:
        """Return the parameters of the gallery of a kind, see `State.query`."""
        state = self.after
        if kind == "gone":
            state = self.before
        return state.query(self.changes.loc[self.changes["kind"] == kind, "id"])

    def result(self) -> dict[str, Any]:
        """Return all of it but the single differences, for JSON."""
        galleries = {kind: f"gallery?{urlencode(query)}" for kind in self.counts if (query := self.query(kind))}
        return {
            "before": self.before.title,
            "after": self.after.title,
            "counts": self.counts,
            "galleries": galleries,
            "summary": self.summary,
            "classes": self.classes,
            "scores": self.shifts,
            "notes": list(map(words, self.notes)),
        }


def diff(before: State, after: State) -> Diff:
    """Return what differs between two states."""
    notes = []
    old = before.rows
    new = after.rows
    tables = [state.table for state in (before, after) if state.table is not None]
    if len(tables) < 2:  # an export leaves excluded images out
        old, new = (rows[~rows["excluded"]].reset_index(drop=True) for rows in (old, new))
    of_one_import = before.fingerprint == after.fingerprint
    measured = not (old["content"].eq("").all() or new["content"].eq("").all())
    if of_one_import or not measured:
        old, new = (rows.assign(content=rows["path"]) for rows in (old, new))
    if not of_one_import and not measured:
        names = dict.fromkeys(table.dataset.name for table in tables)
        runs = " and ".join(f"{Run('quality', name)}" for name in names) or Run("quality")
        notes.append(f"Images are compared by path, since their content is not measured: {runs}.")
    notes += _class_changes(before, after)
    pairs = np.arange(len(old)), np.arange(len(new))
    if not of_one_import or not old["id"].equals(new["id"]):
        pairs = diff_rules.same_images(old, new)
    scores = {}
    lacking = []
    for key in COMPARED:
        name = SCORES[key].name if key in SCORES else "HSF"
        there = [rows[key].notna().any() for rows in (old, new)]
        if all(there):
            scores[key] = name
        elif any(there):
            lacking.append(name)
    if lacking:
        notes.append(f"Only one of the two has {listed(lacking)}: not compared.")
    return Diff(
        before=before,
        after=after,
        changes=_with_reasons(diff_rules.differences(old, new, pairs, list(scores)), before, after),
        shifts=diff_rules.shifts(old, new, pairs, scores),
        classes=diff_rules.class_counts(old, new),
        summary=diff_rules.summary(old, new),
        notes=tuple(notes),
    )


def _class_changes(before: State, after: State) -> list[str]:
    """Return what people made of the classes between two states; both have the labels that follow from all of it."""
    table = after.table
    if table is None or before.fingerprint != after.fingerprint:
        return []
    entries, _ = table.log.history(table.dataset.id, actions=CLASS_ACTIONS, limit=_MOST_CHANGES)
    since, until = sorted((before.entry, after.entry))
    between = [entry for entry in entries[::-1] if since < entry.id <= until and not entry.undone_by]
    return [f"{entry.who} {describe(entry, table.classes)} ({entry.at:%Y-%m-%d %H:%M})." for entry in between]


def text_of(diff: Diff) -> str:
    """Return how many differences there are of each kind, in words."""
    return ", ".join(f"{KINDS[kind].lower()} {n:,}" for kind, n in diff.counts.items()) or "nothing differs"


# --- states ------------------------------------------------------------------------------------------------------


def states(workspace: Workspace, first: str, second: str = "", *, model: str | None = None) -> tuple[State, State]:
    """Return two states by their names: DATASET, DATASET@ENTRY for one after that entry of its history (0 for as it
    was imported), or a label file that was exported. Without a second name, from the import until now.
    """
    if not second:
        first, second = f"{first}@0", first
    now: dict[str, State] = {}
    return _state(workspace, first, model, now), _state(workspace, second, model, now)


def _state(workspace: Workspace, text: str, model: str | None, now: dict[str, State]) -> State:
    name, at, entry = text.rpartition("@")
    if not at or not entry.isdecimal():
        name = text
        entry = ""
    file = Path(text.removesuffix(_MANIFEST))
    if name not in workspace.names() and file.is_file():
        return _of_file(workspace, file)
    if name not in now:
        now[name] = state_of(open_table(workspace, name, model))
    if not entry:
        return now[name]
    return earlier(now[name], int(entry))


def state_of(table: DatasetTable) -> State:
    """Return the present state of a dataset."""
    columns = ["id", "path", "split", "excluded", *_CODES, *(key for key in COMPARED if key in table.columns)]
    rows = table.frame(columns=columns)
    names = np.array([*table.classes, ""], object)
    for column, name in _CODES.items():
        rows[name] = names[rows.pop(column).to_numpy(np.int64, na_value=-1)]
    rows = rows.reindex(columns=[*rows.columns, *(key for key in COMPARED if key not in rows)])
    tags = np.full(len(rows), "", object)
    for id, text in table.query("SELECT id, array_to_string(tags, ';') FROM samples WHERE len(tags) > 0"):
        tags[id] = text
    content = pd.Series(_content(table.dataset), rows.index, dtype=object)
    rows = rows.assign(tags=tags, split=rows["split"].astype(object).fillna(""), content=content.fillna(rows["path"]))
    rows["suspect"] = _suspects(table, rows)
    title = table.dataset.name
    newest = table.annotated
    return State(title=title, rows=rows, fingerprint=table.dataset.record.fingerprint, entry=newest, table=table)


def earlier(now: State, entry: int) -> State:
    """Return the state after an entry of the history, from the present one."""
    table = now.table
    rows = now.rows
    assert table is not None
    if entry > now.entry:
        raise CurateError(f"The history of {now.title} ends with entry {now.entry}. Take one from it, or 0.")
    then = table.log.state(table.dataset.id, table.own_classes, until=entry).to_pandas()
    place = pd.Index(rows["path"]).get_indexer(then["path"])
    then = then[place >= 0]
    place = place[place >= 0]
    names = pd.Series(table.classes).reindex(then["curated_label"].astype("float")).to_numpy(object)
    label = rows["given"].to_numpy(copy=True)
    tags = np.full(len(rows), "", object)
    excluded = np.zeros(len(rows), bool)
    label[place] = np.where(then["curated_label"].notna(), names, label[place])
    tags[place] = then["tags"].map(";".join).to_numpy(object)
    excluded[place] = then["excluded"].to_numpy(bool)
    rows = rows.assign(label=label, tags=tags, excluded=excluded)
    rows["suspect"] = _suspects(table, rows)
    return replace(now, title=f"{now.title}@{entry}", rows=rows, entry=entry)


def _content(dataset: DatasetFolder) -> np.ndarray | str:
    """Return a fingerprint of each image's file, None where it cannot be read; "" where none was measured."""
    quality = dataset.quality
    record = dataset.record
    if not quality.ready(record.fingerprint) or not quality.scores_path.exists():
        return ""
    return quality.measures().set_index("id")["sha256"].reindex(range(record.samples)).to_numpy(object)


def _suspects(table: DatasetTable, rows: pd.DataFrame) -> np.ndarray | float:
    """Return which images are in the newest list of suspects and undecided; NaN without a list."""
    lists = suspects_of(table.run) if table.run else []
    if not lists:
        return np.nan
    listed = rows["id"].isin(lists[-1].suspects()["id"]) & (rows["label"] == rows["given"])
    return (listed & ~_tagged(rows, KEPT)).to_numpy(float)


def _tagged(rows: pd.DataFrame, tag: str) -> pd.Series:
    """Return which images have a tag."""
    return (";" + rows["tags"] + ";").str.contains(f";{tag};", regex=False)


def _of_file(workspace: Workspace, file: Path) -> State:
    """Return the state that an exported table of labels has."""
    try:
        manifest = parsed(file.with_name(file.name + _MANIFEST).read_text(encoding="utf-8"))
        fingerprint = manifest["dataset_fingerprint"]
        entry = int(manifest.get("entry", 0))
    except (OSError, ValueError, KeyError) as problem:
        raise CurateError(
            f"{file} has no manifest next to it.", fix="Give a file that `avhcurate export` wrote"
        ) from problem
    texts = ("path", "split", "tags", *_TEXTS)
    rows = _read(file, texts)
    if "path" not in rows:
        raise CurateError(f"{file} has no column path. Export it as CSV, Parquet or JSON lines.")
    rows = (
        rows.reindex(columns=["id", *texts, *COMPARED])
        .rename(columns=_TEXTS)
        .assign(excluded=False, content="", suspect=np.nan)
    )
    rows["tags"] = rows["tags"].map(_joined)
    for name in ("split", "tags", *_TEXTS.values()):
        rows[name] = rows[name].astype(object).fillna("")
    for name in workspace.names():
        folder = workspace.dataset(name)
        if folder.record.fingerprint == fingerprint:
            if not isinstance(content := _content(folder), str):
                rows["content"] = content[rows["id"].astype(int)]
            break
    return State(title=file.name, rows=rows, fingerprint=fingerprint, entry=entry)


def _read(file: Path, texts: Sequence[str]) -> pd.DataFrame:
    if file.suffix.casefold() != ".jsonl":
        return read_table(file, texts=texts).to_pandas()
    check_file(file)
    try:
        return pd.read_json(file, lines=True, dtype=False)
    except ValueError as problem:
        raise CurateError(f"{file} is not JSON lines ({problem}). Export it again.") from problem


def _joined(tags: Any) -> str:
    """Return tags as a CSV has them: Parquet has a list, and either may have nothing."""
    if isinstance(tags, str):
        return tags
    return ";".join(tags) if np.iterable(tags) else ""


# --- who and why -------------------------------------------------------------------------------------------------

#: The kinds that people decide, with the actions that change each.
DECIDED = {
    "relabelled": ("relabel", IMPORT_LABELS),
    "gone": ("exclude", "include"),
    "added": ("exclude", "include"),
    "excluded": ("exclude", "include"),
    "included": ("exclude", "include"),
    "tagged": ("tag", "untag", "exclude", "include"),
}


def _with_reasons(changes: pd.DataFrame, before: State, after: State) -> pd.DataFrame:
    """Return the changes with who decided each, when and how; empty where it was not in the app."""
    changes = changes.assign(who="", at="", why="")
    table = after.table
    if table is None or not changes["kind"].isin(DECIDED).any():
        return changes
    since = 0
    until = after.entry
    if before.fingerprint == after.fingerprint:
        since, until = sorted((before.entry, after.entry))
    decisions = table.log.decisions(table.dataset.id, since=since, until=until)
    if decisions.empty:
        return changes
    events = decisions.drop_duplicates("event").set_index("event")
    reasons = {
        "who": events["who"],
        "at": events["at"].map("{:%Y-%m-%d %H:%M}".format),
        "why": pd.Series([_why(row, table.classes) for row in events.to_dict("records")], events.index),
    }
    for kind, actions in DECIDED.items():
        if kind in ("gone", "added") and before.table is not None:
            continue  # only an export leaves excluded images out
        of_kind = changes["kind"] == kind
        acts = decisions[decisions["action"].isin(actions)].drop_duplicates("path", keep="last").set_index("path")
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


def restore(table: DatasetTable, entry: int, changes: pd.DataFrame | None = None) -> int:
    """Give labels, tags and exclusions the state after an entry of the history, as new entries that can be undone.

    Of `changes`, rows of `Diff.changes`, only these are taken back. Returns how many images change.
    """
    table.refresh()
    present = state_of(table)
    then = earlier(present, entry).rows
    now = present.rows
    id = table.present_id()
    person = user()
    changed = np.zeros(len(now), bool)

    def decide(action: str, value: str | None, rows: pd.Series, labels: list[str] | None = None) -> None:
        if rows.any():
            table.log.annotate(id, action, value, now["path"][rows].tolist(), labels=labels, who=person)
            changed[rows] = True

    def chosen(column: str) -> pd.Series:
        if changes is None:
            return pd.Series(True, now.index)
        return now["id"].isin(changes.loc[changes["kind"].map(ON_IMAGES) == column, "id"])

    moved = chosen("excluded") & (then["excluded"] != now["excluded"])
    decide("exclude", None, moved & then["excluded"])
    decide("include", None, moved & ~then["excluded"])
    moved = chosen("label") & (then["label"] != now["label"])
    restored = moved & (then["label"] == then["given"])
    others = moved & ~restored
    stored = {name: stored_class(number, table.own_classes) for number, name in enumerate(table.classes)}
    decide("relabel", None, restored)
    decide(IMPORT_LABELS, f"entry {entry}", others, then.loc[others, "label"].map(stored).tolist())
    table.refresh()
    now = state_of(table).rows
    for name in sorted(set(";".join([*then["tags"], *now["tags"]]).split(";")) - {""}):
        had = _tagged(then, name)
        has = _tagged(now, name)
        decide("tag", name, chosen("tags") & had & ~has)
        decide("untag", name, chosen("tags") & has & ~had)
    table.refresh()
    return int(changed.sum())
