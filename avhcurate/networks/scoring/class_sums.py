"""Embeddings of a run summed by class, from which its class prototypes are made."""

from collections.abc import Iterable

import numpy as np

from avhcurate.measures.scores import ClassSums
from avhcurate.workspace.data.runs import RunFolder


def sum_by_class(run: RunFolder, blocks: Iterable[np.ndarray], labels: np.ndarray, num_classes: int) -> ClassSums:
    """Sum in float64 of the features of some ids, given in blocks; `labels` (N,) of all samples by id, -1 for none."""
    sums = np.zeros((num_classes, run.record.width))
    counts = np.zeros(num_classes, np.int64)
    for block in blocks:
        ids = block[labels[block] >= 0]
        ids = ids[np.argsort(labels[ids], kind="stable")]
        present, starts, members = np.unique(labels[ids], return_index=True, return_counts=True)
        if len(ids):
            sums[present] += np.add.reduceat(run.features_of(ids), starts, axis=0, dtype=np.float64)
            counts[present] += members
    return ClassSums(sums, counts)
