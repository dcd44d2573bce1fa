"""The Degradation page without a browser: its figures and words, its choices, the empty state and the job it starts."""

import re

import pandas as pd
import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.lab.degradation.corruptions import KINDS
from avhcurate.lab.degradation.service import degradations, degrade_dataset, read
from avhcurate.lab.degradation.settings import DegradeSettings
from avhcurate.ui.base.text import signed
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.workspaces import copied


@pytest.fixture(scope="module")
def root(demo_root, tmp_path_factory):
    """The digits, 60 of them degraded in all ways, 40 in one; for reading only."""
    root = copied(demo_root, tmp_path_factory.mktemp("degraded") / "demo")
    degrade_dataset(Workspace(root), DegradeSettings(dataset="digits", kinds=["jpeg"], limit=40))
    degrade_dataset(Workspace(root), DegradeSettings(dataset="digits", limit=60))
    return root


@pytest.fixture(scope="module")
def summary(root):
    opened = open_dataset(Workspace(root), "digits")
    return read(opened.samples, degradations(opened.run)[-1]).summary


def test_the_page_shows_curves_table_and_one_image(open_page, root, words, summary, asked, figures):
    app = open_page("degradation", root)
    text = words(app)
    assert len(figures(app)[0]["data"]) == 4 * len(KINDS)
    avh = summary[summary["score"] == "avh"]
    low, high = f"{100 * avh['expected'].min():.0f} %", f"{100 * avh['expected'].max():.0f} %"
    assert f"**AVH** rises with the level in {low} to {high} of 60 images" in text
    for row in summary.itertuples():
        assert signed(row.median, 2) in text
        assert f"{100 * row.expected:.0f} % (" in text
    assert text.count("<figure>") == len(KINDS) + sum(len(kind.strengths) for kind in KINDS.values()) - 1
    assert "data:image;base64," in text
    assert re.search(r"60 images of avhcurate\\?:digits", text)
    app.multiselect(key="degradation.scores").set_value(["loss"]).run()
    assert asked(app, "degradation.scores") == "loss"
    assert len(figures(app)[0]["data"]) == len(KINDS)
    box = app.selectbox(key="degradation.made")
    assert len(box.options) == 2
    box.select(next(name for name in box.options if "noise" not in name)).run()
    assert asked(app, "degradation.made")
    assert re.search(r"40 images of avhcurate\\?:digits", words(app))
    assert len(figures(app)[0]["data"]) == 1


def test_hsf_bins_part_the_curves_and_simulated_votes_are_called_so(open_page, root, words, figures):
    app = open_page("degradation", root, degradation__bins="1", degradation__scores="avh")
    named = [trace["name"] for trace in figures(app)[0]["data"] if trace["showlegend"]]
    assert named == sorted(named)
    assert len(named) > 1
    assert "by HSF (simulated votes)" in words(app)


def test_filters_apply_and_one_that_leaves_nothing_says_so(open_page, root, words):
    text = words(open_page("degradation", root, **{"class": "1"}))
    opened = open_dataset(Workspace(root), "digits")
    rows = pd.read_parquet(degradations(opened.run)[-1].scores_path, columns=["id"])
    ones = int((opened.dataset.labels()[rows["id"].unique()] == 1).sum())
    assert f"all n {ones:,}" in text
    assert "No image" in words(open_page("degradation", root, where="id < 0"))


def test_the_sample_of_the_address_is_the_example(open_page, root, words, asked):
    app = open_page("degradation", root, sample="3")
    text = words(app)
    assert "Image 3, 3" in text
    assert "no scores here" in text
    app.number_input(key="degradation.sample").set_value(5).run()
    assert asked(app, "sample") == "5"
    assert "Image 5, 5" in words(app)
    app = open_page("degradation", root, sample="99999")
    assert any("no image 99999" in warning.value for warning in app.warning)


def test_the_empty_state_starts_the_job_with_one_button(open_page, own_demo_root, words, start):
    app = open_page("degradation", own_demo_root)
    assert "No degraded images of this run yet" in words(app)
    run = Workspace(own_demo_root).dataset("digits").run()
    assert start(app, "Degrade images") == [["degrade", "digits", f"--model={run.name}"]]
