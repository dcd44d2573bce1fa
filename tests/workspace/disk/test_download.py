"""Fetching: whole or not at all, resumed where it broke, and checked before anything opens it."""

import hashlib
import time
from dataclasses import replace
from email.utils import formatdate

import pytest
from filelock import FileLock

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.download import FirstChecksums, Wanted, fetch_file
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from avhcurate.workspace.disk.remote import read_url
from tests.fakes.refusals import refused

DATA = bytes(index * 7 % 256 for index in range(3_000_000))
MD5 = f"md5:{hashlib.md5(DATA, usedforsecurity=False).hexdigest()}"


def fetch(wanted, folder, *, accept=False, **options):
    """Fetch a file; what first came from an address is noted beside the folder."""
    return fetch_file(wanted, folder, first=FirstChecksums(folder.parent / "checksums", accept=accept), **options)


@pytest.fixture
def wanted(web):
    (web.folder / "a.bin").write_bytes(DATA)
    return Wanted("a.bin", (f"{web.url}/a.bin",), len(DATA), MD5)


def test_a_file_comes_whole_and_is_not_asked_for_again(web, wanted, tmp_path):
    told = []
    found = fetch(wanted, tmp_path / "out", progress=Progress(lambda done, total, _: told.append((done, total))))
    assert found.path.read_bytes() == DATA
    assert (found.sha256, found.message) == (hashlib.sha256(DATA).hexdigest(), "")
    assert told[-1] == (len(DATA), len(DATA))
    assert [path.name for path in (tmp_path / "out").glob("[!.]*")] == ["a.bin"]
    assert not list((tmp_path / "out").glob(".a.bin.part*"))
    assert fetch(wanted, tmp_path / "out").path.read_bytes() == DATA
    assert web.ranges("a.bin") == [""]


def test_a_connection_that_breaks_is_resumed(web, wanted, tmp_path):
    web.faults["/a.bin"] = [("cut", 1_000_000), ("cut", 500_000)]
    assert fetch(wanted, tmp_path).path.read_bytes() == DATA
    assert web.ranges("a.bin") == ["", "bytes=1000000-", "bytes=1500000-"]


def in_seconds(seconds):
    return formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("asked", "waited"), [("7", 7), ("0", 0), ("86400", 60), (20, 20), ("soon", 0.5), (-99, 0), (9000, 60)]
)
def test_a_server_is_left_alone_as_long_as_it_asks_and_a_minute_at_most(web, wanted, tmp_path, asked, waited):
    if isinstance(asked, int):
        asked = in_seconds(asked)
    web.faults["/a.bin"] = [("later", asked)]
    assert fetch(wanted, tmp_path).path.read_bytes() == DATA
    assert web.waited == [pytest.approx(waited, abs=2 * (waited == 20))]
    web.faults["/a.bin"] = [("later", "3"), ("later", "4")]
    assert read_url(wanted.places[0], most=len(DATA)) == DATA
    assert web.waited[1:] == [3, 4]


def test_a_server_that_says_nothing_is_asked_again_after_half_a_second_and_five(web, wanted, tmp_path):
    web.faults["/a.bin"] = [("cut", 1_000_000), ("later", ""), ("later", ""), ("later", "")]
    with pytest.raises(CurateError, match="HTTP 429"):
        fetch(wanted, tmp_path)
    assert web.waited == [0, 0.5, 5]


def test_a_wait_can_be_cancelled(web, wanted, tmp_path):
    web.faults["/a.bin"] = [("later", "60")]
    with pytest.raises(Cancelled, match="The same command resumes"):
        fetch(wanted, tmp_path, progress=Progress(should_stop=lambda: True))
    assert web.ranges("a.bin") == [""]


def test_a_file_larger_than_expected_is_not_begun(web, wanted, tmp_path):
    with refused("a.bin", 3000000, 1000):
        fetch(replace(wanted, size=1000), tmp_path)
    assert not list(tmp_path.glob("*.bin"))


def test_a_stopped_fetch_resumes_in_the_next_call(web, wanted, tmp_path):
    with pytest.raises(Cancelled):
        fetch(wanted, tmp_path, progress=Progress(should_stop=lambda: True))
    part = (tmp_path / ".a.bin.part").read_bytes()
    assert 0 < len(part) < len(DATA)
    assert DATA.startswith(part)
    assert not (tmp_path / "a.bin").exists()
    assert fetch(wanted, tmp_path).path.read_bytes() == DATA
    assert web.ranges("a.bin") == ["", f"bytes={len(part)}-"]


def test_a_file_that_has_changed_starts_again(web, wanted, tmp_path):
    with pytest.raises(Cancelled):
        fetch(wanted, tmp_path, progress=Progress(should_stop=lambda: True))
    other = DATA[::-1]
    (web.folder / "a.bin").write_bytes(other)
    assert fetch(Wanted("a.bin", wanted.places), tmp_path).path.read_bytes() == other


def test_a_server_without_parts_sends_all_of_it_again(web, wanted, tmp_path):
    web.faults["/a.bin"] = [("cut", 1000), "no parts"]
    assert fetch(wanted, tmp_path).path.read_bytes() == DATA


@pytest.mark.parametrize(
    ("size", "checksum", "words"),
    [(None, "md5:" + "0" * 32, "is published"), (None, "sha256:" + "0" * 64, "is published"), (5, None, "expected")],
)
def test_another_file_than_was_published_is_removed(web, wanted, tmp_path, size, checksum, words):
    with pytest.raises(CurateError, match=words):
        fetch(Wanted("a.bin", wanted.places, size, checksum), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] in ([], [".a.bin.lock"])


def test_without_a_published_checksum_the_first_file_of_an_address_is_compared_with_later_ones(web, wanted, tmp_path):
    wanted = Wanted("a.bin", wanted.places)
    found = fetch(wanted, tmp_path / "out")
    digest = hashlib.sha256(DATA).hexdigest()
    said = f"No checksum of a.bin is published. Its sha256 here is {digest}. Later downloads are compared with it."
    assert (found.sha256, found.message) == (digest, said)
    (tmp_path / "out" / "a.bin").unlink()
    assert fetch(wanted, tmp_path / "out").sha256 == digest

    (web.folder / "a.bin").write_bytes(DATA[::-1])
    other = hashlib.sha256(DATA[::-1]).hexdigest()
    refused = f"a.bin has sha256 {other}, but had {digest} when it was first fetched: .* give --force where you trust"
    with pytest.raises(CurateError, match=refused):
        fetch(wanted, tmp_path / "elsewhere")
    assert not list((tmp_path / "elsewhere").glob("*.bin"))
    assert fetch(wanted, tmp_path / "elsewhere", accept=True).path.read_bytes() == DATA[::-1]
    assert fetch(wanted, tmp_path / "elsewhere").sha256 == other
    (web.folder / "a.bin").write_bytes(DATA)
    with pytest.raises(CurateError, match=f"but had {other}"):  # what was accepted is what came first
        fetch(wanted, tmp_path / "third")


def test_a_file_that_was_changed_here_is_noticed_too_and_stays(wanted, tmp_path):
    wanted = Wanted("a.bin", wanted.places)
    place = fetch(wanted, tmp_path / "out").path
    place.write_bytes(DATA[:-1] + b"?")
    with pytest.raises(CurateError, match=f"when it was first fetched.* Remove {place} to fetch it again, or"):
        fetch(wanted, tmp_path / "out")
    assert place.read_bytes() == DATA[:-1] + b"?"
    place.unlink()
    assert fetch(wanted, tmp_path / "out").path.read_bytes() == DATA


def test_addresses_are_compared_each_for_itself_and_folders_of_the_users_never(web, wanted, tmp_path):
    (web.folder / "other").mkdir()
    (web.folder / "other" / "a.bin").write_bytes(b"another")
    fetch(Wanted("a.bin", wanted.places), tmp_path / "out")
    assert fetch(Wanted("a.bin", (f"{web.url}/other/a.bin",)), tmp_path / "other").path.read_bytes() == b"another"
    for content in (b"one", b"two"):
        (web.folder / "a.bin").write_bytes(content)
        mirror = fetch(Wanted("a.bin", wanted.places), tmp_path / content.decode(), mirror=str(web.folder))
        assert mirror.path.read_bytes() == content
        assert "compared" not in mirror.message


@pytest.mark.parametrize("content", [b"x" * len(DATA), b"a thesis"])
def test_a_file_of_the_users_or_a_damaged_one_is_noticed_and_stays(web, wanted, tmp_path, content):
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(CurateError, match=r"a.bin has .*: it is damaged or another file. Remove it and"):
        fetch(wanted, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == content
    assert [path.name for path in tmp_path.glob("*a.bin*")] == ["a.bin"]
    assert web.asked == []
    (tmp_path / "a.bin").unlink()
    assert fetch(wanted, tmp_path).path.read_bytes() == DATA


def test_the_next_place_is_asked_where_one_does_not_have_it(web, wanted, tmp_path):
    places = (f"{web.url}/gone.bin", *wanted.places)
    assert fetch(Wanted("a.bin", places, None, MD5), tmp_path / "out").path.read_bytes() == DATA
    with refused("gone.bin", "HTTP 404"):
        fetch(Wanted("a.bin", places[:1]), tmp_path / "other")


@pytest.mark.parametrize("kind", ["folder", "address", "memory"])
def test_a_mirror_is_asked_in_place_of_the_others(web, wanted, tmp_path, kind):
    if kind == "memory":
        fsspec = pytest.importorskip("fsspec")
        with fsspec.open("memory://mirror/a.bin", "wb") as stream:
            stream.write(DATA)
    mirror = {"folder": str(web.folder), "address": web.url, "memory": "memory://mirror"}[kind]
    wanted = Wanted("a.bin", ("http://never.invalid/a.bin",), len(DATA), MD5)
    assert fetch(wanted, tmp_path / "out", mirror=mirror).path.read_bytes() == DATA


@pytest.mark.parametrize(("host", "secret"), [("127.0.0.1", "Bearer t"), ("localhost", "")])
def test_a_secret_follows_a_redirect_only_within_its_server(web, wanted, tmp_path, host, secret):
    web.faults["/private.bin"] = [("redirect", f"{web.url.replace('127.0.0.1', host)}/a.bin")]
    private = Wanted("a.bin", (f"{web.url}/private.bin",), None, MD5)
    fetch(private, tmp_path, secret={"Authorization": "Bearer t"})
    assert [(path, said) for path, _, said in web.asked] == [("/private.bin", "Bearer t"), ("/a.bin", secret)]


def test_two_processes_do_not_write_into_one_part(web, wanted, tmp_path):
    with FileLock(tmp_path / ".a.bin.lock"), pytest.raises(CurateError, match="Another process"):
        fetch(wanted, tmp_path)
    assert web.asked == []
    assert fetch(wanted, tmp_path).path.read_bytes() == DATA
