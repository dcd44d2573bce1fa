"""Curated labels as files that other tools read: csv, jsonl, parquet, a folder of links, a Hugging Face dataset."""

import itertools
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.curation.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.services.tables import DatasetTable
from avhcurate.storage.files import check_free, temporary_name, write_atomic
from avhcurate.storage.images import BrokenImage
from avhcurate.storage.sources.folder import IMAGE_SUFFIXES

#: Batches of so many samples in one Parquet file of a Hugging Face export; a batch of images is held in memory.
_HF_BATCHES = 10
_HF_BATCH = 1000

#: Formats whose result is a folder, and the manifest within, by which an export is known.
_FOLDERS = ("folder", "hf")
_MANIFEST = "manifest.json"


def export(
    table: DatasetTable,
    filters: Filters,
    format: str,
    out: Path,
    *,
    force: bool = False,
    only: Sequence[int] | None = None,
) -> int:
    """Writes the samples that satisfy `filters` (or those of `only`, by id) and returns how many there are.

    A manifest stands beside the result: `OUT.manifest.json`, or `manifest.json` within a folder. What exists is
    refused unless `force`; it is replaced when the new one is whole. A folder that no export made is never replaced.
    """
    if format not in FORMATS:
        raise CurateError(f"no format is called {format}: choose from {', '.join(FORMATS)}")
    if only is not None:
        filters = Filters(excluded=None, ids=tuple(int(id) for id in only))
    count = table.count(filters)
    if not count:
        raise CurateError("no sample satisfies the filters, so there is nothing to export: widen them")
    beside = out.with_name(out.name + ".manifest.json")
    temporary = _claim(out, beside, folder=format in _FOLDERS, force=force)
    try:
        FORMATS[format](table, filters, temporary)
        manifest = temporary / _MANIFEST if format in _FOLDERS else beside
        write_atomic(manifest, json.dumps(describe_export(table, filters, format, count), indent=2) + "\n")
        _replace(temporary, out)
    finally:
        _remove(temporary)
    return count


def export_columns(table: DatasetTable) -> list[str]:
    """The columns of an export: the contract's, with the scores of a training when there are any, the user's own."""
    return [*table.standard, *table.user_columns]


def export_bytes(table: DatasetTable, filters: Filters, format: str, *, only: Sequence[int] | None = None) -> bytes:
    """The same as a file's content, for a download; csv, jsonl and parquet only."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"export.{format}"
        export(table, filters, format, out, only=only)
        return out.read_bytes()


def describe_export(table: DatasetTable, filters: Filters, format: str, count: int) -> dict[str, Any]:
    """What an export was made of: dataset, model, filters, votes and whether they are simulated, time."""
    record, run, votes = table.dataset.record, table.run.record if table.run else None, table.votes
    return {
        "format": format,
        "samples": count,
        "dataset": record.name,
        "dataset_fingerprint": record.fingerprint,
        "filters": filters.to_query(),
        "hsf_edges": list(table.edges),
        "classes": list(table.classes),
        "model": run.model if run else None,
        "run": run.name if run else None,
        "weights_sha256": run.weights_sha256 if run else None,
        "training": table.training.name if table.training else None,
        "votes": votes.model_dump(mode="json") if votes else None,
        "versions": {name: version(name) for name in ("avhcurate", "pyarrow")},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def safe_cell(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula gets an apostrophe before it; all else stays.

    >>> safe_cell("=1+1"), safe_cell("cat"), safe_cell(-1.5)
    ("'=1+1", 'cat', -1.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else value


def csv_text(frame: pd.DataFrame, *, header: bool = True) -> str:
    """A frame as CSV that no spreadsheet runs: see `safe_cell`."""
    texts = frame.select_dtypes(include=["object", "string"]).columns
    safe = frame.assign(**{name: frame[name].map(safe_cell) for name in texts}).rename(columns=safe_cell)
    text: str = safe.to_csv(index=False, header=header)
    return text


def safe_name(name: str) -> str:
    """A name for a file or folder: nothing that leaves the folder, hides or upsets a file system.

    >>> safe_name("../cat/dog"), safe_name("oil filter"), safe_name("...")
    ('cat_dog', 'oil filter', '_')
    """
    cleaned = re.sub(r'[\x00-\x1f<>:"/\\|?*]+', "_", name).strip(" ._")
    return cleaned[:100] or "_"


def _write_csv(table: DatasetTable, filters: Filters, path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="") as stream:
        for number, frame in enumerate(_frames(table, filters)):
            frame["tags"] = frame["tags"].map(";".join)
            stream.write(csv_text(frame, header=number == 0))
        stream.flush()
        os.fsync(stream.fileno())


def _write_jsonl(table: DatasetTable, filters: Filters, path: Path) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        for batch in table.batches(filters, columns=export_columns(table)):
            for row in _with_source(table, batch).to_pylist():
                # JSON has no infinity: what Python writes for it, few other readers take.
                known = {name: None if _is_infinite(value) else value for name, value in row.items()}
                stream.write(json.dumps(known, ensure_ascii=False, default=str) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def _is_infinite(value: Any) -> bool:
    return isinstance(value, float) and math.isinf(value)


def _write_parquet(table: DatasetTable, filters: Filters, path: Path) -> None:
    writer = None
    for batch in table.batches(filters, columns=export_columns(table)):
        batch = _with_source(table, batch)
        writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd")
        writer.write_batch(batch)
    if writer:
        writer.close()


def _write_folder(table: DatasetTable, filters: Filters, path: Path) -> None:
    """CLASS/FILE for every sample: a link where the image is a local file, its bytes where it is not."""
    path.mkdir()
    source, folders = table.dataset.images(), _folder_names(table.classes)
    for batch in table.batches(filters, columns=["id", "path", "curated_label_name"], rows=1024):
        within = {}
        for row in batch.to_pylist():
            target = path / folders[row["curated_label_name"]] / _file_name(row["path"], row["id"])
            target.parent.mkdir(exist_ok=True)
            place = source.local_file(row["id"])
            if place is not None:
                target.symlink_to(place)
            else:
                within[row["id"]] = target
        for target, data in zip(within.values(), source.read(within), strict=True):
            if not isinstance(data, BrokenImage):
                target.write_bytes(data)


def _folder_names(classes: Sequence[str]) -> dict[str | None, str]:
    """A folder for each class and for samples without one; names that some file system takes for one are numbered.

    >>> _folder_names(["cat/dog", "cat:dog", "Cat_Dog"])
    {'cat/dog': 'cat_dog', 'cat:dog': 'cat_dog (1)', 'Cat_Dog': 'Cat_Dog (2)', None: 'unlabelled'}
    """
    folders: dict[str | None, str] = {}
    taken: set[str] = set()
    for number, name in enumerate([*classes, None]):
        folder = plain = safe_name("unlabelled" if name is None else name)
        while folder.casefold() in taken:
            folder = f"{plain} ({number})" if folder == plain else f"{folder}_"
        taken.add(folder.casefold())
        folders[name] = folder
    return folders


def _file_name(path: str, id: int) -> str:
    """The image's own name with its id, which keeps those of one class apart, and an ending that readers look for.

    >>> _file_name("cat/a.PNG", 3), _file_name("train.parquet#5", 5)
    ('a-3.PNG', 'train-5.jpg')
    """
    name = PurePosixPath(path.replace("\\", "/"))
    return f"{safe_name(name.stem)}-{id}{name.suffix if name.suffix.casefold() in IMAGE_SUFFIXES else '.jpg'}"


def _write_hf(table: DatasetTable, filters: Filters, path: Path) -> None:
    """data/SPLIT-00000-of-00001.parquet with image bytes and class names that the `datasets` library reads."""
    data = path / "data"
    data.mkdir(parents=True)
    source = table.dataset.images()
    columns = [name for name in export_columns(table) if name not in ("label", "split")]
    members: dict[str, list[str]] = {}
    for split in table.group_counts("split", filters)["value"]:
        split = split if isinstance(split, str) else ""
        members.setdefault(re.sub(r"\W+", "_", split) or "train", []).append(split)
    for name, splits in members.items():
        batches = _hf_batches(table, filters.with_(splits=tuple(splits)), columns, source)
        _write_hf_split(data, name, batches, _hf_metadata(table))
    (path / "README.md").write_text(_hf_card(table), encoding="utf-8")


def _hf_batches(table: DatasetTable, filters: Filters, columns: list[str], source: Any) -> Iterator[pa.Table]:
    for batch in table.batches(filters, columns=columns, rows=_HF_BATCH):
        ids = batch.column("id").to_pylist()
        paths = batch.column("path").to_pylist()
        images = [
            {"bytes": None if isinstance(data, BrokenImage) else data, "path": PurePosixPath(path).name}
            for data, path in zip(source.read(ids), paths, strict=True)
        ]
        image = pa.array(images, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
        whole = pa.Table.from_batches([_with_source(table, batch)])
        label = pc.cast(whole["curated_label"], pa.int64())
        yield whole.add_column(0, "image", image).add_column(1, "label", label)


def _write_hf_split(folder: Path, name: str, batches: Iterator[pa.Table], metadata: str) -> None:
    """Files of `_HF_BATCHES` batches each, named when it is known how many there are."""
    parts: list[Path] = []
    while (first := next(batches, None)) is not None:
        schema = first.schema.with_metadata({"huggingface": metadata})
        parts.append(folder / f".{name}-{len(parts):05d}")
        with pq.ParquetWriter(parts[-1], schema) as writer:
            for rows in itertools.chain([first], itertools.islice(batches, _HF_BATCHES - 1)):
                writer.write_table(rows.cast(schema))
    for number, part in enumerate(parts):
        part.rename(folder / f"{name}-{number:05d}-of-{len(parts):05d}.parquet")


def _hf_metadata(table: DatasetTable) -> str:
    label = {"names": list(table.classes), "_type": "ClassLabel"}
    return json.dumps({"info": {"features": {"image": {"_type": "Image"}, "label": label}}})


def _hf_card(table: DatasetTable) -> str:
    votes = table.votes
    lines = [f"# {table.dataset.name}, curated", "", "Written by AVH Curate. `label` is the curated label."]
    if votes and votes.simulated:
        lines += ["", "The human votes behind the `hsf` columns are **simulated**."]
    return "\n".join(lines) + "\n"


def _frames(table: DatasetTable, filters: Filters) -> Iterator[pd.DataFrame]:
    for batch in table.batches(filters, columns=export_columns(table)):
        yield pa.Table.from_batches([_with_source(table, batch)]).to_pandas(integer_object_nulls=True)


def _with_source(table: DatasetTable, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Adds `hsf_source` ("human" or "simulated") behind the HSF columns where votes are attached."""
    votes = table.votes
    if votes is None or "hsf_bin" not in batch.schema.names:
        return batch
    source = pa.array(["simulated" if votes.simulated else "human"] * batch.num_rows, pa.string())
    return batch.add_column(batch.schema.get_field_index("hsf_bin") + 1, "hsf_source", source)


def _claim(out: Path, beside: Path, *, folder: bool, force: bool) -> Path:
    """A temporary name for the result, once it is clear that nothing of the user's is in its place."""
    if not folder:
        check_free(out, force=force)
        check_free(beside, force=force)
    elif out.is_symlink() or (out.exists() and not (out / _MANIFEST).is_file()):
        raise CurateError(f"{out} exists and is no export, so it is not replaced: choose another name")
    elif out.exists() and not force:
        raise CurateError(f"{out} exists: choose another name or give --force to replace it")
    out.parent.mkdir(parents=True, exist_ok=True)
    return temporary_name(out)


def _replace(temporary: Path, out: Path) -> None:
    """Puts the finished result in its place; a folder that stood there is set aside first and then removed."""
    if out.is_dir():
        aside = temporary_name(out)
        os.replace(out, aside)
        os.replace(temporary, out)
        shutil.rmtree(aside)
    else:
        os.replace(temporary, out)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


#: What `export` can write.
FORMATS: dict[str, Callable[[DatasetTable, Filters, Path], None]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
    "folder": _write_folder,
    "hf": _write_hf,
}
