"""The Quality page: the form that starts the job, measures, near duplicates, odd files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.table.facets import histogram
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.titles import title_of
from avhcurate.features.quality import odd_files, service
from avhcurate.features.quality.odd_files import KINDS, OddFiles, rule
from avhcurate.features.quality.plots import measure_histograms, similarity_histogram
from avhcurate.features.quality.service import TAG, Duplicates
from avhcurate.features.quality.settings import QualitySettings
from avhcurate.features.quality.study import FLAWS, USUAL
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.frame import Opened, attempt
from avhcurate.ui.base.job_forms import first_job, job_form, of_run
from avhcurate.ui.base.layout import fact, help_menu, in_a_row
from avhcurate.ui.base.notes import neighbours_note
from avhcurate.ui.base.page_choices import gallery_link, number, one_of, page_of, some_of, switch, turn_pages
from avhcurate.ui.base.score_help import explain_scores, format_score, score_name
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import listed
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts.show import show_chart
from avhcurate.ui.components.grid import Group, Tile
from avhcurate.ui.grid.grid_actions import undo_button
from avhcurate.ui.grid.grid_bar import BarAction, actions_grid, say
from avhcurate.ui.grid.grid_views import GridSelection, GridView, make_tiles, tile_columns, tiles_of, tiles_view
from avhcurate.ui.server.decisions import Reply
from avhcurate.workspace.data.quality import QualityRecord
from avhcurate.workspace.images.measures import MEASURES

VIEWS = {"images": "Measures", "duplicates": "Near duplicates", "odd": "Odd files"}
SHOWN = one_of("quality.view", list(VIEWS), "images")
MEASURE = one_of("quality.measure", list(MEASURES), "sharpness")
END = one_of("quality.end", ("low", "high"), "low")
CONFLICTS = {"leak": "Across splits", "conflict": "Different labels"}
ONLY = some_of("quality.only", list(CONFLICTS), [])
#: The kind of odd files that is shown, and the threshold of each flaw; 0 pixels for that of the dataset.
KIND = one_of("quality.kind", list(KINDS), "file")
LIMITS = {key: number(f"quality.{key}", usual or 0.0, low=0, high=1e5) for key, usual in USUAL.items()}
#: Whether the distribution of similarities is shown, from which the cut is chosen.
CUT = switch("quality.cut")
PAGE = number("quality.page", 1, low=1, high=10**9)

_TAIL = 24
#: Groups a page, and members shown of a group, which may be a chain of thousands.
_GROUPS = 20
_MEMBERS = 24

_ABOUT = """
One pass over the images measures **brightness, contrast, sharpness, information, colour and size** of each; the
measures become columns to sort, filter, export and correlate with, and tell images that are **tiny, black, blank or
blurred**. **Near duplicates** are found by equal bytes, by perceptual hash, mirrored and turned too, and by the
embeddings of the open run, if there is one, and joined into groups: copies in two splits are a leak, copies with two
labels a label error.
"""


# --- the job -----------------------------------------------------------------------------------------------------


def empty(page: Opened) -> None:
    """Draw what is shown before the first job: what is measured, and the button."""
    settings = QualitySettings(**of_run(page))
    title = "The images are not measured yet"
    first_job(page, title, "filter_b_and_w", "Measure the images", _ABOUT, settings, start_form)


def start_form(page: Opened, near: float | None = None, *, upright: bool = False) -> None:
    """Draw the form that starts the job, with the options of the last one."""
    with job_form("quality.", QualitySettings, **of_run(page)) as form, in_a_row():
        form.ask("near", value=near, width=190, step=0.005, format="%.4f")
        form.ask("upright", value=upright)
        form.ask_where()
        form.submit("Measure", key="quality.start")


# --- facts and views ---------------------------------------------------------------------------------------------


def counts(record: QualityRecord, duplicates: Duplicates, odd: OddFiles) -> None:
    """Draw the headline numbers."""
    groups = duplicates.groups
    with in_a_row("top", gap="large"):
        fact("Measured", f"{record.samples - record.skipped:,}", f"{record.skipped:,} cannot be read")
        fact("Groups of near duplicates", f"{len(groups):,}", f"{len(duplicates.extra):,} redundant copies")
        fact("Across splits", f"{groups['leak'].sum():,}", "groups that leak")
        fact("Different labels", f"{groups['conflict'].sum():,}", "groups in conflict")
        kinds = [f"{n:,} {KINDS[kind].lower()}" for kind, n in odd.counts.items() if n]
        fact("Odd files", f"{len(odd.files):,}", ", ".join(kinds))


find_duplicates = kept("Grouping near duplicates …")(service.find_duplicates)
_odd_files = kept("Looking for odd files …")(odd_files.odd_files)


@kept()
def _histograms(samples: SampleTable, filters: Filters) -> dict[str, pd.DataFrame]:
    bars = {key: histogram(samples, key, filters) for key in samples.measures}
    return {key: counted for key, counted in bars.items() if len(counted)}


def _constants(bars: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Return the value of each measure that is the same in all images, as text."""
    single = {key: counted[counted["n"] > 0] for key, counted in bars.items()}
    return {
        key: f"{score_name(key).lower()} {format_score(key, counted['low'].iloc[0])} {MEASURES[key].unit}".strip()
        for key, counted in single.items()
        if len(counted) == 1
    }


def _grid(
    page: Opened, tiles: list[Tile], *, subject: str, first: Sequence[BarAction] = (), groups: Sequence[Group] = ()
) -> GridView:
    """Draw a grid to select from, with its bar; `first` are actions only of this list."""
    subject = f"{page.dataset.name} {page.version} {page.filters.to_query()} quality {subject}"
    view = tiles_view(tiles, subject=subject)
    actions_grid(page, view, first=first, part=True, groups=groups)
    return view


# --- measures ----------------------------------------------------------------------------------------------------


def measures(page: Opened) -> GridView | None:
    """Draw every measure as a histogram, and the images at one end of one."""
    opened = page.opened
    bars = _histograms(page.samples, page.filters)
    if not bars:
        st.markdown("No image in view could be measured. See Odd files.")
        return None
    measure = MEASURE.asked()
    if measure not in bars:
        measure = next(iter(bars))
    constants = _constants(bars)
    if varied := {key: counted for key, counted in bars.items() if key not in constants}:
        show_chart(measure_histograms(varied, measure=measure), key="quality.histograms")
    if constants:
        st.caption(f"The same in all images in view: {listed(list(constants.values()))}.")
    with in_a_row():
        MEASURE.show(st.selectbox, "Measure", list(bars), value=measure, format_func=score_name, width=220)
        names = {"low": MEASURES[measure].low_end.capitalize(), "high": MEASURES[measure].high_end.capitalize()}
        end = END.show(st.segmented_control, "Which end", names)
        with help_menu("quality.explain"):
            explain_scores([measure])
        order: dict[str, Any] = {"sort": measure, "descending": end == "high"}
        gallery_link("All of them in the gallery", **order)
    rows = opened.samples.page(
        page.filters, limit=_TAIL, columns=tile_columns(measure, page.view.caption), **order
    ).dropna(subset=measure)
    tiles = make_tiles(page, rows, score=measure)
    return _grid(page, tiles, subject=f"measures {measure} {end}")


# --- near duplicates ---------------------------------------------------------------------------------------------


def groups_grid(page: Opened, duplicates: Duplicates) -> GridView | None:
    """Draw groups as rows of one grid, with their actions."""
    groups = duplicates.groups
    with in_a_row(horizontal_alignment="distribute"):
        restart = partial(ONLY.restart, PAGE.name)
        for kind in ONLY.show(st.pills, "Only groups", CONFLICTS, selection_mode="multi", on_change=restart):
            groups = groups[groups[kind]]
        members = duplicates.of(groups["group"])
        copies = int((~members["keep"] & ~members["excluded"]).sum())
        help = f"Excludes the other {copies:,} with the tag “{TAG}”. Keeps the copy outside the training split, then "
        help += "the largest, the sharpest, the first."
        st.button(
            f"Keep one of all {len(groups):,}",
            icon=":material/filter_1:",
            on_click=partial(attempt, _keep_one, page, members),
            key="quality.keep_all",
            **for_curators(disabled=not copies, help=help),
        )
    if groups.empty:
        st.markdown("No group of near duplicates in view.")
        undo_button(page.decisions, key="quality.undo", type="tertiary")
        return None
    places = page_of(PAGE, len(groups), _GROUPS)
    shown = groups[places.start : places.stop]
    members = duplicates.of(shown["group"]).groupby("group", sort=False).head(_MEMBERS).fillna({"split": "none"})
    by_group = shown.set_index("group").to_dict("index")
    tiles = _copies(page, members, {number: group["leak"] for number, group in by_group.items()})

    def keep(selection: GridSelection, _: object) -> None:
        selected = duplicates.members["id"].isin(selection.ids)
        _keep_one(page, duplicates.of(duplicates.members["group"][selected]))

    help_text = "Excludes the other copies of each group that has a selected image."
    action = BarAction("keep_one", "Keep one of each group", "filter_1", keep, help=help_text, primary=True)
    sizes = members.groupby("group", sort=False).size()
    counted = zip(sizes.index.tolist(), sizes.tolist(), strict=True)
    headed = [Group(_caption(number, by_group[number]), count) for number, count in counted]
    view = _grid(page, tiles, subject=f"duplicates {ONLY.asked()} {places.start}", first=[action], groups=headed)
    turn_pages(PAGE, places, len(groups), _GROUPS)
    return view


def _copies(page: Opened, members: pd.DataFrame, leaks: Mapping[Any, bool]) -> list[Tile]:
    """Return a tile a copy: its size, its split, whether it is the one to keep, and whether its group leaks."""
    tiles = []
    ids = members["id"].tolist()
    for tile, member in zip(tiles_of(page, ids, score="id"), members.to_dict("records"), strict=True):
        badges = tile.badges
        if member["keep"]:
            badges = ("keep", *badges)
        tiles.append(
            replace(
                tile,
                score=f"{member['pixels']:,.0f} px",
                sub=f"split {member['split']}",
                badges=badges,
                differs=leaks[member["group"]],
            )
        )
    return tiles


def _caption(number: int, group: Mapping[Any, Any]) -> str:
    """Return the caption of a group.

    >>> _caption(3, {"n": 2, "how": "hash", "leak": True, "conflict": False})
    'Group 3 · 2 images · by hash · across splits'
    """
    notes = [name.lower() for kind, name in CONFLICTS.items() if group[kind]]
    return " · ".join([f"Group {number}", f"{group['n']:,} images", f"by {group['how']}", *notes])


def _keep_one(page: Opened, members: pd.DataFrame) -> None:
    service.keep_one(page.decisions, members)
    say(Reply(text="One of each group is kept", undo=True))


def similarity(page: Opened, record: QualityRecord) -> None:
    """Draw the similarity at which embeddings count as copies, and a form to change it."""
    if not CUT.show(st.toggle, "Similarity threshold"):
        return
    with st.container(border=True):
        if record.run is None or record.similarity is None:
            st.markdown("No run was compared. Score the dataset, then search again.")
        else:
            nearest = page.samples.frame(columns=["nearest_similarity"])["nearest_similarity"].to_numpy(float)
            show_chart(similarity_histogram(nearest, cut=record.similarity), key="quality.similarity")
            origin = "derived from this distribution"
            if record.near is not None:
                origin = "as chosen"
            run = title_of(page.dataset, record.run)
            note = neighbours_note(page.opened.neighbours)
            st.caption(plain(f"Embeddings of {run}; the threshold is {origin}. {note}"))
        start_form(page, record.near, upright=record.upright)


# --- odd files ---------------------------------------------------------------------------------------------------


def find_odd_files(page: Opened) -> OddFiles:
    """Return the odd files in view, by the thresholds in the address."""
    return _odd_files(page.samples, page.dataset, page.filters, {key: limit.asked() for key, limit in LIMITS.items()})


def show_odd_files(page: Opened, odd: OddFiles) -> GridView | None:
    """Draw files of one kind as a table and a grid, with the threshold of the kind."""
    names = {key: f"{KINDS[key]} {n:,}" for key, n in odd.counts.items()}
    with in_a_row():
        kind = KIND.show(st.segmented_control, "Kind", names)
        files = odd.files[odd.files["kind"] == kind]
        text = f"{len(files):,} files cannot be read or have not the format of their name."
        if kind in FLAWS:
            measured, keys = FLAWS[kind]
            help = "Images are judged by the first kind that fits. A shorter side of 0: a quarter of the median."
            LIMITS[kind].show(st.number_input, f"{measured.capitalize()} below", help=help, width=150)
            where = " OR ".join(f"{key} < {odd.limits[kind]:g}" for key in keys)
            if page.filters.where:
                where = f"({page.filters.where}\n) AND ({where})"
            gallery_link("All of them in the gallery", filters=page.filters.with_(where=where))
            text = f"{KINDS[kind]}: {rule(kind, odd.limits[kind])}. {len(files):,} images in view."
    st.caption(text)
    if files.empty:
        return None
    st.dataframe(
        files[["id", "path", "odd"]],
        hide_index=True,
        key="quality.odd",
        column_config={"id": "Id", "path": "File", "odd": "What is odd"},
    )
    shown = files.head(_TAIL * 2)
    tiles = tiles_of(page, shown["id"].tolist(), score="id")
    tiles = [replace(tile, sub=odd, differs=False) for tile, odd in zip(tiles, shown["odd"], strict=True)]
    return _grid(page, tiles, subject=f"odd {kind}")
