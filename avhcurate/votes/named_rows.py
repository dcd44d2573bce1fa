"""Rows of every log by the name of their dataset: counted, given another name, deleted.

All logs lie in one database, so that each of these is one transaction.
"""

import json
import time
from dataclasses import dataclass

import sqlalchemy as sa

from avhcurate.data.annotation_log import CLASSES, EVENT_LABELS, EVENT_SAMPLES, EVENTS
from avhcurate.data.saved_log import ENTRIES, MEMBERS
from avhcurate.disk.database import hold_entries
from avhcurate.votes.log import ResponseLog
from avhcurate.votes.log_tables import CHOICES, LEASES, RESPONSES, RETRACTIONS, STATUSES, WITHDRAWALS

#: Tables whose rows belong to a dataset by its name; a withdrawal says no more than that answers went.
_NAMED = (EVENTS, ENTRIES, RESPONSES, RETRACTIONS, STATUSES, CHOICES, LEASES)
#: Their parts in other tables.
_PARTS = {EVENT_SAMPLES.c.event: EVENTS, EVENT_LABELS.c.event: EVENTS, MEMBERS.c.entry: ENTRIES}


@dataclass(frozen=True)
class RowCounts:
    """Answers given in the app, by so many annotators, and entries of the annotation log, of one dataset."""

    answers: int
    annotators: int
    decisions: int


def count_rows(log: ResponseLog, name: str) -> RowCounts:
    """What people have written about a dataset."""
    annotators = sa.func.count(RESPONSES.c.annotator.distinct())
    answers = sa.select(sa.func.count(), annotators).where(RESPONSES.c.dataset == name)
    events = sa.select(sa.func.count()).select_from(EVENTS).where(EVENTS.c.dataset == name, EVENTS.c.action != CLASSES)
    with log.transaction(name) as transaction:
        connection = transaction.connection
        return RowCounts(*connection.execute(answers).one(), connection.execute(events).scalar_one())


def has_rows(log: ResponseLog, name: str) -> bool:
    """Whether anything is under that name."""
    with log.transaction(name) as transaction:
        return any(_some(transaction.connection, table, name) for table in _NAMED)


def rename_rows(log: ResponseLog, old: str, new: str) -> None:
    """Puts all rows under another name; saved views lead there. Done again, it does so with those written since."""
    with log.transaction(old) as transaction:
        connection = transaction.connection
        _hold(connection, old)
        if not any(_some(connection, table, old) for table in _NAMED):
            return
        if not _some(connection, CHOICES, new):
            transaction.naming()
        for table in _NAMED:
            connection.execute(table.update().where(table.c.dataset == old).values(dataset=new))
        views = sa.select(ENTRIES.c.id, ENTRIES.c.address).where(ENTRIES.c.dataset == new, ENTRIES.c.address != "")
        for view in connection.execute(views).all():
            page, query = json.loads(view.address)
            if query.get("dataset") == old:
                address = json.dumps([page, query | {"dataset": new}])
                connection.execute(ENTRIES.update().where(ENTRIES.c.id == view.id).values(address=address))
        _mark(connection, old, new)


def delete_rows(log: ResponseLog, name: str) -> None:
    """Deletes all rows, from the disk too."""
    with log.transaction(name) as transaction:
        connection = transaction.connection
        _hold(connection, name)
        for key, whole in _PARTS.items():
            entries = sa.select(whole.c.id).where(whole.c.dataset == name)
            connection.execute(key.table.delete().where(key.in_(entries)))
        for table in _NAMED:
            connection.execute(table.delete().where(table.c.dataset == name))
        _mark(connection, name)
    log.wipe()


def _some(connection: sa.Connection, table: sa.Table, name: str) -> bool:
    return connection.execute(sa.select(sa.literal(1)).where(table.c.dataset == name).limit(1)).first() is not None


def _hold(connection: sa.Connection, name: str) -> None:
    """Waits for those who are writing entries of the other logs, so that no row is missed."""
    for table in (EVENTS, ENTRIES):
        hold_entries(connection, table, name)


def _mark(connection: sa.Connection, *names: str) -> None:
    """Lets processes that keep responses in memory read them again, as after a withdrawal."""
    for name in names:
        connection.execute(WITHDRAWALS.insert().values(dataset=name, answers=0, at=time.time()))
