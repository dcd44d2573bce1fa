"""A measure: how much neighbouring pixels differ."""

import numpy as np

from avhcurate.workspace.images.measures import Measure


def _difference(rgb: np.ndarray) -> float:
    light = rgb.mean(axis=2)
    return float(np.abs(np.diff(light, axis=1)).mean() / 255) if rgb.shape[1] > 1 else 0.0


detail = Measure(
    key="detail",
    name="Detail",
    formula=r"\overline{|Y_{i,j+1} - Y_{i,j}|}",
    sentence="Mean difference of a pixel from the one to its right.",
    low_end="least detail",
    high_end="most detail",
    proxy=True,
    pixels=_difference,
)
