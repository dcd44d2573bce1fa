"""The parts of a report's section: bars, galleries, captions, intervals."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.measures.scores import SCORES
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.disk.json_text import rows_of

#: The most images of a gallery, and rows of a table.
IMAGES = 12
ROWS = 20


@dataclass(frozen=True)
class ReportGallery:
    """Images under a title, each as caption and id; `others` of them are not shown."""

    title: str
    tiles: list[tuple[str, int]]
    others: int


def bars(counts: pd.DataFrame) -> list[tuple[str, int, float]]:
    """Return bars of `value, n`, the first `ROWS` of them."""
    shown = counts.head(ROWS)
    return [(str(row["value"]), row["n"], row["n"] / shown["n"].max()) for row in rows_of(shown)]


def gallery(
    samples: SampleTable,
    title: str,
    ids: Sequence[int],
    columns: Sequence[str] = (),
    *,
    captions: dict[int, str] | None = None,
) -> ReportGallery:
    """Return the first `IMAGES` samples, each with its caption, or with its label and values of `columns`."""
    captions = captions or {id: caption_of(samples.sample(id), columns) for id in ids[:IMAGES]}
    tiles = [(captions[id], id) for id in ids[:IMAGES]]
    return ReportGallery(f"{title} ({len(ids):,})", tiles, len(ids) - len(tiles))


def caption_of(row: dict[str, object], columns: Sequence[str]) -> str:
    """
    >>> caption_of({"label_name": "cat", "split": "train", "avh": 0.12345, "hsf": None}, ["split", "avh", "hsf"])
    'cat, train, AVH 0.123'
    """
    names = {"hsf": "HSF"} | {key: score.name for key, score in SCORES.items()}
    parts = [str(row.get("label_name") or "no label")]
    for column in columns:
        value = row.get(column)
        if isinstance(value, float):
            parts.append(f"{names.get(column, column)} {value:.3g}")
        elif value is not None:
            parts.append(str(value))
    return ", ".join(parts)


def thumbnail(dataset: DatasetFolder, id: int) -> str:
    """Return the thumbnail as a data address, or "" without one."""
    encoded = dataset.thumbnails.get(id)
    if encoded is None:
        return ""
    # Browsers tell PNG from JPEG by the bytes.
    return f"data:image/jpeg;base64,{base64.b64encode(encoded).decode()}"


def interval(value: float, low: float, high: float) -> str:
    """
    >>> interval(-0.3361, -0.354, -0.318), interval(float("nan"), 0.0, 0.0), interval(1.0, *2 * [float("nan")])
    ('-0.336 (-0.354 to -0.318)', '-', '1.000')
    """
    if np.isnan(value):
        return "-"
    if np.isnan(low):
        return f"{value:.3f}"
    return f"{value:.3f} ({low:.3f} to {high:.3f})"
