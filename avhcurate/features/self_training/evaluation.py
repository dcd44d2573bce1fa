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
        self._labels, self._classes = np.asarray(labels), list(classes)
        self._samples = self._count(self._labels)

    def start(self, outputs: ModelOutputs) -> tuple[RoundReport, pd.DataFrame]:
        """Evaluate round 0: accuracy and calibration of the source's model, and a row a class: `label, label_name`,
        and `samples, right, accuracy, accuracy_low, accuracy_high`.
        """
        classes = self._accuracies(outputs)
        return RoundReport(round=0, samples=len(self._labels), **self._figures(outputs, classes)), classes

    def round(
        self, number: int, ours: Selection, before: ModelOutputs, after: ModelOutputs
    ) -> tuple[RoundReport, pd.DataFrame]:
        """Evaluate a later round: what was selected from the outputs `before`, and the outputs after training.

        The table adds counts, thresholds, precision and recall to that of round 0.
        """
        classes = self._accuracies(after).merge(self._choices(ours), on="label")
        right = int(classes["correct"].sum())
        rows = np.flatnonzero(ours.selected)
        # An embedding of zeros has a confidence and no angle.
        avh = before.avh(rows, ours.candidate[rows])
        report = RoundReport(
            round=number,
            samples=len(self._labels),
            portion=ours.portion,
            selected=len(rows),
            left_out=ours.left_out,
            empty_classes=classes["label_name"][classes["selected"] == 0].tolist(),
            precision=_share(right, int(classes["labelled"].sum())),
            recall=_share(right, self._samples.sum()),
            mean_avh=float(pd.Series(avh).mean()),
            mean_confidence=ours.confidence[rows].mean(),
            **self._figures(after, classes),
        )
        return report, classes

    def _figures(self, outputs: ModelOutputs, classes: pd.DataFrame) -> dict[str, Any]:
        """Return accuracies and calibration error of the outputs; `classes` holds the accuracies of each class."""
        predicted, confidence = outputs.predictions
        known = (self._labels >= 0) & (predicted >= 0)
        error = calibrate(confidence[known], predicted[known] == self._labels[known])
        return {
            "accuracy": _share(int(classes["right"].sum()), self._samples.sum()),
            "mean_accuracy": _mean_accuracy(classes[classes["samples"] > 0]),
            "ece": Share(n=error.n, value=error.ece, low=error.low, high=error.high),
        }

    def _accuracies(self, outputs: ModelOutputs) -> pd.DataFrame:
        """Return a row per class: how many samples of it there are, and how many are predicted so."""
        predicted, _ = outputs.predictions
        right = self._count(self._labels[predicted == self._labels])
        table = pd.DataFrame({"label_name": self._classes, "samples": self._samples, "right": right})
        return _with_interval(table.rename_axis("label").reset_index(), "accuracy", "right", "samples")

    def _choices(self, ours: Selection) -> pd.DataFrame:
        """Return a row per class: counts and thresholds of a selection, its precision and its recall."""
        table = ours.classes(self._labels).drop(columns="accuracy")
        table = _with_interval(table, "precision", "correct", "labelled")
        return table.assign(recall=table["correct"] / self._samples)

    def _count(self, labels: np.ndarray) -> np.ndarray:
        return np.bincount(labels[labels >= 0], minlength=len(self._classes))


def _mean_accuracy(classes: pd.DataFrame) -> Share:
    """Return the mean over classes, and its interval from those of each class (MOVER: Zou and Donner 2008)."""
    mean, size = classes["accuracy"].mean(), max(1, len(classes))
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
