"""What can be measured of an image without a network: the one table of measures, and a perceptual hash."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.fft import dct
from scipy.ndimage import laplace

from avhcurate.scores import SCORES, Score

#: Longest side, in pixels, of the copy on which colour, light and detail are measured; smaller images stay as they are.
SIDE = 256
#: Side of the square whose cosine transform is hashed, and of the block of its lowest frequencies.
HASH_SIDE, _HASH_BLOCK = 32, 8
#: Weights of red, green and blue in the luma of ITU-R BT.601.
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Measure:
    """One measure: how it is called and read, as `scores.Score` is.

    `harder` is the end that a bad image is at, so that measures can stand beside scores; `proxy` says that this end is
    known to make images hard for people. `low_end` and `high_end` name the odd images at both ends.
    """

    key: str
    name: str
    formula: str
    sentence: str
    low: str
    high: str
    unit: str
    low_end: str
    high_end: str
    harder: Literal["high", "low"] = "low"
    proxy: bool = False
    whole: bool = False
    needs_label: bool = False
    training: bool = False
    reference: str = ""

    @property
    def sign(self) -> int:
        """+1 when a larger value means a worse image, -1 when a smaller one does."""
        return 1 if self.harder == "high" else -1


MEASURES: dict[str, Measure] = {
    measure.key: measure
    for measure in (
        Measure(
            "brightness", "Brightness", r"\bar{Y}", "Mean luma of the image.",
            "0", "1", "", "darkest", "brightest", proxy=True, reference="Luma Y of ITU-R BT.601.",
        ),
        Measure(
            "contrast", "Contrast", r"\sqrt{\overline{(Y - \bar{Y})^2}}", "Standard deviation of the luma.",
            "0", "1/2", "", "least contrast", "most contrast", proxy=True,
            reference="RMS contrast: Peli, JOSA A 7, 1990.",
        ),
        Measure(
            "sharpness", "Sharpness", r"\log_{10}\left(1 + \mathrm{Var}(\nabla^2\, 255\,Y)\right)",
            "Variance of the Laplacian of the luma, on a log scale, at 256 pixels or less a side; low means blurred.",
            "0", "about 6", "", "blurriest", "sharpest", proxy=True, reference="Pech-Pacheco et al., ICPR 2000.",
        ),
        Measure(
            "information", "Information", r"-\sum_v h_v \log_2 h_v",
            "Entropy of the histogram of luma over 256 levels; near 0 the image is one even area.",
            "0", "8", "bit", "least information", "most information", proxy=True, reference="Shannon 1948.",
        ),
        Measure(
            "colour", "Colour", r"\overline{\max(R, G, B) - \min(R, G, B)}",
            "Mean distance of the strongest from the weakest channel; 0 means grey.",
            "0", "1", "", "greyest", "most colour", proxy=True,
        ),
        Measure("width", "Width", "W", "Pixels from left to right, upright.", "1", "∞", "px", "narrowest", "widest",
                whole=True),
        Measure("height", "Height", "H", "Pixels from top to bottom, upright.", "1", "∞", "px", "lowest", "tallest",
                whole=True),
        Measure("aspect", "Aspect", "W / H", "Width over height.", "0", "∞", "", "tallest shape", "widest shape"),
        Measure("file_bytes", "File size", "", "Bytes of the encoded image.", "1", "∞", "B", "smallest files",
                "largest files", whole=True),
        Measure(
            "nearest_similarity", "Nearest similarity", r"\max_{j \neq i} \cos(x_i, x_j)",
            "Cosine of the embedding to its nearest neighbour's, in the run that duplicates were searched with.",
            "-1", "1", "", "least alike any other", "most alike another",
        ),
    )
}  # fmt: skip

#: Measures of the pixels, which a single pass over the images gives.
PROXIES = tuple(key for key, measure in MEASURES.items() if measure.proxy)

#: Scores and measures by key: whatever can be a row of the correlation table.
RANKED: dict[str, Score | Measure] = {**SCORES, **MEASURES}

#: An image of less contrast is one even area, whose hash says nothing.
UNIFORM = 0.02
#: Below this mean distance between channels an image counts as grey.
GREY = 0.01


def luma(rgb: np.ndarray) -> np.ndarray:
    """Luma of uint8 pixels (H, W, 3), float64 (H, W) from 0 to 1."""
    return (rgb @ np.array(_LUMA)) / 255


def measure_pixels(rgb: np.ndarray) -> dict[str, float]:
    """The `PROXIES` of uint8 pixels (H, W, 3), which the caller has made to fit into `SIDE` x `SIDE`.

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
    }


def perceptual_hash(grey: np.ndarray) -> int:
    """64 bits that stay nearly the same when an image is scaled, encoded again or lit otherwise.

    `grey`: luma of the whole image made 32 x 32, any unit. The bits say which of the 64 lowest frequencies of its
    cosine transform lie above their median, row by row, the first the highest (Zauner 2010, pHash).
    """
    if grey.shape != (HASH_SIDE, HASH_SIDE):
        raise ValueError(f"a hash takes {HASH_SIDE} x {HASH_SIDE} values, not {grey.shape}")
    waves = dct(dct(np.asarray(grey, np.float64), axis=0), axis=1)[:_HASH_BLOCK, :_HASH_BLOCK]
    return int.from_bytes(np.packbits(waves > np.median(waves)).tobytes())
