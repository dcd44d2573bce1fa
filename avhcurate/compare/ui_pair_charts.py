"""Charts of two runs on the Models page that list samples: AVH against AVH with a region, and confusions by cell."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.compare import plots, run_pair, statistics
from avhcurate.compare.run_pair import RunPair
from avhcurate.compare.ui_images import ImageList, class_names, picked_row
from avhcurate.ui import charts_by_class, regions
from avhcurate.ui.charts import show_chart
from avhcurate.ui.frame import Opened
from avhcurate.ui.grid_actions import gallery_link
from avhcurate.ui.layout import halves
from avhcurate.ui.page_choices import Choice, one_of
from avhcurate.ui.regions import Region
from avhcurate.ui.score_help import score_name
from avhcurate.ui.text import signed
from avhcurate.ui.user_errors import plain
from avhcurate.votes.bins import bin_labels

# --- AVH of A against AVH of B -------------------------------------------------------------------------------------

_COLORS = {"agreement": "Right or wrong", "bin": "HSF bin"}
COLOR = one_of("models.color", tuple(_COLORS), "agreement")
REGION = regions.region_choice("models")


def scatter(page: Opened, pair: RunPair) -> tuple[ImageList | None, int | None]:
    """AVH of A against AVH of B; the samples of the region drawn on it, and the id of a point just clicked."""
    points = pair.points.dropna(subset=["a", "b"])
    region = REGION.of(page.view)
    color, dragmode, hint = _tools(page, voted=pair.voted, selected=region is not None)
    measure = score_name(pair.measure)
    figure = plots.against(
        points,
        titles=pair.titles,
        measure=measure,
        color=color,
        bins=bin_labels(page.table.edges) if color == "bin" else (),
        classes=class_names(page, pair),
        outline=_outline(region, points) if region else None,
        dragmode=dragmode,
        simulated=pair.simulated,
    )
    clicked = regions.chart(
        figure,
        REGION,
        key="models.against",
        alt=f"{measure} of {pair.titles[0]} against {pair.titles[1]}, {len(points):,} samples",
    )
    note = f"{len(points):,} samples; Spearman {signed(pair.spearman, 3)}."
    if len(points) > plots.MOST_POINTS:
        note += f" {plots.MOST_POINTS:,} of them are drawn, with those that lie alone. A selection takes all."
    if pair.measure == "relative_avh":
        note += " Relative AVH, since the runs tell different numbers of classes apart."
    elif pair.measure != "avh":
        note += f" {measure}, since a run was attached without class weights and has no AVH."
    st.caption(f"{note} {hint} On the dashed line both find a sample equally hard.")
    if region is None:
        return None, clicked
    inside = points[region.holds(points["a"], points["b"])]
    wide = inside.assign(gap=(inside["a_rank"] - inside["b_rank"]).abs()).sort_values(
        "gap", ascending=False, kind="stable"
    )
    title = f"{len(inside):,} of {len(points):,} samples in the region, widest difference of percentiles first"
    return ImageList(title, wide["id"].astype(int).tolist()), clicked


def _tools(page: Opened, *, voted: bool, selected: bool) -> tuple[str, str, str]:
    """The colour, and the tool as `regions.choose_tool` gives it."""
    color = COLOR.default
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        if voted:
            color = COLOR.show(st.segmented_control, "Colour", page.view, _COLORS)
        tool = regions.choose_tool("models")
        if selected:
            regions.clear_button(REGION)
    return color, *tool


def _outline(region: Region, points: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Corners to draw; sides that lie beyond the chart at its edge."""
    left, right, low, high = plots.window(points)
    xs, _ = region.outline(left, right)
    _, ys = region.outline(low, high)
    return xs, ys


# --- confusions ----------------------------------------------------------------------------------------------------

#: More classes do not fit into a matrix that can be read; the most confused pairs are always listed.
MOST_CLASSES = 12
_MOST_PAIRS = 40
_SIDES = {"a": "A", "b": "B", "d": "B − A"}


def _read_cell(text: str) -> tuple[str, int, int]:
    side, label, predicted = text.split(":")
    if side not in _SIDES or not (label.isdigit() and predicted.isdigit()):
        raise ValueError(text)
    return side, int(label), int(predicted)


CELL: Choice[tuple[str, int, int] | None] = Choice(
    "models.cell", None, _read_cell, lambda cell: ":".join(map(str, cell)) if cell else ""
)


def confusions(page: Opened, pair: RunPair) -> ImageList | None:
    """Both confusion matrices and their difference, the pairs confused most, and the samples of the chosen cell."""
    a, b = run_pair.confusions(pair)
    classes = class_names(page, pair)
    found = _found(a, b, classes) if pair.num_classes > charts_by_class.MOST_CLASSES else None
    pairs = statistics.confused_pairs(a, b, most=_MOST_PAIRS, of=found)
    chosen = run_pair.most_confused(pairs, pair.num_classes, most=MOST_CLASSES, first=found or ())
    for column, (side, counts) in zip(st.columns(3), {"a": a, "b": b, "d": b - a}.items(), strict=True):
        with column:
            _matrix(side, counts, chosen, classes)
    most = f" The {len(chosen)} of {pair.num_classes} classes that are confused most."
    few = (most if found is None else " The classes found, and those they are confused with.") * (
        len(chosen) < pair.num_classes
    )
    st.caption(
        f"Row: given label. Column: predicted class.{few} In B − A orange is what B does worse, blue what it does "
        "better. Click a cell to see its images."
    )
    cell = CELL.of(page.view)
    left, right = halves()
    with left:
        st.markdown(f"**Confused most** ({len(pairs)} pairs)")
        row = picked_row(_pairs_table(pairs, classes), CELL, key="models.pairs")
        if row is not None:
            one = pairs.iloc[row]
            worse = "b" if one["second"] > one["first"] else "a"
            regions.answer(CELL, (worse, int(one["label"]), int(one["predicted"])))
            st.rerun()
    if cell is not None and max(cell[1:]) >= pair.num_classes:
        st.warning(f"There are {pair.num_classes} classes here: the cell of the address was ignored.")
        cell = None
    if cell is None:
        return None
    side, label, predicted = cell
    with right:
        st.markdown(f"**Label {plain(classes[label])}, predicted {plain(classes[predicted])}**")
        _gallery_links(page, pair, label, predicted)
    who = {"a": "A predicts", "b": "B predicts", "d": "only one of A and B predicts"}[side]
    ids = run_pair.in_cell(pair, side, label, predicted).tolist()
    return ImageList(f"Label {classes[label]}, {who} {classes[predicted]}", ids)


def _found(a: np.ndarray, b: np.ndarray, classes: Sequence[str]) -> list[int] | None:
    """The classes that are looked for, None for all; above them how the difference of A and B spreads over classes."""
    find = charts_by_class.find_class(len(classes), key="models.find")
    with np.errstate(invalid="ignore"):
        accuracy_a, accuracy_b = (np.diag(counts) / counts.sum(axis=1) for counts in (a, b))
    difference = pd.Series(accuracy_b - accuracy_a)
    show_chart(charts_by_class.spread(difference, "accuracy of a class, B − A"), key="models.class_spread")
    if not find:
        return None
    found = [label for label, name in enumerate(classes) if find.casefold() in name.casefold()]
    if not found:
        st.caption(f"No class has “{plain(find)}” in its name.")
    return found or None


def _matrix(side: str, counts: np.ndarray, chosen: Sequence[int], classes: Sequence[str]) -> None:
    """Draws one matrix, and takes over a click on a cell."""
    st.markdown(f"**{_SIDES[side]}**")
    event = st.plotly_chart(
        plots.confusion(counts, chosen, classes, difference=side == "d"),
        key=regions.turned(CELL, f"models.confusion_{side}"),
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"Confusion matrix {_SIDES[side]}",
    )
    if (clicked := _clicked_cell(event)) is not None:
        regions.answer(CELL, (side, *clicked))
        st.rerun()


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


def _gallery_links(page: Opened, pair: RunPair, label: int, predicted: int) -> None:
    """Links to the gallery with the run open and class and prediction as filters."""
    for side, run in zip("AB", pair.names, strict=True):
        filters = page.filters.with_(classes=(label,), predicted=(predicted,))
        gallery_link(f"In the gallery, as {side} predicts", page.view, run=run, filters=filters)


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
