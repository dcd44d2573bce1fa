"""A network of the user's own that is edited is another network: no file and no run of the old one stands for it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avhcurate.errors import CurateError
from avhcurate.networks.scoring.dataset_model import rebuild_model
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.datasets import write_images

IMAGES, RED = 140, 47

NETWORK = """
from torch import nn
from layers import Stem

class Net(nn.Module):
    def __init__(self, num_classes=2):
        super().__init__()
        self.stem, self.head = Stem(), nn.Linear(8, num_classes)

    def forward(self, x):
        return self.head(self.stem(x).mean((2, 3)))
"""
LAYERS = """
from torch import nn

class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 16, stride=16)

    def forward(self, x):
        return self.conv(x).relu()
"""
#: Images with much red are black; the network's own pictures of noise have as much of each colour.
EDITED = LAYERS.replace(
    "return self.conv(x)", "red = x[:, :1].mean((1, 2, 3), keepdim=True) > 1.5\n        return self.conv(x * ~red)"
)


@pytest.fixture
def call(tmp_path):
    """A folder of images of two classes, 47 of them red, as dataset d; runs a verb in a process of its own."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 120, (IMAGES, 224, 224, 3), dtype=np.uint8)
    images[:RED, ..., 0] = 255
    write_images(tmp_path / "images", {f"{'ab'[id % 2]}/{id:03}.png": pixels for id, pixels in enumerate(images)})
    (tmp_path / "fac.py").write_text(NETWORK)
    (tmp_path / "layers.py").write_text(LAYERS)

    def run(*words):
        root = str(Path(__file__).parents[3])
        command = [sys.executable, "-m", "avhcurate", *words, "--workspace", "w"]
        done = subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": root}, capture_output=True, text=True, check=True
        )
        return done.stdout

    run("import", "d", "images")
    return run


def rows(run):
    return pd.read_parquet(run.scores_path).set_index("id").sort_index()


@pytest.mark.slow
def test_a_network_is_scored_anew_after_an_edit_that_only_some_images_meet(call, tmp_path, monkeypatch):
    score = ("score", "d", "--model", "fac:Net", "--weights", "random")
    dataset = Workspace(tmp_path / "w").dataset
    assert "scored before" not in call(*score)
    (first,) = dataset("d").runs()
    assert first.record.backend.name == "openvino"
    assert sorted(first.record.code) == ["fac", "layers"]
    assert "It was scored before by the same network, and nothing ran now." in call(*score)
    (tmp_path / "layers.py").write_text(EDITED)
    assert f"fac:Net is not what it was in run {first.name}, so all images were scored anew." in call(*score)
    _, second = dataset("d").runs()
    assert len(list((tmp_path / "w" / "networks").iterdir())) == 2
    before, after = rows(first), rows(second)
    changed = (before["avh"] != after["avh"]).to_numpy()
    paths = pd.read_parquet(dataset("d").samples_path).set_index("id")["path"]
    np.testing.assert_array_equal(changed, [int(Path(path).stem) < RED for path in paths])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CurateError, match=f"fac:Net was edited after run {first.name}"):
        rebuild_model(first, None)
