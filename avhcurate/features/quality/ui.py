"""The Quality page: the form that starts the job, measures, near duplicates, odd files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.titles import title_of
from avhcurate.features.quality import odd_files as service_of_odd
from avhcurate.features.quality import service
from avhcurate.features.quality.duplicates import BITS
from avhcurate.features.quality.odd_files import FLAWS, KINDS, OddFiles, Thresholds
from avhcurate.features.quality.plots import measure_histograms, similarity_histogram
from avhcurate.features.quality.service import HOW, TAG, Duplicates
from avhcurate.features.quality.settings import QualitySettings
from avhcurate.ui.cache import HASH_FUNCS
from avhcurate.ui.charts import show_chart
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.grid_actions import gallery_link, go_to_gallery, undo_button
from avhcurate.ui.grid_bar import BarAction, actions_grid
from avhcurate.ui.grid_keys import say
from avhcurate.ui.grid_views import GridView, tiles_view
from avhcurate.ui.job_forms import JobForm, has_ray
from avhcurate.ui.layout import empty_state, fact
from avhcurate.ui.notes import neighbours_note
from avhcurate.ui.page_choices import number, one_of, page_of, some_of, switch, turn_pages
from avhcurate.ui.score_help import explain_scores, score_name
from avhcurate.ui.selection import GridSelection
from avhcurate.ui.signin import for_curators, who
from avhcurate.ui.tiles import make_tiles, tile_columns, tiles_of
from avhcurate.ui.url_state import TILE_SIZES
from avhcurate.ui.user_errors import plain
from avhcurate.workspace.data.quality import QualityRecord
from avhcurate.workspace.images.measures import MEASURES

VIEWS = {"images": "Measures", "duplicates": "Near duplicates", "odd": "Odd files"}
SHOWN = one_of("quality.view", list(VIEWS), "images")
MEASURE = one_of("quality.measure", list(MEASURES), "sharpness")
ENDS = ("low", "high")
END = one_of("quality.end", ENDS, "low")
CONFLICTS = {"leak": "Across splits", "conflict": "Different labels"}
ONLY = some_of("quality.only", list(CONFLICTS), [])
#: The kind of odd files that is shown, and the threshold of each flaw; 0 pixels for that of the dataset.
KIND = one_of("quality.kind", list(KINDS), "file")
LIMITS = {key: number(f"quality.{key}", float(getattr(Thresholds(), key) or 0), low=0, high=1e5) for key in FLAWS}
#: Whether the distribution of similarities is shown, from which the cut is chosen.
CUT = switch("quality.cut")
PAGE = number("quality.page", 1, low=1, high=10**9)

_TAIL = 24
#: Session state: the condition of the groups that the gallery is to show.
_GO = "quality.go"
#: Groups a page, and members shown of a group, which may be a chain of thousands.
_GROUPS, _MEMBERS = 20, 24

_ABOUT = """
One pass over the images measures **brightness, contrast, sharpness, information, colour and size** of each; the
measures become columns to sort, filter, export and correlate with, and tell images that are **tiny, black, blank or
blurred**. **Near duplicates** are found by equal bytes, by perceptual hash, mirrored and turned too, and by the
embeddings of the open run, and joined into groups: copies in two splits are a leak, copies with two labels a label
error.
"""
_WITHOUT_RUN = "\nNo model has scored this dataset: duplicates are found only by bytes and by hash."


# --- the job -----------------------------------------------------------------------------------------------------


def _usual(page: Opened) -> QualitySettings:
    model = None
    if page.table.run:
        model = page.table.run.name
    return QualitySettings(dataset=page.table.dataset.name, model=model)


def _form(page: Opened, *, busy: bool) -> JobForm:
    usual = _usual(page)
    return JobForm(
        page.workspace.root, "quality.", QualitySettings, busy=busy, dataset=usual.dataset, model=usual.model
    )


def empty(page: Opened, *, busy: bool) -> None:
    """Draw what is shown before the first job: what is measured, and the button."""
    about = _ABOUT
    if page.table.run is None:
        about += _WITHOUT_RUN
    draw = partial(_first_form, page, busy=busy)
    empty_state("The images are not measured yet", "filter_b_and_w", about, draw, command=_usual(page).line)


def _first_form(page: Opened, *, busy: bool) -> None:
    form = _form(page, busy=busy)
    form.submit("Fill this page", "auto_awesome", button=st.button, key="quality.start")
    if has_ray():
        with st.expander("More"):
            form.ask_where()


# --- facts and views ---------------------------------------------------------------------------------------------


def counts(record: QualityRecord, duplicates: Duplicates, odd: OddFiles) -> None:
    """Draw the headline numbers."""
    groups, copies = duplicates.groups, len(duplicates.extra)
    leaks, conflicts = int(groups["leak"].sum()), int(groups["conflict"].sum())
    with st.container(horizontal=True, gap="large"):
        fact("Measured", f"{record.samples - record.skipped:,}", f"{record.skipped:,} cannot be read")
        fact("Groups of near duplicates", f"{len(groups):,}", f"{copies:,} redundant copies")
        fact("Across splits", f"{leaks:,}", "groups that leak")
        fact("Different labels", f"{conflicts:,}", "groups in conflict")
        kinds = [f"{n:,} {KINDS[kind].lower()}" for kind, n in odd.counts.items() if n]
        fact("Odd files", f"{len(odd.files):,}", ", ".join(kinds) or "in view")


def choose_view(page: Opened) -> str:
    """Ask which part of the page to show."""
    return SHOWN.show(st.segmented_control, "View", page.view, VIEWS, label_visibility="collapsed")


find_duplicates = st.cache_resource(max_entries=8, show_spinner="Grouping near duplicates …", hash_funcs=HASH_FUNCS)(
    service.find_duplicates
)


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=HASH_FUNCS)
def _histograms(table: DatasetTable, filters: Filters) -> dict[str, pd.DataFrame]:
    return {key: table.histogram(key, filters=filters, bins=30) for key in table.measures}


# --- measures ----------------------------------------------------------------------------------------------------


def measures(page: Opened) -> GridView | None:
    """Draw every measure as a histogram, and the images at one end of one."""
    table = page.table
    chosen = MEASURE.of(page.view)
    if chosen not in table.measures:
        chosen = table.measures[0]
    bars = _histograms(table, page.filters)
    filled = {key: counted for key, counted in bars.items() if len(counted)}
    if not filled:
        st.markdown("No image in view could be measured. See Odd files.")
        return None
    show_chart(measure_histograms(filled, chosen=chosen), key="quality.histograms")
    end = END.of(page.view)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        MEASURE.show(
            st.selectbox, "Measure", page.view, table.measures, value=chosen, format_func=score_name, width=220
        )
        names = {"low": MEASURES[chosen].low_end.capitalize(), "high": MEASURES[chosen].high_end.capitalize()}
        END.show(st.segmented_control, "Which end", page.view, names, value=end)
        explain_scores([chosen], label=f"About {score_name(chosen).lower()}", key="quality.explain")
        gallery_link("All of them in the gallery", page.view, sort=chosen, descending=end == "high")
    if bars[chosen].empty:
        st.markdown(f"No image in view has a {score_name(chosen).lower()}.")
        return None
    rows = table.page(
        page.filters, sort=chosen, descending=end == "high", limit=_TAIL, columns=tile_columns(chosen)
    ).dropna(subset=chosen)
    tiles = make_tiles(rows, table.dataset.name, page.version, score=chosen)
    return _grid(page, tiles, about=f"measures {chosen} {end}")


def _grid(page: Opened, tiles: list[Tile], *, about: str, first: Sequence[BarAction] = ()) -> GridView:
    """Draw a grid to select from, with its bar; `first` are actions only of this list."""
    about = f"{page.table.dataset.name} {page.version} {page.filters.to_query()} quality {about}"
    view = tiles_view(tiles, about=about)
    actions_grid(page, view, first=first, tile_size=TILE_SIZES[page.view.tile], part=True)
    return view


# --- near duplicates ---------------------------------------------------------------------------------------------


def groups_grid(page: Opened, duplicates: Duplicates) -> GridView | None:
    """Draw groups as rows of one grid, with their actions."""
    if where := st.session_state.pop(_GO, ""):
        go_to_gallery(page.filters.with_(where=where, excluded=None))
    groups = duplicates.groups
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        only = ONLY.show(
            st.pills,
            "Only groups",
            page.view,
            CONFLICTS,
            selection_mode="multi",
            on_change=ONLY.restart,
            args=(PAGE.name,),
        )
        for kind in only:
            groups = groups[groups[kind]]
        with st.container(horizontal=True, width="content", vertical_alignment="bottom", gap="xsmall"):
            members = duplicates.of(groups["group"].tolist())
            copies = int((~members["keep"] & ~members["excluded"]).sum())
            st.button(
                f"Keep one of all {len(groups):,}",
                icon=":material/filter_1:",
                on_click=attempt,
                args=(_keep_one, page, members),
                key="quality.keep_all",
                **for_curators(
                    disabled=not copies,
                    help=f"Excludes the other {copies:,} with the tag “{TAG}”; Undo reverts it. Keeps the copy "
                    "outside the training split, then the largest, the sharpest, the first.",
                ),
            )
    if groups.empty:
        st.markdown("No group of near duplicates in view.")
        undo_button(page.table, key="quality.undo", type="tertiary")
        return None
    places = page_of(PAGE, page.view, len(groups), _GROUPS)
    shown = groups.iloc[places.start : places.stop]
    members = duplicates.of(shown["group"].tolist()).groupby("group", sort=False).head(_MEMBERS)
    about = f"duplicates {ONLY.of(page.view)} {places.start}"
    tiles = _group_tiles(page, shown.set_index("group"), members)
    view = _grid(page, tiles, about=about, first=_group_actions(page, duplicates))
    turn_pages(PAGE, places, len(groups), _GROUPS)
    return view


def _group_tiles(page: Opened, groups: pd.DataFrame, members: pd.DataFrame) -> list[Tile]:
    by_group, tiles = groups.to_dict("index"), []
    for tile, member in zip(
        tiles_of(page, members["id"].tolist(), score="id"), members.to_dict("records"), strict=True
    ):
        group, badges, sub = by_group[member["group"]], tile.badges, ""
        if member["keep"]:
            badges = ("keep", *badges)
        if isinstance(member["split"], str):
            sub = f"split {member['split']}"
        caption, pixels = _caption(member["group"], group), _pixels(member["pixels"])
        tiles.append(replace(tile, group=caption, score=pixels, sub=sub, badges=badges, differs=group["leak"]))
    return tiles


def _group_actions(page: Opened, duplicates: Duplicates) -> list[BarAction]:
    """Actions on the groups of the selected images."""

    def groups(chosen: GridSelection) -> list[int]:
        members = duplicates.members
        return members["group"][members["id"].isin(chosen.ids)].unique().tolist()

    def keep(chosen: GridSelection, _: object) -> None:
        _keep_one(page, duplicates.of(groups(chosen)))

    def show(chosen: GridSelection, _: object) -> None:
        st.session_state[_GO] = f"duplicate_group IN ({', '.join(map(str, groups(chosen)))})"

    about = "Excludes the other copies of each group that has a selected image."
    return [
        BarAction("keep_one", "Keep one of each group", "filter_1", keep, help=about, primary=True),
        BarAction(
            "gallery", "In the gallery", "grid_view", show, help="The whole groups of the selected images.", reads=True
        ),
    ]


def _caption(number: int, group: Mapping[Any, Any]) -> str:
    """The caption of a group.

    >>> _caption(3, {"n": 2, "how": "hash", "leak": True, "conflict": False})
    'Group 3 · 2 images · same image by hash · across splits'
    """
    parts = [f"Group {number}", f"{group['n']:,} images", HOW[group["how"]]]
    parts += [name.lower() for kind, name in CONFLICTS.items() if group[kind]]
    return " · ".join(parts)


def _pixels(pixels: float) -> str:
    if pixels >= 1e5:
        return f"{pixels / 1e6:.1f} MP"
    return f"{pixels:,.0f} px"


def similarity(page: Opened, record: QualityRecord, *, busy: bool) -> None:
    """Draw the similarity at which embeddings count as copies, and a form to change it."""
    if not CUT.show(st.toggle, "Similarity threshold", page.view):
        return
    with st.container(border=True):
        if record.run is None or record.similarity is None:
            st.markdown("No run was compared. Score the dataset, then search again.")
        else:
            nearest = page.table.frame(columns=["nearest_similarity"])["nearest_similarity"].to_numpy(float)
            show_chart(similarity_histogram(nearest, cut=record.similarity), key="quality.similarity")
            how, turned, note = "derived from this distribution", "", ""
            if record.near is not None:
                how = "as chosen"
            if not record.upright:
                turned = f", {BITS // 2} of an image mirrored or turned"
            if page.table.run is not None and page.table.run.name == record.run:
                note = neighbours_note(page.table.neighbours)
            hashes = f"Hashes may differ in {BITS} of 64 bits{turned}; images below 32 pixels a side have none."
            run = title_of(page.table.dataset, record.run)
            st.caption(plain(f"Embeddings of {run}; the threshold is {how}. {hashes} {note}"))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            form = _form(page, busy=busy)
            form.ask("near", value=record.near, width=190, step=0.005, format="%.4f")
            form.ask("upright", value=record.upright)
            form.submit("Search again", button=st.button, type="secondary", key="quality.start")


# --- odd files ---------------------------------------------------------------------------------------------------


def find_odd_files(page: Opened) -> OddFiles:
    """Return the odd files in view, by the thresholds in the address."""
    tiny, black, blank, blurred = (LIMITS[key].of(page.view) for key in FLAWS)
    return _odd_files(page.table, page.filters, Thresholds(tiny or None, black, blank, blurred))


_odd_files = st.cache_resource(max_entries=8, show_spinner="Looking for odd files …", hash_funcs=HASH_FUNCS)(
    service_of_odd.odd_files
)


def show_odd_files(page: Opened, found: OddFiles) -> GridView | None:
    """Draw files of one kind as a gallery, with the threshold of the kind."""
    counts = found.counts
    names = {key: f"{KINDS[key]} {n:,}" for key, n in counts.items()}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = KIND.show(st.segmented_control, "Kind", page.view, names)
        if kind in FLAWS:
            _limit(page, kind)
            _flaw_link(page, kind, found.limits[kind])
    files = found.files[found.files["kind"] == kind]
    if kind in FLAWS:
        rule = FLAWS[kind].rule(found.limits[kind])
        st.caption(f"{KINDS[kind]}: {rule}. {len(files):,} images in view; each counts once, as the first kind.")
    elif files.empty:
        st.markdown(":material/check_circle: Every file in view can be read and has the format of its name.")
    else:
        what = ", ".join(f"{text} {n:,}" for text, n in files["odd"].value_counts().head(8).items())
        st.caption(plain(f"{len(files):,} files: {what}."))
    if files.empty:
        return None
    st.dataframe(
        files[["id", "path", "odd"]],
        hide_index=True,
        key="quality.odd",
        height=min(35 * (len(files) + 1) + 3, 330),
        column_config={"id": "Id", "path": "File", "odd": "What is odd"},
    )
    tiles = tiles_of(page, files["id"].head(_TAIL * 2).tolist(), score="id")
    by_id = dict(zip(files["id"], files["odd"], strict=True))
    return _grid(page, [replace(tile, sub=by_id[tile.id], differs=False) for tile in tiles], about=f"odd {kind}")


def _limit(page: Opened, kind: str) -> None:
    look: dict[str, Any] = {"min_value": 0.0, "max_value": 1.0, "step": 0.01, "width": 150}
    if kind == "tiny":
        look |= {"max_value": 1e5, "step": 1.0, "help": "In pixels; 0 for a quarter of the dataset's median."}
    elif kind == "blurred":
        look |= {"max_value": 6.0, "step": 0.1}
    LIMITS[kind].show(st.number_input, f"{FLAWS[kind].what.capitalize()} below", page.view, **look)


def _flaw_link(page: Opened, kind: str, limit: float) -> None:
    """Link to all images below the threshold in the gallery, including those of an earlier kind."""
    where = " OR ".join(f"{measure} < {limit:g}" for measure in FLAWS[kind].measures)
    if page.filters.where:
        where = f"({page.filters.where}\n) AND ({where})"
    gallery_link("All of them in the gallery", page.view, filters=page.filters.with_(where=where))


# --- callbacks ---------------------------------------------------------------------------------------------------


def _keep_one(page: Opened, members: pd.DataFrame) -> None:
    service.keep_one(page.table, members, who=who())
    say("One of each group is kept", undo=True)
