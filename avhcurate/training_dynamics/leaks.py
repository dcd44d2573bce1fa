"""Held-out samples that have a near duplicate among the samples learnt from."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from avhcurate.images.measures import HASH_SIDE
from avhcurate.quality.duplicates import equal_pairs, hash_pairs
from avhcurate.table.subset import Subset


def held_out_copies(train: Subset, held_out: Subset) -> int | None:
    """How many held-out samples are in a group of near duplicates with one learnt from; None where not measured.

    Within one dataset the groups are those of its page Quality; across two they are of equal bytes or near hashes.
    """
    subsets = (train, held_out)
    if not all(subset.dataset.quality.ready(subset.dataset.record.fingerprint) for subset in subsets):
        return None
    held = np.repeat([False, True], [len(subset.ids) for subset in subsets])
    if train.dataset.root == held_out.dataset.root:
        columns = pq.read_table(train.dataset.quality.columns_path, columns=["id", "duplicate_group"]).to_pandas()
        of_id = columns.set_index("id")["duplicate_group"]
        groups = pd.concat([of_id.reindex(subset.ids) for subset in subsets]).fillna(-1).to_numpy(np.int64)
    else:
        groups = _groups(pd.concat([_measured(subset) for subset in subsets], ignore_index=True))
    copied = held & np.isin(groups, groups[~held]) & (groups >= 0)
    return int(copied.sum())


def leak_text(copies: int | None, learnt_from: str, held_out: str) -> str:
    """What is known of near duplicates between the two, in a sentence.

    >>> leak_text(2, "pets", "pets")
    '2 of the held-out samples have a near duplicate among those learnt from: their figures flatter'
    >>> leak_text(None, "pets", "more")
    'near duplicates between the two are not known: run `avhcurate quality pets` and `avhcurate quality more` before'
    """
    if copies is None:
        commands = " and ".join(f"`avhcurate quality {name}`" for name in dict.fromkeys((learnt_from, held_out)))
        return f"near duplicates between the two are not known: run {commands} before"
    if not copies:
        return "no held-out sample has a near duplicate among those learnt from"
    have = "has" if copies == 1 else "have"
    return f"{copies:,} of the held-out samples {have} a near duplicate among those learnt from: their figures flatter"


def _measured(subset: Subset) -> pd.DataFrame:
    measures = subset.dataset.quality.measures().set_index("id").reindex(subset.ids)
    large = measures[["width", "height"]].min(axis=1) >= HASH_SIDE
    return measures.reindex(columns=["sha256", "phash"]).assign(phash=lambda rows: rows["phash"].where(large))


def _groups(rows: pd.DataFrame) -> np.ndarray:
    """A group for each row of `sha256, phash`: those of rows with equal bytes or near hashes are one.

    >>> rows = pd.DataFrame({"sha256": ["a", "b", "a"], "phash": pd.array([None, None, None], "UInt64")})
    >>> _groups(rows).tolist()
    [0, 1, 0]
    """
    hashed = np.flatnonzero(rows["phash"].notna())
    near = hashed[hash_pairs(rows["phash"].iloc[hashed].to_numpy(np.uint64))]
    first, second = np.concatenate([equal_pairs(rows["sha256"]), near]).T
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(len(rows), len(rows)))
    return np.asarray(connected_components(graph, directed=False)[1])
