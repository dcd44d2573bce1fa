"""The Self-training page, one round: accuracy per class, selections compared, and the export."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.export.output import manifest_text
from avhcurate.datasets.export.service import FOLDERS, FORMATS
from avhcurate.errors import Run
from avhcurate.features.pseudo_labels import round_export
from avhcurate.features.pseudo_labels.rules import ANGULAR
from avhcurate.lab.self_training import service
from avhcurate.lab.self_training.ui import title
from avhcurate.measures.stats.intervals import share
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.export_menu import ABOUT, LARGEST_ZIP, download, samples_label
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.layout import fact, in_a_row
from avhcurate.ui.base.page_choices import one_of
from avhcurate.ui.base.score_help import RULE_NAMES, format_score, score_name
from avhcurate.ui.base.text import accuracy_note
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.grid.grid_bar import sample_grid
from avhcurate.ui.grid.grid_views import GridView
from avhcurate.workspace.data.self_trainings import BY, SelfTrainingFolder

#: A run and one of its rounds.
SelectedRound = tuple[SelfTrainingFolder, int]

_selections = kept("Reading the round …", funcs={SelfTrainingFolder: lambda folder: str(folder.root)})(
    service.selections
)


def choose_round(page: Opened, folders: Sequence[SelfTrainingFolder]) -> SelectedRound | None:
    """Return the run and the round to show, with the export of its pseudo-labels; None before a round has selected."""
    runs = {folder.name: folder for folder in folders}
    which = one_of("selftrain.run", tuple(runs), next(iter(runs)))
    titles = {name: title(folder) for name, folder in runs.items()}
    with in_a_row():
        name = which.show(st.selectbox, "Run", titles, on_change=which.restart, args=("selftrain.round",), width=340)
        folder = runs[name]
        numbers = folder.rounds()[1:]
        if not numbers:
            st.markdown(":material/hourglass_empty: No round of this run has selected anything yet.")
            return None
        of_round = one_of("selftrain.round", numbers, numbers[-1])
        number = of_round.show(st.selectbox, "Round", numbers, on_change=of_round.restart, width=100)
        _export_menu(page, folder, number)
    report = folder.report(number)
    left_out = folder.record.target_left_out + report.left_out
    st.caption(
        f"Round {number} of {numbers[-1]} trusts a portion of {report.portion:g} of each predicted class and selects "
        f"{report.selected:,} of {report.samples:,} images. {report.changed:,} pseudo-labels differ from the round "
        f"before. {left_out:,} images have no finite embedding and are left out."
    )
    return folder, number


# --- each class before and after -----------------------------------------------------------------------------


def classes(selected_round: SelectedRound) -> None:
    """Show each class of the target by the source alone and after the round, with its thresholds."""
    folder, number = selected_round
    table = folder.classes(number)
    before = folder.classes(0)["accuracy"]
    shares = {"Round": "accuracy", "Precision": "precision", "Recall": "recall"}
    percent = st.column_config.NumberColumn(format="%.1f %%")
    threshold = st.column_config.NumberColumn(format="%.4f")
    rows = pd.DataFrame(
        {
            "Class": table["label_name"],
            "n": table["samples"],
            "Source": 100 * before,
            **{name: 100 * table[key] for name, key in shares.items()},
            "Change": 100 * (table["accuracy"] - before),
            "Selected": table["selected"],
            "from": 100 * table["precision_low"],
            "to": 100 * table["precision_high"],
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
            **dict.fromkeys(("Source", *shares, "from", "to"), percent),
            "n": st.column_config.NumberColumn(help="Images of the target with this label."),
            "Change": st.column_config.NumberColumn(format="%+.1f", help="In percentage points."),
            "λ": threshold,
            "β": threshold,
        },
    )
    st.caption(
        "Source, Round: accuracy by the source alone and after this round. Precision: selected images of the class "
        "that have its label, with its 95 % interval (Wilson). Recall: images with this label that are selected with "
        "it. λ is the threshold of the softmax probability, β that of AVC."
    )


# --- selections compared ------------------------------------------------------------------------------------------


def gallery(page: Opened, selected_round: SelectedRound) -> GridView | None:
    """Show what one gate selects and another does not, from the same network outputs, as a grid."""
    st.header("Selected by one and not by the other")
    folder, number = selected_round
    gates = {gate: RULE_NAMES[gate] for gate in service.gates(folder, number)}
    selecting = one_of("selftrain.one", tuple(gates), next(iter(gates)))
    first = selecting.asked()
    others = {gate: name for gate, name in gates.items() if gate != first}
    other = one_of("selftrain.other", tuple(others), next(gate for gate in ("confidence", "avc") if gate in others))
    with in_a_row():
        selecting.show(st.selectbox, "Selected by", gates, on_change=selecting.restart, args=(other.name,), width=200)
        second = other.show(st.selectbox, "Not by", others, on_change=other.restart, width=200)
    by = "confidence"
    if second in ANGULAR:
        by = "avc"
    rows = _rows(page, folder, number)
    rows = rows[rows[BY + first] & ~rows[BY + second]].sort_values(by, kind="stable")
    labelled = rows[rows["label"] >= 0]
    n, value, low, high = share((labelled["label"] == labelled["candidate"]).sum(), len(labelled))
    heading = f"{gates[first]}, not {others[second]}"
    right = "–"
    if n:
        right = f"{100 * value:.1f} % right"
    fact(f"{heading} ({len(rows):,})", right, accuracy_note(n, low, high))
    st.caption(f"The filters on the left apply. Lowest {score_name(by)} of the pseudo-label first: it is on the tiles.")
    if rows.empty:
        st.markdown(":material/filter_alt_off: None of the images in view.")
        return None
    names = folder.record.classes

    def look(tile: Tile) -> Tile:
        row: Any = rows.loc[tile.id]
        name = names[int(row["candidate"])]
        value = format_score(by, float(row[by]))
        alt = f"image {tile.id}, label {tile.title}, as {name}, {score_name(by)} {value}"
        differs = bool(row["label"] >= 0 and row["label"] != row["candidate"])
        return replace(tile, predicted="", sub=f"as {name}", score=value, differs=differs, alt=alt)

    subject = f"{folder.name} {number} {heading}"
    return sample_grid(page, rows.index.tolist(), subject=subject, look=look, score="id")


def _rows(page: Opened, folder: SelfTrainingFolder, number: int) -> pd.DataFrame:
    """Return the samples in view that a round selected from, by id, with the given `label`, -1 for none."""
    labels = page.samples.frame(page.filters, columns=["id", "label"]).set_index("id")["label"]
    rows = _selections(folder, number).join(labels, how="inner")
    return rows.assign(label=rows["label"].fillna(-1).astype("int64"))


# --- export ----------------------------------------------------------------------------------------------


def _export_menu(page: Opened, folder: SelfTrainingFolder, number: int) -> None:
    """Offer the pseudo-labels of the round and their manifest; for many images, the command that writes them."""
    record = folder.record
    count = folder.report(number).selected
    with st.popover("Export", icon=":material/download:", key="selftrain.export"):
        forms = [form for form in FORMATS if form != "cleanlab" or record.target_run]
        form = st.selectbox("Format", forms, format_func=lambda form: ABOUT.get(form, form), key="selftrain.format")
        name = f"{record.target}-{record.rule}-seed{record.seed}-round{number}"
        ending = form
        out = f"FILE.{form}"
        if form in FOLDERS:
            ending = "zip"
            out = "FOLDER"
        if form in FOLDERS and count > LARGEST_ZIP:
            st.caption(f"A folder of {count:,} images is written by the command line.")
        else:
            data = partial(round_export.export_bytes, page.workspace, folder, number, form)
            label = samples_label(count, form)
            download(label, data, f"{name}.{ending}", key="selftrain.download", type="primary")
        download(
            "Manifest",
            lambda: manifest_text(round_export.describe(folder, number)),
            f"{name}.manifest.json",
            key="selftrain.manifest",
        )
        st.caption("The whole selection of the round, without the filters.")
        run = Run("select", record.target, self_training=folder.name, round=str(number), format=form, out=out)
        st.code(run.command, language="bash", wrap_lines=True)
