"""Writes an export whole or not at all, and never over files that no export made."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from avhcurate.disk.files import check_free, temporary_name, write_atomic
from avhcurate.errors import CurateError

#: The manifest within a folder; a folder without it is not an export.
_MANIFEST = "manifest.json"


@contextmanager
def atomic_output(out: Path, *, folder: bool, force: bool) -> Iterator[tuple[Path, Path]]:
    """Temporary path of an export that becomes `out` when the block ends without an error, and path of its manifest.

    The manifest is `manifest.json` within a folder and `OUT.manifest.json` beside a file.
    """
    beside = out.with_name(f"{out.name}.manifest.json")
    temporary = _claim(out, beside, folder=folder, force=force)
    try:
        yield temporary, temporary / _MANIFEST if folder else beside
        _replace(temporary, out)
    finally:
        _remove(temporary)


def write_manifest(path: Path, record: Mapping[str, Any]) -> None:
    """Writes the manifest of an export."""
    write_atomic(path, manifest_text(record))


def manifest_text(record: Mapping[str, Any]) -> str:
    """A manifest as indented JSON."""
    return json.dumps(record, indent=2) + "\n"


def _claim(out: Path, beside: Path, *, folder: bool, force: bool) -> Path:
    """A temporary path for the export; `CurateError` when a file of the user's is in its place."""
    if not folder:
        check_free(out, force=force)
        check_free(beside, force=force)
    elif out.is_symlink() or (out.exists() and not (out / _MANIFEST).is_file()):
        raise CurateError(f"{out} exists and is not an export, so it is not replaced: choose another name")
    elif out.exists() and not force:
        raise CurateError(f"{out} exists: choose another name or give --force to replace it")
    out.parent.mkdir(parents=True, exist_ok=True)
    return temporary_name(out)


def _replace(temporary: Path, out: Path) -> None:
    """Moves the finished export to `out`; a folder that is there is set aside first and then removed."""
    if out.is_dir():
        aside = temporary_name(out)
        os.replace(out, aside)
        os.replace(temporary, out)
        shutil.rmtree(aside)
    else:
        os.replace(temporary, out)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
