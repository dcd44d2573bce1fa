"""Archives and folders of others: what is wanted comes in order, and what cannot be read is said, never raised raw."""

import io
import lzma
import random
import tarfile

import pytest

from avhcurate.errors import CurateError
from avhcurate.workspace.disk import archives
from avhcurate.workspace.disk.archives import entries
from tests.fakes.refusals import refused

NOISE = random.Random(0).randbytes(200_000)
FILES = {"b/2.txt": b"two", "a/1.txt": NOISE, "a/skipped.bin": b"no"}
FOUND = [("a/1.txt", NOISE), ("b/2.txt", b"two")]


def wanted(name):
    return name.endswith(".txt")


def tar_of(path, mode):
    with tarfile.open(path, mode) as tar:
        for name, data in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_archives_and_folders_give_the_same(tmp_path):
    for name, data in FILES.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(data)
    assert list(entries(tmp_path / "tree", wanted)) == FOUND
    for place in (tar_of(tmp_path / "a.tar", "w"), tar_of(tmp_path / "a.tar.gz", "w:gz")):
        assert sorted(entries(place, wanted)) == FOUND


def test_what_leads_elsewhere_in_a_tar_is_no_file(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            link = tarfile.TarInfo(f"{kind!r}.txt")
            link.type, link.linkname = kind, "/etc/hostname"
            tar.addfile(link)
    assert list(entries(tmp_path / "a.tar", wanted)) == []


def test_a_member_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_MOST", 2)
    with pytest.raises(CurateError, match="unpacked"):
        list(entries(tar_of(tmp_path / "a.tar", "w"), wanted))


def turned(data):
    """The same tar packed by xz, with a byte turned far behind its first header."""
    packed = bytearray(lzma.compress(data))
    packed[len(packed) // 2] ^= 255
    return bytes(packed)


def test_what_cannot_be_read_says_what_to_do(tmp_path):
    place = tmp_path / "bad.tar.xz"
    place.write_bytes(turned(tar_of(tmp_path / "a.tar", "w").read_bytes()))
    with refused("bad.tar.xz"):
        list(entries(place, wanted))
