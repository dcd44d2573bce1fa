"""What a public dataset is, what was fetched of it, and how its images become Parquet."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.errors import CurateError
from avhcurate.storage.datasets import DatasetFolder
from avhcurate.storage.fetching import Wanted
from avhcurate.storage.files import flush, temporary_name
from avhcurate.storage.sources.folder import IMAGE_SUFFIXES
from avhcurate.storage.votes import VoteSheet

_ROWS = 500
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@dataclass
class Material:
    """What was fetched: `paths` by the names of the wanted files; `images` that the user has.

    A path may be that of an unpacked tree in place of an archive. `messages` gathers what the user should know.
    """

    paths: dict[str, Path]
    images: Path | None = None
    messages: list[str] = field(default_factory=list)


def no_votes(material: Material, folder: DatasetFolder) -> None:
    """Of a dataset that nobody voted on."""


@dataclass(frozen=True)
class PublicDataset:
    """A public dataset; `licence` is what its authors say of it, `size` about how many bytes come.

    `prepare` makes a source to import of what was fetched, in the folder that it is given or elsewhere; `votes` reads
    the answers, for the dataset once it is imported. `trees`: names of folders that a mirror may hold in place of the
    first file. `hub`: its name on the Hugging Face hub, where it comes from there. `needs_images`: its images may not
    be handed on, so that the user must have them.
    """

    name: str
    title: str
    home: str
    licence: str
    citation: str
    files: tuple[Wanted, ...]
    size: int
    prepare: Callable[[Material, Path], Path]
    votes: Callable[[Material, DatasetFolder], VoteSheet | None] = no_votes
    trees: tuple[str, ...] = ()
    hub: str | None = None
    needs_images: bool = False


@dataclass(frozen=True)
class Row:
    """An image as it is to be stored, and what is known of it."""

    path: str
    image: bytes
    label: int | None
    more: dict[str, str] = field(default_factory=dict)


def write_images(target: Path, rows: Iterable[Row], classes: list[str]) -> Path:
    """One Parquet file in the Hugging Face layout, whole or not at all; the rows stream through."""
    declared = {"names": classes, "_type": "ClassLabel"}
    features = {"image": {"_type": "Image"}, "label": declared}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(target)
    writer: pq.ParquetWriter | None = None
    try:
        with open(temporary, "wb") as stream:
            for chunk in _chunks(rows):
                more = {name: [row.more[name] for row in chunk] for name in chunk[0].more}
                fields = [("image", _IMAGE), ("label", pa.int64()), *((name, pa.string()) for name in more)]
                schema = pa.schema(fields, metadata)
                images = [{"bytes": row.image, "path": row.path} for row in chunk]
                table = pa.table({"image": images, "label": [row.label for row in chunk]} | more, schema)
                writer = writer or pq.ParquetWriter(stream, schema, compression="none")
                writer.write_table(table)
            if writer is None:
                raise CurateError(f"there is no image in what was fetched to {target.parent.parent}: fetch it again")
            writer.close()
            flush(stream)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def is_image(name: str) -> bool:
    path = Path(name)
    return path.suffix.casefold() in IMAGE_SUFFIXES and not path.name.startswith(".")
