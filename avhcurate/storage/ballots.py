"""Votes that people give in the app: an append-only log, and who has which image now; in SQLite or PostgreSQL."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from avhcurate.storage.database import create_missing, open_engine
from avhcurate.storage.ledger import Ledger

Design = Literal["select", "classify"]
DESIGNS: tuple[Design, ...] = ("select", "classify")

_METADATA = sa.MetaData()


def _log(name: str, *columns: sa.schema.SchemaItem) -> sa.Table:
    """A log of the datasets, in which what was written since is found by its number.

    Times are seconds since 1970, so that a million of them are read in one go.
    """
    return sa.Table(
        name,
        _METADATA,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("dataset", sa.String, nullable=False),
        *columns,
        sa.Column("at", sa.Double, nullable=False),
        sa.Index(f"{name}_by_id", "dataset", "id"),
        sqlite_autoincrement=True,
    )


#: A row an answer to one image.
_BALLOTS = _log(
    "ballots",
    sa.Column("design", sa.String, nullable=False),
    sa.Column("annotator", sa.String, nullable=False),
    sa.Column("path", sa.String, nullable=False),
    # classify: the class chosen; select: the class asked about
    sa.Column("answer", sa.String, nullable=False),
    sa.Column("selected", sa.Boolean),
    sa.Column("control", sa.String, nullable=False),
    sa.Column("expected", sa.String),
    sa.Column("reaction_ms", sa.Integer, nullable=False),
    sa.Column("task", sa.String, nullable=False),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("nonce", sa.String, nullable=False),
    sa.UniqueConstraint("task", "place"),
    sa.Index("ballots_by_path", "dataset", "design", "path"),
    sa.Index("ballots_by_annotator", "dataset", "annotator", "id"),
)
_TAKEBACKS = _log(
    "takebacks",
    sa.Column("task", sa.String, nullable=False, unique=True),
)
_RULINGS = _log(
    "rulings",
    sa.Column("annotator", sa.String, nullable=False),
    sa.Column("action", sa.String, nullable=False),
    sa.Column("why", sa.String, nullable=False),
    sa.Column("who", sa.String, nullable=False),
)
_WITHDRAWALS = _log(
    "withdrawals",
    sa.Column("answers", sa.Integer, nullable=False),
)
_CHOICES = _log(
    "choices",
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("value", sa.String, nullable=False),
    sa.Column("who", sa.String, nullable=False),
)
#: Who has which image now. No part of the log: a row goes when it is answered, or when others have filled its place.
_LEASES = sa.Table(
    "leases",
    _METADATA,
    sa.Column("task", sa.String, primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("dataset", sa.String, nullable=False),
    sa.Column("design", sa.String, nullable=False),
    sa.Column("annotator", sa.String, nullable=False),
    sa.Column("path", sa.String, nullable=False),
    sa.Column("class_name", sa.String, nullable=False),
    sa.Column("control", sa.String, nullable=False),
    sa.Column("expected", sa.String),
    sa.Column("ticked", sa.Boolean),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("expires", sa.Double, nullable=False),
    sa.Index("leases_by_path", "dataset", "design", "path"),
    sa.Index("leases_by_annotator", "dataset", "annotator"),
)
_LOGS = (_BALLOTS, _TAKEBACKS, _RULINGS, _WITHDRAWALS, _CHOICES)

#: A dataset's newest entry of each log, in their order: changes whenever anything was written.
Version = tuple[int, int, int, int, int]

#: The control of a lease whose image an annotator is not to be asked about any more, since it cannot be seen.
ASIDE = "aside"
_EVER = 1e18

#: Names that one query asks about.
_AT_ONCE = 500


@dataclass(frozen=True)
class Lease:
    """One image that an annotator has now: a task of the design `classify`, or one tile (`place`) of a grid.

    `class_name`: the class asked about, "" for classify. `control`, `expected`: what it is there for, and the right
    answer to a check. `ticked`: how it was answered before it was taken back. Tasks come in order of `turn`.
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
class Ballot:
    """An answer as it is cast: the class chosen (classify), or the class asked about and whether it was ticked."""

    place: int
    path: str
    answer: str
    selected: bool | None
    control: str
    expected: str | None


class BallotBox:
    """The ballots of a workspace. Nothing is updated; deleted is only what an annotator withdraws.

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
        self._ledgers: dict[str, Ledger] = {}
        self._reading = threading.Lock()
        create_missing(self._writer, _METADATA)

    @contextmanager
    def desk(self, dataset: str) -> Iterator["Desk"]:
        """One transaction, alone on this dataset: what it reads holds to its end, when its writes are on the disk."""
        with self._writing, self._writer.begin() as connection:
            if not self._sqlite:
                # Held to the commit: so numbers of a dataset's entries become visible in their order as well.
                connection.execute(_LOCK, {"dataset": dataset})
            yield Desk(connection, dataset)

    def withdraw(self, dataset: str, annotator: str, *, at: float) -> int:
        """Removes everything that bears an annotator's name, from the disk too; returns how many answers went."""
        with self.desk(dataset) as desk:
            answers = desk.withdraw(annotator, at=at)
        if self._sqlite:
            connection = self._engine.raw_connection()
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")  # older pages linger in the log file
            connection.close()
        return answers

    def leases(self, dataset: str, design: Design, annotator: str) -> list[Lease]:
        """What an annotator has now, expired or not, in order."""
        with self._engine.connect() as connection:
            return _leases(connection, dataset, design, annotator)

    def aside(self, dataset: str, design: Design, annotator: str) -> list[str]:
        """Paths of the samples that were set aside for an annotator."""
        with self._engine.connect() as connection:
            return _aside(connection, dataset, design, annotator)

    def version(self, dataset: str) -> Version:
        """Cheap: five look-ups in an index."""
        with self._engine.connect() as connection:
            return _version(connection, dataset)

    def ledger(self, dataset: str) -> Ledger:
        """What the log says, in memory, as of now; mostly the same object as before, brought up to date."""
        with self._reading, self._reader.connect() as connection:
            self._ledgers[dataset] = _up_to_date(self._ledgers.get(dataset, Ledger()), connection, dataset)
            return self._ledgers[dataset]

    def rows(self, dataset: str) -> list[dict[str, Any]]:
        """Every ballot as it was cast, taken back ones too, oldest first."""
        query = sa.select(_BALLOTS).where(_BALLOTS.c.dataset == dataset).order_by(_BALLOTS.c.id)
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def rulings(self, dataset: str) -> list[dict[str, Any]]:
        """Every ruling on an annotator, newest first."""
        query = sa.select(_RULINGS).where(_RULINGS.c.dataset == dataset).order_by(_RULINGS.c.id.desc())
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]


class Desk:
    """What can be done within one transaction on a dataset; see `BallotBox.desk`."""

    def __init__(self, connection: sa.Connection, dataset: str) -> None:
        self._connection = connection
        self._dataset = dataset

    def leases(self, design: Design, annotator: str) -> list[Lease]:
        """What an annotator has now, expired or not, in order."""
        return _leases(self._connection, self._dataset, design, annotator)

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
        query = sa.select(_BALLOTS.c.path, sa.func.count()).where(
            _BALLOTS.c.dataset == self._dataset,
            _BALLOTS.c.design == design,
            _BALLOTS.c.path.in_(sa.bindparam("paths", expanding=True)),
            _BALLOTS.c.control == "none",
            _BALLOTS.c.annotator.not_in(sorted(without)),
            ~_TAKEN_BACK,
        )
        if class_name:
            query = query.where(_BALLOTS.c.answer == class_name)
        return self._by_path(query.group_by(_BALLOTS.c.path), paths)

    def answered(self, design: Design, annotator: str, paths: Sequence[str], class_name: str = "") -> set[str]:
        """Which of some samples the annotator has answered (for a class, if given), without what was taken back."""
        query = sa.select(_BALLOTS.c.path, sa.literal(1)).where(
            _BALLOTS.c.dataset == self._dataset,
            _BALLOTS.c.design == design,
            _BALLOTS.c.path.in_(sa.bindparam("paths", expanding=True)),
            _BALLOTS.c.annotator == annotator,
            ~_TAKEN_BACK,
        )
        if class_name:
            query = query.where(_BALLOTS.c.answer == class_name)
        return set(self._by_path(query, paths))

    def on_loan(self, design: Design, class_name: str = "", *, annotator: str, now: float) -> dict[str, int]:
        """For how many other annotators each sample is held at the moment, controls left out."""
        query = sa.select(_LEASES.c.path, sa.func.count()).where(
            _LEASES.c.dataset == self._dataset,
            _LEASES.c.design == design,
            _LEASES.c.control == "none",
            _LEASES.c.annotator != annotator,
            _LEASES.c.expires > now,
        )
        if class_name:
            query = query.where(_LEASES.c.class_name == class_name)
        return {row[0]: row[1] for row in self._connection.execute(query.group_by(_LEASES.c.path))}

    def lend(self, design: Design, annotator: str, leases: Sequence[Lease]) -> None:
        """Gives images to an annotator."""
        if leases:
            common = {"dataset": self._dataset, "design": design, "annotator": annotator}
            self._connection.execute(_LEASES.insert(), [vars(lease) | common for lease in leases])

    def set_aside(self, task: str) -> None:
        """Lets an annotator's task rest for good: it is neither asked about nor held any more."""
        self._connection.execute(_LEASES.update().where(_LEASES.c.task == task).values(control=ASIDE, expires=_EVER))

    def aside(self, design: Design, annotator: str) -> list[str]:
        """Paths of the samples that were set aside for an annotator."""
        return _aside(self._connection, self._dataset, design, annotator)

    def prolong(self, tasks: Iterable[str], expires: float) -> None:
        """Gives an annotator more time."""
        self._connection.execute(_LEASES.update().where(_LEASES.c.task.in_(list(tasks))).values(expires=expires))

    def release(self, tasks: Iterable[str]) -> None:
        """Takes images from an annotator."""
        self._connection.execute(_LEASES.delete().where(_LEASES.c.task.in_(list(tasks))))

    def forget(self, before: float) -> None:
        """Takes back what has been expired since a time."""
        self._connection.execute(_LEASES.delete().where(_LEASES.c.dataset == self._dataset, _LEASES.c.expires < before))

    def cast(
        self,
        design: Design,
        annotator: str,
        task: str,
        ballots: Sequence[Ballot],
        *,
        nonce: str,
        reaction_ms: int,
        at: float,
    ) -> None:
        """Writes the answers to a task and ends its lease."""
        common: dict[str, Any] = {"dataset": self._dataset, "design": design, "annotator": annotator, "task": task}
        common |= {"nonce": nonce, "reaction_ms": reaction_ms, "at": at}
        rows = [vars(ballot) | common for ballot in ballots]
        self._connection.execute(_CAST, rows if len(rows) > 1 else rows[0])
        self._connection.execute(_DONE, {"done": task})

    def cast_all(self, design: Design, rows: Sequence[dict[str, Any]]) -> int:
        """Writes answers that came from elsewhere, a row of the table each; those to tasks it has already are skipped.

        Returns how many were written.
        """
        tasks = list({row["task"] for row in rows})
        known: set[str] = set()
        query = sa.select(_BALLOTS.c.task).where(_BALLOTS.c.task.in_(sa.bindparam("tasks", expanding=True))).distinct()
        for start in range(0, len(tasks), _AT_ONCE):
            known.update(self._connection.execute(query, {"tasks": tasks[start : start + _AT_ONCE]}).scalars())
        common = {"dataset": self._dataset, "design": design}
        new = [row | common for row in rows if row["task"] not in known]
        for start in range(0, len(new), 10_000):
            self._connection.execute(_BALLOTS.insert(), new[start : start + 10_000])
        return len(new)

    def newest(self, design: Design, annotator: str) -> str | None:
        """The annotator's newest standing task; None when there is none."""
        own = (_BALLOTS.c.dataset == self._dataset, _BALLOTS.c.design == design, _BALLOTS.c.annotator == annotator)
        query = sa.select(_BALLOTS.c.task).where(*own, ~_TAKEN_BACK).order_by(_BALLOTS.c.id.desc()).limit(1)
        return self._connection.execute(query).scalar()

    def answered_with(self, design: Design, annotator: str, nonce: str) -> str | None:
        """The annotator's task that was answered with a nonce, taken back or not; None when there is none."""
        own = (_BALLOTS.c.dataset == self._dataset, _BALLOTS.c.design == design, _BALLOTS.c.annotator == annotator)
        query = sa.select(_BALLOTS.c.task).where(*own, _BALLOTS.c.nonce == nonce).limit(1)
        return self._connection.execute(query).scalar()

    def stands(self, task: str) -> bool:
        """Whether the answers to a task were not taken back."""
        query = sa.select(_BALLOTS.c.id).where(_BALLOTS.c.task == task, ~_TAKEN_BACK).limit(1)
        return self._connection.execute(query).scalar() is not None

    def answers(self, task: str) -> list[Ballot]:
        """The answers to a task, by place."""
        columns = [_BALLOTS.c[name] for name in Ballot.__dataclass_fields__]
        rows = self._connection.execute(sa.select(*columns).where(_BALLOTS.c.task == task).order_by(_BALLOTS.c.place))
        return [Ballot(*row) for row in rows]

    def take_back(self, task: str, *, at: float) -> None:
        """Writes that the answers to a task no longer stand."""
        self._connection.execute(_TAKEBACKS.insert().values(dataset=self._dataset, task=task, at=at))

    def rule(self, annotator: str, action: Literal["exclude", "include"], *, why: str, who: str, at: float) -> None:
        """Writes that an annotator's answers count from now on, or do not."""
        entry = {"dataset": self._dataset, "annotator": annotator, "action": action, "why": why, "who": who, "at": at}
        self._connection.execute(_RULINGS.insert().values(entry))

    def choose(self, kind: str, value: str, *, who: str, at: float) -> None:
        """Writes a setting; the newest of its kind stands."""
        entry = {"dataset": self._dataset, "kind": kind, "value": value, "who": who, "at": at}
        self._connection.execute(_CHOICES.insert().values(entry))

    def withdraw(self, annotator: str, *, at: float) -> int:
        """Removes everything that bears an annotator's name; leaves how many answers went, and when."""
        own = (_BALLOTS.c.dataset == self._dataset, _BALLOTS.c.annotator == annotator)
        tasks = sa.select(_BALLOTS.c.task).where(*own)
        self._connection.execute(_TAKEBACKS.delete().where(_TAKEBACKS.c.task.in_(tasks)))
        answers = self._connection.execute(_BALLOTS.delete().where(*own)).rowcount
        for table in (_LEASES, _RULINGS):
            self._connection.execute(
                table.delete().where(table.c.dataset == self._dataset, table.c.annotator == annotator)
            )
        self._connection.execute(_WITHDRAWALS.insert().values(dataset=self._dataset, answers=answers, at=at))
        return answers

    def _by_path(self, query: sa.Select[Any], paths: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for start in range(0, len(paths), _AT_ONCE):
            rows = self._connection.execute(query, {"paths": list(paths[start : start + _AT_ONCE])})
            found |= {row[0]: row[1] for row in rows}
        return found


_SNAPSHOT = {"isolation_level": "REPEATABLE READ"}

_TAKEN_BACK = sa.exists().where(_TAKEBACKS.c.task == _BALLOTS.c.task)

# Statements of every answer, composed once: that costs more than running them.
_LEASE_COLUMNS = sa.select(*(_LEASES.c[name] for name in Lease.__dataclass_fields__))
_OF_ANNOTATOR = (
    _LEASES.c.dataset == sa.bindparam("dataset"),
    _LEASES.c.annotator == sa.bindparam("annotator"),
)
_OPEN = (*_OF_ANNOTATOR, _LEASES.c.control != ASIDE)
_TASK = _LEASE_COLUMNS.where(_LEASES.c.task == sa.bindparam("task"), *_OPEN).order_by(_LEASES.c.place)
_HELD = _LEASE_COLUMNS.where(_LEASES.c.design == sa.bindparam("design"), *_OPEN).order_by(
    _LEASES.c.turn, _LEASES.c.task, _LEASES.c.place
)
_SET_ASIDE = sa.select(_LEASES.c.path).where(
    _LEASES.c.design == sa.bindparam("design"), *_OF_ANNOTATOR, _LEASES.c.control == ASIDE
)
_NONCE = (
    sa.select(_BALLOTS.c.nonce)
    .where(_BALLOTS.c.task == sa.bindparam("task"), _BALLOTS.c.annotator == sa.bindparam("annotator"))
    .limit(1)
)
_CAST = _BALLOTS.insert().inline()
_DONE = _LEASES.delete().where(_LEASES.c.task == sa.bindparam("done"))
_VERSION = sa.select(
    *(
        sa.select(sa.func.max(log.c.id)).where(log.c.dataset == sa.bindparam("dataset")).scalar_subquery()
        for log in _LOGS
    )
)
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:dataset, 0))")


def _leases(connection: sa.Connection, dataset: str, design: Design, annotator: str) -> list[Lease]:
    names = {"dataset": dataset, "design": design, "annotator": annotator}
    return [Lease(*row) for row in connection.execute(_HELD, names)]


def _aside(connection: sa.Connection, dataset: str, design: Design, annotator: str) -> list[str]:
    names = {"dataset": dataset, "design": design, "annotator": annotator}
    return list(connection.execute(_SET_ASIDE, names).scalars())


def _version(connection: sa.Connection, dataset: str) -> Version:
    found = connection.execute(_VERSION, {"dataset": dataset}).one()
    return tuple(number or 0 for number in found)  # type: ignore[return-value]


def _up_to_date(ledger: Ledger, connection: sa.Connection, dataset: str) -> Ledger:
    """Reads what was written since, in one snapshot of the database; all of it again when something was removed."""
    version = _version(connection, dataset)
    if version == ledger.version:
        return ledger
    if version[3] != ledger.version[3]:
        ledger = Ledger()  # a new one: others may be reading the old
    ballots, takebacks, rulings, _, choices = ledger.version
    if version[0] != ballots:
        columns = [_BALLOTS.c[name] for name in Ledger.COLUMNS]
        query = sa.select(*columns).where(_BALLOTS.c.dataset == dataset, _BALLOTS.c.id > ballots)
        for rows in connection.execute(query.order_by(_BALLOTS.c.id)).partitions(100_000):
            ledger.append(rows)
    if version[1] != takebacks:
        query = sa.select(_BALLOTS.c.id).join(_TAKEBACKS, _TAKEBACKS.c.task == _BALLOTS.c.task)
        query = query.where(_TAKEBACKS.c.dataset == dataset, _TAKEBACKS.c.id > takebacks)
        ledger.take_back([row.id for row in connection.execute(query)])
    if version[2] != rulings:
        query = sa.select(_RULINGS).where(_RULINGS.c.dataset == dataset).order_by(_RULINGS.c.id)
        ledger.rulings = {row.annotator: (row.action, row.why, row.who) for row in connection.execute(query)}
    if version[4] != choices:
        query = sa.select(_CHOICES).where(_CHOICES.c.dataset == dataset).order_by(_CHOICES.c.id)
        ledger.choices = {row.kind: row.value for row in connection.execute(query)}
    ledger.version = version
    return ledger


def _configure_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver would begin transactions by its own rules; `_begin_sqlite` does
    # WAL lets pages read while somebody writes; FULL makes an acknowledged answer outlive a power cut; what is
    # withdrawn is overwritten on the disk.
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A writer asks for the lock at once: one that reads first and writes later may find that it came too late.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
