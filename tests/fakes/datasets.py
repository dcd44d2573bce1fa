"""Small datasets made by hand: images of a test's own, imported as a user would."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.dataset_table import DatasetTable, open_table
from avhcurate.workspace.data.datasets import DatasetFolder, DatasetRecord
from avhcurate.workspace.data.workspace import Workspace

#: What becomes a file: an image, its pixels, the colour of a small one, or bytes as they are.
Picture = Image.Image | np.ndarray | str | bytes


def write_images(folder: Path, pictures: Mapping[str, Picture]) -> Path:
    """Writes the pictures into `folder` by their names, CLASS/FILE, and returns it."""
    for name, picture in pictures.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(picture, bytes):
            path.write_bytes(picture)
            continue
        if isinstance(picture, str):
            picture = Image.new("RGB", (9, 9), picture)
        (Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(path)
    return folder


def add_dataset(
    workspace: Workspace, files: Path, source: Mapping[str, Picture] | pa.Table, name: str = "pets"
) -> DatasetTable:
    """Writes pictures by name, or a table as Parquet, under `files`, imports them and opens the dataset."""
    if isinstance(source, pa.Table):
        found = files / f"{name}.parquet"
        pq.write_table(source, found)
    else:
        found = write_images(files / name, source)
    import_dataset(workspace, name, found)
    return open_table(workspace, name)


@pytest.fixture
def make_dataset(workspace: Workspace, tmp_path: Path) -> Callable[..., DatasetTable]:
    """`make_dataset({"cat/a.png": "red"})`, or with a table: a dataset of the empty workspace, see `add_dataset`."""

    def make(source: Mapping[str, Picture] | pa.Table, name: str = "pets") -> DatasetTable:
        return add_dataset(workspace, tmp_path, source, name)

    return make


def bare_dataset(
    workspace: Workspace, paths: Sequence[str], labels: Sequence[int | None], classes: Sequence[str], name: str = "d"
) -> DatasetFolder:
    """A dataset as the import leaves it, without an image: only names, labels and classes."""
    size = len(paths)
    samples = pa.table(
        {
            "id": pa.array(range(size), pa.int64()),
            "path": paths,
            "split": pa.nulls(size, pa.string()),
            "label": pa.array(labels, pa.int32()),
            "_file": paths,
            "_row": pa.nulls(size, pa.int64()),
        }
    )
    record = DatasetRecord(
        name=name,
        source="s",
        kind="folder",
        classes=list(classes),
        classes_declared=True,
        samples=size,
        fingerprint="f",
    )
    with workspace.lock(name):
        staged = workspace.create(name)
        staged.write(record, samples)
        return workspace.adopt(name, staged)


def copy_dataset(root: Path, name: str, source: str = "digits") -> None:
    """Copies a dataset of the workspace in `root`, with its runs but not what people decided, under another name."""
    target = Path(shutil.copytree(root / "datasets" / source, root / "datasets" / name))
    record = (target / "dataset.json").read_text().replace(f'"name": "{source}"', f'"name": "{name}"')
    (target / "dataset.json").write_text(record)
