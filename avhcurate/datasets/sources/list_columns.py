"""Columns of lists of numbers in a source, such as embeddings and probabilities: kept with the samples, by id."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.errors import CurateError
from avhcurate.workspace.data.datasets import DatasetFolder, ListColumn
from avhcurate.workspace.disk.arrays import create_npy, number_type
from avhcurate.workspace.disk.columns import is_list
from avhcurate.workspace.disk.files import remove, temporary_name
from avhcurate.workspace.disk.fingerprints import fingerprint_file
from avhcurate.workspace.disk.provenance import settings_digest

#: Rows of a Parquet file that are read at a time.
_ROWS = 4096


def number_lists(schema: pa.Schema) -> list[str]:
    """Return columns whose values are lists of fractional numbers; lists of whole numbers may be votes.

    >>> number_lists(pa.schema({"embedding": pa.list_(pa.float32(), 4), "votes": pa.list_(pa.int64())}))
    ['embedding']
    """
    found = []
    for field in schema:
        storage = getattr(field.type, "storage_type", field.type)
        dtype = number_type(field.type)
        if is_list(storage) and dtype is not None and dtype.kind == "f":
            found.append(field.name)
    return found


@dataclass(frozen=True)
class ListSource:
    """Parquet files that hold lists in `columns`; `rows`: which of their rows are samples, ascending, None for all."""

    files: list[Path]
    columns: list[str]
    rows: np.ndarray | None = None

    def fingerprint(self) -> str:
        """Return a hash of the files and of which of their rows are samples."""
        rows = None
        if self.rows is not None:
            rows = [len(self.rows), int(self.rows.sum())]
        return settings_digest([self.columns, rows, *map(fingerprint_file, self.files)])

    def blocks(self, column: str) -> Iterator[pa.Array]:
        """Yield the lists of the samples, block by block in order of id."""
        before = 0
        for file in self.files:
            for batch in pq.ParquetFile(file).iter_batches(_ROWS, columns=[column]):
                lists = batch.column(0)
                if isinstance(lists, pa.ExtensionArray):
                    lists = lists.storage
                if self.rows is not None:
                    start, stop = np.searchsorted(self.rows, [before, before + len(batch)])
                    lists = lists.take(pa.array(self.rows[start:stop] - before))
                    before += len(batch)
                yield lists


def keep_lists(folder: DatasetFolder, source: ListSource | None) -> list[str]:
    """Keep the lists of a source with the dataset, in place of earlier ones; return what the user should know.

    A column with lists of different lengths is left out.
    """
    record, source, fingerprint = folder.record, source or ListSource([], []), ""
    if source.columns:
        fingerprint = source.fingerprint()
    if fingerprint == record.lists_fingerprint:
        return []
    kept, messages = dict[str, ListColumn](), list[str]()
    for number, name in enumerate(source.columns):
        path = folder.root / "lists" / f"{fingerprint[:12]}-{number}.npy"
        path.parent.mkdir(exist_ok=True)
        try:
            kept[name] = _keep(path, name, source, record.samples, len(record.classes))
        except CurateError as problem:
            messages.append(f"list column {name!r} is left out: {problem}")
            continue
        option = kept[name].role.replace("_", "-")
        messages.append(
            f"list column {name!r} ({kept[name].width:,} numbers a sample) is kept: "
            f"`avhcurate attach {record.name} --{option} {name}` makes a run of it"
        )
    others = [text for text in record.messages if not text.startswith("list column ")]
    changes = {"lists": kept, "lists_fingerprint": fingerprint, "messages": others + messages}
    folder.write_record(record.model_copy(update=changes))
    for old in (folder.root / "lists").glob("*.npy"):
        if old.name not in {column.file for column in kept.values()}:
            old.unlink(missing_ok=True)
    return messages


def _keep(path: Path, name: str, source: ListSource, samples: int, classes: int) -> ListColumn:
    """Write lists as an array (N, width), NaN for a sample without one."""
    array: np.memmap | None = None
    missing, row, making = 0, 0, temporary_name(path)
    try:
        for lists in source.blocks(name):
            lengths = pc.list_value_length(lists).fill_null(-1).to_numpy(zero_copy_only=False)
            present = lengths >= 0
            if array is None and present.any():
                dtype = number_type(lists.type) or np.dtype("f4")
                shape = samples, int(lengths[present][0])
                array = create_npy(making, np.dtype(f"<f{max(4, dtype.itemsize)}"), shape)
                array[:row] = np.nan
            if array is not None:
                if len(odd := np.flatnonzero(present & (lengths != array.shape[1]))):
                    raise CurateError(f"row {row + odd[0]} has {lengths[odd[0]]} numbers, the first {array.shape[1]}")
                block = array[row : row + len(lists)]
                block[~present] = np.nan
                block[present] = lists.drop_null().flatten().to_numpy(zero_copy_only=False).reshape(-1, array.shape[1])
            missing += int((~present).sum())
            row += len(lists)
        if array is None or not array.shape[1]:
            raise CurateError("it is empty in every row")
        role = _role(name, array, classes)
        array.flush()
        making.replace(path)
    finally:
        remove(making)
    return ListColumn(file=path.name, width=array.shape[1], role=role, missing=missing)


def _role(name: str, array: np.ndarray, classes: int) -> Literal["features", "logits", "probs"]:
    """Return what a column seems to be, by its name and width, or by its values."""
    text = name.casefold()
    if array.shape[1] != classes or "embed" in text or "feature" in text:
        return "features"
    if "logit" in text:
        return "logits"
    some = np.array(array[:_ROWS], np.float64)
    some = some[np.isfinite(some).all(axis=1)]
    sums_to_one = len(some) and (some >= 0).all() and np.allclose(some.sum(axis=1), 1, atol=1e-2)
    if "prob" in text or "softmax" in text or sums_to_one:
        return "probs"
    return "logits"
