"""Reads URLs, whole or in part: http(s) by the standard library, s3 and others by fsspec.

An address may come from a file of unknown origin. So only http(s) and installed fsspec protocols are followed,
redirects included, and no chained URLs (`zip://x::http://y`), whose inner address would escape the checks. Addresses at
which clouds give a machine its credentials are never requested, and where `AVHCURATE_REMOTE_HOSTS` lists hosts (or
buckets), as `images.example.org,*.example.com`, no other host is.
"""

import fnmatch
import http.client
import io
import ipaddress
import os
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import lru_cache
from http.client import HTTPMessage
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

#: Seconds without data, and for a whole answer, after which a server is given up.
_SILENCE_S = 30
_PATIENCE_S = 300
#: Seconds before each new try.
_WAITS_S = (0.5, 2.0)
_LONGEST_WAIT_S = 10.0
_PIECE = 1 << 18
#: Status codes of errors that may pass.
_PASSING = (408, 425, 429, 500, 502, 503, 504)
#: IPv6 networks whose addresses end in an IPv4 one: NAT64, and the old compatible form.
_TRANSLATED = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
#: Addresses of cloud metadata, besides all link-local ones.
_METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "192.0.0.192", "fd00:ec2::254")))

_NEVER = "is never asked: it is the machine's own"

#: How the addresses of http(s) and fsspec begin.
URL_PATTERN = r"^[A-Za-z][A-Za-z0-9+.-]+://"
_URL = re.compile(URL_PATTERN)
_Answer = TypeVar("_Answer")


class RemoteError(Exception):
    """An address that cannot be read; the message fits a table cell.

    `status` is HTTP's, where there is one; `passing` says that another try may succeed.
    """

    def __init__(self, words: str, *, status: int | None = None, passing: bool = False, wait_s: float = 0) -> None:
        super().__init__(words)
        self.status, self.passing, self.wait_s = status, passing, wait_s


def is_url(place: str) -> bool:
    """True for http(s) and fsspec URLs, False for paths of this machine.

    >>> is_url("s3://bucket/a.jpg"), is_url("/data/a.jpg")
    (True, False)
    """
    return _URL.match(place) is not None


def is_http(url: str) -> bool:
    """True for http(s), False for what fsspec reads."""
    return url.lower().startswith(("http://", "https://"))


def read_url(url: str, *, start: int = 0, size: int | None = None, most: int) -> bytes:
    """The bytes of an address from `start` on, `size` of them or fewer where it ends; `RemoteError` saying why not.

    More than `most` bytes are refused. What may pass is tried again.
    """
    end = None if size is None else start + size
    read = _read_http if is_http(url) else _read_fsspec
    check_host(url)
    data = patiently(lambda: read(url, start, end, most))
    if len(data) > most:
        raise RemoteError(f"more than {most >> 20} MiB")
    return data if size is None else data[:size]


def size_of(url: str) -> int:
    """How many bytes an address has; `RemoteError` where the server does not say, or reads no parts."""
    check_host(url)
    if not is_http(url):
        return patiently(lambda: int(_fsspec(url, lambda system, path: system.size(path))))

    def ask() -> int:
        with open_http(url, {"Range": "bytes=0-0"}) as answer:
            total = answer.headers.get("Content-Range", "").rpartition("/")[2]
            if answer.status != 206 or not total.isdigit():
                raise RemoteError("the server does not send parts of files (HTTP Range): download it")
            return int(total)

    return patiently(ask)


def write_url(url: str, content: bytes) -> None:
    """Writes an address that fsspec can write to, in one request, so that it is whole or absent; `RemoteError`."""
    check_host(url)
    patiently(lambda: _fsspec(url, lambda system, path: system.pipe_file(path, content)))


def url_exists(url: str) -> bool:
    """Whether fsspec finds something there; `RemoteError` where it cannot tell."""
    check_host(url)

    def ask(system: Any, path: str) -> bool:
        system.invalidate_cache()  # another process may have written it
        return bool(system.exists(path))

    return patiently(lambda: bool(_fsspec(url, ask)))


def remove_url(url: str) -> None:
    """Removes what fsspec finds there and below; nothing where there is nothing. `RemoteError` where it cannot."""
    check_host(url)
    if url_exists(url):
        patiently(lambda: _fsspec(url, lambda system, path: system.rm(path, recursive=True)))


def open_http(url: str, headers: dict[str, str] | None = None, *, secret: dict[str, str] | None = None) -> Any:
    """The open answer to a GET, within the guards; `secret` headers do not follow a redirect to elsewhere."""
    check_host(url)
    request = urllib.request.Request(url, headers={"User-Agent": "avhcurate"} | (headers or {}))
    for name, value in (secret or {}).items():
        request.add_unredirected_header(name, value)
    try:
        return _opener().open(request, timeout=_SILENCE_S)
    except urllib.error.HTTPError as problem:
        with problem:
            wait = problem.headers.get("Retry-After", "") if problem.headers else ""
            passing = problem.code in _PASSING
            words = f"HTTP {problem.code} {problem.reason}".strip()
        seconds = float(wait) if wait.isdigit() else 0.0
        raise RemoteError(words, status=problem.code, passing=passing, wait_s=seconds) from problem
    except (OSError, http.client.HTTPException) as problem:
        raise RemoteError(words_of(problem), passing=_may_pass(problem)) from problem
    except ValueError as problem:
        raise RemoteError("no address that can be asked") from problem


def patiently(ask: Callable[[], _Answer]) -> _Answer:
    """The result of `ask`, tried again after a while when its error may pass."""
    for wait in _WAITS_S:
        try:
            return ask()
        except RemoteError as problem:
            if not problem.passing:
                raise
            time.sleep(min(max(wait, problem.wait_s), _LONGEST_WAIT_S))
    return ask()


def check_host(url: str) -> None:
    """Refuses chained URLs, the machine's own addresses, and hosts that `AVHCURATE_REMOTE_HOSTS` does not list.

    The address that a name resolves to is checked once connected; behind a proxy only literal addresses are.
    """
    if "::" in url and not is_http(url):
        raise RemoteError("chained URLs (with `::`) are not followed: unpack it, and give its own address")
    allowed = [name.strip().lower() for name in os.environ.get("AVHCURATE_REMOTE_HOSTS", "").split(",") if name.strip()]
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError as problem:
        raise RemoteError("no address that can be asked") from problem
    if _machines_own(host):
        raise RemoteError(f"{host} {_NEVER}")
    if allowed and not any(fnmatch.fnmatchcase(host, pattern) for pattern in allowed):
        raise RemoteError(f"host {host or url[:40]!r} is not among AVHCURATE_REMOTE_HOSTS")


def words_of(problem: BaseException) -> str:
    """Why something could not be read, short."""
    if isinstance(problem, urllib.error.URLError) and isinstance(problem.reason, BaseException):
        return words_of(problem.reason)
    if isinstance(problem, FileNotFoundError):
        return "file not found"
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror.lower()
    return " ".join(str(problem).split())[:120] or type(problem).__name__


class RemoteFile(io.RawIOBase):
    """An address as a file that can be sought in: read in blocks as they are needed, the last few kept."""

    _BLOCK = 4 << 20
    _KEPT = 4

    def __init__(self, url: str) -> None:
        self.name = url
        self._size = size_of(url)
        self._at = 0
        self._block = lru_cache(self._KEPT)(self._fetch)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._at)
        left = left if size is None or size < 0 else min(size, left)
        parts = []
        while left:
            number, skipped = divmod(self._at, self._BLOCK)
            part = self._block(number)[skipped : skipped + left]
            if not part:
                raise RemoteError("it became shorter while it was read")
            parts.append(part)
            self._at += len(part)
            left -= len(part)
        return b"".join(parts)

    def _fetch(self, number: int) -> bytes:
        return read_url(self.name, start=number * self._BLOCK, size=self._BLOCK, most=self._BLOCK)


def _read_http(url: str, start: int, end: int | None, most: int) -> bytes:
    part = {"Range": f"bytes={start}-{'' if end is None else end - 1}"} if start or end is not None else {}
    try:
        answer = open_http(url, part)
    except RemoteError as problem:
        if problem.status == 416:  # it ends before `start`
            return b""
        raise
    with answer:
        if start and answer.status != 206:
            raise RemoteError("the server does not send parts of files (HTTP Range): download it")
        return _drain(answer, most + 1 if end is None else min(end - start, most + 1))


def _drain(answer: Any, most: int) -> bytes:
    """At most `most` bytes; a slow server is given up after a while."""
    parts: list[bytes] = []
    left, until = most, time.monotonic() + _PATIENCE_S
    try:
        while left and (part := answer.read1(min(_PIECE, left))):
            parts.append(part)
            left -= len(part)
            if time.monotonic() > until:
                raise RemoteError("no whole answer in time")
    except (OSError, http.client.HTTPException) as problem:
        raise RemoteError(words_of(problem), passing=True) from problem
    if left and answer.length:
        raise RemoteError("the connection broke off", passing=True)
    return b"".join(parts)


def _read_fsspec(url: str, start: int, end: int | None, most: int) -> bytes:
    last = start + most + 1 if end is None else end
    return bytes(_fsspec(url, lambda system, path: system.cat_file(path, start=start, end=last)))


def _fsspec(url: str, ask: Callable[[Any, str], Any]) -> Any:
    import fsspec

    try:
        return ask(*fsspec.core.url_to_fs(url))
    except Exception as problem:  # each file system has errors of its own
        raise RemoteError(words_of(problem), passing=_may_pass(problem)) from problem


def _may_pass(problem: BaseException) -> bool:
    reason = getattr(problem, "reason", None)
    if isinstance(reason, BaseException):
        return _may_pass(reason)
    return isinstance(problem, TimeoutError | ConnectionError | http.client.HTTPException)


def _refuse_metadata(connection: socket.socket) -> None:
    """Checks the address that was reached, since a name may resolve differently each time."""
    peer = connection.getpeername()[0]
    if _machines_own(peer):
        connection.close()
        raise PermissionError(0, f"{peer} {_NEVER}")


def _machines_own(host: str) -> bool:
    """Whether a literal address gives a machine its own metadata.

    An IPv6 address that leads to an IPv4 one (mapped, NAT64, 6to4, Teredo) counts as that one.

    >>> _machines_own("169.254.169.254"), _machines_own("64:ff9b::a9fe:a9fe"), _machines_own("example.org")
    (True, True, False)
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return any(each.is_link_local or each in _METADATA for each in (address, *_within(address)))


def _within(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """IPv4 addresses to which an IPv6 address leads."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if any(address in network for network in _TRANSLATED):
        yield last
    yield from filter(None, (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())))


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _refuse_metadata(self.sock)


class _SecureConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _refuse_metadata(self.sock)


class _Handler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


class _SecureHandler(urllib.request.HTTPSHandler):
    def __init__(self, trust: ssl.SSLContext) -> None:
        super().__init__(context=trust)
        self._trust = trust

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_SecureConnection, req, context=self._trust)


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if not is_http(newurl):
            raise RemoteError(f"redirected to {newurl[:60]!r}, which is not followed")
        check_host(newurl)
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and _origin(newurl) == _origin(req.full_url):
            secret = req.unredirected_hdrs.get("Authorization")
            if secret is not None:
                following.add_unredirected_header("Authorization", secret)
        return following


def _origin(url: str) -> tuple[str, str]:
    """
    >>> _origin("https://HF.co/a") == _origin("https://hf.co/b"), _origin("http://hf.co") == _origin("https://hf.co")
    (True, False)
    """
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


@lru_cache(maxsize=1)
def _opener() -> urllib.request.OpenerDirector:
    """An opener for http(s) only: a redirect to a file or to FTP fails."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
        _Handler(),
        _SecureHandler(ssl.create_default_context()),
    ):
        opener.add_handler(handler)
    return opener
