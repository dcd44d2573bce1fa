"""Write an export whole or not at all, and never over files that no export made."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from avhcurate.errors import CurateError
from avhcurate.workspace.disk import files
from avhcurate.workspace.disk.json_text import parsed
from avhcurate.workspace.disk.provenance import SCHEMA_VERSION

#: The manifest within a folder; a folder without one of ours is not an export.
_MANIFEST = "manifest.json"


@contextmanager
def atomic_output(out: Path, *, folder: bool, force: bool) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield a path for the data, which becomes `out` when the block ends without an error, and the manifest to fill.

    The manifest is `manifest.json` within a folder and `OUT.manifest.json` next to a file, with the file's SHA-256,
    which shows if a kill left a file and a manifest of two exports.
    """
    record = out.with_name(f"{out.name}.manifest.json")
    aside = out.with_name(f".{out.name}.aside")
    _put_back(out, aside)
    if folder:
        _check_folder(out, force)
    else:
        files.check_free(out, force=force)
        files.check_free(record, force=force)
    out.parent.mkdir(parents=True, exist_ok=True)
    files.remove_leftovers(out.parent)
    making = files.temporary_name(out)
    manifest = dict[str, Any]()
    try:
        yield making, manifest
        if folder:
            files.write_atomic(making / _MANIFEST, manifest_text(manifest))
            if out.exists():
                os.replace(out, aside)
            os.replace(making, out)
            files.remove(aside)
            files.flush_folder(out.parent)
        else:
            manifest |= {"file": out.name, "file_sha256": files.sha256(making)}
            os.replace(making, out)
            files.write_atomic(record, manifest_text(manifest))
    finally:
        files.remove(making)


def manifest_text(record: Mapping[str, Any]) -> str:
    """Return a manifest as indented JSON."""
    return json.dumps({"schema_version": SCHEMA_VERSION} | dict(record), indent=2) + "\n"


def _check_folder(out: Path, force: bool) -> None:
    if out.is_symlink() or (out.exists() and not _is_export(out)):
        raise CurateError(f"{out} exists and is not an export, so it is not replaced. Choose another name.")
    if out.exists() and not force:
        raise files.taken(out)


def _is_export(folder: Path) -> bool:
    """Return whether a folder holds a manifest that was written here: others have files of that name too."""
    try:
        manifest = parsed((folder / _MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and {"schema_version", "dataset_fingerprint"} <= manifest.keys()


def _put_back(out: Path, aside: Path) -> None:
    """Put back what a killed export had set aside, unless the new one is in place."""
    if _is_export(aside):
        if out.exists():
            files.remove(aside)
        else:
            os.replace(aside, out)
