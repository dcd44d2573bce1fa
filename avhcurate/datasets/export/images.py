"""Images of an export: links to local files, copies of all others, in folders or Parquet."""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.datasets.curate.label_files import exported_stem
from avhcurate.datasets.export.columns import Chosen, batches, export_columns
from avhcurate.datasets.export.text import csv_text, text_file, write_readme
from avhcurate.datasets.sources.folder import IMAGE_SUFFIXES
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.workspace.disk.files import link, safe_name
from avhcurate.workspace.disk.image_parquet import IMAGE, image_metadata
from avhcurate.workspace.images.decoding import BrokenImage, read_header, stored_size
from avhcurate.workspace.images.source import ImageSource

#: The table next to the folders of the classes.
_SAMPLES = "samples.csv"
#: Samples whose images are read at once.
_BATCH = 1024


def write_folder(table: DatasetTable, chosen: Chosen, path: Path) -> int:
    """Write CLASS/FILE for every sample, and samples.csv with the file and all columns of each; return how many."""
    path.mkdir()
    folders = _folder_names(table.classes)
    written = 0
    placed = place_images(table, chosen, path, lambda row: folders[row["curated_label_name"]])
    with text_file(path / _SAMPLES) as stream:
        while part := list(islice(placed, _BATCH)):
            rows = []
            for row, file in part:
                if "file" in row:  # the user's own
                    row["user_file"] = row.pop("file")
                rows.append({"file": f"{file.parent.name}/{file.name}"} | row | {"tags": ";".join(row["tags"])})
            stream.write(csv_text(pd.DataFrame(rows, dtype=object), header=not written))
            written += len(rows)
    return written


def place_images(
    table: DatasetTable, chosen: Chosen, folder: Path, within: Callable[[dict[str, Any]], str]
) -> Iterator[tuple[dict[str, Any], Path]]:
    """Write or link the image of every sample in the sub-folder `within(row)`; yield its row and the file.

    Samples whose images cannot be read are skipped.
    """
    source = table.dataset.images()
    for batch in batches(table, chosen, rows=_BATCH):
        rows = batch.to_pylist()
        files = {row["id"]: folder / within(row) / _file_name(row["path"], row["id"]) for row in rows}
        broken = set(_write_files(source, files))
        yield from ((row, files[row["id"]]) for row in rows if row["id"] not in broken)


def _write_files(source: ImageSource, files: dict[int, Path]) -> Iterator[int]:
    """Write or link the files; yield the ids of images that cannot be read."""
    inside = []
    for id, target in files.items():
        target.parent.mkdir(exist_ok=True)
        file = source.local_file(id)
        if file is None:
            inside.append(id)
            continue
        try:
            stored_size(file)
            link(target, file)
        except BrokenImage:
            yield id
    for id, data in zip(inside, map(image_bytes, source.read(inside)), strict=True):
        if data is None:
            yield id
        else:
            files[id].write_bytes(data)


def bytes_of_images(table: DatasetTable, filters: Filters) -> int:
    """Return the bytes of the samples' own files on this machine, without images in other files and on servers."""
    source = table.dataset.images()
    files = filter(None, map(source.local_file, table.frame(filters, columns=["id"])["id"]))
    return sum(file.stat().st_size for file in files if file.exists())


def image_bytes(data: bytes | BrokenImage) -> bytes | None:
    """Return bytes that are an image by their header, else None: a manifest may name any file on the server."""
    with suppress(BrokenImage):
        if not isinstance(data, BrokenImage):
            read_header(data)
            return data
    return None


def _folder_names(classes: Sequence[str]) -> dict[str | None, str]:
    """Return a folder for each class and for samples without one, of names that no disk confuses.

    >>> _folder_names(["cat/dog", "cat:dog"])
    {'cat/dog': 'cat_dog', 'cat:dog': 'cat_dog_', None: 'unlabelled'}
    """
    taken = {_SAMPLES, "manifest.json"}
    return {name: _distinct(safe_name(name or "unlabelled"), taken) for name in (*classes, None)}


def _distinct(name: str, taken: set[str]) -> str:
    """Return a name that differs from those taken by more than case, and take it."""
    while name.casefold() in taken:
        name += "_"
    taken.add(name.casefold())
    return name


def _file_name(path: str, id: int) -> str:
    """Return the image's own name with its id, which makes it unique, and an ending that readers look for.

    >>> _file_name("cat/a.PNG", 3), _file_name("train.parquet#5", 5)
    ('a-3.PNG', 'train-5.jpg')
    """
    name = PurePosixPath(path.replace("\\", "/"))
    suffix = name.suffix
    if suffix.casefold() not in IMAGE_SUFFIXES:
        suffix = ".jpg"
    return f"{exported_stem(path, id)}{suffix}"


#: Batches in one Parquet file, and samples in a batch, whose images are held in memory.
_HF_BATCHES = 10
_HF_BATCH = 1000


def write_hf(table: DatasetTable, chosen: Chosen, path: Path) -> int:
    """Write data/SPLIT-00000-of-00001.parquet with image bytes and class names that the `datasets` library reads.

    Returns how many samples it wrote: those whose images can be read.
    """
    (path / "data").mkdir(parents=True)
    written = 0
    splits_of: dict[str, list[str]] = {}
    for split in table.group_counts("split", chosen.filters)["value"].fillna(""):
        splits_of.setdefault(re.sub(r"\W+", "_", split) or "train", []).append(split)
    taken: set[str] = set()
    for name, splits in splits_of.items():
        part = replace(chosen, filters=chosen.filters.with_(splits=tuple(splits)))
        tables = _hf_tables(table, part)
        metadata = image_metadata(table.classes)
        written += _write_hf_split(path / "data", _distinct(name, taken), tables, metadata)
    card = f"# {table.dataset.name}, curated\n\nWritten by AVH Curate. `label` is the curated label.\n"
    write_readme(path, card, simulated=table.simulated)
    return written


def _hf_tables(table: DatasetTable, chosen: Chosen) -> Iterator[pa.Table]:
    columns = [name for name in export_columns(table) if name not in ("label", "split")]
    source = table.dataset.images()
    for batch in batches(table, chosen, columns=columns, rows=_HF_BATCH):
        paths = batch.column("path").to_pylist()
        found = list(map(image_bytes, source.read(batch.column("id").to_pylist())))
        images = [{"bytes": data, "path": PurePosixPath(path).name} for data, path in zip(found, paths, strict=True)]
        whole = pa.Table.from_batches([batch])
        label = pc.cast(whole["curated_label"], pa.int64())
        whole = whole.add_column(0, "image", pa.array(images, IMAGE)).add_column(1, "label", label)
        if any(found):
            yield whole.filter(pa.array([data is not None for data in found]))


def _write_hf_split(folder: Path, name: str, tables: Iterator[pa.Table], metadata: dict[str, str]) -> int:
    """Write files of `_HF_BATCHES` batches each, which are named once their number is known; return how many rows."""
    parts = list[Path]()
    written = 0
    for first in tables:
        schema = first.schema.with_metadata(metadata)
        parts.append(folder / f".{name}-{len(parts):05d}")
        with pq.ParquetWriter(parts[-1], schema) as writer:
            for rows in itertools.chain([first], itertools.islice(tables, _HF_BATCHES - 1)):
                writer.write_table(rows.cast(schema))
                written += len(rows)
    for number, part in enumerate(parts):
        part.rename(folder / f"{name}-{number:05d}-of-{len(parts):05d}.parquet")
    return written
