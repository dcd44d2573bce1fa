"""Accuracy across datasets on the Models page: that of every network on one dataset or split against another."""

import streamlit as st

from avhcurate.compare import plots, transfer
from avhcurate.compare.transfer import LEAST_IN_BIN, Side, Transfer
from avhcurate.compare.ui import runs_key
from avhcurate.table.filters import Filters
from avhcurate.ui import cache
from avhcurate.ui.charts import show_chart
from avhcurate.ui.frame import Opened
from avhcurate.ui.layout import empty_state
from avhcurate.ui.page_choices import one_of
from avhcurate.ui.text import signed
from avhcurate.votes.bins import bin_labels


def across(page: Opened) -> None:
    """Accuracy of every network on one side against that on another, as in a study of reproducibility."""
    st.caption(
        "Accuracy of every network on one dataset or split against another. Networks are the same when their weights "
        "are; a point is a network and HSF bin."
    )
    sides = possible_sides(page)
    if len(sides) < 2:
        _one_side(page)
        return
    x_choice = one_of("models.x", tuple(sides), next(iter(sides)))
    with st.container(horizontal=True):
        x = x_choice.show(st.selectbox, "Across", page.view, sides, width=300)
        y_choice = one_of("models.y", tuple(sides), next(name for name in sides if name != x))
        y = y_choice.show(st.selectbox, "Up", page.view, sides, width=300)
    if x == y:
        st.caption("Choose two different sides.")
        return
    first, second = (_side(page, name) for name in (x, y))
    simulated = first.table.simulated or second.table.simulated
    _figure(page, _transfer(first, second), (sides[x], sides[y]), simulated=simulated)


def possible_sides(page: Opened) -> dict[str, str]:
    """Datasets with the classes of the open one and a run, whole and split by split, by key, with what they are called.

    The open one comes first.
    """
    opened = page.table.dataset
    rest = [page.workspace.dataset(name) for name in page.workspace.names() if name != opened.name]
    fitting = [opened, *(one for one in rest if one.record.classes == opened.record.classes)]
    sides = {}
    for folder in fitting:
        if not any(run.complete for run in folder.runs()):
            continue
        splits = sorted({split for split in folder.samples(["split"])["split"] if isinstance(split, str)})
        for split in splits if len(splits) > 1 else []:
            sides[f"{folder.name}:{split}"] = f"{folder.name}, {split}"
        sides[folder.name] = folder.name if len(splits) < 2 else f"{folder.name}, all splits"
    return sides


def _side(page: Opened, key: str) -> Side:
    name, _, split = key.partition(":")
    if name == page.table.dataset.name:
        return Side(page.table, split or None, page.filters.with_(splits=()) if split else page.filters)
    # Of the filters, those that mean the same there: scores, tags, sets and conditions belong to the open dataset.
    filters = Filters(hsf_bins=page.filters.hsf_bins, classes=page.filters.classes, excluded=page.filters.excluded)
    return Side(cache.table(page.workspace, name, "", page.view.edges), split or None, filters)


def _figure(page: Opened, result: Transfer, names: tuple[str, str], *, simulated: bool) -> None:
    if result.points.empty:
        story = (
            f"Score both with the same weights; an HSF bin needs {LEAST_IN_BIN} samples on both sides. "
            f"Networks that have scored both: {result.models}."
        )
        empty_state("No network has scored both sides", "balance", story)
        return
    bins = bin_labels(page.table.edges) if result.by_bin else ("all",)
    show_chart(
        plots.transfer(result.points, result.line, sides=names, bins=bins, simulated=simulated), key="models.transfer"
    )
    parts = [f"{len(result.points)} points of {result.models} network{'s' * (result.models != 1)}"]
    if result.left_out:
        parts.append(f"{result.left_out} left out, with fewer than {LEAST_IN_BIN} samples on a side")
    if (line := result.line) is not None:
        slope = f"{signed(line.slope, 3)} [{signed(line.low, 3)}, {signed(line.high, 3)}]"
        parts.append(
            f"linear fit: slope {slope}, intercept {signed(line.intercept, 3)}, R² {line.r_squared:.3f}, n {line.n}"
        )
    st.caption(
        "; ".join(parts) + ". Bars are Wilson's 95 % intervals; the dashed line is the same accuracy on both. "
        "The interval of the slope takes points as independent, which bins of one network are not quite."
    )


def _one_side(page: Opened) -> None:
    model = page.table.run.record.model if page.table.run else "MODEL"
    empty_state(
        "Nothing to compare this dataset with",
        "balance",
        "It has one split, and no other dataset here has the same classes and a run. Import this one again with its "
        "splits (`--split-column`), or import another and score it with the same weights:",
        command=f"avhcurate import OTHER path/to/images\navhcurate score OTHER --model {model}",
    )


def _side_key(side: Side) -> tuple[str, str | None, dict[str, str]]:
    return runs_key(side.table), side.split, side.filters.to_query()


_transfer = st.cache_resource(max_entries=12, show_spinner="Reading both sides …", hash_funcs={Side: _side_key})(
    transfer.transfer
)
