"""Import a source into the workspace as a dataset, without copying its images."""

import itertools
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.datasets.sources.addresses import check_source, stem_of
from avhcurate.datasets.sources.exif_columns import as_kept
from avhcurate.datasets.sources.hubs import fetch_hub
from avhcurate.datasets.sources.reading import read_source
from avhcurate.datasets.sources.source_table import ImportOptions, SourceTable
from avhcurate.datasets.sources.votes import attach_or_check, label, votes_named
from avhcurate.errors import CurateError, Option, Text
from avhcurate.people.attach import attach_column, carry_votes, from_column, votes_that_fit
from avhcurate.people.files import VoteSheet, read_vote_files
from avhcurate.people.queues import carry_records
from avhcurate.people.votes_first import came_without_labels
from avhcurate.workspace.data.class_lists import under_new_names
from avhcurate.workspace.data.dataset_records import DatasetRecord
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.download import FirstChecksums
from avhcurate.workspace.disk.files import user_path, write_parquet
from avhcurate.workspace.disk.fingerprints import fingerprint_table
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.remote import is_url

#: Folders with computed results below that of a dataset, and what they are.
_RESULTS = {
    "predictions/*": "predictions of HSF",
    "runs/*": "model runs",
    "self-training/*": "self-trainings",
    "training/*": "trainings",
    "quality": "measures of image quality",
}
#: How the name of a dataset of the hub begins.
_HUB = "hf:"


def import_dataset(
    workspace: Workspace,
    name: str,
    source: Path | str,
    *,
    votes: str | Path | Sequence[str] | None = None,
    force: bool = False,
    progress: Progress = SILENT,
    **options: Any,
) -> DatasetFolder:
    """Import `source` as dataset `name`; the record's messages say what the user should know.

    `source`: a folder of classes or a CSV, JSON lines or Parquet manifest, here or at an address, a Parquet file or
    folder with image bytes, `list:FILE`, `wds:PATTERN` or `hf:REPO`; a folder that holds the workspace is refused.
    `votes`: files, or a column of the source; they label images that came without labels. `options` are fields of
    `ImportOptions`. Importing the same source again changes nothing; a changed one is refused unless `force`, which
    drops what was computed on the version before (runs, trainings, measures, predictions), but keeps votes and what
    people decided, by path and class name. A dataset is imported whole, with its votes, or not at all. Downloads report
    megabytes; the same call resumes them. Cancelled before it is written, it leaves everything unchanged.
    """
    workspace.check_new(name)
    check_source(str(source))
    _refuse_around(workspace, source)
    location = source
    if str(source).startswith(_HUB) and not is_url(str(source)):
        first = FirstChecksums(workspace.checksums, accept=force)
        location = fetch_hub(str(source).removeprefix(_HUB), workspace.downloads / "hf", first=first, progress=progress)
    progress.report(0, 0, "reading names and labels")
    votes_column, files = votes_named(votes)

    def read() -> tuple[VoteSheet | None, SourceTable, str]:
        sheet = None
        if files:
            sheet = read_vote_files(files)
        table = read_source(location, ImportOptions(votes_column=votes_column, **options))
        _refuse_outside(workspace, str(location), table)
        return sheet, table, _fingerprint(table)

    sheet, table, fingerprint = progress.waiting(read, f"cancelled before dataset {name!r} was written")
    with workspace.lock(name):
        before = _existing(workspace, name, force=force)
        if before is not None and before.record.fingerprint == fingerprint:
            folder = before
            _refresh(folder, table, str(source), progress)
            if votes_column is not None and table.votes is not None:
                attach_column(folder, table.votes, votes_column, force=force)
        elif before is not None and not force:
            raise CurateError(_refusal(workspace, before, table))
        else:
            folder = _write(workspace, name, str(source), table, fingerprint, before, progress)
            _carry_or_attach(folder, table, before, named=votes_column is not None)
        titles = ", ".join(map(str, files))
        unlabelled = came_without_labels(folder)
        if sheet is not None:
            attach_or_check(folder, sheet, titles, first=unlabelled, force=force)
        folder = _in_place(workspace, name, folder, before, table)
        if unlabelled:
            label(folder, sheet, titles, force=force)
        return workspace.dataset(name)


def _in_place(
    workspace: Workspace, name: str, folder: DatasetFolder, before: DatasetFolder | None, table: SourceTable
) -> DatasetFolder:
    """Return the dataset, in its place, with the decisions that came with its source."""
    folder = workspace.dataset(name) if folder is before else workspace.adopt(name, folder)
    if table.brought is not None:
        table.brought.write(workspace.root, folder.id)
    return folder


def _refuse_around(workspace: Workspace, source: Path | str) -> None:
    """Refuse a folder that holds the workspace."""
    root = workspace.root.resolve()
    if user_path(source).is_dir() and root.is_relative_to(user_path(source).resolve()):
        raise CurateError(
            f"The workspace {root} lies inside {source}, and nothing is written there.",
            fix=f"Choose another with {Option('workspace')}",
        )


def _refuse_outside(workspace: Workspace, location: str, table: SourceTable) -> None:
    """Refuse a table out of an uploaded zip that names files of this machine which did not come in the zip."""
    uploads = workspace.uploads.absolute()
    path = Path(location).absolute()
    if not path.is_relative_to(uploads):
        return
    upload, *inside = path.relative_to(uploads).parts
    if len(inside) < 2:  # a table that was sent alone names what lies elsewhere
        return
    home = uploads / upload
    for file in pc.unique(table.samples["_file"]).to_pylist():
        if not (is_url(file) or Path(os.path.normpath(file)).is_relative_to(home)):
            raise CurateError(f"{path.name} in the zip names {file}, which is not in it. Put the images into the zip.")


def absolute(source: str) -> str:
    """Return a source as any folder calls it: the whole path of one that is on this machine.

    An address with a password is refused, before a job is started that would keep it.
    """
    check_source(source)
    path = user_path(source)
    if path.exists():
        return str(path.resolve())
    return source


def name_for(workspace: Workspace, source: str, called: str = "") -> str:
    """Return the name of the dataset that was imported from a source, else a free one like what the source is `called`.

    That is by default its path.
    """
    location = absolute(source)
    names = workspace.names()
    for name in names:
        with suppress(CurateError):  # a damaged one
            if absolute(workspace.dataset(name).record.source) == location:
                return name
    path = Path(called or location)
    stem = path.stem
    if is_url(source) and not called:
        stem = stem_of(source)
    elif path.is_dir():
        stem = path.name
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-")[:40] or "photos"
    taken = {name.casefold() for name in names}
    numbered = (f"{stem}-{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([stem], numbered) if name.casefold() not in taken)


def _write(
    workspace: Workspace,
    name: str,
    source: str,
    table: SourceTable,
    fingerprint: str,
    before: DatasetFolder | None,
    progress: Progress,
) -> DatasetFolder:
    """Return a staged folder with the samples, and with what is kept of the version before."""
    rows = as_kept(table.samples, progress)
    staged = workspace.create(name)
    shared = {name: getattr(table, name) for name in ("kind", "classes", "classes_declared", "image_column", "skipped")}
    samples = len(table.samples)
    record = DatasetRecord(name=name, source=source, samples=samples, fingerprint=fingerprint, **shared)
    record.messages.extend(table.messages)
    if before is not None:
        record.former_names.extend(before.record.former_names)
        record.default_run = before.record.default_run
        record.classes_changed = before.record.classes_changed
        harder = before.record.harder.items()
        record.harder.update({name: end for name, end in harder if name in table.samples.column_names})
        record.messages += _change_messages(workspace, before, table)
        carry_records(before, staged)
    staged.write(record, rows)
    return staged


def _fingerprint(table: SourceTable) -> str:
    """Return a hash of the paths, labels, the user's columns and sizes, but not of the folder that holds them."""
    return fingerprint_table(
        table.samples.drop_columns(["_file"]), table.kind, "\n".join(table.classes), *table.evidence
    )


def _existing(workspace: Workspace, name: str, *, force: bool) -> DatasetFolder | None:
    """Return the dataset of that name if there is one; a damaged one is an error unless `force`."""
    if name not in workspace.names():
        return None
    folder = workspace.dataset(name)
    folder.as_imported = True
    try:
        _ = folder.record
    except CurateError:
        if not force:
            raise
        return None
    return folder


def _refresh(folder: DatasetFolder, table: SourceTable, source: str, progress: Progress) -> None:
    """Update the paths of files that have moved, or write samples again that are damaged; the samples are the same."""
    files = None
    with suppress(OSError, pa.ArrowException):
        files = pq.read_table(folder.samples_path)["_file"]
    if files is None or files != table.samples["_file"].cast(files.type):
        write_parquet(folder.samples_path, as_kept(table.samples, progress))
    if folder.record.source != source:
        folder.write_record(folder.record.model_copy(update={"source": source}))


def _carry_or_attach(staged: DatasetFolder, table: SourceTable, before: DatasetFolder | None, *, named: bool) -> None:
    """Attach the votes of a new version: those of the source's column, or others attached to the version before."""
    attached = before and before.record.votes
    if before and attached and not from_column(attached) and not named:
        carry_votes(before, staged, _old_classes(before, table))
    elif table.votes is not None and table.votes_column is not None:
        attach_column(staged, table.votes, table.votes_column)
    elif attached:
        record = staged.record
        record.messages.append(
            f"the {attached.total} votes from {attached.source} were dropped: the source no longer has any"
        )
        staged.write_record(record)


# --- another import ------------------------------------------------------------------------------------------------


def _old_classes(before: DatasetFolder, table: SourceTable) -> list[str]:
    """Return the classes of the version before, under their new names if they had only numbers."""
    record = before.record
    return under_new_names(record.classes, table.classes, declared=record.classes_declared)


def _change_messages(workspace: Workspace, before: DatasetFolder, table: SourceTable) -> list[str]:
    """Return what becomes of the labels that people have given, where classes get other numbers."""
    old = _old_classes(before, table)
    if old == table.classes[: len(old)]:
        return []
    message = "classes have other numbers than before: relabels, saved views and collections keep them by name"
    lost = _lost_relabels(workspace, before, table)
    return [message, *(f"{text}: these images have their given label again" for text in lost)]


def _refusal(workspace: Workspace, before: DatasetFolder, table: SourceTable) -> Text:
    """Return one line on how a source differs from what was imported under this name, and what --force would drop."""
    votes = before.record.votes
    numbers = {title: len(list(before.root.glob(name))) for name, title in _RESULTS.items()}
    lost = [f"{number} {title}" for title, number in numbers.items() if number]
    if votes is not None and not from_column(votes):
        lost += votes_that_fit(before, table.samples, _old_classes(before, table), table.classes)[1]
    elif votes is not None and table.votes is None:
        lost.append(f"{votes.total} votes from {votes.source}")
    lost += _lost_relabels(workspace, before, table)
    return Text(
        f"The dataset {before.record.name!r} exists and the source has changed since ({_difference(before, table)}). "
        f"Choose another name, or use {Option('force', True)} to import it again. That keeps votes and what people "
        f"decided, by path and class name, and drops computed results: {listed(lost, 20)}."
    )


def _lost_relabels(workspace: Workspace, before: DatasetFolder, table: SourceTable) -> list[str]:
    """Return how many samples have a relabel to a class that no longer exists, in words."""
    old = _old_classes(before, table)
    classes = set(table.classes)
    removed = {number: name for number, name in enumerate(old) if name not in classes}
    relabels = open_events(workspace.root).state(before.id, old)["curated_label"].to_pylist()
    lost = sum(label in removed for label in relabels)
    if not lost:
        return []
    return [f"{lost} relabels as {listed(removed.values(), 4)}"]


def _difference(before: DatasetFolder, table: SourceTable) -> str:
    columns = ["path", "label"]
    old = _with_class_names(pq.read_table(before.samples_path, columns=columns), _old_classes(before, table))
    new = _with_class_names(table.samples.select(columns), table.classes)
    both = old.merge(new, left_index=True, right_index=True, suffixes=("", " now"))
    changes = {
        "added": len(new) - len(both),
        "gone": len(old) - len(both),
        "with another label": int((both["label"] != both["label now"]).sum()),
    }
    parts = [f"{number} images {change}" for change, number in changes.items() if number]
    if before.record.classes != table.classes:
        parts.append(f"classes {listed(before.record.classes, 4)} became {listed(table.classes, 4)}")
    return "; ".join(parts) or "files or columns differ, though paths and labels are the same"


def _with_class_names(samples: pa.Table, classes: list[str]) -> pd.DataFrame:
    """Return the names of the labels by path, "" for none."""
    names = pa.array([*classes, ""]).take(samples["label"].fill_null(len(classes)))
    return pd.DataFrame({"label": names.to_numpy()}, index=samples["path"].to_numpy())
