"""The Pseudo-labels page: rule and portion, classes, accuracy, differences between rules, and the export."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from avhcurate.datasets.export.output import manifest_text
from avhcurate.datasets.export.service import content_of
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.features.pseudo_labels import service
from avhcurate.features.pseudo_labels.plots import accuracy_by_portion
from avhcurate.features.pseudo_labels.rules import GATES, RULES, Rule
from avhcurate.features.pseudo_labels.service import PseudoLabels, describe_selection, write_pseudo_labels
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.export_menu import download, samples_label
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.layout import fact, halves, in_a_row
from avhcurate.ui.base.page_choices import number, one_of
from avhcurate.ui.base.score_help import RULE_NAMES, score_name
from avhcurate.ui.base.text import PAPER, accuracy_note
from avhcurate.ui.charts.show import show_chart
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.grid.grid_bar import narrow_grid
from avhcurate.ui.grid.grid_views import GridView
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder

RULE = one_of("pseudo.rule", list(RULES), "avc")
PORTION = number("pseudo.portion", 0.2, low=0.05, high=1.0)

#: Up to so many numbers in features and logits, the curve over portions is computed without a click.
_CHEAP = 4_000_000
_FORMATS = ("csv", "jsonl", "parquet")
#: The rules whose selections stand side by side, in words.
_COMPARED: dict[Rule, str] = {"avc": "AVC", "confidence": "softmax"}

_NUMBER = st.column_config.NumberColumn
#: Columns of the table of classes, in their order.
_COLUMNS: dict[str, Any] = {
    "label_name": "Class",
    "predicted": "Predicted",
    "candidates": _NUMBER("Candidates", help="Images whose class-balanced label is this class."),
    "selected": "Selected",
    "lambda": _NUMBER("λ", format="%.4f", help="Threshold of the softmax probability."),
    "beta": _NUMBER("β", format="%.4f", help="Threshold of AVC."),
    "accuracy": _NUMBER("Accuracy", format="percent"),
    "labelled": _NUMBER("With label", help="Selected images that have a given label."),
    "note": "Note",
}

#: `pseudo_labels.service` in a cache. Of ten million samples each portion takes 0.7 GB.
_select_by_each = kept("Selecting …", most=2)(service.select_by_each)
_portion_curve = kept("Selecting at other portions …", most=16)(service.portion_curve)

_MEANING = r"""
Label, for every rule: the class with the largest softmax probability over its threshold,
$\arg\max_c\, p_c / \lambda_c$. $\lambda_k$, and $\beta_k$ in the same way on AVC: sort the images predicted $k$ by
their value, highest first, and take the value at portion $p$ of that list. An image that is not selected is dropped.

- **Confidence** (CBST): used if $p_k \ge \lambda_k$.
- **AVC** (PAPER): used if $\mathrm{AVC}(k \mid x) \ge \beta_k$; only the gate changes.
- **AVC, centred** (ours): as AVC, of embeddings and class weights minus their means; an idea under
  test, no established gain.
- **LRENT** (CRST): used if the entropy-regularised loss is not worse than without a label; soft labels
  $y_c \propto (p_c / \lambda_c)^{1/\alpha}$, $\alpha = 0.25$.
- **MRKLD** (CRST): used as Confidence; training adds $\alpha / K$ to the target of each class, $\alpha = 0.1$.
- **AVC + LRENT**, **AVC + MRKLD**: used as AVC, trained as LRENT or MRKLD.
""".replace("PAPER", PAPER)


def choose_rule(page: Opened) -> tuple[Rule, float]:
    """Ask for rule and portion; rules on AVC need a run with class weights."""
    possible = service.rules_of(page.run)
    rule = RULE.show(st.segmented_control, "Rule", {rule: RULE_NAMES[rule] for rule in possible})
    portion = PORTION.show(st.slider, "Portion of each predicted class to trust", 0.05, 1.0, step=0.05, width=280)
    page.help.markdown(_MEANING)
    return rule, portion


def selections(page: Opened, rule: Rule, portion: float) -> dict[Rule, PseudoLabels]:
    """Return what the chosen rule selects, and AVC and softmax where the run has both."""
    possible = service.rules_of(page.run)
    rules = tuple(name for name in possible if name in (rule, "confidence", "avc"))
    return _select_by_each(page.samples, page.opened.run, page.dataset, rules, portion=portion, filters=page.filters)


def headline(result: PseudoLabels) -> None:
    """Say how many are selected and how accurate they are."""
    n, share, low, high = result.accuracy_interval()
    samples = len(result.ids)
    selected = len(result.selected)
    empty = result.classes[result.classes["selected"] == 0]
    accuracy = "–"
    if n:
        accuracy = f"{100 * share:.1f} %"
    with in_a_row("top", gap="medium"):
        fact("Selected", f"{selected:,}", f"{100 * selected / samples:.1f} % of {samples:,} scored images")
        fact("Accuracy", accuracy, accuracy_note(n, low, high))
        fact("Classes with none selected", f"{len(empty):,}", "; ".join(empty["note"].unique()))
    if result.left_out:
        st.caption(f"{result.left_out:,} images in view have no finite embedding and are left out.")
    for note in result.notes:
        st.caption(note)


def class_table(result: PseudoLabels) -> None:
    """Draw counts, thresholds and accuracy of each class."""
    st.dataframe(
        result.classes,
        hide_index=True,
        height=min(28 * (len(result.classes) + 1) + 3, 420),
        row_height=28,
        key="pseudo.classes",
        column_order=list(_COLUMNS),
        column_config=_COLUMNS,
    )


def portion_chart(page: Opened, rule: Rule, portion: float) -> None:
    """Draw accuracy against portion for all gates; on request where that takes long."""
    run = page.run
    record = run.record
    if page.count * (record.width + record.num_classes) > _CHEAP and not st.toggle(
        "Compute it", key="pseudo.curve", help="32 selections over all images in view. This may take minutes."
    ):
        return
    curve = _portion_curve(page.samples, page.opened.run, page.dataset, page.filters)
    if not curve["n"].any():
        st.caption("No image in view has a label to compare with.")
        return
    names: dict[str, str] = {gate: RULE_NAMES[gate] for gate in GATES}
    figure = accuracy_by_portion(curve, rule=RULES[rule].gate, portion=portion, names=names)
    show_chart(figure, key="pseudo.by_portion")
    st.caption("Images that the model learnt from count too. Filter by split to leave them out.")


def where_gates_differ(page: Opened, results: dict[Rule, PseudoLabels], portion: float) -> list[GridView | None]:
    """Draw what only AVC and only softmax select, side by side."""
    if not page.run.has_class_weights:
        st.caption("This run has no class weights, so there is no AVC to compare with.")
        return []
    both = np.intersect1d(results["avc"].selected, results["confidence"].selected)
    st.caption(f"Both rules at portion {portion:g}: {len(both):,} images are selected by both.")
    views = []
    for cell, rule, other in zip(halves(), _COMPARED, reversed(_COMPARED), strict=True):
        with cell:
            views.append(_selected_by_one(page, results[rule], both, other))
    return views


def _selected_by_one(page: Opened, result: PseudoLabels, both: np.ndarray, other: Rule) -> GridView | None:
    """Draw what one rule selects and not `both` do, those first of which the other rule is least sure."""
    selection = result.selection
    rows = np.flatnonzero(selection.selected & ~np.isin(result.ids, both))
    ids = result.ids[rows[np.argsort(getattr(selection, other)[rows], kind="stable")]].tolist()
    n, share, low, high = result.accuracy_interval(ids)
    title = f"Selected by {_COMPARED[selection.rule]} and not by {_COMPARED[other]}"
    st.markdown(f"**{title}**")
    text = f"n {len(ids):,}"
    if n:
        text += f" · accuracy {100 * share:.1f} %, {accuracy_note(n, low, high)}"
    st.caption(f"{text}  \nLowest {score_name(other)} first: it is on the tiles.")
    if not ids:
        return None
    key = f"pseudo.{_COMPARED[selection.rule].lower()}"
    return narrow_grid(page, ids, key=key, label=title, score=other, look=partial(_with_pseudo_label, result))


def _with_pseudo_label(result: PseudoLabels, tile: Tile) -> Tile:
    """Return a tile that names the pseudo-label next to the given one."""
    row = int(np.searchsorted(result.ids, tile.id))
    candidate = int(result.selection.candidate[row])
    label = int(result.labels[row])
    name = str(result.classes["label_name"].iloc[candidate])
    return replace(tile, predicted="", sub=f"as {name}", differs=label not in (-1, candidate))


def export_menu(samples: SampleTable, run: RunFolder | None, dataset: DatasetFolder, result: PseudoLabels) -> None:
    """Download the pseudo-labels and their manifest."""
    rule = result.selection.rule
    portion = result.selection.portion
    with st.popover("Export", icon=":material/download:", key="pseudo.export"):
        form = st.segmented_control("Format", _FORMATS, default="csv", required=True, key="pseudo.format")
        soft = st.toggle("Soft labels", key="pseudo.soft", help="Adds the column soft_label: K probabilities.")
        name = f"{samples.name}-{rule}-{portion:g}"
        with in_a_row():
            data = partial(file_of, samples, run, dataset, result, form, soft=soft)
            label = samples_label(len(result.selected), form)
            download(label, data, f"{name}.{form}", key="pseudo.download", type="primary")
            download(
                "Manifest",
                lambda: manifest_text(describe_selection(samples, run, dataset, result)),
                f"{name}.{form}.manifest.json",
                key="pseudo.manifest",
                help="Rule, thresholds and counts per class, model and weights, dataset, versions, time.",
            )


def file_of(
    samples: SampleTable, run: RunFolder | None, dataset: DatasetFolder, result: PseudoLabels, form: str, *, soft: bool
) -> bytes:
    """Return the file that `avhcurate select` writes."""
    return content_of(lambda out: write_pseudo_labels(samples, run, dataset, result, out, soft=soft), f"pseudo.{form}")
