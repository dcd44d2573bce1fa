"""Two runs on the Models page: who is right more often, per HSF bin and sample by sample."""

from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.compare import pair, plots
from avhcurate.compare import ui_tables as tables
from avhcurate.compare.pair import RunPair
from avhcurate.compare.ui_confusions import confusions
from avhcurate.compare.ui_hard import hard_for
from avhcurate.compare.ui_images import ImageList, picked_row
from avhcurate.compare.ui_scatter import scatter
from avhcurate.ui import url_state
from avhcurate.ui.charts import show_chart
from avhcurate.ui.frame import Opened
from avhcurate.ui.page_choices import Choice
from avhcurate.ui.region_chart import answer
from avhcurate.ui.text import p_text


def headline(found: RunPair) -> None:
    """Which of the two is right more often, and the samples that this is about."""
    a_only, b_only, p = found.only
    n = len(found.points)
    shares = [100 * found.points[f"{side}_right"].mean() for side in "ab"]
    if p < 0.05:
        better = "A" if a_only > b_only else "B"
        said = f"**{better} is right more often**"
    else:
        said = "**No clear difference in accuracy**"
    st.markdown(
        f"{said}: A {shares[0]:.1f} %, B {shares[1]:.1f} % of {n:,} samples; {a_only:,} only A has right, "
        f"{b_only:,} only B (McNemar, {p_text(p)})."
    )
    missing = zip("AB", found.left_out, strict=True)
    out = "; ".join(f"{left:,} without a score of {run}" for run, left in missing if left)
    if out:
        st.caption(f"{found.labelled - n:,} of {found.labelled:,} labelled samples in view are left out: {out}.")


def listing(here: Opened, found: RunPair, part: str) -> tuple[ImageList | None, int | None]:
    """Draws a part of the page about two runs; the samples that it lists, and the id of a point just clicked."""
    if part == "scatter":
        return scatter(here, found)
    if part == "pair":
        return who_is_right(found), None
    if part == "confusion":
        return confusions(here, found), None
    return hard_for(here, found), None


def who_is_right(found: RunPair) -> ImageList | None:
    """People, A and B per HSF bin, the test of both against HSF, and the combinations of right and wrong."""
    rows = pair.who_is_right(found)
    if found.voted:
        names = {"people": f"majority · {_people(found)}", "a": f"A · {found.titles[0]}", "b": f"B · {found.titles[1]}"}
        show_chart(plots.who_is_right(rows, names, simulated=found.simulated), key="models.right")
    else:
        st.caption("Without human votes there are no HSF bins, and nobody to set beside A and B.")
    st.html(tables.right_html(rows, majority=_people(found) if found.voted else ""))
    if found.voted:
        st.caption(
            "Share right with Wilson's 95 % interval, over the samples that have votes. The majority is right where "
            "the given label has more votes than any other class (of ticks: more than half). The bins are made of the "
            "same votes, so low bins are those where it is mostly wrong."
        )
        st.subheader(f"Which of the two follows {tables.people(found.simulated)} more closely")
        st.html(tables.agreement_html(found))
        st.caption(tables.TEST_NOTE)
    st.subheader("Right and wrong together")
    return _outcomes(found)


def _people(found: RunPair) -> str:
    return "panel (simulated)" if found.simulated else "people"


def _read_outcome(text: str) -> str:
    if len(text) != 3 or text[0] not in "10-" or not set(text[1:]) <= set("10"):
        raise ValueError(text)
    return text


OUTCOME = Choice("models.outcome", "", _read_outcome)


def _outcomes(found: RunPair) -> ImageList | None:
    """All combinations with their counts; the images of the one whose row is chosen."""
    table = pair.outcomes(found)
    shown = pd.DataFrame(
        {
            **({_people(found).capitalize(): [_verdict(one) for one in table["people"]]} if found.voted else {}),
            "A": [_verdict(one) for one in table["a"]],
            "B": [_verdict(one) for one in table["b"]],
            "Samples": table["n"],
            "Share": 100 * table["share"],
        }
    )
    row = picked_row(shown, OUTCOME, key="models.outcomes", share="Share")
    codes = [_code(one) for one in table.itertuples()]
    if row is not None:
        answer(OUTCOME, codes[row])
        st.rerun()
    if (code := OUTCOME.of(url_state.current())) not in codes:
        st.caption("Select a row to see its images.")
        return None
    people, a, b = (None if sign == "-" else sign == "1" for sign in code)
    ids = pair.with_outcome(found, people, bool(a), bool(b))
    who = [*([(_people(found), people)] if people is not None else []), ("A", a), ("B", b)]
    title = ", ".join(f"{name} {_verdict(right)}" for name, right in who)
    return ImageList(f"{title[0].upper()}{title[1:]}", ids.tolist())


def _verdict(right: object) -> str:
    return "right" if right else "wrong"


def _code(row: Any) -> str:
    return f"{'-' if row.people is None else int(row.people)}{int(row.a)}{int(row.b)}"
