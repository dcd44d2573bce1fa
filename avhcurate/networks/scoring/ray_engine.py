"""Work over shards on a Ray cluster: a pool of actors that each do a shard at a time.

An actor reads its images, runs the network and returns the result through Ray's object store; this process commits it
to the workspace. When an actor or its machine is lost, Ray starts it again, and its shards come back to be given out.
Actors stay until the engine ends: choosing a network, the pass, and fitting heads load the libraries once.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from avhcurate.errors import CurateError, Option
from avhcurate.networks.scoring.ray_cluster import connect, resources_of, set_variables
from avhcurate.networks.scoring.ray_pool import ActorPool, FunctionCall
from avhcurate.networks.scoring.shards import LOCAL, Engine, ShardWork, Step
from avhcurate.workspace.disk.app_files import install_command

if TYPE_CHECKING:
    from avhcurate.networks.models.engine import Network
    from avhcurate.networks.models.loading import LoadedModel

T = TypeVar("T")


@contextmanager
def ray_engine(address: str | None = None, *, needs: str = "") -> Iterator[Engine]:
    """Yield an engine on the cluster at `address`: HOST:PORT, "auto", or "local".

    None is the address in RAY_ADDRESS, else "local": a cluster of this machine, which listens to this machine and ends
    with the block. Every machine must reach the workspace by the same name. The block runs while the cluster starts;
    `needs` is a module that actors import before they have work.
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    set_variables(address)
    try:
        import ray
    except ImportError:
        raise CurateError(
            f"{Option('engine', 'ray')} needs the package ray. Install it with `{install_command('ray')}`."
        ) from None
    # Ray's processes end with the thread that starts them.
    with ThreadPoolExecutor(1) as thread:
        pool = thread.submit(_start, address, needs)
        try:
            yield RayEngine(pool, here=address == "local")
            pool.result()
        finally:
            thread.submit(ray.shutdown).result()


def _start(address: str, needs: str) -> "ActorPool":
    """Connect; start an actor where it has something to import, except where the work may go to a GPU."""
    import ray

    connect(address)
    pool = ActorPool(resources_of(ray.nodes()), needs)
    if needs and not pool.resources.gpus:
        pool.start(1)
    return pool


class RayEngine(Engine):
    """On a cluster, for whose start its calls wait; `here`: the cluster is of this machine."""

    def __init__(self, pool: "Future[ActorPool]", *, here: bool = False) -> None:
        self._pool = pool
        self._here = here

    def device(self, name: str) -> str:
        if self._here and super().device(name) == "cpu":
            return "cpu"
        return self._pool.result().use(name)

    def network(self, model: "LoadedModel", *, device: str, **options: Any) -> "Network":
        """Choose for this machine's CPUs without waiting; else one worker chooses for all."""
        device = self.device(device)
        if self._here and device == "cpu":
            # A copy is closed: the memory of the network is free for the actors.
            return copy(super().network(model, device=device, **options))
        return self.call(partial(LOCAL.network, model, device=device, **options))

    def call(self, function: Callable[[], T]) -> T:
        values = [step.result for step in self._pool.result().do(FunctionCall(function), [0])]
        value: T = next(value for value in values if value is not None)
        return value

    def steps(self, work: ShardWork, shards: Sequence[int]) -> Iterator[Step]:
        return self._pool.result().do(work, shards)
