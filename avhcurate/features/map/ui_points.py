"""The map as a chart of all its points, the images of its region, and both next to the gallery."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.features.map import plots
from avhcurate.features.map.points import column_of
from avhcurate.features.map.store import MapFolder, maps
from avhcurate.features.map.ui import (
    FAR,
    IN_GALLERY,
    LAYOUT,
    MAP_HASH_FUNCS,
    REGION,
    TOOLS,
    WINDOW,
    MapInView,
    axes,
    caption,
    choose_map,
    first,
    whole,
)
from avhcurate.measures.stats.downsample import downsample
from avhcurate.ui.base import url_state
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.job_forms import await_more
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.score_help import score_name
from avhcurate.ui.base.text import shortened
from avhcurate.ui.charts import regions
from avhcurate.ui.charts.chart_style import GREY, faded, ramp, rgba
from avhcurate.ui.charts.regions import Region, write_region
from avhcurate.ui.components.scatter import NO_SHADE, PointCloud, heard, point_cloud, scatter
from avhcurate.ui.grid import grid_actions
from avhcurate.ui.grid.grid_bar import actions_grid
from avhcurate.ui.grid.grid_views import GridView, list_view
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.app_files import PAGES

_CHART = "map.points"
#: As many points as are sent: 20 MB; of more, so many, of every class its share.
MOST_SENT = 4_000_000
#: Numbers next to a scale, and colours in it.
_TICKS = 5
_RAMP = 9
#: Characters of a name on the map.
_NAME = 18


def chart(page: Opened, shown: MapInView, *, linked: bool = False) -> None:
    """Draw the map with a caption; `linked` to the grid next to it, where a click goes to the image."""
    ids, cloud, shading = _drawn(page.samples, shown.folder, page.filters, shown.color, _shown=shown)
    score = page.samples.hardness
    title = score_name(score)
    if not isinstance(shown.points["color"].dtype, pd.CategoricalDtype):
        score = column_of(shown.color)
        title = shown.title
    tiles = list_view(page, ids, subject=f"{shown.subject} points", score=score)
    st.session_state[f"{_CHART}.held"] = tiles, cloud  # a view and a cloud are readable as long as they are held
    marks = _marks(shown.folder, page.samples, page.opened.run)
    region = None
    if shown.region:
        region = shown.region.outline(-FAR, FAR)
    if marks["named"]:
        shading = shading | {"names": []}
    scatter(
        key=_CHART,
        label=f"Map of {len(shown.points):,} images, coloured by {shown.title}",
        source=cloud.url,
        rows=tiles.url,
        count=len(ids),
        bounds=cloud.bounds,
        whole=whole(shown.folder),
        window=shown.window,
        tool=TOOLS[shown.tool],
        score=title,
        linked=linked,
        marks=marks,
        found=shown.found,
        region=region,
        axes=axes(shown.folder.record),
        on_event=partial(_take_over, shown.folder.name),
        **shading,
    )
    caption(page, shown, len(ids))


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
def _drawn(
    samples: SampleTable, folder: MapFolder, filters: Filters, color: str, *, _shown: MapInView
) -> tuple[np.ndarray, PointCloud, dict[str, Any]]:
    """Return the ids (n,) of the points in the order in which they are drawn, the points, and their shading."""
    points = _shown.points
    colors = points["color"]
    if isinstance(colors.dtype, pd.CategoricalDtype):
        shades, titles = plots.fold(colors.cat.codes.to_numpy(np.int32), list(colors.cat.categories))
        order = plots.drawing_order(shades, color, len(titles))
        shading = _of_groups(shades, titles, plots.group_colors(color, len(titles)))
        if color in ("label", "predicted"):
            shading["names"] = _at_medians(points, shades, titles[: plots.MOST_GROUPS])
    else:
        values = colors.to_numpy()
        harder = ""
        if color == "hsf":
            harder = "low"
        elif ranked := samples.ranked.get(column_of(color)):
            harder = ranked.harder
        ends = plots.ends(values)
        shades = plots.steps(values, *ends, NO_SHADE)
        order = plots.hardest_last(values, harder)
        shading = _of_number(*ends, harder)
    shading["legend"]["title"] = _shown.title
    if len(order) > MOST_SENT:
        order = order[np.isin(order, downsample(points["label"].to_numpy(), most=MOST_SENT), assume_unique=True)]
    cloud = point_cloud(points["x"].to_numpy()[order], points["y"].to_numpy()[order], shades[order])
    return points["id"].to_numpy()[order], cloud, {"names": []} | shading


def _of_number(low: float, high: float, harder: str) -> dict[str, Any]:
    """Return the shading by a number, whose colours go from `low` to `high`: orange is hard and blue is easy."""
    ticks = [f"{value:.3g}" for value in np.linspace(low, high, _TICKS)]
    turn = -1
    if harder == "low":
        turn = 1
    return {
        "colors": list(map(rgba, ramp(NO_SHADE)[::turn])),
        "symbols": [0] * NO_SHADE,
        "none": rgba(faded(GREY, 0.5)),
        "legend": {"entries": [], "scale": {"colors": ramp(_RAMP)[::turn], "ticks": ticks}},
    }


def _of_groups(groups: np.ndarray, names: list[str], colors: list[str]) -> dict[str, Any]:
    """Return the shading by groups, with their exact numbers of samples, and of those in none if there are any."""
    without, *counts = np.bincount(groups + 1, minlength=len(names) + 1).tolist()
    symbols = [index % plots.MOST_GROUPS for index in range(len(names))]
    none = faded(GREY, 0.6)
    entries = [
        {"name": f"{name} ({count:,})", "color": color, "symbol": symbol, "shade": shade}
        for shade, (name, count, color, symbol) in enumerate(zip(names, counts, colors, symbols, strict=True))
    ]
    if without:
        entries.append({"name": f"none ({without:,})", "color": none, "symbol": 0, "shade": NO_SHADE})
    return {
        "colors": list(map(rgba, colors)),
        "symbols": symbols,
        "none": rgba(none),
        "legend": {"entries": entries},
    }


def _at_medians(points: pd.DataFrame, groups: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the name of each group that has points, at their median."""
    places = points[["x", "y"]].groupby(groups).median()
    return [
        {"x": float(x), "y": float(y), "text": shortened(names[group], _NAME)}
        for group, x, y in places.reset_index().itertuples(index=False)
        if 0 <= group < len(names)
    ]


def _marks(folder: MapFolder, samples: SampleTable, run: RunFolder | None) -> dict[str, Any]:
    """Return the class weights, with what their classes are called today if they are few; none of one that is gone."""
    places = folder.class_weights()
    numbers = np.arange(len(places))
    if run and run.today:
        numbers = run.today.numbers
    if len(numbers) != len(places):  # the map is of an earlier version, and of classes between those and today
        places = np.full((len(numbers), 2), np.nan)
    placed = np.flatnonzero(np.isfinite(places).all(axis=1) & (numbers >= 0))
    classes = samples.classes
    names = [*classes, *(f"class {k}" for k in range(len(classes), len(places)))]
    return {
        "x": places[placed, 0].tolist(),
        "y": places[placed, 1].tolist(),
        "names": [shortened(names[k], _NAME) for k in numbers[placed]],
        "named": 0 < len(placed) <= plots.NAMED,
        "title": f"class weights ({len(placed):,})",
        "what": "class weight",
    }


# --- the region ---------------------------------------------------------------------------------------------------


def images(page: Opened, shown: MapInView) -> GridView | None:
    """Draw the images of the region in a grid, with its actions."""
    if shown.region is None:
        return None
    with st.container():
        view = of_region(page, shown)
        if view and view.count:
            with in_a_row("center", gap="xsmall"):
                query = url_state.current().choosing(IN_GALLERY.name, IN_GALLERY.write(True)).elsewhere
                st.page_link(
                    PAGES / "gallery.py",
                    label="Open in Gallery",
                    icon=":material/grid_view:",
                    width="content",
                    query_params=query,
                )
                grid_actions.choose_order(page, page.help)
            actions_grid(page, view, part=True)
        return view


def of_region(page: Opened, shown: MapInView) -> GridView | None:
    """Say how many images the region holds, and return them in the page's order; None without a region."""
    if (region := shown.region) is None:
        return None
    sort = page.view.sort
    ids = _ordered(page.samples, shown.folder, page.filters, region, sort, page.view.descending, shown.points)
    with in_a_row("center", gap="xsmall"):
        st.markdown(f"**{len(ids):,} of {len(shown.points):,} images in the region**", width="content")
        regions.clear_button(REGION)
    if not ids:
        st.markdown("The region holds no image. Draw another one.")
    return list_view(page, ids, subject=f"{shown.subject} {write_region(region)}", score=sort)


@kept(most=6, funcs=MAP_HASH_FUNCS)
def _ordered(
    samples: SampleTable,
    folder: MapFolder,
    filters: Filters,
    region: Region,
    sort: str,
    descending: bool,
    _points: pd.DataFrame,
) -> tuple[int, ...]:
    """Return ids of the samples in the region, in order; `_points` are those of the folder, in any colour."""
    ids = _points["id"][region.holds(_points["x"], _points["y"])]
    order = samples.order(filters, sort=sort, descending=descending)
    return tuple(order[np.isin(order, ids)].tolist())


# --- next to the gallery ------------------------------------------------------------------------------------------


def choose(page: Opened) -> None:
    """Draw the switch of the map in the gallery, where images can have a place."""
    if _possible(page):
        IN_GALLERY.show(st.toggle, "Map", help="Shows the map next to the images: what is drawn there narrows them.")


def in_gallery(page: Opened) -> GridView | None:
    """Draw the map if it is asked for, and return the images of its region; None without one."""
    if not (_possible(page) and IN_GALLERY.asked()):
        return None
    with st.container():
        folders = maps(page.run)
        await_more(lambda: len(maps(page.run)))
        if not folders:
            job_panel()
            first(page)
            return None
        shown = choose_map(page, folders)
        view = of_region(page, shown)  # above the map, where the way back is in sight
        chart(page, shown, linked=True)
        return view


def _possible(page: Opened) -> bool:
    return page.opened.run is not None and page.opened.run.has_features
