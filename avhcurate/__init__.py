"""AVH Curate: see where humans and an image classifier disagree, and leave with a label file."""

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avhcurate.table.dataset_table import DatasetTable

__version__ = "0.1.0"


def open(workspace: str | PathLike[str], name: str, model: str | None = None) -> "DatasetTable":
    """The dataset `name` of a workspace folder, with the scores of `model` (default: its newest finished run).

    Its `table` is a pandas DataFrame with the columns of an export; `frame(filters)`, `page`, `histogram` read parts.
    Raises CurateError, naming what exists, for an unknown dataset or model.
    """
    from pathlib import Path

    from avhcurate.data.workspace import Workspace
    from avhcurate.table.dataset_table import open_table

    return open_table(Workspace(Path(workspace)), name, model)
