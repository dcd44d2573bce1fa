"""The layout that the Hugging Face `datasets` library reads: Parquet files by split, with images and class names."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.disk.image_parquet import IMAGE, image_metadata
from avhcurate.export.columns import Chosen, batches, export_columns
from avhcurate.export.images import image_bytes
from avhcurate.images.source import ImageSource
from avhcurate.table.dataset_table import DatasetTable

#: Batches of so many samples in one Parquet file; a batch of images is held in memory.
_HF_BATCHES = 10
_HF_BATCH = 1000


def write_hf(table: DatasetTable, chosen: Chosen, path: Path) -> int:
    """data/SPLIT-00000-of-00001.parquet with image bytes and class names that the `datasets` library reads.

    Returns how many samples are left out because their images cannot be read.
    """
    data = path / "data"
    data.mkdir(parents=True)
    source = table.dataset.images()
    columns = [name for name in export_columns(table) if name not in ("label", "split")]
    members: dict[str, list[str]] = {}
    left_out: list[int] = []
    for split in table.group_counts("split", chosen.filters)["value"]:
        split = split if isinstance(split, str) else ""
        members.setdefault(re.sub(r"\W+", "_", split) or "train", []).append(split)
    taken: set[str] = set()
    for number, (name, splits) in enumerate(members.items()):
        while name.casefold() in taken:  # where a disk would take two names for one
            name = f"{name}_{number}"
        taken.add(name.casefold())
        part = replace(chosen, filters=chosen.filters.with_(splits=tuple(splits)))
        tables = _hf_tables(table, part, columns, source, left_out)
        _write_hf_split(data, name, tables, image_metadata(table.classes))
    (path / "README.md").write_text(_hf_card(table), encoding="utf-8")
    return len(left_out)


def _hf_tables(
    table: DatasetTable, chosen: Chosen, columns: list[str], source: ImageSource, left_out: list[int]
) -> Iterator[pa.Table]:
    for batch in batches(table, chosen, columns=columns, rows=_HF_BATCH):
        ids = batch.column("id").to_pylist()
        paths = batch.column("path").to_pylist()
        found = list(map(image_bytes, source.read(ids)))
        left_out += [id for id, data in zip(ids, found, strict=True) if data is None]
        images = [{"bytes": data, "path": PurePosixPath(path).name} for data, path in zip(found, paths, strict=True)]
        whole = pa.Table.from_batches([batch])
        label = pc.cast(whole["curated_label"], pa.int64())
        whole = whole.add_column(0, "image", pa.array(images, IMAGE)).add_column(1, "label", label)
        if any(found):
            yield whole.filter(pa.array([data is not None for data in found]))


def _write_hf_split(folder: Path, name: str, tables: Iterator[pa.Table], metadata: dict[str, str]) -> None:
    """Files of `_HF_BATCHES` batches each, named when it is known how many there are."""
    parts: list[Path] = []
    while (first := next(tables, None)) is not None:
        schema = first.schema.with_metadata(metadata)
        parts.append(folder / f".{name}-{len(parts):05d}")
        with pq.ParquetWriter(parts[-1], schema) as writer:
            for rows in itertools.chain([first], itertools.islice(tables, _HF_BATCHES - 1)):
                writer.write_table(rows.cast(schema))
    for number, part in enumerate(parts):
        part.rename(folder / f"{name}-{number:05d}-of-{len(parts):05d}.parquet")


def _hf_card(table: DatasetTable) -> str:
    votes = table.votes
    lines = [f"# {table.dataset.name}, curated", "", "Written by AVH Curate. `label` is the curated label."]
    if votes and votes.simulated:
        lines += ["", "The human votes behind the `hsf` columns are **simulated**."]
    return "\n".join(lines) + "\n"
