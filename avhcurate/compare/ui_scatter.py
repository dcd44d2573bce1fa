"""AVH of run A against AVH of run B on the Models page, with a region to draw on it."""

import pandas as pd
import streamlit as st

from avhcurate.compare import plots
from avhcurate.compare.pair import RunPair
from avhcurate.compare.ui_images import ImageList, class_names
from avhcurate.ui import region_chart
from avhcurate.ui.frame import Opened
from avhcurate.ui.page_choices import one_of
from avhcurate.ui.regions import Region
from avhcurate.ui.score_help import score_name
from avhcurate.ui.text import signed
from avhcurate.votes.bins import bin_labels

_COLORS = {"agreement": "Right or wrong", "bin": "HSF bin"}
COLOR = one_of("models.color", tuple(_COLORS), "agreement")
REGION = region_chart.region_choice("models")


def scatter(here: Opened, found: RunPair) -> tuple[ImageList | None, int | None]:
    """AVH of A against AVH of B; the samples of the region drawn on it, and the id of a point just clicked."""
    points = found.points.dropna(subset=["a", "b"])
    region = REGION.of(here.view)
    color, dragmode, hint = _tools(here, voted=found.voted, selected=region is not None)
    measure = score_name(found.measure)
    figure = plots.against(
        points,
        titles=found.titles,
        measure=measure,
        color=color,
        bins=bin_labels(here.table.edges) if color == "bin" else (),
        classes=class_names(here, found),
        outline=_outline(region, points) if region else None,
        dragmode=dragmode,
        simulated=found.simulated,
    )
    clicked = region_chart.chart(
        figure,
        REGION,
        key="models.against",
        alt=f"{measure} of {found.titles[0]} against {found.titles[1]}, {len(points):,} samples",
    )
    said = f"{len(points):,} samples; Spearman {signed(found.spearman, 3)}."
    if len(points) > plots.MOST_POINTS:
        said += " The shade says how many lie in a cell; those that lie alone are drawn. A selection takes all."
    if found.measure == "relative_avh":
        said += " Relative AVH, since the runs tell different numbers of classes apart."
    st.caption(f"{said} {hint} On the dashed line both find a sample equally hard.")
    if region is None:
        return None, clicked
    inside = points[region.holds(points["a"], points["b"])]
    wide = inside.assign(gap=(inside["a_rank"] - inside["b_rank"]).abs()).sort_values(
        "gap", ascending=False, kind="stable"
    )
    title = f"{len(inside):,} of {len(points):,} samples in the region, widest difference of percentiles first"
    return ImageList(title, wide["id"].astype(int).tolist()), clicked


def _tools(here: Opened, *, voted: bool, selected: bool) -> tuple[str, str, str]:
    """The colour, and the tool as `region_chart.choose_tool` gives it."""
    color = COLOR.default
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        if voted:
            color = COLOR.show(st.segmented_control, "Colour", here.view, _COLORS)
        tool = region_chart.choose_tool("models")
        if selected:
            region_chart.clear_button(REGION)
    return color, *tool


def _outline(region: Region, points: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Corners to draw; sides that lie beyond the chart at its edge."""
    left, right, low, high = plots.window(points)
    xs, _ = region.outline(left, right)
    _, ys = region.outline(low, high)
    return xs, ys
