"""Makes a new database of what can be read of a damaged one, which stays in its place until the new one is whole."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from avhcurate.errors import CurateError
from avhcurate.workspace.data.log_tables import LOGS
from avhcurate.workspace.data.logs import loss, new_database, set_aside
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.database import VERSIONS, close_file
from avhcurate.workspace.disk.files import flush_folder, replacing, write_atomic

#: Seconds to wait for another program that holds the database.
PATIENCE_S = 30
#: What each table holds, and what follows where some of it is gone.
HOLDS = {
    "events": ("Tags, labels, exclusions, sets, views, keys and roles", "what was undone by them counts again"),
    "event_samples": ("Images of tags, labels and exclusions", "those are no longer about these images"),
    "event_acts": ("Marks of decisions that browsers sent", "one that is sent again is written twice"),
    "set_members": ("Lists of the images of sets", "their sets are empty or cannot be opened"),
    "ballots": ("Answers", "they are no longer votes"),
    "takebacks": ("Answers taken back", "answers that people took back may count again"),
    "rulings": ("Exclusions of annotators", "annotators who were excluded may count again"),
    "withdrawals": ("Notes of withdrawals", "the withdrawn answers stay withdrawn"),
    "choices": ("Settings of collections", "look at them on the page Annotate"),
    "leases": ("Images that annotators have now", "they are handed out again"),
}
_REPORT = "lost.txt"
#: The largest number of a row.
_MOST = (1 << 63) - 1


def salvage(workspace: Workspace, aside: Path) -> str:
    """Put a database of all that can be read in place of the one of a workspace; return how much that is.

    A copy of the old one comes to `aside` first and, where something is lost, a report beside it.
    """
    path = workspace.annotations_path
    source = unfinished(workspace)
    address = f"{(source or path).absolute().as_uri()}?mode=rw"
    if not source and loss(workspace.root):
        address = ":memory:"
    with (
        ExitStack() as undo,
        closing(sqlite3.connect(address, uri=True, timeout=PATIENCE_S, isolation_level=None)) as connection,
        new_database(path) as database,
    ):
        for log in ("", "-wal", "-journal"):
            copied = Path(f"{aside}{log}")
            undo.callback(copied.unlink, missing_ok=True)
            with suppress(FileNotFoundError), open(f"{path}{log}", "rb") as old, replacing(copied) as copy:
                shutil.copyfileobj(old, copy)
        close_file(path)
        _hold(connection)
        with closing(sqlite3.connect(database)) as target:
            rows, before = _fill(target, connection)
        if rows != before:
            lines = (_line(table, rows[table], before[table]) for table in HOLDS)
            write_atomic(aside.with_name(_REPORT), "\n".join(lines))
        if not source:
            _merge(connection, path, database.with_name("merged"))
        undo.pop_all()  # from here on the copies stay, whatever comes
        for log in ("-wal", "-shm", "-journal"):
            Path(f"{path}{log}").unlink(missing_ok=True)
    entries = sum(rows.values()) - rows["leases"]
    return f"{entries:,} entries of {(source or path).relative_to(workspace.root)} could be read and are kept"


def lost_entries(workspace: Workspace) -> dict[str, list[str]]:
    """Return what repairs could not read, a line for each table, by the file that says so; a person may delete it."""
    reports = sorted(workspace.root.glob(f"damaged/*/{_REPORT}"))
    return {str(report.relative_to(workspace.root)): report.read_text().splitlines() for report in reports}


def unfinished(workspace: Workspace) -> Path | None:
    """Return the newest database that was set aside if there is none in its place, or one without an entry.

    Repairs once put an empty one there before they read the old; it has no `APPLICATION_ID`.
    """
    path = workspace.annotations_path
    before = set_aside(workspace.root)
    if before and not loss(workspace.root):
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            entries = [_read(connection, f"SELECT 1 FROM {name} LIMIT 1") for name in ("events", *map(str, LOGS))]
            if any(entries) or _read(connection, "PRAGMA application_id") != [(0,)]:
                return None
    return next(reversed(before), None)


@contextmanager
def _past_damage() -> Iterator[None]:
    """Go on where the database is damaged; a lock or a full disk ends the repair."""
    try:
        yield
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        pass


def _hold(connection: sqlite3.Connection) -> None:
    """Merge the write-ahead log and keep other programs out; what is too damaged for this is read as it is."""
    with _past_damage():
        connection.execute("PRAGMA writable_schema=ON")  # else a file that is shorter than it says is not read at all
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("BEGIN EXCLUSIVE")


def _merge(connection: sqlite3.Connection, path: Path, merged: Path) -> None:
    """Put the pages of a write-ahead log that could not be merged into the database, so that the log can go first."""
    log = Path(f"{path}-wal")
    if log.exists() and log.stat().st_size:
        with _past_damage():
            with closing(sqlite3.connect(merged)) as whole:
                connection.backup(whole)
            os.replace(merged, path)
            flush_folder(path.parent)


def _fill(target: sqlite3.Connection, source: sqlite3.Connection) -> tuple[dict[str, int], dict[str, int | None]]:
    """Copy what can be read; return how many rows each table has now, and how many it had."""
    versions = _read(source, "SELECT version_num FROM avhcurate_version")
    if versions and versions[0][0] not in VERSIONS:
        raise CurateError(f"annotations.db is of version {versions[0][0]}. Repair it by the avhcurate that wrote it.")
    # No number is given again, also where the newest entries are gone.
    target.executemany(
        "INSERT INTO sqlite_sequence VALUES (?, ?)", _read(source, "SELECT name, seq FROM sqlite_sequence")
    )
    had = {table: _copy(source, target, table) for table in HOLDS}
    while orphans := target.execute("PRAGMA foreign_key_check").fetchall():
        for table, row, *_ in orphans:
            target.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
    target.commit()
    return {table: _read(target, f"SELECT count(*) FROM {table}")[0][0] for table in HOLDS}, had


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> int | None:
    """Copy the rows of a table that can be read; return how many it had, None where nothing says so.

    One of an older version lacks tables and columns, which then have what is usual.
    """
    ours, theirs = (_read(connection, f"PRAGMA table_info({table})") for connection in (target, source))
    if not theirs and _read(source, "SELECT 1 FROM sqlite_master"):
        return 0
    had = {name for _, name, *_ in theirs}
    names = [f'"{name}"' for _, name, *_ in ours if not had or name in had]
    put = f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    damages: list[int] = []
    rows = 0
    for row in _rows(source, f"SELECT rowid, {', '.join(names)} FROM {table} WHERE rowid", damages):
        target.execute(put, row)
        rows += 1
    # Counted in an index, which may be whole.
    counted: int | None = next((count for (count,) in _read(source, f"SELECT count(*) FROM {table}")), None)
    if not damages:
        return max(rows, counted or 0)
    return counted


def _rows(source: sqlite3.Connection, query: str, damages: list[int]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table up to each damage, from both of its sides; add a number beside it to `damages`.

    Rows are read one by one: sqlite3 drops the one before an error.
    """
    forwards = f"{query} BETWEEN ? AND ? ORDER BY rowid LIMIT 1"
    backwards = f"{query} BETWEEN ? AND ? ORDER BY rowid DESC LIMIT 1"
    last = -1
    leap = 0
    while last + leap < _MOST:
        try:
            row = _one(source, forwards, last + leap + 1, _MOST)
        except sqlite3.DatabaseError:
            damages.append(last)
            leap = 2 * leap + 1
            continue
        end = last + leap
        try:
            while before := _one(source, backwards, last + 1, end):
                end = before[0] - 1
                yield before[1:]
        except sqlite3.DatabaseError:
            damages.append(end)
        if row is None:
            return
        last = row[0]
        leap = 0
        yield row[1:]


def _one(source: sqlite3.Connection, query: str, low: int, high: int) -> tuple[Any, ...] | None:
    """Return the row of a query, None without one; a damaged page may give another, again and again."""
    row: tuple[Any, ...] | None = source.execute(query, (low, high)).fetchone()
    if row and not low <= row[0] <= high:
        raise sqlite3.DatabaseError
    return row


def _read(connection: sqlite3.Connection, query: str) -> list[Any]:
    """Return all rows of a query, none where they cannot be read."""
    with suppress(sqlite3.DatabaseError):
        return connection.execute(query).fetchall()
    return []


def _line(table: str, rows: int, before: int | None) -> str:
    holds, effect = HOLDS[table]
    if rows == before:
        return f"{holds}: {rows:,} kept, none gone."
    outcome = f"{rows:,} kept, others gone"
    if before and before > rows:
        outcome = f"{rows:,} kept, {before - rows:,} gone"
    elif not rows:
        outcome = "none could be read"
    return f"{holds}: {outcome}; {effect}."
