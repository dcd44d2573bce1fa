"""The Correlation page without a browser: the table, what it says in words, comparisons and its empty states."""

import re
from dataclasses import replace
from html import escape

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from avhcurate.datasets.table.filters import Filters
from avhcurate.features.correlation.service import Correlations, correlate
from avhcurate.features.correlation.ui import pair_of, summary, table_html, verdict
from avhcurate.measures.scores import SCORES
from avhcurate.measures.stats.correlation_tests import Comparison
from avhcurate.people.reliability import Reliability, of_ticks
from avhcurate.ui.base.text import signed
from tests.fakes.workspaces import HOSTILE_COLUMN


def test_the_table_shows_spearman_of_every_score_with_n_in_the_header(open_page, demo_root, digits, words):
    text = words(open_page("correlation", demo_root))
    frame = digits.samples.frame(Filters(), columns=["hsf", *digits.samples.scores])
    for key in digits.samples.scores:
        rho = spearmanr(frame[key], frame["hsf"]).statistic
        assert SCORES[key].name in text
        assert signed(float(rho), 3) in text
    for count in np.histogram(frame["hsf"] + 1e-9, bins=[0, 0.2, 0.4, 0.6, 0.8, 1.1])[0]:
        assert f"<small>n {count:,}</small>" in text
    assert re.search(r"Noise ceiling \*\*0\.9\d to 0\.9\d\*\* \(95 %\)", text)
    assert re.search(r"the most that a score can be expected to reach is 0\.9\d to 0\.9\d\.", text)
    assert "docs/scores-for.md" in text


def test_simulated_votes_are_called_so_and_human_ones_are_not(open_page, demo_root, human_root, words):
    simulated, human = (words(open_page("correlation", root)) for root in (demo_root, human_root))
    assert "Simulated votes" in simulated
    assert "follows the simulated panel" in simulated
    assert "follows people" in human
    assert "imulated" not in human


def test_the_filters_and_the_bin_edges_of_the_frame_apply(open_page, demo_root, words):
    text = words(open_page("correlation", demo_root, edges="0,0.5,1", **{"class": "1"}))
    assert "**182** of 1,797 images" in text
    assert "[0.5, 1]" in text
    assert "n 182" in text


def test_two_scores_are_chosen_and_compared(open_page, demo_root, words, asked):
    app = open_page("correlation", demo_root)
    app.selectbox(key="correlation.first").set_value("norm").run()
    app.selectbox(key="correlation.second").set_value("entropy").run()
    assert asked(app, "correlation.first") == "norm"
    assert "**Entropy** follows the simulated panel more closely than **Norm**" in words(app)
    app.selectbox(key="correlation.second").set_value("norm").run()
    assert "two different scores" in words(app)


def test_further_analyses_stand_behind_one_choice(open_page, demo_root, words, asked):
    app = open_page("correlation", demo_root, **{"class": "1"})
    assert "Partial Spearman" not in words(app)
    for key, said in (("adding", "Partial Spearman"), ("classes", "Student"), ("hard", "Newcombe")):
        app.segmented_control(key="correlation.more").set_value(key).run()
        assert not app.exception
        assert asked(app, "correlation.more") == key
        assert said in words(app)
    again = open_page("correlation", demo_root, correlation__more="parents", **{"class": "1"})
    assert asked(again, "correlation.more") == "parents"
    assert again.segmented_control(key="correlation.more").value == "none"  # the classes have no parents


@pytest.mark.parametrize("page", ["correlation", "disagreement"])
def test_without_votes_a_run_or_data_it_says_what_to_do(
    open_page, workspace, unscored_root, voteless_root, words, page
):
    assert "it needs votes" in words(open_page(page, voteless_root))
    assert "score only" in open_page("gallery", voteless_root).selectbox(key="gallery.caption").options
    assert "No model has scored these images" in words(open_page(page, unscored_root))
    assert "No dataset yet" in words(open_page(page, workspace.root))


def test_own_columns_join_the_table_and_take_the_place_of_hsf(open_page, columns_root, words, asked):
    app = open_page("correlation", columns_root)
    app.multiselect(key="correlation.columns").set_value(["my_score", HOSTILE_COLUMN]).run()
    text = words(app)
    assert escape(HOSTILE_COLUMN[:31]) in text
    assert "not known" in text
    assert "which end of my\\_score and" in text
    assert not any("<i onclick" in node.proto.body for node in app.get("html"))
    again = open_page("correlation", columns_root, correlation__columns=asked(app, "correlation.columns"))
    assert again.multiselect(key="correlation.columns").value == ["my_score", HOSTILE_COLUMN]
    app.selectbox(key="correlation.against").set_value("my_score").run()
    text = words(app)
    assert "my\\_score takes the place of HSF here" in text
    assert "no agreement" in text
    assert not app.exception


# --- the words -----------------------------------------------------------------------------------------------


def finding(rows, pairs=(), simulated=False):
    """A finding made by hand: rows of (score, spearman, low, high)."""
    table = pd.DataFrame(
        [(key, "all", 100, rho, low, high, np.arctanh(rho), 0.001) for key, rho, low, high in rows],
        columns=["score", "bin", "n", "spearman", "ci_low", "ci_high", "fisher_z", "p_value"],
    )
    compared = pd.DataFrame(list(pairs), columns=["first", "second", *Comparison._fields]).assign(p_holm=0.01)
    ceiling = of_ticks([10, 0, 9, 1, 5, 2], [10] * 6)
    return Correlations(table, compared, ceiling, simulated)


def test_nothing_is_said_of_votes_where_another_column_takes_the_place_of_hsf():
    other = replace(finding([("avh", 0.3, 0.2, 0.4)]), ceiling=Reliability(0), against="brightness")
    text = summary(other)
    assert "brightness of the images most closely" in text
    assert "votes" not in text


#: The comparison of AVH with confidence where it loses.
LOST = Comparison(100, 0.3, 0.5, 0.6, -0.24, -0.4, -0.1, -3.1, 0.002, 0.08, 0.08, -0.2, -0.3, -0.1)
AVH_LOSES = [("avh", -0.3, -0.4, -0.2), ("confidence", 0.5, 0.4, 0.6), ("norm", -0.2, -0.3, -0.1)]


def test_the_summary_is_honest_when_avh_loses():
    pairs = [("avh", "confidence", *LOST)]
    text = summary(finding(AVH_LOSES, pairs))
    assert text.startswith("**Confidence** follows people most closely, at 0.500; AVH is number 2 of 3, at 0.300.")
    assert "**Confidence** follows people more closely than **AVH**: 0.500 against 0.300" in text
    assert "Against the judgement of people: Norm." in text
    equal = summary(finding([("avh", -0.4999, -0.6, -0.4), ("loss", -0.5001, -0.6, -0.4)]))
    assert equal.startswith("**Loss** follows people most closely, at 0.500, and AVH as closely.")


def test_the_summary_says_so_when_avh_wins_or_nothing_is_clear():
    pairs = [("avh", "confidence", *Comparison(100, 0.5, 0.4, 0.6, 0.13, -0.1, 0.3, 1.3, 0.2))]
    rows = [("avh", -0.5, -0.6, -0.4), ("confidence", 0.4, 0.3, 0.5)]
    text = summary(finding(rows, pairs))
    assert text.startswith("**AVH** follows people most closely, at 0.500.")
    assert "No clear difference" in text
    weak = summary(finding([("avh", -0.05, -0.2, 0.1)]))
    assert "its interval reaches 0" in weak
    nan = float("nan")
    few = summary(finding([("avh", -0.9, nan, nan)]))
    assert "at 0.900, of 100 images only" in few
    assert "interval" not in few


def test_scores_that_order_samples_equally_or_not_at_all_are_called_so():
    same = ("avh", "relative_avh", *Comparison(100, 0.3, 0.3, 1.0, *[0.0] * 4, 1.0))
    lacking = ("avh", "loss", *Comparison(100, 0.3, 0.3, 1.0))
    found = finding(AVH_LOSES, [same, lacking])
    assert "in the same order" in verdict(pair_of(found, "avh", "relative_avh"))
    assert "cannot be compared" in verdict(pair_of(found, "avh", "loss"))


def test_cells_of_few_samples_are_marked_and_say_why(digits):
    found = correlate(digits.samples, digits.run, digits.votes, keys=["avh"], filters=Filters(where="id < 9"))
    html = table_html(found)
    assert "class='few'" in html
    assert "fewer than 10 images" in html
    assert "class='few'" not in table_html(correlate(digits.samples, digits.run, digits.votes, keys=["avh"]))
