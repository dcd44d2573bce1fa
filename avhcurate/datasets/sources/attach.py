"""Attaches outputs of a network that were computed elsewhere as a run, in flat memory."""

import hashlib
import math
import shutil
import time
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.datasets.sources.outputs import Outputs, Role
from avhcurate.errors import CurateError, Option
from avhcurate.measures import scores
from avhcurate.networks.scoring.added_scores import add_scores
from avhcurate.networks.scoring.class_sums import sum_by_class
from avhcurate.networks.scoring.image_pass import score_columns
from avhcurate.networks.scoring.settings import AttachSettings
from avhcurate.workspace.data.runs import SHARD, RunFolder, RunRecord
from avhcurate.workspace.data.workspace import Workspace, check_name
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, versions
from avhcurate.workspace.disk.room import check_room

#: The smallest probability whose logarithm is taken: 0 counts as this.
_LEAST = float(np.finfo(np.float32).tiny)
#: Room that stays free on the disk next to the run.
_SPARE = 64 << 20
_FILES: dict[Role, Literal["features.npy", "logits.npy"]] = {
    "features": "features.npy",
    "logits": "logits.npy",
    "probs": "logits.npy",
}
_CANCELLED = "cancelled: the same command starts again"


def attach_run(workspace: Workspace, settings: AttachSettings, *, progress: Progress = SILENT) -> RunFolder:
    """Attach arrays to a dataset as a run, and return it complete.

    With class weights it has every score, as if the network had been run here; logits are those given, else features @
    class_weights.T + bias. Without class weights it has the scores of the softmax output, where logits or probabilities
    are given, and scores by class prototypes, where there are features and labels, each sample left out of its own.

    The arrays are copied into the run, so that their files may go. The same call again starts again after a cancel, or
    does nothing where all is done. Raises Cancelled when asked to stop, and CurateError for a mistake of the user:
    wrong shapes, NaN, probabilities that do not sum to 1, two rows about one sample.
    """
    dataset = workspace.dataset(settings.dataset)
    if not dataset.record.samples:
        raise CurateError(f"Dataset {dataset.name!r} has no samples. Import it again.")
    progress.tell(0, 0, "hashing the files")
    outputs = Outputs.of(dataset, settings)
    source = f"attached {outputs.digest}"
    name = settings.name or f"attached-{outputs.title}-{outputs.digest[:8]}"
    run = RunFolder.of(dataset, check_name(name))
    with run.alone():
        if run.begun and run.record.weights_source != source:
            raise CurateError(
                f"Dataset {dataset.name!r} has a run {run.name!r} of other arrays.",
                fix=f"Choose another {Option('name')}",
            )
        if run.complete:
            add_scores(run, outputs.labels, progress=progress)
            return run
        started = time.perf_counter()
        try:
            usable, head = _copy(run, outputs, progress)
        except CurateError:
            shutil.rmtree(run.root, ignore_errors=True)
            raise
        skipped = int((~usable).sum())
        if skipped:
            outputs.attached.notes.append(f"{skipped} samples have no row and no scores, first {usable.argmin()}")
        classes = dataset.record.classes
        if len(classes) != outputs.num_classes:
            classes = []
        record = RunRecord(
            name=run.name,
            model=f"attached:{settings.name or outputs.title}",
            weights_sha256=head or outputs.digest,
            weights_source=source,
            preprocess={},
            classes=classes,
            num_classes=outputs.num_classes,
            width=outputs.width,
            dataset_fingerprint=dataset.record.fingerprint,
            samples=len(usable),
            skipped=skipped,
            versions=versions("numpy", "pyarrow"),
            started=now(),
            attached=outputs.attached,
        )
        run.write_record(record)
        tables = list(_tables(run, outputs.labels, usable, progress))
        dataset.refuse_another_import(record.dataset_fingerprint, again="attach it again")
        run.finish(tables, {"finished": now(), "seconds": round(time.perf_counter() - started, 3)})
    return run


def _copy(run: RunFolder, outputs: Outputs, progress: Progress) -> tuple[np.ndarray, str]:
    """Copy the arrays into the run, checking every row.

    Return whether each sample has a row in all of them, (N,), and the hash of the head, "" without one.
    """
    samples = len(outputs.labels)
    head = ""
    check_room(run.root, sum(4 * math.prod(output.array.shape) for output in outputs.by_sample) + _SPARE, "the run")
    if "class_weights" in outputs.arrays:
        class_weights = outputs.arrays["class_weights"]
        weights = class_weights.read_finite()
        if not np.all(np.any(weights, axis=1)):
            raise CurateError(f"{class_weights.array.title} has a row of zeros. Give trained weights.")
        bias = np.zeros(len(weights), np.float32)
        if "bias" in outputs.arrays:
            bias = outputs.arrays["bias"].read_finite()
        run.write_head(weights, bias)
        head = hashlib.sha256(weights.tobytes() + bias.tobytes()).hexdigest()
    rows_of = np.zeros(samples, int)
    for output in outputs.by_sample:
        file = _FILES[output.role]
        run.reserve(file, (samples, output.array.shape[1]), some=output.array.shape[0] < samples)
        for ids, rows, before in output.blocks():
            progress.tell(before, samples, f"copying {output.role}", cancelled=_CANCELLED)
            if output.role == "probs":
                rows = np.log(np.maximum(rows.astype(np.float64), _LEAST))
            run.write_rows(file, ids, rows)
            rows_of[ids] += 1
    return rows_of == len(outputs.by_sample), head


def _tables(run: RunFolder, labels: np.ndarray, usable: np.ndarray, progress: Progress) -> Iterator[pa.Table]:
    """Yield the scores of all samples, some at a time."""
    samples = len(usable)
    blocks = np.split(np.arange(samples), range(SHARD, samples, SHARD))
    weights = totals = None
    if run.has_class_weights:
        weights = run.class_weights()
    if run.has_features and run.record.num_classes:
        progress.tell(0, samples, "class prototypes", cancelled=_CANCELLED)
        totals = sum_by_class(run, (ids[usable[ids]] for ids in blocks), labels, run.record.num_classes)
    for ids in blocks:
        progress.tell(int(ids[0]), samples, "scoring", cancelled=_CANCELLED)
        scored = ids[usable[ids]]
        features = logits = prototypes = None
        if run.has_features:
            features = run.features_of(scored)
        if run.has_logits:
            logits = run.logits_of(scored)
        if weights is None:
            prototypes = totals
        values = scores.per_sample(features, weights, logits, labels[scored], prototypes=prototypes)
        if features is not None and totals is not None:
            means = totals.means.astype(np.float32)
            values["prototype_distance"] = scores.prototype_distance(features, means, labels[scored])
        columns = {"id": pa.array(ids, pa.int64())} | score_columns(values, usable[ids])
        problem = pc.if_else(usable[ids], pa.scalar(None, pa.string()), "no row of the attached arrays is about it")
        yield pa.table(columns | {"problem": problem})
