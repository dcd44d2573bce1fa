"""Samples on the Models page that are hard for one run and easy for the other, or hard for all."""

import streamlit as st

from avhcurate.compare import pair, service, ui
from avhcurate.compare.pair import RunPair
from avhcurate.compare.ui_images import ImageList
from avhcurate.ui.frame import Opened
from avhcurate.ui.page_choices import Choice, one_of

#: The sets of the gallery, in words.
SETS = {"a": "Hard for A, easy for B", "b": "Hard for B, easy for A", "all": "Hard for all runs"}
SET = one_of("models.set", tuple(SETS), "a")
#: Between which the slider moves.
_LEAST_CUT, _MOST_CUT = 0.05, 0.95


def _read_cuts(text: str) -> tuple[float, float]:
    easy, hard = map(float, text.split(":"))
    if not _LEAST_CUT <= easy <= hard <= _MOST_CUT:
        raise ValueError(text)
    return easy, hard


CUTS = Choice("models.cuts", (0.5, 0.8), _read_cuts, lambda cuts: f"{cuts[0]:g}:{cuts[1]:g}")


def hard_for(here: Opened, found: RunPair) -> ImageList:
    """The samples of one of `SETS`. What is hard for all is so for all runs of the part "All runs"."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = SET.show(
            st.segmented_control, "Set", here.view, SETS, on_change=SET.restart, label_visibility="collapsed"
        )
        easy, hard = CUTS.show(
            st.slider,
            "Percentiles of AVH: easy up to, hard from",
            here.view,
            _LEAST_CUT,
            _MOST_CUT,
            step=0.05,
            on_change=CUTS.restart,
            width=300,
        )
    if chosen == "all":
        side_by_side = ui.shown(here)
        ids, n = service.hard_for_all(side_by_side, hard=hard), len(side_by_side.samples)
        what = f"at or above percentile {100 * hard:.0f} of AVH in each of {len(side_by_side.ranks)} runs"
        order = "highest mean percentile first"
    else:
        ids, n = pair.hard_for_one(found, for_a=chosen == "a", easy=easy, hard=hard), len(found.points)
        one, other = ("A", "B") if chosen == "a" else ("B", "A")
        what = f"at or above percentile {100 * hard:.0f} of AVH of {one}, at or below {100 * easy:.0f} of {other}"
        order = "widest difference first"
    share = 100 * len(ids) / n if n else 0.0
    st.caption(
        f"n {len(ids):,} of {n:,} ({share:.1f} %) · {what} · {order}. A percentile is the share of the compared "
        "samples with a lower AVH, ties counted half."
    )
    return ImageList(SETS[chosen], ids.tolist())
