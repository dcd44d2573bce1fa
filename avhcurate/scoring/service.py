"""Scores a dataset with a model, in one pass over its images; rebuilds the model of a run from its record."""

import re
import shutil
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from avhcurate import scores
from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.runs import SHARD, FittedHeads, PromptsRecord, RankAgreement, RunFolder, RunRecord
from avhcurate.data.sample_groups import duplicates_digest
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.provenance import now, settings_digest
from avhcurate.errors import CurateError
from avhcurate.models.class_names import published_classes, rows_of_classes, unknown_classes
from avhcurate.models.loading import LoadedModel, ModelSpec, OtherClasses, load_model
from avhcurate.models.preprocess import Preprocess
from avhcurate.models.runtime import precision_name
from avhcurate.scoring.added_scores import add_scores
from avhcurate.scoring.class_sums import sum_by_class
from avhcurate.scoring.fitted_heads import FitSettings, HeadFitting, number_of_classes, out_of_fold, scores_by_head
from avhcurate.scoring.image_pass import ImagePass, backend_options, backend_values, score_columns
from avhcurate.scoring.shard_scores import ShardScores, digest_rows
from avhcurate.scoring.shards import LOCAL, Engine, OpenNetwork, ShardResult
from avhcurate.stats.downsample import evenly_spread

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
    fit: FitSettings | None = None,
    classes_from_model: bool = False,
    engine: Engine = LOCAL,
    progress: Progress = SILENT,
) -> RunFolder:
    """Runs the model over dataset `name`, stores features, scores and thumbnails, and returns the complete run.

    `fit` ignores the model's own last layer and fits linear heads on its features, cross-fitted so that each labelled
    sample is scored by a head that saw neither it nor its copies nor its group, and others by the head of all.
    `classes_from_model` takes the rows of the model's head whose class names are the dataset's.

    The run is named by the model and a fingerprint of dataset, weights, head, preprocessing, precision and limit, and
    where heads are fitted the near duplicates: the same again resumes what was cut short, and does nothing where all is
    done. `limit` takes that many samples, spread evenly over the dataset; thumbnails are stored by runs over all
    samples only. An image that cannot be scored is recorded with its problem, and the run goes on.

    `engine` is where the network runs: in this process, or on a Ray cluster, which gives the same rows. `progress` is
    told at least once a batch, or once a shard of a cluster's. Raises Cancelled when asked to stop, after which the
    same call resumes, and CurateError for mistakes of the user's.
    """
    dataset = workspace.dataset(name)
    labels, fingerprint = dataset.labels(), dataset.record.fingerprint
    if not len(labels):
        raise CurateError(f"dataset {name!r} has no samples: import it again")
    ids = evenly_spread(len(labels), limit)
    limit = None if len(ids) == len(labels) else limit
    precision = precision_name(precision)
    rows = None
    if fit is not None:
        fit.check(dataset)
        names = tuple(dataset.record.classes) if spec.zero_shot else ()
        model = load_model(spec.model_copy(update={"features_only": True, "class_names": spec.class_names or names}))
    elif classes_from_model:
        model, rows = _with_rows(load_model(spec), dataset)
    else:
        model, rows = _fitting_model(spec, dataset, labels)
    heads = fit.record() if fit else None
    run = RunFolder.of(dataset, run_name(model, dataset, precision, limit, heads=heads, rows=rows))
    with run.alone():
        if run.complete:
            add_scores(run, labels, progress=progress)
            progress.report(len(ids), len(ids), "complete already")
            return run
        network = engine.network(
            model, device=device, precision=precision, batch_size=batch_size, **backend_options(run, len(ids))
        )
        if not run.begun:
            record = _record(run, dataset, model, network, samples=len(ids), limit=limit, seed=spec.seed)
            if heads is None:
                run.create(record.model_copy(update={"rows": rows}), model.class_weights, model.bias, rows=len(labels))
            else:
                classes = {"classes": dataset.record.classes, "num_classes": number_of_classes(dataset)}
                run.create(record.model_copy(update={"fitted": heads} | classes), rows=len(labels))

        def thumbnails(shard: int) -> bool:
            # They come in files of as many ids as a shard has, and a limit would leave holes in each.
            return limit is None and not dataset.thumbnails.has_shard(shard)

        shape = model.preprocess
        images = ImagePass(
            dataset,
            run,
            ids,
            SHARD,
            lambda _, rgb: shape.prepare(rgb),
            shape,
            thumbnails=thumbnails,
            digests=fit is not None,
            progress=progress,
        )
        scoring = (_Scoring if fit is None else _FittedScoring)(run, model, images, labels, fingerprint)
        result = digest_rows if fit is not None else ShardScores(model.class_weights, labels, bool(model.prompts))
        images.run(engine, network, result, scoring.commit)
        scoring.finish(engine, network, device)
    return run


def run_name(
    model: LoadedModel,
    dataset: DatasetFolder,
    precision: str,
    limit: int | None,
    *,
    heads: FittedHeads | None = None,
    rows: list[int] | None = None,
) -> str:
    """The model's name as a folder's, and eight hexadecimal digits of what decides the numbers of a run."""
    inputs: dict[str, Any] = {
        "dataset": dataset.record.fingerprint,
        "weights": model.weights_sha256,
        "head": model.head_name,
        "preprocess": asdict(model.preprocess),
        "precision": precision,
        "limit": limit,
    }
    if heads is not None:
        inputs["heads"] = heads.model_dump(include={"folds", "seed", "groups", "recipe"}) | duplicates_digest(dataset)
    if rows is not None:
        inputs["rows"] = rows
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", model.name).strip("-.")[:60] + ("-fit" if heads else "")
    return f"{slug}-{settings_digest(inputs)[:8]}"


def rebuild_model(run: RunFolder, weights: Literal["random"] | Path | None) -> LoadedModel:
    """The network of a run; refused unless weights, head and preprocessing are the run's.

    Where the run fitted heads, or took some rows of the model's, it has the run's class weights and bias.
    """
    record = run.record
    if record.attached is not None:
        raise CurateError(
            f"run {record.name} was attached from outputs computed elsewhere, so there is no network to run: score the "
            "dataset with a model first"
        )
    preprocess = Preprocess.from_record(record.preprocess)
    spec = ModelSpec(
        name=record.model,
        weights="random" if weights is None and record.weights_source == "random" else weights,
        resize=preprocess.resize,
        crop=preprocess.crop,
        mean=preprocess.mean,
        std=preprocess.std,
        seed=record.seed,
        prompts=record.prompts.templates if record.prompts else (),
        class_names=record.prompts.names if record.prompts else (),
        features_only=record.fitted is not None,
    )
    own_classes = record.fitted is None and record.rows is None
    try:
        loaded = load_model(spec, num_classes=record.num_classes if own_classes else None)
        same_head = loaded.head_name == record.head
    except CurateError:
        same_head = False
    if not same_head:
        loaded = _with_head(spec, record, record.num_classes if own_classes else None)
    if loaded.weights_sha256 != record.weights_sha256:
        raise CurateError(
            f"these weights ({loaded.weights_source}, SHA-256 {loaded.weights_sha256[:12]}) are not those of run "
            f"{record.name} ({record.weights_source}, {record.weights_sha256[:12]}): give that run's file by "
            "--weights, or score the dataset with these first"
        )
    if loaded.preprocess != preprocess:
        raise CurateError(
            f"run {record.name} was made by a version of the program that prepared images otherwise: score it again"
        )
    return loaded if own_classes else replace(loaded, other_head=run.head())


def _with_head(spec: ModelSpec, record: RunRecord, num_classes: int | None) -> LoadedModel:
    """The network with the last layer that the record names; an error says where the run's weights came from."""
    try:
        return load_model(spec.model_copy(update={"head": record.head or None}), num_classes=num_classes)
    except CurateError as error:
        if isinstance(spec.weights, Path):
            raise
        raise CurateError(f"{error}. Run {record.name} took its weights from {record.weights_source}") from error


@dataclass(frozen=True)
class _Scoring:
    """One run under way: `images` is its pass, `labels` are those of the whole dataset."""

    run: RunFolder
    model: LoadedModel
    images: ImagePass
    labels: np.ndarray
    fingerprint: str

    def commit(self, result: ShardResult) -> None:
        """Writes thumbnails, features and scores of a shard, in this order: the scores say that all are there."""
        dataset = self.images.dataset
        dataset.refuse_another_import(self.fingerprint)
        if result.thumbnails is not None:
            dataset.thumbnails.write_shard(result.shard, result.thumbnails)
        assert result.features is not None
        self.run.write_features(result.rows["id"].to_numpy(), result.features)
        self.run.write_shard(result.shard, result.rows, seconds=result.seconds)

    def finish(self, engine: Engine, network: OpenNetwork, device: str) -> None:
        """The distances to the class prototypes, the comparison with float32, the table, the record."""
        self.images.dataset.refuse_another_import(self.fingerprint)
        skipped, agreement = self._skipped(), None
        more = self._fit()
        samples, shards = len(self.images.ids), self.images.shards
        if network.precision != "float32":
            self.images.tell(samples, "comparing with float32")
            agreement = self._rank_agreement(engine, device)
        self.images.tell(samples, "class prototypes")
        prototypes = self._prototypes()
        changes = self.images.finished(skipped) | {"rank_agreement": agreement} | more
        self.run.finish((self._with_distance(self._scored(shard), prototypes) for shard in shards), changes)
        self.images.progress.report(samples, samples, "")

    def _fit(self) -> dict[str, Any]:
        """Work between the pass and the table, and what the record gains by it."""
        return {}

    def _scored(self, shard: int) -> pa.Table:
        """The scores of a shard."""
        return self.run.shard(shard)

    def _skipped(self) -> int:
        """The number of samples that could not be scored; a run of nothing else is deleted and refused."""
        problems = [self.run.shard(shard)["problem"].drop_null() for shard in self.images.shards]
        skipped = sum(map(len, problems))
        if skipped == len(self.images.ids):
            shutil.rmtree(self.run.root)
            raise CurateError(
                f"none of the {skipped} images of dataset {self.images.dataset.name!r} could be scored, the first "
                f"because of: {problems[0][0]}. Check that they still lie where they were imported from"
            )
        return skipped

    def _prototypes(self) -> np.ndarray:
        """Mean features of each class (K, D), summed in float64; zeros for a class without samples."""
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
        """Runs some samples again in float32 and compares the order in which both put them."""
        ids = self.images.ids
        ids = ids[evenly_spread(len(ids), min(_COMPARED, len(ids)))]
        some = replace(self.images, ids=ids, thumbnails=lambda _: False, progress=SILENT)
        exact = engine.network(self.model, device=device, precision="float32", images=len(ids))
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


@dataclass(frozen=True)
class _FittedScoring(_Scoring):
    """A run that fits its heads once all features are written, and scores then."""

    def _fit(self) -> dict[str, Any]:
        shards = [self.run.shard(shard) for shard in self.images.shards]
        table = pa.concat_tables(shards)
        table = table.filter(pc.is_null(table["problem"]))
        ids, digests = table["id"].to_numpy(), table["digest"].to_numpy()
        settings, samples = self.run.record.fitted, len(self.images.ids)
        assert settings is not None
        fitting = HeadFitting(
            self.images.dataset,
            self.run,
            settings,
            ids,
            digests,
            self.labels,
            tell=partial(self.images.tell, samples),
            check=partial(self.images.progress.check, "cancelled while a head was fitted: the same command resumes"),
        )
        fitted = fitting.fit()
        found = out_of_fold(map(self._scored, self.images.shards), self.labels)
        return {"fitted": fitted.model_copy(update=found)}

    def _scored(self, shard: int) -> pa.Table:
        """By the heads that have not seen each sample."""
        table = self.run.shard(shard)
        ids, usable = _scored_ids(table), table["problem"].is_null().to_numpy()
        values = scores_by_head(self.run, ids, self.run.features_of(ids), self.labels[ids])
        columns = {"id": table["id"].combine_chunks()}
        columns |= score_columns(values, usable, one_length=bool(self.model.prompts))
        return pa.table(columns | {"problem": table["problem"].combine_chunks()})


def _with_rows(model: LoadedModel, dataset: DatasetFolder) -> tuple[LoadedModel, list[int]]:
    """The model with the rows of its head that are the dataset's classes, and these rows."""
    rows = rows_of_classes(dataset.record.classes, model.classes, model=model.name)
    return replace(model, other_head=(model.class_weights[rows], model.bias[rows])), rows


def _fitting_model(spec: ModelSpec, dataset: DatasetFolder, labels: np.ndarray) -> tuple[LoadedModel, list[int] | None]:
    """The model, whose classes must be the dataset's, or hold all its labels where their number is not declared.

    Where its weights name the same classes in another order, also the rows of its head in the dataset's.
    """
    record = dataset.record
    declared = len(record.classes) if record.classes_declared and record.classes else None
    if spec.zero_shot and not spec.class_names:
        spec = spec.model_copy(update={"class_names": tuple(_class_names(dataset))})
    try:
        model = load_model(spec, num_classes=declared)
    except OtherClasses as error:
        names = published_classes(spec.name)
        if not names or unknown_classes(record.classes, names):
            raise
        raise OtherClasses(f"{error}; or take the model's own rows of these classes by --classes-from-model") from error
    num_classes = len(model.class_weights)
    if labels.max() >= num_classes:
        raise CurateError(
            f"dataset {dataset.name!r} has labels up to {labels.max()} and {model.name} tells {num_classes} classes "
            f"apart: fit a head for them by --head fit, or give a model of at least {labels.max() + 1} classes"
        )
    names = model.classes or ()
    if declared and set(names) == set(record.classes) and list(names) != record.classes:
        return _with_rows(model, dataset)
    return model, None


def _class_names(dataset: DatasetFolder) -> list[str]:
    """The names by which a zero-shot model tells the dataset's classes apart."""
    record = dataset.record
    if not record.classes_declared or len(record.classes) < 2:
        what = "labels that are bare numbers" if record.classes else "no class names"
        raise CurateError(
            f"dataset {dataset.name!r} has {what}, and a zero-shot model tells classes apart by their names: give them "
            "in order by --classes cat,dog or a file with a name a line"
        )
    return record.classes


def _record(
    run: RunFolder,
    dataset: DatasetFolder,
    model: LoadedModel,
    network: OpenNetwork,
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
        prompts=PromptsRecord(**asdict(model.prompts)) if model.prompts else None,
        num_classes=num_classes,
        classes_named=bool(model.classes) and list(model.classes or ()) == names,
        width=width,
        dataset_fingerprint=dataset.record.fingerprint,
        samples=samples,
        limit=limit,
        seed=seed,
        started=now(),
        **backend_values(network),
    )


def _scored_ids(table: pa.Table) -> np.ndarray:
    return table["id"].to_numpy()[table["problem"].is_null().to_numpy()]


def _agreement(reduced: dict[str, np.ndarray], exact: dict[str, np.ndarray]) -> RankAgreement:
    """Spearman of each score on the samples where it is defined, and the share of equal predictions."""
    spearman = {}
    for key in _COMPARED_SCORES:
        defined = np.isfinite(reduced[key]) & np.isfinite(exact[key])
        a, b = reduced[key][defined], exact[key][defined]
        if len(np.unique(a)) > 1 and len(np.unique(b)) > 1:
            spearman[key] = round(float(stats.spearmanr(a, b).statistic), 6)
    same = reduced["predicted"] == exact["predicted"]
    return RankAgreement(samples=len(same), spearman=spearman, predicted=round(float(same.mean()), 6))
