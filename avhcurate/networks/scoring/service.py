"""Scores a dataset with a model, in one pass over its images; rebuilds the model of a run from its record."""

import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.errors import CurateError, Option
from avhcurate.measures import scores
from avhcurate.measures.stats.downsample import evenly_spread
from avhcurate.networks.models.engine import Network
from avhcurate.networks.models.loading import LoadedModel, ModelSpec, decisive, load_model
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.runtime import precision_name
from avhcurate.networks.scoring.added_scores import add_scores
from avhcurate.networks.scoring.class_sums import sum_by_class
from avhcurate.networks.scoring.dataset_model import model_for
from avhcurate.networks.scoring.fitted_heads import (
    fit_heads,
    head_settings,
    number_of_classes,
    out_of_fold,
    scores_by_head,
)
from avhcurate.networks.scoring.image_pass import (
    ImagePass,
    ShardOutputs,
    backend_options,
    backend_values,
    score_columns,
)
from avhcurate.networks.scoring.settings import ScoreSettings
from avhcurate.networks.scoring.shard_scores import ShardScores, digest_rows
from avhcurate.networks.scoring.shards import LOCAL, Engine, ShardResult
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import SHARD, FittedHeads, PromptsRecord, RankAgreement, RunFolder, RunRecord
from avhcurate.workspace.data.sample_groups import duplicates_digest
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, settings_digest

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
        raise CurateError(f"Dataset {name!r} has no samples. Import it again.")
    ids = evenly_spread(len(labels), limit)
    if len(ids) == len(labels):
        limit = None
    precision = precision_name(precision)
    model, rows = model_for(dataset, spec, labels, fit=fit, classes_from_model=classes_from_model)
    run = RunFolder.of(dataset, run_name(model, dataset, precision, limit, heads=fit, rows=rows))
    with run.alone():
        if run.complete:
            add_scores(run, labels, progress=progress)
            progress.report(len(ids), len(ids), "complete already")
            return run
        network = engine.network(
            model,
            device=device,
            precision=precision,
            batch_size=batch_size,
            **backend_options(workspace, run, len(ids)),
        )
        if not run.begun:
            record = _record(run, dataset, model, network, samples=len(ids), limit=limit, seed=spec.seed)
            if fit is None:
                run.create(record.model_copy(update={"rows": rows}), model.class_weights, model.bias, rows=len(labels))
            else:
                classes = {"classes": dataset.record.classes, "num_classes": number_of_classes(dataset)}
                run.create(record.model_copy(update={"fitted": fit} | classes), rows=len(labels))

        def thumbnails(shard: int) -> bool:
            # They come in files of as many ids as a shard has, and a limit would leave holes in each.
            return limit is None and not dataset.thumbnails.has_shard(shard)

        images = ImagePass(
            dataset,
            run,
            ids,
            SHARD,
            lambda _, rgb: model.preprocess.prepare(rgb),
            model.preprocess,
            thumbnails=thumbnails,
            digests=fit is not None,
            progress=progress,
        )
        result: Callable[[ShardOutputs], ShardResult] = digest_rows
        if fit is None:
            result = ShardScores(model.class_weights, labels, bool(model.prompts))
        scoring = _Scoring(run, model, images, labels, dataset.record.fingerprint, workspace.networks)
        images.run(engine, network, result, scoring.commit)
        scoring.finish(engine, network, device)
    return run


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
    inputs: dict[str, Any] = {
        **decisive(model),
        "dataset": dataset.record.fingerprint,
        "precision": precision,
        "limit": limit,
    }
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", model.name).strip("-.")[:60]
    if heads is not None:
        slug += "-fit"
        inputs["heads"] = heads.model_dump(include={"folds", "seed", "groups", "recipe"}) | duplicates_digest(dataset)
    if rows is not None:
        inputs["rows"] = rows
    return f"{slug}-{settings_digest(inputs)[:8]}"


def before_edit(dataset: DatasetFolder, record: RunRecord) -> str:
    """Return the newest run by what the network of a run was before its code was edited; "" where there is none."""
    for other in reversed(dataset.runs()):
        theirs = other.record
        same = (theirs.model, theirs.weights_sha256) == (record.model, record.weights_sha256)
        if same and theirs.code != record.code:
            return other.name
    return ""


def rebuild_model(run: RunFolder, weights: Literal["random"] | Path | None) -> LoadedModel:
    """Return the network of a run; refused unless weights, head and preprocessing are the run's.

    Where the run fitted heads, or took some rows of the model's, it has the run's class weights and bias.
    """
    record = run.record
    if record.attached is not None:
        raise CurateError(
            f"Run {record.name} was attached from outputs computed elsewhere and has no network. Score the dataset "
            "with a model first."
        )
    if record.fitted and record.fitted.networks:
        raise CurateError(
            f"Run {record.name} is of {record.fitted.folds} networks, which are not kept. Choose a run of one network."
        )
    preprocess = Preprocess.from_record(record.preprocess)
    prompts = record.prompts or PromptsRecord(templates=(), names=())
    if weights is None and record.weights_source == "random":
        weights = "random"
    spec = ModelSpec(
        name=record.model,
        weights=weights,
        resize=preprocess.resize,
        crop=preprocess.crop,
        mean=preprocess.mean,
        std=preprocess.std,
        seed=record.seed,
        prompts=prompts.templates,
        class_names=prompts.names,
        features_only=record.fitted is not None,
    )
    own_classes = record.fitted is None and record.rows is None
    num_classes = record.num_classes if own_classes else None
    try:
        loaded = load_model(spec, num_classes=num_classes)
        same_head = loaded.head_name == record.head
    except CurateError:
        same_head = False
    if not same_head:
        loaded = _with_head(spec, record, num_classes)
    if loaded.weights_sha256 != record.weights_sha256:
        raise CurateError(
            f"These weights ({loaded.weights_source}, SHA-256 {loaded.weights_sha256[:12]}) are not those of run "
            f"{record.name} ({record.weights_source}, {record.weights_sha256[:12]}).",
            fix=f"Give the file of that run by {Option('weights')}, or score the dataset with these first",
        )
    # Older records do not note it.
    if record.code not in (None, loaded.code):
        raise CurateError(f"{record.model} was edited after run {record.name}. Score the dataset again.")
    if loaded.preprocess != preprocess:
        raise CurateError(f"Run {record.name} was made by a version that prepared images otherwise. Score it again.")
    if own_classes:
        return loaded
    class_weights, bias = run.head()
    return replace(loaded, class_weights=class_weights, bias=bias)


def _with_head(spec: ModelSpec, record: RunRecord, num_classes: int | None) -> LoadedModel:
    """Return the network with the last layer that the record names; an error says where the run's weights came from."""
    try:
        return load_model(spec.model_copy(update={"head": record.head or None}), num_classes=num_classes)
    except CurateError as error:
        if isinstance(spec.weights, Path):
            raise
        raise CurateError(f"{error.text}. Run {record.name} took its weights from {record.weights_source}") from error


@dataclass(frozen=True)
class _Scoring:
    """One run under way: `images` is its pass, `labels` are all of the dataset, `cache` keeps converted networks."""

    run: RunFolder
    model: LoadedModel
    images: ImagePass
    labels: np.ndarray
    fingerprint: str
    cache: Path

    def commit(self, result: ShardResult) -> None:
        """Write thumbnails, features and scores of a shard, in this order: the scores say that all are there."""
        dataset = self.images.dataset
        dataset.refuse_another_import(self.fingerprint)
        if result.thumbnails is not None:
            dataset.thumbnails.write_shard(result.shard, result.thumbnails)
        assert result.features is not None
        self.run.write_rows("features.npy", result.rows["id"].to_numpy(), result.features)
        self.run.write_shard(result.shard, result.rows, seconds=result.seconds)

    def finish(self, engine: Engine, network: Network, device: str) -> None:
        """Write the distances to the class prototypes, the comparison with float32, the table and the record."""
        self.images.dataset.refuse_another_import(self.fingerprint)
        samples = len(self.images.ids)
        shards = self.images.shards
        changes = self.images.finished(self._skipped())
        if self.run.record.fitted is not None:
            changes["fitted"] = self._fit(engine)
        if network.precision != "float32":
            self.images.tell(samples, "comparing with float32")
            changes["rank_agreement"] = self._rank_agreement(engine, device)
        self.images.tell(samples, "class prototypes")
        prototypes = self._prototypes()
        self.run.finish((self._with_distance(self._scored(shard), prototypes) for shard in shards), changes)
        self.images.progress.report(samples, samples, "")

    def _fit(self, engine: Engine) -> FittedHeads:
        """Fit the heads of the run, now that all features are written."""
        table = pa.concat_tables(self.run.shard(shard) for shard in self.images.shards)
        table = table.filter(pc.is_null(table["problem"]))
        cancelled = "cancelled while heads were fitted: the same command resumes"
        fitted = fit_heads(
            self.images.dataset,
            self.run,
            table["id"].to_numpy(),
            table["digest"].to_numpy(),
            engine=engine,
            tell=partial(self.images.tell, len(self.images.ids)),
            check=partial(self.images.progress.check, cancelled),
        )
        return fitted.model_copy(update=out_of_fold(map(self._scored, self.images.shards), self.labels))

    def _scored(self, shard: int) -> pa.Table:
        """Return the scores of a shard; by the head that has not seen each sample, where heads were fitted."""
        table = self.run.shard(shard)
        if self.run.record.fitted is None:
            return table
        ids = _scored_ids(table)
        usable = table["problem"].is_null().to_numpy()
        values = scores_by_head(self.run, ids, self.run.features_of(ids), self.labels[ids])
        columns = {"id": table["id"].combine_chunks()}
        columns |= score_columns(values, usable, one_length=bool(self.model.prompts))
        return pa.table(columns | {"problem": table["problem"].combine_chunks()})

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

    def _prototypes(self) -> np.ndarray:
        """Return the mean features of each class (K, D), summed in float64; zeros for a class without samples."""
        scored = (_scored_ids(self.run.shard(shard)) for shard in self.images.shards)
        return sum_by_class(self.run, scored, self.labels, self.run.record.num_classes).means.astype(np.float32)

    def _with_distance(self, table: pa.Table, prototypes: np.ndarray) -> pa.Table:
        ids = _scored_ids(table)
        distance = np.full(len(table), np.nan, np.float32)
        usable = table["problem"].is_null().to_numpy()
        distance[usable] = scores.prototype_distance(self.run.features_of(ids), prototypes, self.labels[ids])
        place = table.column_names.index("problem")
        return table.add_column(place, "prototype_distance", pa.array(distance, from_pandas=True))

    def _rank_agreement(self, engine: Engine, device: str) -> RankAgreement:
        """Run some samples again in float32 and compare the order of both."""
        ids = self.images.ids
        ids = ids[evenly_spread(len(ids), min(_COMPARED, len(ids)))]
        some = replace(self.images, ids=ids, thumbnails=lambda _: False, progress=SILENT)
        exact = engine.network(self.model, device=device, precision="float32", images=len(ids), cache=self.cache)
        outputs = engine.call(partial(some.outputs, exact))
        reduced = self.run.features_of(ids)
        # What could not be scored at the reduced precision has zeros.
        both = ~np.isin(ids, list(outputs.problems)) & np.isfinite(outputs.features).all(axis=1) & reduced.any(axis=1)
        labels = self.labels[ids[both]]
        return _agreement(self._scores(reduced[both], labels), self._scores(outputs.features[both], labels))

    def _scores(self, features: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        class_weights, bias = self.run.head()
        logits = features @ class_weights.T + bias
        return scores.per_sample(features, class_weights, logits, labels, keys=_COMPARED_SCORES)


def _record(
    run: RunFolder,
    dataset: DatasetFolder,
    model: LoadedModel,
    network: Network,
    *,
    samples: int,
    limit: int | None,
    seed: int,
) -> RunRecord:
    num_classes, width = model.class_weights.shape
    names = dataset.record.classes
    return RunRecord(
        name=run.name,
        model=model.name,
        head=model.head_name,
        weights_sha256=model.weights_sha256,
        weights_source=model.weights_source,
        preprocess=asdict(model.preprocess),
        precision=network.precision,
        device=network.device_name,
        batch_size=network.batch_size,
        classes=names if len(names) == num_classes else list(model.classes or ()),
        prompts=model.prompts,
        num_classes=num_classes,
        classes_named=bool(model.classes) and list(model.classes or ()) == names,
        width=width,
        dataset_fingerprint=dataset.record.fingerprint,
        samples=samples,
        limit=limit,
        seed=seed,
        started=now(),
        code=model.code,
        **backend_values(network),
    )


def _scored_ids(table: pa.Table) -> np.ndarray:
    return table["id"].to_numpy()[table["problem"].is_null().to_numpy()]


def _agreement(reduced: dict[str, np.ndarray], exact: dict[str, np.ndarray]) -> RankAgreement:
    """Return Spearman of each score where it is defined, and the share of equal predictions."""
    from scipy.stats import spearmanr  # a second of processor time, which runs in float32 do without

    spearman = {}
    for key in _COMPARED_SCORES:
        defined = np.isfinite(reduced[key]) & np.isfinite(exact[key])
        a = reduced[key][defined]
        b = exact[key][defined]
        if len(np.unique(a)) > 1 and len(np.unique(b)) > 1:
            spearman[key] = round(float(spearmanr(a, b).statistic), 6)
    same = reduced["predicted"] == exact["predicted"]
    return RankAgreement(samples=len(same), spearman=spearman, predicted=round(float(same.mean()), 6))
