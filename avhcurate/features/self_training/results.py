"""Results of self-trainings: their rounds as tables, and what gates select."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from avhcurate.features.pseudo_labels.rules import RULES
from avhcurate.workspace.data.self_trainings import BY, SelfTrainingFolder

#: Shares of a report; `table` has the value of each, the ends of its interval and n.
_SHARES = ("accuracy", "precision", "recall", "ece")

#: Columns of `side_by_side`, the round (0 the source alone, -1 the last) and the quantity of each.
PLACES = {
    "source_only": (0, "accuracy"),
    "accuracy": (-1, "accuracy"),
    "mean_source_only": (0, "mean_accuracy"),
    "mean_accuracy": (-1, "mean_accuracy"),
    "precision_first": (1, "precision"),
    "precision_last": (-1, "precision"),
    "selected": (-1, "selected"),
}


def table(folder: SelfTrainingFolder) -> pd.DataFrame:
    """Return a row per round, from 0 (the source alone): the numbers of a `RoundReport`, missing as NaN.

    A share is the columns `accuracy, accuracy_low, accuracy_high, accuracy_n`, so also `precision`, `recall`, `ece`;
    `empty_classes` is a list of names.
    """
    reports = (folder.report(number).model_dump(exclude={"overlaps", "schema_version"}) for number in folder.rounds())
    frame = pd.DataFrame([_flat(report) for report in reports])
    if frame.empty:
        return frame
    whole = ["round", "samples", "selected", "changed", "left_out", *(f"{name}_n" for name in _SHARES)]
    numbers = dict.fromkeys(frame.columns.drop("empty_classes"), "float64")
    return frame.astype(numbers | dict.fromkeys(whole, "int64"))


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with the value, the ends and the n of each share as columns."""
    for name in _SHARES:
        share = row[name]
        row |= {name: share["value"]} | {f"{name}_{key}": share[key] for key in ("low", "high", "n")}
    return row


def courses(folders: Sequence[SelfTrainingFolder], keys: Sequence[str]) -> pd.DataFrame:
    """Return a row per quantity, run and round: `quantity, line, round, value, low, high`.

    `line` is the position of the run. The interval is over samples, NaN for a quantity without one.
    """
    parts = [pd.DataFrame(columns=["quantity", "line", "round", "value", "low", "high"])]
    for line, folder in enumerate(folders):
        rounds = table(folder)
        for key in keys:
            ends = {"value": rounds[key], "low": rounds.get(f"{key}_low"), "high": rounds.get(f"{key}_high")}
            course = pd.DataFrame({"quantity": key, "line": line, "round": rounds["round"], **ends})
            if key == "selected":
                course = course[course["round"] > 0]
            parts.append(course.dropna(subset=["value"]))
    return pd.concat(parts, ignore_index=True).astype(dict.fromkeys(("value", "low", "high"), "float64"))


def side_by_side(folders: Sequence[SelfTrainingFolder]) -> pd.DataFrame:
    """Return a row per run: each of `PLACES` with `_low` and `_high`, the interval over samples."""
    rows = []
    for folder in folders:
        reports, row = table(folder), {}
        for name, (place, quantity) in PLACES.items():
            report = reports.iloc[min(place, len(reports) - 1)]
            for end in ("", "_low", "_high"):
                row[f"{name}{end}"] = report.get(f"{quantity}{end}", float("nan"))
        rows.append(row)
    return pd.DataFrame(rows)


def gates(folder: SelfTrainingFolder, number: int) -> list[str]:
    """Return the gates whose selection a round has stored, the run's own first."""
    own = RULES[folder.record.rule].gate  # type: ignore[index]
    columns = pq.read_schema(folder.round(number) / "selection.parquet").names
    stored = [name.removeprefix(BY) for name in columns if name.startswith(BY)]
    return sorted(stored, key=lambda gate: gate != own)


def selections(folder: SelfTrainingFolder, number: int) -> pd.DataFrame:
    """Return a row per sample of a round by id: `candidate, confidence, avc`, and `by_GATE`: whether it selects it."""
    columns = ["id", "candidate", "confidence", "avc", *(BY + gate for gate in gates(folder, number))]
    return folder.selection(number, columns).set_index("id")


def summary(folder: SelfTrainingFolder) -> dict[str, Any]:
    """Return the name of a self-training, accuracies on the target before and after, and its last selection."""
    record, last = folder.record, folder.rounds()[-1]
    first, final = folder.report(0), folder.report(last)
    return {
        "self_training": folder.name,
        **{key: getattr(record, key) for key in ("source", "target", "model", "rule", "seed", "stopped", "seconds")},
        "rounds": last,
        "samples": record.target_samples,
        "left_out": record.target_left_out + final.left_out,
        "source_only": first.accuracy.value,
        "accuracy": final.accuracy.value,
        "accuracy_low": final.accuracy.low,
        "accuracy_high": final.accuracy.high,
        "mean_accuracy_before": first.mean_accuracy,
        **{f"mean_accuracy{end}": getattr(final, f"mean_accuracy{end}") for end in ("", "_low", "_high")},
        "selected": final.selected,
        "empty_classes": final.empty_classes,
        "precision": final.precision.value,
        "ece": final.ece.value,
    }
