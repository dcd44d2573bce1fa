"""Scores a dataset with a model: one pass over the images, committed shard by shard, then the class prototypes."""

import hashlib
import json
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import pyarrow as pa
from scipy import stats

from avhcurate import scores
from avhcurate.errors import CurateError
from avhcurate.models.engine import Embedded, Network, embed
from avhcurate.models.loading import LoadedModel, ModelSpec, load_model
from avhcurate.models.preprocess import Preprocess
from avhcurate.models.runtime import precision_name
from avhcurate.scores import SCORES
from avhcurate.storage.datasets import DatasetFolder
from avhcurate.storage.images import BrokenImage, decode, encode_thumbnail
from avhcurate.storage.jobs import SILENT, Progress
from avhcurate.storage.runs import SHARD, RankAgreement, RunFolder, RunRecord
from avhcurate.storage.shards import spread
from avhcurate.storage.workspace import Workspace

#: Encoded images of a batch hold at most about this much, so that huge files do not fill the memory.
_BATCH_BYTES = 32 << 20

#: Samples on which a run in reduced precision is compared with float32, and the scores whose order is compared.
_COMPARED = 200
_COMPARED_SCORES = ("avh", "confidence", "avc", "max_confidence")

#: Columns kept in float64: next to 1, float32 would tie what the order of confidence still tells apart.
_DOUBLE = ("confidence", "max_confidence")


def score_dataset(
    workspace: Workspace,
    name: str,
    spec: ModelSpec,
    *,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    limit: int | None = None,
    progress: Progress = SILENT,
) -> RunFolder:
    """Runs the model over dataset `name`, stores features, scores and thumbnails, and returns the complete run.

    The run is named by the model and a fingerprint of dataset, weights, head, preprocessing, precision and limit: the
    same again resumes what was cut short, and does nothing where all is done. `limit` takes that many samples, spread
    evenly over the dataset; thumbnails are stored by runs over all samples only. An image that cannot be scored is
    recorded with its problem, and the run goes on.

    `progress` is told at least once a batch. Raises Cancelled when asked to stop, after which the same call resumes,
    and CurateError for what the user can mend.
    """
    dataset = workspace.dataset(name)
    labels, fingerprint = dataset.labels(), dataset.record.fingerprint
    if not len(labels):
        raise CurateError(f"dataset {name!r} has no samples: import it again")
    ids = evenly_spread(len(labels), limit)
    limit = None if len(ids) == len(labels) else limit
    precision = precision_name(precision)
    model = _fitting_model(spec, dataset, labels)
    run = RunFolder(dataset.root / "runs" / run_name(model, fingerprint, precision, limit))
    with run.alone():
        if run.complete:
            progress.report(len(ids), len(ids), "complete already")
            return run
        network = Network(model, device=device, precision=precision, batch_size=batch_size)
        if not run.begun:
            record = _record(run, dataset, model, network, samples=len(ids), limit=limit, seed=spec.seed)
            run.create(record, model.class_weights, model.bias, rows=len(labels))
        scoring = _Scoring(dataset, run, model, network, ids, labels, progress, fingerprint)
        scoring.run_network()
        scoring.finish()
    return run


def run_name(model: LoadedModel, dataset_fingerprint: str, precision: str, limit: int | None) -> str:
    """The model's name as a folder's, and eight hexadecimal digits of what decides the numbers of a run."""
    inputs = {
        "dataset": dataset_fingerprint,
        "weights": model.weights_sha256,
        "head": model.head_name,
        "preprocess": asdict(model.preprocess),
        "precision": precision,
        "limit": limit,
    }
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", model.name).strip("-.")[:60]
    return f"{slug}-{digest[:8]}"


def evenly_spread(n: int, limit: int | None) -> np.ndarray:
    """`limit` of the numbers 0 to n-1, ascending and evenly spread; all of them without a limit.

    >>> evenly_spread(10, 4).tolist()
    [0, 2, 5, 7]
    """
    if limit is None or limit >= n:
        return np.arange(n)
    if limit < 1:
        raise CurateError(f"--limit {limit}: give a number of samples, 1 or more")
    return np.arange(limit) * n // limit


@dataclass(frozen=True)
class _Batch:
    """Encoded images of one shard, in order of id."""

    shard: int
    ids: np.ndarray
    encoded: list[bytes | BrokenImage]
    with_thumbnails: bool


@dataclass(frozen=True)
class _Seen:
    """What is known of a batch besides its pixels, by id."""

    batch: _Batch
    problems: dict[int, str] = field(default_factory=dict)
    thumbnails: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class _Scoring:
    """One run under way: `ids` are those of its samples, `labels` those of the whole dataset."""

    dataset: DatasetFolder
    run: RunFolder
    model: LoadedModel
    network: Network
    ids: np.ndarray
    labels: np.ndarray
    progress: Progress
    fingerprint: str

    def run_network(self) -> None:
        """The pass over the images of every shard that is not committed."""
        missing = [shard for shard in self._shards() if not self.run.has_shard(shard)]
        done = len(self.ids) - sum(len(self._ids_of(shard)) for shard in missing)
        self._tell(done)
        parts: list[Embedded[_Seen]] = []
        started = time.perf_counter()
        prepare = _preparation(self.model.preprocess)
        with closing(embed(self.network, self._batches(missing), prepare)) as results:
            for part in results:
                parts.append(part)
                batch = part.payload.batch
                done += len(batch.ids)
                if batch.ids[-1] == self._ids_of(batch.shard)[-1]:
                    self._commit(batch.shard, parts, time.perf_counter() - started)
                    parts, started = [], time.perf_counter()
                self._tell(done)

    def finish(self) -> None:
        """The distances to the class prototypes, the comparison with float32, the table, the record."""
        self._refuse_another_import()
        skipped = self._skipped()
        agreement = None if self.network.precision == "float32" else self._rank_agreement()
        self._tell(len(self.ids), "class prototypes")
        prototypes = self._prototypes()
        seconds = sum(self.run.shard_seconds(shard) for shard in self._shards())
        changes = {
            "finished": _now(),
            "seconds": round(seconds, 3),
            "rate": round(len(self.ids) / seconds, 2),
            "skipped": skipped,
            "rank_agreement": agreement,
        }
        self.run.finish((self._with_distance(shard, prototypes) for shard in self._shards()), changes)
        self.progress.report(len(self.ids), len(self.ids), "")

    def _refuse_another_import(self) -> None:
        """Stops when the dataset was replaced meanwhile: what was seen here belongs to other samples."""
        if self.dataset.record.fingerprint != self.fingerprint:
            raise CurateError(f"dataset {self.dataset.name!r} was imported anew while it was scored: score it again")

    def _shards(self) -> range:
        return range(-(-len(self.ids) // SHARD))

    def _ids_of(self, shard: int) -> np.ndarray:
        return self.ids[shard * SHARD : (shard + 1) * SHARD]

    def _tell(self, done: int, message: str = "") -> None:
        total = len(self.ids)
        self.progress.tell(
            done, total, message, cancelled=f"cancelled after {done} of {total} samples: the same command resumes"
        )

    def _batches(self, shards: list[int]) -> Iterator[_Batch]:
        """Batches that do not cross shards, so that a run resumed has the batches of one undisturbed."""
        encoded = self.dataset.images().read(int(id) for shard in shards for id in self._ids_of(shard))
        for shard in shards:
            ids = self._ids_of(shard)
            # Thumbnails come in files of as many ids as a shard has, and a limit would leave holes in each.
            thumbnails = len(self.ids) == len(self.labels) and not self.dataset.thumbnails.has_shard(shard)
            yield from _batches_of(shard, ids, encoded, size=self.network.batch_size, with_thumbnails=thumbnails)

    def _commit(self, shard: int, parts: list[Embedded[_Seen]], seconds: float) -> None:
        """Writes thumbnails, features and scores of a shard, in this order: the scores say that all are there."""
        self._refuse_another_import()
        ids = self._ids_of(shard)
        features = np.concatenate([part.features for part in parts])
        logits = np.concatenate([part.logits for part in parts])
        problems = {id: problem for part in parts for id, problem in part.payload.problems.items()}
        for id in ids[~np.isfinite(features).all(axis=1)].tolist():
            problems.setdefault(id, "the network's features are not finite")
        usable = ~np.isin(ids, list(problems))
        features[~usable] = 0
        found = scores.per_sample(features[usable], self.model.class_weights, logits[usable], self.labels[ids[usable]])
        if parts[0].payload.batch.with_thumbnails:
            thumbnails = {id: data for part in parts for id, data in part.payload.thumbnails.items()}
            self.dataset.thumbnails.write_shard(shard, thumbnails)
        self.run.write_features(ids, features)
        self.run.write_shard(shard, _table(ids, usable, found, problems), seconds=seconds)

    def _skipped(self) -> int:
        """The number of samples that could not be scored; a run of nothing else is taken back and refused."""
        problems = [self.run.shard(shard)["problem"].drop_null() for shard in self._shards()]
        skipped = sum(map(len, problems))
        if skipped == len(self.ids):
            shutil.rmtree(self.run.root)
            raise CurateError(
                f"none of the {skipped} images of dataset {self.dataset.name!r} could be scored, the first because of: "
                f"{problems[0][0]}. Check that they still lie where they were imported from"
            )
        return skipped

    def _prototypes(self) -> np.ndarray:
        """Mean features of each class (K, D), summed in float64; zeros for a class without samples."""
        sums = np.zeros(self.model.class_weights.shape)
        counts = np.zeros(len(sums), np.int64)
        for shard in self._shards():
            ids = _scored_ids(self.run.shard(shard))
            ids = ids[self.labels[ids] >= 0]
            ids = ids[np.argsort(self.labels[ids], kind="stable")]
            labels, starts, members = np.unique(self.labels[ids], return_index=True, return_counts=True)
            if len(ids):
                sums[labels] += np.add.reduceat(self.run.features_of(ids), starts, axis=0, dtype=np.float64)
                counts[labels] += members
        return (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)

    def _with_distance(self, shard: int, prototypes: np.ndarray) -> pa.Table:
        table = self.run.shard(shard)
        ids = _scored_ids(table)
        distance = np.full(len(table), np.nan, np.float32)
        usable = table["problem"].is_null().to_numpy()
        distance[usable] = scores.prototype_distance(self.run.features_of(ids), prototypes, self.labels[ids])
        place = table.column_names.index("problem")
        return table.add_column(place, "prototype_distance", pa.array(distance, from_pandas=True))

    def _rank_agreement(self) -> RankAgreement:
        """Runs some samples again in float32 and compares the order in which both put them."""
        self._tell(len(self.ids), "comparing with float32")
        exact = Network(self.model, device=str(self.network.device), precision="float32")
        ids = self.ids[evenly_spread(len(self.ids), min(_COMPARED, len(self.ids)))]
        encoded = self.dataset.images().read(ids.tolist())
        batches = _batches_of(0, ids, encoded, size=exact.batch_size, with_thumbnails=False)
        with closing(embed(exact, batches, _preparation(self.model.preprocess))) as results:
            parts = list(results)
        problems = [id for part in parts for id in part.payload.problems]
        features = np.concatenate([part.features for part in parts])
        reduced = self.run.features_of(ids)
        # Zeros stand for what could not be scored at the reduced precision.
        both = ~np.isin(ids, problems) & np.isfinite(features).all(axis=1) & reduced.any(axis=1)
        labels = self.labels[ids[both]]
        return _agreement(self._scores(reduced[both], labels), self._scores(features[both], labels))

    def _scores(self, features: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        logits = features @ self.model.class_weights.T + self.model.bias
        return scores.per_sample(features, self.model.class_weights, logits, labels, keys=_COMPARED_SCORES)


def _fitting_model(spec: ModelSpec, dataset: DatasetFolder, labels: np.ndarray) -> LoadedModel:
    """The model, whose classes must be the dataset's, or hold all its labels where their number is not declared."""
    record = dataset.record
    declared = len(record.classes) if record.classes_declared and record.classes else None
    model = load_model(spec, num_classes=declared)
    num_classes = len(model.class_weights)
    if labels.max() >= num_classes:
        raise CurateError(
            f"dataset {dataset.name!r} has labels up to {labels.max()} and {model.name} tells {num_classes} classes "
            f"apart: give a model of at least {labels.max() + 1} classes"
        )
    names = model.classes or ()
    if declared and set(names) == set(record.classes) and list(names) != record.classes:
        raise CurateError(
            f"{model.name} and dataset {dataset.name!r} have the same classes in another order "
            f"({names[0]}, ... and {record.classes[0]}, ...): import the dataset with labels in the model's order"
        )
    return model


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
    known = dataset.record.classes
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
        classes=known if len(known) == num_classes else list(model.classes or ()),
        num_classes=num_classes,
        width=width,
        dataset_fingerprint=dataset.record.fingerprint,
        samples=samples,
        limit=limit,
        seed=seed,
        versions={"python": platform.python_version()}
        | {package: version(package) for package in ("avhcurate", "torch", "torchvision", "numpy")},
        started=_now(),
    )


def _preparation(preprocess: Preprocess) -> Callable[[_Batch], tuple[np.ndarray, _Seen]]:
    """What a decode thread does with a batch: pixels for the network, black where there are none, and thumbnails."""
    shape = (preprocess.crop, preprocess.crop, preprocess.channels)

    def prepare(batch: _Batch) -> tuple[np.ndarray, _Seen]:
        # All batches of a shard have the same shape, broken images or not: the network's plans are made for it.
        images = np.zeros((len(batch.ids), *shape), np.uint8)
        seen = _Seen(batch)
        for position, (id, encoded) in enumerate(zip(batch.ids.tolist(), batch.encoded, strict=True)):
            try:
                if isinstance(encoded, BrokenImage):
                    raise encoded
                rgb = decode(encoded)
                images[position] = preprocess.prepare(rgb)
                if batch.with_thumbnails:
                    seen.thumbnails[id] = encode_thumbnail(rgb)
            except BrokenImage as broken:
                seen.problems[id] = broken.reason
            # Out of memory, say: one image must never end a run of a million.
            except Exception as error:
                seen.problems[id] = f"cannot be prepared: {type(error).__name__}"
        batch.encoded.clear()
        return images, seen

    return prepare


def _batches_of(
    shard: int, ids: np.ndarray, encoded: Iterator[bytes | BrokenImage], *, size: int, with_thumbnails: bool
) -> Iterator[_Batch]:
    """Takes the images of `ids` from `encoded`, up to `size` at once, fewer where they are large."""
    start, content, held = 0, [], 0
    for position in range(len(ids)):
        data = next(encoded)
        content.append(data)
        held += len(data) if isinstance(data, bytes) else 0
        if len(content) == size or held >= _BATCH_BYTES or position == len(ids) - 1:
            yield _Batch(shard, ids[start : position + 1], content, with_thumbnails)
            start, content, held = position + 1, [], 0


def _table(ids: np.ndarray, usable: np.ndarray, found: dict[str, np.ndarray], problems: dict[int, str]) -> pa.Table:
    """The rows of a shard; a score that is not defined is null."""
    columns = {"id": pa.array(ids, pa.int64()), "predicted": spread(found["predicted"], usable, pa.int32())}
    for key in SCORES:
        if key in found:
            columns[key] = spread(found[key], usable, pa.float64() if key in _DOUBLE else pa.float32())
    return pa.table(columns | {"problem": pa.array([problems.get(id) for id in ids.tolist()], pa.string())})


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


def _now() -> datetime:
    return datetime.now(UTC)
