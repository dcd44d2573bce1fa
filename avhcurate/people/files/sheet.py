"""Human answers of a file of any form."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.errors import CurateError
from avhcurate.people.hsf import whole_counts
from avhcurate.workspace.disk.columns import listed

#: The forms that are read, as messages name them.
FORMS = (
    "a count matrix (.npy, or a list column of a Parquet file), a long CSV or Parquet (sample, annotator, label; or "
    "sample, annotator, class, selected), a Label Studio JSON export, or ImageNetV2's tasks and answers as JSON"
)
#: The place among CIFAR-10's test images, which counts before anything else that a row says of its image.
CIFAR10_INDEX = "cifar10_test_set_idx"
#: Columns in which a number is an id, even if it is also the path of a sample.
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
    Either `counts` (rows, K), or `answers` with a row per answer: `label`; or for ticks `selected`, perhaps `class`
    (else the sample's own label is meant); and, where known, `annotator, control, expected, reaction_ms, task, at`.
    `controls` are answers that judge the annotator and are not votes, in a sheet of their own. `simulated`: the file
    says that its answers are not from people.
    """

    samples: dict[str, pa.ChunkedArray]
    counts: np.ndarray | None = None
    answers: pd.DataFrame | None = None
    messages: list[str] = field(default_factory=list)
    controls: "VoteSheet | None" = None
    simulated: bool = False


def sheet_of_rows(rows: pd.DataFrame, samples: list[str], messages: list[str], *, simulated: bool = False) -> VoteSheet:
    """Return a sheet of answers, one per row, some columns of which name samples.

    Rows whose `control` is `none` are votes, those with `padding` count as nothing, and others go to `controls`.
    """
    if "control" not in rows:
        rows = rows.assign(control="none")
    control = rows["control"].fillna("none")
    padded = int((control == "padding").sum())
    control_answers = rows[~control.isin(["none", "padding"])]
    messages = list(messages)
    if padded:
        messages.append(f"{padded} answers to padded tiles count as nothing")
    controls = None
    if len(control_answers):
        messages.append(f"{len(control_answers)} answers to controls judge the annotators and are not votes")
        answers = control_answers.drop(columns=samples).reset_index(drop=True)
        controls = VoteSheet(_columns(control_answers, samples), answers=answers)
    votes = rows[control == "none"]
    answers = votes.drop(columns=["control", "expected", *samples], errors="ignore").reset_index(drop=True)
    return VoteSheet(
        _columns(votes, samples), answers=answers, messages=messages, controls=controls, simulated=simulated
    )


def _columns(rows: pd.DataFrame, names: list[str]) -> dict[str, pa.ChunkedArray]:
    return {name: pa.chunked_array([pa.array(rows[name], from_pandas=True)]) for name in names}


def sheet_simulated(values: Any, title: str) -> bool:
    """Return whether a file says that its answers are simulated; refuse it where it says so of some only."""
    marks = {str(value).strip().lower() in ("true", "1", "yes") for value in set(values)}
    if len(marks) > 1:
        raise CurateError(f"{title} mixes simulated answers with real ones. Import them as two files.")
    return marks == {True}


def check_shape(shape: Sequence[int], samples: int, classes: Sequence[str], *, named: bool = False) -> None:
    """Refuse counts without a row for each sample, unless rows are `named`, or without a column for each class."""
    if shape[0] != samples and not named:
        raise CurateError(
            f"The votes have {shape[0]} rows without names of images, but the dataset has {samples} images. Give one "
            "row per image, in order of id."
        )
    if shape[1] != len(classes):
        raise CurateError(
            f"The votes have {shape[1]} counts per image, but the dataset has {len(classes)} classes "
            f"({listed(classes, 5)}). Give a column for each class, in this order."
        )


def counts_of_lists(column: pa.ChunkedArray, title: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a list column that hold counts, as positions (M,) and counts (M, K)."""
    rows = np.flatnonzero(column.is_valid().to_numpy())
    lists = column.drop_null()
    lengths = pc.unique(pc.list_value_length(lists)).to_pylist()
    values = pc.list_flatten(lists)
    if len(lengths) > 1:
        raise CurateError(f"Column {title!r} holds lists of {listed(sorted(lengths), 5)} counts. Give one per class.")
    if values.null_count:
        raise CurateError(f"Column {title!r} holds missing counts. Write 0 where a class was not chosen.")
    counts = whole_counts(values.to_numpy(), f"Column {title!r}")
    return rows, counts.reshape(len(rows), *(lengths or [0]))
