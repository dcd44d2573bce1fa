"""Where the workspace is, and the names of what it has, from records alone: a shell waits for them as somebody types.

So this module imports nothing that takes long.
"""

import os
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.json_text import parsed

#: What this file in the current folder sets, for every call made there.
PROJECT_FILE = "avhcurate.toml"
_PROJECT_KEYS = ("workspace", "dataset", "model")


def project_settings() -> dict[str, str]:
    """Return the settings that the file has; none without it. Raise CurateError for another key or value."""
    file = Path(PROJECT_FILE)
    if not file.is_file():
        return {}
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as problem:
        raise CurateError(f"{PROJECT_FILE} cannot be read ({problem}). Fix or remove it.") from None
    for key, value in settings.items():
        if key not in _PROJECT_KEYS or not isinstance(value, str) or not value:
            raise CurateError(
                f"{key} = {value!r} in {PROJECT_FILE} is not valid. It may set {', '.join(_PROJECT_KEYS)}, to texts."
            )
    return settings


def named_workspace(option: Path | None = None) -> Path:
    """Return the workspace of the option, else of AVHCURATE_WORKSPACE, else of avhcurate.toml, else ./workspace."""
    return Path(option or os.environ.get("AVHCURATE_WORKSPACE") or project_settings().get("workspace", "workspace"))


def dataset_folders(root: Path) -> list[Path]:
    """Return the folders of the datasets of the workspace at `root`; half-imported ones are hidden."""
    records = sorted((root / "datasets").glob("*/dataset.json"))
    return [record.parent for record in records if not record.parent.name.startswith(".")]


def dataset_names(folder: Path) -> tuple[str, ...]:
    """Return the present name of the dataset in a folder, then its former ones; the folder's where it is damaged."""
    try:
        return _names_in(folder, (folder / "dataset.json").stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError):
        return (folder.name,)


@lru_cache(maxsize=1024)
def _names_in(folder: Path, _: int) -> tuple[str, ...]:
    record = dataset_record(folder)
    return (record["name"], *record["former_names"])


def dataset_record(folder: Path) -> Any:
    """Return the record of a dataset as JSON, unchecked; OSError or ValueError where it cannot be read."""
    return parsed((folder / "dataset.json").read_bytes())


def run_names(folder: Path) -> list[str]:
    """Return the names of the runs of a dataset, finished or not."""
    return sorted(record.parent.name for record in (folder / "runs").glob("*/run.json"))
