"""What the pixels of an image say: its measures, and perceptual hashes."""

import hashlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from scipy.fft import dct

from avhcurate.workspace.images.decoding import DRAFT, BrokenImage, decode_image, fitted, square_luma

#: Longest side, in pixels, of the copy that is measured; smaller images keep their size.
SIDE = 256
#: Side of the square whose cosine transform is hashed, and of the block of its lowest frequencies.
HASH_SIDE = 32
_HASH_BLOCK = 8
#: Rows that a column is multiplied by for its lowest frequencies.
_WAVES = dct(np.eye(HASH_SIDE), axis=0)[:_HASH_BLOCK]
#: Weights of red, green and blue in the luma of ITU-R BT.601, in thousandths.
_LUMA = np.array([299, 587, 114], np.float32)

#: Ways in which a copy may be laid down otherwise than upright: mirrored left to right or top to bottom, turned by
#: half a turn, mirrored at either diagonal, or turned by a quarter, to the left or right.
TURNS = ("mirrored", "flipped", "turned_180", "transposed", "turned_90", "transversed")
HASHES = ("phash", *(f"phash_{turn}" for turn in TURNS))

#: An image of less contrast is one even area, whose hash says nothing.
UNIFORM = 0.02


def small_image(encoded: bytes | BrokenImage, path: str) -> tuple[dict[str, Any], Image.Image | None]:
    """Return what a file and its header say, and the image made to fit into `SIDE`; None where there is a `problem`."""
    if isinstance(encoded, BrokenImage):
        return {"problem": encoded.reason}, None
    row = {"file_bytes": len(encoded), "sha256": hashlib.sha256(encoded).hexdigest()}
    try:
        image, header = decode_image(encoded, DRAFT * SIDE)
    except BrokenImage as broken:
        return row | {"problem": broken.reason}, None
    except Exception as error:  # out of memory, say: one image must never end a pass over a million
        return row | {"problem": f"cannot be measured: {type(error).__name__}"}, None
    odd = []
    suffix = os.path.splitext(path)[1]
    if Image.registered_extensions().get(suffix.lower(), header.format) != header.format:
        odd.append(f"{header.format} named {suffix}")
    if header.animated:
        odd.append("several frames")
    row |= {"width": header.width, "height": header.height, "aspect": header.width / header.height}
    return row | {"oddity": "; ".join(odd) or None}, fitted(image, SIDE)


def measure_images(images: Sequence[Image.Image]) -> dict[str, list[float]]:
    """Return the measures `PROXIES` and the `HASHES` of small images of one shape, a list each."""
    hashes = perceptual_hashes(np.stack([square_luma(image, HASH_SIDE) for image in images]))
    columns = measure_pixels(list(map(np.asarray, images))) | dict(zip(HASHES, hashes.T, strict=True))
    return {key: column.tolist() for key, column in columns.items()}


def measure_pixels(images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return the measures `PROXIES`, (n,) each, of n images of one shape, which the caller has made to fit into `SIDE`.

    Each is uint8 (H, W, 3), and has the same measures whichever others there are.

    >>> {key: value.round(2).tolist() for key, value in measure_pixels([np.full((4, 4, 3), 51, np.uint8)]).items()}
    {'brightness': [0.2], 'contrast': [0.0], 'sharpness': [0.0], 'information': [0.0], 'colour': [0.0]}
    """
    # A few at a time, so that what is made of them stays in the processor's cache.
    step = max(1, SIDE * SIDE // images[0][:, :, 0].size)
    parts = [_measured(images[start : start + step]) for start in range(0, len(images), step)]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _measured(images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    n, (height, width, _) = len(images), images[0].shape
    planes = np.empty((3, n, height, width), np.uint8)
    for number, rgb in enumerate(images):
        planes[:, number] = rgb.transpose(2, 0, 1)
    red, green, blue = planes
    # Thousandths of luma: whole numbers, which float32 holds exactly.
    light = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    levels = np.rint(light / 1000).astype(np.int64).reshape(n, -1) + 256 * np.arange(n)[:, None]
    shares = np.bincount(levels.ravel(), minlength=256 * n).reshape(n, 256) / levels.shape[1]
    mean = light.mean(axis=(1, 2), dtype=np.float64)
    spread = planes.max(axis=0) - planes.min(axis=0)
    return {
        "brightness": mean / 255_000,
        "contrast": np.sqrt(_mean_square(light - mean.astype(np.float32)[:, None, None])) / 255_000,
        # What one pixel has more than its neighbour, that one has less: the mean is 0.
        "sharpness": np.log10(1 + _mean_square(_laplacian(light)) / 1e6),
        "information": -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1) + 0.0,
        "colour": spread.mean(axis=(1, 2)) / 255,
    }


def _laplacian(light: np.ndarray) -> np.ndarray:
    """Return (n, H, W): what the four neighbours have more than each value; at the border it is its own neighbour."""
    laplacian = np.zeros_like(light)
    down = light[:, 1:] - light[:, :-1]
    laplacian[:, :-1] += down
    laplacian[:, 1:] -= down
    right = light[:, :, 1:] - light[:, :, :-1]
    laplacian[:, :, :-1] += right
    laplacian[:, :, 1:] -= right
    return laplacian


def _mean_square(values: np.ndarray) -> np.ndarray:
    """Return (n,) of each of n arrays."""
    rows = values.reshape(len(values), 1, -1)
    return (rows @ rows.transpose(0, 2, 1))[:, 0, 0].astype(np.float64) / rows.shape[2]


def perceptual_hashes(grey: np.ndarray) -> np.ndarray:
    """Return for each image its hash, then that of the same image in each of the attitudes `TURNS`: uint64 (n, 7).

    64 bits that stay nearly the same when an image is scaled, encoded again or lit otherwise. `grey` (n, 32, 32): luma
    of the whole image made 32 x 32, any unit. The bits say which of the 64 lowest frequencies of its cosine transform
    lie above their median, row by row, the first the highest (Zauner 2010, pHash).

    All come from one transform: mirroring changes the sign of every second frequency, transposing swaps the two axes.
    They are the eight ways to lay an image down, but for the turn that undoes `turned_90`: of two images each is the
    other turned, one way or the other.
    """
    flat = _WAVES @ grey @ _WAVES.T
    every_second = (-1.0) ** np.arange(_HASH_BLOCK)
    across = every_second[None, :]
    down = every_second[:, None]
    waves = np.stack([flat, flat * across, flat * down, flat * across * down], axis=1)
    ordered = np.sort(waves.reshape(*waves.shape[:2], -1), axis=2)
    half = _HASH_BLOCK**2 // 2
    middle = ordered[:, :, half - 1 : half + 1].mean(axis=2)
    above = waves > middle[:, :, None, None]
    laid = np.concatenate([above, above[:, [0, 1, 3]].transpose(0, 1, 3, 2)], axis=1)
    bits = np.packbits(laid.reshape(len(grey), 1 + len(TURNS), -1), axis=2)
    return bits.view(">u8")[:, :, 0].astype(np.uint64)
