"""Human answers of a file, whatever its form."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.disk.columns import listed
from avhcurate.errors import CurateError
from avhcurate.votes.hsf import whole_counts

#: The forms that are read, as messages name them.
FORMS = (
    "a count matrix (.npy, or a list column of a Parquet file), a long CSV or Parquet (sample, annotator, label; or "
    "sample, annotator, class, selected), a Label Studio JSON export, or tasks and answers as ImageNetV2 has them"
)
#: The place among CIFAR-10's test images, which counts whatever else a row says of its image.
CIFAR10_INDEX = "cifar10_test_set_idx"
#: Columns in which a number is an id, though a sample's path be a number.
ID_COLUMNS = (CIFAR10_INDEX, "index", "idx", "id")
#: Columns that may name the sample of an answer; those that hold paths go before those that hold numbers.
SAMPLE_COLUMNS = (
    *("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "image_filename", "img"),
    *("url", "image_url", "sample", "sample_id", "image_id", *ID_COLUMNS),
)


@dataclass(frozen=True)
class VoteSheet:
    """Human answers of a file, not yet matched with samples and classes.

    `samples` are columns that may name the sample of each row, best first; without any, rows are samples in order.
    Either `counts` (rows, K), or `answers` with a row an answer: `label`; or for ticks `selected`, perhaps `class`
    (else the sample's own label is meant); and, where known, `annotator, control, expected, reaction_ms, task, at`.
    `controls` are answers that judge the annotator and are no votes, in a sheet of their own. `simulated`: the file
    says that no person gave them.
    """

    samples: dict[str, pa.ChunkedArray]
    counts: np.ndarray | None = None
    answers: pd.DataFrame | None = None
    messages: list[str] = field(default_factory=list)
    controls: "VoteSheet | None" = None
    simulated: bool = False


def sheet_of_rows(rows: pd.DataFrame, samples: list[str], messages: list[str], *, simulated: bool = False) -> VoteSheet:
    """A sheet of answers, one a row, some columns of which name samples; those that are no votes go to `controls`.

    A row of which `control` says `padding` counts as nothing.
    """
    control = rows["control"].fillna("none") if "control" in rows else pd.Series("none", rows.index)
    padded = int((control == "padding").sum())
    judged = ~control.isin(["none", "padding"])
    messages = [*messages, *([f"{padded} answers to padded tiles count as nothing"] if padded else [])]
    if judged.any():
        messages.append(f"{int(judged.sum())} answers to controls judge the annotators and are no votes")
    controls = _of(rows[judged], samples) if judged.any() else None
    votes = rows[control == "none"].drop(columns=["control", "expected"], errors="ignore")
    return VoteSheet(
        **_of(votes, samples).__dict__ | {"messages": messages, "controls": controls, "simulated": simulated}
    )


def _of(rows: pd.DataFrame, samples: list[str]) -> VoteSheet:
    names = {
        name: pa.chunked_array([pa.array(rows[name].to_numpy(object), pa.string(), from_pandas=True)])
        for name in samples
    }
    return VoteSheet(names, answers=rows.drop(columns=samples).reset_index(drop=True))


def sheet_simulated(values: Any, title: str) -> bool:
    """Whether a file says of its answers that they are simulated; refused where it says so of some only."""
    marks = {str(value).strip().lower() in ("true", "1", "yes") for value in set(values)}
    if len(marks) > 1:
        raise CurateError(f"{title} mixes simulated answers with real ones: import them as two files")
    return marks == {True}


def counts_of_lists(column: pa.ChunkedArray, title: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a list column that hold counts, as positions (M,) and counts (M, K)."""
    rows = np.flatnonzero(column.is_valid().to_numpy())
    lists = column.drop_null()
    lengths = pc.unique(pc.list_value_length(lists)).to_pylist()
    if len(lengths) > 1:
        raise CurateError(
            f"column {title!r} holds lists of {listed(sorted(lengths), 5)} counts: each needs one a class"
        )
    values = pc.list_flatten(lists)
    if values.null_count:
        raise CurateError(f"column {title!r} holds missing counts: write 0 where nobody chose a class")
    counts = whole_counts(values.to_numpy(), f"column {title!r}")
    return rows, counts.reshape(len(rows), lengths[0] if lengths else 0)
