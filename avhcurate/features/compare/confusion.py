"""What a run confuses: its confusion matrix, and precision, recall and F1 of each class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.measures.stats.intervals import wilson


def confusion(table: DatasetTable, filters: Filters) -> np.ndarray:
    """Count (K, K) the images in view that have a label and a prediction: row the label, column the prediction."""
    columns = table.numbers(filters, ["label", "predicted"])
    both = ~(np.isnan(columns["label"]) | np.isnan(columns["predicted"]))
    label, predicted = (columns[name][both].astype(np.int32) for name in ("label", "predicted"))
    num_classes = 1 + max(len(table.classes) - 1, label.max(initial=-1), predicted.max(initial=-1))
    counts = np.bincount(label * np.int64(num_classes) + predicted, minlength=num_classes * num_classes)
    return counts.reshape(num_classes, num_classes)


def most_confused(counts: np.ndarray, limit: int) -> pd.DataFrame:
    """Return the pairs that are confused most often, `label, predicted, n`, at most `limit` of them."""
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    label, predicted = np.nonzero(wrong)
    pairs = pd.DataFrame({"label": label, "predicted": predicted, "n": wrong[label, predicted]})
    return pairs.sort_values("n", ascending=False, kind="stable", ignore_index=True).head(limit)


def by_class(counts: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Return a row a class: `name`, and `precision, recall, f1`, each with its `KEY_n` images and `KEY_to`.

    Precision is the share right of the images that are predicted so, recall that of those labelled so, with Wilson's
    intervals `KEY_low, KEY_high`; F1 is their harmonic mean, over the images of either. `KEY_to` are the filters of the
    images. NaN without any image.
    """
    right = pd.Series(counts.diagonal())
    predicted = counts.sum(axis=0)
    labelled = counts.sum(axis=1)
    rows = pd.DataFrame({"name": classes})
    for key, n in (("precision", predicted), ("recall", labelled)):
        rows[key] = right / n
        rows[f"{key}_n"] = n
        rows[f"{key}_low"], rows[f"{key}_high"] = wilson(right, n)
    rows["f1"] = 2 * right / (predicted + labelled)
    rows["f1_n"] = predicted + labelled - right
    both = "label IS NOT NULL AND predicted IS NOT NULL AND (label = {0} OR predicted = {0})"
    numbers = range(len(classes))
    rows["precision_to"] = [Filters(predicted=(number,), where="label IS NOT NULL") for number in numbers]
    rows["recall_to"] = [Filters(classes=(number,), where="predicted IS NOT NULL") for number in numbers]
    rows["f1_to"] = [Filters(where=both.format(number)) for number in numbers]
    return rows
