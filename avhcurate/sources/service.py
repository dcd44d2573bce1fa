"""Imports a source into the workspace as a dataset, without copying its images."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.data.datasets import DatasetFolder, DatasetRecord, Harder
from avhcurate.data.workspace import Workspace
from avhcurate.disk.files import user_path, write_parquet
from avhcurate.disk.fingerprints import fingerprint_table
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.errors import CurateError
from avhcurate.sources import ImportOptions, SourceTable, read_source
from avhcurate.sources.list_columns import keep_lists
from avhcurate.sources.reimport import ClassChange, classes_message, collection_messages, old_classes, refusal
from avhcurate.sources.torchvision_hub import prepare_download
from avhcurate.votes.attach import attach_column, attach_sheet, carry_votes, from_column
from avhcurate.votes.files import read_votes
from avhcurate.votes.queues import carry_records


def import_dataset(
    workspace: Workspace,
    name: str,
    source: Path | str,
    *,
    label_column: str | None = None,
    image_column: str | None = None,
    split_column: str | None = None,
    votes: str | Path | None = None,
    root: Path | None = None,
    classes: list[str] | None = None,
    force: bool = False,
    progress: Progress = SILENT,
) -> DatasetFolder:
    """Imports `source` as dataset `name`; the record's messages say what the user should know.

    `source`: a folder of classes, a CSV or Parquet manifest, a Parquet file or folder with image bytes, `list:FILE`,
    `wds:PATTERN`, `torchvision:NAME` or `hf:REPO`; a folder that holds the workspace is refused. `votes`: a file, or a
    column of the source. `root`: the folder from which the paths of a manifest or list count, in place of its own.
    `classes`: their names in order, where the source holds indices alone. Importing the same source again changes
    nothing; a changed one is refused unless `force`, which drops what was computed on the version before (runs,
    trainings, measures, predictions), but keeps votes and what people decided, by path and class name. A dataset is
    imported whole, with its votes, or not at all. Downloads report megabytes; the same call resumes them. Cancelled
    before it is written, it leaves everything as it was.
    """
    workspace.check_new(name)
    votes_file, votes_column = _votes_file_or_column(votes)
    options = ImportOptions(image_column, label_column, split_column, votes_column, root, classes)
    _refuse_within(workspace, source)
    place = prepare_download(workspace, str(source), progress=progress)
    progress.report(0, 0, "reading names and labels")
    with progress.interrupting(f"cancelled before dataset {name!r} was written"):
        sheet = None if votes_file is None else read_votes(votes_file)
        table = read_source(place, options)
        fingerprint = _fingerprint(table)
    with workspace.lock(name):
        before = _existing(workspace, name, force=force)
        same = before is not None and before.record.fingerprint == fingerprint
        if before is not None and not same and not force:
            raise CurateError(refusal(workspace, before, table))
        if before is not None and same:
            _refresh(before, table, str(source))
            keep_lists(before, table.lists)
            if votes_column is not None and table.votes is not None:
                attach_column(before, table.votes, votes_column, force=force)
            if sheet is not None:
                attach_sheet(before, sheet, str(votes), force=force)
            return before
        change = None if before is None else ClassChange.of(before, table)
        staged = workspace.create(name)
        record = _record(name, table, str(source), fingerprint, before)
        if change is not None:
            record.messages.append(classes_message(workspace, change))
        if before is not None:
            record.messages += collection_messages(workspace, before, table)
        staged.write(record, _with_ids(table.samples))
        keep_lists(staged, table.lists)
        _attach(staged, table, before, asked=votes_column is not None)
        if before is not None:
            carry_records(before, staged)
        if sheet is not None:
            attach_sheet(staged, sheet, str(votes), force=force)
        return workspace.adopt(name, staged)


def _refuse_within(workspace: Workspace, source: Path | str) -> None:
    """Refuses a workspace below the folder to import, into which nothing is ever written."""
    folder, root = user_path(source), workspace.root.resolve()
    if folder.is_dir() and root.is_relative_to(folder.resolve()):
        raise CurateError(
            f"the workspace {root} lies inside {folder}, into which nothing is written: give another by --workspace DIR"
        )


def _votes_file_or_column(votes: str | Path | None) -> tuple[Path | None, str | None]:
    """A file where one of that name exists or the name looks like one, else a column of the source."""
    if votes is None:
        return None, None
    path = Path(votes)
    if path.exists() or path.suffix.casefold() in (".npy", ".csv", ".tsv", ".json", ".parquet"):
        if not path.is_file():
            raise CurateError(f"--votes {path} is not a file: give a file of votes or a column of the source")
        return path, None
    return None, str(votes)


def _fingerprint(table: SourceTable) -> str:
    """Hash of the paths, labels, the user's columns and sizes, but not of the folder that holds them."""
    return fingerprint_table(
        table.samples.drop_columns(["_file"]), table.kind, "\n".join(table.classes), *table.evidence
    )


def _existing(workspace: Workspace, name: str, *, force: bool) -> DatasetFolder | None:
    if name not in workspace.names():
        return None
    folder = workspace.dataset(name)
    try:
        _ = folder.record
    except CurateError:
        if not force:
            raise
        return None
    return folder


def _refresh(folder: DatasetFolder, table: SourceTable, source: str) -> None:
    """Updates the paths of files that have moved; the samples are the same."""
    files = pq.read_table(folder.samples_path, columns=["_file"])["_file"]
    if files != table.samples["_file"].cast(files.type):
        write_parquet(folder.samples_path, _with_ids(table.samples))
    record = folder.record
    if record.source != source:
        folder.write_record(record.model_copy(update={"source": source}))


def _record(
    name: str, table: SourceTable, source: str, fingerprint: str, before: DatasetFolder | None
) -> DatasetRecord:
    return DatasetRecord(
        name=name,
        former_names=before.record.former_names if before else [],
        source=source,
        kind=table.kind,
        classes=table.classes,
        classes_declared=table.classes_declared,
        samples=len(table.samples),
        fingerprint=fingerprint,
        image_column=table.image_column,
        skipped=table.skipped,
        messages=list(table.messages),
        harder=_still_there(before, table),
    )


def _still_there(before: DatasetFolder | None, table: SourceTable) -> dict[str, Harder]:
    """What was said of the user's columns that the new version has too."""
    said = {} if before is None else before.record.harder
    return {column: end for column, end in said.items() if column in table.samples.column_names}


def _attach(staged: DatasetFolder, table: SourceTable, before: DatasetFolder | None, *, asked: bool) -> None:
    """Votes of a new version: those of the source's column, unless others were attached to the version before."""
    attached = None if before is None else before.record.votes
    if before is not None and attached is not None and not from_column(attached) and not asked:
        carry_votes(before, staged, old_classes(before, table))
    elif table.votes is not None and table.votes_column is not None:
        attach_column(staged, table.votes, table.votes_column)
    elif attached is not None:
        record = staged.record
        message = f"the {attached.total} votes from {attached.source} were dropped, as the source has none any more"
        staged.write_record(record.model_copy(update={"messages": [*record.messages, message]}))


def _with_ids(samples: pa.Table) -> pa.Table:
    return samples.add_column(0, "id", pa.array(np.arange(len(samples), dtype=np.int64)))
