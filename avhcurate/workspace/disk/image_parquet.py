"""Images with their labels as Parquet, in the layout of the Hugging Face `datasets` library."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.files import batched, replacing, write_tables

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_ROWS = 500


@dataclass(frozen=True)
class LabelledImage:
    """An encoded image, its name, its class index and the texts of further columns."""

    path: str
    image: bytes
    label: int | None
    more: dict[str, str] = field(default_factory=dict)


def image_metadata(classes: Sequence[str] | None) -> dict[str, str]:
    """Metadata of a schema with the columns `image` and `label`; without class names labels are plain numbers."""
    label: dict[str, Any] = {"dtype": "int64", "_type": "Value"}
    if classes:
        label = {"names": list(classes), "_type": "ClassLabel"}
    return {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}, "label": label}}})}


def write_images(target: Path, images: Iterable[LabelledImage], classes: Sequence[str] | None) -> Path:
    """Write one Parquet file, whole or not at all; the images stream through."""
    tables = (_table(block).replace_schema_metadata(image_metadata(classes)) for block in batched(images, _ROWS))
    with replacing(target) as stream:
        if not write_tables(stream, tables, compression="none"):
            raise CurateError(f"The files in {target.parent.parent} have no image. Fetch them again.")
    return target


def _table(block: list[LabelledImage]) -> pa.Table:
    images = pa.array([{"bytes": sample.image, "path": sample.path} for sample in block], IMAGE)
    labels = pa.array([sample.label for sample in block], pa.int64())
    texts = {name: [sample.more[name] for sample in block] for name in block[0].more}
    return pa.table({"image": images, "label": labels} | texts)
