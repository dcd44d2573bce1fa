"""The Self-training page, all runs: the experiment shown, curves over rounds, comparison of rules."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from avhcurate.data.self_trainings import SelfTrainingFolder
from avhcurate.self_training import results
from avhcurate.self_training.plots import PANELS, curves, stroke
from avhcurate.self_training.results import BASE, PAIRED, RuleVariant, Variants
from avhcurate.ui.cache import HASH_FUNCS
from avhcurate.ui.charts import show_chart
from avhcurate.ui.frame import Opened
from avhcurate.ui.html_table import estimate, html_table, table_row
from avhcurate.ui.page_choices import one_of, some_of
from avhcurate.ui.score_help import RULE_NAMES
from avhcurate.ui.text import p_text
from avhcurate.ui.user_errors import plain

#: With the key of a self-training's folder.
_HASH_FUNCS = HASH_FUNCS | {
    SelfTrainingFolder: lambda folder: f"{folder.root} {len(folder.rounds())} {folder.complete}"
}


SHOWN = some_of(
    "selftrain.show", list(PANELS), ["mean_accuracy", "precision", "selected", "mean_avh", "mean_confidence", "ece"]
)
#: More panels would be too small.
_MOST_PANELS = 9
#: What `about` tells of the recipe.
_RECIPE = ("hidden", "epochs", "learning_rate", "batch_size", "weight_decay")

#: Heads of the table of rules, the column of `side_by_side` and how its numbers are written.
_HEADS = (
    ("Source only", "source_only", "share"),
    ("Accuracy", "accuracy", "share"),
    ("Source only<small>mean of classes</small>", "mean_source_only", "share"),
    ("Accuracy<small>mean of classes</small>", "mean_accuracy", "share"),
    ("Precision<small>first round</small>", "precision_first", "share"),
    ("Precision<small>last round</small>", "precision_last", "share"),
    ("Selected<small>last round</small>", "selected", "count"),
)


def current_trainings(page: Opened) -> list[SelfTrainingFolder]:
    """Self-trainings of the open dataset, oldest first; those of an older import are counted in a caption."""
    every = results.trainings(page.workspace, page.table.dataset.name)
    current = [one for one in every if one.record.target_fingerprint == page.table.dataset.record.fingerprint]
    if len(current) < len(every):
        st.caption(
            f"{len(every) - len(current):,} of {len(every):,} self-trainings are left out: this dataset has been "
            "imported again since, so their ids name other samples."
        )
    return current


def choose_experiment(page: Opened, folders: Sequence[SelfTrainingFolder]) -> list[SelfTrainingFolder]:
    """Self-trainings that may be compared: those that the address names, else those with the newest run."""
    groups = {group[0].name: group for group in results.comparable(folders)}
    names = sorted(groups, key=lambda name: groups[name][-1].record.started, reverse=True)

    which = one_of("selftrain.group", names, names[0])
    name = which.show(
        st.selectbox,
        "Experiment",
        page.view,
        {name: _title(groups[name]) for name in names},
        on_change=which.restart,
        args=("selftrain.run", "selftrain.round", "selftrain.against"),
        help="Runs that differ only in rule and seed, so that they can be compared. Newest first.",
        width="stretch",
    )
    return groups[name]


def _title(group: Sequence[SelfTrainingFolder]) -> str:
    """Title of an experiment in a choice of several."""
    record = group[0].record
    # Nothing that changes while runs go on: the browser identifies an option by its label.
    return f"from {record.source} · {record.model} · {record.trainer} · started {record.started:%Y-%m-%d %H:%M:%S}"


def about(group: Sequence[SelfTrainingFolder]) -> None:
    """The settings that the runs of an experiment share, and how many runs are incomplete."""
    record = group[0].record
    source, target = (
        f"{samples:,} samples of {name}{f' ({where})' if where else ''}"
        for samples, name, where in (
            (record.source_samples, record.source, record.source_where),
            (record.target_samples, record.target, record.target_where),
        )
    )
    start, step, end = (record.schedule[key] for key in ("start", "step", "end"))
    portion = f"portion {start:g}" + (f" to {end:g} by {step:g}" if step else "")
    recipe = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in record.recipe.items() if key in _RECIPE)
    parts = [f"learns from {source}", f"adapts to {target}", portion, f"{record.rounds} rounds at most", recipe]
    st.caption(plain(" · ".join(parts)))
    if unfinished := sum(not folder.complete for folder in group):
        st.caption(
            f"Not complete: {unfinished:,} of {len(group):,} runs, drawn up to their last round and left out of the "
            "table. Starting them again resumes from there."
        )


def no_round_yet(*, busy: bool) -> None:
    """Shown before the source's model is trained."""
    if busy:
        st.markdown(":material/hourglass_empty: The first model is learning from the source.")
    else:
        st.markdown(":material/hourglass_disabled: No model has learnt from the source yet: resume it, or start again.")


def variant_name(variant: RuleVariant) -> str:
    """Name of the rule, with its weight where that is not the rule's default."""
    name = RULE_NAMES[variant.rule]
    return name if variant.usual else f"{name}, α {variant.alpha:g}"


# --- rounds as curves ----------------------------------------------------------------------------------------


def rounds_chart(page: Opened, variants: Variants) -> None:
    """The chosen quantities over the rounds, one line per rule."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("Rounds", width="content")
        with st.popover("Quantities", icon=":material/tune:", key="selftrain.quantities"):
            names = {key: PANELS[key][0] for key in PANELS}
            chosen = SHOWN.show(
                st.pills, "Quantities", page.view, names, selection_mode="multi", label_visibility="collapsed"
            )
    keys = (chosen or SHOWN.default)[:_MOST_PANELS]
    values, reference = _courses(variants, keys), _source_only(variants, keys)
    strokes = [stroke(variant_name(one), one.rule, usual=one.usual) for one in variants]
    show_chart(curves(values, strokes, keys, source_only=reference), key="selftrain.curves")
    seeds = sorted({len(folders) for folders in variants.values()})
    st.caption(
        f"{_bands(seeds)}. Colour and symbol show the gate, the dash the training target: a hard label, LRENT's soft "
        "label (dashed), MRKLD's (dotted). Labels of the target are used for these reports only. Click a name in the "
        "legend to hide its lines."
    )


def _bands(seeds: Sequence[int]) -> str:
    """The caption of lines and bands; `seeds` are the numbers of seeds that rules have, ascending.

    >>> _bands([1])[:17], _bands([3])[:30]
    ('One seed a rule; ', 'Means over n = 3 seeds a rule;')
    """
    one_seed = "95 % over samples (shares and mean of classes Wilson, ECE bootstrap)"
    if seeds[-1] == 1:
        return f"One seed a rule; bands are {one_seed}"
    counts = f"n = {seeds[0]}" if len(seeds) == 1 else f"n = {seeds[0]} to {seeds[-1]}"
    text = f"Means over {counts} seeds a rule; bands are 95 % of the mean (Student's t)"
    return text if seeds[0] > 1 else f"{text}, of one seed {one_seed}"


_courses = st.cache_data(max_entries=16, show_spinner=False, hash_funcs=_HASH_FUNCS)(results.courses)
_source_only = st.cache_data(max_entries=16, show_spinner=False, hash_funcs=_HASH_FUNCS)(results.source_only)
_side_by_side = st.cache_data(max_entries=16, show_spinner=False, hash_funcs=_HASH_FUNCS)(results.side_by_side)


# --- rules side by side --------------------------------------------------------------------------------------


def rules_table(variants: Variants) -> None:
    """Results of each rule over seeds, and its difference from the baseline."""
    table = _side_by_side(variants)
    st.header("Rules side by side")
    if table.empty:
        st.markdown(":material/hourglass_empty: No run is complete yet.")
        return
    names = [variant_name(variant) for variant in variants]
    paired = bool((table[f"{PAIRED[0]}_gain_n"] > 1).any())
    heads = ["Rule", "Seeds", *(head for head, _, _ in _HEADS), *(_gain_heads() if paired else [])]
    st.html(html_table(heads, [_row(row, names, paired) for row in table.to_dict("records")]))
    if table["accuracy"].isna().all():
        st.caption("No sample of the target has a label to compare with.")
        return
    single = bool((table["n"] == 1).any())
    st.caption(
        "Accuracy over the target's samples with a label, precision over the selected ones. Small: 95 % intervals, "
        f"Student's t over seeds{'; of one seed over samples (Wilson)' if single else ''}. "
        + (
            f"Differences from {RULE_NAMES[BASE]} are taken seed by seed, in percentage points, with a paired t-test: "
            "p alone, and by Holm's method for all differences of the table."
            if paired
            else f"With two seeds or more of a rule and of {RULE_NAMES[BASE]}, their difference is tested here."
        )
    )


def _gain_heads() -> list[str]:
    base = escape(RULE_NAMES[BASE])
    return [f"Accuracy<small>minus {base}'s</small>", f"Mean of classes<small>minus {base}'s</small>"]


def _row(row: Mapping[Any, Any], names: Sequence[str], paired: bool) -> str:
    cells = [f"{row['n']:,}", *(_cell(row, key, form) for _, key, form in _HEADS)]
    cells += [_gain_cell(row, key) for key in PAIRED] if paired else []
    return table_row(escape(names[row["line"]]), cells)


def _cell(row: Mapping[Any, Any], key: str, form: str) -> str:
    value, low, high = (row[f"{key}{end}"] for end in ("", "_low", "_high"))
    share = form == "share"
    if share and low == low:  # Student's t may go beyond the ends of a share
        low, high = max(low, 0), min(high, 1)
    return estimate(value, low, high, 1 if share else 0, percent=share)


def _gain_cell(row: Mapping[Any, Any], key: str) -> str:
    value, low, high, n, p, holm = (row[f"{key}_gain{end}"] for end in ("", "_low", "_high", "_n", "_p", "_p_holm"))
    if n < 2:
        return "–"
    test = escape(f"{p_text(p)}, by Holm {p_text(holm)}") if p == p else "p –"
    plus = "+" if value > 0 else ""
    return f"{plus}{estimate(100 * value, 100 * low, 100 * high, 1)}<small>n {n}, {test}</small>"
