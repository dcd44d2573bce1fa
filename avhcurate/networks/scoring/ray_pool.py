"""A pool of actors on a Ray cluster, what an actor does, and how lost work comes back."""

import secrets
import sys
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from threading import Lock
from typing import Any

from avhcurate.errors import CurateError, Option
from avhcurate.networks.scoring.ray_cluster import Resources, resources_of
from avhcurate.networks.scoring.shards import ShardWork, Step

#: Seconds between two looks at what is done, and so the longest until a cancellation is noticed.
_LOOK_S = 0.5
#: How often a shard is begun again because its actor was lost: an image that ends its process must not do so for ever.
_RETRIES = 5
_LOST = "The cluster loses its processes again and again. The same command resumes the work."
#: Shards that an actor has in hand, so that it goes on while this process commits the last, and the most, while so many
#: wait that none will be without.
_AHEAD = 2
_MOST_AHEAD = 6


class ActorPool:
    """Actors of a cluster, all on CPUs or all on GPUs, and their shards; Ray starts lost ones again."""

    def __init__(self, resources: Resources, needs: str = "") -> None:
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

    def do(self, work: "ShardWork | FunctionCall", shards: Sequence[int]) -> Generator[Step, None, None]:
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
                if not waiting and resources_of(ray.nodes()).machines < self.resources.machines:
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

    def _do(self, work: "ShardWork | FunctionCall") -> Iterator[Exception | None]:
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
class FunctionCall:
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
