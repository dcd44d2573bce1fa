"""Parts of the Models page about two runs: who is right, AVH against AVH, confusions, and what is hard for one of them.

Every part ends in one list of samples, shown as a grid: see `images`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.curation.bins import bin_labels
from avhcurate.plots import models as plots
from avhcurate.services import comparing
from avhcurate.services.comparing import Pair
from avhcurate.ui import models, state
from avhcurate.ui.charts import clicked_id, show_chart
from avhcurate.ui.choices import Choice, one_of
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.explain import score_name
from avhcurate.ui.frame import Opened, mirrored
from avhcurate.ui.html_table import html_table, table_row
from avhcurate.ui.layout import halves
from avhcurate.ui.listed import sample_grid
from avhcurate.ui.mistakes import plain
from avhcurate.ui.regions import Region, drawn_region, read_region, write_region
from avhcurate.ui.text import p_text, signed

_PAGES = Path(__file__).parents[2] / "pages"
_COLORS = {"agreement": "Right or wrong", "bin": "HSF bin"}
COLOR = one_of("models.color", tuple(_COLORS), "agreement")
REGION: Choice[Region | None] = Choice(
    "models.region", None, read_region, lambda region: write_region(region) if region else ""
)
_TOOLS = {"Box": "select", "Lasso": "lasso", "Click": "pan"}
_HOW = {
    "Box": "Draw a box to see the images in it.",
    "Lasso": "Draw a line around points to see their images.",
    "Click": "Click a point to open its image.",
}
#: Session state: grows with each answered selection of a chart or table; one of another key has none.
_TURN = "models.turn"

#: The sets of the gallery, in words.
SETS = {"a": "Hard for A, easy for B", "b": "Hard for B, easy for A", "all": "Hard for all runs"}
SET = one_of("models.set", tuple(SETS), "a")

#: More classes do not fit into a matrix that can be read; the most confused pairs are always listed.
MOST_CLASSES = 12
_MOST_PAIRS = 40
_SIDES = {"a": "A", "b": "B", "d": "B − A"}


@dataclass(frozen=True)
class Listing:
    """Samples to show as a grid: what they are, in words, and their ids in order."""

    title: str
    ids: Sequence[int]


# --- what is said of the pair --------------------------------------------------------------------------------


def headline(found: Pair) -> None:
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


def listing(here: Opened, found: Pair, part: str) -> tuple["Listing | None", int | None]:
    """Draws a part of the page about two runs; the samples that it lists, and the id of a point just clicked."""
    if part == "scatter":
        return scatter(here, found)
    if part == "pair":
        return who_is_right(found), None
    if part == "confusion":
        return confusions(here, found), None
    return hard_for(here, found), None


# --- who is right --------------------------------------------------------------------------------------------


def who_is_right(found: Pair) -> Listing | None:
    """People, A and B per HSF bin, the test of both against HSF, and the combinations of right and wrong."""
    rows = comparing.who_is_right(found)
    if found.voted:
        names = {"people": f"majority · {_people(found)}", "a": f"A · {found.titles[0]}", "b": f"B · {found.titles[1]}"}
        show_chart(plots.who_is_right(rows, names, simulated=found.simulated), key="models.right")
    else:
        st.caption("Without human votes there are no HSF bins, and nobody to set beside A and B.")
    st.html(_right_html(rows, found))
    if found.voted:
        st.caption(
            "Share right with Wilson's 95 % interval, over the samples that have votes. The majority is right where "
            "the given label has more votes than any other class (of ticks: more than half). The bins are made of the "
            "same votes, so low bins are those where it is mostly wrong."
        )
        st.subheader(f"Which of the two follows {models.followed(found.simulated)} more closely")
        st.html(models.agreement_html(found))
        st.caption(models.TEST_NOTE)
    st.subheader("Right and wrong together")
    return _outcomes(found)


def _people(found: Pair) -> str:
    return "panel (simulated)" if found.simulated else "people"


def _right_html(rows: pd.DataFrame, found: Pair) -> str:
    heads = (
        ["HSF bin", "n"]
        + (["Votes for the label", f"Majority<small>{_people(found)}</small>"] if found.voted else [])
        + ["A", "B"]
    )
    body = []
    for row in rows.to_dict("records"):
        cells = [f"{row['n']:,}"]
        if found.voted:
            cells += ["–" if row["share"] != row["share"] else f"{100 * row['share']:.1f} %", _share(row, "people")]
        cells += [_share(row, side) for side in "ab"]
        body.append(table_row(row["bin"], cells))
    return html_table(heads, body)


def _share(row: dict[Any, Any], judge: str) -> str:
    if row[judge] != row[judge]:
        return "–"
    ends = f"{100 * row[f'{judge}_low']:.1f} to {100 * row[f'{judge}_high']:.1f}"
    return f"{100 * row[judge]:.1f} %<small>{ends}</small>"


def _read_outcome(text: str) -> str:
    if len(text) != 3 or text[0] not in "10-" or not set(text[1:]) <= set("10"):
        raise ValueError(text)
    return text


OUTCOME = Choice("models.outcome", "", _read_outcome)


def _outcomes(found: Pair) -> Listing | None:
    """All combinations with their counts; the images of the one whose row is chosen."""
    table = comparing.outcomes(found)
    shown = pd.DataFrame(
        {
            **({_people(found).capitalize(): [_verdict(one) for one in table["people"]]} if found.voted else {}),
            "A": [_verdict(one) for one in table["a"]],
            "B": [_verdict(one) for one in table["b"]],
            "Samples": table["n"],
            "Share": 100 * table["share"],
        }
    )
    row = _picked_row(shown, key="models.outcomes", share="Share")
    codes = [_code(one) for one in table.itertuples()]
    if row is not None:
        _choose(OUTCOME, codes[row])
    if (code := OUTCOME.of(state.current())) not in codes:
        st.caption("Select a row to see its images.")
        return None
    people, a, b = (None if sign == "-" else sign == "1" for sign in code)
    ids = comparing.with_outcome(found, people, bool(a), bool(b))
    who = [*([(_people(found), people)] if people is not None else []), ("A", a), ("B", b)]
    title = ", ".join(f"{name} {_verdict(right)}" for name, right in who)
    return Listing(f"{title[0].upper()}{title[1:]}", ids.tolist())


def _verdict(right: object) -> str:
    return "right" if right else "wrong"


def _code(row: Any) -> str:
    return f"{'-' if row.people is None else int(row.people)}{int(row.a)}{int(row.b)}"


# --- AVH against AVH -----------------------------------------------------------------------------------------


def scatter(here: Opened, found: Pair) -> tuple[Listing | None, int | None]:
    """AVH of A against AVH of B; the samples of the region drawn on it, and the id of a point just clicked."""
    points = found.points.dropna(subset=["a", "b"])
    region = REGION.of(here.view)
    color, tool = _scatter_tools(here, voted=found.voted, selected=region is not None)
    measure = score_name(found.measure)
    figure = plots.against(
        points,
        titles=found.titles,
        measure=measure,
        color=color,
        bins=bin_labels(here.table.edges) if color == "bin" else (),
        classes=_class_names(here, found),
        outline=_outline(region, points) if region else None,
        dragmode=_TOOLS[tool],
        simulated=found.simulated,
    )
    event = st.plotly_chart(
        figure,
        key=_turned("models.against"),
        on_select="rerun",
        selection_mode=("points", "box", "lasso"),
        config={"displayModeBar": False, "doubleClick": False},
        alt=f"{measure} of {found.titles[0]} against {found.titles[1]}, {len(points):,} samples",
    )
    said = f"{len(points):,} samples; Spearman {signed(found.spearman, 3)}."
    if len(points) > plots.MOST_POINTS:
        said += " The shade says how many lie in a cell; those that lie alone are drawn. A selection takes all."
    if found.measure == "relative_avh":
        said += " Relative AVH, since the runs tell different numbers of classes apart."
    st.caption(f"{said} {_HOW[tool]} On the dashed line both find a sample equally hard.")
    if (new := drawn_region(event)) is not None:
        _select(new)
        st.rerun()
    clicked = clicked_id(event)
    if clicked is not None:
        _answered()
    if region is None:
        return None, clicked
    inside = points[region.holds(points["a"], points["b"])]
    wide = inside.assign(gap=(inside["a_rank"] - inside["b_rank"]).abs()).sort_values(
        "gap", ascending=False, kind="stable"
    )
    title = f"{len(inside):,} of {len(points):,} samples in the region, widest difference of percentiles first"
    return Listing(title, wide["id"].astype(int).tolist()), clicked


def _scatter_tools(here: Opened, *, voted: bool, selected: bool) -> tuple[str, str]:
    """The colour and the tool that are chosen."""
    color = COLOR.of(here.view) if voted else COLOR.default
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        if voted:
            st.segmented_control(
                "Colour",
                list(_COLORS),
                key=COLOR.key(color),
                format_func=_COLORS.__getitem__,
                on_change=COLOR.keep,
                required=True,
            )
        tool = str(st.segmented_control("Select by", list(_TOOLS), default="Box", required=True, key="models.tool"))
        if selected:
            st.button("Clear", icon=":material/close:", type="tertiary", key="models.clear", on_click=_select)
    return color, tool


def _outline(region: Region, points: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Corners to draw; sides that lie beyond the chart at its edge."""
    left, right, low, high = plots.window(points)
    xs, _ = region.outline(left, right)
    _, ys = region.outline(low, high)
    return xs, ys


def _select(region: Region | None = None) -> None:
    """Puts a region into the address, and starts on its first page with an empty chart selection."""
    _answered()
    text = write_region(region) if region else ""
    state.write(replace(state.current(), page=1, sample=None).choosing(REGION.name, text))


# --- confusions ----------------------------------------------------------------------------------------------


def _read_cell(text: str) -> tuple[str, int, int]:
    side, label, predicted = text.split(":")
    if side not in _SIDES or not (label.isdigit() and predicted.isdigit()):
        raise ValueError(text)
    return side, int(label), int(predicted)


CELL: Choice[tuple[str, int, int] | None] = Choice(
    "models.cell", None, _read_cell, lambda cell: ":".join(map(str, cell)) if cell else ""
)


def confusions(here: Opened, found: Pair) -> Listing | None:
    """Both confusion matrices and their difference, the pairs confused most, and the samples of the chosen cell."""
    a, b = comparing.confusions(found)
    classes = _class_names(here, found)
    pairs = comparing.confused_pairs(a, b, most=_MOST_PAIRS)
    chosen = comparing.most_confused(pairs, found.num_classes, most=MOST_CLASSES)
    for column, (side, counts) in zip(st.columns(3), {"a": a, "b": b, "d": b - a}.items(), strict=True):
        with column:
            _matrix(side, counts, chosen, classes)
    most = f" The {len(chosen)} of {found.num_classes} classes that are confused most."
    few = most if len(chosen) < found.num_classes else ""
    st.caption(
        f"Row: given label. Column: predicted class.{few} In B − A orange is what B does worse, blue what it does "
        "better. Click a cell to see its images."
    )
    cell = CELL.of(here.view)
    left, right = halves()
    with left:
        st.markdown(f"**Confused most** ({len(pairs)} pairs)")
        row = _picked_row(_pairs_table(pairs, classes), key="models.pairs")
        if row is not None:
            one = pairs.iloc[row]
            worse = "b" if one["second"] > one["first"] else "a"
            _choose(CELL, (worse, int(one["label"]), int(one["predicted"])))
    if cell is not None and max(cell[1:]) >= found.num_classes:
        st.warning(f"There are {found.num_classes} classes here: the cell of the address was ignored.")
        cell = None
    if cell is None:
        return None
    side, label, predicted = cell
    with right:
        st.markdown(f"**Label {plain(classes[label])}, predicted {plain(classes[predicted])}**")
        _gallery_links(here, found, label, predicted)
    who = {"a": "A predicts", "b": "B predicts", "d": "only one of A and B predicts"}[side]
    ids = comparing.in_cell(found, side, label, predicted).tolist()
    return Listing(f"Label {classes[label]}, {who} {classes[predicted]}", ids)


def _matrix(side: str, counts: np.ndarray, chosen: Sequence[int], classes: Sequence[str]) -> None:
    """Draws one matrix, and takes over a click on a cell."""
    st.markdown(f"**{_SIDES[side]}**")
    event = st.plotly_chart(
        plots.confusion(counts, chosen, classes, difference=side == "d"),
        key=_turned(f"models.confusion_{side}"),
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"Confusion matrix {_SIDES[side]}",
    )
    if (clicked := _clicked_cell(event)) is not None:
        _choose(CELL, (side, *clicked))


def _class_names(here: Opened, found: Pair) -> list[str]:
    """Names by class of whichever run tells more classes apart; the open one may know fewer."""
    known = list(here.table.classes)
    return [*known, *map(str, range(len(known), found.num_classes))]


def _pairs_table(pairs: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Label": [classes[label] for label in pairs["label"]],
            "Predicted": [classes[label] for label in pairs["predicted"]],
            "A": pairs["first"],
            "B": pairs["second"],
            "B − A": pairs["second"] - pairs["first"],
        }
    )


def _gallery_links(here: Opened, found: Pair, label: int, predicted: int) -> None:
    """Links to the gallery with the run open and class and prediction as filters."""
    for side, run in zip("AB", found.names, strict=True):
        filters = here.filters.with_(classes=(label,), predicted=(predicted,))
        query = replace(here.view, run=run, own=(), filters=filters).elsewhere
        st.page_link(
            _PAGES / "gallery.py",
            label=f"In the gallery, as {side} predicts",
            icon=":material/grid_view:",
            query_params=query,
        )


def _clicked_cell(event: object) -> tuple[int, int] | None:
    """Label and predicted class that a clicked cell carries; None for whatever else a browser sends.

    >>> _clicked_cell({"selection": {"points": [{"customdata": {"0": 3, "1": 8, "2": 5}}]}})
    (3, 8)
    """
    try:
        carried = event["selection"]["points"][0]["customdata"]  # type: ignore[index]
        values = [carried[str(place)] if isinstance(carried, dict) else carried[place] for place in (0, 1)]
        label, predicted = (int(value) for value in values)
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return (label, predicted) if min(label, predicted) >= 0 else None


# --- hard for one, or for all --------------------------------------------------------------------------------


#: Between which the slider moves.
_LEAST_CUT, _MOST_CUT = 0.05, 0.95


def _read_cuts(text: str) -> tuple[float, float]:
    easy, hard = map(float, text.split(":"))
    if not _LEAST_CUT <= easy <= hard <= _MOST_CUT:
        raise ValueError(text)
    return easy, hard


CUTS = Choice("models.cuts", (0.5, 0.8), _read_cuts, lambda cuts: f"{cuts[0]:g}:{cuts[1]:g}")


def hard_for(here: Opened, found: Pair) -> Listing:
    """The samples of one of `SETS`. What is hard for all is so for all runs of the part "All runs"."""
    chosen, (easy, hard) = SET.of(here.view), CUTS.of(here.view)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.segmented_control(
            "Set",
            list(SETS),
            key=SET.key(chosen),
            format_func=SETS.__getitem__,
            on_change=_keep_and_restart,
            args=(SET,),
            required=True,
            label_visibility="collapsed",
        )
        st.slider(
            "Percentiles of AVH: easy up to, hard from",
            _LEAST_CUT,
            _MOST_CUT,
            step=0.05,
            key=mirrored("models.cuts", (easy, hard)),
            on_change=_keep_and_restart,
            args=(CUTS,),
            width=300,
        )
    if chosen == "all":
        side_by_side = models.shown(here)
        ids, n = comparing.hard_for_all(side_by_side, hard=hard), len(side_by_side.samples)
        what = f"at or above percentile {100 * hard:.0f} of AVH in each of {len(side_by_side.ranks)} runs"
        order = "highest mean percentile first"
    else:
        ids, n = comparing.hard_for_one(found, for_a=chosen == "a", easy=easy, hard=hard), len(found.points)
        one, other = ("A", "B") if chosen == "a" else ("B", "A")
        what = f"at or above percentile {100 * hard:.0f} of AVH of {one}, at or below {100 * easy:.0f} of {other}"
        order = "widest difference first"
    share = 100 * len(ids) / n if n else 0.0
    st.caption(
        f"n {len(ids):,} of {n:,} ({share:.1f} %) · {what} · {order}. A percentile is the share of the compared "
        "samples with a lower AVH, ties counted half."
    )
    return Listing(SETS[chosen], ids.tolist())


def _keep_and_restart(choice: Choice[Any]) -> None:
    choice.keep()
    state.change(page=1, sample=None)


# --- images --------------------------------------------------------------------------------------------------


def images(here: Opened, found: Pair, listing: Listing) -> tuple[list[int], int | None]:
    """The samples of a listing as a grid, each with what A and B make of it; ids on show, and the one just opened."""
    st.markdown(f"**{plain(listing.title)}** · n {len(listing.ids):,}")
    if not listing.ids:
        st.markdown("No sample is like that here.")
        return [], None
    classes, about = _class_names(here, found), f"{found.names} {listing.title}"
    return sample_grid(here, listing.ids, about=about, look=lambda tile: _look(tile, found.points, classes))


def _look(tile: Tile, points: pd.DataFrame, classes: Sequence[str]) -> Tile:
    """A tile that says how hard A and B find it, and what they predict."""
    place = int(points["id"].searchsorted(tile.id))  # they stand in the order of their ids
    if place == len(points) or points["id"].iloc[place] != tile.id:
        return tile  # hard for all runs, and yet A or B has not scored it
    row = points.iloc[place].to_dict()
    hard = " · ".join(f"{side.upper()} {_percent(row[f'{side}_rank'])}" for side in "ab")
    says = " · ".join(f"{side.upper()} {classes[int(row[f'{side}_predicted'])]}" for side in "ab")
    differs = not (row["a_right"] and row["b_right"])
    return replace(
        tile, score=hard, sub=says, differs=differs, alt=f"{tile.alt}, percentile of AVH {hard}, says {says}"
    )


def _percent(rank: float) -> str:
    return "–" if rank != rank else f"{100 * rank:.0f}"


# --- choosing in charts and tables ---------------------------------------------------------------------------


def _turned(key: str) -> str:
    """The key of a chart or table: another once its selection is answered, else every later run would answer again."""
    return f"{key}.{st.session_state.setdefault(_TURN, 0)}"


def _answered() -> None:
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1


def _choose(choice: Choice[Any], value: object) -> None:
    """Takes over what was clicked, and starts on the first page of its images."""
    _answered()
    state.write(replace(state.current(), page=1, sample=None).choosing(choice.name, choice.write(value)))
    st.rerun()


def _picked_row(table: pd.DataFrame, *, key: str, share: str = "") -> int | None:
    """Draws a table; the number of the row that was just chosen."""
    event = st.dataframe(
        table,
        hide_index=True,
        key=_turned(key),
        on_select="rerun",
        selection_mode="single-row",
        row_height=30,
        column_config={share: st.column_config.NumberColumn(format="%.1f %%")} if share else {},
    )
    try:
        rows = event["selection"]["rows"]
    except (KeyError, TypeError):
        return None
    return int(rows[0]) if len(rows) and 0 <= rows[0] < len(table) else None
