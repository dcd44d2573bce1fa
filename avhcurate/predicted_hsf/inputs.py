"""Inputs of the model of votes: scores of one or more runs, the class, and kernel features of embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
from scipy.special import log_softmax, ndtri

from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.runs import RunFolder
from avhcurate.errors import CurateError
from avhcurate.predicted_hsf.vote_model import Design
from avhcurate.scores import SCORES
from avhcurate.stats.downsample import evenly_spread

#: Landmarks of the kernel on a run's embeddings, features that are made of them, and samples that scales come from.
LANDMARKS, FEATURES, _REFERENCE = 256, 128, 20_000
#: Size of a class indicator beside a score of standard deviation 1: classes differ, and are shrunk less.
_CLASS = 4.0
#: Size of what all scores have in common within a class: each class has a slope of its own on it.
_SLOPE = 2.0
#: Above so many classes the class is no input of its own.
MOST_CLASSES = 200
#: Points at which the distribution of a score is kept.
_POINTS = 513


class _Ranked:
    """Turns a score into normal scores of its rank among the reference, so that no scale or outlier matters."""

    def __init__(self, reference: np.ndarray) -> None:
        known = np.sort(reference[np.isfinite(reference)])
        at = np.linspace(0, max(0, len(known) - 1), min(_POINTS, len(known))).astype(np.int64)
        self._values, first = np.unique(known[at], return_index=True)
        # A tied value takes the middle of the ranks that it holds.
        last = np.append(first[1:], len(at))
        self._shares = ((first + last - 1) / 2 + 0.5) / max(1, len(at))

    def of(self, values: np.ndarray) -> np.ndarray:
        """(N,) float64; 0, the middle, where there is no score."""
        if len(self._values) < 2:
            return np.zeros(len(values))
        limited = np.clip(values, self._values[0], self._values[-1])
        return np.nan_to_num(ndtri(np.interp(limited, self._values, self._shares)))


@dataclass(frozen=True)
class _Kernel:
    """Where embeddings lie by a Gaussian kernel: its Nystroem features, from the similarities to some landmarks.

    landmarks (L, D) and their squared lengths; `width`: the squared distance of similarity 1 / e, the median one;
    directions (L, W) turn similarities into features, whose variances add up to W. One scale is for all of them: those
    of little variance stay small, and so are shrunk further.
    """

    landmarks: np.ndarray
    width: float
    centre: np.ndarray
    directions: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> "_Kernel":
        landmarks = rows[evenly_spread(len(rows), LANDMARKS)]
        squares = _squared_distances(landmarks, landmarks)
        width = float(np.median(squares[np.triu_indices(len(landmarks), 1)])) if len(landmarks) > 1 else 0.0
        width = width or 1.0  # embeddings that are all the same
        values, vectors = np.linalg.eigh(np.exp(-squares / width))
        kept = np.flatnonzero(values > 1e-6 * values[-1])[-FEATURES:]
        raw = cls(landmarks, width, np.zeros(len(kept)), vectors[:, kept] / np.sqrt(values[kept]))
        placed = raw.place(rows)
        variance = float(placed.var(axis=0).sum())
        scale = np.sqrt(len(kept) / variance) if variance > 1e-12 else 0.0
        return cls(landmarks, width, placed.mean(axis=0) * scale, raw.directions * scale)

    def place(self, rows: np.ndarray) -> np.ndarray:
        similarities = np.exp(-_squared_distances(rows, self.landmarks) / self.width)
        return similarities @ self.directions - self.centre


def _squared_distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    squares = (rows**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * rows @ others.T
    return np.maximum(squares, 0)


class Inputs:
    """The inputs of every sample that has a label and that all runs have scored, by id.

    `ids` (n,): those samples, ascending; `scores`: how many scores of runs there are; `features`: of embeddings.
    """

    def __init__(self, dataset: DatasetFolder, runs: Sequence[RunFolder]) -> None:
        if not runs:
            raise CurateError(
                f"dataset {dataset.name} has no run: `avhcurate score {dataset.name} --model MODEL` first"
            )
        self._labels, self._runs = dataset.labels(), list(runs)
        scored = np.ones(len(self._labels), bool)
        for run in runs:
            own = np.zeros(len(scored), bool)
            own[run.scored_ids()] = True
            scored &= own
        self.ids = np.flatnonzero(scored & (self._labels >= 0))
        if len(self.ids) < 2:
            count = "one" if len(self.ids) else "no"
            raise CurateError(f"{count} sample of {dataset.name} has a label and was scored by {_named(runs)}")
        reference = self.ids[evenly_spread(len(self.ids), _REFERENCE)]
        tables = [_scores_of(run, len(self._labels)) for run in runs]
        self._columns = [(values, _Ranked(values[reference])) for table in tables for values in table.values()]
        self._places = [_Kernel.of(_wide_rows(run, reference)) for run in runs]
        self._common = _common_part(self._ranked_scores(reference))
        classes = np.unique(self._labels[self.ids])
        self._classes = classes if len(classes) <= MOST_CLASSES else np.empty(0, classes.dtype)
        self.scores = len(self._columns)
        self.features = sum(place.directions.shape[1] for place in self._places)

    def design(self, ids: np.ndarray) -> Design:
        """The inputs of some of `ids`."""
        scores = self._ranked_scores(ids)
        of_class = (self._labels[ids][:, None] == self._classes).astype(float)
        slopes = of_class * (scores @ self._common)[:, None]
        wide = [place.place(_wide_rows(run, ids)) for run, place in zip(self._runs, self._places, strict=True)]
        return Design(np.hstack([scores, _CLASS * of_class, _SLOPE * slopes]), np.hstack(wide))

    def _ranked_scores(self, ids: np.ndarray) -> np.ndarray:
        return np.stack([ranked.of(values[ids]) for values, ranked in self._columns], axis=1)


def _common_part(scores: np.ndarray) -> np.ndarray:
    """The direction (S,) of the first principal component of scores (n, S), scaled so that it has variance 1."""
    variance, directions = np.linalg.eigh(np.cov(scores, rowvar=False).reshape(scores.shape[1], -1))
    return directions[:, -1] / np.sqrt(max(variance[-1], 1e-12))


def _scores_of(run: RunFolder, samples: int) -> dict[str, np.ndarray]:
    """The scores of a run by key, (N,) each by id, NaN for none."""
    keys = [key for key in pq.read_schema(run.scores_path).names if key in SCORES]
    table = pq.read_table(run.scores_path, columns=["id", *keys])
    found = {key: np.full(samples, np.nan, np.float32) for key in keys}
    for key in keys:
        found[key][table["id"].to_numpy()] = table[key].to_numpy()
    return found


def _wide_rows(run: RunFolder, ids: np.ndarray) -> np.ndarray:
    """Embeddings (n, D) of length 1; log probabilities (n, K) of a run without; (n, 0) without either."""
    if run.has_features:
        rows = run.features_of(ids).astype(np.float64)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return log_softmax(run.logits_of(ids), axis=1) if run.has_logits else np.empty((len(ids), 0))


def _named(runs: Sequence[RunFolder]) -> str:
    return ", ".join(run.name for run in runs)
