"""Sources that are more than a folder or a table: lists, tar shards, the hub, and images behind addresses."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from avhcurate.cli import app
from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import Cancelled, Progress
from avhcurate.errors import CurateError
from avhcurate.images.decoding import BrokenImage, decode
from avhcurate.sources import class_list
from avhcurate.sources.service import import_dataset
from avhcurate.ui.image_routes import read_image


def png(grey: int) -> bytes:
    """A tiny image that its grey value tells from others."""
    stream = io.BytesIO()
    Image.new("RGB", (4, 3), (grey, grey, grey)).save(stream, "PNG")
    return stream.getvalue()


def greys(folder: DatasetFolder) -> list[int | str]:
    """The grey of each image, or why there is none."""
    return [grey(data) for data in folder.images().read(range(folder.record.samples))]


def grey(data: bytes | BrokenImage) -> int | str:
    try:
        return data.reason if isinstance(data, BrokenImage) else int(decode(data)[0, 0, 0])
    except BrokenImage as problem:
        return problem.reason


def names(folder: DatasetFolder) -> list[str | None]:
    """The class name of each sample."""
    classes = folder.record.classes
    return [None if label < 0 else classes[label] for label in folder.labels()]


# -- lists


def visda(root: Path, classes: list[str], *, validation: bool = False) -> Path:
    """VisDA-17's layout: CLASS/FILE, and image_list.txt with a line `CLASS/FILE INDEX` an image."""
    lines = []
    for index, name in enumerate(classes):
        for number in range(2):
            file = f"{name}/{'val' if validation else 'src'} {number}.png"
            (root / name).mkdir(parents=True, exist_ok=True)
            (root / file).write_bytes(png(10 * index + number))
            lines.append(f"{file} {index}")
    (root / "image_list.txt").write_text("\n".join(lines) + "\n")
    return root / "image_list.txt"


def test_a_visda_list_takes_its_class_names_from_the_folders(workspace: Workspace, tmp_path: Path) -> None:
    order = class_list("visda17")
    assert order is not None
    assert len(order) == 12
    assert order[:3] == ["aeroplane", "bicycle", "bus"]
    assert order[-2:] == ["train", "truck"]
    folder = import_dataset(workspace, "source", f"list:{visda(tmp_path / 'train', order)}")
    assert folder.record.classes == order
    assert folder.record.classes_declared
    assert names(folder) == [name for name in order for _ in range(2)]
    assert greys(folder) == [10 * index + number for index in range(12) for number in range(2)]
    assert folder.samples()["path"][0] == "aeroplane/src 0.png"


def test_a_list_without_class_folders_takes_names_from_the_option(workspace: Workspace, tmp_path: Path) -> None:
    images = tmp_path / "images"
    (images / "trunk00").mkdir(parents=True)
    (images / "trunk00" / "a.png").write_bytes(png(1))
    (images / "trunk00" / "b.png").write_bytes(png(2))
    listed = tmp_path / "test.txt"
    listed.write_text("trunk00/a.png 11\ntrunk00/b.png 0\ntrunk00/b.png 0\n\n")
    source = f"list:{listed}"
    folder = import_dataset(workspace, "named", source, root=images, classes=class_list("visda17"))
    assert names(folder) == ["truck", "aeroplane"]
    assert greys(folder) == [1, 2]
    assert "1 rows repeat another" in folder.record.messages[0]
    bare = import_dataset(workspace, "bare", source, root=images)
    assert bare.record.classes == [str(index) for index in range(12)]
    assert not bare.record.classes_declared


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.png cat\n", "line 1 .* is 'a.png cat': each line is `path label_index`"),
        ("a.png 0\na.png 1\n", "several rows that differ"),
        ("a.png\n", "line 1"),
        ("\n", "is empty"),
        ("b.png 0\n", r"none of the 1 images .* another folder with --root"),
    ],
)
def test_a_list_of_another_kind_is_refused(workspace: Workspace, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.png").write_bytes(png(0))
    (tmp_path / "l.txt").write_text(text)
    with pytest.raises(CurateError, match=words):
        import_dataset(workspace, "d", f"list:{tmp_path / 'l.txt'}")


def test_more_labels_than_classes_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(0))
    (tmp_path / "l.txt").write_text("a.png 2\n")
    with pytest.raises(CurateError, match="2 classes are declared"):
        import_dataset(workspace, "d", f"list:{tmp_path / 'l.txt'}", classes=["cat", "dog"])


def test_class_lists_come_from_a_file_or_from_the_text(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\n dog \n\n")
    assert class_list(str(tmp_path / "classes.txt")) == ["cat", "dog"]
    assert class_list("cat,dog") == ["cat", "dog"]
    for text, words in {"gone.txt": "is no file", "cat,cat": "twice"}.items():
        with pytest.raises(CurateError, match=words):
            class_list(text)


def test_classes_name_the_indices_of_a_manifest(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(0))
    (tmp_path / "m.csv").write_text("path,label\na.png,1\n")
    assert names(import_dataset(workspace, "d", tmp_path / "m.csv", classes=["cat", "dog"])) == ["dog"]


def test_the_command_line_takes_root_and_classes(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(0))
    listed = tmp_path / "lists" / "l.txt"
    listed.parent.mkdir()
    listed.write_text("a.png 1\n")
    call = ["import", "d", f"list:{listed}", "--root", str(tmp_path), "--classes", "cat,dog"]
    done = CliRunner().invoke(app, [*call, "--workspace", str(workspace.root)])
    assert done.exit_code == 0, done.output
    assert names(workspace.dataset("d")) == ["dog"]
    for source, option in {str(tmp_path): "--classes", f"wds:{tmp_path}/a.tar": "--root"}.items():
        refused = CliRunner().invoke(app, ["import", "e", source, *call[3:], "--workspace", str(workspace.root)])
        assert option in str(refused.exception)


# -- tar shards


def shard(path: Path, members: dict[str, bytes], *, kind: int = tarfile.PAX_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=kind) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def shards(root: Path) -> str:
    """Two shards of the same twelve kinds of samples, and the pattern that names them."""
    for number in range(2):
        members = {}
        for sample in range(3):
            key = f"{'long/' * 40}{number}{sample}"
            members[f"{key}.png"] = png(10 * number + sample)
            members[f"{key}.cls"] = str(sample % 2).encode()
            members[f"{key}.json"] = json.dumps({"domain": "photo", "size": sample, "box": [1, 2]}).encode()
        shard(root / f"pets-train-{number:03d}.tar", members)
    return f"wds:{root}/pets-train-{{000..001}}.tar"


def test_tar_shards_are_read_in_place(workspace: Workspace, tmp_path: Path) -> None:
    pattern = shards(tmp_path / "d")
    folder = import_dataset(workspace, "d", pattern, classes=["cat", "dog"])
    samples = folder.samples()
    assert names(folder) == ["cat", "dog", "cat"] * 2
    assert set(samples["split"]) == {"train"}
    assert samples["path"][0] == f"pets-train-000.tar/{'long/' * 40}00.png"
    assert samples["domain"].tolist() == ["photo"] * 6
    assert samples["size"].tolist() == [0, 1, 2] * 2
    assert greys(folder) == [0, 1, 2, 10, 11, 12]
    assert [int(decode(folder.images().read_one(id))[0, 0, 0]) for id in (5, 0, 3)] == [12, 0, 10]
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["pets-train-000.tar", "pets-train-001.tar"]
    assert import_dataset(workspace, "d", pattern, classes=["cat", "dog"]).record == folder.record


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_tar_is_read_by_place(workspace: Workspace, tmp_path: Path, kind: int) -> None:
    members = {f"{'deep/' * 20}{sample}.png": png(sample) for sample in range(3)}
    shard(tmp_path / "a.tar", members, kind=kind)
    assert greys(import_dataset(workspace, "d", f"wds:{tmp_path}/*.tar")) == [0, 1, 2]


def test_odd_members_are_left_out_and_damage_ends_a_shard(workspace: Workspace, tmp_path: Path) -> None:
    path = shard(
        tmp_path / "a.tar",
        {
            "0.png": png(0),
            "0.cls": b"cat",
            "0.pyd": b"cos\nsystem\n",
            "1.cls": b"dog",
            "../../2.jpg": png(2),
            "../../2.txt": b"a caption",
            "../../2.cls": b"dog",
            "3.png": b"no image",
            "3.cls": b"cat",
            "3.json": b"{broken",
            "4.png": png(4),
            "4.cls": b"dog",
            "0.png.bak": b"",
            ".hidden": b"",
            "5.png": png(5) * 100,
            "5.cls": b"dog",
        },
    )
    with tarfile.open(path, "a") as tar:
        link = tarfile.TarInfo("6.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with tarfile.open(path) as tar:
        inside = tar.getmember("5.png").offset_data + 100
    path.write_bytes(path.read_bytes()[:inside])
    folder = import_dataset(workspace, "d", f"wds:{path}")
    said = " | ".join(folder.record.messages)
    assert folder.samples()["path"].tolist() == ["a.tar/0.png", "a.tar/../../2.jpg", "a.tar/3.png", "a.tar/4.png"]
    assert names(folder) == ["cat", "dog", "cat", "dog"]
    assert greys(folder) == [0, 2, "not an image", 4]
    assert folder.samples()["txt"].fillna("").tolist() == ["", "a caption", "", ""]
    assert "a.tar cannot be read to its end (it is cut off): its samples before that are imported" in said
    assert "2 samples hold no image" in said
    assert "1 files .json could not be read" in said


def test_a_shard_that_changed_since_gives_reasons_not_wrong_images(workspace: Workspace, tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", {"0.png": png(0), "1.png": png(1)})
    folder = import_dataset(workspace, "d", f"wds:{path}")
    content = bytearray(path.read_bytes())
    content[folder.samples()["_row"][1] + 10] ^= 255
    path.write_bytes(content)
    first, second = greys(folder)
    assert first == 0
    assert "no member of the tar at its place" in str(second)
    path.unlink()
    assert all("file not found" in str(reason) or "cannot be read" in str(reason) for reason in greys(folder))


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{}/gone-{{0..2}}.tar", "3 of 3 shards do not exist"),
        ("{}/*.tar", "no file matches"),
        ("{}/a.tar.gz", "is compressed"),
        ("{}/empty", "holds no images"),
        ("{}/{{0..999999}}.tar", "more than 100000 shards"),
    ],
)
def test_shards_that_cannot_be_read_are_refused(workspace: Workspace, tmp_path: Path, pattern: str, words: str) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("0.png"))
    shard(tmp_path / "empty", {"0.cls": b"1"})
    with pytest.raises(CurateError, match=words):
        import_dataset(workspace, "d", f"wds:{pattern.format(tmp_path)}")


def test_fields_of_json_are_columns_of_one_type_and_not_without_end(workspace: Workspace, tmp_path: Path) -> None:
    told = [{"a": 1}, {"b": "x", "a": "mixed"}, {f"field{number}": 1 for number in range(300)}, {}]
    members = {}
    for key, fields in enumerate(told):
        members |= {f"{key}.png": png(key), f"{key}.json": json.dumps(fields).encode()}
    folder = import_dataset(workspace, "d", f"wds:{shard(tmp_path / 'a.tar', members)}")
    samples = folder.samples()
    assert samples["a"].fillna("").tolist() == ["1", "mixed", "", ""]
    assert samples["b"].fillna("").tolist() == ["", "x", "", ""]
    assert "field197" in samples
    assert "field198" not in samples
    assert "102 values of further fields than 200 were left out" in folder.record.messages[0]


def test_a_server_that_fails_refuses_the_import_rather_than_a_part(workspace: Workspace, web) -> None:
    shards(web.folder)
    web.faults["/pets-train-001.tar"] = [None, 500, 500, 500]
    with pytest.raises(CurateError, match=r"pets-train-001.tar could not be read \(HTTP 500"):
        import_dataset(workspace, "d", f"wds:{web.url}/pets-train-{{000..001}}.tar")
    assert workspace.names() == []


def test_shards_on_a_server_are_read_by_parts(workspace: Workspace, web) -> None:
    shards(web.folder)
    big = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(big).save(stream, "PNG")
    shard(web.folder / "pets-train-002.tar", {"0.png": stream.getvalue(), "0.cls": b"1"})
    folder = import_dataset(workspace, "d", f"wds:{web.url}/pets-train-{{000..002}}.tar")
    assert greys(folder) == [0, 1, 2, 10, 11, 12, int(big[0, 0, 0])]
    web.asked.clear()
    assert (decode(folder.images().read_one(6)) == big).all()
    assert len(web.ranges("pets-train-002.tar")) == 2
    assert "" not in web.ranges("pets-train-002.tar")


# -- the hub


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


# -- images behind addresses, through the picture route


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """An S3 server of our own, and the credentials with which this process reads it."""
    pytest.importorskip("s3fs", reason="s3fs is missing: install avhcurate[remote]")
    server = pytest.importorskip("moto.server", reason="moto's server is missing: install avhcurate[test]")
    boto3 = pytest.importorskip("boto3")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    moto = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    try:
        moto.start()
    except OSError as problem:
        pytest.skip(f"moto's S3 server cannot start here: {problem}")
    host, port = moto.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    client.create_bucket(Bucket="pictures")
    yield client
    moto.stop()


def test_images_and_shards_in_s3_are_imported_and_proxied(workspace: Workspace, tmp_path: Path, s3) -> None:
    s3.put_object(Bucket="pictures", Key="a b.png", Body=png(7))
    (tmp_path / "m.csv").write_text("url,label\ns3://pictures/a b.png,cat\ns3://pictures/gone.png,dog\n")
    folder = import_dataset(workspace, "d", tmp_path / "m.csv")
    first, second = greys(folder)
    assert first == 7
    assert "not found" in str(second)
    assert (decode(read_image(workspace, "d", 0)) == 7).all()
    with pytest.raises(BrokenImage):
        read_image(workspace, "d", 1)
    s3.put_object(
        Bucket="pictures", Key="a.tar", Body=shard(tmp_path / "a.tar", {"0.png": png(1), "1.png": png(2)}).read_bytes()
    )
    assert greys(import_dataset(workspace, "w", "wds:s3://pictures/a.tar")) == [1, 2]


def test_a_slow_or_missing_server_is_a_reason_and_not_a_fault(workspace: Workspace, web, tmp_path: Path) -> None:
    (web.folder / "a.png").write_bytes(png(3))
    pd.DataFrame({"url": [f"{web.url}/a.png", "http://127.0.0.1:1/b.png"], "label": [0, 1]}).to_csv(
        tmp_path / "m.csv", index=False
    )
    web.faults["/a.png"] = [503]
    first, second = greys(import_dataset(workspace, "d", tmp_path / "m.csv"))
    assert first == 3
    assert "connection refused" in str(second)
