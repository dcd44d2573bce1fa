"""The map as a chart of all its points, which the browser draws; regions, moves and clicks go to the address."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import streamlit as st

from avhcurate.map import plots, ui_plotly
from avhcurate.map.drawing_rules import by_hardness, mixed, steps
from avhcurate.map.plots import Scale
from avhcurate.map.points import MapPoints, column_of
from avhcurate.map.store import MapFolder
from avhcurate.map.ui import (
    DRAWN,
    FAR,
    MAP_HASH_FUNCS,
    OF_CLASSES,
    TOOL,
    TOOLS,
    MapInView,
    axes,
    caption,
    take_over,
    whole,
)
from avhcurate.stats.downsample import downsample
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.ui.chart_style import GREY, faded, rgba
from avhcurate.ui.components.scatter import LegendEntry, Marks, PlacedName, ScatterLook, scatter
from avhcurate.ui.frame import Opened
from avhcurate.ui.grid_routes import view_url
from avhcurate.ui.grid_views import list_view
from avhcurate.ui.scatter_routes import NO_SHADE, PointCloud, point_cloud
from avhcurate.ui.score_help import score_name

_CHART = "map.points"
#: Session state: this browser has no WebGL 2.
_UNSUPPORTED = "map.unsupported"
#: As many points as are sent: 20 MB; of more, so many, of every class its share.
MOST_SENT = 4_000_000
#: Numbers beside a scale.
_TICKS = 5
#: Colours whose groups may hide no other, and those with one that lies on top.
_ON_TOP = {"label": "", "predicted": "", "split": "", "hsf_bin": "first", "mistake": "last", "excluded": "last"}
_NO_WEBGL = f"This browser has no WebGL 2, which a map of all points needs: at most {plots.MOST_POINTS:,} are drawn."


@dataclass(frozen=True)
class MapCloud:
    """The points in view as they are drawn: their `ids` (n,) in the order of the cloud."""

    ids: np.ndarray
    cloud: PointCloud
    look: ScatterLook
    names: Sequence[PlacedName]


def chart(page: Opened, shown: MapInView) -> None:
    """Draws the map with a caption."""
    unsupported = bool(st.session_state.get(_UNSUPPORTED))
    if unsupported or DRAWN.of(page.view) == "density":
        ui_plotly.chart(page, shown, note=_NO_WEBGL if unsupported else "")
        return
    drawn = _drawn(page.table, shown.folder, page.filters, shown.color, _shown=shown)
    values = shown.points.values is not None
    score = column_of(shown.color) if values else page.table.hardness
    tiles = list_view(page, drawn.ids, about=f"{shown.about} points", score=score)
    st.session_state[f"{_CHART}.held"] = tiles, drawn.cloud  # held, and with it readable
    found, marks = shown.found, _marks(shown.folder, page.table.classes)
    scatter(
        key=_CHART,
        label=f"Map of {len(shown.points):,} samples, coloured by {shown.title}",
        source=drawn.cloud.url,
        rows=view_url(tiles),
        count=len(drawn.ids),
        bounds=drawn.cloud.bounds,
        whole=whole(shown.folder),
        window=shown.window,
        tool=TOOLS[TOOL.of(page.view)],
        look=drawn.look,
        score=shown.title if values else score_name(score),
        marks=marks,
        names=() if marks.named else drawn.names,
        found=PlacedName(found.x, found.y, f"image {found.id}") if found else None,
        region=shown.region.outline(-FAR, FAR) if shown.region else None,
        axes=axes(shown.record),
        below=shown.region is not None,
        on_event=partial(take_over, _CHART, shown.folder.name),
        on_unsupported=_note_unsupported,
    )
    number, part = len(shown.points), len(drawn.ids)
    some = f"{part:,} of {number:,} points, of every class its share; counts in the legend are of all."
    caption(page, shown, some if part < number else f"All {number:,} points.")


@st.cache_resource(max_entries=6, show_spinner=False, hash_funcs=MAP_HASH_FUNCS)
def _drawn(table: DatasetTable, folder: MapFolder, filters: Filters, color: str, *, _shown: MapInView) -> MapCloud:
    points = _shown.points
    if points.values is not None:
        scale = plots.scale_of(points.values, _shown.title, _shown.harder)
        shades = steps(points.values, scale.low, scale.high, count=NO_SHADE)
        return _cloud(points, shades, by_hardness(points.values, harder=scale.harder), _of_scale(scale))
    assert points.groups is not None
    groups, names = plots.fold(points.groups, points.names, rest=plots.REST)
    order = mixed(groups, on_top=_ON_TOP.get(color, "last" if len(names) == 2 else ""))
    placed = _at_medians(replace(points, groups=groups, names=tuple(names))) if color in OF_CLASSES else ()
    look = _of_groups(groups, names, plots.group_colors(color, len(names)), _shown.legend)
    return _cloud(points, np.where(groups < 0, NO_SHADE, groups), order, look, placed)


def _cloud(
    points: MapPoints, shades: np.ndarray, order: np.ndarray, look: ScatterLook, names: Sequence[PlacedName] = ()
) -> MapCloud:
    if len(order) > MOST_SENT:
        order = order[np.isin(order, downsample(points.labels, most=MOST_SENT), assume_unique=True)]
    return MapCloud(points.ids[order], point_cloud(points.x[order], points.y[order], shades[order]), look, names)


def _of_scale(scale: Scale) -> ScatterLook:
    """A number's colours from low to high."""
    ticks = [f"{value:.3g}" for value in np.linspace(scale.low, scale.high, _TICKS)]
    colors = [rgba(color) for color in scale.spread(NO_SHADE)]
    none = rgba(faded(GREY, 0.5))
    return ScatterLook(colors, [0] * NO_SHADE, none, scale.name, ramp=scale.colors, ticks=ticks)


def _of_groups(groups: np.ndarray, names: Sequence[str], colors: Sequence[str], title: str) -> ScatterLook:
    """Groups with their exact numbers of samples, and those of none where there are any."""
    counts = np.bincount(groups + 1, minlength=len(names) + 1).tolist()
    symbols = [plots.symbol_of(index) for index in range(len(names))]
    entries = [
        LegendEntry(f"{name} ({count:,})", color, symbol, index)
        for index, (name, count, color, symbol) in enumerate(zip(names, counts[1:], colors, symbols, strict=True))
    ]
    none = faded(GREY, 0.6)
    if counts[0]:
        entries.append(LegendEntry(f"none ({counts[0]:,})", none, 0, NO_SHADE))
    return ScatterLook([rgba(color) for color in colors], symbols, rgba(none), title, entries)


def _at_medians(points: MapPoints) -> list[PlacedName]:
    """The name of each group, the first `MOST_GROUPS`, at the median of its points."""
    assert points.groups is not None
    found = []
    for index, name in enumerate(points.names[: plots.MOST_GROUPS]):
        inside = points.groups == index
        if inside.any():
            x, y = float(np.median(points.x[inside])), float(np.median(points.y[inside]))
            found.append(PlacedName(x, y, plots.short(name)))
    return found


def _marks(folder: MapFolder, classes: Sequence[str]) -> Marks:
    """The class weights, with their names where they are few."""
    places = folder.class_weights()
    placed = np.flatnonzero(np.isfinite(places).all(axis=1))
    if not len(placed):
        return Marks()
    names = [plots.short(classes[k] if k < len(classes) else f"class {k}") for k in placed.tolist()]
    x, y = places[placed].T.astype(float).tolist()
    title = f"class weights ({len(placed):,})"
    return Marks(x, y, names, len(placed) <= plots.NAMED, title, "class weight")


def _note_unsupported() -> None:
    st.session_state[_UNSUPPORTED] = True
