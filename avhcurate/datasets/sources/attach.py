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

from avhcurate.datasets.sources.attached_arrays import AttachedArray, Role, num_classes, open_arrays
from avhcurate.errors import CurateError
from avhcurate.measures import scores
from avhcurate.networks.scoring.added_scores import add_scores
from avhcurate.networks.scoring.class_sums import sum_by_class
from avhcurate.networks.scoring.image_pass import score_columns
from avhcurate.networks.scoring.settings import AttachSettings
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import SHARD, Attached, AttachedFile, RunFolder, RunRecord
from avhcurate.workspace.data.workspace import Workspace, check_name
from avhcurate.workspace.disk.files import sha256, user_path
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
    arrays, notes = open_arrays(dataset, settings)
    progress.tell(0, 0, "hashing the files")
    files = _files(settings, arrays)
    titles = [one.title for one in arrays.values()]
    digest = settings_digest([dataset.record.fingerprint, settings.by, titles, [file.sha256 for file in files]])
    stem = Path(settings.features or settings.logits or settings.probs).stem
    source, title = f"attached {digest}", re.sub(r"[^A-Za-z0-9._-]+", "-", stem)[:40]
    run = RunFolder.of(dataset, check_name(settings.name or f"attached-{title}-{digest[:8]}"))
    with run.alone():
        if run.begun and run.record.weights_source != source:
            raise CurateError(
                f"Dataset {dataset.name!r} has a run {run.name!r} of other arrays. Choose another --name."
            )
        if run.complete:
            add_scores(run, dataset.labels(), progress=progress)
            return run
        started = time.perf_counter()
        try:
            usable, head = _copy(dataset, run, arrays, progress)
        except CurateError:
            shutil.rmtree(run.root, ignore_errors=True)
            raise
        if not usable.all():
            notes.append(f"{(~usable).sum()} samples have no row and no scores, first {usable.argmin()}")
        attached = Attached(by=settings.by, files=files, predicted=_predicted(dataset, arrays), notes=notes)
        width, count, names = 0, num_classes(dataset, arrays), dataset.record.classes
        if "features" in arrays:
            width = arrays["features"].shape[1]
        if len(names) != count:
            names = []
        record = RunRecord(
            name=run.name,
            model=f"attached:{settings.name or title}",
            weights_sha256=head or digest,
            weights_source=source,
            preprocess={},
            classes=names,
            num_classes=count,
            width=width,
            dataset_fingerprint=dataset.record.fingerprint,
            samples=dataset.record.samples,
            skipped=int((~usable).sum()),
            versions=versions("numpy", "pyarrow"),
            started=now(),
            attached=attached,
        )
        run.write_record(record)
        tables = list(_tables(dataset, run, usable, progress))
        dataset.refuse_another_import(record.dataset_fingerprint, again="attach it again")
        run.finish(tables, {"finished": now(), "seconds": round(time.perf_counter() - started, 3)})
    return run


def _files(settings: AttachSettings, arrays: dict[Role, AttachedArray]) -> list[AttachedFile]:
    """Return the provenance of the arrays."""
    described = []
    for role, one in arrays.items():
        source = str(one.array.path.absolute().parent / one.title)
        if one.kept:
            source = one.title
        described.append(AttachedFile(role=role, source=source, sha256=sha256(one.array.path)))
    if settings.rows and settings.by != "order":
        rows = user_path(settings.rows).absolute()
        described.append(AttachedFile(role="rows", source=str(rows), sha256=sha256(rows)))
    return described


def _predicted(dataset: DatasetFolder, arrays: dict[Role, AttachedArray]) -> Literal["logits", "prototypes", "nothing"]:
    if {"class_weights", "logits", "probs"} & arrays.keys():
        return "logits"
    if (dataset.labels() >= 0).any():
        return "prototypes"
    return "nothing"


def _copy(
    dataset: DatasetFolder, run: RunFolder, arrays: dict[Role, AttachedArray], progress: Progress
) -> tuple[np.ndarray, str]:
    """Copy the arrays into the run, checking every row.

    Return whether each sample has a row in all of them, (N,), and the hash of the head, "" without one.
    """
    samples, head = dataset.record.samples, ""
    by_sample = {role: one for role, one in arrays.items() if one.ids is not None}
    check_room(run.root, sum(4 * math.prod(one.shape) for one in by_sample.values()) + _SPARE, "the run")
    if "class_weights" in arrays:
        weights = arrays["class_weights"].read_finite()
        if not weights.any(axis=1).all():
            raise CurateError(f"{arrays['class_weights'].title} has a row of zeros. Give trained weights.")
        bias = np.zeros(len(weights), np.float32)
        if "bias" in arrays:
            bias = arrays["bias"].read_finite()
        run.write_head(weights, bias)
        head = hashlib.sha256(weights.tobytes() + bias.tobytes()).hexdigest()
    rows_of = np.zeros(samples, int)
    for role, one in by_sample.items():
        file = _FILES[role]
        run.reserve(file, (samples, one.shape[1]), some=one.shape[0] < samples)
        for ids, rows, before in one.blocks():
            progress.tell(before, samples, f"copying {role}", cancelled=_CANCELLED)
            if role == "probs":
                rows = np.log(np.maximum(rows.astype(np.float64), _LEAST))
            run.write_rows(file, ids, rows)
            rows_of[ids] += 1
    return rows_of == len(by_sample), head


def _tables(dataset: DatasetFolder, run: RunFolder, usable: np.ndarray, progress: Progress) -> Iterator[pa.Table]:
    """Yield the scores of all samples, some at a time."""
    labels, samples = dataset.labels(), len(usable)
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
