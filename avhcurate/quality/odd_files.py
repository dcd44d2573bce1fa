"""Odd files of a dataset: broken or misnamed, and images that are tiny, black, blank or blurred."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.quality.flaws import FLAWS, Thresholds, flaw_of
from avhcurate.quality.service import ready
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters

#: Kinds of odd files and their names, in order: those that cannot be read or are not what they are named, then flaws.
KINDS = {"file": "Broken or misnamed"} | {key: flaw.name for key, flaw in FLAWS.items()}


@dataclass(frozen=True)
class OddFiles:
    """`files`: `id, path, kind, odd`, in the order of KINDS, broken ones first. `limits`: threshold of each flaw."""

    files: pd.DataFrame
    limits: dict[str, float]

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each kind that was looked for."""
        of_kind = self.files["kind"].value_counts()
        return {kind: int(of_kind.get(kind, 0)) for kind in KINDS if kind == "file" or kind in self.limits}


def odd_files(table: DatasetTable, filters: Filters | None = None, thresholds: Thresholds | None = None) -> OddFiles:
    """The odd files among the samples that satisfy `filters`; each counts once, as the first of KINDS that fits."""
    ready(table)
    # A column of the user's own may stand before a measure of its name.
    needed = [key for flaw in FLAWS.values() for key in flaw.measures if key in table.measures]
    limits = (thresholds or Thresholds()).resolved(table.frame(Filters(excluded=None), columns=["id", *needed]))
    seen = table.frame(filters or Filters(), columns=["id", *needed, "problem", "oddity"])
    said = seen["problem"].fillna(seen["oddity"])
    kinds = np.where(said.notna(), "file", flaw_of(seen, limits))
    odd = seen.assign(kind=kinds, odd=said)[kinds != ""]
    for key in limits:
        of_kind = odd[odd["kind"] == key]
        values = FLAWS[key].of(of_kind)
        odd.loc[of_kind.index, "odd"] = [f"{key}: {FLAWS[key].what} {value:.4g}{FLAWS[key].unit}" for value in values]
    odd = odd.assign(
        path=table.paths_of(odd["id"].tolist()),
        _order=odd["kind"].map({kind: place for place, kind in enumerate(KINDS)}),
        _readable=odd["problem"].isna(),
    ).sort_values(["_order", "_readable", "id"], ignore_index=True)
    return OddFiles(odd[["id", "path", "kind", "odd"]], limits)
