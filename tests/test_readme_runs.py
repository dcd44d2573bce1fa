"""The blocks of the README run as they are written: digits; images, then a classifier, then votes; and in Python."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.fakes.documents import VOTES, code_blocks, run_commands

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(title: str, language: str = "") -> list[str]:
    """The code blocks of a section, of one language."""
    return code_blocks(README.split(f"\n## {title}\n")[1].split("\n## ")[0], language)


@pytest.mark.slow
def test_the_first_result_is_what_it_says(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(tmp_path / "workspace"))
    assert cli("demo")[0] == 0  # as `make app` has called it
    (first,) = blocks("The first result")
    assert run_commands(cli, first) == ["suspects", "disagree"]
    assert cli("suspects", "digits", "--out", tmp_path / "suspects.csv")[0] == 0
    (said,) = re.findall(r"doubts about (\d+) labels", README)
    assert len(pd.read_csv(tmp_path / "suspects.csv")) == pytest.approx(int(said), rel=0.1)


@pytest.mark.slow
def test_the_ladder_of_your_own_images(cli, home):
    review, alone, classifier, votes_file, votes = blocks("Your own images")
    assert run_commands(cli, review) == ["review"]
    assert run_commands(cli, alone) == ["import", "score", "suspects", "export", "serve"]
    hard = pd.read_csv(home / "hard.csv")
    assert len(hard) < 12
    assert (hard["relative_avh"] > 1).all()
    assert {"id", "suggested_name", "verdict"} <= set(pd.read_csv(home / "suspects.csv"))
    assert run_commands(cli, classifier) == ["score", "models", "select"]
    assert pd.read_csv(home / "pseudo.csv")["pseudo_label_name"].isin(["cat", "dog"]).all()
    header, shown = votes_file.split("\n", 1)
    (home / "votes.csv").write_text(f"{header}\n{VOTES}{shown}")
    assert run_commands(cli, votes) == ["votes", "correlate", "disagree", "export"]
    correlation = pd.read_csv(home / "correlation.csv").set_index(["score", "bin"])
    assert correlation.loc[("avh", "all"), "n"] == 12
    assert (pd.read_csv(home / "hard_for_both.csv")["hsf"] < 0.4).all()
    assert "gap" in pd.read_csv(home / "gap.csv")


@pytest.mark.slow
def test_the_lines_for_a_notebook(home, twelve_images):
    rng = np.random.default_rng(0)
    first, scores = blocks("In a notebook", "python")
    names = twelve_images | {"counts": rng.multinomial(9, [0.5, 0.5], 12)}
    exec(first, names)
    assert (pd.read_csv(home / "labels.csv")["hsf"] < 0.4).all()
    assert repr(names["pets"]).startswith("Dataset pets: 12 images of 2 classes, 108 human votes")
    features, class_weights = rng.normal(size=(5, 4)), rng.normal(size=(3, 4))
    names = {"features": features, "class_weights": class_weights, "labels": np.arange(5) % 3}
    names["logits"] = features @ class_weights.T
    exec(scores, names)
    assert np.allclose(names["columns"]["avh"], names["hardness"])
