"""Files on their way from one process to another, in a folder or at an address that fsspec writes to."""

from pathlib import Path
from typing import Any

from avhcurate.disk.files import write_atomic
from avhcurate.disk.remote import RemoteError, check_host, is_http, is_url, words_of
from avhcurate.errors import CurateError


class Staging:
    """Named files in a folder or below an address such as `s3://bucket/prefix`; each is whole or absent.

    Its methods raise `RemoteError` where the place cannot be reached.
    """

    def __init__(self, place: str) -> None:
        if is_http(place):
            raise CurateError(f"--staging {place}: nothing can be written there. Give a folder or an s3:// address.")
        self.place = place.rstrip("/")

    def write(self, name: str, content: bytes) -> None:
        if is_url(self.place):
            self._ask("pipe_file", name, content)
        else:
            write_atomic(Path(self.place, name), content)

    def read(self, name: str) -> bytes:
        return bytes(self._ask("cat_file", name))

    def has(self, name: str) -> bool:
        self._ask("invalidate_cache", "")  # another process may have written it
        return bool(self._ask("exists", name))

    def remove(self, name: str) -> None:
        if self.has(name):
            self._ask("rm", name, recursive=True)

    def clear(self) -> None:
        """Remove all that is there."""
        self.remove("")

    def _ask(self, method: str, name: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the file system about a file."""
        import fsspec

        check_host(self.place)
        try:
            system, root = fsspec.core.url_to_fs(self.place)
            return getattr(system, method)(f"{root}/{name}".rstrip("/"), *arguments, **options)
        except Exception as problem:  # each file system has errors of its own
            raise RemoteError(words_of(problem)) from problem
