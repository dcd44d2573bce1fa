"""The Self-training page, one round: accuracy per class, selections compared, and the export."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.data.self_trainings import SelfTrainingFolder
from avhcurate.export import FOLDERS, FORMATS
from avhcurate.export.output import manifest_text
from avhcurate.self_training import results, round_export
from avhcurate.self_training.plots import before_and_after
from avhcurate.self_training.results import BASE, Variants
from avhcurate.self_training.ui import variant_name
from avhcurate.stats.intervals import share
from avhcurate.ui.charts import show_chart
from avhcurate.ui.charts_by_class import choose_classes
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.export_menu import ABOUT, LARGEST_ZIP, download, samples_label
from avhcurate.ui.frame import Opened
from avhcurate.ui.grid_bar import sample_grid
from avhcurate.ui.grid_views import GridView
from avhcurate.ui.layout import fact
from avhcurate.ui.page_choices import Choice, one_of
from avhcurate.ui.score_help import RULE_NAMES, format_score, score_name
from avhcurate.ui.text import accuracy_note

_MODES = {"gates": "Two gates, same outputs", "runs": "Two runs"}
MODE = one_of("selftrain.mode", tuple(_MODES), "gates")
_SETS = ("first", "second", "both", "relabelled")
SET = one_of("selftrain.set", _SETS, "first")
#: The score that a gate goes by.
_SCORE = {"avc": "avc", "avc-centred": "avc", "confidence": "confidence", "lrent": "confidence"}


@dataclass(frozen=True)
class ChosenRound:
    """A run, its title, and one of its rounds."""

    folder: SelfTrainingFolder
    title: str
    number: int


@dataclass(frozen=True)
class SampleList:
    """A list of samples in view: its `title`, and rows `candidate, label, score` by id, most doubtful first.

    label: the given one, -1 for none. score: what the rows are ordered by, named by `by`.
    """

    title: str
    by: str
    rows: pd.DataFrame

    def precision(self) -> tuple[int, float, float, float]:
        """n with a label, share whose pseudo-label it is, and the ends of its 95 % interval (Wilson)."""
        labelled = self.rows[self.rows["label"] >= 0]
        return share((labelled["label"] == labelled["candidate"]).sum(), len(labelled))


# --- which round ---------------------------------------------------------------------------------------------


def choose_round(page: Opened, variants: Variants) -> ChosenRound | None:
    """The run and the round to show, with the export of its pseudo-labels; None before a round has selected."""
    runs = _named(variants)
    default = next((name for name, (_, folder) in runs.items() if folder.record.rule == "avc"), next(iter(runs)))
    which = one_of("selftrain.run", tuple(runs), default)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = which.show(
            st.selectbox,
            "Run",
            page.view,
            {name: title for name, (title, _) in runs.items()},
            on_change=which.restart,
            args=("selftrain.round", "selftrain.against"),
            width=260,
        )
        title, folder = runs[name]
        numbers = folder.rounds()[1:]
        if not numbers:
            st.markdown(":material/hourglass_empty: No round of this run has selected anything yet.")
            return None
        of_round = one_of("selftrain.round", numbers, numbers[-1])
        number = of_round.show(st.selectbox, "Round", page.view, numbers, on_change=of_round.restart, width=100)
        chosen = ChosenRound(folder, title, number)
        _export_menu(page, chosen)
    report = folder.report(number)
    left_out = folder.record.target_left_out + report.left_out
    st.caption(
        f"Round {number} of {numbers[-1]} trusts a portion of {report.portion:g} of each predicted class and selects "
        f"{report.selected:,} of {report.samples:,} samples; since the round before, {report.changed:,} pseudo-labels "
        "came, went or changed."
        + (f" {left_out:,} samples have no finite embedding and are left out." if left_out else "")
    )
    return chosen


def _named(variants: Variants) -> dict[str, tuple[str, SelfTrainingFolder]]:
    """Title and folder of each run, by name."""
    return {
        folder.name: (f"{variant_name(variant)} · seed {folder.record.seed}", folder)
        for variant, folders in variants.items()
        for folder in folders
    }


# --- each class before and after -----------------------------------------------------------------------------


def classes(chosen: ChosenRound) -> None:
    """Each class of the target by the source alone and after the round."""
    table, before = (chosen.folder.classes(number) for number in (chosen.number, 0))
    table["before"] = before.set_index("label")["accuracy"].reindex(table["label"]).to_numpy()
    table = table.rename(columns={"accuracy": "after", "accuracy_low": "low", "accuracy_high": "high"})
    left, right = st.columns([1, 3], gap="medium")
    with left:
        st.markdown("**Accuracy of each class**")
        if table["after"].notna().any():
            change = table["after"] - table["before"]
            shown = choose_classes(
                table, change, names="label_name", what="change of accuracy", key="selftrain.classes"
            )
            show_chart(before_and_after(shown), key="selftrain.classes")
            st.caption("Blue rises, orange falls; 95 % intervals of the round (Wilson).")
        else:
            st.caption("No sample of the target has a label to compare with.")
    with right:
        st.markdown(f"**Classes and thresholds** · {chosen.title}, round {chosen.number}")
        _class_table(table)


def _class_table(table: pd.DataFrame) -> None:
    percent = st.column_config.NumberColumn(format="%.1f %%", width=68)
    threshold = st.column_config.NumberColumn(format="%.4f", width=58)
    rows = pd.DataFrame(
        {
            "Class": table["label_name"],
            "n": table["samples"],
            "Source": 100 * table["before"],
            "Round": 100 * table["after"],
            "Change": 100 * (table["after"] - table["before"]),
            "Selected": table["selected"],
            "Precision": 100 * table["precision"],
            "Interval": [_ends(row) for row in table[["precision_low", "precision_high"]].to_numpy()],
            "Recall": 100 * table["recall"],
            "λ": table["lambda"],
            "β": table["beta"],
        }
    )
    if (table["note"].fillna("") != "").any():
        rows = rows.assign(Note=table["note"])
    st.dataframe(
        rows,
        hide_index=True,
        height=min(28 * len(rows) + 40, 420),
        row_height=28,
        key="selftrain.class_table",
        column_config=dict.fromkeys(("Source", "Round", "Precision", "Recall"), percent)
        | {
            "Class": st.column_config.TextColumn(width=54),
            "n": st.column_config.NumberColumn(help="Samples of the target with this label.", width=44),
            "Change": st.column_config.NumberColumn(format="%+.1f", help="In percentage points.", width=58),
            "Selected": st.column_config.NumberColumn(width=60),
            "Interval": st.column_config.TextColumn(help="95 % interval of the precision, Wilson's.", width=76),
            "λ": threshold,
            "β": threshold,
        },
    )
    st.caption(
        "Source, Round: accuracy by the source alone and after this round. Precision: selected samples of the class "
        "whose label it is. Recall: samples with this label that are selected with it. λ is the threshold of the "
        "softmax probability, β that of AVC."
    )


def _ends(ends: np.ndarray) -> str:
    return "" if np.isnan(ends).any() else f"{100 * ends[0]:.1f}–{100 * ends[1]:.1f}"


# --- selections compared ------------------------------------------------------------------------------------------


def gallery(page: Opened, chosen: ChosenRound, variants: Variants) -> GridView | None:
    """What one gate or run selects and another does not, as a grid."""
    st.header("Selected by one and not by the other")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        mode = MODE.show(st.segmented_control, "Compare", page.view, _MODES, on_change=MODE.restart)
        lists = _gates(page, chosen) if mode == "gates" else _runs(page, chosen, variants)
    if not lists:
        return None
    st.caption(_explanation(chosen, mode))
    with st.container(horizontal=True, gap="medium"):
        for listing in lists.values():
            n, share, low, high = listing.precision()
            fact(
                f"{listing.title} ({len(listing.rows):,})",
                f"{100 * share:.1f} % right" if n else "–",
                accuracy_note(n, low, high) if len(listing.rows) else "none in view",
            )
    titles = {key: listing.title for key, listing in lists.items()}
    name = SET.show(st.segmented_control, "Show", page.view, titles, on_change=SET.restart)
    return _grid(page, chosen, mode, name, lists[name])


def _explanation(chosen: ChosenRound, mode: str) -> str:
    text = (
        f"Both gates select from the network outputs that round {chosen.number} selected from, at the same portion."
        if mode == "gates"
        else f"Both runs select in round {chosen.number}, each from its own network outputs."
    )
    return f"{text} The filters on the left apply. Right: the pseudo-label is the given label."


def _gates(page: Opened, chosen: ChosenRound) -> dict[str, SampleList]:
    gates = results.gates(chosen.folder, chosen.number)
    one, other = one_of("selftrain.one", gates, "avc"), one_of("selftrain.other", gates, "confidence")
    first, second = one.of(page.view), other.of(page.view)
    for label, which, gate, partner in (("Selected by", one, first, other), ("Beside", other, second, one)):
        which.show(
            st.selectbox,
            label,
            page.view,
            {gate: RULE_NAMES[gate] for gate in gates},
            value=gate,
            on_change=_set_gate,
            args=(which, gate, partner),
            width=160,
        )
    if first == second:
        st.caption("Choose two different gates.")
        return {}
    ids = results.difference(chosen.folder, chosen.number, first, second)
    rows = _rows(page, chosen.folder, chosen.number)
    sides = {"first": (first, second), "second": (second, first)}
    lists = {
        side: _listing(rows, ids[side], f"{RULE_NAMES[ours]}, not {RULE_NAMES[theirs]}", _SCORE[theirs])
        for side, (ours, theirs) in sides.items()
    }
    return lists | {"both": _listing(rows, ids["both"], "Both", "confidence")}


def _set_gate(which: Choice[str], before: str, partner: Choice[str]) -> None:
    """Sets a gate; where its partner has the same one, the two are swapped."""
    clash = st.session_state[which.name] == st.session_state[partner.name]
    which.restart()
    if clash:
        partner.put(before)


def _runs(page: Opened, chosen: ChosenRound, variants: Variants) -> dict[str, SampleList]:
    runs = {name: run for name, run in _named(variants).items() if name != chosen.folder.name}
    if not runs:
        st.caption("There is no other run to compare with: start one with another rule or seed.")
        return {}
    wanted = BASE, chosen.folder.record.seed
    usual = (name for name, (_, folder) in runs.items() if (folder.record.rule, folder.record.seed) == wanted)
    which = one_of("selftrain.against", tuple(runs), next(usual, next(iter(runs))))
    names = {name: title for name, (title, _) in runs.items()}
    name = which.show(st.selectbox, "With", page.view, names, on_change=which.restart, width=260)
    title, other = runs[name]
    if chosen.number not in other.rounds():
        st.caption(f"{title} has no round {chosen.number}: choose an earlier one.")
        return {}
    ids = results.difference_of_runs(chosen.folder, other, chosen.number)
    ours, theirs = (_rows(page, folder, chosen.number) for folder in (chosen.folder, other))
    our_gate, their_gate = (results.gates(folder, chosen.number)[0] for folder in (chosen.folder, other))
    return {
        "first": _listing(ours, ids["first"], f"{chosen.title}, not {title}", _SCORE[their_gate]),
        "second": _listing(theirs, ids["second"], f"{title}, not {chosen.title}", _SCORE[our_gate]),
        "both": _listing(ours, ids["both"], "Both", "confidence"),
        "relabelled": _listing(ours, ids["relabelled"], "Both, labelled otherwise", "confidence"),
    }


def _rows(page: Opened, folder: SelfTrainingFolder, number: int) -> pd.DataFrame:
    """The samples in view that a round selected from, by id, with the given `label`."""
    rows = _selection(str(folder.root), number)
    labels = page.table.frame(page.filters, columns=["id", "label"]).set_index("id")["label"]
    rows = rows[rows.index.isin(labels.index)]
    return rows.assign(label=labels.reindex(rows.index).fillna(-1).astype("int64"))


@st.cache_resource(max_entries=8, show_spinner="Reading the round …")
def _selection(root: str, number: int) -> pd.DataFrame:
    columns = ["id", "candidate", "confidence", "avc"]
    return SelfTrainingFolder(Path(root)).selection(number, columns).set_index("id")


def _listing(rows: pd.DataFrame, ids: Sequence[int], title: str, by: str) -> SampleList:
    """The rows of some ids, lowest score first."""
    part = rows[rows.index.isin(ids)]
    return SampleList(title, by, part.assign(score=part[by]).sort_values("score", kind="stable"))


def _grid(page: Opened, chosen: ChosenRound, mode: str, name: str, listing: SampleList) -> GridView | None:
    st.caption(f"Lowest {score_name(listing.by)} of the pseudo-label first: it is on the tiles.")
    if listing.rows.empty:
        st.markdown(":material/filter_alt_off: None of the samples in view.")
        return None
    names, labels = chosen.folder.record.classes, listing.rows[["candidate", "label"]].astype("int64")

    def look(tile: Tile) -> Tile:
        label, given = int(labels["candidate"][tile.id]), int(labels["label"][tile.id])
        value = format_score(listing.by, float(listing.rows["score"][tile.id]))
        alt = f"image {tile.id}, label {tile.title}, as {names[label]}, {score_name(listing.by)} {value}"
        return replace(tile, sub=f"as {names[label]}", score=value, differs=given >= 0 and label != given, alt=alt)

    about = f"{chosen.folder.name} {chosen.number} {mode} {name} {listing.title}"
    return sample_grid(page, listing.rows.index.tolist(), about=about, look=look, score="id")


# --- export ----------------------------------------------------------------------------------------------


def _export_menu(page: Opened, chosen: ChosenRound) -> None:
    """Download the pseudo-labels of the round and their manifest; of many images, the command that writes them."""
    with st.popover("Export", icon=":material/download:", key="selftrain.export"):
        forms = [form for form in FORMATS if form != "cleanlab" or chosen.folder.record.target_run]
        form = st.selectbox("Format", forms, format_func=lambda form: ABOUT.get(form, form), key="selftrain.format")
        count = chosen.folder.report(chosen.number).selected
        name = f"{page.table.dataset.name}-{chosen.folder.record.rule}-seed{chosen.folder.record.seed}"
        name += f"-round{chosen.number}"
        if form not in FOLDERS:
            _export_file(page, chosen, form, name, count)
        elif count <= LARGEST_ZIP:
            _download(count, f"{name}.zip", page, chosen, form, disabled=not count)
            st.caption("A folder with its manifest, as ZIP: the whole selection of the round, whatever the filters.")
        else:
            st.caption(f"A folder of {count:,} images is written by the command line.")
        st.code(_command(page, chosen, form), language="bash", wrap_lines=True)


def _export_file(page: Opened, chosen: ChosenRound, form: str, name: str, count: int) -> None:
    every = st.toggle(
        "Also those not selected",
        key="selftrain.all",
        help="Without a label; their scores show by how much they missed.",
    )
    total = chosen.folder.record.target_samples if every else count
    with st.container(horizontal=True):
        _download(total, f"{name}.{form}", page, chosen, form, every=every)
        download(
            "Manifest",
            lambda: manifest_text(round_export.describe(chosen.folder, chosen.number)),
            f"{name}.{form}.manifest.json",
            key="selftrain.manifest",
            help="The run's record, rule, thresholds and counts per class, model and weights, dataset, versions.",
        )
    st.caption("The whole selection of the round, whatever the filters.")


def _download(
    count: int, name: str, page: Opened, chosen: ChosenRound, form: str, *, every: bool = False, **look: Any
) -> None:
    data = partial(round_export.export_bytes, page.workspace, chosen.folder, chosen.number, form, all=every)
    download(samples_label(count, form), data, name, key="selftrain.download", type="primary", **look)


def _command(page: Opened, chosen: ChosenRound, form: str) -> str:
    dataset = shlex.quote(page.table.dataset.name)
    run, out = shlex.quote(chosen.folder.name), "FOLDER" if form in FOLDERS else f"FILE.{form}"
    return f"avhcurate select {dataset} --self-training {run} --round {chosen.number} --format {form} --out {out}"
