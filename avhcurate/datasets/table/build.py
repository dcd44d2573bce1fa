"""Build the samples of a table from its files, some ids at a time, in memory or in a file of this process."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from avhcurate.datasets.table.columns import HSF_COLUMNS, NAMES, literal, quote
from avhcurate.datasets.table.conditions import MOST_BYTES
from avhcurate.measures.scores import SCORES
from avhcurate.workspace.disk.files import remove_leftovers, temporary_name
from avhcurate.workspace.disk.room import check_room

#: More samples than this are kept on disk; this many are joined at a time.
MOST_IN_MEMORY = 2_000_000
AT_ONCE = 1_000_000

#: Approximate bytes of a sample on disk.
_BYTES = 200

#: Returns `id` and `HSF_COLUMNS` of the samples with votes among some ids.
VotesOf = Callable[[range], pa.Table]


def connect(samples: Path) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB whose database `stored` is for the rows of a file of samples.

    The rows of many samples are kept in a file next to theirs. It has no name once it is open, so that it disappears
    with the process. Where this is impossible (Windows, a read-only folder), all rows are in memory.
    """
    # DuckDB would start eight more threads for reads that wait, and a server keeps several tables open.
    connection = duckdb.connect(config={"threads": 2, "async_threads": 0})
    (count,) = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(samples)]).fetchall()[0]
    if count > MOST_IN_MEMORY and os.name != "nt" and os.access(samples.parent, os.W_OK):
        check_room(samples.parent, count * _BYTES, f"the table of {count:,} samples")
        remove_leftovers(samples.parent)
        file = temporary_name(samples.with_name("table.duckdb"))
        # No other process reads the file, so it needs no log of changes.
        connection.execute(f"ATTACH {literal(file)} AS stored (RECOVERY_MODE 'no_wal_writes')")
        # To compress the numbers takes as long as all else, and saves a third of their room.
        connection.execute(f"SET memory_limit = '{MOST_BYTES}B'; SET force_compression = 'uncompressed'")
        file.unlink()
    else:
        connection.execute("ATTACH ':memory:' AS stored")
    connection.execute("USE stored")
    return connection


def create_samples(
    connection: duckdb.DuckDBPyConnection,
    columns: Mapping[str, str],
    files: Mapping[str, Path],
    *,
    classes: Sequence[str],
    parents: Sequence[str],
    bins: Sequence[str],
    scored: Sequence[str],
    votes: VotesOf | None,
    predicted: pa.Table | None,
) -> None:
    """Create `samples`, a view of the table `kept` that adds `NAMES` and the scores within classes.

    columns: SQL by name; files: Parquet by the name that the SQL uses. `bins` are the names of HSF bins, and `scored`
    the scores that the table has. The rows lie about in order of id, part by part.
    """
    places = {name: str(file) for name, file in files.items()}
    within = {key: columns[key] for key in scored if SCORES[key].within_class}
    derived = NAMES | within
    extra = ["incoming_votes votes"]
    if predicted is not None:
        connection.register("incoming_predicted", predicted)
        extra.append("incoming_predicted predicted")
    ((last,),) = connection.execute("SELECT max(id) FROM read_parquet(?)", [places["samples"]]).fetchall()
    select = ", ".join(f"{sql} AS {quote(name)}" for name, sql in columns.items() if name not in derived)
    statement = "CREATE TABLE kept AS"
    for start in range(0, 1 + (last or 0), AT_ONCE):
        voted = pa.table({name: pa.nulls(0, pa.int64()) for name in ("id", *HSF_COLUMNS)})
        if votes is not None:
            voted = votes(range(start, start + AT_ONCE))
        connection.register("incoming_votes", voted)
        parts = [
            f"(SELECT * FROM read_parquet(${name}) WHERE id BETWEEN {start} AND {start + AT_ONCE - 1}) {name}"
            for name in places
        ]
        joins = "".join(f" LEFT JOIN {part} USING (id)" for part in [*parts[1:], *extra])
        connection.execute(f"{statement} SELECT {select} FROM {parts[0]}{joins}", places)
        statement = "INSERT INTO kept"
    connection.unregister("incoming_votes")
    create_names(connection, classes, parents, bins, within)
    shown = ", ".join(f"{derived.get(name, quote(name))} AS {quote(name)}" for name in columns)
    connection.execute(f"CREATE VIEW samples AS SELECT {shown} FROM kept")


def create_names(
    connection: duckdb.DuckDBPyConnection,
    classes: Sequence[str],
    parents: Sequence[str],
    bins: Sequence[str],
    within: Iterable[str],
) -> None:
    """Create the one row of `names`: lists of names, and of means and deviations within classes of some scores.

    The labels of locked samples decide no mean.
    """
    functions = {"mean": "avg", "deviation": "stddev_pop"}
    values = {
        f"{key}_{moment}": f"{function}({SCORES[key].within_class})"
        for key in within
        for moment, function in functions.items()
    }
    of_class = "".join(f", {sql} AS {name}" for name, sql in values.items())
    lists = "".join(f", list({name} ORDER BY n) AS {name}" for name in values)
    connection.execute(
        f"CREATE OR REPLACE TABLE names AS SELECT $classes AS classes, $parents::VARCHAR[] AS parents, "
        f"$bins AS bins{lists} "
        f"FROM range(-1, {len(classes)}) r(n) LEFT JOIN "
        f"(SELECT coalesce(label, -1) AS label{of_class} FROM kept WHERE NOT locked GROUP BY 1) ON n = label LIMIT 1",
        {"classes": classes, "parents": parents, "bins": bins},
    )
