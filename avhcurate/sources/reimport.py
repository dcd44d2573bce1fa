"""What a forced import keeps of the version before, by path and by class name, and what it says of the rest."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.data.class_lists import under_new_names
from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.events import EventLog
from avhcurate.data.workspace import Workspace
from avhcurate.disk.columns import listed
from avhcurate.sources.source_table import SourceTable
from avhcurate.table.logs import open_events, open_response_log
from avhcurate.votes.attach import from_column, votes_that_fit
from avhcurate.votes.queues import SETTINGS

#: Folders of a dataset that hold a folder for each result; those of which there is one; those that stay.
_RESULTS = {
    "predictions": "prediction of HSF",
    "runs": "model run",
    "self-training": "self-training",
    "training": "training",
}
_OTHERS = {"quality": "measures of image quality", "thumbnails": "thumbnails"}
_STAYS = ("lists", "queues")


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
        """None where every class keeps its number, as when new ones come last."""
        old = old_classes(before, table)
        return None if old == table.classes[: len(old)] else cls(before.id, old, table.classes)

    @property
    def gone(self) -> list[str]:
        """Classes of which none has the name any more."""
        kept = set(self.new)
        return [name for name in self.old if name not in kept]

    def lost_labels(self, log: EventLog) -> int:
        """Samples whose relabel is of a class that is gone."""
        gone = set(self.gone)
        numbers = [number for number, name in enumerate(self.old) if name in gone]
        state = log.state(self.dataset, self.old)
        return int(state["curated_label"].isin(numbers).sum())


def old_classes(before: DatasetFolder, table: SourceTable) -> list[str]:
    """The classes of the version before, under their new names where they had only numbers."""
    record = before.record
    return under_new_names(record.classes, table.classes, declared=record.classes_declared)


def classes_message(workspace: Workspace, change: ClassChange) -> str:
    """What becomes of the labels that people have given."""
    text = "classes have other numbers than before: relabels, saved views and collections keep them by name"
    if lost := change.lost_labels(open_events(workspace)):
        text += f"; {lost} samples have their given label again, as there is no class {listed(change.gone, 4)} any more"
    return text


def collection_messages(workspace: Workspace, before: DatasetFolder, table: SourceTable) -> list[str]:
    """When a collection under way that draws asks about samples that the import brings."""
    settings = open_response_log(workspace).columns(before.id).choices.get(SETTINGS)
    new = len(set(table.samples["path"].to_pylist()) - set(before.samples(["path"])["path"]))
    if settings is None or not json.loads(settings).get("record") or not new:
        return []
    return [
        f"votes are being collected: the {new} new samples come when all others have, "
        "or among them once the settings of the collection are saved again"
    ]


def refusal(workspace: Workspace, before: DatasetFolder, table: SourceTable) -> str:
    """One line on how a source differs from what was imported under this name, and on what --force keeps and drops."""
    lost, change = _lost_votes(before, table), ClassChange.of(before, table)
    if change is not None and (labels := change.lost_labels(open_events(workspace))):
        lost.append(f"{labels} relabels as {listed(change.gone, 4)}")
    goes = ", ".join([*_results(before), *lost]) or "nothing"
    return (
        f"dataset {before.record.name!r} exists and the source has changed since ({_difference(before, table)}): "
        "choose another name, or --force to import it again, which keeps votes and what people decided, by path and "
        f"class name, and drops what was computed; what goes: {goes}"
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
    """The samples by path, with the names of their labels, "" for none."""
    frame, names = samples.to_pandas().set_index("path"), np.array([*classes, ""], object)
    return frame.assign(label=names[frame["label"].fillna(-1).to_numpy(np.int64)])


def _lost_votes(before: DatasetFolder, table: SourceTable) -> list[str]:
    """Attached votes that the new version cannot hold, in words."""
    votes = before.record.votes
    if votes is None:
        return []
    if from_column(votes):
        return [] if table.votes is not None else [f"{votes.total} votes from {votes.source}"]
    _, lost = votes_that_fit(before, table.samples, old_classes(before, table), table.classes)
    return lost


def _results(before: DatasetFolder) -> list[str]:
    """What was computed on a dataset, in words; what an import makes again or carries over is left out."""
    found = []
    for folder in sorted(path for path in before.root.iterdir() if path.is_dir() and path.name not in _STAYS):
        what, number = _RESULTS.get(folder.name), sum(path.is_dir() for path in folder.iterdir())
        if what is None:
            found.append(_OTHERS.get(folder.name, f"the folder {folder.name}"))
        elif number:
            found.append(f"{number} {what}{'' if number == 1 else 's'}")
    return found
