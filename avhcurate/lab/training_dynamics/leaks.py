"""Held-out samples that have a near duplicate among the samples learnt from."""

import numpy as np
import pandas as pd

from avhcurate.datasets.table.subset import Subset
from avhcurate.errors import Run
from avhcurate.features.quality.duplicates import equal_pairs, groups, hash_pairs
from avhcurate.workspace.images.pixels import HASH_SIDE


def held_out_copies(train: Subset, held_out: Subset) -> int | None:
    """Return how many held-out samples equal one learnt from, or nearly; None where images were not measured."""
    subsets = (train, held_out)
    if not all(subset.dataset.quality.ready(subset.dataset.record.fingerprint) for subset in subsets):
        return None
    rows = pd.concat([_measured(subset) for subset in subsets], ignore_index=True)
    hashed = np.flatnonzero(rows["phash"].notna())
    near = hashed[hash_pairs(rows["phash"].iloc[hashed].to_numpy(np.uint64))]
    group = groups(len(rows), np.concatenate([equal_pairs(rows["sha256"]), near]))
    of_train = group[: len(train.ids)]
    of_held_out = group[len(train.ids) :]
    return int(np.isin(of_held_out, of_train[of_train > 0]).sum())


def leak_text(copies: int | None, learnt_from: str, held_out: str) -> str:
    """Return what is known of near duplicates between the two, in a sentence.

    >>> leak_text(2, "pets", "pets")
    'Held-out samples with a near duplicate among those learnt from: 2. Their accuracy is too high.'
    """
    if copies is None:
        runs = " and ".join(f"{Run('quality', name)}" for name in dict.fromkeys((learnt_from, held_out)))
        return f"Near duplicates are not known. {runs} before training."
    if not copies:
        return "No held-out sample has a near duplicate among those learnt from."
    return f"Held-out samples with a near duplicate among those learnt from: {copies:,}. Their accuracy is too high."


def _measured(subset: Subset) -> pd.DataFrame:
    measures = subset.dataset.quality.measures().set_index("id").reindex(subset.ids)
    large = measures[["width", "height"]].min(axis=1) >= HASH_SIDE
    return measures.reindex(columns=["sha256", "phash"]).assign(phash=lambda rows: rows["phash"].where(large))
