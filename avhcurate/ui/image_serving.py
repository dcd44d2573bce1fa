"""Images for the browser, by dataset and id: the stored thumbnail, or the image itself made small enough."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.workspace import Workspace, check_name
from avhcurate.errors import CurateError
from avhcurate.images.decoding import BrokenImage, decode, encode_thumbnail
from avhcurate.images.source import ImageSource

#: Longer side in pixels of a full-size image and of a thumbnail.
FULL_SIDE = 1600
THUMBNAIL_SIDE = 256

#: Datasets kept open at once, and images decoded at once: a large one takes half a gigabyte.
_OPEN = 8
_DECODING = 2


class NoSuchImage(CurateError):
    """There is no sample of that id in a dataset of that name."""


@dataclass(frozen=True)
class ServedImage:
    """An encoded image; `problem` says why it could not be read, and then `data` is empty."""

    data: bytes
    media_type: str
    problem: str = ""


@dataclass(frozen=True)
class _Opened:
    stamp: str
    folder: DatasetFolder
    images: ImageSource


class ImageServer:
    """The images of one workspace. Safe to use from several threads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._decoding = threading.BoundedSemaphore(_DECODING)
        self._opened: OrderedDict[str, _Opened] = OrderedDict()

    def thumbnail(self, dataset: str, id: int) -> ServedImage:
        """The thumbnail that scoring stored, else one made now; at most 256 pixels a side."""
        opened = self._open(dataset)
        stored = opened.folder.thumbnails.get(id) if id < len(opened.images) else None
        return _served(stored) if stored else self._read(opened, id, THUMBNAIL_SIDE)

    def full(self, dataset: str, id: int) -> ServedImage:
        """The image, encoded again so that no foreign byte reaches the browser; at most 1600 pixels a side."""
        return self._read(self._open(dataset), id, FULL_SIDE)

    def _read(self, opened: _Opened, id: int, side: int) -> ServedImage:
        try:
            data = opened.images.read_one(id)
            with self._decoding:
                return _served(encode_thumbnail(decode(data), side))
        except IndexError as error:
            raise NoSuchImage(f"dataset {opened.folder.name!r} has no sample {id}") from error
        except BrokenImage as broken:
            return ServedImage(b"", "", problem=broken.reason)

    def _open(self, dataset: str) -> _Opened:
        """The dataset, opened again when it was imported again; the least recently used one makes room."""
        stamp = _stamp(self._workspace, dataset)
        with self._lock:
            known = self._opened.get(dataset)
            if known is None or known.stamp != stamp:
                folder = self._workspace.dataset(dataset)
                known = _Opened(stamp, folder, folder.images())
                self._opened[dataset] = known
                while len(self._opened) > _OPEN:
                    self._opened.popitem(last=False)
            self._opened.move_to_end(dataset)
            return known


def _stamp(workspace: Workspace, dataset: str) -> str:
    """Changes when the dataset is imported again; one look at the disk, since every thumbnail asks."""
    try:
        check_name(dataset)
        return format((workspace.datasets / dataset / "dataset.json").stat().st_mtime_ns, "x")
    except (OSError, CurateError) as error:
        raise NoSuchImage(f"there is no dataset {dataset!r}") from error


def _served(data: bytes) -> ServedImage:
    return ServedImage(data, "image/png" if data.startswith(b"\x89PNG") else "image/jpeg")
