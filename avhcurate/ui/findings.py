"""Cache shells for what services find out about a table: worked out once, and again when its inputs change.

What comes back is shared, so pages read it and never change it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from scipy.stats import rankdata

from avhcurate.curation.disagreement import Cuts
from avhcurate.curation.filters import Filters
from avhcurate.curation.hsf import wilson
from avhcurate.curation.selection import GATES, Rule
from avhcurate.plots.disagreement import thin_out
from avhcurate.services import correlating, disagreeing, selecting
from avhcurate.services.correlating import HSF, Correlations
from avhcurate.services.disagreeing import Gap
from avhcurate.services.selecting import PseudoLabels
from avhcurate.services.tables import DatasetTable

#: At which a curve over portions is worked out.
PORTIONS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0)


def stamp(table: DatasetTable) -> str:
    """Changes with whatever a finding about the table depends on: samples, votes, run, bins and annotations."""
    record, run = table.dataset.record, table.run
    parts = [
        str(table.dataset.root),
        record.fingerprint,
        table.votes.fingerprint if table.votes else "",
        f"{run.root.name} {run.scores_path.stat().st_mtime_ns}" if run else "",
        f"{table.training.name} {table.training.dynamics_path.stat().st_mtime_ns}" if table.training else "",
        ",".join(map(repr, table.edges)),
        str(table.dataset.quality.columns_path.stat().st_mtime_ns) if table.measured else "",
        str(table.log.version(record.name)),
    ]
    return "\n".join(parts)


def correlations(table: DatasetTable, filters: Filters, *, bootstrap: bool, against: str = HSF) -> Correlations:
    """Every score with HSF, or with what stands for it, over the samples in view: see `services.correlating`."""
    return _correlations(stamp(table), filters.to_query(), bootstrap, against, table, filters)


@dataclass(frozen=True)
class GapPoints:
    """Both sets of the gap with the points to draw: `id, hsf, value, difficulty, set`, thinned out where they are many.

    `difficulty` is the share of samples that the network finds easier, ties counted half.
    """

    gap: Gap
    drawn: pd.DataFrame


def gap(table: DatasetTable, filters: Filters, *, key: str, hsf_cuts: Cuts, score_cuts: Cuts) -> GapPoints:
    """Both sets of the human-network gap: see `services.disagreeing`."""
    cuts = repr((hsf_cuts, score_cuts))
    return _gap(stamp(table), filters.to_query(), key, cuts, table, filters, hsf_cuts, score_cuts)


def pseudo_labels(table: DatasetTable, filters: Filters, *, rule: Rule, portion: float) -> PseudoLabels:
    """What a rule selects: see `services.selecting`."""
    return _pseudo_labels(stamp(table), filters.to_query(), rule, portion, table, filters)


def portion_curve(table: DatasetTable, filters: Filters) -> pd.DataFrame:
    """`rule, portion, selected, n, accuracy, low, high` of every gate at `PORTIONS`; n of the selected have a label."""
    return _portion_curve(stamp(table), filters.to_query(), table, filters)


def accuracy(found: PseudoLabels, ids: Sequence[int] | None = None) -> tuple[int, float, float, float]:
    """How many selected samples (of `ids`, if given) have a label, and the share of them whose pseudo-label it is.

    n, accuracy, and the ends of its Wilson interval; NaN where n is 0.
    """
    judged = found.selection.selected & (found.labels >= 0)
    if ids is not None:
        judged &= np.isin(found.ids, ids)
    n, correct = int(judged.sum()), int((found.selection.candidate[judged] == found.labels[judged]).sum())
    low, high = wilson([correct], [n])
    return n, correct / n if n else float("nan"), float(low[0]), float(high[0])


@st.cache_resource(max_entries=16, show_spinner="Correlating …")
def _correlations(
    stamp: str, query: dict[str, str], bootstrap: bool, against: str, _table: DatasetTable, _filters: Filters
) -> Correlations:
    return correlating.correlate(_table, filters=_filters, bootstrap=bootstrap, against=against)


@st.cache_resource(max_entries=16, show_spinner="Comparing people with the network …")
def _gap(
    stamp: str,
    query: dict[str, str],
    key: str,
    cuts: str,
    _table: DatasetTable,
    _filters: Filters,
    _hsf_cuts: Cuts,
    _score_cuts: Cuts,
) -> GapPoints:
    found = disagreeing.disagree(_table, key=key, filters=_filters, hsf_cuts=_hsf_cuts, score_cuts=_score_cuts)
    return GapPoints(found, thin_out(_points(found)))


def _points(found: Gap) -> pd.DataFrame:
    """Every sample that was compared."""
    both = found.points[~np.isnan(found.sets.gap)]
    value, ids = both[found.key].to_numpy(float), both["id"].to_numpy(np.int64)
    of_set = np.full(len(ids), "", dtype="<U16")
    for name, members in found.ids.items():
        of_set[np.isin(ids, members)] = name
    difficulty = value if found.sets.harder == "high" else -value
    return pd.DataFrame(
        {
            "id": ids,
            "hsf": both["hsf"].to_numpy(float),
            "value": value,
            "difficulty": (rankdata(difficulty) - 0.5) / max(1, len(ids)),
            "set": of_set,
        }
    )


@st.cache_resource(max_entries=8, show_spinner="Selecting …")
def _pseudo_labels(
    stamp: str, query: dict[str, str], rule: Rule, portion: float, _table: DatasetTable, _filters: Filters
) -> PseudoLabels:
    return selecting.select(_table, rule=rule, portion=portion, filters=_filters)


@st.cache_data(max_entries=16, show_spinner="Selecting at other portions …")
def _portion_curve(stamp: str, query: dict[str, str], _table: DatasetTable, _filters: Filters) -> pd.DataFrame:
    rows = []
    for rule in GATES:
        for portion in PORTIONS:
            found = selecting.select(_table, rule=rule, portion=portion, filters=_filters)
            rows.append((rule, portion, len(found.selected), *accuracy(found)))
    return pd.DataFrame(rows, columns=["rule", "portion", "selected", "n", "accuracy", "low", "high"])
