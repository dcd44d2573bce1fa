"""What runs a network on a CPU: OpenVINO or, in a short pass and where that cannot, the module itself."""

import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from avhcurate.errors import CurateError
from avhcurate.networks.models.extras import package
from avhcurate.networks.models.runtime import close
from avhcurate.networks.models.weights import first_line, tensors_sha256
from avhcurate.workspace.disk.files import remove, temporary_name
from avhcurate.workspace.disk.provenance import settings_digest, versions

AS_IS = "torch"
OPENVINO = "openvino"

#: Why the module itself runs: in a short pass, and where the package is missing.
FEW_IMAGES = "few images"
MISSING = "the extra openvino is not installed, with which a pass takes half to four fifths of the processor time"

#: OpenVINO's name of a precision.
_PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16"}

#: The largest share of the features' length by which it may differ from the module in float32.
_ROUNDING = 1e-4

#: The largest error in reduced precision, as a share of the features' spread about their mean: so many times the
#: module's own in that precision, and a little more, but never above the last. OpenVINO had 0.9 to 1.5 times its error.
_TIMES = 1.5
_MORE = 0.005
_MOST_ERROR = 0.25
#: Images by which it is judged, of the first batch of a pass.
JUDGED = 16

#: Pixels of a pass below which a conversion costs more than it saves: 128 images of 224 x 224.
_FEW_PIXELS = 128 * 224 * 224

#: Images to compare with the module, and those of the trace: others, and another number.
_COMPARED = 3
_TRACED = 2
EXAMPLES = _COMPARED + _TRACED

#: Converted networks that a workspace keeps, the newest.
_KEPT = 4
_FILE = "network.xml"


#: uint8 images to float32 features.
Run = Callable[[Tensor], Tensor]


class AlreadyConverted(Exception):
    """What a module that OpenVINO runs as it is raises under a trace."""


@dataclass(frozen=True)
class Backend:
    """Runs a network: `run` takes uint8 images (n, S, S, C) and returns float32 features (n, D); None elsewhere.

    concurrent: several threads may call `run` at once. exact: it computes in float32, whatever was asked for. why: the
    reason for that, or for running the module itself.
    """

    name: str
    run: Run | None
    concurrent: bool = True
    exact: bool = False
    why: str = ""


def as_is(module: nn.Module, why: str = "") -> Backend:
    """Return the backend that runs the module itself."""
    return Backend(name=AS_IS, run=module, concurrent=False, why=why)


def find_backend(
    name: str | None,
    module: nn.Module,
    example: Tensor,
    dtype: torch.dtype,
    *,
    streams: int = 1,
    images: int | None = None,
    cache: Path | None = None,
    code: dict[str, str] | None = None,
    reference: Callable[[], tuple[nn.Module, Tensor]] | None = None,
) -> Backend:
    """Return the backend of that name or, without one, that for a pass over `images` images on a CPU; None for many.

    `module` is float32, `dtype` what to compute in. `example` are EXAMPLES images or more: what gives other features
    than the module is not taken. `cache` is a folder of converted networks, and `code` what tells those apart that only
    some images do. `reference` returns the module in reduced precision and images: where OpenVINO errs more there
    than the module, it computes in float32. A named backend is not judged again. Raises CurateError where it cannot
    run here.
    """
    if name == AS_IS:
        return as_is(module)
    if name is None and (why_not := _why_as_is(example, dtype, images)) is not None:
        return as_is(module, why_not)
    try:
        if name not in (None, OPENVINO) or example.device.type != "cpu":
            raise RuntimeError("it is not a backend of this device")
        converted = _checked(module, example, {torch.float32, dtype}, streams, cache, code)
        exact = converted[torch.float32]
        reduced = converted[dtype]
        why = ""
        if name is None and reference is not None and reduced is not exact:
            why = _refused(exact, reduced, *reference())
        if why:
            return Backend(name=OPENVINO, run=exact, exact=True, why=why)
        return Backend(name=OPENVINO, run=reduced)
    except AlreadyConverted:
        return as_is(module)
    # Tracing runs foreign code under rules that it does not know, and OpenVINO has errors of its own.
    except Exception as error:
        if name is None:
            return as_is(module, f"it cannot be converted: {first_line(error)}")
        raise CurateError(
            f"The run began with {name}, which cannot run the network here ({first_line(error)}). Resume it on the "
            "device and with the packages that it began with, or remove its folder to begin again."
        ) from error


def _why_as_is(example: Tensor, dtype: torch.dtype, images: int | None) -> str | None:
    """Return why a pass over so many images runs the module itself, "" where there is no choice; None if not."""
    if example.device.type != "cpu":
        return ""
    if images is not None and images * example[0, :, :, 0].numel() < _FEW_PIXELS:
        return FEW_IMAGES
    if dtype not in _PRECISIONS:
        return ""
    if find_spec("openvino") is None:
        return MISSING
    if dtype is torch.bfloat16 and not _has_bfloat16():
        return ""
    return None


def openvino(name: str = f"backend {OPENVINO}") -> Any:
    """Return the package, which `name` needs. What it would report with cannot be imported: see `avhcurate`."""
    return package("openvino", name, "openvino")


def _has_bfloat16() -> bool:
    """Whether the processor has instructions for it."""
    return "BF16" in openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _refused(exact: Run, reduced: Run, module: nn.Module, images: Tensor) -> str:
    """Return why the features of a reduced precision are not taken, beside those of the module in it; or nothing."""
    with torch.inference_mode():
        features = exact(images)
        spread = torch.linalg.vector_norm(features - features.mean(dim=0))
        errors = [float(torch.linalg.vector_norm(run(images) - features) / spread) for run in (reduced, module)]
    error, own = errors
    if error <= min(_TIMES * own + _MORE, _MOST_ERROR):
        return ""
    return (
        f"in reduced precision OpenVINO's features are {100 * error:.1f} % of their spread off, the network's own "
        f"{100 * own:.1f} %"
    )


def compiled(network: Any, dtype: torch.dtype, *, streams: int = 1, threads: int = 0) -> Callable[[Any], list[Any]]:
    """Return what runs an OpenVINO network, or one in a file: an array of images to the arrays of its outputs.

    So many batches run at once as there are streams, which share the threads: 0 for as many as there are cores.
    """
    settings = {
        "INFERENCE_PRECISION_HINT": _PRECISIONS[dtype],
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": streams,
        # Threads that decode share the cores.
        "ENABLE_CPU_PINNING": False,
    }
    # It leaves a signal stack with the thread that compiles, also when the network has taken its memory away: a signal
    # would end the process there.
    with ThreadPoolExecutor(1) as thread:
        ready = thread.submit(openvino().compile_model, network, "CPU", settings).result()
    requests = threading.local()

    def run(images: Any) -> list[Any]:
        if not hasattr(requests, "request"):
            requests.request = ready.create_infer_request()
        return list(requests.request.infer({0: images}, share_inputs=True).values())

    return run


def _checked(
    module: nn.Module,
    example: Tensor,
    precisions: set[torch.dtype],
    streams: int,
    cache: Path | None,
    code: dict[str, str] | None,
) -> dict[torch.dtype, Run]:
    """Return the module in OpenVINO at each precision, as the folder has it or converted.

    In float32 it must give the same features.
    """

    def read(folder: Path, images: Tensor, expected: Tensor) -> dict[torch.dtype, Run]:
        runs = {dtype: _features(folder / _FILE, dtype, streams) for dtype in precisions}
        if not close(runs[torch.float32](images), expected, _ROUNDING):
            raise RuntimeError("its features are not those of the network")
        return runs

    traced, output = _traced(module, example[-_TRACED:])
    name = _name(traced, code)
    # It may be damaged.
    if cache is not None and (cache / name).is_dir():
        with suppress(Exception):
            return read(cache / name, example[-_TRACED:], output)
    with torch.no_grad(), _NoValues():
        expected = module(example[:_COMPARED])
    with TemporaryDirectory() as scratch:
        folder = (cache or Path(scratch)) / name
        written = temporary_name(folder)
        try:
            openvino().save_model(openvino().convert_model(traced), written / _FILE, compress_to_fp16=False)
            # Read back even here: what was not written yet may differ from it in the last bit.
            runs = read(written, example[:_COMPARED], expected)
            _keep(written, folder)
        finally:
            remove(written)
    return runs


def _features(file: Path, dtype: torch.dtype, streams: int) -> Run:
    run = compiled(file, dtype, streams=streams, threads=torch.get_num_threads())
    return lambda images: torch.from_numpy(run(images.numpy())[0])


def _traced(module: nn.Module, images: Tensor) -> tuple[Any, Tensor]:
    """Return what the module does to images, and its features of them."""
    outputs = []

    # A function, whose weights are constants: a module's layers become scripts, which takes thrice as long.
    def run(images: Tensor) -> Tensor:
        outputs.append(module(images))
        return outputs[-1]

    with warnings.catch_warnings(action="ignore"), torch.no_grad():  # torch's own, of what tracing keeps and of age
        return torch.jit.trace(run, (images,), check_trace=False), outputs[0]


def _name(traced: Any, code: dict[str, str] | None) -> str:
    """Return the name of a converted network: of a trace, which says what it computes, and of the code."""
    constants = [node for node in traced.graph.findAllNodes("prim::Constant") if "value" in node.attributeNames()]
    tensors = {str(at): node.t("value") for at, node in enumerate(constants) if node.kindOf("value") == "t"}
    used = [traced.graph.str(False), tensors_sha256(tensors), code, versions("torch", "openvino")]
    return settings_digest(used)[:16]


def _keep(written: Path, folder: Path) -> None:
    """Give a written network its name, and remove the oldest others."""
    remove(folder)
    # Unless another process has just written the same.
    with suppress(OSError):
        written.rename(folder)
    others = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)
    for old in others[:-_KEPT]:
        remove(old)


class _NoValues(TorchDispatchMode):
    """Refuses what asks for the value of a tensor: a trace would decide for all images as for those it saw.

    It sees such calls under no_grad, not in inference mode.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # To skip its compiler torch would import it, which takes two seconds. A torch without this method just does so.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("it decides by the values of images")
        return func(*args, **(kwargs or {}))
