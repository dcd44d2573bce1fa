"""A network's pass over images, committed shard by shard, so that a pass that was cut short resumes."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from typing import Any, TypeVar

import numpy as np

from avhcurate.networks.models.backends import JUDGED, OPENVINO
from avhcurate.networks.models.engine import Network, embed
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.scoring.shards import Engine, ShardResult, Step, work_through
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.run_records import BackendRecord
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.folders import ShardedFolder
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, versions
from avhcurate.workspace.images.decoding import BrokenImage, decode, encode_thumbnail
from avhcurate.workspace.images.source import batches

T = TypeVar("T")

#: The network's images (n, S, S, C) or (S, S, C) uint8 of one sample, from its id and its decoded image.
MakeImages = Callable[[int, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ShardOutputs:
    """Outputs of the network for samples of a shard, `images_per_sample` rows each.

    Problems, thumbnails and digests of the image files are by id; `thumbnails` is None where they were not wanted.
    """

    shard: int
    ids: np.ndarray
    thumbnails: dict[int, bytes] | None
    problems: dict[int, str] = field(default_factory=dict)
    digests: dict[int, bytes] = field(default_factory=dict)
    features: np.ndarray = field(default_factory=partial(np.empty, (0, 0)))
    logits: np.ndarray = field(default_factory=partial(np.empty, (0, 0)))
    seconds: float = 0.0


#: What the network makes of a batch, without outputs at first, and its encoded images.
_Batch = tuple[ShardOutputs, list[bytes | BrokenImage]]


@dataclass(frozen=True)
class ImagePass:
    """The pass of a network over samples `ids` of a dataset, `shard_size` of them a shard of `folder`.

    `make` gives the images of a sample, and `result` makes that of a shard of the network's outputs, where the network
    runs: all three can be pickled. `thumbnails` tells whether those of a shard are wanted, `digests` whether the digest
    of each file is. Batches do not cross shards, so that a resumed pass has the batches of an undisturbed one.
    """

    dataset: DatasetFolder
    folder: ShardedFolder
    ids: np.ndarray
    shard_size: int
    make: MakeImages
    preprocess: Preprocess
    network: Network
    result: Callable[[ShardOutputs], Any]
    images_per_sample: int = 1
    thumbnails: Callable[[int], bool] = lambda shard: False
    digests: bool = False
    progress: Progress = SILENT

    @property
    def shards(self) -> range:
        return range(-(-len(self.ids) // self.shard_size))

    @property
    def total(self) -> int:
        """Images that the network sees."""
        return len(self.ids) * self.images_per_sample

    def ids_of(self, shard: int) -> np.ndarray:
        return self.ids[shard * self.shard_size : (shard + 1) * self.shard_size]

    def finished(self, skipped: int) -> dict[str, Any]:
        """Return values for the record when the pass is over."""
        seconds = sum(map(self.folder.shard_seconds, self.shards))
        rate = round(self.total / seconds, 2)
        return {"finished": now(), "seconds": round(seconds, 3), "rate": rate, "skipped": skipped}

    def tell(self, done: int) -> None:
        """Report that `done` samples are finished; raises Cancelled when asked to stop."""
        cancelled = f"cancelled after {done} of {len(self.ids)} images: the same command resumes"
        self.progress.tell(done * self.images_per_sample, self.total, cancelled=cancelled)

    def run(self, engine: Engine, commit: Callable[[ShardResult], None]) -> None:
        """Give `commit` the result of every shard that is not committed."""
        # Only this process reports and can be stopped.
        work = replace(self, progress=SILENT)
        work_through(work, self.folder.has_shard, engine, commit=commit, tell=self.tell)

    def outputs(self) -> ShardOutputs:
        """Return those of all samples at once, as if they were one shard; nothing is committed or reported."""
        whole = replace(self, shard_size=len(self.ids), thumbnails=lambda _: False, result=_unchanged)
        *_, last = whole.begin()([[0]])
        outputs: ShardOutputs = last.result
        return outputs

    def begin(self) -> Callable[[Iterable[Sequence[int]]], Iterator[Step]]:
        """Open the network in this process."""
        return partial(self._steps, self.network.open())

    def _steps(self, network: Network, runs: Iterable[Sequence[int]]) -> Iterator[Step]:
        """Run the network over shards in turn: a step a batch, with a shard's last the result."""
        parts: list[ShardOutputs] = []
        started = time.perf_counter()
        batches = self._batches(iter(runs), network.batch_size)
        with closing(embed(network, batches, partial(self._prepare, network))) as results:
            for part, features, logits in results:
                parts.append(replace(part, features=features, logits=logits))
                if part.ids[-1] != self.ids_of(part.shard)[-1]:
                    yield Step(len(part.ids))
                    continue
                outputs = _together(part.shard, parts, time.perf_counter() - started)
                yield Step(len(part.ids), self.result(outputs))
                parts = []
                started = time.perf_counter()

    def _batches(self, runs: Iterator[Sequence[int]], batch_size: int) -> Iterator[_Batch | None]:
        """Yield the batches of runs, and None where there is no other for now."""
        size = max(1, batch_size // self.images_per_sample)
        while True:
            for shards in runs:
                first = self.ids_of(shards[0])
                last = self.ids_of(shards[-1])
                source = self.dataset.images(np.array([first[0], last[-1]]))
                encoded = source.read(int(id) for shard in shards for id in self.ids_of(shard))
                for shard in shards:
                    wanted = self.thumbnails(shard)
                    for ids, content in batches(self.ids_of(shard), encoded, size=size):
                        yield ShardOutputs(shard, ids, {} if wanted else None), content
            yield None

    def _prepare(self, network: Network, batch: _Batch) -> tuple[np.ndarray, ShardOutputs]:
        """In a decode thread: the images of a batch, black where there are none, and thumbnails."""
        part, content = batch
        shape = (self.preprocess.crop, self.preprocess.crop, self.preprocess.channels)
        # All batches of a shard have the same shape, broken images or not: the network's plans are made for it.
        rows = network.empty_batch(len(part.ids) * self.images_per_sample, shape)
        images = rows.reshape(len(part.ids), self.images_per_sample, *shape)
        for position, (id, encoded) in enumerate(zip(part.ids.tolist(), content, strict=True)):
            try:
                if isinstance(encoded, BrokenImage):
                    raise encoded
                if self.digests:
                    part.digests[id] = blake2b(encoded, digest_size=16).digest()
                rgb = decode(encoded, self.preprocess.least)
                images[position] = self.make(id, rgb)
                if part.thumbnails is not None:
                    part.thumbnails[id] = encode_thumbnail(rgb)
            except BrokenImage as broken:
                part.problems[id] = broken.reason
            # Out of memory, say: one image must never end a pass over a million.
            except Exception as error:
                part.problems[id] = f"cannot be prepared: {type(error).__name__}"
        content.clear()
        return rows, part


def network_options(
    workspace: Workspace,
    folder: ShardedFolder,
    dataset: DatasetFolder,
    ids: np.ndarray,
    preprocess: Preprocess,
    *,
    images_per_sample: int = 1,
) -> dict[str, Any]:
    """Return what `Network` is told of a pass over samples `ids`: what comes or, of one begun, how it began."""
    if not folder.begun:
        first = partial(_first_images, dataset, ids[:JUDGED], preprocess)
        return {"images": len(ids) * images_per_sample, "first_images": first, "cache": workspace.networks}
    record = folder.record
    began = {"precision": record.precision, "batch_size": record.batch_size}
    return began | {"backend": record.backend and record.backend.name, "cache": workspace.networks}


def _first_images(dataset: DatasetFolder, ids: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """Return those of samples (n, S, S, C) that can be read."""
    images = []
    for encoded in dataset.images(ids).read(ids.tolist()):
        # The pass says what is wrong with the others.
        with suppress(Exception):
            if isinstance(encoded, bytes):
                images.append(preprocess.prepare(decode(encoded, preprocess.least)))
    return np.array(images)


def backend_values(network: Network, *packages: str) -> dict[str, Any]:
    """Return values for the record: what runs the network, and versions, those of `packages` among them."""
    backend = network.backend
    used = ["torch", "torchvision", "numpy", *packages]
    if backend.name == OPENVINO:
        used.append(OPENVINO)
    return {"backend": BackendRecord(name=backend.name, why=backend.why), "versions": versions(*used)}


def _unchanged(outputs: ShardOutputs) -> ShardOutputs:
    return outputs


def _together(shard: int, parts: Sequence[ShardOutputs], seconds: float) -> ShardOutputs:
    """Return the outputs of all parts of a shard."""
    thumbnails = None
    if parts[0].thumbnails is not None:
        thumbnails = _merged(part.thumbnails or {} for part in parts)
    return ShardOutputs(
        shard=shard,
        ids=np.concatenate([part.ids for part in parts]),
        thumbnails=thumbnails,
        problems=_merged(part.problems for part in parts),
        digests=_merged(part.digests for part in parts),
        features=np.concatenate([part.features for part in parts]),
        logits=np.concatenate([part.logits for part in parts]),
        seconds=seconds,
    )


def _merged(parts: Iterable[Mapping[int, T]]) -> dict[int, T]:
    return {id: value for part in parts for id, value in part.items()}
