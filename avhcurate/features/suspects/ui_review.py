"""Suspects one by one: the queue of a session, its card, and the decisions made on it."""

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.sample import rows_of
from avhcurate.features.suspects import decisions
from avhcurate.features.suspects.store import SuspectsRecord
from avhcurate.ui.components.outbox import Delivery, Entry
from avhcurate.ui.components.review import ACCEPT, Row, Strip, Suspect, read_place, review_card
from avhcurate.ui.frame import Opened, while_allowed
from avhcurate.ui.grid_keys import key_data
from avhcurate.ui.image_routes import health_url, image_url
from avhcurate.ui.signin import say_why_not, who
from avhcurate.workspace.data.people import Role

_SESSION, _CARD = "suspects.session", "suspects.card"
#: Suspects handed out at once, before and after the one on screen.
_BEHIND, _AHEAD = 4, 12
#: A decision needs at least this time after the image is shown: a faster one has not seen it.
_LEAST_MS = 100

NAMES = {"angular": "Angles", "neighbours": "Neighbours", "cleanlab": "cleanlab", "votes": "Votes"}
VERDICT_NAMES = {"wrong": "Likely wrong", "ambiguous": "Ambiguous", "open": "Open"}


@dataclass
class ReviewSession(Delivery):
    """Write each decision of the browser exactly once.

    `ids` is the queue by rank, fixed while `about` stays the same, so that places do not move during the review.
    `queue` is its name for the browser, `place` the one to show, `turn` the browser's last request.
    """

    about: str = ""
    queue: str = ""
    ids: tuple[int, ...] = ()
    place: int = 0
    turn: int = 0
    #: The sample of each decision that counts, by its nonce.
    samples: dict[str, int] = field(default_factory=dict)

    def set_queue(self, about: str, ids: Sequence[int]) -> None:
        """Set another queue if `about` has changed or the queue is empty: decisions may have been undone."""
        if about != self.about or not self.ids:
            self.about, self.queue, self.ids, self.place = about, uuid.uuid4().hex[:12], tuple(ids), 0

    def record(self, table: DatasetTable, every: pd.DataFrame, sent: Any) -> None:
        """Write the browser's decisions on suspects `every`; invalid ones are refused with a reason."""

        def take(entry: Entry) -> str:
            if entry.kind == "answer":
                return self._answer(table, every, entry)
            if entry.kind == "back":
                return self._retract(table, entry)
            if entry.kind == "act":
                annotate(table, [entry.id], entry.action, entry.value, who=who())
                return ""
            return "Unknown action."

        self.deliver(sent, take)

    def _answer(self, table: DatasetTable, every: pd.DataFrame, entry: Entry) -> str:
        suspect = every[every["id"] == entry.id]
        if suspect.empty or entry.task != task_of(int(suspect["suggested"].iloc[0])):
            return "This suspect is no longer in the list. Reload the page."
        if decisions.decided(table, [entry.id])[entry.id]:
            return "Someone else has already decided this one."
        if entry.choice == ACCEPT:
            decisions.accept(table, {entry.id: int(suspect["suggested"].iloc[0])}, who=who())
        else:
            decisions.keep(table, [entry.id], who=who())
        self.samples[entry.nonce] = entry.id
        self._move(entry.id, 1)
        return ""

    def _retract(self, table: DatasetTable, entry: Entry) -> str:
        id = self.samples.pop(entry.of, None)
        if id is None and self.settled.get(entry.of):
            return ""
        if id is None:
            return "There is nothing to undo."
        decisions.take_back(table, id, who=who())
        self._move(id, 0)
        return ""

    def _move(self, id: int, by: int) -> None:
        if id in self.ids:
            self.place = min(self.ids.index(id) + by, len(self.ids) - 1)


def task_of(suggested: int) -> str:
    """Return what accepting would do, as the answer carries it.

    >>> task_of(5), task_of(-1)
    ('to 5', 'none')
    """
    if suggested < 0:
        return "none"
    return f"to {suggested}"


@st.fragment
@while_allowed
def one_by_one(
    page: Opened, record: SuspectsRecord, every: pd.DataFrame, about: str, ids: Sequence[int], *, nothing: str
) -> None:
    """Show the card, which redraws itself after each decision, without the rest of the page.

    `every` has all suspects; `ids` are the undecided ones in view, by rank; `nothing` is the text without any.
    """
    say_why_not(Role.CURATOR, "Deciding on suspects")
    session = _session(f"{page.table.dataset.name}|{page.version}|{record.run}|{record.name}|{who()}")
    sent: Any = st.session_state.get(_CARD) or {}
    session.record(page.table, every, sent)
    session.set_queue(about, ids)
    request = read_place(sent.get("at"), session.queue)
    if request and request[1] != session.turn:
        session.place, session.turn = min(request[0], max(0, len(session.ids) - 1)), request[1]
    if not session.ids:
        st.info(nothing, icon=":material/task_alt:")
        return
    first = max(0, session.place - _BEHIND)
    review_card(
        suspects(page, record, every, session.ids[first : session.place + _AHEAD], first),
        key=_CARD,
        scope=session.scope,
        queue=session.queue,
        place=session.place,
        total=len(session.ids),
        receipt=session.receipt,
        least_ms=_LEAST_MS,
        health=health_url(),
        actions=key_data(page.table, _CARD),
    )


def _session(scope: str) -> ReviewSession:
    kept: ReviewSession | None = st.session_state.get(_SESSION)
    if kept is None or kept.scope != scope:
        kept = st.session_state[_SESSION] = ReviewSession(scope)
    return kept


# --- the card --------------------------------------------------------------------------------------------------


def suspects(
    page: Opened, record: SuspectsRecord, every: pd.DataFrame, ids: Sequence[int], first: int
) -> list[Suspect]:
    """Return some suspects for the card; `first` is the place of the first in the queue."""
    page.table.refresh()
    rows = every.set_index("id").loc[list(ids)].reset_index()
    now = rows_of(page.table, ids, columns=["id", "tags", "excluded"])
    rows = rows.assign(tags=now["tags"].to_numpy(), excluded=now["excluded"].to_numpy())
    states = decisions.decided(page.table, ids)
    names = page.table.classes
    return [
        _suspect(page, record, row, first + number, str(states[row["id"]]), names)
        for number, row in enumerate(rows.to_dict("records"))
    ]


def _suspect(
    page: Opened, record: SuspectsRecord, row: dict[Any, Any], place: int, state: str, names: Sequence[str]
) -> Suspect:
    dataset, version, id, suggested = page.table.dataset.name, page.version, int(row["id"]), int(row["suggested"])
    given, other = names[row["label"]], ""
    if suggested >= 0:
        other = names[suggested]

    def strip(title: str, near: Sequence[int]) -> Strip:
        return Strip(title, tuple(image_url(dataset, int(other), version=version) for other in near))

    strips = [strip(f"Nearest labelled “{given}”", row["near_given"])]
    if other:
        strips.append(strip(f"Nearest labelled “{other}”", row["near_suggested"]))
    return Suspect(
        id=id,
        place=place,
        task=task_of(suggested),
        src=image_url(dataset, id, version=version, size="full"),
        name=f"image {id}",
        given=given,
        suggested=other,
        lead=lead(row, other),
        facts=card_facts(row, names),
        rows=tuple(evidence(row, record, names)),
        strips=tuple(one for one in strips if one.images),
        state=state,
        tags=tuple(row["tags"]),
        excluded=bool(row["excluded"]),
    )


def lead(row: dict[Any, Any], suggested: str) -> str:
    """Return verdict and agreement in one line.

    >>> lead({"verdict": "wrong", "agreement": 3, "spoke": 4}, "cat")
    'Likely wrong · 3 of 4 sources say “cat”'
    """
    agree = f"{VERDICT_NAMES[row['verdict']]} · {row['agreement']} of {row['spoke']} sources"
    if suggested:
        return f"{agree} say “{suggested}”"
    return f"{agree} suggest another label"


def card_facts(row: dict[Any, Any], names: Sequence[str]) -> str:
    """Return the numbers behind the verdict."""
    given, rival = names[row["label"]], names[row["rival"]]
    parts = [
        f"AVH {row['avh']:.4f}, above {_share(row['avh_share'])} of “{given}”",
        f"AVC {row['avc_given']:.3f} on “{given}”, {row['avc_rival']:.3f} on “{rival}”",
        f"best two classes {math.degrees(row['margin']):.1f}° apart",
    ]
    return " · ".join(parts)


def evidence(row: dict[Any, Any], record: SuspectsRecord, names: Sequence[str]) -> list[Row]:
    """Return the evidence of each source on a suspect."""
    rows = []
    for source in record.sources:
        title, name, text = NAMES[source], "–", "no evidence on this sample"
        suggested, doubts = int(row[f"{source}_suggested"]), bool(row[f"{source}_doubts"])
        if source == "votes" and record.votes_simulated:
            title += " (simulated)"
        if suggested >= 0:
            name = names[suggested]
            if not doubts:
                name = f"({name})"
        if not math.isnan(row[f"{source}_score"]):
            text = _evidence_text(source, row, names, record)
        rows.append(Row(title, name, text, doubts))
    return rows


def _evidence_text(source: str, row: dict[Any, Any], names: Sequence[str], record: SuspectsRecord) -> str:
    if source == "angular":
        rival = names[row["rival"]]
        return f"AVC on “{rival}” as high as that of {_share(row['avc_share'])} of the samples with that label"
    if source == "neighbours":
        number = int(row["neighbours_known"])
        return f"{round(row['neighbours_score'] * number)} of the {number} nearest have another label"
    if source == "cleanlab":
        return f"gives “{names[row['label']]}” a probability of {row['confidence']:.3f}"
    what, suggested = "for another label", int(row["votes_suggested"])
    if record.votes_kind == "tick":
        what = "did not tick it"
    elif suggested >= 0:
        what = f"for “{names[suggested]}”"
    interval = f"95 % interval {100 * row['votes_low']:.0f}–{_share(row['votes_high'])}"
    return f"{_share(row['votes_share'])} of {int(row['votes_n'])} votes {what} ({interval})"


def _share(value: float) -> str:
    """
    >>> _share(0.256)
    '26 %'
    """
    return f"{100 * value:.0f} %"
