"""Fetching: whole or not at all, resumed where it broke, and checked before anything opens it."""

import hashlib
from dataclasses import replace

import pytest
from filelock import FileLock

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.download import Wanted, fetch_file
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.fakes.refusals import refused

DATA = bytes(index * 7 % 256 for index in range(3_000_000))
MD5 = f"md5:{hashlib.md5(DATA, usedforsecurity=False).hexdigest()}"


@pytest.fixture
def wanted(web):
    (web.folder / "a.bin").write_bytes(DATA)
    return Wanted("a.bin", (f"{web.url}/a.bin",), len(DATA), MD5)


def test_a_file_comes_whole_and_is_not_asked_for_again(web, wanted, tmp_path):
    told = []
    found = fetch_file(wanted, tmp_path / "out", progress=Progress(lambda done, total, _: told.append((done, total))))
    assert found.path.read_bytes() == DATA
    assert (found.sha256, found.message) == (hashlib.sha256(DATA).hexdigest(), "")
    assert told[-1] == (len(DATA), len(DATA))
    assert [path.name for path in (tmp_path / "out").glob("[!.]*")] == ["a.bin"]
    assert not list((tmp_path / "out").glob(".a.bin.part*"))
    assert fetch_file(wanted, tmp_path / "out").path.read_bytes() == DATA
    assert web.ranges("a.bin") == [""]


def test_a_connection_that_breaks_is_resumed(web, wanted, tmp_path):
    web.faults["/a.bin"] = [("cut", 1_000_000), ("cut", 500_000)]
    assert fetch_file(wanted, tmp_path).path.read_bytes() == DATA
    assert web.ranges("a.bin") == ["", "bytes=1000000-", "bytes=1500000-"]


def test_a_file_larger_than_expected_is_not_begun(web, wanted, tmp_path):
    with refused("a.bin", 3000000, 1000):
        fetch_file(replace(wanted, size=1000), tmp_path)
    assert not list(tmp_path.glob("*.bin"))


def test_a_stopped_fetch_resumes_in_the_next_call(web, wanted, tmp_path):
    with pytest.raises(Cancelled):
        fetch_file(wanted, tmp_path, progress=Progress(should_stop=lambda: True))
    part = (tmp_path / ".a.bin.part").read_bytes()
    assert 0 < len(part) < len(DATA)
    assert DATA.startswith(part)
    assert not (tmp_path / "a.bin").exists()
    assert fetch_file(wanted, tmp_path).path.read_bytes() == DATA
    assert web.ranges("a.bin") == ["", f"bytes={len(part)}-"]


def test_a_file_that_has_changed_starts_again(web, wanted, tmp_path):
    with pytest.raises(Cancelled):
        fetch_file(wanted, tmp_path, progress=Progress(should_stop=lambda: True))
    other = DATA[::-1]
    (web.folder / "a.bin").write_bytes(other)
    assert fetch_file(Wanted("a.bin", wanted.places), tmp_path).path.read_bytes() == other


def test_a_server_without_parts_sends_all_of_it_again(web, wanted, tmp_path):
    web.faults["/a.bin"] = [("cut", 1000), "no parts"]
    assert fetch_file(wanted, tmp_path).path.read_bytes() == DATA


@pytest.mark.parametrize(
    ("size", "checksum", "words"),
    [(None, "md5:" + "0" * 32, "is published"), (None, "sha256:" + "0" * 64, "is published"), (5, None, "expected")],
)
def test_another_file_than_was_published_is_removed(web, wanted, tmp_path, size, checksum, words):
    with pytest.raises(CurateError, match=words):
        fetch_file(Wanted("a.bin", wanted.places, size, checksum), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] in ([], [".a.bin.lock"])


def test_without_a_published_checksum_that_of_the_file_is_told(web, wanted, tmp_path):
    found = fetch_file(Wanted("a.bin", wanted.places), tmp_path)
    assert found.message == f"No checksum of a.bin is published. Its sha256 here is {found.sha256}."


@pytest.mark.parametrize("content", [b"x" * len(DATA), b"a thesis"])
def test_a_file_of_the_users_or_a_damaged_one_is_noticed_and_stays(web, wanted, tmp_path, content):
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(CurateError, match=r"a.bin has .*: it is damaged or another file. Remove it and"):
        fetch_file(wanted, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == content
    assert [path.name for path in tmp_path.glob("*a.bin*")] == ["a.bin"]
    assert web.asked == []
    (tmp_path / "a.bin").unlink()
    assert fetch_file(wanted, tmp_path).path.read_bytes() == DATA


def test_the_next_place_is_asked_where_one_does_not_have_it(web, wanted, tmp_path):
    places = (f"{web.url}/gone.bin", *wanted.places)
    assert fetch_file(Wanted("a.bin", places, None, MD5), tmp_path / "out").path.read_bytes() == DATA
    with refused("gone.bin", "HTTP 404"):
        fetch_file(Wanted("a.bin", places[:1]), tmp_path / "other")


@pytest.mark.parametrize("kind", ["folder", "address", "memory"])
def test_a_mirror_is_asked_in_place_of_the_others(web, wanted, tmp_path, kind):
    if kind == "memory":
        fsspec = pytest.importorskip("fsspec")
        with fsspec.open("memory://mirror/a.bin", "wb") as stream:
            stream.write(DATA)
    mirror = {"folder": str(web.folder), "address": web.url, "memory": "memory://mirror"}[kind]
    wanted = Wanted("a.bin", ("http://never.invalid/a.bin",), len(DATA), MD5)
    assert fetch_file(wanted, tmp_path / "out", mirror=mirror).path.read_bytes() == DATA


@pytest.mark.parametrize(("host", "secret"), [("127.0.0.1", "Bearer t"), ("localhost", "")])
def test_a_secret_follows_a_redirect_only_within_its_server(web, wanted, tmp_path, host, secret):
    web.faults["/private.bin"] = [("redirect", f"{web.url.replace('127.0.0.1', host)}/a.bin")]
    private = Wanted("a.bin", (f"{web.url}/private.bin",), None, MD5)
    fetch_file(private, tmp_path, secret={"Authorization": "Bearer t"})
    assert [(path, said) for path, _, said in web.asked] == [("/private.bin", "Bearer t"), ("/a.bin", secret)]


def test_two_processes_do_not_write_into_one_part(web, wanted, tmp_path):
    with FileLock(tmp_path / ".a.bin.lock"), pytest.raises(CurateError, match="Another process"):
        fetch_file(wanted, tmp_path)
    assert web.asked == []
    assert fetch_file(wanted, tmp_path).path.read_bytes() == DATA
