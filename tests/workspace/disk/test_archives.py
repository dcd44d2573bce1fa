"""Archives and folders of others: what is wanted comes in order, and what cannot be read is said, never raised raw."""

import io
import lzma
import random
import tarfile
import zipfile

import pytest

from avhcurate.errors import CurateError
from avhcurate.workspace.disk import archives
from avhcurate.workspace.disk.archives import entries

NOISE = random.Random(0).randbytes(200_000)
FILES = {"b/2.txt": b"two", "a/1.txt": NOISE, "a/skipped.bin": b"no"}
FOUND = [("a/1.txt", NOISE), ("b/2.txt", b"two")]


def wanted(name):
    return name.endswith(".txt")


@pytest.fixture
def zipped(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    return tmp_path / "a.zip"


def tar_of(path, mode):
    with tarfile.open(path, mode) as tar:
        for name, data in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_archives_and_folders_give_the_same(zipped, tmp_path):
    for name, data in FILES.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(data)
    assert list(entries(tmp_path / "tree", wanted)) == FOUND
    for place in (zipped, tar_of(tmp_path / "a.tar", "w"), tar_of(tmp_path / "a.tar.gz", "w:gz")):
        assert sorted(entries(place, wanted)) == FOUND


def test_what_leads_elsewhere_in_a_tar_is_no_file(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            link = tarfile.TarInfo(f"{kind!r}.txt")
            link.type, link.linkname = kind, "/etc/hostname"
            tar.addfile(link)
    assert list(entries(tmp_path / "a.tar", wanted)) == []


def test_a_member_that_would_fill_the_memory_is_refused(zipped, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_MOST", 2)
    for place in (zipped, tar_of(tmp_path / "a.tar", "w")):
        with pytest.raises(CurateError, match="unpacked"):
            list(entries(place, wanted))


def with_password(data):
    """The same zip, its members marked as encrypted."""
    data = bytearray(data)
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + flags] |= 1
            at = data.find(signature, at + 4)
    return bytes(data)


def turned(data):
    """The same tar packed by xz, with a byte turned far behind its first header."""
    packed = bytearray(lzma.compress(data))
    packed[len(packed) // 2] ^= 255
    return bytes(packed)


@pytest.mark.parametrize(
    ("name", "damage"),
    [("a.zip", with_password), ("a.zip", lambda data: data[:50]), ("a.tar.xz", turned)],
    ids=["password", "cut off", "xz"],
)
def test_what_cannot_be_read_says_what_to_do(zipped, tmp_path, name, damage):
    source = zipped if name == "a.zip" else tar_of(tmp_path / "a.tar", "w")
    place = tmp_path / f"bad-{name}"
    place.write_bytes(damage(source.read_bytes()))
    with pytest.raises(CurateError, match=r"cannot be read to its end .* Remove it and fetch it again"):
        list(entries(place, wanted))
