"""Help on scores: name, format, direction, and a popover with formula, range and source."""

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.measures.scores import PREDICTIONS, Score
from avhcurate.ui.base.text import shortened
from avhcurate.ui.base.user_errors import plain
from avhcurate.workspace.images.measures import MEASURES, RANKED

#: Names of columns.
_NAMES = {key: score.name for key, score in RANKED.items()}
_NAMES |= {"hsf": "HSF", "votes": "Votes", "id": "Position", "avh_parent": "AVH of the parent"}
#: Columns of whole numbers, and characters of a text of the user's on a tile.
_WHOLE = ("votes", "id", "forgetting", "train_forgetting")
_LONGEST = 60
#: Names of the selection rules of `pseudo_labels.rules`.
RULE_NAMES = {
    "confidence": "Confidence",
    "avc": "AVC",
    "avc-centred": "AVC, centred",
    "lrent": "LRENT",
    "mrkld": "MRKLD",
    "avc-lrent": "AVC + LRENT",
    "avc-mrkld": "AVC + MRKLD",
}


def score_name(key: str) -> str:
    """Return the name of a column on a page.

    >>> score_name("avh"), score_name("hsf"), score_name("age")
    ('AVH', 'HSF', 'age')
    """
    return _NAMES.get(key, key)


def column_name(key: str, longest: int = 60) -> str:
    """Return the same for Markdown, where a user's name is not read as markup, shortened to `most` characters.

    >>> column_name("avh"), column_name("*age*")
    ('AVH', '\\\\*age\\\\*')
    """
    return plain(shortened(score_name(key), longest))


def format_score(key: str, value: Any) -> str:
    """Return a value of any column, short enough for a tile.

    >>> format_score("avh", 0.08), format_score("hsf", 0.5), format_score("votes", 50.0), format_score("loss", 1e-9)
    ('0.0800', '0.50', '50', '1e-09')
    >>> format_score("age", 7), format_score("blurred", True), format_score("size", float("nan"))
    ('7', 'yes', '–')
    """
    if pd.api.types.is_list_like(value):
        return shortened(", ".join(map(str, value)), _LONGEST) or "–"
    if pd.isna(value) or value == "":
        return "–"
    if isinstance(value, bool | np.bool_):
        return ("no", "yes")[int(value)]
    if not isinstance(value, Real):
        return shortened(str(value).removesuffix(" 00:00:00"), _LONGEST)
    if isinstance(value, Integral) or key in _WHOLE or (key in MEASURES and MEASURES[key].whole):
        return f"{value:,.0f}"
    if key == "hsf" or key in PREDICTIONS:
        return f"{value:.2f}"
    if value and not 1e-4 <= abs(float(value)) < 1000:
        return f"{value:.3g}"
    return f"{value:.4f}"


def direction(key: str) -> str:
    """Return which end of a score is the hard one.

    >>> direction("avh"), direction("hsf")
    ('high means harder', 'low means harder for people')
    """
    if key in MEASURES:
        return f"low: {MEASURES[key].low_end}, high: {MEASURES[key].high_end}"
    if key == "human_gap":
        return "high: hard only for the network, low: hard only for people"
    if key in RANKED:
        return f"{RANKED[key].harder} means harder"
    return {"hsf": "low means harder for people"}.get(key, "")


def explain_scores(keys: Iterable[str]) -> None:
    """Draw formula, range, direction and source of each score, in a menu *Help*."""
    for name in keys:
        if name == "hsf":
            st.markdown("**HSF** — human selection frequency: share of people's votes that chose the given label.")
            st.latex(r"\mathrm{HSF}(x) = \mathrm{votes}_y(x) \,/\, \mathrm{votes}(x)")
            st.caption(f"Range 0 to 1 · {direction('hsf')}")
        elif name in RANKED:
            _explain(RANKED[name])


def _explain(score: Score) -> None:
    st.markdown(f"**{score.name}** — {score.sentence}")
    if score.formula:
        st.latex(score.formula)
    parts = [f"Range {score.low} to {score.high} {score.unit}".strip(), direction(score.key)]
    if score.needs_label:
        parts.append("needs a label")
    st.caption(f"{' · '.join(parts)}  \n{score.reference}")
