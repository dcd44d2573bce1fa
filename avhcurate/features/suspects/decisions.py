"""Decisions on suspects, as events: accept the suggestion, keep the label, undo either."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.label_files import relabel_from
from avhcurate.datasets.table.columns import KEPT
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable


def states(samples: SampleTable, ids: Sequence[int]) -> pd.Series:
    """Return the decision on each sample, by id in order: "accepted" (its label was changed), "kept" or ""."""
    rows = samples.frame(Filters(excluded=None, ids=tuple(ids)), columns=["id", "label", "curated_label", "tags"])
    changed = (rows["curated_label"] != rows["label"]).fillna(True)
    confirmed = np.array([KEPT in tags for tags in rows["tags"]], bool)
    decisions = np.select([changed, confirmed], ["accepted", "kept"], "")
    return pd.Series(decisions, index=rows["id"].astype("int64")).loc[list(ids)]


def undecided_ids(samples: SampleTable, ids: Sequence[int]) -> list[int]:
    """Return which of some suspects are not decided and not excluded, in order."""
    query = "SELECT id FROM samples WHERE excluded OR curated_label IS DISTINCT FROM label OR list_contains(tags, ?)"
    done = {id for (id,) in samples.query(query, [KEPT])}
    return [id for id in ids if id not in done]


def undecided(samples: SampleTable, suspects: pd.DataFrame, *, where: str = "") -> pd.DataFrame:
    """Return the suspects, rows with an `id`, that are not decided and not excluded, and satisfy a condition."""
    ids = suspects["id"].tolist()
    included = samples.frame(Filters(ids=tuple(ids), where=where), columns=["id"])["id"]
    return suspects[suspects["id"].isin(included) & (states(samples, ids) == "").to_numpy()]


def accept(decisions: Decisions, suggested: Mapping[int, int]) -> None:
    """Relabel samples, by id, as suggested. Write one event."""
    if len(labels := set(suggested.values())) == 1:
        annotate(decisions, list(suggested), "relabel", labels.pop())
        return
    names = [decisions.samples.classes[label] for label in suggested.values()]
    relabel_from(decisions, pd.DataFrame({"id": list(suggested), "label_name": names}))


def keep(decisions: Decisions, ids: Sequence[int]) -> None:
    """Confirm the given labels by a tag. Write one event."""
    annotate(decisions, ids, "tag", KEPT)
