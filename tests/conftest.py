"""Fixtures that every level of tests shares."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from avhcurate.storage.workspace import Workspace

if TYPE_CHECKING:
    from avhcurate.services.tables import DatasetTable


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace(tmp_path / "workspace")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of larger datasets, which is no part of the repository; the test is skipped where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("AVHCURATE_SHARED_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set AVHCURATE_SHARED_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def demo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the embedded digits, their simulated votes and a run; for reading only."""
    from avhcurate.services.demo import prepare_demo

    root = tmp_path_factory.mktemp("demo")
    prepare_demo(Workspace(root))
    return root


@pytest.fixture
def own_demo_root(demo_root: Path, tmp_path: Path) -> Path:
    """A copy of it that the test may change."""
    return Path(shutil.copytree(demo_root, tmp_path / "demo"))


@pytest.fixture(scope="session")
def digits(demo_root: Path) -> "DatasetTable":
    """The table of the digits; for reading only."""
    from avhcurate.services.tables import open_table

    return open_table(Workspace(demo_root), "digits")


@pytest.fixture
def own_digits(own_demo_root: Path) -> "DatasetTable":
    """The table of a copy of the digits that the test may annotate."""
    from avhcurate.services.tables import open_table

    return open_table(Workspace(own_demo_root), "digits")
