"""Outputs of a network that lie in memory, as files that an attach can read."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.errors import CurateError
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import write_parquet
from avhcurate.workspace.disk.tabular import table_of_frame


@contextmanager
def as_files(workspace: Workspace, values: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Each array or table as a file in the workspace while the block works; "" for None, text and paths as they are."""
    workspace.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".given-", dir=workspace.root) as folder:
        yield {name: _as_file(Path(folder) / name, value) for name, value in values.items()}


def in_memory(values: Iterable[Any]) -> bool:
    """Whether any of what is given is neither a file nor a text, so that its file goes with the block."""
    return any(value is not None and not isinstance(value, str | os.PathLike) for value in values)


def _as_file(place: Path, value: Any) -> str:
    if value is None:
        return ""
    if not in_memory([value]):
        return os.fspath(value)
    if isinstance(value, pd.DataFrame):
        file = place.with_suffix(".parquet")
        write_parquet(file, table_of_frame(value, place.name))
        return str(file)
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if array.dtype.kind not in "fiub":
        raise CurateError(f"{place.name} holds {array.dtype} values: give an array of numbers")
    file = place.with_suffix(".npy")
    np.save(file, array)
    return str(file)
