"""Importing datasets of torchvision and Hugging Face's library by their names."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from avhcurate.workspace.images.decoding import decode
from tests.fakes.sources import grey_images, rows


def write_idx(path, array):
    """A file of MNIST's format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def test_torchvision_dataset_comes_from_files_that_are_there(workspace):
    raw = workspace.downloads / "torchvision" / "files" / "MNIST" / "raw"
    for part, size in {"train": 3, "t10k": 2}.items():
        write_idx(raw / f"{part}-images-idx3-ubyte", np.full((size, 28, 28), size * 10))
        write_idx(raw / f"{part}-labels-idx1-ubyte", np.arange(size))
    folder = import_dataset(workspace, "mnist", "torchvision:MNIST")
    assert [row[1] for row in rows(folder)] == ["test"] * 2 + ["train"] * 3
    assert folder.record.classes[:2] == ["0 - zero", "1 - one"]
    assert folder.record.source == "torchvision:MNIST"
    assert (decode(folder.images().read_one(4)) == 30).all()
    assert import_dataset(workspace, "mnist", "torchvision:MNIST").record == folder.record


def test_torchvision_datasets_of_other_layouts_come_with_their_classes(workspace):
    files = workspace.downloads / "torchvision" / "files"
    grey_images(files / "eurosat" / "2750", "Forest/a.jpg", "River/b.jpg", "River/c.jpg")
    folder = import_dataset(workspace, "euro", "torchvision:EuroSAT")
    assert rows(folder) == [(f"all/{n:07d}.png", "all", name) for n, name in enumerate(["Forest", "River", "River"])]
    grey_images(files / "food-101" / "images", "pie/0.jpg", "soup/1.jpg", "soup/2.jpg")
    (files / "food-101" / "meta").mkdir()
    for split, listed in {
        "train": {"pie": ["pie/0"], "soup": ["soup/1"]},
        "test": {"pie": [], "soup": ["soup/2"]},
    }.items():
        (files / "food-101" / "meta" / f"{split}.json").write_text(json.dumps(listed))
    folder = import_dataset(workspace, "food", "torchvision:Food101")
    assert {row[1] for row in rows(folder)} == {"train", "test"}
    assert decode(folder.images().read_one(0))[0, 0].tolist() == [2, 2, 2]


def test_torchvisions_pickles_are_held_against_their_checksum_before_they_are_opened(workspace, monkeypatch, tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "harm",))

    def offline(*arguments, **options):
        raise OSError("network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    batches = workspace.downloads / "torchvision" / "files" / "cifar-10-batches-py"
    batches.mkdir(parents=True)
    for name in ("batches.meta", "test_batch", *(f"data_batch_{number}" for number in range(1, 6))):
        (batches / name).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CurateError, match=r"could not be fetched.* put its files under"):
        import_dataset(workspace, "d", "torchvision:CIFAR10")
    assert not (tmp_path / "harm").exists()
    with pytest.raises(CurateError, match="torchvision has no dataset 'CIFAR'"):
        import_dataset(workspace, "d", "torchvision:CIFAR")
    assert workspace.names() == []
