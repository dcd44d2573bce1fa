"""A network's pass over images, committed shard by shard, so that a pass that was cut short resumes."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from avhcurate.measures.scores import SCORES
from avhcurate.networks.models.backends import OPENVINO
from avhcurate.networks.models.engine import Embedded, Network, embed
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.scoring.shards import Engine, ShardResult, Step, parts_of_shard, work_through
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import BackendRecord
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.folders import ShardedFolder, spread
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, versions
from avhcurate.workspace.images.decoding import BrokenImage, decode, encode_thumbnail
from avhcurate.workspace.images.source import batches

#: Columns kept in float64: next to 1, float32 would tie values that differ.
_DOUBLE = {"confidence": pa.float64(), "max_confidence": pa.float64()}

#: The network's images (n, S, S, C) or (S, S, C) uint8 of one sample, from its id and its decoded image.
MakeImages = Callable[[int, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ShardOutputs:
    """Outputs of the network for a shard's samples, `images_per_sample` rows each.

    Problems, thumbnails and digests of the image files are by id; `thumbnails` is None where they were not wanted.
    """

    shard: int
    ids: np.ndarray
    features: np.ndarray
    logits: np.ndarray
    problems: dict[int, str]
    thumbnails: dict[int, bytes] | None
    seconds: float
    digests: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class _Samples:
    """A batch of one shard in order of id; decoding its images fills problems, thumbnails and digests."""

    shard: int
    ids: np.ndarray
    encoded: list[bytes | BrokenImage]
    wants_thumbnails: bool
    thumbnails: dict[int, bytes] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    digests: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class ImagePass:
    """The pass over samples `ids` of a dataset, `shard_size` of them a shard of `folder`.

    `make` gives the images of a sample; `thumbnails` tells whether those of a shard are wanted, `digests` whether the
    digest of each file is. `run` says which network, and what is made of its outputs. Batches do not cross shards, so
    that a resumed pass has the batches of an undisturbed one.
    """

    dataset: DatasetFolder
    folder: ShardedFolder
    ids: np.ndarray
    shard_size: int
    make: MakeImages
    preprocess: Preprocess
    images_per_sample: int = 1
    thumbnails: Callable[[int], bool] = lambda shard: False
    digests: bool = False
    progress: Progress = SILENT
    network: Network | None = None
    result: Callable[[ShardOutputs], ShardResult] | None = None

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

    def tell(self, done: int, message: str = "") -> None:
        """Report that `done` samples are finished; raises Cancelled when asked to stop."""
        cancelled = f"cancelled after {done} of {len(self.ids)} samples: the same command resumes"
        self.progress.tell(done * self.images_per_sample, self.total, message, cancelled=cancelled)

    def run(
        self,
        engine: Engine,
        network: Network,
        result: Callable[[ShardOutputs], ShardResult],
        commit: Callable[[ShardResult], None],
    ) -> None:
        """Give `commit` the result of every shard that is not committed.

        `result` makes it of the network's outputs, where the network runs: both can be pickled.
        """
        # Only this process reports and can be stopped.
        work = replace(self, progress=SILENT, network=network, result=result)
        work_through(work, self.folder.has_shard, engine, commit=commit, tell=self.tell)

    def begin(self) -> Callable[[Sequence[int]], Iterator[Step]]:
        """Open the network in this process."""
        assert self.network is not None
        return partial(self._steps, self.network.open())

    def _steps(self, network: Network, shards: Sequence[int]) -> Iterator[Step]:
        """Run the network over shards in turn: a step a batch, with a shard's last the result."""
        parts: list[Embedded[_Samples]] = []
        started = time.perf_counter()
        batches = self._batches(shards, network.batch_size)
        with closing(embed(network, batches, partial(self._prepare, network))) as results:
            for part in results:
                parts.append(part)
                batch = part.payload
                made = None
                if batch.ids[-1] == self.ids_of(batch.shard)[-1]:
                    assert self.result is not None
                    made = self.result(_joined(parts, time.perf_counter() - started))
                    parts = []
                yield Step(len(batch.ids), made)
                if made is not None:
                    started = time.perf_counter()

    def cut(self, samples: int) -> tuple["ImagePass", int]:
        """Return the same pass in parts of shards, and how many make a whole shard."""
        assert self.network is not None
        batch = max(1, self.network.batch_size // self.images_per_sample)
        parts = parts_of_shard(self.shard_size, batch=batch, samples=samples)
        wanted = self.thumbnails
        if parts == 1:
            return self, 1
        size = self.shard_size // parts
        # What is made of the outputs depends in its last bit on how many there are, so it is made of the whole shard's.
        as_it_is: Any = _as_it_is
        return replace(self, shard_size=size, thumbnails=lambda part: wanted(part // parts), result=as_it_is), parts

    def join(self, shard: int, parts: Sequence[ShardOutputs]) -> ShardResult:
        """Return what is made of the outputs of all parts of a shard."""
        assert self.result is not None
        return self.result(_together(shard, parts, sum(part.seconds for part in parts)))

    def outputs(self, opened: Network) -> ShardOutputs:
        """Return those of all samples at once, as if they were one shard; nothing is committed or reported."""
        network = opened.open()
        encoded = self.dataset.images(self.ids).read(self.ids.tolist())
        batches = self._batches_of(0, self.ids, encoded, network.batch_size)
        with closing(embed(network, batches, partial(self._prepare, network))) as results:
            return _joined(list(results), 0.0)

    def _batches(self, shards: Sequence[int], batch_size: int) -> Iterator[_Samples]:
        first = self.ids_of(shards[0])
        last = self.ids_of(shards[-1])
        source = self.dataset.images(np.array([first[0], last[-1]]))
        encoded = source.read(int(id) for shard in shards for id in self.ids_of(shard))
        for shard in shards:
            yield from self._batches_of(shard, self.ids_of(shard), encoded, batch_size)

    def _batches_of(
        self, shard: int, ids: np.ndarray, encoded: Iterator[bytes | BrokenImage], batch_size: int
    ) -> Iterator[_Samples]:
        size = max(1, batch_size // self.images_per_sample)
        wanted = self.thumbnails(shard)
        for some, content in batches(ids, encoded, size=size):
            yield _Samples(shard, some, content, wants_thumbnails=wanted)

    def _prepare(self, network: Network, batch: _Samples) -> tuple[np.ndarray, _Samples]:
        """In a decode thread: the images of a batch, black where there are none, and thumbnails."""
        shape = (self.preprocess.crop, self.preprocess.crop, self.preprocess.channels)
        # All batches of a shard have the same shape, broken images or not: the network's plans are made for it.
        rows = network.empty_batch(len(batch.ids) * self.images_per_sample, shape)
        images = rows.reshape(len(batch.ids), self.images_per_sample, *shape)
        for position, (id, encoded) in enumerate(zip(batch.ids.tolist(), batch.encoded, strict=True)):
            try:
                if isinstance(encoded, BrokenImage):
                    raise encoded
                if self.digests:
                    batch.digests[id] = blake2b(encoded, digest_size=16).digest()
                rgb = decode(encoded)
                images[position] = self.make(id, rgb)
                if batch.wants_thumbnails:
                    batch.thumbnails[id] = encode_thumbnail(rgb)
            except BrokenImage as broken:
                batch.problems[id] = broken.reason
            # Out of memory, say: one image must never end a pass over a million.
            except Exception as error:
                batch.problems[id] = f"cannot be prepared: {type(error).__name__}"
        batch.encoded.clear()
        return rows, batch


def backend_options(workspace: Workspace, folder: ShardedFolder, images: int) -> dict[str, Any]:
    """Return what `Network` is told of its backend: how many images come or, for a pass begun, what it began with."""
    if not folder.begun:
        return {"images": images, "cache": workspace.networks}
    begun = folder.record.backend
    return {"backend": begun and begun.name, "cache": workspace.networks}


def backend_values(network: Network, *packages: str) -> dict[str, Any]:
    """Return values for the record: what runs the network, and versions, those of `packages` among them."""
    backend = network.backend
    used = ["torch", "torchvision", "numpy", *packages]
    if backend.name == OPENVINO:
        used.append(OPENVINO)
    return {"backend": BackendRecord(name=backend.name, why=backend.why), "versions": versions(*used)}


def _joined(batches: Sequence[Embedded[_Samples]], seconds: float) -> ShardOutputs:
    """Return the outputs of all batches of a shard."""
    return _together(batches[0].payload.shard, [_outputs(batch) for batch in batches], seconds)


def _outputs(batch: Embedded[_Samples]) -> ShardOutputs:
    samples = batch.payload
    return ShardOutputs(
        shard=samples.shard,
        ids=samples.ids,
        features=batch.features,
        logits=batch.logits,
        problems=samples.problems,
        thumbnails=samples.thumbnails if samples.wants_thumbnails else None,
        seconds=0.0,
        digests=samples.digests,
    )


def _as_it_is(outputs: ShardOutputs) -> ShardOutputs:
    return outputs


def _together(shard: int, parts: Sequence[ShardOutputs], seconds: float) -> ShardOutputs:
    thumbnails = None
    if parts[0].thumbnails is not None:
        thumbnails = dict(chain.from_iterable(part.thumbnails.items() for part in parts if part.thumbnails))
    return ShardOutputs(
        shard=shard,
        ids=np.concatenate([part.ids for part in parts]),
        features=np.concatenate([part.features for part in parts]),
        logits=np.concatenate([part.logits for part in parts]),
        problems=dict(chain.from_iterable(part.problems.items() for part in parts)),
        thumbnails=thumbnails,
        seconds=seconds,
        digests=dict(chain.from_iterable(part.digests.items() for part in parts)),
    )


def score_columns(
    values: Mapping[str, np.ndarray], usable: np.ndarray, *, one_length: bool = False
) -> dict[str, pa.Array]:
    """Return prediction and scores of the `usable` rows as columns; null where one is not defined (a prediction of -1).

    `one_length`: all features have the same length, so that the order of their norms is that of rounding: it is null.
    """
    if one_length:
        values = {**values, "norm": np.full_like(values["norm"], np.nan)}
    known = usable.copy()
    known[usable] = values["predicted"] >= 0
    columns = {"predicted": spread(values["predicted"][values["predicted"] >= 0], known, pa.int32())}
    for key in SCORES:
        if key in values:
            columns[key] = spread(values[key], usable, _DOUBLE.get(key, pa.float32()))
    return columns
