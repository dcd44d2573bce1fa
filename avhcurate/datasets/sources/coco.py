"""COCO files as labels of whole images: an image whose annotations have one category is of that class."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from avhcurate.datasets.sources.manifest import read_paths
from avhcurate.datasets.sources.source_table import ImportOptions, SourceTable
from avhcurate.errors import CurateError
from avhcurate.people.files.label_studio import read_json


def read_coco(path: Path, options: ImportOptions) -> SourceTable:
    """Return a sample an image. The classes are the categories in order of their ids; other images have no label.

    Paths start at `options.root`, or else at the file's folder or its folder `images`, where the first image is.
    """
    if options.column is not None:
        raise CurateError(f"A COCO file has no column {options.column!r}. Leave the column options out.")
    content = read_json(path)
    images, several = images_of(content, path.name)
    if images.empty:
        raise CurateError(f"{path.name} names no image.")
    categories = sorted(content["categories"], key=lambda category: category["id"])
    classes = list(dict.fromkeys(str(category["name"]) for category in categories))
    root = path.parent
    if (root / "images" / images["path"][0]).is_file():
        root /= "images"
    options = replace(options, root=options.root or root, classes=options.classes or classes)
    table = pa.Table.from_pandas(images[["path", "label"]], preserve_index=False)
    found = read_paths(table, "path", path, options, kind="list", image_column=None)
    if several:
        found.messages.append(f"{several} images have annotations of several categories, and so no label here")
    return found


def images_of(content: Any, title: str) -> tuple[pd.DataFrame, int]:
    """Return `path, label` of the images, with `named`, the path in an export of ours; and how many have several.

    A label is the category of all of an image's annotations, None without annotations or with several categories.
    """
    try:
        categories = {category["id"]: str(category["name"]) for category in content["categories"]}
        given: dict[Any, set[str]] = {}
        for annotation in content["annotations"]:
            given.setdefault(annotation["image_id"], set()).add(categories[annotation["category_id"]])
        rows = [
            {
                "path": str(image["file_name"]).replace("\\", "/"),
                "label": next(iter(labels)) if len(labels := given.get(image["id"], set())) == 1 else None,
                "named": image.get("attributes", {}).get("path"),
            }
            for image in content["images"]
        ]
    except (KeyError, TypeError, AttributeError) as problem:
        raise CurateError(f"{title} is not a COCO file ({problem!r}).") from problem
    frame = pd.DataFrame(rows, columns=["path", "label", "named"], dtype="str")
    return frame, sum(len(labels) > 1 for labels in given.values())
