"""The database of what people write, SQLite or PostgreSQL, and append-only logs in it."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from avhcurate.disk.app_files import install_command
from avhcurate.disk.migration import bring_up_to_date
from avhcurate.disk.room import can_write
from avhcurate.errors import CurateError


def open_engine(url: str) -> sa.Engine:
    """An engine of a database that answers and has the tables of this version; it is migrated where it is older.

    `CurateError` with the next step when its driver or the server is missing, or a newer version has written it.
    """
    try:
        # A server may restart, or drop what rests: a connection is tried before it is used.
        engine = sa.create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    except (ImportError, sa.exc.ArgumentError) as problem:
        if isinstance(problem, ImportError) and "postgresql" in url:
            raise CurateError(f"PostgreSQL needs its driver: {install_command('postgres')}") from problem
        raise CurateError(
            "AVHCURATE_DATABASE_URL is no address of a database, as postgresql://user@host/name"
        ) from problem
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "do_connect", _connect_sqlite)
        sa.event.listen(engine, "checkout", _connect_again)
    try:
        engine.connect().close()
    except sa.exc.OperationalError as problem:
        where = engine.url.render_as_string(hide_password=True)
        reason = str(problem.orig).strip().splitlines()[0]
        raise CurateError(
            f"the database {where} cannot be opened ({reason}): is it running, and the name right?"
        ) from problem
    try:
        bring_up_to_date(engine)
    finally:
        engine.dispose()  # the caller may have settings to make on each connection
    return engine


def log_table(name: str, metadata: sa.MetaData, *columns: sa.Column[Any]) -> sa.Table:
    """A table of entries: who wrote what about which dataset when, and which entry it reverts."""
    return sa.Table(
        name,
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("dataset", sa.String, nullable=False, index=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String, nullable=False),
        *columns,
        sa.Column("reverts", sa.Integer, sa.ForeignKey(f"{name}.id"), unique=True),
        sqlite_autoincrement=True,
    )


_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


def hold_entries(connection: sa.Connection, table: sa.Table, dataset: str) -> None:
    """Lets nobody else write entries of a dataset up to the commit; SQLite has one writer anyway.

    So they become visible in the order of their numbers.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"name": f"{table.name} {dataset}"})


class AppendOnlyLog:
    """Entries of one `log_table`. Nothing is updated or deleted: undo is an entry that reverts another.

    `url` is a SQLAlchemy address; `repeated` are the columns that an undo has in common with the entry it reverts.
    """

    def __init__(self, url: str, table: sa.Table, repeated: tuple[str, ...]) -> None:
        self._table, self._repeated = table, repeated
        self.engine = open_log(url)

    def version(self, dataset: str) -> int:
        """Number of the newest entry, 0 when there is none: changes whenever the state may have."""
        query = sa.select(sa.func.max(self._table.c.id)).where(self._table.c.dataset == dataset)
        with self.engine.connect() as connection:
            return connection.execute(query).scalar() or 0

    def _standing(self, dataset: str) -> sa.Select[Any]:
        """Entries that are neither an undo nor undone."""
        columns = self._table.c
        reverted = sa.select(columns.reverts).where(columns.reverts.is_not(None))
        return sa.select(self._table).where(
            columns.dataset == dataset, columns.reverts.is_(None), columns.id.not_in(reverted)
        )

    def _insert(self, connection: sa.Connection, dataset: str, who: str, action: str, **values: Any) -> int:
        hold_entries(connection, self._table, dataset)
        row = {"dataset": dataset, "at": datetime.now(UTC), "who": who, "action": action} | values
        (key,) = connection.execute(self._table.insert().values(row)).inserted_primary_key or (0,)
        return int(key)

    def _revert(self, query: sa.Select[Any], who: str) -> sa.Row[Any] | None:
        """Reverts the entry that a query finds and returns it; None where it finds none.

        `IntegrityError` when another window reverts the same entry in the same moment.
        """
        with self.engine.begin() as connection:
            row = connection.execute(query).one_or_none()
            if row is not None:
                same = {name: getattr(row, name) for name in self._repeated}
                self._insert(connection, row.dataset, who, "undo", reverts=row.id, **same)
        return row

    def _revert_one(self, dataset: str, entry: int, who: str) -> sa.Row[Any]:
        """Reverts one entry of anybody; one that is undone already is refused."""
        try:
            row = self._revert(self._standing(dataset).where(self._table.c.id == entry), who)
        except sa.exc.IntegrityError:
            row = None
        if row is None:
            raise CurateError(f"entry {entry} is undone already, or there is none: reload the list")
        return row


def seconds_of(at: datetime) -> float:
    """Seconds since 1970 of an entry's time, which SQLite keeps in UTC without saying so."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def open_log(url: str) -> sa.Engine:
    """An engine for append-only tables."""
    engine = open_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure_log)
    return engine


def _connect_sqlite(_: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> sqlite3.Connection:
    """A connection; where nothing can be written, not even a reader's index of the log, one to read only."""
    connection = sqlite3.connect(*arguments, **options)
    path = Path(str(arguments[0]))
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:  # "disk is full", "unable to open" or, from its shared memory, "disk I/O error"
        connection.close()
        log = path.with_name(f"{path.name}-wal")
        if can_write(path.parent) or not path.exists() or (log.exists() and log.stat().st_size):
            raise
        # Nothing is in the log and nobody can write: the file alone is the whole truth.
        record.info["read_only"] = 0
        return sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", **{**options, "uri": True})
    return connection


def can_only_read(record: Any) -> bool:
    """Whether a connection's record in the pool is of one that a full or write-protected disk lets read only."""
    return "read_only" in record.info


def _connect_again(_: Any, record: Any, __: Any) -> None:
    """Lets each use of a connection that can only read try first whether there is room again."""
    if can_only_read(record):
        record.info["read_only"] += 1
        if record.info["read_only"] > 1:
            del record.info["read_only"]
            raise sa.exc.DisconnectionError


def configure_sqlite(connection: Any, record: Any, *more: str) -> None:
    """Sets a new connection's pragmas: the usual ones and `more`."""
    if can_only_read(record):
        return
    # WAL lets pages read while somebody writes; FULL makes an acknowledged entry outlive a power cut.
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", *more):
        try:
            connection.execute(f"PRAGMA {pragma}")
        except sqlite3.OperationalError:
            (_, _, path), *_ = connection.execute("PRAGMA database_list").fetchall()
            if can_write(Path(path).parent):
                raise  # else a new file on a disk that is full since: it is read in the mode that it has


def _configure_log(connection: Any, record: Any) -> None:
    configure_sqlite(connection, record, "foreign_keys=ON")
