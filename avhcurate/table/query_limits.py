"""Limits of a query with a condition of somebody's own: an address can bring one."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb

from avhcurate.errors import CurateError
from avhcurate.table.predicates import columns_in

#: Seconds that such a query may take, and bytes beyond the table.
LONGEST_S, MOST_BYTES = 10.0, 1 << 30


def bound_memory(connection: duckdb.DuckDBPyConnection) -> None:
    """Keeps queries to `MOST_BYTES` beyond the tables in memory and what annotations and votes add to them."""
    used = "SELECT sum(memory_usage_bytes) FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'"
    ((used,),) = connection.execute(used).fetchall()
    connection.execute(f"SET memory_limit = '{int(used or 0) * 2 + MOST_BYTES}B'; SET temp_directory = ''")


@contextmanager
def as_user_errors(condition: str, example: Callable[[str], str]) -> Iterator[None]:
    """Raises `CurateError` for a condition that takes too much or does not fit its columns; `example` describes one."""
    try:
        yield
    except duckdb.InterruptException:
        raise CurateError(f"the condition took longer than {LONGEST_S:.0f} s and was stopped: simplify it") from None
    except duckdb.OutOfMemoryException:
        raise CurateError("the condition needs more memory than a query may use: simplify it") from None
    except (duckdb.DataError, duckdb.NotSupportedError, duckdb.ProgrammingError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        about = [example(name) for name in columns_in(condition)] if condition else []
        raise CurateError(f"the condition does not fit the columns: {'; '.join([reason, *about])}") from error


@contextmanager
def in_time(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Interrupts what the cursor reads in the block after `LONGEST_S`."""
    timer = threading.Timer(LONGEST_S, cursor.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
