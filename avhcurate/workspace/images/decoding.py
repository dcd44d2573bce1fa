"""Decodes untrusted bytes into RGB pixels in bounded memory, and encodes thumbnails.

What would take too much memory is refused before anything is decoded.
"""

import io
import math
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import AvifImagePlugin, ExifTags, Image

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
#: Pixels a side of a thumbnail, at most.
THUMBNAIL = 256
#: A JPEG is decoded at a smaller size where its sides keep this many times the pixels that are wanted of them.
DRAFT = 2
#: Bytes that a pixel of a JPEG takes in the coefficients of all scans, where it has several.
_SCANS = 7
#: Pixels of the largest image, however much memory is allowed: more would take minutes.
MAX_PIXELS = Image.MAX_IMAGE_PIXELS = 500_000_000

# Each thread of its decoder holds pictures of its own, and images are decoded side by side already.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
#: Held while an image of more than an eighth of the memory is decoded.
_LARGE = threading.Lock()
#: Pixels of deep grey that are scaled to 8 bits at once.
_STRIP = 1 << 22


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


def draft_factor(size: tuple[int, int], least: int | None) -> int:
    """Return by how much smaller a JPEG of that size is decoded: 8, 4, 2 or 1; `least` as for `decode_image`.

    Both sides must divide by it: a part of a pixel at the edge would stretch the image, which changes scores more than
    the decoding does.

    >>> draft_factor((4000, 3000), 512), draft_factor((4000, 3002), 512), draft_factor((500, 375), 512)
    (4, 2, 1)
    """
    for factor in (8, 4, 2):
        if least and min(size) >= factor * least and size[0] % factor == size[1] % factor == 0:
            return factor
    return 1


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


class ImageHeader(NamedTuple):
    """Format of an encoded image, as Pillow calls it; its upright size; whether it has several frames or pages."""

    format: str
    width: int
    height: int
    animated: bool


def decode(data: bytes, least: int | None = None) -> np.ndarray:
    """Return the pixels of an encoded image, uint8 (H, W, 3): see `decode_image`."""
    return np.asarray(decode_image(data, least)[0])


def decode_image(data: bytes, least: int | None = None) -> tuple[Image.Image, ImageHeader]:
    """Return an encoded image in RGB, upright by its EXIF orientation, and what its header says.

    A JPEG is decoded at an eighth, a quarter or half of its size where its sides keep `least` pixels, which takes a
    fifth of the time; None: always whole.
    The content decides, not a name. Transparency is laid on white, 16-bit grey is scaled to 8 bits, an animation
    is read from its first frame, CMYK becomes RGB. An image of more than 50 megapixels is shrunk by a whole number. One
    that may take more memory than AVHCURATE_IMAGE_MEMORY (1000 megabytes) is refused. Raises `BrokenImage`, and nothing
    else, for anything that is not such an image.
    """
    if not data:
        raise BrokenImage("empty file")
    with _refusing(data), open_image(data) as image:
        animated = _is_animated(image)
        size = image.size
        factor = max(shrink_factor(size), draft_factor(size, least))
        # Other formats than JPEG ignore it.
        image.draft(None, (size[0] // factor or 1, size[1] // factor or 1))
        with room_for(image, data, size):
            image.load()
            # Only now, for a PNG may say after its pixels how it is turned.
            turned = orientation(image)
            return _to_rgb(image, turned), _header(image.format, size, turned, animated)


@contextmanager
def _refusing(data: bytes) -> Iterator[None]:
    try:
        yield
    except BrokenImage:
        raise
    # A damaged file makes a decoder raise almost anything; one image must never end a run of a million.
    except Exception as problem:
        raise BrokenImage(_reason(data, problem)) from problem


def read_header(data: bytes) -> ImageHeader:
    """Return what the header of an encoded image says, without decoding. Raises `BrokenImage` for anything else."""
    with _refusing(data), open_image(data) as image:
        return _header(image.format, image.size, orientation(image), _is_animated(image))


def _header(kind: str | None, size: tuple[int, int], turned: int, animated: bool) -> ImageHeader:
    width, height = size
    if turned > 4:
        height, width = size
    return ImageHeader(kind or "", width, height, animated)


def _is_animated(image: Image.Image) -> bool:
    return bool(getattr(image, "is_animated", False))


def stored_size(path: Path) -> tuple[int, int]:
    """Width and height of an image file as its header says, not turned by EXIF; `BrokenImage` for anything else."""
    try:
        with open(path, "rb") as stream, open_image(stream) as image:
            return image.size
    except Exception as problem:  # as above
        raise BrokenImage("no image that can be read") from problem


def encode_thumbnail(rgb: np.ndarray, side: int = THUMBNAIL) -> bytes:
    """Return a small copy of uint8 pixels (H, W, 3) that fits into side x side: JPEG, or PNG up to 64 pixels a side.

    It is never enlarged. The PNG keeps every pixel of tiny images, which JPEG would smear.
    """
    if small := _size_within(rgb.shape[0], rgb.shape[1], side):
        rgb = _shrink(rgb, *small)
    if max(rgb.shape) <= 64:
        return encode_png(Image.fromarray(rgb), compress_level=3)
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=80, subsampling="4:2:0")
    return stream.getvalue()


def encode_png(image: Image.Image, **options: Any) -> bytes:
    """Return an image as PNG; `options` are Pillow's."""
    stream = io.BytesIO()
    image.save(stream, "PNG", **options)
    return stream.getvalue()


def _shrink(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    """Antialiased bilinear; by torch where the process has it, which takes a third of Pillow's time."""
    if "torch" not in sys.modules:
        return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR))
    import torch

    # A batch of one before the axes are turned: so torch knows the memory for channels last, and keeps it.
    image = torch.from_numpy(np.require(rgb, requirements="W"))[None].permute(0, 3, 1, 2)  # else torch would warn
    small = torch.nn.functional.interpolate(image, (height, width), mode="bilinear", antialias=True)
    return small[0].permute(1, 2, 0).contiguous().numpy()


def fitted(image: Image.Image, side: int) -> Image.Image:
    """Return an image averaged down until it fits into side x side; never enlarged."""
    if small := _size_within(image.height, image.width, side):
        return image.resize(small[::-1], Image.Resampling.BOX)
    return image


def _size_within(height: int, width: int, side: int) -> tuple[int, int] | None:
    """Return height and width of a copy that fits into side x side; None for an image that fits."""
    if max(height, width) <= side:
        return None
    scale = side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def square_luma(image: Image.Image, side: int) -> np.ndarray:
    """Return the luma of the whole image, squeezed or stretched to uint8 (side, side)."""
    return np.asarray(image.convert("L").resize((side, side), Image.Resampling.LANCZOS))


def _to_rgb(image: Image.Image, turned: int) -> Image.Image:
    """Return a loaded image as RGB, upright by its `orientation`, and not too large."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _to_8_bit_grey(image)
    if "transparency" in image.info or image.mode in ("PA", "La", "RGBa"):
        image = image.convert("RGBA")
    elif image.mode in ("1", "P"):
        image = image.convert("RGB")
    factor = shrink_factor(image.size)
    if factor > 1:
        image = image.reduce(factor)
    if image.mode in ("LA", "RGBA"):
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    if image.mode != "RGB":
        image = image.convert("RGB")
    if turned in _TURNS:
        image = image.transpose(_TURNS[turned])
    return image


#: How an image is turned upright, by its EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(image: Image.Image) -> int:
    """Return how an opened image is turned by its EXIF, as far as that is read: 1 for upright, up to 8."""
    try:
        # Not the PNG's own method, which decodes the whole image first.
        return Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF says nothing about the pixels
        return 1


def _to_8_bit_grey(image: Image.Image) -> Image.Image:
    """Scale grey of a deeper kind to 8 bits: 16-bit by its full range, anything wider from its least to its most.

    By strips of rows: a whole copy as numbers would take more memory than the image.
    """
    width, height = image.size
    tops = range(0, height, max(1, _STRIP // width))

    def strip(top: int) -> np.ndarray:
        part = image.crop((0, top, width, min(top + tops.step, height)))
        return np.nan_to_num(np.array(part, np.float64), copy=False, posinf=0, neginf=0)

    ends = np.array([(part.min(), part.max()) for part in map(strip, tops)])
    low = ends[:, 0].min()
    high = ends[:, 1].max()
    if image.mode != "F" and low >= 0 and high <= 65535:
        low = 0
        high = 65535
    grey = np.empty((height, width), np.uint8)
    for top in tops:
        grey[top : top + tops.step] = np.rint((strip(top) - low) * (255 / (high - low or 1)))
    return Image.fromarray(grey)


def _reason(data: bytes, problem: Exception) -> str:
    """Return why Pillow could not: what the bytes are when they are not an image, else its own words, short."""
    if isinstance(problem, Image.DecompressionBombError | MemoryError):
        return "too large: it claims more pixels than are decoded"
    if isinstance(problem, Image.UnidentifiedImageError):
        return _describe_content(data)
    words = " ".join(str(problem).split()) or type(problem).__name__
    return f"damaged: {words[:120]}"


def _describe_content(data: bytes) -> str:
    marks = {b"<svg": "SVG", b"<html": "HTML", b"%pdf": "PDF", b"ftypheic": "HEIC"}
    kind = next((name for mark, name in marks.items() if mark in data[:1024].lower()), "")
    return f"{kind}, not an image".lstrip(", ")
