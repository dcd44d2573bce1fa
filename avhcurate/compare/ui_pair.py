"""Two runs on the Models page: who is right more often, per HSF bin and sample by sample, and what each finds hard."""

from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.compare import plots, run_pair
from avhcurate.compare.run_pair import RunPair
from avhcurate.compare.service import hard_for_all
from avhcurate.compare.ui import TEST_NOTE, interval_cell, runs_shown, test_cells
from avhcurate.compare.ui_images import ImageList, picked_row
from avhcurate.compare.ui_pair_charts import confusions, scatter
from avhcurate.ui import url_state
from avhcurate.ui.charts import show_chart
from avhcurate.ui.frame import Opened
from avhcurate.ui.html_table import html_table, table_row
from avhcurate.ui.page_choices import Choice, one_of
from avhcurate.ui.regions import answer
from avhcurate.ui.score_help import score_name
from avhcurate.ui.text import p_text, people


def headline(pair: RunPair) -> None:
    """Which of the two is right more often, and the samples that this is about."""
    a_only, b_only, p = pair.only
    n = len(pair.points)
    shares = [100 * pair.points[f"{side}_right"].mean() for side in "ab"]
    better = "A" if a_only > b_only else "B"
    verdict = f"{better} is right more often" if p < 0.05 else "No clear difference in accuracy"
    st.markdown(
        f"**{verdict}**: A {shares[0]:.1f} %, B {shares[1]:.1f} % of {n:,} samples; {a_only:,} only A has right, "
        f"{b_only:,} only B (McNemar, {p_text(p)})."
    )
    missing = zip("AB", pair.left_out, strict=True)
    if reasons := "; ".join(f"{left:,} without a score of {run}" for run, left in missing if left):
        st.caption(f"{pair.labelled - n:,} of {pair.labelled:,} labelled samples in view are left out: {reasons}.")


def listing(page: Opened, pair: RunPair, part: str) -> tuple[ImageList | None, int | None]:
    """Draws a part of the page about two runs; the samples that it lists, and the id of a point just clicked."""
    if part == "scatter":
        return scatter(page, pair)
    if part == "pair":
        return who_is_right(pair), None
    if part == "confusion":
        return confusions(page, pair), None
    return hard_for(page, pair), None


def who_is_right(pair: RunPair) -> ImageList | None:
    """People, A and B per HSF bin, the test of both against HSF, and the combinations of right and wrong."""
    rows = run_pair.who_is_right(pair)
    if pair.voted:
        names = {"people": f"majority · {_people(pair)}", "a": f"A · {pair.titles[0]}", "b": f"B · {pair.titles[1]}"}
        show_chart(plots.who_is_right(rows, names, simulated=pair.simulated), key="models.right")
    else:
        st.caption("Without human votes there are no HSF bins, and no majority to compare with A and B.")
    st.html(_right_html(rows, majority=_people(pair) if pair.voted else ""))
    if pair.voted:
        st.caption(
            "Share right with Wilson's 95 % interval, over the samples that have votes. The majority is right where "
            "the given label has more votes than any other class (of ticks: more than half). The bins come from the "
            "same votes, so in low bins it is mostly wrong."
        )
        st.header(f"Which of the two follows {people(pair.simulated)} more closely")
        st.html(_agreement_html(pair))
        st.caption(TEST_NOTE)
    st.header("Right and wrong together")
    return _outcomes(pair)


def _people(pair: RunPair) -> str:
    return "panel (simulated)" if pair.simulated else "people"


def _read_outcome(text: str) -> str:
    if len(text) != 3 or text[0] not in "10-" or not set(text[1:]) <= set("10"):
        raise ValueError(text)
    return text


OUTCOME = Choice("models.outcome", "", _read_outcome)


def _outcomes(pair: RunPair) -> ImageList | None:
    """All combinations with their counts; the images of the one whose row is chosen."""
    table = run_pair.outcomes(pair)
    shown = pd.DataFrame(
        {
            **({_people(pair).capitalize(): [_verdict(one) for one in table["people"]]} if pair.voted else {}),
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
    by_people, a, b = (None if sign == "-" else sign == "1" for sign in code)
    ids = run_pair.with_outcome(pair, by_people, bool(a), bool(b))
    who = [*([(_people(pair), by_people)] if by_people is not None else []), ("A", a), ("B", b)]
    title = ", ".join(f"{name} {_verdict(right)}" for name, right in who)
    return ImageList(f"{title[0].upper()}{title[1:]}", ids.tolist())


def _verdict(right: object) -> str:
    return "right" if right else "wrong"


def _code(row: Any) -> str:
    return f"{'-' if row.people is None else int(row.people)}{int(row.a)}{int(row.b)}"


def _agreement_html(pair: RunPair) -> str:
    """Run A against run B: agreement with HSF by score, over all samples and per bin."""
    rows = [
        table_row(escape(score_name(str(row.score))), [escape(str(row.bin)), *test_cells(row)])
        for row in pair.tests.itertuples()
    ]
    return html_table(["Score", "HSF bin", "n", "A", "B", "Difference of z", "p"], rows)


def _right_html(rows: pd.DataFrame, *, majority: str) -> str:
    """Shares right of A, B and, where it has a name, the `majority`: a row an HSF bin."""
    heads = ["Votes for the label", f"Majority<small>{majority}</small>"] if majority else []
    body = []
    for row in rows.to_dict("records"):
        cells = [f"{row['n']:,}"]
        if majority:
            share = "–" if row["share"] != row["share"] else f"{100 * row['share']:.1f} %"
            cells += [share, interval_cell(row, "people", 1, percent=True)]
        cells += [interval_cell(row, side, 1, percent=True) for side in "ab"]
        body.append(table_row(escape(row["bin"]), cells))
    return html_table(["HSF bin", "n", *heads, "A", "B"], body)


# --- hard for one, or for all -------------------------------------------------------------------------------------

#: The sets of the gallery, in words.
SETS = {"a": "Hard for A, easy for B", "b": "Hard for B, easy for A", "all": "Hard for all runs"}
SET = one_of("models.set", tuple(SETS), "a")
#: Ends of the slider.
_LEAST_CUT, _MOST_CUT = 0.05, 0.95


def _read_cuts(text: str) -> tuple[float, float]:
    easy, hard = map(float, text.split(":"))
    if not _LEAST_CUT <= easy <= hard <= _MOST_CUT:
        raise ValueError(text)
    return easy, hard


CUTS = Choice("models.cuts", (0.5, 0.8), _read_cuts, lambda cuts: f"{cuts[0]:g}:{cuts[1]:g}")


def hard_for(page: Opened, pair: RunPair) -> ImageList:
    """The samples of one of `SETS`. "all" refers to the runs of the part "All runs"."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = SET.show(
            st.segmented_control, "Set", page.view, SETS, on_change=SET.restart, label_visibility="collapsed"
        )
        easy, hard = CUTS.show(
            st.slider,
            f"Percentiles of {score_name(pair.measure)}: easy up to, hard from",
            page.view,
            _LEAST_CUT,
            _MOST_CUT,
            step=0.05,
            on_change=CUTS.restart,
            width=300,
        )
    if chosen == "all":
        side_by_side = runs_shown(page)
        ids, n = hard_for_all(side_by_side, hard=hard), len(side_by_side.ids)
        what = f"at or above percentile {100 * hard:.0f} of hardness in each of {len(side_by_side.ranks)} runs"
        order = "highest mean percentile first"
    else:
        ids, n = run_pair.hard_for_one(pair, for_a=chosen == "a", easy=easy, hard=hard), len(pair.points)
        one, other = ("A", "B") if chosen == "a" else ("B", "A")
        name = score_name(pair.measure)
        what = f"at or above percentile {100 * hard:.0f} of {name} of {one}, at or below {100 * easy:.0f} of {other}"
        order = "widest difference first"
    share = 100 * len(ids) / n if n else 0.0
    st.caption(
        f"n {len(ids):,} of {n:,} ({share:.1f} %) · {what} · {order}. A percentile is the share of the compared "
        "samples with a lower value, ties counted half."
    )
    return ImageList(SETS[chosen], ids.tolist())
