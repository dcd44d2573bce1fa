"""Attaches human votes to a dataset: matches answers with samples and classes, and counts them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.errors import CurateError, Option
from avhcurate.people.files import VoteSheet, counts_of_lists, read_vote_files
from avhcurate.people.files.sheet import check_shape
from avhcurate.people.hsf import count_answers, count_ticks
from avhcurate.people.row_matching import match_samples
from avhcurate.people.votes_first import add_classes, came_without_labels, classes_to_add, label_by_votes
from avhcurate.workspace.data.class_lists import class_numbers, columns_of, order_notes
from avhcurate.workspace.data.dataset_records import VotesRecord
from avhcurate.workspace.data.datasets import DatasetFolder, count_matrix
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import write_parquet
from avhcurate.workspace.disk.fingerprints import fingerprint_table
from avhcurate.workspace.disk.jobs import SILENT, Progress

_OF_COLUMN = "column of the source: "
_STOPPED = "cancelled before the votes were attached"


def attach_votes(
    workspace: Workspace,
    name: str,
    file: Path | str | Sequence[Path],
    *,
    classes: Sequence[str] = (),
    simulated: bool = False,
    note: str = "",
    force: bool = False,
    progress: Progress = SILENT,
) -> VotesRecord:
    """Attach the votes of a file or several (see `read_vote_files`) in place of those attached before.

    `classes` are the classes in the order of the columns of counts, where it is not the dataset's. Where images came
    without labels they are those that may be voted for, by default what is answered, and votes label the images.
    Votes of another kind, or simulated in place of real ones, are replaced only with `force`; the same votes are no
    longer marked as simulated only with `force`. Rows that match no sample are left out and reported in the record's
    messages; when none matches, the file is refused. Cancelled before they are written, it leaves the votes unchanged.
    """
    progress.report(0, 0, "reading the votes")
    files = [Path(file)] if isinstance(file, Path | str) else list(file)
    sheet = progress.waiting(lambda: read_vote_files(files, workspace.dataset(name)), _STOPPED)
    source = ", ".join(str(path.absolute()) for path in files)
    with workspace.lock(name):
        folder = workspace.dataset(name)
        return attach_sheet(
            folder,
            sheet,
            source,
            classes=classes,
            simulated=simulated,
            note=note,
            force=force,
            progress=progress,
        )


def attach_sheet(
    folder: DatasetFolder,
    sheet: VoteSheet,
    source: str,
    *,
    classes: Sequence[str] = (),
    simulated: bool = False,
    progress: Progress = SILENT,
    **options: Any,
) -> VotesRecord:
    """Attach votes that were read already, and label images by them that came without labels.

    The caller holds the dataset's lock. `options` are those of `attach`.
    """
    new, sheet = classes_to_add(folder, sheet, classes)
    votes, messages = progress.waiting(lambda: counted(sheet, folder, classes, new), _STOPPED)
    messages = [*add_classes(folder, new, sheet), *messages]
    if sheet.simulated and not simulated:
        messages = [*messages, "the file says that its votes are simulated"]
    simulated = simulated or sheet.simulated
    record = attach(folder, votes, source=source, messages=messages, simulated=simulated, **options)
    if labelled := label_by_votes(folder):
        return record.model_copy(update={"messages": [*record.messages, str(labelled)]})
    return record


def attach_column(folder: DatasetFolder, column: pa.ChunkedArray, title: str, *, force: bool = False) -> VotesRecord:
    """Attach a column of the source that holds K counts per sample; the caller holds the dataset's lock."""
    ids, counts = counts_of_lists(column, title)
    votes = _counts_table(ids, counts)
    message = f"human votes were found in column {title!r} ({len(votes)} images)"
    notes = order_notes([], folder.record.classes, folder.labels()[ids], _most_votes(counts))
    return attach(folder, votes, source=f"{_OF_COLUMN}{title!r}", messages=[message, *notes], force=force)


def attach(
    folder: DatasetFolder,
    votes: pa.Table,
    *,
    source: str,
    messages: list[str],
    simulated: bool = False,
    note: str = "",
    force: bool = False,
    classes: Sequence[str] = (),
) -> VotesRecord:
    """Write a table of votes (k-way: id, counts; tick: id, selected, shown) and its record.

    classes: of the columns of counts, by default those of the dataset.
    """
    if not len(votes):
        raise CurateError(f"{source} has no vote for any image. Nothing was attached.")
    record = folder.record
    before = record.votes
    after = VotesRecord(
        kind="k-way" if "counts" in votes.column_names else "tick",
        simulated=simulated,
        source=source,
        total=_total(votes),
        samples=len(votes),
        fingerprint=fingerprint_votes(votes),
        note=note,
        messages=messages,
    )
    if record.changes is not None and after.kind == "k-way":
        after.classes = list(classes) or record.answers[: len(votes["counts"][0])]
    if before is not None and before.fingerprint != after.fingerprint:
        after.messages = [*messages, f"they replace {before.total} votes from {before.source}"]
    if before is not None and not force:
        _refuse_mixing(before, after)
    write_parquet(folder.votes_path(after), votes)
    folder.write_record(record.model_copy(update={"votes": after}))
    if before is not None and folder.votes_path(before) != folder.votes_path(after):
        folder.votes_path(before).unlink(missing_ok=True)
    return after


def from_column(record: VotesRecord) -> bool:
    """Return whether a column of the source holds the votes, which an import reads again."""
    return record.source.startswith(_OF_COLUMN)


def _refuse_mixing(before: VotesRecord, after: VotesRecord) -> None:
    """Refuse votes that are not the same measure as those attached before, and what would hide which are simulated."""
    unmarked = before.simulated and not after.simulated and before.fingerprint == after.fingerprint
    if before.kind != after.kind or unmarked or (after.simulated and not before.simulated):
        called = {True: "simulated", False: "real"}
        raise CurateError(
            f"The {called[before.simulated]} {before.kind} votes from {before.source} are attached, and these are "
            f"{called[after.simulated]} {after.kind} votes.",
            fix=f"Use {Option('force', True)} to replace them",
        )


def carry_votes(old: DatasetFolder, new: DatasetFolder, classes: Sequence[str]) -> VotesRecord | None:
    """Take votes over to a new version of a dataset, by path and class name; None without any.

    `classes`: those of the old version under the names that they have now. The messages say what is lost: those of the
    votes, or of the dataset where none is left.
    """
    before = old.record.votes
    record = new.record
    if before is None:
        return None
    samples = pq.read_table(new.samples_path, columns=["path", "label"])
    votes, lost = votes_that_fit(old, samples, classes, record.classes)
    if not len(votes):
        message = f"the {before.total} votes from {before.source} were dropped: {'; '.join(lost)}"
        new.write_record(record.model_copy(update={"messages": [*record.messages, message]}))
        return None
    message = f"kept from the import before ({before.samples - len(votes)} images with votes are gone)"
    messages = [*before.messages, "; dropped: ".join([message, *lost])]
    return attach(
        new,
        votes,
        source=before.source,
        messages=messages,
        simulated=before.simulated,
        note=before.note,
        force=True,
        classes=before.classes,
    )


def votes_that_fit(
    old: DatasetFolder, samples: pa.Table, before: Sequence[str], classes: Sequence[str]
) -> tuple[pa.Table, list[str]]:
    """Return attached votes as a new version can hold them, and what is lost, in words.

    samples: its `path, label` by id. before, classes: class names of the old version and of the new one.
    """
    record = old.record.votes
    was = pq.read_table(old.samples_path, columns=["path", "label"])
    assert record is not None
    votes = pq.read_table(old.votes_path(record))
    numbers = class_numbers(before, classes)
    was = was.take(votes["id"])
    ids = pc.index_in(was["path"], value_set=samples["path"].combine_chunks()).cast(pa.int64())
    votes = votes.set_column(0, "id", ids)
    lost = {"votes of images that are gone": _total(votes.filter(pc.is_null(ids)))}
    label = pa.array([*numbers.tolist(), -1]).take(was["label"].fill_null(len(numbers))).filter(pc.is_valid(ids))
    votes = votes.filter(pc.is_valid(ids))
    if record.kind == "tick":  # a tick says nothing about another label
        same = pc.fill_null(pc.equal(label, samples["label"].take(votes["id"])), False)
        lost["votes of images that have another label now"] = _total(votes.filter(pc.invert(same)))
        votes = votes.filter(same)
    elif len(votes) and not record.classes:
        counts = count_matrix(votes["counts"])
        moved = np.zeros((len(counts), len(classes)), np.int32)
        moved[:, numbers[numbers >= 0]] = counts[:, numbers >= 0]
        for number in np.flatnonzero(numbers < 0).tolist():
            lost[f"votes for {before[number]}, which is no longer a class"] = int(counts[:, number].sum())
        votes = _counts_table(votes["id"].to_numpy(), moved)
    return votes.sort_by("id"), [f"{number} {title}" for title, number in lost.items() if number]


def _total(votes: pa.Table) -> int:
    column = pc.list_flatten(votes["counts"]) if "counts" in votes.column_names else votes["shown"]
    return int(pc.sum(column).as_py() or 0)


def fingerprint_votes(votes: pa.Table) -> str:
    if "counts" not in votes.column_names:
        return fingerprint_table(votes)
    flat = pa.table({"counts": pc.list_flatten(votes["counts"])})
    return fingerprint_table(votes.select(["id"]), fingerprint_table(flat))


def counted(
    sheet: VoteSheet, folder: DatasetFolder, order: Sequence[str] = (), added: Sequence[str] = ()
) -> tuple[pa.Table, list[str]]:
    """Return votes by id of a dataset, and what the user should know: rows left out, the order of classes of counts.

    added: classes that the dataset is about to have more.
    """
    record = folder.record
    classes = [*record.classes, *added]
    samples = pq.read_table(folder.samples_path, columns=["path", "label"])
    if sheet.counts is not None:
        check_shape(sheet.counts.shape, len(samples), classes, named=bool(sheet.samples))
    ids, messages = match_samples(sheet, samples["path"])
    rows = np.flatnonzero(ids >= 0)
    messages = [*sheet.messages, *messages]
    labels = samples["label"].fill_null(-1).to_numpy()
    if sheet.counts is not None:
        counts = sheet.counts[rows][:, columns_of(order, classes)]
        notes = order_notes(order, classes, labels[ids[rows]], _most_votes(counts))
        sums = pd.DataFrame(counts).groupby(ids[rows]).sum()
        return _counts_table(sums.index.to_numpy(), sums.to_numpy()), messages + notes
    if order and not came_without_labels(folder):
        raise CurateError(f"The file has answers and no matrix of counts. Leave {Option('classes')} out.")
    assert sheet.answers is not None
    answers = sheet.answers.iloc[rows].assign(sample=ids[rows])
    if "selected" in answers:
        votes, notices = _of_ticks(answers, labels, classes)
    else:
        parents = answers["label"].isin(record.answers[len(record.classes) :])
        if parents.any():  # else a number may name a class
            classes = record.answers
            messages.append(f"{parents.sum()} answers name a parent: they count for HSF of the parent, not of a class")
        voted, counts, notices = count_answers(answers, classes)
        votes = _counts_table(voted, counts)
    return votes, messages + notices


def _most_votes(counts: np.ndarray) -> np.ndarray:
    """Return the class with most votes of each row, -1 without votes."""
    return np.where(counts.any(axis=1), counts.argmax(axis=1), -1)


def _of_ticks(answers: pd.DataFrame, labels: np.ndarray, classes: list[str]) -> tuple[pa.Table, list[str]]:
    """Return ticks for the class that is a sample's label; for other classes they say nothing about that label."""
    label = labels[answers["sample"]]
    if "class" not in answers:
        answers = answers.assign(**{"class": np.array([*classes, ""], object)[label]})
    answers = answers[label >= 0]
    if answers.empty:
        raise CurateError("No row is about an image that has a label. Ticks are counted for the given label.")
    ticks, messages = count_ticks(answers, classes)
    table = ticks[ticks["label"] == labels[ticks["sample"]]]
    others = int(ticks["shown"].sum() - table["shown"].sum())
    if others:
        messages = [f"{others} answers show a class that is not the image's label and were left out", *messages]
    columns = {"id": pa.array(table["sample"], pa.int64())}
    columns |= {name: pa.array(table[name], pa.int32()) for name in ("selected", "shown")}
    return pa.table(columns), messages


def _counts_table(ids: np.ndarray, counts: np.ndarray) -> pa.Table:
    """Return the k-way table of samples that have any vote."""
    voted = counts.sum(axis=1) > 0
    counts = counts[voted].astype(np.int32)
    offsets = np.arange(len(counts) + 1, dtype=np.int32) * counts.shape[1]
    lists = pa.ListArray.from_arrays(offsets, counts.ravel())
    return pa.table({"id": ids[voted].astype(np.int64), "counts": lists})
