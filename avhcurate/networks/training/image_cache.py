"""Images of a dataset, decoded once to the squares that a network needs, in one file that is mapped."""

from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from avhcurate.errors import CurateError
from avhcurate.networks.models.engine import in_order
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.disk.arrays import read_npy
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import settings_digest
from avhcurate.workspace.disk.room import check_room
from avhcurate.workspace.images.decoding import BrokenImage, decode
from avhcurate.workspace.images.source import batches

#: Images decoded by one thread at once, and about the most bytes of their files.
_CHUNK = 64
_CHUNK_BYTES = 16 << 20
#: Bytes that stay free on the disk.
_SPARE = 256 << 20

_MISSING = 0
_WHOLE = 1
_BROKEN = 2


class ImageCache:
    """The squares of one dataset for one preprocessing: (N, S, S, C) uint8 in a file that grows as rows are needed.

    `FOLDER/KEY.npy` holds the pixels and `FOLDER/KEY.state` a byte per sample: missing, whole or broken. The byte is
    written after the pixels, so a row that was cut short is done again. A broken image may be whole the next time, for
    example when its network works again.
    """

    def __init__(self, folder: Path, dataset: DatasetFolder, preprocess: Preprocess) -> None:
        self.dataset = dataset
        self.preprocess = preprocess
        # Statistics are applied later, on the device.
        shape = {key: value for key, value in asdict(preprocess).items() if key not in ("mean", "std")}
        digest = settings_digest({"dataset": dataset.record.fingerprint} | shape)
        name = f"{dataset.id}-{preprocess.crop}-{digest[:12]}"
        self.path = folder / f"{name}.npy"
        self._state_path = folder / f"{name}.state"
        self.shape = (dataset.record.samples, preprocess.crop, preprocess.crop, preprocess.channels)

    def missing(self, ids: np.ndarray, *, again: bool = False) -> np.ndarray:
        """Return the ids that are not decoded yet, and with `again` also those of broken images."""
        if not self._state_path.exists():
            return ids
        state = self._state("r")[ids]
        if again:
            return ids[state != _WHOLE]
        return ids[state == _MISSING]

    def decode(self, ids: np.ndarray, *, again: bool = False, progress: Progress = SILENT) -> None:
        """Decode the missing ones of `ids` (ascending); `progress` counts these images. Raises Cancelled."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            ids = self.missing(ids, again=again)
            if not len(ids):
                return
            needed = len(ids) * int(np.prod(self.shape[1:])) + _SPARE
            what = f"a copy of the decoded images of {self.dataset.name!r}"
            check_room(self.path.parent, needed, what)
            try:
                self._fill(ids, progress)
            except OSError as error:
                raise CurateError(f"{self.path} could not be written ({error}). Free some disk space.") from error

    def _fill(self, ids: np.ndarray, progress: Progress) -> None:
        mode: Any = "r+"
        if not self._state_path.exists():
            mode = "w+"
        images = np.lib.format.open_memmap(self.path, mode, np.uint8, self.shape)
        state = self._state(mode)
        done = 0
        cores = torch.get_num_threads()
        chunks = batches(ids, self.dataset.images().read(ids.tolist()), size=_CHUNK, most_bytes=_CHUNK_BYTES)
        with closing(in_order(self._prepare, chunks, workers=cores, intra_op=1)) as prepared:
            for chunk, squares, whole in prepared:
                images[chunk] = squares
                images.flush()
                state[chunk] = np.where(whole, _WHOLE, _BROKEN)
                state.flush()
                done += len(chunk)
                cancelled = "Cancelled while reading images. The same command resumes."
                progress.tell(done, len(ids), f"reading images of {self.dataset.name}", cancelled=cancelled)

    def whole(self, ids: np.ndarray) -> np.ndarray:
        """Return whether each of the ids has an image, (n,) bool."""
        return np.asarray(self._state("r")[ids]) == _WHOLE

    def images(self) -> np.ndarray:
        """Return all squares as (N, C, S, S) uint8, mapped from the file; zeros where none is decoded."""
        return read_npy(self.path).transpose(0, 3, 1, 2)

    def _state(self, mode: str) -> np.memmap:
        return np.memmap(self._state_path, np.uint8, mode, shape=(self.shape[0],))  # type: ignore[call-overload]

    def _prepare(self, item: tuple[np.ndarray, list[bytes | BrokenImage]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return ids, squares (n, S, S, C), black for a broken image, and which are whole."""
        chunk, content = item
        squares = np.zeros((len(chunk), *self.shape[1:]), np.uint8)
        whole = np.zeros(len(chunk), bool)
        for position, data in enumerate(content):
            # A damaged image must not end a training of a million.
            with suppress(Exception):
                if not isinstance(data, BrokenImage):
                    squares[position] = self.preprocess.prepare(decode(data, self.preprocess.least))
                    whole[position] = True
        return chunk, squares, whole
