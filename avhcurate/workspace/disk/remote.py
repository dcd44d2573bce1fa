"""Reads URLs, whole or in part: http(s) by requests, s3 and others by fsspec.

An address may come from a file of unknown origin. So only http(s) and installed fsspec protocols are followed,
redirects included, and no chained URLs (`zip://x::http://y`), whose inner address would escape the check, nor those by
which fsspec reads files of this machine. Addresses at which clouds give a machine its credentials are never requested,
and where `AVHCURATE_REMOTE_HOSTS` lists hosts (or buckets), such as `images.example.org,*.example.com`, no other host
is. Credentials are those of the clouds' own tools: environment, profiles, ~/.netrc.
"""

import fnmatch
import ipaddress
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

from avhcurate.workspace.disk.app_files import install_command

if TYPE_CHECKING:
    import requests

#: Seconds without data, and for a whole answer, after which a server is given up.
_SILENCE_S = 30
_PATIENCE_S = 300
#: Seconds before each new try where the server names none, and the most that it may name.
_WAITS_S = (0.5, 5.0)
_LONGEST_WAIT_S = 60.0
PIECE = 1 << 20
#: Bytes of a file behind an address that are read at once, and how many such blocks are kept.
_BLOCK = 4 << 20
_KEPT = 4
#: Status codes of errors that may pass.
_PASSING = (408, 425, 429, 500, 502, 503, 504)
#: Addresses of cloud metadata, besides all link-local ones.
_METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "192.0.0.192", "fd00:ec2::254")))

#: The extra whose package reads the addresses of a scheme.
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure"}
#: How fsspec calls the files of this machine.
_LOCAL = ("file", "local")
#: How the addresses of http(s) and fsspec begin.
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_Answer = TypeVar("_Answer")


class RemoteError(Exception):
    """An address that cannot be read; the message fits a table cell.

    `status` is HTTP's, where there is one; `passing` says that another try may succeed, after `wait` seconds if the
    server has said when.
    """

    def __init__(
        self, words: str, *, status: int | None = None, passing: bool = False, wait: float | None = None
    ) -> None:
        super().__init__(words)
        self.status = status
        self.passing = passing
        self.wait = wait


class MissingPackage(RemoteError):
    """An address that only a package of an extra can read; the message says how to install it."""


def is_url(address: str) -> bool:
    """Return True for http(s) and fsspec URLs, False for paths of this machine.

    >>> is_url("s3://bucket/a.jpg"), is_url("/data/a.jpg")
    (True, False)
    """
    return _URL.match(address) is not None


def is_http(url: str) -> bool:
    """Return True for http(s), False for what fsspec reads."""
    return url.lower().startswith(("http://", "https://"))


def is_hub(url: str) -> bool:
    """Return True for a file or folder of the Hugging Face hub."""
    return url.lower().startswith("hf://")


def endpoint() -> str:
    """Return the address of the Hugging Face hub."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def below(address: str, path: str) -> str:
    """Return the address of a file below another address.

    >>> below("s3://bucket/photos/", "a b.jpg"), below("https://x.org", "a b.jpg")
    ('s3://bucket/photos/a b.jpg', 'https://x.org/a%20b.jpg')
    """
    if is_http(address):
        path = quote(path)
    return f"{address.rstrip('/')}/{path}"


def read_url(url: str, *, start: int = 0, size: int | None = None, most: int) -> bytes:
    """Return the bytes of an address from `start` on, `size` of them or fewer where it ends.

    More than `most` bytes are refused. What may pass is tried again; otherwise `RemoteError` says why not.
    """
    wanted = min(most + 1, size or most + 1)
    check_host(url)
    if is_http(url):
        data = _patiently(lambda: _read_http(url, start, wanted, whole=not (start or size)))
    else:
        data = _patiently(lambda: bytes(_fsspec(url, "cat_file", start=start, end=start + wanted)))
    if len(data) > most:
        raise RemoteError(f"more than {most >> 20} MiB")
    return data


def open_place(address: str) -> IO[bytes]:
    """Open a file of this machine or an address, to be sought in."""
    if not is_url(address):
        return open(address, "rb")
    check_host(address)
    if is_http(address):
        options = {"block_size": _BLOCK, "cache_type": "blockcache", "cache_options": {"maxblocks": _KEPT}}
        file: IO[bytes] = _http_file()(None, address, size=_patiently(lambda: _size(address)), **options)
    else:
        file = _fsspec(address, "open")
    return file


@contextmanager
def open_http(
    url: str, headers: dict[str, str] | None = None, *, secret: dict[str, str] | None = None
) -> Iterator["requests.Response"]:
    """Yield the open answer to a GET, within the guard; the `Authorization` of `secret` stays on its own host."""
    import requests
    import urllib3

    check_host(url)
    sent = {"User-Agent": "avhcurate", "Accept-Encoding": "identity"} | (headers or {}) | (secret or {})
    try:
        with _session().get(url, headers=sent, stream=True, timeout=_SILENCE_S) as answer:
            if not answer.ok:
                words = f"HTTP {answer.status_code} {answer.reason}".strip()
                passing = answer.status_code in _PASSING
                raise RemoteError(words, status=answer.status_code, passing=passing, wait=asked_wait(answer.headers))
            yield answer
    except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as problem:
        raise RemoteError("The address, or what it redirects to, is not a valid http(s) address.") from problem
    except (requests.RequestException, urllib3.exceptions.HTTPError) as problem:
        raise RemoteError(words_of(problem), passing=True) from problem


def pieces_of(answer: "requests.Response") -> Iterator[bytes]:
    """Yield the content of an answer as it comes; a connection that breaks is an error of `open_http`."""
    return iter(lambda: answer.raw.read1(PIECE), b"")


def check_host(url: str) -> None:
    """Refuse chained URLs, a cloud's metadata addresses, and hosts that `AVHCURATE_REMOTE_HOSTS` does not list."""
    if "::" in url and not is_http(url):
        raise RemoteError("Chained URLs (with `::`) are not followed. Unpack the file, and give its own address.")
    scheme = url.partition(":")[0].lower()
    if scheme in _LOCAL:
        raise RemoteError(f"{scheme}:// names a file of this machine. Give its path.")
    if is_hub(url):
        url = endpoint()
    allowed = [name.strip().lower() for name in os.environ.get("AVHCURATE_REMOTE_HOSTS", "").split(",") if name.strip()]
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError as problem:
        raise RemoteError("This is not a valid address.") from problem
    if any(_is_metadata(address) for address in [host, *_resolved(url, host)]):
        raise RemoteError(f"{host} is never asked: it may give the machine's own credentials")
    if allowed and not any(fnmatch.fnmatchcase(host, pattern) for pattern in allowed):
        raise RemoteError(f"host {host or url[:40]!r} is not among AVHCURATE_REMOTE_HOSTS")


def words_of(problem: BaseException) -> str:
    """Return in a few words why something could not be read."""
    if isinstance(problem, FileNotFoundError):
        return "file not found"
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    while problem.__cause__ is None and problem.args and isinstance(problem.args[0], BaseException):
        problem = problem.args[0]  # requests wraps the error of its connection
    reason = getattr(problem, "reason", problem)
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    if "refused" in str(reason):
        return "connection refused"
    return " ".join(str(problem).split())[:120] or type(problem).__name__


def _patiently(ask: Callable[[], _Answer]) -> _Answer:
    """Return the result of `ask`, tried again after a while when its error may pass."""
    for tries in range(1, len(_WAITS_S) + 1):
        try:
            return ask()
        except RemoteError as problem:
            if not problem.passing:
                raise
            wait_after(problem, tries)
    return ask()


def wait_after(problem: RemoteError, tries: int) -> None:
    """Wait until the next try: as long as the server has asked, else the longer the more `tries` brought nothing."""
    seconds = problem.wait
    if seconds is None:
        seconds = (0.0, *_WAITS_S)[tries]
    time.sleep(seconds)


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds an answer asks to be left alone, a minute at most; None where it does not say.

    Retry-After (RFC 9110, 10.2.3) is in seconds or a moment by the clock of the server, which `Date` tells.

    >>> asked_wait({"Retry-After": "7"}), asked_wait({"Retry-After": "86400"}), asked_wait({})
    (7.0, 60.0, None)
    >>> date = "Fri, 31 Dec 1999 23:59:{} GMT"
    >>> asked_wait({"Retry-After": date.format(59), "Date": date.format(20)})
    39.0
    """
    text = headers.get("Retry-After", "").strip()
    try:
        if text.isdecimal():
            seconds = float(text)
        else:
            moment = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("Date", ""))
            seconds = moment.total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_S)


def _read_http(url: str, start: int, wanted: int, *, whole: bool) -> bytes:
    headers = {} if whole else {"Range": f"bytes={start}-{start + wanted - 1}"}
    data = bytearray()
    until = time.monotonic() + _PATIENCE_S
    try:
        with open_http(url, headers) as answer:
            if start:
                _check_part(answer)
            for piece in pieces_of(answer):
                data += piece
                if len(data) >= wanted:
                    return bytes(data[:wanted])
                if time.monotonic() > until:
                    raise RemoteError("no whole answer in time")
    except RemoteError as problem:
        if problem.status != 416:  # it ends before `start`
            raise
    return bytes(data)


def _size(url: str) -> int:
    with open_http(url, {"Range": "bytes=0-0"}) as answer:
        _check_part(answer)
        return int(answer.headers.get("Content-Range", "").rpartition("/")[2].replace("*", "0"))


def _check_part(answer: "requests.Response") -> None:
    if answer.status_code != 206:
        raise RemoteError("The server does not send parts of files (HTTP Range). Download the file first.")


@lru_cache(maxsize=1)
def _http_file() -> type:
    from fsspec.spec import AbstractBufferedFile

    class HttpFile(AbstractBufferedFile):
        def _fetch_range(self, start: int, end: int) -> bytes:
            return read_url(self.path, start=start, size=end - start, most=end - start)

    return HttpFile


def _fsspec(url: str, verb: str, **options: Any) -> Any:
    with reaching(url) as (system, path):
        return getattr(system, verb)(path, **options)


@contextmanager
def reaching(url: str) -> Iterator[tuple[Any, str]]:
    """Yield fsspec's file system of an address, and its path there; what fails within is a `RemoteError`."""
    check_host(url)
    options = {}
    if is_hub(url):
        options["endpoint"] = endpoint()
    try:
        import fsspec

        yield fsspec.core.url_to_fs(url, **options)
    except ImportError as problem:
        scheme = url.partition(":")[0].lower()
        extra = _EXTRAS.get(scheme, "remote")
        command = install_command(extra)
        raise MissingPackage(f"{scheme}:// needs the extra {extra}: {command}") from problem
    except Exception as problem:  # each file system has errors of its own
        raise RemoteError(words_of(problem), passing=isinstance(problem, TimeoutError | ConnectionError)) from problem


def _is_metadata(address: str) -> bool:
    """Return whether a literal address may give a machine its credentials.

    >>> _is_metadata("169.254.169.254"), _is_metadata("::ffff:169.254.169.254"), _is_metadata("example.org")
    (True, True, False)
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    return mapped.is_link_local or mapped in _METADATA


def _resolved(url: str, host: str) -> list[str]:
    """Return the addresses of an http(s) host; none where only a proxy can resolve it."""
    if not is_http(url):
        return []
    try:
        return [str(address[0]) for *_, address in socket.getaddrinfo(host, None)]
    except (OSError, UnicodeError):
        return []


@lru_cache(maxsize=1)
def _session() -> "requests.Session":
    """Return a session that checks the host of every request, redirects included, and follows only http(s)."""
    import requests

    class Guarded(requests.adapters.HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
            check_host(request.url or "")
            return super().send(request, *arguments, **options)

    session = requests.Session()
    for prefix in ("http://", "https://"):
        session.mount(prefix, Guarded(pool_maxsize=32))
    return session
