"""Which votes HSF uses: those of one kind, by the annotators who count."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from avhcurate.votes.annotators import ExclusionRule
from avhcurate.votes.grids import CONTROLS
from avhcurate.votes.log_columns import ResponseColumns

Key = Literal["k-way", "tick", "simulated"]
#: What HSF can come from. The first two are different measures, and are never added up.
SOURCES = {
    "auto": "whichever has more human votes; simulated ones where there are none",
    "k-way": "votes for one of the classes (which class is this?)",
    "tick": "ticks for the given label (does this belong to the class?)",
    "simulated": "votes of simulated annotators",
}
#: Kind of the choice among the choices of the log.
CHOICE = "source"
_NONE, _POSITIVE, _NEGATIVE, _ATTENTION = (
    CONTROLS.index(name) for name in ("none", "positive", "negative", "attention")
)


@dataclass(frozen=True)
class HsfSource:
    """The votes that HSF uses now, of what was `chosen` (a key of SOURCES); `key` None without any votes.

    imported, collected: votes of either origin. annotators: those whose collected votes count; left_out: those whose
    do not. control_filter: least share of right answers to controls, None for no limit.
    """

    key: Key | None
    chosen: str
    control_filter: float | None
    imported: int
    collected: int
    annotators: int
    left_out: int


@dataclass(frozen=True)
class SourceChoice:
    """Which votes HSF is to use: a key of SOURCES, and the least control accuracy of an annotator who counts."""

    key: str = "auto"
    control_filter: float | None = None

    @classmethod
    def of(cls, columns: ResponseColumns) -> "SourceChoice":
        """The choice that stands in the log."""
        key, _, limit = columns.choices.get(CHOICE, "auto ").partition(" ")
        return cls(key, float(limit) if limit else None)

    @property
    def text(self) -> str:
        """The choice as it is written in the log.

        >>> SourceChoice("tick", 0.7).text
        'tick 0.7'
        """
        return f"{self.key} {'' if self.control_filter is None else repr(float(self.control_filter))}"


def left_out(columns: ResponseColumns, classify: bool, control_filter: float | None) -> np.ndarray:
    """Numbers of the annotators whose answers do not count: excluded by hand, or below the control accuracy.

    An annotator included by hand counts whatever the rule says.
    """
    names = columns.annotators.texts
    actions = {name: action for name, (action, _, _) in columns.statuses.items()}
    excluded = np.array([actions.get(name) == "exclude" for name in names], bool)
    if control_filter is not None:
        right, controls = control_hits(columns, classify)
        judged = controls >= max(1, ExclusionRule().least_controls)
        included = np.array([actions.get(name) == "include" for name in names], bool)
        excluded |= judged & (right < control_filter * controls) & ~included
    return np.flatnonzero(excluded)


def control_hits(columns: ResponseColumns, classify: bool) -> tuple[np.ndarray, np.ndarray]:
    """Right answers to controls, and controls, of each annotator in one design: (annotators,) each."""
    rows = columns.rows
    rows = rows[rows["standing"] & (rows["classify"] == classify) & (rows["control"] != _NONE)]
    control = rows["control"]
    right = np.select(
        [control == _POSITIVE, control == _NEGATIVE, control == _ATTENTION],
        [rows["selected"] == 1, rows["selected"] == 0, rows["answer"] == rows["expected"]],
        False,
    )
    judged = np.isin(control, (_POSITIVE, _NEGATIVE)) | ((control == _ATTENTION) & (rows["expected"] >= 0))
    number = len(columns.annotators.texts)
    hits, trials = rows["annotator"][right & judged], rows["annotator"][judged]
    return np.bincount(hits, minlength=number), np.bincount(trials, minlength=number)
