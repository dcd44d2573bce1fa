"""Puts an export in its place: whole or not at all, and never over what no export made."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from avhcurate.disk.files import check_free, temporary_name, write_atomic
from avhcurate.errors import CurateError

#: The manifest within a folder, by which an export is known.
MANIFEST = "manifest.json"


@contextmanager
def placed(out: Path, beside: Path, *, folder: bool, force: bool) -> Iterator[Path]:
    """A temporary name for a result that takes the place of `out` when all went well; `beside` is a file's manifest."""
    temporary = _claim(out, beside, folder=folder, force=force)
    try:
        yield temporary
        _replace(temporary, out)
    finally:
        _remove(temporary)


def write_manifest(path: Path, record: Mapping[str, Any]) -> None:
    """A record as JSON."""
    write_atomic(path, json.dumps(record, indent=2) + "\n")


def _claim(out: Path, beside: Path, *, folder: bool, force: bool) -> Path:
    """A temporary name for the result, once it is clear that nothing of the user's is in its place."""
    if not folder:
        check_free(out, force=force)
        check_free(beside, force=force)
    elif out.is_symlink() or (out.exists() and not (out / MANIFEST).is_file()):
        raise CurateError(f"{out} exists and is no export, so it is not replaced: choose another name")
    elif out.exists() and not force:
        raise CurateError(f"{out} exists: choose another name or give --force to replace it")
    out.parent.mkdir(parents=True, exist_ok=True)
    return temporary_name(out)


def _replace(temporary: Path, out: Path) -> None:
    """Puts the finished result in its place; a folder that stood there is set aside first and then removed."""
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
