"""The samples of an export, and exports of one table in one file: CSV, JSON lines or Parquet."""

import json
import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.datasets.curate.second_person import PEOPLE, second_person
from avhcurate.datasets.export.output import atomic_output
from avhcurate.datasets.export.text import csv_text, text_file
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError
from avhcurate.workspace.data.prediction import PredictionFolder
from avhcurate.workspace.disk import files
from avhcurate.workspace.disk.columns import tags_text
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.json_text import json_text, records

#: A sample by the names of its columns.
Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, eq=False)
class ExportSelection:
    """The samples that an export holds: by id, or in the order of the ids `order`, (n,) int64; may be cancelled.

    `count` is how many they are.
    """

    filters: Filters
    order: np.ndarray | None = None
    progress: Progress = SILENT
    count: int = 0


def export_columns(samples: SampleTable) -> list[str]:
    """Return the columns of an export: the standard ones, with the scores of a training if any; the user's own."""
    return [*samples.standard, *samples.user_columns]


def frames(
    decisions: Decisions, votes: Votes, prediction: PredictionFolder | None, selection: ExportSelection
) -> Iterator[pd.DataFrame]:
    """Yield all columns of the samples as CSV has them; integers with missing values are objects."""
    for batch in batches(decisions, votes, prediction, selection):
        frame = pa.Table.from_batches([batch]).to_pandas(integer_object_nulls=True)
        yield frame.assign(tags=frame["tags"].map(tags_text))


def rows(
    decisions: Decisions, votes: Votes, prediction: PredictionFolder | None, selection: ExportSelection
) -> Iterator[Row]:
    """Yield the same, a row at a time, with tags as a list."""
    for batch in batches(decisions, votes, prediction, selection):
        yield from batch.to_pylist()


def batches(
    decisions: Decisions,
    votes: Votes,
    prediction: PredictionFolder | None,
    selection: ExportSelection,
    *,
    columns: Sequence[str] | None = None,
    rows: int = 50_000,
) -> Iterator[pa.RecordBatch]:
    """Yield the samples in batches; `columns` None means those of an export.

    If votes are attached, `hsf_source` ("human", "simulated") follows the HSF columns, and `hsf_predicted_from` ("human
    votes", "simulated votes") those of a prediction. `deciders`, by how many people the label was decided, follows it.
    """
    sources = {}
    second = second_person(decisions, votes)
    if decisions.samples.votes is not None:
        sources["hsf_bin"] = "hsf_source", _kind(decisions.samples.simulated)
    if prediction is not None:
        sources["human_gap"] = "hsf_predicted_from", f"{_kind(prediction.record.votes_simulated)} votes"
    columns = [*(columns or export_columns(decisions.samples))]
    if selection.filters.excluded is not False and columns[0] == "id":  # all that is known of a sample
        columns.append("excluded")
    for batch in decisions.samples.batches(selection.filters, columns=columns, rows=rows, order=selection.order):
        selection.progress.check()
        for before, (name, text) in sources.items():
            if before in batch.schema.names:
                column = batch.schema.get_field_index(before) + 1
                batch = batch.add_column(column, name, pa.array([text] * batch.num_rows, pa.string()))
        if "curated_label_name" in batch.schema.names:
            labels = batch.column("curated_label").fill_null(-1).to_numpy()
            people = second.people(batch.column("id").to_numpy(), labels)
            column = batch.schema.get_field_index("curated_label_name") + 1
            batch = batch.add_column(column, PEOPLE, pa.array(people))
        yield batch


def _kind(simulated: bool) -> str:
    if simulated:
        return "simulated"
    return "human"


def without_missing(row: Row, *, without: Container[str] = ()) -> Row:
    """Return a row as JSON: without missing values, empty lists and infinite numbers.

    >>> without_missing({"avh": 0.5, "hsf": None, "tags": [], "area": float("inf"), "path": "a"}, without=("path",))
    {'avh': 0.5}
    """
    return {
        name: value
        for name, value in row.items()
        if name not in without and value not in (None, []) and not _is_infinite(value)
    }


def _is_infinite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


# --- one file ----------------------------------------------------------------------------------------------------

#: Formats of a data frame.
_FRAME_FORMATS = ("csv", "jsonl", "parquet")


def write_csv(
    decisions: Decisions, votes: Votes, prediction: PredictionFolder | None, selection: ExportSelection, path: Path
) -> None:
    with text_file(path) as stream:
        for number, frame in enumerate(frames(decisions, votes, prediction, selection)):
            stream.write(csv_text(frame, header=number == 0))


def write_jsonl(
    decisions: Decisions, votes: Votes, prediction: PredictionFolder | None, selection: ExportSelection, path: Path
) -> None:
    with text_file(path) as stream:
        for row in rows(decisions, votes, prediction, selection):
            stream.write(json_text(row) + "\n")


def write_parquet(
    decisions: Decisions, votes: Votes, prediction: PredictionFolder | None, selection: ExportSelection, path: Path
) -> None:
    parts = (pa.Table.from_batches([batch]) for batch in batches(decisions, votes, prediction, selection))
    with open(path, "wb") as stream:
        files.write_tables(stream, parts, compression="zstd")


def write_frame(
    frame: pd.DataFrame, out: Path, record: Mapping[str, Any], *, format: str | None = None, force: bool = False
) -> None:
    """Write a data frame and its manifest `record`; without a format, the ending of `out` names it.

    Existing files are refused unless `force`.
    """
    with atomic_output(out, folder=False, force=force) as (path, manifest):
        _write(frame, path, format or format_of(out))
        manifest |= record


def write_table(frame: pd.DataFrame, out: Path, *, force: bool = False) -> None:
    """Write a data frame in the format that the ending of `out` names; an existing file is refused unless `force`."""
    format = format_of(out)
    files.check_free(out, force=force)
    _write(frame, out, format)


def _write(frame: pd.DataFrame, path: Path, format: str) -> None:
    if format == "parquet":
        files.write_parquet(path, frame)
    else:
        files.write_atomic(path, frame_text(frame, format))


def format_of(out: Path) -> str:
    """Return the format that the ending of a file names; raise `CurateError` for any other ending."""
    if (format := out.suffix.removeprefix(".")) not in _FRAME_FORMATS:
        raise CurateError(f"The name {out.name} does not say its format. End it with .csv, .jsonl or .parquet.")
    return format


def frame_text(frame: pd.DataFrame, format: str) -> str:
    """Return a data frame as CSV, with lists as JSON, or as JSON lines.

    >>> print(frame_text(pd.DataFrame({"id": [1], "soft_label": [[0.5, 0.5]]}), "csv"), end="")
    id,soft_label
    1,"[0.5, 0.5]"
    """
    if format == "jsonl":
        return "".join(f"{json_text(row)}\n" for row in records(frame))
    objects = [str(name) for name in frame if frame[name].dtype == object]
    return csv_text(frame.assign(**{name: frame[name].map(_list_text) for name in objects}))


def _list_text(value: Any) -> Any:
    if isinstance(value, list):
        return json.dumps(value)
    return value
