"""Odd files of a dataset: broken or misnamed, and images that are tiny, black, blank or blurred."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.quality.service import ready
from avhcurate.workspace.images.measures import UNIFORM

#: A side is tiny below this share of the dataset's median, where no number of pixels is given.
TINY_SHARE = 0.25


@dataclass(frozen=True)
class Flaw:
    """A kind of odd image: the smallest of `measures`, called `what`, is below a threshold."""

    name: str
    what: str
    measures: tuple[str, ...]
    unit: str = ""

    def of(self, measured: pd.DataFrame) -> pd.Series:
        """Return what is compared with the threshold, NaN for an image that was not measured."""
        return measured[list(self.measures)].astype(float).min(axis=1)

    def rule(self, limit: float) -> str:
        """Return when an image has the flaw.

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
#: Kinds of odd files and their names, in order: those that cannot be read or are not what they are named, then flaws.
KINDS = {"file": "Broken or misnamed"} | {key: flaw.name for key, flaw in FLAWS.items()}


@dataclass(frozen=True)
class Thresholds:
    """Limits of odd images: `tiny` in pixels, None for a quarter of the median; the others in units of their measure.

    Apart from two small ones of 300 ImageNet photos, the defaults spare these, 2,000 images of CIFAR-10, 2,000 of PACS
    and the digits. They find the same photos blurred by 3 pixels (at 256 a side), and most of those blurred by 2 or
    darkened to a twentieth; `docs/results.md` has the figures.
    """

    tiny: float | None = None
    black: float = 0.03
    blank: float = UNIFORM
    blurred: float = 1.5

    def resolved(self, measured: pd.DataFrame) -> dict[str, float]:
        """Return the threshold of each flaw whose measures are columns of `measured`, which has the whole dataset."""
        there = [key for key, flaw in FLAWS.items() if set(flaw.measures) <= set(measured)]
        limits = {key: getattr(self, key) for key in there}
        if "tiny" in there and self.tiny is None:
            limits["tiny"] = TINY_SHARE * float(np.nan_to_num(FLAWS["tiny"].of(measured).median()))
        return limits


def flaw_of(measured: pd.DataFrame, limits: Mapping[str, float]) -> np.ndarray:
    """Return the flaw of each row of measures, "" for none and if nothing was measured.

    >>> rows = pd.DataFrame({"width": [9, 64, 64], "height": 64, "contrast": [0.2, 0.0, 0.2]})
    >>> flaw_of(rows, Thresholds().resolved(rows)).tolist()
    ['tiny', 'blank', '']
    """
    found = [FLAWS[key].of(measured) < limit for key, limit in limits.items()]
    every = np.ones(len(measured), bool)
    return np.select([*found, every], [*limits, ""], "").astype(object)


@dataclass(frozen=True)
class OddFiles:
    """`files`: `id, path, kind, odd`, in the order of KINDS, broken ones first. `limits`: threshold of each flaw."""

    files: pd.DataFrame
    limits: dict[str, float]

    @property
    def counts(self) -> dict[str, int]:
        """Number of files of each kind that was looked for."""
        return {kind: int((self.files["kind"] == kind).sum()) for kind in ("file", *self.limits)}


def odd_files(table: DatasetTable, filters: Filters | None = None, thresholds: Thresholds | None = None) -> OddFiles:
    """Return the odd files among the samples that satisfy `filters`; each counts once, as the first kind that fits."""
    ready(table)
    # A column of the user's own may replace a measure of its name.
    needed = [key for flaw in FLAWS.values() for key in flaw.measures if key in table.measures]
    limits = (thresholds or Thresholds()).resolved(table.frame(Filters(excluded=None), columns=["id", *needed]))
    seen = table.frame(filters or Filters(), columns=["id", "path", *needed, "problem", "oddity"])
    said = seen["problem"].fillna(seen["oddity"])
    seen = seen.assign(kind=np.where(said.notna(), "file", flaw_of(seen, limits)), odd=said)
    parts = [seen[seen["kind"] == "file"].sort_values("problem", key=lambda problem: problem.isna(), kind="stable")]
    for key in limits:
        part, flaw = seen[seen["kind"] == key], FLAWS[key]
        parts.append(part.assign(odd=[f"{key}: {flaw.what} {value:.4g}{flaw.unit}" for value in flaw.of(part)]))
    files = pd.concat(parts, ignore_index=True)
    return OddFiles(files[["id", "path", "kind", "odd"]], limits)
