"""Small datasets made by hand: images of a test's own, imported as a user would."""

import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.open_dataset import OpenDataset, open_dataset
from avhcurate.workspace.data.dataset_records import DatasetRecord
from avhcurate.workspace.data.datasets import DatasetFolder
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
) -> OpenDataset:
    """Writes pictures by name, or a table as Parquet, under `files`, imports them and opens the dataset."""
    if isinstance(source, pa.Table):
        place = files / f"{name}.parquet"
        pq.write_table(source, place)
    else:
        place = write_images(files / name, source)
    import_dataset(workspace, name, place)
    return open_dataset(workspace, name)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def make_dataset(workspace: Workspace, tmp_path: Path) -> Callable[..., OpenDataset]:
    """`make_dataset({"cat/a.png": "red"})`, or with a table: a dataset of the empty workspace, see `add_dataset`."""

    def make(source: Mapping[str, Picture] | pa.Table, name: str = "pets") -> OpenDataset:
        return add_dataset(workspace, tmp_path, source, name)

    return make


def bare_dataset(
    workspace: Workspace, paths: Sequence[str], labels: Sequence[int | None], classes: Sequence[str], name: str = "d"
) -> DatasetFolder:
    """A dataset as the import leaves it, without an image: only names, labels (None for none) and classes."""
    size = len(paths)
    samples = {
        "id": pa.array(range(size), pa.int64()),
        "path": pa.array(paths, pa.string()),
        "split": pa.nulls(size, pa.string()),
        "label": pa.array(labels, pa.int32()),
        "_file": pa.array(paths, pa.string()),
        "_row": pa.nulls(size, pa.int64()),
    }
    origin = {"name": name, "source": "made up", "kind": "folder", "fingerprint": uuid.uuid4().hex}
    record = DatasetRecord(classes=list(classes), classes_declared=True, samples=size, **origin)
    with workspace.lock(name):
        staged = workspace.create(name)
        staged.write(record, pa.table(samples))
        return workspace.adopt(name, staged)


def copy_dataset(root: Path, name: str) -> None:
    """Copies the digits of the workspace in `root`, with runs but not what people decided, under another name."""
    target = Path(shutil.copytree(root / "datasets" / "digits", root / "datasets" / name))
    record = (target / "dataset.json").read_text().replace('"name": "digits"', f'"name": "{name}"')
    (target / "dataset.json").write_text(record)
