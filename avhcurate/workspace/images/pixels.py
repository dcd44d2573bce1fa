"""What the pixels of an image say: its measures, and perceptual hashes."""

import numpy as np
from scipy.fft import dct

from avhcurate.workspace.images.measures import MEASURES

#: Longest side, in pixels, of the copy that is measured; smaller images keep their size.
SIDE = 256
#: Side of the square whose cosine transform is hashed, and of the block of its lowest frequencies.
HASH_SIDE, _HASH_BLOCK = 32, 8
#: Rows that a column is multiplied by for its lowest frequencies.
_WAVES = dct(np.eye(HASH_SIDE), axis=0)[:_HASH_BLOCK]
#: Weights of red, green and blue in the luma of ITU-R BT.601, in thousandths.
_LUMA = np.array([299, 587, 114], np.float32)

#: Ways in which a copy may be laid down otherwise than upright: mirrored left to right or top to bottom, turned by
#: half a turn, mirrored at either diagonal, or turned by a quarter, to the left or right.
TURNS = ("mirrored", "flipped", "turned_180", "transposed", "turned_90", "transversed")

#: An image of less contrast is one even area, whose hash says nothing.
UNIFORM = 0.02


def measure_pixels(rgb: np.ndarray) -> dict[str, float]:
    """Return the measures `OF_PIXELS` of uint8 pixels (H, W, 3), which the caller has made to fit into `SIDE` x `SIDE`.

    >>> {key: round(value, 2) for key, value in measure_pixels(np.full((4, 4, 3), 51, np.uint8)).items()}
    {'brightness': 0.2, 'contrast': 0.0, 'sharpness': 0.0, 'information': 0.0, 'colour': 0.0}
    """
    # Planes side by side, and thousandths of luma: whole numbers, which float32 holds exactly.
    red, green, blue = np.ascontiguousarray(rgb.transpose(2, 0, 1))
    light = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    levels = np.bincount(np.rint(light / 1000).astype(np.uint8).ravel(), minlength=256) / light.size
    levels = levels[levels > 0]
    strongest, weakest = (of(of(red, green), blue) for of in (np.maximum, np.minimum))
    return {
        "brightness": float(light.mean(dtype=np.float64) / 255_000),
        "contrast": float(light.std() / 255_000),
        "sharpness": float(np.log10(1 + _laplacian(light).var(dtype=np.float64) / 1e6)),
        "information": float(-(levels * np.log2(levels)).sum() + 0.0),
        "colour": float((strongest - weakest).mean() / 255),
    } | {key: measure.pixels(rgb) for key, measure in MEASURES.items() if measure.pixels is not None}


def _laplacian(light: np.ndarray) -> np.ndarray:
    """Return (H, W): what the four neighbours have more than each value; at the border it is its own neighbour."""
    down, right, found = np.diff(light, axis=0), np.diff(light, axis=1), np.zeros_like(light)
    found[:-1] += down
    found[1:] -= down
    found[:, :-1] += right
    found[:, 1:] -= right
    return found


def perceptual_hashes(grey: np.ndarray) -> list[int]:
    """Return the hash of an image, then that of the same image in each of the attitudes `TURNS`.

    64 bits that stay nearly the same when an image is scaled, encoded again or lit otherwise. `grey`: luma of the whole
    image made 32 x 32, any unit. The bits say which of the 64 lowest frequencies of its cosine transform lie above
    their median, row by row, the first the highest (Zauner 2010, pHash).

    All come from one transform: mirroring changes the sign of every second frequency, transposing swaps the two axes.
    They are the eight ways to lay an image down, but for the turn that undoes `turned_90`: of two images each is the
    other turned, one way or the other.
    """
    flat = _WAVES @ grey @ _WAVES.T
    every_second = (-1.0) ** np.arange(_HASH_BLOCK)
    across, down, upright = every_second[None, :], every_second[:, None], flat.T
    laid = (flat, flat * across, flat * down, flat * across * down, upright, upright * down, upright * across * down)
    waves = np.stack(laid).reshape(len(laid), -1)
    bits = np.packbits(waves > np.median(waves, axis=1, keepdims=True), axis=1)
    return [int.from_bytes(row.tobytes()) for row in bits]
