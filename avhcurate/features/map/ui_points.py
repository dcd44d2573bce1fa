"""The map as a chart of all its points, which the browser draws; regions, moves and clicks go to the address."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.map import plots
from avhcurate.features.map.plots import Scale
from avhcurate.features.map.points import MapPoints, column_of
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
from avhcurate.ui.cache import kept
from avhcurate.ui.chart_style import GREY, faded, rgba
from avhcurate.ui.components.scatter import heard, scatter
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
    """The points in view as they are drawn: their `ids` (n,) in the order of the cloud, and their `look`."""

    ids: np.ndarray
    cloud: PointCloud
    look: dict[str, Any]


def chart(page: Opened, shown: MapInView) -> None:
    """Draw the map with a caption."""
    drawn = _drawn(page.table, shown.folder, page.filters, shown.color, _shown=shown)
    score = page.table.hardness
    title = score_name(score)
    if shown.points.values is not None:
        score, title = column_of(shown.color), shown.title
    tiles = list_view(page, drawn.ids, about=f"{shown.about} points", score=score)
    st.session_state[f"{_CHART}.held"] = tiles, drawn.cloud  # a view and a cloud are readable as long as they are held
    marks, look = _marks(shown.folder, page.table.classes), drawn.look
    region = None
    if shown.region:
        region = shown.region.outline(-FAR, FAR)
    if marks["named"]:
        look = look | {"names": []}
    scatter(
        key=_CHART,
        label=f"Map of {len(shown.points):,} samples, coloured by {shown.title}",
        source=drawn.cloud.url,
        rows=tiles.url,
        count=len(drawn.ids),
        bounds=drawn.cloud.bounds,
        whole=whole(shown.folder),
        window=shown.window,
        tool=TOOLS[TOOL.asked()],
        score=title,
        marks=marks,
        found=shown.found,
        region=region,
        axes=axes(shown.record),
        on_event=partial(_take_over, shown.folder.name),
        **look,
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


@kept(most=6, funcs=MAP_HASH_FUNCS)
def _drawn(table: DatasetTable, folder: MapFolder, filters: Filters, color: str, *, _shown: MapInView) -> MapCloud:
    points = _shown.points
    if points.values is not None:
        scale = plots.scale_of(points.values, _shown.harder)
        shades, order, look = scale.steps(points.values, NO_SHADE), scale.order(points.values), _of_scale(scale)
    else:
        assert points.groups is not None
        shades, titles = plots.fold(points.groups, points.names)
        order = plots.drawing_order(shades, color, len(titles))
        look = _of_groups(shades, titles, plots.group_colors(color, len(titles)))
        if color in ("label", "predicted"):
            look["names"] = _at_medians(points, shades, titles[: plots.MOST_GROUPS])
    look["legend"]["title"] = _shown.title
    if len(order) > MOST_SENT:
        order = order[np.isin(order, downsample(points.labels, most=MOST_SENT), assume_unique=True)]
    cloud = point_cloud(points.x[order], points.y[order], shades[order])
    return MapCloud(points.ids[order], cloud, {"names": []} | look)


def _of_scale(scale: Scale) -> dict[str, Any]:
    """Return the look of a number, whose colours go from low to high."""
    ticks = [f"{value:.3g}" for value in np.linspace(scale.low, scale.high, _TICKS)]
    return {
        "colors": list(map(rgba, scale.colors(NO_SHADE))),
        "symbols": [0] * NO_SHADE,
        "none": rgba(faded(GREY, 0.5)),
        "legend": {"entries": [], "scale": {"colors": scale.colors(_RAMP), "ticks": ticks}},
    }


def _of_groups(groups: np.ndarray, names: list[str], colors: list[str]) -> dict[str, Any]:
    """Return the look of groups, with their exact numbers of samples, and of those in none if there are any."""
    without, *counts = np.bincount(groups + 1, minlength=len(names) + 1).tolist()
    symbols, none = [index % plots.MOST_GROUPS for index in range(len(names))], faded(GREY, 0.6)
    entries = [
        {"name": f"{name} ({count:,})", "color": color, "symbol": symbol, "shade": shade}
        for shade, (name, count, color, symbol) in enumerate(zip(names, counts, colors, symbols, strict=True))
    ]
    if without:
        entries.append({"name": f"none ({without:,})", "color": none, "symbol": 0, "shade": NO_SHADE})
    colors_of = list(map(rgba, colors))
    return {"colors": colors_of, "symbols": symbols, "none": rgba(none), "legend": {"entries": entries}}


def _at_medians(points: MapPoints, groups: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the name of each group that has points, at their median."""
    places = pd.DataFrame({"x": points.x, "y": points.y}).groupby(groups).median()
    return [
        {"x": float(x), "y": float(y), "text": shortened(names[group], _NAME)}
        for group, x, y in places.reset_index().itertuples(index=False)
        if 0 <= group < len(names)
    ]


def _marks(folder: MapFolder, classes: Sequence[str]) -> dict[str, Any]:
    """Return the class weights, with their names if they are few."""
    places = folder.class_weights()
    placed = np.flatnonzero(np.isfinite(places).all(axis=1))
    every = [*classes, *(f"class {k}" for k in range(len(classes), len(places)))]
    return {
        "x": places[placed, 0].tolist(),
        "y": places[placed, 1].tolist(),
        "names": [shortened(every[k], _NAME) for k in placed],
        "named": 0 < len(placed) <= plots.NAMED,
        "title": f"class weights ({len(placed):,})",
        "what": "class weight",
    }
