"""The Map page: choice of map and colours, the chart to draw regions on, the images in the region."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np
import streamlit as st

from avhcurate.curate import saved
from avhcurate.map import plots, points
from avhcurate.map.plots import MOST_POINTS, Group, Window
from avhcurate.map.points import Cloud
from avhcurate.map.store import MapFolder, MapRecord
from avhcurate.map.ui_start import METRICS
from avhcurate.scores import SCORES
from avhcurate.stats.downsample import cut, downsample
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.ui import grid_actions, url_state
from avhcurate.ui.cache import HASH_FUNCS
from avhcurate.ui.chart_style import GREY, faded, of_hsf
from avhcurate.ui.components.listener import heard, listen
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.image_routes import image_url
from avhcurate.ui.page_choices import Choice, one_of
from avhcurate.ui.regions import Region, read_region, write_region
from avhcurate.ui.sample_grid import sample_grid
from avhcurate.ui.save_set import save_set_button
from avhcurate.ui.score_help import score_name
from avhcurate.ui.signin import who
from avhcurate.ui.user_errors import plain

#: With the key of a map's folder.
_HASH_FUNCS = HASH_FUNCS | {MapFolder: lambda folder: f"{folder.root} {folder.record.finished}"}


_TOOLS = {"Box": "select", "Lasso": "lasso", "Move": "pan"}
_DRAWN = {"points": "Points", "density": "Density"}
_COLUMNS, _ROWS = 200, 128
#: No map reaches as far: where the outline of a region without end stops.
_FAR = 1e6
#: The set that the link to the gallery goes through.
_LAST = "last map selection"
#: The legend's entry of all groups that have no colour of their own.
_REST = "others"
_CHART, _LISTENER = "map.chart", "map.listener"


def _read_window(text: str) -> Window:
    left, right, low, high = (float(part) for part in text.split(":"))
    if not (max(map(abs, (left, right, low, high))) < _FAR and left < right and low < high):
        raise ValueError(text)
    return left, right, low, high


DRAWN = one_of("map.drawn", tuple(_DRAWN), "points")
TOOL = one_of("map.tool", tuple(_TOOLS), "Box")
REGION: Choice[Region | None] = Choice(
    "map.region", None, read_region, lambda region: write_region(region) if region else ""
)
WINDOW: Choice[Window | None] = Choice(
    "map.window", None, _read_window, lambda window: ":".join(f"{value:.7g}" for value in window) if window else ""
)

ABOUT = """
**Near** means a small angle between embeddings (or a small distance, where the map was made so). **PCA** is the flat
view that keeps most of the variance: its axes have a meaning, and far apart is far apart. **UMAP** keeps who is whose
neighbour: groups mean something, the distances between groups and their sizes do not.

**Diamonds** are the class weights, laid out in the same fit as the samples. A sample's AVH compares its angle to its
own class's weight with its angles to all.

**Box** and **Lasso** select all samples inside, also those not drawn. **Move** drags the map and zooms by the wheel;
what is in the window is then drawn again, so nearer is finer. Hover to see an image, click to open it.
"""


# --- what is looked at -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MapInView:
    """The map on the page: all samples in view that have a place on it, and their colours."""

    folder: MapFolder
    record: MapRecord
    options: dict[str, str]
    color: str
    cloud: Cloud
    window: Window | None
    region: Region | None

    @property
    def title(self) -> str:
        """What the colours mean."""
        return _color_name(self.options, self.color)

    @property
    def about(self) -> str:
        """Identifies the map."""
        return f"{self.record.run} {self.folder.name} {self.record.finished}"


def map_in_view(here: Opened, found: Sequence[MapFolder]) -> MapInView:
    """The map that the address asks for, else the newest."""
    name = _layout(found).of(here.view)
    folder = next(one for one in found if one.name == name)
    options = points.colors(here.table)
    if "hsf" in options:
        options["hsf"] = of_hsf(here.table.simulated)
    color = _color(options).of(here.view)
    cloud = _cloud(here.table, folder, here.filters, color=color)
    return MapInView(folder, folder.record, options, color, cloud, WINDOW.of(here.view), REGION.of(here.view))


_cloud = st.cache_resource(max_entries=6, show_spinner="Reading the map …", hash_funcs=_HASH_FUNCS)(points.cloud)


def _layout(found: Sequence[MapFolder]) -> Choice[str]:
    return one_of("map.layout", [folder.name for folder in found], found[-1].name)


def _color(options: Mapping[str, str]) -> Choice[str]:
    return one_of("map.color", list(options), "label")


def _color_name(options: dict[str, str], key: str) -> str:
    return options[key] or (score_name(key) if key in SCORES else key)


def describe(record: MapRecord) -> str:
    """Provenance of a map, in a line."""
    near = METRICS[record.metric].lower()
    parts = [f"{record.layout.upper()} by {near}", f"{record.placed:,} samples", record.run]
    if record.placed < record.samples:
        parts[1] += f" of {record.samples:,}, the others without a direction"
    if record.limit is not None:
        parts[1] += ", spread evenly"
    if record.layout == "umap":
        parts.append(f"{record.neighbours} neighbours, least distance {record.min_dist:g}, {record.epochs} epochs")
        parts.append(f"seed {record.seed}" if record.seed is not None else "no seed")
    if record.pca:
        parts.append(f"from {record.pca} of {record.width} dimensions, which hold {record.kept or 0:.0%}")
    threads = "1 thread" if record.threads == 1 else f"{record.threads} threads"
    parts.append(f"{record.seconds or 0:,.0f} s on {record.device}, {threads}, {record.started:%d %B %Y}")
    return plain(" · ".join(parts))


# --- controls ----------------------------------------------------------------------------------------------------


def choose_colours(here: Opened, found: Sequence[MapFolder], shown: MapInView) -> None:
    """Map, colour, points or density, tool, and a way back to the whole map."""
    layout, color = _layout(found), _color(shown.options)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        maps = {folder.name: _short(folder.record) for folder in reversed(found)}
        layout.show(st.selectbox, "Map", here.view, maps, value=shown.folder.name, width=160)
        colors = {key: _color_name(shown.options, key) for key in shown.options}
        color.show(st.selectbox, "Colour", here.view, colors, value=shown.color, width=165)
        DRAWN.show(st.segmented_control, "Draw", here.view, _DRAWN)
        TOOL.show(st.segmented_control, "Pointer", here.view, list(_TOOLS))
        if shown.window is not None:
            st.button("Whole map", icon=":material/zoom_out_map:", key="map.whole", on_click=_zoom)
        with st.popover("About", icon=":material/help:", type="tertiary", key="map.about"):
            st.markdown(ABOUT)


def _short(record: MapRecord) -> str:
    """Title of a map in a choice of several.

    >>> from types import SimpleNamespace as Record
    >>> _short(Record(layout="umap", metric="cosine", neighbours=15, min_dist=0.1, seed=3, limit=None))
    'UMAP 15/0.1, seed 3'
    """
    said = [record.layout.upper() + (f" {record.neighbours}/{record.min_dist:g}" if record.layout == "umap" else "")]
    said += ["by distance"] if record.metric == "euclidean" else []
    said += [f"seed {record.seed}"] if record.seed is not None else []
    said += [f"{record.limit:,} samples"] if record.limit is not None else []
    return ", ".join(said)


# --- the chart ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawing:
    """What a chart draws: a fair `part` of the samples that lie `inside` what shows, both with the legend's groups.

    `counts` of the groups inside; empty where a number gives the colours.
    """

    part: Cloud
    inside: Cloud
    counts: tuple[int, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return self.inside.names


def chart(here: Opened, shown: MapInView) -> None:
    """Draws the map with a caption; regions, moves and clicks go to the address before the page runs again."""
    density, tool = DRAWN.of(here.view) == "density", TOOL.of(here.view)
    window = shown.window or _everything(shown.folder)
    area = _around(window) if shown.window else window
    drawing = _drawing(here.table, shown.folder, here.filters, shown.color, area)
    value = shown.title if shown.cloud.values is not None else ""
    figure = _density(drawing, shown, area) if density else _points(drawing, shown)
    plots.add_class_weights(figure, shown.folder.class_weights(), here.table.classes)
    region = shown.region
    plots.framed(
        figure,
        window,
        outline=region.outline(-_FAR, _FAR) if region else None,
        dragmode=_TOOLS[tool],
        axes=_axes(shown.record),
        legend="" if value else of_hsf(here.table.simulated) if shown.color == "hsf_bin" else shown.title,
        revision=f"{shown.about} {write_region(region) if region else ''} {window} {tool}",
    )
    st.plotly_chart(
        figure,
        key=_CHART,
        config={"displayModeBar": False, "doubleClick": False, "scrollZoom": tool == "Move"},
        alt=f"Map of {len(shown.cloud):,} samples, coloured by {shown.title}",
    )
    listen(
        _CHART.replace(".", "-"),
        key=_LISTENER,
        thumbnail_url=image_url(here.table.dataset.name, "{id}", version=here.version),
        classes=here.table.classes,
        groups=drawing.names,
        value=value,
        on_event=_take_over,
    )
    st.caption(f"{_said(here, shown, drawing, density=density)}  \n{describe(shown.record)}")


def _around(window: Window) -> Window:
    """A window with its surroundings, which show as far as the chart's shape lets them, and when it is moved."""
    left, right, low, high = window
    across, up = 0.6 * (right - left), 0.6 * (high - low)
    return left - across, right + across, low - up, high + up


@st.cache_resource(max_entries=6, show_spinner=False, hash_funcs=_HASH_FUNCS)
def _drawing(table: DatasetTable, folder: MapFolder, filters: Filters, color: str, area: Window) -> Drawing:
    inside = _cloud(table, folder, filters, color=color).within(area)
    if inside.groups is None:
        return Drawing(inside.take(downsample(inside.labels, most=MOST_POINTS)), inside)
    groups, names = plots.fold(inside.groups, inside.names, rest=_REST)
    inside = replace(inside, groups=groups, names=tuple(names))
    counts = np.bincount(groups[groups >= 0], minlength=len(names))
    return Drawing(inside.take(downsample(groups, most=MOST_POINTS)), inside, tuple(counts.tolist()))


def _said(here: Opened, shown: MapInView, drawing: Drawing, *, density: bool) -> str:
    """How many samples are drawn, of how many."""
    number, part, whole = len(drawing.inside), len(drawing.part), len(shown.cloud)
    where = f" in and around this window, of {whole:,} on the map" if shown.window else ""
    said = f"All {number:,} points{where}"
    if density:
        said = f"All {number:,} samples{where}, counted in cells; paler cells hold fewer"
    elif part < number:
        by = plain(shown.title) if drawing.counts else "class"
        said = f"{part:,} of {number:,} points{where}, stratified by {by[:1].lower()}{by[1:]}"
    sentences = [f"{said}; counts in the legend are of all." if drawing.counts else f"{said}."]
    if whole < here.count:
        sentences.append(f"{here.count - whole:,} samples in view have no place on this map.")
    if shown.color == "excluded" and here.filters.excluded is False:
        sentences.append("Excluded samples are hidden: choose Show on the left.")
    return " ".join([*sentences, "A selection takes all samples inside it."])


def _legend(drawing: Drawing, shown: MapInView) -> list[Group]:
    """The groups with how many samples inside each has."""
    colors = plots.group_colors(shown.color, len(drawing.names))
    entries = zip(drawing.names, drawing.counts, colors, strict=True)
    return [Group(f"{escape(name)} ({count:,})", color) for name, count, color in entries]


def _points(drawing: Drawing, shown: MapInView) -> Any:
    part = drawing.part
    custom = np.stack([part.ids, part.labels, part.predicted], axis=1).astype(np.int32)
    if part.values is not None:
        scale = plots.scale_of(shown.cloud.values, shown.title, _harder(shown.color))  # type: ignore[arg-type]
        return plots.points(part.x, part.y, custom, values=part.values, scale=scale)
    missing = len(drawing.inside) - sum(drawing.counts)
    without = Group(f"none ({missing:,})", faded(GREY, 0.6)) if missing else None
    return plots.points(part.x, part.y, custom, groups=part.groups, legend=_legend(drawing, shown), without=without)


def _density(drawing: Drawing, shown: MapInView, area: Window) -> Any:
    inside = drawing.inside
    cells = cut(inside.x, inside.y, area, columns=_COLUMNS, rows=_ROWS)
    example = np.where(cells.example >= 0, inside.ids[cells.example] if len(inside) else -1, -1)
    if inside.values is not None:
        custom = np.stack([example, cells.counts, np.zeros_like(example)], axis=2).astype(np.int32)
        scale = plots.scale_of(shown.cloud.values, shown.title, _harder(shown.color))  # type: ignore[arg-type]
        means = cells.means(inside.values)
        return plots.cells(cells.x, cells.y, custom, counts=cells.counts, values=means, scale=scale)
    assert inside.groups is not None
    largest, share = cells.majorities(inside.groups, len(drawing.names))
    custom = np.stack([example, cells.counts, np.nan_to_num(100 * share)], axis=2).astype(np.int32)
    return plots.cells(cells.x, cells.y, custom, counts=cells.counts, groups=largest, legend=_legend(drawing, shown))


def _harder(color: str) -> str:
    return SCORES[color].harder if color in SCORES else "low" if color == "hsf" else ""


def _axes(record: MapRecord) -> tuple[str, str]:
    """PCA's axes have a meaning, UMAP's have none."""
    if record.shares is None:
        return "", ""
    first, second = (
        f"{name} component, {share:.0%} of the variance"
        for name, share in zip(("first", "second"), record.shares, strict=True)
    )
    return first, second


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=_HASH_FUNCS)
def _everything(folder: MapFolder) -> Window:
    """The window that holds the whole map."""
    _, places = folder.coordinates()
    weights = folder.class_weights()
    every = np.concatenate([places, weights[np.isfinite(weights).all(axis=1)]])
    low, high = every.min(axis=0), every.max(axis=0)
    margin = 0.04 * np.maximum(high - low, 1e-6)
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return left, right, bottom, top


# --- the images --------------------------------------------------------------------------------------------------


def images(here: Opened, shown: MapInView) -> tuple[Sequence[int], int | None]:
    """The images of the region in a grid with its actions; ids shown, id opened."""
    region = shown.region
    if region is None:
        return [], None
    sort, descending = here.view.sort, here.view.descending
    ids = _ordered(here.table, shown.folder, here.filters, region, sort, descending, shown.cloud)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{len(ids):,} of {len(shown.cloud):,} samples in the region**", width="content")
        if ids:
            save_set_button(here, ids, key="map.save")
            st.button(
                "Open in Gallery",
                icon=":material/grid_view:",
                key="map.gallery",
                on_click=attempt,
                args=(_keep_as_last, here, ids),
                help=f"Saves them as the set “{_LAST}”, which the gallery then shows.",
            )
        st.button("Zoom in", icon=":material/zoom_in_map:", key="map.zoom", on_click=_zoom, args=(region,))
        st.button("Clear", icon=":material/close:", type="tertiary", key="map.clear", on_click=_select, args=(None,))
    if not ids:
        st.markdown("No sample lies there: draw another region.")
        return [], None
    grid_actions.choose_order(here)
    return sample_grid(here, ids, about=f"{shown.about} {write_region(region)}", score=here.view.sort)


@st.cache_resource(max_entries=6, show_spinner=False, hash_funcs=_HASH_FUNCS)
def _ordered(
    table: DatasetTable,
    folder: MapFolder,
    filters: Filters,
    region: Region,
    sort: str,
    descending: bool,
    _cloud: Cloud,
) -> tuple[int, ...]:
    """Ids of the samples in the region, in order; `_cloud` is that of the folder, in any colour."""
    ids = _cloud.ids[region.holds(_cloud.x, _cloud.y)]
    if sort == "id":
        return tuple((ids[::-1] if descending else ids).tolist())
    frame = table.frame(filters, columns=["id", sort])
    frame = frame[np.isin(frame["id"].to_numpy(np.int64), ids, assume_unique=True)]
    if frame[sort].dtype == object:  # lists, as tags are, have no order that pandas knows
        frame = frame.assign(**{sort: frame[sort].map(str, na_action="ignore")})
    ordered = frame.sort_values(sort, ascending=not descending, na_position="last", kind="stable")
    return tuple(ordered["id"].astype(int).tolist())


def go_to_gallery() -> None:
    """Opens the gallery with the region's samples after the button was pressed."""
    if st.session_state.pop(_GO, False):
        view = url_state.current()
        query = replace(view, filters=Filters(excluded=None, sets=(_LAST,)), choices=()).elsewhere
        st.switch_page(grid_actions.PAGES / "gallery.py", query_params=query)


#: Session state: the gallery is to be opened.
_GO = "map.go"


def _keep_as_last(here: Opened, ids: Sequence[int]) -> None:
    saved.save_set(here.workspace, here.table.dataset.name, _LAST, ids, who=who())
    st.session_state[_GO] = True


# --- callbacks ---------------------------------------------------------------------------------------------------


def _take_over() -> None:
    """What was drawn, moved or clicked on the chart goes into the address."""
    event = heard(_LISTENER)
    if event.clicked is not None:
        url_state.change(sample=event.clicked)
    elif event.region is not None:
        _select(event.region)
    elif event.window is not None:
        WINDOW.put(event.window)


def _select(region: Region | None) -> None:
    text = write_region(region) if region else ""
    url_state.write(replace(url_state.current(), page=1, sample=None).choosing(REGION.name, text))


def _zoom(region: Region | None = None) -> None:
    """Shows the part of the map around a region, at least twice as wide as high; the whole without one."""
    if region is None:
        WINDOW.put(None)
        return
    left, right, low, high = (
        min(max(end, -_FAR / 4), _FAR / 4) for end in (min(region.x), max(region.x), min(region.y), max(region.y))
    )
    up = max(high - low, (right - left) / 2, 1e-6) * 0.6
    x, y = (left + right) / 2, (low + high) / 2
    across = max((right - left) * 0.6, 2 * up)
    WINDOW.put((x - across, x + across, y - up, y + up))
