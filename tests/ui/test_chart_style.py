"""The colours of figures: seen on both themes, and orange and blue kept for hard and easy."""

import tomllib
from pathlib import Path

import pytest

from avhcurate.ui import chart_style
from avhcurate.ui.chart_style import EASY, HARD, SERIES, SLATE, rgba

THEME = tomllib.loads((Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]


def luminance(color):
    """Relative luminance by WCAG 2."""
    shares = [channel / 255 for channel in rgba(color)[:3]]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_stand_out_from_the_background_of_both_themes(theme):
    ground = luminance(THEME[theme]["backgroundColor"])
    for color in (*SERIES, HARD, EASY, chart_style.GREY):
        dark, bright = sorted([ground, luminance(color)])
        assert (bright + 0.05) / (dark + 0.05) >= 3, (color, "WCAG 1.4.11 asks for 3 to 1")


def test_orange_and_blue_are_kept_for_hard_and_easy():
    assert not {HARD, EASY} & {*SERIES}
    assert SERIES[0] == SLATE
