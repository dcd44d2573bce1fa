"""The votes that come with an import: which they are, and when they are attached."""

from collections.abc import Sequence
from pathlib import Path

from avhcurate.errors import CurateError
from avhcurate.people.attach import attach_sheet, counted
from avhcurate.people.files import VoteSheet
from avhcurate.people.votes_first import classes_to_add, label_by_votes
from avhcurate.workspace.data.datasets import DatasetFolder

#: Suffixes of files of votes; another name is a column of the source, unless there is such a file.
_VOTES = (".npy", ".csv", ".tsv", ".json", ".parquet")


def votes_named(votes: str | Path | Sequence[str] | None) -> tuple[str | None, list[Path]]:
    """Return the column of the source that holds votes, or the files that do."""
    named = [votes] if isinstance(votes, str | Path) else list(votes or ())
    files = [Path(name) for name in named]
    missing = [file for file in files if not (file.exists() or file.suffix.casefold() in _VOTES)]
    if not missing:
        return None, files
    if len(files) > 1:
        raise CurateError(f"{missing[0]} is no file of votes, and one column of the source may hold them.")
    return str(missing[0]), []


def attach_or_check(folder: DatasetFolder, sheet: VoteSheet, titles: str, *, first: bool, force: bool) -> None:
    """Attach votes to a folder that may be staged; those that label images `first` are only checked until it is not."""
    if first:
        new, answers = classes_to_add(folder, sheet)
        counted(answers, folder, added=new)
    else:
        attach_sheet(folder, sheet, titles, force=force)


def label(folder: DatasetFolder, sheet: VoteSheet | None, titles: str, *, force: bool) -> None:
    """Label images without labels by votes, now that the dataset is in its place: events are about what is there."""
    if sheet is not None:
        attach_sheet(folder, sheet, titles, force=force)
    elif folder.record.votes is not None:
        label_by_votes(folder)
