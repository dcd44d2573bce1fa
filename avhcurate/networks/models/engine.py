"""Runs a network over a stream of batches: decode and forward pass side by side, results in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avhcurate.errors import CurateError, Option
from avhcurate.networks.models.backends import AS_IS, EXAMPLES, Backend, find_backend
from avhcurate.networks.models.card import Card, Launched, pinned
from avhcurate.networks.models.head import FeatureTap
from avhcurate.networks.models.loading import LoadedModel
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.runtime import (
    PRECISIONS,
    device_name,
    enough_memory,
    find_device,
    fold_batch_norm,
    keep_freed_memory,
    precision_name,
    products_on,
)

Item = TypeVar("Item")
Payload = TypeVar("Payload")
Result = TypeVar("Result")

#: What `embed` was given with a batch, and its features (n, D) and logits (n, K), float32 at any precision.
Embedded = tuple[Payload, np.ndarray, np.ndarray]

#: Most batches at once: each holds its own activations, or before a GPU pinned memory.
_MOST_WORKERS = 16

#: Batches under way or waiting, a thread: enough to keep all busy while the calling thread writes a shard. Before a
#: GPU, whose batches are large, so many more than threads, and so many on it.
_AHEAD = 4
_SPARE = 2
_ON_CARD = 2

#: Pixels that a batch holds by default: 16 images of 224 x 224 on a CPU, where more no longer pays.
_BATCH_PIXELS = 16 * 224 * 224
#: The fewest and the most images of it; the most on a GPU are those of a shard.
_BATCH_LIMITS = (4, 256)
_MOST_ON_CARD = 1024


class Network:
    """A classifier on a device at a precision: uint8 images in, features and logits out.

    On a CPU `find_backend` chooses what runs a pass over `images` images, of which `first_images` returns some, and may
    choose float32; a pass that is resumed names the `backend` that it began with. `cache` is a folder of converted
    networks. The head is applied in float32 to the features, at any precision of the layers before.

    A copy for another process is closed: it says what it is, and `open` makes the same network run there.
    """

    def __init__(
        self,
        model: LoadedModel,
        *,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        backend: str | None = None,
        images: int | None = None,
        first_images: Callable[[], np.ndarray] | None = None,
        cache: Path | None = None,
    ) -> None:
        keep_freed_memory()
        self.device = find_device(device)
        self.device_name = device_name(self.device)
        self.precision = precision_name(precision, self.device.type)
        if self.precision == "tf32" and self.device.type != "cuda":
            raise CurateError(
                f"{Option('precision', 'tf32')} is for NVIDIA GPUs. Take float32 or bfloat16 on other devices."
            )
        self.batch_size = batch_size or default_batch_size(model.preprocess.crop, self.device)
        self._model = model
        self._cache = cache
        with enough_memory(self.device, f"the network and {self.batch_size} images at once"):
            self.backend = self._choose_backend(backend, images, first_images)
            if self.backend.name == AS_IS:
                self.backend = replace(self.backend, run=self._module())
            if self.backend.exact:
                self.precision = "float32"
            self._card: Card | None = None
            if self.device.type == "cuda":
                self._card = Card(self.device)
            self._class_weights = torch.from_numpy(model.class_weights).to(self.device)
            self._bias = torch.from_numpy(model.bias).to(self.device)

    def _module(self) -> nn.Module:
        """Return the module of the model, at the precision and on the device."""
        module = _Features(_own_copy(self._model), self._model.preprocess).eval()
        module.reduce(PRECISIONS[self.precision])
        return module.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _choose_backend(
        self, name: str | None, images: int | None, first_images: Callable[[], np.ndarray] | None
    ) -> Backend:
        """Return the backend; one that runs the module runs that of the model, which must stay as it is."""
        model = self._model
        tap = FeatureTap(model.module, model.head)
        module = _Features(tap, model.preprocess).eval()
        generator = torch.Generator().manual_seed(0)
        example = torch.randint(0, 256, (EXAMPLES, *module.shape), dtype=torch.uint8, generator=generator)

        def reference() -> tuple[nn.Module, Tensor]:
            batch = example
            # One image has no spread.
            if first_images is not None and len(squares := first_images()) > 1:
                batch = torch.from_numpy(squares)
            return self._module(), batch

        try:
            return find_backend(
                name,
                module,
                example.to(self.device),
                PRECISIONS[self.precision],
                streams=torch.get_num_threads() // _threads_per_worker(),
                images=images,
                cache=self._cache,
                code=model.code,
                reference=reference,
            )
        finally:
            tap.hook.remove()

    def __getstate__(self) -> dict[str, Any]:
        """Return what a closed network keeps: no tensors, which lie on the device of this process."""
        closed = {name: value for name, value in vars(self).items() if not isinstance(value, Tensor)}
        return closed | {"backend": replace(self.backend, run=None), "_card": None}

    def open(self) -> "Network":
        """Return the network, running in this process."""
        if self.backend.run is not None:
            return self
        return Network(
            self._model,
            device=str(self.device),
            precision=self.precision,
            batch_size=self.batch_size,
            backend=self.backend.name,
            cache=self._cache,
        )

    def launch(self, images: np.ndarray) -> Launched:
        """Return features (n, D) and logits (n, K) of uint8 images (n, S, S, C), float32; a GPU may still be at work.

        More images than a batch holds run in several batches.
        """
        starts = range(0, max(1, len(images)), self.batch_size)
        outputs = [self._launch(torch.from_numpy(images[at : at + self.batch_size])) for at in starts]
        return Launched(outputs, images, self._card and self._card.launched())

    def _launch(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        memory = enough_memory(self.device, f"{len(batch)} images at once")
        with memory, torch.inference_mode(), products_on(self.device, self.precision):
            if self._card is None:
                return self._outputs(batch.to(self.device))
            return self._card.fetched(self._outputs(self._card.sent(batch)))

    def _outputs(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        assert self.backend.run is not None
        features = self.backend.run(batch)
        return features, F.linear(features, self._class_weights, self._bias)

    def empty_batch(self, count: int, shape: tuple[int, int, int]) -> np.ndarray:
        """Return black images (count, S, S, C) uint8, in memory from which a GPU fetches them while it is at work."""
        if self._card is not None:
            return pinned((count, *shape), torch.uint8).zero_().numpy()
        return np.zeros((count, *shape), np.uint8)

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return features (n, D) and logits (n, K) of uint8 images (n, S, S, C), float32."""
        return self.launch(images).landed()


class _Features(nn.Module):
    """uint8 images (N, S, S, C) to float32 features (N, D): normalisation, the network, the input of its head."""

    scale: Tensor
    shift: Tensor

    def __init__(self, tap: FeatureTap, preprocess: Preprocess) -> None:
        super().__init__()
        self.tap = tap
        self.dtype = torch.float32
        mean = torch.tensor(preprocess.mean)
        std = torch.tensor(preprocess.std)
        self.shape = (preprocess.crop, preprocess.crop, preprocess.channels)
        self.register_buffer("scale", (1 / (255 * std)).repeat(preprocess.crop))
        self.register_buffer("shift", (-mean / std).repeat(preprocess.crop))

    def reduce(self, dtype: torch.dtype) -> None:
        """Have the network compute in `dtype`."""
        self.tap.to(dtype)
        self.dtype = dtype

    def forward(self, images: Tensor) -> Tensor:
        # Whole rows at once: an inner loop over three channels takes eight times as long. Rounded once, at the end.
        pixels = torch.addcmul(self.shift, images.flatten(2).float(), self.scale).to(self.dtype)
        # NHWC memory seen as NCHW is channels last already.
        nchw = pixels.unflatten(2, self.shape[1:]).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        features, _ = self.tap(nchw)
        return features.float()


def _own_copy(model: LoadedModel) -> FeatureTap:
    """Return the network with its features, apart from `model`, whose weights must stay float32 and on the CPU."""
    name = next(name for name, layer in model.module.named_modules() if layer is model.head)
    module = fold_batch_norm(model.module, model.preprocess.random_images())
    head = module.get_submodule(name)
    assert isinstance(head, nn.Linear)
    return FeatureTap(module, head)


def default_batch_size(side: int, device: torch.device) -> int:
    """Return how many images of `side` pixels a batch has, on a GPU by its memory.

    >>> default_batch_size(224, torch.device("cpu")), default_batch_size(32, torch.device("cpu"))
    (16, 256)
    """
    pixels = _BATCH_PIXELS
    fewest, most = _BATCH_LIMITS
    if device.type == "mps":
        pixels *= 4
    elif device.type == "cuda":
        # All of it, not what is free: the same again has the same batches.
        pixels *= max(1, min(16, torch.cuda.get_device_properties(device).total_memory >> 30))
        most = _MOST_ON_CARD
    return max(fewest, min(most, pixels // side**2))


def embed(
    network: Network, items: Iterable[Item | None], prepare: Callable[[Item], tuple[np.ndarray, Payload]]
) -> Generator[Embedded[Payload], None, None]:
    """Run the network over batches, in order. `prepare` makes the images (n, S, S, C) uint8 of one, in a thread.

    On a CPU each core takes a batch of its own through everything, decode and forward pass: none waits for
    another, and none is idle while there are batches. A GPU, or a module that runs itself, is fed from the
    calling thread while the others decode ahead. A few batches a core are under way at once, so memory is bounded.
    `items` is iterated in the calling thread; None is as of `in_order`. Closing the iterator ends the threads.
    """
    cores = torch.get_num_threads()
    intra_op = _threads_per_worker()
    if network.backend.concurrent:

        def run(item: Item) -> Embedded[Payload]:
            images, payload = prepare(item)
            return payload, *network(images)

        with closing(in_order(run, items, workers=cores // intra_op, intra_op=intra_op)) as results:
            yield from results
        return
    # The threads of MKL are counted for the whole process: where this thread multiplies on the CPU, all keep them.
    workers = cores
    intra_op = cores
    ahead = None
    if network.device.type != "cpu":
        workers = min(cores, _MOST_WORKERS)
        intra_op = 1
        ahead = workers + _SPARE
    on_card = deque[tuple[Payload, Launched]]()
    with closing(in_order(prepare, items, workers=workers, intra_op=intra_op, ahead=ahead)) as prepared:
        for images, payload in prepared:
            # A batch is fetched once others are on their way, so that the device does not wait for what is done here.
            on_card.append((payload, network.launch(images)))
            if len(on_card) > _ON_CARD:
                yield _landed(*on_card.popleft())
    while on_card:
        yield _landed(*on_card.popleft())


def _threads_per_worker() -> int:
    """Return the threads inside an operator where each batch has a worker of its own."""
    return -(-torch.get_num_threads() // _MOST_WORKERS)


def _landed(payload: Payload, launched: Launched) -> Embedded[Payload]:
    return payload, *launched.landed()


def in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item | None],
    *,
    workers: int,
    intra_op: int,
    ahead: int | None = None,
) -> Generator[Result, None, None]:
    """Yield `function` of every item, in order, by threads that use `intra_op` threads each inside an operator.

    So many items are `ahead` at most, four a thread by default. None says that there is no other for now: it ends what
    has no result left, and else `items` is asked again after the next.
    """
    before = torch.get_num_threads()
    remaining = iter(items)
    pending: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers, "avhcurate", initializer=torch.set_num_threads, initargs=(intra_op,))
    try:
        while True:
            room = (ahead or _AHEAD * workers) - len(pending)
            ready = islice(iter(partial(next, remaining, None), None), room)
            pending.extend(pool.submit(function, item) for item in ready)
            if not pending:
                return
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)
