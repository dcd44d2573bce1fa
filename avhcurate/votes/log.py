"""The response log: answers that people give in the app, append-only, and leases on the images handed out."""

import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import time
from typing import Any, Literal

import sqlalchemy as sa

from avhcurate.data.people import Role, acting, require
from avhcurate.disk.database import configure_sqlite, open_engine
from avhcurate.votes.log_columns import ResponseColumns
from avhcurate.votes.log_tables import CHOICES, LEASES, LOGS, RESPONSES, RETRACTIONS, STATUSES, WITHDRAWALS
from avhcurate.votes.pseudonyms import pseudonym, with_names
from avhcurate.votes.responses import Design

#: A dataset's newest entry of each log, in their order: changes whenever anything was written.
Version = tuple[int, int, int, int, int]

#: The control of a lease whose image an annotator is not to be asked about any more, since it cannot be seen.
ASIDE = "aside"
_EVER = 1e18

#: Ends the name of who excluded an annotator by a rule.
BY_RULE = ", by rule"

#: Kind of the choice that says what names of imported tasks follow from.
_NAMING = "imported as"
#: Names that one query asks about.
_AT_ONCE = 500


@dataclass(frozen=True)
class Lease:
    """One image that an annotator has now: a task of the design `classify`, or one tile (`place`) of a grid.

    `class_name`: the class asked about, "" for classify. `control`, `expected`: what it is there for, and the right
    answer to a check. `ticked`: how it was answered before it was retracted. Tasks come in order of `turn`.
    `expires` is in seconds since 1970.
    """

    task: str
    place: int
    path: str
    class_name: str
    control: str
    expected: str | None
    ticked: bool | None
    turn: int
    expires: float


@dataclass(frozen=True)
class Response:
    """One answer: the class chosen (classify), or the class asked about and whether it was ticked."""

    place: int
    path: str
    answer: str
    selected: bool | None
    control: str
    expected: str | None


class ResponseLog:
    """The responses of a workspace, in SQLite or PostgreSQL. Nothing is updated; only withdrawn answers are deleted.

    `url` is a SQLAlchemy address. Samples are named by their path and classes by their name, which outlive a re-import.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url)
        self._sqlite = self._engine.dialect.name == "sqlite"
        if self._sqlite:
            sa.event.listen(self._engine, "connect", _configure_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)
        self._writer = self._engine.execution_options(writes=True)
        self._reader = self._engine if self._sqlite else self._engine.execution_options(**_SNAPSHOT)
        # Threads of this process queue here; SQLite would let them poll.
        self._writing = threading.Lock()
        self._columns: dict[str, ResponseColumns] = {}
        self._reading = threading.Lock()

    @contextmanager
    def transaction(self, dataset: str, *, annotator: str | None = None) -> Iterator["LogTransaction"]:
        """One transaction, alone on this dataset: what it reads holds to its end, when its writes are on the disk.

        In the name of an `annotator`, who must be the signed-in person; without one it is for curators.
        """
        if annotator is None:
            require(Role.CURATOR, "changing whose votes count")
        else:
            require(Role.ANNOTATOR, "answering", name=annotator)
        with self._writing, self._writer.begin() as connection:
            if not self._sqlite:
                # Held to the commit: so numbers of a dataset's entries become visible in their order as well.
                connection.execute(_LOCK, {"dataset": dataset})
            yield LogTransaction(connection, dataset)

    def withdraw(self, dataset: str, annotator: str, *, at: float) -> int:
        """Removes everything under an annotator's name, from the disk too; returns how many answers went.

        Annotators may remove their own, and stay excluded if they were; owners remove those of anybody.
        """
        theirs = annotator == acting().name
        if not theirs:
            require(Role.OWNER, "removing the answers of others")
        with self.transaction(dataset, annotator=annotator if theirs else None) as log:
            answers = log.withdraw(annotator, at=at, keep_exclusion=theirs)
        self.wipe()
        return answers

    def wipe(self) -> None:
        """Overwrites on the disk what was deleted."""
        if self._sqlite:
            connection = self._engine.raw_connection()
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")  # older pages linger in the log file
            connection.close()

    @contextmanager
    def reading(self, dataset: str) -> Iterator["LogTransaction"]:
        """For reading only, without waiting for those who write."""
        with self._engine.connect() as connection:
            yield LogTransaction(connection, dataset)

    def columns(self, dataset: str) -> ResponseColumns:
        """What the log says, in memory, as of now; mostly the same object as before, brought up to date."""
        with self._reading, self._reader.connect() as connection:
            # Taken out meanwhile: where reading breaks off half-way, all is read again.
            known = self._columns.pop(dataset, ResponseColumns())
            self._columns[dataset] = _up_to_date(known, connection, dataset)
            return self._columns[dataset]

    def choices(self, dataset: str, kind: str) -> list[tuple[float, str]]:
        """Every choice of a kind with its time, oldest first."""
        query = sa.select(CHOICES.c.at, CHOICES.c.value).where(CHOICES.c.dataset == dataset, CHOICES.c.kind == kind)
        with self._engine.connect() as connection:
            return [(at, value) for at, value in connection.execute(query.order_by(CHOICES.c.id))]

    def status_changes(self, dataset: str) -> list[dict[str, Any]]:
        """Every change of an annotator's status, newest first."""
        query = sa.select(STATUSES).where(STATUSES.c.dataset == dataset).order_by(STATUSES.c.id.desc())
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]


class LogTransaction:
    """What can be done within one transaction on a dataset; see `ResponseLog.transaction`."""

    def __init__(self, connection: sa.Connection, dataset: str) -> None:
        self._connection = connection
        self._dataset = dataset

    @property
    def connection(self) -> sa.Connection:
        """The connection, for tables of the other logs in the same database."""
        return self._connection

    def leases(self, design: Design, annotator: str) -> list[Lease]:
        """Images that an annotator holds, expired or not, in order."""
        names = {"dataset": self._dataset, "design": design, "annotator": annotator}
        return [Lease(*row) for row in self._connection.execute(_HELD, names)]

    def task(self, task: str, annotator: str) -> list[Lease]:
        """The images of an annotator's open task, by place; empty when it is answered, gone or somebody else's."""
        names = {"task": task, "dataset": self._dataset, "annotator": annotator}
        return [Lease(*row) for row in self._connection.execute(_TASK, names)]

    def nonce(self, task: str, annotator: str) -> str | None:
        """The nonce with which an annotator answered a task; None when they did not."""
        return self._connection.execute(_NONCE, {"task": task, "annotator": annotator}).scalar()

    def votes(
        self, design: Design, paths: Sequence[str], class_name: str = "", *, without: Iterable[str] = ()
    ) -> dict[str, int]:
        """Standing votes of some samples (for a class, if given), controls and the annotators in `without` left out."""
        query = self._standing(design, class_name, sa.func.count()).where(
            RESPONSES.c.control == "none", RESPONSES.c.annotator.not_in(sorted(without))
        )
        return self._by_path(query.group_by(RESPONSES.c.path), paths)

    def answered(self, design: Design, annotator: str, paths: Sequence[str], class_name: str = "") -> set[str]:
        """Which of some samples the annotator has answered (for a class, if given), without retracted answers."""
        query = self._standing(design, class_name, sa.literal(1)).where(RESPONSES.c.annotator == annotator)
        return set(self._by_path(query, paths))

    def on_loan(self, design: Design, class_name: str = "", *, annotator: str, now: float) -> dict[str, int]:
        """For how many other annotators each sample is held at the moment, controls left out."""
        query = sa.select(LEASES.c.path, sa.func.count()).where(
            LEASES.c.dataset == self._dataset,
            LEASES.c.design == design,
            LEASES.c.control == "none",
            LEASES.c.annotator != annotator,
            LEASES.c.expires > now,
        )
        if class_name:
            query = query.where(LEASES.c.class_name == class_name)
        return {row[0]: row[1] for row in self._connection.execute(query.group_by(LEASES.c.path))}

    def lend(self, design: Design, annotator: str, leases: Sequence[Lease]) -> None:
        """Gives images to an annotator for a time."""
        if leases:
            common = {"dataset": self._dataset, "design": design, "annotator": annotator}
            self._connection.execute(LEASES.insert(), [vars(lease) | common for lease in leases])

    def set_aside(self, task: str) -> None:
        """Sets an annotator's task aside for good: it is neither asked about nor held any more."""
        self._connection.execute(LEASES.update().where(LEASES.c.task == task).values(control=ASIDE, expires=_EVER))

    def aside(self, design: Design, annotator: str) -> list[str]:
        """Paths of the samples that were set aside for an annotator."""
        names = {"dataset": self._dataset, "design": design, "annotator": annotator}
        return list(self._connection.execute(_SET_ASIDE, names).scalars())

    def prolong(self, tasks: Iterable[str], expires: float) -> None:
        """Gives an annotator more time."""
        self._connection.execute(LEASES.update().where(LEASES.c.task.in_(list(tasks))).values(expires=expires))

    def release(self, tasks: Iterable[str]) -> None:
        """Takes images from an annotator."""
        self._connection.execute(LEASES.delete().where(LEASES.c.task.in_(list(tasks))))

    def forget(self, before: float) -> None:
        """Takes back what has been expired since a time."""
        self._connection.execute(LEASES.delete().where(LEASES.c.dataset == self._dataset, LEASES.c.expires < before))

    def record(
        self,
        design: Design,
        annotator: str,
        task: str,
        responses: Sequence[Response],
        *,
        nonce: str,
        reaction_ms: int,
        at: float,
    ) -> None:
        """Writes the answers to a task and ends its lease."""
        common: dict[str, Any] = {"dataset": self._dataset, "design": design, "annotator": annotator, "task": task}
        common |= {"nonce": nonce, "reaction_ms": reaction_ms, "at": at}
        rows = [vars(response) | common for response in responses]
        self._connection.execute(_RECORD, rows if len(rows) > 1 else rows[0])
        self._connection.execute(_DONE, {"done": task})

    def record_all(self, design: Design, rows: Sequence[dict[str, Any]]) -> int:
        """Writes answers that came from elsewhere, a row of the table each; those to tasks it has already are skipped.

        Returns how many were written.
        """
        tasks = list({row["task"] for row in rows})
        logged: set[str] = set()
        query = (
            sa.select(RESPONSES.c.task).where(RESPONSES.c.task.in_(sa.bindparam("tasks", expanding=True))).distinct()
        )
        for start in range(0, len(tasks), _AT_ONCE):
            logged.update(self._connection.execute(query, {"tasks": tasks[start : start + _AT_ONCE]}).scalars())
        common = {"dataset": self._dataset, "design": design}
        new = [row | common for row in rows if row["task"] not in logged]
        for start in range(0, len(new), 10_000):
            self._connection.execute(RESPONSES.insert(), new[start : start + 10_000])
        return len(new)

    def naming(self) -> str:
        """What the names of imported tasks of this dataset follow from: its name at the first import, a rename or not.

        So a file that is read again is known again. Where another dataset had this name then, a name of its own.
        """
        query = sa.select(CHOICES.c.dataset, CHOICES.c.value).where(CHOICES.c.kind == _NAMING)
        names = dict(self._connection.execute(query).all())
        if self._dataset not in names:
            taken = self._dataset in names.values()
            names[self._dataset] = f"{self._dataset} {uuid.uuid4()}" if taken else self._dataset
            entry = {"dataset": self._dataset, "kind": _NAMING, "value": names[self._dataset], "who": "", "at": time()}
            self._connection.execute(CHOICES.insert().values(entry))
        return names[self._dataset]

    def newest(self, design: Design, annotator: str) -> str | None:
        """The annotator's newest standing task; None when there is none."""
        query = (
            sa.select(RESPONSES.c.task)
            .where(*self._of(design, annotator), ~_RETRACTED)
            .order_by(RESPONSES.c.id.desc())
            .limit(1)
        )
        return self._connection.execute(query).scalar()

    def answered_with(self, design: Design, annotator: str, nonce: str) -> str | None:
        """The annotator's task that was answered with a nonce, retracted or not; None when there is none."""
        query = sa.select(RESPONSES.c.task).where(*self._of(design, annotator), RESPONSES.c.nonce == nonce).limit(1)
        return self._connection.execute(query).scalar()

    def stands(self, task: str) -> bool:
        """Whether the answers to a task were not retracted."""
        query = sa.select(RESPONSES.c.id).where(RESPONSES.c.task == task, ~_RETRACTED).limit(1)
        return self._connection.execute(query).scalar() is not None

    def answers(self, task: str) -> list[Response]:
        """The answers to a task, by place."""
        columns = [RESPONSES.c[name] for name in Response.__dataclass_fields__]
        rows = self._connection.execute(sa.select(*columns).where(RESPONSES.c.task == task).order_by(RESPONSES.c.place))
        return [Response(*row) for row in rows]

    def retract(self, task: str, *, at: float) -> None:
        """Writes that the answers to a task no longer stand."""
        self._connection.execute(RETRACTIONS.insert().values(dataset=self._dataset, task=task, at=at))

    def set_status(
        self, annotator: str, action: Literal["exclude", "include"], *, why: str, who: str, at: float
    ) -> None:
        """Writes whether an annotator's answers count from now on; `who` says so, perhaps by a rule."""
        require(Role.CURATOR, "excluding annotators", name=who.removesuffix(BY_RULE))
        entry = {"dataset": self._dataset, "annotator": annotator, "action": action, "why": why, "who": who, "at": at}
        self._connection.execute(STATUSES.insert().values(entry))

    def choose(self, kind: str, value: str, *, who: str, at: float) -> None:
        """Writes a setting; the newest of its kind stands."""
        require(Role.CURATOR, "setting up a collection", name=who)
        entry = {"dataset": self._dataset, "kind": kind, "value": value, "who": who, "at": at}
        self._connection.execute(CHOICES.insert().values(entry))

    def withdraw(self, annotator: str, *, at: float, keep_exclusion: bool = False) -> int:
        """Removes everything under an annotator's name; leaves how many answers went, and when.

        keep_exclusion: an exclusion stays in force, under a pseudonym.
        """
        if keep_exclusion:
            self._hide_exclusion(annotator)
        theirs = (RESPONSES.c.dataset == self._dataset, RESPONSES.c.annotator == annotator)
        tasks = sa.select(RESPONSES.c.task).where(*theirs)
        self._connection.execute(RETRACTIONS.delete().where(RETRACTIONS.c.task.in_(tasks)))
        answers = self._connection.execute(RESPONSES.delete().where(*theirs)).rowcount
        for table in (LEASES, STATUSES):
            self._connection.execute(
                table.delete().where(table.c.dataset == self._dataset, table.c.annotator == annotator)
            )
        self._connection.execute(WITHDRAWALS.insert().values(dataset=self._dataset, answers=answers, at=at))
        return answers

    def _hide_exclusion(self, annotator: str) -> None:
        about = (STATUSES.c.dataset == self._dataset, STATUSES.c.annotator == annotator)
        newest = sa.select(STATUSES.c.id, STATUSES.c.action).where(*about).order_by(STATUSES.c.id.desc()).limit(1)
        row = self._connection.execute(newest).one_or_none()
        if row is not None and row.action == "exclude":
            hidden = {"annotator": pseudonym(annotator), "why": ""}  # the reason may name the person
            self._connection.execute(STATUSES.update().where(STATUSES.c.id == row.id).values(hidden))

    def _of(self, design: Design, annotator: str) -> tuple[sa.ColumnElement[bool], ...]:
        return RESPONSES.c.dataset == self._dataset, RESPONSES.c.design == design, RESPONSES.c.annotator == annotator

    def _standing(self, design: Design, class_name: str, value: sa.ColumnElement[Any]) -> sa.Select[Any]:
        """`path` and a value of the responses that stand to some `paths` (for a class, if given)."""
        query = sa.select(RESPONSES.c.path, value).where(
            RESPONSES.c.dataset == self._dataset,
            RESPONSES.c.design == design,
            RESPONSES.c.path.in_(sa.bindparam("paths", expanding=True)),
            ~_RETRACTED,
        )
        return query.where(RESPONSES.c.answer == class_name) if class_name else query

    def _by_path(self, query: sa.Select[Any], paths: Sequence[str]) -> dict[str, int]:
        values: dict[str, int] = {}
        for start in range(0, len(paths), _AT_ONCE):
            rows = self._connection.execute(query, {"paths": list(paths[start : start + _AT_ONCE])})
            values |= {row[0]: row[1] for row in rows}
        return values


_SNAPSHOT = {"isolation_level": "REPEATABLE READ"}

_RETRACTED = sa.exists().where(RETRACTIONS.c.task == RESPONSES.c.task)

# Statements of every answer, composed once: that costs more than running them.
_LEASE_COLUMNS = sa.select(*(LEASES.c[name] for name in Lease.__dataclass_fields__))
_OF_ANNOTATOR = (
    LEASES.c.dataset == sa.bindparam("dataset"),
    LEASES.c.annotator == sa.bindparam("annotator"),
)
_OPEN = (*_OF_ANNOTATOR, LEASES.c.control != ASIDE)
_TASK = _LEASE_COLUMNS.where(LEASES.c.task == sa.bindparam("task"), *_OPEN).order_by(LEASES.c.place)
_HELD = _LEASE_COLUMNS.where(LEASES.c.design == sa.bindparam("design"), *_OPEN).order_by(
    LEASES.c.turn, LEASES.c.task, LEASES.c.place
)
_SET_ASIDE = sa.select(LEASES.c.path).where(
    LEASES.c.design == sa.bindparam("design"), *_OF_ANNOTATOR, LEASES.c.control == ASIDE
)
_NONCE = (
    sa.select(RESPONSES.c.nonce)
    .where(RESPONSES.c.task == sa.bindparam("task"), RESPONSES.c.annotator == sa.bindparam("annotator"))
    .limit(1)
)
_RECORD = RESPONSES.insert().inline()
_DONE = LEASES.delete().where(LEASES.c.task == sa.bindparam("done"))
_VERSION = sa.select(
    *(
        sa.select(sa.func.max(log.c.id)).where(log.c.dataset == sa.bindparam("dataset")).scalar_subquery()
        for log in LOGS
    )
)
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:dataset, 0))")


def _up_to_date(columns: ResponseColumns, connection: sa.Connection, dataset: str) -> ResponseColumns:
    """Reads what was written since, in one snapshot of the database; all of it again when something was removed."""
    newest = connection.execute(_VERSION, {"dataset": dataset}).one()
    version: Version = tuple(number or 0 for number in newest)  # type: ignore[assignment]
    if version == columns.version:
        return columns
    if version[3] != columns.version[3]:
        columns = ResponseColumns()  # a new one: others may be reading the old
    responses, retractions, statuses, _, choices = columns.version
    if version[0] != responses:
        stored = [RESPONSES.c[name] for name in ResponseColumns.COLUMNS]
        query = sa.select(*stored).where(RESPONSES.c.dataset == dataset, RESPONSES.c.id > responses)
        for rows in connection.execute(query.order_by(RESPONSES.c.id)).partitions(100_000):
            columns.append(rows)
    if version[1] != retractions:
        query = sa.select(RESPONSES.c.id).join(RETRACTIONS, RETRACTIONS.c.task == RESPONSES.c.task)
        query = query.where(RETRACTIONS.c.dataset == dataset, RETRACTIONS.c.id > retractions)
        columns.retract([row.id for row in connection.execute(query)])
    if version[2] != statuses:
        query = sa.select(STATUSES).where(STATUSES.c.dataset == dataset).order_by(STATUSES.c.id)
        columns.statuses = {row.annotator: (row.action, row.why, row.who) for row in connection.execute(query)}
    if version[4] != choices:
        query = sa.select(CHOICES).where(CHOICES.c.dataset == dataset).order_by(CHOICES.c.id)
        rows = connection.execute(query).all()
        columns.chosen_at = {row.kind: row.at for row in rows}
        columns.choices = {row.kind: row.value for row in rows}
    if (version[0], version[2]) != (responses, statuses):
        columns.statuses = with_names(columns.statuses, columns.annotators.texts)
    columns.version = version
    return columns


def _configure_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver would begin transactions by its own rules; `_begin_sqlite` does
    configure_sqlite(connection, record, "secure_delete=ON")  # what is withdrawn is overwritten on the disk


def _begin_sqlite(connection: sa.Connection) -> None:
    # A writer asks for the lock at once: one that reads first and writes later may find that it came too late.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
