"""Decisions on suspects, in the annotation log: accept the suggestion, keep the label, take either back."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from avhcurate.curate.annotations import annotate
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters

#: The tag of a sample whose given label was confirmed: it does not come back as a suspect.
KEPT = "label-ok"


def decided(table: DatasetTable, ids: Sequence[int]) -> pd.Series:
    """The decision on each of some samples, by id in their order: "accepted" (its label was changed), "kept", or ""."""
    rows = table.frame(Filters(excluded=None, ids=tuple(ids)), columns=["id", "label", "curated_label", "tags"])
    changed = (rows["curated_label"] != rows["label"]).fillna(True)
    kept = np.array([KEPT in tags for tags in rows["tags"]], bool)
    decisions = np.select([changed, kept], ["accepted", "kept"], "")
    return pd.Series(decisions, index=rows["id"].astype("int64")).loc[list(ids)]


def undecided(table: DatasetTable, suspects: pd.DataFrame) -> pd.DataFrame:
    """The suspects, rows with an `id`, that nobody has decided or excluded: what is left to look at."""
    ids = suspects["id"].tolist()
    included = table.frame(Filters(ids=tuple(ids)), columns=["id"])["id"]
    return suspects[suspects["id"].isin(included) & (decided(table, ids) == "").to_numpy()]


def accept(table: DatasetTable, suggested: dict[int, int], *, who: str = "") -> int:
    """Relabels samples, by id, to what was suggested; one entry of the log a label, and how many entries."""
    labels = sorted(set(suggested.values()))
    for label in labels:
        annotate(table, [id for id, other in suggested.items() if other == label], "relabel", label, who=who)
    return len(labels)


def keep(table: DatasetTable, ids: Sequence[int], *, who: str = "") -> int:
    """Confirms the given labels for good, by a tag; one entry of the log."""
    annotate(table, ids, "tag", KEPT, who=who)
    return 1


def take_back(table: DatasetTable, id: int, *, who: str = "") -> None:
    """Makes a sample undecided again: with the label of its source and no tag `label-ok`; the log keeps all entries."""
    decision = decided(table, [id])[id]
    if decision == "accepted":
        annotate(table, [id], "relabel", None, who=who)
    elif decision == "kept":
        annotate(table, [id], "untag", KEPT, who=who)
