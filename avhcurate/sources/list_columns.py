"""Columns of lists of numbers in a source, as embeddings and probabilities are: kept beside the samples, by id."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.data.datasets import DatasetFolder, ListColumn
from avhcurate.disk.arrays import number_type, read_npy
from avhcurate.disk.columns import is_list
from avhcurate.disk.files import replacing
from avhcurate.disk.fingerprints import fingerprint_file
from avhcurate.disk.provenance import settings_digest
from avhcurate.errors import CurateError

#: Rows of a Parquet file that are read at a time.
_ROWS = 4096


def number_lists(schema: pa.Schema) -> list[str]:
    """Columns whose values are lists of fractional numbers; lists of whole numbers may be votes.

    >>> number_lists(pa.schema({"embedding": pa.list_(pa.float32(), 4), "votes": pa.list_(pa.int64())}))
    ['embedding']
    """
    found = []
    for field in schema:
        storage = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
        dtype = number_type(field.type)
        if is_list(storage) and dtype is not None and dtype.kind == "f":
            found.append(field.name)
    return found


@dataclass(frozen=True)
class ListSource:
    """Parquet files that hold lists in `columns`; `rows` their samples' places, ascending, None: all."""

    files: list[Path]
    columns: list[str]
    rows: np.ndarray | None = None

    def fingerprint(self) -> str:
        """Changes with the files and with which of their rows are samples."""
        rows = None if self.rows is None else [len(self.rows), int(self.rows.sum())]
        return settings_digest([self.columns, rows, *map(fingerprint_file, self.files)])

    def blocks(self, column: str) -> Iterator[pa.Array]:
        """The lists of the samples, block by block in order of id."""
        before = 0
        for file in self.files:
            for batch in pq.ParquetFile(file).iter_batches(_ROWS, columns=[column]):
                lists = batch.column(0)
                lists = lists.storage if isinstance(lists, pa.ExtensionArray) else lists
                if self.rows is not None:
                    start, stop = np.searchsorted(self.rows, [before, before + len(lists)])
                    before += len(lists)
                    lists = lists.take(pa.array(self.rows[start:stop] - (before - len(batch))))
                yield lists


def keep_lists(folder: DatasetFolder, source: ListSource | None) -> list[str]:
    """Keeps the lists of a source with the dataset, in place of those before; what the user should know.

    A column whose lists are not of one length is left out.
    """
    record = folder.record
    fingerprint = source.fingerprint() if source and source.columns else ""
    if fingerprint == record.lists_fingerprint:
        return []
    kept, messages = dict[str, ListColumn](), list[str]()
    for number, name in enumerate(source.columns if source else []):
        assert source is not None
        file = f"{fingerprint[:12]}-{number}.npy"
        try:
            kept[name] = _keep(folder.root / "lists" / file, source.blocks(name), record.samples)
        except CurateError as problem:
            messages.append(f"list column {name!r} is left out: {problem}")
            continue
        kept[name] = kept[name].model_copy(
            update={"role": _role(name, kept[name].width, folder.root / "lists" / file, len(record.classes))}
        )
    for name, column in kept.items():
        option = column.role.replace("_", "-")
        messages.append(
            f"list column {name!r} ({column.width:,} numbers a sample) is kept: "
            f"`avhcurate attach {record.name} --{option} {name}` makes a run of it"
        )
    folder.write_record(
        record.model_copy(
            update={
                "lists": kept,
                "lists_fingerprint": fingerprint,
                "messages": [text for text in record.messages if not text.startswith("list column ")] + messages,
            }
        )
    )
    for old in (folder.root / "lists").glob("*.npy"):
        if old.name not in {column.file for column in kept.values()}:
            old.unlink(missing_ok=True)
    return messages


def _keep(path: Path, blocks: Iterator[pa.Array], samples: int) -> ListColumn:
    """Writes lists as an array (N, width), NaN for a sample without one."""
    width, dtype, missing, row = None, np.dtype("<f4"), 0, 0
    with replacing(path) as stream:
        for lists in blocks:
            lengths = pc.list_value_length(lists).fill_null(-1).to_numpy(zero_copy_only=False)
            present = lengths >= 0
            if width is None and present.any():
                width = int(lengths[present][0])
                dtype = np.dtype(f"<f{max(4, (number_type(lists.type) or dtype).itemsize)}")
                _write_header(stream, (samples, width), dtype)
                stream.write(np.full((row, width), np.nan, dtype).data)
            if len(odd := np.flatnonzero(present & (lengths != width))):
                raise CurateError(f"row {row + odd[0]} has {lengths[odd[0]]} numbers, the first {width}")
            missing += int((~present).sum())
            row += len(lists)
            if width is None:
                continue
            values = np.full((len(lists), width), np.nan, dtype)
            values[present] = lists.drop_null().flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
            stream.write(values.data)
        if not width:
            raise CurateError("it is empty in every row")
    return ListColumn(file=path.name, width=width, role="features", missing=missing)


def _write_header(stream: object, shape: tuple[int, int], dtype: np.dtype) -> None:
    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)  # type: ignore[arg-type]


def _role(name: str, width: int, path: Path, classes: int) -> Literal["features", "logits", "probs"]:
    """What a column seems to be: by its name, where its width allows, else by width and sums."""
    if width != classes:
        return "features"
    text = name.casefold()
    if "logit" in text:
        return "logits"
    if "prob" in text or "softmax" in text:
        return "probs"
    if "embed" in text or "feature" in text:
        return "features"
    some = np.array(read_npy(path)[:_ROWS], np.float64)
    some = some[np.isfinite(some).all(axis=1)]
    sums = len(some) and (some >= 0).all() and np.allclose(some.sum(axis=1), 1, atol=1e-2)
    return "probs" if sums else "logits"
