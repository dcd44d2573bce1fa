"""Importing by name, from the hub or torchvision: by config and split, from a server or a copy; what there is not."""

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from avhcurate.workspace.images.decoding import decode
from tests.fakes.sources import grey_images, greys, image_table, rows


@pytest.fixture
def hub(web, monkeypatch, tmp_path):
    """A server that speaks as much of the hub's language as is needed, with one dataset of two configs."""
    monkeypatch.setenv("HF_ENDPOINT", web.url)
    monkeypatch.setenv("HF_TOKEN", "secret")
    commit = "c0ffee" + "0" * 34
    files = []
    starts = {"big/train-a.parquet": 0, "big/train-b.parquet": 10, "big/test.parquet": 20, "s.parquet": 30}
    for path, start in starts.items():
        file = web.folder / "datasets" / "org" / "pets" / "resolve" / commit / path
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(image_table([start, start + 1, start + 2], label=[0, 1, 1]), file)
        data = file.read_bytes()
        large = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        files.append({"rfilename": path, "size": len(data), "lfs": large})
    configs = [
        {
            "config_name": "big",
            "data_files": [{"split": "train", "path": "big/train-*"}, {"split": "test", "path": ["big/test*"]}],
        },
        {"config_name": "small", "data_files": "s.parquet"},
    ]
    for revision in ("main", "v1"):
        answer(web, "org/pets", revision, commit, files, configs)
    return web


def answer(web, name, revision, commit, files, configs=None):
    """Let the server describe a dataset."""
    info = {"id": name, "sha": commit, "siblings": files, "cardData": {"configs": configs}}
    web.routes[f"/api/datasets/{name}/revision/{revision}?blobs=true"] = (json.dumps(info).encode(), {})


def test_a_hub_dataset_comes_by_config_and_split(workspace, hub):
    folder = import_dataset(workspace, "d", "hf:org/pets:big")
    assert greys(folder) == [20, 21, 22, 0, 1, 2, 10, 11, 12]
    assert folder.samples()["split"].tolist() == ["test"] * 3 + ["train"] * 6
    assert {said for path, _, said in hub.asked if "/pets/" in path} == {"Bearer secret"}
    asked = len(hub.asked)
    assert import_dataset(workspace, "d", "hf:org/pets:big").record == folder.record
    assert len(hub.asked) == asked
    assert greys(import_dataset(workspace, "s", "hf:org/pets@v1:small/train")) == [30, 31, 32]


def test_a_hub_dataset_is_gone_on_with(workspace, hub):
    with pytest.raises(Cancelled):
        import_dataset(workspace, "d", "hf:org/pets:big", progress=Progress(should_stop=lambda: len(hub.asked) >= 2))
    assert workspace.names() == []
    before = [path for path, *_ in hub.asked if path.endswith(".parquet")]
    folder = import_dataset(workspace, "d", "hf:org/pets:big")
    after = [path for path, *_ in hub.asked if path.endswith(".parquet")][len(before) :]
    assert folder.record.samples == 9
    assert before[0] not in after


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("hf:org/pets", "has the configs big, small. Name one"),
        ("hf:org/pets:huge", "has the configs big, small"),
        ("hf:org/pets:big/validation", "no split 'validation'. It has test, train"),
        ("hf:/gone", "is not a dataset of the hub"),
        ("hf:org/gone", r"hf:org/gone could not be read as Parquet at .*404.*download its files"),
    ],
)
def test_what_the_hub_has_not_is_said(workspace, hub, source, words):
    with pytest.raises(CurateError, match=words):
        import_dataset(workspace, "d", source)


def test_a_file_that_is_not_the_hubs_is_refused(workspace, hub):
    file = next(hub.folder.rglob("s.parquet"))
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(CurateError, match="is published: it is damaged or another file"):
        import_dataset(workspace, "d", "hf:org/pets:small")


def test_what_the_hub_made_into_parquet_is_taken_where_there_is_no_other(workspace, hub):
    file = hub.folder / "datasets/org/zips/resolve/cafe/default/train/0000.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(next(hub.folder.rglob("s.parquet")).read_bytes())
    entry = {"rfilename": "default/train/0000.parquet", "size": file.stat().st_size}
    part = {"rfilename": "default/partial-test/0000.parquet", "size": 1}
    answer(hub, "org/zips", "main", "beef", [])
    answer(hub, "org/zips", "refs%2Fconvert%2Fparquet", "cafe", [entry, part])
    folder = import_dataset(workspace, "d", "hf:org/zips")
    assert greys(folder) == [30, 31, 32]
    assert set(folder.samples()["split"]) == {"train"}


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
