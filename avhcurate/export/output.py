"""Writes an export whole or not at all, and never over files that no export made."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avhcurate.disk import files
from avhcurate.disk.schema import SCHEMA_VERSION
from avhcurate.errors import CurateError

#: The manifest within a folder; a folder without one of ours is not an export.
_MANIFEST = "manifest.json"


@dataclass
class Output:
    """An export in the making: its data go to `path`, and what its manifest says to `manifest`."""

    path: Path
    manifest: dict[str, Any] = field(default_factory=dict)


@contextmanager
def atomic_output(out: Path, *, folder: bool, force: bool) -> Iterator[Output]:
    """An export that becomes `out` when the block ends without an error.

    The manifest is `manifest.json` within a folder and `OUT.manifest.json` beside a file, where it holds the file's
    SHA-256: a file and a manifest of two exports, after a kill between the two, are told apart by it.
    """
    beside = out.with_name(f"{out.name}.manifest.json")
    output = Output(_claim(out, beside, folder=folder, force=force))
    try:
        yield output
        if folder:
            files.write_atomic(output.path / _MANIFEST, manifest_text(output.manifest))
            _replace_folder(output.path, out)
        else:
            text = manifest_text(output.manifest | {"file": out.name, "file_sha256": files.sha256(output.path)})
            os.replace(output.path, out)
            files.write_atomic(beside, text)
    finally:
        files.remove(output.path)


def manifest_text(record: Mapping[str, Any]) -> str:
    """A manifest as indented JSON."""
    return json.dumps({"schema_version": SCHEMA_VERSION} | dict(record), indent=2) + "\n"


def _claim(out: Path, beside: Path, *, folder: bool, force: bool) -> Path:
    """A temporary path for the export; `CurateError` when a file of the user's is in its place."""
    _put_back(out)
    if not folder:
        files.check_free(out, force=force)
        files.check_free(beside, force=force)
    elif out.is_symlink() or (out.exists() and not _is_export(out)):
        raise CurateError(f"{out} exists and is not an export, so it is not replaced: choose another name")
    elif out.exists() and not force:
        raise CurateError(f"{out} exists: choose another name or give --force to replace it")
    out.parent.mkdir(parents=True, exist_ok=True)
    files.remove_leftovers(out.parent)
    return files.temporary_name(out)


def _is_export(folder: Path) -> bool:
    """Whether a folder holds a manifest that was written here: others have files of that name too."""
    try:
        found = json.loads((folder / _MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"schema_version", "dataset_fingerprint"} <= found.keys()


def _replace_folder(temporary: Path, out: Path) -> None:
    """Put the finished folder in place of `out`, which is set aside first."""
    aside = _aside(out)
    if out.exists():
        os.replace(out, aside)
    os.replace(temporary, out)
    files.remove(aside)
    files.flush_folder(out.parent)


def _aside(out: Path) -> Path:
    return out.with_name(f".{out.name}.aside")


def _put_back(out: Path) -> None:
    """Puts back what a killed export had set aside; removes it where the new one is in place."""
    aside = _aside(out)
    if not _is_export(aside):
        return
    if out.exists():
        files.remove(aside)
    else:
        os.replace(aside, out)
