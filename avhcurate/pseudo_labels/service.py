"""Class-balanced pseudo-labels from a model run: selected by a rule, compared, exported with a manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from avhcurate.data.runs import RunFolder
from avhcurate.disk.provenance import now, versions
from avhcurate.errors import CurateError
from avhcurate.export.tabular import format_of, write_frame
from avhcurate.pseudo_labels.model_outputs import ModelOutputs, StoredOutputs
from avhcurate.pseudo_labels.rules import ANGULAR, GATES, RULES, Blocks, Rule, Selection, held, soft_labels
from avhcurate.pseudo_labels.rules import select as select_from
from avhcurate.stats.intervals import share
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.empty_view import empty_view
from avhcurate.table.filters import Filters
from avhcurate.table.subset import Subset, read_subset

#: The portions of `portion_curve`.
PORTIONS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0)

#: What to know where the head of a run was fitted on all labels of the dataset.
FITTED_HEAD = (
    "The run's head was fitted on all labels, so the accuracy of this selection on labelled images is better than it "
    "would be on new ones."
)
#: Standard errors from the middle of a 95 % interval to its ends.
_Z = float(ndtri(0.975))

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
        """Ids of the selected samples."""
        return self.ids[self.selection.selected]

    @property
    def accuracy(self) -> float | None:
        """Share of selected samples whose pseudo-label is their given label; None where no selected one has a label."""
        n, accuracy, *_ = self.accuracy_interval()
        return accuracy if n else None

    def accuracy_interval(self, ids: Sequence[int] | None = None) -> tuple[int, float, float, float]:
        """Selected samples (of `ids`, if given) with a label: n, the share whose pseudo-label it is, and the ends of
        the share's Wilson interval; NaN where n is 0.
        """
        labelled = self.selection.selected & (self.labels >= 0)
        if ids is not None:
            labelled &= np.isin(self.ids, ids)
        return share((self.selection.candidate[labelled] == self.labels[labelled]).sum(), labelled.sum())


def rules_of(run: RunFolder) -> list[Rule]:
    """The rules that a run can be selected by: none without logits, none on AVC without class weights."""
    if not run.has_logits:
        return []
    return [rule for rule, spec in RULES.items() if run.has_class_weights or spec.gate not in ANGULAR]


def select(
    table: DatasetTable, *, rule: Rule = "avc", portion: float = 0.2, filters: Filters | None = None
) -> PseudoLabels:
    """Selects from the samples in view that the model has scored; the given labels play no part in it."""
    return select_by_each(table, (rule,), portion=portion, filters=filters)[rule]


def select_by_each(
    table: DatasetTable, rules: Sequence[Rule], *, portion: float = 0.2, filters: Filters | None = None
) -> dict[Rule, PseudoLabels]:
    """The same by several rules, for which the network's outputs are computed once where they fit in memory."""
    for rule in rules:
        _check_rule(table, rule)
    filters = filters or Filters()
    samples = _scored(table, filters)
    outputs, blocks, found = _outputs(table, samples.ids), dict[bool, Blocks](), dict[Rule, PseudoLabels]()
    for rule in rules:
        centred = rule == "avc-centred"  # the others have the same outputs
        if centred not in blocks:
            blocks[centred] = held(partial(outputs.blocks, "avc-centred" if centred else "avc"))
        selection = select_from(blocks[centred], rule=rule, portion=portion)
        found[rule] = _pseudo_labels(table, samples, filters, selection)
    return found


def _check_rule(table: DatasetTable, rule: Rule) -> None:
    if table.run is None:
        name = table.dataset.name
        raise CurateError(f"no model has scored {name} yet: run `avhcurate score {name} --model MODEL`")
    if rule in RULES and rule not in (possible := rules_of(table.run)):
        missing, option = ("class weights", "--class-weights") if possible else ("logits", "--logits or --probs")
        others = f", or choose from {', '.join(possible)}" if possible else ""
        raise CurateError(f"rule {rule} needs {missing}, and run {table.run.name} has none: attach {option}{others}")


def _scored(table: DatasetTable, filters: Filters) -> Subset:
    """The scored samples that satisfy the filters; CurateError where there is none."""
    samples = read_subset(table, filters, scored=True)
    if not len(samples.ids):
        raise empty_view(table, filters, "no scored sample satisfies the filters: widen them", needs="predicted")
    return samples


def _pseudo_labels(table: DatasetTable, samples: Subset, filters: Filters, selection: Selection) -> PseudoLabels:
    classes = selection.classes(samples.labels)
    # A model may know more classes than the dataset names.
    names = [table.classes[label] if label < len(table.classes) else str(label) for label in classes["label"]]
    classes.insert(1, "label_name", names)
    notes = ()
    if table.run is not None and table.run.record.fitted is not None:
        notes = (FITTED_HEAD,)
    return PseudoLabels(
        selection=selection,
        ids=samples.ids,
        labels=samples.labels,
        classes=classes,
        filters=filters,
        left_out=samples.left_out + selection.left_out,
        notes=notes,
    )


def portion_curve(table: DatasetTable, filters: Filters) -> pd.DataFrame:
    """`rule, portion, selected, n, accuracy, low, high` of every gate at `PORTIONS`; n of the selected have a label."""
    rows, samples = [], _scored(table, filters)
    outputs, possible = _outputs(table, samples.ids), rules_of(table.run) if table.run else []
    for rule in (gate for gate in GATES if gate in possible):
        blocks = held(partial(outputs.blocks, RULES[rule].gate))
        for portion in PORTIONS:
            selection = select_from(blocks, rule=rule, portion=portion)
            result = _pseudo_labels(table, samples, filters, selection)
            rows.append((rule, portion, len(result.selected), *result.accuracy_interval()))
    return pd.DataFrame(rows, columns=["rule", "portion", "selected", "n", "accuracy", "low", "high"])


def pseudo_label_table(
    table: DatasetTable, result: PseudoLabels, *, soft: bool = False, all: bool = False
) -> pd.DataFrame:
    """The export columns, a row a selected sample; with `all` also the others, whose label is null.

    `soft` adds `soft_label`, a list of K probabilities that sum to 1.
    """
    rows = result.selection.table().assign(id=result.ids)
    rows = rows if all else rows[result.selection.selected]
    paths = table.frame(Filters(excluded=None, ids=tuple(rows["id"].tolist())), columns=["id", "path"])
    rows = export_columns(rows, paths.astype({"id": "int64"}), result.classes["label_name"].to_list())
    if soft:
        vectors: dict[int, list[float]] = {}
        for places, values in soft_labels(result.selection, _outputs(table, result.ids).blocks):
            vectors.update(zip(result.ids[places].tolist(), values.tolist(), strict=True))
        rows["soft_label"] = pd.Series([vectors.get(int(id)) for id in rows["id"]], dtype=object)
    return rows


def export_columns(rows: pd.DataFrame, paths: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """`COLUMNS` of rows of a selection, with the path of each id and the name of each label."""
    rows = rows.merge(paths, on="id", how="left")
    rows["pseudo_label_name"] = [None if pd.isna(label) else names[int(label)] for label in rows["pseudo_label"]]
    return rows[list(COLUMNS)]


def write_pseudo_labels(
    table: DatasetTable, result: PseudoLabels, out: Path, *, soft: bool = False, all: bool = False, force: bool = False
) -> int:
    """Writes the table, as .csv, .jsonl or .parquet, and OUT.manifest.json; returns how many samples are selected."""
    format_of(out)  # refused before the work
    rows = pseudo_label_table(table, result, soft=soft, all=all)
    write_frame(rows, out, describe_selection(table, result), force=force)
    return len(result.selected)


def describe_selection(table: DatasetTable, result: PseudoLabels) -> dict[str, Any]:
    """The manifest: what was selected from what, by which rule and thresholds, with which model."""
    assert table.run is not None  # it was selected from
    record, run, selection = table.dataset.record, table.run.record, result.selection
    about = {
        "rule": selection.rule,
        "portion": selection.portion,
        "alpha": None if RULES[selection.rule].targets == "hard" else selection.alpha,
        "samples": len(result.ids),
        "filters": result.filters.to_query(),
        "hsf_edges": list(table.edges),
        "accuracy_against_given_labels": result.accuracy,
        "model": run.model,
        "run": table.run.root.name,
        "weights_sha256": run.weights_sha256,
        "head": "fitted on all labels of the run" if run.fitted else "the run's own",
        "precision": run.precision,
        "dataset": record.name,
        "dataset_fingerprint": record.fingerprint,
        "versions": versions("numpy", "torch"),
    }
    return manifest(about, result.classes)


def manifest(about: Mapping[str, Any], classes: pd.DataFrame) -> dict[str, Any]:
    """A manifest of pseudo-labels: what `about` tells, counts and thresholds of each class, and the time."""
    return {
        **about,
        "selected": int(classes["selected"].sum()),
        "classes": classes["label_name"].tolist(),
        "per_class": classes.astype(object).replace({np.nan: None}).to_dict("records"),
        "created": now().isoformat(timespec="seconds"),
    }


def overlap(first: PseudoLabels, second: PseudoLabels) -> dict[str, list[int]]:
    """Ids that both select, and those that only one does: `both, first, second`, each in order of id."""
    a, b = first.selected, second.selected
    common = np.isin(a, b)
    return {"both": a[common].tolist(), "first": a[~common].tolist(), "second": b[~np.isin(b, a)].tolist()}


def accuracy_difference(first: PseudoLabels, second: PseudoLabels) -> tuple[float, float, float]:
    """Accuracy of the first less that of the second, with its 95 % interval; NaN where one selects none with a label.

    The ends are NaN where both select different samples and each selects all right ones, or all wrong ones: without
    spread there is no interval.

    Both select from the same samples, in part the same ones, so the interval is of how each sample moves the difference
    (of two shares whose samples are drawn again with what was selected of them).
    """
    moved = np.zeros(len(first.ids))
    values = []
    for one, sign in ((first, 1), (second, -1)):
        counted = one.selection.selected & (one.labels >= 0)
        if not counted.any():
            return (float("nan"),) * 3
        right = one.selection.candidate == one.labels
        values.append(sign * float(right[counted].mean()))
        moved[counted] += sign * (right[counted] - right[counted].mean()) / counted.sum()
    difference, reach = sum(values), _Z * float(np.sqrt((moved**2).sum()))
    if not moved.any() and not np.array_equal(first.selection.selected, second.selection.selected):
        reach = float("nan")
    return difference, difference - reach, difference + reach


def _outputs(table: DatasetTable, ids: np.ndarray) -> ModelOutputs | StoredOutputs:
    assert table.run is not None
    run = table.run
    if run.record.attached is not None:
        return StoredOutputs(run, ids)
    return ModelOutputs(run.features(), run.class_weights(), run.bias(), ids)
