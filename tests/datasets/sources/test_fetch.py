"""Public datasets: small trees in their true layout become samples and votes, from mirrors and over the wire."""

import dataclasses
import hashlib
import io
import itertools
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from avhcurate.cli import app
from avhcurate.datasets.sources import fetch
from avhcurate.datasets.sources.fetch import PUBLIC, fetch_public, find_public
from avhcurate.errors import CurateError
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.images.decoding import decode

CLASSES = [{"cid": 0, "wnid": "n01440764", "synset": ["tench", "Tinca tinca"]}] + [
    {"cid": index, "wnid": f"n{index:08d}", "synset": [name]} for index, name in enumerate(["crane", "dog", "crane"], 1)
]


def png(grey: int, side: int = 4) -> bytes:
    """A tiny image that its grey value tells from others."""
    stream = io.BytesIO()
    Image.new("RGB", (side, side), (grey, grey, grey)).save(stream, "PNG")
    return stream.getvalue()


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def tar_gz(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


# -- CIFAR-10H

LABELS = [3, 8, 0]
PLANES = np.random.default_rng(0).integers(0, 256, (3, 3072), dtype=np.uint8)
COUNTS = np.eye(10, dtype=np.int64)[[3, 9, 0]] * 50 + np.eye(10, dtype=np.int64)[[5, 8, 0]]


def binary_batch() -> bytes:
    return b"".join(bytes([label]) + planes.tobytes() for label, planes in zip(LABELS, PLANES, strict=True))


def counts() -> bytes:
    stream = io.BytesIO()
    np.save(stream, COUNTS)
    return stream.getvalue()


def cifar_mirror(root: Path) -> Path:
    write(root / "cifar10h-counts.npy", counts())
    write(root / "cifar-10-batches-bin" / "test_batch.bin", binary_batch())
    write(root / "cifar-10-batches-bin" / "data_batch_1.bin", b"other")
    return root


def test_cifar10h_comes_with_its_counts(workspace: Workspace, tmp_path: Path) -> None:
    found = fetch_public(workspace, "cifar10h", mirror=str(cifar_mirror(tmp_path / "m")))
    folder = found.folder
    assert folder is not None
    assert folder.record.classes[3] == "cat"
    assert folder.labels().tolist() == LABELS
    assert folder.record.votes is not None
    assert not folder.record.votes.simulated
    assert np.stack(folder.votes()["counts"].to_list()).tolist() == COUNTS.tolist()
    pixels = decode(folder.images().read_one(1))
    assert pixels[2, 5].tolist() == [int(PLANES[1, plane * 1024 + 2 * 32 + 5]) for plane in range(3)]
    assert any("without cifar10h-raw.zip" in message for message in found.messages)
    assert any("No checksum of cifar10h-counts.npy is published" in message for message in found.messages)
    again = fetch_public(workspace, "cifar10h", mirror=str(tmp_path / "m"))
    assert again.folder is not None
    assert again.folder.record == folder.record


@pytest.mark.parametrize("content", [b"", b"x" * 3072, bytes([10]) + bytes(3072)])
def test_what_is_not_cifar_is_refused(workspace: Workspace, tmp_path: Path, content: bytes) -> None:
    mirror = cifar_mirror(tmp_path / "m")
    write(mirror / "cifar-10-batches-bin" / "test_batch.bin", content)
    with pytest.raises(CurateError, match=r"test_batch|10 classes are declared"):
        fetch_public(workspace, "cifar10h", mirror=str(mirror))


@pytest.fixture
def served(web, monkeypatch: pytest.MonkeyPatch):
    """CIFAR-10H with its places on our own server, and the archive's true checksum."""
    archive = tar_gz({"cifar-10-batches-bin/test_batch.bin": binary_batch(), "../../evil.bin": b"x"})
    write(web.folder / "cifar.tar.gz", archive)
    write(web.folder / "counts.npy", counts())
    with zipfile.ZipFile(web.folder / "raw.zip", "w") as raw:
        raw.writestr("cifar10h-raw.csv", "annotator_id\n")
    public = PUBLIC["cifar10h"]
    md5 = hashlib.md5(archive, usedforsecurity=False).hexdigest()
    changes = [("cifar.tar.gz", len(archive), f"md5:{md5}"), ("counts.npy", None, None), ("raw.zip", None, None)]
    files = tuple(
        dataclasses.replace(wanted, places=(f"{web.url}/{name}",), size=size, checksum=checksum)
        for wanted, (name, size, checksum) in zip(public.files, changes, strict=True)
    )
    monkeypatch.setitem(fetch.PUBLIC, "cifar10h", dataclasses.replace(public, files=files))
    return web


def run(workspace: Workspace, *arguments: str, input: str | None = None):
    return CliRunner().invoke(app, [*arguments, "--workspace", str(workspace.root)], input=input)


def test_the_verb_shows_the_licence_and_asks_for_consent(workspace: Workspace, served) -> None:
    asked = run(workspace, "fetch", "cifar10h")
    assert "CC BY-NC-SA 4.0" in asked.output
    assert "Peterson" in asked.output
    assert isinstance(asked.exception, CurateError)
    assert "Add --yes" in str(asked.exception)
    assert served.asked == []
    listed = run(workspace, "fetch")
    assert all(name in listed.output for name in PUBLIC)


def test_the_verb_fetches_resumes_and_imports(workspace: Workspace, served, tmp_path: Path) -> None:
    served.faults["/cifar.tar.gz"] = [("cut", 2000)]
    done = run(workspace, "fetch", "cifar10h", "--yes")
    assert done.exit_code == 0, done.output
    assert served.ranges("cifar.tar.gz") == ["", "bytes=2000-"]
    assert "153 human votes on 3 samples" in done.output
    assert "--log" in done.output
    assert {path.name for path in (workspace.downloads / "fetch" / "cifar10h").iterdir()} >= {
        "cifar-10-binary.tar.gz",
        "cifar10h-counts.npy",
    }
    assert not list(workspace.root.rglob("evil.bin"))
    again = run(workspace, "fetch", "cifar10h", "--yes")
    assert again.exit_code == 0
    assert len(served.ranges("cifar.tar.gz")) == 2


def test_a_wrong_checksum_stops_before_anything_is_opened(workspace: Workspace, served) -> None:
    (served.folder / "cifar.tar.gz").write_bytes((served.folder / "cifar.tar.gz").read_bytes()[:-1] + b"?")
    with pytest.raises(CurateError, match=r"md5 .* is published: it is damaged or another file"):
        fetch_public(workspace, "cifar10h")
    assert workspace.names() == []


def test_official_files_bear_checksums_or_say_that_none_is_published() -> None:
    for public in PUBLIC.values():
        assert public.licence
        assert public.citation
        for wanted in public.files:
            assert all(place.startswith("https://") for place in wanted.places)
            kind, _, digest = (wanted.checksum or "md5:" + "0" * 32).partition(":")
            assert len(digest) == {"md5": 32, "sha256": 64}[kind]
    with pytest.raises(CurateError, match="Choose one of cifar10h, imagenetv2"):
        find_public("cifar")


# -- ImageNetV2 and ImageNet-ReaL


def v2_mirror(root: Path) -> Path:
    for index, number in itertools.product(range(4), range(2)):
        folder = root / "imagenetv2-matched-frequency-format-val" / str(index)
        write(folder / f"{index}{number}.jpeg", png(10 * index + number))
    write(root / "class_info.json", json.dumps(CLASSES).encode())
    hit = {
        "wnid": "n01440764",
        "uuid": "u",
        "images_all": ["00", "01"],
        "images_to_label": ["00", "01"],
        "images_pos_control": [],
        "images_neg_control": [],
    }
    ticked = {"w1": ["00", "01"], "w2": ["00"], "w3": []}
    answers = {
        who: {"hit_uuid": "u", "WorkerId": who, "AssignmentId": who, "AssignmentStatus": "Submitted", "Answer": ticks}
        for who, ticks in ticked.items()
    }
    content = {"hits": {"u": hit}, "assignments": {"u": answers}}
    write(root / "data_live_2018-12-13_04-59-25_UTC.json", json.dumps(content).encode())
    return root


def test_imagenetv2s_folders_are_class_indices_and_its_ticks_are_votes(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = v2_mirror(tmp_path / "m")
    found = fetch_public(workspace, "imagenetv2", mirror=str(mirror))
    folder = found.folder
    assert folder is not None
    assert folder.record.classes == ["tench", "crane (1)", "dog", "crane (3)"]
    greys = {
        path: int(decode(folder.images().read_one(id))[0, 0, 0]) for id, path in enumerate(folder.samples()["path"])
    }
    assert greys["3/31.jpeg"] == 31
    assert dict(zip(folder.samples()["path"], folder.labels(), strict=True))["2/20.jpeg"] == 2
    votes = folder.votes().set_index("id")
    ids = {path: id for id, path in enumerate(folder.samples()["path"])}
    assert votes.loc[ids["0/00.jpeg"]].to_dict() == {"selected": 2, "shown": 3}
    assert votes.loc[ids["0/01.jpeg"]].to_dict() == {"selected": 1, "shown": 3}


def real_mirror(root: Path) -> Path:
    write(root / "class_info.json", json.dumps(CLASSES).encode())
    write(root / "real.json", json.dumps([[0, 2], [], [3]]).encode())
    info = np.array([("ILSVRC2012_val_00000001.JPEG", "0"), ("ILSVRC2012_val_00000003.JPEG", "1")])
    tensor = np.zeros((3, 2, 3), np.int8)
    for rater, question, answer in [(0, 0, 2), (1, 0, 2), (2, 0, 1), (0, 1, 0), (1, 1, 2)]:
        tensor[rater, question, answer] = 1
    stream = io.BytesIO()
    np.savez(stream, tensor=tensor, info=info, ids=np.array(["a", "b", "c"]))
    write(root / "raters.npz", stream.getvalue())
    return root


def test_real_labels_join_the_images_that_the_user_has(workspace: Workspace, tmp_path: Path) -> None:
    mirror = real_mirror(tmp_path / "m")
    with pytest.raises(CurateError, match=r"may not be redistributed.*--images"):
        fetch_public(workspace, "imagenet-real", mirror=str(mirror))
    images = tmp_path / "val"
    for number, wnid in {1: "n01440764", 2: "n00000002", 3: "n00000001"}.items():
        write(images / wnid / f"ILSVRC2012_val_{number:08d}.JPEG", png(number))
    folder = fetch_public(workspace, "imagenet-real", mirror=str(mirror), images=images).folder
    assert folder is not None
    rows = folder.samples().set_index("path").sort_index(key=lambda paths: paths.str[-13:])
    assert rows["label"].tolist() == [0, 2, 1]
    assert rows["real_labels"].tolist() == ["tench; dog", "", "crane"]
    assert rows["in_real"].tolist() == [True, None, False]
    votes = folder.votes().set_index("id")
    by_number = rows["id"].tolist()
    assert votes.loc[by_number[0]].to_dict() == {"selected": 2, "shown": 3}
    assert votes.loc[by_number[2]].to_dict() == {"selected": 1, "shown": 2}


def test_real_without_its_images_or_with_others_says_what_to_give(workspace: Workspace, tmp_path: Path) -> None:
    mirror = real_mirror(tmp_path / "m")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CurateError, match="Give ImageNet's validation set"):
        fetch_public(workspace, "imagenet-real", mirror=str(mirror), images=tmp_path / "empty")
    with pytest.raises(CurateError, match="gone is not a folder"):
        fetch_public(workspace, "imagenet-real", mirror=str(mirror), images=tmp_path / "gone")


# -- PACS


@pytest.mark.parametrize("zipped", [False, True])
def test_pacs_keeps_its_domains(workspace: Workspace, tmp_path: Path, zipped: bool) -> None:
    files = {
        f"kfold/{domain}/{name}/pic {number}.jpg": png(number)
        for number, (domain, name) in enumerate([("photo", "dog"), ("photo", "horse"), ("sketch", "dog")])
    }
    if zipped:
        (tmp_path / "m").mkdir()
        with zipfile.ZipFile(tmp_path / "m" / "PACS.zip", "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
            archive.writestr("__MACOSX/kfold/photo/dog/._pic.jpg", b"x")
    else:
        for name, data in files.items():
            write(tmp_path / "m" / name, data)
    folder = fetch_public(workspace, "pacs", mirror=str(tmp_path / "m")).folder
    assert folder is not None
    assert folder.record.classes[4] == "horse"
    assert folder.samples()["domain"].tolist() == ["photo", "photo", "sketch"]
    assert folder.samples()["path"][2] == "sketch/dog/pic 2.jpg"
    assert folder.labels().tolist() == [0, 4, 0]
    assert [int(decode(data)[0, 0, 0]) for data in folder.images().read(range(3))] == [0, 1, 2]
