"""What tests of scoring share."""

import pytest

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.workspace.data.workspace import Workspace


@pytest.fixture
def fresh(demo_root, tmp_path):
    """A workspace with the digits imported and not scored."""
    workspace = Workspace(tmp_path / "fresh")
    import_dataset(workspace, "digits", demo_root / "downloads" / "digits" / "digits.parquet")
    return workspace
