"""The arrays that a user attaches: where they are found, what they must fit, which sample each row is about."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.data.datasets import DatasetFolder, ListColumn
from avhcurate.disk.arrays import ArrayInFile, columns_of, open_array, read_texts
from avhcurate.disk.columns import PATH_NAMES, listed
from avhcurate.disk.files import user_path
from avhcurate.disk.tabular import read_table
from avhcurate.errors import CurateError
from avhcurate.votes.row_matching import SampleNames

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
#: How far the sum of a row of probabilities may be from 1, by the bytes of a number.
_TOLERANCE = {2: 1e-2, 4: 1e-3, 8: 1e-3}


@dataclass(frozen=True)
class AttachSpec:
    """What to attach: for each array FILE, FILE:NAME or a kept column of the dataset; "" for what there is not.

    by: "order", "path" or a column of the dataset that also stands beside the rows, in the file or in the table `rows`.
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
            raise CurateError("nothing to attach: give --features, --logits or --probs")
        if self.logits and self.probs:
            raise CurateError("give --logits or --probs, not both: one follows from the other")
        if self.class_weights and not self.features:
            raise CurateError("--class-weights score embeddings: give --features too")
        if self.bias and not self.class_weights:
            raise CurateError("--bias belongs to --class-weights: give both")

    @property
    def title(self) -> str:
        """What a run without a name is called after."""
        text = self.features or self.logits or self.probs
        return Path(text).stem if Path(text).suffix else text.rpartition(":")[2] or text


@dataclass(frozen=True)
class AttachedArray:
    """One array, its rows unread, with the id of the sample that each row is about, (rows,), -1 for none.

    `ids` is None for class weights and bias. `kept` is set for a column that the dataset keeps.
    """

    role: Role
    array: ArrayInFile
    kept: ListColumn | None = None
    ids: np.ndarray | None = None

    @property
    def source(self) -> str:
        """Where it comes from, for the record: a column, or FILE or FILE:NAME."""
        path = self.array.path
        return self.title if self.kept else f"{path.absolute()}{self.title.removeprefix(path.name)}"

    @property
    def title(self) -> str:
        return self.array.title

    @property
    def width(self) -> int:
        return self.array.shape[1]

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
        """Ids and rows that are about a sample, block by block, checked, and how many rows were read before."""
        assert self.ids is not None
        start = 0
        for block in self.array.blocks(max(1, _BLOCK // max(1, self.width))):
            ids = self.ids[start : start + len(block)]
            known = np.flatnonzero(ids >= 0)
            self._check_rows(block[known], start + known)
            yield ids[known], block[known], start
            start += len(block)

    def _check_rows(self, block: np.ndarray, rows: np.ndarray) -> None:
        """Refuses rows that are not finite, or that cannot be what they are said to be, naming the first."""
        with np.errstate(over="ignore"):
            sums = block.astype(np.float32, copy=False).sum(axis=1, dtype=np.float64)
        if len(bad := np.flatnonzero(~np.isfinite(sums))):
            raise CurateError(f"row {rows[bad[0]]} of {self.title} holds NaN or infinity: correct it or leave it out")
        if self.role == "logits" and len(block) > 1 and (block >= 0).all() and np.allclose(sums, 1, atol=1e-4):
            raise CurateError(f"{self.title} holds probabilities, whose rows sum to 1, not logits: give it as --probs")
        if self.role == "probs":
            tolerance = _TOLERANCE.get(block.dtype.itemsize, 1e-3)
            low, far = block.min(axis=1) < -tolerance, np.abs(sums - 1) > tolerance
            if len(bad := np.flatnonzero(low | far)):
                first = bad[0]
                what = f"the number {block[first].min():.4g}" if low[first] else f"a sum of {sums[first]:.4g}"
                raise CurateError(
                    f"row {rows[first]} of {self.title} has {what}, and probabilities lie between 0 and 1 and sum to "
                    "1: give logits as --logits"
                )


def open_arrays(dataset: DatasetFolder, spec: AttachSpec) -> tuple[dict[Role, AttachedArray], list[str]]:
    """The arrays by role, their shapes checked against each other and the dataset, and what the user should know."""
    texts: dict[Role, str] = {role: getattr(spec, role).strip() for role in NAMES}
    arrays = {role: _open(dataset, role, text) for role, text in texts.items() if text}
    for one in arrays.values():
        sides = 1 if one.role == "bias" else 2
        if len(one.array.shape) != sides:
            raise CurateError(f"{one.title} has the shape {_shape(one)}: {one.role} has {sides} dimension(s)")
        if not all(one.array.shape):
            raise CurateError(f"{one.title} has the shape {_shape(one)}: there is nothing in it")
    _check_widths(arrays)
    _check_classes(dataset, arrays)
    notes: list[str] = []
    matched: dict[Role, AttachedArray] = {}
    for role, one in arrays.items():
        if role in ("class_weights", "bias"):
            matched[role] = one
            continue
        ids = _ids_of_rows(dataset, one, spec)
        if one.kept is None and len(left := np.flatnonzero(ids < 0)):
            notes.append(
                f"{len(left)} of {len(ids)} rows of {one.title} name no sample and were left out, first {left[0]}"
            )
        matched[role] = replace(one, ids=ids)
    return matched, notes


def _open(dataset: DatasetFolder, role: Role, text: str) -> AttachedArray:
    """The array that a text names: a file, an array of a file, or a kept column."""
    path, kept = user_path(text), dataset.lists
    if not path.is_file() and text in kept:
        title = f"column {text!r}"
        return AttachedArray(role, open_array(dataset.list_path(text), title=title), kept=kept[text])
    head, _, member = text.rpartition(":")
    inside = not path.is_file() and head and user_path(head).is_file()
    file = user_path(head) if inside else path
    if not file.is_file():
        columns = f"; columns that the dataset keeps: {listed(kept)}" if kept else ""
        option = f"--{role.replace('_', '-')}"
        raise CurateError(
            f"{option} {text} is not a file{columns}: give FILE or FILE:NAME of .npy, .npz, safetensors or Parquet"
        )
    return AttachedArray(role, open_array(file, member=member if inside else None, names=NAMES[role]))


def _shape(one: AttachedArray) -> str:
    return " x ".join(map(str, one.array.shape))


def _check_widths(arrays: dict[Role, AttachedArray]) -> None:
    """Class weights (K, D) against features (N, D) and bias (K,)."""
    if (weights := arrays.get("class_weights")) is None:
        return
    features, bias = arrays["features"], arrays.get("bias")
    if weights.width != features.width:
        turned = weights.array.shape[0] == features.width
        hint = "it is transposed, give (K, D)" if turned else "give the weight of the layer that takes these features"
        raise CurateError(f"{weights.title} is {_shape(weights)} and the features are {features.width} wide: {hint}")
    if bias is not None and bias.array.shape[0] != weights.array.shape[0]:
        raise CurateError(
            f"{bias.title} has {bias.array.shape[0]} numbers and {weights.title} {weights.array.shape[0]} classes: "
            "give one a class"
        )


def _check_classes(dataset: DatasetFolder, arrays: dict[Role, AttachedArray]) -> None:
    """Every array with a place for each class against the dataset's classes and labels."""
    record, labels = dataset.record, dataset.labels()
    sizes = {
        role: one.array.shape[0] if role == "class_weights" else one.width
        for role, one in arrays.items()
        if role in ("class_weights", "logits", "probs")
    }
    if len(set(sizes.values())) > 1:
        told = " and ".join(f"{arrays[role].title} {size}" for role, size in sizes.items())
        raise CurateError(f"the arrays are of different numbers of classes, {told}: give outputs of one network")
    for role, size in sizes.items():
        if record.classes_declared and record.classes and size != len(record.classes):
            raise CurateError(
                f"{arrays[role].title} has {size} classes and dataset {dataset.name!r} has {len(record.classes)} "
                f"({listed(record.classes, 5)}): give one for each, in this order"
            )
        if len(labels) and labels.max() >= size:
            row = int(np.flatnonzero(labels >= size)[0])
            raise CurateError(
                f"{arrays[role].title} has {size} classes, and sample {row} of dataset {dataset.name!r} has label "
                f"{labels[row]}: give at least {labels.max() + 1}"
            )


# --- which sample a row is about -----------------------------------------------------------------------------------


def _ids_of_rows(dataset: DatasetFolder, one: AttachedArray, spec: AttachSpec) -> np.ndarray:
    """The id that each row is about, -1 for none; two rows about one sample are refused, naming them."""
    rows, samples = one.array.shape[0], dataset.record.samples
    if spec.by == "order" or one.kept:  # a kept column is in the order of the dataset
        if rows != samples:
            raise CurateError(
                f"{one.title} has {rows} rows and dataset {dataset.name!r} has {samples} samples: give a row for each "
                "in order of id, or say by --by path or --by COLUMN which sample a row is"
            )
        return _without_gaps(one) if one.kept and one.kept.missing else np.arange(rows)
    _check_column(dataset, spec.by)
    texts = _names_of_rows(one, spec)
    if len(texts) != rows:
        raise CurateError(f"{one.title} has {rows} rows and {len(texts)} names for them: give one a row")
    ids = _match(dataset, texts, spec.by)
    named = np.flatnonzero(ids >= 0)
    if not len(named):
        first = dataset.samples([spec.by]).iloc[0, 0]
        raise CurateError(
            f"no row of {one.title} names a sample: row 0 is called {texts[0].as_py()!r}, sample 0 {first!r}"
        )
    order = named[np.argsort(ids[named], kind="stable")]
    twice = np.flatnonzero(np.diff(ids[order]) == 0)
    if len(twice):
        first, second = sorted(order[[twice[0], twice[0] + 1]].tolist())
        raise CurateError(
            f"rows {first} and {second} of {one.title} are both about {texts[first].as_py()!r}: leave one of them out"
        )
    return ids


def _without_gaps(one: AttachedArray) -> np.ndarray:
    """Ids of a kept column's rows, -1 for a sample that had no list."""
    present = [~np.isnan(block).all(axis=1) for block in one.array.blocks(max(1, _BLOCK // max(1, one.width)))]
    has = np.concatenate(present)
    return np.where(has, np.arange(len(has)), -1)


def _names_of_rows(one: AttachedArray, spec: AttachSpec) -> pa.ChunkedArray:
    """What the rows are called: a column of the table `rows`, else one beside the array in its file."""
    wanted = PATH_NAMES if spec.by == "path" else (spec.by,)
    if spec.rows:
        path = user_path(spec.rows)
        if not path.is_file():
            raise CurateError(f"--rows {spec.rows} is not a file: give a CSV or Parquet table with a row for each row")
        table = read_table(path, texts=wanted)
        name = next((name for name in wanted if name in table.column_names), None)
        if name is None:
            raise CurateError(f"{path.name} has no column {spec.by!r}; it has {listed(table.column_names)}")
        return table[name]
    name = next((name for name in wanted if name in columns_of(one.array.path)), spec.by)
    return read_texts(one.array.path, name)


def _check_column(dataset: DatasetFolder, by: str) -> None:
    names = pq.read_schema(dataset.samples_path).names
    if by not in names or by.startswith("_"):
        raise CurateError(
            f"--by {by}: give order, path or a column of the dataset: "
            f"{listed(name for name in names if not name.startswith('_'))}"
        )


def _match(dataset: DatasetFolder, texts: pa.ChunkedArray, by: str) -> np.ndarray:
    column = pq.read_table(dataset.samples_path, columns=[by])[by]
    if by == "path":
        return SampleNames(column).match(texts)
    known = column.cast(pa.string()).combine_chunks()
    if repeated := _repeated(known):
        raise CurateError(
            f"column {by!r} says {repeated[0]!r} of several samples of dataset {dataset.name!r}: choose a column whose "
            "values differ"
        )
    place = pc.index_in(texts.cast(pa.string()), value_set=known, skip_nulls=True)
    return place.fill_null(-1).to_numpy().astype(np.int64)


def _repeated(values: pa.Array) -> list[str]:
    """Values that occur more than once."""
    counts = values.drop_null().value_counts()
    several = pc.greater(counts.field("counts"), 1)
    return [str(value) for value in counts.field("values").filter(several).to_pylist()]
