"""Short trainings on the digits or on photographs of three tones."""

import shutil

import numpy as np
import pytest

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.lab.training_dynamics.settings import TrainSettings
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.datasets import write_images

SETTINGS = TrainSettings(dataset="digits", model="avhcurate:digits", epochs=3, batch_size=100, train_sample=200)
#: Of the photographs of three tones.
PHOTOS = SETTINGS.with_(dataset="photos", batch_size=16)


@pytest.fixture(scope="module")
def imported(demo_root, tmp_path_factory):
    """A workspace with the digits, not scored; for reading only."""
    workspace = Workspace(tmp_path_factory.mktemp("imported"))
    import_dataset(workspace, "digits", demo_root / "downloads" / "digits" / "digits.parquet")
    return workspace


@pytest.fixture
def fresh(imported, tmp_path):
    """A copy of it that the test may change."""
    return Workspace(shutil.copytree(imported.root, tmp_path / "fresh"))


def photos(root, name, sizes, classes=("dark", "light", "mid"), broken=0):
    """Photographs of three tones in folders, some of them no images."""
    rng = np.random.default_rng(0)
    pictures = {f"{label}/broken{i}.png": b"\x89PNG\r\n\x1a\nnothing" for label in classes for i in range(broken)}
    for label, tone in zip(classes, (40, 210, 120), strict=True):
        for i in range(sizes):
            pictures[f"{label}/{i}.png"] = np.clip(rng.normal(tone, 20, (12, 10, 3)), 0, 255).astype("uint8")
    return write_images(root / name, pictures)
