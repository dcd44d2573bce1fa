"""Evaluates rounds of self-training against the target's labels, only for reports."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.features.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.features.pseudo_labels.rules import Selection
from avhcurate.measures.stats.calibration import calibrate
from avhcurate.measures.stats.intervals import share, wilson
from avhcurate.workspace.data.self_trainings import RoundReport, Share


class TargetEvaluator:
    """Labels (N,) of the target's samples, -1 for none, and the names of the K classes."""

    def __init__(self, labels: np.ndarray, classes: Sequence[str]) -> None:
        self._labels = np.asarray(labels)
        self._classes = list(classes)

    def report(
        self, number: int, outputs: ModelOutputs, chosen: Selection | None = None, avh: np.ndarray | None = None
    ) -> tuple[RoundReport, pd.DataFrame]:
        """Evaluate the outputs after a round: accuracy and calibration, and a row a class: `label, label_name`, and
        `samples, right, accuracy, accuracy_low, accuracy_high`.

        `chosen` is what a later round selected before, and `avh` that of the selected samples: the table then adds
        counts, thresholds, precision and recall.
        """
        labels = self._labels
        predicted, confidence = outputs.predictions
        usable = (labels >= 0) & (predicted >= 0)
        error = calibrate(confidence[usable], predicted[usable] == labels[usable])
        counts = {"samples": self._count(labels), "right": self._count(labels[predicted == labels])}
        table = pd.DataFrame({"label_name": self._classes} | counts).rename_axis("label").reset_index()
        classes = _with_interval(table, "accuracy", "right", "samples")
        samples = int(classes["samples"].sum())
        selection: dict[str, Any] = {}
        if chosen is not None:
            choices = chosen.classes(labels).drop(columns="accuracy")
            choices = _with_interval(choices, "precision", "correct", "labelled")
            choices["recall"] = choices["correct"] / classes["samples"]
            classes = classes.merge(choices, on="label")
            correct = int(classes["correct"].sum())
            selection = {
                "portion": chosen.portion,
                "selected": int(chosen.selected.sum()),
                "left_out": chosen.left_out,
                "empty_classes": classes["label_name"][classes["selected"] == 0].tolist(),
                "precision": _share(correct, int(classes["labelled"].sum())),
                "recall": _share(correct, samples),
                # An embedding of zeros has a confidence and no angle.
                "mean_avh": float(pd.Series(avh).mean()),
                "mean_confidence": chosen.confidence[chosen.selected].mean(),
            }
        report = RoundReport(
            round=number,
            samples=len(labels),
            accuracy=_share(int(classes["right"].sum()), samples),
            mean_accuracy=_mean_accuracy(classes[classes["samples"] > 0]),
            ece=Share(n=error.n, value=error.ece, low=error.low, high=error.high),
            **selection,
        )
        return report, classes

    def _count(self, labels: np.ndarray) -> np.ndarray:
        return np.bincount(labels[labels >= 0], minlength=len(self._classes))


def _mean_accuracy(classes: pd.DataFrame) -> Share:
    """Return the mean over classes, and its interval from those of each class (MOVER: Zou and Donner 2008)."""
    mean = classes["accuracy"].mean()
    size = max(1, len(classes))
    below, above = (np.linalg.norm(classes["accuracy"] - classes[f"accuracy_{end}"]) for end in ("low", "high"))
    return Share(n=len(classes), value=mean, low=float(mean - below / size), high=float(mean + above / size))


def _share(hits: int, n: int) -> Share:
    n, value, low, high = share(hits, n)
    return Share(n=n, value=value, low=low, high=high)


def _with_interval(table: pd.DataFrame, name: str, hits: str, n: str) -> pd.DataFrame:
    """Return the table with a share and the ends of its Wilson interval, NaN where n is 0."""
    low, high = wilson(table[hits], table[n])
    columns: dict[str, Any] = {name: table[hits] / table[n], f"{name}_low": low, f"{name}_high": high}
    return table.assign(**columns)
