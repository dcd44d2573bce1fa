"""The map as a chart of all its points, which the browser draws; regions, moves and clicks go to the address."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.map import plots
from avhcurate.features.map.plots import Scale
from avhcurate.features.map.points import column_of
from avhcurate.features.map.store import MapFolder
from avhcurate.features.map.ui import (
    FAR,
    LAYOUT,
    MAP_HASH_FUNCS,
    REGION,
    TOOL,
    TOOLS,
    WINDOW,
    MapInView,
    axes,
    caption,
    whole,
)
from avhcurate.measures.stats.downsample import downsample
from avhcurate.ui import regions, url_state
from avhcurate.ui.chart_style import GREY, faded, rgba
from avhcurate.ui.components.scatter import LegendEntry, Marks, PlacedName, ScatterLook, heard, scatter
from avhcurate.ui.frame import Opened
from avhcurate.ui.grid_views import list_view
from avhcurate.ui.scatter_routes import NO_SHADE, PointCloud, point_cloud
from avhcurate.ui.score_help import score_name
from avhcurate.ui.text import shortened

_CHART = "map.points"
#: As many points as are sent: 20 MB; of more, so many, of every class its share.
MOST_SENT = 4_000_000
#: Numbers next to a scale, and colours in it.
_TICKS, _RAMP = 5, 9
#: Characters of a name on the map.
_NAME = 18


@dataclass(frozen=True)
class MapCloud:
    """The points in view as they are drawn: their `ids` (n,) in the order of the cloud, and `names` of the groups."""

    ids: np.ndarray
    cloud: PointCloud
    look: ScatterLook
    names: tuple[PlacedName, ...] = ()


def chart(page: Opened, shown: MapInView) -> None:
    """Draw the map with a caption."""
    drawn = _drawn(page.table, shown.folder, page.filters, shown.color, _shown=shown)
    score = page.table.hardness
    title = score_name(score)
    if shown.points.values is not None:
        score, title = column_of(shown.color), shown.title
    tiles = list_view(page, drawn.ids, about=f"{shown.about} points", score=score)
    st.session_state[f"{_CHART}.held"] = tiles, drawn.cloud  # a view and a cloud are readable as long as they are held
    marks = _marks(shown.folder, page.table.classes)
    found, region = None, None
    if shown.found:
        id, (x, y) = shown.found
        found = PlacedName(x, y, f"image {id}")
    if shown.region:
        region = shown.region.outline(-FAR, FAR)
    scatter(
        key=_CHART,
        label=f"Map of {len(shown.points):,} samples, coloured by {shown.title}",
        source=drawn.cloud.url,
        rows=tiles.url,
        count=len(drawn.ids),
        bounds=drawn.cloud.bounds,
        whole=whole(shown.folder),
        window=shown.window,
        tool=TOOLS[TOOL.of(page.view)],
        look=drawn.look,
        score=title,
        marks=marks,
        names=() if marks.named else drawn.names,
        found=found,
        region=region,
        axes=axes(shown.record),
        on_event=partial(_take_over, shown.folder.name),
    )
    caption(page, shown, len(drawn.ids))


def _take_over(layout: str) -> None:
    """Put what was drawn, moved or clicked on the chart into the address.

    A region or window takes the name of its map along: on one that is made later it would hold other samples.
    """
    event = heard(_CHART)
    if event.clicked is not None:
        url_state.change(sample=event.clicked)
        return
    url_state.write(url_state.current().choosing(LAYOUT, layout))
    if event.region is not None:
        regions.answer(REGION, event.region)
    elif event.window is not None:
        WINDOW.put(event.window)


@st.cache_resource(max_entries=6, show_spinner=False, hash_funcs=MAP_HASH_FUNCS)
def _drawn(table: DatasetTable, folder: MapFolder, filters: Filters, color: str, *, _shown: MapInView) -> MapCloud:
    points = _shown.points
    names: tuple[PlacedName, ...] = ()
    if points.values is not None:
        scale = plots.scale_of(points.values, _shown.title, _shown.harder)
        shades, order, look = scale.steps(points.values, NO_SHADE), scale.order(points.values), _of_scale(scale)
    else:
        assert points.groups is not None
        shades, titles = plots.fold(points.groups, points.names)
        order = plots.drawing_order(shades, color, len(titles))
        look = _of_groups(shades, titles, plots.group_colors(color, len(titles)), _shown.title)
        if color in ("label", "predicted"):
            medians = [
                _at_median(_shown, shades == group, name) for group, name in enumerate(titles[: plots.MOST_GROUPS])
            ]
            names = tuple(name for name in medians if name)
    if len(order) > MOST_SENT:
        order = order[np.isin(order, downsample(points.labels, most=MOST_SENT), assume_unique=True)]
    cloud = point_cloud(points.x[order], points.y[order], shades[order])
    return MapCloud(points.ids[order], cloud, look, names)


def _of_scale(scale: Scale) -> ScatterLook:
    """Return a number's colours from low to high."""
    return ScatterLook(
        colors=[rgba(color) for color in scale.colors(NO_SHADE)],
        symbols=[0] * NO_SHADE,
        none=rgba(faded(GREY, 0.5)),
        title=scale.name,
        ramp=scale.colors(_RAMP),
        ticks=[f"{value:.3g}" for value in np.linspace(scale.low, scale.high, _TICKS)],
    )


def _of_groups(groups: np.ndarray, names: list[str], colors: list[str], title: str) -> ScatterLook:
    """Return groups with their exact numbers of samples, and those of none if there are any."""
    without, *counts = np.bincount(groups + 1, minlength=len(names) + 1).tolist()
    symbols = [index % plots.MOST_GROUPS for index in range(len(names))]
    entries = [
        LegendEntry(f"{name} ({count:,})", color, symbol, index)
        for index, (name, count, color, symbol) in enumerate(zip(names, counts, colors, symbols, strict=True))
    ]
    none = faded(GREY, 0.6)
    if without:
        entries.append(LegendEntry(f"none ({without:,})", none, 0, NO_SHADE))
    return ScatterLook([rgba(color) for color in colors], symbols, rgba(none), title, entries)


def _at_median(shown: MapInView, inside: np.ndarray, name: str) -> PlacedName | None:
    """Return the name of a group at the median of its points; None without any."""
    if not inside.any():
        return None
    x, y = (float(np.median(side[inside])) for side in (shown.points.x, shown.points.y))
    return PlacedName(x, y, shortened(name, _NAME))


def _marks(folder: MapFolder, classes: Sequence[str]) -> Marks:
    """Return the class weights, with their names if they are few."""
    places = folder.class_weights()
    placed = np.flatnonzero(np.isfinite(places).all(axis=1))
    if not len(placed):
        return Marks()
    every = [*classes, *(f"class {k}" for k in range(len(classes), len(places)))]
    return Marks(
        x=places[placed, 0].tolist(),
        y=places[placed, 1].tolist(),
        names=[shortened(every[k], _NAME) for k in placed],
        named=len(placed) <= plots.NAMED,
        title=f"class weights ({len(placed):,})",
        what="class weight",
    )
