"""Evaluates rounds of self-training against the target's labels, only for reports."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from avhcurate.features.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.features.pseudo_labels.rules import Selection
from avhcurate.measures import scores
from avhcurate.measures.stats.calibration import calibrate
from avhcurate.measures.stats.intervals import wilson
from avhcurate.workspace.data.self_trainings import Overlap, RoundReport, Share


class TargetEvaluator:
    """Labels (N,) of the target's samples, -1 for none, and the names of the K classes."""

    def __init__(self, labels: np.ndarray, classes: Sequence[str]) -> None:
        self._labels = np.asarray(labels)
        self._classes = list(classes)

    def start(self, outputs: ModelOutputs) -> tuple[RoundReport, pd.DataFrame]:
        """Evaluate round 0: accuracy and calibration of the source's model, and a row a class: `label, label_name`,
        and `samples, right, accuracy, accuracy_low, accuracy_high`.
        """
        classes = self._accuracies(outputs)
        return RoundReport(round=0, samples=len(self._labels), **self._figures(outputs, classes)), classes

    def round(
        self, number: int, gate: str, chosen: Mapping[str, Selection], before: ModelOutputs, after: ModelOutputs
    ) -> tuple[RoundReport, pd.DataFrame]:
        """Evaluate a later round: what each gate selects from the outputs `before`, of which `gate` is the run's own,
        and the outputs after training. The table adds counts, thresholds, precision and recall to that of round 0.
        """
        ours, accuracies = chosen[gate], self._accuracies(after)
        classes = accuracies.merge(self._choices(ours), on="label")
        classes["accuracy_before"] = self._accuracies(before)["accuracy"]
        right = ours.selected & (ours.candidate == self._labels)
        report = RoundReport(
            round=number,
            samples=len(self._labels),
            portion=ours.portion,
            selected=int(ours.selected.sum()),
            left_out=ours.left_out,
            empty_classes=classes["label_name"][classes["selected"] == 0].tolist(),
            precision=self._precision(ours, ours.selected),
            recall=_share(right.sum(), (self._labels >= 0).sum()),
            overlaps=[self._overlap(name, ours, other) for name, other in chosen.items() if name != gate],
            **_means(ours, before),
            **self._figures(after, accuracies),
        )
        return report, classes

    def _figures(self, outputs: ModelOutputs, classes: pd.DataFrame) -> dict[str, Any]:
        """Return accuracies and calibration error of the outputs; `classes` holds the accuracies of each class."""
        seen = classes[classes["samples"] > 0]
        return {
            "accuracy": _share(int(seen["right"].sum()), int(seen["samples"].sum())),
            **_mean_accuracy(seen),
            "ece": _calibration_error(*outputs.predictions, self._labels),
        }

    def _accuracies(self, outputs: ModelOutputs) -> pd.DataFrame:
        """Return a row per class: how many samples of it there are, and how many are predicted so."""
        size, (predicted, _) = len(self._classes), outputs.predictions
        known = self._labels >= 0
        samples = np.bincount(self._labels[known], minlength=size)
        right = np.bincount(self._labels[known & (predicted == self._labels)], minlength=size)
        table = pd.DataFrame({"label": np.arange(size), "label_name": self._classes, "samples": samples})
        return table.assign(right=right, **_interval("accuracy", right, samples))

    def _choices(self, ours: Selection) -> pd.DataFrame:
        """Return a row per class: counts and thresholds of a selection, its precision and its recall."""
        table = ours.classes(self._labels).drop(columns="accuracy")
        samples = np.bincount(self._labels[self._labels >= 0], minlength=len(table))
        recall = np.divide(table["correct"], samples, out=np.full(len(table), np.nan), where=samples > 0)
        return table.assign(**_interval("precision", table["correct"], table["labelled"]), recall=recall)

    def _precision(self, ours: Selection, rows: np.ndarray) -> Share:
        """Return the share of some samples (N,) bool whose candidate is their label."""
        rows = rows & (self._labels >= 0)
        return _share((rows & (ours.candidate == self._labels)).sum(), rows.sum())

    def _overlap(self, gate: str, ours: Selection, other: Selection) -> Overlap:
        both, either = int((ours.selected & other.selected).sum()), int((ours.selected | other.selected).sum())
        return Overlap(
            gate=gate,
            selected=int(other.selected.sum()),
            both=both,
            jaccard=both / either if either else None,
            precision=self._precision(other, other.selected),
            only_ours=self._precision(ours, ours.selected & ~other.selected),
            only_theirs=self._precision(other, other.selected & ~ours.selected),
        )


def _means(ours: Selection, outputs: ModelOutputs) -> dict[str, Any]:
    """Return means over the selected samples of the scores of their pseudo-labels; None where none has the score."""
    rows = np.flatnonzero(ours.selected)
    features = outputs.features[rows]
    avh = scores.avh(features, outputs.class_weights, ours.candidate[rows])
    values = {"avh": avh, "confidence": ours.confidence[rows], "avc": ours.avc[rows], "norm": scores.norm(features)}
    # An embedding of zeros has a confidence and no angle.
    means = {f"mean_{key}": pd.Series(value, dtype=np.float64) for key, value in values.items()}
    finite = {key: value[np.isfinite(value)] for key, value in means.items()}
    return {key: float(value.mean()) for key, value in finite.items() if len(value)}


def _mean_accuracy(classes: pd.DataFrame) -> dict[str, float]:
    """Return the mean over classes, and its interval from those of each class (MOVER: Zou and Donner 2008)."""
    if classes.empty:
        return {}
    mean = classes["accuracy"].mean()
    below, above = (np.linalg.norm(classes["accuracy"] - classes[f"accuracy_{end}"]) for end in ("low", "high"))
    ends = {"low": mean - below / len(classes), "high": mean + above / len(classes)}
    return {"mean_accuracy": float(mean)} | {f"mean_accuracy_{end}": float(value) for end, value in ends.items()}


def _share(hits: int, n: int) -> Share:
    if not n:
        return Share(n=0)
    low, high = wilson(hits, n)
    return Share(n=int(n), value=float(hits / n), low=float(low), high=float(high))


def _interval(name: str, hits: ArrayLike, n: ArrayLike) -> dict[str, np.ndarray]:
    """Return columns of a share and the ends of its Wilson interval, NaN where n is 0."""
    low, high = wilson(hits, n)
    value = np.divide(hits, n, out=np.full(len(low), np.nan), where=np.asarray(n) > 0)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _calibration_error(predicted: np.ndarray, confidence: np.ndarray, labels: np.ndarray) -> Share:
    """Return the calibration error of the largest probability, over the samples with a label and a prediction."""
    known = (labels >= 0) & (predicted >= 0)
    if not known.any():
        return Share(n=0)
    error = calibrate(confidence[known], predicted[known] == labels[known])
    return Share(n=error.n, value=error.ece, low=error.low, high=error.high)
