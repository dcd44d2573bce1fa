"""Results of self-trainings: their rounds as tables, and what gates select."""

from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from avhcurate.features.pseudo_labels.rules import RULES
from avhcurate.workspace.data.self_trainings import BY, SelfTrainingFolder

#: What a summary has of the record, and of the last round.
_RECORD = ["source", "target", "model", "rule", "seed", "stopped", "seconds"]
_LAST = [
    *("accuracy", "accuracy_low", "accuracy_high"),
    *("mean_accuracy", "mean_accuracy_low", "mean_accuracy_high", "selected", "precision", "ece"),
]


def table(folder: SelfTrainingFolder) -> pd.DataFrame:
    """Return a row per round, from 0 (the source alone): the numbers of a `RoundReport`, missing as NaN.

    A share is the columns `accuracy, accuracy_low, accuracy_high, accuracy_n`, and so on.
    """
    reports = (folder.report(number) for number in folder.rounds())
    rows = [report.model_dump(exclude={"empty_classes", "schema_version"}) for report in reports]
    frame = pd.json_normalize(rows, sep="_").rename(columns=lambda name: name.removesuffix("_value"))
    return frame.astype(dict.fromkeys(frame.select_dtypes(object), "float64"))


def gates(folder: SelfTrainingFolder, number: int) -> list[str]:
    """Return the gates whose selection a round has stored, the run's own first."""
    gate_of_rule = RULES[folder.record.rule].gate  # type: ignore[index]
    columns = pq.read_schema(folder.round(number) / "selection.parquet").names
    stored = [name.removeprefix(BY) for name in columns if name.startswith(BY)]
    return sorted(stored, key=lambda gate: gate != gate_of_rule)


def selections(folder: SelfTrainingFolder, number: int) -> pd.DataFrame:
    """Return a row per sample of a round by id: `candidate, confidence, avc`, and `by_GATE`: whether it selects it."""
    columns = ["id", "candidate", "confidence", "avc", *(BY + gate for gate in gates(folder, number))]
    return folder.selection(number, columns).set_index("id")


def summary(folder: SelfTrainingFolder) -> dict[str, Any]:
    """Return the name of a self-training, accuracies on the target before and after, and its last selection."""
    record = folder.record
    rounds = table(folder)
    rounds = rounds.astype(object).where(rounds.notna(), None)
    first = rounds.iloc[0]
    last = rounds.iloc[-1]
    return {
        "self_training": folder.name,
        **{key: getattr(record, key) for key in _RECORD},
        "rounds": last["round"],
        "samples": record.target_samples,
        "left_out": record.target_left_out + last["left_out"],
        "source_only": first["accuracy"],
        "mean_accuracy_before": first["mean_accuracy"],
        **last[_LAST],
        "empty_classes": folder.report(last["round"]).empty_classes,
    }
