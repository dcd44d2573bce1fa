"""Importing from the hub: by config and split, from its server or a copy, and what it has not."""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import Cancelled, Progress
from avhcurate.errors import CurateError
from avhcurate.sources.service import import_dataset
from tests.fakes.sources import (
    greys,
    png,
)


@pytest.fixture
def hub(web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[object]:
    """A server that speaks as much of the hub's language as is needed, with one dataset of two configs."""
    monkeypatch.setenv("HF_ENDPOINT", web.url)
    monkeypatch.setenv("HF_TOKEN", "secret")
    commit = "c0ffee" + "0" * 34
    tree = []
    for path, number in {
        "big/train-a.parquet": 0,
        "big/train-b.parquet": 10,
        "big/test.parquet": 20,
        "s.parquet": 30,
    }.items():
        images = [{"bytes": png(number + row), "path": f"{number + row}.png"} for row in range(3)]
        table = pa.table({"image": images, "label": [0, 1, 1]})
        stream = io.BytesIO()
        pq.write_table(table, stream)
        data = stream.getvalue()
        file = web.folder / "datasets" / "org" / "pets" / "resolve" / commit / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        large = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}
        tree.append({"type": "file", "path": path, "size": 130, "lfs": large})
    configs = [
        {
            "config_name": "big",
            "data_files": [{"split": "train", "path": "big/train-*"}, {"split": "test", "path": ["big/test*"]}],
        },
        {"config_name": "small", "data_files": "s.parquet"},
    ]
    info = {"sha": commit, "cardData": {"configs": configs}}
    pages = f"/api/datasets/org/pets/tree/{commit}?recursive=true"
    following = f'<{web.url}{pages}&cursor=2>; rel="next"'
    for revision in ("main", "v1"):
        web.routes[f"/api/datasets/org/pets/revision/{revision}"] = (json.dumps(info).encode(), {})
    web.routes[pages] = (json.dumps(tree[:2]).encode(), {"Link": following})
    web.routes[f"{pages}&cursor=2"] = (json.dumps([*tree[2:], {"type": "directory", "path": "big"}]).encode(), {})
    return web


def test_a_hub_dataset_comes_by_config_and_split(workspace: Workspace, hub) -> None:
    folder = import_dataset(workspace, "d", "hf:org/pets:big")
    assert greys(folder) == [20, 21, 22, 0, 1, 2, 10, 11, 12]
    assert folder.samples()["split"].tolist() == ["test"] * 3 + ["train"] * 6
    assert {said for _, _, said in hub.asked} == {"Bearer secret"}
    asked = len(hub.asked)
    assert import_dataset(workspace, "d", "hf:org/pets:big").record == folder.record
    assert len(hub.asked) == asked
    assert greys(import_dataset(workspace, "s", "hf:org/pets@v1:small/train")) == [30, 31, 32]


def test_a_hub_dataset_is_gone_on_with(workspace: Workspace, hub) -> None:
    with pytest.raises(Cancelled):
        import_dataset(workspace, "d", "hf:org/pets:big", progress=Progress(should_stop=lambda: len(hub.asked) >= 5))
    assert workspace.names() == []
    before = [path for path, *_ in hub.asked if path.endswith(".parquet")]
    folder = import_dataset(workspace, "d", "hf:org/pets:big")
    after = [path for path, *_ in hub.asked if path.endswith(".parquet")][len(before) :]
    assert folder.record.samples == 9
    assert before[0] not in after


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("hf:org/pets", "has the configs big, small: name one, as hf:org/pets:big"),
        ("hf:org/pets:huge", "has the configs big, small"),
        ("hf:org/pets:big/validation", "no split 'validation': it has train, test"),
        ("hf:org/gone", r"hf:org/gone could not be read at .*HTTP 404.*download its Parquet files"),
    ],
)
def test_what_the_hub_has_not_is_said(workspace: Workspace, hub, source: str, words: str) -> None:
    with pytest.raises(CurateError, match=words):
        import_dataset(workspace, "d", source)


def test_a_file_that_is_not_the_hubs_is_refused(workspace: Workspace, hub) -> None:
    file = next(hub.folder.rglob("s.parquet"))
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(CurateError, match="is published: it is damaged or another file"):
        import_dataset(workspace, "d", "hf:org/pets:small")


def test_what_the_hub_made_into_parquet_is_taken_where_there_is_no_other(workspace: Workspace, hub) -> None:
    info = {"sha": "beef"}
    file = hub.folder / "datasets/org/zips/resolve/cafe/default/train/0000.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(next(hub.folder.rglob("s.parquet")).read_bytes())
    entry = {"type": "file", "path": "default/train/0000.parquet", "size": file.stat().st_size}
    hub.routes["/api/datasets/org/zips/revision/main"] = (json.dumps(info).encode(), {})
    hub.routes["/api/datasets/org/zips/tree/beef?recursive=true"] = (b"[]", {})
    hub.routes["/api/datasets/org/zips/revision/refs%2Fconvert%2Fparquet"] = (b'{"sha": "cafe"}', {})
    part = {"type": "file", "path": "default/partial-test/0000.parquet", "size": 1}
    hub.routes["/api/datasets/org/zips/tree/cafe?recursive=true"] = (json.dumps([entry, part]).encode(), {})
    folder = import_dataset(workspace, "d", "hf:org/zips")
    assert greys(folder) == [30, 31, 32]
    assert set(folder.samples()["split"]) == {"train"}


def test_other_forms_than_parquet_are_left_to_the_hubs_library(
    workspace: Workspace, hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is missing: install avhcurate[datasets]")
    datasets.disable_progress_bars()
    hub.routes["/api/datasets/org/zips/revision/main"] = (b'{"sha": "beef"}', {})
    hub.routes["/api/datasets/org/zips/tree/beef?recursive=true"] = (b"[]", {})
    for split, name in {"train": "cat", "test": "dog"}.items():
        (tmp_path / "zips" / split / name).mkdir(parents=True)
        (tmp_path / "zips" / split / name / "0.png").write_bytes(png(len(split)))
    load = datasets.load_dataset

    def load_local(repository: str, config: str | None, *, revision: str | None, cache_dir: str) -> object:
        assert (repository, config, revision) == ("org/zips", None, None)
        return load("imagefolder", data_dir=str(tmp_path / "zips"), cache_dir=cache_dir)

    monkeypatch.setattr(datasets, "load_dataset", load_local)
    folder = import_dataset(workspace, "d", "hf:org/zips")
    assert greys(folder) == [4, 5]
    assert folder.samples()["split"].tolist() == ["test", "train"]
    monkeypatch.setenv("AVHCURATE_REMOTE_HOSTS", "127.0.0.1")
    with pytest.raises(CurateError, match="does not keep to AVHCURATE_REMOTE_HOSTS"):
        import_dataset(workspace, "e", "hf:org/zips:/train")
    monkeypatch.delenv("AVHCURATE_REMOTE_HOSTS")
    monkeypatch.setattr(
        datasets, "load_dataset", lambda *arguments, **options: load("imagefolder", data_dir=str(tmp_path / "no"))
    )
    with pytest.raises(CurateError, match=r"has no Parquet files.*could not be fetched otherwise"):
        import_dataset(workspace, "e", "hf:org/zips:/train")


@pytest.mark.parametrize("layout", ["itself", "mirror", "cache"])
def test_a_copy_of_the_hub_is_read_without_a_network(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    mirror = tmp_path / "mirror"
    place = mirror / ("datasets--org--pets/snapshots/abc" if layout == "cache" else "org/pets")
    (place / "data").mkdir(parents=True)
    for split, grey in {"train": 1, "test": 2}.items():
        table = pa.table({"image": [{"bytes": png(grey), "path": f"{split}.png"}], "label": [0]})
        pq.write_table(table, place / "data" / f"{split}-00000-of-00001.parquet")
    if layout == "cache":
        (mirror / "datasets--org--pets/refs").mkdir()
        (mirror / "datasets--org--pets/refs/main").write_text("abc")
    if layout != "itself":
        monkeypatch.setenv("HF_ENDPOINT", str(mirror))
    repository = str(place) if layout == "itself" else "org/pets"
    assert greys(import_dataset(workspace, "both", f"hf:{repository}")) == [2, 1]
    assert greys(import_dataset(workspace, "one", f"hf:{repository}:default/train")) == [1]
    if layout != "itself":
        with pytest.raises(CurateError, match="holds no org/gone"):
            import_dataset(workspace, "d", "hf:org/gone")
