"""One dataset of a workspace: its record, samples, votes, images, thumbnails and runs."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.errors import CurateError, Option, Run, Text
from avhcurate.workspace.data.class_changes import ClassChanges, Today, added_up
from avhcurate.workspace.data.class_lists import stored_class
from avhcurate.workspace.data.dataset_records import DatasetRecord, VotesRecord
from avhcurate.workspace.data.names import dataset_names
from avhcurate.workspace.data.quality import QualityFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.data.trainings import TrainingFolder
from avhcurate.workspace.disk.files import derived, write_parquet
from avhcurate.workspace.disk.folders import RecordFolder
from avhcurate.workspace.disk.tabular import nullable, whole_numbers
from avhcurate.workspace.images.source import ImageSource
from avhcurate.workspace.images.thumbnails import ThumbnailStore

if TYPE_CHECKING:
    import pandas as pd


#: Votes of so many samples are read at once.
_ROWS_AT_ONCE = 100_000


class DatasetFolder(RecordFolder[DatasetRecord]):
    """The folder of one dataset.

    Files: `dataset.json`, `samples.parquet`, `votes-FINGERPRINT.parquet` once there are votes, `thumbnails/`, `runs/`,
    `training/`, `self-training/`, `quality/`, `predictions/`, `queues/` (how collections drew).
    """

    FILE = "dataset.json"
    KIND = DatasetRecord
    WHAT = "dataset"
    AGAIN = Text(f"import it again with {Option('force', True)}")

    #: Whether everything is as it was imported, without what people have made of the classes.
    as_imported = False

    @property
    def record(self) -> DatasetRecord:
        """Return the record, with the classes that people have made of those of the import."""
        record = super().record
        if self.as_imported or not record.classes_changed:
            return record
        from avhcurate.workspace.data.logs import changes_of

        changes = changes_of(self._workspace, self.id)
        today = {"classes": changes.classes(record.classes), "changes": changes, "imported_classes": record.classes}
        return record.model_copy(update=today)

    def write_record(self, record: DatasetRecord) -> None:
        if record.changes is not None:
            record = record.model_copy(update={"classes": record.imported_classes})
        super().write_record(record)

    @property
    def id(self) -> str:
        """The name of its folder, which never changes: logs and caches refer to it."""
        return self.root.name

    @property
    def name(self) -> str:
        return dataset_names(self.root)[0]

    def names_now(self, names: Sequence[str]) -> list[str]:
        """Return what classes of an earlier day are called today, "" for one that is gone."""
        return (self.record.changes or ClassChanges()).now(names)

    @property
    def imported_path(self) -> Path:
        """The samples as they were imported."""
        return self.root / "samples.parquet"

    @property
    def samples_path(self) -> Path:
        """The samples, with the labels that they have by the classes of today."""
        path = self.imported_path
        if not (self.root / self.FILE).exists() or not (changes := self.record.changes):
            return path
        return derived(path, changes.key, self._write_labels)

    def _write_labels(self, path: Path) -> None:
        from avhcurate.workspace.data.logs import open_events

        record = self.record
        assert record.changes is not None
        samples = pq.read_table(self.imported_path)
        parts = open_events(self._workspace).parts(record.changes.splits)
        part = pc.index_in(samples["path"], value_set=pa.array(parts, pa.string())).fill_null(len(parts)).to_numpy()
        label = samples["label"].fill_null(-1).to_numpy()
        numbers = record.changes.numbers([*record.imported_classes, ""], record.classes)
        of_part = record.changes.numbers([*parts.values(), ""], record.classes)
        label = np.where(part < len(parts), of_part[part], numbers[label])
        column = samples.column_names.index("label")
        today = pa.array(label, samples["label"].type, mask=label < 0)
        write_parquet(path, samples.set_column(column, samples.schema.field("label"), today))

    def votes_path(self, votes: VotesRecord) -> Path:
        """Named by its content: until the record is written, the votes before stay in force."""
        return self.root / f"votes-{votes.fingerprint[:16]}.parquet"

    def refuse_another_import(self, fingerprint: str, *, again: str = "score it again") -> None:
        """Refuse when this is not the import of that fingerprint: ids then mean other samples."""
        if self.record.fingerprint != fingerprint:
            raise CurateError(f"Dataset {self.name!r} was imported again since: {again}.")

    def refuse_another_lock(self, locked: int) -> None:
        """Refuse where another part is locked than when the work began, or none: it may have read both."""
        if self.locked_by != locked:
            raise CurateError(f"The locked part of dataset {self.name!r} changed meanwhile. Start again.")

    def stamp(self) -> str:
        """Return a text that changes when it is imported again or locked, gets votes or measures or a result."""
        patterns = (
            *("dataset.json", "samples.parquet", "quality/columns.parquet", "runs/*/run.json"),
            *("runs/*/neighbours/graph/scores.parquet", "training/*/training.json", "predictions/*/prediction.json"),
            "consensus/*/consensus.json",
        )
        files = [file for pattern in patterns for file in sorted(self.root.glob(pattern))]
        times = [f"{file.parent.name}/{file.name}:{file.stat().st_mtime_ns}" for file in files]
        record = self.record
        return " ".join([*times, f"locked by {self.locked_by}", record.version, *record.parents_of(record.classes)])

    def samples(self, columns: list[str] | None = None) -> "pd.DataFrame":
        """Return a row for each sample in order of id: id, path, split, label, the user's columns, _file, _row.

        `label` is pandas' nullable Int32 and `_row` Int64: missing stays missing.
        """
        return nullable(pq.read_table(self.samples_path, columns=columns))

    def labels(self) -> np.ndarray:
        """Return the given label of each sample, int32 (N,), -1 where it has none: to show it, or to score it by."""
        return whole_numbers(self.samples_path, "label")[0]

    def labels_to_learn(self) -> np.ndarray:
        """Return the labels (N,) that anything may learn from: those of locked samples are -1, as if they had none."""
        return np.where(self.locked(), np.int32(-1), self.labels())

    def locked(self) -> np.ndarray:
        """Return which samples are locked, (N,) bool."""
        from avhcurate.workspace.data.logs import locked_paths

        return pc.is_in(self.column("path"), locked_paths(self._workspace, self.id)).to_numpy()

    @property
    def labelled(self) -> int:
        """The number of the event that labelled its images by votes, 0 for none."""
        return (self.record.changes or ClassChanges()).labelled

    @property
    def locked_by(self) -> int:
        """The number of the event that locked a part of it, 0 where no part is locked."""
        # Half a second to import, which a list of datasets does without.
        from avhcurate.workspace.data.logs import lock_of

        lock = lock_of(self._workspace, self.id)
        return lock.id if lock else 0

    def lock_note(self) -> dict[str, int]:
        """Return what a digest of settings needs where labels are learnt from; nothing where no part is locked."""
        return {"locked": number} if (number := self.locked_by) else {}

    @property
    def _workspace(self) -> Path:
        return self.root.parents[1]

    def column(self, name: str) -> pa.ChunkedArray:
        return pq.read_table(self.samples_path, columns=[name])[name]

    def votes(self, id: int | None = None) -> "pd.DataFrame | None":
        """Return human votes, a row for each sample that has any, by id, or those of one sample; None without any.

        k-way: id, counts (a list of K int32, see `count_matrix`). tick: id, selected, shown.
        """
        record = self.record.votes
        if record is None:
            return None
        filters = None
        if id is not None:
            filters = [("id", "=", id)]
        return self._votes_today(pq.read_table(self.votes_path(record), filters=filters)).to_pandas()

    def votes_in_parts(self) -> Iterator[pa.RecordBatch | pa.Table]:
        """Yield the rows of `votes`, some at a time."""
        if record := self.record.votes:
            with pq.ParquetFile(self.votes_path(record)) as file:
                for batch in file.iter_batches(_ROWS_AT_ONCE):
                    yield self._votes_today(batch)

    def parent_votes(self) -> "pd.DataFrame":
        """Return the votes for what is no class but may be a parent: a row a sample by id, a column a name."""
        import pandas as pd

        record = self.record
        if record.votes is None or record.changes is None or not record.votes.classes:
            return pd.DataFrame()
        votes = pq.read_table(self.votes_path(record.votes))
        counts = pd.DataFrame(count_matrix(votes["counts"]), votes["id"].to_numpy(), record.votes.classes)
        return counts.loc[:, record.changes.numbers(record.votes.classes, record.classes) < 0]

    def _votes_today(self, votes: Any) -> Any:
        """Return rows of votes with counts of the classes of today.

        A vote for a class that was split is for the part that the image has, since nobody was asked which.
        """
        record = self.record
        if record.changes is None or "counts" not in votes.schema.names or not len(votes):
            return votes
        assert record.votes is not None
        numbers = record.changes.numbers(record.votes.classes or record.imported_classes, record.classes)
        counts = added_up(count_matrix(votes["counts"]), numbers, len(record.classes))
        label = self.labels()[votes["id"].to_numpy()]
        whole = np.append(record.changes.whole_numbers(record.classes), -1)[label]
        rows = np.flatnonzero(whole >= 0)
        counts[rows, label[rows]] += counts[rows, whole[rows]]
        counts[rows, whole[rows]] = 0
        some = counts.any(axis=1)
        ids = votes["id"].to_numpy()[some]
        return pa.table({"id": ids, "counts": pa.array(list(counts[some]), pa.list_(pa.int32()))})

    def images(self, ids: np.ndarray | None = None) -> ImageSource:
        """Return the images of all samples, or of those from the least to the greatest of some ids."""
        first = 0 if ids is None else int(ids.min())
        return ImageSource(self._columns(["_file", "_row"], ids), image_column=self.record.image_column, first=first)

    def paths(self, ids: np.ndarray) -> list[str]:
        """Return the paths of all samples from the least to the greatest of some ids."""
        paths: list[str] = self._columns(["path"], ids)["path"].to_pylist()
        return paths

    def _columns(self, names: list[str], ids: np.ndarray | None) -> pa.Table:
        """Read columns of all samples, or of those from the least to the greatest id: only their row groups."""
        if ids is None:
            return pq.read_table(self.samples_path, columns=names)
        between = [("id", ">=", int(ids.min())), ("id", "<=", int(ids.max()))]
        return pq.read_table(self.samples_path, columns=names, filters=between)

    @cached_property
    def thumbnails(self) -> ThumbnailStore:
        return ThumbnailStore(self.root / "thumbnails")

    @property
    def quality(self) -> QualityFolder:
        return QualityFolder(self.root / "quality")

    def run(self, name: str | None = None) -> RunFolder:
        """Return the run of that name, else the newest of that model; the default one when no name is given."""
        runs = self.runs()
        matches = [run for run in runs if run.name == name] or [run for run in runs if run.record.model == name]
        if name is None:
            matches = [run for run in [self.default_run] if run]
        if best := [run for run in matches if run.complete] or matches:
            return best[-1]
        names = ", ".join(run.name for run in runs) or "none"
        wanted = f"run {name!r}" if name else "complete run"
        raise CurateError(
            f"Dataset {self.name!r} has no {wanted}. Its runs: {names}.", fix=Run("score", self.name, model="MODEL")
        )

    @property
    def default_run(self) -> RunFolder | None:
        """Return the run that a person chose, else the first that was finished: a later one never replaces it.

        Runs that know no label of the locked part go before those that may, and those of the labels of today first.
        """
        complete = [run for run in self.runs() if run.complete]
        if len(complete) > 1:
            locked_by = self.locked_by
            complete.sort(
                key=lambda run: (
                    bool(run.today and run.today.relabelled),
                    run.record.knows(locked_by),
                    run.record.finished,
                    run.name,
                )
            )
        default = [run for run in complete if run.name == self.record.default_run]
        return next(iter([*default, *complete]), None)

    def runs(self) -> list[RunFolder]:
        """Return the model runs, complete or not, oldest first."""
        return [self.by_today(run) for run in RunFolder.all_of(self)]

    def by_today(self, run: RunFolder) -> RunFolder:
        """Return a run that follows what has become of the classes since it was made."""
        record = self.record
        changes = record.changes
        if changes is None:
            return run
        made = run.record
        names = made.classes
        more = made.num_classes > max(len(record.classes), len(record.imported_classes))
        if len(names) != made.num_classes or (more and not record.classes_declared):
            names = [stored_class(number, record.imported_classes) for number in range(made.num_classes)]
        numbers = changes.numbers(names, record.classes)
        relabelled = made.labelled != changes.labelled
        if relabelled or not np.array_equal(numbers, np.arange(len(record.classes))):
            run.today = Today(record.classes, numbers, self.labels, changes.key, relabelled)
        return run

    def training(self, name: str) -> TrainingFolder:
        """Return the training of that name whose held-out samples are of this dataset; an unknown one is refused."""
        return TrainingFolder.named(self, name)

    def trainings(self) -> list[TrainingFolder]:
        """Return the trainings whose held-out samples are of this dataset, complete or not, oldest first."""
        return TrainingFolder.all_of(self)

    def self_training(self, name: str) -> SelfTrainingFolder:
        """Return the self-training of that name whose target this dataset is; an unknown one is refused."""
        return SelfTrainingFolder.named(self, name)

    def self_trainings(self) -> list[SelfTrainingFolder]:
        """Return the self-trainings whose target this dataset is, complete or not, oldest first."""
        return SelfTrainingFolder.all_of(self)

    def write(self, record: DatasetRecord, samples: pa.Table) -> None:
        write_parquet(self.imported_path, samples)
        self.write_record(record)


def count_matrix(counts: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Count (N, K) of a column of lists of K, without a Python object a sample."""
    if not len(counts):
        return np.zeros((0, 0), np.int32)
    return pc.list_flatten(counts).to_numpy().reshape(len(counts), -1)
