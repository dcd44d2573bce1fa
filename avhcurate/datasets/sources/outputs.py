"""Outputs of a network that were computed elsewhere: arrays in files, checked row by row, and whose rows they are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.errors import CurateError, Option, Text
from avhcurate.networks.scoring.settings import AttachSettings
from avhcurate.people.row_matching import match_paths
from avhcurate.workspace.data.class_lists import columns_of, stored_class
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.run_records import Attached, AttachedFile
from avhcurate.workspace.disk.arrays import ArrayInFile, open_array, read_texts
from avhcurate.workspace.disk.budget import check_budget
from avhcurate.workspace.disk.columns import PATH_NAMES, check_column, listed
from avhcurate.workspace.disk.files import sha256, user_path
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import settings_digest
from avhcurate.workspace.disk.tabular import read_table

Role = Literal["features", "class_weights", "bias", "logits", "probs"]

#: Names that arrays usually have in a file that holds several.
NAMES: dict[Role, tuple[str, ...]] = {
    "features": ("features", "embeddings", "embedding", "feature", "emb"),
    "class_weights": ("class_weights", "weight", "weights", "fc.weight", "head.weight", "classifier.weight", "coef_"),
    "bias": ("bias", "biases", "fc.bias", "head.bias", "classifier.bias", "intercept_"),
    "logits": ("logits", "logit"),
    "probs": ("pred_probs", "probs", "probabilities", "prob"),
}
#: Numbers read at a time.
_BLOCK = 1 << 22
#: The smallest probability whose logarithm is taken: 0 counts as this.
_LEAST = float(np.finfo(np.float32).tiny)
#: The file of a run that an array goes to.
FILES: dict[Role, Literal["features.npy", "logits.npy"]] = {
    "features": "features.npy",
    "logits": "logits.npy",
    "probs": "logits.npy",
}


@dataclass(frozen=True)
class Outputs:
    """Arrays by role that fit each other and the dataset, read once from the settings of a user.

    ids: the sample that each row is about, (rows,), -1 for none, of the arrays with a row a sample. labels (N,): of the
    dataset. columns (K,): that of each class. attached: how the run records where they come from. digest changes with
    all of it.
    """

    arrays: dict[Role, ArrayInFile]
    ids: dict[Role, np.ndarray]
    num_classes: int
    labels: np.ndarray
    columns: np.ndarray
    attached: Attached
    digest: str
    title: str

    @classmethod
    def of(cls, dataset: DatasetFolder, settings: AttachSettings, progress: Progress = SILENT) -> "Outputs":
        """Return the outputs that the settings name; refuse what does not fit."""
        labels = dataset.labels()
        arrays = {role: _open(role, text) for role in NAMES if (text := getattr(settings, role).strip())}
        num_classes = _num_classes(dataset, arrays, labels)
        by_sample = {role: array for role, array in arrays.items() if role in FILES}
        ids = {role: _ids_of_rows(dataset, array, settings.by, settings.rows) for role, array in by_sample.items()}
        notes = [
            f"{(rows < 0).sum()} rows of {arrays[role].title} name no image, first {rows.argmin()}: left out"
            for role, rows in ids.items()
            if (rows < 0).any()
        ]
        progress.tell(0, 0, "hashing the files")
        files = [
            AttachedFile(role=role, source=str(array.path.absolute().parent / array.title), sha256=sha256(array.path))
            for role, array in arrays.items()
        ]
        if settings.rows and settings.by != "order":
            table = user_path(settings.rows)
            files.append(AttachedFile(role="rows", source=str(table.absolute()), sha256=sha256(table)))
        predicted: Literal["logits", "prototypes", "nothing"] = "nothing"
        if {"class_weights", "logits", "probs"} & arrays.keys():
            predicted = "logits"
        elif (labels >= 0).any():
            predicted = "prototypes"
        titles = [array.title for array in arrays.values()]
        decides: list[Any] = [
            dataset.record.version,
            settings.by,
            titles,
            [file.sha256 for file in files],
            *settings.classes,
        ]
        decides += dataset.lock_note().values()
        stem = Path(settings.features or settings.logits or settings.probs).stem
        return cls(
            arrays=arrays,
            ids=ids,
            num_classes=num_classes,
            labels=labels,
            columns=columns_of(settings.classes, class_names(dataset, num_classes)),
            attached=Attached(by=settings.by, files=files, predicted=predicted, notes=notes),
            digest=settings_digest(decides),
            title=re.sub(r"[^A-Za-z0-9._-]+", "-", stem)[:40],
        )

    def blocks(self, role: Role, *, first: int) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
        """Yield ids and what the run stores of their rows, from row `first` on, checked, and how many rows were read.

        The columns are in order of the classes, and probabilities are logarithms.
        """
        array = self.arrays[role]
        start = first
        for block in array.blocks(max(1, _BLOCK // array.shape[1]), first=first):
            ids = self.ids[role][start : start + len(block)]
            _check_rows(role, array.title, block, start, ids >= 0)
            start += len(block)
            rows = block[ids >= 0]
            if role != "features":
                rows = rows[:, self.columns]
            if role == "probs":
                rows = np.log(np.maximum(rows.astype(np.float64), _LEAST))
            yield ids[ids >= 0], rows, start

    @cached_property
    def head(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Class weights (K, D) and bias (K,) in order of the classes; None without them."""
        if "class_weights" not in self.arrays:
            return None
        weights = _read_finite(self.arrays["class_weights"])
        if not np.all(np.any(weights, axis=1)):
            raise CurateError(f"{self.arrays['class_weights'].title} has a row of zeros. Give trained weights.")
        bias = np.zeros(len(weights), np.float32)
        if "bias" in self.arrays:
            bias = _read_finite(self.arrays["bias"])
        return weights[self.columns], bias[self.columns]

    @cached_property
    def usable(self) -> np.ndarray:
        """Whether each sample has a row in every array of rows, (N,)."""
        rows = np.zeros(len(self.labels), int)
        for ids in self.ids.values():
            rows[ids[ids >= 0]] += 1
        return rows == len(self.ids)

    @property
    def width(self) -> int:
        """D, 0 without features."""
        if "features" in self.arrays:
            return self.arrays["features"].shape[1]
        return 0


def _read_finite(array: ArrayInFile) -> np.ndarray:
    """Return a small array as float32; one that holds NaN or infinity is refused."""
    values = array.read().astype(np.float32)
    _refuse(~np.isfinite(values.reshape(len(values), -1)).all(axis=1), array.title, "holds NaN or infinity")
    return values


def _check_rows(role: Role, title: str, rows: np.ndarray, start: int, used: np.ndarray) -> None:
    """Refuse used rows that are not finite, or are not what they are said to be, naming the first."""
    with np.errstate(over="ignore", invalid="ignore"):
        sums = rows.astype(np.float32, copy=False).sum(axis=1, dtype=np.float64)
    _refuse(used & ~np.isfinite(sums), title, "holds NaN or infinity", start)
    unlike = (rows.min(axis=1) < -1e-2) | (np.abs(sums - 1) > 1e-2)
    if role == "probs":
        problem = "is not a row of probabilities, which are at least 0 and sum to 1"
        _refuse(used & unlike, title, problem, start, fix=Text(f"Give logits as {Option('logits')}"))
    if role == "logits" and used.sum() > 1 and not unlike[used].any():
        raise CurateError(f"{title} holds probabilities, whose rows sum to 1.", fix=f"Give it as {Option('probs')}")


def _refuse(bad: np.ndarray | np.bool, title: str, problem: str, start: int = 0, *, fix: str | Text = "") -> None:
    if bad.any():
        raise CurateError(f"Row {start + bad.argmax()} of {title} {problem}.", fix=fix)


def _open(role: Role, text: str) -> ArrayInFile:
    """Return the array that a user names as FILE or FILE:NAME."""
    file, _, member = text.rpartition(":")
    if user_path(text).is_file():
        return open_array(user_path(text), names=NAMES[role])
    if file and user_path(file).is_file():
        return open_array(user_path(file), member=member)
    raise CurateError(f"{text} is not a file. Give FILE or FILE:NAME of .npy, .npz, safetensors or Parquet.")


def _num_classes(dataset: DatasetFolder, arrays: dict[Role, ArrayInFile], labels: np.ndarray) -> int:
    """Return K of the arrays, else of the dataset; check class weights (K, D), features (N, D) and the others."""
    counts = set[int]()
    needed = max(len(dataset.record.classes), int(labels.max(initial=-1)) + 1)
    for role, array in arrays.items():
        sides = 2 - (role == "bias")
        if len(array.shape) != sides or not all(array.shape):
            raise CurateError(f"{array.title} has the shape {array.shape}, and {role} needs {sides} dimension(s).")
        if role != "features":
            counts.add(array.shape[int(role in ("logits", "probs"))])
    shapes = {array.title: array.shape for array in arrays.values()}
    if "class_weights" in arrays and arrays["class_weights"].shape[1] != arrays["features"].shape[1]:
        raise CurateError(f"The shapes {shapes} do not fit. Give class weights (K, D) for features (N, D).")
    if len(counts) > 1:
        raise CurateError(f"The shapes {shapes} have different numbers of classes. Give outputs of one network.")
    for count in counts:
        if count < needed or (dataset.record.classes_declared and count > needed > 0):
            raise CurateError(
                f"The arrays have {count} classes and dataset {dataset.name!r} has {needed} "
                f"({listed(dataset.record.classes, 5)}). Give one for each, in this order."
            )
        needed = count
    if "features" in arrays:
        array = arrays["features"]
        check_budget(array.path, needed * array.shape[1] * 8, f"The prototypes of the classes by {array.title}")
    return needed


def class_names(dataset: DatasetFolder, num_classes: int) -> list[str]:
    """Return the names of the dataset's classes, and numbers for those that have none."""
    return [stored_class(number, dataset.record.classes) for number in range(num_classes)]


def _ids_of_rows(dataset: DatasetFolder, array: ArrayInFile, by: str, table: str) -> np.ndarray:
    """Return the id that each row is about, -1 for none; two rows about one sample are refused.

    by: order, path or a column. table: a file that names the rows; "" where a column next to the array does.
    """
    rows = array.shape[0]
    samples = dataset.record.samples
    if by == "order":
        if rows != samples:
            raise CurateError(
                f"{array.title} has {rows} rows and dataset {dataset.name!r} has {samples} images.",
                fix=(
                    f"Give a row for each in order of id, or say by {Option('by', 'path')} or "
                    f"{Option('by', 'COLUMN')} which image a row is"
                ),
            )
        return np.arange(rows)
    columns = [name for name in pq.read_schema(dataset.samples_path).names if not name.startswith("_")]
    if by not in columns:
        raise CurateError(f"{Option('by')} {by}: give order, path or a column of the dataset: {listed(columns)}.")
    texts = _names_of_rows(array.path, by, table)
    names = dataset.column(by)
    if by == "path":
        ids = match_paths(texts, names)[0]
    else:
        values = names.cast(pa.string()).to_pandas().dropna()
        if not values.is_unique:
            raise CurateError(f"Several images have the same value in column {by!r}. Choose one whose values differ.")
        ids = np.append(values.index, -1)[pd.Index(values).get_indexer(texts.cast(pa.string()).to_pandas())]
    if len(texts) != rows or (ids < 0).all():
        raise CurateError(
            f"Of {rows} rows of {array.title}, {(ids >= 0).sum()} are named after an image, as {texts[0]}.",
            fix=f"Give a name for each row, or choose another {Option('by')}",
        )
    twice = np.flatnonzero((ids >= 0) & pd.Series(ids).duplicated())
    if len(twice):
        rows_of = np.flatnonzero(ids == ids[twice[0]]).tolist()
        raise CurateError(f"Rows {rows_of} of {array.title} are about one image. Leave all but one of them out.")
    return ids


def _names_of_rows(file: Path, by: str, table: str) -> pa.ChunkedArray:
    """Return what the rows are called: a column of the table, else one next to the array in its file."""
    names = [by]
    if by == "path":
        names = PATH_NAMES
    if not table:
        return read_texts(file, *names)
    path = user_path(table)
    if not path.is_file():
        raise CurateError(
            f"{Option('rows')} {path} is not a file. Give a CSV or Parquet table with a row for each row."
        )
    rows = read_table(path, texts=names)
    name = next((name for name in names if name in rows.column_names), by)
    return rows[check_column(name, rows.column_names, "by")]
