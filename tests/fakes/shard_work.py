"""Work over shards whose process dies in the midst of it, once."""

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from avhcurate.errors import CurateError
from avhcurate.networks.scoring.shards import Engine, ShardResult, ShardWork, Step
from tests.fakes.killing import die


@dataclass(frozen=True)
class DyingWork:
    """Other work; the first so many processes to have a result die with it. `marker` is a file of a byte for each."""

    work: ShardWork
    marker: Path
    times: int = 1

    @property
    def shards(self) -> range:
        return self.work.shards

    def ids_of(self, shard: int) -> Any:
        return self.work.ids_of(shard)

    def begin(self) -> Callable[[Iterable[Sequence[int]]], Iterator[Step]]:
        steps = self.work.begin()

        def dying(runs: Iterable[Sequence[int]]) -> Iterator[Step]:
            for step in steps(runs):
                if step.result is not None:
                    self._die()
                yield step

        return dying

    def _die(self) -> None:
        with open(self.marker, "ab", buffering=0) as marker:
            fcntl.flock(marker, fcntl.LOCK_EX)
            if marker.seek(0, os.SEEK_END) < self.times:
                marker.write(b".")
                die()


@dataclass(frozen=True)
class KillingEngine:
    """An engine of which a worker is lost in mid-run, so many times."""

    engine: Engine
    marker: Path
    times: int = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def steps(self, work: ShardWork, shards: Sequence[int]) -> Iterator[Step]:
        return self.engine.steps(DyingWork(work, self.marker, self.times), shards)


@dataclass(frozen=True)
class SlowWork:
    """Shards of ten samples that take `seconds` each, or fail with a `problem` that a user can correct."""

    count: int
    seconds: float
    problem: str = ""

    @property
    def shards(self) -> range:
        return range(self.count)

    def ids_of(self, shard: int) -> range:
        return range(10 * shard, 10 * shard + 10)

    def begin(self) -> Callable[[Iterable[Sequence[int]]], Iterator[Step]]:
        return self._steps

    def _steps(self, runs: Iterable[Sequence[int]]) -> Iterator[Step]:
        for shard in chain.from_iterable(runs):
            time.sleep(self.seconds)
            if self.problem:
                raise CurateError(self.problem)
            yield Step(10, ShardResult(shard, pa.table({"id": self.ids_of(shard)}), self.seconds))
