"""Measures of encoded images, those of one shape at once."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from avhcurate.errors import CurateError, Text
from avhcurate.workspace.images.decoding import BrokenImage
from avhcurate.workspace.images.measures import MEASURES
from avhcurate.workspace.images.pixels import measure_images, small_image


def examine(images: Sequence[tuple[bytes | BrokenImage, str]]) -> list[dict[str, Any]]:
    """Return a row of each encoded image, given with its path: its measures, or its `problem`.

    Those of one shape are measured at once: of small images each call would cost more than its pixels. Raises
    CurateError if a plugin's measure fails on one; earlier measures are kept, and the same call resumes.
    """
    rows = list[dict[str, Any]]()
    shapes = defaultdict[tuple[int, int], list[Any]](list)
    for encoded, path in images:
        row, image = small_image(encoded, path)
        rows.append(row)
        if image is None:
            continue
        shapes[image.size].append((row, image))
        try:
            row |= {
                key: measure.pixels(np.asarray(image))
                for key, measure in MEASURES.items()
                if measure.pixels is not None
            }
        except CurateError as error:
            raise CurateError(Text(f"{path}: ", error.what), fix=error.fix) from None
    for members in shapes.values():
        columns = measure_images([image for _, image in members])
        for (row, _), *values in zip(members, *columns.values(), strict=True):
            row |= zip(columns, values, strict=True)
    return rows
