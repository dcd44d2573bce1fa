"""Attaches outputs of a network that were computed elsewhere as a run, in flat memory, and goes on where it stopped."""

import hashlib
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.datasets.sources.outputs import FILES, Outputs, Role, class_names
from avhcurate.datasets.table.removal import discard
from avhcurate.errors import CurateError, Option
from avhcurate.measures import scores
from avhcurate.measures.scores import ClassSums
from avhcurate.networks.scoring.settings import AttachSettings
from avhcurate.networks.scoring.shard_scores import add_scores, score_columns, sum_by_class
from avhcurate.workspace.data.class_lists import order_notes
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.run_records import SHARD, Attached, AttachedFile, RunRecord
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace, check_name
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, versions
from avhcurate.workspace.disk.room import check_room

#: Room that stays free on the disk next to the run.
_SPARE = 64 << 20


def attach_run(workspace: Workspace, settings: AttachSettings, *, progress: Progress = SILENT) -> RunFolder:
    """Attach arrays to a dataset as a run, and return it complete.

    With class weights it has every score, as if the network had been run here; logits are those given, else features @
    class_weights.T + bias. Without class weights it has the scores of the softmax output, where logits or probabilities
    are given, and scores by class prototypes, where there are features and labels, each sample left out of its own.

    The arrays are copied into the run, so that their files may go. The same call again resumes what was cut short, or
    does nothing where all is done; it begins anew, with a note, where a file has changed meanwhile. Raises Cancelled
    when asked to stop, and CurateError for a mistake of the user: wrong shapes, NaN, probabilities that do not sum to
    1, two rows about one sample.
    """
    dataset = workspace.dataset(settings.dataset)
    if not dataset.record.samples:
        raise CurateError(f"Dataset {dataset.name!r} has no images. Import it again.")
    outputs = Outputs.of(dataset, settings, progress)
    name = settings.name or f"attached-{outputs.title}-{outputs.digest[:8]}"
    run = RunFolder.of(dataset, check_name(name))
    attaching = _Attaching(dataset, run, outputs, settings, progress)
    attaching.discard_outdated(workspace)
    with run.alone():
        if run.begun and run.record.weights_source != attaching.source:
            raise CurateError(
                f"Dataset {dataset.name!r} has a run {run.name!r} of other arrays.",
                fix=f"Choose another {Option('name')}",
            )
        if run.complete:
            add_scores(run, outputs.labels, progress=progress)
            return run
        try:
            if not run.begun:
                attaching.begin()
            attaching.copy()
        except CurateError:
            shutil.rmtree(run.root, ignore_errors=True)
            raise
        attaching.score()
        attaching.finish()
    return run


@dataclass(frozen=True)
class _Attaching:
    """One attach under way: `outputs` become a `run` of a dataset."""

    dataset: DatasetFolder
    run: RunFolder
    outputs: Outputs
    settings: AttachSettings
    progress: Progress

    @property
    def model(self) -> str:
        return f"attached:{self.settings.name or self.outputs.title}"

    @property
    def source(self) -> str:
        """What all that decides the run's numbers is told by."""
        return f"attached {self.outputs.digest}"

    @cached_property
    def blocks(self) -> list[np.ndarray]:
        """The ids of each shard."""
        samples = len(self.outputs.labels)
        return np.split(np.arange(samples), range(SHARD, samples, SHARD))

    def discard_outdated(self, workspace: Workspace) -> None:
        """Discard what was begun of the same files before one of them changed, and note it: it cannot go on."""
        for run in RunFolder.all_of(self.dataset):
            record = run.record
            if record.finished or record.attached is None or record.model != self.model:
                continue
            if changed := _changed(record.attached.files, self.outputs.attached.files):
                with run.alone():
                    discard(workspace, run.root, self.dataset.id)
                note = f"{listed(changed)} changed since an attach was cut short, which began anew"
                self.outputs.attached.notes.append(note)

    def begin(self) -> None:
        """Write the record: what is in the folder from now on is of these outputs."""
        outputs = self.outputs
        by_sample = [outputs.arrays[role] for role in outputs.ids]
        check_room(self.run.root, sum(4 * math.prod(array.shape) for array in by_sample) + _SPARE, "the run")
        network = outputs.digest
        if outputs.head is not None:
            network = hashlib.sha256(b"".join(part.tobytes() for part in outputs.head)).hexdigest()
        skipped = int((~outputs.usable).sum())
        if skipped:
            note = f"{skipped} images have no row and no scores, first {outputs.usable.argmin()}"
            outputs.attached.notes.append(note)
        classes = self.dataset.record.classes
        if len(classes) != outputs.num_classes:
            classes = []
        record = RunRecord(
            name=self.run.name,
            model=self.model,
            weights_sha256=network,
            weights_source=self.source,
            preprocess={},
            classes=classes,
            num_classes=outputs.num_classes,
            width=outputs.width,
            dataset_fingerprint=self.dataset.record.fingerprint,
            samples=len(outputs.labels),
            skipped=skipped,
            versions=versions("numpy", "pyarrow"),
            started=now(),
            attached=outputs.attached,
            locked=self.dataset.locked_by,
            labelled=self.dataset.labelled,
        )
        self.run.write_record(record)

    def copy(self) -> None:
        """Copy into the run what of the arrays it does not have, checking every row."""
        outputs, samples = self.outputs, len(self.outputs.labels)
        if outputs.head is not None:
            self.run.write_head(*outputs.head)
        for role in outputs.ids:
            if role not in self._attached.copied:
                count, width = outputs.arrays[role].shape
                self.run.reserve(FILES[role], (samples, width), sparse=count < samples)
                self._note_copied(role, 0)
            for ids, rows, copied in outputs.blocks(role, first=self._attached.copied[role]):
                self.progress.tell(copied - len(rows), samples, f"copying {role}")
                self.run.write_rows(FILES[role], ids, rows)
                self._note_copied(role, copied)

    def score(self) -> None:
        """Write the scores of every shard that the run does not have."""
        for shard, ids in enumerate(self.blocks):
            self.progress.tell(int(ids[0]), len(self.outputs.labels), "scoring")
            if not self.run.has_shard(shard):
                started = time.perf_counter()
                table = self._scores(ids)
                self.run.write_shard(shard, table, seconds=time.perf_counter() - started)

    def finish(self) -> None:
        """Write the table and the record, with notes on the order of the classes."""
        record = self.run.record
        shards = range(len(self.blocks))
        self.dataset.refuse_another_lock(record.locked)
        self.dataset.refuse_another_import(record.dataset_fingerprint, again="attach it again")
        notes = list(self._attached.notes)
        if self._attached.predicted == "logits":
            predicted = [self.run.shard(shard)["predicted"].fill_null(-1).to_numpy() for shard in shards]
            names = class_names(self.dataset, self.outputs.num_classes)
            notes += order_notes(self.settings.classes, names, self.outputs.labels, np.concatenate(predicted))
        changes = {
            "attached": self._attached.model_copy(update={"notes": notes}),
            "finished": now(),
            "seconds": round(sum(map(self.run.shard_seconds, shards)), 3),
        }
        self.run.finish(map(self.run.shard, shards), changes)

    @property
    def _attached(self) -> Attached:
        """What the record says by now."""
        attached = self.run.record.attached
        assert attached is not None
        return attached

    def _note_copied(self, role: Role, rows: int) -> None:
        """Say in the record that so many rows of an array are on the disk."""
        copied = self._attached.copied | {role: rows}
        attached = self._attached.model_copy(update={"copied": copied})
        self.run.write_record(self.run.record.model_copy(update={"attached": attached}))

    @cached_property
    def _totals(self) -> ClassSums | None:
        """The sums behind the class prototypes of the labels that may be learnt from; None where there can be none."""
        num_classes = self.outputs.num_classes
        if not (self.run.has_features and num_classes):
            return None
        self.progress.tell(0, len(self.outputs.labels), "class prototypes")
        usable = self.outputs.usable
        return sum_by_class(self.run, (ids[usable[ids]] for ids in self.blocks), self._learnt, num_classes)

    @cached_property
    def _learnt(self) -> np.ndarray:
        return self.dataset.labels_to_learn()

    @cached_property
    def _class_weights(self) -> np.ndarray | None:
        if self.run.has_class_weights:
            return self.run.class_weights()
        return None

    def _scores(self, ids: np.ndarray) -> pa.Table:
        """Return the scores of a shard."""
        usable = self.outputs.usable[ids]
        scored = ids[usable]
        labels = self.outputs.labels[scored]
        features = logits = prototypes = None
        targets = labels
        if self.run.has_features:
            features = self.run.features_of(scored)
        if self.run.has_logits:
            logits = self.run.logits_of(scored)
        if self._class_weights is None and self._totals is not None:
            prototypes = self._totals
            targets = self._learnt[scored]  # only what was summed can be left out
        values = scores.per_sample(features, self._class_weights, logits, targets, prototypes=prototypes)
        if features is not None and self._totals is not None:
            means = self._totals.means.astype(np.float32)
            values["prototype_distance"] = scores.prototype_distance(features, means, labels)
        columns = {"id": pa.array(ids, pa.int64())} | score_columns(values, usable)
        problem = pc.if_else(usable, pa.scalar(None, pa.string()), "no row of the attached arrays is about it")
        return pa.table(columns | {"problem": problem})


def _changed(before: Sequence[AttachedFile], after: Sequence[AttachedFile]) -> list[str]:
    """Return the names of the files that have changed between two calls with the same files; none of other files."""
    places = [[(file.role, file.source) for file in files] for files in (before, after)]
    if places[0] != places[1]:
        return []
    pairs = zip(before, after, strict=True)
    return [Path(file.source).name for file, same in pairs if file.sha256 != same.sha256]
