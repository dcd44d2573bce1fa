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
    """Part of the work: how many samples more are done, with the last of a shard its result, and news for the user.

    A result is a `ShardResult`, or the head of a fold that `heads.Fits` makes.
    """

    samples: int = 0
    result: Any = None
    news: str = ""


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

    def cut(self, samples: int) -> tuple["ShardWork", int]:
        """Return the same work in parts of shards, and how many make a whole shard: see `parts_of_shard`."""
        ...

    def join(self, shard: int, parts: Sequence[Any]) -> Any:
        """Return the result of a shard from those of its parts, in their order."""
        ...


def parts_of_shard(size: int, *, batch: int, samples: int) -> int:
    """Return in how many equal parts to cut shards of a size: the fewest of which none has more than `samples`.

    A part has whole batches, so that the rows stay the same to the bit; the most parts where none has so few samples.

    >>> [parts_of_shard(1024, batch=32, samples=samples) for samples in (2000, 300, 1)]
    [1, 4, 32]
    """
    possible = [parts for parts in range(1, size // batch + 1) if size % (parts * batch) == 0] or [1]
    return next((parts for parts in possible if size // parts <= samples), possible[-1])


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
    tell: Callable[[int, str], None],
) -> None:
    """Give `commit` the result of every shard that the folder, asked by `has`, does not have.

    `tell` hears how many samples are done, with the last news, and may raise Cancelled.
    """
    missing = [shard for shard in work.shards if not has(shard)]
    done = sum(len(work.ids_of(shard)) for shard in set(work.shards).difference(missing))
    news = ""
    tell(done, news)
    if not missing:
        return
    with closing(engine.steps(work, missing)) as steps:  # type: ignore[type-var]  # a generator
        for step in steps:
            done += step.samples
            if step.result is not None:
                commit(step.result)
            news = step.news or news
            tell(done, news)
