"""What changed between two states of a dataset, on the page Saved: counts, who and why, and a gallery of each kind."""

from functools import partial

import streamlit as st

from avhcurate.datasets.curate.history import describe, history_entries
from avhcurate.features.saved import diff_service
from avhcurate.features.saved.diff_rules import KINDS
from avhcurate.features.saved.diff_service import Diff
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.export_menu import download
from avhcurate.ui.base.frame import Opened, attempt
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.page_choices import Choice, gallery_link
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import counted, shortened
from avhcurate.ui.base.user_errors import plain, said
from avhcurate.workspace.data.workspace import Workspace

_BEFORE: Choice[str] = Choice("saved.before", "", str)
_AFTER: Choice[str] = Choice("saved.after", "", str)
#: Entries of the history that are offered, newest first, and changes that are listed.
_ENTRIES = 50
_LISTED = 500


def show_changes(page: Opened) -> None:
    """Draw a choice of two states and what differs between them."""
    name = page.dataset.name
    offered = _offered(page)
    with in_a_row():
        before = _choose(page, "From", _BEFORE, offered, f"{name}@0")
        after = _choose(page, "To", _AFTER, offered, name)
    diff = _compared(page, before, after)
    counts = diff.counts
    text = counted(sum(counts.values()), "change")
    st.markdown(f"**{text}** from {plain(offered[before])} to {plain(offered[after])}.")
    for note in diff.notes:
        st.caption(said(note))
    _galleries(diff)
    first, second = st.columns(2)
    for place, key, rows in (
        (first, "summary", diff.summary.dropna()),
        (first, "scores", diff.shifts),
        (second, "classes", diff.classes),
    ):
        place.dataframe(rows.rename(columns=str.capitalize), hide_index=True, key=f"saved.diff_{key}")
    changes = diff.changes.assign(kind=diff.changes["kind"].map(KINDS))
    if len(changes):
        st.dataframe(changes.head(_LISTED).rename(columns=str.capitalize), hide_index=True, key="saved.diff_changes")
    with in_a_row("center"):
        if len(changes) > _LISTED:
            st.caption(f"The first {_LISTED:,} of {len(changes):,} changes; the file has all.")
        download("CSV", diff.changes.to_csv(index=False), f"{name}-changes.csv", key="saved.diff_csv")
        _go_back(page, diff, before)


def _offered(page: Opened) -> dict[str, str]:
    """Return the states that can be chosen, by name: now, after an entry of the history, the import, other datasets."""
    name = page.dataset.name
    offered = {name: "now"}
    entries, _ = history_entries(page.table, limit=_ENTRIES)
    for entry in entries:
        act = shortened(f"{entry.who} {describe(entry, page.table.classes)}", 40)
        offered[f"{name}@{entry.id}"] = f"after {entry.id}: {act}, {entry.at:%Y-%m-%d %H:%M}"
    offered[f"{name}@0"] = "the import"
    return offered | {other: f"dataset {other}" for other in page.workspace.names() if other != name}


def _compared(page: Opened, before: str, after: str) -> Diff:
    """Return the comparison, kept until a dataset or its history changes."""
    folders = [page.workspace.dataset(text.partition("@")[0]) for text in (before, after)]
    stamps = [f"{folder.stamp()} {page.table.log.version(folder.id)}" for folder in folders]
    return _diff(str(page.workspace.root), before, after, tuple(stamps))


@kept("Comparing …", most=4)
def _diff(root: str, before: str, after: str, stamps: tuple[str, ...]) -> Diff:
    return diff_service.diff(*diff_service.states(Workspace(root), before, after))


def _choose(page: Opened, label: str, choice: Choice[str], offered: dict[str, str], usual: str) -> str:
    """Return a state; the address may name an older entry than those offered, and never a file of the server."""
    state = choice.asked() or usual
    if state.partition("@")[0] not in page.workspace.names():
        state = usual
    offered.setdefault(state, state)
    return choice.show(st.selectbox, label, offered, value=state, width=420)


def _galleries(diff: Diff) -> None:
    with in_a_row():
        for kind, n in diff.counts.items():
            text = f"{KINDS[kind]}: {n:,}"
            if query := diff.query(kind):
                gallery_link(text, query)
            else:
                st.caption(text, width="content")


def _go_back(page: Opened, diff: Diff, before: str) -> None:
    """Draw a button that gives the dataset the earlier state again."""
    name, at, _ = before.rpartition("@")
    if at and name == page.dataset.name and diff.changes["kind"].isin(diff_service.DECIDED).any():
        act = partial(attempt, diff_service.restore, page.table, diff.before.entry, done="Gone back")
        icon = ":material/history:"
        st.button("Go back to the first state", icon=icon, key="saved.restore", on_click=act, **for_curators())
