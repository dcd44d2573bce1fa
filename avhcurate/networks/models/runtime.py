"""Settings that make a network fast without changing its results: memory, device, precision, folded batch norm."""

import copy
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from avhcurate.errors import CurateError, Option

#: The element type of weights and activations by the name of a precision. "tf32" lets an NVIDIA GPU round the factors
#: of each product to 10 bits of mantissa.
PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "tf32": torch.float32,
}

#: Values of glibc's parameters of mallopt (malloc.h): M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD.
_KEPT = {-8: 1, -3: 1 << 30, -1: (2 << 30) - 1, -2: 1 << 28}

#: Largest share of the output's length that folding may change in float32.
_FOLDING_TOLERANCE = 1e-4


def keep_freed_memory() -> None:
    """Keep freed activations in the process.

    glibc returns large blocks to the system after each layer, and the next layer then faults every page again; the
    arenas of other threads cannot hold blocks above 64 MiB at all, so all threads share the main one. Call it before
    the first forward pass. Elsewhere than on glibc it does nothing.
    """
    with suppress(OSError):
        libc = ctypes.CDLL("libc.so.6")
        for parameter, value in _KEPT.items():
            libc.mallopt(parameter, value)


def find_device(name: str) -> torch.device:
    """Return the device of that name; "auto" takes a GPU where there is one. Raises CurateError for an absent one."""
    present = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if present:
        present.insert(0, "cuda")
    if torch.backends.mps.is_available():
        present.append("mps")
    present.append("cpu")
    if name == "auto":
        return torch.device(present[0])
    if name not in present:
        raise CurateError(f"{Option('device')} {name} does not exist here. Choose from auto, {', '.join(present)}.")
    return torch.device(name)


def device_name(device: torch.device) -> str:
    """Return the device in words, for a record: "cpu", or "cuda (NVIDIA H100)"."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return device.type


def precision_name(name: str, device: str) -> str:
    """Return the precision of that name on a device. Raises CurateError for an unknown one.

    >>> precision_name("auto", "cpu"), precision_name("auto", "cuda:1")
    ('float32', 'tf32')
    """
    if name == "auto":
        # It rounds the factors of products only, to 10 bits of mantissa where bfloat16 has 7.
        return "tf32" if device.startswith("cuda") else "float32"
    if name not in PRECISIONS:
        raise CurateError(f"{Option('precision')} {name} is not known. Choose from auto, {', '.join(PRECISIONS)}.")
    return name


@contextmanager
def products_on(device: torch.device, precision: str) -> Iterator[None]:
    """On an NVIDIA GPU, round the factors of convolutions and matrix products only at precision "tf32".

    torch rounds in convolutions unless told otherwise. The settings are restored at the end.
    """
    settings: list[Any] = []
    if device.type == "cuda":
        settings = [torch.backends.cudnn.conv, torch.backends.cuda.matmul]  # type: ignore[attr-defined]
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "tf32" if precision == "tf32" else "ieee"
        yield
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.fp32_precision = value


@contextmanager
def enough_memory(device: torch.device, what: str) -> Iterator[None]:
    """Turn too little memory on the device for `what` into a mistake with its next step."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise CurateError(
            f"{device} has too little memory for {what}.", fix=f"Give a smaller {Option('batch_size')}"
        ) from error


def fold_batch_norm(module: nn.Module, images: Tensor) -> nn.Module:
    """A copy of a float32 module at rest, with each batch norm folded into the convolution whose output it takes.

    In reduced precision the product of the two is then rounded once, not twice. It is a plain copy where folding would
    change what comes out for `images`, say because a convolution's output is used twice.
    """
    folded = copy.deepcopy(module)
    with torch.no_grad():
        try:
            for convolution, norm in _convolutions_with_norm(folded, images):
                parts: list[Any] = [folded.get_submodule(name) for name in (convolution, norm)]
                folded.set_submodule(convolution, fuse_conv_bn_eval(*parts))
                folded.set_submodule(norm, nn.Identity())
            if close(folded(images), module(images), _FOLDING_TOLERANCE):
                return folded
        # A stranger's module may do anything when a part of it is replaced.
        except Exception:
            pass
    return copy.deepcopy(module)


def _convolutions_with_norm(module: nn.Module, images: Tensor) -> list[tuple[str, str]]:
    """Return the names of each convolution and of the batch norm after it."""
    outputs: dict[int, tuple[nn.Module, Tensor]] = {}
    pairs: list[tuple[str, str]] = []
    names = {layer: name for name, layer in module.named_modules()}

    def watch(layer: nn.Module, taken: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(layer, nn.Conv2d):
            # The tensor is kept, so that no later one has its identity.
            outputs[id(output)] = layer, output
        elif type(layer) is nn.BatchNorm2d and id(taken[0]) in outputs and layer.running_mean is not None:
            pairs.append((names[outputs[id(taken[0])][0]], names[layer]))

    hooks = [layer.register_forward_hook(watch) for layer in names if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
    module(images)
    for hook in hooks:
        hook.remove()
    return pairs


def close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    """Whether two tensors differ by at most that share of the length of the second."""
    if a.shape != b.shape:
        return False
    error = torch.linalg.vector_norm(a.float() - b.float())
    size = torch.linalg.vector_norm(b.float())
    return bool(error <= tolerance * size)


@contextmanager
def one_thread(*, seed: int | None = None) -> Iterator[None]:
    """For small passes: on a busy machine threads wait long for each other. Random numbers come from `seed`, if given.

    Threads and random state are left as they were.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
