"""Which votes HSF uses: those of one kind, by the annotators who count."""

from dataclasses import dataclass

import numpy as np

from avhcurate.people.annotators import LEAST_CONTROLS
from avhcurate.people.grids import CONTROLS
from avhcurate.people.log_columns import ResponseColumns

#: The votes that HSF can come from. The first two kinds are different measures and are never added up.
SOURCES = {
    "wanted": "imported votes, until half of the images have as many collected ones of another kind as wanted",
    "auto": "the kind with more human votes, or simulated ones where there are none",
    "k-way": "votes for one of the classes (which class is this?)",
    "tick": "ticks for the given label (does this belong to the class?)",
    "simulated": "votes of simulated annotators",
}
#: The design of the app that gives each kind of votes.
DESIGN_OF = {"k-way": "classify", "tick": "select", "simulated": "", None: ""}
#: Kinds of the choice, and of the settings of a collection, among the choices of the log.
CHOICE, SETTINGS = "source", "collection"


@dataclass(frozen=True)
class HsfSource:
    """The votes that HSF uses now, by the `choice` that holds (a key of SOURCES); `key` None without any votes.

    imported, collected: votes of either origin. annotators: those whose collected votes count; left_out: those whose
    do not. control_filter: least share of right answers to controls, None for no limit.
    """

    key: str | None = None
    choice: str = "auto"
    control_filter: float | None = None
    imported: int = 0
    collected: int = 0
    annotators: int = 0
    left_out: int = 0


def source_choice(columns: ResponseColumns) -> tuple[str, float | None]:
    """Return the choice that holds: a key of SOURCES, and the least control accuracy of an annotator who counts."""
    key, _, limit = columns.choices.get(CHOICE, "auto ").partition(" ")
    if not limit:
        return key, None
    return key, float(limit)


def left_out(columns: ResponseColumns, design: str, control_filter: float | None) -> np.ndarray:
    """Return the numbers of the annotators whose answers do not count: excluded, or below the control accuracy.

    An annotator included by hand counts in any case.
    """
    actions = np.array([columns.statuses.get(name, ("",))[0] for name in columns.annotators.texts], object)
    excluded = actions == "exclude"
    if control_filter is not None:
        right, controls = control_hits(columns, design)
        excluded |= (controls >= LEAST_CONTROLS) & (right < control_filter * controls) & (actions != "include")
    return np.flatnonzero(excluded)


def control_hits(columns: ResponseColumns, design: str) -> tuple[np.ndarray, np.ndarray]:
    """Return right answers to controls, and controls, of each annotator in a design."""
    rows = columns.rows
    rows = rows[rows["standing"] & columns.of_design(design) & (rows["control"] != 0)]
    kind = np.array(CONTROLS)[rows["control"]]
    attention = kind == "attention"
    right = np.where(attention, rows["answer"] == rows["expected"], (rows["selected"] == 1) == (kind == "positive"))
    checkable = np.isin(kind, ["positive", "negative"]) | (attention & (rows["expected"] >= 0))
    number = len(columns.annotators.texts)
    hits = rows["annotator"][right & checkable]
    trials = rows["annotator"][checkable]
    return np.bincount(hits, minlength=number), np.bincount(trials, minlength=number)
