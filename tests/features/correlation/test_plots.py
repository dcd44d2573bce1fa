"""The correlation figures: values as in the table, turned so that positive means agreement with people."""

import numpy as np
import pandas as pd
import pytest

from avhcurate.features.correlation.plots import per_bin, ranking
from avhcurate.features.correlation.service import Correlations, agreement
from avhcurate.measures.scores import SCORES
from avhcurate.people.reliability import Reliability, of_ticks

BINS = ["all", "[0, 0.5)", "[0.5, 1]"]
NO_CEILING, CEILING = of_ticks([], []), Reliability(100, reliability=0.9**2, low=0.88**2, high=0.92**2)


def result_of(table, *, simulated=False, ceiling=NO_CEILING):
    return Correlations(table, table, ceiling, simulated)


@pytest.fixture
def table():
    rows = []
    for key, rho in (("avh", -0.4), ("confidence", 0.5), ("norm", -0.2)):
        for group, n, part in zip(BINS, (300, 8, 292), (1, 0.5, 0.25), strict=True):
            rows.append((key, group, n, rho * part, rho * part - 0.1, rho * part + 0.05, np.arctanh(rho * part), 0.01))
    columns = ["score", "bin", "n", "spearman", "ci_low", "ci_high", "fisher_z", "p_value"]
    return pd.DataFrame(rows, columns=columns)


def test_agreement_turns_a_score_whose_hard_end_is_high_with_its_interval(table):
    turned = agreement(result_of(table)).set_index(["score", "bin"])[["low", "agreement", "high"]]
    assert turned.loc[("avh", "all")].tolist() == pytest.approx([0.35, 0.4, 0.5])
    assert turned.loc[("confidence", "all")].tolist() == pytest.approx([0.4, 0.5, 0.55])
    assert (turned.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)


def test_the_ranking_shows_the_rows_all_closest_to_people_on_top_and_the_ceiling_if_there_is_one(table):
    figure = ranking(result_of(table, ceiling=CEILING))
    dots, values = figure.data
    assert [text.strip() for text in values.text] == ["-0.20", "0.40", "0.50"]
    assert list(dots.y) == ["Norm", "AVH", "Confidence"]  # a category axis begins below
    assert list(dots.x) == pytest.approx([-0.2, 0.4, 0.5])
    assert list(dots.error_x.array) == pytest.approx([0.05, 0.1, 0.05])
    assert list(dots.error_x.arrayminus) == pytest.approx([0.1, 0.05, 0.1])

    assert any("noise ceiling 0.88 to 0.92" in note.text for note in figure.layout.annotations)
    assert {(shape.x0, shape.x1) for shape in figure.layout.shapes} >= {(0.88, 0.92)}
    assert not any("ceiling" in note.text for note in ranking(result_of(table)).layout.annotations)


def test_bins_show_each_score_with_n_and_hollow_where_there_are_few(table):
    figure = per_bin(result_of(table, simulated=True), ["avh", "confidence"])
    assert [trace.name for trace in figure.data] == [SCORES["avh"].name, SCORES["confidence"].name]
    assert list(figure.data[0].y) == pytest.approx([0.2, 0.1])
    assert list(figure.data[1].y) == pytest.approx([0.25, 0.125])
    assert list(figure.layout.xaxis.ticktext) == ["[0, 0.5)<br>n 8", "[0.5, 1]<br>n 292"]
    assert [symbol.endswith("-open") for symbol in figure.data[0].marker.symbol] == [True, False]
    assert "simulated" in figure.layout.xaxis.title.text
