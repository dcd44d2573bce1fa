"""Attaches outputs of a network that were computed elsewhere as a run, in flat memory."""

import hashlib
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from avhcurate.datasets.sources.attached_arrays import OUTPUTS, AttachedArray, AttachSpec, Role, open_arrays
from avhcurate.errors import CurateError
from avhcurate.measures import scores
from avhcurate.networks.scoring.added_scores import add_scores
from avhcurate.networks.scoring.class_sums import sum_by_class
from avhcurate.networks.scoring.image_pass import score_columns
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import SHARD, Attached, AttachedFile, RunFolder, RunRecord
from avhcurate.workspace.data.workspace import Workspace, check_name
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.files import sha256, user_path
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, settings_digest, versions
from avhcurate.workspace.disk.room import check_room

#: The smallest probability whose logarithm is taken: 0 counts as this.
_LEAST = float(np.finfo(np.float32).tiny)
#: Room that stays free on the disk next to the run.
_SPARE = 64 << 20
#: Fewer labelled samples say nothing about the order of classes.
_FEW = 20


def attach_run(
    workspace: Workspace, name: str, spec: AttachSpec, *, run_name: str | None = None, progress: Progress = SILENT
) -> RunFolder:
    """Attach arrays to dataset `name` as a run, and return it complete.

    With class weights it has every score, as if the network had been run here; logits are those given, else features @
    class_weights.T + bias. Without class weights it has the scores of the softmax output, where logits or probabilities
    are given, and scores by class prototypes, where there are features and labels, each sample left out of its own.

    The arrays are copied into the run, so that their files may go. The same call again starts again after a cancel, or
    does nothing where all is done. Raises Cancelled when asked to stop, and CurateError for a mistake of the user:
    wrong shapes, NaN, probabilities that do not sum to 1, two rows about one sample.
    """
    dataset = workspace.dataset(name)
    if not dataset.record.samples:
        raise CurateError(f"Dataset {name!r} has no samples. Import it again.")
    arrays, notes = open_arrays(dataset, spec)
    files = _files(spec, arrays, progress)
    contents = [file.model_dump(exclude={"source"}) for file in files]
    digest = settings_digest([dataset.record.fingerprint, spec.by, contents])
    if run_name is None:
        called = re.sub(r"[^A-Za-z0-9._-]+", "-", spec.title).strip("-.")[:40] or "run"
        run = RunFolder.of(dataset, f"attached-{called}-{digest[:8]}")
    else:
        called = check_name(run_name)
        run = RunFolder.of(dataset, called)
    with run.alone():
        if run.begun and run.record.weights_source != f"attached {digest}":
            raise CurateError(f"Dataset {name!r} has a run {run.name!r} of other arrays. Choose another --name.")
        if run.complete:
            add_scores(run, dataset.labels(), progress=progress)
            return run
        attached = Attached(by=spec.by, files=files, predicted=_predicted(dataset, arrays), notes=notes)
        _Attaching(dataset, run, arrays, attached, progress).attach(f"attached:{called}", f"attached {digest}")
    return run


def _files(spec: AttachSpec, arrays: dict[Role, AttachedArray], progress: Progress) -> list[AttachedFile]:
    """Return the provenance of the arrays, each file hashed once."""
    hashes: dict[str, str] = {}
    described: list[AttachedFile] = []
    for role, one in arrays.items():
        path = str(one.array.path)
        if path not in hashes:
            progress.tell(0, 0, f"hashing {one.array.path.name}")
            hashes[path] = sha256(one.array.path)
        shape, dtype = list(one.array.shape), str(one.array.dtype)
        described.append(AttachedFile(role=role, source=one.source, sha256=hashes[path], shape=shape, dtype=dtype))
    if spec.rows and spec.by != "order":
        rows = user_path(spec.rows).absolute()
        described.append(AttachedFile(role="rows", source=str(rows), sha256=sha256(rows), shape=[], dtype=""))
    return described


def _num_classes(dataset: DatasetFolder, arrays: dict[Role, AttachedArray]) -> int:
    """Return as many as the arrays have, else as the dataset has."""
    for role in OUTPUTS:
        if role in arrays:
            return arrays[role].classes
    return max(len(dataset.record.classes), int(dataset.labels().max(initial=-1)) + 1)


def _predicted(dataset: DatasetFolder, arrays: dict[Role, AttachedArray]) -> Literal["logits", "prototypes", "nothing"]:
    if set(OUTPUTS) & arrays.keys():
        return "logits"
    if _num_classes(dataset, arrays) and (dataset.labels() >= 0).any():
        return "prototypes"
    return "nothing"


@dataclass(frozen=True)
class _Attaching:
    """One attach under way."""

    dataset: DatasetFolder
    run: RunFolder
    arrays: dict[Role, AttachedArray]
    attached: Attached
    progress: Progress

    @property
    def samples(self) -> int:
        return self.dataset.record.samples

    def attach(self, model: str, source: str) -> None:
        """Copy the arrays into the run, checking every row, and score it."""
        started = time.perf_counter()
        by_sample = [one for one in self.arrays.values() if one.ids is not None]
        needed = sum(4 * self.samples * one.width for one in by_sample) + _SPARE
        check_room(self.run.root, needed, "the run")
        usable = np.ones(self.samples, bool)
        try:
            sha256_of_head = self._write_head()
            for one in by_sample:
                usable &= self._copy_rows(one)
        except CurateError:
            shutil.rmtree(self.run.root)
            raise
        self.run.write_record(self._record(model, source, sha256_of_head))
        tables = list(self._tables(usable))
        self.dataset.refuse_another_import(self.run.record.dataset_fingerprint, again="attach it again")
        notes = [*self.attached.notes, *self._afterthoughts(tables, usable)]
        self.run.finish(
            tables,
            {
                "attached": self.attached.model_copy(update={"notes": notes}),
                "skipped": int((~usable).sum()),
                "finished": now(),
                "seconds": round(time.perf_counter() - started, 3),
            },
        )

    def _tell(self, done: int, message: str) -> None:
        self.progress.tell(done, self.samples, message, cancelled="cancelled: the same command starts again")

    def _write_head(self) -> str:
        """Write class weights and bias; return the hash that identifies the network."""
        if "class_weights" not in self.arrays:
            return hashlib.sha256("".join(file.sha256 for file in self.attached.files).encode()).hexdigest()
        weights = self.arrays["class_weights"].read_finite()
        empty = np.flatnonzero(~weights.any(axis=1))
        if len(empty):
            raise CurateError(
                f"Row {empty[0]} of {self.arrays['class_weights'].title} is zero, so it has no angle. Give the weights "
                "of a trained network."
            )
        bias = np.zeros(len(weights), np.float32)
        if "bias" in self.arrays:
            bias = self.arrays["bias"].read_finite()
        self.run.write_head(weights, bias)
        return hashlib.sha256(weights.tobytes() + bias.tobytes()).hexdigest()

    def _copy_rows(self, one: AttachedArray) -> np.ndarray:
        """Copy an array into the run by id; return whether a row is about each sample, (N,)."""
        file: Literal["features.npy", "logits.npy"] = "logits.npy"
        if one.role == "features":
            file = "features.npy"
        self.run.reserve(file, (self.samples, one.width))
        has = np.zeros(self.samples, bool)
        for ids, rows, before in one.blocks():
            self._tell(min(before, self.samples), f"copying {one.role}")
            if one.role == "probs":
                rows = np.log(np.maximum(rows.astype(np.float64), _LEAST))
            self.run.write_rows(file, ids, rows)
            has[ids] = True
        return has

    def _record(self, model: str, source: str, weights_sha256: str) -> RunRecord:
        names, num_classes = self.dataset.record.classes, _num_classes(self.dataset, self.arrays)
        if len(names) != num_classes:
            names = []
        width = 0
        if "features" in self.arrays:
            width = self.arrays["features"].width
        return RunRecord(
            name=self.run.name,
            model=model,
            head="",
            weights_sha256=weights_sha256,
            weights_source=source,
            preprocess={},
            precision="float32",
            device="",
            batch_size=SHARD,
            classes=names,
            num_classes=num_classes,
            width=width,
            dataset_fingerprint=self.dataset.record.fingerprint,
            samples=self.samples,
            limit=None,
            seed=0,
            versions=versions("numpy", "pyarrow"),
            started=now(),
            attached=self.attached,
        )

    def _tables(self, usable: np.ndarray) -> Iterator[pa.Table]:
        """Yield the scores of all samples, some at a time."""
        run, labels = self.run, self.dataset.labels()
        blocks = [np.arange(at, min(self.samples, at + SHARD)) for at in range(0, self.samples, SHARD)]
        weights = totals = None
        if run.has_class_weights:
            weights = run.class_weights()
        if run.has_features and run.record.num_classes:
            self._tell(0, "class prototypes")
            totals = sum_by_class(run, (ids[usable[ids]] for ids in blocks), labels, run.record.num_classes)
        for ids in blocks:
            self._tell(int(ids[0]), "scoring")
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
            problems = np.full(len(ids), None, object)
            problems[~usable[ids]] = "no row of the attached arrays is about it"
            columns = {"id": pa.array(ids, pa.int64())} | score_columns(values, usable[ids])
            yield pa.table(columns | {"problem": pa.array(problems.tolist(), pa.string())})

    def _afterthoughts(self, tables: list[pa.Table], usable: np.ndarray) -> list[str]:
        """Say what the results show of the arrays: classes in another order, logits of another layer."""
        run, labels, notes = self.run, self.dataset.labels(), []
        missing = np.flatnonzero(~usable)
        if len(missing):
            notes.append(f"{len(missing)} samples have no row and no scores, first {missing[0]}")
        known = usable & (labels >= 0)
        if known.sum() >= _FEW and self.attached.predicted == "logits":
            predicted = pa.concat_tables(tables)["predicted"].fill_null(-1).to_numpy()
            right = float((predicted[known] == labels[known]).mean())
            if right <= 1 / max(1, run.record.num_classes):
                notes.append(
                    f"the predicted class is the label of {100 * right:.1f} % of the samples, no more than by chance: "
                    f"are the arrays in the dataset's order of classes ({listed(self.dataset.record.classes, 8)})?"
                )
        if run.has_class_weights and {"logits", "probs"} & self.arrays.keys():
            first = np.flatnonzero(usable)[:SHARD]
            own = run.features_of(first).astype(np.float64) @ run.class_weights().T.astype(np.float64) + run.bias()
            given = run.logits_of(first)
            off = float(np.abs((own - own.mean(1, keepdims=True)) - (given - given.mean(1, keepdims=True))).max())
            if off > 1e-2 * max(1.0, float(np.abs(own).max())):
                notes.append(
                    "the given logits or probabilities differ from features @ class_weights.T + bias by up to "
                    f"{off:.3g}: are all of one network, and is its bias given?"
                )
        return notes
