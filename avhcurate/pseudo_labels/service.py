"""Class-balanced pseudo-labels from a model run: selected by a rule, compared, exported with a manifest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.errors import CurateError
from avhcurate.export.tabular import format_of, write_frame
from avhcurate.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.pseudo_labels.rules import GATES, RULES, Rule, Selection, soft_labels
from avhcurate.stats.intervals import wilson
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.table.subset import read_subset

#: The portions of `portion_curve`.
PORTIONS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0)

COLUMNS = (
    "id", "path", "pseudo_label", "pseudo_label_name", "confidence", "avc", "threshold", "rank_in_class", "selected",
)  # fmt: skip


@dataclass(frozen=True)
class PseudoLabels:
    """The `selection` from the scored samples `ids` (n,) that satisfy `filters`.

    labels: the given ones, (n,), -1 for none, for reports only. left_out: samples that satisfy `filters` but have no
    finite embedding in the run, so that no rule selects them.
    """

    selection: Selection
    ids: np.ndarray
    labels: np.ndarray
    classes: pd.DataFrame
    filters: Filters
    left_out: int

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
        """How many selected samples (of `ids`, if given) have a label, and the share whose pseudo-label it is.

        n, accuracy, and the ends of its Wilson interval; NaN where n is 0.
        """
        judged = self.selection.selected & (self.labels >= 0)
        if ids is not None:
            judged &= np.isin(self.ids, ids)
        n, correct = int(judged.sum()), int((self.selection.candidate[judged] == self.labels[judged]).sum())
        low, high = wilson([correct], [n])
        return n, correct / n if n else float("nan"), float(low[0]), float(high[0])


def select(
    table: DatasetTable, *, rule: Rule = "avc", portion: float = 0.2, filters: Filters | None = None
) -> PseudoLabels:
    """Selects from the samples in view that the model has scored; the given labels play no part in it."""
    if table.run is None:
        name = table.dataset.name
        raise CurateError(f"no model has scored {name} yet: run `avhcurate score {name} --model MODEL`")
    filters = filters or Filters()
    samples = read_subset(table, filters, scored=True)
    if not len(samples.ids):
        raise CurateError("no scored sample satisfies the filters: widen them")
    found = _outputs(table, samples.ids).select(rule=rule, portion=portion)
    classes = found.classes(samples.labels)
    classes.insert(1, "label_name", [_name(table, k) for k in classes["label"]])
    return PseudoLabels(found, samples.ids, samples.labels, classes, filters, samples.left_out + found.left_out)


def portion_curve(table: DatasetTable, filters: Filters) -> pd.DataFrame:
    """`rule, portion, selected, n, accuracy, low, high` of every gate at `PORTIONS`; n of the selected have a label."""
    rows = []
    for rule in GATES:
        for portion in PORTIONS:
            found = select(table, rule=rule, portion=portion, filters=filters)
            rows.append((rule, portion, len(found.selected), *found.accuracy_interval()))
    return pd.DataFrame(rows, columns=["rule", "portion", "selected", "n", "accuracy", "low", "high"])


def pseudo_label_table(
    table: DatasetTable, found: PseudoLabels, *, soft: bool = False, all: bool = False
) -> pd.DataFrame:
    """The export columns, a row a selected sample; with `all` also the others, whose label is null.

    `soft` adds `soft_label`, a list of K probabilities that sum to 1.
    """
    result = found.selection.table().assign(id=found.ids)
    chosen = np.ones(len(result), bool) if all else found.selection.selected
    paths = table.frame(Filters(excluded=None, ids=tuple(found.ids[chosen].tolist())), columns=["id", "path"])
    result = export_columns(result[chosen], paths.astype({"id": "int64"}), found.classes["label_name"].to_list())
    if soft:
        vectors: dict[int, list[float]] = {}
        for rows, values in soft_labels(found.selection, _outputs(table, found.ids).blocks):
            vectors.update(zip(found.ids[rows].tolist(), values.tolist(), strict=True))
        result["soft_label"] = pd.Series([vectors.get(int(id)) for id in result["id"]], dtype=object)
    return result


def export_columns(rows: pd.DataFrame, paths: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """`COLUMNS` of rows of a selection, with the path of each id and the name of each label."""
    rows = rows.merge(paths, on="id", how="left")
    rows["pseudo_label_name"] = [None if pd.isna(label) else names[int(label)] for label in rows["pseudo_label"]]
    return rows[list(COLUMNS)]


def write_pseudo_labels(
    table: DatasetTable, found: PseudoLabels, out: Path, *, soft: bool = False, all: bool = False, force: bool = False
) -> int:
    """Writes the table, as .csv, .jsonl or .parquet, and OUT.manifest.json; returns how many samples are selected."""
    format_of(out)  # refused before the work
    rows = pseudo_label_table(table, found, soft=soft, all=all)
    write_frame(rows, out, describe_selection(table, found), force=force)
    return len(found.selected)


def describe_selection(table: DatasetTable, found: PseudoLabels) -> dict[str, Any]:
    """The manifest: what was selected from what, by which rule and thresholds, with which model."""
    assert table.run is not None  # it was selected from
    record, run, chosen = table.dataset.record, table.run.record, found.selection
    counts = found.classes.replace({np.nan: None}).to_dict("records")
    return {
        "rule": chosen.rule,
        "portion": chosen.portion,
        "alpha": None if RULES[chosen.rule].targets == "hard" else chosen.alpha,
        "samples": len(found.ids),
        "filters": found.filters.to_query(),
        "hsf_edges": list(table.edges),
        "selected": len(found.selected),
        "classes": [str(name) for name in found.classes["label_name"]],
        "per_class": [{key: _plain(value) for key, value in row.items()} for row in counts],
        "accuracy_against_given_labels": found.accuracy,
        "model": run.model,
        "run": table.run.root.name,
        "weights_sha256": run.weights_sha256,
        "precision": run.precision,
        "dataset": record.name,
        "dataset_fingerprint": record.fingerprint,
        "versions": {name: version(name) for name in ("avhcurate", "numpy", "torch")},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def overlap(first: PseudoLabels, second: PseudoLabels) -> dict[str, list[int]]:
    """Ids that both select, and those that only one does: `both, first, second`, each in order of id."""
    a, b = first.selected, second.selected
    return {
        "both": np.intersect1d(a, b).tolist(),
        "first": np.setdiff1d(a, b).tolist(),
        "second": np.setdiff1d(b, a).tolist(),
    }


def _outputs(table: DatasetTable, ids: np.ndarray) -> ModelOutputs:
    assert table.run is not None
    run = table.run
    return ModelOutputs(run.features(), run.class_weights(), run.bias(), ids)


def _name(table: DatasetTable, label: int) -> str:
    """Name of a class; its number where the model knows more classes than the dataset names."""
    return table.classes[label] if label < len(table.classes) else str(label)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
