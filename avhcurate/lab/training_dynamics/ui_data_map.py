"""The data map on the Training dynamics page: a map to draw regions on, and the images that lie in one."""

import math

import pandas as pd
import streamlit as st

from avhcurate.lab.training_dynamics import service
from avhcurate.lab.training_dynamics.plots import COLORS, data_map, downsampled
from avhcurate.people.bins import bin_labels
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.layout import help_menu, in_a_row
from avhcurate.ui.base.page_choices import one_of
from avhcurate.ui.charts import regions
from avhcurate.ui.charts.regions import Region, write_region
from avhcurate.ui.grid.grid_bar import sample_grid
from avhcurate.ui.grid.grid_views import GridView
from avhcurate.workspace.data.trainings import Part, TrainingFolder

COLOR = one_of("dynamics.color", list(COLORS), "correctness")
_PARTS: dict[Part, str] = {"held out": "Held out", "learnt from": "Learnt from"}
PART = one_of("dynamics.samples", tuple(_PARTS), "held out")
REGION = regions.region_choice("dynamics")
#: Share of the samples in a region that a button selects.
_TENTH = 0.1

#: A row per sample in view: its place on the data map, and what it can be coloured and ordered by.
points = kept("Reading every epoch …")(service.data_map)

ABOUT = r"""
Each point is a image. Over the evaluations at the end of each epoch, **confidence** is the mean of the probability
that the network gave to its label, **variability** its standard deviation, **correctness** the share of epochs in
which it was right (Swayamdipta et al. 2020). As in the paper, it is of some of the images learnt from, or of those
held out. The two are never mixed: a network believes what it has seen.

Low in the corner on the left lie images that the network hardly ever believes: wrong labels and odd images are among
them. Far to the right lie those on which it changes its mind.
"""


def choose_part(page: Opened, training: TrainingFolder) -> Part:
    """Return whether the map is of samples held out or of samples learnt from, where these are of this dataset."""
    if service.learnt_from(page.table, training):
        return PART.show(st.segmented_control, "Images", _PARTS, label_visibility="collapsed")
    return "held out"


def choose_region(page: Opened, points: pd.DataFrame) -> tuple[str, str]:
    """Ask for colour and tool, and offer regions; return the tool, as `regions.choose_tool`."""
    colors = {key: name for key, name in COLORS.items() if key != "hsf_bin" or page.table.votes is not None}
    with in_a_row(gap="medium"):
        COLOR.show(st.segmented_control, "Colour", colors)
        tool = regions.choose_tool("dynamics")
        for label, region in corners(points).items():
            st.button(label, key=f"dynamics.corner.{label}", on_click=regions.answer, args=(REGION, region))
        if REGION.asked() is not None:
            regions.clear_button(REGION)
        with help_menu("dynamics.about_map"):
            st.markdown(ABOUT)
    return tool


def corners(points: pd.DataFrame) -> dict[str, Region]:
    """Return regions worth seeing, each with about a tenth of the samples."""
    varied = float(points["variability"].quantile(1 - _TENTH, interpolation="higher"))
    doubted = float(points["confidence_mean"].quantile(_TENTH, interpolation="lower"))
    return {
        "Most varied tenth": Region((varied, math.inf), (-math.inf, math.inf)),
        "Least believed tenth": Region((-math.inf, math.inf), (-math.inf, doubted)),
    }


def chart(page: Opened, points: pd.DataFrame, part: Part, tool: tuple[str, str]) -> int | None:
    """Draw the map and take over a region drawn on it; return the id of a point just clicked."""
    color = COLOR.asked()
    region = REGION.asked()
    drawn = downsampled(points)
    outline = None
    if region is not None:
        outline = region.outline(-0.02, 1.02)
    figure = data_map(
        drawn,
        color=color,
        bins=bin_labels(page.table.edges),
        outline=outline,
        dragmode=tool[0],
        simulated=page.table.simulated,
    )
    clicked = regions.chart(
        figure,
        REGION,
        key="dynamics.map",
        alt=f"Data map of {len(points):,} images: mean confidence against variability, coloured by {COLORS[color]}",
    )
    note = f"{len(points):,} images {part}"
    if len(drawn) < len(points):
        note += f", {len(drawn):,} of them drawn, a random part where it is crowded. A selection holds all"
    st.caption(f"{note}. {tool[1]}")
    return clicked


def images(page: Opened, points: pd.DataFrame, part: Part, *, about: str) -> GridView | None:
    """Show the images of the region in a grid; return the view of them, None where none are chosen.

    `about` names what the map is of: a selection of images made on another is void.
    """
    region = REGION.asked()
    if region is None:
        return None
    inside = points[region.holds(points["variability"], points["confidence_mean"])]
    st.markdown(f"**{len(inside):,} of {len(points):,} images in the region**, least believed first")
    if inside.empty:
        return None
    score = "confidence_mean"
    values = inside.sort_values(score, kind="stable").set_index("id")[score]
    if part == "learnt from":
        score = f"train_{score}"
    about = f"{about} {part} {write_region(region)}"
    return sample_grid(page, values.index.tolist(), about=about, score=score, values=values)
