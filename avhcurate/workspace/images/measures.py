"""The one table of measures of an image without a network; `pixels` takes them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from avhcurate.errors import CurateError
from avhcurate.measures.scores import PREDICTIONS, SCORES, Needs, Score
from avhcurate.plugins import COLUMN_NAMES, checked_function, load


@dataclass(frozen=True, kw_only=True)
class Measure(Score):
    """A measure of an image, described as a score is.

    `harder` is the end of bad images; `proxy`: known to make images hard for people at that end. `low_end` and
    `high_end` name the odd images at both ends; `whole`: values are whole numbers.
    """

    harder: Literal["high", "low", ""] = "low"
    needs: Needs = "images"
    reference: str = ""
    needs_label: bool = False
    low_end: str
    high_end: str
    proxy: bool = False
    whole: bool = False
    #: of a plugin's measure: its value of uint8 pixels (H, W, 3)
    pixels: Callable[[np.ndarray], float] | None = None


MEASURES: dict[str, Measure] = {
    measure.key: measure
    for measure in (
        Measure(
            key="brightness",
            name="Brightness",
            formula=r"\bar{Y}",
            sentence="Mean luma of the image.",
            low_end="darkest",
            high_end="brightest",
            proxy=True,
            reference="Luma Y of ITU-R BT.601.",
        ),
        Measure(
            key="contrast",
            name="Contrast",
            formula=r"\sqrt{\overline{(Y - \bar{Y})^2}}",
            sentence="Standard deviation of the luma.",
            high="1/2",
            low_end="least contrast",
            high_end="most contrast",
            proxy=True,
            reference="RMS contrast: Peli, JOSA A 7, 1990.",
        ),
        Measure(
            key="sharpness",
            name="Sharpness",
            formula=r"\log_{10}\left(1 + \mathrm{Var}(\nabla^2\, 255\,Y)\right)",
            sentence="Log of the variance of the Laplacian of the luma at up to 256 pixels a side; low means blurred.",
            high="about 6",
            low_end="blurriest",
            high_end="sharpest",
            proxy=True,
            reference="Pech-Pacheco et al., ICPR 2000.",
        ),
        Measure(
            key="information",
            name="Information",
            formula=r"-\sum_v h_v \log_2 h_v",
            sentence="Entropy of the histogram of luma over 256 levels; near 0 the image is one even area.",
            high="8",
            unit="bit",
            low_end="least information",
            high_end="most information",
            proxy=True,
            reference="Shannon 1948.",
        ),
        Measure(
            key="colour",
            name="Colour",
            formula=r"\overline{\max(R, G, B) - \min(R, G, B)}",
            sentence="Mean distance of the strongest from the weakest channel; 0 means grey.",
            low_end="greyest",
            high_end="most colour",
            proxy=True,
        ),
        Measure(
            key="width",
            name="Width",
            formula="W",
            sentence="Pixels from left to right, upright.",
            low="1",
            high="∞",
            unit="px",
            low_end="narrowest",
            high_end="widest",
            whole=True,
        ),
        Measure(
            key="height",
            name="Height",
            formula="H",
            sentence="Pixels from top to bottom, upright.",
            low="1",
            high="∞",
            unit="px",
            low_end="lowest",
            high_end="tallest",
            whole=True,
        ),
        Measure(
            key="aspect",
            name="Aspect",
            formula="W / H",
            sentence="Width over height.",
            high="∞",
            low_end="tallest shape",
            high_end="widest shape",
        ),
        Measure(
            key="file_bytes",
            name="File size",
            formula="",
            sentence="Bytes of the encoded image.",
            low="1",
            high="∞",
            unit="B",
            low_end="smallest files",
            high_end="largest files",
            whole=True,
        ),
        Measure(
            key="nearest_similarity",
            name="Nearest similarity",
            formula=r"\max_{j \neq i} \cos(x_i, x_j)",
            sentence="Cosine of the embedding to its nearest neighbour's, in the run with which duplicates were found.",
            low="-1",
            low_end="least like any other",
            high_end="most like another",
        ),
    )
}


def of_plugin(name: str, thing: object) -> Measure:
    """Return the measure that a plugin adds under a name; CurateError says what is wrong with it."""
    if not isinstance(thing, Measure):
        raise CurateError(f"it is a {type(thing).__name__} and no avhcurate.workspace.images.measures.Measure")
    if thing.key != name or not name.isidentifier() or name != name.lower():
        raise CurateError(f"its key is {thing.key!r}: key and entry point have one name, in small letters")
    if thing.pixels is None or thing.whole:
        raise CurateError("it lacks a function of the pixels, or has whole numbers")
    pixels = checked_function("measures", lambda value, _: float(value))(name, thing.pixels)
    return replace(thing, pixels=pixels, plugin=True)


MEASURES.update(load("measures", of_plugin, taken={*SCORES, *MEASURES, *COLUMN_NAMES}))

#: Measures of the pixels, which a single pass over the images gives.
PROXIES = tuple(key for key, measure in MEASURES.items() if measure.proxy)
#: All that a pass over the pixels gives: those, and what plugins add.
OF_PIXELS = tuple(dict.fromkeys([*PROXIES, *(key for key, measure in MEASURES.items() if measure.plugin)]))

#: Scores and measures by key: all that can be a row of the correlation table.
RANKED: dict[str, Score] = {**SCORES, **PREDICTIONS, **MEASURES}
