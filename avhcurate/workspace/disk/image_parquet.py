"""Images with their labels as Parquet, in the layout of the Hugging Face `datasets` library."""

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.files import replacing, write_tables

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
    label: dict[str, Any] = (
        {"names": list(classes), "_type": "ClassLabel"} if classes else {"dtype": "int64", "_type": "Value"}
    )
    return {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}, "label": label}}})}


def write_images(target: Path, images: Iterable[LabelledImage], classes: Sequence[str] | None) -> Path:
    """Write one Parquet file, whole or not at all; the images stream through."""
    metadata, remaining = image_metadata(classes), iter(images)
    blocks = iter(lambda: list(itertools.islice(remaining, _ROWS)), [])
    with replacing(target) as stream:
        if not write_tables(stream, (_table(block, metadata) for block in blocks), compression="none"):
            raise CurateError(f"The files in {target.parent.parent} have no image. Fetch them again.")
    return target


def _table(block: list[LabelledImage], metadata: dict[str, str]) -> pa.Table:
    more = {name: [one.more[name] for one in block] for name in block[0].more}
    fields = [("image", IMAGE), ("label", pa.int64()), *((name, pa.string()) for name in more)]
    images = [{"bytes": one.image, "path": one.path} for one in block]
    return pa.table({"image": images, "label": [one.label for one in block]} | more, pa.schema(fields, metadata))
