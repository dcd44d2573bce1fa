"""Labels of images that came without any: the classes that people vote for, and the class that their votes come to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from avhcurate.errors import CurateError, Option
from avhcurate.people.counting import VoteCounter
from avhcurate.people.files import VoteSheet
from avhcurate.people.files.sheet import check_shape
from avhcurate.people.hsf import without_blanks
from avhcurate.people.log import open_response_log
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.event import LABEL_BY_VOTES
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.tabular import whole_numbers

#: Classes that votes may name: more are no classes, but names or remarks.
_MOST_CLASSES = 10_000
#: Characters of the name of a class, at most.
_LONGEST = 100


def came_without_labels(folder: DatasetFolder) -> bool:
    """Return whether no image of a dataset had a label at import: then its labels are what people vote for."""
    return not (whole_numbers(folder.imported_path, "label")[0] >= 0).any()


def consensus(counts: np.ndarray) -> np.ndarray:
    """Return the class (n,) that votes (n, K) come to: the one with most of them, -1 where several have as many.

    >>> consensus(np.array([[2, 1], [1, 1], [0, 3]])).tolist()
    [0, -1, 1]
    """
    most = counts.max(axis=1, keepdims=True)
    alone = (counts == most).sum(axis=1) == 1
    return np.where(alone & (most[:, 0] > 0), counts.argmax(axis=1), -1)


#: What `consensus` is called where labels are said to come from it.
RULE = "majority"


@dataclass(frozen=True)
class VotedLabels:
    """How many images were labelled by votes, and how many with votes have no label, since none has most of them."""

    labelled: int
    tied: int
    by: str

    def __str__(self) -> str:
        """
        >>> str(VotedLabels(labelled=96, tied=4, by="majority of 300 votes"))
        '96 images are labelled by the majority of 300 votes; 4 are tied and have no label'
        """
        text = f"{self.labelled:,} images are labelled by the {self.by}"
        if self.tied:
            text += f"; {self.tied:,} are tied and have no label"
        return text


def label_by_votes(folder: DatasetFolder) -> VotedLabels | None:
    """Label images by the votes that HSF uses; None where there are none, or where images came with labels.

    It is an entry of the history, in place of the labels by votes before; none where nothing is new.
    """
    if not came_without_labels(folder):
        return None
    counter = VoteCounter(folder, open_response_log(folder.root.parents[1]))
    votes = counter.by_sample()
    if votes is None or "counts" not in votes or votes.empty:
        return None
    total = int(counter.counts.votes.sum())
    by = f"{RULE} of {total:,} votes"
    if counter.record is not None and counter.record.simulated:
        by = f"{RULE} of {total:,} simulated votes"
    label = consensus(np.stack(votes["counts"].to_list()))
    ids = votes["id"].to_numpy()[label >= 0]
    found = VotedLabels(labelled=len(ids), tied=len(votes) - len(ids), by=by)
    after = np.full(folder.record.samples, -1)
    after[ids] = label[label >= 0]
    if np.array_equal(after, folder.labels()) and by == folder.record.labels_by:
        return found
    paths = folder.samples(["path"])["path"].to_numpy(object)[ids].tolist()
    names = np.array(folder.record.classes, object)[after[ids]].tolist()
    _change(folder, LABEL_BY_VOTES, by, parts=dict(zip(paths, names, strict=True)))
    return found


def classes_to_add(folder: DatasetFolder, sheet: VoteSheet, order: Sequence[str] = ()) -> tuple[list[str], VoteSheet]:
    """Return the classes that a dataset without labels lacks for some votes, and these by the names of today.

    They are those of `order`, and where nobody has named classes, what is answered. A dataset whose images came with
    labels lacks none, nor does any for ticks.
    """
    ticks = sheet.answers is not None and "selected" in sheet.answers
    if ticks or not came_without_labels(folder):
        return [], sheet
    record = folder.record
    known = record.classes
    answered: list[str] = []
    if sheet.answers is not None:
        names = without_blanks(sheet.answers["label"], known).astype("str").str.strip()
        changed = record.changes.names if record.changes else {}
        names = names.map(lambda name: changed.get(name, name), na_action="ignore")
        names = names.mask(names == "")  # for a class that was retired
        sheet = replace(sheet, answers=sheet.answers.assign(label=names.astype(object).where(names.notna(), None)))
        answered = sorted(names.dropna().unique().tolist())
    elif not known and not order:
        raise CurateError(
            "The votes are counts, and the dataset has no classes yet.",
            fix=f"Name them in the order of the columns by {Option('classes', 'cat,dog')}",
        )
    else:
        check_shape(sheet.counts.shape, record.samples, order or known, named=bool(sheet.samples))  # type: ignore[union-attr]
    named = list(order)
    if not named and not _by_people(folder):
        numbers = known and not set(answered) & set(known)  # indices of classes
        named = [] if numbers else answered
    new = [name for name in dict.fromkeys(named) if name not in known]
    _check_names(new)
    return new, sheet


def add_classes(folder: DatasetFolder, names: Sequence[str], sheet: VoteSheet) -> list[str]:
    """Add the classes that votes need, as an entry of the history; return a note. The caller holds the lock."""
    if not names:
        return []
    _change(folder, "add class", listed(names, 20), added=list(names))
    return [f"classes by the votes: {_counted(names, sheet)}"]


def _by_people(folder: DatasetFolder) -> bool:
    """Return whether people have named the classes, at import or by adding them, so that votes add none."""
    record = folder.record
    if record.changes is None:
        return bool(record.classes)
    return bool(record.imported_classes) or (bool(record.classes) and not record.labels_by)


def _check_names(names: Sequence[str]) -> None:
    if len(names) > _MOST_CLASSES:
        raise CurateError(
            f"The votes name {len(names):,} classes.",
            fix=f"Give a column of classes, or name them by {Option('classes', 'cat,dog')}",
        )
    for name in names:
        if not name.strip() or len(name) > _LONGEST or not name.isprintable():
            raise CurateError(f"{name[:_LONGEST]!r} cannot be the name of a class.", fix="Correct the votes")


def _counted(names: Sequence[str], sheet: VoteSheet) -> str:
    """Return class names with their answers, by which one that was mistyped stands out."""
    if sheet.answers is None:
        return listed(names, 20)
    times = pd.Series(sheet.answers["label"]).value_counts()
    return listed([f"{name} ({times.get(name, 0):,})" for name in names], 20)


def _change(folder: DatasetFolder, action: str, value: str, **change: object) -> None:
    """Write a change of classes; the record says first that the log has one, so that every reader asks for it."""
    record = folder.record
    if not record.classes_changed:
        folder.write_record(record.model_copy(update={"classes_changed": True}))
    open_events(folder.root.parents[1]).change_classes(folder.id, action, value, **change)  # type: ignore[arg-type]
