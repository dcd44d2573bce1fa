"""What changed between two moments of a dataset, on the page Saved: counts, a gallery of each kind, and the story.

The story has a line for each day and person, with pictures before and after, and can be taken back line by line.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.history import describe, history_entries
from avhcurate.datasets.table.columns import KEPT
from avhcurate.features.saved import diff_service
from avhcurate.features.saved.diff_rules import KINDS, by_day_and_person
from avhcurate.features.saved.diff_service import Diff
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.export_menu import download
from avhcurate.ui.base.frame import Opened, attempt, while_allowed
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.page_choices import Choice, gallery_link, number, page_of, turn_pages
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import counted, listed, shortened
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.grid.pairs import Pair, pairs_html

#: Entries of the history; -1 for now.
_BEFORE: Choice[int] = Choice("saved.before", 0, int)
_AFTER: Choice[int] = Choice("saved.after", -1, int)
#: Session state: what is to be restored, once the question is answered: a day and a person, or "" for everything.
_RESTORING = "saved.restoring"
_STORY = number("saved.story", 1, low=1, high=10**9)
#: Entries of the history that are offered, newest first; lines of the story, and pictures of a line.
_ENTRIES = 50
_LINES = 20
_PICTURES = 6
#: What a change is called in a line of the story, in their order; of an image the first that holds is drawn.
_WORDS = {"relabelled": "relabelled", "excluded": "excluded", "included": "included again", "tagged": "tagged"}


def show_changes(page: Opened) -> None:
    """Draw a choice of two moments and what differs between them."""
    offered = _offered(page)
    with in_a_row():
        before = _choose(page, "From", _BEFORE, offered)
        after = _choose(page, "To", _AFTER, offered)
    since, until = (page.samples.entry if entry < 0 else entry for entry in (before, after))
    diff = _diff(page.opened, since, until)
    text = counted(len(diff.changes), "change")
    st.markdown(f"**{text}** from {plain(offered[before])} to {plain(offered[after])}.")
    for note in diff.notes:
        st.caption(plain(note))
    _galleries(diff)
    restorable = before >= 0 and len(diff.changes) > 0
    if restorable:
        _ask_if_wanted(page, diff)
    _story(diff, restorable)
    with in_a_row("center"):
        file = f"{page.dataset.name}-changes.csv"
        download("CSV", diff.changes.to_csv(index=False), file, key="saved.diff_csv")
        if restorable:
            _restore_button("Go back to the first moment", "", key="saved.restore")
    for key, rows in (("summary", diff.summary), ("classes", diff.classes)):
        differing = rows[rows["before"].ne(rows["after"]) & rows["before"].notna()]
        if len(differing):
            st.dataframe(differing.rename(columns=str.capitalize), hide_index=True, key=f"saved.diff_{key}")


def _offered(page: Opened) -> dict[int, str]:
    """Return the moments that can be chosen, by entry: now, after an entry of the history, the import."""
    offered = {-1: "now"}
    entries, _ = history_entries(page.decisions, limit=_ENTRIES)
    for entry in entries:
        act = shortened(f"{entry.who} {describe(entry, page.samples.classes)}", 40)
        offered[entry.id] = f"after {entry.id}: {act}, {entry.at:%Y-%m-%d %H:%M}"
    return offered | {0: "the import"}


_diff = kept("Comparing …", most=4)(diff_service.diff)


def _choose(page: Opened, label: str, choice: Choice[int], offered: dict[int, str]) -> int:
    """Return a moment; the address may name an older entry than those offered."""
    entry = max(-1, min(choice.asked(), page.samples.entry))
    offered.setdefault(entry, f"after {entry}")
    return choice.show(st.selectbox, label, offered, value=entry, width=420)


def _galleries(diff: Diff) -> None:
    with in_a_row():
        for kind, n in diff.counts.items():
            text = f"{KINDS[kind]}: {n:,}"
            if query := diff.query(diff.of_kind(kind)):
                gallery_link(text, query)
            else:
                st.caption(text, width="content")


# --- the story ---------------------------------------------------------------------------------------------------


def _story(diff: Diff, restorable: bool) -> None:
    """Draw a line for each day and person, the last first: what they changed, in pictures, and a way back."""
    lines = by_day_and_person(diff.changes)
    places = page_of(_STORY, len(lines), _LINES)
    labels = diff.labels
    for day, who, rows in lines[places.start : places.stop]:
        with st.container(key=f"story.{day}.{who}", gap="xsmall"):
            with in_a_row("center"):
                st.markdown(f"**{day} · {plain(who)}** {_counts(rows)}", width="content")
                if query := diff.query(rows):
                    gallery_link("Images", query)
                if restorable:
                    _restore_button("Restore", f"{day} {who}", key=f"saved.restore.{day}.{who}")
            st.html(pairs_html(diff.samples, _pairs(rows, labels)))
    turn_pages(_STORY, places, len(lines), _LINES)


def _counts(rows: pd.DataFrame) -> str:
    """Return how many images a line of the story is about, by what became of them."""
    kept = (rows["kind"] == "tagged") & rows["after"].str.contains(KEPT)
    kinds = rows["kind"].map(_WORDS).mask(kept, "kept")
    return ", ".join(f"{n:,} {word}" for word in [*_WORDS.values(), "kept"] if (n := (kinds == word).sum()))


def _pairs(rows: pd.DataFrame, labels: pd.Series) -> list[Pair]:
    """Return the first images of a line before and after."""
    order = rows.assign(at=rows["kind"].map(list(_WORDS).index)).sort_values("at", kind="stable")
    shown = order.drop_duplicates("id").head(_PICTURES)
    return [_pair(row, labels[row["id"]] or "no label") for row in shown.to_dict("records")]


def _pair(row: Mapping[Any, Any], label: str) -> Pair:
    id = int(row["id"])
    match row["kind"]:
        case "relabelled":
            return Pair(id, row["before"] or "no label", row["after"] or "no label")
        case "tagged":
            return Pair(id, row["before"] or label, row["after"].replace(KEPT, "kept") or label)
    return Pair(id, label, _WORDS[row["kind"]], out=row["kind"] == "excluded")


# --- the way back ------------------------------------------------------------------------------------------------


def _ask_if_wanted(page: Opened, diff: Diff) -> None:
    """Ask before decisions are taken back to the first moment."""
    asked = st.session_state.get(_RESTORING)
    changes = {f"{day} {who}": rows for day, who, rows in by_day_and_person(diff.changes)} | {"": None}
    if asked in changes:
        _ask(page, diff, changes[asked])


def _restore_button(label: str, what: str, *, key: str) -> None:
    act = partial(st.session_state.__setitem__, _RESTORING, what)
    st.button(label, icon=":material/history:", type="tertiary", key=key, on_click=act, **for_curators())


def _dismiss() -> None:
    st.session_state.pop(_RESTORING, None)


def _ask(page: Opened, diff: Diff, changes: pd.DataFrame | None) -> None:
    """Ask in a dialog whether some changes, or all, are to be taken back."""
    taken = diff.changes
    if changes is not None:
        taken = changes
    noun = "image"
    if (taken["kind"] == "relabelled").all():
        noun = "label"
    who = set(taken["who"]) - {""}
    people = "1 person"
    if len(who) != 1:
        people = f"{len(who):,} people"

    @st.dialog(
        f"Restore {counted(taken['id'].nunique(), noun)} of {people}?", icon=":material/history:", on_dismiss=_dismiss
    )
    @while_allowed
    def ask() -> None:
        st.write(f"What {plain(listed(sorted(who)))} decided about them since the first moment is taken back.")
        st.caption("New entries of the history do that, which can be undone.")
        if st.button("Restore", type="primary", key="saved.restore_now"):
            attempt(diff_service.restore, page.decisions, page.opened.run, diff.since, changes, done="Restored")
            _dismiss()
            st.rerun()

    ask()
