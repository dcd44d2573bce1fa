"""Work over the shards of a folder, and the engine that does it in this process; `ray_engine` has that of a cluster."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa

# Torch takes seconds to import, and image quality does without.
if TYPE_CHECKING:
    from avhcurate.networks.models.engine import Network
    from avhcurate.networks.models.loading import LoadedModel

T = TypeVar("T")


@dataclass(frozen=True)
class ShardResult:
    """What work makes of a shard: its `rows`, and features (n, D) and thumbnails by id where there are any."""

    shard: int
    rows: pa.Table
    seconds: float
    features: np.ndarray | None = None
    thumbnails: dict[int, bytes] | None = None


@dataclass(frozen=True)
class Step:
    """Part of the work: how many samples more are done, and with the last of a shard its result.

    A result is a `ShardResult`, or the head of a fold that `heads.Fits` makes.
    """

    samples: int = 0
    result: Any = None


class ShardWork(Protocol):
    """Work that any process can do: it can be pickled, and gives the same for a shard whichever others it does."""

    @property
    def shards(self) -> range: ...

    def ids_of(self, shard: int) -> Sequence[int] | np.ndarray: ...

    def begin(self) -> Callable[[Iterable[Sequence[int]]], Iterator[Step]]:
        """Make ready in this process, and return what does runs of shards in turn, each of which is read at once.

        Their iterator may have ended for now, and have another run when it is asked again.
        """
        ...


class Engine:
    """Where work is done: in this process."""

    def device(self, name: str) -> str:
        """Return the device of that name there; "auto" takes a GPU where there is one."""
        from avhcurate.networks.models.runtime import find_device

        return str(find_device(name))

    def network(self, model: "LoadedModel", *, device: str, **options: Any) -> "Network":
        """Return the network that runs there, chosen with the arguments of `models.engine.Network`; `open` it first."""
        from avhcurate.networks.models.engine import Network

        return Network(model, device=device, **options)

    def call(self, function: Callable[[], T]) -> T:
        """Return what a function returns there."""
        return function()

    def steps(self, work: ShardWork, shards: Sequence[int]) -> Iterator[Step]:
        """Do shards, each once; a step without samples comes now and then while nothing is done."""
        return work.begin()([shards])


LOCAL = Engine()


def work_through(
    work: ShardWork,
    has: Callable[[int], bool],
    engine: Engine,
    *,
    commit: Callable[[Any], None],
    tell: Callable[[int], None],
) -> None:
    """Give `commit` the result of every shard that the folder, asked by `has`, does not have.

    `tell` hears how many samples are done, and may raise Cancelled.
    """
    missing = [shard for shard in work.shards if not has(shard)]
    done = sum(len(work.ids_of(shard)) for shard in set(work.shards).difference(missing))
    tell(done)
    if not missing:
        return
    with closing(engine.steps(work, missing)) as steps:  # type: ignore[type-var]  # a generator
        for step in steps:
            done += step.samples
            if step.result is not None:
                commit(step.result)
            tell(done)
