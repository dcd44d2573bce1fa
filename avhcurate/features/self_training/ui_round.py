"""The Self-training page, one round: accuracy per class, selections compared, and the export."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.export.output import manifest_text
from avhcurate.datasets.export.service import FOLDERS, FORMATS
from avhcurate.features.self_training import results, round_export
from avhcurate.features.self_training.ui import title
from avhcurate.measures.stats.intervals import share
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.export_menu import ABOUT, LARGEST_ZIP, download, samples_label
from avhcurate.ui.frame import Opened
from avhcurate.ui.grid_bar import sample_grid
from avhcurate.ui.grid_views import GridView
from avhcurate.ui.layout import fact
from avhcurate.ui.page_choices import one_of
from avhcurate.ui.score_help import RULE_NAMES, format_score, score_name
from avhcurate.ui.text import accuracy_note
from avhcurate.workspace.data.self_trainings import BY, SelfTrainingFolder

SET = one_of("selftrain.set", ("first", "second", "both"), "first")
#: The gates that go by AVC; the others go by the softmax probability.
_ANGULAR = ("avc", "avc-centred")


@dataclass(frozen=True)
class ChosenRound:
    """A run and one of its rounds."""

    folder: SelfTrainingFolder
    number: int


@dataclass(frozen=True)
class SampleList:
    """A list of samples in view: its `title`, and rows `candidate, label` by id with the score that orders them, `by`.

    label: the given one, -1 for none. The lowest score is first.
    """

    title: str
    by: str
    rows: pd.DataFrame


def choose_round(page: Opened, folders: Sequence[SelfTrainingFolder]) -> ChosenRound | None:
    """Return the run and the round to show, with the export of its pseudo-labels; None before a round has selected."""
    runs = {folder.name: folder for folder in folders}
    which = one_of("selftrain.run", tuple(runs), next(iter(runs)))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = which.show(
            st.selectbox,
            "Run",
            page.view,
            {name: title(folder) for name, folder in runs.items()},
            on_change=which.restart,
            args=("selftrain.round", "selftrain.other"),
            width=340,
        )
        folder = runs[name]
        numbers = folder.rounds()[1:]
        if not numbers:
            st.markdown(":material/hourglass_empty: No round of this run has selected anything yet.")
            return None
        of_round = one_of("selftrain.round", numbers, numbers[-1])
        number = of_round.show(st.selectbox, "Round", page.view, numbers, on_change=of_round.restart, width=100)
        chosen = ChosenRound(folder, number)
        _export_menu(page, chosen)
    report = folder.report(number)
    text = (
        f"Round {number} of {numbers[-1]} trusts a portion of {report.portion:g} of each predicted class and selects "
        f"{report.selected:,} of {report.samples:,} samples. {report.changed:,} pseudo-labels differ from the round "
        "before."
    )
    if left_out := folder.record.target_left_out + report.left_out:
        text += f" {left_out:,} samples have no finite embedding and are left out."
    st.caption(text)
    return chosen


# --- each class before and after -----------------------------------------------------------------------------


def classes(chosen: ChosenRound) -> None:
    """Show each class of the target by the source alone and after the round, with its thresholds."""
    table, before = (chosen.folder.classes(number) for number in (chosen.number, 0))
    before_round = before.set_index("label")["accuracy"].reindex(table["label"]).to_numpy()
    shares = {"Round": "accuracy", "Precision": "precision", "Recall": "recall"}
    percent, threshold = st.column_config.NumberColumn(format="%.1f %%"), st.column_config.NumberColumn(format="%.4f")
    rows = pd.DataFrame(
        {
            "Class": table["label_name"],
            "n": table["samples"],
            "Source": 100 * before_round,
            **{name: 100 * table[key] for name, key in shares.items()},
            "Change": 100 * (table["accuracy"] - before_round),
            "Selected": table["selected"],
            "Interval": [_ends(row) for row in table[["precision_low", "precision_high"]].to_numpy()],
            "λ": table["lambda"],
            "β": table["beta"],
            "Note": table["note"].fillna(""),
        }
    )
    st.markdown("**Classes and thresholds**")
    st.dataframe(
        rows,
        hide_index=True,
        height=min(28 * len(rows) + 40, 420),
        row_height=28,
        key="selftrain.class_table",
        column_config={
            **dict.fromkeys(("Source", *shares), percent),
            "n": st.column_config.NumberColumn(help="Samples of the target with this label."),
            "Change": st.column_config.NumberColumn(format="%+.1f", help="In percentage points."),
            "Interval": st.column_config.TextColumn(help="95 % interval of the precision, Wilson's."),
            "λ": threshold,
            "β": threshold,
        },
    )
    st.caption(
        "Source, Round: accuracy by the source alone and after this round. Precision: selected samples of the class "
        "that have its label. Recall: samples with this label that are selected with it. λ is the threshold of the "
        "softmax probability, β that of AVC."
    )


def _ends(ends: np.ndarray) -> str:
    if np.isnan(ends).any():
        return ""
    return f"{100 * ends[0]:.1f}–{100 * ends[1]:.1f}"


# --- selections compared ------------------------------------------------------------------------------------------


def gallery(page: Opened, chosen: ChosenRound, folders: Sequence[SelfTrainingFolder]) -> GridView | None:
    """Show what one gate or run selects and another does not, as a grid."""
    st.header("Selected by one and not by the other")
    folder, number = chosen.folder, chosen.number
    gates = {gate: RULE_NAMES[gate] for gate in results.gates(folder, number)}
    others = {one.name: one for one in folders if one != folder and number in one.rounds()}
    one = one_of("selftrain.one", tuple(gates), next(iter(gates)))
    first = one.of(page.view)
    second_names = {gate: name for gate, name in gates.items() if gate != first}
    second_names |= {name: title(one) for name, one in others.items()}
    usual = next(gate for gate in ("confidence", "avc") if gate in second_names)
    other = one_of("selftrain.other", tuple(second_names), usual)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        one.show(
            st.selectbox, "Selected by", page.view, gates, on_change=one.restart, args=("selftrain.other",), width=200
        )
        second = other.show(st.selectbox, "Not by", page.view, second_names, on_change=other.restart, width=340)
    rows = theirs = _rows(page, folder, number)
    gate = second
    if second in others:
        theirs, gate = _rows(page, others[second], number), results.gates(others[second], number)[0]
    a, b = rows.index[rows[BY + first]], theirs.index[theirs[BY + gate]]
    name_a, name_b = gates[first], second_names[second]
    lists = {
        "first": _listing(rows.loc[a.difference(b)], f"{name_a}, not {name_b}", gate),
        "second": _listing(theirs.loc[b.difference(a)], f"{name_b}, not {name_a}", first),
        "both": _listing(rows.loc[a.intersection(b)], "Both", "confidence"),
    }
    st.caption(
        f"Both select in round {number}, at the same portion; two gates from the same network outputs, two runs each "
        "from its own. The filters on the left apply. Right: the pseudo-label is the given label."
    )
    with st.container(horizontal=True, gap="medium"):
        for listing in lists.values():
            _fact(listing)
    titles = {key: listing.title for key, listing in lists.items()}
    shown = SET.show(st.segmented_control, "Show", page.view, titles, on_change=SET.restart)
    return _grid(page, chosen, lists[shown])


def _fact(listing: SampleList) -> None:
    """Show how many samples of a list are right."""
    labelled = listing.rows[listing.rows["label"] >= 0]
    n, value, low, high = share((labelled["label"] == labelled["candidate"]).sum(), len(labelled))
    heading = f"{listing.title} ({len(listing.rows):,})"
    if n:
        fact(heading, f"{100 * value:.1f} % right", accuracy_note(n, low, high))
    else:
        fact(heading, "–", "no label in view")


def _rows(page: Opened, folder: SelfTrainingFolder, number: int) -> pd.DataFrame:
    """Return the samples in view that a round selected from, by id, with the given `label`."""
    rows = _selections(str(folder.root), number)
    labels = page.table.frame(page.filters, columns=["id", "label"]).set_index("id")["label"]
    rows = rows[rows.index.isin(labels.index)]
    return rows.assign(label=labels.reindex(rows.index).fillna(-1).astype("int64"))


@st.cache_resource(max_entries=8, show_spinner="Reading the round …")
def _selections(root: str, number: int) -> pd.DataFrame:
    return results.selections(SelfTrainingFolder(Path(root)), number)


def _listing(rows: pd.DataFrame, title: str, gate: str) -> SampleList:
    """Return the rows by the score of a gate, the lowest first."""
    by = "confidence"
    if gate in _ANGULAR:
        by = "avc"
    return SampleList(title, by, rows.sort_values(by, kind="stable"))


def _grid(page: Opened, chosen: ChosenRound, listing: SampleList) -> GridView | None:
    st.caption(f"Lowest {score_name(listing.by)} of the pseudo-label first: it is on the tiles.")
    if listing.rows.empty:
        st.markdown(":material/filter_alt_off: None of the samples in view.")
        return None
    names, rows = chosen.folder.record.classes, listing.rows

    def look(tile: Tile) -> Tile:
        label, given = int(rows["candidate"][tile.id]), int(rows["label"][tile.id])
        value = format_score(listing.by, float(rows[listing.by][tile.id]))
        alt = f"image {tile.id}, label {tile.title}, as {names[label]}, {score_name(listing.by)} {value}"
        return replace(tile, sub=f"as {names[label]}", score=value, differs=given >= 0 and label != given, alt=alt)

    about = f"{chosen.folder.name} {chosen.number} {listing.title}"
    return sample_grid(page, rows.index.tolist(), about=about, look=look, score="id")


# --- export ----------------------------------------------------------------------------------------------


def _export_menu(page: Opened, chosen: ChosenRound) -> None:
    """Offer the pseudo-labels of the round and their manifest; for many images, the command that writes them."""
    record, count = chosen.folder.record, chosen.folder.report(chosen.number).selected
    with st.popover("Export", icon=":material/download:", key="selftrain.export"):
        forms = [form for form in FORMATS if form != "cleanlab" or record.target_run]
        form = st.selectbox("Format", forms, format_func=lambda form: ABOUT.get(form, form), key="selftrain.format")
        name, ending, out = (
            f"{record.target}-{record.rule}-seed{record.seed}-round{chosen.number}",
            form,
            f"FILE.{form}",
        )
        if form in FOLDERS:
            ending, out = "zip", "FOLDER"
        if form in FOLDERS and count > LARGEST_ZIP:
            st.caption(f"A folder of {count:,} images is written by the command line.")
        else:
            download(
                samples_label(count, form),
                partial(round_export.export_bytes, page.workspace, chosen.folder, chosen.number, form),
                f"{name}.{ending}",
                key="selftrain.download",
                type="primary",
            )
        download(
            "Manifest",
            lambda: manifest_text(round_export.describe(chosen.folder, chosen.number)),
            f"{name}.manifest.json",
            key="selftrain.manifest",
            help="The run's record, rule, thresholds and counts per class, model and weights, dataset, versions.",
        )
        st.caption("The whole selection of the round, without the filters.")
        words = ["select", record.target, "--self-training", chosen.folder.name, "--round", str(chosen.number)]
        line = shlex.join([*words, "--format", form, "--out", out])
        st.code(f"avhcurate {line}", language="bash", wrap_lines=True)
