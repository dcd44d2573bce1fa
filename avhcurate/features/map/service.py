"""Lay a run's samples and class weights out in two dimensions: by PCA at once, then by UMAP."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA, TruncatedSVD

from avhcurate.errors import CurateError, Run
from avhcurate.features.map import umap_process
from avhcurate.features.map.settings import ProjectSettings
from avhcurate.features.map.store import MapFolder, MapRecord
from avhcurate.measures.stats.downsample import evenly_spread
from avhcurate.measures.stats.neighbours import unit
from avhcurate.networks.neighbours.service import COUNT, find_neighbours
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import replacing
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, settings_digest, versions

#: Above so many samples UMAP gets PCA's dimensions, at most so many, and the neighbours of the run's graph.
LARGE = 10_000
PCA_WIDTH = 50
_MIN_DIST = 0.1

#: Samples that PCA is fitted on, spread evenly, and bytes of features read at a time.
_FITTED = 20_000
_BLOCK = 1 << 25

Nearest = tuple[np.ndarray, np.ndarray]


def project_dataset(workspace: Workspace, settings: ProjectSettings, *, progress: Progress = SILENT) -> MapFolder:
    """Make the PCA map of a run, then its UMAP map, and return the latter; existing maps are kept.

    Only directions count: every row is scaled to length 1, and class weights are projected with the samples.
    `progress` counts samples, then epochs. Raises Cancelled when asked to stop, and CurateError for a mistake of the
    user.
    """
    dataset = workspace.dataset(settings.dataset)
    run = dataset.run(settings.model)
    if not run.complete:
        raise CurateError(
            f"The run {run.name} is not finished.", fix=f"{Run('score', dataset.name, '...')} again to resume it"
        )
    run.features()  # refused where there are none
    ids = run.scored_ids(settings.limit)
    neighbours = settings.neighbours
    if len(ids) <= neighbours:
        raise CurateError(f"{len(ids)} images are too few for {neighbours} neighbours. Use fewer neighbours.")
    inputs: dict[str, Any] = {"weights": run.record.weights_sha256, "ids": hashlib.sha256(ids.tobytes()).hexdigest()}
    linear = MapFolder.of(run, f"pca-{settings_digest(inputs)[:12]}")
    inputs |= {"neighbours": neighbours, "seed": settings.seed}
    umap = MapFolder.of(run, f"umap-{settings_digest(inputs)[:12]}")
    dataset.refuse_another_import(run.record.dataset_fingerprint)
    with umap.alone():
        if umap.complete:
            progress.report(len(ids), len(ids), "made already")
            return umap
        work = _Mapping(dataset, run, ids, settings, progress)
        if not (linear.complete and umap.rows_path.exists()):
            work.lay_out_by_pca(linear, umap.rows_path)
        work.lay_out_by_umap(linear, umap)
    return umap


@dataclass
class _Mapping:
    """The work on the two maps of the samples `ids`."""

    dataset: DatasetFolder
    run: RunFolder
    ids: np.ndarray
    settings: ProjectSettings
    progress: Progress

    def lay_out_by_pca(self, linear: MapFolder, rows_path: Path) -> None:
        """Write the PCA map, and the rows that UMAP is to lay out."""
        run = self.run.record
        started = now()
        placed = np.concatenate([ids for ids, _ in self._blocks("reading embeddings")])
        fitted = directions(self.run.features()[placed[evenly_spread(len(placed), _FITTED)]])[0]
        if min(fitted.shape) < 2:
            raise CurateError("A map needs at least two images with an embedding of at least two dimensions.")
        flat = PCA(2, svd_solver="covariance_eigh").fit(fitted.astype(np.float64))
        narrow = None
        width = run.width
        reduced: dict[str, Any] = {}
        if len(self.ids) > LARGE and width > PCA_WIDTH:
            # About the origin, which keeps the angles.
            narrow = TruncatedSVD(PCA_WIDTH, random_state=0).fit(fitted)
            width = PCA_WIDTH
            reduced = {"pca": width, "kept": float(narrow.explained_variance_ratio_.sum())}
        weights, usable = self._class_weights()
        places = []
        with replacing(rows_path) as stream:
            shape = (len(placed) + len(weights), width)
            np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
            for rows in chain((rows for _, rows in self._blocks("first map, by PCA")), [weights]):
                if not len(rows):
                    continue
                places.append(flat.transform(rows))
                if narrow is not None:
                    rows = narrow.transform(rows)
                stream.write(np.ascontiguousarray(rows, "<f4").data)
        laid = np.concatenate(places)
        of_classes = np.full((len(usable), 2), np.nan, np.float32)
        of_classes[usable] = laid[len(placed) :]
        record = MapRecord(
            name=linear.name,
            layout="pca",
            run=run.name,
            weights_sha256=run.weights_sha256,
            dataset_fingerprint=run.dataset_fingerprint,
            width=run.width,
            samples=len(self.ids),
            limit=self.settings.limit,
            threads=os.cpu_count() or 1,
            versions=versions("numpy", "scikit-learn", "umap-learn", "pynndescent", "numba"),
            started=started,
            shares=flat.explained_variance_ratio_.tolist(),
            **reduced,
        )
        with linear.alone():
            if not linear.complete:
                self._finish(linear, record, placed, laid[: len(placed)], of_classes)

    def lay_out_by_umap(self, linear: MapFolder, umap: MapFolder) -> None:
        """Write the UMAP map of the rows that are on disk."""
        ids, _ = linear.coordinates()
        settings = self.settings
        epochs = 200
        if len(ids) <= LARGE:
            epochs = 500
        changes: dict[str, Any] = {
            "name": umap.name,
            "layout": "umap",
            "shares": None,
            "started": now(),
            "neighbours": settings.neighbours,
            "seed": settings.seed,
            "epochs": epochs,
        }
        if settings.seed is not None:
            changes["threads"] = 1
        if settings.limit is None and len(ids) > LARGE:
            self._write_nearest(umap, ids)
        self.progress.report(0, epochs, "UMAP: its graph first, without progress")
        laid = umap_process.lay_out(
            umap.rows_path,
            nearest=umap.nearest_path,
            options={
                "n_neighbors": settings.neighbours,
                "min_dist": _MIN_DIST,
                "metric": "cosine",
                "n_epochs": epochs,  # UMAP's own numbers, needed here to report progress
                "random_state": settings.seed,
            },
            progress=self.progress.through(lambda done, *_: self.progress.report(done, epochs, "UMAP epochs")),
        )
        of_classes = linear.class_weights()
        of_classes[~np.isnan(of_classes[:, 0])] = laid[len(ids) :]
        places = laid[: len(ids)]
        placed = np.isfinite(places).all(axis=1)  # a sample without any neighbour gets no place
        self._finish(umap, linear.record.model_copy(update=changes), ids[placed], places[placed], of_classes)
        self.progress.report(epochs, epochs, "")

    def _finish(
        self, folder: MapFolder, record: MapRecord, ids: np.ndarray, places: np.ndarray, of_classes: np.ndarray
    ) -> None:
        self.dataset.refuse_another_import(self.run.record.dataset_fingerprint)
        seconds = round((now() - record.started).total_seconds(), 3)
        done = {"placed": len(ids), "finished": now(), "seconds": seconds}
        folder.finish(record.model_copy(update=done), ids, places, of_classes)

    def _class_weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the class weights that have a direction, of length 1, and which these are, (K,) bool.

        They are of the classes that the run was made with, so that a map stays when people change these.
        """
        run = self.run.as_made
        if not run.has_class_weights:
            return np.zeros((0, run.record.width), np.float32), np.zeros(run.record.num_classes, bool)
        weights, usable = directions(run.class_weights())
        return weights[usable], usable

    def _write_nearest(self, umap: MapFolder, ids: np.ndarray) -> None:
        """Write the neighbours of all rows, from the run's graph."""
        count = self.settings.neighbours
        graph = find_neighbours(self.dataset, self.run, count=max(count - 1, COUNT), progress=self.progress)
        position = np.full(len(graph.near()) + 1, -1, np.int32)  # the last is that of no neighbour, -1
        position[ids] = np.arange(len(ids))
        blocks = (rows for _, rows in self._blocks("class weights among the images"))
        nearest, distances = with_class_weights(
            position[graph.near()[ids]], graph.angles()[ids], blocks, self._class_weights()[0], count=count
        )
        with replacing(umap.nearest_path) as stream:
            np.savez(stream, near=nearest, distances=distances)

    def _blocks(self, stage: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield ids and directions of the samples that have one, block by block."""
        features = self.run.features()
        size = max(1, _BLOCK // (features.shape[1] * 8))
        for start in range(0, len(self.ids), size):
            self.progress.check(f"Cancelled after {start} of {len(self.ids)} images. The same command starts over.")
            self.progress.report(start, len(self.ids), stage)
            ids = self.ids[start : start + size]
            rows, placed = directions(features[ids])
            yield ids[placed], rows[placed]


# --- directions and their neighbours -------------------------------------------------------------------------------


def directions(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows (n, D) scaled to length 1 as float32, and which of them have a direction, (n,) bool.

    A row of zeros, or one that is not finite, has none and is NaN.

    >>> rows, placed = directions(np.array([[3.0, 4.0], [0.0, 0.0]]))
    >>> rows[placed].tolist(), placed.tolist()
    ([[0.6000000238418579, 0.800000011920929]], [True, False])
    """
    directed = unit(np.asarray(rows, np.float64)).astype(np.float32)
    return directed, np.isfinite(directed[:, 0])


def with_class_weights(
    nearest: np.ndarray, angles: np.ndarray, blocks: Iterable[np.ndarray], weights: np.ndarray, *, count: int
) -> Nearest:
    """Return rows (n + k, count), each itself first, and their cosine distances, for `umap.UMAP(precomputed_knn=...)`.

    nearest, angles (n, m): positions of the nearest samples of each, -1 for none, and their angles (rad). `blocks` are
    the samples (n, D) and `weights` (k, D) the class weights, of length 1; these get the positions n to n + k - 1. A
    missing neighbour is -1 at an infinite distance.

    >>> samples = np.array([[1.0, 0.0], [0.8, 0.6]])
    >>> nearest, angles = np.array([[1], [0]]), np.arccos([[0.8], [0.8]])
    >>> with_class_weights(nearest, angles, [samples], np.array([[0.96, 0.28]]), count=2)[0].tolist()
    [[0, 2], [1, 2], [2, 0]]
    """
    n = len(nearest)
    k = len(weights)
    positions = n + np.arange(k)
    between = _angles(weights, weights)
    np.fill_diagonal(between, np.inf)
    of_weights = _nearest(positions, between, count - 1)
    parts = []
    start = 0
    for rows in blocks:
        stop = start + len(rows)
        to_weights = _angles(rows, weights)
        ids = np.hstack([nearest[start:stop], np.broadcast_to(positions, to_weights.shape)])
        parts.append(_nearest(ids, np.hstack([angles[start:stop], to_weights]), count - 1))
        ids = np.hstack([of_weights[0], np.broadcast_to(np.arange(start, stop), (k, len(rows)))])
        of_weights = _nearest(ids, np.hstack([of_weights[1], to_weights.T]), count - 1)
        start = stop
    others, apart = map(np.concatenate, zip(*parts, of_weights, strict=True))
    distances = np.where(np.isfinite(apart), 1 - np.cos(apart), np.inf)
    ids = np.hstack([np.arange(n + k)[:, None], others])
    return ids.astype(np.int32), np.hstack([np.zeros((n + k, 1)), distances]).astype(np.float32)


def _angles(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(rows.astype(np.float32) @ weights.T.astype(np.float32), -1, 1))


def _nearest(ids: np.ndarray, angles: np.ndarray, count: int) -> Nearest:
    """Return the `count` nearest of each row, by their angles (n, m); -1 at an infinite angle where there are fewer."""
    ids = np.broadcast_to(ids, angles.shape)
    short = ((0, 0), (0, max(0, count - angles.shape[1])))
    angles = np.pad(np.nan_to_num(angles, nan=np.inf), short, constant_values=np.inf)
    ids = np.pad(ids, short, constant_values=-1)
    best = np.argsort(angles, axis=1, kind="stable")[:, :count]
    angles = np.take_along_axis(angles, best, 1)
    return np.where(np.isfinite(angles), np.take_along_axis(ids, best, 1), -1), angles
