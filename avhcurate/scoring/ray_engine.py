"""Work over shards on a Ray cluster: a Ray Data pipeline of shards through a pool of actors, and their staged results.

A shard is the unit of work, since its batches are those of a pass in one process: the same rows come to the bit. An
actor reads its images, runs the network and stages the result, whole or absent; the driver commits it to the workspace.
Where an actor or its machine is lost, Ray gives its shards to another, which finds what was staged.
"""

import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa

from avhcurate.disk.app_files import install_command
from avhcurate.disk.folders import STAGING, ShardedFolder
from avhcurate.disk.provenance import settings_digest
from avhcurate.disk.remote import RemoteError
from avhcurate.disk.staging import Staging
from avhcurate.errors import CurateError
from avhcurate.scoring.shards import OpenNetwork, ShardResult, ShardWork, Step

if TYPE_CHECKING:
    from avhcurate.models.cpu_backends import Backend
    from avhcurate.models.engine import Network
    from avhcurate.models.loading import LoadedModel

T = TypeVar("T")

#: Where a cluster of this machine alone listens.
_LOOPBACK = "127.0.0.1"
#: Seconds within which a cluster must answer.
_ANSWER_S = 10.0
#: Seconds between two looks at what is done, and so the longest until a cancellation is noticed.
_LOOK_S = 0.5
#: How often a shard is begun again because its actor was lost: an image that ends its process must not do so for ever.
_RETRIES = 5
#: How often the pipeline is started again because its own process was lost, without a shard done in between.
_RESTARTS = 3
#: Blocks of a Ray Data set: of more shards some share a block, and so a task.
_MOST_BLOCKS = 10_000
#: CPUs of an actor: as many batches at once as `models.engine` makes on a CPU.
_MOST_CPUS = 16
#: Bytes of shared memory for objects of a cluster that is started for one run: the network and the numbers of shards.
_OBJECTS = 256 << 20


@contextmanager
def ray_engine(address: str | None = None, *, staging: str | None = None) -> Iterator["RayEngine"]:
    """An engine on the cluster at `address`: HOST:PORT, ray://HOST:PORT, "auto", or "local" for one of this machine.

    None is the address in RAY_ADDRESS, else "local": a cluster of this machine, reached by it alone, which ends with
    the block. A session that is connected already is used as it is. `staging` is a folder or an address such as
    s3://BUCKET/PREFIX where workers put their results [AVHCURATE_STAGING, else in the workspace]. Every machine must
    reach it and the workspace by the same name.
    """
    # Read when Ray is imported, and by what it starts.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError:
        raise CurateError(f"--engine ray needs the package ray: {install_command('ray')}") from None
    connected = ray.is_initialized()
    if not connected:
        _connect(address or os.environ.get("RAY_ADDRESS") or "local")
    try:
        yield RayEngine(_resources(ray.nodes()), staging or os.environ.get("AVHCURATE_STAGING"))
    finally:
        if not connected:
            ray.shutdown()


def _connect(address: str) -> None:
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address == "local":
            with loopback_only():
                ray.init(address, **quiet, include_dashboard=False, object_store_memory=_OBJECTS)
            _refuse_other_machines()
            return
        if address != "auto":
            _refuse_silence(address)
        ray.init(address, **quiet)
    except (OSError, ValueError, RuntimeError, ImportError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise CurateError(
            f"--address {address}: no Ray cluster answers ({words}): give HOST:PORT, ray://HOST:10001, auto or local"
        ) from problem


@contextmanager
def loopback_only() -> Iterator[None]:
    """A cluster that is started within listens to this machine alone: whoever reaches Ray's ports can run code.

    Ray has no option for that on Linux. It knows the mode, which it takes where it does not support clusters.
    """
    from ray._private import ray_constants

    before, variable = ray_constants.ENABLE_RAY_CLUSTER, ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    outside = os.environ.get(variable)
    ray_constants.ENABLE_RAY_CLUSTER, os.environ[variable] = False, "0"
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        os.environ.pop(variable)
        if outside is not None:
            os.environ[variable] = outside


def _refuse_other_machines() -> None:
    import ray

    if (address := ray.nodes()[0]["NodeManagerAddress"]) != _LOOPBACK:
        ray.shutdown()
        raise RuntimeError(f"Ray listens at {address}, not to this machine alone: start a cluster by `ray start`")


def _refuse_silence(address: str) -> None:
    """Raises OSError or ValueError where nobody listens: Ray would try for ever."""
    place = urlsplit(address if "://" in address else f"ray://{address}")
    if not place.hostname or not place.port:
        raise ValueError("it names no host and port")
    socket.create_connection((place.hostname, place.port), timeout=_ANSWER_S).close()


@dataclass(frozen=True)
class _Resources:
    """CPUs and GPUs in a cluster's actors, and how many actors there is room for, with and without a GPU."""

    cpus: int
    actors: int
    gpu_cpus: int
    gpus: int

    def of_actor(self, device: str) -> dict[str, Any]:
        """What Ray keeps for one actor or task."""
        on_gpu = device.startswith("cuda")
        return {"num_cpus": self.gpu_cpus if on_gpu else self.cpus, "num_gpus": int(on_gpu)}

    def pool(self, device: str) -> int:
        return self.gpus if device.startswith("cuda") else self.actors


def _resources(nodes: Sequence[dict[str, Any]]) -> _Resources:
    """From the nodes as `ray.nodes()` lists them: on CPUs an actor takes the smallest machine whole.

    >>> def node(cpus, gpus=0):
    ...     return {"Alive": True, "Resources": {"CPU": cpus, "GPU": gpus}}
    >>> _resources([node(8), node(4)]), _resources([node(8), node(32, 4)]).of_actor("cuda")
    (_Resources(cpus=4, actors=3, gpu_cpus=1, gpus=0), {'num_cpus': 8, 'num_gpus': 1})
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    cores = [count for node in alive if (count := int(node.get("CPU", 0)))]
    on_gpus = [(int(node.get("CPU", 0)), gpus) for node in alive if (gpus := int(node.get("GPU", 0)))]
    cpus = min([*cores, _MOST_CPUS]) if cores else 1
    gpu_cpus = min((count // gpus for count, gpus in on_gpus), default=1)
    actors = sum(count // cpus for count in cores)
    return _Resources(cpus, max(1, actors), max(1, gpu_cpus), sum(gpus for _, gpus in on_gpus))


@dataclass(frozen=True)
class _RemoteNetwork:
    """A network that each actor opens for itself."""

    model: "LoadedModel"
    device: str
    device_name: str
    precision: str
    batch_size: int
    backend: "Backend"

    def open(self) -> "Network":
        from avhcurate.models.engine import Network

        return Network(
            self.model,
            device=self.device,
            precision=self.precision,
            batch_size=self.batch_size,
            backend=self.backend.name,
        )


class RayEngine:
    """On the cluster that is connected."""

    def __init__(self, resources: _Resources, staging: str | None = None) -> None:
        self._resources, self._staging = resources, staging
        self._device = "cpu"

    def network(self, model: "LoadedModel", *, device: str, **options: Any) -> OpenNetwork:
        """On GPUs where the cluster has some, unless another device is asked for; one worker chooses for all."""
        gpus = self._resources.gpus
        kind = ("cuda" if gpus else "cpu") if device == "auto" else device
        if kind not in ("cpu", "cuda") or (kind == "cuda" and not gpus):
            raise CurateError(f"--device {device}: this cluster has {gpus} GPUs; choose from auto, cpu, cuda")
        self._device = kind
        return self.call(partial(_chosen, model, kind, options))

    def call(self, function: Callable[[], T]) -> T:
        import ray

        task: Any = ray.remote(_called)
        task = task.options(**self._resources.of_actor(self._device))
        with _as_it_was_raised():
            value: T = ray.get(task.remote(function))
        return value

    def steps(self, work: ShardWork, shards: Sequence[int], folder: ShardedFolder[Any]) -> Iterator[Step]:
        staging = Staging(self._place(folder))
        staging.write(_WANTED, b"")
        left, lost = set(shards), 0
        while left:
            before = len(left)
            with _pipeline(work, sorted(left), staging, self._resources, self._device) as look:
                for shard in look:
                    if shard is None:
                        yield Step()
                    elif shard in left:
                        yield Step(len(work.ids_of(shard)), _result(staging.read(_file(shard))))
                        staging.remove(_file(shard))
                        left.remove(shard)
            lost = 0 if len(left) < before else lost + 1
            if lost > _RESTARTS:
                raise CurateError("the cluster loses its processes again and again: the same command resumes")
        staging.clear()

    def _place(self, folder: ShardedFolder[Any]) -> str:
        """Where the results of this folder's work wait; another record has another place."""
        if self._staging is None:
            return str(folder.root.absolute() / STAGING)
        record = folder.record
        digest = settings_digest([record.dataset_fingerprint, str(record.started)])[:12]
        return f"{self._staging}/{folder.name}-{digest}"


def _called(function: Callable[[], T]) -> T:
    _use_own_cpus()
    return function()


def _chosen(model: "LoadedModel", device: str, options: dict[str, Any]) -> _RemoteNetwork:
    """The network as it is opened here, for others to open the same."""
    from avhcurate.models.engine import Network

    network = Network(model, device=device, **options)
    name, backend = network.device_name, network.backend.elsewhere()
    return _RemoteNetwork(model, device, name, network.precision, network.batch_size, backend)


# --- on the driver -----------------------------------------------------------------------------------------------


@contextmanager
def _pipeline(
    work: ShardWork, shards: list[int], staging: Staging, resources: _Resources, device: str
) -> Iterator[Iterator[int | None]]:
    """The shards as they are staged, and None while none is; ends early where the process of the pipeline is lost.

    It is a process of the cluster, since Ray Data does not work through `ray://`, and can be ended at any moment.
    """
    import ray

    actor: Any = ray.remote(_Pipeline)
    pipeline = actor.options(num_cpus=0, max_concurrency=2).remote()
    # In a list the work stays a reference: the pipeline itself needs none of it.
    held = [ray.put(work)]
    running = pipeline.run.remote(held, shards, staging, resources.of_actor(device), resources.pool(device))

    def look() -> Iterator[int | None]:
        over = False
        while not over:
            over = bool(ray.wait([running], timeout=_LOOK_S)[0])
            try:
                staged = ray.get(pipeline.take.remote())
            except ray.exceptions.RayActorError:
                return
            yield from staged
            yield None
        with _as_it_was_raised(), suppress(ray.exceptions.RayActorError):
            ray.get(running)

    try:
        yield look()
    finally:
        with suppress(Exception):  # it may be gone, and the connection with it
            ray.kill(pipeline)


@contextmanager
def _as_it_was_raised() -> Iterator[None]:
    """A mistake of the user's that another process has found is raised as one here."""
    import ray

    try:
        yield
    except ray.exceptions.RayTaskError as problem:
        if isinstance(problem.cause, CurateError):
            raise CurateError(str(problem.cause)) from problem
        raise


def _result(content: bytes) -> ShardResult:
    """What `_staged` wrote."""
    table = pa.ipc.open_file(content).read_all()
    about = table.schema.metadata
    features = thumbnails = None
    if _FEATURES in table.column_names:
        column = table[_FEATURES].combine_chunks()
        # A copy of its own, which a commit may write to.
        features = column.flatten().to_numpy().reshape(len(table), -1).copy()
    if _THUMBNAILS in table.column_names:
        pairs = zip(table["id"].to_pylist(), table[_THUMBNAILS].to_pylist(), strict=True)
        thumbnails = {id: data for id, data in pairs if data is not None}
    rows = table.drop_columns([name for name in (_FEATURES, _THUMBNAILS) if name in table.column_names])
    rows = rows.replace_schema_metadata(None)
    return ShardResult(int(about[b"shard"]), rows, float(about[b"seconds"]), features, thumbnails)


_FEATURES, _THUMBNAILS = "_features", "_thumbnails"
#: Lies beside the results for as long as they are waited for. An actor that Ray has given up can outlive the work:
#: what it staged then, nobody would take away.
_WANTED = "wanted"


def _staged(result: ShardResult) -> bytes:
    """A result as an Arrow file: its rows, and columns for features and thumbnails."""
    table = result.rows
    if result.features is not None:
        flat = pa.array(result.features.ravel(), pa.float32())
        table = table.append_column(_FEATURES, pa.FixedSizeListArray.from_arrays(flat, result.features.shape[1]))
    if result.thumbnails is not None:
        data = [result.thumbnails.get(id) for id in table["id"].to_pylist()]
        table = table.append_column(_THUMBNAILS, pa.array(data, pa.binary()))
    table = table.replace_schema_metadata({"shard": str(result.shard), "seconds": repr(result.seconds)})
    stream = pa.BufferOutputStream()
    with pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue().to_pybytes()


def _file(shard: int) -> str:
    return f"shard-{shard:05d}.arrow"


# --- on the cluster ----------------------------------------------------------------------------------------------


class _Pipeline:
    """The Ray Data pipeline, in a process of its own."""

    def __init__(self) -> None:
        self._staged: SimpleQueue[int] = SimpleQueue()

    def run(self, work: list[Any], shards: list[int], staging: Staging, resources: dict[str, Any], actors: int) -> None:
        """Puts every shard through the pool of actors; a mistake of the user's is raised as it is."""
        import ray.data

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        items = ray.data.from_items(shards, override_num_blocks=min(len(shards), _MOST_BLOCKS))
        done = items.map_batches(
            _ShardActor,
            fn_constructor_args=(work, staging),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors, initial_size=actors),
            max_restarts=-1,
            max_task_retries=_RETRIES,
            **resources,
        )
        for batch in done.iter_batches(batch_size=None, prefetch_batches=0):
            for shard, problem in zip(batch["item"].tolist(), batch["problem"].tolist(), strict=True):
                if problem:
                    raise CurateError(problem)
                self._staged.put(shard)

    def take(self) -> list[int]:
        """The shards that were staged since it was asked last."""
        return [self._staged.get() for _ in range(self._staged.qsize())]


class _ShardActor:
    """Does shards one by one, with the network that it opened for the first."""

    def __init__(self, work: list[Any], staging: Staging) -> None:
        import ray

        self._work: ShardWork = ray.get(work[0])
        _use_own_cpus()
        self._staging = staging
        self._steps: Callable[[Sequence[int]], Iterator[Step]] | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        problems = [self._problem(shard) for shard in batch["item"].tolist()]
        return {"item": batch["item"], "problem": problems}

    def _problem(self, shard: int) -> str:
        """Stages a shard, unless it is there; why not, where the user can do something about it."""
        try:
            if not self._staging.has(_file(shard)):
                self._steps = self._steps or self._work.begin()
                for step in self._steps([shard]):
                    if step.result is not None and self._staging.has(_WANTED):
                        self._staging.write(_file(shard), _staged(step.result))
        except CurateError as problem:
            return str(problem)
        except RemoteError as problem:
            return f"--staging {self._staging.place} cannot be written to: {problem}"
        return ""


def _use_own_cpus() -> None:
    """As many threads as Ray keeps CPUs for this process."""
    import ray

    if "torch" not in sys.modules:  # image quality does without
        return
    import torch

    torch.set_num_threads(max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1))))
