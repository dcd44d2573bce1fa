"""The map as a Plotly figure: cells by density, or some of the points where a browser has no WebGL 2."""

from dataclasses import dataclass, replace
from functools import partial
from html import escape
from typing import Any

import numpy as np
import streamlit as st

from avhcurate.map import plots
from avhcurate.map.plots import MOST_POINTS, Legend, Scale, Window
from avhcurate.map.points import MapPoints
from avhcurate.map.store import MapFolder
from avhcurate.map.ui import (
    DRAWN,
    FAR,
    MAP_HASH_FUNCS,
    OF_CLASSES,
    REGION,
    TOOL,
    TOOLS,
    MapInView,
    axes,
    cached_points,
    caption,
    take_over,
    whole,
)
from avhcurate.stats.downsample import cut, downsample
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.ui.chart_style import GREY, faded
from avhcurate.ui.components.listener import listen
from avhcurate.ui.frame import Opened
from avhcurate.ui.image_routes import image_url
from avhcurate.ui.regions import Region
from avhcurate.ui.score_help import score_name
from avhcurate.ui.user_errors import plain

_COLUMNS, _ROWS = 200, 128
#: Whole numbers below it are exact in 32 bits.
_EXACT = 1 << 24
_CHART, _LISTENER = "map.chart", "map.listener"


@dataclass(frozen=True)
class Drawing:
    """What a chart draws: a stratified `part` of the points that lie `inside` the window, with the legend's groups.

    `counts` of the groups inside; empty where a number gives the colours.
    """

    part: MapPoints
    inside: MapPoints
    counts: tuple[int, ...] = ()


def chart(page: Opened, shown: MapInView, *, note: str) -> None:
    """Draws the figure with a caption; `note` says why there is one, where it was not asked for."""
    density, tool = DRAWN.of(page.view) == "density", TOOL.of(page.view)
    window, region = shown.window or whole(shown.folder), shown.region
    area = _around(window) if shown.window else window
    drawing = _drawing(page.table, shown.folder, page.filters, shown.color, area)
    colours = _colours(drawing, shown)
    value = shown.title if isinstance(colours, Scale) else ""
    figure = _density(drawing.inside, colours, area) if density else _points(drawing.part, colours, region)
    named = plots.add_class_weights(figure, shown.folder.class_weights(), page.table.classes)
    if shown.color in OF_CLASSES and not named:
        inside = drawing.inside
        plots.add_group_names(figure, inside.x, inside.y, inside.shades, inside.names)
    if shown.found:
        plots.add_found(figure, shown.found.x, shown.found.y, f"image {shown.found.id}")
    plots.framed(
        figure,
        window,
        outline=region.outline(-FAR, FAR) if region else None,
        dragmode=TOOLS[tool],
        axes=axes(shown.record),
        legend="" if value else shown.legend,
        below=region is not None,
        revision=f"{shown.about} {REGION.write(region)} {window} {tool}",
    )
    st.plotly_chart(
        figure,
        key=_CHART,
        config={"displayModeBar": False, "doubleClick": False, "scrollZoom": tool == "Move"},
        alt=f"Map of {len(shown.points):,} samples, coloured by {shown.title}",
    )
    listen(
        _CHART.replace(".", "-"),
        key=_LISTENER,
        thumbnail_url=image_url(page.table.dataset.name, "{id}", version=page.version),
        classes=page.table.classes,
        groups=drawing.inside.names,
        value=value,
        score=score_name(page.table.hardness),
        on_event=partial(take_over, _LISTENER, shown.folder.name),
    )
    caption(page, shown, " ".join(filter(None, [note, _counts(shown, drawing, density=density)])))


def _around(window: Window) -> Window:
    """A window with its surroundings, which the shape of the chart may show, and moving it does."""
    left, right, low, high = window
    across, up = 0.6 * (right - left), 0.6 * (high - low)
    return left - across, right + across, low - up, high + up


@st.cache_resource(max_entries=6, show_spinner=False, hash_funcs=MAP_HASH_FUNCS)
def _drawing(table: DatasetTable, folder: MapFolder, filters: Filters, color: str, area: Window) -> Drawing:
    inside = cached_points(table, folder, filters, color=color).within(area)
    if inside.groups is None:
        return Drawing(inside.take(downsample(inside.labels, most=MOST_POINTS)), inside)
    groups, names = plots.fold(inside.groups, inside.names, rest=plots.REST)
    inside = replace(inside, groups=groups, names=tuple(names))
    counts = np.bincount(groups[groups >= 0], minlength=len(names))
    return Drawing(inside.take(downsample(groups, most=MOST_POINTS)), inside, tuple(counts.tolist()))


def _counts(shown: MapInView, drawing: Drawing, *, density: bool) -> str:
    """How many samples are drawn, of how many."""
    number, part, everything = len(drawing.inside), len(drawing.part), len(shown.points)
    where = f" in and around this window, of {everything:,} on the map" if shown.window else ""
    drawn = f"All {number:,} points{where}"
    if density:
        drawn = f"All {number:,} samples{where}, counted in cells; paler cells hold fewer"
    elif part < number:
        by = plain(shown.title) if drawing.counts else "class"
        drawn = f"{part:,} of {number:,} points{where}, stratified by {by[:1].lower()}{by[1:]}"
    return f"{drawn}; counts in the legend are of all." if drawing.counts else f"{drawn}."


def _colours(drawing: Drawing, shown: MapInView) -> Scale | Legend:
    """The scale of a number over the whole map, or the groups with how many samples inside each has."""
    if shown.points.values is not None:
        return plots.scale_of(shown.points.values, shown.title, shown.harder)
    names, missing = drawing.inside.names, len(drawing.inside) - sum(drawing.counts)
    entries = zip(names, drawing.counts, plots.group_colors(shown.color, len(names)), strict=True)
    return Legend(
        [(f"{escape(name)} ({count:,})", color) for name, count, color in entries],
        without=(f"none ({missing:,})", faded(GREY, 0.6)) if missing else None,
    )


def _points(part: MapPoints, colours: Scale | Legend, region: Region | None) -> Any:
    exact = np.float32 if part.ids.max(initial=0) < _EXACT else np.float64
    custom = np.stack([part.ids, part.labels, part.predicted, part.hardness], axis=1).astype(exact)
    inside = region.holds(part.x, part.y) if region else None
    return plots.points(part.x, part.y, custom, part.shades, colours, inside=inside)


def _density(inside: MapPoints, colours: Scale | Legend, area: Window) -> Any:
    cells = cut(inside.x, inside.y, area, columns=_COLUMNS, rows=_ROWS)
    example = np.where(cells.example >= 0, inside.ids[cells.example] if len(inside) else -1, -1)
    if isinstance(colours, Scale):
        shades, share = cells.means(inside.shades), np.zeros(example.shape)
    else:
        shades, share = cells.majorities(inside.shades, len(colours.entries))
    custom = np.stack([example, cells.counts, np.nan_to_num(100 * share)], axis=2).astype(np.int32)
    return plots.cells(cells.x, cells.y, custom, cells.counts, shades, colours)
