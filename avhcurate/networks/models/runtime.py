"""Settings that make a network fast without changing its results: memory, device, precision, folded batch norm."""

import copy
import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from avhcurate.errors import CurateError

#: The element type of weights and activations by the name of a precision; "auto" is float32 on every device. "tf32"
#: lets an NVIDIA GPU round the factors of each product to 10 bits of mantissa.
PRECISIONS = {
    "auto": torch.float32,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "tf32": torch.float32,
}

#: glibc's mallopt parameters (malloc.h).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8

#: Largest share of the output's length that folding may change in float32.
_FOLDING_TOLERANCE = 1e-4


def keep_freed_memory() -> bool:
    """Keep freed activations in the process; True when the C library took the settings.

    glibc returns large blocks to the system after each layer, and the next layer then faults every page again; the
    arenas of other threads cannot hold blocks above 64 MiB at all, so all threads share the main one. Call it before
    the first forward pass. Elsewhere than on glibc it does nothing.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return False
    gib = 1 << 30
    settings = ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, gib), (_TRIM_THRESHOLD, 2 * gib - 1), (_TOP_PAD, gib // 4))
    return all(libc.mallopt(parameter, value) == 1 for parameter, value in settings)


def find_device(name: str) -> torch.device:
    """Return the device of that name; "auto" takes a GPU where there is one. Raises CurateError for an absent one."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kinds = [kind for kind, there in present.items() if there]
    if name == "auto":
        return torch.device(kinds[0])
    kind, _, number = name.partition(":")
    numbers = [str(each) for each in range(torch.cuda.device_count())]
    if kind not in kinds or (number and number not in numbers):
        raise CurateError(f"--device {name} does not exist here. Choose from auto, {', '.join(kinds)}.")
    return torch.device(name)


def find_precision(name: str) -> torch.dtype:
    """Return the element type of that name. Raises CurateError for an unknown one.

    >>> find_precision("auto")
    torch.float32
    """
    if name not in PRECISIONS:
        raise CurateError(f"--precision {name} is not known. Choose from {', '.join(PRECISIONS)}.")
    return PRECISIONS[name]


def precision_name(name: str) -> str:
    """Return the precision of that name. Raises CurateError for an unknown one.

    >>> precision_name("auto")
    'float32'
    """
    find_precision(name)
    return "float32" if name == "auto" else name


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
        raise CurateError(f"{device} has too little memory for {what}. Give a smaller --batch-size.") from error


def fold_batch_norm(module: nn.Module, images: Tensor) -> nn.Module:
    """A copy of a float32 module at rest, with each batch norm folded into the convolution whose output it takes.

    In reduced precision the product of the two is then rounded once, not twice. It is a plain copy where folding would
    change what comes out for `images`, say because a convolution's output is used twice.
    """
    folded = copy.deepcopy(module)
    with torch.no_grad():
        try:
            for convolution, norm, name in _convolutions_with_norm(folded, images):
                _fold(convolution, norm)
                folded.set_submodule(name, nn.Identity())
            equal = close(folded(images), module(images), _FOLDING_TOLERANCE)
        # A stranger's module may do anything when a part of it is replaced.
        except Exception:
            equal = False
    return folded if equal else copy.deepcopy(module)


def _convolutions_with_norm(module: nn.Module, images: Tensor) -> list[tuple[nn.Conv2d, nn.BatchNorm2d, str]]:
    """Return each convolution with the batch norm that takes its output, and the name of that."""
    outputs: dict[int, tuple[nn.Conv2d, Tensor]] = {}
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d, str]] = []

    def keep(layer: nn.Conv2d, output: Tensor) -> None:
        # The tensor is kept, so that no later one has its identity.
        outputs[id(output)] = layer, output

    def pair(norm: nn.BatchNorm2d, name: str, taken: Tensor) -> None:
        if id(taken) in outputs and norm.running_mean is not None:
            pairs.append((outputs[id(taken)][0], norm, name))

    hooks = []
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            hooks.append(layer.register_forward_hook(lambda layer, _, output: keep(layer, output)))
        elif type(layer) is nn.BatchNorm2d:
            hooks.append(layer.register_forward_hook(lambda layer, taken, _, name=name: pair(layer, name, taken[0])))
    module(images)
    for hook in hooks:
        hook.remove()
    return pairs


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )


def close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    """Whether two tensors differ by at most that share of the length of the second."""
    if a.shape != b.shape:
        return False
    error, size = torch.linalg.vector_norm(a.float() - b.float()), torch.linalg.vector_norm(b.float())
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
