"""Opens untrusted bytes as an image, and refuses what would take too much memory before anything is decoded."""

import io
import math
import os
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO

from PIL import AvifImagePlugin, Image

from avhcurate.errors import CurateError

MEMORY_VARIABLE = "AVHCURATE_IMAGE_MEMORY"
#: Megabytes that one image may take where that variable is not set.
_MEGABYTES = 1000
#: Memory that any image takes: the decoder's tables and small copies.
_LEAST = 32_000_000

#: Formats that Pillow may try, none of which runs a program or reads other files, and the bytes that a pixel takes in
#: each while it is decoded.
FORMATS = {
    **{"JPEG": 4, "PNG": 8, "GIF": 10, "BMP": 6, "TIFF": 8, "PPM": 12},
    **{"WEBP": 20, "AVIF": 24, "JPEG2000": 28},
}
#: Bytes that a pixel of what comes out takes while it is converted and turned, and pixels of the largest that does: a
#: larger image is shrunk by a whole number.
_CONVERTED = 14
FULL_PIXELS = 50_000_000
#: Bytes that a pixel of a JPEG takes in the coefficients of all scans, where it has several.
_SCANS = 7
#: Pixels of the largest image, however much memory is allowed: more would take minutes.
MAX_PIXELS = Image.MAX_IMAGE_PIXELS = 500_000_000

# Each thread of its decoder holds pictures of its own, and images are decoded side by side already.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
#: Held while an image of more than an eighth of the memory is decoded.
_LARGE = threading.Lock()


class BrokenImage(Exception):
    """An image that cannot be read or decoded; `reason` is short enough for a table cell."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def image_memory() -> int:
    """Return the bytes that an image may take. Raises CurateError where the variable is not a number."""
    text = os.environ.get(MEMORY_VARIABLE) or str(_MEGABYTES)
    try:
        return round(float(text) * 1e6)
    except (ValueError, OverflowError):
        raise CurateError(f"{MEMORY_VARIABLE}={text!r} is not a number. Give megabytes, such as 2000.") from None


def open_image(source: bytes | BinaryIO) -> Image.Image:
    """Return the image with its header read and nothing decoded. Raises `BrokenImage` for one of too many pixels."""
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    image = Image.open(stream, formats=list(FORMATS))
    if image.width * image.height > MAX_PIXELS:
        raise BrokenImage(f"too large: {image.width} x {image.height} pixels, at most {MAX_PIXELS // 10**6} million")
    return image


def shrink_factor(size: tuple[int, int]) -> int:
    """Return the whole number by which an image of that size is shrunk.

    >>> shrink_factor((8000, 6000)), shrink_factor((16000, 12000))
    (1, 2)
    """
    return math.ceil(math.sqrt(size[0] * size[1] / FULL_PIXELS))


def room_for(image: Image.Image, data: bytes, size: tuple[int, int]) -> AbstractContextManager[object]:
    """Return what to hold while an opened image is decoded; `size` is its size before a JPEG was drafted.

    Raises `BrokenImage` where that takes more memory than is allowed.
    """
    # A TIFF's tile may be larger than its image, and is decoded whole.
    tile = getattr(image, "tag_v2", {})
    pixels = max(image.width * image.height, int(tile.get(322, 0)) * int(tile.get(323, 0)))
    shrunk = image.width * image.height // max(1, shrink_factor(image.size)) ** 2
    cost = _LEAST + 2 * len(data) + FORMATS.get(image.format or "", 4) * pixels + _CONVERTED * shrunk
    memory = image_memory()
    scans = _SCANS * size[0] * size[1]
    # Counted only where it matters, since it reads all bytes.
    if cost + scans > memory / 8 and data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > 1:
        cost += scans
    if cost > memory:
        raise BrokenImage(
            f"too large: {size[0]} x {size[1]} pixels may take {cost / 1e6:,.0f} MB, and {MEMORY_VARIABLE} allows "
            f"{memory / 1e6:,.0f}"
        )
    return _LARGE if cost > memory / 8 else nullcontext()
