"""Builds the samples of a table from its files, a stretch of ids at a time, in memory or in a file of this process."""

import os
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path

import duckdb
import pandas as pd

from avhcurate.disk.files import remove_leftovers, temporary_name
from avhcurate.disk.room import check_room
from avhcurate.scores import SCORES
from avhcurate.table.arrow import or_empty
from avhcurate.table.query_limits import MOST_BYTES
from avhcurate.table.sample_sql import HSF_COLUMNS, within_class_sql

#: More samples than these lie on disk, where a query reads the columns that it names; and so many are joined at once.
MOST_IN_MEMORY, AT_ONCE = 2_000_000, 1_000_000

#: About what a sample takes there.
_BYTES = 100

#: Gives `id` and `HSF_COLUMNS` of those of some ids that have votes.
Votes = Callable[[range], pd.DataFrame]


def connect(samples: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory whose database `stored` is for the rows of a file of samples.

    Of many it lies in a file beside theirs, which has no name once it is open, so that it goes with the process however
    that ends. Where there can be no such file, on Windows or in a folder that only others may write, all is in memory.
    """
    connection = duckdb.connect(config={"threads": 2})
    (count,) = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(samples)]).fetchall()[0]
    if count > MOST_IN_MEMORY and os.name != "nt" and os.access(samples.parent, os.W_OK):
        check_room(samples.parent, count * _BYTES, f"the table of {count:,} samples")
        remove_leftovers(samples.parent)
        place = temporary_name(samples.with_name("table.duckdb"))
        name = str(place).replace("'", "''")
        # Nobody reads it after this process, so that nothing is written twice for the case of a crash.
        connection.execute(f"ATTACH '{name}' AS stored (RECOVERY_MODE 'no_wal_writes')")
        connection.execute(f"SET memory_limit = '{MOST_BYTES}B'")
        place.unlink()
    else:
        connection.execute("ATTACH ':memory:' AS stored")
    connection.execute("USE stored")
    return connection


def create_samples(
    connection: duckdb.DuckDBPyConnection,
    select: Sequence[str],
    files: Mapping[str, Path],
    *,
    classes: Sequence[str],
    scored: Container[str],
    votes: Votes | None,
    predicted: pd.DataFrame | None,
) -> None:
    """Creates the table `samples` in order of id with the columns `select`.

    files: Parquet by alias, of which `s` has every sample and `r` the scores `scored`. The columns of votes have the
    alias `v`, those of a prediction `p`, and means and deviations of scores within classes `w`.
    """
    within = _within_classes(connection, files, scored)
    if predicted is not None:
        connection.register("incoming_predicted", predicted)
    with_predicted = "LEFT JOIN incoming_predicted p USING (id)" if predicted is not None else ""
    query = "SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM read_parquet(?)"
    (first, last) = connection.execute(query, [str(files["s"])]).fetchall()[0]
    statement = "CREATE TABLE samples AS"
    for start in range(first, last + 1, AT_ONCE):
        ids = range(start, start + AT_ONCE)
        connection.register("incoming_votes", or_empty(votes(ids) if votes else None, ("id", *HSF_COLUMNS)))
        connection.execute(
            f"{statement} SELECT {', '.join(select)} FROM {_joined(files, ids)} {within} {with_predicted} "
            "LEFT JOIN incoming_votes v USING (id) ORDER BY s.id",
            {alias: str(file) for alias, file in files.items()} | {"classes": list(classes)},
        )
        statement = "INSERT INTO samples"
    connection.unregister("incoming_votes")
    connection.execute("DROP TABLE IF EXISTS within_classes")


def _joined(files: Mapping[str, Path], ids: range) -> str:
    """SQL of the rows of some ids in all files."""
    others = [alias for alias in files if alias != "s"]
    joins = (f"LEFT JOIN {_part(f'read_parquet(${alias})', ids)} {alias} USING (id)" for alias in others)
    return " ".join([f"{_part('read_parquet($s)', ids)} s", *joins])


def _part(rows: str, ids: range) -> str:
    return f"(SELECT * FROM {rows} WHERE id BETWEEN {ids.start} AND {ids.stop - 1})"


def _within_classes(connection: duckdb.DuckDBPyConnection, files: Mapping[str, Path], scored: Container[str]) -> str:
    """Creates the table of means and deviations within classes; SQL of the join with it, "" where no score needs it."""
    keys = [key for key, score in SCORES.items() if key in scored and score.within_class]
    if not keys:
        return ""
    columns = ", ".join(column for key in keys for column in within_class_sql(SCORES[key]))
    connection.execute(
        f"CREATE TABLE within_classes AS SELECT s.label, {columns} FROM read_parquet($s) s "
        "LEFT JOIN read_parquet($r) r USING (id) GROUP BY s.label",
        {alias: str(files[alias]) for alias in "sr"},
    )
    return "LEFT JOIN within_classes w ON s.label IS NOT DISTINCT FROM w.label"
