"""Inputs of the model of votes: ranks of scores of one or more runs, the class, and kernel features of embeddings."""

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
from scipy.spatial.distance import pdist
from scipy.special import log_softmax

from avhcurate.datasets.table.empty_view import not_scored
from avhcurate.errors import CurateError
from avhcurate.measures.scores import SCORES
from avhcurate.measures.stats.downsample import evenly_spread
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder

if TYPE_CHECKING:
    from sklearn.kernel_approximation import Nystroem

#: Landmarks of the kernel on a run's embeddings, and samples that the size of its features comes from.
LANDMARKS = 256
_REFERENCE = 2_000
#: Sizes next to a score of standard deviation 1: a class indicator; the root of the variance of all kernel features.
_CLASS = 3.0
_EMBEDDING = 2.2
#: With more classes the class is not an input.
MOST_CLASSES = 200
#: Log probabilities below it, as of a masked class, are as good as it.
_LEAST = -50.0


class Inputs:
    """The inputs of every sample that has a label and that all runs have scored, by id.

    `ids` (n,): those samples, ascending; `scores` and `features`: how many of each there are; `runs`: their names;
    `of_run` (scores,): the run of each score, then of each feature.
    """

    def __init__(self, dataset: DatasetFolder, runs: Sequence[RunFolder]) -> None:
        if not runs:
            raise not_scored(dataset.name)
        self._labels = dataset.labels_to_learn()
        scored = reduce(np.intersect1d, (run.scored_ids() for run in runs))
        self.ids = scored[self._labels[scored] >= 0]
        if len(self.ids) < 2:
            raise CurateError(f"Fewer than two images of {dataset.name} have a label and scores of all these runs.")
        self.runs = [run.name for run in runs]
        ranks = [_ranks_of(run, self.ids) for run in runs]
        self._ranks = np.hstack(ranks)
        self._wide = [run for run in runs if run.has_features or run.has_logits]
        reference = self.ids[evenly_spread(len(self.ids), _REFERENCE)]
        self._kernels = [_kernel(_embeddings(run, reference)) for run in self._wide]
        self._classes = np.unique(self._labels[self.ids])
        if len(self._classes) > MOST_CLASSES:
            self._classes = self._classes[:0]
        self.scores = self._ranks.shape[1]
        width = min(LANDMARKS, len(reference))
        self.features = width * len(self._wide)
        of_score = np.repeat(self.runs, [part.shape[1] for part in ranks])
        self.of_run = np.append(of_score, np.repeat([run.name for run in self._wide], width))

    def of(self, ids: np.ndarray) -> np.ndarray:
        """Return the inputs of some of `ids`, (n, scores + features + classes)."""
        parts = [self._ranks[np.searchsorted(self.ids, ids)]]
        for run, (kernel, size) in zip(self._wide, self._kernels, strict=True):
            parts.append(size * kernel.transform(_embeddings(run, ids)))
        return np.hstack([*parts, _CLASS * (self._labels[ids][:, None] == self._classes)])

    def without(self, inputs: np.ndarray, run: str) -> np.ndarray:
        """Return inputs in which a run says nothing."""
        others = inputs.copy()
        others[:, : len(self.of_run)][:, self.of_run == run] = 0
        return others


def _ranks_of(run: RunFolder, ids: np.ndarray) -> np.ndarray:
    """Return the scores of a run as ranks of standard deviation 1 about 0, (n, S); 0, the middle, for none."""
    keys = [key for key in pq.read_schema(run.scores_today).names if key in SCORES]
    scores = pq.read_table(run.scores_today, columns=["id", *keys]).to_pandas().set_index("id").loc[ids]
    ranks = scores.rank(pct=True).to_numpy(np.float32)
    return np.nan_to_num(ranks - 0.5) * np.float32(np.sqrt(12))


def _kernel(reference: np.ndarray) -> tuple["Nystroem", float]:
    """Return a Gaussian kernel on embeddings, as wide as its landmarks are apart, and the size of its features."""
    from sklearn.kernel_approximation import Nystroem

    landmarks = reference[evenly_spread(len(reference), LANDMARKS)]
    apart = float(np.median(pdist(landmarks, "sqeuclidean"))) or 1.0
    kernel = Nystroem(gamma=1 / apart, n_components=len(landmarks), random_state=0).fit(landmarks)
    variance = float(kernel.transform(reference).var(axis=0).sum())
    return kernel, _EMBEDDING / np.sqrt(max(variance, 1e-12))


def _embeddings(run: RunFolder, ids: np.ndarray) -> np.ndarray:
    """Return embeddings (n, D) of length 1; log probabilities (n, K) of a run without."""
    from sklearn.preprocessing import normalize

    if run.has_features:
        return normalize(run.features_of(ids).astype(np.float64))
    return np.maximum(log_softmax(run.logits_of(ids), axis=1), _LEAST)
