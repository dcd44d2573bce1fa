"""Empty databases of each kind that annotations may be kept in."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest


class NoPostgres(Exception):
    """Why no PostgreSQL can be started here."""


#: What stops and starts the server of an address.
_CONTROLS: dict[str, Callable[..., None]] = {}


@contextmanager
def postgres_away(address: str) -> Iterator[None]:
    """The server of an address does not answer while the block runs."""
    _CONTROLS[address]("-m", "immediate", "stop")
    yield
    _CONTROLS[address]("start")


@contextmanager
def postgres_server() -> Iterator[str]:
    """Address of a PostgreSQL server of its own; raises `NoPostgres` where there is none to start."""
    bin = next((path.parent for path in _places_of_initdb() if path.exists()), None)
    if bin is None:
        raise NoPostgres("no PostgreSQL here: install it (apt-get install postgresql), and this runs too")
    as_somebody = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # it refuses to run as root
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else "/tmp", prefix="pg") as folder:
        if as_somebody:
            try:
                shutil.chown(folder, "postgres")
            except LookupError:
                raise NoPostgres(
                    "PostgreSQL does not run as root, and there is no user postgres to run it as"
                ) from None

        def run(*command: str) -> None:
            subprocess.run([*as_somebody, *command], cwd="/", check=True, stdout=subprocess.DEVNULL)

        run(str(bin / "initdb"), "-D", f"{folder}/data", "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        address = f"postgresql+psycopg://postgres@/postgres?host={folder}"
        pg_ctl = [str(bin / "pg_ctl"), "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", options]
        control = _CONTROLS[address] = partial(run, *pg_ctl)
        control("start")
        try:
            yield address
        finally:
            control("-m", "immediate", "stop")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a PostgreSQL server that lives as long as the tests; they are skipped where there is none to start."""
    try:
        with postgres_server() as address:
            yield address
    except NoPostgres as reason:
        pytest.skip(str(reason))


def _places_of_initdb() -> list[Path]:
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    return [*([Path(found).resolve()] if found else []), *debian]


@pytest.fixture
def empty_postgres(postgres: str) -> str:
    """Address of an empty database of that server."""
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is missing: install avhcurate[postgres]")
    import sqlalchemy as sa

    name = f"t{uuid.uuid4().hex}"
    engine = sa.create_engine(postgres)
    with engine.begin() as connection:  # a schema of its own is as empty as a database, and made in no time
        connection.execute(sa.text(f"CREATE SCHEMA {name}"))
    engine.dispose()
    return f"{postgres}&options=-csearch_path%3D{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'annotations.db'}"
    return str(request.getfixturevalue("empty_postgres"))
