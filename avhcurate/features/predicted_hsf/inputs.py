"""Inputs of the model of votes: scores of one or more runs, the class, and kernel features of embeddings."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
import pyarrow.parquet as pq
from scipy.special import log_softmax, ndtri

from avhcurate.datasets.table.empty_view import not_scored
from avhcurate.errors import CurateError
from avhcurate.features.predicted_hsf.vote_model import Design
from avhcurate.measures.scores import SCORES
from avhcurate.measures.stats.downsample import evenly_spread
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder

#: Landmarks of the kernel on a run's embeddings, features that are made of them, and samples that scales come from.
LANDMARKS = 256
FEATURES = 128
_REFERENCE = 20_000
#: Size of a class indicator next to a score of standard deviation 1: classes differ, and are shrunk less.
_CLASS = 4.0
#: Size of what all scores have in common within a class: each class has a slope of its own on it.
_SLOPE = 2.0
#: With more classes the class is not an input of its own.
MOST_CLASSES = 200
#: Log probabilities below it, as of a masked class, are as good as it.
_LEAST = -50.0
#: Points at which the distribution of a score is kept.
_POINTS = 513


class _Ranked:
    """Turns a score into normal scores of its rank among the reference, so that no scale or outlier matters."""

    def __init__(self, reference: np.ndarray) -> None:
        values = np.sort(reference[np.isfinite(reference)])
        at = np.linspace(0, max(0, len(values) - 1), min(_POINTS, len(values))).astype(np.int64)
        self._values, first = np.unique(values[at], return_index=True)
        # A tied value takes the middle of the ranks that it has.
        last = np.append(first[1:], len(at))
        self._shares = ((first + last - 1) / 2 + 0.5) / max(1, len(at))

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return normal scores (N,); 0, the middle, for a sample without a score."""
        if len(self._values) < 2:
            return np.zeros(len(values))
        limited = np.clip(values, self._values[0], self._values[-1])
        return np.nan_to_num(ndtri(np.interp(limited, self._values, self._shares)))


class _Kernel:
    """Places embeddings by a Gaussian kernel: its Nystroem features, from the similarities to some landmarks.

    The width of the kernel is the median squared distance of the landmarks. The variances of the features add up to
    their number. One scale is for all of them: those of little variance stay small, and so are shrunk further.
    """

    def __init__(self, reference: np.ndarray) -> None:
        from sklearn.metrics.pairwise import euclidean_distances

        self._landmarks = reference[evenly_spread(len(reference), LANDMARKS)]
        squares = euclidean_distances(self._landmarks, squared=True)
        self._width = float(np.median(squares[np.triu_indices(len(squares), 1)])) or 1.0
        values, vectors = np.linalg.eigh(np.exp(-squares / self._width))
        largest = np.flatnonzero(values > 1e-6 * values[-1])[-FEATURES:]
        self.size = len(largest)
        self._directions = vectors[:, largest] / np.sqrt(values[largest])
        self._centre = np.zeros(self.size)
        placed = self.of(reference)
        scale = np.sqrt(self.size / max(placed.var(axis=0).sum(), 1e-12))
        self._centre = placed.mean(axis=0) * scale
        self._directions = self._directions * scale

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return the features (n, W) of embeddings (n, D)."""
        from sklearn.metrics.pairwise import rbf_kernel

        return rbf_kernel(rows, self._landmarks, gamma=1 / self._width) @ self._directions - self._centre


class Inputs:
    """The inputs of every sample that has a label and that all runs have scored, by id.

    `ids` (n,): those samples, ascending; `scores`: how many scores of runs there are; `features`: of embeddings;
    `runs`: their names.
    """

    def __init__(self, dataset: DatasetFolder, runs: Sequence[RunFolder]) -> None:
        if not runs:
            raise not_scored(dataset.name)
        self._labels = dataset.labels_to_learn()
        self._wide = [run for run in runs if run.has_features or run.has_logits]
        scored = reduce(np.intersect1d, (run.scored_ids() for run in runs))
        self.ids = scored[self._labels[scored] >= 0]
        if len(self.ids) < 2:
            raise CurateError(f"Fewer than two samples of {dataset.name} have a label and scores of all these runs.")
        reference = self.ids[evenly_spread(len(self.ids), _REFERENCE)]
        self.runs = [run.name for run in runs]
        scores = [_scores_of(run, len(self._labels)) for run in runs]
        self._columns = [(values, _Ranked(values[reference])) for of_run in scores for values in of_run]
        self._kernels = [_Kernel(_wide_rows(run, reference)) for run in self._wide]
        # What all scores have in common: their first principal component, of variance 1.
        variance, directions = np.linalg.eigh(np.atleast_2d(np.cov(self._ranked_scores(reference), rowvar=False)))
        self._common = directions[:, -1] / np.sqrt(max(variance[-1], 1e-12))
        self._classes = np.unique(self._labels[self.ids])
        if len(self._classes) > MOST_CLASSES:
            self._classes = self._classes[:0]
        self.scores = len(self._columns)
        # Which run each score and each feature is of.
        self._scores_run = np.repeat(self.runs, list(map(len, scores)))
        self._features_run = np.repeat([run.name for run in self._wide], [kernel.size for kernel in self._kernels])
        self.features = len(self._features_run)

    def design(self, ids: np.ndarray) -> Design:
        """Return the inputs of some of `ids`."""
        scores = self._ranked_scores(ids)
        of_class = (self._labels[ids][:, None] == self._classes).astype(float)
        slopes = of_class * (scores @ self._common)[:, None]
        wide = [kernel.of(_wide_rows(run, ids)) for run, kernel in zip(self._wide, self._kernels, strict=True)]
        narrow = np.hstack([scores, _CLASS * of_class, _SLOPE * slopes])
        return Design(narrow, np.hstack([np.empty((len(ids), 0)), *wide]))

    def without(self, design: Design, run: str) -> Design:
        """Return inputs in which a run says nothing, but for its part in what all scores have in common."""
        narrow = design.narrow.copy()
        wide = design.wide.copy()
        narrow[:, : self.scores][:, self._scores_run == run] = 0
        wide[:, self._features_run == run] = 0
        return Design(narrow, wide)

    def _ranked_scores(self, ids: np.ndarray) -> np.ndarray:
        return np.stack([ranked.of(values[ids]) for values, ranked in self._columns], axis=1)


def _scores_of(run: RunFolder, samples: int) -> list[np.ndarray]:
    """Return the scores of a run, (N,) each by id, NaN for none."""
    keys = [key for key in pq.read_schema(run.scores_path).names if key in SCORES]
    table = pq.read_table(run.scores_path, columns=["id", *keys]).to_pandas().set_index("id")
    by_id = table.reindex(range(samples))
    return [by_id[key].to_numpy(np.float32) for key in keys]


def _wide_rows(run: RunFolder, ids: np.ndarray) -> np.ndarray:
    """Return embeddings (n, D) of length 1; log probabilities (n, K) of a run without."""
    from sklearn.preprocessing import normalize

    if run.has_features:
        return normalize(run.features_of(ids).astype(np.float64))
    return np.maximum(log_softmax(run.logits_of(ids), axis=1), _LEAST)
