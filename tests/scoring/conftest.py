"""What tests of scoring share."""

import pytest

from avhcurate.data.workspace import Workspace
from avhcurate.sources.service import import_dataset


@pytest.fixture
def fresh(demo_root, tmp_path):
    """A workspace with the digits imported and not scored."""
    workspace = Workspace(tmp_path / "fresh")
    import_dataset(workspace, "digits", demo_root / "downloads" / "digits" / "digits.parquet")
    return workspace
