"""Which images to keep for a training: chosen by a rule, and the accuracy by share, measured on the locked part."""

import numpy as np
import pandas as pd

from avhcurate.datasets.curate.locked import locked_mask
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.features.payoff import keep_rules, rules
from avhcurate.features.payoff.service import embeddings
from avhcurate.features.payoff.study import LabelChanges, usable
from avhcurate.measures.stats.blas import one_thread
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.sample_groups import sample_groups

_SEED = 0


def keep(samples: SampleTable, dataset: DatasetFolder, portion: float, *, filters: Filters) -> np.ndarray:
    """Return the ids (n,) that the rule `keep` keeps of the labelled images that satisfy the filters.

    `portion` in (0, 1] is their share. Locked images are never kept: they are to judge. Raises CurateError without
    losses, which say how confident the network is in each label.
    """
    if not 0 < portion <= 1:
        raise CurateError(f"The portion is {portion:g}. Give a number above 0 and up to 1.")
    rows = _confident(samples, dataset, filters)
    if rows.empty:
        raise CurateError("No image in view has a label and a score. Widen the condition.")
    labels = rows["curated_label"].to_numpy(np.int64)
    mask = keep_rules.kept("keep", labels, -rows["loss"].to_numpy(float), portion, seed=_SEED)
    return rows["id"].to_numpy(np.int64)[mask]


@one_thread()
def keep_curve(
    samples: SampleTable, run: RunFolder | None, dataset: DatasetFolder, changes: LabelChanges
) -> pd.DataFrame:
    """Return the accuracy on the locked part by rule and share kept, see `keep_rules.curve`."""
    features = embeddings(samples, run)
    assert run is not None
    ids = usable(run.scored_ids(), changes, samples.classes, dataset=samples.name)
    inside = ids[changes.locked[ids] & (changes.given[ids] >= 0)]
    rows = _confident(samples, dataset, Filters())
    rows = rows[rows["id"].isin(ids)]
    outside = rows["id"].to_numpy(np.int64)
    labels = rows["curated_label"].to_numpy(np.int64)
    x = rules.principal(features, outside)
    groups, _ = sample_groups(dataset, features, outside)
    penalty = rules.choose_penalty(x[outside], labels, len(samples.classes), groups).value
    return keep_rules.curve(
        x[outside],
        labels,
        -rows["loss"].to_numpy(float),
        x[inside],
        changes.given[inside],
        num_classes=len(samples.classes),
        penalty=penalty,
    )


def _confident(samples: SampleTable, dataset: DatasetFolder, filters: Filters) -> pd.DataFrame:
    """Return `id, curated_label, loss` of the images that may be kept."""
    if "loss" not in samples.scores:
        raise CurateError("No run says how confident a network is in each label. Score the images by a network first.")
    rows = samples.frame(filters, columns=["id", "curated_label", "loss"]).dropna()
    return rows[~locked_mask(dataset)[rows["id"].to_numpy(np.int64)]]
