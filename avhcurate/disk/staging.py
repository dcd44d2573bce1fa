"""Files on their way from one process to another, in a folder or at an address that fsspec writes to."""

from pathlib import Path

from avhcurate.disk.files import remove, write_atomic
from avhcurate.disk.remote import is_http, is_url, read_url, remove_url, url_exists, write_url
from avhcurate.errors import CurateError

#: The largest file that is read back.
_MOST = 8 << 30


class Staging:
    """Named files in a folder or below an address such as `s3://bucket/prefix`; each is whole or absent.

    Its methods raise OSError or `RemoteError` where the place cannot be reached.
    """

    def __init__(self, place: str) -> None:
        if is_http(place):
            raise CurateError(
                f"--staging {place}: nothing can be written there: give a folder or an address as s3://..."
            )
        self.place = place.rstrip("/")
        self._remote = is_url(place)

    def write(self, name: str, content: bytes) -> None:
        if self._remote:
            write_url(self._address(name), content)
        else:
            write_atomic(Path(self._address(name)), content)

    def read(self, name: str) -> bytes:
        address = self._address(name)
        return read_url(address, most=_MOST) if self._remote else Path(address).read_bytes()

    def has(self, name: str) -> bool:
        address = self._address(name)
        return url_exists(address) if self._remote else Path(address).exists()

    def remove(self, name: str) -> None:
        if self._remote:
            remove_url(self._address(name))
        else:
            remove(Path(self._address(name)))

    def clear(self) -> None:
        """Removes all that is there."""
        if self._remote:
            remove_url(self.place)
        else:
            remove(Path(self.place))

    def _address(self, name: str) -> str:
        return f"{self.place}/{name}"
