"""What a manifest says so that `import` reads an export back whole: own columns, splits, and where the images lie."""

import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.disk.remote import is_url

#: Kinds of sources that hold their images inside other files.
_PACKED = ("parquet", "webdataset")


def describe_columns_and_splits(samples: SampleTable, dataset: DatasetFolder, filters: Filters) -> dict[str, Any]:
    """Return the types of the user's own columns by name, and the splits; other columns are the program's."""
    types = {field.name: str(field.type) for field in pq.read_schema(dataset.imported_path)}
    own = {name: types[name] for name in samples.user_columns if name in types}
    splits = samples.group_counts("split", filters)["value"]
    return {"own_columns": own, "splits": [name or None for name in splits.fillna("")]}


def describe_images(dataset: DatasetFolder) -> dict[str, Any]:
    """Return where the images of a dataset are on this machine: the `root` that paths start from, or the `source`.

    A path or address that is whole needs neither.
    """
    samples = pq.read_table(dataset.imported_path, columns=["path", "_file", "_row"])
    if samples["_row"].null_count == len(samples):
        pairs = zip(samples["path"].to_pylist(), samples["_file"].to_pylist(), strict=True)
        roots = {_root(path, file) for path, file in pairs} - {""}
        if len(roots) < 2 and None not in roots:
            return {"root": next(iter(roots), None)}
    record = dataset.record
    source = record.source
    if source.startswith("hf:") or not (Path(source).exists() or record.kind in _PACKED):
        source = str(Path(samples["_file"][0].as_py()).parent)
    elif Path(source).exists():
        source = str(Path(source).absolute())
    return {"source": source, "image_column": record.image_column}


def _root(path: str, file: str) -> str | None:
    """Return the folder that a path starts from, "" where it says all, None where the file is called otherwise.

    >>> _root("cat/1.png", "/photos/cat/1.png"), _root("/a/1.png", "/a/1.png"), _root("1.png", "/b/2.png")
    ('/photos', '', None)
    """
    if path == file or is_url(path) or path.startswith("file://"):
        return ""
    if file.endswith(f"/{path}") and not os.path.isabs(path):
        return file.removesuffix(f"/{path}") or "/"
    return None
