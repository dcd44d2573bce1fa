"""A source: `newest:FOLDER` is the sub-folder that was made last."""

from pathlib import Path

from avhcurate.errors import CurateError


def newest(rest: str, options: object) -> Path:
    """Its path, which is imported as any folder is."""
    folders = [path for path in Path(rest).expanduser().glob("*") if path.is_dir()]
    if not folders:
        raise CurateError(f"{rest} has no sub-folders: give a folder of imports")
    return max(folders, key=lambda path: (path.stat().st_mtime, path.name))
