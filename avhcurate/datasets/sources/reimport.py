"""What a forced import keeps of the version before, by path and by class name, and what it drops."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.datasets.sources.source_table import SourceTable
from avhcurate.datasets.table.logs import open_events
from avhcurate.errors import Option
from avhcurate.people.attach import from_column, votes_that_fit
from avhcurate.workspace.data.class_lists import under_new_names
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.columns import listed

#: Folders with computed results below that of a dataset, and what they are.
_RESULTS = {
    "predictions/*": "predictions of HSF",
    "runs/*": "model runs",
    "self-training/*": "self-trainings",
    "training/*": "trainings",
    "quality": "measures of image quality",
}


def old_classes(before: DatasetFolder, table: SourceTable) -> list[str]:
    """Return the classes of the version before, under their new names if they had only numbers."""
    record = before.record
    return under_new_names(record.classes, table.classes, declared=record.classes_declared)


def change_messages(workspace: Workspace, before: DatasetFolder, table: SourceTable) -> list[str]:
    """Return what becomes of the labels that people have given, where classes get other numbers."""
    old = old_classes(before, table)
    if old == table.classes[: len(old)]:
        return []
    kept = "classes have other numbers than before: relabels, saved views and collections keep them by name"
    lost = _lost_relabels(workspace, before, table)
    return [kept, *(f"{text}: these samples have their given label again" for text in lost)]


def refusal(workspace: Workspace, before: DatasetFolder, table: SourceTable) -> str:
    """Return one line on how a source differs from what was imported under this name, and what --force would drop."""
    votes = before.record.votes
    numbers = {what: len(list(before.root.glob(name))) for name, what in _RESULTS.items()}
    lost = [f"{number} {what}" for what, number in numbers.items() if number]
    if votes is not None and not from_column(votes):
        lost += votes_that_fit(before, table.samples, old_classes(before, table), table.classes)[1]
    elif votes is not None and table.votes is None:
        lost.append(f"{votes.total} votes from {votes.source}")
    lost += _lost_relabels(workspace, before, table)
    return (
        f"The dataset {before.record.name!r} exists and the source has changed since ({_difference(before, table)}). "
        f"Choose another name, or use {Option('force', True)} to import it again. That keeps votes and what people "
        f"decided, by path and class name, and drops computed results: {listed(lost, 20)}."
    )


def _lost_relabels(workspace: Workspace, before: DatasetFolder, table: SourceTable) -> list[str]:
    """Return how many samples have a relabel to a class that no longer exists, in words."""
    old = old_classes(before, table)
    gone = [number for number, name in enumerate(old) if name not in set(table.classes)]
    lost = int(open_events(workspace).state(before.id, old)["curated_label"].isin(gone).sum())
    if not lost:
        return []
    return [f"{lost} relabels as {listed([old[number] for number in gone], 4)}"]


def _difference(before: DatasetFolder, table: SourceTable) -> str:
    columns = ["path", "label"]
    old = _with_class_names(pq.read_table(before.samples_path, columns=columns), old_classes(before, table))
    new = _with_class_names(table.samples.select(columns), table.classes)
    both = old.merge(new, left_index=True, right_index=True, suffixes=("", " now"))
    changes = {
        "added": len(new) - len(both),
        "gone": len(old) - len(both),
        "with another label": int((both["label"] != both["label now"]).sum()),
    }
    parts = [f"{number} samples {change}" for change, number in changes.items() if number]
    if before.record.classes != table.classes:
        parts.append(f"classes {listed(before.record.classes, 4)} became {listed(table.classes, 4)}")
    return "; ".join(parts) or "files or columns differ, though paths and labels are the same"


def _with_class_names(samples: pa.Table, classes: list[str]) -> pd.DataFrame:
    """Return the names of the labels by path, "" for none."""
    names = pa.array([*classes, ""]).take(samples["label"].fill_null(len(classes)))
    return pd.DataFrame({"label": names.to_numpy()}, index=samples["path"].to_numpy())
