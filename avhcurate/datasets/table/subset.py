"""Part of a dataset, by a condition, with the labels to train on or to evaluate by."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError, Option
from avhcurate.workspace.data.dataset_records import DatasetRecord
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder


@dataclass(frozen=True)
class Subset:
    """Samples of a dataset: ids (n,) ascending, labels (n,) with -1 for none, and the run that holds their features.

    where: the condition that they satisfy, or a description. left_out: how many satisfy it but have no finite
    embedding, or no readable image. locked: as of `WorkRecord`.
    """

    dataset: DatasetFolder
    ids: np.ndarray
    labels: np.ndarray
    where: str = ""
    run: RunFolder | None = None
    left_out: int = 0
    locked: int = 0

    @property
    def digest(self) -> str:
        """Return a text that changes with the dataset, the samples and their labels."""
        content = self.ids.tobytes() + self.labels.tobytes()
        return f"{self.dataset.record.fingerprint} {hashlib.sha256(content).hexdigest()}"

    def only(self, mask: np.ndarray) -> "Subset":
        """Return the samples for which `mask` (n,) is true."""
        return replace(self, ids=self.ids[mask], labels=self.labels[mask])

    def readable(self, mask: np.ndarray) -> "Subset":
        """Return the same, and count the others as left out."""
        return replace(self.only(mask), left_out=self.left_out + int((~mask).sum()))


def read_subset(
    samples: SampleTable,
    run: RunFolder | None,
    dataset: DatasetFolder,
    filters: Filters,
    *,
    label: str = "label",
    scored: bool = False,
) -> Subset:
    """Return the samples that satisfy `filters`, labelled by a column; `scored`: only those embedded by the run.

    Locked samples have no label.
    """
    frame = samples.frame(filters, columns=list({"id", label, "predicted"}))
    ids = frame["id"].to_numpy(np.int64)
    labels = frame[label].fillna(-1).to_numpy(np.int64)
    locked_by = dataset.locked_by
    labels = np.where(dataset.locked()[ids], -1, labels)
    subset = Subset(dataset=dataset, ids=ids, labels=labels, where=filters.where, locked=locked_by)
    if not scored:
        return subset
    return replace(subset, run=run).readable(frame["predicted"].notna().to_numpy())


def rest_of(condition: str) -> str:
    """Return the condition of all other samples, also of those for which this one is neither true nor false.

    >>> rest_of("domain = 'photo'")
    "(domain = 'photo') IS NOT TRUE"
    """
    return f"({condition}) IS NOT TRUE"


def same_classes(record: DatasetRecord, other: DatasetRecord) -> bool:
    """Return whether the other dataset has the same classes in the same order, or begins with them if it declares none.

    Classes that are bare integers number as many as occur; a dataset may have no label at all.
    """
    if other.classes_declared:
        return other.classes == record.classes
    return other.classes == record.classes[: len(other.classes)]


def refuse_other_classes(record: DatasetRecord, other: DatasetRecord) -> None:
    """Refuse a dataset whose classes are not the same in the same order: see `same_classes`."""
    if not same_classes(record, other):
        raise CurateError(
            f"{record.name!r} and {other.name!r} must have the same classes in the same order. "
            f"{_only_in(record, other)}. {_only_in(other, record)}."
        )


def refuse_overlap(first: Subset, second: Subset, of_first: Option, of_second: Option) -> None:
    """Refuse two parts of a dataset that share samples, which these options chose."""
    if both := len(np.intersect1d(first.ids, second.ids)):
        raise CurateError(
            f"{both} images satisfy both {of_first} and {of_second}.",
            fix="No image may be learnt from and evaluated: add (...) IS NOT TRUE to one of them",
        )


def _only_in(record: DatasetRecord, other: DatasetRecord) -> str:
    classes = sorted(set(record.classes) - set(other.classes))[:3]
    return f"Only in {record.name!r}: {', '.join(classes) or 'none'}"
