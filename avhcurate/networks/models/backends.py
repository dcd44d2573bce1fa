"""What runs a network: the module itself or, in a long pass on a CPU, a graph of it."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from avhcurate.errors import CurateError
from avhcurate.networks.models.extras import package
from avhcurate.networks.models.graphs import export, packed_graph
from avhcurate.networks.models.runtime import close, one_thread
from avhcurate.networks.models.weights import first_line

AS_IS, PACKED, ONNXRUNTIME = "torch", "torch packed", "onnxruntime"

#: Why a short pass runs the module itself.
FEW_IMAGES = "few images"

#: Largest share of the features' length by which a graph may differ from the module.
_TOLERANCES = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}

#: Pixels of a pass below which making a graph costs more than it saves: 500 images of 224 x 224.
_FEW_PIXELS = 500 * 224 * 224


@dataclass(frozen=True)
class Backend:
    """Runs a network: `run` takes uint8 images (n, S, S, C) and returns float32 features (n, D).

    concurrent: several threads may call `run` at once. why: the reason for running the module itself.
    """

    name: str
    run: Callable[[Tensor], Tensor]
    concurrent: bool = True
    why: str = ""

    def elsewhere(self) -> "Backend":
        """Return what another process may know of it: everything except how to run it."""
        return replace(self, run=_not_here)


def as_is(module: nn.Module, why: str = "") -> Backend:
    """Return the backend that runs the module itself."""
    return Backend(name=AS_IS, run=module, concurrent=False, why=why)


def find_backend(
    name: str | None,
    module: nn.Module,
    example: Tensor,
    dtype: torch.dtype,
    *,
    threads: int,
    images: int | None = None,
) -> Backend:
    """Return the backend of that name or, without one, that for a pass over `images` images on a CPU; None for many.

    `example` is a batch. Long passes take a graph: by onnxruntime in float32 where it is installed, else with packed
    convolutions. A graph that cannot be made, gives other features, or is slower than the module is not taken. Raises
    CurateError where the named backend cannot run the network here.
    """
    wanted = name or PACKED
    if name is None and images is not None and images * example[0, :, :, 0].numel() < _FEW_PIXELS:
        return as_is(module, FEW_IMAGES)
    if name == AS_IS:
        return as_is(module)
    if name is None and dtype is torch.float32 and find_spec("onnxruntime") and find_spec("onnxscript"):
        wanted = ONNXRUNTIME
    try:
        graph = _graph(wanted, export(module, example[:2]), module, example, dtype, threads=threads)
    # Exporting runs foreign code under rules that it does not know, and onnxruntime has errors of its own.
    except Exception as error:
        if name is None:
            return as_is(module, f"it cannot be exported: {first_line(error)}")
        raise CurateError(
            f"The run began with {name}, which cannot run the network here ({first_line(error)}). Resume it on the "
            "device and with the packages that it began with, or remove its folder to begin again."
        ) from error
    if name is None and _seconds(graph.run, example) > _seconds(module, example):
        return as_is(module, f"{wanted} is not faster")
    return graph


def _graph(
    name: str, program: ExportedProgram, module: nn.Module, example: Tensor, dtype: torch.dtype, *, threads: int
) -> Backend:
    """Return the backend; raises where it gives other features than the module."""
    run: Callable[[Tensor], Tensor]
    if name == PACKED:
        run = packed_graph(program, len(example))
    elif name == ONNXRUNTIME:
        run = _onnxruntime_session(program, threads)
    else:
        raise RuntimeError("it is not a backend of a CPU")
    # Two numbers of images: an export may have taken one of them for a constant.
    with torch.inference_mode():
        for images in (example[:1], example[:3]):
            if not close(run(images), module(images), _TOLERANCES[dtype]):
                raise RuntimeError("its features are not those of the network")
    return Backend(name=name, run=run)


def _seconds(run: Callable[[Tensor], Tensor], example: Tensor) -> float:
    """Return the seconds of processor time of a few images, the shortest of three runs."""
    taken: list[float] = []
    with one_thread(), torch.inference_mode():
        for _ in range(3):
            started = time.process_time()
            run(example[:4])
            taken.append(time.process_time() - started)
    return min(taken)


def _onnxruntime_session(program: ExportedProgram, threads: int) -> Callable[[Tensor], Tensor]:
    """Return the program in onnxruntime, with `threads` threads inside an operator."""
    runtime = package("onnxruntime", f"backend {ONNXRUNTIME}", "onnx")
    package("onnxscript", f"backend {ONNXRUNTIME}", "onnx")
    with warnings.catch_warnings(action="ignore"), torch.no_grad():  # the exporter's own
        exported = torch.onnx.export(program, dynamo=True, verbose=False)
    assert exported is not None
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    content = exported.model_proto.SerializeToString()
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {name: images.numpy()})[0])

    return run


def _not_here(images: Tensor) -> Tensor:
    raise RuntimeError("this backend runs in another process")
