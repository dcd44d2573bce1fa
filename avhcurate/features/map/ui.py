"""The Map page: choice of map, colours and tool, what is in view, and what the page says of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from avhcurate.datasets.table.head_notes import HEAD_OF_ALL
from avhcurate.datasets.table.titles import title_of
from avhcurate.features.map.plots import Window
from avhcurate.features.map.points import MapPoints, color_options, column_of, find_sample, place_of, points_in_view
from avhcurate.features.map.store import MapFolder, MapRecord
from avhcurate.ui import regions
from avhcurate.ui.cache import HASH_FUNCS, kept
from avhcurate.ui.chart_style import of_hsf
from avhcurate.ui.frame import Opened
from avhcurate.ui.layout import in_a_row
from avhcurate.ui.page_choices import Choice, one_of
from avhcurate.ui.regions import Region
from avhcurate.ui.score_help import score_name
from avhcurate.ui.text import shortened
from avhcurate.ui.user_errors import plain

#: With the key of a map's folder.
MAP_HASH_FUNCS = HASH_FUNCS | {MapFolder: lambda folder: f"{folder.root} {folder.record.finished}"}

TOOLS = {"Lasso": "lasso", "Box": "select", "Move": "pan"}
#: Beyond any map: where the outline of an unbounded region stops.
FAR = 1e6
#: Characters of the name of what colours.
_LONGEST = 40


def _read_window(text: str) -> Window:
    left, right, low, high = (float(part) for part in text.split(":"))
    if not (max(map(abs, (left, right, low, high))) < FAR and left < right and low < high):
        raise ValueError(text)
    return left, right, low, high


LAYOUT = "map.layout"
TOOL = one_of("map.tool", tuple(TOOLS), "Lasso")
REGION = regions.region_choice("map")
WINDOW: Choice[Window | None] = Choice(
    "map.window", None, _read_window, lambda window: ":".join(f"{value:.7g}" for value in window or ())
)
#: Number or path of the image that is marked on the map.
FIND = Choice("map.find", "", str.strip)

ABOUT = """
**Near** means a small angle between embeddings. **PCA** keeps most of the variance: its axes and distances have a
meaning. **UMAP** keeps neighbours together: groups have a meaning, their sizes and the distances between them have
none.

**Diamonds** are the class weights. AVH compares a sample's angle to the weight of its own class with its angles to all
class weights.

**Lasso** and **Box** select all samples inside: their images appear next to the map. **Move** drags the map, and the
wheel zooms. Hover to see an image with its label and score, click to open its details. Click a group in the legend to
hide it, double-click to hide all others. **Find** marks an image by its number or a part of its path.
"""


# --- the map in view ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MapInView:
    """The map on the page: all samples in view that have a place on it, and their colours.

    `harder` is the hard end of the number that colours, "" if there is none. `found` is the image that was looked for
    and its place, and `note` a sentence about it.
    """

    folder: MapFolder
    record: MapRecord
    options: dict[str, str]
    color: str
    points: MapPoints
    window: Window | None
    region: Region | None
    harder: str
    found: dict[str, Any] | None
    note: str

    @property
    def title(self) -> str:
        """What the colours mean."""
        return self.options[self.color]

    @property
    def about(self) -> str:
        """Identifies the map."""
        return f"{self.record.run} {self.folder.name} {self.record.finished}"


def map_in_view(page: Opened, maps: Sequence[MapFolder]) -> MapInView:
    """Return the map that the address asks for, else the newest."""
    name = _layout(maps).asked()
    folder = next(one for one in maps if one.name == name)
    options = {key: shortened(name or score_name(key), _LONGEST) for key, name in color_options(page.table).items()}
    if "hsf" in options:
        options["hsf"] = of_hsf(page.table.simulated)
        options["hsf_bin"] = f"{options['hsf']} in bins"
    color = one_of("map.color", list(options), "label").asked()
    points = cached_points(page.table, folder, page.filters, color=color)
    harder = ""
    if color == "hsf":
        harder = "low"
    elif ranked := page.table.ranked.get(column_of(color)):
        harder = ranked.harder
    found, note = _find(page, folder, points)
    return MapInView(
        folder=folder,
        record=folder.record,
        options=options,
        color=color,
        points=points,
        window=WINDOW.asked(),
        region=REGION.asked(),
        harder=harder,
        found=found,
        note=note,
    )


def _find(page: Opened, folder: MapFolder, points: MapPoints) -> tuple[dict[str, Any] | None, str]:
    """Return the image that the address asks for with its place, and what to say of it."""
    text = FIND.asked()
    if not text:
        return None, ""
    id = find_sample(page.table, text)
    if id is None:
        return None, f"No image has this number or a path that contains {shortened(text, _LONGEST)}."
    place = place_of(folder, id)
    if place is None:
        return None, f"Image {id:,} has no place on this map."
    found, note = {"x": place[0], "y": place[1], "text": f"image {id}"}, ""
    if id not in points.ids:
        note = f"Image {id:,}, which is marked, is not in view."
    return found, note


cached_points = kept("Reading the map …", most=6, funcs=MAP_HASH_FUNCS)(points_in_view)


def _layout(maps: Sequence[MapFolder]) -> Choice[str]:
    return one_of(LAYOUT, [folder.name for folder in maps], maps[-1].name)


def describe(record: MapRecord, run: str) -> str:
    """Return the provenance of a map of the embeddings of `run`, in a line."""
    placed = f"{record.placed:,} of {record.samples:,} samples"
    if record.placed == record.samples:
        placed = f"{record.placed:,} samples"
    parts = [record.layout.upper(), placed, run]
    if record.layout == "umap":
        parts += [f"{record.neighbours} neighbours", f"{record.epochs} epochs"]
        parts.append("no seed" if record.seed is None else f"seed {record.seed}")
    if record.pca:
        parts.append(f"from {record.pca} of {record.width} dimensions ({record.kept or 0:.0%} of the variance)")
    parts.append(f"{record.seconds or 0:,.0f} s on {record.device}, {record.started:%d %B %Y}")
    return plain(" · ".join(parts))


# --- controls ----------------------------------------------------------------------------------------------------


def choose_colours(maps: Sequence[MapFolder], shown: MapInView) -> None:
    """Ask for map, colour and tool, with a button back to the whole map."""
    layout, color = _layout(maps), one_of("map.color", list(shown.options), "label")
    titles = {folder.name: _title(folder.record) for folder in reversed(maps)}

    def restart() -> None:
        layout.restart(REGION.name, WINDOW.name)

    with in_a_row(gap="small"):
        layout.show(st.selectbox, "Map", titles, value=shown.folder.name, on_change=restart, width=160)
        color.show(st.selectbox, "Colour", shown.options, value=shown.color, width=165)
        FIND.show(st.text_input, "Find", placeholder="Number or path", on_change=_find_on_the_whole, width=150)
        TOOL.show(st.segmented_control, "Pointer", list(TOOLS))
        if shown.window is not None:
            st.button("Whole map", icon=":material/zoom_out_map:", key="map.whole", on_click=WINDOW.put, args=(None,))
        with st.popover("About", icon=":material/help:", type="tertiary", key="map.about"):
            st.markdown(ABOUT)


def _find_on_the_whole() -> None:
    WINDOW.put(None)
    FIND.keep()


def _title(record: MapRecord) -> str:
    """Return the title of a map in a choice of several.

    >>> from types import SimpleNamespace as Record
    >>> _title(Record(layout="umap", neighbours=15, seed=3, limit=None))
    'UMAP 15, seed 3'
    """
    parts = [record.layout.upper()]
    if record.neighbours is not None:
        parts = [f"UMAP {record.neighbours}"]
    if record.seed is not None:
        parts.append(f"seed {record.seed}")
    if record.limit is not None:
        parts.append(f"{record.limit:,} samples")
    return ", ".join(parts)


# --- what the page says ------------------------------------------------------------------------------------------


def caption(page: Opened, shown: MapInView, drawn: int) -> None:
    """Say how many points are drawn, of which map, and what else matters."""
    run, number = page.run, len(shown.points)
    sentences = [f"All {number:,} points."]
    if drawn < number:
        sentences = [f"{drawn:,} of {number:,} points, every class in proportion. The legend counts all."]
    if (without := page.count - number) > 0:
        sentences.append(f"{without:,} samples in view have no place on this map.")
    if shown.color == "excluded" and page.filters.excluded is False:
        sentences.append("Excluded samples are hidden: choose Show on the left.")
    if not run.has_class_weights:
        sentences.append("The run was attached without class weights, so the map shows none.")
    sentences += ["A selection takes all samples inside it.", plain(shown.note)]
    lines = [" ".join(sentences), describe(shown.record, title_of(page.dataset, shown.record.run))]
    if run.record.fitted is not None:
        lines.append(HEAD_OF_ALL)
    st.caption("  \n".join(lines))


def axes(record: MapRecord) -> tuple[str, str]:
    """Return titles of the axes: PCA's have a meaning, UMAP's have none."""
    if record.shares is None:
        return "", ""
    first, second = record.shares
    return f"first component, {first:.0%} of the variance", f"second component, {second:.0%} of the variance"


@kept(funcs=MAP_HASH_FUNCS)
def whole(folder: MapFolder) -> Window:
    """Return the window that holds the whole map."""
    _, places = folder.coordinates()
    weights = folder.class_weights()
    every = np.concatenate([places, weights[np.isfinite(weights).all(axis=1)]])
    low, high = every.min(axis=0), every.max(axis=0)
    margin = 0.04 * np.maximum(high - low, 1e-6)
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return left, right, bottom, top
