"""Importing by name from the hub: by config and split, from a server or a copy; what there is not."""

import hashlib
import json

import pyarrow.parquet as pq
import pytest

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.fakes.refusals import refused
from tests.fakes.sources import greys, image_table


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
    with refused("train-00000-of-00001.parquet.part", "sha256"):
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
