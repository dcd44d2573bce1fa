"""The database of what people write, SQLite or PostgreSQL: opened, given its tables, and brought to this version."""

import atexit
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from weakref import WeakSet

import sqlalchemy as sa

from avhcurate.errors import CurateError, Unavailable
from avhcurate.workspace.disk.app_files import install_command
from avhcurate.workspace.disk.files import remove_leftovers, replacing
from avhcurate.workspace.disk.provenance import UnknownVersion
from avhcurate.workspace.disk.room import can_write, no_room

#: The versions of the database, oldest first. Each has a file in `versions/` that makes it of the one before.
VERSIONS = ("2", "3")
_FOLDER = Path(__file__).parent
#: A name of our own: the database may hold the tables of another program.
_VERSION_TABLE = "avhcurate_version"
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
#: WAL lets pages read while somebody writes, FULL makes an acknowledged entry survive a power cut, and secure_delete
#: overwrites what is deleted.
_PRAGMAS = ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")

#: The engines in use.
_OPEN = WeakSet[sa.Engine]()


@atexit.register
def _close() -> None:
    """Close the connections, by which SQLite takes the newest entries into its file, out of the one beside it."""
    for engine in list(_OPEN):
        engine.dispose()


def open_engine(url: str, *tables: sa.MetaData) -> sa.Engine:
    """Return an engine of a database that answers, with `tables` in it; those that are missing are created.

    One of an older version is brought to this one. Raise `Unavailable` when it does not answer, `CurateError` when its
    driver is missing or its version is unknown.
    """
    try:
        # A server may restart or drop idle connections: a connection is tested before it is used.
        engine = sa.create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    except ImportError as problem:
        raise CurateError(f"PostgreSQL needs its driver. Install it with: {install_command('postgres')}") from problem
    except sa.exc.ArgumentError as problem:
        raise CurateError(
            "AVHCURATE_DATABASE_URL is not the address of a database. Write it as postgresql://user@host/name."
        ) from problem
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "do_connect", _connect_sqlite)
        sa.event.listen(engine, "checkout", _connect_again)
    try:
        _create_tables(engine, *tables)
    except sa.exc.OperationalError as problem:
        where = engine.url.render_as_string(hide_password=True)
        reason = str(problem.orig).strip().splitlines()[0]
        if no_room(problem) or "locked" in reason or "readonly" in reason:  # which are said wherever they happen
            raise
        raise Unavailable(
            f"The database {where} cannot be opened ({reason}). Check that it is running and that its name is right."
        ) from problem
    finally:
        engine.dispose()
    if engine.dialect.name == "sqlite":  # once the file is there: several processes cannot make it WAL at once
        sa.event.listen(engine, "connect", _configure_sqlite)
    _OPEN.add(engine)
    return engine


def close_file(path: Path) -> None:
    """Close what this process has open of a SQLite file; it is opened again when it is used."""
    for engine in list(_OPEN):
        if engine.url.database and Path(engine.url.database).resolve() == path.resolve():
            engine.dispose()


def lock_entries(connection: sa.Connection, name: str) -> None:
    """Let only this transaction write entries of a `name`, up to its commit; SQLite has one writer anyway.

    So entries become visible in the order of their numbers.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"name": name})


def remove_copies(engine: sa.Engine) -> None:
    """Remove the copies of older versions, in which is what people have withdrawn since."""
    for version in VERSIONS:
        _copy(engine, version).unlink(missing_ok=True)


def _create_tables(engine: sa.Engine, *tables: sa.MetaData) -> None:
    """Create what is missing and take the steps from an older version; a complete database is only read.

    All in one transaction, and once, also when several processes start at once.
    """
    with engine.connect() as connection:
        if _is_complete(connection, *tables):
            return
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA busy_timeout=600000")  # another process may take the steps of many votes
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        lock_entries(connection, "AVH Curate create")
        if not _is_complete(connection, *tables):
            connection.execute(sa.text(f"CREATE TABLE IF NOT EXISTS {_VERSION_TABLE} (version_num VARCHAR(32))"))
            version = _version(connection)
            if version is None:
                connection.execute(sa.text(f"INSERT INTO {_VERSION_TABLE} VALUES ('{VERSIONS[-1]}')"))
            elif version != VERSIONS[-1]:
                _step_up(connection, version)
                connection.execute(sa.text(f"UPDATE {_VERSION_TABLE} SET version_num = '{VERSIONS[-1]}'"))
            for metadata in tables:
                metadata.create_all(connection)
        connection.commit()


def _step_up(connection: sa.Connection, version: str) -> None:
    """Take every step from an older version in the open transaction, which nobody else can be in.

    Until the commit the database is as it was. What is in a SQLite file stays beside it as a copy.
    """
    # Imported here: most programs meet a database of their own version.
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    if connection.dialect.name == "sqlite":
        _copy_beside(connection.engine, version)
    steps = [*ScriptDirectory(str(_FOLDER)).iterate_revisions(VERSIONS[-1], version)]
    with Operations.context(MigrationContext.configure(connection)):
        for step in reversed(steps):
            step.module.upgrade()


def _copy_beside(engine: sa.Engine, version: str) -> None:
    copy = _copy(engine, version)
    remove_leftovers(copy.parent)
    with replacing(copy) as stream, closing(sqlite3.connect(stream.name)) as target:
        target.execute("PRAGMA journal_mode=OFF")  # a kill then leaves one file, which is removed by its name
        with closing(sqlite3.connect(str(engine.url.database))) as source:
            source.backup(target)


def _copy(engine: sa.Engine, version: str) -> Path:
    return Path(f"{engine.url.database}.version-{version}")


def _is_complete(connection: sa.Connection, *tables: sa.MetaData) -> bool:
    """Return whether the database has our version and all tables; `UnknownVersion` where it has an unknown version."""
    existing = sa.inspect(connection).get_table_names()
    ours = {name for metadata in tables for name in metadata.tables}
    version = "0"
    if _VERSION_TABLE in existing:
        version = _version(connection) or "0"
    elif not ours.intersection(existing):
        return False
    if version not in VERSIONS:
        where = connection.engine.url.render_as_string(hide_password=True)
        raise UnknownVersion(f"The database {where}", version, VERSIONS)
    return version == VERSIONS[-1] and ours.issubset(existing)


def _version(connection: sa.Connection) -> str | None:
    version: str | None = connection.execute(sa.text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalar()
    return version


def _connect_sqlite(_: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> sqlite3.Connection:
    """Connect; on a full or write-protected disk, where not even a reader's lock file fits, connect to read only."""
    connection = sqlite3.connect(*arguments, **options)
    path = Path(str(arguments[0]))
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:  # "disk is full", "unable to open" or, from its shared memory, "disk I/O error"
        connection.close()
        log = path.with_name(f"{path.name}-wal")
        if can_write(path.parent) or not path.exists() or (log.exists() and log.stat().st_size):
            raise
        # The write-ahead log is empty and the disk cannot be written: the file holds everything.
        record.info["read_only"] = 0
        return sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", **{**options, "uri": True})
    return connection


def _connect_again(_: Any, record: Any, __: Any) -> None:
    """Let each use of a read-only connection first try whether there is room again."""
    if "read_only" in record.info:
        record.info["read_only"] += 1
        if record.info["read_only"] > 1:
            del record.info["read_only"]
            raise sa.exc.DisconnectionError


def _configure_sqlite(connection: Any, record: Any) -> None:
    if "read_only" in record.info:
        return
    for pragma in _PRAGMAS:
        try:
            connection.execute(f"PRAGMA {pragma}")
        except sqlite3.OperationalError:
            (_, _, path), *_ = connection.execute("PRAGMA database_list").fetchall()
            if can_write(Path(path).parent):
                raise  # else the disk has become full since the file was created: it is read in its present mode
