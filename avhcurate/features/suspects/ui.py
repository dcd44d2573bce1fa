"""The Suspects page: the form that starts the job, the suspects in view, their list, and the export."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.export.text import csv_text
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.features.suspects import decisions, service
from avhcurate.features.suspects.rules import AT_HOME, FLAT, SOURCES, UNSURE, VERDICTS
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.features.suspects.store import SuspectsFolder, SuspectsRecord
from avhcurate.ui.cache import HASH_FUNCS, file_key, kept
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.export_menu import download
from avhcurate.ui.frame import Opened
from avhcurate.ui.grid_bar import BarAction, actions_grid
from avhcurate.ui.grid_keys import say
from avhcurate.ui.grid_views import GridView, list_view
from avhcurate.ui.job_forms import first_job, job_form, of_run
from avhcurate.ui.layout import apart, in_a_row
from avhcurate.ui.notes import neighbours_note
from avhcurate.ui.page_choices import one_of, some_of
from avhcurate.ui.selection import GridSelection
from avhcurate.ui.text import counted
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


def empty(page: Opened) -> None:
    """Show what suspects are, and the form, before the first job."""
    settings = SuspectsSettings(**_known(page))
    first_job(page, "No suspects of this run yet", "flag", _ABOUT, settings, start_form)


def _known(page: Opened) -> dict[str, Any]:
    """Return the options that the page knows; without class weights only heads out of fold can judge."""
    known = of_run(page)
    if page.table.run and not page.table.run.has_class_weights:
        known["out_of_fold"] = True
    return known


def start_form(page: Opened) -> None:
    """Draw the form that starts the job."""
    known = _known(page)
    if "out_of_fold" in known:
        st.caption("The run was attached without class weights, so heads out of fold judge its samples.")
    with job_form("suspects.start_", SuspectsSettings, **known) as form, in_a_row():
        form.ask(
            "sources",
            widget=st.pills,
            options=list(SOURCES),
            selection_mode="multi",
            format_func=SOURCES.__getitem__,
            help="All that are available, if you choose none.",
        )
        if "out_of_fold" not in known:
            form.ask("out_of_fold", widget=st.toggle)
        form.ask("folds", width=110)
        form.submit("Look for suspects")


# --- suspects in view --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SuspectsInView:
    """All suspects of the run (`every`), and those `in_view` by rank, after the filters of the frame and of the page.

    `open`: those in view that are undecided. `about` changes with every choice except decisions.
    """

    record: SuspectsRecord
    every: pd.DataFrame
    in_view: pd.DataFrame
    open: pd.DataFrame
    about: str

    @property
    def nothing(self) -> str:
        """The text if none is open."""
        if self.in_view.empty:
            return "No suspect matches. Remove a verdict, source or filter."
        return "Nothing is left to decide here."


def suspects_in_view(page: Opened, folder: SuspectsFolder) -> SuspectsInView:
    """Return the suspects after the filters and the choices of the page."""
    record, every = folder.record, _read(folder)
    # Another list may have sources that this one lacks.
    sources = [source for source in SOURCE.asked() if source in record.sources]
    verdicts, cut = VERDICT.asked(), CUT.asked()
    shown = every
    if record.cut and cut == "expected":
        shown = every[: record.cut]
    keep = shown["id"].isin(page.table.frame(page.filters, columns=["id"])["id"])
    keep &= shown["verdict"].isin(verdicts or list(VERDICTS))
    for source in sources:
        keep &= shown[f"{source}_doubts"]
    shown = shown[keep]
    decided = decisions.decided(page.table, shown["id"].tolist())
    shown = shown.assign(decided=decided.to_numpy(object))
    choices = (page.filters.to_query(), sources, verdicts, cut)
    about = repr((page.dataset.name, page.version, folder.name, choices))
    return SuspectsInView(record, every, shown, shown[shown["decided"] == ""], about)


_read = kept("Reading the suspects …", most=4, funcs=_HASH_FUNCS)(SuspectsFolder.suspects)


def choose_suspects(record: SuspectsRecord) -> None:
    """Draw the choices: card or list, how far down, verdicts and sources."""
    with in_a_row(gap="medium"):
        VIEW.show(st.segmented_control, "Show", _VIEWS)
        if record.cut:
            CUT.show(st.segmented_control, "How many", _CUTS)
        VERDICT.show(st.pills, "Verdict", VERDICTS, selection_mode="multi", on_change=VERDICT.restart)
        sources = {name: SOURCES[name] for name in record.sources}
        SOURCE.show(st.pills, "Doubted by all of", sources, selection_mode="multi", on_change=SOURCE.restart)


def summary(page: Opened, suspects: SuspectsInView) -> None:
    """Show counts by verdict and decision, with the explanation and the export."""
    record, counts = suspects.record, suspects.in_view["verdict"].value_counts()
    st.markdown(record.expected_text)
    verdicts = " · ".join(f"{name.lower()} {counts.get(key, 0):,}" for key, name in VERDICTS.items())
    text = f"**{len(suspects.in_view):,}** suspects in view of {record.listed:,} among {record.samples:,} labels: "
    text += f"{verdicts}. **{len(suspects.open):,}** to decide."
    with apart():
        st.markdown(text, width="content")
        download(
            f"Download {len(suspects.open):,} as CSV",
            lambda: csv_text(service.export_table(page.table, suspects.open, record)).encode(),
            f"{page.dataset.name}-suspects.csv",
            key="suspects.download",
            disabled=suspects.open.empty,
        )
    page.help.markdown(_ABOUT)
    st.caption(plain(" ".join(_notes(page, record))))


def _notes(page: Opened, record: SuspectsRecord) -> list[str]:
    """Return sentences on how the list was made."""
    doubting = ", ".join(f"{SOURCES[key].lower()} {n:,}" for key, n in record.doubting.items())
    notes = [f"Of all {record.samples:,} labels the sources doubt: {doubting}."]
    table = page.table
    if record.heads:
        notes.append(
            f"Judged out of {record.heads.folds} folds, seed {record.heads.seed}: the heads predict "
            f"{record.heads.accuracy:.1%} of the given labels."
        )
    elif table.training or "train" in set(table.group_counts("split", page.filters)["value"]):
        notes.append("The model may have been trained on these labels. Choose Out of fold for a fair judgement.")
    notes += [f"Without {SOURCES[name].lower()}: {why}." for name, why in record.missing.items()]
    if "neighbours" in record.sources:
        notes.append(neighbours_note(table.neighbours))
    if record.simulated:
        notes.append("The votes are simulated.")
    if record.votes and (table.votes is None or table.votes.key != record.votes.key):
        notes.append("The votes have changed since. Run again to include them.")
    return list(filter(None, notes))


# --- the list ----------------------------------------------------------------------------------------------------


def listing(page: Opened, suspects: SuspectsInView) -> GridView:
    """Show the undecided suspects as a grid by rank, with actions on the selected ones."""
    rows, names = suspects.open.set_index("id", drop=False), page.table.classes
    if rows.empty:
        st.info(suspects.nothing, icon=":material/task_alt:")

    def look(tile: Tile) -> Tile:
        row, other = rows.loc[tile.id].to_dict(), "?"
        if row["suggested"] >= 0:
            other = names[row["suggested"]]
        agree = f"{row['agreement']} of {row['spoke']} agree"
        return replace(
            tile,
            predicted=other,
            percentile=None,
            score=f"#{row['rank']}",
            sub=agree,
            note="",
            badges=(VERDICTS[row["verdict"]].lower(), *tile.badges),
            alt=f"{tile.alt}, suggested {other}, {agree}",
        )

    view = list_view(page, rows["id"].to_numpy(), about=f"suspects {suspects.about}", look=look)
    first = [
        BarAction("accept", "Accept suggestions", "check", partial(_accept, page.table, rows), primary=True),
        BarAction("keep", "Keep labels", "verified", partial(_keep, page.table)),
    ]
    actions_grid(page, view, first=first, part=True)
    return view


def _accept(table: DatasetTable, rows: pd.DataFrame, chosen: GridSelection, _: object) -> None:
    labels = rows["suggested"].reindex(chosen.ids).tolist()
    suggested = {id: int(label) for id, label in zip(chosen.ids, labels, strict=True) if label >= 0}
    decisions.accept(table, suggested)
    say(f"{counted(len(suggested), 'image')} relabelled as suggested", undo=True)


def _keep(table: DatasetTable, chosen: GridSelection, _: object) -> None:
    decisions.keep(table, chosen.ids)
    say(f"{counted(chosen.count, 'image')} keep their label", undo=True)
