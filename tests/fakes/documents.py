"""What the blocks of the documents run on: a folder of photos, a small network and a checkpoint of it."""

import re
import shlex
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

#: Six votes for each image of `home`, a line each.
VOTES = "".join(
    f"{name}/{number:03}.jpg,{person},{'dog' if person < number else 'cat'}\n"
    for name in ("cat", "dog")
    for number in range(1, 7)
    for person in range(6)
)
NETS = """
import torch
def build(num_classes):
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    return torch.nn.Sequential(*layers, torch.nn.Linear(4, num_classes))
"""


def code_blocks(text: str, language: str = "") -> list[str]:
    """The code blocks of one language in a Markdown text."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def tiny_efficientnet(_name: str) -> object:
    """In place of EfficientNet-Lite: a network of four features that knows 1000 other classes."""
    from avhcurate.networks.models.architecture import Architecture
    from avhcurate.networks.models.preprocess import Preprocess
    from avhcurate.networks.models.weights import own_weights

    names: dict[str, Any] = {}
    exec(NETS, names)
    return Architecture(
        lambda count, _: names["build"](count or 1000),
        Preprocess(resize=24, crop=24),
        lambda: own_weights(names["build"](1000), "tiny"),
    )


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The current folder: `photos/` with a dozen images of two classes, a network, its checkpoint and parents."""
    import torch

    from avhcurate.cli import review
    from avhcurate.networks.models import extras, names
    from avhcurate.networks.scoring import heads

    monkeypatch.setattr(extras, "efficientnet_lite", tiny_efficientnet)
    monkeypatch.setattr(names, "is_here", lambda name: name == "efficientnet-lite0")
    monkeypatch.setattr(review, "show", lambda space, address, again=False: None)
    monkeypatch.setattr(review, "wait", lambda space: None)  # for an interrupt
    monkeypatch.setattr(heads, "STRENGTHS", (64.0, 1.0))  # all would take most of the time of a guide
    rng = np.random.default_rng(0)
    for name, tone in (("cat", 60), ("dog", 190)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(1, 7):
            pixels = np.clip(rng.normal(tone, 40, (24, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number:03}.jpg")
    (tmp_path / "parents.csv").write_text("class,parent\ndog,animal\n")
    (tmp_path / "nets.py").write_text(NETS)
    made = {}
    exec(NETS, made)
    torch.save(made["build"](2).state_dict(), tmp_path / "model.pt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "nets", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path


@pytest.fixture
def twelve_images():
    """The names that Python blocks begin with: twelve images of two classes."""
    rng = np.random.default_rng(0)
    tones = np.array([60, 190] * 6)
    images = np.clip(rng.normal(tones[:, None, None, None], 40, (12, 24, 24, 3)), 0, 255).astype(np.uint8)
    return {"images": images, "labels": np.where(tones < 100, "cat", "dog")}


def run_commands(cli, block: str) -> list[str]:
    """Calls each line of a block but `serve`, which ends by a signal alone; the verbs that ran."""
    calls = [shlex.split(line, comments=True)[1:] for line in block.splitlines()]
    for call in calls:
        if call != ["serve"]:
            code, _, err = cli(*call)
            assert code == 0, (call, err)
    return [call[0] for call in calls]
