"""Accuracy across datasets on the Models page: that of every network on one dataset or split against another."""

from functools import partial

import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.compare import plots
from avhcurate.features.compare.transfer import LEAST_IN_BIN, fit_line, transfer
from avhcurate.features.compare.ui import HASH_FUNCS
from avhcurate.ui.base import cache
from avhcurate.ui.base.frame import Opened, way_on
from avhcurate.ui.base.layout import empty_state, in_a_row
from avhcurate.ui.base.page_choices import one_of
from avhcurate.ui.base.text import signed
from avhcurate.ui.charts.show import show_chart


def across(page: Opened) -> None:
    """Draw the accuracy of every network on one side against that on another."""
    page.help.markdown(
        "Accuracy of every network on one dataset or split against another. Networks are the same when their weights "
        "are; a point is a network and HSF bin."
    )
    sides = possible_sides(page)
    if len(sides) < 2:
        empty_state(
            "Nothing to compare this dataset with",
            "balance",
            "It has one split, and no other dataset here has the same classes and a run of the same weights.",
            partial(way_on, page, "Import another dataset", "images"),
        )
        return
    x_choice = one_of("models.x", tuple(sides), next(iter(sides)))
    with in_a_row():
        x = x_choice.show(st.selectbox, "Across", sides, width=300)
        y_choice = one_of("models.y", tuple(sides), next(name for name in sides if name != x))
        y = y_choice.show(st.selectbox, "Up", sides, width=300)
    if x == y:
        st.caption("Choose two different sides.")
        return
    (first, x_filters), (second, y_filters) = _side(page, x), _side(page, y)
    compared = _transfer(first, second, x_filters=x_filters, y_filters=y_filters)
    points = compared[compared[["x_n", "y_n"]].min(axis=1) >= LEAST_IN_BIN]
    models = compared["model"].nunique()
    if points.empty:
        empty_state(
            "No network has scored both sides",
            "balance",
            f"Score both with the same weights; an HSF bin needs {LEAST_IN_BIN} images on both sides. Networks that "
            f"have scored both: {models}.",
        )
        return
    simulated = first.simulated or second.simulated
    show_chart(plots.transfer(points, sides=(sides[x], sides[y]), simulated=simulated), key="models.transfer")
    across, up = (f"**{100 * points[side].mean():.1f} %**" for side in "xy")
    page.result.markdown(f"Mean accuracy {across} across and {up} up: {len(points)} points of {models} networks.")
    note = f"{len(compared) - len(points)} points left out, with too few images."
    if (fitted := fit_line(points["x"], points["y"])) is not None:
        line, reach = fitted
        low = signed(line.slope - reach, 3)
        high = signed(line.slope + reach, 3)
        note += (
            f" Linear fit: slope {signed(line.slope, 3)} [{low}, {high}], intercept {signed(line.intercept, 3)}, "
            f"R² {line.rvalue**2:.3f}, n {len(points)}. The interval takes points as independent, which bins of one "
            "network are not quite."
        )
    st.caption(f"{note} Bars are Wilson's 95 % intervals; the dashed line is the same accuracy on both.")


def possible_sides(page: Opened) -> dict[str, str]:
    """Return datasets with the classes of the open one and a run, whole and by split: the name of each by key.

    The open one comes first.
    """
    opened = page.dataset
    sides = {}
    for name in dict.fromkeys([opened.name, *page.workspace.names()]):
        folder = page.workspace.dataset(name)
        if folder.record.classes != opened.record.classes or not any(run.complete for run in folder.runs()):
            continue
        splits = sorted({split for split in folder.samples(["split"])["split"] if isinstance(split, str)})
        if len(splits) < 2:
            sides[name] = name
            continue
        sides |= {f"{name}:{split}": f"{name}, {split}" for split in splits}
        sides[name] = f"{name}, all splits"
    return sides


def _side(page: Opened, key: str) -> tuple[DatasetTable, Filters]:
    """Return the dataset of a key of `possible_sides`, and the filters that apply there."""
    name, _, split = key.partition(":")
    table = page.table
    filters = page.filters
    if name != table.dataset.name:
        # Of the filters, those that mean the same there: scores, tags, sets and conditions belong to the open dataset.
        table = cache.table(page.workspace, name, "", page.view.edges)
        filters = Filters(hsf_bins=filters.hsf_bins, classes=filters.classes, excluded=filters.excluded)
    if split:
        filters = filters.with_(splits=(split,))
    return table, filters


_transfer = cache.kept("Reading both sides …", most=12, funcs=HASH_FUNCS)(transfer)
