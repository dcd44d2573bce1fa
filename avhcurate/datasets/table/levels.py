"""HSF and AVH of samples at the level of the parents of their classes."""

import numpy as np
import pandas as pd

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.measures.scores import angles, parent_avh
from avhcurate.measures.stats.downsample import evenly_spread
from avhcurate.workspace.data.runs import RunFolder

#: Numbers of features or angles in memory, at most.
_MOST = 1 << 26


def at_parents(samples: SampleTable, run: RunFolder | None, votes: Votes, filters: Filters) -> pd.DataFrame:
    """Return labelled samples by id, with what they are at the level of parents, for a table whose classes have any.

    Columns `label, parent, predicted, predicted_parent, hsf, avh`, and `hsf_parent`, the share of the votes that are
    for the parent of the label or for one of its classes; `avh_parent`, see `scores.parent_avh`, of some of
    very many samples. NaN without k-way votes, and without class weights of all classes.
    """
    rows = samples.frame(filters, columns=["id", "label", "parent", "predicted", "predicted_parent", "hsf", "avh"])
    rows = rows.dropna(subset="label").set_index("id")
    parent_votes = votes.by_parent()
    return rows.assign(
        hsf_parent=parent_votes["hits"] / parent_votes["votes"], avh_parent=_avh(samples, run, rows["label"])
    )


def _avh(samples: SampleTable, run: RunFolder | None, labels: pd.Series) -> pd.Series:
    """Return AVH at the level of parents by id, each by the head that has scored it."""
    if run is None or not (run.has_features and run.has_heads) or run.num_classes != len(samples.classes):
        return pd.Series(dtype=float)
    parents, _ = pd.factorize(np.array(samples.parents, object))
    ids = np.intersect1d(labels.index, run.scored_ids())
    ids = ids[evenly_spread(len(ids), _MOST // max(len(parents), run.record.width))]
    features = run.features_of(ids)
    avh = np.full(len(ids), np.nan)
    for places, class_weights, _ in run.heads_of(ids):
        theta = angles(features[places], class_weights)
        avh[places] = parent_avh(theta, labels[ids[places]].to_numpy(int), parents)
    return pd.Series(avh, ids)
