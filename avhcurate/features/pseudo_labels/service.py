"""Class-balanced pseudo-labels from a model run: selected by a rule, compared, exported with a manifest."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.datasets.export.tabular import format_of, write_frame
from avhcurate.datasets.table.empty_view import empty_view, not_scored
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.subset import read_subset
from avhcurate.errors import CurateError, Option
from avhcurate.features.pseudo_labels.rules import (
    ANGULAR,
    GATES,
    RULES,
    Rule,
    Selection,
    gate_of,
    held,
    predictions,
    soft_labels,
)
from avhcurate.features.pseudo_labels.rules import select as select_from
from avhcurate.features.pseudo_labels.run_outputs import blocks_of
from avhcurate.measures.stats.intervals import share
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.json_text import records
from avhcurate.workspace.disk.provenance import now, versions

#: The portions of `portion_curve`.
PORTIONS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0)

#: What to know where the head of a run was fitted on all labels of the dataset.
FITTED_HEAD = (
    "The run's head was fitted on all labels, so the accuracy of this selection on labelled images is better than it "
    "would be on new ones."
)
#: Columns of an export.
COLUMNS = (
    *("id", "path", "pseudo_label", "pseudo_label_name"),
    *("confidence", "avc", "threshold", "rank_in_class", "selected"),
)


@dataclass(frozen=True)
class PseudoLabels:
    """The `selection` from the scored samples `ids` (n,) that satisfy `filters`.

    labels: the given ones, (n,), -1 for none, for reports only. left_out: samples that satisfy `filters` but have no
    finite embedding in the run, so that no rule selects them. notes: what a user should know.
    """

    selection: Selection
    ids: np.ndarray
    labels: np.ndarray
    classes: pd.DataFrame
    filters: Filters
    left_out: int
    notes: tuple[str, ...] = ()

    @property
    def selected(self) -> np.ndarray:
        """Return the ids of the selected samples."""
        return self.ids[self.selection.selected]

    @property
    def accuracy(self) -> float | None:
        """Return the share of selected samples whose pseudo-label is their given label; None without such labels."""
        n, accuracy, _, _ = self.accuracy_interval()
        if not n:
            return None
        return accuracy

    def accuracy_interval(self, ids: Sequence[int] | None = None) -> tuple[int, float, float, float]:
        """Return n, the share and its Wilson interval over selected samples with a label, of `ids` if given."""
        labelled = self.selection.selected & (self.labels >= 0)
        if ids is not None:
            labelled &= np.isin(self.ids, ids)
        return share((self.selection.candidate[labelled] == self.labels[labelled]).sum(), labelled.sum())


def rules_of(run: RunFolder) -> list[Rule]:
    """Return the rules that a run can be selected by: none without logits, none on AVC without class weights."""
    if not run.has_logits:
        return []
    return [rule for rule, spec in RULES.items() if run.has_class_weights or spec.gate not in ANGULAR]


def select(
    samples: SampleTable,
    run: RunFolder | None,
    dataset: DatasetFolder,
    *,
    rule: Rule = "avc",
    portion: float = 0.2,
    filters: Filters | None = None,
) -> PseudoLabels:
    """Select from the samples in view that the model has scored; the given labels play no part in it."""
    return select_by_each(samples, run, dataset, (rule,), portion=portion, filters=filters)[rule]


def select_by_each(
    samples: SampleTable,
    run: RunFolder | None,
    dataset: DatasetFolder,
    rules: Sequence[Rule],
    *,
    portion: float = 0.2,
    filters: Filters | None = None,
) -> dict[Rule, PseudoLabels]:
    """Select by several rules, for which the network's outputs are computed once where they fit in memory."""
    return {
        result.selection.rule: result
        for result in _selections(samples, run, dataset, rules, (portion,), filters or Filters())
    }


def portion_curve(
    samples: SampleTable, run: RunFolder | None, dataset: DatasetFolder, filters: Filters
) -> pd.DataFrame:
    """Return `rule, portion, selected, n, accuracy, low, high` of every gate at `PORTIONS`."""
    gates: list[Rule] = [gate for gate in GATES if run is not None and gate in rules_of(run)]
    rows = [
        (result.selection.rule, result.selection.portion, len(result.selected), *result.accuracy_interval())
        for result in _selections(samples, run, dataset, gates, PORTIONS, filters)
    ]
    return pd.DataFrame(rows, columns=["rule", "portion", "selected", "n", "accuracy", "low", "high"])


def _selections(
    samples: SampleTable,
    run: RunFolder | None,
    dataset: DatasetFolder,
    rules: Sequence[Rule],
    portions: Sequence[float],
    filters: Filters,
) -> Iterator[PseudoLabels]:
    """Yield what each rule selects at each portion from the scored samples that satisfy the filters."""
    for rule in rules:
        _check_rule(samples, run, rule)
    assert run is not None
    subset = read_subset(samples, run, dataset, filters, scored=True)
    size = len(subset.ids)
    if not size:
        raise empty_view(samples, filters, "no scored image satisfies the filters: widen them", needs="predicted")
    notes: tuple[str, ...] = ()
    if run.record.fitted is not None and run.has_class_weights:
        notes = (FITTED_HEAD,)
    outputs = blocks_of(run, subset.ids)
    plain = held(partial(outputs, "avc"), size)
    predicted = predictions(plain)
    for rule in rules:
        blocks = plain
        first = predicted
        if gate_of(rule) == "avc-centred":
            blocks = held(partial(outputs, "avc-centred"), size)
            first = predictions(blocks)
        for portion in portions:
            selection = select_from(blocks, rule=rule, portion=portion, first=first)
            classes = selection.classes(subset.labels)
            # A model may know more classes than the dataset names.
            names = dict(enumerate(samples.classes))
            classes.insert(1, "label_name", [names.get(label, str(label)) for label in classes["label"]])
            yield PseudoLabels(
                selection=selection,
                ids=subset.ids,
                labels=subset.labels,
                classes=classes,
                filters=filters,
                left_out=subset.left_out + selection.left_out,
                notes=notes,
            )


def _check_rule(samples: SampleTable, run: RunFolder | None, rule: Rule) -> None:
    if run is None:
        raise not_scored(samples.name)
    gate = gate_of(rule)
    run.refuse_without_logits()
    if gate in ANGULAR and run.today and run.today.lacking:
        run.class_weights()  # says which classes lack theirs, and what to do
    if gate in ANGULAR and not run.has_class_weights:
        raise CurateError(
            f"The rule {rule} needs class weights, which the run {run.name} does not have.",
            fix=f"Attach them with {Option('class_weights')}, or choose from {', '.join(rules_of(run))}",
        )


def pseudo_label_table(
    samples: SampleTable, run: RunFolder | None, result: PseudoLabels, *, soft: bool = False
) -> pd.DataFrame:
    """Return the export columns, a row a selected sample; `soft` adds `soft_label`: K probabilities that sum to 1."""
    rows = result.selection.table().assign(id=result.ids)[result.selection.selected]
    paths = samples.frame(Filters(excluded=None, ids=tuple(rows["id"].tolist())), columns=["id", "path"])
    rows = export_columns(rows, paths.astype({"id": "int64"}), result.classes["label_name"].to_list())
    if soft:
        assert run is not None  # it was selected from
        blocks = partial(blocks_of(run, result.ids), "avc")
        rows["soft_label"] = [row for _, part in soft_labels(result.selection, blocks) for row in part.tolist()]
    return rows


def export_columns(rows: pd.DataFrame, paths: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return `COLUMNS` of rows of a selection, with the path of each id and the name of each label."""
    rows = rows.merge(paths, on="id", how="left")
    labels = rows["pseudo_label"].map(dict(enumerate(names))).astype(object)
    rows["pseudo_label_name"] = labels.where(labels.notna(), None)
    return rows[list(COLUMNS)]


def write_pseudo_labels(
    samples: SampleTable,
    run: RunFolder | None,
    dataset: DatasetFolder,
    result: PseudoLabels,
    out: Path,
    *,
    soft: bool = False,
    force: bool = False,
) -> int:
    """Write the table, as .csv, .jsonl or .parquet, and OUT.manifest.json; return how many samples are selected."""
    format_of(out)  # refused before the work
    rows = pseudo_label_table(samples, run, result, soft=soft)
    write_frame(rows, out, describe_selection(samples, run, dataset, result), force=force)
    return len(result.selected)


def describe_selection(
    samples: SampleTable, run: RunFolder | None, dataset: DatasetFolder, result: PseudoLabels
) -> dict[str, Any]:
    """Return the manifest: what was selected from what, by which rule and thresholds, with which model."""
    assert run is not None  # it was selected from
    record = dataset.record
    selection = result.selection
    details = {
        "rule": selection.rule,
        "portion": selection.portion,
        "alpha": selection.alpha,
        "samples": len(result.ids),
        "filters": result.filters.to_query(),
        "hsf_edges": list(samples.edges),
        "accuracy_against_given_labels": result.accuracy,
        "model": run.record.model,
        "run": run.root.name,
        "weights_sha256": run.record.weights_sha256,
        "notes": list(result.notes),
        "precision": run.record.precision,
        "dataset": record.name,
        "dataset_fingerprint": record.fingerprint,
        "versions": versions("numpy", "torch"),
    }
    return manifest(details, result.classes)


def manifest(details: Mapping[str, Any], classes: pd.DataFrame) -> dict[str, Any]:
    """Return a manifest of pseudo-labels: `details`, counts and thresholds of each class, and the time."""
    return {
        **details,
        "selected": int(classes["selected"].sum()),
        "classes": classes["label_name"].tolist(),
        "per_class": records(classes),
        "created": now().isoformat(timespec="seconds"),
    }
