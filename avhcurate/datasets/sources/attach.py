"""Attaches outputs of a network that were computed elsewhere as a run, in flat memory."""

import hashlib
import math
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
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
from avhcurate.workspace.data.runs import SHARD, Attached, RunFolder, RunRecord
from avhcurate.workspace.data.workspace import Workspace, check_name
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, settings_digest, versions
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
    titles = [one.array.title for one in outputs.arrays.values()]
    hashes = [file.sha256 for file in outputs.files]
    digest = settings_digest([dataset.record.fingerprint, settings.by, titles, hashes])
    stem = Path(settings.features or settings.logits or settings.probs).stem
    source = f"attached {digest}"
    title = re.sub(r"[^A-Za-z0-9._-]+", "-", stem)[:40]
    run = RunFolder.of(dataset, check_name(settings.name or f"attached-{title}-{digest[:8]}"))
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
        notes = outputs.notes
        names = dataset.record.classes
        if not usable.all():
            notes = [*notes, f"{(~usable).sum()} samples have no row and no scores, first {usable.argmin()}"]
        if len(names) != outputs.num_classes:
            names = []
        record = RunRecord(
            name=run.name,
            model=f"attached:{settings.name or title}",
            weights_sha256=head or digest,
            weights_source=source,
            preprocess={},
            classes=names,
            num_classes=outputs.num_classes,
            width=outputs.width,
            dataset_fingerprint=dataset.record.fingerprint,
            samples=len(usable),
            skipped=int((~usable).sum()),
            versions=versions("numpy", "pyarrow"),
            started=now(),
            attached=Attached(by=settings.by, files=outputs.files, predicted=outputs.predicted, notes=notes),
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
    check_room(run.root, sum(4 * math.prod(one.array.shape) for one in outputs.by_sample) + _SPARE, "the run")
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
    for one in outputs.by_sample:
        file = _FILES[one.role]
        run.reserve(file, (samples, one.array.shape[1]), some=one.array.shape[0] < samples)
        for ids, rows, before in one.blocks():
            progress.tell(before, samples, f"copying {one.role}", cancelled=_CANCELLED)
            if one.role == "probs":
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
        some = ids[usable[ids]]
        features = logits = prototypes = None
        if run.has_features:
            features = run.features_of(some)
        if run.has_logits:
            logits = run.logits_of(some)
        if weights is None:
            prototypes = totals
        values = scores.per_sample(features, weights, logits, labels[some], prototypes=prototypes)
        if features is not None and totals is not None:
            means = totals.means.astype(np.float32)
            values["prototype_distance"] = scores.prototype_distance(features, means, labels[some])
        columns = {"id": pa.array(ids, pa.int64())} | score_columns(values, usable[ids])
        problem = pc.if_else(usable[ids], pa.scalar(None, pa.string()), "no row of the attached arrays is about it")
        yield pa.table(columns | {"problem": problem})
