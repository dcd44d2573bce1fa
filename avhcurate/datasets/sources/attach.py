"""Attaches outputs of a network that were computed elsewhere as a run, in flat memory: they are checked row by row."""

import hashlib
import math
import shutil
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.datasets.sources.attached_outputs import FILES, Outputs, numbered_names, read_finite
from avhcurate.errors import CurateError, Option
from avhcurate.measures import scores
from avhcurate.networks.scoring.settings import AttachSettings
from avhcurate.networks.scoring.shard_scores import add_scores, score_columns, sum_by_class
from avhcurate.workspace.data.class_lists import order_notes
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.run_records import SHARD, RunRecord
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace, check_name
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, versions
from avhcurate.workspace.disk.room import check_room

#: The smallest probability whose logarithm is taken: 0 counts as this.
_LEAST = float(np.finfo(np.float32).tiny)
#: Room that stays free on the disk next to the run.
_SPARE = 64 << 20
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
    outputs = Outputs.of(dataset, settings, progress)
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
        if not usable.all():
            notes = outputs.attached.notes
            notes.append(f"{(~usable).sum()} samples have no row and no scores, first {usable.argmin()}")
        model = f"attached:{settings.name or outputs.title}"
        record = _record(dataset, outputs, usable, name=run.name, model=model, source=source, head=head)
        run.write_record(record)
        tables = list(_tables(run, outputs.labels, dataset.labels_to_learn(), usable, progress))
        dataset.refuse_another_lock(record.locked)
        dataset.refuse_another_import(record.dataset_fingerprint, again="attach it again")
        if outputs.attached.predicted == "logits":
            predicted = pa.concat_tables(tables)["predicted"].fill_null(-1).to_numpy()
            names = numbered_names(dataset, outputs.num_classes)
            outputs.attached.notes += order_notes(settings.classes, names, outputs.labels, predicted)
        changes = {"attached": outputs.attached, "finished": now(), "seconds": round(time.perf_counter() - started, 3)}
        run.finish(tables, changes)
    return run


def _record(
    dataset: DatasetFolder, outputs: Outputs, usable: np.ndarray, *, name: str, model: str, source: str, head: str
) -> RunRecord:
    """Return the record of a run of outputs, of which `usable` (N,) samples have rows."""
    classes = dataset.record.classes
    if len(classes) != outputs.num_classes:
        classes = []
    return RunRecord(
        name=name,
        model=model,
        weights_sha256=head or outputs.digest,
        weights_source=source,
        preprocess={},
        classes=classes,
        num_classes=outputs.num_classes,
        width=outputs.width,
        dataset_fingerprint=dataset.record.fingerprint,
        samples=len(usable),
        skipped=int((~usable).sum()),
        versions=versions("numpy", "pyarrow"),
        started=now(),
        attached=outputs.attached,
        locked=dataset.locked_by,
    )


def _copy(run: RunFolder, outputs: "Outputs", progress: Progress) -> tuple[np.ndarray, str]:
    """Copy the arrays into the run, checking every row.

    Return whether each sample has a row in all of them, (N,), and the hash of the head, "" without one.
    """
    samples = len(outputs.labels)
    arrays = outputs.arrays
    head = ""
    check_room(run.root, sum(4 * math.prod(arrays[role].shape) for role in outputs.ids) + _SPARE, "the run")
    if "class_weights" in arrays:
        weights = read_finite(arrays["class_weights"])
        if not np.all(np.any(weights, axis=1)):
            raise CurateError(f"{arrays['class_weights'].title} has a row of zeros. Give trained weights.")
        bias = np.zeros(len(weights), np.float32)
        if "bias" in arrays:
            bias = read_finite(arrays["bias"])
        weights = weights[outputs.columns]
        bias = bias[outputs.columns]
        run.write_head(weights, bias)
        head = hashlib.sha256(weights.tobytes() + bias.tobytes()).hexdigest()
    rows_of = np.zeros(samples, int)
    for role in outputs.ids:
        count, width = arrays[role].shape
        run.reserve(FILES[role], (samples, width), sparse=count < samples)
        for ids, rows, before in outputs.blocks(role):
            progress.tell(before, samples, f"copying {role}", cancelled=_CANCELLED)
            if role != "features":
                rows = rows[:, outputs.columns]
            if role == "probs":
                rows = np.log(np.maximum(rows.astype(np.float64), _LEAST))
            run.write_rows(FILES[role], ids, rows)
            rows_of[ids] += 1
    return rows_of == len(outputs.ids), head


def _tables(
    run: RunFolder, labels: np.ndarray, learnt: np.ndarray, usable: np.ndarray, progress: Progress
) -> Iterator[pa.Table]:
    """Yield the scores of all samples, some at a time; prototypes are of the labels `learnt` (N,)."""
    samples = len(usable)
    blocks = np.split(np.arange(samples), range(SHARD, samples, SHARD))
    weights = totals = None
    if run.has_class_weights:
        weights = run.class_weights()
    if run.has_features and run.record.num_classes:
        progress.tell(0, samples, "class prototypes", cancelled=_CANCELLED)
        totals = sum_by_class(run, (ids[usable[ids]] for ids in blocks), learnt, run.record.num_classes)
    for ids in blocks:
        progress.tell(int(ids[0]), samples, "scoring", cancelled=_CANCELLED)
        scored = ids[usable[ids]]
        features = logits = prototypes = None
        targets = labels[scored]
        if run.has_features:
            features = run.features_of(scored)
        if run.has_logits:
            logits = run.logits_of(scored)
        if weights is None and totals is not None:
            prototypes = totals
            targets = learnt[scored]  # only what was summed can be left out
        values = scores.per_sample(features, weights, logits, targets, prototypes=prototypes)
        if features is not None and totals is not None:
            means = totals.means.astype(np.float32)
            values["prototype_distance"] = scores.prototype_distance(features, means, labels[scored])
        columns = {"id": pa.array(ids, pa.int64())} | score_columns(values, usable[ids])
        problem = pc.if_else(usable[ids], pa.scalar(None, pa.string()), "no row of the attached arrays is about it")
        yield pa.table(columns | {"problem": problem})
