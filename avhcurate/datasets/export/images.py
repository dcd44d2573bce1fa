"""Images of an export: links to local files, copies of all others, in folders or Parquet."""

import io
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path, PurePosixPath

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.datasets.export.card import dataset_card
from avhcurate.datasets.export.tabular import ExportSelection, Row, batches, export_columns, without_missing
from avhcurate.datasets.export.text import csv_text, text_file, write_readme
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.empty_view import empty_view
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.workspace.data.consensus import ConsensusFolder
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.prediction import PredictionFolder
from avhcurate.workspace.disk.columns import tags_text
from avhcurate.workspace.disk.files import batched, link, safe_name, write_tables
from avhcurate.workspace.disk.image_parquet import IMAGE, image_metadata
from avhcurate.workspace.disk.json_text import json_text
from avhcurate.workspace.images.decoding import BrokenImage, read_header, stored_size
from avhcurate.workspace.images.source import ImageSource

#: The table next to the folders of the classes.
_SAMPLES = "samples.csv"
#: Samples whose images are read at once.
_BATCH = 1024


def write_folder(
    decisions: Decisions, votes: Votes, prediction: PredictionFolder | None, selection: ExportSelection, path: Path
) -> int:
    """Write CLASS/FILE for every sample, and samples.csv with the file and all columns of each; return how many."""
    path.mkdir()
    folders = _folder_names(decisions.samples.classes)
    return _write_folders(
        decisions,
        votes,
        prediction,
        selection,
        path,
        lambda row: folders[row["curated_label_name"]],
    )


def write_yolo(
    decisions: Decisions, votes: Votes, prediction: PredictionFolder | None, selection: ExportSelection, path: Path
) -> int:
    """Write SPLIT/CLASS/FILE for every sample with a label, samples.csv, and classes.txt; return how many.

    Ultralytics' trainer looks for the splits train, val and test, and numbers classes by the order of their folders,
    in which classes.txt names these. A sample without a split is in train.
    """
    labelled = replace(selection, filters=selection.filters.narrowed(Filters(where="curated_label IS NOT NULL")))
    if not decisions.samples.count(labelled.filters):
        raise empty_view(
            decisions.samples, labelled.filters, "No image has a label, and yolo has no place for those without."
        )
    path.mkdir()
    folders = _folder_names(decisions.samples.classes)
    del folders[None]
    (path / "classes.txt").write_text("\n".join(sorted(folders.values())) + "\n", encoding="utf-8")
    return _write_folders(
        decisions,
        votes,
        prediction,
        labelled,
        path,
        lambda row: f"{_split_name(row['split'])}/{folders[row['curated_label_name']]}",
    )


def _split_name(split: str | None) -> str:
    """Return the folder of a split.

    >>> [_split_name(split) for split in ("Training", "valid", "test", None, "site/3")]
    ['train', 'val', 'test', 'train', 'site_3']
    """
    name = (split or "train").casefold()
    return next((usual for usual in ("train", "val", "test") if name.startswith(usual)), safe_name(name))


def _write_folders(
    decisions: Decisions,
    votes: Votes,
    prediction: PredictionFolder | None,
    selection: ExportSelection,
    path: Path,
    within: Callable[[Row], str],
) -> int:
    written = 0
    placed = place_images(decisions, votes, prediction, selection, path, within)
    with text_file(path / _SAMPLES) as stream:
        for part in batched(placed, _BATCH):
            rows = []
            for row, file in part:
                if "file" in row:  # the user's own
                    row["user_file"] = row.pop("file")
                rows.append({"file": file.relative_to(path).as_posix()} | row | {"tags": tags_text(row["tags"])})
            stream.write(csv_text(pd.DataFrame(rows, dtype=object), header=not written))
            written += len(rows)
    return written


def place_images(
    decisions: Decisions,
    votes: Votes,
    prediction: PredictionFolder | None,
    selection: ExportSelection,
    folder: Path,
    within: Callable[[Row], str],
) -> Iterator[tuple[Row, Path]]:
    """Write or link the image of every sample in the sub-folder `within(row)`; yield its row and the file.

    Samples whose images cannot be read are skipped.
    """
    source = decisions.dataset.images()
    for batch in batches(decisions, votes, prediction, selection, rows=_BATCH):
        rows = batch.to_pylist()
        files = {row["id"]: folder / within(row) / _file_name(row["path"], row["id"]) for row in rows}
        broken = set(_write_files(source, files))
        yield from ((row, files[row["id"]]) for row in rows if row["id"] not in broken)


def _write_files(source: ImageSource, files: dict[int, Path]) -> Iterator[int]:
    """Write or link the files; yield the ids of images that cannot be read."""
    inside = []
    for id, target in files.items():
        target.parent.mkdir(parents=True, exist_ok=True)
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


def bytes_of_images(samples: SampleTable, dataset: DatasetFolder, filters: Filters) -> int:
    """Return the bytes of the samples' own files on this machine, without images in other files and on servers."""
    source = dataset.images()
    files = filter(None, map(source.local_file, samples.frame(filters, columns=["id"])["id"]))
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
    used = {_SAMPLES, "manifest.json"}
    return {name: _distinct(safe_name(name or "unlabelled"), used) for name in (*classes, None)}


def _distinct(name: str, used: set[str]) -> str:
    """Return a name that differs from the used ones by more than case, and add it to them."""
    while name.casefold() in used:
        name += "_"
    used.add(name.casefold())
    return name


def _file_name(path: str, id: int) -> str:
    """Return the image's own name with its id, which makes it unique, and an ending that readers look for.

    >>> _file_name("cat/a.PNG", 3), _file_name("train.parquet#5", 5)
    ('a-3.PNG', 'train-5.jpg')
    """
    # What reads labels and sources is slow to import, and exports of one table need none of it.
    from avhcurate.datasets.curate.label_files import exported_stem

    return f"{exported_stem(path, id)}{_suffix(path)}"


def _suffix(path: str) -> str:
    from avhcurate.datasets.sources.folder import IMAGE_SUFFIXES

    suffix = PurePosixPath(path.replace("\\", "/")).suffix
    if suffix.casefold() not in IMAGE_SUFFIXES:
        return ".jpg"
    return suffix


#: Batches in one Parquet file, and samples in a batch, whose images are held in memory.
_HF_BATCHES = 10
_HF_BATCH = 1000


def write_hf(
    decisions: Decisions,
    votes: Votes,
    prediction: PredictionFolder | None,
    consensus: ConsensusFolder | None,
    selection: ExportSelection,
    path: Path,
) -> int:
    """Write data/SPLIT-00000-of-00001.parquet with image bytes and class names that the `datasets` library reads, and
    the card of the dataset as README.md.

    Returns how many samples it wrote: those whose images can be read.
    """
    (path / "data").mkdir(parents=True)
    written = 0
    splits_of: dict[str, list[str]] = {}
    for split in decisions.samples.group_counts("split", selection.filters)["value"].fillna(""):
        splits_of.setdefault(re.sub(r"\W+", "_", split) or "train", []).append(split)
    used = set[str]()
    for name, splits in splits_of.items():
        part = replace(selection, filters=selection.filters.with_(splits=tuple(splits)))
        written += _write_hf_split(path / "data", _distinct(name, used), _hf_tables(decisions, votes, prediction, part))
    card = dataset_card(decisions, votes, consensus, selection.filters)
    write_readme(path, card, simulated=decisions.samples.simulated)
    return written


def _hf_tables(
    decisions: Decisions, votes: Votes, prediction: PredictionFolder | None, selection: ExportSelection
) -> Iterator[pa.Table]:
    columns = [name for name in export_columns(decisions.samples) if name not in ("label", "split")]
    source = decisions.dataset.images()
    for batch in batches(decisions, votes, prediction, selection, columns=columns, rows=_HF_BATCH):
        paths = batch.column("path").to_pylist()
        contents = list(map(image_bytes, source.read(batch.column("id").to_pylist())))
        images = [{"bytes": data, "path": PurePosixPath(path).name} for data, path in zip(contents, paths, strict=True)]
        rows = pa.Table.from_batches([batch])
        label = pc.cast(rows["curated_label"], pa.int64())
        rows = rows.add_column(0, "image", pa.array(images, IMAGE)).add_column(1, "label", label)
        if any(contents):
            rows = rows.filter(pa.array([data is not None for data in contents]))
            yield rows.replace_schema_metadata(image_metadata(decisions.samples.classes))


def _write_hf_split(folder: Path, name: str, tables: Iterator[pa.Table]) -> int:
    """Write files of `_HF_BATCHES` batches each, which are named once their number is known; return how many rows."""
    parts = list[Path]()
    written = 0
    for first in tables:
        parts.append(folder / f".{name}-{len(parts):05d}")
        with open(parts[-1], "wb") as stream:
            written += write_tables(stream, chain([first], islice(tables, _HF_BATCHES - 1)), compression="snappy")
    for number, part in enumerate(parts):
        part.rename(folder / f"{name}-{number:05d}-of-{len(parts):05d}.parquet")
    return written


#: Bytes of images in one shard, about.
_SHARD_BYTES = 256 << 20


def write_webdataset(
    decisions: Decisions, votes: Votes, prediction: PredictionFolder | None, selection: ExportSelection, path: Path
) -> int:
    """Write tar shards of ID.jpg (or the image's own ending), ID.cls with the number of its curated label, and ID.json
    with all columns; and classes.txt, a name for each number. Return how many samples' images can be read.
    """
    path.mkdir()
    (path / "classes.txt").write_text("".join(f"{name}\n" for name in decisions.samples.classes), encoding="utf-8")
    written = 0
    samples = _shard_samples(decisions, votes, prediction, selection)
    for shard, first in enumerate(samples):
        room = _SHARD_BYTES
        with tarfile.open(path / f"samples-{shard:06d}.tar", "w") as tar:
            for files in chain([first], samples):
                for name, data in files.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
                    room -= len(data)
                written += 1
                if room <= 0:
                    break
    return written


def _shard_samples(
    decisions: Decisions, votes: Votes, prediction: PredictionFolder | None, selection: ExportSelection
) -> Iterator[dict[str, bytes]]:
    """Yield the files of each sample by their names."""
    source = decisions.dataset.images()
    for batch in batches(decisions, votes, prediction, selection, rows=_BATCH):
        rows = batch.to_pylist()
        for row, data in zip(rows, map(image_bytes, source.read([row["id"] for row in rows])), strict=True):
            if data is None:
                continue
            key = f"{row['id']:09d}"
            files = {f"{key}{_suffix(row['path'])}": data}
            if row["curated_label"] is not None:
                files[f"{key}.cls"] = str(row["curated_label"]).encode()
            yield files | {f"{key}.json": json_text(without_missing(row)).encode()}
