"""Images of an export: links to local files, copies of all others."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from avhcurate.disk.files import link, safe_name
from avhcurate.export.columns import Chosen, batches
from avhcurate.export.text import csv_text, text_file
from avhcurate.images.decoding import BrokenImage, read_header, stored_size
from avhcurate.images.source import ImageSource
from avhcurate.sources.folder import IMAGE_SUFFIXES
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters

#: The table beside the folders of the classes.
_SAMPLES = "samples.csv"
#: Samples whose images are read at once.
_BATCH = 1024


def write_folder(table: DatasetTable, chosen: Chosen, path: Path) -> int:
    """CLASS/FILE for every sample, and samples.csv with the file and all columns of each."""
    path.mkdir()
    folders, left_out = _folder_names(table.classes), list[int]()
    placed = place_images(table, chosen, path, lambda row: folders[row["curated_label_name"]], left_out)
    with text_file(path / _SAMPLES) as stream:
        header = True
        while part := list(islice(placed, _BATCH)):
            rows = [{"file": f"{place.parent.name}/{place.name}"} | _beside_file(row) for row, place in part]
            frame = pd.DataFrame(rows, dtype=object)
            stream.write(csv_text(frame.assign(tags=frame["tags"].map(";".join)), header=header))
            header = False
    return len(left_out)


def _beside_file(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose own column `file`, if there is one, has another name: the export says under it where the image is."""
    return {"user_file" if name == "file" else name: value for name, value in row.items()}


def place_images(
    table: DatasetTable, chosen: Chosen, folder: Path, within: Callable[[dict[str, Any]], str], left_out: list[int]
) -> Iterator[tuple[dict[str, Any], Path]]:
    """Writes or links the image of every sample in the sub-folder `within(row)`; yields its row and the file.

    Samples whose images cannot be read are skipped, and their ids added to `left_out`.
    """
    source = table.dataset.images()
    for batch in batches(table, chosen, rows=_BATCH):
        rows = batch.to_pylist()
        places = {row["id"]: folder / within(row) / _file_name(row["path"], row["id"]) for row in rows}
        broken = list(_write_files(source, places))
        left_out += broken
        yield from ((row, places[row["id"]]) for row in rows if row["id"] not in broken)


def _write_files(source: ImageSource, places: dict[int, Path]) -> Iterator[int]:
    """Writes or links the files; yields the ids of images that cannot be read."""
    inside = []
    for id, place in places.items():
        place.parent.mkdir(exist_ok=True)
        if (file := source.local_file(id)) is None:
            inside.append(id)
        elif _is_image(file):
            link(place, file)
        else:
            yield id
    for id, data in zip(inside, map(image_bytes, source.read(inside)), strict=True):
        if data is None:
            yield id
        else:
            places[id].write_bytes(data)


def bytes_of_images(table: DatasetTable, filters: Filters) -> int:
    """Bytes of the samples' own files on this machine; images within other files and on servers count nothing."""
    source = table.dataset.images()
    files = filter(None, map(source.local_file, table.frame(filters, columns=["id"])["id"]))
    return sum(file.stat().st_size for file in files if file.exists())


def image_bytes(data: bytes | BrokenImage) -> bytes | None:
    """Bytes that are an image by their header, else None: a manifest may name any file that the server can read."""
    try:
        if isinstance(data, BrokenImage):
            return None
        read_header(data)
    except BrokenImage:
        return None
    return data


def _is_image(file: Path) -> bool:
    try:
        stored_size(file)
    except BrokenImage:
        return False
    return True


def _folder_names(classes: Sequence[str]) -> dict[str | None, str]:
    """A folder for each class and for samples without one; names that differ only in case or odd signs are numbered.

    >>> _folder_names(["cat/dog", "cat:dog", "Cat_Dog"])
    {'cat/dog': 'cat_dog', 'cat:dog': 'cat_dog (1)', 'Cat_Dog': 'Cat_Dog (2)', None: 'unlabelled'}
    """
    folders: dict[str | None, str] = {}
    taken = {_SAMPLES, "manifest.json"}
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
