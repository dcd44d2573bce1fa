"""The arrays that a user attaches: where they are found, what they must fit, which sample each row is about."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.errors import CurateError
from avhcurate.people.row_matching import SampleNames
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.disk.arrays import ArrayInFile, columns_of, open_array, read_texts
from avhcurate.workspace.disk.columns import PATH_NAMES, listed
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
#: Arrays with a place for each class.
OUTPUTS: tuple[Role, ...] = ("class_weights", "logits", "probs")
#: Numbers read at a time.
_BLOCK = 1 << 22


@dataclass(frozen=True)
class AttachSpec:
    """What to attach: for each array FILE, FILE:NAME or a kept column of the dataset; "" for none.

    by: "order", "path" or a column of the dataset that stands next to the rows too, in the file or in the table `rows`.
    """

    features: str = ""
    class_weights: str = ""
    bias: str = ""
    logits: str = ""
    probs: str = ""
    by: str = "order"
    rows: str = ""

    def __post_init__(self) -> None:
        if not (self.features or self.logits or self.probs):
            raise CurateError("There is nothing to attach. Give --features, --logits or --probs.")
        if self.logits and self.probs:
            raise CurateError("Give --logits or --probs, not both: one follows from the other.")
        if self.class_weights and not self.features:
            raise CurateError("--class-weights score embeddings, so give --features too.")
        if self.bias and not self.class_weights:
            raise CurateError("--bias belongs to --class-weights. Give both.")

    @property
    def title(self) -> str:
        """The name of a run that gets no other."""
        text = self.features or self.logits or self.probs
        if Path(text).suffix:
            return Path(text).stem
        return text.rpartition(":")[2]


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
    def source(self) -> str:
        """Where it comes from, for the record: a column, or FILE or FILE:NAME."""
        if self.kept:
            return self.title
        return f"{self.array.path.absolute()}{self.title.removeprefix(self.array.path.name)}"

    @property
    def shape(self) -> str:
        return " x ".join(map(str, self.array.shape))

    @property
    def width(self) -> int:
        return self.array.shape[1]

    @property
    def classes(self) -> int:
        """How many classes it has a place for."""
        if self.role == "class_weights":
            return self.array.shape[0]
        return self.width

    def read_finite(self) -> np.ndarray:
        """Return a small array as float32; one that holds NaN or infinity is refused."""
        whole = self.array.read().astype(np.float32)
        bad = np.flatnonzero(~np.isfinite(whole.reshape(len(whole), -1)).all(axis=1))
        if len(bad):
            raise CurateError(f"Row {bad[0]} of {self.title} holds NaN or infinity. Give the trained weights.")
        return whole

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
        """Yield ids and rows that are about a sample, block by block, checked, and how many rows were read before."""
        assert self.ids is not None
        start = 0
        for block in self.array.blocks(max(1, _BLOCK // max(1, self.width))):
            ids = self.ids[start : start + len(block)]
            known = np.flatnonzero(ids >= 0)
            self._check_rows(block[known], start + known)
            yield ids[known], block[known], start
            start += len(block)

    def _check_rows(self, block: np.ndarray, rows: np.ndarray) -> None:
        """Refuse rows that are not finite, or are not what they are said to be, naming the first."""
        with np.errstate(over="ignore"):
            sums = block.astype(np.float32, copy=False).sum(axis=1, dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(sums))
        if len(bad):
            raise CurateError(f"Row {rows[bad[0]]} of {self.title} holds NaN or infinity. Correct it or leave it out.")
        if self.role == "logits" and len(block) > 1 and (block >= 0).all() and np.allclose(sums, 1, atol=1e-4):
            raise CurateError(f"{self.title} holds probabilities, whose rows sum to 1. Give it as --probs.")
        if self.role != "probs":
            return
        tolerance = 1e-3
        if block.dtype.itemsize == 2:  # half precision
            tolerance = 1e-2
        bad = np.flatnonzero((block.min(axis=1) < -tolerance) | (np.abs(sums - 1) > tolerance))
        if len(bad):
            first = bad[0]
            raise CurateError(
                f"Row {rows[first]} of {self.title} has a sum of {sums[first]:.4g} and a least number of "
                f"{block[first].min():.4g}. Probabilities lie between 0 and 1 and sum to 1; give logits as --logits."
            )


def open_arrays(dataset: DatasetFolder, spec: AttachSpec) -> tuple[dict[Role, AttachedArray], list[str]]:
    """Return the arrays by role, their shapes checked against each other and the dataset, and what to tell the user."""
    texts: dict[Role, str] = {role: getattr(spec, role).strip() for role in NAMES}
    arrays = {role: _open(dataset, role, text) for role, text in texts.items() if text}
    for one in arrays.values():
        sides = 1 if one.role == "bias" else 2
        if len(one.array.shape) != sides:
            raise CurateError(f"{one.title} has the shape {one.shape}, and {one.role} needs {sides} dimension(s).")
        if not all(one.array.shape):
            raise CurateError(f"{one.title} has the shape {one.shape}, so it is empty. Save it again.")
    _check_widths(arrays)
    _check_classes(dataset, arrays)
    notes: list[str] = []
    for role in ("features", "logits", "probs"):
        if role not in arrays:
            continue
        one = arrays[role]
        ids = _ids_of_rows(dataset, one, spec)
        left = np.flatnonzero(ids < 0)
        if len(left) and not one.kept:
            named = f"{len(left)} of {len(ids)} rows of {one.title}"
            notes.append(f"{named} name no sample and were left out, first {left[0]}")
        arrays[role] = replace(one, ids=ids)
    return arrays, notes


def _open(dataset: DatasetFolder, role: Role, text: str) -> AttachedArray:
    """Return the array that a text names: a file, an array of a file, or a kept column."""
    path = user_path(text)
    if path.is_file():
        return AttachedArray(role, open_array(path, names=NAMES[role]))
    if text in dataset.lists:
        return AttachedArray(role, open_array(dataset.list_path(text), title=f"column {text!r}"), kept=True)
    head, _, member = text.rpartition(":")
    if head and user_path(head).is_file():
        return AttachedArray(role, open_array(user_path(head), member=member, names=NAMES[role]))
    raise CurateError(
        f"--{role.replace('_', '-')} {text} is not a file, and not one of the columns that the dataset keeps "
        f"({listed(dataset.lists)}). Give FILE or FILE:NAME of .npy, .npz, safetensors or Parquet."
    )


def _check_widths(arrays: dict[Role, AttachedArray]) -> None:
    """Check class weights (K, D) against features (N, D) and bias (K,)."""
    if "class_weights" not in arrays:
        return
    weights, features, bias = arrays["class_weights"], arrays["features"], arrays.get("bias")
    if weights.width != features.width:
        hint = "Give the weight of the layer that takes these features."
        if weights.classes == features.width:
            hint = "It is transposed: give (K, D)."
        raise CurateError(f"{weights.title} is {weights.shape} and the features are {features.width} wide. {hint}")
    if bias is not None and bias.array.shape[0] != weights.classes:
        raise CurateError(
            f"{bias.title} has {bias.array.shape[0]} numbers and {weights.title} has {weights.classes} classes. Give "
            "one number for each class."
        )


def _check_classes(dataset: DatasetFolder, arrays: dict[Role, AttachedArray]) -> None:
    """Check every array with a place for each class against the dataset's classes and labels."""
    record, labels = dataset.record, dataset.labels()
    outputs = [arrays[role] for role in OUTPUTS if role in arrays]
    if len({one.classes for one in outputs}) > 1:
        told = " and ".join(f"{one.title} {one.classes}" for one in outputs)
        raise CurateError(f"The arrays have different numbers of classes, {told}. Give outputs of one network.")
    for one in outputs[:1]:
        if record.classes_declared and record.classes and one.classes != len(record.classes):
            raise CurateError(
                f"{one.title} has {one.classes} classes and dataset {dataset.name!r} has {len(record.classes)} "
                f"({listed(record.classes, 5)}). Give one for each, in this order."
            )
        if labels.max(initial=-1) >= one.classes:
            raise CurateError(
                f"{one.title} has {one.classes} classes, and dataset {dataset.name!r} has labels up to "
                f"{labels.max()}. Give at least {labels.max() + 1}."
            )


# --- which sample a row is about -----------------------------------------------------------------------------------


def _ids_of_rows(dataset: DatasetFolder, one: AttachedArray, spec: AttachSpec) -> np.ndarray:
    """Return the id that each row is about, -1 for none; two rows about one sample are refused."""
    rows, samples = one.array.shape[0], dataset.record.samples
    if spec.by == "order" or one.kept:  # a kept column is in the order of the dataset
        if rows != samples:
            raise CurateError(
                f"{one.title} has {rows} rows and dataset {dataset.name!r} has {samples} samples. Give a row for each "
                "in order of id, or say by --by path or --by COLUMN which sample a row is."
            )
        return _without_gaps(one)
    names = pq.read_schema(dataset.samples_path).names
    if spec.by not in names or spec.by.startswith("_"):
        known = listed(name for name in names if not name.startswith("_"))
        raise CurateError(f"--by {spec.by}: give order, path or a column of the dataset: {known}.")
    texts = _names_of_rows(one, spec)
    if len(texts) != rows:
        raise CurateError(f"{one.title} has {rows} rows and {len(texts)} names for them. Give one for each row.")
    ids = _match(dataset, texts, spec.by)
    named = np.flatnonzero(ids >= 0)
    if not len(named):
        first = dataset.samples([spec.by]).iloc[0, 0]
        raise CurateError(
            f"No row of {one.title} names a sample: row 0 is called {texts[0].as_py()!r} and sample 0 {first!r}. "
            "Choose another --by."
        )
    order = named[np.argsort(ids[named], kind="stable")]
    twice = np.flatnonzero(np.diff(ids[order]) == 0)
    if len(twice):
        first, second = sorted(order[[twice[0], twice[0] + 1]].tolist())
        raise CurateError(
            f"Rows {first} and {second} of {one.title} are both about {texts[first].as_py()!r}. Leave one of them out."
        )
    return ids


def _without_gaps(one: AttachedArray) -> np.ndarray:
    """Return the ids of rows in the dataset's order; -1 for a sample that had no list in a kept column."""
    ids = np.arange(one.array.shape[0])
    if one.kept:
        step = max(1, _BLOCK // max(1, one.width))
        has = np.concatenate([~np.isnan(block).all(axis=1) for block in one.array.blocks(step)])
        ids[~has] = -1
    return ids


def _names_of_rows(one: AttachedArray, spec: AttachSpec) -> pa.ChunkedArray:
    """Return what the rows are called: a column of the table `rows`, else one next to the array in its file."""
    wanted = PATH_NAMES if spec.by == "path" else (spec.by,)
    if not spec.rows:
        there = columns_of(one.array.path)
        return read_texts(one.array.path, next((name for name in wanted if name in there), spec.by))
    path = user_path(spec.rows)
    if not path.is_file():
        raise CurateError(f"--rows {spec.rows} is not a file. Give a CSV or Parquet table with a row for each row.")
    table = read_table(path, texts=wanted)
    name = next((name for name in wanted if name in table.column_names), None)
    if name is None:
        raise CurateError(f"{path.name} has no column {spec.by!r}. It has {listed(table.column_names)}.")
    return table[name]


def _match(dataset: DatasetFolder, texts: pa.ChunkedArray, by: str) -> np.ndarray:
    column = pq.read_table(dataset.samples_path, columns=[by])[by]
    if by == "path":
        return SampleNames(column).match(texts)
    known = column.cast(pa.string()).combine_chunks()
    if len(known.drop_null().unique()) < len(known) - known.null_count:
        raise CurateError(
            f"Column {by!r} of dataset {dataset.name!r} has equal values for several samples. Choose one whose values "
            "differ."
        )
    position = pc.index_in(texts.cast(pa.string()), value_set=known, skip_nulls=True)
    return position.fill_null(-1).to_numpy().astype(np.int64)
