"""The history of a dataset: entries of the annotation log and of saved sets and views in one list, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa

from avhcurate.data.annotation_log import CLASSES, EVENT_SAMPLES, EVENTS
from avhcurate.data.saved_log import ENTRIES

LogName = Literal["label", "saved"]


@dataclass(frozen=True)
class HistoryEntry:
    """One entry of either log. `action` is as in the log, for sets and views "save set", "remove view" and so on.

    `value` is the tag, name or class index, by `classes` where they were others than now. `undone_by` and `undone_at`
    are None unless it is undone.
    """

    log: LogName
    id: int
    at: datetime
    who: str
    action: str
    value: str | None
    samples: int
    undone_by: str | None
    undone_at: datetime | None
    classes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Names the entry among those of both logs."""
        return f"{self.log}-{self.id}"


def history_page(
    engine: sa.Engine,
    dataset: str,
    *,
    who: str | None = None,
    actions: Sequence[str] = (),
    path: str | None = None,
    offset: int = 0,
    limit: int = 50,
) -> tuple[list[HistoryEntry], int]:
    """Entries `offset` to `offset + limit`, and how many there are, from the database of both logs.

    `who`, `actions` (any of them) and `path` (a sample that was annotated) narrow them.
    """
    both = _both_logs(dataset, path)
    query = sa.select(both)
    if who is not None:
        query = query.where(both.c.who == who)
    if actions:
        query = query.where(both.c.action.in_(actions))
    ordered = query.order_by(both.c.at.desc(), both.c.log, both.c.id.desc()).offset(offset).limit(limit)
    with engine.connect() as connection:
        count = connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one()
        return [_entry(row) for row in connection.execute(ordered)], count


def history_values(engine: sa.Engine, dataset: str, column: Literal["who", "action"]) -> list[str]:
    """Everybody, or every action, in the history."""
    both = _both_logs(dataset, None)
    with engine.connect() as connection:
        return sorted(connection.execute(sa.select(both.c[column]).distinct()).scalars())


def _both_logs(dataset: str, path: str | None) -> sa.Subquery:
    labels = _entries("label", EVENTS, dataset, EVENTS.c.action, EVENTS.c.value, EVENTS.c.samples)
    labels = labels.where(EVENTS.c.action != CLASSES)  # nobody decided that
    if path is not None:
        about = sa.select(EVENT_SAMPLES.c.event).where(
            EVENT_SAMPLES.c.event == EVENTS.c.id, EVENT_SAMPLES.c.path == path
        )
        return labels.where(about.exists()).subquery()
    action = ENTRIES.c.action + sa.literal(" ") + ENTRIES.c.kind
    saved = _entries("saved", ENTRIES, dataset, action, ENTRIES.c.name, ENTRIES.c.n)
    return sa.union_all(labels, saved).subquery()


def _entries(
    log: str, table: sa.Table, dataset: str, action: Any, value: sa.Column[Any], samples: sa.Column[Any]
) -> sa.Select[Any]:
    undo = table.alias()
    columns = (
        *(sa.literal(log).label("log"), table.c.id, table.c.at, table.c.who),
        *(action.label("action"), value.label("value"), samples.label("samples")),
        *(undo.c.who.label("undone_by"), undo.c.at.label("undone_at")),
    )
    joined = table.outerjoin(undo, undo.c.reverts == table.c.id)
    return sa.select(*columns).select_from(joined).where(table.c.dataset == dataset, table.c.reverts.is_(None))


def _entry(row: Any) -> HistoryEntry:
    return HistoryEntry(
        **dict(row._mapping) | {"at": _aware(row.at), "undone_at": row.undone_at and _aware(row.undone_at)}
    )


def _aware(at: datetime) -> datetime:
    """SQLite keeps no time zone: what was written is UTC."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)
