"""Connects to the database of what people write: SQLite, or PostgreSQL with its driver."""

from typing import Any

import sqlalchemy as sa

from avhcurate.errors import CurateError


def open_engine(url: str) -> sa.Engine:
    """An engine whose database answers; `CurateError` with the next step when its driver or the server is missing."""
    try:
        engine = sa.create_engine(url)
    except (ImportError, sa.exc.ArgumentError) as problem:
        if isinstance(problem, ImportError) and "postgresql" in url:
            raise CurateError("PostgreSQL needs its driver: pip install 'avhcurate[postgres]'") from problem
        raise CurateError(
            "AVHCURATE_DATABASE_URL is no address of a database, as postgresql://user@host/name"
        ) from problem
    try:
        engine.connect().close()
        engine.dispose()  # the caller may have settings to make on each connection
    except sa.exc.OperationalError as problem:
        where = engine.url.render_as_string(hide_password=True)
        reason = str(problem.orig).strip().splitlines()[0]
        raise CurateError(
            f"the database {where} cannot be opened ({reason}): is it running, and the name right?"
        ) from problem
    return engine


def open_log(url: str, metadata: sa.MetaData) -> sa.Engine:
    """An engine for append-only tables, which are made where the database lacks them."""
    engine = open_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure_sqlite)
    create_missing(engine, metadata)
    return engine


def create_missing(engine: sa.Engine, metadata: sa.MetaData) -> None:
    """Makes the tables and indices that the database lacks; several processes may do so at once."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(_ONE_AT_A_TIME)  # "if not exists" alone does not keep two apart there
        for table in metadata.sorted_tables:
            connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))


_ONE_AT_A_TIME = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('avhcurate.create', 0))")


def _configure_sqlite(connection: Any, _: Any) -> None:
    # WAL lets pages read while somebody writes; FULL makes an acknowledged entry outlive a power cut.
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
