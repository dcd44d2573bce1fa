"""The Models page without a browser: the table, every part about two runs, what a click does, and its empty states."""

import json
import re

import numpy as np
import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.compare import run_pair, service
from avhcurate.ui.charts.show import CLICKED
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.workspaces import copied

OWN = "avhcurate-digits"


@pytest.fixture(scope="module")
def two_runs(demo_root, tmp_path_factory, add_run):
    """The demo with a second network, `other-1`, that calls every 7 a 1 and finds it hard."""
    root = copied(demo_root, tmp_path_factory.mktemp("two") / "workspace")
    seven = (open_dataset(Workspace(root), "digits").samples.frame(columns=["id", "label"])["label"] == 7).to_numpy()

    def other(rows):
        predicted = np.where(seven, 1, rows["predicted"]).astype("int32")
        return rows.assign(predicted=predicted, avh=np.where(seven, rows["avh"] + 1, rows["avh"]).astype("float32"))

    add_run(root, "other-1", other)
    return root


@pytest.fixture
def found(two_runs):
    opened = open_dataset(Workspace(two_runs), "digits")
    names = {run.name for run in opened.dataset.runs()}
    return run_pair.compare_pair(opened.samples, opened.votes, next(iter(names - {"other-1"})), "other-1")


def address(found, part, **query):
    return {"models__part": part, "models__a": found.names[0], "models__b": found.names[1], **query}


def test_the_table_has_every_run_with_its_n_and_intervals(open_page, two_runs, words, found):
    text = words(open_page("models", two_runs))
    assert "planted:other-1" in text
    accuracy = 100 * found.points["b"].mean()
    assert f"<td>{accuracy:.1f} %<small>" in text
    assert "Simulated votes" in text
    assert "4 · AVH follows HSF in every model: holds." in text
    assert "5 · The norm does not follow HSF consistently" in text


@pytest.mark.slow
def test_runs_are_chosen_by_training_accuracy_and_what_they_learnt_from(open_page, trained_root, words):
    app = open_page("models", trained_root)
    options = app.multiselect(key="models.runs").options
    learnt = re.compile(r"digits · cross-entropy · seed [01] · \d+\.\d % · learnt from some of these")
    assert [bool(learnt.fullmatch(option)) for option in options].count(True) == 2
    assert any(re.fullmatch(r"avhcurate:digits · 9\d\.\d %", option) for option in options)
    short = app.selectbox(key="frame.run").options
    assert (len(set(short)), max(map(len, short)) <= 30) == (len(options), True), "names of runs differ at their ends"
    assert "<small>10 classes · learnt from some of these</small>" in words(app)


def test_runs_and_scores_come_from_the_address(open_page, two_runs, words, asked):
    app = open_page("models", two_runs, models__runs="other-1", models__scores="loss")
    text = words(app)
    assert "avhcurate:digits</th>" not in text.replace("<small>10 classes</small>", "")
    assert "Loss<small>with HSF, simulated" in text
    app.multiselect(key="models.scores").set_value(["avh", "norm"]).run()
    assert asked(app, "models.scores") == "avh,norm"
    assert "Norm<small>with HSF" in words(app)


def test_slices_show_the_worst_first_with_n_and_lead_to_their_images(open_page, two_runs, words, asked, grids):
    app = open_page("models", two_runs, models__part="slices", models__by="label,split")
    text = words(app)
    assert "**1** of 24 are worse than the rest. Least accurate: **label 7** of planted\\:other-1, 0.0 % of 179" in text
    first, second = text.index("label 7<small>planted:other-1"), text.index("label 7<small>avhcurate:digits")
    assert text.index("<td>1,797</td>") < first < second
    assert "<td>179</td><td>worse than the rest</td><td>0.0 %<small>0.0 to" in text
    app.segmented_control(key="models.measure").set_value("hsf").run()
    app.multiselect(key="models.by").set_value(["hsf_bin"]).run()
    assert (asked(app, "models.measure"), asked(app, "models.by")) == ("hsf", "hsf_bin")
    (chart,) = app.get("plotly_chart")
    bars = json.loads(chart.proto.spec)["data"][0]
    app.session_state[CLICKED] = bars["meta"]["to"][1]
    app.run()
    assert grids(app)["Images"]["count"] == bars["meta"]["n"][1]
    assert (bars["y"][1], asked(app, "bin")) == ("hsf_bin 0–0.2", "0")


def test_who_is_right_names_the_better_one_and_lists_an_outcome(open_page, two_runs, words, grids, found, asked):
    app = open_page("models", two_runs, **address(found, "pair", models__outcome="110"))
    text = words(app)
    a_only, _, _ = found.only
    assert "**A is right more often**" in text
    assert f"{a_only:,} only A has right" in text
    ids = found.ids("people == 1 and a == 1 and b == 0")
    assert [tile["id"] for tile in grids(app)["Images"]["tiles"]] == ids[:60]
    assert f"Panel (simulated) right, A right, B wrong** · n {len(ids)}" in text


def test_choosing_a_row_shows_its_images_once(open_page, two_runs, grids, found, asked):
    app = open_page("models", two_runs, **address(found, "pair"))
    assert "Images" not in grids(app)
    app.session_state["models.outcomes.0"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    app.run()
    row = run_pair.outcomes(found).iloc[1]
    assert asked(app, "models.outcome") == f"{int(row['people'])}{int(row['a'])}{int(row['b'])}"
    assert app.session_state["models.turn"] == 1
    assert len(grids(app)["Images"]["tiles"]) == min(60, row["n"])


def test_hard_for_one_and_for_all(open_page, two_runs, grids, words, asked, found):
    app = open_page("models", two_runs, **address(found, "hard", models__set="b"))
    ids = found.ids("b_rank >= 0.8 and a_rank <= 0.5", "b_rank - a_rank")
    assert len(ids)
    assert [tile["id"] for tile in grids(app)["Images"]["tiles"]] == ids[:60]
    assert f"n {len(ids)} of 1,797" in words(app)
    app.slider(key="models.cuts").set_value((0.3, 0.9)).run()
    assert asked(app, "models.cuts") == "0.3:0.9"
    app.segmented_control(key="models.set").set_value("all").run()
    assert "percentile 90 of hardness in each of 2 runs" in words(app)
    ranks = service.hardness_ranks(
        open_dataset(Workspace(two_runs), "digits").samples, open_dataset(Workspace(two_runs), "digits").votes
    )
    hard = ranks[ranks.min(axis=1) >= 0.9].mean(axis=1)
    shown = [tile["id"] for tile in grids(app)["Images"]["tiles"]]
    assert len(shown) == min(60, len(hard))
    assert hard[shown].is_monotonic_decreasing
    assert hard[shown[0]] == hard.max()


def test_one_run_says_how_to_get_a_second(open_page, demo_root, words):
    app = open_page("models", demo_root, models__part="pair")
    text = words(app)
    assert "Two runs are needed" in text
    (way,) = (link.proto for link in app.get("page_link") if link.proto.label == "Score them with another model")
    assert "home.have=classifier" in way.query_string
    assert "is right on 99." in text  # the one run is shown all the same
    assert "find the same images hard" not in text


def test_without_votes_or_a_run(open_page, voteless_root, unscored_root, add_run, words):
    add_run(voteless_root, "other-1", lambda rows: rows)
    assert "Mean AVH" in words(open_page("models", voteless_root))
    assert "No clear difference in accuracy" in words(open_page("models", voteless_root, models__part="pair"))
    assert "No model has scored these images" in words(open_page("models", unscored_root))
