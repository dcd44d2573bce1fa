"""What the pixels of an image say: its measures, and perceptual hashes."""

import numpy as np
from scipy.fft import dct
from scipy.ndimage import laplace

from avhcurate.workspace.images.measures import MEASURES

#: Longest side, in pixels, of the copy that is measured; smaller images keep their size.
SIDE = 256
#: Side of the square whose cosine transform is hashed, and of the block of its lowest frequencies.
HASH_SIDE, _HASH_BLOCK = 32, 8
#: Weights of red, green and blue in the luma of ITU-R BT.601.
_LUMA = (0.299, 0.587, 0.114)

#: Ways in which a copy may be laid down otherwise than upright: mirrored left to right or top to bottom, turned by
#: half a turn, mirrored at either diagonal, or turned by a quarter, to the left or right.
TURNS = ("mirrored", "flipped", "turned_180", "transposed", "turned_90", "transversed")

#: An image of less contrast is one even area, whose hash says nothing.
UNIFORM = 0.02


def luma(rgb: np.ndarray) -> np.ndarray:
    """Return the luma of uint8 pixels (H, W, 3), float64 (H, W) from 0 to 1."""
    return (rgb @ np.array(_LUMA)) / 255


def measure_pixels(rgb: np.ndarray) -> dict[str, float]:
    """Return the measures `OF_PIXELS` of uint8 pixels (H, W, 3), which the caller has made to fit into `SIDE` x `SIDE`.

    >>> {key: round(value, 2) for key, value in measure_pixels(np.full((4, 4, 3), 51, np.uint8)).items()}
    {'brightness': 0.2, 'contrast': 0.0, 'sharpness': 0.0, 'information': 0.0, 'colour': 0.0}
    """
    light = luma(rgb)
    levels = np.bincount(np.rint(light * 255).astype(np.uint8).ravel(), minlength=256) / light.size
    levels = levels[levels > 0]
    return {
        "brightness": float(light.mean()),
        "contrast": float(light.std()),
        "sharpness": float(np.log10(1 + laplace(255 * light, mode="nearest").var())),
        "information": float(-(levels * np.log2(levels)).sum() + 0.0),
        "colour": float((rgb.max(axis=2).astype(np.int16) - rgb.min(axis=2)).mean() / 255),
    } | {key: measure.pixels(rgb) for key, measure in MEASURES.items() if measure.pixels is not None}


def perceptual_hash(grey: np.ndarray) -> int:
    """64 bits that stay nearly the same when an image is scaled, encoded again or lit otherwise.

    `grey`: luma of the whole image made 32 x 32, any unit. The bits say which of the 64 lowest frequencies of its
    cosine transform lie above their median, row by row, the first the highest (Zauner 2010, pHash).
    """
    return _bits(_low_frequencies(grey))


def turned_hashes(grey: np.ndarray) -> dict[str, int]:
    """Return the hash of the same image in each of the attitudes `TURNS`, by their key.

    All come from one transform: mirroring changes the sign of every second frequency, transposing swaps the two axes.
    With the image itself they are the eight ways to lay it down, but for the turn that undoes `turned_90`: of two
    images each is the other turned, one way or the other.
    """
    waves = _low_frequencies(grey)
    every_second = (-1.0) ** np.arange(_HASH_BLOCK)
    across, down = every_second[None, :], every_second[:, None]
    flat, upright = waves, waves.T
    laid = (flat * across, flat * down, flat * across * down, upright, upright * down, upright * across * down)
    return dict(zip(TURNS, map(_bits, laid), strict=True))


def _low_frequencies(grey: np.ndarray) -> np.ndarray:
    if grey.shape != (HASH_SIDE, HASH_SIDE):
        raise ValueError(f"a hash takes {HASH_SIDE} x {HASH_SIDE} values, not {grey.shape}")
    return np.asarray(dct(dct(np.asarray(grey, np.float64), axis=0), axis=1))[:_HASH_BLOCK, :_HASH_BLOCK]


def _bits(waves: np.ndarray) -> int:
    return int.from_bytes(np.packbits(waves > np.median(waves)).tobytes())
