"""Files of human answers, read into one of three forms: counts, answers or ticks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from avhcurate.errors import CurateError
from avhcurate.people.files.imagenetv2 import is_imagenetv2, sheet_of_hits
from avhcurate.people.files.label_studio import are_tasks, read_json, sheet_of_tasks
from avhcurate.people.files.labelers import signed, together
from avhcurate.people.files.sheet import FORMS, VoteSheet, check_shape, counts_of_lists
from avhcurate.people.files.tables import TEXT_COLUMNS, sheet_of_table
from avhcurate.people.hsf import whole_counts
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.disk.arrays import open_array
from avhcurate.workspace.disk.json_text import parsed
from avhcurate.workspace.disk.tabular import read_table

__all__ = ["VoteSheet", "counts_of_lists", "read_vote_files", "read_votes", "sheet_of_table"]


def read_vote_files(paths: Sequence[Path], dataset: DatasetFolder | None = None) -> VoteSheet:
    """Read files of votes as one sheet. A file without annotators is one labeler's, who is called as it is."""
    sheets = [signed(read_votes(path, dataset), path.name) for path in paths]
    return together(sheets, [path.name for path in paths])


def read_votes(path: Path, dataset: DatasetFolder | None = None) -> VoteSheet:
    """Read a file of votes; its content decides its form. A manifest next to it may mark the votes as simulated.

    A matrix that does not fit the dataset, if one is given, is refused by its header.
    """
    if not path.is_file():
        raise CurateError(f"{path} is not a file. Give {FORMS}.")
    with open(path, "rb") as stream:
        start = stream.read(64)
    if start.startswith((b"\x80", b"PK\x03\x04")):
        raise CurateError(
            f"{path.name} is a pickle or an archive, which can hold code, and is not opened. Convert it to JSON or CSV."
        )
    if start.startswith(b"\x93NUMPY"):
        sheet = _read_matrix(path, dataset)
    elif start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"[", b"{")):
        sheet = _read_json(path)
    else:
        sheet = sheet_of_table(read_table(path, texts=TEXT_COLUMNS), path.name)
    return replace(sheet, simulated=sheet.simulated or _manifest_says_simulated(path))


def _read_matrix(path: Path, dataset: DatasetFolder | None) -> VoteSheet:
    matrix = open_array(path)
    if len(matrix.shape) != 2:
        raise CurateError(f"{path.name} has shape {matrix.shape}. It needs one row per image and one column per class.")
    record = None if dataset is None else dataset.record
    if record is not None and record.classes:  # else they are named by --classes
        check_shape(matrix.shape, record.samples, record.classes)
    return VoteSheet({}, counts=whole_counts(matrix.read(), path.name))


def _read_json(path: Path) -> VoteSheet:
    content = read_json(path)
    if content and are_tasks(content):
        return sheet_of_tasks(content, path.name)
    if is_imagenetv2(content):
        return sheet_of_hits(content, path.name)
    raise CurateError(
        f"{path.name} is neither a Label Studio export (a list of tasks with `annotations`) nor ImageNetV2's tasks and "
        "answers (`hits` and `assignments`). Export it again."
    )


def _manifest_says_simulated(path: Path) -> bool:
    """Return whether the manifest of an export says so; a matrix of counts cannot."""
    try:
        manifest = parsed(path.with_name(f"{path.name}.manifest.json").read_bytes())
        return manifest["simulated"] is True
    except (OSError, ValueError, KeyError, TypeError):
        return False
