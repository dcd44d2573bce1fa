"""Odd images by stated thresholds: tiny, black, blank and blurred."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.images.measures import UNIFORM

#: A side is tiny below this share of the dataset's median, where no number of pixels is given.
TINY_SHARE = 0.25


@dataclass(frozen=True)
class Flaw:
    """A kind of odd image: the least of `measures`, called `what`, lies below a threshold."""

    name: str
    what: str
    measures: tuple[str, ...]
    unit: str = ""

    def of(self, measured: pd.DataFrame) -> pd.Series:
        """What is compared with the threshold, NaN for an image that was not measured."""
        return measured[list(self.measures)].astype(float).min(axis=1)

    def rule(self, limit: float) -> str:
        """When an image has the flaw.

        >>> FLAWS["tiny"].rule(94.0)
        'shorter side below 94 px'
        """
        return f"{self.what} below {limit:.4g}{self.unit}"


#: In the order in which they are tried: an image counts once, as the first that fits.
FLAWS = {
    "tiny": Flaw("Tiny", "shorter side", ("width", "height"), " px"),
    "black": Flaw("Black", "brightness", ("brightness",)),
    "blank": Flaw("Blank", "contrast", ("contrast",)),
    "blurred": Flaw("Blurred", "sharpness", ("sharpness",)),
}


@dataclass(frozen=True)
class Thresholds:
    """Where an image is odd: `tiny` in pixels, None for a quarter of the median; the others in units of their measure.

    Apart from two small ones of 300 ImageNet photos, the defaults spare these, 2,000 images of CIFAR-10, 2,000 of PACS
    and the digits. They find the same photos blurred by 3 pixels (at 256 a side), and most of those blurred by 2 or
    darkened to a twentieth; `docs/results.md` has the figures.
    """

    tiny: float | None = None
    black: float = 0.03
    blank: float = UNIFORM
    blurred: float = 1.5

    def resolved(self, measured: pd.DataFrame) -> dict[str, float]:
        """The threshold of each flaw whose measures are columns of `measured`, which has the whole dataset."""
        there = [key for key, flaw in FLAWS.items() if set(flaw.measures) <= set(measured)]
        limits = {key: getattr(self, key) for key in there}
        if "tiny" in there and self.tiny is None:
            limits["tiny"] = TINY_SHARE * float(np.nan_to_num(FLAWS["tiny"].of(measured).median()))
        return limits


def flaw_of(measured: pd.DataFrame, limits: Mapping[str, float]) -> np.ndarray:
    """The flaw of each row of measures, "" for none and where nothing was measured.

    >>> rows = pd.DataFrame({"width": [9, 64, 64], "height": 64, "contrast": [0.2, 0.0, 0.2]})
    >>> flaw_of(rows, Thresholds().resolved(rows)).tolist()
    ['tiny', 'blank', '']
    """
    flaws = np.full(len(measured), "", object)
    for key in reversed(list(limits)):  # the first that fits is written last
        flaws[(FLAWS[key].of(measured) < limits[key]).to_numpy()] = key
    return flaws
