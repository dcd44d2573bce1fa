"""The Map page: choice of map, colours and tool, what is in view, and what both charts say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from avhcurate.map.plots import Window
from avhcurate.map.points import MapPoints, color_options, column_of, find_sample, place_of, points_in_view
from avhcurate.map.store import MapFolder, MapRecord
from avhcurate.map.ui_start import METRICS
from avhcurate.table.titles import title_of
from avhcurate.ui import regions, url_state
from avhcurate.ui.cache import HASH_FUNCS
from avhcurate.ui.chart_style import of_hsf
from avhcurate.ui.components.listener import heard
from avhcurate.ui.frame import Opened
from avhcurate.ui.head_notes import HEAD_OF_ALL
from avhcurate.ui.page_choices import Choice, one_of
from avhcurate.ui.regions import Region
from avhcurate.ui.score_help import score_name
from avhcurate.ui.text import shortened
from avhcurate.ui.user_errors import plain

#: With the key of a map's folder.
MAP_HASH_FUNCS = HASH_FUNCS | {MapFolder: lambda folder: f"{folder.root} {folder.record.finished}"}

TOOLS = {"Lasso": "lasso", "Box": "select", "Move": "pan"}
_DRAWN = {"points": "Points", "density": "Density"}
#: Beyond any map: where the outline of an unbounded region stops.
FAR = 1e6
#: Characters of the name of what colours.
_LONGEST = 40
#: Colours that are of classes, whose names the map carries.
OF_CLASSES = ("label", "predicted")


def _read_window(text: str) -> Window:
    left, right, low, high = (float(part) for part in text.split(":"))
    if not (max(map(abs, (left, right, low, high))) < FAR and left < right and low < high):
        raise ValueError(text)
    return left, right, low, high


_LAYOUT = "map.layout"
DRAWN = one_of("map.drawn", tuple(_DRAWN), "points")
TOOL = one_of("map.tool", tuple(TOOLS), "Lasso")
REGION = regions.region_choice("map")
WINDOW: Choice[Window | None] = Choice(
    "map.window", None, _read_window, lambda window: ":".join(f"{value:.7g}" for value in window) if window else ""
)
#: Number or path of the image that is marked on the map.
FIND = Choice("map.find", "", str.strip)

ABOUT = """
**Near** means a small angle between embeddings (or a small distance, for maps made by distance). **PCA** is the
projection that keeps most of the variance: its axes have a meaning, and so do distances. **UMAP** keeps neighbours
together: groups have a meaning, their sizes and the distances between them have none.

**Diamonds** are the class weights, projected together with the samples. AVH compares a sample's angle to the weight of
its own class with its angles to all class weights.

**Lasso** and **Box** select all samples inside: their images stand beside the map, and other points are dimmed.
**Move** drags the map, and the wheel zooms. Hover to see an image with its label and score, click to open its details.
A click in the legend hides a group, a double click leaves it alone. **Find** marks an image by its number or a part of
its path.
"""


# --- the map in view ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FoundImage:
    """The image that was looked for, where it lies, and whether it is among those in view."""

    id: int
    x: float
    y: float
    matches: bool


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
    #: Title of the legend of groups.
    legend: str = ""
    found: FoundImage | None = None
    #: What is to be said of the image that was looked for.
    note: str = ""

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
    points = cached_points(page.table, folder, page.filters, color=color)
    ranked = page.table.ranked.get(column_of(color))
    harder = ranked.harder if ranked else "low" if color == "hsf" else ""
    legend = of_hsf(page.table.simulated) if color == "hsf_bin" else _color_name(options, color)
    found, note = _find(page, folder, points)
    shown = folder, folder.record, options, color, points, WINDOW.of(page.view), REGION.of(page.view)
    return MapInView(*shown, harder, legend, found, note)


def _find(page: Opened, folder: MapFolder, points: MapPoints) -> tuple[FoundImage | None, str]:
    """The image that the address asks for, and what is to be said of it."""
    text = FIND.of(page.view)
    if not text:
        return None, ""
    id = find_sample(page.table, text)
    if id is None:
        return None, f"No image has the number or a path with {shortened(text, _LONGEST)}."
    place = place_of(folder, id)
    if place is None:
        return None, f"Image {id:,} has no place on this map."
    at = int(np.searchsorted(points.ids, id))
    matches = at < len(points) and points.ids[at] == id
    return FoundImage(id, *place, matches), "" if matches else f"Image {id:,}, which is marked, is not in view."


cached_points = st.cache_resource(max_entries=6, show_spinner="Reading the map …", hash_funcs=MAP_HASH_FUNCS)(
    points_in_view
)


def _layout(maps: Sequence[MapFolder]) -> Choice[str]:
    return one_of(_LAYOUT, [folder.name for folder in maps], maps[-1].name)


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
        layout = _layout(maps)
        layout.show(
            st.selectbox,
            "Map",
            page.view,
            titles,
            value=shown.folder.name,
            on_change=layout.restart,
            args=(REGION.name, WINDOW.name),
            width=160,
        )
        colors = {key: _color_name(shown.options, key) for key in shown.options}
        _color(shown.options).show(st.selectbox, "Colour", page.view, colors, value=shown.color, width=165)
        FIND.show(
            st.text_input, "Find", page.view, placeholder="Number or path", on_change=_find_on_the_whole, width=150
        )
        DRAWN.show(st.segmented_control, "Draw", page.view, _DRAWN)
        TOOL.show(st.segmented_control, "Pointer", page.view, list(TOOLS))
        if shown.window is not None:
            st.button("Whole map", icon=":material/zoom_out_map:", key="map.whole", on_click=WINDOW.put, args=(None,))
        with st.popover("About", icon=":material/help:", type="tertiary", key="map.about"):
            st.markdown(ABOUT)


def _find_on_the_whole() -> None:
    WINDOW.put(None)
    FIND.keep()


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


# --- what both charts say and hear -------------------------------------------------------------------------------


def caption(page: Opened, shown: MapInView, drawn: str) -> None:
    """What is drawn, of which map, and what else is to be known of it."""
    run = page.table.run
    assert run is not None
    sentences = [drawn]
    if (without := page.count - len(shown.points)) > 0:
        sentences.append(f"{without:,} samples in view have no place on this map.")
    if shown.color == "excluded" and page.filters.excluded is False:
        sentences.append("Excluded samples are hidden: choose Show on the left.")
    if not run.has_class_weights:
        sentences.append("The run was attached without class weights, so the map shows none.")
    sentences += ["A selection takes all samples inside it.", *([plain(shown.note)] if shown.note else [])]
    about = describe(shown.record, title_of(page.table.dataset, shown.record.run))
    lines = [" ".join(sentences), about, *([HEAD_OF_ALL] if run.record.fitted is not None else [])]
    st.caption("  \n".join(lines))


def axes(record: MapRecord) -> tuple[str, str]:
    """PCA's axes have a meaning, UMAP's have none."""
    if record.shares is None:
        return "", ""
    first, second = (f"component, {share:.0%} of the variance" for share in record.shares)
    return f"first {first}", f"second {second}"


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=MAP_HASH_FUNCS)
def whole(folder: MapFolder) -> Window:
    """The window that holds the whole map."""
    _, places = folder.coordinates()
    weights = folder.class_weights()
    every = np.concatenate([places, weights[np.isfinite(weights).all(axis=1)]])
    low, high = every.min(axis=0), every.max(axis=0)
    margin = 0.04 * np.maximum(high - low, 1e-6)
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return left, right, bottom, top


def take_over(chart: str, layout: str) -> None:
    """What was drawn, moved or clicked on a chart, by its key, goes into the address.

    A region or window takes the name of its map along: on one that is made later it would hold other samples.
    """
    event = heard(chart)
    if event.clicked is not None:
        url_state.change(sample=event.clicked)
    elif event.region is not None:
        _name_map(layout)
        regions.answer(REGION, event.region)
    elif event.window is not None:
        _name_map(layout)
        WINDOW.put(event.window)


def _name_map(layout: str) -> None:
    url_state.write(url_state.current().choosing(_LAYOUT, layout))
