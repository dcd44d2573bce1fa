"""From a network's outputs to columns of scores: of a shard, where the network runs, and later by plugins."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.measures import scores
from avhcurate.measures.scores import SCORES, ClassSums
from avhcurate.networks.scoring.fitted_heads import scores_by_head
from avhcurate.networks.scoring.image_pass import ShardOutputs
from avhcurate.networks.scoring.shards import ShardResult
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.run_records import SHARD
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.files import replacing, write_tables
from avhcurate.workspace.disk.folders import spread
from avhcurate.workspace.disk.jobs import SILENT, Progress

#: Columns kept in float64: next to 1, float32 would tie values that differ.
_DOUBLE = {"confidence": pa.float64(), "max_confidence": pa.float64()}


@dataclass(frozen=True)
class ShardScores:
    """Scores by one head: its `class_weights` (K, D) and the labels (N,) of all samples.

    `one_length` as of `score_columns`.
    """

    class_weights: np.ndarray
    labels: np.ndarray
    one_length: bool

    def __call__(self, outputs: ShardOutputs) -> ShardResult:
        usable = _usable(outputs)
        logits = outputs.logits[usable]
        labels = self.labels[outputs.ids[usable]]
        values = scores.per_sample(outputs.features[usable], self.class_weights, logits, labels)
        return _result(outputs, score_columns(values, usable, one_length=self.one_length))


def digest_rows(outputs: ShardOutputs) -> ShardResult:
    """Return features and the digest of each file, for a run that fits its heads when all features are there."""
    _usable(outputs)
    return _result(outputs, {"digest": pa.array(map(outputs.digests.get, outputs.ids.tolist()), pa.binary())})


def _usable(outputs: ShardOutputs) -> np.ndarray:
    """Return which samples can be scored; the others gain a problem and lose their features."""
    finite = np.isfinite(outputs.features).all(axis=1) & ~np.isinf(outputs.logits.max(axis=1))
    for id in outputs.ids[~finite].tolist():
        outputs.problems.setdefault(id, "the network's outputs are not finite")
    usable = ~np.isin(outputs.ids, list(outputs.problems))
    outputs.features[~usable] = 0
    return usable


def _result(outputs: ShardOutputs, columns: dict[str, pa.Array]) -> ShardResult:
    problems = pa.array(map(outputs.problems.get, outputs.ids.tolist()), pa.string())
    rows = pa.table({"id": pa.array(outputs.ids, pa.int64())} | columns | {"problem": problems})
    return ShardResult(outputs.shard, rows, outputs.seconds, outputs.features, outputs.thumbnails)


def score_columns(
    values: Mapping[str, np.ndarray], usable: np.ndarray, *, one_length: bool = False
) -> dict[str, pa.Array]:
    """Return prediction and scores of the `usable` rows as columns; null where one is not defined (a prediction of -1).

    `one_length`: all features have the same length, so that the order of their norms is that of rounding: it is null.
    """
    if one_length:
        values = {**values, "norm": np.full_like(values["norm"], np.nan)}
    predicted = values["predicted"]
    has_class = usable.copy()
    has_class[usable] = predicted >= 0
    columns = {"predicted": spread(predicted[predicted >= 0], has_class, pa.int32())}
    for key in SCORES:
        if key in values:
            columns[key] = spread(values[key], usable, _DOUBLE.get(key, pa.float32()))
    return columns


def sum_by_class(run: RunFolder, blocks: Iterable[np.ndarray], labels: np.ndarray, num_classes: int) -> ClassSums:
    """Sum in float64 of the features of some ids, given in blocks; `labels` (N,) of all samples by id, -1 for none."""
    sums = np.zeros((num_classes, run.record.width))
    counts = np.zeros(num_classes, np.int64)
    for block in blocks:
        ids = block[labels[block] >= 0]
        ids = ids[np.argsort(labels[ids], kind="stable")]
        present, starts, members = np.unique(labels[ids], return_index=True, return_counts=True)
        if len(ids):
            sums[present] += np.add.reduceat(run.features_of(ids), starts, axis=0, dtype=np.float64)
            counts[present] += members
    return ClassSums(sums, counts)


def scored(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of the samples of a table without a problem, and which rows they are."""
    usable = table["problem"].is_null().to_numpy()
    return table["id"].to_numpy()[usable], usable


def by_fitted_heads(run: RunFolder, table: pa.Table, labels: np.ndarray) -> pa.Table:
    """Return the scores of the samples of a table, each by the head that has not seen it; `labels` (N,) of all."""
    ids, usable = scored(table)
    values = scores_by_head(run, ids, run.features_of(ids), labels[ids])
    columns = {"id": table["id"].combine_chunks()}
    columns |= score_columns(values, usable, one_length=bool(run.record.prompts))
    return pa.table(columns | {"problem": table["problem"].combine_chunks()})


def with_distances(
    run: RunFolder, tables: Iterable[pa.Table], dataset: DatasetFolder, blocks: Iterable[np.ndarray]
) -> Iterator[pa.Table]:
    """Return tables of scores with the distance to the class prototypes of the labels that may be learnt from.

    `blocks`: the ids of all scored samples. The prototypes are summed before this returns.
    """
    sums = sum_by_class(run, blocks, dataset.labels_to_learn(), run.record.num_classes)
    prototypes = sums.means.astype(np.float32)  # zeros for a class without samples
    return (_with_distance(run, table, prototypes, dataset.labels()) for table in tables)


def _with_distance(run: RunFolder, table: pa.Table, prototypes: np.ndarray, labels: np.ndarray) -> pa.Table:
    ids, usable = scored(table)
    distance = np.full(len(table), np.nan, np.float32)
    distance[usable] = scores.prototype_distance(run.features_of(ids), prototypes, labels[ids])
    column = table.column_names.index("problem")
    return table.add_column(column, "prototype_distance", pa.array(distance, from_pandas=True))


def add_scores(run: RunFolder, labels: np.ndarray, *, progress: Progress = SILENT) -> None:
    """Add to a finished run of `labels` (N,) what it lacks and has the outputs for; no image is read, no network run.

    The table is replaced whole, and the record written again, by which pages see that the run has changed.
    """
    outputs = {"features": run.has_features, "class_weights": run.has_heads, "logits": run.has_logits}
    columns = pq.read_schema(run.scores_path).names
    keys = [key for key, score in SCORES.items() if score.plugin and key not in columns and outputs[score.needs]]
    if not keys:
        return
    with replacing(run.scores_path) as stream, pq.ParquetFile(run.scores_path) as table:
        write_tables(stream, _with(table, run, labels, keys, progress), compression="zstd")
    run.write_record(run.record)


def _with(
    table: pq.ParquetFile, run: RunFolder, labels: np.ndarray, keys: list[str], progress: Progress
) -> Iterator[pa.Table]:
    done = 0
    for batch in table.iter_batches(SHARD * 64):
        rows = pa.Table.from_batches([batch])
        usable = rows["problem"].is_null().to_numpy()
        columns = score_columns(_values(run, rows["id"].to_numpy()[usable], labels, keys), usable)
        for key in keys:
            rows = rows.add_column(rows.column_names.index("problem"), key, columns[key])
        done += len(rows)
        progress.tell(done, table.metadata.num_rows, f"adding {', '.join(keys)}")
        yield rows


def _values(run: RunFolder, ids: np.ndarray, labels: np.ndarray, keys: list[str]) -> dict[str, np.ndarray]:
    """Return the scores of some ids, each by the head that has scored it."""
    features = logits = None
    if run.has_features or run.has_heads:
        features = run.features_of(ids)
    if run.has_logits:
        logits = run.logits_of(ids).astype(np.float32)
    if not run.has_heads:
        return scores.per_sample(features, None, logits, labels[ids], keys=keys)
    assert features is not None
    return scores_by_head(run, ids, features, labels[ids], keys=keys, logits=logits)
