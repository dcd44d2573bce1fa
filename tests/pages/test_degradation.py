"""The Degradation page without a browser: its figures and words, its choices, the empty state and the job it starts."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.features.degradation.corruptions import KINDS
from avhcurate.features.degradation.service import KEYS, degrade_dataset, read
from avhcurate.features.degradation.settings import DegradeSettings
from avhcurate.features.degradation.store import degradations
from avhcurate.features.degradation.ui import summary_text, table_html
from avhcurate.ui import job_forms
from avhcurate.ui.text import signed
from avhcurate.workspace.data import background
from avhcurate.workspace.data.workspace import Workspace


@pytest.fixture(scope="module")
def root(demo_root, tmp_path_factory):
    """The digits, 60 of them degraded in all ways, 40 in one; for reading only."""
    root = Path(shutil.copytree(demo_root, tmp_path_factory.mktemp("degraded") / "demo"))
    degrade_dataset(Workspace(root), DegradeSettings(dataset="digits", kinds=["jpeg"], limit=40))
    degrade_dataset(Workspace(root), DegradeSettings(dataset="digits", limit=60))
    return root


@pytest.fixture(scope="module")
def summary(root):
    table = open_table(Workspace(root), "digits")
    return read(table, degradations(table.run)[-1]).summary


def figure(app, number):
    return json.loads(app.get("plotly_chart")[number].proto.spec)


def test_the_page_shows_curves_spread_table_and_one_image(open_page, root, words, summary, grids):
    app = open_page("degradation", root)
    text = words(app)
    assert len(figure(app, 0)["data"]) == 4 * len(KINDS)
    assert {trace["type"] for trace in figure(app, 1)["data"]} == {"box"}
    for row in summary.itertuples():
        assert signed(row.median, 2) in text
    assert text.count("<figure>") == len(KINDS) + sum(len(kind.strengths) for kind in KINDS.values()) - 1
    assert "data:image;base64," in text
    assert "a typical one, whose AVH" in text
    assert len(grids(app)["Images whose AVH follows least"]["tiles"]) == 8
    assert re.search(r"60 images of avhcurate\\?:digits", text)


def test_the_words_are_those_of_the_figures(open_page, root, words, summary):
    avh = summary[summary["score"] == "avh"]
    low, high = f"{100 * avh['expected'].min():.0f} %", f"{100 * avh['expected'].max():.0f} %"
    assert f"**AVH** rises with the level in {low} to {high} of 60 images" in words(open_page("degradation", root))


def test_kinds_and_scores_are_chosen_and_kept_in_the_address(open_page, root, asked):
    app = open_page("degradation", root)
    app.multiselect(key="degradation.scores").set_value(["loss"]).run()
    assert asked(app, "degradation.scores") == "loss"
    assert len(figure(app, 0)["data"]) == len(KINDS)
    app = open_page("degradation", root, degradation__kinds="blur,jpeg", degradation__scores="avh,accuracy")
    assert len(figure(app, 0)["data"]) == 4
    app.multiselect(key="degradation.scores").set_value([]).run()
    assert not app.exception


def test_hsf_bins_part_the_curves_and_simulated_votes_are_called_so(open_page, root, words):
    app = open_page("degradation", root, degradation__bins="1", degradation__kinds="noise", degradation__scores="avh")
    named = [trace["name"] for trace in figure(app, 0)["data"]]
    assert named == sorted(named)
    assert len(named) > 1
    assert "HSF bins of simulated votes" in words(app)


def test_filters_apply_and_one_that_leaves_nothing_says_so(open_page, root, words):
    text = words(open_page("degradation", root, **{"class": "1"}))
    table = open_table(Workspace(root), "digits")
    rows = pd.read_parquet(degradations(table.run)[-1].scores_path, columns=["id"])
    ones = int((table.dataset.labels()[rows["id"].unique()] == 1).sum())
    assert f"n {ones:,} images at every level" in text
    assert "No sample" in words(open_page("degradation", root, where="id < 0"))


def test_another_degradation_of_the_run_can_be_looked_at(open_page, root, words, asked):
    app = open_page("degradation", root)
    box = app.selectbox(key="degradation.made")
    assert len(box.options) == 2
    other = next(name for name in box.options if "noise" not in name)
    box.select(other).run()
    assert asked(app, "degradation.made")
    assert re.search(r"40 images of avhcurate\\?:digits", words(app))


def test_the_sample_of_the_address_is_the_example(open_page, root, words, asked):
    app = open_page("degradation", root, sample="3")
    text = words(app)
    assert "Image 3, 3" in text
    assert "no scores here" in text
    app.button(key="degradation.typical").click().run()
    assert asked(app, "sample") == ""
    app.number_input(key="degradation.sample").set_value(5).run()
    assert asked(app, "sample") == "5"
    assert "Image 5, 5" in words(app)
    app = open_page("degradation", root, sample="99999")
    assert any("no sample 99999" in warning.value for warning in app.warning)


def test_the_empty_state_starts_the_job_with_one_button(open_page, own_demo_root, words, monkeypatch):
    started = []
    monkeypatch.setattr(background, "start", lambda root, argv, **keywords: started.append((argv, keywords["verb"])))
    app = open_page("degradation", own_demo_root)
    assert "No degraded images of this run yet" in words(app)
    button = next(button for button in app.button if button.label == "Degrade images")
    button.click().run()
    run = Workspace(own_demo_root).dataset("digits").run()
    assert started == [(["degrade", "digits", f"--model={run.name}"], "degrade")]


def test_images_are_degraded_on_a_ray_cluster_where_there_is_one(open_page, own_demo_root, monkeypatch):
    started = []
    monkeypatch.setattr(background, "start", lambda root, argv, **told: started.append(argv))
    monkeypatch.setattr(job_forms, "find_spec", lambda package: package)
    app = open_page("degradation", own_demo_root)
    app.selectbox(key="degradation.start_engine").set_value("ray")
    next(button for button in app.button if button.label == "Degrade images").click().run()
    assert ["--engine=ray" in argv for argv in started] == [True]


def test_the_command_has_the_options_that_are_not_defaults():
    settings = DegradeSettings(dataset="pets", model="run-1", kinds=["jpeg", "blur"], limit=0, weights="--force")
    assert settings.argv == ["degrade", "pets", "--model=run-1", "--weights=--force", "--kinds=blur,jpeg", "--limit=0"]
    assert DegradeSettings(dataset="pets", kinds=list(KINDS), limit=1000).argv == ["degrade", "pets"]


def invented(median, expected):
    """A summary in which every score has this agreement with the level."""
    rows = [(key, kind) for key in KEYS for kind in KINDS]
    table = pd.DataFrame(rows, columns=["score", "kind"])
    ends = {"ci_low": median, "ci_high": median, "expected_low": expected - 0.05, "expected_high": expected + 0.05}
    return table.assign(n=50, median=median, expected=expected, **ends)


def test_the_summary_says_so_when_avh_does_not_follow():
    text = summary_text(invented(-0.2, 0.4), list(KINDS))
    assert "Unlike in the paper" in text
    assert "contrast, noise, blur, jpeg" in text
    few = summary_text(invented(1.0, 1.0).assign(n=3, expected_low=0.44, expected_high=1.0), ["blur"])
    assert "Unlike" not in few
    assert "Under blur there are too few images" in few
    assert "AVH follows every degradation here, as the paper" in summary_text(invented(0.9, 0.9), ["blur"])
    nothing = invented(float("nan"), float("nan")).assign(n=0)
    assert "No score has a correlation" in summary_text(nothing, list(KINDS))
    assert "no image has a correlation" in table_html(nothing, list(KINDS))
