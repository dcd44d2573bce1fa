"""The page Saved: lists of named sets, named views and the history, with their actions, and splits into parts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from avhcurate.datasets.curate.history import RULE, describe, history_entries, samples_of, undo_entry
from avhcurate.datasets.curate.saved import LONGEST_NAME, Saved
from avhcurate.datasets.export.settings import SplitSettings
from avhcurate.datasets.export.tabular import frame_text
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.features.saved.split_service import STRATA, Split, make_split, save_parts
from avhcurate.ui.base import cache, url_state
from avhcurate.ui.base.export_menu import download, export_choice
from avhcurate.ui.base.frame import Opened, announce, attempt, show_user_error, way_on, while_allowed
from avhcurate.ui.base.layout import closing_popover, empty_state, fact, in_a_row
from avhcurate.ui.base.navigation import TITLES
from avhcurate.ui.base.page_choices import Choice, number, one_of, page_of, some_of, turn_pages
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import counted
from avhcurate.ui.base.url_state import View
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.server.image_routes import image_url
from avhcurate.workspace.data.event import Event, Kind
from avhcurate.workspace.disk.app_files import PAGES, page_file

#: Session state: dataset, kind and name of the entry whose dialog is open, and the action.
_ASKED = "saved.asked"
#: Session state: the newest removal of a set or view.
_REMOVED = "saved.removed"
_MORE = {"rename": "Rename", "export": "Export", "remove": "Remove"}
_HOW = {"union": "In any", "intersection": "In all", "difference": "In the first only"}

#: What the page lists.
_PARTS = {"sets": "Sets", "views": "Views", "history": "History", "changes": "Changes", "split": "Split"}
PART = one_of("saved.part", list(_PARTS), "sets")
_ROWS = 25
_PAGE = number("saved.list", 1, low=1, high=10**9)


def choose_part() -> str:
    return PART.show(st.segmented_control, "Show", _PARTS, label_visibility="collapsed")


def _saved(page: Opened) -> Saved:
    return Saved(page.workspace, page.dataset.name)


def show_sets(page: Opened) -> None:
    entries = _saved(page).sets()
    with in_a_row():
        _combine(page, [entry.name for entry in entries])
        _import(page)
    _list(page, "set", entries, _set, "Select images in the gallery and choose “Set”, or import a list of them.")


def show_views(page: Opened) -> None:
    entries = _saved(page).views()
    _list(page, "view", entries, _view, "Set filters on any page and choose “Save view” on the left.")


def _list(
    page: Opened, kind: Kind, entries: Sequence[Event], draw: Callable[[Opened, Event], str], nothing: str
) -> None:
    """Draw a page of a list and the dialog that is open; `draw` draws the link of an entry and returns what it is."""
    _say_removed(page, kind, [entry.name for entry in entries])
    if not entries:
        empty_state(f"No {kind} yet", "bookmark", nothing, partial(way_on, page, "Open the gallery", "", "gallery"))
    places = page_of(_PAGE, len(entries), _ROWS)
    with st.container(gap="xsmall"):
        for entry in entries[places.start : places.stop]:
            with in_a_row("center"):
                summary = draw(page, entry)
                st.caption(f"{summary} · {plain(entry.who)}, {entry.at:%Y-%m-%d %H:%M} UTC", width="stretch")
                _more(page, kind, entry.name)
    turn_pages(_PAGE, places, len(entries), _ROWS)
    *target, action = st.session_state.get(_ASKED, [None])
    for entry in entries:
        if target == [page.dataset.name, kind, entry.name]:
            {"rename": _rename, "export": _export}[action](page, kind, entry)


def _set(page: Opened, entry: Event) -> str:
    view = View(dataset=page.dataset.name, run=page.view.run, filters=Filters(excluded=None, sets=(entry.name,)))
    label = plain(entry.name)
    st.page_link(PAGES / "gallery.py", label=label, icon=":material/bookmark:", query_params=view.to_query())
    text = f"**{entry.samples:,}** images"
    if missing := entry.samples - page.samples.set_sizes.get(entry.name, 0):
        text += f" ({missing:,} no longer in the dataset)"
    return text


def _view(page: Opened, entry: Event) -> str:
    label = plain(entry.name)
    if entry.page in TITLES:
        st.page_link(page_file(entry.page), label=label, icon=":material/visibility:", query_params=entry.query)
    else:  # that of a plugin which is gone
        st.markdown(label)
    view, _ = url_state.parse(entry.query)
    return f"{plain(entry.page.replace('_', ' '))}, filters: {view.filters.active}"


def _more(page: Opened, kind: Kind, name: str) -> None:
    key = f"saved.{kind}.{name}.more"
    options = list(_MORE)
    if for_curators():  # the look of what is refused
        options = ["export"]
    choose = partial(_choose, page, kind, name, key)
    st.menu_button("More", options, format_func=_MORE.__getitem__, type="tertiary", key=key, on_click=choose)


def _choose(page: Opened, kind: Kind, name: str, key: str) -> None:
    """Do what was chosen in the menu of an entry, or remember the dialog to open."""
    if st.session_state[key] == "remove":
        attempt(_remove, page, kind, name)
    else:
        st.session_state[_ASKED] = page.dataset.name, kind, name, st.session_state[key]


def _dismiss() -> None:
    st.session_state.pop(_ASKED, None)


@dataclass(frozen=True)
class _Removed:
    """A removal of a set or view of a dataset: its entry in the log, and the filters by sets before it."""

    dataset: str
    kind: Kind
    name: str
    entry: int
    sets: tuple[str, ...]


def _remove(page: Opened, kind: Kind, name: str) -> None:
    sets = page.filters.sets
    entry = _saved(page).remove(kind, name)
    st.session_state[_REMOVED] = _Removed(dataset=page.dataset.id, kind=kind, name=name, entry=entry, sets=sets)
    if kind == "set" and name in sets:
        others = tuple(other for other in sets if other != name)
        url_state.change(filters=page.filters.with_(sets=others))


def _say_removed(page: Opened, kind: Kind, names: Sequence[str]) -> None:
    """Say above its list what was removed, with Undo, until its name is there again or something else is removed."""
    removed: _Removed | None = st.session_state.get(_REMOVED)
    if removed is None or (removed.dataset, removed.kind) != (page.dataset.id, kind) or removed.name in names:
        return
    with in_a_row("center"):
        st.markdown(f":material/check_circle: Removed the {kind} “{plain(removed.name)}”.", width="content")
        act = partial(attempt, _undo_removal, page, removed)
        key = "saved.undo_removal"
        st.button("Undo", key=key, on_click=act, icon=":material/undo:", type="tertiary", **for_curators())


def _undo_removal(page: Opened, removed: _Removed) -> None:
    """Bring back what was removed, and a filter by it."""
    undo_entry(page.decisions, str(removed.entry))
    del st.session_state[_REMOVED]
    if removed.kind == "set" and removed.name in removed.sets:
        url_state.change(filters=page.filters.with_(sets=removed.sets))


@st.dialog("Rename", icon=":material/edit:", on_dismiss=_dismiss)
@while_allowed
def _rename(page: Opened, kind: Kind, entry: Event) -> None:
    new = st.text_input("New name", entry.name, max_chars=LONGEST_NAME, key="saved.new_name")
    if not st.button("Rename", type="primary", key="saved.rename", disabled=new.strip() in ("", entry.name)):
        return
    try:
        _saved(page).rename(kind, entry.name, new)
    except CurateError as error:
        show_user_error(error)
        return
    _dismiss()
    st.rerun()


@st.dialog("Export", icon=":material/download:", on_dismiss=_dismiss)
@while_allowed
def _export(page: Opened, kind: Kind, entry: Event) -> None:
    """Export a set, or the samples of a view with the run and the HSF bins that it was saved with."""
    opened = page.opened
    filters = Filters(sets=(entry.name,))
    if kind == "view":
        view, _ = url_state.parse(entry.query)
        opened = cache.open_shared(page.workspace, opened.samples.name, view.run, view.edges)
        filters = view.filters
    st.markdown(f"**{plain(entry.name)}**")
    export_choice(opened, filters, opened.samples.count(filters), key="saved")


def _combine(page: Opened, names: list[str]) -> None:
    allowed = for_curators(disabled=len(names) < 2)
    with closing_popover("Combine", icon=":material/join:", key="saved.combine", **allowed):
        st.multiselect("Sets", names, key="saved.combined", placeholder="Choose two or more")
        st.segmented_control(
            "Images", _HOW, default="union", format_func=_HOW.__getitem__, required=True, key="saved.how"
        )
        _save_as(_save_combined, page, "saved.combine")


def _save_as(save: Callable[[Opened, str], None], page: Opened, key: str) -> None:
    """Ask for the name of a new set, and draw the button that saves it and closes the popover."""
    name = f"{key}_name"
    with st.form(f"{key}_form", border=False):  # Enter saves
        st.text_input("Name of the new set", key=name, max_chars=LONGEST_NAME)
        act = partial(attempt, save, page, name, closes=key)
        st.form_submit_button("Save", type="primary", key=f"{key}_now", on_click=act)


def _save_combined(page: Opened, key: str) -> None:
    name = st.session_state[key]
    _saved(page).combine(name, st.session_state["saved.combined"], st.session_state["saved.how"])
    announce(f"Saved as “{name}”")


def _import(page: Opened) -> None:
    with closing_popover("Import", icon=":material/upload:", key="saved.import", **for_curators()):
        help_text = "One path or id per line, or CSV with such a column."
        st.file_uploader("List of images", ["csv", "txt"], key="saved.file", help=help_text)
        _save_as(_save_imported, page, "saved.import")


def _save_imported(page: Opened, key: str) -> None:
    file = st.session_state["saved.file"]
    name = st.session_state[key]
    if file is None:
        raise CurateError("No file is chosen. Choose a CSV or text file with one path or id per line.")
    count, unknown = _saved(page).import_set(name, file.getvalue())
    text = f"{count:,} images saved as “{name}”."
    if unknown:
        text += f" {len(unknown):,} entries are not in the dataset, such as {unknown[0]}."
    announce(text)


# --- history ---------------------------------------------------------------------------------------------------

_WHO: Choice[str] = Choice("saved.who", "", str)
_ACTION: Choice[str] = Choice("saved.action", "", str)
#: -1 for any.
_SAMPLE = number("saved.sample", -1, low=-1, high=10**12)
#: Pictures of an entry that are shown, and images that its link shows at most.
_PICTURES = 3
_LINKED = 200
_PICTURE = '<img src="{}" alt="" loading="lazy" style="display: block; height: 2.25rem">'
_HISTORY_PAGE = number("saved.page", 1, low=1, high=10**9)


def show_history(page: Opened) -> None:
    narrowed = _narrow(page)
    _, count = history_entries(page.decisions, limit=0, **narrowed)
    places = page_of(_HISTORY_PAGE, count, _ROWS)
    entries, _ = history_entries(page.decisions, offset=places.start, limit=_ROWS, **narrowed)
    st.caption(f"Entries: **{count:,}**. {RULE}")
    with st.container(gap="xsmall"):
        images = samples_of(page.decisions, entries, most=_LINKED)
        for entry in entries:
            _history_row(page, entry, images.get(entry.id, []))
    if not entries:
        st.write("No entry here. Tag, relabel, exclude or save images, or remove a condition above.")
    turn_pages(_HISTORY_PAGE, places, count, _ROWS)


def _narrow(page: Opened) -> dict[str, Any]:
    """Ask for person, action and sample, and return them as `history_entries` takes them."""
    restart = (_HISTORY_PAGE.name,)
    log = page.decisions.log
    with in_a_row():
        for label, choice, values in (
            ("Who", _WHO, log.history_values(page.dataset.id, "who")),
            ("Action", _ACTION, log.history_values(page.dataset.id, "action")),
        ):
            names = {"": "Any"} | {name: name for name in (choice.asked(), *values) if name}
            choice.show(st.selectbox, label, names, on_change=choice.restart, args=restart, width=220)
        sample = int(_SAMPLE.asked())
        st.number_input(
            "Image id, or -1 for any",
            -1,
            max(sample, page.samples.size - 1),
            sample,
            key=_SAMPLE.name,
            on_change=_SAMPLE.restart,
            args=restart,
            width=180,
        )
    narrowed: dict[str, Any] = {"who": _WHO.asked() or None, "actions": list(filter(None, [_ACTION.asked()]))}
    if sample >= 0:
        narrowed["sample"] = sample
    return narrowed


def _history_row(page: Opened, entry: Event, images: list[int]) -> None:
    with in_a_row("center"):
        st.caption(f"{entry.at:%Y-%m-%d %H:%M} UTC", width="content")
        st.markdown(f"**{plain(entry.who)}** {plain(describe(entry, page.samples.classes))}", width="content")
        _about(page, entry, images)
        if entry.undone_by is not None:
            st.caption(f"undone by {plain(entry.undone_by)}", width="content")
            return
        act = partial(attempt, undo_entry, page.decisions, entry.key, done="Undone")
        key = f"saved.undo.{entry.key}"
        st.button("Undo", key=key, on_click=act, icon=":material/undo:", type="tertiary", **for_curators())


def _about(page: Opened, entry: Event, images: list[int]) -> None:
    """Draw the first images of an entry and a link to all of them; of very many, how many there are."""
    text = counted(entry.samples, "image")
    if not images:
        if entry.samples:
            st.caption(text, width="stretch")
        return
    for id in images[:_PICTURES]:
        st.html(_PICTURE.format(image_url(page.samples, id)), width="content")
    view = replace(page.view, row=1, choices=(), sample=None)
    if len(images) == 1:
        text = f"image {images[0]}"
        view = replace(view, sample=images[0])
    filters = Filters(excluded=None, where=f"id IN ({', '.join(map(str, images))})")
    query = replace(view, filters=filters).to_query()
    st.page_link(PAGES / "gallery.py", label=text, query_params=query, width="stretch")


# --- splits ----------------------------------------------------------------------------------------------------

#: The command line splits more samples than these.
_MOST = 200_000
_BY_NAMES = {"class": "Class", "hsf": "HSF bin"}
_SHARES: Choice[str] = Choice("saved.shares", "0.8,0.1,0.1", str)
_BY = some_of("saved.by", list(STRATA), list(STRATA), none="neither")
_SEED = number("saved.seed", 0, low=0, high=10**9)
_GROUP: Choice[str] = Choice("saved.group", "", str)


def show_split(page: Opened) -> None:
    st.caption("Divides the images that match the filters.")
    settings = _settings(page)
    if page.count > _MOST:
        st.write(f"{page.count:,} images are too many for this page. Use the command line:")
        st.code(settings.with_(out=Path("split.parquet")).line, language="bash")
        st.caption("This divides all images. To divide the filtered ones, save them as a set and add --set NAME.")
        return
    options = settings.model_dump(include={"by", "seed", "group"})
    _result(
        page, make_split(page.decisions, page.votes, page.opened.run, settings.shares, filters=page.filters, **options)
    )


def _settings(page: Opened) -> SplitSettings:
    opened = page.opened
    columns = [*{"duplicate_group"}.intersection(opened.samples.measured), *opened.samples.user_columns]
    with in_a_row():
        help_text = "Two or more numbers that sum to 1, for train, validation and test."
        shares = _SHARES.show(st.text_input, "Shares", width=200, help=help_text)
        names = {key: title for key, title in _BY_NAMES.items() if key != "hsf" or opened.samples.votes}
        by = _BY.show(st.pills, "Stratify by", names, selection_mode="multi")
        seed = int(_SEED.asked())
        _SEED.show(st.number_input, "Seed", 0, 10**9, value=seed, width=130)
        together = "Images with the same value of this column go to one part."
        names = {"": "Nothing"} | {name: name for name in columns}
        group = _GROUP.show(st.selectbox, "Keep together", names, width=200, help=together)
    values: dict[str, Any] = {"shares": shares, "by": tuple(by), "seed": seed, "group": group or None}
    return SplitSettings(dataset=opened.samples.name, **values)


def _result(page: Opened, split: Split) -> None:
    with in_a_row("top", gap="medium"):
        for name, count in split.counts.items():
            fact(name.capitalize(), f"{count:,}", f"{count / len(split.rows):.1%}")
    with in_a_row():
        data = partial(frame_text, split.rows, "csv")
        file = f"{page.dataset.name}-split.csv"
        download("Download CSV", data, file, key="saved.download_split", type="primary")
        with closing_popover("Save as sets", icon=":material/bookmark_add:", key="saved.split_sets", **for_curators()):
            st.text_input("Name before the name of the part", "split", key="saved.split_name")
            st.button("Save", type="primary", key="saved.save_split", on_click=_save, args=(page, split))
    st.markdown(f"**Strata: {len(split.strata):,}**")
    names = {"curated_label_name": "Class", "hsf_bin": "HSF bin", "n": "Images", "note": "Note"}
    strata = split.strata.loc[:, (split.strata != "").any()].rename(columns=names)  # most have no note
    st.dataframe(strata, hide_index=True, key="saved.strata")


def _save(page: Opened, split: Split) -> None:
    save = partial(save_parts, page.workspace, page.decisions, split, st.session_state["saved.split_name"])
    attempt(save, done="Every part is a set now", closes="saved.split_sets")
