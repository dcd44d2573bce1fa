"""The Suspects page: the form that starts the job, the suspects in view, their list, and the export."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.annotations import undo
from avhcurate.datasets.export.text import csv_text
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.features.suspects import decisions, service
from avhcurate.features.suspects.rules import AT_HOME, FLAT, SOURCES, UNSURE, VERDICTS
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.features.suspects.store import SuspectsFolder, SuspectsRecord, suspects_of
from avhcurate.features.suspects.ui_review import NAMES, VERDICT_NAMES
from avhcurate.ui import url_state
from avhcurate.ui.cache import HASH_FUNCS, file_key
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.export_menu import download
from avhcurate.ui.frame import Opened
from avhcurate.ui.grid_bar import BarAction, actions_grid
from avhcurate.ui.grid_keys import say, undo_last
from avhcurate.ui.grid_views import GridView, list_view
from avhcurate.ui.job_forms import fill_page, job_form, row
from avhcurate.ui.layout import empty_state
from avhcurate.ui.notes import neighbours_note
from avhcurate.ui.page_choices import choose_result, chosen_result, number, one_of, some_of
from avhcurate.ui.selection import GridSelection
from avhcurate.ui.signin import who
from avhcurate.ui.text import counted
from avhcurate.ui.url_state import TILE_SIZES
from avhcurate.ui.user_errors import plain
from avhcurate.workspace.data.settings import VerbSettings

#: With the key of the folder of suspects.
_HASH_FUNCS = HASH_FUNCS | {SuspectsFolder: lambda folder: file_key(folder.table_path)}

_VIEWS = {"one": "One by one", "list": "List"}

VIEW = one_of("suspects.view", list(_VIEWS), "one")
SOURCE = some_of("suspects.source", list(SOURCES), [])
VERDICT = some_of("suspects.verdict", list(VERDICTS), [])
#: How far down the list: as many as labels are expected to be wrong, or all.
_CUTS = {"expected": "As many as expected", "all": "All"}
CUT = one_of("suspects.cut", list(_CUTS), "expected")
AGREE = number("suspects.agree", 1, low=0, high=len(SOURCES))
#: Which list of the run is shown, in the address.
_MADE = "suspects.made"

_ABOUT = f"""
A label is in doubt if a source of evidence doubts it. The sources:

- **Angles**: another class has more AVC than the label, and no less than the lowest {100 * AT_HOME:.0f} % of that
  class's own samples. Score: AVC of the other class minus AVC of the label.
- **Neighbours**: share of the {service.NEIGHBOURS} samples at the smallest angle that have another label.
- **cleanlab** (confident learning): 1 minus the normalized margin, which is the label's probability minus that of
  the likeliest other class. It doubts what it would prune.
- **Votes**: share of human votes that are not for the label. They doubt it if another label has more. Ticks suggest
  no other label; they doubt it if fewer than half ticked it.

Suspects are ordered by the mean rank of a sample within the sources that have evidence on it. The list ends after
as many as labels are expected to be wrong, counted by the confident joint of Northcutt et al. (2021). Its interval
says how exact the count is, not how right: confident mistakes of the model are in it, so for most models it is too
high, and errors that the model has learned are not. On CIFAR-10H a network that is 90.5 % right counts 153; people
doubt 9 of them.

**Wrong**: before the end of the list, and another class has more AVC than the label. **Ambiguous**: the angle
between the best two classes is below {100 * FLAT:.0f} % of its median, and the probability of the label is below
{100 * UNSURE:.0f} %, so the image itself is ambiguous or degraded. **Open**: a source doubts the label, but it is
neither.

A model that was trained on these samples may have memorised their labels. **Out of fold** judges each sample by a
linear head on the run's features that was trained without it; a run with a fitted head is out of fold already.
Copies with equal features share a fold, and so do near duplicates that *Quality* has found.
"""


# --- the job -----------------------------------------------------------------------------------------------------


def empty(page: Opened, *, busy: bool) -> None:
    """Shown before the first job: what suspects are, and the form."""
    empty_state("No suspects of this run yet", "flag", _ABOUT, partial(_first_form, page, busy=busy))


def _first_form(page: Opened, *, busy: bool) -> None:
    fill_page(page.workspace.root, SuspectsSettings(**_known(page)), busy=busy)
    start_form(page, busy=busy)


def _known(page: Opened) -> dict[str, Any]:
    """Return the options that the page knows; without class weights only heads out of fold can judge."""
    run = page.table.run
    assert run is not None
    known: dict[str, Any] = {"dataset": page.table.dataset.name, "model": run.name}
    if not run.has_class_weights:
        known["out_of_fold"] = True
    return known


def start_form(page: Opened, *, busy: bool) -> None:
    """The form that starts the job."""
    known = _known(page)
    if "out_of_fold" in known:
        st.caption("The run was attached without class weights, so heads out of fold judge its samples.")
    root = page.workspace.root
    with job_form(root, "suspects.start_", SuspectsSettings, busy=busy, then=_newest, **known) as form, row():
        form.ask(
            "sources",
            widget=st.pills,
            options=list(SOURCES),
            selection_mode="multi",
            format_func=NAMES.__getitem__,
            help="All that are available, if you choose none.",
        )
        if "out_of_fold" not in known:
            form.ask("out_of_fold", widget=st.toggle)
        form.ask("folds", width=110)
        form.submit("Look for suspects")


def _newest(_: VerbSettings) -> None:
    url_state.write(url_state.current().choosing(_MADE, ""))


# --- suspects in view --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SuspectsInView:
    """All suspects of the run (`every`), and those `in_view` by rank, after the filters of the frame and of the page.

    `cut`: how many labels are expected to be wrong, None if unknown. `beyond`: how many more the filters would leave
    without the cut. `open`: those in view that are undecided. `about` changes with every choice except decisions.
    """

    record: SuspectsRecord
    every: pd.DataFrame
    in_view: pd.DataFrame
    open: pd.DataFrame
    cut: int | None
    beyond: int
    about: str

    @property
    def nothing(self) -> str:
        """The text if none is open."""
        if len(self.every) and self.in_view.empty:
            return "No suspect matches. Remove a verdict, source or filter, or ask for fewer sources that agree."
        return "Nothing is left to decide here."


def chosen_list(page: Opened) -> SuspectsFolder | None:
    """Return the list that the address names, else the newest, or None."""
    assert page.table.run is not None
    return chosen_result(_MADE, page.view, suspects_of(page.table.run))


def suspects_in_view(page: Opened, folder: SuspectsFolder) -> SuspectsInView:
    """Return the suspects after the filters and the choices of the page."""
    record, every = folder.record, _read(folder)
    # Another list may have sources that this one lacks.
    sources = [source for source in SOURCE.of(page.view) if source in record.sources]
    verdicts, agree = VERDICT.of(page.view), min(AGREE.of(page.view), len(record.sources))
    frame_ids = page.table.frame(page.filters, columns=["id"])["id"]
    keep = every["id"].isin(frame_ids) & (every["agreement"] >= agree)
    keep &= every["verdict"].isin(verdicts or list(VERDICTS))
    for source in sources:
        keep &= every[f"{source}_doubts"]
    cut = None
    if record.expected is not None:
        cut = round(record.expected.errors) or None  # with none expected, all that are doubted are shown
    shown, beyond = every[keep], 0
    if cut is not None and CUT.of(page.view) == "expected":
        shown, beyond = every[:cut][keep[:cut]], int(keep[cut:].sum())
    decided = decisions.decided(page.table, shown["id"].tolist())
    shown = shown.assign(decided=shown["id"].map(decided).astype(object))
    choices = (page.filters.to_query(), sources, verdicts, agree, CUT.of(page.view))
    about = repr((page.table.dataset.name, page.version, folder.name, choices))
    return SuspectsInView(
        record=record,
        every=every,
        in_view=shown,
        open=shown[shown["decided"] == ""],
        cut=cut,
        beyond=beyond,
        about=about,
    )


_read = st.cache_resource(max_entries=4, show_spinner="Reading the suspects …", hash_funcs=_HASH_FUNCS)(
    SuspectsFolder.suspects
)


def choose_suspects(page: Opened, suspects: SuspectsInView) -> None:
    """Card or list, how far down, and filters by source, verdict and agreement."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        VIEW.show(st.segmented_control, "Show", page.view, _VIEWS)
        if suspects.cut is not None:
            CUT.show(st.segmented_control, "How many", page.view, _CUTS)
        verdicts = {key: VERDICT_NAMES[key] for key in VERDICTS}
        VERDICT.show(st.pills, "Verdict", page.view, verdicts, selection_mode="multi", on_change=VERDICT.restart)
        sources = {name: NAMES[name] for name in suspects.record.sources}
        SOURCE.show(st.pills, "Doubted by all of", page.view, sources, selection_mode="multi", on_change=SOURCE.restart)
        most = len(sources)
        numbers = {0: "any number"} | {n: f"{n} or more" for n in range(1, most + 1)}
        AGREE.show(
            st.selectbox,
            "Sources that agree",
            page.view,
            numbers,
            value=min(int(AGREE.of(page.view)), most),
            on_change=AGREE.restart,
            width=140,
            help="How many sources doubt the label and suggest the same other one. “Any number” includes ambiguous "
            "images that no source would relabel.",
        )


def title_of(folder: SuspectsFolder) -> str:
    """Return the title of a list of suspects in a choice of several."""
    record = folder.record
    parts = ["the run's own scores"]
    if record.heads:
        parts = [f"out of {record.heads.folds} folds"]
    if len(record.sources) < len(SOURCES):
        parts += record.sources
    return ", ".join([*parts, f"{record.finished:%d %b %H:%M}"])


def summary(page: Opened, suspects: SuspectsInView) -> None:
    """Show counts by verdict, source and decision, with the explanation and the export."""
    record, in_view = suspects.record, suspects.in_view
    if heading := record.expected_text:
        if suspects.beyond:
            heading += f" The list ends there; {suspects.beyond:,} more are doubted: choose All."
        st.markdown(heading)
    counts = in_view["verdict"].value_counts()
    verdicts = " · ".join(f"{VERDICT_NAMES[key].lower()} {counts.get(key, 0):,}" for key in VERDICTS)
    text = f"**{len(in_view):,}** suspects in view of {record.listed:,} among {record.samples:,} labels: {verdicts}."
    if VIEW.of(page.view) == "list":  # the card counts by itself
        done = in_view["decided"].value_counts()
        text += (
            f" {done.get('accepted', 0):,} relabelled, {done.get('kept', 0):,} kept, {len(suspects.open):,} to decide."
        )
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(text, width="content")
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content"):
            with st.popover("About", icon=":material/help:", type="tertiary", key="suspects.about"):
                st.markdown(_ABOUT)
            _export_menu(page, suspects)
    assert page.table.run is not None
    lists, hidden = suspects_of(page.table.run), "collapsed"
    choose_result(_MADE, "List", page.view, lists, title_of, width=420, label_visibility=hidden)
    st.caption(plain(" ".join(_notes(page, record))))


def _notes(page: Opened, record: SuspectsRecord) -> list[str]:
    """Return sentences on how the list was made."""
    doubting = ", ".join(f"{NAMES[key].lower()} {n:,}" for key, n in record.doubting.items())
    notes = [f"Of all {record.samples:,} labels the sources doubt: {doubting}."]
    run, votes = page.table.run, page.table.votes
    if record.heads:
        notes.append(
            f"Judged out of {record.heads.folds} folds, seed {record.heads.seed}: the heads predict "
            f"{100 * (record.heads.accuracy or 0):.1f} % of the given labels."
        )
    elif page.table.training or "train" in set(page.table.group_counts("split", page.filters)["value"]):
        notes.append("The model may have been trained on these labels. Choose Out of fold for a fair judgement.")
    if run and run.record.fitted:
        notes.append(f"The run's heads were fitted in {run.record.fitted.folds} folds, each judges other labels.")
    notes += [f"Without {NAMES[name].lower()}: {why}." for name, why in record.missing.items()]
    if "neighbours" in record.sources and (note := neighbours_note(page.table.neighbours)):
        notes.append(note)
    known = (record.votes_fingerprint, record.votes_simulated)
    if "votes" in record.sources and (votes is None or (votes.fingerprint, votes.simulated) != known):
        notes.append("The votes have changed since. Run again to include them.")
    return notes


def _export_menu(page: Opened, suspects: SuspectsInView) -> None:
    with st.popover("Export suspects", icon=":material/download:", key="suspects.export"):
        undecided = st.toggle("Only those to decide", value=True, key="suspects.export_open")
        rows = suspects.in_view
        if undecided:
            rows = suspects.open
        download(
            f"Download {len(rows):,} suspects",
            lambda: csv_text(service.export_table(page.table, rows, suspects.record)).encode(),
            f"{page.table.dataset.name}-suspects.csv",
            key="suspects.download",
            type="primary",
            disabled=rows.empty,
        )
        if suspects.record.votes_simulated:
            st.caption("The votes are simulated; the file says so.")


# --- the list ----------------------------------------------------------------------------------------------------


def listing(page: Opened, suspects: SuspectsInView) -> GridView:
    """Show the undecided suspects as a grid by rank, with actions on the selected ones."""
    rows = suspects.open
    if rows.empty:
        st.info(suspects.nothing, icon=":material/task_alt:")
    before = frozenset(suspects.every["id"][: suspects.cut])
    look = partial(_look, rows.set_index("id"), page.table.classes, before)
    ids = rows["id"].to_numpy(np.int64)
    view = list_view(page, ids, about=f"suspects {suspects.about}", look=look)
    first = [
        BarAction("accept", "Accept suggestions", "check", partial(_decide, page.table, rows, "accept"), primary=True),
        BarAction("keep", "Keep labels", "verified", partial(_decide, page.table, rows, "keep")),
        BarAction(
            "undo",
            "Undo",
            "undo",
            lambda *_: _undo(page.table),
            help="Undo the last decision.",
            always=True,
        ),
    ]
    actions_grid(page, view, first=first, tile_size=TILE_SIZES[page.view.tile], part=True)
    return view


def _look(rows: pd.DataFrame, names: Sequence[str], before: frozenset[int], tile: Tile) -> Tile:
    """Return the tile of a suspect; `before` are those before the cut."""
    row = rows.loc[tile.id].to_dict()
    other, badges = "?", [VERDICT_NAMES[row["verdict"]].lower()]
    if row["suggested"] >= 0:
        other = names[row["suggested"]]
    if tile.id not in before:
        badges.append("beyond the cut")
    agree = f"{row['agreement']} of {row['spoke']} agree"
    return replace(
        tile,
        title=f"{tile.title} → {other}",
        score=f"#{row['rank']}",
        sub=agree,
        note="",
        badges=(*badges, *tile.badges),
        alt=f"{tile.alt}, suggested {other}, {agree}",
    )


def _last(table: DatasetTable) -> str:
    return f"suspects.last.{table.dataset.name}"


def _decide(table: DatasetTable, rows: pd.DataFrame, action: str, chosen: GridSelection, _: object) -> None:
    """Decide the selected suspects. The session remembers how many events that took."""
    chosen_rows = rows[rows["id"].isin(chosen.ids)]
    if action == "accept":
        named = chosen_rows[chosen_rows["suggested"] >= 0]
        suggested = dict(zip(named["id"].astype(int), named["suggested"].astype(int), strict=True))
        entries, done = decisions.accept(table, suggested, who=who()), "relabelled as suggested"
    else:
        entries = decisions.keep(table, chosen_rows["id"].astype(int).tolist(), who=who())
        named, done = chosen_rows, "keep their label"
    st.session_state[_last(table)] = entries, table.log.version(table.dataset.id)
    say(f"{counted(len(named), 'image')} {done}", undo=True)


def _undo(table: DatasetTable) -> None:
    """Undo a decision on many images as one, if nothing has been done since; else the last event."""
    entries, version = st.session_state.pop(_last(table), (0, None))
    if not entries or version != table.log.version(table.dataset.id):
        undo_last(table)
        return
    for _ in range(entries):
        undo(table, who=who())
    say("The decision is undone")
