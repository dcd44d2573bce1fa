"""Importing tar shards: read in place, here or on a server, and refused where they are damaged."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from avhcurate.workspace.images.decoding import decode
from tests.fakes.refusals import refused
from tests.fakes.sources import class_names_of, greys, png, tar_shard


def shards(root):
    """Two shards of the same twelve kinds of samples, and the pattern that names them."""
    for number in range(2):
        members = {}
        for sample in range(3):
            key = f"{'long/' * 40}{number}{sample}"
            members[f"{key}.png"] = png(10 * number + sample)
            members[f"{key}.cls"] = str(sample % 2).encode()
            members[f"{key}.json"] = json.dumps({"domain": "photo", "size": sample, "box": [1, 2]}).encode()
        tar_shard(root / f"pets-train-{number:03d}.tar", members)
    return f"wds:{root}/pets-train-{{000..001}}.tar"


def test_tar_shards_are_read_in_place(workspace, tmp_path):
    pattern = shards(tmp_path / "d")
    folder = import_dataset(workspace, "d", pattern, classes=["cat", "dog"])
    samples = folder.samples()
    assert class_names_of(folder) == ["cat", "dog", "cat"] * 2
    assert set(samples["split"]) == {"train"}
    assert samples["path"][0] == f"pets-train-000.tar/{'long/' * 40}00.png"
    assert samples["domain"].tolist() == ["photo"] * 6
    assert samples["size"].tolist() == [0, 1, 2] * 2
    assert greys(folder) == [0, 1, 2, 10, 11, 12]
    assert [int(decode(folder.images().read_one(id))[0, 0, 0]) for id in (5, 0, 3)] == [12, 0, 10]
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["pets-train-000.tar", "pets-train-001.tar"]
    assert import_dataset(workspace, "d", pattern, classes=["cat", "dog"]).record == folder.record


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_tar_is_read_by_place(workspace, tmp_path, kind):
    members = {f"{'deep/' * 20}{sample}.png": png(sample) for sample in range(3)}
    tar_shard(tmp_path / "a.tar", members, kind=kind)
    assert greys(import_dataset(workspace, "d", f"wds:{tmp_path}/*.tar")) == [0, 1, 2]


def test_odd_members_are_left_out_and_damage_ends_a_shard(workspace, tmp_path):
    members = {"0.png": png(0), "0.cls": b"cat", "0.pyd": b"cos\nsystem\n", "1.cls": b"dog"}
    members |= {"../../2.jpg": png(2), "../../2.txt": b"a caption", "../../2.cls": b"dog"}
    members |= {"3.png": b"no image", "3.cls": b"cat", "3.json": b"{broken", "4.png": png(4), "4.cls": b"dog"}
    members |= {"0.png.bak": b"", ".hidden": b"", "5.png": png(5) * 100, "5.cls": b"dog"}
    path = tar_shard(tmp_path / "a.tar", members)
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
    assert class_names_of(folder) == ["cat", "dog", "cat", "dog"]
    assert greys(folder) == [0, 2, "not an image", 4]
    assert folder.samples()["txt"].fillna("").tolist() == ["", "a caption", "", ""]
    assert "a.tar cannot be read to its end (it is cut off): its images before that are imported" in said
    assert "2 keys hold no image" in said
    assert "1 files .json could not be read" in said


def test_a_shard_that_changed_since_gives_reasons_not_wrong_images(workspace, tmp_path):
    path = tar_shard(tmp_path / "a.tar", {"0.png": png(0), "1.png": png(1)})
    folder = import_dataset(workspace, "d", f"wds:{path}")
    content = bytearray(path.read_bytes())
    content[folder.samples()["_row"][1] + 10] ^= 255
    path.write_bytes(content)
    first, second = greys(folder)
    assert first == 0
    assert "the tar has changed" in str(second)
    path.unlink()
    assert all("file not found" in str(reason) or "cannot be read" in str(reason) for reason in greys(folder))


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{}/gone-{{0..2}}.tar", "3 of 3 shards do not exist"),
        ("{}/*.tar", "1 of 1 shards do not exist"),
        ("{}/a.tar.gz", "is compressed"),
        ("{}/empty", "holds no images"),
        ("{}/{{0..999999}}.tar", "more than 100000 shards"),
    ],
)
def test_shards_that_cannot_be_read_are_refused(workspace, tmp_path, pattern, words):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("0.png"))
    tar_shard(tmp_path / "empty", {"0.cls": b"1"})
    with pytest.raises(CurateError, match=words):
        import_dataset(workspace, "d", f"wds:{pattern.format(tmp_path)}")


def test_fields_of_json_are_columns_of_one_type_and_not_without_end(workspace, tmp_path):
    told = [{"a": 1}, {"b": "x", "a": "mixed"}, {f"field{number}": 1 for number in range(300)}, {}]
    members = {}
    for key, fields in enumerate(told):
        members |= {f"{key}.png": png(key), f"{key}.json": json.dumps(fields).encode()}
    folder = import_dataset(workspace, "d", f"wds:{tar_shard(tmp_path / 'a.tar', members)}")
    samples = folder.samples()
    assert samples["a"].fillna("").tolist() == ["1", "mixed", "", ""]
    assert samples["b"].fillna("").tolist() == ["", "x", "", ""]
    assert "field197" in samples
    assert "field198" not in samples
    assert "102 values of further fields were left out" in folder.record.messages[0]


def test_a_server_that_fails_refuses_the_import_rather_than_a_part(workspace, web):
    shards(web.folder)
    web.faults["/pets-train-001.tar"] = [None, 500, 500, 500]
    with refused("pets-train-001.tar", "HTTP 500"):
        import_dataset(workspace, "d", f"wds:{web.url}/pets-train-{{000..001}}.tar")
    assert workspace.names() == []


def test_shards_on_a_server_are_read_by_parts(workspace, web):
    shards(web.folder)
    big = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(big).save(stream, "PNG")
    tar_shard(web.folder / "pets-train-002.tar", {"0.png": stream.getvalue(), "0.cls": b"1"})
    folder = import_dataset(workspace, "d", f"wds:{web.url}/pets-train-{{000..002}}.tar")
    assert greys(folder) == [0, 1, 2, 10, 11, 12, int(big[0, 0, 0])]
    web.asked.clear()
    assert (decode(folder.images().read_one(6)) == big).all()
    assert len(web.ranges("pets-train-002.tar")) == 2
    assert "" not in web.ranges("pets-train-002.tar")
