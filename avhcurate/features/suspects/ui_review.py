"""Suspects one by one: the queue of a session, its card, and the decisions on suspects."""

import math
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.sample import rows_of
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError
from avhcurate.features.annotate.setup import CollectionSettings, configure, settings_of
from avhcurate.features.suspects import decisions as deciding
from avhcurate.features.suspects import stopping
from avhcurate.features.suspects.rules import SOURCES, VERDICTS
from avhcurate.features.suspects.service import SHOWN
from avhcurate.features.suspects.store import SuspectsRecord, suspects_at
from avhcurate.features.suspects.suggestions import suggested_now, support, suspects_now
from avhcurate.features.suspects.ui import SuspectsInView
from avhcurate.networks.neighbours.graph import NeighbourGraph
from avhcurate.people.asked import ASKED, PEOPLE, answers_about
from avhcurate.ui.base.frame import Opened, while_allowed
from avhcurate.ui.base.signin import say_why_not, who
from avhcurate.ui.base.text import counted
from avhcurate.ui.components.review import NamedClass, Row, Strip, Suspect, read_place, review_card
from avhcurate.ui.grid.grid_bar import decision_context, key_data
from avhcurate.ui.server.decisions import Decision, Reply, Takers
from avhcurate.ui.server.image_routes import image_url
from avhcurate.workspace.data.people import Role, user
from avhcurate.workspace.data.prediction import PredictionFolder
from avhcurate.workspace.data.runs import RunFolder

_SESSION = "suspects.session"
_CARD = "suspects.card"
#: Suspects handed out at once, before and after the one on screen.
_BEHIND = 4
_AHEAD = 12
#: Decisions that tell how far down the list it pays to go, and suspects among which they are searched.
_LAST = 20
_SEARCHED = 400
_WERE = ("were", "was")
#: A decision needs at least this time after the image is shown: a faster one has not seen it.
_LEAST_MS = 100


# --- decisions ----------------------------------------------------------------------------------------------------


def _accept(votes: Votes, decisions: Decisions, decision: Decision) -> Reply:
    """Relabel the undecided suspects of a list as is suggested now; one image as the class `value` that is named."""
    found = suspects_now(decisions.samples, votes, suspects_at(decisions.dataset, decision.of)).set_index("id")
    found = found.loc[found.index.intersection(_undecided(decisions, decision), sort=False)]
    if decision.value is None:
        labels = found["suggested"]
    else:
        labels = pd.Series(int(decision.value), found.index)[[decision.value in named for named in found["named"]]]
    labels = labels[labels >= 0]
    if labels.empty:
        return Reply("No other label is suggested here any more. Reload the page.")
    deciding.accept(decisions, dict(zip(labels.index.tolist(), labels.tolist(), strict=True)))
    return Reply(text=f"{counted(len(labels), 'image')} relabelled as suggested", undo=True)


def _keep(decisions: Decisions, decision: Decision) -> Reply:
    ids = _undecided(decisions, decision)
    deciding.keep(decisions, ids)
    return Reply(text=f"{counted(len(ids), 'image')} keep their label", undo=True)


def _undecided(made: Decisions, decision: Decision) -> list[int]:
    made.refresh()
    made.samples.paths_of(decision.images)  # refuses unknown ids
    states = deciding.states(made.samples, decision.images)
    if not (states == "").any():
        raise CurateError("Someone else has already decided this.")
    return states.index[states == ""].tolist()


def _ask(
    run: RunFolder | None, votes: Votes, decisions: Decisions, prediction: PredictionFolder | None, decision: Decision
) -> Reply:
    """Put images first in the queue of Annotate; where no votes are collected, set up a collection of these alone."""
    if settings_of(votes) is None:
        settings = CollectionSettings(design="classify", queue="asked", skip=True)
        configure(votes, run, prediction, settings, who=user())
    count = annotate(decisions, decision.images, "tag", ASKED)
    return Reply(text=f"{PEOPLE} people are asked about {counted(count, 'image')}", undo=count > 0)


#: What is decided about suspects, by kind of decision.
TAKERS: Takers = {"accept": _accept, "keep": _keep, "ask": _ask}


# --- the queue ----------------------------------------------------------------------------------------------------


@dataclass
class ReviewSession:
    """The suspects that a person goes through.

    `ids` is the queue by rank, which only grows while `subject` stays the same, so that positions do not move during
    the review.
    `queue` is its name for the browser, `position` the one to show, `turn` the browser's last request.
    """

    subject: str = ""
    ids: list[int] = field(default_factory=list)
    queue: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    position: int = 0
    turn: int = 0

    def move(self, sent: Any) -> None:
        """Go to the place that the browser asks for, once."""
        request = read_place(sent, self.queue)
        if request and request[1] != self.turn:
            self.position = min(request[0], max(0, len(self.ids) - 1))
            self.turn = request[1]


@st.fragment
@while_allowed
def one_by_one(page: Opened, shown: SuspectsInView) -> None:
    """Show the card, which redraws itself after each decision, without the rest of the page."""
    say_why_not(Role.CURATOR, "Deciding on suspects")
    page.opened.refresh()
    page = replace(page, entry=page.samples.entry)
    record = shown.record
    rows = suggested_now(page.samples, page.votes, record, shown.suspects).set_index("id", drop=False)
    scope = f"{page.dataset.name}|{page.version}|{record.address}|{who()}"
    query = f"{scope} {shown.subject}"
    session: ReviewSession = st.session_state.setdefault(_SESSION, ReviewSession())
    if session.subject != query or not session.ids:  # decisions may have been undone
        session = ReviewSession(query, shown.open["id"].tolist(), turn=session.turn)
        st.session_state[_SESSION] = session
    undecided = deciding.undecided_ids(page.samples, shown.in_view["id"].tolist())
    session.ids += set(undecided) - set(session.ids)  # a decision was taken back after the queue was made
    session.move((st.session_state.get(_CARD) or {}).get("at"))
    if not session.ids:
        st.info(shown.nothing, icon=":material/task_alt:")
        return
    first = max(0, session.position - _BEHIND)
    review_card(
        suspects(page, record, rows.loc[session.ids[first : session.position + _AHEAD]], first),
        key=_CARD,
        scope=scope,
        queue=session.queue,
        of=record.address,
        place=session.position,
        total=len(session.ids),
        left=len(undecided),
        tally=_tally(page, shown.suspects.set_index("id")["doubt"], session.ids[session.position]),
        echo=session.turn,
        least_ms=_LEAST_MS,
        actions=key_data(page, _CARD),
        **decision_context(page),
    )


def _tally(page: Opened, doubt: pd.Series, id: int) -> str:
    """Return how many of the last decisions, up the list from a sample, found a wrong label, or from some number on how
    many of the next will: it tells when to stop. `doubt` is by id, in the order of the list.
    """
    ids = doubt.index.tolist()
    position = ids.index(id)
    states = deciding.states(page.samples, ids[max(0, position - _SEARCHED) : position + stopping.NEXT])
    past = states[states != ""]
    following = states[states == ""].index[: stopping.NEXT]
    if len(past) >= stopping.FROM and len(following):
        changed = (past == "accepted").to_numpy()
        return stopping.forecast(doubt[past.index].to_numpy(), changed, doubt[following].to_numpy()).text
    last = past.tail(_LAST)
    wrong = int((last == "accepted").sum())
    if last.empty:
        return "Go on until few of the last 20 were wrong."
    return f"Of {len(last)} you looked at last, {wrong} {_WERE[wrong == 1]} wrong."


# --- the card --------------------------------------------------------------------------------------------------


def suspects(page: Opened, record: SuspectsRecord, rows: pd.DataFrame, first: int) -> list[Suspect]:
    """Return some suspects for the card; `first` is the place of the first in the queue."""
    page.opened.refresh()
    ids = rows["id"].tolist()
    now = rows_of(page.samples, ids, columns=["id", "tags", "excluded"]).to_dict("records")
    states = deciding.states(page.samples, ids)
    answers = answers_about(page.votes, [state["id"] for state in now if ASKED in state["tags"]])
    return [
        _suspect(page, record, row, position, states[row["id"]], state, answers.get(row["id"]))
        for position, (row, state) in enumerate(zip(rows.to_dict("records"), now, strict=True), first)
    ]


def _suspect(
    page: Opened,
    record: SuspectsRecord,
    row: dict[Any, Any],
    position: int,
    decision: str,
    state: dict[Any, Any],
    answers: Counter[str] | None,
) -> Suspect:
    names = page.samples.classes
    id = row["id"]
    url = partial(image_url, page.samples)
    given_name = names[row["label"]]
    strips = [(given_name, row["near_given"])]
    strips += [(names[label], _near(page.samples, page.opened.neighbours, row, label)) for label in _classes(row)]
    return Suspect(
        id=id,
        place=position,
        choices=tuple(NamedClass(label, names[label]) for label in row["named"].tolist()),
        suggested=int(row["suggested"]),
        src=url(id, size="full"),
        name=f"image {id}",
        given=given_name,
        lead=f"{VERDICTS[row['verdict']]} · {_lead(row, names)}",
        facts=card_facts(row, names),
        rows=(*evidence(row, record, names), *asked_row(answers, given_name)),
        strips=tuple(Strip(f"Nearest labelled “{name}”", tuple(map(url, ids))) for name, ids in strips if len(ids)),
        state=decision,
        tags=tuple(state["tags"]),
        excluded=bool(state["excluded"]),
        asked=answers is not None,
    )


def _lead(row: dict[Any, Any], names: Sequence[str]) -> str:
    """Return what most people asked say, or else most sources of weight, and who names it."""
    if row["suggested"] >= 0:
        return f"{support(row)} say “{names[row['suggested']]}”"
    if 2 * row["people"] > row["answered"]:
        return support(row)
    return f"{support(row)} names another class"


def _classes(row: dict[Any, Any]) -> list[int]:
    """Return the classes of which the card shows images: those named, and that which was suggested at first."""
    return [label for label in dict.fromkeys([*row["named"].tolist(), row["near_class"]]) if label >= 0]


def _near(samples: SampleTable, neighbours: NeighbourGraph | None, row: dict[Any, Any], label: int) -> list[int]:
    """Return the nearest images of a class: those kept with the list, or those among the nearest of any class."""
    if label == row["near_class"]:
        return list(row["near_suggested"])
    if neighbours is None:
        return []
    near = neighbours.nearest(row["id"], count=neighbours.record.count).ids.tolist()
    labels = rows_of(samples, near, columns=["id", "label"])
    return labels["id"][(labels["label"] == label).to_numpy(bool, na_value=False)].tolist()[:SHOWN]


def asked_row(answers: Counter[str] | None, given: str) -> list[Row]:
    """Return what people have answered who were asked about a suspect; nothing where none were.

    >>> asked_row(Counter({"bird": 2, "cat": 1}), "cat")
    [Row(source='People asked', label='bird', text='3 of 3 answered: 2 × “bird”, 1 × “cat”', doubts=True)]
    """
    if answers is None:
        return []
    texts = [f"{n} × “{name}”" for name, n in answers.most_common()]
    text = f"{answers.total()} of {max(PEOPLE, answers.total())} answered: {', '.join(texts) or 'nobody yet'}"
    ((name, _),) = answers.most_common(1) or [("–", 0)]
    return [Row("People asked", name, text, bool(answers) and name != given)]


def card_facts(row: dict[Any, Any], names: Sequence[str]) -> str:
    """Return the numbers behind the verdict."""
    name = names[row["label"]]
    rival = names[row["rival"]]
    if "avh" not in row:
        return f"“{name}” has a probability of {row['confidence']:.3f}; “{rival}” is the likeliest other class"
    return (
        f"AVH {row['avh']:.4f}, above {row['avh_share']:.0%} of “{name}” · AVC {row['avc_given']:.3f} on “{name}”, "
        f"{row['avc_rival']:.3f} on “{rival}” · best two classes {math.degrees(row['margin']):.1f}° apart"
    )


def evidence(row: dict[Any, Any], record: SuspectsRecord, names: Sequence[str]) -> list[Row]:
    """Return the evidence of each source on a suspect."""
    rows = []
    for source in record.sources:
        title = SOURCES[source]
        name = "–"
        text = "no evidence on this image"
        suggested = int(row[f"{source}_suggested"])
        doubts = bool(row[f"{source}_doubts"])
        if source == "votes" and record.simulated:
            title += " (simulated)"
        if suggested >= 0:
            name = names[suggested]
            if not doubts:
                name = f"({name})"
        if not math.isnan(row[f"{source}_score"]):
            text = _evidence_text(source, row, names)
        rows.append(Row(title, name, text, doubts))
    return rows


def _evidence_text(source: str, row: dict[Any, Any], names: Sequence[str]) -> str:
    match source:
        case "angular":
            rival = names[row["rival"]]
            return f"AVC on “{rival}” as high as that of {row['avc_share']:.0%} of the images with that label"
        case "neighbours":
            number = int(row["neighbours_known"])
            return f"{round(row['neighbours_score'] * number)} of the {number} nearest have another label"
        case "cleanlab":
            return f"gives “{names[row['label']]}” a probability of {row['confidence']:.3f}"
    side = "against the label"
    if row["votes_suggested"] >= 0:
        side = f"for “{names[int(row['votes_suggested'])]}”"
    interval = f"95 % interval {row['votes_low']:.0%} to {row['votes_high']:.0%}"
    return f"{row['votes_share']:.0%} of {int(row['votes_n'])} votes {side} ({interval})"
