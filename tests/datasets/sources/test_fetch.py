"""Public datasets: small trees in their true layout become samples and votes, from mirrors and over the wire."""

import dataclasses
import gzip
import hashlib
import itertools
import json
import shutil
import zipfile

import numpy as np
import pytest
from typer.testing import CliRunner

from avhcurate.cli import app
from avhcurate.datasets.sources import fetch
from avhcurate.datasets.sources.fetch import PUBLIC, fetch_public, find_public
from avhcurate.errors import CurateError
from avhcurate.workspace.images.decoding import decode
from tests.fakes.refusals import refused
from tests.fakes.sources import greys, png, tar_shard

CLASSES = [{"cid": 0, "wnid": "n01440764", "synset": ["tench", "Tinca tinca"]}] + [
    {"cid": index, "wnid": f"n{index:08d}", "synset": [name]} for index, name in enumerate(["crane", "dog", "crane"], 1)
]


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


LABELS = [3, 8, 0]
PLANES = np.random.default_rng(0).integers(0, 256, (3, 3072), dtype=np.uint8)
COUNTS = np.eye(10, dtype=np.int64)[[3, 9, 0]] * 50 + np.eye(10, dtype=np.int64)[[5, 8, 0]]


def binary_batch():
    return b"".join(bytes([label]) + planes.tobytes() for label, planes in zip(LABELS, PLANES, strict=True))


def cifar_mirror(root):
    root.mkdir()
    np.save(root / "cifar10h-counts.npy", COUNTS)
    write(root / "cifar-10-batches-bin" / "test_batch.bin", binary_batch())
    write(root / "cifar-10-batches-bin" / "data_batch_1.bin", b"other")
    return root


def test_cifar10h_comes_with_its_counts(workspace, tmp_path):
    found = fetch_public(workspace, "cifar10h", mirror=str(cifar_mirror(tmp_path / "m")))
    folder = found.folder
    assert folder.record.classes[3] == "cat"
    assert folder.labels().tolist() == LABELS
    assert not folder.record.votes.simulated
    assert np.stack(folder.votes()["counts"].to_list()).tolist() == COUNTS.tolist()
    pixels = decode(folder.images().read_one(1))
    assert pixels[2, 5].tolist() == [int(PLANES[1, plane * 1024 + 2 * 32 + 5]) for plane in range(3)]
    assert any("without cifar10h-raw.zip" in message for message in found.messages)
    assert any("No checksum of cifar10h-counts.npy is published" in message for message in found.messages)
    assert fetch_public(workspace, "cifar10h", mirror=str(tmp_path / "m")).folder.record == folder.record


@pytest.mark.parametrize("content", [b"", b"x" * 3072, bytes([10]) + bytes(3072)])
def test_what_is_not_cifar_is_refused(workspace, tmp_path, content):
    mirror = cifar_mirror(tmp_path / "m")
    write(mirror / "cifar-10-batches-bin" / "test_batch.bin", content)
    with pytest.raises(CurateError, match=r"test_batch|10 classes are declared"):
        fetch_public(workspace, "cifar10h", mirror=str(mirror))


@pytest.fixture
def served(web, monkeypatch):
    """CIFAR-10H with its places on our own server, and the archive's true checksum."""
    members = {"cifar-10-batches-bin/test_batch.bin": binary_batch(), "../../evil.bin": b"x"}
    archive = gzip.compress(tar_shard(web.folder / "cifar.tar", members).read_bytes())
    write(web.folder / "cifar.tar.gz", archive)
    np.save(web.folder / "counts.npy", COUNTS)
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


def run(workspace, *arguments, input=None):
    return CliRunner().invoke(app, [*arguments, "--workspace", str(workspace.root)], input=input)


def test_the_verb_shows_the_licence_and_asks_for_consent(workspace, served):
    asked = run(workspace, "fetch", "cifar10h")
    assert "CC BY-NC-SA 4.0" in asked.output
    assert "Peterson" in asked.output
    assert "Add --yes" in str(asked.exception)
    assert served.asked == []
    listed = run(workspace, "fetch")
    assert all(name in listed.output for name in PUBLIC)


def test_the_verb_fetches_resumes_and_imports(workspace, served, tmp_path):
    served.faults["/cifar.tar.gz"] = [("cut", 2000)]
    done = run(workspace, "fetch", "cifar10h", "--yes")
    assert done.exit_code == 0, done.output
    assert served.ranges("cifar.tar.gz") == ["", "bytes=2000-"]
    assert "153 human votes on 3 images" in done.output
    assert "--log" in done.output
    assert {path.name for path in (workspace.downloads / "fetch" / "cifar10h").iterdir()} >= {
        "cifar-10-binary.tar.gz",
        "cifar10h-counts.npy",
    }
    assert not list(workspace.root.rglob("evil.bin"))
    again = run(workspace, "fetch", "cifar10h", "--yes")
    assert again.exit_code == 0
    assert len(served.ranges("cifar.tar.gz")) == 2


def test_votes_that_have_changed_where_no_checksum_is_published_are_taken_by_force_alone(workspace, served):
    assert run(workspace, "fetch", "cifar10h", "--yes").exit_code == 0
    shutil.rmtree(workspace.downloads)
    np.save(served.folder / "counts.npy", COUNTS + 1)
    with pytest.raises(CurateError, match=r"cifar10h-counts.npy has sha256 .* give --force where you trust this one"):
        fetch_public(workspace, "cifar10h")
    assert np.stack(workspace.dataset("cifar10h").votes()["counts"]).tolist() == COUNTS.tolist()
    fetch_public(workspace, "cifar10h", force=True)
    assert np.stack(workspace.dataset("cifar10h").votes()["counts"]).tolist() == (COUNTS + 1).tolist()


def test_a_wrong_checksum_stops_before_anything_is_opened(workspace, served):
    (served.folder / "cifar.tar.gz").write_bytes((served.folder / "cifar.tar.gz").read_bytes()[:-1] + b"?")
    with refused("cifar-10-binary.tar.gz.part", "md5"):
        fetch_public(workspace, "cifar10h")
    assert workspace.names() == []


def test_official_files_bear_checksums_or_say_that_none_is_published():
    for public in PUBLIC.values():
        assert public.licence
        assert public.citation
        for wanted in public.files:
            assert all(place.startswith("https://") for place in wanted.places)
            kind, _, digest = (wanted.checksum or "md5:" + "0" * 32).partition(":")
            assert len(digest) == {"md5": 32, "sha256": 64}[kind]
    with refused("'cifar'", "cifar10h, imagenetv2"):
        find_public("cifar")


def v2_mirror(root):
    for index, number in itertools.product(range(4), range(2)):
        folder = root / "imagenetv2-matched-frequency-format-val" / str(index)
        write(folder / f"{index}{number}.jpeg", png(10 * index + number))
    write(root / "class_info.json", json.dumps(CLASSES).encode())
    shown = {"images_all": ["00", "01"], "images_to_label": ["00", "01"]}
    hit = {"wnid": "n01440764", "uuid": "u", "images_pos_control": [], "images_neg_control": [], **shown}
    ticked = {"w1": ["00", "01"], "w2": ["00"], "w3": []}
    answers = {
        who: {"hit_uuid": "u", "WorkerId": who, "AssignmentId": who, "AssignmentStatus": "Submitted", "Answer": ticks}
        for who, ticks in ticked.items()
    }
    content = {"hits": {"u": hit}, "assignments": {"u": answers}}
    write(root / "data_live_2018-12-13_04-59-25_UTC.json", json.dumps(content).encode())
    return root


def test_imagenetv2s_folders_are_class_indices_and_its_ticks_are_votes(workspace, tmp_path, monkeypatch):
    mirror = v2_mirror(tmp_path / "m")
    found = fetch_public(workspace, "imagenetv2", mirror=str(mirror))
    folder = found.folder
    assert folder.record.classes == ["tench", "crane (1)", "dog", "crane (3)"]
    ids = {path: id for id, path in enumerate(folder.samples()["path"])}
    assert greys(folder)[ids["3/31.jpeg"]] == 31
    assert folder.labels()[ids["2/20.jpeg"]] == 2
    votes = folder.votes().set_index("id")
    assert votes.loc[ids["0/00.jpeg"]].to_dict() == {"selected": 2, "shown": 3}
    assert votes.loc[ids["0/01.jpeg"]].to_dict() == {"selected": 1, "shown": 3}
