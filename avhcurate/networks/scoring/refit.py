"""Fits the heads of a run again after a part of its dataset was locked, from the features that are stored."""

import shutil
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.networks.scoring.fitted_heads import (
    check_fit,
    fit_heads,
    heads_to_fit,
    name_of,
    number_of_classes,
    out_of_fold,
)
from avhcurate.networks.scoring.heads import seconds_of_heads
from avhcurate.networks.scoring.shard_scores import by_fitted_heads, scored, with_distances
from avhcurate.networks.scoring.shards import LOCAL
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.run_records import SHARD, FittedHeads, RunRecord
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.files import replacing
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now
from avhcurate.workspace.disk.room import check_room

_CANCELLED = "cancelled while heads were fitted: the same command resumes"


def seconds_of_refit(record: RunRecord) -> float:
    """Return the seconds that it may take on two quiet cores to fit the heads of a run again."""
    assert record.fitted is not None
    return seconds_of_heads(record.fitted.folds + 1, record.samples, record.width, record.num_classes)


def refit(dataset: DatasetFolder, run: RunFolder, *, progress: Progress = SILENT) -> RunFolder:
    """Return a complete run of the features of a complete one, whose heads know no label that is locked now.

    It is the run that `score` makes after the lock: the same call there does nothing. Heads that are fitted stay where
    it is cut short. Raises Cancelled when asked to stop, and CurateError for too few labels.
    """
    record = run.record
    assert record.fitted is not None
    dataset.refuse_another_import(record.dataset_fingerprint)
    fit = heads_to_fit(record.fitted.folds, record.fitted.seed, record.fitted.groups)
    check_fit(dataset, fit)
    inputs: dict[str, Any] = {"weights": record.weights_sha256, "head": record.head, "preprocess": record.preprocess}
    if record.code:
        inputs["code"] = record.code
    inputs |= {"precision": record.precision, "limit": record.limit}
    again = RunFolder.of(dataset, name_of(record.model, dataset, inputs, fit))
    with again.alone():
        if again.complete:
            return again
        _begin(dataset, again, run, fit)
        table = pq.read_table(run.scores_path, columns=["id", "problem"]).sort_by("id")
        ids, _ = scored(table)
        fitted = fit_heads(
            dataset,
            again,
            ids,
            _digests(dataset, run, ids),
            engine=LOCAL,
            tell=progress.report,
            check=lambda: progress.check(_CANCELLED),
        )
        labels = dataset.labels_to_learn()
        fitted = fitted.model_copy(update=out_of_fold(_tables(again, table, dataset), labels))
        tables = with_distances(again, _tables(again, table, dataset), dataset, [ids])
        dataset.refuse_another_lock(again.record.locked)
        dataset.refuse_another_import(record.dataset_fingerprint)
        again.finish(tables, {"fitted": fitted, "finished": now()})
    return again


def _begin(dataset: DatasetFolder, again: RunFolder, run: RunFolder, fit: FittedHeads) -> None:
    """Write the features of a run and a record into the folder of the one whose heads are to be fitted."""
    source = run.root / "features.npy"
    check_room(again.root, source.stat().st_size, f"The run {again.name}")
    with replacing(again.root / "features.npy") as stream, open(source, "rb") as content:
        shutil.copyfileobj(content, stream)
    record = run.record
    classes = dataset.record.classes
    changes = {
        "name": again.name,
        "classes": classes,
        "num_classes": number_of_classes(dataset),
        "classes_named": record.classes_named and record.classes == classes,
        "rank_agreement": None,
        "fitted": fit,
        "locked": dataset.locked_by,
        "started": now(),
        "finished": None,
    }
    again.write_record(record.model_copy(update=changes))


def _digests(dataset: DatasetFolder, run: RunFolder, ids: np.ndarray) -> np.ndarray | None:
    """Return what tells equal image files (n,), None for one that cannot be read; None where no two were equal."""
    fitted = run.record.fitted
    if fitted is None or not fitted.duplicates.get("files"):
        return None
    digests = np.empty(len(ids), object)
    for row, encoded in enumerate(dataset.images(ids).read(ids.tolist())):
        if isinstance(encoded, bytes):
            digests[row] = blake2b(encoded, digest_size=16).digest()
    return digests


def _tables(run: RunFolder, table: pa.Table, dataset: DatasetFolder) -> Iterator[pa.Table]:
    """Yield the scores of the samples of a table, some at a time."""
    labels = dataset.labels()
    for start in range(0, len(table), SHARD):
        yield by_fitted_heads(run, table.slice(start, SHARD), labels)
