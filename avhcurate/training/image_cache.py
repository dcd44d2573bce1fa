"""Images of a dataset, decoded once to the squares that a network wants, mapped from one file."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from avhcurate.data.datasets import DatasetFolder
from avhcurate.disk.arrays import read_npy
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.provenance import settings_digest
from avhcurate.disk.room import check_room
from avhcurate.errors import CurateError
from avhcurate.images.decoding import BrokenImage, decode
from avhcurate.images.source import batches
from avhcurate.models.engine import in_order
from avhcurate.models.preprocess import Preprocess

#: Images decoded by one thread at once.
_CHUNK = 64
#: Encoded images of a chunk hold at most about this much.
_CHUNK_BYTES = 16 << 20
#: Room that stays free on the disk beside the images.
_SPARE = 256 << 20

_MISSING, _WHOLE, _BROKEN = 0, 1, 2

_CANCELLED = "cancelled while reading images: the same command resumes"


class ImageCache:
    """The squares of one dataset for one preprocessing: (N, S, S, C) uint8 in a file that grows as rows are needed.

    `FOLDER/KEY.npy` holds the pixels and `FOLDER/KEY.state` a byte a sample: not there, whole or broken. A row counts
    once its byte says so, which is written after its pixels: what is cut short is done again. A broken one may be whole
    the next time: its network was down, or more memory is allowed now.
    """

    def __init__(self, folder: Path, dataset: DatasetFolder, preprocess: Preprocess) -> None:
        self.dataset, self.preprocess = dataset, preprocess
        record = dataset.record
        # Statistics are applied later, on the device.
        shape = vars(replace(preprocess, mean=(0.0,) * preprocess.channels, std=(1.0,) * preprocess.channels))
        digest = settings_digest({"dataset": record.fingerprint} | shape)
        name = f"{dataset.id}-{preprocess.crop}-{digest[:12]}"
        self.path, self._state_path = folder / f"{name}.npy", folder / f"{name}.state"
        self.shape = (record.samples, preprocess.crop, preprocess.crop, preprocess.channels)

    def missing(self, ids: np.ndarray, *, again: bool = False) -> np.ndarray:
        """Those of the ids that are not decoded yet, and with `again` those that were broken."""
        if not self._state_path.exists():
            return ids
        state = self._state("r")[ids]
        return ids[state != _WHOLE if again else state == _MISSING]

    def decode(self, ids: np.ndarray, *, again: bool = False, progress: Progress = SILENT) -> None:
        """Decodes what is missing of `ids` (ascending); `progress` counts these images. Raises Cancelled."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            ids = self.missing(ids, again=again)
            if not len(ids):
                return
            self._check_room(len(ids))
            fresh = not self._state_path.exists()
            images = np.lib.format.open_memmap(self.path, "w+" if fresh else "r+", np.uint8, self.shape)
            state = self._state("w+" if fresh else "r+")
            cores, done = torch.get_num_threads(), 0
            chunks = batches(ids, self.dataset.images().read(ids.tolist()), size=_CHUNK, most_bytes=_CHUNK_BYTES)
            try:
                with closing(in_order(self._prepare, chunks, workers=cores, intra_op=1)) as prepared:
                    for chunk, squares, whole in prepared:
                        images[chunk] = squares
                        images.flush()
                        state[chunk] = np.where(whole, _WHOLE, _BROKEN)
                        state.flush()
                        done += len(chunk)
                        progress.tell(done, len(ids), f"reading images of {self.dataset.name}", cancelled=_CANCELLED)
            except OSError as error:
                raise CurateError(f"{self.path} could not be written ({error}): make room on the disk") from error

    def whole(self, ids: np.ndarray) -> np.ndarray:
        """Whether each of the ids has an image, (n,) bool."""
        return np.asarray(self._state("r")[ids]) == _WHOLE

    def images(self) -> np.ndarray:
        """All squares as (N, C, S, S) uint8, mapped from the file; zeros where none is decoded."""
        return read_npy(self.path).transpose(0, 3, 1, 2)

    def _state(self, mode: str) -> np.memmap:
        return np.memmap(self._state_path, np.uint8, mode, shape=(self.shape[0],))  # type: ignore[call-overload]

    def _check_room(self, count: int) -> None:
        needed = count * int(np.prod(self.shape[1:])) + _SPARE
        what = f"a copy of the decoded images of {self.dataset.name!r}"
        check_room(self.path.parent, needed, what, instead="train at a smaller --crop")

    def _prepare(self, item: tuple[np.ndarray, list[bytes | BrokenImage]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Squares (n, S, S, C), black for a broken image, and which are whole."""
        chunk, content = item
        squares, whole = np.zeros((len(chunk), *self.shape[1:]), np.uint8), np.zeros(len(chunk), bool)
        for position, data in enumerate(content):
            if isinstance(data, BrokenImage):
                continue
            try:
                squares[position] = self.preprocess.prepare(decode(data))
                whole[position] = True
            # A damaged image, or one too large for the memory: one must never end a training of a million.
            except Exception:
                continue
        return chunk, squares, whole
