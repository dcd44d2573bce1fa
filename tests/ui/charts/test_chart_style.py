"""The colours of the theme and of figures: read on both themes, and orange and blue kept for hard and easy."""

import re
import tomllib
from pathlib import Path

import pytest

from avhcurate.ui.charts import chart_style
from avhcurate.ui.charts.chart_style import EASY, HARD, SERIES, SLATE, rgba

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
