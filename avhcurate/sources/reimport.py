"""What a forced import keeps of the version before, by path and by class name, and what it says of the rest."""

from dataclasses import dataclass

from avhcurate.data.annotation_log import AnnotationLog
from avhcurate.data.class_lists import under_new_names
from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.people import acting
from avhcurate.data.workspace import Workspace
from avhcurate.disk.columns import listed
from avhcurate.sources.source_table import SourceTable
from avhcurate.table.logs import open_annotations


@dataclass(frozen=True)
class ClassChange:
    """The classes of a dataset that an import gives other numbers: what people wrote by number is kept by name.

    `old`: see `old_classes`.
    """

    name: str
    old: list[str]
    new: list[str]

    @classmethod
    def of(cls, before: DatasetFolder, table: SourceTable) -> "ClassChange | None":
        """None where every class keeps its number, as when new ones come last."""
        old = old_classes(before, table)
        return None if old == table.classes[: len(old)] else cls(before.name, old, table.classes)

    @property
    def gone(self) -> list[str]:
        """Classes of which none has the name any more."""
        kept = set(self.new)
        return [name for name in self.old if name not in kept]

    def lost_labels(self, log: AnnotationLog) -> int:
        """Samples whose relabel is of a class that is gone."""
        gone = set(self.gone)
        numbers = [number for number, name in enumerate(self.old) if name in gone]
        state = log.state(self.name, log.class_lists(self.name, self.old))
        return int(state["curated_label"].isin(numbers).sum())

    def end_old(self, workspace: Workspace) -> None:
        """Writes into the log which classes its entries mean, which is true also if the import goes no further."""
        open_annotations(workspace).end_classes(self.name, self.old, who=acting().name or "import")


def old_classes(before: DatasetFolder, table: SourceTable) -> list[str]:
    """The classes of the version before, under their new names where they had only numbers."""
    record = before.record
    return under_new_names(record.classes, table.classes, declared=record.classes_declared)


def classes_message(workspace: Workspace, change: ClassChange) -> str:
    """What becomes of the labels that people have given."""
    text = "classes have other numbers than before: relabels, saved views and collections keep them by name"
    if lost := change.lost_labels(open_annotations(workspace)):
        text += f"; {lost} samples have their given label again, as there is no class {listed(change.gone, 4)} any more"
    return text
