"""Addresses: read whole or in part, tried again when that may help, and never where a manifest must not lead."""

import socket

import pandas as pd
import pytest

from avhcurate.workspace.disk import remote
from avhcurate.workspace.disk.remote import RemoteError, open_place, read_url
from avhcurate.workspace.images.decoding import BrokenImage
from avhcurate.workspace.images.source import ImageSource

MOST = 1 << 20


def test_parts_of_a_file_are_asked_for_by_range(web):
    (web.folder / "a.bin").write_bytes(bytes(range(256)))
    assert read_url(f"{web.url}/a.bin", start=10, size=5, most=MOST) == bytes(range(10, 15))
    assert read_url(f"{web.url}/a.bin", start=250, size=50, most=MOST) == bytes(range(250, 256))
    assert read_url(f"{web.url}/a.bin", start=256, size=1, most=MOST) == b""
    assert web.ranges("a.bin") == ["bytes=10-14", "bytes=250-299", "bytes=256-256"]


@pytest.mark.parametrize("fault", [503, 429, ("cut", 3)])
def test_what_may_pass_is_tried_again(web, fault):
    (web.folder / "a.bin").write_bytes(b"whole at last")
    web.faults["/a.bin"] = [fault, fault]
    assert read_url(f"{web.url}/a.bin", most=MOST) == b"whole at last"
    assert len(web.asked) == 3


@pytest.mark.parametrize(("faults", "words", "asked"), [([404], "HTTP 404", 1), ([500] * 5, "HTTP 500", 3)])
def test_what_does_not_pass_is_said(web, faults, words, asked):
    web.faults["/a.bin"] = faults
    with pytest.raises(RemoteError, match=words):
        read_url(f"{web.url}/a.bin", most=MOST)
    assert len(web.asked) == asked


def test_more_than_the_most_is_not_read(web):
    (web.folder / "a.bin").write_bytes(bytes(MOST + 1))
    assert len(read_url(f"{web.url}/a.bin", most=MOST + 1)) == MOST + 1
    with pytest.raises(RemoteError, match="more than 1 MiB"):
        read_url(f"{web.url}/a.bin", most=MOST)


def test_a_server_that_sends_no_parts_is_named(web):
    (web.folder / "a.bin").write_bytes(b"abc")
    web.faults["/a.bin"] = ["no parts"] * 2
    with pytest.raises(RemoteError, match="does not send parts"):
        read_url(f"{web.url}/a.bin", start=1, size=1, most=MOST)
    with pytest.raises(RemoteError, match="does not send parts"):
        open_place(f"{web.url}/a.bin")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a"])
def test_a_redirect_leads_to_the_web_or_nowhere(web, target):
    web.faults["/a.bin"] = [("redirect", target)]
    with pytest.raises(RemoteError, match="not a valid http"):
        read_url(f"{web.url}/a.bin", most=MOST)


def test_only_listed_hosts_are_asked_where_a_list_is_given(web, monkeypatch):
    (web.folder / "a.bin").write_bytes(b"abc")
    monkeypatch.setenv("AVHCURATE_REMOTE_HOSTS", "images.example.org, 127.0.0.*")
    assert read_url(f"{web.url}/a.bin", most=MOST) == b"abc"
    with pytest.raises(RemoteError, match=r"host 'localhost' is not among"):
        read_url(f"{web.url.replace('127.0.0.1', 'localhost')}/a.bin", most=MOST)
    with pytest.raises(RemoteError, match="host 'bucket' is not among"):
        read_url("memory://bucket/a.bin", most=MOST)
    web.faults["/a.bin"] = [("redirect", "http://localhost:1/a.bin")]
    with pytest.raises(RemoteError, match="host 'localhost' is not among"):
        read_url(f"{web.url}/a.bin", most=MOST)


@pytest.mark.parametrize("url", ["zip://listed::{}/a.zip", "filecache://listed::file:///etc/hostname"])
def test_an_address_within_an_address_is_not_followed(web, monkeypatch, url):
    monkeypatch.setenv("AVHCURATE_REMOTE_HOSTS", "listed")
    for ask in (lambda place: read_url(place, most=MOST), open_place):
        with pytest.raises(RemoteError, match="Chained"):
            ask(url.format(web.url))
    assert web.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "webhdfs://169.254.169.254/a",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
    ],
)
def test_what_only_the_machine_may_know_is_never_asked(monkeypatch, url):
    monkeypatch.setattr("avhcurate.workspace.disk.remote._session", lambda: pytest.fail("a server was asked"))
    with pytest.raises(RemoteError, match="never asked"):
        read_url(url, most=MOST)


def test_nor_is_it_asked_by_a_name_or_after_a_redirect(web, monkeypatch):
    web.faults["/a.bin"] = [("redirect", "http://169.254.169.254/latest")]
    with pytest.raises(RemoteError, match="never asked"):
        read_url(f"{web.url}/a.bin", most=MOST)
    there = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: there)
    with pytest.raises(RemoteError, match="never asked"):
        read_url("http://metadata.example.org/", most=MOST)


def test_a_remote_file_is_sought_in_by_blocks(web, monkeypatch):
    monkeypatch.setattr(remote, "_BLOCK", 100)
    data = bytes(index % 251 for index in range(1050))
    (web.folder / "a.bin").write_bytes(data)
    with open_place(f"{web.url}/a.bin") as file:
        file.seek(990)
        assert file.read(20) == data[990:1010]
        assert file.read() == data[1010:]
        assert file.seek(-1, 2) == 1049
        file.seek(95)
        assert file.read(10) == data[95:105]
    assert web.ranges("a.bin") == ["bytes=0-0", *(f"bytes={at}-{at + 99}" for at in (900, 1000, 0, 100))]


def test_images_of_servers_are_asked_for_ahead_and_given_in_order(web):
    urls = []
    for number in range(100):
        (web.folder / f"{number}.jpg").write_bytes(b"%d" % number)
        urls.append(f"{web.url}/{number}.jpg")
    (web.folder / "7.jpg").unlink()
    source = ImageSource(pd.DataFrame({"_file": urls, "_row": pd.array([None] * 100, "Int64")}))
    read = source.read(range(100))
    assert next(read) == b"0"
    found = [b"0", *read]
    assert isinstance(found[7], BrokenImage)
    assert [data for data in found if isinstance(data, bytes)] == [b"%d" % n for n in range(100) if n != 7]
    assert len(web.asked) == 100


def test_a_huge_image_behind_an_address_is_not_taken_in(web, monkeypatch):
    monkeypatch.setattr("avhcurate.workspace.images.source.MAX_REMOTE_BYTES", 1 << 20)
    (web.folder / "a.jpg").write_bytes(bytes((1 << 20) + 1))
    source = ImageSource(pd.DataFrame({"_file": [f"{web.url}/a.jpg"], "_row": pd.array([None], "Int64")}))
    with pytest.raises(BrokenImage, match="more than 1 MiB"):
        source.read_one(0)


def test_a_pass_that_is_given_up_asks_no_more(web):
    urls = [f"{web.url}/{number}.jpg" for number in range(2000)]
    read = ImageSource(pd.DataFrame({"_file": urls, "_row": pd.array([None] * 2000, "Int64")})).read(range(2000))
    next(read)
    read.close()
    assert len(web.asked) < 200
