"""The response log: answers that people give in the app, append-only, and leases on the images handed out."""

import re
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import scrypt
from pathlib import Path
from time import time
from typing import Any, Literal

import sqlalchemy as sa

from avhcurate.people.log_columns import ResponseColumns
from avhcurate.people.responses import Design
from avhcurate.workspace.data.log_tables import (
    CHOICES,
    LEASES,
    LOGS,
    METADATA,
    RESPONSES,
    RETRACTIONS,
    STATUSES,
    WITHDRAWALS,
)
from avhcurate.workspace.data.logs import open_log
from avhcurate.workspace.data.people import Role, acting, require
from avhcurate.workspace.disk.database import lock_entries, open_engine, remove_copies
from avhcurate.workspace.disk.files import batched

#: Tasks that one query asks about, and answers that one statement writes.
_ASKED_AT_ONCE = 500
_WRITTEN_AT_ONCE = 10_000
#: Columns of an answer, in the order of the fields of a `Lease`.
_ANSWERED = ("task", "path", "place", "answer", "control", "expected", "selected")
#: Follows the name of who excluded annotators by a rule.
BY_RULE = ", by rule"
#: A name can be recognised by its pseudonym, but not read.
_PSEUDONYM = re.compile(r"removed-([0-9a-f]{16})-([0-9a-f]{32})")


@dataclass(frozen=True)
class Lease:
    """One image that an annotator has now: a task of the design `classify`, or one tile (`place`) of a grid.

    `class_name` is the class asked about, "" for classify; `control` and `expected` say what the image is for and the
    right answer to a check. Tasks come in order of `turn`; `expires` is in seconds since 1970. An answer is the same
    with the class chosen as `class_name` (classify), or with `ticked` (select).
    """

    task: str
    path: str
    place: int = 0
    class_name: str = ""
    control: str = "none"
    expected: str | None = None
    ticked: bool | None = None
    turn: int = 0
    expires: float = 0.0


def open_response_log(root: Path) -> "ResponseLog":
    """Return the response log of the workspace in a folder, which keeps the responses in memory."""
    return open_log(ResponseLog, root)


class ResponseLog:
    """The responses of a workspace, in SQLite or PostgreSQL. Nothing is updated; only withdrawn answers are deleted.

    `url` is a SQLAlchemy address. Samples are named by their path and classes by their name, which outlive a re-import.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url, METADATA)
        self._sqlite = self._engine.dialect.name == "sqlite"
        if self._sqlite:
            sa.event.listen(self._engine, "connect", _configure_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)
        self._writer = self._engine.execution_options(writes=True)
        self._reader = self._engine
        if not self._sqlite:
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ")
        # Threads of this process queue here; SQLite would let them poll.
        self._writing = threading.Lock()
        self._columns: dict[str, ResponseColumns] = {}
        self._reading = threading.Lock()

    @contextmanager
    def transaction(self, dataset: str, *, annotator: str | None = None) -> Iterator["LogTransaction"]:
        """Begin a transaction that is alone on this dataset; at its end its writes are on the disk.

        It is in the name of an `annotator`, who must be the signed-in person; without one it is for curators.
        """
        if annotator is None:
            require(Role.CURATOR, "changing whose votes count")
        else:
            require(Role.ANNOTATOR, "answering", name=annotator)
        with self._writing, self._writer.begin() as connection:
            lock_entries(connection, dataset)
            yield LogTransaction(connection, dataset)

    def withdraw(self, dataset: str, annotator: str, *, at: float) -> int:
        """Remove everything under an annotator's name, from the disk too; return how many answers went.

        Annotators may remove their own and stay excluded if they were; owners may remove those of anybody.
        """
        theirs = annotator == acting().name
        if not theirs:
            require(Role.OWNER, "removing the answers of others")
        with self.transaction(dataset, annotator=annotator if theirs else None) as log:
            answers = log.withdraw(annotator, at=at, keep_exclusion=theirs)
        self.wipe()
        return answers

    def counts(self, dataset: str) -> tuple[int, int]:
        """Return how many answers there are about a dataset, and of how many annotators."""
        annotators = sa.func.count(RESPONSES.c.annotator.distinct())
        query = sa.select(annotators, sa.func.count()).filter_by(dataset=dataset)
        with self._engine.connect() as connection:
            row = connection.execute(query).one()
        return row[1], row[0]

    def delete(self, dataset: str) -> None:
        """Delete all about a dataset, from the disk too, for when it is removed."""
        require(Role.OWNER, "removing datasets")
        with self.transaction(dataset) as log:
            log.delete()
        self.wipe()

    def wipe(self) -> None:
        """Overwrite on the disk what was deleted."""
        if self._sqlite:
            remove_copies(self._engine)
            connection = self._engine.raw_connection()
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")  # older pages linger in the log file
            connection.close()

    @contextmanager
    def reading(self, dataset: str) -> Iterator["LogTransaction"]:
        """Read without waiting for those who write."""
        with self._engine.connect() as connection:
            yield LogTransaction(connection, dataset)

    def columns(self, dataset: str) -> ResponseColumns:
        """Return the log of a dataset in memory as of now; mostly the same object as before, brought up to date."""
        with self._reading, self._reader.connect() as connection:
            # Where reading breaks off half-way, all is read again.
            columns = self._columns.pop(dataset, ResponseColumns())
            self._columns[dataset] = _up_to_date(columns, connection, dataset)
            return self._columns[dataset]

    def choices(self, dataset: str, kind: str) -> list[tuple[float, str]]:
        """Return every choice of a kind with its time, oldest first."""
        query = sa.select(CHOICES.c.at, CHOICES.c.value).filter_by(dataset=dataset, kind=kind)
        with self._engine.connect() as connection:
            return [(at, value) for at, value in connection.execute(query.order_by(CHOICES.c.id))]

    def status_changes(self, dataset: str) -> list[dict[str, Any]]:
        """Return every change of an annotator's status, newest first."""
        query = sa.select(STATUSES).filter_by(dataset=dataset).order_by(STATUSES.c.id.desc())
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]


class LogTransaction:
    """What can be done in one transaction on a dataset; see `ResponseLog.transaction`."""

    def __init__(self, connection: sa.Connection, dataset: str) -> None:
        self._execute = connection.execute
        self._dataset = dataset

    # --- leases

    def leases(self, design: Design, annotator: str) -> list[Lease]:
        """Return the images that an annotator has, expired or not, in order."""
        return self._leases(design=design, annotator=annotator)

    def task(self, task: str, annotator: str) -> list[Lease]:
        """Return the images of an annotator's open task, by place; none when it is answered, gone or another's."""
        return self._leases(task=task, annotator=annotator)

    def on_loan(self, design: Design, class_name: str, *, annotator: str, now: float) -> dict[str, int]:
        """Return how many other annotators have each sample at the moment, controls left out."""
        query = sa.select(LEASES.c.path, sa.func.count()).group_by(LEASES.c.path)
        query = query.filter_by(dataset=self._dataset, design=design, class_name=class_name, control="none")
        query = query.where(LEASES.c.annotator != annotator, LEASES.c.expires > now)
        return dict(self._execute(query).all())

    def lend(self, design: Design, annotator: str, leases: Sequence[Lease]) -> None:
        if leases:
            common = {"dataset": self._dataset, "design": design, "annotator": annotator}
            self._execute(LEASES.insert(), [vars(lease) | common for lease in leases])

    def prolong(self, tasks: Iterable[str], expires: float) -> None:
        self._execute(LEASES.update().where(LEASES.c.task.in_(list(tasks))).values(expires=expires))

    def release(self, tasks: Iterable[str]) -> None:
        self._execute(LEASES.delete().where(LEASES.c.task.in_(list(tasks))))

    def forget(self, before: float) -> None:
        """Take back the images that expired before a time."""
        self._execute(LEASES.delete().where(LEASES.c.dataset == self._dataset, LEASES.c.expires < before))

    def _leases(self, **values: str) -> list[Lease]:
        query = sa.select(*(LEASES.c[name] for name in Lease.__dataclass_fields__))
        query = query.filter_by(dataset=self._dataset, **values).order_by(LEASES.c.turn, LEASES.c.task, LEASES.c.place)
        return [Lease(*row) for row in self._execute(query)]

    # --- answers

    def record(
        self,
        design: Design,
        annotator: str,
        answers: Sequence[Lease],
        *,
        nonce: str,
        reaction_ms: int,
        at: float,
    ) -> None:
        """Write the answers to a task, as `Lease` describes them, and end its lease."""
        common = {"annotator": annotator, "nonce": nonce, "reaction_ms": reaction_ms, "at": at}
        rows = [dict(zip(_ANSWERED, vars(answer).values(), strict=False)) for answer in answers]
        self._write(design, [row | common for row in rows])
        self.release([answers[0].task])

    def record_all(self, design: Design, rows: Sequence[dict[str, Any]]) -> int:
        """Write answers that came from elsewhere, a row of the table each; return how many were new.

        Answers to tasks that the log has already are skipped.
        """
        logged: set[str] = set()
        for tasks in batched({row["task"] for row in rows}, _ASKED_AT_ONCE):
            query = sa.select(RESPONSES.c.task).where(RESPONSES.c.task.in_(tasks)).distinct()
            logged.update(self._execute(query).scalars())
        new = [row for row in rows if row["task"] not in logged]
        for part in batched(new, _WRITTEN_AT_ONCE):
            self._write(design, part)
        return len(new)

    def given(self, design: Design, annotator: str, **values: str) -> sa.Row[Any] | None:
        """Return `task, nonce, stands` of the annotator's newest answer with these values of columns.

        Without values, return the newest answer that stands.
        """
        stands = ~sa.exists().where(RETRACTIONS.c.task == RESPONSES.c.task)
        query = sa.select(RESPONSES.c.task, RESPONSES.c.nonce, stands.label("stands"))
        query = query.filter_by(dataset=self._dataset, design=design, annotator=annotator, **values)
        if not values:
            query = query.where(stands)
        return self._execute(query.order_by(RESPONSES.c.id.desc()).limit(1)).one_or_none()

    def answers(self, task: str) -> list[Lease]:
        """Return the answers to a task, by place, as `Lease` describes them."""
        query = sa.select(*(RESPONSES.c[name] for name in _ANSWERED)).filter_by(task=task)
        return [Lease(*row) for row in self._execute(query.order_by(RESPONSES.c.place))]

    def retract(self, task: str, *, at: float) -> None:
        """Write that the answers to a task no longer stand."""
        self._insert(RETRACTIONS, task=task, at=at)

    # --- decisions

    def set_status(
        self, annotator: str, action: Literal["exclude", "include", "undo"], *, why: str, who: str, at: float
    ) -> None:
        """Write whether an annotator's answers count from now on; `who` says so, perhaps `BY_RULE`.

        After `undo` they count as if nobody had said anything.
        """
        require(Role.CURATOR, "excluding annotators", name=who.removesuffix(BY_RULE))
        self._insert(STATUSES, annotator=annotator, action=action, why=why, who=who, at=at)

    def choose(self, kind: str, value: str, *, who: str, at: float) -> None:
        require(Role.CURATOR, "setting up a collection", name=who)
        self._insert(CHOICES, kind=kind, value=value, who=who, at=at)

    def withdraw(self, annotator: str, *, at: float, keep_exclusion: bool = False) -> int:
        """Remove everything under an annotator's name; keep how many answers went, and when.

        keep_exclusion: an exclusion stays in force, under a pseudonym.
        """
        if keep_exclusion:
            self._hide_exclusion(annotator)
        theirs = {"dataset": self._dataset, "annotator": annotator}
        tasks = sa.select(RESPONSES.c.task).filter_by(**theirs)
        self._execute(RETRACTIONS.delete().where(RETRACTIONS.c.task.in_(tasks)))
        answers = self._execute(RESPONSES.delete().filter_by(**theirs)).rowcount
        for table in (LEASES, STATUSES):
            self._execute(table.delete().filter_by(**theirs))
        self._insert(WITHDRAWALS, answers=answers, at=at)
        return answers

    def delete(self) -> None:
        for table in (*LOGS, LEASES):
            self._execute(table.delete().filter_by(dataset=self._dataset))
        # Lets processes that keep answers in memory read them again, as after a withdrawal.
        self._insert(WITHDRAWALS, answers=0, at=time())

    def _hide_exclusion(self, annotator: str) -> None:
        theirs = sa.select(STATUSES.c.id, STATUSES.c.action).filter_by(dataset=self._dataset, annotator=annotator)
        newest = self._execute(theirs.order_by(STATUSES.c.id.desc()).limit(1)).one_or_none()
        if newest is not None and newest.action == "exclude":
            hidden = {"annotator": pseudonym(annotator), "why": ""}  # the reason may name the person
            self._execute(STATUSES.update().filter_by(id=newest.id).values(hidden))

    def _write(self, design: Design, rows: Sequence[dict[str, Any]]) -> None:
        common = {"dataset": self._dataset, "design": design}
        self._execute(RESPONSES.insert(), [row | common for row in rows])

    def _insert(self, table: sa.Table, **values: Any) -> None:
        self._execute(table.insert().values(dataset=self._dataset, **values))


def _version(connection: sa.Connection, dataset: str) -> tuple[int, ...]:
    """Return a dataset's newest entry of each log, in their order: changes whenever anything was written."""
    newest = (sa.select(sa.func.coalesce(sa.func.max(log.c.id), 0)).filter_by(dataset=dataset) for log in LOGS)
    return tuple(connection.execute(sa.select(*(query.scalar_subquery() for query in newest))).one())


def _up_to_date(columns: ResponseColumns, connection: sa.Connection, dataset: str) -> ResponseColumns:
    """Read what was written since, in one snapshot of the database; read all again when something was removed."""
    version = _version(connection, dataset)
    if version == columns.version:
        return columns
    if version[3] != columns.version[3]:
        columns = ResponseColumns()  # others may be reading the old one
    responses, retractions, statuses, _, choices = columns.version
    if version[0] != responses:
        stored = [RESPONSES.c[name] for name in ResponseColumns.COLUMNS]
        query = sa.select(*stored).filter_by(dataset=dataset).where(RESPONSES.c.id > responses)
        for rows in connection.execute(query.order_by(RESPONSES.c.id)).partitions(100_000):
            columns.append(rows)
    if version[1] != retractions:
        query = sa.select(RESPONSES.c.id).join(RETRACTIONS, RETRACTIONS.c.task == RESPONSES.c.task)
        query = query.where(RETRACTIONS.c.dataset == dataset, RETRACTIONS.c.id > retractions)
        columns.retract([row.id for row in connection.execute(query)])
    if version[2] != statuses:
        query = sa.select(STATUSES).filter_by(dataset=dataset).order_by(STATUSES.c.id)
        columns.statuses = {row.annotator: (row.action, row.why, row.who) for row in connection.execute(query)}
    if version[4] != choices:
        query = sa.select(CHOICES).filter_by(dataset=dataset).order_by(CHOICES.c.id)
        columns.choices = {row.kind: row.value for row in connection.execute(query)}
    if (version[0], version[2]) != (responses, statuses):
        columns.statuses = with_names(columns.statuses, columns.annotators.texts)
    columns.version = version
    return columns


def pseudonym(name: str) -> str:
    """Return a new pseudonym of a name: a salt and a slow digest, so that trying many names takes long."""
    salt = secrets.token_hex(8)
    return f"removed-{salt}-{_digest(name, salt)}"


def with_names(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return values by name or pseudonym, and those of pseudonyms under their names too, unless a name has its own.

    >>> values = with_names({pseudonym("ann"): 1, "bob": 2}, ["ann", "bob", "cyd"])
    >>> values["ann"], values["bob"], "cyd" in values
    (1, 2, False)
    """
    hidden = [match for match in map(_PSEUDONYM.fullmatch, values) if match]
    unknown = [name for name in names if name not in values] if hidden else []
    return dict(values) | {
        name: values[match[0]] for match in hidden for name in unknown if _digest(name, match[1]) == match[2]
    }


def _digest(name: str, salt: str) -> str:
    return scrypt(name.encode(), salt=salt.encode(), n=1 << 12, r=8, p=1, dklen=16).hex()


def _configure_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver would begin transactions by its own rules; `_begin_sqlite` does


def _begin_sqlite(connection: sa.Connection) -> None:
    # A writer asks for the lock at once: one that reads first and writes later may find that it came too late.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
