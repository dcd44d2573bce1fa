"""The data map: every point where the table has it with its id, histograms of all samples, a fair part when crowded."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avhcurate.features.training_dynamics.plots_data_map import data_map, downsampled
from avhcurate.ui.chart_style import ramp

BINS = ("[0, 0.5)", "[0.5, 1]")


def points_of(n=40, seed=0):
    rng = np.random.default_rng(seed)
    hsf = rng.uniform(0, 1, n)
    names = np.where(hsf < 0.5, *BINS).astype(object)
    names[:3] = None
    return pd.DataFrame(
        {
            "id": np.arange(n) + 100,
            "label_name": "cat",
            "hsf": hsf,
            "hsf_bin": names,
            "avh": rng.uniform(0.05, 0.2, n),
            "confidence_mean": rng.uniform(0, 1, n).round(4),
            "variability": rng.uniform(0, 0.4, n).round(4),
            "correctness": rng.integers(0, 11, n) / 10,
        }
    )


def scatters(figure):
    return [trace for trace in figure.data if trace.type == "scattergl"]


@pytest.mark.parametrize("color", ["correctness", "hsf_bin", "avh"])
def test_points_lie_where_the_table_says_and_carry_their_id(color):
    points = points_of()
    drawn = {
        int(row[0]): (x, y)
        for trace in scatters(data_map(points, points, color=color, bins=BINS))
        for row, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }
    places = zip(points["variability"], points["confidence_mean"], strict=True)
    assert drawn == dict(zip(points["id"], places, strict=True))


def test_the_name_of_a_class_is_no_markup():
    points = points_of().assign(label_name="<b>")
    (drawn,) = scatters(data_map(points, points, color="avh", bins=BINS))
    assert set(drawn.text) == {"‹b›"}


def test_hard_is_orange_and_easy_is_blue_for_correctness_and_for_avh():
    hard, easy = ramp(2)
    points = points_of()
    for color, hard_is_low in (("correctness", True), ("avh", False)):
        (trace,) = scatters(data_map(points, points, color=color))
        ends = [value for _, value in (trace.marker.colorscale[0], trace.marker.colorscale[-1])]
        assert ends == ([hard, easy] if hard_is_low else [easy, hard])
        expected = points.set_index("id")[color].loc[trace.customdata[:, 0].astype(int)]
        np.testing.assert_allclose(trace.marker.color, expected, atol=1e-4)
        hardest_on_top = expected.is_monotonic_decreasing if hard_is_low else expected.is_monotonic_increasing
        assert hardest_on_top


def test_bins_have_their_colours_and_samples_without_votes_are_named():
    points = points_of()
    traces = {trace.name: trace for trace in scatters(data_map(points, points, color="hsf_bin", bins=BINS))}
    assert list(traces) == ["no votes", *BINS[::-1]]  # the hardest on top
    assert [traces[name].marker.color for name in BINS] == ramp(2)
    for name in BINS:
        assert list(traces[name].customdata[:, 0]) == points["id"][points["hsf_bin"] == name].tolist()
    assert list(traces["no votes"].customdata[:, 0]) == [100, 101, 102]


def test_the_histograms_count_all_samples_whatever_is_drawn():
    everything = points_of(500)
    figure = data_map(everything.iloc[:20], everything)
    up, right = (trace for trace in figure.data if trace.type == "bar")
    assert (sum(up.customdata), sum(right.customdata)) == (500, 500)
    assert (up.yaxis, right.xaxis) == ("y2", "x2")
    width = up.x[1] - up.x[0]
    first = (everything["variability"] < up.x[0] + width / 2).sum()
    assert up.customdata[0] == first


def test_the_outline_of_a_region_is_drawn():
    points = points_of()
    figure = data_map(points, points, outline=([0.1, 0.2, 0.2, 0.1], [0, 0, 1, 1]))
    assert figure.layout.shapes[0].path.startswith("M0.1,0L0.2,0")
    assert not data_map(points, points).layout.shapes


def test_one_point_alone_can_be_drawn():
    points = points_of(1).assign(variability=0.0, avh=np.nan)
    for color in ("correctness", "hsf_bin", "avh"):
        assert scatters(data_map(points, points, color=color, bins=BINS))[0].x[0] == 0


@given(st.integers(0, 300), st.integers(0, 30), st.integers(1, 200))
def test_thinning_keeps_the_limit_the_order_and_the_lonely(crowd, lonely, most):
    rng = np.random.default_rng(crowd)
    x = np.concatenate([np.full(crowd, 0.01), np.linspace(0.05, 0.49, lonely)])
    y = np.concatenate([np.full(crowd, 0.99), rng.uniform(0, 0.9, lonely)])
    points = pd.DataFrame({"id": np.arange(len(x)), "variability": x, "confidence_mean": y})
    kept = downsampled(points, most=most)
    assert len(kept) == min(most, crowd + lonely)
    assert kept["id"].is_monotonic_increasing
    assert kept["id"].is_unique
    if most >= 2 * lonely + 1:
        assert (kept["id"] >= crowd).sum() == lonely
