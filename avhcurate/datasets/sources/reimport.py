"""What a forced import keeps of the version before, by path and by class name, and what it drops."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.datasets.sources.source_table import SourceTable
from avhcurate.datasets.table.logs import open_events, open_response_log
from avhcurate.people.attach import from_column, votes_that_fit
from avhcurate.people.queues import SETTINGS
from avhcurate.workspace.data.class_lists import under_new_names
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.events import EventLog
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.columns import listed

#: Folders of a dataset with computed results, and what they are.
_RESULTS = {
    "predictions": "predictions of HSF",
    "runs": "model runs",
    "self-training": "self-trainings",
    "training": "trainings",
}


@dataclass(frozen=True)
class ClassChange:
    """The classes of a dataset that an import gives other numbers: what people wrote by number is kept by name.

    `old`: see `old_classes`.
    """

    dataset: str
    old: list[str]
    new: list[str]

    @classmethod
    def of(cls, before: DatasetFolder, table: SourceTable) -> "ClassChange | None":
        """Return None if every class keeps its number, as when new ones come last."""
        old = old_classes(before, table)
        if old == table.classes[: len(old)]:
            return None
        return cls(before.id, old, table.classes)

    @property
    def gone(self) -> list[str]:
        """Classes whose name no longer exists."""
        kept = set(self.new)
        return [name for name in self.old if name not in kept]

    def lost_labels(self, log: EventLog) -> int:
        """Return the number of samples with a relabel to a class that is gone."""
        numbers = [number for number, name in enumerate(self.old) if name in self.gone]
        state = log.state(self.dataset, self.old)
        return int(state["curated_label"].isin(numbers).sum())

    def message(self, workspace: Workspace) -> str:
        """Return what becomes of the labels that people have given."""
        text = "classes have other numbers than before: relabels, saved views and collections keep them by name"
        if lost := self.lost_labels(open_events(workspace)):
            text += f"; {lost} samples have their given label again, as the class {listed(self.gone, 4)} is gone"
        return text


def old_classes(before: DatasetFolder, table: SourceTable) -> list[str]:
    """Return the classes of the version before, under their new names if they had only numbers."""
    record = before.record
    return under_new_names(record.classes, table.classes, declared=record.classes_declared)


def collection_messages(workspace: Workspace, before: DatasetFolder, table: SourceTable) -> list[str]:
    """Return when a collection of votes that draws samples asks about new ones."""
    settings = open_response_log(workspace).columns(before.id).choices.get(SETTINGS)
    new = len(set(table.samples["path"].to_pylist()) - set(before.samples(["path"])["path"]))
    if settings is None or not json.loads(settings).get("record") or not new:
        return []
    return [
        f"votes are being collected: the {new} new samples come when all others have, "
        "or among them once the settings of the collection are saved again"
    ]


def refusal(workspace: Workspace, before: DatasetFolder, table: SourceTable) -> str:
    """Return one line on how a source differs from what was imported under this name, and what --force would drop."""
    lost, change = _results(before), ClassChange.of(before, table)
    votes = before.record.votes
    if votes is not None and from_column(votes):
        if table.votes is None:
            lost.append(f"{votes.total} votes from {votes.source}")
    elif votes is not None:
        lost += votes_that_fit(before, table.samples, old_classes(before, table), table.classes)[1]
    if change is not None and (labels := change.lost_labels(open_events(workspace))):
        lost.append(f"{labels} relabels as {listed(change.gone, 4)}")
    return (
        f"The dataset {before.record.name!r} exists and the source has changed since ({_difference(before, table)}). "
        "Choose another name, or use --force to import it again. That keeps votes and what people decided, by path and "
        f"class name, and drops computed results: {listed(lost, 20)}."
    )


def _difference(before: DatasetFolder, table: SourceTable) -> str:
    columns = ["path", "split", "label"]
    old = _with_class_names(pq.read_table(before.samples_path, columns=columns), old_classes(before, table))
    new = _with_class_names(table.samples.select(columns), table.classes)
    both = old.index.intersection(new.index)
    changes = {
        "added": len(new) - len(both),
        "gone": len(old) - len(both),
        "with another label": int((old["label"][both] != new["label"][both]).sum()),
        "in another split": int((old["split"].fillna("")[both] != new["split"].fillna("")[both]).sum()),
    }
    parts = [f"{number} samples {change}" for change, number in changes.items() if number]
    if before.record.classes != table.classes:
        parts.append(f"classes {listed(before.record.classes, 4)} became {listed(table.classes, 4)}")
    if (column := before.record.image_column) != table.image_column:
        parts.append(f"the images are of column {table.image_column!r}, not {column!r}")
    return "; ".join(parts) or "files or columns differ, though paths and labels are the same"


def _with_class_names(samples: pa.Table, classes: list[str]) -> pd.DataFrame:
    """Return the samples by path, with the names of their labels, "" for none."""
    frame, names = samples.to_pandas().set_index("path"), np.array([*classes, ""], object)
    return frame.assign(label=names[frame["label"].fillna(-1).to_numpy(np.int64)])


def _results(before: DatasetFolder) -> list[str]:
    """Return what was computed on a dataset, in words."""
    found = []
    for name, what in _RESULTS.items():
        if number := len([path for path in (before.root / name).glob("*") if path.is_dir()]):
            found.append(f"{number} {what}")
    if (before.root / "quality").is_dir():
        found.append("measures of image quality")
    return found
