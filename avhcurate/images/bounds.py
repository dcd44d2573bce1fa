"""What decoding an image costs in memory, told from its header before anything is decoded."""

import io
import math
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from PIL import AvifImagePlugin, Image, ImageFile

from avhcurate.errors import CurateError

MEMORY_VARIABLE = "AVHCURATE_IMAGE_MEMORY"

#: Megabytes that decoding may take where that variable says nothing.
_MEGABYTES = 1000

#: Pixels of the largest array that comes out: a larger image is shrunk by a whole number.
FULL_PIXELS = 50_000_000

#: Pixels of the largest image decoded, whatever it costs in memory: more would take minutes.
MAX_PIXELS = 500_000_000

#: Memory that any image takes: a band under way, the decoder's tables.
_LEAST = 32 << 20

Image.init()
#: Formats that Pillow may try: none that runs a program or reads other files.
_FORMATS = tuple(
    name for name in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000") if name in Image.OPEN
)
# Each thread of its decoder holds pictures of its own, and images are decoded side by side as it is.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

#: Bytes a pixel of an image as Pillow holds it; four where it is not listed.
_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}

#: Bytes a pixel that a format's decoder takes besides.
_DECODER = {"GIF": 2, "BMP": 2, "PPM": 8, "WEBP": 12, "AVIF": 16, "JPEG2000": 20}

#: How often the encoded bytes are in memory while an image is decoded; once where it is not listed.
_COPIES = {"WEBP": 3, "AVIF": 3, "JPEG2000": 2, "TIFF": 2}

#: TIFF's tags.
_BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _ROWS, _TILE_WIDTH, _TILE_LENGTH = 258, 259, 262, 274, 278, 322, 323
_YCBCR = 6


class BrokenImage(Exception):
    """An image that cannot be read or decoded; `reason` is short enough for a table cell."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _SharedMemory:
    """Memory that the threads of the process share: who needs more than is left waits, unless nobody has any."""

    def __init__(self) -> None:
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def room(self, cost: int, most: int) -> Iterator[None]:
        """Takes `cost` bytes while the block runs, once no more than `most` are taken in all."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + cost <= most)
            self._taken += cost
        try:
            yield
        finally:
            with self._changed:
                self._taken -= cost
                self._changed.notify_all()


MEMORY = _SharedMemory()

_PILLOWS_PIXELS = Image.MAX_IMAGE_PIXELS
_LARGE = threading.Lock()


@contextmanager
def without_pillows_bound(image: Image.Image) -> Iterator[None]:
    """Lifts Pillow's own bound of pixels, which knows no modes, while an image beyond it is decoded: one at a time."""
    # Not what it is now: another thread may have lifted it.
    if _PILLOWS_PIXELS is None or image.width * image.height <= _PILLOWS_PIXELS:
        yield
        return
    with _LARGE:
        bound, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = bound


def image_memory() -> int:
    """Bytes that decoding may take. Raises CurateError where the variable holds no number."""
    text = os.environ.get(MEMORY_VARIABLE) or str(_MEGABYTES)
    try:
        return round(float(text) * 1e6)
    except (ValueError, OverflowError):
        raise CurateError(f"{MEMORY_VARIABLE}={text!r}: give a number of megabytes, as 2000") from None


def open_image(source: bytes | BinaryIO, *, memory: int | None = None) -> ImageFile.ImageFile:
    """The image with its header read, nothing decoded. Raises `BrokenImage` for one without pixels, or with too many.

    It does what `Image.open` does, whose bound of pixels knows nothing of what a format or a mode takes.
    """
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    start = stream.read(32)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        # Opened, it takes the memory of two whole images already.
        width, height = _webp_size(start)
        refuse_beyond(19 * width * height, (width, height), image_memory() if memory is None else memory)
    for name in _FORMATS:
        factory, accept = Image.OPEN[name]
        if accept and accept(start) is not True:
            continue
        stream.seek(0)
        try:
            image = factory(stream, "")
        # What Pillow takes for "another format".
        except (SyntaxError, IndexError, TypeError, struct.error):
            continue
        _check_size(*image.size)
        return image
    raise Image.UnidentifiedImageError


def shrink_factor(size: tuple[int, int]) -> int:
    """The whole number by which an image of that width and height is shrunk: 1 up to 50 megapixels.

    >>> shrink_factor((8000, 6000)), shrink_factor((16000, 12000))
    (1, 2)
    """
    return math.ceil(math.sqrt(size[0] * size[1] / FULL_PIXELS))


def decoding_cost(image: ImageFile.ImageFile, data: bytes, size: tuple[int, int]) -> int:
    """Bytes that decoding takes at most, copies of `data` included, by what the header says.

    `size` is that of the image before a JPEG was drafted.
    """
    pixels = image.width * image.height
    stored = _PIXEL.get(image.mode, 4) * pixels
    decoder = _DECODER.get(image.format or "", 0) * pixels
    if image.format in ("JPEG", "MPO"):
        decoder = _coefficients(image, data, size)
    elif image.format == "TIFF":
        decoder = _largest_piece(image)
        # Pillow turns it by itself, into a second image.
        decoder += stored if image.tag_v2.get(_ORIENTATION, 1) != 1 else 0  # type: ignore[attr-defined]
    encoded = _COPIES.get(image.format or "", 1) * len(data)
    return encoded + _LEAST + stored + 3 * min(pixels, FULL_PIXELS) + decoder


def refuse_beyond(cost: int, size: tuple[int, int], memory: int) -> None:
    """Raises `BrokenImage` where the cost is more than `memory`."""
    if cost > memory:
        raise BrokenImage(
            f"too large: {size[0]} x {size[1]} pixels take {cost / 1e6:,.0f} MB to decode, at most "
            f"{memory / 1e6:,.0f} are allowed by {MEMORY_VARIABLE}"
        )


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BrokenImage(f"too large: {width} x {height} pixels, at most {MAX_PIXELS // 10**6} million are decoded")
    if width < 1 or height < 1:
        raise BrokenImage("no pixels")


def _webp_size(start: bytes) -> tuple[int, int]:
    """Width and height of the canvas, from the first 32 bytes of a file."""
    kind = start[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(start[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(start[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (int.from_bytes(start[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    return width, height


def _coefficients(image: Any, data: bytes, size: tuple[int, int]) -> int:
    """Bytes of the coefficients that libjpeg keeps where a JPEG comes in several scans: two for each sample."""
    if not image.info.get("progressive") and _first_scan(data) == image.layers:
        return 0
    factors = [horizontal * vertical for _, horizontal, vertical, _ in image.layer]
    most = max(horizontal for _, horizontal, _, _ in image.layer) * max(vertical for _, _, vertical, _ in image.layer)
    return 2 * size[0] * size[1] * sum(factors) // most


def _first_scan(data: bytes) -> int:
    """Components in the first scan of a JPEG; 0 where there is none."""
    at = 2
    while at + 4 < len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA:
            return data[at + 4]
        at += 1 if marker == 0xFF else 2 + length
    return 0


def _largest_piece(image: Any) -> int:
    """Bytes of a strip or tile of a TIFF, which is decoded whole; none where nothing is compressed."""
    tags = image.tag_v2
    if tags.get(_COMPRESSION, 1) == 1:
        return 0
    width, height = tags.get(_TILE_WIDTH, image.width), tags.get(_TILE_LENGTH, 0) or tags.get(_ROWS, image.height)
    bits = tags.get(_BITS, 1)
    each = -(-sum(bits if isinstance(bits, tuple) else (bits,)) // 8)
    if _TILE_LENGTH not in tags:
        height = min(height, image.height)
    return int(width) * int(height) * (4 if tags.get(_PHOTOMETRIC) == _YCBCR else each)
