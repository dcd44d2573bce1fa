"""Work over shards whose process dies in the midst of it, once."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from avhcurate.errors import CurateError
from avhcurate.networks.scoring.shards import Engine, ShardResult, ShardWork, Step
from tests.fakes.killing import die


@dataclass(frozen=True)
class DyingWork:
    """Other work; the first process to have a result dies with it. `marker` is a file that says that one has."""

    work: ShardWork
    marker: Path

    @property
    def shards(self) -> range:
        return self.work.shards

    def ids_of(self, shard: int) -> Any:
        return self.work.ids_of(shard)

    def cut(self, samples: int) -> tuple["DyingWork", int]:
        small, parts = self.work.cut(samples)
        return replace(self, work=small), parts

    def join(self, shard: int, parts: Sequence[Any]) -> ShardResult:
        return self.work.join(shard, parts)

    def begin(self) -> Callable[[Sequence[int]], Iterator[Step]]:
        steps = self.work.begin()

        def dying(shards: Sequence[int]) -> Iterator[Step]:
            for step in steps(shards):
                if step.result is not None and _is_first(self.marker):
                    die()
                yield step

        return dying


@dataclass(frozen=True)
class KillingEngine:
    """An engine of which one worker is lost in mid-run."""

    engine: Engine
    marker: Path

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def steps(self, work: ShardWork, shards: Sequence[int]) -> Iterator[Step]:
        return self.engine.steps(DyingWork(work, self.marker), shards)


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

    def cut(self, samples: int) -> tuple["SlowWork", int]:
        return self, 1

    def begin(self) -> Callable[[Sequence[int]], Iterator[Step]]:
        return self._steps

    def _steps(self, shards: Sequence[int]) -> Iterator[Step]:
        for shard in shards:
            time.sleep(self.seconds)
            if self.problem:
                raise CurateError(self.problem)
            yield Step(10, ShardResult(shard, pa.table({"id": self.ids_of(shard)}), self.seconds))


def _is_first(marker: Path) -> bool:
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
