"""Part of a dataset, by a condition, with the labels to train on or to evaluate by."""

from dataclasses import dataclass, replace

import numpy as np

from avhcurate.data.datasets import DatasetFolder, DatasetRecord
from avhcurate.data.runs import RunFolder
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters


@dataclass(frozen=True)
class Subset:
    """Samples of a dataset: ids (n,) ascending, labels (n,) with -1 for none, and the run that holds their features.

    where: the condition that they satisfy, or which they are in words. left_out: how many satisfy it but have no finite
    embedding, or no readable image.
    """

    dataset: DatasetFolder
    ids: np.ndarray
    labels: np.ndarray
    where: str = ""
    run: RunFolder | None = None
    left_out: int = 0

    def only(self, chosen: np.ndarray) -> "Subset":
        """The samples for which `chosen` (n,) is true."""
        return replace(self, ids=self.ids[chosen], labels=self.labels[chosen])

    def readable(self, chosen: np.ndarray) -> "Subset":
        """As `only`; counts the others as left out."""
        return replace(self.only(chosen), left_out=self.left_out + int((~chosen).sum()))


def read_subset(table: DatasetTable, filters: Filters, *, label: str = "label", scored: bool = False) -> Subset:
    """The samples that satisfy `filters`, labelled by a column; `scored`: only those that the run has embedded."""
    columns = ["id", label, "predicted"] if scored else ["id", label]
    frame = table.frame(filters, columns=columns).sort_values("id")
    labels = frame[label].fillna(-1).to_numpy(np.int64)
    run = table.run if scored else None
    subset = Subset(table.dataset, frame["id"].to_numpy(np.int64), labels, filters.where, run)
    return subset.readable(frame["predicted"].notna().to_numpy()) if scored else subset


def rest_of(where: str) -> str:
    """The condition of all other samples, also of those for which this one is neither true nor false.

    >>> rest_of("domain = 'photo'")
    "(domain = 'photo') IS NOT TRUE"
    """
    return f"({where}) IS NOT TRUE"


def same_classes(record: DatasetRecord, other: DatasetRecord) -> bool:
    """Whether the other dataset has the same classes in the same order, or begins with them where it declares none.

    Classes that are bare integers number as many as occur; a dataset may have no label at all.
    """
    return other.classes == (record.classes if other.classes_declared else record.classes[: len(other.classes)])
