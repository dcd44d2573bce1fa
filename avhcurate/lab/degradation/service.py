"""Degrades a run's images at every kind and level, scores all, and measures how each score follows the level.

Record and scores are written shard by shard next to the run's own.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import trainings_of
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError, Run
from avhcurate.lab.degradation import corruptions, statistics
from avhcurate.lab.degradation.settings import DegradeSettings
from avhcurate.measures import scores
from avhcurate.measures.scores import SCORES
from avhcurate.networks.scoring.shards import LOCAL, Engine, ShardResult
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.run_records import BackendRecord
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.folders import ShardedFolder
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import Provenance, now, settings_digest
from avhcurate.workspace.images.decoding import BrokenImage, decode, encode_thumbnail

# Torch takes seconds to import, and a page that only reads results shall not wait for it.
if TYPE_CHECKING:
    from avhcurate.networks.models.engine import Network
    from avhcurate.networks.models.loading import LoadedModel
    from avhcurate.networks.scoring.image_pass import ImagePass, ShardOutputs

#: Scores of degraded images: those that need no second pass over the dataset.
KEYS = tuple(key for key, s in SCORES.items() if s.function is not None and s.needs != "prototypes" and not s.plugin)


#: Samples a shard, each with all its degraded images: what a killed job loses at most.
SHARD = 64


class DegradationRecord(Provenance):
    """The record of a degradation, `degradation.json`; `finished` and what follows are set when it is complete.

    `strengths`: of levels 1, 2, ... of each kind. `side`: pixels a side of the images that were degraded. `samples`
    counts images before degradation, `skipped` those of them that could not be read. `rate` is in degraded images a
    second.
    """

    name: str
    run: str
    model: str
    weights_sha256: str
    weights_source: str
    preprocess: dict[str, Any]
    side: int
    strengths: dict[str, list[float]]
    precision: str
    device: str
    batch_size: int
    backend: BackendRecord | None = None
    samples: int
    rate: float | None = None
    skipped: int = 0

    @property
    def steps(self) -> int:
        """Images made of each sample, itself included."""
        return 1 + sum(map(len, self.strengths.values()))


class DegradationFolder(ShardedFolder[DegradationRecord]):
    """One folder in `RUN/degradation/`: `degradation.json`, and `scores.parquet` once it is complete.

    Until then `scores/shard-XXXXX.parquet`, each renamed into place when its samples are scored at every level.

    A row a sample, kind and level: id, kind, level, predicted, a column a score, problem. Level 0, of kind `none`, is
    the image itself. An image that could not be read has only that row, with its `problem` and nulls.
    """

    HOME = "degradation"
    FILE = "degradation.json"
    KIND = DegradationRecord
    WHAT = "degradation"
    AGAIN = "remove the folder and run it again"

    def problems(self) -> pd.DataFrame:
        """Return the images that could not be read, `id, problem`."""
        return pd.read_parquet(self.scores_path, columns=["id", "problem"]).dropna()


def degradations(run: RunFolder) -> list[DegradationFolder]:
    """Return the complete degradations of a run, oldest first."""
    return [folder for folder in DegradationFolder.all_of(run) if folder.complete]


def degrade_dataset(
    workspace: Workspace, settings: DegradeSettings, *, engine: Engine = LOCAL, progress: Progress = SILENT
) -> DegradationFolder:
    """Run the model of a run over its images at every level and store every score.

    Each image is decoded once. The precision is that of the run, so that level 0 repeats the run's own scores. The
    folder is named by a digest of all that decides its numbers: the same call again resumes, and does nothing where
    all is done. `progress` counts degraded images. Raises Cancelled when asked to stop, and CurateError where there is
    no run, for other weights than the run's, and for a dataset that was imported again.
    """
    from avhcurate.networks.scoring.dataset_model import rebuild_model
    from avhcurate.networks.scoring.image_pass import ImagePass, network_options

    dataset = workspace.dataset(settings.dataset)
    run = _complete_run(dataset, settings.model)
    record = run.record
    weights: Any = settings.weights
    if weights is None and (training := trainings_of(dataset, run)[0]):
        weights = training.weights_path
    loaded = rebuild_model(run, weights)
    shape = loaded.preprocess
    levels = corruptions.strengths(settings.kinds, shape.crop)
    steps = corruptions.steps(levels)
    ids = run.scored_ids(settings.limit or None)
    total = len(ids) * len(steps)
    if not total:
        raise CurateError(f"The run {run.name} has not scored any image. Score the dataset again first.")
    decides = {
        "weights": record.weights_sha256,
        "strengths": levels,
        "precision": record.precision,
        "ids": hashlib.sha256(ids.tobytes()).hexdigest(),
    }
    folder = DegradationFolder.of(run, settings_digest(decides)[:12])
    dataset.refuse_another_import(record.dataset_fingerprint)

    def degrade(id: int, rgb: np.ndarray) -> np.ndarray:
        return corruptions.variants(shape.prepare(rgb), levels, id=id)

    with folder.alone():
        if folder.complete:
            progress.report(total, total, "complete already")
            return folder
        precision = _precision_on(engine.device(settings.device), record.precision)
        options = network_options(workspace, folder, dataset, ids, shape, images_per_sample=len(steps))
        network = engine.network(loaded, device=settings.device, **({"precision": precision} | options))
        if not folder.begun:
            folder.write_record(_record(folder, run, network, levels, len(ids)))
        score = _scoring(run, loaded, dataset.labels(), steps)
        images = ImagePass(
            dataset, folder, ids, SHARD, degrade, shape, network, score, images_per_sample=len(steps), progress=progress
        )

        def commit(result: ShardResult) -> None:
            dataset.refuse_another_import(record.dataset_fingerprint)
            folder.write_shard(result.shard, result.rows, seconds=result.seconds)

        images.run(engine, commit)
        _finish(folder, images)
    return folder


def _complete_run(dataset: DatasetFolder, model: str | None) -> RunFolder:
    run = dataset.run(model)
    if not run.complete:
        raise CurateError(
            f"The run {run.name} is not finished.", fix=f"{Run('score', dataset.name, '...')} again to resume it"
        )
    return run


def _precision_on(device: str, precision: str) -> str:
    """Return the precision of a run on a device: TF32 is of CUDA."""
    if precision == "tf32" and not device.startswith("cuda"):
        return "float32"
    return precision


def _scoring(
    run: RunFolder, loaded: "LoadedModel", labels: np.ndarray, steps: list[tuple[str, int]]
) -> "Callable[[ShardOutputs], ShardResult]":
    """Return what makes the rows of a shard, by the heads of the run if it fitted some."""
    fitted = None
    if run.record.fitted is not None:
        fitted = run
    return partial(
        _scores_of_shard,
        class_weights=loaded.class_weights,
        labels=labels,
        steps=steps,
        fitted=fitted,
        one_length=bool(loaded.prompts),
    )


def _finish(folder: DegradationFolder, images: "ImagePass") -> None:
    """Write one table of all shards, and the record."""
    images.dataset.refuse_another_import(folder.record.dataset_fingerprint)
    tables = [folder.shard(shard) for shard in images.shards]
    scored = {id for table in tables for id in table.filter(table["problem"].is_null())["id"].to_pylist()}
    if not scored:
        raise CurateError(
            f"No image of {images.dataset.name} can be read. Check that they are still where they were imported from."
        )
    folder.finish(iter(tables), images.finished(len(images.ids) - len(scored)))
    images.progress.report(images.total, images.total, "")


# --- results -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Degraded:
    """The scores of the degraded images in view.

    `rows` and the `summary` are as in `degradation.statistics`. `ids`: the images in view. `bins`: ids by HSF bin.
    """

    folder: DegradationFolder
    rows: pd.DataFrame
    summary: pd.DataFrame
    ids: np.ndarray
    bins: dict[str, np.ndarray]


def read(samples: SampleTable, folder: DegradationFolder, filters: Filters | None = None) -> Degraded:
    """Return the scores of the images that satisfy the filters, with whether each prediction is the given label."""
    rows = pd.read_parquet(folder.scores_path)
    in_view = samples.frame(filters or Filters(), columns=["id", "label", "hsf_bin"]).set_index("id")
    rows = rows[rows["problem"].isna() & rows["id"].isin(in_view.index)].drop(columns="problem").reset_index(drop=True)
    labels = rows["id"].map(in_view["label"].astype("float64"))
    correct = (rows["predicted"] == labels).astype("float64").where(labels.notna())
    ids = rows["id"].unique()
    bins = in_view.loc[ids].groupby("hsf_bin", observed=True).groups
    rhos = statistics.level_correlations(rows, KEYS)
    return Degraded(
        folder=folder,
        rows=rows.assign(correct=correct),
        summary=statistics.summarise(rhos, {key: SCORES[key].sign for key in KEYS}),
        ids=ids,
        bins={str(name): members.to_numpy() for name, members in bins.items()},
    )


def example(dataset: DatasetFolder, folder: DegradationFolder, id: int) -> dict[tuple[str, int], bytes]:
    """Return one image at every kind and level, as the network saw it: encoded images by (kind, level).

    Raises CurateError when it cannot be read.
    """
    from avhcurate.networks.models.preprocess import Preprocess

    record = folder.record
    preprocess = Preprocess.from_record(record.preprocess)
    try:
        rgb = decode(dataset.images().read_one(id), preprocess.least)
    except BrokenImage as broken:
        raise CurateError(f"Image {id} cannot be read: {broken.reason}") from broken
    images = corruptions.variants(preprocess.prepare(rgb), record.strengths, id=id)
    if images.shape[3] == 1:
        images = np.repeat(images, 3, axis=3)
    return dict(zip(corruptions.steps(record.strengths), map(encode_thumbnail, images), strict=True))


def _record(
    folder: DegradationFolder, run: RunFolder, network: "Network", levels: dict[str, tuple[float, ...]], samples: int
) -> DegradationRecord:
    from avhcurate.networks.scoring.image_pass import backend_values

    of_run = run.record.model_dump(
        include={"model", "weights_sha256", "weights_source", "dataset_fingerprint", "preprocess"}
    )
    return DegradationRecord(
        name=folder.name,
        run=run.name,
        side=run.record.preprocess["crop"],
        strengths={kind: list(of_kind) for kind, of_kind in levels.items()},
        samples=samples,
        precision=network.precision,
        device=network.device_name,
        batch_size=network.batch_size,
        started=now(),
        **of_run,
        **backend_values(network, "scipy", "pillow"),
    )


# --- the scores of a shard ---------------------------------------------------------------------------------------


def _scores_of_shard(
    outputs: "ShardOutputs",
    *,
    class_weights: np.ndarray,
    labels: np.ndarray,
    steps: list[tuple[str, int]],
    fitted: RunFolder | None,
    one_length: bool,
) -> ShardResult:
    """Make the rows of a shard from a network's outputs, in any process.

    `labels` are those of the whole dataset. `fitted` is the run if its heads score the samples. `one_length` as of
    `score_columns`.
    """
    from avhcurate.networks.scoring.fitted_heads import scores_by_head
    from avhcurate.networks.scoring.shard_scores import score_columns

    rows = pd.DataFrame(steps * len(outputs.ids), columns=["kind", "level"])
    ids = np.repeat(outputs.ids, len(steps))
    problem = pd.Series(ids).map(outputs.problems).astype(object)
    problem[problem.isna() & ~np.isfinite(outputs.features).all(axis=1)] = "the network's features are not finite"
    usable = problem.isna().to_numpy()
    features = outputs.features[usable]
    labels = labels[ids[usable]]
    if fitted is None:
        scored = scores.per_sample(features, class_weights, outputs.logits[usable], labels, keys=KEYS)
    else:
        scored = scores_by_head(fitted, ids[usable], features, labels, keys=KEYS)
    columns = {
        "id": pa.array(ids, pa.int64()),
        "kind": pa.array(rows["kind"], pa.string()),
        "level": pa.array(rows["level"], pa.int32()),
        **score_columns(scored, usable, one_length=one_length),
        "problem": pa.array(problem, pa.string(), from_pandas=True),
    }
    # An image that could not be read keeps only its row of level 0.
    written = (rows["level"] == 0) | ~np.isin(ids, list(outputs.problems))
    return ShardResult(outputs.shard, pa.table(columns).filter(pa.array(written)), outputs.seconds)
