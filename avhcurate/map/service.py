"""Lays a run's samples and class weights out in two dimensions: PCA at once, then UMAP, stored beside the run."""

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.runs import RunFolder
from avhcurate.data.workspace import Workspace
from avhcurate.disk.files import replacing
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.provenance import now, settings_digest, versions
from avhcurate.errors import CurateError
from avhcurate.map import umap_process
from avhcurate.map.nearest_rules import with_class_weights
from avhcurate.map.projection import METRICS, Basis, Moments, prepare
from avhcurate.map.store import MapFolder, MapRecord, Metric
from avhcurate.neighbours.service import COUNT, find_neighbours

#: Dimensions that PCA keeps before UMAP, above so many samples, unless told otherwise.
PCA_WIDTH, PCA_ABOVE = 50, 10_000
DEFAULT_NEIGHBOURS, DEFAULT_MIN_DIST = 15, 0.1

#: Bytes of features read at a time.
_BLOCK = 1 << 25
#: UMAP's own numbers of epochs, up to and above its own limit of small; needed here to report progress.
_SMALL, _EPOCHS_SMALL, _EPOCHS_LARGE = 10_000, 500, 200


def project_dataset(
    workspace: Workspace,
    name: str,
    model: str | None = None,
    *,
    metric: str = "cosine",
    neighbours: int = DEFAULT_NEIGHBOURS,
    min_dist: float = DEFAULT_MIN_DIST,
    pca: int | Literal["auto"] | None = "auto",
    seed: int | None = None,
    limit: int | None = None,
    progress: Progress = SILENT,
) -> MapFolder:
    """Makes the PCA map of a run, then its UMAP map, and returns the latter; maps that exist are kept.

    With the cosine metric, rows are scaled to length 1 first, so that only angles count. The PCA map is centred:
    distances of unit vectors are chords of their angles, and no shift changes them. The `pca` dimensions that UMAP may
    take instead of all ("auto": 50 above 10,000 samples) are about the origin, which keeps the angles. Class weights
    are projected with the samples, scaled to the mean length of a sample.

    A `seed` makes UMAP repeatable, on one thread and in about 1.5 times the time. `limit` takes so many samples, spread
    evenly. Above 10,000 samples, all of them and by angle, UMAP takes the neighbours of the run's graph, which is made
    where it is missing; else it searches them itself. `progress` counts samples, then epochs of UMAP. Raises Cancelled
    when asked to stop, and CurateError for mistakes of the user's.
    """
    dataset = workspace.dataset(name)
    run = dataset.run(model)
    if not run.complete:
        raise CurateError(f"the run {run.name} is not finished: run `avhcurate score` with it again to resume it")
    if not run.has_features:
        raise CurateError(f"run {run.name} has no embeddings to map: attach it again with --features")
    ids = run.scored_ids(limit)
    _check(len(ids), metric, neighbours, min_dist, seed)
    wide = _dimensions(pca, run.record.width, len(ids))
    common = {"weights": run.record.weights_sha256, "metric": metric, "ids": hashlib.sha256(ids.tobytes()).hexdigest()}
    options = {"neighbours": neighbours, "min_dist": min_dist, "pca": wide, "seed": seed}
    linear, umap = (
        MapFolder.of(run, f"{layout}-{settings_digest(settings)[:12]}")
        for layout, settings in (("pca", common), ("umap", common | options))
    )
    work = _Mapping(dataset, run, ids, cast(Metric, metric), wide, limit, linear, umap, progress)
    dataset.refuse_another_import(run.record.dataset_fingerprint)
    with umap.alone():
        if umap.complete:
            progress.report(len(ids), len(ids), "made already")
            return umap
        if not (linear.complete and umap.rows_path.exists()):
            work.lay_out_linearly()
        work.lay_out_by_umap(neighbours=neighbours, min_dist=min_dist, seed=seed)
    return umap


def _check(samples: int, metric: str, neighbours: int, min_dist: float, seed: int | None) -> None:
    """Refuses options that give no map."""
    if metric not in METRICS:
        raise CurateError(f"no metric is called {metric}: choose from {', '.join(METRICS)}")
    if not 2 <= neighbours <= 200:
        raise CurateError(f"UMAP takes 2 to 200 neighbours, not {neighbours}")
    if samples <= neighbours:
        raise CurateError(f"a map of {samples} samples needs fewer than {samples} neighbours, not {neighbours}")
    if not 0 <= min_dist <= 1:
        raise CurateError(f"the least distance of UMAP lies between 0 and 1; it was {min_dist:g}")
    if seed is not None and not 0 <= seed < 2**32:
        raise CurateError(f"a seed is a whole number from 0 to {2**32 - 1}, not {seed}")


def _dimensions(pca: int | Literal["auto"] | None, width: int, samples: int) -> int | None:
    """To how many dimensions PCA reduces the rows before UMAP; None for not at all."""
    if pca == "auto":
        return PCA_WIDTH if samples > PCA_ABOVE and width > PCA_WIDTH else None
    if pca is not None and not 2 <= pca <= width:
        raise CurateError(f"PCA can keep 2 to {width} dimensions of this run's embedding, not {pca}")
    return pca


@dataclass(frozen=True)
class _Mapping:
    """One map under way: `ids` of its samples, `wide` as `MapRecord.pca`."""

    dataset: DatasetFolder
    run: RunFolder
    ids: np.ndarray
    metric: Metric
    wide: int | None
    limit: int | None
    linear: MapFolder
    umap: MapFolder
    progress: Progress

    def lay_out_linearly(self) -> None:
        """The PCA map, and the rows that UMAP is to lay out."""
        record = self._record(self.linear, "pca")
        started = time.perf_counter()
        moments = Moments(self.run.record.width)
        for _, rows in self._blocks("reading embeddings"):
            moments.add(rows)
        flat = moments.basis(2, centred=True)
        narrow = moments.basis(self.wide, centred=self.metric == "euclidean") if self.wide else None
        kept = float(narrow.shares.sum()) if narrow else None
        self.umap.write_record(self._record(self.umap, "umap").model_copy(update={"kept": kept}))
        weights, usable = self._directions()
        weights = weights[usable] * np.float32(moments.length)
        ids, places = self._write_rows(flat, narrow, moments.count, weights)
        of_classes = np.full((len(usable), 2), np.nan, np.float32)
        of_classes[usable] = flat.project(weights)
        self.dataset.refuse_another_import(self.run.record.dataset_fingerprint)
        seconds = round(time.perf_counter() - started, 3)
        shares = (float(flat.shares[0]), float(flat.shares[1]))
        with self.linear.alone():
            if not self.linear.complete:
                done = {"finished": now(), "seconds": seconds, "placed": len(ids), "shares": shares}
                self.linear.finish(record.model_copy(update=done), ids, places, of_classes)

    def _directions(self) -> tuple[np.ndarray, np.ndarray]:
        """Class weights (K, D) of length 1, and which have a direction: none of a run without class weights."""
        if not self.run.has_class_weights:
            shape = (self.run.record.num_classes, self.run.record.width)
            return np.zeros(shape, np.float32), np.zeros(shape[0], bool)
        return prepare(self.run.class_weights(), "cosine")

    def _write_rows(
        self, flat: Basis, narrow: Basis | None, count: int, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Writes what UMAP lays out, whole or not at all; the ids and PCA places of the samples that have one."""
        ids, places = [], []
        with replacing(self.umap.rows_path) as stream:
            shape = (count + len(weights), self.wide or self.run.record.width)
            np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
            for of_block, rows in self._blocks("first map, by PCA"):
                ids.append(of_block)
                places.append(flat.project(rows))
                stream.write(np.ascontiguousarray(narrow.project(rows) if narrow else rows, "<f4").data)
            stream.write(np.ascontiguousarray(narrow.project(weights) if narrow else weights, "<f4").data)
        return np.concatenate(ids), np.concatenate(places)

    def lay_out_by_umap(self, *, neighbours: int, min_dist: float, seed: int | None) -> None:
        """The UMAP map of the rows that were written."""
        ids, _ = self.linear.coordinates()
        epochs = _EPOCHS_SMALL if len(ids) <= _SMALL else _EPOCHS_LARGE
        changes = {"neighbours": neighbours, "min_dist": min_dist, "epochs": epochs, "seed": seed, "pca": self.wide}
        record = self._record(self.umap, "umap", threads=_cores() if seed is None else 1)
        record = record.model_copy(update=changes | {"kept": self.umap.record.kept})
        self.umap.write_record(record)
        started = time.perf_counter()
        self._write_nearest(ids, neighbours)
        self.progress.report(0, epochs, "UMAP: its graph first, without progress")
        options = {"n_neighbors": neighbours, "min_dist": min_dist, "metric": self.metric, "n_epochs": epochs}
        laid = umap_process.lay_out(
            self.umap.rows_path,
            nearest=self.umap.nearest_path if self.umap.nearest_path.exists() else None,
            options=options | {"random_state": seed, "n_jobs": -1 if seed is None else 1},
            progress=self.progress.through(lambda done, *_: self.progress.report(done, epochs, "UMAP epochs")),
        )
        self.dataset.refuse_another_import(self.run.record.dataset_fingerprint)
        of_classes = self.linear.class_weights()
        of_classes[~np.isnan(of_classes[:, 0])] = laid[len(ids) :]
        placed = np.isfinite(laid[: len(ids)]).all(axis=1)  # a sample without any neighbour gets no place
        done = {"finished": now(), "seconds": round(time.perf_counter() - started, 3), "placed": int(placed.sum())}
        self.umap.finish(record.model_copy(update=done), ids[placed], laid[: len(ids)][placed], of_classes)
        self.progress.report(epochs, epochs, "")

    def _write_nearest(self, ids: np.ndarray, neighbours: int) -> None:
        """The neighbours of all rows from the run's graph; where there are few or only a part, UMAP finds them."""
        if self.metric != "cosine" or self.limit is not None or len(ids) <= PCA_ABOVE:
            return
        graph = find_neighbours(self.dataset, self.run, count=max(neighbours - 1, COUNT), progress=self.progress)
        place = np.full(len(graph.near()), -1, np.int32)
        place[ids] = np.arange(len(ids))
        near = graph.near()[ids]
        weights, usable = self._directions()
        blocks = (rows for _, rows in self._blocks("class weights among the samples"))
        near, distances = with_class_weights(
            np.where(near >= 0, place[near], -1), graph.angles()[ids], blocks, weights[usable], count=neighbours
        )
        with replacing(self.umap.nearest_path) as stream:
            np.savez(stream, near=near, distances=distances)

    def _blocks(self, what: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Ids and prepared rows of the samples that have a place, block by block."""
        features = self.run.features()
        size = max(1, _BLOCK // (features.shape[1] * 8))
        for start in range(0, len(self.ids), size):
            self.progress.check(f"cancelled after {start} of {len(self.ids)} samples: the same command starts over")
            self.progress.report(start, len(self.ids), what)
            ids = self.ids[start : start + size]
            rows, placed = prepare(features[ids], self.metric)
            yield ids[placed], rows[placed]

    def _record(self, folder: MapFolder, layout: Literal["pca", "umap"], *, threads: int | None = None) -> MapRecord:
        record = self.run.record
        packages = ("umap-learn", "pynndescent", "numba") if layout == "umap" else ()
        return MapRecord(
            name=folder.name,
            layout=layout,
            metric=self.metric,
            run=record.name,
            model=record.model,
            weights_sha256=record.weights_sha256,
            dataset_fingerprint=record.dataset_fingerprint,
            width=record.width,
            num_classes=record.num_classes,
            samples=len(self.ids),
            limit=self.limit,
            threads=threads or _cores(),
            versions=versions("numpy", "scipy", *packages),
            started=now(),
        )


def _cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
