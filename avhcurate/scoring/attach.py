"""Attaches outputs of a network that were computed elsewhere as a run, in flat memory, shard by shard."""

import hashlib
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from avhcurate import scores
from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.runs import SHARD, Attached, AttachedFile, RunFolder, RunRecord
from avhcurate.data.workspace import Workspace, check_name
from avhcurate.disk.columns import listed
from avhcurate.disk.files import sha256, user_path
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.provenance import now, settings_digest, versions
from avhcurate.disk.room import check_room
from avhcurate.errors import CurateError
from avhcurate.scores import ClassSums
from avhcurate.scoring.added_scores import add_scores
from avhcurate.scoring.attached_arrays import AttachedArray, AttachSpec, Role, open_arrays
from avhcurate.scoring.class_sums import sum_by_class
from avhcurate.scoring.image_pass import score_columns

#: The smallest probability whose logarithm is taken: 0 counts as this.
_LEAST = float(np.finfo(np.float32).tiny)
#: Room that stays free on the disk beside the run.
_SPARE = 64 << 20
_CANCELLED = "cancelled: the same command resumes"


def attach_run(
    workspace: Workspace, name: str, spec: AttachSpec, *, run_name: str | None = None, progress: Progress = SILENT
) -> RunFolder:
    """Attaches arrays to dataset `name` as a run, and returns it complete.

    With class weights it has every score, as if the network had been run here; logits are those given, else features @
    class_weights.T + bias. Without class weights it has the scores of the softmax output, where logits or probabilities
    are given, and scores by class prototypes, where there are features and labels, each sample left out of its own.

    The arrays are copied into the run, so that their files may go. The same call again resumes after a cancel, or does
    nothing where all is done. Raises Cancelled when asked to stop, and CurateError for a mistake of the user's: wrong
    shapes, NaN, probabilities that do not sum to 1, two rows about one sample.
    """
    dataset = workspace.dataset(name)
    if not dataset.record.samples:
        raise CurateError(f"dataset {name!r} has no samples: import it again")
    arrays, notes = open_arrays(dataset, spec)
    files = _files(spec, arrays, progress)
    settings = {"by": spec.by, "files": [file.model_dump() | {"source": ""} for file in files]}
    digest = settings_digest(settings | {"dataset": dataset.record.fingerprint})
    called = _slug(spec.title) if run_name is None else check_name(run_name)
    run = RunFolder.of(dataset, f"attached-{called}-{digest[:8]}" if run_name is None else called)
    work = _Attaching(dataset, run, arrays, spec.by, files, notes, progress)
    with run.alone():
        if run.begun and not work.is_of(run.record):
            raise CurateError(f"dataset {name!r} has a run {run.name!r} of other arrays: choose another --name")
        if run.complete:
            add_scores(run, dataset.labels(), progress=progress)
            progress.report(work.total, work.total, "complete already")
            return run
        if not run.begun:
            work.copy(called)
        work.score()
    return run


def _slug(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", title).strip("-.")[:40] or "run"


def _files(spec: AttachSpec, arrays: dict[Role, AttachedArray], progress: Progress) -> list[AttachedFile]:
    """Provenance of the arrays, each file hashed once."""
    hashes: dict[str, str] = {}
    described: list[AttachedFile] = []
    for role, one in arrays.items():
        path = str(one.array.path)
        if path not in hashes:
            progress.check(_CANCELLED)
            progress.report(0, 0, f"hashing {one.array.path.name}")
            hashes[path] = sha256(one.array.path)
        shape, dtype = list(one.array.shape), str(one.array.dtype)
        described.append(AttachedFile(role=role, source=one.source, sha256=hashes[path], shape=shape, dtype=dtype))
    if spec.rows and spec.by != "order":
        rows = user_path(spec.rows)
        described.append(
            AttachedFile(role="rows", source=str(rows.absolute()), sha256=sha256(rows), shape=[], dtype="")
        )
    return described


@dataclass(frozen=True)
class _Attaching:
    """One attach under way."""

    dataset: DatasetFolder
    run: RunFolder
    arrays: dict[Role, AttachedArray]
    by: str
    files: list[AttachedFile]
    notes: list[str]
    progress: Progress

    @property
    def samples(self) -> int:
        return self.dataset.record.samples

    @property
    def by_sample(self) -> list[AttachedArray]:
        """The arrays that have a row a sample."""
        return [one for one in self.arrays.values() if one.ids is not None]

    @property
    def total(self) -> int:
        """Steps of the work: rows copied, then samples summed by class, then samples scored."""
        return sum(one.array.shape[0] for one in self.by_sample) + 2 * self.samples

    @property
    def num_classes(self) -> int:
        """As many as the arrays have, else as the dataset has."""
        if "class_weights" in self.arrays:
            return self.arrays["class_weights"].array.shape[0]
        if (outputs := self.arrays.get("logits") or self.arrays.get("probs")) is not None:
            return outputs.width
        return max(len(self.dataset.record.classes), int(self.dataset.labels().max(initial=-1)) + 1)

    def is_of(self, record: RunRecord) -> bool:
        """Whether a run was attached from the same arrays to the same import."""
        before = record.attached
        if before is None or record.dataset_fingerprint != self.dataset.record.fingerprint:
            return False
        same = [[file.model_dump(exclude={"source"}) for file in files] for files in (before.files, self.files)]
        return before.by == self.by and same[0] == same[1]

    # --- first the copy ---------------------------------------------------------------------------------------------

    def copy(self, called: str) -> None:
        """Copies the arrays into the run by id, checking every row; the record is written last."""
        self._clear()
        needed = sum(4 * self.samples * one.width for one in self.by_sample) + _SPARE
        check_room(self.run.root, needed, "the run")
        try:
            weights = self._head()
            done = 0
            for one in self.by_sample:
                self._copy_rows(one, done)
                done += one.array.shape[0]
        except CurateError:
            shutil.rmtree(self.run.root)
            raise
        self.run.write_record(self._record(called, weights))

    def _clear(self) -> None:
        """Removes what an attempt left that was killed before its record."""
        for left in self.run.root.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
            elif left.name != "lock":
                left.unlink()

    def _head(self) -> str:
        """Writes class weights and bias; the hash that identifies the network."""
        if (weights := self.arrays.get("class_weights")) is None:
            return hashlib.sha256("".join(file.sha256 for file in self.files).encode()).hexdigest()
        matrix = _finite(weights)
        if len(empty := np.flatnonzero(~matrix.any(axis=1))):
            raise CurateError(f"row {empty[0]} of {weights.title} is zero, so no angle to it exists")
        bias = _finite(self.arrays["bias"]) if "bias" in self.arrays else np.zeros(len(matrix), np.float32)
        self.run.write_head(matrix, bias)
        return hashlib.sha256(matrix.tobytes() + bias.tobytes()).hexdigest()

    def _copy_rows(self, one: AttachedArray, done: int) -> None:
        file: Literal["features.npy", "logits.npy"] = "features.npy" if one.role == "features" else "logits.npy"
        self.run.reserve(file, (self.samples, one.width))
        for ids, rows, before in one.blocks():
            self.progress.tell(done + before, self.total, f"copying {one.role}", cancelled=_CANCELLED)
            if one.role == "probs":
                rows = np.log(np.maximum(rows.astype(np.float64), _LEAST))
            self.run.write_rows(file, ids, rows)

    def _record(self, called: str, weights_sha256: str) -> RunRecord:
        names, num_classes = self.dataset.record.classes, self.num_classes
        features = self.arrays.get("features")
        return RunRecord(
            name=self.run.name,
            model=f"attached:{called}",
            head="",
            weights_sha256=weights_sha256,
            weights_source="attached",
            preprocess={},
            precision="float32",
            device="",
            batch_size=SHARD,
            classes=names if len(names) == num_classes else [],
            num_classes=num_classes,
            width=features.width if features else 0,
            dataset_fingerprint=self.dataset.record.fingerprint,
            samples=self.samples,
            limit=None,
            seed=0,
            versions=versions("numpy", "pyarrow"),
            started=now(),
            attached=Attached(by=self.by, files=self.files, predicted=self._predicted(), notes=self.notes),
        )

    def _predicted(self) -> Literal["logits", "prototypes", "nothing"]:
        if {"class_weights", "logits", "probs"} & self.arrays.keys():
            return "logits"
        return "prototypes" if self.num_classes and (self.dataset.labels() >= 0).any() else "nothing"

    # --- then the scores --------------------------------------------------------------------------------------------

    def score(self) -> None:
        """Scores every shard that is not committed, and completes the run."""
        labels, shards = self.dataset.labels(), range(-(-self.samples // SHARD))
        usable = np.logical_and.reduce([_has_row(one, self.samples) for one in self.by_sample])
        done = self.total - 2 * self.samples
        totals = self._class_sums(labels, usable, done) if self.run.has_features and self.num_classes else None
        done += self.samples
        for shard in shards:
            self.progress.tell(done + shard * SHARD, self.total, "scoring", cancelled=_CANCELLED)
            if not self.run.has_shard(shard):
                started = time.perf_counter()
                ids = np.arange(shard * SHARD, min(self.samples, (shard + 1) * SHARD))
                rows = self._rows(ids, usable[ids], labels, totals)
                self.dataset.refuse_another_import(self.run.record.dataset_fingerprint, again="attach it again")
                self.run.write_shard(shard, rows, seconds=time.perf_counter() - started)
        seconds = sum(map(self.run.shard_seconds, shards))
        attached = self.run.record.attached
        assert attached is not None
        notes = [*attached.notes, *self._afterthoughts(labels, usable)]
        changes = {"attached": attached.model_copy(update={"notes": notes}), "skipped": int((~usable).sum())}
        changes |= {"finished": now(), "seconds": round(seconds, 3)}
        self.run.finish(map(self.run.shard, shards), changes)
        self.progress.report(self.total, self.total, "")

    def _class_sums(self, labels: np.ndarray, usable: np.ndarray, done: int) -> ClassSums:
        def blocks() -> Iterator[np.ndarray]:
            for start in range(0, self.samples, SHARD):
                self.progress.tell(done + start, self.total, "class prototypes", cancelled=_CANCELLED)
                ids = np.arange(start, min(self.samples, start + SHARD))
                yield ids[usable[ids]]

        return sum_by_class(self.run, blocks(), labels, self.num_classes)

    def _rows(self, ids: np.ndarray, usable: np.ndarray, labels: np.ndarray, totals: ClassSums | None) -> pa.Table:
        """The scores of a shard."""
        some, run = ids[usable], self.run
        features = run.features_of(some) if run.has_features else None
        weights = run.class_weights() if run.has_class_weights else None
        logits = run.logits_of(some) if run.has_logits else None
        values = scores.per_sample(
            features, weights, logits, labels[some], prototypes=totals if weights is None else None
        )
        if features is not None and totals is not None:
            means = totals.means.astype(np.float32)
            values["prototype_distance"] = scores.prototype_distance(features, means, labels[some])
        columns = {"id": pa.array(ids, pa.int64())} | score_columns(values, usable)
        problems = [None if has else "no row of the attached arrays is about it" for has in usable.tolist()]
        return pa.table(columns | {"problem": pa.array(problems, pa.string())})

    def _afterthoughts(self, labels: np.ndarray, usable: np.ndarray) -> list[str]:
        """What the results say of the arrays: classes in another order, logits of another layer."""
        notes = []
        if missing := int((~usable).sum()):
            notes.append(f"{missing} samples have no row and no scores, first {np.flatnonzero(~usable)[0]}")
        run, some = self.run, np.flatnonzero(usable & (labels >= 0))
        shard = [self.run.shard(number)["predicted"] for number in range(-(-self.samples // SHARD))]
        predicted = pa.chunked_array([part.combine_chunks() for part in shard]).fill_null(-1).to_numpy()
        if len(some) and self._predicted() == "logits":
            right = float((predicted[some] == labels[some]).mean())
            if right <= 1 / max(1, self.num_classes) and len(some) >= 20:
                names = listed(self.dataset.record.classes, 8)
                notes.append(
                    f"the predicted class is the label of {100 * right:.1f} % of the samples, no more than by chance: "
                    f"are the arrays in the dataset's order of classes ({names})?"
                )
        if run.has_class_weights and {"logits", "probs"} & self.arrays.keys():
            first = np.flatnonzero(usable)[:SHARD]
            weights = run.class_weights().astype(np.float64)
            own = run.features_of(first).astype(np.float64) @ weights.T + run.bias()
            given = run.logits_of(first)
            off = float(np.abs((own - own.mean(1, keepdims=True)) - (given - given.mean(1, keepdims=True))).max())
            if off > 1e-2 * max(1.0, float(np.abs(own).max())):
                notes.append(
                    f"the given {'logits' if 'logits' in self.arrays else 'probabilities'} differ from features @ "
                    f"class_weights.T + bias by up to {off:.3g}: are all of one network, and is its bias given?"
                )
        return notes


def _has_row(one: AttachedArray, samples: int) -> np.ndarray:
    """Whether a row is about each sample, (N,) bool."""
    has = np.zeros(samples, bool)
    if one.ids is not None:
        has[one.ids[one.ids >= 0]] = True
    return has


def _finite(one: AttachedArray) -> np.ndarray:
    """A small array as float32; one that holds NaN or infinity is refused, naming the row."""
    whole = one.array.read().astype(np.float32)
    rows = whole.reshape(len(whole), -1)
    if len(bad := np.flatnonzero(~np.isfinite(rows).all(axis=1))):
        raise CurateError(f"row {bad[0]} of {one.title} holds NaN or infinity: give the trained weights")
    return whole
