"""The version of the database, and how an older one is brought up to date.

Alembic's scripts lie in `migrations/`. It takes long to import, and is only when there is something to do.
"""

import threading
from pathlib import Path

import sqlalchemy as sa

from avhcurate.disk.room import can_write
from avhcurate.disk.schema import NewerVersion
from avhcurate.errors import CurateError

#: The name of the newest script; each is greater than the one before.
DATABASE_VERSION = "0003"
#: Not Alembic's usual name: the database may hold the tables of another program.
VERSION_TABLE = "avhcurate_version"
SCRIPTS = Path(__file__).parent / "migrations"

#: One table of each log, by which a database without a version is known to have what the first version has.
_UNVERSIONED = {"events", "saved", "ballots"}
#: Versions that can be read as they are: later ones only have more tables.
_READABLE = {"0001", "0002"}
_ONE_AT_A_TIME = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('avhcurate.create', 0))")
#: Alembic keeps one context for the whole process.
_MIGRATING = threading.Lock()


def bring_up_to_date(engine: sa.Engine) -> None:
    """Makes the tables of an empty database and migrates those of an older one; several processes may do so at once.

    A database that needs nothing is only read. Raises `NewerVersion` for one that a newer program has migrated, and
    CurateError where an older one has to be migrated and cannot be written.
    """
    with engine.connect() as connection:
        version = database_version(connection)
    if version == DATABASE_VERSION:
        return
    try:
        _migrate(engine)
    except sa.exc.OperationalError as problem:
        path = engine.url.database
        if engine.dialect.name != "sqlite" or path is None or can_write(Path(path).parent):
            raise
        if version in _READABLE:
            return
        if version is None and _UNVERSIONED.issubset(sa.inspect(engine).get_table_names()):
            return  # the first version has the same tables
        raise CurateError(
            f"the database {path} is of an earlier version and cannot be migrated, since its disk is full or "
            "write-protected: make room, or open a copy"
        ) from problem


def database_version(connection: sa.Connection) -> str | None:
    """The version of a database; None for an empty one and for one of a time before versions."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    version: str | None = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    if version is not None and version > DATABASE_VERSION:
        where = connection.engine.url.render_as_string(hide_password=True)
        raise NewerVersion(f"the database {where}", version, DATABASE_VERSION)
    return version


def _migrate(engine: sa.Engine) -> None:
    """Runs the scripts that are missing, all or none, while nobody else does."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with _MIGRATING, engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA busy_timeout=30000")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(_ONE_AT_A_TIME)
        if database_version(connection) != DATABASE_VERSION:  # nobody did meanwhile
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        connection.commit()
