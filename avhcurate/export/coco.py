"""COCO format: images/ and annotations.json, a label as an annotation whose box is the whole image.

https://cocodataset.org/#format-data has no labels of whole images: its readers find a class through a box.
"""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from avhcurate.export.columns import export_columns, without_missing
from avhcurate.export.images import place_images
from avhcurate.export.text import json_text, text_file, write_items
from avhcurate.images.decoding import BrokenImage, stored_size
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters


def write_coco(table: DatasetTable, filters: Filters, path: Path) -> int:
    """images/, annotations.json; returns how many samples were left out since their images cannot be read.

    An image's `id` is the sample's, a category's is the class index + 1, an annotation's the image's + 1: readers take
    0 for none. The sample's columns are the image's `attributes`.
    """
    (path / "images").mkdir(parents=True)
    left_out: list[int] = []
    labels = path / ".annotations"  # they come behind the images, which must not be read twice
    with text_file(path / "annotations.json") as stream:
        stream.write(f'{{"info": {json_text(_info(table))}, "licenses": [],\n"categories": ')
        stream.write(
            json_text([{"id": n + 1, "name": name, "supercategory": ""} for n, name in enumerate(table.classes)])
        )
        stream.write(',\n"images": [')
        with open(labels, "w", encoding="utf-8") as beside:
            write_items(stream, _images(table, filters, path, beside, left_out))
        stream.write('],\n"annotations": [')
        with open(labels, encoding="utf-8") as beside:
            shutil.copyfileobj(beside, stream)
        stream.write("\n]}\n")
    labels.unlink()
    return len(left_out)


def _images(table: DatasetTable, filters: Filters, path: Path, beside: TextIO, left_out: list[int]) -> Iterator[str]:
    """The image of every sample; its annotation goes to the file `beside`."""
    first = True
    for row, place in place_images(table, filters, path, export_columns(table), lambda _: "images"):
        size = None if place is None else _size(place)
        if place is None or size is None:
            left_out.append(row["id"])
            continue
        width, height = size
        if row["curated_label"] is not None:
            beside.write(("\n" if first else ",\n") + json_text(_annotation(row, width, height)))
            first = False
        attributes = without_missing(row, without=("id",))
        image = {"id": row["id"], "file_name": place.name, "width": width, "height": height, "attributes": attributes}
        yield json_text(image)


def _annotation(row: dict[str, Any], width: int, height: int) -> dict[str, Any]:
    return {
        "id": row["id"] + 1,
        "image_id": row["id"],
        "category_id": row["curated_label"] + 1,
        "bbox": [0, 0, width, height],
        "segmentation": [[0, 0, width, 0, width, height, 0, height]],
        "area": width * height,
        "iscrowd": 0,
    }


def _size(place: Path) -> tuple[int, int] | None:
    """Width and height of a placed image; None, and no file any more, where it is no image."""
    try:
        return stored_size(place)
    except BrokenImage:
        place.unlink()
        return None


def _info(table: DatasetTable) -> dict[str, Any]:
    note = " The human votes behind hsf are simulated." if table.simulated else ""
    description = f"{table.dataset.name}: curated labels of whole images, each as a box around all of it.{note}"
    return {"description": description, "date_created": datetime.now(UTC).isoformat(timespec="seconds")}
