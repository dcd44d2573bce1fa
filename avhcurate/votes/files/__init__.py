"""Files of human answers, in the forms that people have them, read into one of three: counts, answers, ticks."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from avhcurate.disk.arrays import read_npy
from avhcurate.disk.schema import SCHEMA_VERSION, NewerVersion
from avhcurate.disk.tabular import read_table
from avhcurate.errors import CurateError
from avhcurate.votes.files.imagenetv2 import is_imagenetv2, sheet_of_hits
from avhcurate.votes.files.label_studio import are_tasks, read_json, sheet_of_tasks
from avhcurate.votes.files.pickles import load_pickle
from avhcurate.votes.files.sheet import FORMS, VoteSheet, counts_of_lists
from avhcurate.votes.files.tables import TEXT_COLUMNS, sheet_of_table
from avhcurate.votes.hsf import whole_counts

__all__ = ["VoteSheet", "counts_of_lists", "read_votes", "sheet_of_table"]

_PICKLES = (".pickle", ".pkl")


def read_votes(path: Path) -> VoteSheet:
    """A file of votes, its form decided by its content; `CurateError` naming the forms when it has none of them.

    A folder is read as ImageNetV2's, whose tasks and answers are files apart. What a manifest beside the file says of
    simulated votes is kept.
    """
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise CurateError(f"{path} is not a file: give {FORMS}")
    with open(path, "rb") as stream:
        start = stream.read(64)
    if start.startswith(b"\x93NUMPY"):
        sheet = _read_matrix(path)
    elif start.startswith(b"PK\x03\x04"):
        raise CurateError(f"{path.name} is an archive, and is not opened because it can hold code: give {FORMS}")
    elif start.startswith(b"\x80") or path.suffix.casefold() in _PICKLES:
        sheet = _read_plain(load_pickle(path), path.name)
    elif start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"[", b"{")):
        sheet = _read_plain(read_json(path), path.name)
    else:
        sheet = sheet_of_table(read_table(path, texts=TEXT_COLUMNS), path.name)
    return replace(sheet, simulated=sheet.simulated or _manifest_says_simulated(path))


def _read_matrix(path: Path) -> VoteSheet:
    matrix = read_npy(path)
    if matrix.ndim != 2:
        raise CurateError(
            f"{path.name} has shape {matrix.shape}: a count matrix has a row a sample and a column a class"
        )
    return VoteSheet({}, counts=whole_counts(matrix, path.name))


def _read_plain(content: Any, title: str) -> VoteSheet:
    """What JSON or a pickle holds: Label Studio's tasks, or ImageNetV2's."""
    if content and are_tasks(content):
        return sheet_of_tasks(content, title)
    if is_imagenetv2(content):
        return sheet_of_hits([content], title)
    raise CurateError(
        f"{title} is no Label Studio export (a list of tasks with `annotations`), nor tasks and answers as ImageNetV2 "
        "has them (`hits` and `assignments`): export it again"
    )


def _read_folder(folder: Path) -> VoteSheet:
    contents = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.casefold() in (".json", *_PICKLES):
            content = read_json(path) if path.suffix.casefold() == ".json" else load_pickle(path)
            if is_imagenetv2(content):
                contents.append(content)
    if not contents:
        raise CurateError(f"{folder} holds no file of tasks or answers as ImageNetV2 has them: give {FORMS}")
    return sheet_of_hits(contents, folder.name)


def _manifest_says_simulated(path: Path) -> bool:
    """A matrix of counts cannot say so itself, but the manifest of an export beside it can."""
    try:
        manifest = json.loads(path.with_name(path.name + ".manifest.json").read_bytes())
    except (OSError, ValueError):
        return False
    if not isinstance(manifest, dict):
        return False
    version = manifest.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise NewerVersion(f"the manifest of {path.name}", version)
    return manifest.get("simulated") is True
