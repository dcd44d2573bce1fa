"""Prints what a verb has found, for people or as JSON, and writes the table of --out."""

import logging
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avhcurate.cli.call import CALL, LOG, USED_RUN
from avhcurate.errors import CurateError

if TYPE_CHECKING:
    import pandas as pd

    from avhcurate.datasets.table.sample_table import SampleTable
    from avhcurate.workspace.data.datasets import DatasetFolder
    from avhcurate.workspace.data.runs import RunFolder


def name_run() -> None:
    """Say at the end of a call which run it used, if it used one."""
    if run := USED_RUN.get():
        print_messages([f"run {run}"])


def check_table(out: Path, *, force: bool) -> None:
    """Refuse a file that exists or has an unknown ending before the work, not after it."""
    from avhcurate.datasets.export.tabular import format_of
    from avhcurate.workspace.disk.files import check_free

    if str(out) != "-":
        format_of(out)
        check_free(out, force=force)


@contextmanager
def output(out: Path) -> Iterator[Path]:
    """Yield where to write what a verb makes; for - its content goes to standard output, and texts to stderr."""
    if str(out) != "-":
        yield out
        return
    if CALL.get().json:
        raise CurateError("--json and --out - both print to standard output. Leave one out.")
    CALL.set(replace(CALL.get(), out=out))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "out.csv"
        yield file
        if file.is_dir():
            raise CurateError("A folder cannot go to standard output. Give --out a name.")
        sys.stdout.buffer.write(file.read_bytes())


def print_dataset(folder: "DatasetFolder") -> None:
    """Print what a dataset holds."""
    record = folder.record
    if printed(record):
        return
    print(f"{record.name}: {record.samples} images, {len(record.classes)} classes, {record.skipped} files skipped")
    print_messages(record.messages)
    if record.votes:
        kind = "simulated votes" if record.votes.simulated else "human votes"
        print(f"{record.votes.total} {kind} on {record.votes.samples} images")
        print_messages(record.votes.messages)
    if record.labels_by:
        print(f"labels: the {record.labels_by}")


def print_messages(messages: Sequence[str]) -> None:
    """Print notes next to the result, unless --quiet."""
    if not LOG.isEnabledFor(logging.WARNING):
        return
    for message in messages:
        print(f"note: {message}", file=sys.stderr)


def print_next(commands: Sequence[Sequence[str]]) -> None:
    """Print commands to try next, in the workspace of this call."""
    if not LOG.isEnabledFor(logging.WARNING):
        return
    workspace = CALL.get().workspace
    options = []
    if workspace is not None:
        options = ["--workspace", str(workspace)]
    print("Now try:")
    for command in commands:
        print("  " + shlex.join(["avhcurate", *command, *options]))


def print_votes_note(samples: "SampleTable", run: "RunFolder | None") -> None:
    """Print which dataset and run a table is of, and whether its votes are simulated."""
    name = "no run"
    if run:
        name = run.root.name
    votes = ", SIMULATED human votes" if samples.simulated else ""
    print(f"{samples.name}, {name}{votes}")


def print_table(
    rows: "pd.DataFrame | Sequence[Mapping[str, Any]]", *, columns: list[str] | None = None, digits: int = 3
) -> None:
    """Print rows, or some of their columns, as a table, with a dash for what is missing."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=columns)
    numbers = frame.select_dtypes("number").columns  # pandas warns of others, as of days
    print(frame.round(dict.fromkeys(numbers, digits)).to_string(index=False, na_rep="-"))


def print_result(result: Mapping[str, Any], text: str) -> None:
    """Print a result as JSON, or as a text for people."""
    if printed(result):
        return
    stream = sys.stdout
    if str(CALL.get().out) == "-":
        stream = sys.stderr
    print(text, file=stream)


def printed(result: Any, table: Any = None) -> bool:
    """Print a record or named results as one line of JSON if --json asks for it; write `table` to the file of --out.

    `table`: a DataFrame, rows, or a function that returns them. Return whether nothing else is to be printed.
    """
    from avhcurate.workspace.disk.json_text import json_text, records

    def plain(value: Any) -> Any:
        if hasattr(value, "model_dump"):
            return value.model_dump(mode="json")
        if hasattr(value, "to_dict"):
            return records(value)
        return value

    call = CALL.get()
    if call.out is not None and table is not None:
        _write_table(table() if callable(table) else table, call.out, force=call.force)
    if call.json:
        print(json_text({key: plain(item) for key, item in plain(result).items()}, ascii=True))
    return call.json or (table is not None and str(call.out) == "-")


def _write_table(table: "pd.DataFrame | Sequence[Mapping[str, Any]]", out: Path, *, force: bool) -> None:
    import pandas as pd

    from avhcurate.datasets.export.tabular import frame_text, write_table

    frame = pd.DataFrame(table)
    if str(out) == "-":
        print(frame_text(frame, "csv"), end="")
    else:
        write_table(frame, out, force=force)
