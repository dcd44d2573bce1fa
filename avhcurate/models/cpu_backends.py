"""What runs a network on a CPU: the network as it is, a packed graph or onnxruntime, chosen by a short trial."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from avhcurate.errors import CurateError
from avhcurate.models.extras import package
from avhcurate.models.graphs import export, packed_graph
from avhcurate.models.runtime import close, one_thread
from avhcurate.models.weights import first_line

AS_IS, PACKED, ONNXRUNTIME = "torch", "torch packed", "onnxruntime"

#: Why a short pass runs the network as it is.
FEW_IMAGES = "few images"

#: Largest share of the features' length by which a backend may miss the network as it is.
_TOLERANCES = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}

#: Seconds of the rest of a pass below which making a backend costs more than it saves.
_WORTH_PACKING, _WORTH_A_TRIAL = 8.0, 40.0

#: Seconds of a core after which a backend is timed no further.
_LONGEST_TIMING = 2.0


@dataclass(frozen=True)
class Backend:
    """Runs a network: `run` takes uint8 images (n, S, S, C) and returns float32 features (n, D).

    concurrent: several threads may run it at once. tried: milliseconds of one core an image, by backend. why: in words,
    where the network runs as it is.
    """

    name: str
    run: Callable[[Tensor], Tensor]
    concurrent: bool = True
    tried: dict[str, float] = field(default_factory=dict)
    why: str = ""

    def elsewhere(self) -> "Backend":
        """What another process may know of it: all but how to run it."""
        return replace(self, run=_not_here)


def _not_here(images: Tensor) -> Tensor:
    raise RuntimeError("this backend runs in another process")


def cannot_go_on(name: str | None, why: str) -> CurateError:
    """What a user is told whose run cannot be resumed."""
    return CurateError(
        f"the run began with {name}, which cannot run the network here ({why}): resume it on the device and with the "
        "packages that it began with, or remove its folder to begin again"
    )


@dataclass(frozen=True)
class CpuBackends:
    """The backends that can run a module of features at a precision; `example` is a batch, `threads` a batch has.

    >>> backends = CpuBackends(nn.Flatten(), torch.zeros(4, 2, 2, 3), torch.float32, threads=1)
    >>> backends.fastest(images=10).name
    'torch'
    """

    module: nn.Module
    example: Tensor
    dtype: torch.dtype
    threads: int

    def named(self, name: str) -> Backend:
        """The backend that a run began with. Raises CurateError where it cannot run the network here."""
        if name == AS_IS:
            return self._as_is
        if name not in (PACKED, ONNXRUNTIME):
            raise cannot_go_on(name, "it is of a GPU")
        try:
            return self._checked(name)
        # Exporting runs a stranger's code under rules that it does not know, and onnxruntime has errors of its own.
        except Exception as error:
            raise cannot_go_on(name, first_line(error)) from error

    def fastest(self, *, images: int | None) -> Backend:
        """The backend that takes least for a pass over so many images, its making included; of many for None."""
        as_is = self._timed(self._as_is)
        if images is not None and self._seconds(as_is, images) < _WORTH_PACKING:
            return replace(as_is, why=FEW_IMAGES)
        try:
            backends = [as_is, self._timed(self._checked(PACKED))]
        except Exception as error:  # as above
            return replace(as_is, why=f"it cannot be exported: {first_line(error)}")
        best = min(backends, key=_milliseconds)
        if images is not None and self._seconds(best, images) > _WORTH_A_TRIAL:
            backends += self._onnxruntime()
            best = min(backends, key=_milliseconds)
        return replace(best, tried={backend.name: _milliseconds(backend) for backend in backends})

    def _seconds(self, backend: Backend, images: int) -> float:
        return images * _milliseconds(backend) / 1000 / torch.get_num_threads()

    @property
    def _as_is(self) -> Backend:
        return Backend(AS_IS, self.module, concurrent=False)

    def _onnxruntime(self) -> list[Backend]:
        """None where it is not installed, does not take the network, or the precision is not its own."""
        if self.dtype is not torch.float32:
            return []
        try:
            return [self._timed(self._checked(ONNXRUNTIME))]
        except Exception:  # as above
            return []

    def _checked(self, name: str) -> Backend:
        """The backend, made; raises where it gives other features than the network as it is."""
        run: Callable[[Tensor], Tensor] = (
            packed_graph(self._program, len(self.example))
            if name == PACKED
            else _onnxruntime_session(self._program, self.threads)
        )
        # Two numbers of images, so that an export which took one of them for a constant is found out.
        with torch.inference_mode():
            for images in (self.example[:1], self.example[:3]):
                if not close(run(images), self.module(images), _TOLERANCES[self.dtype]):
                    raise RuntimeError("its features are not those of the network")
        return Backend(name, run)

    @cached_property
    def _program(self) -> ExportedProgram:
        return export(self.module, self.example[:2])

    def _timed(self, backend: Backend) -> Backend:
        """The backend with milliseconds of one core an image, the best of a few small batches."""
        batch = self.example[: max(1, len(self.example) // 4)]
        taken: list[float] = []
        with one_thread(), torch.inference_mode():
            while len(taken) < 4 and sum(taken) < _LONGEST_TIMING:
                started = time.process_time()
                backend.run(batch)
                taken.append(time.process_time() - started)
        return replace(backend, tried={backend.name: round(1000 * min(taken) / len(batch), 3)})


def _milliseconds(backend: Backend) -> float:
    """Of one core an image, as the trial found."""
    return backend.tried[backend.name]


def _onnxruntime_session(program: ExportedProgram, threads: int) -> Callable[[Tensor], Tensor]:
    """The program in onnxruntime, with `threads` inside an operator. Raises whatever the export or the session does."""
    runtime = package("onnxruntime", f"backend {ONNXRUNTIME}", "onnx")
    package("onnxscript", f"backend {ONNXRUNTIME}", "onnx")
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter's own, which a user can do nothing about.
        warnings.simplefilter("ignore")
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
