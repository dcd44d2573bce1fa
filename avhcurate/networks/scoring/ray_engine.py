"""Work over shards on a Ray cluster: a pool of actors that each do a part of a shard at a time.

A part has whole batches of a pass in one process: the rows are the same to the bit. An actor reads its images, runs
the network and returns the result through Ray's object store; this process puts the parts of a shard together and
commits it to the workspace. When an actor or its machine is lost, its parts go to another one.
"""

import os
import secrets
import sys
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from avhcurate.errors import CurateError
from avhcurate.networks.scoring.shards import OpenNetwork, ShardResult, ShardWork, Step
from avhcurate.workspace.disk.app_files import install_command

if TYPE_CHECKING:
    from avhcurate.networks.models.backends import Backend
    from avhcurate.networks.models.engine import Network
    from avhcurate.networks.models.loading import LoadedModel

T = TypeVar("T")

#: Ray's variable, read when it is imported: 0 makes a cluster of this machine listen to this machine only, because
#: whoever reaches Ray's ports can run code. If Ray was imported before, the cluster listens at the machine's address.
_CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
#: Ray's variables: the mode and the token without which a cluster does not answer, and the seconds to wait for it.
_MODE, _TOKEN, _WAIT = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_gcs_server_port_wait_time_s"
#: Seconds within which a cluster must answer.
_ANSWER_S = 10
#: What the head of a cluster and its port for clients are asked: either knows one of them.
_QUESTIONS = ("/ray.rpc.NodeInfoGcsService/CheckAlive", "/ray.rpc.RayletDriver/ClusterInfo")
#: Seconds between two looks at what is done, and so the longest until a cancellation is noticed.
_LOOK_S = 0.5
#: Parts that an actor has to do in all, at least: the last to end keeps the others waiting for one of them.
_PARTS = 4
#: How often a part is begun again because its actor was lost: an image that ends its process must not do so for ever.
_RETRIES = 5
#: Parts that an actor has at a time: the next one waits for it while this process commits the last.
_AHEAD = 2
#: CPUs of an actor: as many batches at once as `models.engine` makes on a CPU.
_MOST_CPUS = 16
#: Bytes of shared memory of a cluster that is started for one run: the network and a few results.
_OBJECTS = 512 << 20


@contextmanager
def ray_engine(address: str | None = None) -> Iterator["RayEngine"]:
    """Yield an engine on the cluster at `address`: HOST:PORT, ray://HOST:PORT, "auto", or "local".

    None is the address in RAY_ADDRESS, else "local": a cluster of this machine, which listens to this machine and ends
    with the block. A session that is connected already is used. Every machine must reach the workspace by the same
    name.
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    _set_variables(address)
    try:
        import ray
    except ImportError:
        raise CurateError(f"--engine ray needs the package ray. Install it with `{install_command('ray')}`.") from None
    connected = ray.is_initialized()
    if not connected:
        _connect(address)
    try:
        yield RayEngine(_resources(ray.nodes()))
    finally:
        if not connected:
            ray.shutdown()


def _set_variables(address: str) -> None:
    """Set what Ray reads when it is imported, and what it starts: a token for everybody, a limit to waiting."""
    if address == "local":
        os.environ.setdefault(_CLUSTERS, "0")
        # Else Ray would make one and leave it in the home folder, where it changes every cluster that is started later.
        os.environ.setdefault(_TOKEN, secrets.token_hex())
    else:
        os.environ.setdefault(_WAIT, str(_ANSWER_S))
    if _token():
        os.environ.setdefault(_MODE, "token")


def _token() -> str:
    """Return the token that Ray would send, "" where there is none."""
    if given := os.environ.get(_TOKEN):
        return given
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    if not file.is_file():
        return ""
    return file.read_text(encoding="utf-8").strip()


def _connect(address: str) -> None:
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        options |= {"include_dashboard": False, "object_store_memory": _OBJECTS}
    try:
        if address not in ("local", "auto"):
            _ask(address)
        ray.init(address, **options)
    except (OSError, ValueError, RuntimeError, ImportError, ray.exceptions.RayError) as problem:
        if "Authentication" in f"{problem!r} {problem.__cause__!r}":
            raise CurateError(
                f"The Ray cluster at the address {address} wants another token than this process has. Set {_TOKEN} to "
                "what `ray get-auth-token` prints on the machine where the cluster was started."
            ) from problem
        words = " ".join(str(problem).split())[:200]
        raise CurateError(
            f"No Ray cluster answers at the address {address} ({words}). Set RAY_ADDRESS to HOST:PORT, "
            "ray://HOST:10001, auto or local."
        ) from problem


def _ask(address: str) -> None:
    """Raise OSError or ValueError unless a cluster that takes the token is there: Ray would try for minutes."""
    import grpc

    place = urlsplit(address if "://" in address else f"ray://{address}")
    if not place.hostname or not place.port:
        raise ValueError("it does not name a host and a port")
    token = [("authorization", f"Bearer {_token()}")]
    with grpc.insecure_channel(place.netloc) as channel:
        for question in _QUESTIONS:
            try:
                channel.unary_unary(question)(b"", metadata=token, timeout=_ANSWER_S)
            except grpc.RpcError as answer:
                if answer.code() == grpc.StatusCode.UNAUTHENTICATED:
                    raise PermissionError("Authentication failed") from None
                if answer.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise ConnectionError(answer.details()) from None


@dataclass(frozen=True)
class _Resources:
    """CPUs and GPUs in a cluster's actors, and how many actors there is room for, with and without a GPU."""

    cpus: int
    actors: int
    gpu_cpus: int
    gpus: int

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
    (_Resources(cpus=4, actors=3, gpu_cpus=1, gpus=0), {'num_cpus': 8, 'num_gpus': 1})
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    pairs = [(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in alive]
    cpus = min([count for count, _ in pairs if count] or [1])
    cpus = min(cpus, _MOST_CPUS)
    gpu_cpus = min((count // gpus for count, gpus in pairs if gpus), default=1)
    actors = sum(count // cpus for count, _ in pairs)
    return _Resources(cpus, max(1, actors), max(1, gpu_cpus), sum(gpus for _, gpus in pairs))


@dataclass(frozen=True)
class _RemoteNetwork:
    """A network that each actor opens for itself."""

    model: "LoadedModel"
    device: str
    device_name: str
    precision: str
    batch_size: int
    backend: "Backend"
    cache: Path | None

    def open(self) -> "Network":
        from avhcurate.networks.models.engine import Network

        options: dict[str, Any] = {"precision": self.precision, "batch_size": self.batch_size, "cache": self.cache}
        return Network(self.model, device=self.device, backend=self.backend.name, **options)


class RayEngine:
    """On the cluster that is connected."""

    def __init__(self, resources: _Resources) -> None:
        self._resources = resources
        self._device = "cpu"

    def network(self, model: "LoadedModel", *, device: str, **options: Any) -> OpenNetwork:
        """On GPUs where the cluster has some, unless another device is asked for; one worker chooses for all."""
        gpus = self._resources.gpus
        if device == "auto":
            device = "cuda" if gpus else "cpu"
        if device not in ("cpu", "cuda") or (device == "cuda" and not gpus):
            raise CurateError(f"--device {device}: this cluster has {gpus} GPUs. Choose from auto, cpu, cuda.")
        self._device = device
        return self.call(partial(_chosen, model, device, options))

    def call(self, function: Callable[[], T]) -> T:
        """Return what a function returns there."""
        import ray

        task: Any = ray.remote(_called)
        with _as_it_was_raised():
            value: T = ray.get(task.options(**self._resources.of_actor(self._device)).remote(function))
        return value

    def steps(self, work: ShardWork, shards: Sequence[int]) -> Iterator[Step]:
        """Do the shards; a step without samples comes now and then."""
        count = self._resources.actors
        if self._device == "cuda":
            count = self._resources.gpus
        samples = sum(len(work.ids_of(shard)) for shard in shards)
        small, number = work.cut(-(-samples // (_PARTS * count)))
        parts = [part for part in small.shards if part // number in set(shards)]
        pool = _Pool(small, self._resources.of_actor(self._device), min(count, len(parts)))
        try:
            steps = pool.do(parts)
            yield from _in_shards(work, steps, parts, number) if number > 1 else steps
        finally:
            pool.end()


def _in_shards(work: ShardWork, steps: Iterator[Step], parts: Sequence[int], number: int) -> Iterator[Step]:
    """Yield the steps of parts; the result of a shard, which has `number` parts, comes with the last of them."""
    expected, made = Counter(part // number for part in parts), defaultdict[int, list[Any]](list)
    for step in steps:
        if step.result is None:
            yield step
            continue
        shard, whole = step.result.shard // number, None
        made[shard].append(step.result)
        if len(made[shard]) == expected[shard]:
            whole = work.join(shard, sorted(made.pop(shard), key=lambda part: part.shard))
        yield replace(step, result=whole)


class _Pool:
    """Actors, and the parts that they have."""

    def __init__(self, work: ShardWork, resources: dict[str, Any], count: int) -> None:
        import ray

        self._work = work
        # In a list the work stays a reference, which each actor fetches for itself.
        self._held = [ray.put(work)]
        self._kind: Any = ray.remote(_ShardActor).options(**resources)
        self._starting: dict[Any, Any] = {}
        self._running: dict[Any, tuple[Any, int]] = {}
        self._free: deque[Any] = deque()
        for _ in range(count):
            self._start()

    def do(self, parts: Sequence[int]) -> Iterator[Step]:
        """Yield the result of each part."""
        import ray

        left, lost = deque(parts), Counter[int]()
        while left or self._running:
            while left and self._free:
                actor, part = self._free.popleft(), left.popleft()
                self._running[actor.result.remote(part)] = actor, part
            done, _ = ray.wait([*self._starting, *self._running], timeout=_LOOK_S)
            for reference in done:
                if reference in self._starting:
                    self._free.extend([self._starting.pop(reference)] * _AHEAD)
                    continue
                actor, part = self._running.pop(reference)
                try:
                    with _as_it_was_raised():
                        result: ShardResult = ray.get(reference)
                except (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError) as problem:
                    left.append(part)
                    lost[part] += 1
                    self._replace(actor)
                    if lost[part] > _RETRIES:
                        raise CurateError(
                            "The cluster loses its processes again and again. The same command resumes the work."
                        ) from problem
                    yield Step(news="a worker was lost, its images begin again")
                    continue
                self._free.append(actor)
                yield Step(len(self._work.ids_of(part)), result)
            yield Step()

    def end(self) -> None:
        """End all actors."""
        import ray

        for actor in {*self._free, *self._starting.values(), *(actor for actor, _ in self._running.values())}:
            ray.kill(actor)

    def _start(self) -> None:
        actor = self._kind.remote(self._held)
        # It gets work once it runs: the cluster may have no room for it at first.
        self._starting[actor.ready.remote()] = actor

    def _replace(self, actor: Any) -> None:
        """Start another actor in place of one that was lost, once."""
        others = [one for one, _ in self._running.values()]
        self._free = deque(free for free in self._free if free != actor)
        if actor not in others:
            self._start()


@contextmanager
def _as_it_was_raised() -> Iterator[None]:
    """Raise a user's mistake that another process has found as one here."""
    import ray

    try:
        yield
    except ray.exceptions.RayTaskError as problem:
        if isinstance(problem.cause, CurateError):
            raise CurateError(str(problem.cause)) from problem
        raise


# --- on the cluster ----------------------------------------------------------------------------------------------


class _ShardActor:
    """Does parts one by one, with the network that it opens for the first."""

    def __init__(self, work: list[Any]) -> None:
        import ray

        self._work: ShardWork = ray.get(work[0])
        self._steps: Callable[[Sequence[int]], Iterator[Step]] | None = None
        _use_own_cpus()

    def ready(self) -> bool:
        """Answer once the actor runs."""
        return True

    def result(self, part: int) -> ShardResult:
        """Return what the work makes of a part."""
        self._steps = self._steps or self._work.begin()
        results = [step.result for step in self._steps([part]) if step.result is not None]
        return results[0]


def _called(function: Callable[[], T]) -> T:
    _use_own_cpus()
    return function()


def _chosen(model: "LoadedModel", device: str, options: dict[str, Any]) -> _RemoteNetwork:
    """Open the network here, and return what others need to open the same."""
    from avhcurate.networks.models.engine import Network

    network = Network(model, device=device, **options)
    return _RemoteNetwork(
        model=model,
        device=device,
        device_name=network.device_name,
        precision=network.precision,
        batch_size=network.batch_size,
        backend=network.backend.elsewhere(),
        cache=options.get("cache"),
    )


def _use_own_cpus() -> None:
    """Use as many threads as Ray keeps CPUs for this process."""
    import ray

    if "torch" not in sys.modules:  # image quality does without
        return
    import torch

    torch.set_num_threads(max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1))))
