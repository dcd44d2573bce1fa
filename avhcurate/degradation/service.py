"""Degrades a run's images at every kind and level, scores all, and measures how each score follows the level."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate import scores
from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.runs import RunFolder
from avhcurate.data.workspace import Workspace
from avhcurate.degradation import corruptions, statistics
from avhcurate.degradation.store import SHARD, DegradationFolder, DegradationRecord
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.provenance import now, settings_digest
from avhcurate.errors import CurateError
from avhcurate.images.decoding import BrokenImage, decode, encode_thumbnail
from avhcurate.scores import SCORES
from avhcurate.scoring.shards import LOCAL, Engine, OpenNetwork, ShardResult
from avhcurate.table.dataset_table import DatasetTable, training_of
from avhcurate.table.filters import Filters
from avhcurate.votes.bins import bin_labels

# Torch takes seconds to import, and a page that only reads results shall not wait for it.
if TYPE_CHECKING:
    from avhcurate.scoring.image_pass import ImagePass, ShardOutputs

#: Samples that are degraded unless told otherwise, spread evenly over the run's.
DEFAULT_LIMIT = 1000

#: Scores of degraded images: all that need no second pass over the dataset.
KEYS = tuple(key for key, s in SCORES.items() if s.function is not None and s.needs != "prototypes" and not s.plugin)


def degrade_dataset(
    workspace: Workspace,
    name: str,
    model: str | None = None,
    *,
    weights: Literal["random"] | Path | None = None,
    kinds: Iterable[str] | None = None,
    limit: int | None = DEFAULT_LIMIT,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    seed: int = 0,
    engine: Engine = LOCAL,
    progress: Progress = SILENT,
) -> DegradationFolder:
    """Runs the model of a run over its images at every level of `kinds` (default: all) and stores every score.

    `model` names a model or a run; `weights` are needed where those of the run came from a file, unless a training of
    the dataset made it. Each image is decoded once. `precision` auto is that of the run, so that level 0 repeats the
    run's own scores. The folder is named by a digest of all settings that decide its numbers: the same call again
    resumes, and does nothing where all is done. `engine` is where the network runs.

    `progress` counts degraded images. Raises Cancelled when asked to stop, and CurateError for mistakes of the user's:
    no run, other weights than the run's, a dataset imported again.
    """
    from avhcurate.models.runtime import precision_name
    from avhcurate.scoring.image_pass import ImagePass, backend_options
    from avhcurate.scoring.service import rebuild_model

    chosen = corruptions.check_kinds(corruptions.KINDS if kinds is None else kinds)
    dataset = workspace.dataset(name)
    run = _run_of(dataset, model, weights)
    if weights is None and (training := training_of(dataset, run)):
        weights = training.weights_path
    record = run.record
    loaded = rebuild_model(run, weights)
    levels = corruptions.strengths(chosen, loaded.preprocess.crop)
    ids = run.scored_ids(limit)
    if not len(ids):
        raise CurateError(f"run {run.name} has scored no image that could be degraded")
    settings = {
        "weights": record.weights_sha256,
        "strengths": levels,
        "seed": seed,
        "precision": record.precision if precision == "auto" else precision_name(precision),
        "ids": hashlib.sha256(ids.tobytes()).hexdigest(),
    }
    if loaded.prompts:
        settings["norm"] = None  # earlier versions kept one, of rounding alone
    folder = DegradationFolder.of(run, settings_digest(settings)[:12])
    dataset.refuse_another_import(record.dataset_fingerprint)

    shape = loaded.preprocess

    def degraded(id: int, rgb: np.ndarray) -> np.ndarray:
        return corruptions.variants(shape.prepare(rgb), levels, seed=seed, id=id)

    with folder.alone():
        steps = corruptions.steps(levels)
        if folder.complete:
            progress.report(len(ids) * len(steps), len(ids) * len(steps), "complete already")
            return folder
        network = engine.network(
            loaded,
            device=device,
            precision=str(settings["precision"]),
            batch_size=batch_size,
            **backend_options(folder, len(ids) * len(steps)),
        )
        if not folder.begun:
            folder.write_record(
                _record(folder, run, network, strengths=levels, seed=seed, samples=len(ids), limit=limit)
            )
        images = ImagePass(
            dataset, folder, ids, SHARD, degraded, shape, images_per_sample=len(steps), progress=progress
        )
        fitted = run if record.fitted is not None else None
        result = _DegradedScores(loaded.class_weights, dataset.labels(), steps, fitted, bool(loaded.prompts))
        work = _Degrading(folder, images, record.dataset_fingerprint)
        images.run(engine, network, result, work.commit)
        work.finish()
    return folder


# --- results -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Degraded:
    """The scores of a degradation, of the images in view: `rows` as `degradation.statistics` takes them.

    `bins`: ids by HSF bin, bins without images left out.
    """

    record: DegradationRecord
    rows: pd.DataFrame
    bins: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """Images in view, before degradation."""
        return int(self.rows["id"].nunique())

    @property
    def kinds(self) -> list[str]:
        return list(self.record.strengths)


def read(table: DatasetTable, folder: DegradationFolder, filters: Filters | None = None) -> Degraded:
    """The scores of the images that satisfy the filters, with whether each prediction is the given label."""
    record = folder.record
    rows = pq.read_table(folder.scores_path).to_pandas()
    rows = rows[rows["problem"].isna()].drop(columns="problem")
    in_view = table.frame(filters or Filters(), columns=["id", "label", "hsf_bin"])
    rows = rows[rows["id"].isin(in_view["id"])].reset_index(drop=True)
    labels = rows["id"].map(in_view.set_index("id")["label"].astype("float64"))
    correct = (rows["predicted"] == labels).astype("float64").where(labels.notna())
    scored = in_view[in_view["id"].isin(rows["id"])]
    of_bin = {name: scored["id"][scored["hsf_bin"] == name].to_numpy() for name in bin_labels(table.edges)}
    bins = {name: ids for name, ids in of_bin.items() if len(ids)}
    return Degraded(record, rows.assign(correct=correct), bins)


def summarise(degraded: Degraded, keys: Sequence[str] = KEYS) -> pd.DataFrame:
    """`statistics.summarise` of these scores."""
    return statistics.summarise(degraded.rows, {key: SCORES[key].sign for key in keys})


def example(table: DatasetTable, record: DegradationRecord, id: int) -> dict[tuple[str, int], bytes]:
    """One image at every kind and level, as the network saw it: encoded images by (kind, level).

    PNG for images of up to 64 pixels a side, JPEG for larger ones. Raises CurateError when it cannot be read.
    """
    from avhcurate.models.preprocess import Preprocess

    try:
        rgb = decode(table.dataset.images().read_one(id))
    except IndexError as error:
        raise CurateError(f"the dataset has no sample {id}: ids run from 0 to {table.size - 1}") from error
    except BrokenImage as broken:
        raise CurateError(f"image {id} cannot be read: {broken.reason}") from broken
    square = Preprocess.from_record(record.preprocess).prepare(rgb)
    variants = corruptions.variants(square, record.strengths, seed=record.seed, id=id)
    shown = np.repeat(variants, 3, axis=3) if variants.shape[3] == 1 else variants
    steps = corruptions.steps(record.strengths)
    return {step: encode_thumbnail(image) for step, image in zip(steps, shown, strict=True)}


# --- which run ---------------------------------------------------------------------------------------------------


def _run_of(dataset: DatasetFolder, model: str | None, weights: Literal["random"] | Path | None) -> RunFolder:
    """The complete run of that name, else the newest of that model, of these weights where they are a file.

    Of runs with these weights one by the network's own head comes before one whose head was fitted.
    """
    run = dataset.run(model)
    if not run.complete:
        raise CurateError(
            f"the run {run.name} is not finished: run `avhcurate score {dataset.name} ...` again to resume it"
        )
    if isinstance(weights, Path) and run.name != model:
        from avhcurate.models.weights import read_weights

        sha256 = read_weights(weights).sha256
        same = [r for r in dataset.runs() if r.complete and r.record.model == run.record.model]
        same = [r for r in reversed(same) if r.record.weights_sha256 == sha256]
        run = max(same, key=lambda r: r.record.fitted is None, default=run)  # the first, so the newest, of equals
    return run


def _record(folder: DegradationFolder, run: RunFolder, network: OpenNetwork, **settings: Any) -> DegradationRecord:
    from avhcurate.scoring.image_pass import backend_values

    record = run.record
    return DegradationRecord(
        name=folder.name,
        run=run.name,
        model=record.model,
        weights_sha256=record.weights_sha256,
        weights_source=record.weights_source,
        dataset_fingerprint=record.dataset_fingerprint,
        preprocess=record.preprocess,
        side=record.preprocess["crop"],
        precision=network.precision,
        device=network.device_name,
        batch_size=network.batch_size,
        started=now(),
        **backend_values(network, "scipy", "pillow") | settings,
    )


# --- the scores of a shard ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _DegradedScores:
    """The rows of a shard from a network's outputs, in whichever process it runs.

    `labels` are those of the whole dataset; `fitted` is the run where its heads score the samples, not `class_weights`.
    `one_length` as of `score_columns`.
    """

    class_weights: np.ndarray
    labels: np.ndarray
    steps: list[tuple[str, int]]
    fitted: RunFolder | None
    one_length: bool

    def __call__(self, outputs: "ShardOutputs") -> ShardResult:
        from avhcurate.scoring.fitted_heads import scores_by_head
        from avhcurate.scoring.image_pass import score_columns

        kinds, levels = (np.array(part) for part in zip(*self.steps, strict=True))
        of_row, at = np.repeat(outputs.ids, len(kinds)), np.tile(np.arange(len(kinds)), len(outputs.ids))
        why = [outputs.problems.get(id) for id in of_row.tolist()]
        for row in np.flatnonzero(~np.isfinite(outputs.features).all(axis=1)):
            why[row] = why[row] or "the network's features are not finite"
        usable = np.array([text is None for text in why])
        features, labels = outputs.features[usable], self.labels[of_row[usable]]
        if self.fitted is None:
            scored = scores.per_sample(features, self.class_weights, outputs.logits[usable], labels, keys=KEYS)
        else:
            scored = scores_by_head(self.fitted, of_row[usable], features, labels, keys=KEYS)
        columns = {
            "id": pa.array(of_row, pa.int64()),
            "kind": pa.array(kinds[at], pa.string()),
            "level": pa.array(levels[at], pa.int32()),
            **score_columns(scored, usable, one_length=self.one_length),
            "problem": pa.array(why, pa.string()),
        }
        # Of an image that could not be read one row is enough; a level whose features are not finite keeps its own.
        kept = (at == 0) | ~np.isin(of_row, list(outputs.problems))
        return ShardResult(outputs.shard, pa.table(columns).filter(pa.array(kept)), outputs.seconds)


@dataclass(frozen=True)
class _Degrading:
    """One degradation under way: `images` is its pass."""

    folder: DegradationFolder
    images: "ImagePass"
    fingerprint: str

    def commit(self, result: ShardResult) -> None:
        """Writes the scores of a shard."""
        self.images.dataset.refuse_another_import(self.fingerprint)
        self.folder.write_shard(result.shard, result.rows, seconds=result.seconds)

    def finish(self) -> None:
        """One table of all shards, and the record."""
        images = self.images
        images.dataset.refuse_another_import(self.fingerprint)
        skipped = sum(self._skipped(shard) for shard in images.shards)
        if skipped == len(images.ids):
            raise CurateError(
                f"none of the {skipped} images of dataset {images.dataset.name!r} could be read: check that they still "
                "lie where they were imported from"
            )
        self.folder.finish((self.folder.shard(shard) for shard in images.shards), images.finished(skipped))
        images.progress.report(images.total, images.total, "")

    def _skipped(self, shard: int) -> int:
        table = self.folder.shard(shard)
        scored = set(table.filter(table["problem"].is_null())["id"].to_pylist())
        return len(self.images.ids_of(shard)) - len(scored)
