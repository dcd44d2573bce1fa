"""What runs a network on an NVIDIA GPU: full batches by a CUDA graph, and products of exact float32 unless told."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from avhcurate.models.cpu_backends import AS_IS, Backend, cannot_go_on
from avhcurate.models.runtime import close
from avhcurate.models.weights import first_line

CUDA_GRAPH = "cuda graph"

#: Largest share of the features' length by which a replayed batch may miss the network as it is: the same kernels run.
_TOLERANCE = 1e-3

#: Batches before a recording, in which libraries choose their kernels and take their memory.
_WARM_UP = 3

#: Runs a function once and returns what runs it again on the same memory.
Record = Callable[[Callable[[], None]], Callable[[], None]]


@contextmanager
def products_of(precision: str) -> Iterator[None]:
    """Convolutions and matrix products round their factors to TF32 only at that precision; settings stay as they were.

    torch rounds in convolutions unless told otherwise.
    """
    settings: tuple[Any, ...] = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "tf32" if precision == "tf32" else "ieee"
        yield
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.fp32_precision = value


def products_on(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """`products_of` on an NVIDIA GPU; nothing elsewhere, where it means nothing and threads would change it at once."""
    return products_of(precision) if device.type == "cuda" else nullcontext()


def gpu_backend(module: nn.Module, example: Tensor, name: str | None = None, record: Record | None = None) -> Backend:
    """Replays batches as large as `example`, on the GPU, from a CUDA graph; others run as they are.

    A network that cannot be recorded, or gives other features then, runs as it is. `name` is what a run began with:
    raises CurateError where it cannot go on with it here. `record` stands for `record_cuda`.
    """
    if name not in (None, AS_IS, CUDA_GRAPH):
        raise cannot_go_on(name, "it is of a CPU")
    if name == AS_IS:
        return Backend(AS_IS, module, concurrent=False)
    try:
        backend = Backend(CUDA_GRAPH, ReplayedBatches(module, example, record or record_cuda), concurrent=False)
        other = example.flip(0)
        with torch.inference_mode():
            if not close(backend.run(other), module(other), _TOLERANCE):
                raise RuntimeError("its features are not those of the network")
        return backend
    except torch.OutOfMemoryError:
        raise
    # Recording runs a stranger's code under rules that it does not know.
    except Exception as error:
        if name is not None:
            raise cannot_go_on(name, first_line(error)) from error
        return Backend(AS_IS, module, concurrent=False, why=f"it cannot be recorded: {first_line(error)}")


class ReplayedBatches:
    """A module whose run over full batches was recorded: a replay launches all kernels at once, without Python."""

    def __init__(self, module: nn.Module, example: Tensor, record: Record) -> None:
        self._module, self._images = module, example.clone()
        self._features = torch.empty(0)
        with torch.inference_mode():
            self._replay = record(self._run)

    def _run(self) -> None:
        self._features = self._module(self._images)

    def __call__(self, images: Tensor) -> Tensor:
        if images.shape != self._images.shape:
            return self._module(images)
        self._images.copy_(images, non_blocking=True)
        self._replay()
        # The next replay writes to the same memory.
        return self._features.clone()


def record_cuda(function: Callable[[], None]) -> Callable[[], None]:
    """Records what a function launches on the GPU."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM_UP):
            function()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    return graph.replay
