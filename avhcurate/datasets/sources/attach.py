"""Attaches outputs of a network that were computed elsewhere as a run, in flat memory."""

import hashlib
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

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
    contents = [file.model_dump(exclude={"source"}) for file in files]
    digest = settings_digest([dataset.record.fingerprint, settings.by, contents])
    title = Path(settings.features or settings.logits or settings.probs).stem
    called = re.sub(r"[^A-Za-z0-9._-]+", "-", title).strip("-.")[:40]
    run = RunFolder.of(dataset, check_name(settings.name or f"attached-{called}-{digest[:8]}"))
    with run.alone():
        if run.begun and run.record.weights_source != f"attached {digest}":
            raise CurateError(
                f"Dataset {dataset.name!r} has a run {run.name!r} of other arrays. Choose another --name."
            )
        if run.complete:
            add_scores(run, dataset.labels(), progress=progress)
            return run
        started = time.perf_counter()
        attached = Attached(by=settings.by, files=files, predicted=_predicted(dataset, arrays), notes=notes)
        try:
            usable, weights_sha256 = _copy(dataset, run, arrays, attached, progress)
        except CurateError:
            shutil.rmtree(run.root, ignore_errors=True)
            raise
        record = _record(dataset, run, arrays, attached)
        model = f"attached:{settings.name or called}"
        identity = {"model": model, "weights_sha256": weights_sha256, "weights_source": f"attached {digest}"}
        run.write_record(record.model_copy(update=identity))
        tables = list(_tables(dataset, run, usable, progress))
        dataset.refuse_another_import(record.dataset_fingerprint, again="attach it again")
        if not usable.all():
            notes.append(f"{(~usable).sum()} samples have no row and no scores, first {usable.argmin()}")
        changes = {
            "attached": attached.model_copy(update={"notes": notes}),
            "skipped": int((~usable).sum()),
            "finished": now(),
            "seconds": round(time.perf_counter() - started, 3),
        }
        run.finish(tables, changes)
    return run


def _files(settings: AttachSettings, arrays: dict[Role, AttachedArray]) -> list[AttachedFile]:
    """Return the provenance of the arrays, each file hashed once."""
    hashes = {path: sha256(path) for path in {one.array.path for one in arrays.values()}}
    described: list[AttachedFile] = []
    for role, one in arrays.items():
        source, shape = str(one.array.path.absolute().parent / one.title), list(one.array.shape)
        if one.kept:
            source = one.title
        checksum = hashes[one.array.path]
        described.append(
            AttachedFile(role=role, source=source, sha256=checksum, shape=shape, dtype=str(one.array.dtype))
        )
    if settings.rows and settings.by != "order":
        rows = user_path(settings.rows).absolute()
        described.append(AttachedFile(role="rows", source=str(rows), sha256=sha256(rows), shape=[], dtype=""))
    return described


def _predicted(dataset: DatasetFolder, arrays: dict[Role, AttachedArray]) -> Literal["logits", "prototypes", "nothing"]:
    if {"class_weights", "logits", "probs"} & arrays.keys():
        return "logits"
    if (dataset.labels() >= 0).any():
        return "prototypes"
    return "nothing"


def _copy(
    dataset: DatasetFolder,
    run: RunFolder,
    arrays: dict[Role, AttachedArray],
    attached: Attached,
    progress: Progress,
) -> tuple[np.ndarray, str]:
    """Copy the arrays into the run, checking every row.

    Return whether each sample has a row in all of them, (N,), and the hash that identifies the network.
    """
    samples = dataset.record.samples
    by_sample = [one for one in arrays.values() if one.ids is not None]
    check_room(run.root, sum(4 * samples * one.array.shape[1] for one in by_sample) + _SPARE, "the run")
    network = "".join(file.sha256 for file in attached.files).encode()
    if "class_weights" in arrays:
        weights = arrays["class_weights"].read_finite()
        if not weights.any(axis=1).all():
            raise CurateError(f"{arrays['class_weights'].title} has a row of zeros. Give trained weights.")
        bias = np.zeros(len(weights), np.float32)
        if "bias" in arrays:
            bias = arrays["bias"].read_finite()
        run.write_head(weights, bias)
        network = weights.tobytes() + bias.tobytes()
    usable = np.ones(samples, bool)
    for one in by_sample:
        file: Literal["features.npy", "logits.npy"] = "logits.npy"
        if one.role == "features":
            file = "features.npy"
        run.reserve(file, (samples, one.array.shape[1]))
        missing = np.ones(samples, bool)
        for ids, rows, before in one.blocks():
            progress.tell(before, samples, f"copying {one.role}", cancelled=_CANCELLED)
            if one.role == "probs":
                rows = np.log(np.maximum(rows.astype(np.float64), _LEAST))
            run.write_rows(file, ids, rows)
            missing[ids] = False
        usable &= ~missing
    return usable, hashlib.sha256(network).hexdigest()


def _record(dataset: DatasetFolder, run: RunFolder, arrays: dict[Role, AttachedArray], attached: Attached) -> RunRecord:
    """Return the record of the run, but for what identifies the network."""
    width, count, names = 0, num_classes(dataset, arrays), dataset.record.classes
    if "features" in arrays:
        width = arrays["features"].array.shape[1]
    if len(names) != count:
        names = []
    return RunRecord(
        name=run.name,
        model="",
        head="",
        weights_sha256="",
        weights_source="",
        preprocess={},
        precision="float32",
        device="",
        batch_size=SHARD,
        classes=names,
        num_classes=count,
        width=width,
        dataset_fingerprint=dataset.record.fingerprint,
        samples=dataset.record.samples,
        limit=None,
        seed=0,
        versions=versions("numpy", "pyarrow"),
        started=now(),
        attached=attached,
    )


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
        problems = np.where(usable[ids], None, "no row of the attached arrays is about it")
        columns = {"id": pa.array(ids, pa.int64())} | score_columns(values, usable[ids])
        yield pa.table(columns | {"problem": pa.array(problems.tolist(), pa.string())})
