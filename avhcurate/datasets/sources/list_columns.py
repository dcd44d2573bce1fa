"""Columns of lists of numbers in a source, such as embeddings and probabilities: kept with the samples, by id."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.errors import CurateError
from avhcurate.workspace.data.datasets import DatasetFolder, ListColumn
from avhcurate.workspace.disk.arrays import number_type
from avhcurate.workspace.disk.columns import is_list
from avhcurate.workspace.disk.files import replacing, write_tables
from avhcurate.workspace.disk.fingerprints import fingerprint_file
from avhcurate.workspace.disk.provenance import settings_digest
from avhcurate.workspace.disk.tabular import parquet_batches

#: Rows of a Parquet file that are read at a time.
_ROWS = 4096
_KEPT = pa.schema([("id", pa.int64()), ("values", pa.list_(pa.float32()))])


def number_lists(schema: pa.Schema) -> list[str]:
    """Return columns whose values are lists of fractional numbers; lists of whole numbers may be votes.

    >>> number_lists(pa.schema({"embedding": pa.list_(pa.float32(), 4), "votes": pa.list_(pa.int64())}))
    ['embedding']
    """
    kinds = {one.name: number_type(one.type) for one in schema if is_list(getattr(one.type, "storage_type", one.type))}
    return [name for name, kind in kinds.items() if kind is not None and kind.kind == "f"]


@dataclass(frozen=True)
class ListSource:
    """Parquet files that hold lists in `columns`; `used`: which of all their rows are samples, bool (rows,)."""

    files: Sequence[Path] = ()
    columns: Sequence[str] = ()
    used: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    def fingerprint(self) -> str:
        """Return a hash of the files and of which of their rows are samples; "" without lists."""
        if not self.columns:
            return ""
        rows = [len(self.used), int(np.flatnonzero(self.used).sum())]
        return settings_digest([self.columns, rows, *map(fingerprint_file, self.files)])

    def blocks(self, column: str) -> Iterator[pa.Table]:
        """Yield `id` and `values` of the samples that have a list, block by block in order of id."""
        start, ids = 0, np.cumsum(self.used) - 1
        for file in self.files:
            for batch in parquet_batches(file, [column], _ROWS):
                stop, lists = start + len(batch), batch.column(0)
                lists = getattr(lists, "storage", lists)
                has = pc.and_(lists.is_valid(), pa.array(self.used[start:stop]))
                yield pa.table({"id": ids[start:stop], "values": lists}).filter(has).cast(_KEPT)
                start = stop


def keep_lists(folder: DatasetFolder, source: ListSource) -> None:
    """Keep the lists of a source with the dataset, in place of earlier ones, and say so in the record's messages.

    A column with lists of different lengths is left out.
    """
    record, fingerprint = folder.record, source.fingerprint()
    if fingerprint == record.lists_fingerprint:
        return
    kept = dict[str, ListColumn]()
    messages = [text for text in record.messages if not text.startswith("list column ")]
    for number, name in enumerate(source.columns):
        path = folder.root / "lists" / f"{fingerprint[:12]}-{number}.parquet"
        try:
            kept[name] = _keep(path, name, source, len(record.classes))
        except CurateError as problem:
            messages.append(f"list column {name!r} is left out: {problem}")
            continue
        messages.append(
            f"list column {name!r} ({kept[name].width:,} numbers a sample) is kept: "
            f"`avhcurate attach {record.name} --{kept[name].role} {name}` makes a run of it"
        )
    changes = {"lists": kept, "lists_fingerprint": fingerprint, "messages": messages}
    folder.write_record(record.model_copy(update=changes))
    for old in (folder.root / "lists").glob("*"):
        if old.name not in {column.file for column in kept.values()}:
            old.unlink(missing_ok=True)


def _keep(path: Path, name: str, source: ListSource, classes: int) -> ListColumn:
    """Write the lists of a column next to the ids of their samples."""
    widths: set[int] = set()

    def checked() -> Iterator[pa.Table]:
        for table in source.blocks(name):
            widths.update(pc.list_value_length(table["values"]).unique().to_pylist())
            if len(widths) > 1 or 0 in widths:
                raise CurateError(f"its lists have {sorted(widths)[:2]} numbers")
            yield table

    with replacing(path) as stream:
        write_tables(stream, checked(), compression="none")
        if not widths:
            raise CurateError("it is empty in every row")
    (width,) = widths
    return ListColumn(file=path.name, width=width, role=_role(path, name, width == classes))


def _role(path: Path, name: str, fits: bool) -> Literal["features", "logits", "probs"]:
    """Return what a column seems to be, by its name, its width (whether it `fits` the classes) and its first values."""
    text = name.casefold()
    if not fits or "embed" in text or "feature" in text:
        return "features"
    if "logit" in text:
        return "logits"
    first = next(pq.ParquetFile(path).iter_batches(_ROWS))["values"]
    values = pc.list_flatten(first).to_numpy().reshape(len(first), -1)
    if "prob" in text or ((values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-2)):
        return "probs"
    return "logits"
