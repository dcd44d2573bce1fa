"""Work over shards on a Ray cluster: a pool of actors that each do a shard at a time.

An actor reads its images, runs the network and returns the result through Ray's object store; this process commits it
to the workspace. When an actor or its machine is lost, Ray starts it again, and its shards come back to be given out.
Actors stay until the engine ends: choosing a network, the pass, and fitting heads load the libraries once.
"""

import os
import secrets
import socket
import sys
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from avhcurate.errors import CurateError, Option
from avhcurate.networks.scoring.shards import LOCAL, Engine, ShardWork, Step
from avhcurate.workspace.disk.app_files import install_command

if TYPE_CHECKING:
    from avhcurate.networks.models.engine import Network
    from avhcurate.networks.models.loading import LoadedModel

T = TypeVar("T")

#: Ray's variable, read when it is imported: 0 makes a cluster of this machine listen to this machine only, because
#: whoever reaches Ray's ports can run code. If Ray was imported before, the cluster listens at the machine's address.
_CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
#: Ray's variables: the mode and the token without which a cluster does not answer.
_MODE = "RAY_AUTH_MODE"
_TOKEN = "RAY_AUTH_TOKEN"
#: Seconds within which a cluster's port must open and answer.
_OPEN_S = 10
#: How HTTP/2 begins, with an empty frame of settings, and the type of that frame, which the answer has too (RFC 9113).
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS = b"\4"
#: Seconds between two looks at what is done, and so the longest until a cancellation is noticed.
_LOOK_S = 0.5
#: How often a shard is begun again because its actor was lost: an image that ends its process must not do so for ever.
_RETRIES = 5
_LOST = "The cluster loses its processes again and again. The same command resumes the work."
#: Shards that an actor has in hand, so that it goes on while this process commits the last, and the most, while so many
#: wait that none will be without.
_AHEAD = 2
_MOST_AHEAD = 6
#: CPUs of an actor: as many batches at once as `models.engine` makes on a CPU.
_MOST_CPUS = 16
#: Bytes of shared memory of a cluster that is started for one run: the network and a few results.
_OBJECTS = 512 << 20


@contextmanager
def ray_engine(address: str | None = None, *, needs: str = "") -> Iterator[Engine]:
    """Yield an engine on the cluster at `address`: HOST:PORT, "auto", or "local".

    None is the address in RAY_ADDRESS, else "local": a cluster of this machine, which listens to this machine and ends
    with the block. Every machine must reach the workspace by the same name. The block runs while the cluster starts;
    `needs` is a module that actors import before they have work.
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    _set_variables(address)
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


def _set_variables(address: str) -> None:
    """Set what Ray reads when it is imported, and what it starts: a token for everybody."""
    if address == "local":
        os.environ.setdefault(_CLUSTERS, "0")
        # Else Ray would make one and leave it in the home folder, where it changes every cluster that is started later.
        os.environ.setdefault(_TOKEN, secrets.token_hex())
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    if os.environ.get(_TOKEN) or file.is_file():
        os.environ.setdefault(_MODE, "token")


def _start(address: str, needs: str) -> "_Pool":
    """Connect; start an actor where it has something to import, except where the work may go to a GPU."""
    import ray

    _connect(address)
    pool = _Pool(_resources(ray.nodes()), needs)
    if needs and not pool.resources.gpus:
        pool.start(1)
    return pool


def _connect(address: str) -> None:
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        options |= {"include_dashboard": False, "object_store_memory": _OBJECTS}
    try:
        place = urlsplit(address if "://" in address else f"//{address}")
        if place.hostname and place.port:
            _check_port(place.hostname, place.port)
        ray.init(address, **options)
    # Some of Ray's own are of no class of theirs, as that of a start that takes too long.
    except Exception as problem:
        if "Authentication" in f"{problem!r} {problem.__cause__!r}":
            raise CurateError(
                f"The Ray cluster at the address {address} wants another token than this process has. Set {_TOKEN} to "
                "what `ray get-auth-token` prints on the machine where the cluster was started."
            ) from problem
        words = " ".join(str(problem).split())[:200]
        raise CurateError(
            f"No Ray cluster answers at the address {address} ({words}). Set RAY_ADDRESS to HOST:PORT, auto or local."
        ) from problem


def _check_port(host: str, port: int) -> None:
    """Raise OSError where nothing answers as Ray does, by HTTP/2: Ray itself would try for minutes."""
    with socket.create_connection((host, port), _OPEN_S) as connection:
        if os.environ.get("RAY_USE_TLS", "0") == "0":
            connection.sendall(_HELLO)
            if connection.recv(4)[3:] != _SETTINGS:
                raise OSError("something else listens there")


@dataclass(frozen=True)
class _Resources:
    """CPUs and GPUs in a cluster's actors, how many actors there is room for, with and without a GPU, and machines."""

    cpus: int
    actors: int
    gpu_cpus: int
    gpus: int
    machines: int = 1

    def of_actor(self, device: str) -> dict[str, Any]:
        """Return what Ray keeps for one actor or task."""
        if device.startswith("cuda"):
            return {"num_cpus": self.gpu_cpus, "num_gpus": 1}
        return {"num_cpus": self.cpus, "num_gpus": 0}


def _resources(nodes: Sequence[dict[str, Any]]) -> _Resources:
    """Read the nodes as `ray.nodes()` lists them: on CPUs an actor takes the smallest machine whole.

    >>> def node(cpus, gpus=0):
    ...     return {"Alive": True, "Resources": {"CPU": cpus, "GPU": gpus}}
    >>> _resources([node(8), node(4)]), _resources([node(8), node(32, 4)]).of_actor("cuda")
    (_Resources(cpus=4, actors=3, gpu_cpus=1, gpus=0, machines=2), {'num_cpus': 8, 'num_gpus': 1})
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    pairs = [(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in alive]
    cpus = min([count for count, _ in pairs if count] or [1])
    cpus = min(cpus, _MOST_CPUS)
    gpu_cpus = min((count // gpus for count, gpus in pairs if gpus), default=1)
    actors = sum(count // cpus for count, _ in pairs)
    return _Resources(cpus, max(1, actors), max(1, gpu_cpus), sum(gpus for _, gpus in pairs), len(alive))


class RayEngine(Engine):
    """On a cluster, for whose start its calls wait; `here`: the cluster is of this machine."""

    def __init__(self, pool: "Future[_Pool]", *, here: bool = False) -> None:
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
        values = [step.result for step in self._pool.result().do(_FunctionCall(function), [0])]
        value: T = next(value for value in values if value is not None)
        return value

    def steps(self, work: ShardWork, shards: Sequence[int]) -> Iterator[Step]:
        return self._pool.result().do(work, shards)


class _Pool:
    """Actors of a cluster, all on CPUs or all on GPUs, and their shards; Ray starts lost ones again."""

    def __init__(self, resources: _Resources, needs: str = "") -> None:
        self.resources = resources
        self._needs = needs
        self._device = "cpu"
        self._starting: dict[Any, Any] = {}
        #: The actor of each shard under way, how many shards each that runs has in hand, and the name of its process.
        self._running: dict[Any, tuple[Any, int]] = {}
        self._in_hand: dict[Any, int] = {}
        self._process: dict[Any, str] = {}

    @property
    def most(self) -> int:
        """How many actors there is room for."""
        if self._device == "cuda":
            return self.resources.gpus
        return self.resources.actors

    def use(self, device: str) -> str:
        """Have actors on a device, on GPUs for "auto" where the cluster has some, and return its name."""
        gpus = self.resources.gpus
        if device == "auto":
            device = "cuda" if gpus else "cpu"
        if device not in ("cpu", "cuda") or (device == "cuda" and not gpus):
            raise CurateError(
                f"{Option('device')} {device}: this cluster has {gpus} GPUs. Choose from auto, cpu, cuda."
            )
        if device != self._device:
            self.end()
            self._device = device
        return device

    def do(self, work: "ShardWork | _FunctionCall", shards: Sequence[int]) -> Generator[Step, None, None]:
        """Yield the result of each shard."""
        import ray

        # In a list the work stays a reference, which each actor fetches for itself.
        shared = [ray.put(work)]
        waiting = deque(shards)
        lost = Counter[int]()
        self.start(min(self.most, len(shards)) - len(self._actors()))
        try:
            while waiting or self._running:
                self._hand_out(shared, waiting)
                done, _ = ray.wait([*self._starting, *self._running], timeout=_LOOK_S)
                for reference in done:
                    result = _result(reference)
                    if reference in self._starting:
                        actor = self._starting.pop(reference)
                        self._in_hand[actor] = 0
                        self._process[actor] = result
                        continue
                    actor, shard = self._running.pop(reference)
                    self._in_hand[actor] -= 1
                    if isinstance(result, Step):
                        yield result
                        continue
                    self._process[actor] = result
                    waiting.appendleft(shard)
                    lost[shard] += 1
                    if lost[shard] > _RETRIES:
                        raise CurateError(_LOST)
                if not waiting and _resources(ray.nodes()).machines < self.resources.machines:
                    # The actors of the lost machine wait for a place.
                    self._end(actor for actor, shards in self._in_hand.items() if not shards)
                yield Step()
        finally:
            # Where the work was cut short, nobody waits for what they do.
            self._end(actor for actor, _ in self._running.values())
            self._running.clear()

    def _hand_out(self, shared: list[Any], waiting: deque[int]) -> None:
        """Give shards to those that have the fewest."""
        most = max(_AHEAD, min(_MOST_AHEAD, len(waiting) // (2 * max(1, len(self._in_hand)))))
        while waiting and self._in_hand:
            actor = min(self._in_hand, key=self._in_hand.__getitem__)
            if self._in_hand[actor] == most:
                break
            self._in_hand[actor] += 1
            shard = waiting.popleft()
            self._running[actor.step.remote(self._process[actor], shared, shard)] = actor, shard

    def end(self) -> None:
        """End all actors, of which none is at work."""
        self._end(self._actors())
        self._starting.clear()

    def _end(self, actors: Iterable[Any]) -> None:
        import ray

        for actor in set(actors):
            self._in_hand.pop(actor, None)
            ray.kill(actor)

    def _actors(self) -> set[Any]:
        return {*self._in_hand, *self._starting.values()}

    def start(self, count: int) -> None:
        """Start so many actors more."""
        import ray

        options = self.resources.of_actor(self._device)
        # Without end: each connection that a lost machine refuses counts as a retry.
        options |= {"max_restarts": -1, "max_task_retries": -1, "max_concurrency": _MOST_AHEAD}
        for _ in range(count):
            actor: Any = ray.remote(_Actor).options(**options).remote()
            # It gets work once it runs: the cluster may have no room for it at first.
            self._starting[actor.ready.remote(self._needs)] = actor


def _result(reference: Any) -> Any:
    """Return what an actor returned; a mistake there is told as one here."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as problem:
        if isinstance(problem.cause, CurateError):
            raise CurateError(problem.cause.what, fix=problem.cause.fix) from problem
        raise
    except (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError) as problem:
        raise CurateError(_LOST) from problem


# --- on the cluster ----------------------------------------------------------------------------------------------


class _Shards:
    """Runs of one shard, as shards are asked for; what was taken is under way."""

    def __init__(self) -> None:
        self.asked = deque[int]()
        self.taken = deque[int]()

    def __iter__(self) -> Iterator[Sequence[int]]:
        return self

    def __next__(self) -> Sequence[int]:
        if not self.asked:
            raise StopIteration
        shard = self.asked.popleft()
        self.taken.append(shard)
        return [shard]


class _Actor:
    """Does shards of some work in turn, then of other work; what it has in hand is one stream."""

    def __init__(self) -> None:
        self._process = secrets.token_hex()
        self._alone = Lock()
        self._held: list[Any] = []
        self._shards = _Shards()
        self._results: dict[int, Step] = {}
        self._stream: Iterator[Exception | None] = iter(())

    def ready(self, needs: str) -> str:
        """Return the name of this process once the actor runs and has imported a module."""
        if needs:
            import_module(needs)
        return self._process

    def step(self, process: str, shared: list[Any], shard: int) -> Step | str:
        """Return what the work makes of a shard; other calls wait meanwhile, whose shards are begun.

        Where another process of this actor was asked, which was lost, return only the name of this one.
        """
        import ray

        if process != self._process:
            return self._process
        self._shards.asked.append(shard)
        with self._alone:
            if shared != self._held:
                # The network of the work before goes first.
                self._stream = iter(())
                self._stream = self._do(ray.get(shared[0]))
                self._held = shared
            _use_own_cpus()
            while shard not in self._results:
                if problem := next(self._stream):
                    raise problem
            return self._results.pop(shard)

    def _do(self, work: "ShardWork | _FunctionCall") -> Iterator[Exception | None]:
        """Yield after each result of what is asked for, without end; after an exception only this."""
        try:
            steps = work.begin()
            while True:
                for step in steps(self._shards):
                    if step.result is not None:
                        shard = self._shards.taken.popleft()
                        self._results[shard] = Step(len(work.ids_of(shard)), step.result)
                        yield None
        except Exception as problem:
            while True:
                yield problem


@dataclass(frozen=True)
class _FunctionCall:
    """One call of a function as work of one shard."""

    function: Callable[[], Any]

    def ids_of(self, shard: int) -> Sequence[int]:
        return ()

    def begin(self) -> Callable[[Iterable[Sequence[int]]], Iterator[Step]]:
        return lambda runs: (Step(result=self.function()) for _ in runs)


def _use_own_cpus() -> None:
    """Use as many threads as Ray keeps CPUs for this process."""
    import ray

    if "torch" not in sys.modules:  # image quality does without
        return
    import torch

    torch.set_num_threads(max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1))))
