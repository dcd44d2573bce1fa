"""What runs a network: the module itself or, in a long pass on a CPU in float32, onnxruntime."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.export import Dim

from avhcurate.errors import CurateError
from avhcurate.networks.models.extras import package
from avhcurate.networks.models.runtime import close
from avhcurate.networks.models.weights import first_line

AS_IS, ONNXRUNTIME = "torch", "onnxruntime"

#: Why a short pass runs the module itself.
FEW_IMAGES = "few images"

#: Largest share of the features' length by which onnxruntime may differ from the module.
_TOLERANCE = 1e-4

#: Pixels of a pass below which an export costs more than it saves: 500 images of 224 x 224.
_FEW_PIXELS = 500 * 224 * 224

#: Most images in a batch of an exported network.
_MOST_IMAGES = 4096


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

    `example` is a batch. One that cannot be made or gives other features is not taken. Raises CurateError where the
    named backend cannot run the network here.
    """
    if name is None:
        if images is not None and images * example[0, :, :, 0].numel() < _FEW_PIXELS:
            return as_is(module, FEW_IMAGES)
        # In float32 onnxruntime was the fastest of all that were measured; it has no convolutions in bfloat16.
        if dtype is not torch.float32 or not (find_spec("onnxruntime") and find_spec("onnxscript")):
            return as_is(module)
    if name == AS_IS:
        return as_is(module)
    try:
        if name not in (None, ONNXRUNTIME):
            raise RuntimeError("it is not a backend of a CPU")
        run = _onnxruntime_session(module, example[:2], threads)
        # Two numbers of images: an export may have taken one of them for a constant.
        with torch.inference_mode():
            for batch in (example[:1], example[:3]):
                if not close(run(batch), module(batch), _TOLERANCE):
                    raise RuntimeError("its features are not those of the network")
    # Exporting runs foreign code under rules that it does not know, and onnxruntime has errors of its own.
    except Exception as error:
        if name is None:
            return as_is(module, f"it cannot be exported: {first_line(error)}")
        raise CurateError(
            f"The run began with {name}, which cannot run the network here ({first_line(error)}). Resume it on the "
            "device and with the packages that it began with, or remove its folder to begin again."
        ) from error
    return Backend(name=ONNXRUNTIME, run=run)


def _onnxruntime_session(module: nn.Module, images: Tensor, threads: int) -> Callable[[Tensor], Tensor]:
    """Return the module in onnxruntime, for batches like `images` of any number, with `threads` threads an operator."""
    runtime = package("onnxruntime", f"backend {ONNXRUNTIME}", "onnx")
    package("onnxscript", f"backend {ONNXRUNTIME}", "onnx")
    any_number = ({0: Dim("images", min=1, max=_MOST_IMAGES)},)
    with warnings.catch_warnings(action="ignore"), torch.no_grad():  # the exporter's own
        program = torch.export.export(module, (images,), dynamic_shapes=any_number)
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
