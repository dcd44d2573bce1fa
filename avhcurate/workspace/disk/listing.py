"""The files below an address: of a bucket or the hub by fsspec, of a web server by the links of its index pages."""

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from avhcurate.workspace.disk.remote import RemoteError, is_http, reaching, read_url

#: Bytes of an index page; pages and folders within each other that are read of one server, which may link in circles.
_MOST_BYTES = 64 << 20
_MOST_PAGES = 10_000
_DEEPEST = 8
#: What a file system says of another version of a file, the first that it has.
_VERSIONS = ("ETag", "etag", "blob_id", "oid", "generation", "md5Hash", "LastModified", "last_modified", "mtime")


class FileBelow(NamedTuple):
    """A file: its path below the address, with "/"; its size in bytes, -1 if not told; what tells its version."""

    path: str
    size: int
    version: str


def files_below(address: str) -> list[FileBelow]:
    """Return every file below an address, sorted, anew each time; none is read.

    Raise `RemoteError` for a bucket that does not exist or may not be listed, and for a server without index pages.
    """
    if is_http(address):
        return sorted(set(_linked(f"{address.rstrip('/')}/")))
    with reaching(address) as (system, root):
        system.invalidate_cache()
        found = system.find(root, detail=True)
        # "a/" marks an empty folder.
        files = {name: info for name, info in found.items() if name != root and not name.endswith("/")}
        prefix = f"{root.rstrip('/')}/"
        return sorted(
            FileBelow(name.removeprefix(prefix), int(info.get("size") or 0), _version(info))
            for name, info in files.items()
        )


def _version(info: dict[str, object]) -> str:
    return str(next((info[name] for name in _VERSIONS if info.get(name)), ""))


def _linked(root: str) -> Iterator[FileBelow]:
    """Yield the files that index pages link to, from that of `root` on and never outside of it."""
    pages = [root]
    seen = {root}
    while pages:
        page = pages.pop()
        links = _Links()
        links.feed(read_url(page, most=_MOST_BYTES).decode(errors="replace"))
        if page == root and not links.found:
            raise RemoteError("it is no index page: the server does not list its files")
        for link in links.found:
            place = urljoin(page, link)
            below = place.removeprefix(root)
            if below in ("", place) or urlsplit(place).query or urlsplit(place).fragment:
                continue
            if not below.endswith("/"):
                yield FileBelow(unquote(below), -1, "")
            elif place not in seen and below.count("/") <= _DEEPEST:
                seen.add(place)
                pages.append(place)
        if len(seen) > _MOST_PAGES:
            raise RemoteError(f"more than {_MOST_PAGES:,} folders. Give the address of a manifest.")


class _Links(HTMLParser):
    """The addresses that a page links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attributes if name == "href" and value]
