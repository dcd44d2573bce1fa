"""The Suspects page: the form that starts the job, the suspects in view, their list, and the export."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.export.text import csv_text
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.features.payoff.expected import Action, Pair
from avhcurate.features.payoff.rules import Gain
from avhcurate.features.payoff.service import beforehand
from avhcurate.features.payoff.texts import points
from avhcurate.features.suspects import decisions, service
from avhcurate.features.suspects.rules import AT_HOME, FLAT, SOURCES, UNSURE, VERDICTS, by_confusion
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.features.suspects.store import SuspectsFolder, SuspectsRecord
from avhcurate.features.suspects.study import NEIGHBOURS
from avhcurate.features.suspects.suggestions import suggested_now, support
from avhcurate.measures.stats.acceptance import looks_expected
from avhcurate.ui.base.cache import HASH_FUNCS, beside, file_key, kept
from avhcurate.ui.base.export_menu import download
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.job_forms import first_job, job_form, of_run
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.notes import neighbours_note
from avhcurate.ui.base.page_choices import Choice, one_of, read_ids, some_of, switch, write_ids
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.components.grid import Group, Tile
from avhcurate.ui.grid.grid_bar import BarAction, actions_grid
from avhcurate.ui.grid.grid_views import GridSelection, GridView, list_view
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.app_files import PAGES

#: With the key of the folder of suspects.
_HASH_FUNCS = HASH_FUNCS | {SuspectsFolder: lambda folder: file_key(folder.table_path)}

_VIEWS = {"one": "One by one", "groups": "In groups", "list": "List"}
VIEW = one_of("suspects.view", list(_VIEWS), "one")
SOURCE = some_of("suspects.source", list(SOURCES), [])
VERDICT = some_of("suspects.verdict", list(VERDICTS), [])
#: The given and the suggested class of those in view, or the given one alone where none is suggested; () for all.
PAIR: Choice[tuple[int, ...]] = Choice("suspects.pair", (), partial(read_ids, most=2), write_ids)
_EXPECTED = switch("suspects.expected")
#: The share of wrong labels of which it is said how many looks show it.
_WANTED = 0.02
#: Groups, the largest, of which it is told what accepting them would do.
_TOLD = 12
_ABOUT = f"""
A label is in doubt if a source of evidence doubts it:

- **Angles**: another class has more AVC than the label, and no less than the lowest {100 * AT_HOME:.0f} % of that
  class's own images.
- **Neighbours**: more of the {NEIGHBOURS} images at the smallest angle have one other label than have this one.
- **cleanlab**: confident learning would prune the label (Northcutt et al. 2021).
- **Votes**: another label has more votes, or fewer than half of the people ticked this one.

**The order.** Ranks are multiplied: of the heads (how likely another class is, and how often it gets this label), of
the neighbours (each counts as far as its own label is likely) and of the votes. Angles follow the heads. Wrong labels
are drawn as classes are confused: if one source finds them better alone, the other is left out. Beside votes the
network counts less the less often it is right. The weights are below the list. How many labels are wrong is not known:
go down the list until few of the last 20 were wrong.

**What A accepts.** The class that more than half of the people say who were asked and have answered; else the one that
most sources of weight name; none where these people say the label. A source of weight 0 does not count. Each other
class that is named has a button of its own.

**Another class is nearer** is what the network finds, not a verdict: where people checked, a network that is right in
90 % was wrong itself in sixteen of seventeen. **Ambiguous**: the best two classes are nearly as near as each other (the
gap is below {100 * FLAT:.0f} % of its median) and the probability of the label is below {100 * UNSURE:.0f} %.
**Undecided**: a source doubts the label, but it is neither.

A model that was trained on these images may know their labels by heart. **Out of fold** judges each image by a linear
head that was trained without it; a fitted head does so already. Copies share a fold.
"""


# --- the job -----------------------------------------------------------------------------------------------------


def empty(page: Opened) -> None:
    """Show what suspects are, and the form, before the first job."""
    story = "Evidence from angles, neighbours, confident learning and votes, together: the most suspect label first."
    settings = SuspectsSettings(**_options(page))
    first_job(page, "No suspects of this run yet", "flag", "Find suspects", story, settings, start_form)


def _options(page: Opened) -> dict[str, Any]:
    """Return the options that the page knows; without class weights and logits only heads out of fold can judge."""
    options = of_run(page)
    if not page.run.has_logits:
        options["out_of_fold"] = True
    return options


def start_form(page: Opened) -> None:
    """Draw the form that starts the job."""
    options = _options(page)
    if "out_of_fold" in options:
        st.caption("The run was attached without class weights, so heads out of fold judge its images.")
    with job_form("suspects.start_", SuspectsSettings, **options) as form, in_a_row():
        form.ask(
            "sources",
            widget=st.pills,
            options=list(SOURCES),
            selection_mode="multi",
            format_func=SOURCES.__getitem__,
            help="All that are available, if you choose none.",
        )
        if page.run.has_features:
            if "out_of_fold" not in options:
                form.ask("out_of_fold", widget=st.toggle)
            form.ask("folds", width=110)
        form.submit("Look for suspects")


# --- suspects in view --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SuspectsInView:
    """All suspects of the run, and those `in_view` by rank, after the filters of the frame and of the page.

    `open`: those in view that are undecided. `subject` changes with every choice except decisions.
    """

    record: SuspectsRecord
    suspects: pd.DataFrame
    in_view: pd.DataFrame
    open: pd.DataFrame
    subject: str

    @property
    def nothing(self) -> str:
        """The text if none is open."""
        if self.in_view.empty:
            return "No suspect matches. Change the filter."
        return "Nothing is left to decide here."


def suspects_in_view(page: Opened, folder: SuspectsFolder) -> SuspectsInView:
    """Return the suspects after the filters and the choices of the page."""
    record = folder.record
    suspects = suggested_now(page.samples, page.votes, record, _read(folder))
    # Another list may have sources that this one lacks.
    sources = [source for source in SOURCE.asked() if source in record.sources]
    verdicts = VERDICT.asked()
    matches = suspects["id"].isin(page.samples.frame(page.filters, columns=["id"])["id"])
    matches &= suspects["verdict"].isin(verdicts or list(VERDICTS))
    for source in sources:
        matches &= suspects[f"{source}_doubts"]
    if pair := PAIR.asked():
        matches &= (suspects["label"] == pair[0]) & (suspects["suggested"] == (*pair[1:], -1)[0])
    in_view = suspects[matches]
    states = decisions.states(page.samples, in_view["id"].tolist())
    subject = repr((page.dataset.name, page.version, folder.name, page.filters.to_query(), sources, verdicts, pair))
    return SuspectsInView(record, suspects, in_view, in_view[(states == "").to_numpy()], subject)


_read = kept("Reading the suspects …", most=4, funcs=_HASH_FUNCS)(SuspectsFolder.suspects)


def toolbar(page: Opened, suspects: SuspectsInView) -> None:
    """Draw one row: card, groups or list, the filter, and how many suspects there are."""
    record = suspects.record
    names = page.samples.classes
    page.help.markdown(_ABOUT)
    with in_a_row("center", gap="small"):
        VIEW.show(st.segmented_control, "Show", _VIEWS, label_visibility="collapsed")
        with st.popover("Filter", icon=":material/filter_alt:", key="suspects.filter"):
            VERDICT.show(st.pills, "What it is", VERDICTS, selection_mode="multi", on_change=VERDICT.restart)
            sources = {name: SOURCES[name] for name in record.sources}
            label = "All of these doubt it"
            SOURCE.show(st.pills, label, sources, selection_mode="multi", on_change=SOURCE.restart)
        if pair := PAIR.asked():
            title = plain(" → ".join(names[label] for label in pair if label < len(names)))
            look: dict[str, Any] = {
                "icon": ":material/close:",
                "icon_position": "right",
                "help": "All pairs of classes.",
            }
            st.button(title, key="suspects.all_pairs", on_click=PAIR.put, args=((),), **look)
        shown = f"Showing {len(suspects.in_view):,} of {record.listed:,} suspects ({record.samples:,} labels)."
        if VIEW.asked() != "one":  # the card counts by itself
            shown = f"**{len(suspects.open):,}** to decide. {shown}"
        st.markdown(f"{shown} {plain(record.often_text(names))}", width="content")
    if limit := page.run.record.limit:
        part = f"**First suspects**: of {limit:,} of {page.samples.size:,} images, spread evenly."
        st.caption(f"{part} A run of all is offered at the left once it is there.")


def footer(page: Opened, suspects: SuspectsInView) -> None:
    """Draw how the list was made, the export, and the form that makes another."""
    st.caption(plain(" ".join(_notes(page, suspects.record))))
    _enough(page)
    download(
        f"Download {len(suspects.open):,} as CSV",
        lambda: csv_text(service.export_table(page.samples, suspects.open, suspects.record)).encode(),
        f"{page.dataset.name}-suspects.csv",
        key="suspects.download",
        disabled=suspects.open.empty,
    )
    with st.expander("Run again with other settings"):
        start_form(page)


def _enough(page: Opened) -> None:
    """Lead to what says when it is enough: looks at random tell of all labels, where suspects are the doubtful ones."""
    labels = page.samples.count(Filters(where="curated_label IS NOT NULL"))
    decided = sum(page.samples.decision_counts) - page.samples.decision_counts[1]
    allowed = int(_WANTED * labels)
    (looks,) = looks_expected(max(labels - decided, 0), allowed, [_WANTED / 4], at_most=_WANTED)
    if looks is None:
        return
    label = f"Enough? About {looks:,} blind looks show that at most {_WANTED:.0%} of all labels are wrong"
    icon = ":material/workspace_premium:"
    st.page_link(PAGES / "certificate.py", label=label, icon=icon, query_params=page.view.elsewhere)


def _notes(page: Opened, record: SuspectsRecord) -> list[str]:
    """Return sentences on how the list was made."""
    doubting = ", ".join(f"{SOURCES[key].lower()} {n:,}" for key, n in record.doubting.items())
    notes = [f"{record.weights_text} Of all {record.samples:,} labels they doubt: {doubting}."]
    opened = page.opened
    if record.heads:
        notes.append(
            f"Judged out of {record.heads.folds} folds: the heads predict {record.heads.accuracy:.1%} of the given "
            "labels."
        )
    elif page.run.record.fitted:
        notes.append("Judged out of folds.")
    elif opened.training or "train" in set(opened.samples.group_counts("split", page.filters)["value"]):
        notes.append("The model may have been trained on these labels. Run again out of fold for a fair judgement.")
    notes += [f"Without {SOURCES[name].lower()}: {why}." for name, why in record.missing.items()]
    if "neighbours" in record.sources:
        notes.append(neighbours_note(opened.neighbours))
    if record.simulated:
        notes.append("The votes are simulated.")
    if record.votes and (opened.samples.votes is None or opened.samples.votes.key != record.votes.key):
        notes.append("The votes have changed since. Run again to include them.")
    if opened.samples.locked_by:
        notes.append("Locked images are not listed: Payoff tells by them whether decisions helped.")
    return list(filter(None, notes))


# --- the list ----------------------------------------------------------------------------------------------------


def listing(page: Opened, suspects: SuspectsInView) -> GridView:
    """Show the undecided suspects as a grid by rank, or in groups, with actions on the selected ones or a group."""
    rows = suspects.open
    groups: list[Group] = []
    pairs: tuple[Pair, ...] = ()
    if VIEW.asked() == "groups":
        rows = by_confusion(suspects.in_view)
        rows = rows[rows["id"].isin(suspects.open["id"])]
        sizes = rows[rows["suggested"] >= 0].groupby(["label", "suggested"], sort=False).size().reset_index(name="n")
        largest = sizes.nlargest(_TOLD, "n")[["label", "suggested"]].to_numpy().tolist()
        pairs = tuple((label, other) for label, other in largest)
        groups = _groups(page, sizes, pairs, len(rows))
    rows = rows.set_index("id", drop=False)
    names = page.samples.classes
    if rows.empty:
        st.info(suspects.nothing, icon=":material/task_alt:")

    def look(tile: Tile) -> Tile:
        row = rows.loc[tile.id].to_dict()
        other = "?"
        agree = support(row)
        if row["suggested"] >= 0:
            other = names[row["suggested"]]
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

    def one_by_one(selection: GridSelection, _: object) -> None:
        row = rows.loc[selection.ids[0]].to_dict()
        PAIR.put(tuple(int(row[name]) for name in ("label", "suggested") if row[name] >= 0))
        VIEW.put("one")

    record = suspects.record.address
    first = [
        BarAction("accept", "Accept suggestions", "check", of=record, primary=True, group="Accept all"),
        BarAction("one", "", "", one_by_one, reads=True, group="One by one"),
        BarAction("keep", "Keep labels", "verified", group="None", help="Keep the given labels."),
    ]
    if len(rows):
        _expected(page, pairs, len(rows))
    view = list_view(page, rows["id"].to_numpy(), subject=f"suspects {suspects.subject}", look=look)
    actions_grid(page, view, first=first, part=True, groups=groups)
    return view


def _groups(page: Opened, sizes: pd.DataFrame, pairs: tuple[Pair, ...], number: int) -> list[Group]:
    """Return the headings of so many suspects that lie by pair of classes, and what is told of `pairs`."""
    names = [f"“{name}”" for name in page.samples.classes]
    labelled = page.samples.group_counts("label", page.filters).set_index("value")["n"]
    told: dict[Pair, Gain] = {}
    if _EXPECTED.asked():
        told = dict(zip(pairs, _accepted(page, pairs, number)[1:], strict=True))
    groups = []
    for label, other, n in sizes.to_numpy().tolist():
        title = f"{n:,} of {labelled[label]:,} {names[label]} look like {names[other]}"
        asks = {}
        if gain := told.get((label, other)):
            title += f" · accepting: {points(gain)}"
            if gain.gain < 0:
                asks["accept"] = f"Accept all {n:,} all the same?"
        groups.append(Group(title, n, asks=asks))
    if others := number - int(sizes["n"].sum()):
        groups.append(
            Group(f"{others:,} for which nothing of weight names another class", others, lacks=("accept", "one"))
        )
    return groups


def _accepted(page: Opened, pairs: tuple[Pair, ...], number: int) -> list[Gain]:
    """Return what accepting all of so many is expected to do, then each of `pairs`, whose heads are the same."""
    return _beforehand(page.samples, page.opened.run, page.dataset, "accept", number, (None, *pairs))


def _expected(page: Opened, pairs: tuple[Pair, ...], number: int) -> None:
    """Draw, on demand, what accepting or excluding all suspects shown is expected to do to accuracy."""
    help_text = (
        "Heads are fitted before and after, in folds whose images judge and are not decided about. A minute or less."
    )
    _EXPECTED.show(st.toggle, f"What would deciding about all {number:,} do?", help=help_text)
    if not _EXPECTED.asked():
        return
    excluded = _beforehand(page.samples, page.opened.run, page.dataset, "exclude", number, (None,))
    for words, (gain, *_) in {"Accepting": _accepted(page, pairs, number), "Excluding": excluded}.items():
        st.caption(f"{words} all {number:,} is expected to change accuracy by {points(gain)}.")


@kept("Fitting heads in folds …", most=8)
def _beforehand(
    samples: SampleTable,
    run: RunFolder | None,
    dataset: DatasetFolder,
    action: Action,
    number: int,
    pairs: Sequence[Pair | None],
) -> list[Gain]:
    return beside(beforehand, samples, run, dataset, action, number, pairs)
