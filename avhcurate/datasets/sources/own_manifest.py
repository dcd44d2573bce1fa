"""The manifest of an export of ours: which format it is, and what it says of columns, classes and images."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.columns import is_text
from avhcurate.workspace.disk.json_text import parsed

#: The main file of a format that is a folder: to name it means the folder.
_MAIN = {
    **dict.fromkeys(("folder", "yolo", "cleanlab"), ("samples.csv",)),
    **{"fiftyone": ("labels.json",), "label-studio": ("tasks.json",), "coco": ("annotations.json",)},
    "webdataset": ("samples-000000.tar",),
    "hf": (),
}
#: Formats of one file, with its manifest next to it.
_FILES = ("csv", "jsonl", "parquet", "coco", "label-studio")
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class OwnManifest:
    """An export: its format, the folder or file that it is, the types of own columns, and where images were."""

    format: str
    place: Path
    classes: list[str]
    own_columns: dict[str, str]
    splits: list[str | None]
    dataset: str
    images: dict[str, Any] = field(default_factory=dict)
    run: str | None = None

    @property
    def title(self) -> str:
        return self.place.name

    def own_name(self, name: str) -> str:
        """Return a column as the dataset calls it: some formats put `sample_` before names of their own.

        >>> manifest = OwnManifest("coco", Path("c"), [], {"light": "double"}, [], "pets")
        >>> manifest.own_name("sample_label"), manifest.own_name("light")
        ('label', 'light')
        """
        plain = name.removeprefix("sample_")
        if name in self.own_columns or not name.startswith("sample_"):
            return name
        return plain


def own_manifest(source: Path) -> OwnManifest | None:
    """Return the manifest of a folder or file that an export of ours wrote; None for any other."""
    if source.is_dir():
        return _read(source / "manifest.json", source, tuple(_MAIN))
    beside = source.with_name(f"{source.name}.manifest.json")
    if beside.is_file():
        return _read(beside, source, _FILES)
    folder = source.parent
    found = _read(folder / "manifest.json", folder, tuple(_MAIN))
    if found is None or source.name not in _MAIN[found.format]:
        return None
    if found.format == "webdataset" and (folder / "samples-000001.tar").exists():
        return None  # one shard of several was meant
    return found


def _read(file: Path, place: Path, formats: tuple[str, ...]) -> OwnManifest | None:
    try:
        if file.stat().st_size > _MOST_BYTES:
            return None
        content = parsed(file.read_bytes())
    except (OSError, ValueError):
        return None
    needed = {"schema_version", "dataset_fingerprint", "classes", "format"}
    if not isinstance(content, dict) or not needed <= content.keys() or content["format"] not in formats:
        return None
    if not _is_texts(content["classes"]) or len(set(content["classes"])) < len(content["classes"]):
        raise CurateError(f"{file} is damaged: its classes are no list of different names. Export the dataset again.")
    own = content.get("own_columns")
    images = content.get("images")
    splits = content.get("splits")
    return OwnManifest(
        format=content["format"],
        place=place,
        classes=content["classes"],
        own_columns={str(name): str(kind) for name, kind in own.items()} if isinstance(own, dict) else {},
        splits=[name for name in splits if isinstance(name, str | None)] if isinstance(splits, list) else [],
        dataset=str(content.get("dataset")),
        images=images if isinstance(images, dict) else {},
        run=content.get("run"),
    )


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def own_values(manifest: OwnManifest, columns: Mapping[str, pa.ChunkedArray | pa.Array]) -> dict[str, pa.Array]:
    """Return the own columns of a table by their types in the dataset, as texts where a value is of another type."""
    found = {}
    for name, kind in manifest.own_columns.items():
        if name in columns:
            found[name] = _cast(columns[name], kind)
    return found


def _cast(column: pa.ChunkedArray | pa.Array, kind: str) -> pa.ChunkedArray | pa.Array:
    wanted = _type(kind)
    if wanted is None or column.type == wanted:
        return column
    try:
        if is_text(column.type) and pa.types.is_boolean(wanted):
            column = pc.utf8_lower(column)
        if is_text(column.type) and pa.types.is_integer(wanted):
            column = pc.replace_substring_regex(column, r"\.0$", "")  # as a table of numbers with gaps is written
        return column.cast(wanted)
    except pa.ArrowException:
        return column


def _type(kind: str) -> pa.DataType | None:
    """Return the type that Arrow calls so, None for one that is kept as it comes.

    >>> str(_type("timestamp[us, tz=UTC]")), str(_type("double")), _type("struct<a: int64>")
    ('timestamp[us, tz=UTC]', 'double', None)
    """
    if zoned := re.fullmatch(r"timestamp\[(s|ms|us|ns), tz=([\w/+:-]+)\]", kind):
        return pa.timestamp(zoned[1], zoned[2])
    try:
        return pa.type_for_alias(kind)
    except ValueError:
        return None
