"""Curated labels as files that other tools read: csv, jsonl, parquet, a folder of links, a Hugging Face dataset."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.curation.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.services.tables import DatasetTable
from avhcurate.storage.files import temporary_name, write_atomic
from avhcurate.storage.images import BrokenImage
from avhcurate.storage.table import COLUMNS

#: Samples in one Parquet file of a Hugging Face export.
_HF_ROWS = 10_000


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

    A manifest stands beside the result: `OUT.manifest.json`, or `manifest.json` within a folder. An existing `out`
    is refused unless `force`; it is replaced when the new one is whole.
    """
    if format not in FORMATS:
        raise CurateError(f"no format is called {format}: choose from {', '.join(FORMATS)}")
    if only is not None:
        filters = Filters(excluded=None, ids=tuple(int(id) for id in only))
    count = table.count(filters)
    if not count:
        raise CurateError("no sample satisfies the filters, so there is nothing to export: widen them")
    temporary = _claim(out, force=force)
    try:
        FORMATS[format](table, filters, temporary)
        manifest = describe_export(table, filters, format, count)
        beside = temporary / "manifest.json" if temporary.is_dir() else out.with_name(out.name + ".manifest.json")
        write_atomic(beside, json.dumps(manifest, indent=2) + "\n")
        _replace(temporary, out)
    finally:
        _remove(temporary)
    return count


def export_columns(table: DatasetTable) -> list[str]:
    """The columns of an export: the contract's, where the votes come from when there are any, the user's own."""
    return [*COLUMNS, *table.user_columns]


def export_bytes(table: DatasetTable, filters: Filters, format: str, *, only: Sequence[int] | None = None) -> bytes:
    """The same as a file's content, for a download; csv, jsonl and parquet only."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"export.{format}"
        export(table, filters, format, out, only=only)
        return out.read_bytes()


def describe_export(table: DatasetTable, filters: Filters, format: str, count: int) -> dict[str, Any]:
    """What an export was made of: dataset, model, filters, votes and whether they are simulated, time."""
    record = table.dataset.record
    return {
        "format": format,
        "samples": count,
        "dataset": record.name,
        "dataset_fingerprint": record.fingerprint,
        "filters": filters.to_query(),
        "classes": list(table.classes),
        "model": table.run.record.model if table.run else None,
        "weights_sha256": table.run.record.weights_sha256 if table.run else None,
        "votes": record.votes.model_dump(mode="json") if record.votes else None,
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
                stream.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


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
    source = table.dataset.images()
    for batch in table.batches(filters, columns=["id", "path", "curated_label_name"], rows=1024):
        within = {}
        for row in batch.to_pylist():
            target = path / safe_name(row["curated_label_name"] or "unlabelled") / _file_name(row["path"], row["id"])
            target.parent.mkdir(exist_ok=True)
            place = source.local_file(row["id"])
            if place is not None:
                target.symlink_to(place)
            else:
                within[row["id"]] = target
        for target, data in zip(within.values(), source.read(within), strict=True):
            if not isinstance(data, BrokenImage):
                target.write_bytes(data)


def _file_name(path: str, id: int) -> str:
    """The image's own name with its id, which keeps those of one class apart."""
    name = PurePosixPath(path.replace("\\", "/"))
    return f"{safe_name(name.stem)}-{id}.{safe_name(name.suffix.lstrip('.') or 'jpg')}"


def _write_hf(table: DatasetTable, filters: Filters, path: Path) -> None:
    """data/SPLIT-00000-of-00001.parquet with image bytes and class names that the `datasets` library reads."""
    data = path / "data"
    data.mkdir(parents=True)
    source = table.dataset.images()
    columns = [name for name in export_columns(table) if name not in ("label", "split")]
    splits = table.group_counts("split", filters)
    for split, count in zip(splits["value"], splits["n"], strict=True):
        chosen = filters.with_(splits=("" if split is None or split is pd.NA else split,))
        files = -(-int(count) // _HF_ROWS)
        name = safe_name(split or "train") if isinstance(split, str) else "train"
        batches = _hf_batches(table, chosen, columns, source)
        for number in range(files):
            file = data / f"{name}-{number:05d}-of-{files:05d}.parquet"
            _write_hf_file(file, batches, _hf_metadata(table))
    (path / "README.md").write_text(_hf_card(table), encoding="utf-8")


def _hf_batches(table: DatasetTable, filters: Filters, columns: list[str], source: Any) -> Iterator[pa.Table]:
    for batch in table.batches(filters, columns=columns, rows=_HF_ROWS):
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


def _write_hf_file(file: Path, batches: Iterator[pa.Table], metadata: str) -> None:
    rows = next(batches)
    pq.write_table(rows.replace_schema_metadata({"huggingface": metadata}), file, row_group_size=1000)


def _hf_metadata(table: DatasetTable) -> str:
    label = {"names": list(table.classes), "_type": "ClassLabel"}
    return json.dumps({"info": {"features": {"image": {"_type": "Image"}, "label": label}}})


def _hf_card(table: DatasetTable) -> str:
    votes = table.dataset.record.votes
    lines = [f"# {table.dataset.name}, curated", "", "Written by AVH Curate. `label` is the curated label."]
    if votes and votes.simulated:
        lines += ["", "The human votes behind the `hsf` columns are **simulated**."]
    return "\n".join(lines) + "\n"


def _frames(table: DatasetTable, filters: Filters) -> Iterator[pd.DataFrame]:
    for batch in table.batches(filters, columns=export_columns(table)):
        yield pa.Table.from_batches([_with_source(table, batch)]).to_pandas(integer_object_nulls=True)


def _with_source(table: DatasetTable, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Adds `hsf_source` ("human" or "simulated") behind the HSF columns where votes are attached."""
    votes = table.dataset.record.votes
    if votes is None or "hsf_bin" not in batch.schema.names:
        return batch
    source = pa.array(["simulated" if votes.simulated else "human"] * batch.num_rows, pa.string())
    return batch.add_column(batch.schema.get_field_index("hsf_bin") + 1, "hsf_source", source)


def _claim(out: Path, *, force: bool) -> Path:
    if out.exists() and not force:
        raise CurateError(f"{out} exists: choose another name or give --force to replace it")
    if out.is_symlink():
        raise CurateError(f"{out} is a link: give the name of a file or folder of its own")
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
