"""The blocks of the README run as they are written: images alone, then a classifier, then votes; and in Python."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
NETS = """
import torch
def build(num_classes):
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    return torch.nn.Sequential(*layers, torch.nn.Linear(4, num_classes))
"""


def blocks(title: str, language: str = "") -> list[str]:
    """The code blocks of a section, of one language."""
    section = README.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.M | re.S)


def tiny_efficientnet(_name: str) -> object:
    """In place of EfficientNet-Lite: a network of four features that knows 1000 other classes."""
    from avhcurate.models.architecture import Architecture, Pretrained
    from avhcurate.models.preprocess import Preprocess
    from avhcurate.models.weights import own_weights

    names: dict[str, Any] = {}
    exec(NETS, names)
    weights = Pretrained(lambda: own_weights(names["build"](1000), "tiny"), None)
    return Architecture(lambda count, _: names["build"](count or 1000), Preprocess(resize=24, crop=24), weights)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The current folder: `photos/` with a dozen images of two classes, a small network and its checkpoint."""
    import torch

    from avhcurate.models import extras

    monkeypatch.setattr(extras, "efficientnet_lite", tiny_efficientnet)
    rng = np.random.default_rng(0)
    for name, tone in (("cat", 60), ("dog", 190)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(1, 7):
            pixels = np.clip(rng.normal(tone, 40, (24, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number:03}.jpg")
    (tmp_path / "nets.py").write_text(NETS)
    names = {}
    exec(NETS, names)
    torch.save(names["build"](2).state_dict(), tmp_path / "model.pt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "nets", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path


def run(cli, block: str) -> list[str]:
    """Calls each line of a block but `serve`, which ends by a signal alone; the verbs that ran."""
    calls = [shlex.split(line, comments=True)[1:] for line in block.splitlines()]
    for call in calls:
        if call != ["serve"]:
            code, _, err = cli(*call)
            assert code == 0, (call, err)
    return [call[0] for call in calls]


def test_the_ladder_of_your_own_images(cli, home):
    alone, classifier, votes_file, votes = blocks("Your own images")
    assert run(cli, alone) == ["import", "score", "suspects", "export", "serve"]
    assert pd.read_csv(home / "hard.csv")["label_name"].tolist() == ["cat"] * 6 + ["dog"] * 6
    assert {"id", "suggested_name", "verdict"} <= set(pd.read_csv(home / "suspects.csv"))
    assert run(cli, classifier) == ["score", "models", "select"]
    assert pd.read_csv(home / "pseudo.csv")["pseudo_label_name"].isin(["cat", "dog"]).all()
    rows = [
        f"{name}/{number:03}.jpg,{who},{'dog' if who < number else 'cat'}"
        for name in ("cat", "dog")
        for number in range(1, 7)
        for who in range(6)
    ]
    (home / "votes.csv").write_text("\n".join([votes_file.splitlines()[0], *rows, *votes_file.splitlines()[1:]]) + "\n")
    assert run(cli, votes) == ["votes", "correlate", "disagree", "export"]
    correlation = pd.read_csv(home / "correlation.csv").set_index(["score", "bin"])
    assert correlation.loc[("avh", "all"), "n"] == 12
    assert (pd.read_csv(home / "hard_for_both.csv")["hsf"] < 0.4).all()
    assert "gap" in pd.read_csv(home / "gap.csv")


def test_the_lines_for_a_notebook(home):
    rng = np.random.default_rng(0)
    tones = np.array([60, 190] * 6)
    images = np.clip(rng.normal(tones[:, None, None, None], 40, (12, 24, 24, 3)), 0, 255).astype(np.uint8)
    labels = np.where(tones < 100, "cat", "dog")
    counts = rng.multinomial(9, [0.5, 0.5], 12)
    first, scores = blocks("In a notebook", "python")
    names = {"images": images, "labels": labels, "counts": counts}
    exec(first, names)
    assert (pd.read_csv(home / "labels.csv")["hsf"] < 0.4).all()
    assert repr(names["pets"]).startswith("Dataset pets: 12 samples of 2 classes, 108 human votes")
    features, class_weights = rng.normal(size=(5, 4)), rng.normal(size=(3, 4))
    names = {"features": features, "class_weights": class_weights, "labels": np.arange(5) % 3}
    names["logits"] = features @ class_weights.T
    exec(scores, names)
    assert np.allclose(names["columns"]["avh"], names["hardness"])
