"""The Map page: choice of map and colours, and the chart to draw regions on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np
import streamlit as st

from avhcurate.map import plots
from avhcurate.map.plots import MOST_POINTS, Legend, Scale, Window
from avhcurate.map.points import MapPoints, color_options, column_of, points_in_view
from avhcurate.map.store import MapFolder, MapRecord
from avhcurate.map.ui_start import METRICS
from avhcurate.stats.downsample import cut, downsample
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.table.titles import title_of
from avhcurate.ui import regions, url_state
from avhcurate.ui.cache import HASH_FUNCS
from avhcurate.ui.chart_style import GREY, faded, of_hsf
from avhcurate.ui.components.listener import heard, listen
from avhcurate.ui.frame import Opened
from avhcurate.ui.head_notes import HEAD_OF_ALL
from avhcurate.ui.image_routes import image_url
from avhcurate.ui.page_choices import Choice, one_of
from avhcurate.ui.regions import Region
from avhcurate.ui.score_help import score_name
from avhcurate.ui.text import shortened
from avhcurate.ui.user_errors import plain

#: With the key of a map's folder.
MAP_HASH_FUNCS = HASH_FUNCS | {MapFolder: lambda folder: f"{folder.root} {folder.record.finished}"}

_TOOLS = {"Lasso": "lasso", "Box": "select", "Move": "pan"}
_DRAWN = {"points": "Points", "density": "Density"}
_COLUMNS, _ROWS = 200, 128
#: Beyond any map: where the outline of an unbounded region stops.
FAR = 1e6
#: Whole numbers below it are exact in 32 bits.
_EXACT = 1 << 24
#: Characters of the name of what colours.
_LONGEST = 40
#: Colours that are of classes, whose names the map carries.
_OF_CLASSES = ("label", "predicted")
#: In the legend, all groups without a colour of their own.
_REST = "others"
_CHART, _LISTENER = "map.chart", "map.listener"


def _read_window(text: str) -> Window:
    left, right, low, high = (float(part) for part in text.split(":"))
    if not (max(map(abs, (left, right, low, high))) < FAR and left < right and low < high):
        raise ValueError(text)
    return left, right, low, high


DRAWN = one_of("map.drawn", tuple(_DRAWN), "points")
TOOL = one_of("map.tool", tuple(_TOOLS), "Lasso")
REGION = regions.region_choice("map")
WINDOW: Choice[Window | None] = Choice(
    "map.window", None, _read_window, lambda window: ":".join(f"{value:.7g}" for value in window) if window else ""
)

ABOUT = """
**Near** means a small angle between embeddings (or a small distance, for maps made by distance). **PCA** is the
projection that keeps most of the variance: its axes have a meaning, and so do distances. **UMAP** keeps neighbours
together: groups have a meaning, their sizes and the distances between them have none.

**Diamonds** are the class weights, projected together with the samples. AVH compares a sample's angle to the weight of
its own class with its angles to all class weights.

**Lasso** and **Box** select all samples inside, also those not drawn: their images stand beside the map, and other
points are dimmed. **Move** drags the map, and the wheel zooms; a smaller window shows more of its points. Hover to see
an image with its label and score, click to open its details.
"""


# --- the map in view ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MapInView:
    """The map on the page: all samples in view that have a place on it, and their colours."""

    folder: MapFolder
    record: MapRecord
    options: dict[str, str]
    color: str
    points: MapPoints
    window: Window | None
    region: Region | None
    #: Which end of the number that colours is hard, "" where that is not known.
    harder: str = ""

    @property
    def title(self) -> str:
        """What the colours mean."""
        return _color_name(self.options, self.color)

    @property
    def about(self) -> str:
        """Identifies the map."""
        return f"{self.record.run} {self.folder.name} {self.record.finished}"


def map_in_view(page: Opened, maps: Sequence[MapFolder]) -> MapInView:
    """The map that the address asks for, else the newest."""
    name = _layout(maps).of(page.view)
    folder = next(one for one in maps if one.name == name)
    options = color_options(page.table)
    if "hsf" in options:
        options["hsf"] = of_hsf(page.table.simulated)
    color = _color(options).of(page.view)
    points = _points_in_view(page.table, folder, page.filters, color=color)
    ranked = page.table.ranked.get(column_of(color))
    harder = ranked.harder if ranked else "low" if color == "hsf" else ""
    return MapInView(folder, folder.record, options, color, points, WINDOW.of(page.view), REGION.of(page.view), harder)


_points_in_view = st.cache_resource(max_entries=6, show_spinner="Reading the map …", hash_funcs=MAP_HASH_FUNCS)(
    points_in_view
)


def _layout(maps: Sequence[MapFolder]) -> Choice[str]:
    return one_of("map.layout", [folder.name for folder in maps], maps[-1].name)


def _color(options: Mapping[str, str]) -> Choice[str]:
    return one_of("map.color", list(options), "label")


def _color_name(options: dict[str, str], key: str) -> str:
    return shortened(options[key] or score_name(key), _LONGEST)


def describe(record: MapRecord, run: str) -> str:
    """Provenance of a map of the embeddings of `run`, in a line."""
    near = METRICS[record.metric].lower()
    parts = [f"{record.layout.upper()} by {near}", f"{record.placed:,} samples", run]
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


def choose_colours(page: Opened, maps: Sequence[MapFolder], shown: MapInView) -> None:
    """Asks for map, colour, points or density, and tool; with a button back to the whole map."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        titles = {folder.name: _short(folder.record) for folder in reversed(maps)}
        _layout(maps).show(st.selectbox, "Map", page.view, titles, value=shown.folder.name, width=160)
        colors = {key: _color_name(shown.options, key) for key in shown.options}
        _color(shown.options).show(st.selectbox, "Colour", page.view, colors, value=shown.color, width=165)
        DRAWN.show(st.segmented_control, "Draw", page.view, _DRAWN)
        TOOL.show(st.segmented_control, "Pointer", page.view, list(_TOOLS))
        if shown.window is not None:
            st.button("Whole map", icon=":material/zoom_out_map:", key="map.whole", on_click=WINDOW.put, args=(None,))
        with st.popover("About", icon=":material/help:", type="tertiary", key="map.about"):
            st.markdown(ABOUT)


def _short(record: MapRecord) -> str:
    """Title of a map in a choice of several.

    >>> from types import SimpleNamespace as Record
    >>> _short(Record(layout="umap", metric="cosine", neighbours=15, min_dist=0.1, seed=3, limit=None))
    'UMAP 15/0.1, seed 3'
    """
    parts = [record.layout.upper() + (f" {record.neighbours}/{record.min_dist:g}" if record.layout == "umap" else "")]
    parts += ["by distance"] if record.metric == "euclidean" else []
    parts += [f"seed {record.seed}"] if record.seed is not None else []
    parts += [f"{record.limit:,} samples"] if record.limit is not None else []
    return ", ".join(parts)


# --- the chart ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawing:
    """What a chart draws: a stratified `part` of the points that lie `inside` the window, with the legend's groups.

    `counts` of the groups inside; empty where a number gives the colours.
    """

    part: MapPoints
    inside: MapPoints
    counts: tuple[int, ...] = ()


def chart(page: Opened, shown: MapInView) -> None:
    """Draws the map with a caption; regions, moves and clicks go to the address before the page runs again."""
    density, tool = DRAWN.of(page.view) == "density", TOOL.of(page.view)
    window, region = shown.window or _everything(shown.folder), shown.region
    area = _around(window) if shown.window else window
    drawing = _drawing(page.table, shown.folder, page.filters, shown.color, area)
    colours = _colours(drawing, shown)
    value = shown.title if isinstance(colours, Scale) else ""
    figure = _density(drawing.inside, colours, area) if density else _points(drawing.part, colours, region)
    named = plots.add_class_weights(figure, shown.folder.class_weights(), page.table.classes)
    if shown.color in _OF_CLASSES and not named:
        inside = drawing.inside
        plots.add_group_names(figure, inside.x, inside.y, inside.shades, inside.names)
    plots.framed(
        figure,
        window,
        outline=region.outline(-FAR, FAR) if region else None,
        dragmode=_TOOLS[tool],
        axes=_axes(shown.record),
        legend="" if value else of_hsf(page.table.simulated) if shown.color == "hsf_bin" else shown.title,
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
        on_event=_take_over,
    )
    fitted = page.table.run is not None and page.table.run.record.fitted is not None
    more = f"  \n{HEAD_OF_ALL}" if fitted else ""
    about = describe(shown.record, title_of(page.table.dataset, shown.record.run))
    st.caption(f"{_counts(page, shown, drawing, density=density)}  \n{about}{more}")


def _around(window: Window) -> Window:
    """A window with its surroundings, which the shape of the chart may show, and moving it does."""
    left, right, low, high = window
    across, up = 0.6 * (right - left), 0.6 * (high - low)
    return left - across, right + across, low - up, high + up


@st.cache_resource(max_entries=6, show_spinner=False, hash_funcs=MAP_HASH_FUNCS)
def _drawing(table: DatasetTable, folder: MapFolder, filters: Filters, color: str, area: Window) -> Drawing:
    inside = _points_in_view(table, folder, filters, color=color).within(area)
    if inside.groups is None:
        return Drawing(inside.take(downsample(inside.labels, most=MOST_POINTS)), inside)
    groups, names = plots.fold(inside.groups, inside.names, rest=_REST)
    inside = replace(inside, groups=groups, names=tuple(names))
    counts = np.bincount(groups[groups >= 0], minlength=len(names))
    return Drawing(inside.take(downsample(groups, most=MOST_POINTS)), inside, tuple(counts.tolist()))


def _counts(page: Opened, shown: MapInView, drawing: Drawing, *, density: bool) -> str:
    """How many samples are drawn, of how many."""
    number, part, whole = len(drawing.inside), len(drawing.part), len(shown.points)
    where = f" in and around this window, of {whole:,} on the map" if shown.window else ""
    drawn = f"All {number:,} points{where}"
    if density:
        drawn = f"All {number:,} samples{where}, counted in cells; paler cells hold fewer"
    elif part < number:
        by = plain(shown.title) if drawing.counts else "class"
        drawn = f"{part:,} of {number:,} points{where}, stratified by {by[:1].lower()}{by[1:]}"
    sentences = [f"{drawn}; counts in the legend are of all." if drawing.counts else f"{drawn}."]
    if whole < page.count:
        sentences.append(f"{page.count - whole:,} samples in view have no place on this map.")
    if shown.color == "excluded" and page.filters.excluded is False:
        sentences.append("Excluded samples are hidden: choose Show on the left.")
    if page.table.run is not None and not page.table.run.has_class_weights:
        sentences.append("The run was attached without class weights, so the map shows none.")
    return " ".join([*sentences, "A selection takes all samples inside it."])


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


def _axes(record: MapRecord) -> tuple[str, str]:
    """PCA's axes have a meaning, UMAP's have none."""
    if record.shares is None:
        return "", ""
    first, second = (f"component, {share:.0%} of the variance" for share in record.shares)
    return f"first {first}", f"second {second}"


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=MAP_HASH_FUNCS)
def _everything(folder: MapFolder) -> Window:
    """The window that holds the whole map."""
    _, places = folder.coordinates()
    weights = folder.class_weights()
    every = np.concatenate([places, weights[np.isfinite(weights).all(axis=1)]])
    low, high = every.min(axis=0), every.max(axis=0)
    margin = 0.04 * np.maximum(high - low, 1e-6)
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return left, right, bottom, top


def _take_over() -> None:
    """What was drawn, moved or clicked on the chart goes into the address."""
    event = heard(_LISTENER)
    if event.clicked is not None:
        url_state.change(sample=event.clicked)
    elif event.region is not None:
        regions.answer(REGION, event.region)
    elif event.window is not None:
        WINDOW.put(event.window)
