"""The arrays that a user attaches: where they are found, what they must fit, which sample each row is about."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.errors import CurateError
from avhcurate.networks.scoring.settings import AttachSettings
from avhcurate.people.row_matching import match_paths
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.disk.arrays import ArrayInFile, open_array, read_texts
from avhcurate.workspace.disk.budget import check_budget
from avhcurate.workspace.disk.columns import PATH_NAMES, check_column, listed
from avhcurate.workspace.disk.files import user_path
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


@dataclass(frozen=True)
class AttachedArray:
    """One array, its rows unread, with the id of the sample that each row is about, (rows,), -1 for none.

    `ids` is None for class weights and bias. `kept`: a column that the dataset keeps.
    """

    role: Role
    array: ArrayInFile
    kept: bool = False
    ids: np.ndarray | None = None

    @property
    def title(self) -> str:
        return self.array.title

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def read_finite(self) -> np.ndarray:
        """Return a small array as float32; one that holds NaN or infinity is refused."""
        whole = self.array.read().astype(np.float32)
        self._refuse(~np.isfinite(whole.reshape(len(whole), -1)).all(axis=1), "holds NaN or infinity")
        return whole

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
        """Yield ids and rows that are about a sample, block by block, checked, and how many rows were read before."""
        assert self.ids is not None
        start = 0
        for block in self.array.blocks(max(1, _BLOCK // self.shape[1])):
            ids = self.ids[start : start + len(block)]
            self._check(block, start, ids >= 0)
            yield ids[ids >= 0], block[ids >= 0], start
            start += len(block)

    def _check(self, block: np.ndarray, start: int, used: np.ndarray) -> None:
        """Refuse used rows that are not finite, or are not what they are said to be, naming the first."""
        with np.errstate(over="ignore", invalid="ignore"):
            sums = block.astype(np.float32, copy=False).sum(axis=1, dtype=np.float64)
        self._refuse(used & ~np.isfinite(sums), "holds NaN or infinity", start)
        unlike = (block.min(axis=1) < -1e-2) | (np.abs(sums - 1) > 1e-2)
        if self.role == "probs":
            problem = "is not a row of probabilities, which are at least 0 and sum to 1. Give logits as --logits"
            self._refuse(used & unlike, problem, start)
        if self.role == "logits" and used.sum() > 1 and not unlike[used].any():
            raise CurateError(f"{self.title} holds probabilities, whose rows sum to 1. Give it as --probs.")

    def _refuse(self, bad: np.ndarray | np.bool, problem: str, start: int = 0) -> None:
        if bad.any():
            raise CurateError(f"Row {start + bad.argmax()} of {self.title} {problem}.")


def open_arrays(dataset: DatasetFolder, settings: AttachSettings) -> tuple[dict[Role, AttachedArray], list[str]]:
    """Return the arrays by role, their shapes checked against each other and the dataset, and what to tell the user."""
    arrays = {role: _open(dataset, role, text) for role in NAMES if (text := getattr(settings, role).strip())}
    for role, one in arrays.items():
        sides = 2 - (role == "bias")
        if len(one.shape) != sides or not all(one.shape):
            raise CurateError(f"{one.title} has the shape {one.shape}, and {role} needs {sides} dimension(s).")
    _check_sizes(dataset, arrays)
    notes = []
    for role in arrays.keys() - {"class_weights", "bias"}:
        one = arrays[role]
        ids = _ids_of_rows(dataset, one, settings)
        if left := int((ids < 0).sum()):
            notes.append(f"{left} rows of {one.title} name no sample, first {ids.argmin()}: left out")
        arrays[role] = replace(one, ids=ids)
    return arrays, notes


def num_classes(dataset: DatasetFolder, arrays: dict[Role, AttachedArray]) -> int:
    """Return as many classes as the arrays have, else as the dataset has."""
    for role, one in arrays.items():
        if role != "features":
            return one.shape[int(role in ("logits", "probs"))]
    return max(len(dataset.record.classes), int(dataset.labels().max(initial=-1)) + 1)


def _open(dataset: DatasetFolder, role: Role, text: str) -> AttachedArray:
    """Return the array that a text names: a file, an array of a file, or a kept column."""
    head, _, member = text.rpartition(":")
    if user_path(text).is_file():
        return AttachedArray(role, open_array(user_path(text), names=NAMES[role]))
    if text in dataset.lists:
        kept = open_array(dataset.list_path(text), member="values", title=f"column {text!r}")
        return AttachedArray(role, kept, kept=True)
    if head and user_path(head).is_file():
        return AttachedArray(role, open_array(user_path(head), member=member))
    raise CurateError(
        f"{text} is not a file, and not one of the columns that the dataset keeps ({listed(dataset.lists)}). Give FILE "
        "or FILE:NAME of .npy, .npz, safetensors or Parquet."
    )


def _check_sizes(dataset: DatasetFolder, arrays: dict[Role, AttachedArray]) -> None:
    """Check class weights (K, D) against features (N, D), and K against the other arrays and the dataset."""
    shapes = {one.title: one.shape for one in arrays.values()}
    if "class_weights" in arrays and arrays["class_weights"].shape[1] != arrays["features"].shape[1]:
        raise CurateError(f"The shapes {shapes} do not fit. Give class weights (K, D) for features (N, D).")
    if "features" in arrays:
        one = arrays["features"]
        sums = num_classes(dataset, arrays) * one.shape[1] * 8
        check_budget(one.array.path, sums, f"The prototypes of the classes by {one.title}")
    counts = {num_classes(dataset, {role: one}) for role, one in arrays.items() if role != "features"}
    if len(counts) > 1:
        raise CurateError(f"The shapes {shapes} have different numbers of classes. Give outputs of one network.")
    needed = num_classes(dataset, {})
    for count in counts:
        if count < needed or (dataset.record.classes_declared and count > needed > 0):
            raise CurateError(
                f"The arrays have {count} classes and dataset {dataset.name!r} has {needed} "
                f"({listed(dataset.record.classes, 5)}). Give one for each, in this order."
            )


# --- which sample a row is about -----------------------------------------------------------------------------------


def _ids_of_rows(dataset: DatasetFolder, one: AttachedArray, settings: AttachSettings) -> np.ndarray:
    """Return the id that each row is about, -1 for none; two rows about one sample are refused."""
    rows, samples, by = one.shape[0], dataset.record.samples, settings.by
    if one.kept:
        return pq.read_table(one.array.path, columns=["id"])["id"].to_numpy()
    if by == "order":
        if rows != samples:
            raise CurateError(
                f"{one.title} has {rows} rows and dataset {dataset.name!r} has {samples} samples. Give a row for each "
                "in order of id, or say by --by path or --by COLUMN which sample a row is."
            )
        return np.arange(rows)
    names = [name for name in pq.read_schema(dataset.samples_path).names if not name.startswith("_")]
    if by not in names:
        raise CurateError(f"--by {by}: give order, path or a column of the dataset: {listed(names)}.")
    texts = _names_of_rows(one, settings)
    ids = _match(pq.read_table(dataset.samples_path, columns=[by])[by], texts, by)
    if len(texts) != rows or (ids < 0).all():
        raise CurateError(
            f"Of {rows} rows of {one.title}, {(ids >= 0).sum()} are named after a sample, as {texts[0]}. Give a name "
            "for each row, or choose another --by."
        )
    twice = np.flatnonzero((ids >= 0) & pd.Series(ids).duplicated())
    if len(twice):
        rows_of = np.flatnonzero(ids == ids[twice[0]]).tolist()
        raise CurateError(f"Rows {rows_of} of {one.title} are about one sample. Leave all but one of them out.")
    return ids


def _names_of_rows(one: AttachedArray, settings: AttachSettings) -> pa.ChunkedArray:
    """Return what the rows are called: a column of the table `rows`, else one next to the array in its file."""
    wanted, place, rows = [settings.by], one.array.path, user_path(settings.rows)
    if settings.by == "path":
        wanted = PATH_NAMES
    if not settings.rows:
        return read_texts(place, *wanted)
    if not rows.is_file():
        raise CurateError(f"--rows {rows} is not a file. Give a CSV or Parquet table with a row for each row.")
    table = read_table(rows, texts=wanted)
    name = next((name for name in wanted if name in table.column_names), settings.by)
    return table[check_column(name, table.column_names, "--by")]


def _match(column: pa.ChunkedArray, texts: pa.ChunkedArray, by: str) -> np.ndarray:
    if by == "path":
        return match_paths(texts, column)[0]
    known = column.cast(pa.string()).to_pandas().dropna()
    if not known.is_unique:
        raise CurateError(f"Several samples have the same value in column {by!r}. Choose one whose values differ.")
    return np.append(known.index, -1)[pd.Index(known).get_indexer(texts.cast(pa.string()).to_pandas())]
