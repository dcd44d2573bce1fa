"""The Map page: the form that makes a map, its choices, what is in view, and what the page says of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.table.head_notes import HEAD_OF_ALL
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.titles import title_of
from avhcurate.features.map.plots import Window
from avhcurate.features.map.points import color_options, find_sample, points_in_view
from avhcurate.features.map.settings import ProjectSettings
from avhcurate.features.map.store import MapFolder, MapRecord
from avhcurate.ui.base.cache import HASH_FUNCS, kept
from avhcurate.ui.base.frame import Opened, way_on
from avhcurate.ui.base.job_forms import first_job, job_form, of_run
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.page_choices import Choice, one_of, switch
from avhcurate.ui.base.score_help import score_name
from avhcurate.ui.base.text import shortened
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts import regions
from avhcurate.ui.charts.chart_style import of_hsf
from avhcurate.ui.charts.regions import Region

#: With the key of a map's folder.
MAP_HASH_FUNCS = HASH_FUNCS | {MapFolder: lambda folder: f"{folder.root} {folder.record.finished}"}

TOOLS = {"Lasso": "lasso", "Box": "select", "Move": "pan"}
#: Beyond any map: where the outline of an unbounded region stops.
FAR = 1e6
#: Characters of the name of what colours.
_LONGEST = 40


def _read_window(text: str) -> Window:
    west, east, south, north = map(float, text.split(":"))
    if not (max(map(abs, (west, east, south, north))) < FAR and west < east and south < north):
        raise ValueError(text)
    return west, east, south, north


LAYOUT = "map.layout"
TOOL = one_of("map.tool", tuple(TOOLS), "Lasso")
REGION = regions.region_choice("map")
WINDOW: Choice[Window | None] = Choice(
    "map.window", None, _read_window, lambda window: ":".join(f"{value:.7g}" for value in window or ())
)
#: Whether the map stands next to the gallery.
IN_GALLERY = switch("gallery.map")
#: Number or path of the image that is marked on the map.
FIND = Choice("map.find", "", str.strip)

STORY = "Images that the network sees alike lie close together: draw around some to see them next to the map."
_NO_CLASSES = "Fewer than two classes have labels here, so none can be wrong: draw around a group and tag it."
_WHY = """
Every image becomes a point near those whose embeddings have a similar direction, with the class weights among them.
PCA is quick and shows the broad directions; UMAP takes longer and shows which images are neighbours. Draw around a
group to see its images and to tag, relabel, exclude, export or save them.
"""
ABOUT = """
**Near** means a small angle between embeddings. **PCA** keeps most of the variance: its axes and distances have a
meaning. **UMAP** keeps neighbours together: groups have a meaning, their sizes and the distances between them have
none.

**Diamonds** are the class weights. AVH compares an image's angle to the weight of its own class with its angles to all
class weights.

**Lasso** and **Box** select all images inside: their images appear next to the map. **Move** drags the map, and the
wheel zooms. Hover to see an image with its label and score, click to open its details. Click a group in the legend to
hide it, double-click to hide all others. **Find** marks an image by its number or a part of its path.
"""


# --- the job -----------------------------------------------------------------------------------------------------


def first(page: Opened) -> None:
    """Draw what the page is for, and the form, before there is a map."""
    usual = ProjectSettings(**of_run(page))
    first_job(replace(page, story=STORY), "No map of this run yet", "bubble_chart", "Make a map", _WHY, usual, form)


def form(page: Opened) -> None:
    """Draw the options, and the button that starts the job."""
    with job_form("map.start_", ProjectSettings, **of_run(page)) as fields, in_a_row():
        fields.ask("neighbours", "seed", "limit", width=140)
        fields.submit("Make the map")


# --- what is in view ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MapInView:
    """The map on the page: its samples in view, as `points_in_view`, and their colours, which mean `title`.

    `found` is the image that was looked for and its place, and `note` a sentence about it.
    """

    folder: MapFolder
    color: str
    title: str
    points: pd.DataFrame
    tool: str
    window: Window | None
    region: Region | None
    found: dict[str, Any] | None
    note: str

    @property
    def subject(self) -> str:
        """Identifies the map."""
        record = self.folder.record
        return f"{record.run} {record.name} {record.finished}"


def choose_map(page: Opened, maps: Sequence[MapFolder]) -> MapInView:
    """Ask for map, colour, image and tool in a line, with a button back to the whole map; return what to draw."""
    options = {key: shortened(name or score_name(key), _LONGEST) for key, name in color_options(page.samples).items()}
    if "hsf" in options:
        options["hsf"] = of_hsf(page.samples.simulated)
        options["hsf_bin"] = f"{options['hsf']} in bins"
    titles = {folder.name: _title(folder.record) for folder in reversed(maps)}
    layouts = one_of(LAYOUT, list(titles), maps[-1].name)
    layout = layouts.asked()
    colours = one_of("map.color", list(options), "label")
    color = colours.asked()
    window = WINDOW.asked()
    folder = next(folder for folder in maps if folder.name == layout)
    with in_a_row("center", gap="small"):
        with st.popover(plain(f"Colour: {options[color]}"), icon=":material/palette:", key="map.look"):
            restart = partial(layouts.restart, REGION.name, WINDOW.name)
            layouts.show(st.selectbox, "Map", titles, value=layout, on_change=restart)
            colours.show(st.selectbox, "Colour", options, value=color)
            text = FIND.show(st.text_input, "Find", placeholder="Number or path", on_change=_find_on_the_whole)
        tool = TOOL.show(st.segmented_control, "Pointer", list(TOOLS), label_visibility="collapsed")
        if window is not None:
            st.button("Whole map", icon=":material/zoom_out_map:", key="map.whole", on_click=WINDOW.put, args=(None,))
    page.help.markdown(ABOUT)
    points = _points(page.samples, folder, page.filters, color=color)
    mark, note = _find(page.samples, folder, points, text)
    return MapInView(
        folder=folder,
        color=color,
        title=options[color],
        points=points,
        tool=tool,
        window=window,
        region=REGION.asked(),
        found=mark,
        note=note,
    )


def _find(
    samples: SampleTable, folder: MapFolder, points: pd.DataFrame, text: str
) -> tuple[dict[str, Any] | None, str]:
    """Return the image that a text means with its place, and what to say of it."""
    if not text:
        return None, ""
    id = find_sample(samples, text)
    if id is None:
        return None, f"No image has this number or a path that contains {shortened(text, _LONGEST)}."
    ids, places = folder.coordinates()
    coordinates = places[ids == id].tolist()
    if not coordinates:
        return None, f"Image {id:,} has no place on this map."
    ((x, y),) = coordinates
    note = ""
    if not (points["id"] == id).any():
        note = f"Image {id:,}, which is marked, is not in view."
    return {"x": x, "y": y, "text": f"image {id}"}, note


_points = kept("Reading the map …", most=3, funcs=MAP_HASH_FUNCS)(points_in_view)


def _find_on_the_whole() -> None:
    WINDOW.put(None)
    FIND.keep()


def describe(record: MapRecord, run: str) -> str:
    """Return the provenance of a map of the embeddings of `run`, in a line."""
    placed = f"{record.placed:,} of {record.samples:,} images"
    if record.placed == record.samples:
        placed = f"{record.placed:,} images"
    parts = [record.layout.upper(), placed, run]
    if record.layout == "umap":
        parts += [f"{record.neighbours} neighbours", f"{record.epochs} epochs"]
        parts.append(f"seed {record.seed}".replace("seed None", "no seed"))
        if record.pca:
            parts.append(f"from {record.pca} of {record.width} dimensions ({record.kept or 0:.0%} of the variance)")
    parts.append(f"{record.seconds or 0:,.0f} s on {record.device}, {record.started:%d %B %Y}")
    return plain(" · ".join(parts))


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
        parts.append(f"{record.limit:,} images")
    return ", ".join(parts)


def without_classes(page: Opened) -> None:
    """Say where nothing can be compared why there are no suspects, and what to do."""
    if page.samples.group_counts("label")["value"].nunique() < 2:
        st.info(_NO_CLASSES, icon=":material/label_off:")
        way_on(page, "Annotate: let people judge them", "")


# --- what the page says ------------------------------------------------------------------------------------------


def caption(page: Opened, shown: MapInView, drawn: int) -> None:
    """Say how many points are drawn, of which map, and what else matters."""
    run = page.opened.run
    record = shown.folder.record
    number = len(shown.points)
    assert run is not None
    sentences = [f"All {number:,} points."]
    if drawn < number:
        sentences = [f"{drawn:,} of {number:,} points, every class in proportion. The legend counts all."]
    if (without := page.count - number) > 0:
        sentences.append(f"{without:,} images in view have no place on this map.")
    if shown.color == "excluded" and page.filters.excluded is False:
        sentences.append("Excluded images are hidden: choose Show on the left.")
    if not run.has_class_weights:
        sentences.append("The run was attached without class weights, so the map shows none.")
    sentences += ["A selection holds all images inside it.", plain(shown.note)]
    lines = [" ".join(sentences), describe(record, title_of(page.dataset, record.run))]
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
    points = np.concatenate([places, weights[np.isfinite(weights).all(axis=1)]])
    low = points.min(axis=0)
    high = points.max(axis=0)
    margin = 0.04 * np.maximum(high - low, 1e-6)
    west, south = (low - margin).tolist()
    east, north = (high + margin).tolist()
    return west, east, south, north
