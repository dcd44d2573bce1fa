"""Decodes untrusted bytes into RGB pixels, and encodes thumbnails."""

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

#: Pixels of the largest image decoded: where Pillow itself refuses.
MAX_PIXELS = 178_956_970

Image.init()
#: Formats that Pillow may try: none that runs a program or reads other files.
_FORMATS = tuple(
    name for name in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000") if name in Image.OPEN
)


class BrokenImage(Exception):
    """An image that cannot be read or decoded; `reason` is short enough for a table cell."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Pixels of an encoded image, uint8 (H, W, 3), upright by its EXIF orientation.

    The content decides, not a name. Transparency is laid on white, 16-bit grey is scaled to 8 bits, an animation
    gives its first frame, CMYK becomes RGB. Size is read from the header: more than `max_pixels` is never decoded.
    Raises `BrokenImage`, and nothing else, for anything that is not such an image.
    """
    if not data:
        raise BrokenImage("empty file")
    try:
        pixels = _decode_plain_jpeg(data, max_pixels)
        return _decode_any(data, max_pixels) if pixels is None else pixels
    except BrokenImage:
        raise
    # A damaged file makes a decoder raise almost anything; one image must never end a run of a million.
    except Exception as problem:
        raise BrokenImage(_reason(data, problem)) from problem


def container(data: bytes) -> tuple[str, bool]:
    """Format of an encoded image, as Pillow calls it, and whether it has several frames or pages; nothing is decoded.

    Raises `BrokenImage` for what is no image.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            return image.format or "", bool(getattr(image, "is_animated", False))
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
        with Image.open(path, formats=_FORMATS) as image:
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


def _decode_plain_jpeg(data: bytes, max_pixels: int) -> np.ndarray | None:
    """The fast path: 8-bit grey or three-component JPEG by torchvision, the same pixels as Pillow's; else None.

    Only where the process has torch already: a page that shows one image must not wait seconds for its import.
    """
    if not data.startswith(b"\xff\xd8\xff") or "torch" not in sys.modules:
        return None
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as header:
        if header.mode not in ("L", "RGB"):
            return None
        _check_size(header.width, header.height, max_pixels)
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    try:
        encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        image = decode_jpeg(encoded, mode=ImageReadMode.RGB, apply_exif_orientation=True)
    except RuntimeError:
        return None  # Pillow is more patient, and its reason is readable
    return image.permute(1, 2, 0).contiguous().numpy()


def _decode_any(data: bytes, max_pixels: int) -> np.ndarray:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        _check_size(image.width, image.height, max_pixels)
        image.load()
        return np.array(_to_rgb(_upright(image)))


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise BrokenImage(f"too large: {width} x {height} pixels, at most {max_pixels} are decoded")
    if not width * height:
        raise BrokenImage("no pixels")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF says nothing about the pixels
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_to_8_bits(np.asarray(image))).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")


def _to_8_bits(grey: np.ndarray) -> np.ndarray:
    """Grey of a deeper kind as uint8: 16-bit by its full range, anything wider stretched from its least to its most.

    >>> _to_8_bits(np.array([[0, 257, 65535]], np.uint16)).tolist()
    [[0, 1, 255]]
    >>> _to_8_bits(np.array([[-1.0, 0.0, 1.0]], np.float32)).tolist()
    [[0, 128, 255]]
    """
    grey = np.nan_to_num(grey, posinf=0, neginf=0)
    low, high = float(grey.min()), float(grey.max())
    if grey.dtype.kind in "iu" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    return np.rint((grey.astype(np.float64) - low) * (255 / (high - low or 1))).astype(np.uint8)


def _reason(data: bytes, problem: Exception) -> str:
    """Why Pillow could not: what the bytes are when they are no image, else its own words, short."""
    if isinstance(problem, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "too large: the header claims more pixels than are decoded"
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
