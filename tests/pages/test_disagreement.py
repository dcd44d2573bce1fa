"""The Disagreement page without a browser: the two sets, their cuts, their actions and its empty states."""

import io

import pandas as pd
import pytest

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.disagreement.service import SETS, disagree
from avhcurate.features.disagreement.study import Cuts
from avhcurate.features.disagreement.ui import export_set
from avhcurate.workspace.data.workspace import Workspace

HUMANS, _ = SETS.values()


def digits_of(root):
    return open_dataset(Workspace(root), "digits")


def test_both_sets_are_those_of_the_service_widest_gap_first(open_page, demo_root, grids, words):
    app = open_page("disagreement", demo_root, gap__hsf="0.4:0.8", gap__score="confidence", gap__cuts="0.4:0.6")
    cuts = {"hsf_cuts": Cuts(0.4, 0.8), "score_cuts": Cuts(0.4, 0.6, quantile=True)}
    gap = disagree(
        digits_of(demo_root).samples,
        digits_of(demo_root).run,
        digits_of(demo_root).prediction,
        key="confidence",
        **cuts,
    )
    assert "Simulated votes" in words(app)
    shown = grids(app)
    for name, title in SETS.items():
        assert [tile["id"] for tile in shown[title]["tiles"]] == gap.ids[name][:60]
        assert f"{len(gap.ids[name]):,} of 1,797 images" in words(app)
    assert not any(shown[title]["selectable"] for title in SETS.values())


def test_a_slider_changes_the_address_and_the_sets(open_page, demo_root, grids, asked):
    app = open_page("disagreement", demo_root)
    before = len(grids(app)[HUMANS]["tiles"])
    app.slider(key="gap.hsf").set_value((0.6, 0.8)).run()
    assert asked(app, "gap.hsf") == "0.6:0.8"
    assert len(grids(app)[HUMANS]["tiles"]) > before


def test_cuts_that_meet_are_a_message(open_page, demo_root):
    app = open_page("disagreement", demo_root)
    app.slider(key="gap.hsf").set_value((0.5, 0.5)).run()
    assert not app.exception
    assert "must rise" in app.error[0].value


def test_a_click_on_a_point_opens_the_details_once(open_page, demo_root, asked):
    app = open_page("disagreement", demo_root)
    app.session_state["gap.chart.0"] = {"selection": {"points": [{"customdata": {"0": 42, "1": 0.1}}]}}
    app.run()
    assert asked(app, "sample") == "42"
    assert app.session_state["gap.turn"] == 1


@pytest.mark.slow
def test_a_set_is_tagged_whole_and_undone(open_page, own_demo_root):
    app = open_page("disagreement", own_demo_root)
    opened = digits_of(own_demo_root)
    gap = disagree(opened.samples, opened.run, opened.prediction)
    app.button(key="gap.add.hard_for_network").click().run()
    opened.refresh()
    tagged = opened.samples.frame(Filters(tags=("hard-for-network",)), columns=["id"])["id"]
    assert sorted(tagged) == sorted(gap.ids["hard_for_network"])
    app.button(key="gap.undo.hard_for_network").click().run()
    opened.refresh()
    assert opened.samples.count(Filters(tags=("hard-for-network",))) == 0


def test_an_export_holds_its_set_and_says_that_votes_are_simulated(digits):
    gap = disagree(digits.samples, digits.run, digits.prediction)
    rows = pd.read_csv(io.BytesIO(export_set(digits.samples, gap, "hard_for_network")))
    assert rows["id"].tolist() == gap.ids["hard_for_network"]
    assert rows["gap"].is_monotonic_increasing
    assert set(rows["hsf_source"]) == {"simulated"}
