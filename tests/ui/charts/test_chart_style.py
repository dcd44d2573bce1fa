"""The colours of the theme and of figures: read on both themes, and orange and blue kept for hard and easy."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from avhcurate.datasets.table.sample import Inspection
from avhcurate.ui.charts import chart_style
from avhcurate.ui.charts.chart_style import EASY, HARD, SERIES, SLATE, class_bars, rgba
from tests.conftest import SCRIPT_TIMEOUT_S

ROOT = Path(__file__).parents[3]
THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
CSS = (ROOT / "avhcurate" / "ui" / "shell" / "frame.css").read_text(encoding="utf-8")


def luminance(color):
    """Relative luminance by WCAG 2."""
    shares = [channel / 255 for channel in rgba(color)[:3]]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(color, ground):
    """Contrast by WCAG 2."""
    dark, bright = sorted([luminance(color), luminance(ground)])
    return (bright + 0.05) / (dark + 0.05)


def mixed(color, ground, share):
    """A colour that lets the ground through."""
    channels = zip(rgba(color)[:3], rgba(ground)[:3], strict=True)
    return "#" + "".join(f"{round(share * one + (1 - share) * other):02x}" for one, other in channels)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_what_acts_can_be_read_on_every_ground_of_both_themes(theme):
    colors, side = THEME[theme], THEME[theme]["sidebar"]
    names = ("backgroundColor", "secondaryBackgroundColor")
    grounds = [one[name] for one in (colors, side) for name in names]
    (share,) = re.findall(r"body \[data-testid=\"stCaptionContainer\"\] \{[^}]*currentColor (\d+)%", CSS)
    picked = re.findall(r"light-dark\((#\w+), (#\w+)\);\n\}\n\n/\* In a line", CSS)[0][theme == "dark"]
    for ground in grounds:
        caption = mixed(colors["textColor"], ground, int(share) / 100)
        chosen = mixed(colors["primaryColor"], ground, 0.1)
        assert contrast(colors["textColor"], ground) >= 7, ground
        assert contrast(caption, ground) >= 4.5, (caption, ground)
        assert contrast(colors["linkColor"], ground) >= 4.5, ground
        assert contrast(picked, chosen) >= 4.5, (picked, chosen)
        assert contrast(colors["primaryColor"], ground) >= 3, (ground, "WCAG 1.4.11 asks for 3 to 1")
    assert contrast("#ffffff", colors["primaryColor"]) >= 4.5, "the label of a button that acts"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_stand_out_from_the_background_of_both_themes(theme):
    for color in (*SERIES, HARD, EASY, chart_style.GREY):
        assert contrast(color, THEME[theme]["backgroundColor"]) >= 3, (color, "WCAG 1.4.11 asks for 3 to 1")


def test_orange_and_blue_are_kept_for_hard_and_easy():
    assert not {HARD, EASY} & {*SERIES}
    assert SERIES[0] == SLATE


def test_votes_and_softmax_are_bars_and_angles_are_dots_the_nearest_highest():
    votes, softmax, angles = np.array([0.9, 0.1]), np.array([0.2, 0.8]), np.radians([90, 75])
    figure = class_bars(["cat", "dog"], Inspection({}, {}, votes, softmax, angles))
    assert [(series.type, series.name) for series in figure.data] == [
        *(("bar", "Human votes"), ("bar", "Softmax"), ("scatter", "Angle")),
    ]
    np.testing.assert_allclose([series.y for series in figure.data], [votes, softmax, [90, 75]])
    assert figure.layout.yaxis2.autorange == "reversed"


def test_numbers_in_pale_cells_have_the_colour_of_the_theme():
    """Plotly would write them for a white page."""
    cells, squares = chart_style.matrix(
        np.array([["7", "1"], ["", "2"]]), np.array([[-7, -1], [0, 2]]), list("abcd"), ["r", "s"], ["r", "s"]
    ).data
    assert (cells.text.ravel().tolist(), squares.text.tolist()) == (["7", "", "", ""], ["", "1", "", "2"])
    assert squares.textfont.color is None
    assert list(squares.hovertext) == list("abcd")


def test_of_many_classes_those_stay_that_are_large_in_any_series():
    classes = [f"class {index}" for index in range(1000)]
    softmax, angles = np.full(1000, 1e-4), np.full(1000, 1.6)
    softmax[700], angles[3] = 0.9, 1.2
    figure = class_bars(classes, Inspection({}, {}, None, softmax, angles))
    shown = figure.data[0].x
    assert len(shown) == 12
    assert {"class 3", "class 700"} <= set(shown)


def test_the_name_of_a_class_is_no_markup():
    figure = class_bars(["<b>cat</b>", "dog"], Inspection({}, {}, np.array([1, 0]), None, None))
    assert list(figure.data[0].x) == ["‹b›cat‹/b›", "dog"]


def _page():
    import numpy as np
    import pandas as pd
    import streamlit as st

    from avhcurate.ui.charts.charts_by_class import choose_classes

    count = st.session_state.get("count", 1000)
    rows = pd.DataFrame({"name": [f"Class {k}" for k in range(count)]})
    value = pd.Series(np.arange(float(count))).mask(lambda numbers: numbers > 997)
    st.text(" ".join(choose_classes(rows, value, names="name", what="samples", key="here").index.astype(str)))


def test_of_many_classes_the_extremes_are_shown_and_one_is_found_by_a_part_of_its_name():
    app = AppTest.from_function(_page, default_timeout=SCRIPT_TIMEOUT_S).run()
    assert app.text[0].value.split() == [*map(str, range(997, 985, -1)), *map(str, range(11, -1, -1))]
    assert app.caption[0].value == "1,000 classes. Shown are the 12 highest and the 12 lowest by samples."
    app.text_input(key="here.find").set_value("class 77").run()
    assert (len(app.text[0].value.split()), app.caption[0].value) == (11, "11 classes have “class 77” in their name.")
