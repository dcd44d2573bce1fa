"""The Suspects page: the form that starts the job, the suspects in view, their list, and the export."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.curate.annotations import undo
from avhcurate.data.background import Command
from avhcurate.export.text import csv_text
from avhcurate.suspects import decisions, service
from avhcurate.suspects.rules import AT_HOME, FLAT, SOURCES, UNSURE, VERDICTS
from avhcurate.suspects.store import SuspectsFolder, SuspectsRecord, suspects_of
from avhcurate.suspects.ui_review import NAMES, VERDICT_NAMES
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.ui import url_state
from avhcurate.ui.cache import HASH_FUNCS, file_key
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.export_menu import download
from avhcurate.ui.frame import Opened
from avhcurate.ui.grid_bar import BarAction, actions_grid
from avhcurate.ui.grid_keys import say, undo_last
from avhcurate.ui.grid_views import GridView, list_view
from avhcurate.ui.job_forms import fill_page, job_form, option, row
from avhcurate.ui.job_forms import number as count
from avhcurate.ui.layout import empty_state
from avhcurate.ui.notes import neighbours_note
from avhcurate.ui.page_choices import choose_result, chosen_result, number, one_of, some_of
from avhcurate.ui.selection import GridSelection
from avhcurate.ui.signin import who
from avhcurate.ui.text import counted
from avhcurate.ui.url_state import TILE_SIZES
from avhcurate.ui.user_errors import plain

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
A label is in doubt where a source of evidence says so. The sources:

- **Angles**: another class has more AVC than the label, and not less than the lowest {100 * AT_HOME:.0f} % of the
  samples labelled so. Score: AVC of the other class minus AVC of the label.
- **Neighbours**: share of the {service.NEIGHBOURS} samples at the smallest angle that have another label.
- **cleanlab** (confident learning): 1 minus the normalized margin, the label's probability less that of the likeliest
  other class; doubts what it would prune.
- **Votes**: share of human votes that are not for the label; doubts it where another label has more of them. Ticks
  name no other label; they doubt where fewer than half ticked it.

Suspects are ordered by the mean rank of a sample within the sources that have evidence on it, and cut where as many are
shown as labels are expected to be wrong: the confident joint of Northcutt et al. (2021) counts the samples that are
another class with confidence. Its interval says how exact the count is, not how right: mistakes that the model makes
with confidence are in it, so of most models it is too high, and errors that the model has learnt are not. On CIFAR-10H
a network that is 90.5 % right counts 153, of which people doubt 9.

**Wrong**: before the cut, and another class has more AVC than the label. **Ambiguous**: else, the angle between the
best two classes is below {100 * FLAT:.0f} % of its median, and the label's probability below {100 * UNSURE:.0f} %: an
ambiguous or degraded image, whatever its label. **Open**: a source doubts the label, but it is neither.

A model that was trained on these samples may have memorised their labels. **Out of fold** judges each by a linear head
on the run's features that was trained without it; a run with a fitted head is out of fold already. Copies with equal
features share a fold, and so do near duplicates where *Quality* has found them; the features themselves come from
the same model.
"""


# --- the job -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Suspects(Command):
    """Options of `avhcurate suspects`; no `sources` means all that are available.

    >>> Suspects("pets", "resnet-1", out_of_fold=True, limit=0).argv
    ['suspects', 'pets', '--model=resnet-1', '--limit=0', '--out-of-fold']
    """

    verb = "suspects"
    dataset: str
    model: str = ""
    limit: int | None = None
    sources: Sequence[str] = option(
        st.pills,
        options=list(SOURCES),
        selection_mode="multi",
        format_func=NAMES.__getitem__,
        help="None chosen: all that are available.",
    )
    out_of_fold: bool = option(
        st.toggle,
        default=False,
        help="For a model that was trained on these samples: heads cross-validated on its features.",
    )
    folds: int = count(width=110, low=2, max_value=50, default=5)


def empty(page: Opened, *, busy: bool) -> None:
    """Shown before the first job: what suspects are, and the form."""
    empty_state("No suspects of this run yet", "flag", _ABOUT, partial(_first_form, page, busy=busy))


def _first_form(page: Opened, *, busy: bool) -> None:
    assert page.table.run is not None
    run = page.table.run
    usual = Suspects(page.table.dataset.name, run.name, limit=0, out_of_fold=not run.has_class_weights)
    fill_page(page.workspace.root, usual, busy=busy)
    start_form(page, busy=busy)


def start_form(page: Opened, *, busy: bool) -> None:
    """The form that starts the job."""
    assert page.table.run is not None
    about = {"dataset": page.table.dataset.name, "model": page.table.run.name, "limit": 0}
    own_head = page.table.run.has_class_weights
    if not own_head:
        about["out_of_fold"] = True
        st.caption("The run was attached without class weights: its samples are judged by heads out of fold.")
    with job_form(page.workspace.root, "suspects.start_", Suspects, busy=busy, then=_newest, **about) as form, row():
        form.ask("sources", *(["out_of_fold"] if own_head else []), "folds")
        form.submit("Look for suspects")


def _newest(_: Command) -> None:
    url_state.write(url_state.current().choosing(_MADE, ""))


# --- suspects in view --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SuspectsInView:
    """The suspects of the run, all, and those `in_view` by rank: of the frame's filters and the page's own.

    `cut`: how many of all are as many as labels are expected to be wrong, None where no number is expected. `beyond`:
    how many more the filters would leave without it; 0 where all are shown.
    `open`: those in view that nobody has decided; `about` changes with whatever chooses them but decisions.
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
        """What is said where none is open."""
        if len(self.every) and self.in_view.empty:
            return "No suspect matches: take a verdict, source or filter out, or ask for fewer that agree."
        return "Nothing is left to decide here."


def chosen_list(page: Opened) -> SuspectsFolder | None:
    """The list that the address asks for, else the newest; None where there is none."""
    assert page.table.run is not None
    return chosen_result(_MADE, page.view, suspects_of(page.table.run))


def suspects_in_view(page: Opened, folder: SuspectsFolder) -> SuspectsInView:
    """The suspects that the filters and the page's choices leave."""
    record, every = folder.record, _read(folder)
    # Of a list with other sources only those count that this one has, as its widgets show.
    sources = [source for source in SOURCE.of(page.view) if source in record.sources]
    verdicts, agree = VERDICT.of(page.view), min(AGREE.of(page.view), len(record.sources))
    frame_ids = page.table.frame(page.filters, columns=["id"])["id"]
    keep = every["id"].isin(frame_ids) & (every["agreement"] >= agree)
    keep &= every["verdict"].isin(verdicts or list(VERDICTS))
    for source in sources:
        keep &= every[f"{source}_doubts"]
    cut = round(record.expected or 0) or None  # where none is expected to be wrong, all that are doubted are shown
    shown, beyond = every[keep], 0
    if cut is not None and CUT.of(page.view) == "expected":
        shown, beyond = every[:cut][keep[:cut]], int(keep[cut:].sum())
    decided = decisions.decided(page.table, shown["id"].tolist())
    shown = shown.assign(decided=shown["id"].map(decided).astype(object))
    choices = (page.filters.to_query(), sources, verdicts, agree, CUT.of(page.view))
    about = repr((page.table.dataset.name, page.version, folder.name, choices))
    return SuspectsInView(record, every, shown, shown[shown["decided"] == ""], cut, beyond, about)


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
        AGREE.show(
            st.selectbox,
            "Sources that agree",
            page.view,
            {n: f"{n} or more" if n else "any number" for n in range(most + 1)},
            value=min(int(AGREE.of(page.view)), most),
            on_change=AGREE.restart,
            width=140,
            help="How many sources doubt the label and name the suggested one. With any number, ambiguous images "
            "that no source would relabel are among them.",
        )


def title_of(folder: SuspectsFolder) -> str:
    """Title of a list of suspects in a choice of several."""
    record = folder.record
    by = f"out of {record.folds} folds" if record.folds else "the run's own scores"
    sources = "" if len(record.sources) == len(SOURCES) else f", {', '.join(record.sources)}"
    return f"{by}{sources}, {record.finished:%d %b %H:%M}"


def summary(page: Opened, suspects: SuspectsInView) -> None:
    """Counts by verdict, source and decision, with the explanation and the export beside them."""
    record, in_view = suspects.record, suspects.in_view
    if heading := _expected_text(suspects):
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
    doubting = ", ".join(f"{NAMES[key].lower()} {n:,}" for key, n in record.doubting.items())
    lines = [f"In all {record.samples:,} labels, doubted by {doubting}."]
    if record.folds:
        lines.append(
            f"Judged out of {record.folds} folds, seed {record.seed}: the heads predict "
            f"{100 * (record.accuracy or 0):.1f} % of the given labels."
        )
    elif page.table.training or "train" in set(page.table.group_counts("split", page.filters)["value"]):
        lines.append(
            "The model may have been trained on some of these labels: choose Out of fold for a fair judgement."
        )
    if page.table.run and (fitted := page.table.run.record.fitted):
        lines.append(
            f"The run's heads were fitted in {fitted.folds} folds: each label is judged by one that has not seen it."
        )
    lines += [f"Without {NAMES[name].lower()}: {why}." for name, why in record.missing.items()]
    if "neighbours" in record.sources and (note := neighbours_note(page.table.neighbours)):
        lines.append(note)
    votes, known = page.table.votes, (record.votes_fingerprint, record.votes_simulated)
    if "votes" in record.sources and (votes is None or (votes.fingerprint, votes.simulated) != known):
        lines.append("The votes have changed since: run again to include them.")
    st.caption(plain(" ".join(lines)))


def _expected_text(suspects: SuspectsInView) -> str:
    """How many labels are expected to be wrong, and what lies beyond the cut."""
    record = suspects.record
    if record.expected is None or record.expected_low is None or record.expected_high is None:
        return ""
    interval = f"95 % interval {record.expected_low:,.0f} to {record.expected_high:,.0f}"
    of_all = f"About {record.expected:,.0f} of {record.samples:,} labels are wrong"
    text = f"{of_all} if the model is right where it is confident ({interval})."
    if suspects.beyond:
        text += f" The list ends there; {suspects.beyond:,} more are doubted: choose All."
    return text


def _export_menu(page: Opened, suspects: SuspectsInView) -> None:
    with st.popover("Export suspects", icon=":material/download:", key="suspects.export"):
        undecided = st.toggle("Only those to decide", value=True, key="suspects.export_open")
        rows = suspects.open if undecided else suspects.in_view
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
    """The undecided suspects as a grid by rank, with actions on the selected."""
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
            help="Takes back what was decided last.",
            always=True,
        ),
    ]
    actions_grid(page, view, first=first, tile_size=TILE_SIZES[page.view.tile], part=True)
    return view


def _look(rows: pd.DataFrame, names: Sequence[str], before: frozenset[int], tile: Tile) -> Tile:
    """A suspect's tile; `before` are those before the cut."""
    row = rows.loc[tile.id].to_dict()
    other = names[row["suggested"]] if row["suggested"] >= 0 else "?"
    agree = f"{row['agreement']} of {row['spoke']} agree"
    beyond = () if tile.id in before else ("beyond the cut",)
    return replace(
        tile,
        title=f"{tile.title} → {other}",
        score=f"#{row['rank']}",
        sub=agree,
        note="",
        badges=(VERDICT_NAMES[row["verdict"]].lower(), *beyond, *tile.badges),
        alt=f"{tile.alt}, suggested {other}, {agree}",
    )


def _last(table: DatasetTable) -> str:
    return f"suspects.last.{table.dataset.name}"


def _decide(table: DatasetTable, rows: pd.DataFrame, action: str, chosen: GridSelection, _: object) -> None:
    """Decides what is selected; the session remembers how many entries of the log that took."""
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
    """Takes back a decision on many images as one, as long as nothing has been done since; else the last entry."""
    entries, version = st.session_state.pop(_last(table), (0, None))
    if not entries or version != table.log.version(table.dataset.id):
        undo_last(table)
        return
    for _ in range(entries):
        undo(table, who=who())
    say("The decision is taken back")
