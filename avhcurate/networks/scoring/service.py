"""Scores a dataset with a model, in one pass over its images."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.errors import CurateError
from avhcurate.measures import scores
from avhcurate.measures.stats.downsample import evenly_spread
from avhcurate.measures.stats.ranks import spearman, standard_ranks
from avhcurate.networks.models.engine import Network
from avhcurate.networks.models.loading import LoadedModel, ModelSpec, decisive
from avhcurate.networks.models.runtime import precision_name
from avhcurate.networks.scoring.dataset_model import model_for
from avhcurate.networks.scoring.fitted_heads import fit_heads, head_settings, name_of, number_of_classes, out_of_fold
from avhcurate.networks.scoring.heads import seconds_of_heads
from avhcurate.networks.scoring.image_pass import ImagePass, ShardOutputs, backend_values, network_options
from avhcurate.networks.scoring.settings import ScoreSettings
from avhcurate.networks.scoring.shard_scores import (
    ShardScores,
    add_scores,
    by_fitted_heads,
    digest_rows,
    scored,
    with_distances,
)
from avhcurate.networks.scoring.shards import LOCAL, Engine, ShardResult
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.run_records import SHARD, FittedHeads, RankAgreement, RunRecord
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import SILENT, Progress, Stages
from avhcurate.workspace.disk.provenance import now

#: Samples on which a run in reduced precision is compared with float32, and the scores whose order is compared.
_COMPARED = 200
_COMPARED_SCORES = ("avh", "confidence", "avc", "max_confidence")


def score_dataset(
    workspace: Workspace,
    name: str,
    spec: ModelSpec,
    *,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    limit: int | None = None,
    fit: FittedHeads | None = None,
    classes_from_model: bool = False,
    engine: Engine = LOCAL,
    progress: Progress = SILENT,
) -> RunFolder:
    """Run the model over dataset `name`, store features, scores and thumbnails, and return the complete run.

    `fit` ignores the model's own last layer and fits linear heads on its features, cross-fitted so that each labelled
    sample is scored by a head that saw neither it nor its copies nor its group, and others by the head of all.
    `classes_from_model` takes the rows of the model's head whose class names are the dataset's.

    The run is named by the model and a fingerprint of all that decides its numbers: the same call again resumes what
    was cut short, and does nothing where all is done. `limit` takes that many samples, spread evenly over the dataset;
    only runs over all samples store thumbnails. An image that cannot be scored is recorded with its problem.

    `engine` is where the network runs: in this process, or on a Ray cluster, which gives the same rows. Raises
    Cancelled when asked to stop, after which the same call resumes, and CurateError for mistakes of the user.
    """
    dataset = workspace.dataset(name)
    labels = dataset.labels()
    if not len(labels):
        raise CurateError(f"Dataset {name!r} has no images. Import it again.")
    ids = evenly_spread(len(labels), limit)
    if len(ids) == len(labels):
        limit = None
    device = engine.device(device)
    precision = precision_name(precision, device)
    model, rows = model_for(dataset, spec, labels, fit=fit, classes_from_model=classes_from_model)
    run = RunFolder.of(dataset, run_name(model, dataset, precision, limit, heads=fit, rows=rows))
    with run.alone():
        if run.complete:
            add_scores(run, labels, progress=progress)
            progress.report(len(ids), len(ids), "complete already")
            return run
        options = {"precision": precision} | network_options(workspace, run, dataset, ids, model.preprocess)
        if batch_size is not None:
            options["batch_size"] = batch_size
        network = engine.network(model, device=device, **options)
        if not run.begun:
            choices = {"samples": len(ids), "limit": limit, "seed": spec.seed, "rows": rows, "fitted": fit}
            _begin(run, dataset, model, network, choices)
        stages = progress.stages(_seconds(run.record))
        images = _image_pass(run, dataset, model, network, ids, labels, stages.begin("images"))
        fingerprint = dataset.record.fingerprint
        scoring = _Scoring(run, model, images, labels, fingerprint, engine, device, workspace.networks, stages)
        images.run(engine, scoring.commit)
        scoring.finish()
    return run


def _seconds(record: RunRecord) -> dict[str, float]:
    """Return the seconds that each stage of a run may take; nobody knows beforehand how fast a network is."""
    seconds = {"images": 0.0}
    if record.fitted is not None:
        seconds["heads"] = seconds_of_heads(record.fitted.folds + 1, record.samples, record.width, record.num_classes)
    if record.precision != "float32":
        seconds["float32"] = 5.0
    return seconds | {"table": 0.5 + 2e-5 * record.samples}


def score_settings(
    workspace: Workspace, settings: ScoreSettings, *, engine: Engine = LOCAL, progress: Progress = SILENT
) -> RunFolder:
    """Score a dataset as the options of `avhcurate score` say."""
    fit, layer = head_settings(settings)
    return score_dataset(
        workspace,
        settings.dataset,
        settings.spec(layer),
        device=settings.device,
        precision=settings.precision,
        batch_size=settings.batch_size,
        limit=settings.limit,
        fit=fit,
        classes_from_model=settings.classes_from_model,
        engine=engine,
        progress=progress,
    )


def run_name(
    model: LoadedModel,
    dataset: DatasetFolder,
    precision: str,
    limit: int | None,
    *,
    heads: FittedHeads | None = None,
    rows: list[int] | None = None,
) -> str:
    """Return the model's name as a folder's, and eight hexadecimal digits of what decides the numbers of a run."""
    inputs: dict[str, Any] = {**decisive(model), "precision": precision, "limit": limit}
    if rows is not None:
        inputs["rows"] = rows
    return name_of(model.name, dataset, inputs, heads)


def _begin(
    run: RunFolder, dataset: DatasetFolder, model: LoadedModel, network: Network, choices: dict[str, Any]
) -> None:
    """Begin the run, with the head of the model unless it fits heads; `choices` are fields of the record."""
    names = dataset.record.classes
    num_classes, width = model.class_weights.shape
    classes = names
    if len(names) != num_classes:
        classes = list(model.classes or ())
    head = [model.class_weights, model.bias]
    if choices["fitted"] is not None:
        classes = names
        num_classes = number_of_classes(dataset)
        head = []
    record = RunRecord(
        name=run.name,
        model=model.name,
        head=model.head_name,
        weights_sha256=model.weights_sha256,
        weights_source=model.weights_source,
        preprocess=asdict(model.preprocess),
        precision=network.precision,
        device=network.device_name,
        batch_size=network.batch_size,
        classes=classes,
        prompts=model.prompts,
        num_classes=num_classes,
        classes_named=bool(model.classes) and list(model.classes or ()) == names,
        width=width,
        dataset_fingerprint=dataset.record.fingerprint,
        started=now(),
        code=model.code,
        locked=dataset.locked_by,
        labelled=dataset.labelled,
        **choices,
        **backend_values(network),
    )
    run.create(record, *head, rows=dataset.record.samples)


def _image_pass(
    run: RunFolder,
    dataset: DatasetFolder,
    model: LoadedModel,
    network: Network,
    ids: np.ndarray,
    labels: np.ndarray,
    progress: Progress,
) -> ImagePass:
    """Return the pass over the images of a run that was begun."""
    record = run.record

    def thumbnails(shard: int) -> bool:
        # They come in files of as many ids as a shard has, and a limit would leave holes in each.
        return record.limit is None and not dataset.thumbnails.has_shard(shard)

    result: Callable[[ShardOutputs], ShardResult] = digest_rows
    if record.fitted is None:
        result = ShardScores(model.class_weights, labels, bool(model.prompts))
    return ImagePass(
        dataset,
        run,
        ids,
        SHARD,
        lambda _, rgb: model.preprocess.prepare(rgb),
        model.preprocess,
        network,
        result,
        thumbnails=thumbnails,
        digests=record.fitted is not None,
        progress=progress,
    )


@dataclass(frozen=True)
class _Scoring:
    """One run under way: `images` is its pass, `labels` are all of the dataset, `cache` keeps converted networks."""

    run: RunFolder
    model: LoadedModel
    images: ImagePass
    labels: np.ndarray
    fingerprint: str
    engine: Engine
    device: str
    cache: Path
    stages: Stages

    def commit(self, result: ShardResult) -> None:
        """Write thumbnails, features and scores of a shard, in this order: the scores say that all are there."""
        self.images.dataset.refuse_another_import(self.fingerprint)
        if result.thumbnails is not None:
            self.images.dataset.thumbnails.write_shard(result.shard, result.thumbnails)
        assert result.features is not None
        self.run.write_rows("features.npy", result.rows["id"].to_numpy(), result.features)
        self.run.write_shard(result.shard, result.rows, seconds=result.seconds)

    def finish(self) -> None:
        """Write the distances to the class prototypes, the comparison with float32, the table and the record."""
        self.images.dataset.refuse_another_import(self.fingerprint)
        samples = len(self.images.ids)
        changes = self.images.finished(self._skipped())
        if self.run.record.fitted is not None:
            changes["fitted"] = self._fit()
        if self.run.record.precision != "float32":
            self.stages.begin("float32").tell(samples, samples, "comparing with float32")
            changes["rank_agreement"] = self._rank_agreement()
        table = self.stages.begin("table")
        table.tell(samples, samples, "class prototypes")
        ids = (scored(self.run.shard(shard))[0] for shard in self.images.shards)
        tables = with_distances(self.run, self._scored(), self.images.dataset, ids)
        self.images.dataset.refuse_another_lock(self.run.record.locked)
        self.run.finish(tables, changes)
        table.report(samples, samples, "")

    def _fit(self) -> FittedHeads:
        """Fit the heads of the run, now that all features are written."""
        table = pa.concat_tables(self.run.shard(shard) for shard in self.images.shards)
        table = table.filter(pc.is_null(table["problem"]))
        heads = self.stages.begin("heads")
        cancelled = "cancelled while heads were fitted: the same command resumes"
        fitted = fit_heads(
            self.images.dataset,
            self.run,
            table["id"].to_numpy(),
            table["digest"].to_numpy(),
            engine=self.engine,
            tell=heads.report,
            check=partial(heads.check, cancelled),
        )
        return fitted.model_copy(update=out_of_fold(self._scored(), self.images.dataset.labels_to_learn()))

    def _scored(self) -> Iterator[pa.Table]:
        """Yield the scores of each shard; by the head that has not seen each sample, where heads were fitted."""
        for shard in self.images.shards:
            table = self.run.shard(shard)
            if self.run.record.fitted is not None:
                table = by_fitted_heads(self.run, table, self.labels)
            yield table

    def _skipped(self) -> int:
        """Return how many samples could not be scored; a run of nothing else is deleted and refused."""
        problems = [self.run.shard(shard)["problem"].drop_null() for shard in self.images.shards]
        skipped = sum(map(len, problems))
        if skipped == len(self.images.ids):
            shutil.rmtree(self.run.root)
            raise CurateError(
                f"None of the {skipped} images of dataset {self.images.dataset.name!r} could be scored. The first: "
                f"{problems[0][0]}. Check that they are still where they were imported from."
            )
        return skipped

    def _rank_agreement(self) -> RankAgreement:
        """Run some samples again in float32 and compare the order of both."""
        ids = self.images.ids
        ids = ids[evenly_spread(len(ids), _COMPARED)]
        options = {"precision": "float32", "images": len(ids), "cache": self.cache}
        exact = self.engine.network(self.model, device=self.device, **options)
        outputs = self.engine.call(replace(self.images, ids=ids, network=exact, progress=SILENT).outputs)
        reduced = self.run.features_of(ids)
        # What could not be scored at the reduced precision has zeros.
        both = ~np.isin(ids, list(outputs.problems)) & np.isfinite(outputs.features).all(axis=1) & reduced.any(axis=1)
        labels = self.labels[ids[both]]
        return _agreement(self._scores(reduced[both], labels), self._scores(outputs.features[both], labels))

    def _scores(self, features: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        class_weights, bias = self.run.head()
        logits = features @ class_weights.T + bias
        return scores.per_sample(features, class_weights, logits, labels, keys=_COMPARED_SCORES)


def _agreement(reduced: dict[str, np.ndarray], exact: dict[str, np.ndarray]) -> RankAgreement:
    """Return Spearman of each score where it is defined, and the share of equal predictions."""
    ranked = {}
    for key in _COMPARED_SCORES:
        defined = np.isfinite(reduced[key]) & np.isfinite(exact[key])
        rho = spearman(standard_ranks(reduced[key][defined]), standard_ranks(exact[key][defined]))
        if np.isfinite(rho):
            ranked[key] = round(rho, 6)
    same = reduced["predicted"] == exact["predicted"]
    return RankAgreement(samples=len(same), spearman=ranked, predicted=round(float(same.mean()), 6))
