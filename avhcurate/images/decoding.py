"""Decodes untrusted bytes into RGB pixels in bounded memory, and encodes thumbnails."""

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image

from avhcurate.images.bounds import (
    FULL_PIXELS,
    MEMORY,
    BrokenImage,
    decoding_cost,
    image_memory,
    open_image,
    refuse_beyond,
    shrink_factor,
    without_pillows_bound,
)

#: Pixels that are converted at once.
_BAND_PIXELS = 1 << 19


def decode(data: bytes, *, memory: int | None = None) -> np.ndarray:
    """Pixels of an encoded image, uint8 (H, W, 3), upright by its EXIF orientation.

    The content decides, not a name. Transparency is laid on white, 16-bit grey is scaled to 8 bits, an animation
    gives its first frame, CMYK becomes RGB. An image of more than 50 megapixels is shrunk by a whole number, so that no
    more come out. What the header says bounds the memory that is taken, the encoded bytes included: more than `memory`
    bytes (`AVHCURATE_IMAGE_MEMORY` megabytes, or 1000) are refused, and all threads of the process share that much.
    Raises `BrokenImage`, and nothing else, for anything that is not such an image.
    """
    if not data:
        raise BrokenImage("empty file")
    try:
        memory = image_memory() if memory is None else memory
        pixels = _decode_plain_jpeg(data, memory)
        return _decode_any(data, memory) if pixels is None else pixels
    except BrokenImage:
        raise
    # A damaged file makes a decoder raise almost anything; one image must never end a run of a million.
    except Exception as problem:
        raise BrokenImage(_reason(data, problem)) from problem


class ImageHeader(NamedTuple):
    """Format of an encoded image, as Pillow calls it; its upright size; whether it has several frames or pages."""

    format: str
    width: int
    height: int
    animated: bool


def read_header(data: bytes) -> ImageHeader:
    """What the header of an encoded image says; nothing is decoded. Raises `BrokenImage` for what is no image."""
    try:
        with open_image(data) as image:
            width, height = image.size[::-1] if orientation(image) > 4 else image.size
            return ImageHeader(image.format or "", width, height, bool(getattr(image, "is_animated", False)))
    except BrokenImage:
        raise
    except Exception as problem:  # as in `decode`
        raise BrokenImage(_reason(data, problem)) from problem


def format_of_suffix(suffix: str) -> str | None:
    """The image format of a file name's ending; None for other endings.

    >>> format_of_suffix(".JPG"), format_of_suffix(".txt")
    ('JPEG', None)
    """
    return Image.registered_extensions().get(suffix.lower())


def stored_size(path: Path) -> tuple[int, int]:
    """Width and height of an image file as its header says, not turned by EXIF; `BrokenImage` for anything else."""
    try:
        with open(path, "rb") as stream, open_image(stream) as image:
            return image.size
    except Exception as problem:  # as above
        raise BrokenImage("no image that can be read") from problem


def encode_thumbnail(rgb: np.ndarray, side: int = 256) -> bytes:
    """A small copy of uint8 pixels (H, W, 3) that fits into side x side: JPEG, or PNG up to 64 pixels a side.

    It is never enlarged. The PNG keeps every pixel of tiny images, which JPEG would smear.
    """
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    if scale < 1:
        rgb = _shrink(rgb, max(1, round(height * scale)), max(1, round(width * scale)))
    if max(height, width) > 64:
        return _encode_jpeg(rgb)
    return encode_png(Image.fromarray(rgb), compress_level=3)


def encode_png(image: Image.Image, **options: Any) -> bytes:
    """An image as PNG; `options` are Pillow's."""
    stream = io.BytesIO()
    image.save(stream, "PNG", **options)
    return stream.getvalue()


def _encode_jpeg(rgb: np.ndarray) -> bytes:
    """Quality 80, colour at half the resolution; by torchvision where the process has torch, which spares a copy."""
    if "torch" not in sys.modules:
        stream = io.BytesIO()
        Image.fromarray(rgb).save(stream, "JPEG", quality=80, subsampling="4:2:0")
        return stream.getvalue()
    import torch
    from torchvision.io import encode_jpeg

    return encode_jpeg(torch.from_numpy(_writeable(rgb)).permute(2, 0, 1), quality=80).numpy().tobytes()


def _shrink(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    """Antialiased bilinear; by torch where the process has it, which takes a third of Pillow's time."""
    if "torch" not in sys.modules:
        return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR))
    import torch

    # A batch of one before the axes are turned: so torch knows the memory for channels last, and keeps it.
    image = torch.from_numpy(_writeable(rgb))[None].permute(0, 3, 1, 2)
    small = torch.nn.functional.interpolate(image, (height, width), mode="bilinear", antialias=True)
    return small[0].permute(1, 2, 0).contiguous().numpy()


def _writeable(rgb: np.ndarray) -> np.ndarray:
    """The array itself, or a copy where torch would warn that it must not be written to."""
    return rgb if rgb.flags.writeable else rgb.copy()


def fitted(rgb: np.ndarray, side: int) -> np.ndarray:
    """Pixels (H, W, 3) averaged down until they fit into side x side; never enlarged."""
    scale = side / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    height, width = (max(1, round(length * scale)) for length in rgb.shape[:2])
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BOX))


def square_luma(rgb: np.ndarray, side: int) -> np.ndarray:
    """Luma of the whole image, squeezed or stretched to uint8 (side, side)."""
    return np.asarray(Image.fromarray(rgb).convert("L").resize((side, side), Image.Resampling.LANCZOS))


def _decode_plain_jpeg(data: bytes, memory: int) -> np.ndarray | None:
    """The fast path: 8-bit grey or three-component JPEG by torchvision, the same pixels as Pillow's; else None.

    Only where the process has torch already: a page that shows one image must not wait seconds for its import.
    """
    if not data.startswith(b"\xff\xd8\xff") or "torch" not in sys.modules:
        return None
    with open_image(data, memory=memory) as header:
        if header.mode not in ("L", "RGB") or header.width * header.height > FULL_PIXELS:
            return None
        # It turns the image into another, as Pillow does not.
        cost = decoding_cost(header, data, header.size) + 3 * header.width * header.height + len(data)
    refuse_beyond(cost, header.size, memory)
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    with MEMORY.room(cost, memory):
        try:
            encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            image = decode_jpeg(encoded, mode=ImageReadMode.RGB, apply_exif_orientation=True)
        except RuntimeError:
            return None  # Pillow is more patient, and its reason is readable
        return image.permute(1, 2, 0).contiguous().numpy()


def _decode_any(data: bytes, memory: int) -> np.ndarray:
    with open_image(data, memory=memory) as image:
        size = image.size
        factor = shrink_factor(size)
        # A JPEG is decoded at half, a quarter or an eighth of its size; other formats take no notice.
        image.draft(None, (size[0] // factor or 1, size[1] // factor or 1))
        cost = decoding_cost(image, data, size)
        refuse_beyond(cost, size, memory)
        with MEMORY.room(cost, memory):
            with without_pillows_bound(image):
                image.load()
            return _to_rgb(image, shrink_factor(image.size))


def _to_rgb(image: Image.Image, factor: int) -> np.ndarray:
    """Pixels of a loaded image, upright, shrunk by `factor`; converted band by band, so that only one band is twice."""
    width, height = (-(-side // factor) for side in image.size)
    turned = orientation(image)
    upright = np.empty((width, height, 3) if turned > 4 else (height, width, 3), np.uint8)
    stored = _STORED[turned](upright)
    convert = _stretched(image) if image.mode in ("I", "F") or image.mode.startswith("I;16") else _flattened
    for top, band in _bands(image, factor):
        rgb = convert(band)
        rgb = rgb.reduce(factor) if factor > 1 else rgb
        stored[top // factor : top // factor + rgb.height] = np.asarray(rgb)
    return upright


#: An upright array as it is stored, by EXIF orientation: a view, so that writing to it turns the image.
_STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda upright: np.rot90(upright, -1),
}


def orientation(image: Image.Image) -> int:
    """How an opened image is turned, by its EXIF: 1 upright, up to 8."""
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF says nothing about the pixels
        return 1
    return turned if turned in _STORED else 1


def _bands(image: Image.Image, factor: int) -> Iterator[tuple[int, Image.Image]]:
    """The image from top to bottom in whole rows of what it is shrunk to."""
    rows = max(factor, _BAND_PIXELS // image.width // factor * factor)
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _flattened(band: Image.Image) -> Image.Image:
    if band.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in band.info:
        layer = band.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(ground, layer).convert("RGB")
    return band if band.mode == "RGB" else band.convert("RGB")


def _stretched(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Grey of a deeper kind to RGB: 16-bit by its full range, anything wider from its least to its most."""
    ends = [(grey.min(), grey.max()) for grey in (_finite(band) for _, band in _bands(image, 1))]
    low, high = float(min(low for low, _ in ends)), float(max(high for _, high in ends))
    if image.mode != "F" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    return lambda band: Image.fromarray(_to_8_bits(_finite(band), low, high)).convert("RGB")


def _finite(band: Image.Image) -> np.ndarray:
    return np.nan_to_num(np.asarray(band), posinf=0, neginf=0)


def _to_8_bits(grey: np.ndarray, low: float, high: float) -> np.ndarray:
    """Grey from `low` to `high` as uint8.

    >>> _to_8_bits(np.array([[0, 257, 65535]], np.uint16), 0, 65535).tolist()
    [[0, 1, 255]]
    >>> _to_8_bits(np.array([[-1.0, 0.0, 1.0]], np.float32), -1, 1).tolist()
    [[0, 128, 255]]
    """
    return np.rint((grey.astype(np.float64) - low) * (255 / (high - low or 1))).astype(np.uint8)


def _reason(data: bytes, problem: Exception) -> str:
    """Why Pillow could not: what the bytes are when they are no image, else its own words, short."""
    if isinstance(problem, Image.DecompressionBombError | MemoryError):
        return "too large: a frame or part of it claims more pixels than are decoded"
    if isinstance(problem, Image.UnidentifiedImageError):
        return _describe_content(data)
    words = " ".join(str(problem).split()) or type(problem).__name__
    return f"damaged: {words[:120]}"


def _describe_content(data: bytes) -> str:
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<svg", b"<?xml")) or b"<svg" in start:
        return "SVG, which is not decoded"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<script", b"<!--")):
        return "HTML, not an image"
    if start.startswith(b"%pdf"):
        return "PDF, not an image"
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1"):
        return "HEIC, which is not decoded"
    return "not an image"
