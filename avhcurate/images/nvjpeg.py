"""JPEG images decoded by an NVIDIA GPU: nvJPEG by torchvision, where a trial finds that it pays."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from avhcurate.errors import CurateError
from avhcurate.images.bounds import BrokenImage, open_image
from avhcurate.images.decoding import decode, orientation

#: What decodes images: the processors, or the GPU those JPEGs that it takes.
CPU, NVJPEG = DECODERS = ("cpu", "nvjpeg")

#: Pixels of the largest image that the GPU decodes, and of all that it decodes at once.
_MOST_PIXELS, _AT_ONCE = 25_000_000, 32_000_000

#: Images of a trial at least, and how often each way is timed.
_FEWEST, _TIMES = 8, 3


@dataclass(frozen=True)
class Decoder:
    """What decodes the images of a run. tried: milliseconds an image; why: in words, where it is not the GPU."""

    name: str
    tried: dict[str, float] = field(default_factory=dict)
    why: str = ""


def fastest(encoded: Sequence[bytes | BrokenImage], device: Any, *, threads: int) -> Decoder:
    """By a trial on some images of a dataset: the GPU `device`, or that many threads of the processors."""
    jpegs = [data for data in encoded if isinstance(data, bytes) and _pixels_of(data)]
    if len(jpegs) < _FEWEST:
        return Decoder(CPU, why="few of the images are JPEGs that a GPU takes")
    with ThreadPoolExecutor(threads) as pool:
        here = _milliseconds(lambda: list(pool.map(decode, jpegs)), len(jpegs))
    there = _milliseconds(lambda: list(pixels(jpegs, device)), len(jpegs))
    why = "" if there < here else "nvJPEG is not faster"
    return Decoder(CPU if why else NVJPEG, {CPU: here, NVJPEG: there}, why)


def pixels(encoded: Sequence[bytes | BrokenImage], device: Any) -> Iterator[np.ndarray | None]:
    """Of each image in turn, uint8 (H, W, 3), decoded by the GPU; None for an image that is left to `decode`.

    It takes upright JPEGs of up to 25 megapixels, grey or YCbCr. That depends on the image alone, so a sample has the
    same pixels in whichever batch it comes. Its pixels differ from those of the processors by a few units of 255.
    """
    counts = [_pixels_of(data) if isinstance(data, bytes) else 0 for data in encoded]
    start = 0
    while start < len(encoded):
        end = start + 1
        while end < len(encoded) and sum(counts[start : end + 1]) <= _AT_ONCE:
            end += 1
        taken = [position for position in range(start, end) if counts[position]]
        found = dict(zip(taken, _decoded([encoded[position] for position in taken], device), strict=True))
        yield from map(found.get, range(start, end))
        start = end


def _decoded(encoded: list[Any], device: Any) -> list[np.ndarray | None]:
    """None for an image that the GPU cannot decode: Pillow is more patient, and its reason is readable."""
    import torch

    if not encoded:
        return []
    try:
        return list(_on_gpu(encoded, device))
    except torch.OutOfMemoryError as error:
        raise CurateError(
            f"{device} has too little memory to decode images too: give a smaller --batch-size, or leave out "
            "--decode nvjpeg"
        ) from error
    except RuntimeError:  # of one of them, it does not say which
        return [None] if len(encoded) == 1 else [image for data in encoded for image in _decoded([data], device)]


def _on_gpu(encoded: Sequence[bytes], device: Any) -> list[np.ndarray]:
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    tensors = [torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in encoded]
    images = decode_jpeg(tensors, mode=ImageReadMode.RGB, device=device)
    return [image.permute(1, 2, 0).contiguous().cpu().numpy() for image in images]


def _pixels_of(data: bytes) -> int:
    """Pixels of an image that the GPU decodes; 0 for any other."""
    if not data.startswith(b"\xff\xd8\xff"):
        return 0
    try:
        with open_image(data) as header:
            # Nothing else says that three components are YCbCr, which nvJPEG takes them for.
            known = header.mode == "L" or "jfif" in header.info or header.info.get("adobe_transform") == 1
            count = header.width * header.height
            takes = known and header.mode in ("L", "RGB") and count <= _MOST_PIXELS and orientation(header) == 1
            return count if takes else 0
    except Exception:  # damaged: `decode` says how
        return 0


def _milliseconds(run: Callable[[], object], images: int) -> float:
    """An image, in the fastest of a few runs."""
    taken = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return round(1000 * min(taken) / images, 3)
