"""The rows of each format of ours as it lies on the disk: columns of samples, and where the image of each is."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from avhcurate.datasets.sources.folder import scan_folder, split_of
from avhcurate.datasets.sources.json_rows import read_json_rows, table_of_rows
from avhcurate.datasets.sources.own_manifest import OwnManifest
from avhcurate.datasets.sources.webdataset import fields_of_shards
from avhcurate.errors import CurateError
from avhcurate.people.files.label_studio import CURATED, label_of_task, read_json
from avhcurate.workspace.disk.arrays import open_array
from avhcurate.workspace.disk.columns import plain_cells
from avhcurate.workspace.disk.fingerprints import fingerprint_file
from avhcurate.workspace.disk.tabular import parquet_schema, parquet_table, read_table

#: Columns of the program that an import reads; of others, the user's own alone.
READ = ("path", "split", "label_name", "curated_label_name", "tags", "excluded", "deciders")


@dataclass(frozen=True)
class OwnRows:
    """Rows of an export. `files` and `places` of the images, None where the export has none; what the kind needs."""

    table: pa.Table
    files: list[str] | None = None
    places: list[int | None] | None = None
    kind: str = "manifest"
    image_column: str | None = None
    evidence: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


def rows_of_export(manifest: OwnManifest) -> OwnRows:
    """Return the rows of an export; CurateError where a file of it is gone or damaged."""
    try:
        return _READERS[manifest.format](manifest)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as problem:
        raise _damaged(manifest, str(problem)) from problem
    except OSError as problem:
        raise _damaged(manifest, f"{problem.filename or problem} cannot be read") from problem


def _damaged(manifest: OwnManifest, reason: str) -> CurateError:
    return CurateError(
        f"{manifest.place} is an export in the format {manifest.format} that cannot be read: {reason}. Export it "
        "again, or remove its manifest to import what it holds without it."
    )


def _wanted(manifest: OwnManifest) -> set[str]:
    return {*READ, *manifest.own_columns}


# --- tables --------------------------------------------------------------------------------------------------------


def _csv(manifest: OwnManifest) -> OwnRows:
    return OwnRows(_csv_table(manifest.place, _wanted(manifest)))


def _csv_table(file: Path, wanted: set[str]) -> pa.Table:
    """Return the wanted columns of a CSV of ours as texts, without the apostrophes before formulas."""
    table = read_table(file, texts=wanted)
    columns = {name.removeprefix("'") if name.startswith("'") else name: table[name] for name in table.column_names}
    texts = {name: plain_cells(column) for name, column in columns.items() if name in wanted}
    return pa.table(texts)


def _jsonl(manifest: OwnManifest) -> OwnRows:
    return OwnRows(table_of_rows(read_json_rows(manifest.place, _wanted(manifest)), manifest.title))


def _parquet(manifest: OwnManifest) -> OwnRows:
    names = [name for name in parquet_schema(manifest.place).names if name in _wanted(manifest)]
    return OwnRows(parquet_table(manifest.place, names))


def _cleanlab(manifest: OwnManifest) -> OwnRows:
    """Labels that were corrected in the array go before those of the table."""
    table = _csv_table(manifest.place / "samples.csv", _wanted(manifest))
    labels = open_array(manifest.place / "labels.npy").read()
    if labels.shape != (len(table),):
        raise ValueError(f"labels.npy has shape {labels.shape} for {len(table)} rows of samples.csv")
    names = [manifest.classes[label] if label >= 0 else None for label in labels.tolist()]
    return OwnRows(_with(table, "curated_label_name", names))


def _with(table: pa.Table, name: str, values: Iterable[Any]) -> pa.Table:
    column = pa.array(list(values), pa.string())
    if name in table.column_names:
        table = table.drop_columns([name])
    return table.append_column(name, column)


# --- folders of images ---------------------------------------------------------------------------------------------


def _folders(manifest: OwnManifest) -> OwnRows:
    """Class folders: the folder in which an image lies now is its curated class, also for one that was put there."""
    root = manifest.place
    table = _csv_table(root / "samples.csv", _wanted(manifest) | {"file"})
    known = table.to_pandas()
    titles = dict(zip(known["file"].map(_folder), known["curated_label_name"], strict=True))
    places = {os.path.basename(file): row for row, file in enumerate(known["file"])}
    found, rows, curated, missing = [], [], [], dict(places)
    for name, _, _ in scan_folder(root).images:
        row = missing.pop(os.path.basename(name), None)
        label = titles.get(_folder(name), os.path.basename(_folder(name)))
        found.append(name)
        rows.append(row)
        curated.append(label if isinstance(label, str) and label else None)
    new = [row is None for row in rows]
    frame = known.drop(columns="file").iloc[[0 if row is None else row for row in rows]].reset_index(drop=True)
    frame.loc[new, :] = None
    frame["path"] = frame["path"].where([not one for one in new], pd.Series(found))
    frame["curated_label_name"] = pd.Series(curated, dtype="object")
    frame.loc[new, "label_name"] = frame["curated_label_name"][new]
    table = pa.table({name: pa.array(frame[name], pa.string(), from_pandas=True) for name in frame})
    messages = []
    if any(new):
        messages.append(f"{sum(new)} images that were put into the folder are new")
    if missing:
        messages.append(f"{len(missing)} images are no longer in the folder, and are left out")
    return OwnRows(table, [f"{root.absolute()}/{name}" for name in found], messages=messages)


def _folder(file: str) -> str:
    return os.path.dirname(file)


# --- JSON of tools -------------------------------------------------------------------------------------------------


def _coco(manifest: OwnManifest) -> OwnRows:
    folder, file = _json_file(manifest, "annotations.json")
    content = read_json(file)
    names = {category["id"]: str(category["name"]) for category in content["categories"]}
    curated = {one["image_id"]: names[one["category_id"]] for one in content["annotations"]}
    rows, files = [], []
    for image in content["images"]:
        row = image["attributes"] | {"curated_label_name": curated.get(image["id"])}
        rows.append(_own_row(manifest, row))
        files.append(_absolute(folder / "images", image["file_name"]))
    return _of_dicts(manifest, rows, files)


def _fiftyone(manifest: OwnManifest) -> OwnRows:
    content = read_json(manifest.place / "labels.json")
    files_of = {os.path.splitext(file.name)[0]: file for file in (manifest.place / "data").iterdir()}
    rows, files = [], []
    for stem, label in content["labels"].items():
        row = content.get("unlabelled", {}).get(stem, {})
        if label is not None:
            name = label["label"]
            row = label["attributes"] | {"curated_label_name": content["classes"][name] if type(name) is int else name}
        rows.append(_own_row(manifest, row))
        files.append(str(files_of.get(stem, manifest.place / "data" / stem).absolute()))
    return _of_dicts(manifest, rows, files)


def _label_studio(manifest: OwnManifest) -> OwnRows:
    """The curated label is the annotation marked so, or the ground truth; other annotations are votes."""
    folder, file = _json_file(manifest, "tasks.json")
    rows, files, answers = [], [], 0
    for task in read_json(file):
        decided = [one for one in task["annotations"] if one.get("ground_truth") or _is_curated(one)]
        answers += len(task["annotations"]) - len(decided)
        _, labels = label_of_task(task | {"annotations": decided})
        data = dict(task["data"])
        row = data | {"label_name": data.get("given_label"), "curated_label_name": next(iter(labels), None)}
        place, _ = label_of_task({"data": {"image": data["image"]}, "annotations": []})
        rows.append(_own_row(manifest, row))
        files.append(_absolute(Path("/") if file == manifest.place else folder, str(place)))
    read = _of_dicts(manifest, rows, files)
    if answers:
        read.messages.append(f"`votes NAME {file}` counts the {answers} answers of people as votes")
    return read


def _is_curated(annotation: Mapping[str, Any]) -> bool:
    return any(CURATED in (item.get("meta") or {}) for item in annotation.get("result") or [])


def _json_file(manifest: OwnManifest, name: str) -> tuple[Path, Path]:
    """Return the folder of an export and its file of labels, which may be the export itself."""
    if manifest.place.is_dir():
        return manifest.place, manifest.place / name
    return manifest.place.parent, manifest.place


def _absolute(folder: Path, name: str) -> str:
    return os.path.normpath(os.path.join(folder.absolute(), name))


def _own_row(manifest: OwnManifest, row: Mapping[str, Any]) -> dict[str, Any]:
    wanted = _wanted(manifest)
    named = {manifest.own_name(name): value for name, value in row.items()}
    return {name: value for name, value in named.items() if name in wanted}


def _of_dicts(manifest: OwnManifest, rows: list[dict[str, Any]], files: list[str]) -> OwnRows:
    gone = [file for file in files if not os.path.isfile(file)]
    messages = []
    if len(gone) == len(files):
        raise ValueError(f"none of its {len(files)} images is there, first {next(iter(gone), 'none')}")
    if gone:
        messages.append(f"{len(gone)} images do not exist and will be recorded as broken, first {gone[0]}")
    return OwnRows(table_of_rows(rows, manifest.title), files, messages=messages)


# --- packed images -------------------------------------------------------------------------------------------------


def _hf(manifest: OwnManifest) -> OwnRows:
    """Images in Parquet; the split is that of the dataset which the hub's name stands for."""
    parts: list[pa.Table] = []
    files: list[str] = []
    places: list[int | None] = []
    shards = sorted((manifest.place / "data").glob("*.parquet"))
    if not shards:
        raise ValueError("there is no Parquet file in data/")
    usual = Counter(_hub_split(name) for name in manifest.splits)
    of_hub = {_hub_split(name): name for name in manifest.splits if usual[_hub_split(name)] == 1}
    for file in shards:
        names = [name for name in parquet_schema(file).names if name in {*_wanted(manifest), "label"}]
        table = parquet_table(file, names)
        curated = [
            manifest.classes[code] if code is not None and code >= 0 else None for code in table["label"].to_pylist()
        ]
        hub = split_of(file.name) or "train"
        split = [of_hub.get(hub, hub)] * len(table)
        parts.append(_with(_with(table.drop_columns(["label"]), "curated_label_name", curated), "split", split))
        files += [str(file.absolute())] * len(table)
        places += range(len(table))
    evidence = [fingerprint_file(file) for file in shards]
    table = pa.concat_tables(parts, promote_options="permissive")
    return OwnRows(table, files, places, "parquet", "image", evidence)


def _hub_split(name: str | None) -> str:
    """Return how an export for the hub calls a split."""
    return "".join(letter if letter.isalnum() or letter == "_" else "_" for letter in name or "") or "train"


def _webdataset(manifest: OwnManifest) -> OwnRows:
    shards = sorted(str(file.absolute()) for file in manifest.place.glob("samples-*.tar"))
    if not shards:
        raise ValueError("there is no samples-*.tar")
    read = fields_of_shards(shards, manifest.title)
    table, samples = read.fields, read.samples
    curated: list[str | None] = [None] * len(samples)
    if "cls" in table.column_names:
        curated = [manifest.classes[int(code)] if code else None for code in table["cls"].to_pylist()]
    wanted = [name for name in table.column_names if name in _wanted(manifest)]
    table = _with(table.select(wanted), "curated_label_name", curated)
    return OwnRows(
        table,
        samples["_file"].tolist(),
        samples["_row"].tolist(),
        "webdataset",
        evidence=read.evidence,
        messages=read.messages,
    )


_READERS: dict[str, Callable[[OwnManifest], OwnRows]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "cleanlab": _cleanlab,
    "folder": _folders,
    "yolo": _folders,
    "coco": _coco,
    "fiftyone": _fiftyone,
    "label-studio": _label_studio,
    "hf": _hf,
    "webdataset": _webdataset,
}
