"""Lay a run's samples and class weights out in two dimensions: by PCA at once, then by UMAP."""

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from avhcurate.errors import CurateError
from avhcurate.features.map import umap_process
from avhcurate.features.map.nearest_rules import with_class_weights
from avhcurate.features.map.projection import directions, plane, subspace
from avhcurate.features.map.settings import ProjectSettings
from avhcurate.features.map.store import Layout, MapFolder, MapRecord
from avhcurate.measures.stats.downsample import evenly_spread
from avhcurate.networks.neighbours.service import COUNT, find_neighbours
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import replacing
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, settings_digest, versions

#: Above so many samples UMAP gets PCA's dimensions, at most so many, and the neighbours of the run's graph.
LARGE, PCA_WIDTH = 10_000, 50
_MIN_DIST = 0.1
#: UMAP's own numbers of epochs, for few and for many samples; needed here to report progress.
_EPOCHS_SMALL, _EPOCHS_LARGE = 500, 200

#: Samples that PCA is fitted on, spread evenly, and bytes of features read at a time.
_FITTED, _BLOCK = 20_000, 1 << 25


def project_dataset(workspace: Workspace, settings: ProjectSettings, *, progress: Progress = SILENT) -> MapFolder:
    """Make the PCA map of a run, then its UMAP map, and return the latter; existing maps are kept.

    Only directions count: every row is scaled to length 1, and class weights are projected with the samples.
    `progress` counts samples, then epochs. Raises Cancelled when asked to stop, and CurateError for a mistake of the
    user.
    """
    dataset = workspace.dataset(settings.dataset)
    run = dataset.run(settings.model)
    if not run.complete:
        raise CurateError(f"Run {run.name} is not finished. Run the same `avhcurate score` again to resume it.")
    if not run.has_features:
        raise CurateError(f"Run {run.name} has no embeddings to map. Attach it again with --features.")
    ids, neighbours, seed = run.scored_ids(settings.limit), settings.neighbours, settings.seed
    if len(ids) <= neighbours:
        raise CurateError(f"{len(ids)} samples are too few for {neighbours} neighbours. Use fewer neighbours.")
    common = {"weights": run.record.weights_sha256, "ids": hashlib.sha256(ids.tobytes()).hexdigest()}
    options = {"neighbours": neighbours, "seed": seed}
    linear = MapFolder.of(run, f"pca-{settings_digest(common)[:12]}")
    umap = MapFolder.of(run, f"umap-{settings_digest(common | options)[:12]}")
    dataset.refuse_another_import(run.record.dataset_fingerprint)
    with umap.alone():
        if umap.complete:
            progress.report(len(ids), len(ids), "made already")
            return umap
        work = _Mapping(dataset, run, ids, settings, progress)
        if not (linear.complete and umap.rows_path.exists()):
            work.lay_out_by_pca(linear, umap)
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

    def lay_out_by_pca(self, linear: MapFolder, umap: MapFolder) -> None:
        """Write the PCA map, and the rows that UMAP is to lay out."""
        record, started = self._record(linear, "pca"), time.perf_counter()
        placed = np.concatenate([ids for ids, _ in self._blocks("reading embeddings")])
        fitted = directions(self.run.features()[placed[evenly_spread(len(placed), _FITTED)]])[0]
        flat, narrow, width = plane(fitted), None, self.run.record.width
        reduced: dict[str, Any] = {}
        if len(self.ids) > LARGE and width > PCA_WIDTH:
            narrow, width = subspace(fitted, PCA_WIDTH), PCA_WIDTH
            reduced = {"pca": width, "kept": float(narrow.explained_variance_ratio_.sum())}
        epochs = _EPOCHS_SMALL if len(placed) <= LARGE else _EPOCHS_LARGE
        options = self.settings.model_dump(include={"neighbours", "seed"})
        umap.write_record(self._record(umap, "umap", epochs=epochs, **options, **reduced))
        weights, usable = self._class_weights()
        places = []
        with replacing(umap.rows_path) as stream:
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
        record = record.model_copy(update={"shares": tuple(flat.explained_variance_ratio_.tolist())})
        with linear.alone():
            if not linear.complete:
                self._finish(linear, record, started, placed, laid[: len(placed)], of_classes)

    def lay_out_by_umap(self, linear: MapFolder, umap: MapFolder) -> None:
        """Write the UMAP map of the rows that are on disk."""
        ids, _ = linear.coordinates()
        record, started = umap.record, time.perf_counter()
        if self.settings.limit is None and len(ids) > LARGE:
            self._write_nearest(umap, ids)
        self.progress.report(0, record.epochs, "UMAP: its graph first, without progress")
        laid = umap_process.lay_out(
            umap.rows_path,
            nearest=umap.nearest_path,
            options={
                "n_neighbors": record.neighbours,
                "min_dist": _MIN_DIST,
                "metric": "cosine",
                "n_epochs": record.epochs,
                "random_state": record.seed,
                "n_jobs": 1 if record.threads == 1 else -1,
            },
            progress=self.progress.through(lambda done, *_: self.progress.report(done, record.epochs, "UMAP epochs")),
        )
        of_classes = linear.class_weights()
        of_classes[~np.isnan(of_classes[:, 0])] = laid[len(ids) :]
        places = laid[: len(ids)]
        placed = np.isfinite(places).all(axis=1)  # a sample without any neighbour gets no place
        self._finish(umap, record, started, ids[placed], places[placed], of_classes)
        self.progress.report(record.epochs, record.epochs, "")

    def _finish(
        self,
        folder: MapFolder,
        record: MapRecord,
        started: float,
        ids: np.ndarray,
        places: np.ndarray,
        of_classes: np.ndarray,
    ) -> None:
        self.dataset.refuse_another_import(self.run.record.dataset_fingerprint)
        done = {"placed": len(ids), "finished": now(), "seconds": round(time.perf_counter() - started, 3)}
        folder.finish(record.model_copy(update=done), ids, places, of_classes)

    def _class_weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the class weights that have a direction, of length 1, and which these are, (K,) bool."""
        if not self.run.has_class_weights:
            record = self.run.record
            return np.zeros((0, record.width), np.float32), np.zeros(record.num_classes, bool)
        weights, usable = directions(self.run.class_weights())
        return weights[usable], usable

    def _write_nearest(self, umap: MapFolder, ids: np.ndarray) -> None:
        """Write the neighbours of all rows, from the run's graph."""
        count = self.settings.neighbours
        graph = find_neighbours(self.dataset, self.run, count=max(count - 1, COUNT), progress=self.progress)
        position = np.full(len(graph.near()) + 1, -1, np.int32)  # the last is that of no neighbour, -1
        position[ids] = np.arange(len(ids))
        blocks = (rows for _, rows in self._blocks("class weights among the samples"))
        near, distances = with_class_weights(
            position[graph.near()[ids]], graph.angles()[ids], blocks, self._class_weights()[0], count=count
        )
        with replacing(umap.nearest_path) as stream:
            np.savez(stream, near=near, distances=distances)

    def _blocks(self, what: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield ids and directions of the samples that have one, block by block."""
        features = self.run.features()
        size = max(1, _BLOCK // (features.shape[1] * 8))
        for start in range(0, len(self.ids), size):
            self.progress.check(f"Cancelled after {start} of {len(self.ids)} samples. The same command starts over.")
            self.progress.report(start, len(self.ids), what)
            ids = self.ids[start : start + size]
            rows, placed = directions(features[ids])
            yield ids[placed], rows[placed]

    def _record(self, folder: MapFolder, layout: Layout, **more: Any) -> MapRecord:
        run, threads = self.run.record, os.cpu_count() or 1
        if more.get("seed") is not None:
            threads = 1
        return MapRecord(
            name=folder.name,
            layout=layout,
            run=run.name,
            weights_sha256=run.weights_sha256,
            dataset_fingerprint=run.dataset_fingerprint,
            width=run.width,
            samples=len(self.ids),
            limit=self.settings.limit,
            threads=threads,
            versions=versions("numpy", "scikit-learn", "umap-learn", "pynndescent", "numba"),
            started=now(),
            **more,
        )
