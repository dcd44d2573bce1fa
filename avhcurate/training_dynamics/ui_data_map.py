"""The data map on the Training dynamics page: a map to draw regions on, and the images that lie in one."""

import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from avhcurate.data.trainings import Part, TrainingFolder
from avhcurate.scores import SCORES
from avhcurate.stats.epoch_scores import KEYS
from avhcurate.table.titles import titles
from avhcurate.training_dynamics import service
from avhcurate.training_dynamics.plots_data_map import COLORS, MOST_POINTS, data_map, downsampled
from avhcurate.ui import regions
from avhcurate.ui.cache import HASH_FUNCS
from avhcurate.ui.frame import Opened
from avhcurate.ui.grid_bar import sample_grid
from avhcurate.ui.grid_views import GridView
from avhcurate.ui.page_choices import one_of
from avhcurate.ui.regions import Region, write_region
from avhcurate.ui.score_help import score_name
from avhcurate.ui.user_errors import plain
from avhcurate.votes.bins import bin_labels

COLOR = one_of("dynamics.color", list(COLORS), "correctness")
#: What the images of a region can be ordered by, hardest first.
SORTS = ("variability", "confidence_mean", "correctness", "forgetting", "aum", "avh", "hsf")
SORT = one_of("dynamics.sort", SORTS, "variability")
_PARTS: dict[Part, str] = {"held out": "Held out", "learnt from": "Learnt from"}
PART = one_of("dynamics.samples", tuple(_PARTS), "held out")
REGION = regions.region_choice("dynamics")
#: Share of the samples in a region that a button selects.
_TENTH = 0.1

_points_of = st.cache_resource(max_entries=8, show_spinner="Reading every epoch …", hash_funcs=HASH_FUNCS)(
    service.data_map
)

ABOUT = r"""
Each point is a sample. Over the evaluations at the end of each epoch, **confidence** is the mean of the probability
that the network gave to its label, **variability** its standard deviation, **correctness** the share of epochs in
which it was right (Swayamdipta et al. 2020). As in the paper, of some of the samples learnt from, seen as they are and
not as augmented; or of those held out, which says how well they can be told and not how they are learnt. The two are
never mixed: a network believes what it has seen.

Low in the corner on the left lie samples that the network hardly ever believes: wrong labels and odd images are among
them. Far to the right lie those on which it changes its mind.
"""


def mapped(page: Opened, chosen: Sequence[TrainingFolder]) -> TrainingFolder:
    """The training that the map is of, of several the one that the address names."""
    if len(chosen) == 1:
        return chosen[0]
    by_name = {training.name: training for training in chosen}
    called = titles(page.table.dataset)
    which = one_of("dynamics.map", tuple(by_name), chosen[0].name)
    wanted = page.view if page.view.chosen(which.name) in by_name else page.view.choosing(which.name, "")
    names = {name: called[name] for name in by_name}
    return by_name[which.show(st.segmented_control, "Map of", wanted, names, label_visibility="collapsed")]


def choose_part(page: Opened, training: TrainingFolder) -> Part:
    """Whether the map is of samples held out or of samples learnt from, where these are of this dataset."""
    offered = service.parts(page.table, training)
    if len(offered) > 1:
        return PART.show(st.segmented_control, "Samples", page.view, _PARTS, label_visibility="collapsed")
    if learnt := len(training.ids("learnt from")):
        there = plain(training.record.dataset)
        st.caption(
            f"{learnt:,} samples of {there} that it learnt from are on record too: score {there} with its weights."
        )
    return "held out"


def points(page: Opened, training: TrainingFolder, part: Part) -> pd.DataFrame:
    """A row a sample in view: its place on the data map, and what it can be coloured and ordered by."""
    return _points_of(page.table, training, part=part, filters=page.filters)


def choose_region(page: Opened, points: pd.DataFrame) -> tuple[str, str]:
    """Colour and tool, and the regions that a button selects; returns the tool, as `regions.choose_tool`."""
    colors = {key: name for key, name in COLORS.items() if key != "hsf_bin" or page.table.votes is not None}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        COLOR.show(st.segmented_control, "Colour", page.view, colors)
        tool = regions.choose_tool("dynamics")
        with st.container(horizontal=True, vertical_alignment="bottom", width="content", gap="xsmall"):
            for label, region in corners(points).items():
                st.button(label, key=f"dynamics.corner.{label}", on_click=regions.answer, args=(REGION, region))
            if REGION.of(page.view) is not None:
                regions.clear_button(REGION)
        with st.popover("About the map", icon=":material/help:", type="tertiary", key="dynamics.about_map"):
            st.markdown(ABOUT)
    return tool


def corners(points: pd.DataFrame) -> dict[str, Region]:
    """Regions worth seeing, each with about a tenth of the samples."""
    varied = float(points["variability"].quantile(1 - _TENTH, interpolation="higher"))
    doubted = float(points["confidence_mean"].quantile(_TENTH, interpolation="lower"))
    return {
        "Most varied tenth": Region((varied, math.inf), (-math.inf, math.inf)),
        "Least believed tenth": Region((-math.inf, math.inf), (-math.inf, doubted)),
    }


def chart(page: Opened, points: pd.DataFrame, part: Part, tool: tuple[str, str]) -> int | None:
    """Draws the map and takes over a region drawn on it; returns the id of a point just clicked."""
    color, region = COLOR.of(page.view), REGION.of(page.view)
    drawn = downsampled(points, most=MOST_POINTS)
    figure = data_map(
        drawn,
        points,
        color=color,
        bins=bin_labels(page.table.edges) if color == "hsf_bin" else (),
        outline=region.outline(-0.02, 1.02) if region else None,
        dragmode=tool[0],
        simulated=page.table.simulated,
    )
    clicked = regions.chart(
        figure,
        REGION,
        key="dynamics.map",
        alt=f"Data map of {len(points):,} samples: mean confidence against variability, coloured by {COLORS[color]}",
    )
    hint = tool[1].replace("a box", "a box on the map or on a histogram")
    note = f"{len(points):,} samples {part}"
    if len(drawn) < len(points):
        note += f", {len(drawn):,} of them drawn: where the map is crowded, a random part. A selection takes all"
    st.caption(f"{note}. {hint} The histograms count all samples.")
    return clicked


def images(page: Opened, points: pd.DataFrame, part: Part, *, about: str) -> GridView | None:
    """The images of the region in a grid, with what can be done to them; the view of them, None where none are chosen.

    `about` names what the map is of: a selection of images made on another is void.
    """
    region = REGION.of(page.view)
    if region is None:
        return None
    inside = points[region.holds(points["variability"], points["confidence_mean"])]
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{len(inside):,} of {len(points):,} samples in the region**", width="content")
        options = [key for key in SORTS if key in points and points[key].notna().any()]
        orders = {key: f"Hardest first by {score_name(_of_part(key, part))}" for key in options}
        sort = SORT.show(st.selectbox, "Order", page.view, orders, label_visibility="collapsed", width=290)
    if inside.empty:
        st.markdown("No sample lies there: draw another region.")
        return None
    ordered = inside.sort_values(sort, ascending=_harder(sort) == "low", na_position="last", kind="stable")
    ids = ordered["id"].astype(int).tolist()
    values = pd.Series(ordered[sort].to_numpy(), ids)
    about = f"{about} {part} {write_region(region)}"
    return sample_grid(page, ids, about=about, score=_of_part(sort, part), values=values)


def _of_part(key: str, part: Part) -> str:
    """The key under which the table of scores has a score of the epochs of such samples."""
    return f"train_{key}" if part == "learnt from" and key in KEYS else key


def _harder(key: str) -> str:
    return SCORES[key].harder if key in SCORES else "low"
