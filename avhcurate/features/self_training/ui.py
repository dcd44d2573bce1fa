"""The Self-training page, all runs: their choice, curves over rounds, and a table."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from avhcurate.features.self_training import results
from avhcurate.features.self_training.plots import PANELS, curves, stroke
from avhcurate.ui.cache import HASH_FUNCS
from avhcurate.ui.charts import show_chart
from avhcurate.ui.frame import Opened
from avhcurate.ui.html_table import estimate, html_table, table_row
from avhcurate.ui.page_choices import some_of
from avhcurate.ui.score_help import RULE_NAMES
from avhcurate.ui.user_errors import plain
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder

#: With the key of a self-training's folder.
_HASH_FUNCS = HASH_FUNCS | {
    SelfTrainingFolder: lambda folder: f"{folder.root} {len(folder.rounds())} {folder.complete}"
}

SHOWN = some_of(
    "selftrain.show", list(PANELS), ["mean_accuracy", "precision", "selected", "mean_avh", "mean_confidence", "ece"]
)
#: More panels and more lines would be hard to read.
_MOST_PANELS, _MOST_RUNS = 9, 8
#: Runs that are shown by default.
_NEWEST = 2

#: Heads of the table of runs, by column of `side_by_side`.
_HEADS = {
    "source_only": "Source only",
    "accuracy": "Accuracy",
    "mean_source_only": "Source only<small>mean of classes</small>",
    "mean_accuracy": "Accuracy<small>mean of classes</small>",
    "precision_first": "Precision<small>first round</small>",
    "precision_last": "Precision<small>last round</small>",
    "selected": "Selected<small>last round</small>",
}


def current_trainings(page: Opened) -> list[SelfTrainingFolder]:
    """Return self-trainings of the open dataset, newest first, without those of an older import."""
    every = page.table.dataset.self_trainings()[::-1]
    current = [one for one in every if one.record.target_fingerprint == page.table.dataset.record.fingerprint]
    if len(current) < len(every):
        st.caption(
            f"{len(every) - len(current):,} of {len(every):,} self-trainings are left out: this dataset has been "
            "imported again since, so their ids name other samples."
        )
    return current


def title(folder: SelfTrainingFolder) -> str:
    """Return how a choice, a chart and a table call a run."""
    record = folder.record
    return f"{RULE_NAMES[record.rule]} · from {record.source} · seed {record.seed} · {folder.name[-8:]}"


def choose(page: Opened, folders: Sequence[SelfTrainingFolder]) -> list[SelfTrainingFolder]:
    """Ask which runs are shown, the newest by default."""
    by_name = {folder.name: folder for folder in folders}
    which = some_of("selftrain.runs", list(by_name), list(by_name)[:_NEWEST], most=_MOST_RUNS)
    chosen = which.show(
        st.multiselect,
        "Runs",
        page.view,
        list(by_name),
        format_func=lambda name: title(by_name[name]),
        max_selections=_MOST_RUNS,
        placeholder="The newest",
        help=f"Up to {_MOST_RUNS}, to compare. Newest first.",
        width="stretch",
    )
    return [by_name[name] for name in chosen]


def about(folders: Sequence[SelfTrainingFolder]) -> None:
    """Show the settings of each run, and whether it is complete."""
    st.caption("  \n".join(plain(_settings(folder)) for folder in folders))


def _settings(folder: SelfTrainingFolder) -> str:
    record = folder.record
    start, step, end = (record.schedule[key] for key in ("start", "step", "end"))
    parts = [
        title(folder),
        f"{record.source_samples:,} samples {record.source_where}".strip(),
        f"adapts to {record.target_samples:,} samples {record.target_where}".strip(),
        f"{record.model} ({record.trainer})",
        f"portion {start:g} to {end:g} by {step:g}",
        f"epochs {record.recipe['epochs']}, learning rate {record.recipe['learning_rate']:g}",
    ]
    if not folder.complete:
        parts.append("not complete: starting it again resumes it")
    return " · ".join(parts)


def no_round_yet(*, busy: bool) -> None:
    """Say that the source's model is not trained yet."""
    if busy:
        st.markdown(":material/hourglass_empty: The first model is learning from the source.")
    else:
        st.markdown(":material/hourglass_disabled: No model has learnt from the source yet. Resume it, or start again.")


def rounds_chart(page: Opened, folders: Sequence[SelfTrainingFolder]) -> None:
    """Draw the chosen quantities over the rounds, one line per run."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("Rounds", width="content")
        with st.popover("Quantities", icon=":material/tune:", key="selftrain.quantities"):
            names = {key: name for key, (name, _) in PANELS.items()}
            chosen = SHOWN.show(
                st.pills, "Quantities", page.view, names, selection_mode="multi", label_visibility="collapsed"
            )
    keys = (chosen or SHOWN.default)[:_MOST_PANELS]
    strokes = [stroke(title(folder), folder.record.rule) for folder in folders]  # type: ignore[arg-type]
    show_chart(curves(_courses(folders, keys), strokes, keys), key="selftrain.curves")
    st.caption(
        "Round 0 is the source alone. Bands are 95 % intervals over samples (shares and mean of classes Wilson, ECE "
        "bootstrap). Colour and symbol show the gate, the dash the training target: a hard label, LRENT's soft label "
        "(dashed), MRKLD's (dotted). Labels of the target are only used for these reports. Click a name in the legend "
        "to hide its lines."
    )


_courses = st.cache_data(max_entries=16, show_spinner=False, hash_funcs=_HASH_FUNCS)(results.courses)
_side_by_side = st.cache_data(max_entries=16, show_spinner=False, hash_funcs=_HASH_FUNCS)(results.side_by_side)


def runs_table(folders: Sequence[SelfTrainingFolder]) -> None:
    """Show the results of each run."""
    table = _side_by_side(folders)
    st.header("Runs side by side")
    rows = zip(folders, table.to_dict("records"), strict=True)
    html = [table_row(escape(title(folder)), [_cell(row, key) for key in _HEADS]) for folder, row in rows]
    st.html(html_table(["Run", *_HEADS.values()], html))
    if table["accuracy"].isna().all():
        st.caption("No sample of the target has a label to compare with.")
    else:
        st.caption(
            "Accuracy over the target's samples with a label, precision over the selected ones. Small: 95 % intervals "
            "over samples (Wilson). A difference between two runs also depends on their seeds."
        )


def _cell(row: Mapping[Any, Any], key: str) -> str:
    value, low, high = (row[f"{key}{end}"] for end in ("", "_low", "_high"))
    if key == "selected":
        return estimate(value, low, high, 0)
    return estimate(value, low, high, 1, percent=True)
