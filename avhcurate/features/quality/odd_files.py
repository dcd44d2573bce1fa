"""Odd files: what cannot be read, is misnamed, or is below a threshold of a measure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.features.quality.service import ready
from avhcurate.features.quality.study import FLAWS, USUAL, compared, flaw_of, thresholds_of
from avhcurate.workspace.data.datasets import DatasetFolder

#: Kinds of odd files and their names, in order: those that cannot be read or are not what they are named, then flaws.
KINDS = {"file": "Broken or misnamed"} | {key: key.capitalize() for key in FLAWS}


def rule(kind: str, limit: float) -> str:
    """Return when an image has a flaw.

    >>> rule("tiny", 94.0)
    'shorter side below 94'
    """
    return f"{FLAWS[kind][0]} below {limit:.4g}"


@dataclass(frozen=True)
class OddFiles:
    """`files`: `id, path, kind, odd`, in the order of KINDS, broken ones first. `limits`: threshold of each flaw."""

    files: pd.DataFrame
    limits: dict[str, float]

    @property
    def counts(self) -> dict[str, int]:
        """Number of files of each kind that was looked for."""
        return {kind: int((self.files["kind"] == kind).sum()) for kind in ("file", *self.limits)}


def odd_files(
    samples: SampleTable,
    dataset: DatasetFolder,
    filters: Filters | None = None,
    limits: Mapping[str, float | None] = USUAL,
) -> OddFiles:
    """Return the odd files among the samples that satisfy `filters`; each counts once, as the first kind that fits.

    `limits`: the threshold of each of FLAWS; none for `tiny` is a quarter of the median of the whole dataset.
    """
    ready(dataset)
    # A column of the user's own may replace a measure of its name.
    needed = [key for _, measures in FLAWS.values() for key in measures if key in samples.measures]
    whole = compared(samples.frame(Filters(excluded=None), columns=["id", *needed]))
    thresholds = thresholds_of(whole, limits)
    files = samples.frame(filters or Filters(), columns=["id", "path", *needed, "problem", "oddity"])
    values = compared(files)
    reasons = files["problem"].fillna(files["oddity"])
    kinds = pd.Series(np.where(reasons.notna(), "file", flaw_of(values, thresholds)))
    for key in thresholds:
        reasons[kinds == key] = [f"{key}: {FLAWS[key][0]} {value:.4g}" for value in values[key][kinds == key]]
    order = kinds.map({kind: position for position, kind in enumerate(KINDS)})
    files = files.assign(kind=kinds, odd=reasons, order=order, read=files["problem"].isna()).dropna(subset="order")
    files = files.sort_values(["order", "read"], kind="stable", ignore_index=True)
    return OddFiles(files[["id", "path", "kind", "odd"]], thresholds)
