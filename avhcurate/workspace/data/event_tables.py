"""The tables of events in the database, and which of their rows stand."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa


def _event_number(**options: Any) -> sa.Column[int]:
    return sa.Column("event", sa.Integer, sa.ForeignKey("events.id", ondelete="CASCADE"), **options)


TABLES = sa.MetaData()
EVENTS = sa.Table(
    "events",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("dataset", sa.String, nullable=False, index=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("action", sa.String, nullable=False),
    # a tag, or the name of a class, a set, a view, a file or a person
    sa.Column("value", sa.String),
    # the address of a view, what the keys do, a role, how a part was drawn; of a decision about samples, the window it
    # was made in
    sa.Column("details", sa.JSON),
    sa.Column("samples", sa.Integer, nullable=False),
    sa.Column("reverts", sa.Integer, sa.ForeignKey("events.id", ondelete="CASCADE"), unique=True),
    sqlite_autoincrement=True,
)
#: The columns of an event.
EVENT = EVENTS.c
#: The window in which an event was written, "" where that is not known.
event_window = sa.func.coalesce(EVENT.details["window"].as_string(), "")
#: The event that an event is about: the one that it undoes, else itself.
decided_event = sa.func.coalesce(EVENT.reverts, EVENT.id)
EVENT_SAMPLES = sa.Table(
    "event_samples",
    TABLES,
    _event_number(primary_key=True),
    sa.Column("path", sa.String, primary_key=True),
    sa.Column("label", sa.String),
)
#: The columns of a sample that an event is about.
SAMPLE = EVENT_SAMPLES.c
#: The act of a browser that an event is of.
EVENT_ACTS = sa.Table(
    "event_acts",
    TABLES,
    sa.Column("act", sa.String, primary_key=True),
    _event_number(nullable=False),
)
#: The members of a set or of the locked part as one Parquet file of paths: a million are written and read at once.
SET_MEMBERS = sa.Table(
    "set_members",
    TABLES,
    _event_number(primary_key=True),
    sa.Column("paths", sa.LargeBinary, nullable=False),
)


def standing(dataset: str, until: int | None = None) -> sa.Select[Any]:
    """Select the decisions that are not undone, or were not after the event `until`."""
    reverted = sa.select(EVENT.reverts).where(EVENT.reverts.is_not(None))
    query = decisions_about(sa.select(EVENTS), dataset)
    if until is not None:
        reverted = reverted.where(EVENT.id <= until)
        query = query.where(EVENT.id <= until)
    return query.where(EVENT.id.not_in(reverted))


def newest_first(dataset: str, actions: Sequence[str]) -> sa.Select[Any]:
    """Select the decisions by some actions that are not undone, newest first."""
    return standing(dataset).where(EVENT.action.in_(actions)).order_by(EVENT.id.desc())


def decisions_about(query: sa.Select[Any], dataset: str) -> sa.Select[Any]:
    """Narrow a query to what people decided about a dataset, undone or not."""
    return query.where(EVENT.dataset == dataset, EVENT.reverts.is_(None))
