"""The log of what people decide in a workspace: tags, labels, exclusions, sets, views, keys and roles.

Nothing is updated: undo is an event that reverts another. Samples are stored by their path and classes by their name,
so that both survive a new import.
"""

import io
import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from avhcurate.errors import CurateError
from avhcurate.workspace.data.class_changes import ClassChanges
from avhcurate.workspace.data.event import (
    ACTIONS,
    CLASS_ACTIONS,
    EVERY_DATASET,
    IMPORT_LABELS,
    LOCK,
    LOOK,
    DoneBefore,
    Event,
    Kind,
)
from avhcurate.workspace.data.event_folds import fold
from avhcurate.workspace.data.event_tables import (
    EVENT,
    EVENT_ACTS,
    EVENT_SAMPLES,
    EVENTS,
    SAMPLE,
    SET_MEMBERS,
    TABLES,
    decided_event,
    decisions_about,
    event_window,
    newest_first,
    standing,
)
from avhcurate.workspace.data.people import Role, acting, require, user
from avhcurate.workspace.disk.database import lock_entries, open_engine


class EventLog:
    """The events of one workspace, in the database at a SQLAlchemy address; writing asks for a role."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url, TABLES)

    def version(self, dataset: str, *, until: datetime | None = None) -> int:
        """Return the number of the newest event, of those `until` a moment, 0 without any: it changes whenever the
        state may have.
        """
        query = sa.select(sa.func.coalesce(sa.func.max(EVENT.id), 0)).filter_by(dataset=dataset)
        if until is not None:
            query = query.where(EVENT.at <= until.timestamp())
        ((newest,),) = self._read(query)
        return int(newest)

    def news(self, dataset: str, *, since: int, window: str) -> bool:
        """Return whether anything was written elsewhere than in a `window` after the event of that number."""
        query = sa.select(EVENT.id).filter_by(dataset=dataset).where(EVENT.id > since, event_window != window)
        return bool(self._read(query.limit(1)))

    def event_of(self, act: str) -> int | None:
        """Return the number of the event that an act of a browser wrote, None if it wrote none."""
        rows = self._read(sa.select(EVENT_ACTS.c.event).filter_by(act=act))
        return next((event for (event,) in rows), None)

    # --- writing ---------------------------------------------------------------------------------------------------

    def annotate(
        self,
        dataset: str,
        action: str,
        value: str | None,
        paths: Sequence[str],
        *,
        labels: Sequence[str | None] | None = None,
    ) -> int:
        """Write one of `ACTIONS` for all `paths`, whole or not at all; return its number once it is on disk.

        `labels`, a class name for each path, go only with `IMPORT_LABELS` and `LOOK`.
        """
        if not len(paths):
            raise CurateError("No images are chosen. Select some first.")
        return self.annotate_all(dataset, [(action, value, paths, labels)])

    def annotate_all(
        self, dataset: str, acts: Iterable[tuple[str, str | None, Sequence[str], Sequence[str | None] | None]]
    ) -> int:
        """Write the `action, value, paths, labels` of several events, all or none; return the number of the last."""
        event = 0
        with self.engine.begin() as connection:
            for action, value, paths, labels in acts:
                event = _write(connection, dataset, action, value, samples=len(paths))
                pairs = zip(paths, labels or itertools.repeat(None), strict=False)
                rows = [{"event": event, "path": path, "label": label} for path, label in pairs]
                connection.execute(EVENT_SAMPLES.insert(), rows)
        return event

    def write(self, dataset: str, action: str, value: str | None = None, *, details: Any = None) -> int:
        """Write an event about no samples; return its number once it is on disk."""
        with self.engine.begin() as connection:
            return _write(connection, dataset, action, value, details=details)

    def change_classes(
        self,
        dataset: str,
        action: str,
        value: str,
        *,
        names: Mapping[str, str] = MappingProxyType({}),
        added: Sequence[str] = (),
        parts: Mapping[str, str] = MappingProxyType({}),
        parents: Mapping[str, str] = MappingProxyType({}),
    ) -> int:
        """Write one of `CLASS_ACTIONS`, whole or not at all; return its number once it is on disk.

        `names`, `added` and `parents` are those of `ClassChanges`; `parts` has the part of each path of a class that is
        split.
        """
        details = _of_window({"names": dict(names), "added": list(added)})
        if parents:
            details["parents"] = dict(parents)
        with self.engine.begin() as connection:
            event = _write(connection, dataset, action, value, details=details, samples=len(parts))
            if parts:
                rows = [{"event": event, "path": path, "label": label} for path, label in parts.items()]
                connection.execute(EVENT_SAMPLES.insert(), rows)
        return event

    def save_set(self, dataset: str, name: str, paths: Iterable[str]) -> int:
        """Write a set, whole or not at all; return the event's number once it is on disk."""
        return self._write_members(dataset, "save set", name, paths)

    def lock(self, dataset: str, paths: Iterable[str], *, details: Any) -> int:
        """Lock samples, whole or not at all; return the event's number once it is on disk."""
        return self._write_members(dataset, LOCK, None, paths, details=_of_window(details))

    def _write_members(self, dataset: str, action: str, name: str | None, paths: Iterable[str], **columns: Any) -> int:
        members = sorted(set(paths))
        with self.engine.begin() as connection:
            event = _write(connection, dataset, action, name, samples=len(members), **columns)
            connection.execute(SET_MEMBERS.insert().values(event=event, paths=_packed(members)))
        return event

    def remove(self, dataset: str, kind: Kind, name: str) -> int:
        """Remove a set or view; undo restores it."""
        saved = self.find(dataset, kind, name)
        with self.engine.begin() as connection:
            return _write(connection, dataset, f"remove {kind}", name, samples=saved.samples)

    def undo(self, dataset: str, *, actions: Sequence[str] = ACTIONS) -> Event | None:
        """Revert the newest event of who acts, by one of `actions`, that is not undone; return it, None without any.

        Without a login everybody has one name: then only those of the acting person's window.
        """
        person = acting()
        theirs = newest_first(dataset, actions).filter_by(who=user())
        if not person.name:
            theirs = theirs.where(event_window == person.window)
        with suppress(sa.exc.IntegrityError):  # another window undid the same event at the same moment
            return self._revert(theirs)
        return self._revert(theirs)

    def last(self, dataset: str, actions: Sequence[str] = ACTIONS) -> Event | None:
        """Return the newest event of anybody, by one of `actions`, that is not undone; None without any."""
        return next(map(_event, self._read(newest_first(dataset, actions).limit(1))), None)

    def revert(self, dataset: str, event: int) -> Event:
        """Undo one event of anyone and return it; one that is already undone is refused.

        Later events about the same tag, label, exclusion or name still count.
        """
        with suppress(sa.exc.IntegrityError):
            if reverted := self._revert(standing(dataset).filter_by(id=event)):
                return reverted
        raise CurateError(f"Entry {event} is already undone, or does not exist. Reload the list.")

    def _revert(self, query: sa.Select[Any]) -> Event | None:
        """Revert the first event of a query. `IntegrityError` when another window reverts it at the same moment."""
        with self.engine.begin() as connection:
            row = connection.execute(query.limit(1)).one_or_none()
            if row is None:
                return None
            _write(connection, row.dataset, "undo", samples=row.samples, reverts=row.id)
        return _event(row)

    def delete(self, dataset: str) -> None:
        """Delete all events of a dataset, for when it is removed."""
        with self.engine.begin() as connection:
            lock_entries(connection, f"events {dataset}")
            connection.execute(EVENTS.delete().filter_by(dataset=dataset))

    # --- reading ---------------------------------------------------------------------------------------------------

    def newest(self, dataset: str, *actions: str) -> dict[str, Event]:
        """Return the newest event by one of `actions` about each value, without those undone, by value."""
        query = standing(dataset).where(EVENT.action.in_(actions)).order_by(EVENT.id)
        return dict(sorted({row.value: _event(row) for row in self._read(query)}.items()))

    def saved(self, dataset: str, kind: Kind) -> list[Event]:
        """Return the sets, the views or the keys of a dataset, by name."""
        newest = self.newest(dataset, f"save {kind}", f"remove {kind}")
        return [event for event in newest.values() if event.action == f"save {kind}"]

    def find(self, dataset: str, kind: Kind, name: str) -> Event:
        """Return a set or view; an unknown name is refused."""
        saved = {event.name: event for event in self.saved(dataset, kind)}
        if name not in saved:
            names = ", ".join(saved) or "none"
            raise CurateError(f"The {kind} {name!r} does not exist. The dataset has: {names}.")
        return saved[name]

    def class_changes(self, dataset: str) -> ClassChanges:
        """Return what people have made of the classes."""
        query = standing(dataset).where(EVENT.action.in_(CLASS_ACTIONS)).order_by(EVENT.id)
        return ClassChanges.of(map(_event, self._read(query)))

    def parts(self, events: Sequence[int]) -> dict[str, str]:
        """Return the class that splits gave to images, by path; the last one counts."""
        query = sa.select(SAMPLE.path, SAMPLE.label).where(SAMPLE.event.in_(events)).order_by(SAMPLE.event)
        return dict(map(tuple, self._read(query)))

    def members(self, event: int) -> pa.Array:
        """Return the sorted paths of the set that an event saved, or of the part that it locked."""
        for (packed,) in self._read(sa.select(SET_MEMBERS.c.paths).filter_by(event=event)):
            return pq.read_table(io.BytesIO(packed))["path"].combine_chunks()
        # A repair of the database could not read it.
        raise CurateError("The list of images of this set is gone, as `avhcurate check` says. Save the set again.")

    def history(
        self,
        dataset: str,
        *,
        who: str | None = None,
        actions: Sequence[str] = (),
        path: str | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> tuple[list[Event], int]:
        """Return events `offset` to `offset + limit`, newest first, and how many there are.

        `who`, `actions` (any of them) and `path` (a sample that was annotated) narrow them.
        """
        undo = EVENTS.alias()
        query = decisions_about(sa.select(EVENTS, undo.c.who.label("undone_by")), dataset)
        query = query.outerjoin(undo, undo.c.reverts == EVENT.id)
        if who is not None:
            query = query.where(EVENT.who == who)
        if actions:
            query = query.where(EVENT.action.in_(actions))
        if path is not None:
            query = query.where(sa.exists().where(SAMPLE.event == EVENT.id, SAMPLE.path == path))
        ((count,),) = self._read(sa.select(sa.func.count()).select_from(query.subquery()))
        page = query.order_by(EVENT.id.desc()).offset(offset).limit(limit)
        return [_event(row) for row in self._read(page)], count

    def paths_of(self, events: Sequence[int]) -> dict[int, list[str]]:
        """Return the paths of the samples that some decisions are about, by the number of the event."""
        query = sa.select(SAMPLE.event, SAMPLE.path).where(SAMPLE.event.in_(events))
        paths: dict[int, list[str]] = {event: [] for event in events}
        for event, path in self._read(query.order_by(SAMPLE.path)):
            paths[event].append(path)
        return paths

    def history_values(self, dataset: str, column: Literal["who", "action"]) -> list[str]:
        """Return everyone, or every action, in the history."""
        return sorted(value for (value,) in self._read(decisions_about(sa.select(EVENT[column]).distinct(), dataset)))

    def state(self, dataset: str, classes: Sequence[str], *, since: int = 0, until: int | None = None) -> pa.Table:
        """Return what stands about every annotated sample, as `DECIDED`.

        Labels are numbers in `classes`; those of a class that is gone are missing. With `since`, only the samples that
        later events are about: also those of which nothing is left, without tags and label and not excluded. With
        `until`, the state after the event of that number, without what came later.
        """
        value = sa.func.coalesce(SAMPLE.label, EVENT.value)
        query = standing(dataset, until).join(EVENT_SAMPLES).order_by(EVENT.id)
        entries: sa.Select[Any] = query.with_only_columns(EVENT.action, value, SAMPLE.path)
        paths: list[str] = []
        with self.engine.connect() as connection:
            if since:
                newer = sa.select(decided_event).filter_by(dataset=dataset).where(EVENT.id > since)
                touched = sa.select(SAMPLE.path).where(SAMPLE.event.in_(newer)).distinct()
                paths = list(connection.execute(touched).scalars())
                entries = entries.where(SAMPLE.path.in_(touched))
            return fold(connection.execute(entries), classes, paths, names=self.class_changes(dataset).names)

    def decisions(self, dataset: str, *, since: int, until: int) -> pd.DataFrame:
        """Return `path, event, at, who, action, value, undo` of decisions about samples after one event and up to
        another, oldest first; an undo (True) has the action and value of what it undoes.
        """
        decision = EVENTS.alias()
        query = sa.select(EVENT.id, EVENT.at, EVENT.who, decision.c.action, decision.c.value)
        query = query.add_columns(EVENT.reverts.is_not(None), SAMPLE.path)
        query = query.join(decision, decision.c.id == decided_event)
        query = query.join(EVENT_SAMPLES, SAMPLE.event == decision.c.id)
        query = query.where(EVENT.dataset == dataset, EVENT.id > since, EVENT.id <= until)
        names = ["event", "at", "who", "action", "value", "undo", "path"]
        rows = pd.DataFrame(self._read(query.order_by(EVENT.id)), columns=names)
        value = rows["value"].astype(object).where(rows["value"].notna(), None)
        return rows.assign(at=pd.to_datetime(rows["at"], unit="s", utc=True), value=value)

    def first_tagged(self, dataset: str, tag: str) -> dict[str, float]:
        """Return when samples first got a tag, undone or not, in seconds since 1970, by path."""
        query = sa.select(SAMPLE.path, sa.func.min(EVENT.at)).join(EVENTS, EVENT.id == SAMPLE.event)
        query = query.where(EVENT.dataset == dataset, EVENT.action == "tag", EVENT.value == tag)
        return dict(map(tuple, self._read(query.group_by(SAMPLE.path))))

    def deciders(self, dataset: str, *, kept: str) -> pd.DataFrame:
        """Return `path, action, at, who, reason` of what last changed a label ("relabel"), excluded a sample
        ("exclude") or tagged it as `kept` ("tag") and is not undone: a row for each sample and action. `file` says
        that the label came in a file.
        """
        action = sa.case((EVENT.action == IMPORT_LABELS, "relabel"), else_=EVENT.action)
        query = standing(dataset).join(EVENT_SAMPLES).order_by(EVENT.id)
        query = query.where(
            EVENT.action.in_(("relabel", IMPORT_LABELS, "exclude")) | ((EVENT.action == "tag") & (EVENT.value == kept))
        )
        rows = self._read(query.with_only_columns(SAMPLE.path, action, EVENT.at, EVENT.who, EVENT.value, EVENT.action))
        table = pd.DataFrame(rows, columns=["path", "action", "at", "who", "reason", "file"])
        table["file"] = table["file"] == IMPORT_LABELS
        return table.drop_duplicates(["path", "action"], keep="last")

    def checks(self, dataset: str) -> dict[str, str | None]:
        """Return the class that a person last saw on each sample that was checked, by path; None for none named."""
        query = standing(dataset).where(EVENT.action == "check").join(EVENT_SAMPLES).order_by(EVENT.id)
        return dict(map(tuple, self._read(query.with_only_columns(SAMPLE.path, EVENT.value))))

    def looks(self, dataset: str, certificate: str, *, until: int | None = None) -> pd.DataFrame:
        """Return `path, label, who, event` of the looks for a certificate, oldest first, see `LOOK`."""
        query = standing(dataset, until).where(EVENT.action == LOOK, EVENT.value == certificate).join(EVENT_SAMPLES)
        columns = query.order_by(EVENT.id).with_only_columns(SAMPLE.path, SAMPLE.label, EVENT.who, EVENT.id)
        return pd.DataFrame(self._read(columns), columns=["path", "label", "who", "event"], dtype=object)

    def _read(self, query: sa.Select[Any]) -> Sequence[Any]:
        with self.engine.connect() as connection:
            return connection.execute(query).all()


def _write(connection: sa.Connection, dataset: str, action: str, value: str | None = None, **columns: Any) -> int:
    """Write an event in the name of the acting person."""
    if dataset == EVERY_DATASET:
        person = require(Role.OWNER, "giving roles")
    else:
        person = require(Role.CURATOR, "changing tags, labels, exclusions, sets and views")
    lock_entries(connection, f"events {dataset}")
    columns.setdefault("details", _of_window({}) or None)
    row = {"dataset": dataset, "at": time.time(), "who": user(), "action": action, "value": value, "samples": 0}
    (key,) = connection.execute(EVENTS.insert().values(row | columns)).inserted_primary_key or (0,)
    if person.act:
        try:
            connection.execute(EVENT_ACTS.insert().values(act=person.act, event=key))
        except sa.exc.IntegrityError as problem:
            raise DoneBefore("This was done already.") from problem
    return int(key)


def _of_window(details: dict[str, Any]) -> dict[str, Any]:
    """Return the details of an event with the window that it is made in."""
    if window := acting().window:
        return details | {"window": window}
    return details


def _event(row: Any) -> Event:
    values = {name: value for name, value in row._mapping.items() if name not in ("dataset", "reverts")}
    return Event(**values | {"at": datetime.fromtimestamp(row.at, UTC)})


def _packed(paths: Sequence[str]) -> bytes:
    """Return a Parquet file of sorted paths, each stored as its difference from the one before."""
    buffer = io.BytesIO()
    table = pa.table({"path": pa.array(paths, pa.string())})
    pq.write_table(
        table, buffer, compression="zstd", use_dictionary=False, column_encoding={"path": "DELTA_BYTE_ARRAY"}
    )
    return buffer.getvalue()
