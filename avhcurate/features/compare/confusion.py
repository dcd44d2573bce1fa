"""What a run confuses: its confusion matrix, and precision, recall and F1 of each class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.measures.stats.intervals import share


@dataclass(frozen=True)
class Confusion:
    """Counts (K, K) of the images in view that have a label and a prediction: row the label, column the prediction."""

    counts: np.ndarray

    def most_confused(self, most: int) -> pd.DataFrame:
        """Return the pairs that are confused most often, `label, predicted, n`, at most `most` of them."""
        wrong = self.counts * ~np.eye(len(self.counts), dtype=bool)
        label, predicted = np.nonzero(wrong)
        pairs = pd.DataFrame({"label": label, "predicted": predicted, "n": wrong[label, predicted]})
        return pairs.sort_values("n", ascending=False, kind="stable", ignore_index=True).head(most)

    def by_class(self, classes: Sequence[str]) -> pd.DataFrame:
        """Return a row a class: `name`, and `precision, recall, f1`, each with its `KEY_n` images and `KEY_to`.

        Precision is the share right of the images that are predicted so, recall that of those labelled so, with
        Wilson's intervals `KEY_low, KEY_high`; F1 is their harmonic mean, over the images of either. `KEY_to` are the
        filters of the images. NaN without any image.
        """
        rows = []
        for number, name in enumerate(classes):
            right = int(self.counts[number, number])
            predicted = int(self.counts[:, number].sum())
            labelled = int(self.counts[number].sum())
            row: dict[str, Any] = {"name": name}
            for key, of in (("precision", predicted), ("recall", labelled)):
                ends = share(right, of)
                row |= dict(zip((f"{key}_n", key, f"{key}_low", f"{key}_high"), ends, strict=True))
            either = predicted + labelled - right
            row |= {"f1": 2 * right / (predicted + labelled) if either else np.nan, "f1_n": either}
            row["precision_to"] = Filters(predicted=(number,), where="label IS NOT NULL")
            row["recall_to"] = Filters(classes=(number,), where="predicted IS NOT NULL")
            both = f"label IS NOT NULL AND predicted IS NOT NULL AND (label = {number} OR predicted = {number})"
            row["f1_to"] = Filters(where=both)
            rows.append(row)
        return pd.DataFrame(rows)


def confusion(table: DatasetTable, filters: Filters | None = None) -> Confusion:
    """Return what the run of the table confuses among the images that satisfy the filters."""
    columns = table.numbers(filters or Filters(), ["label", "predicted"])
    both = ~(np.isnan(columns["label"]) | np.isnan(columns["predicted"]))
    label, predicted = (columns[name][both].astype(np.int32) for name in ("label", "predicted"))
    known = 1 + max(len(table.classes) - 1, label.max(initial=-1), predicted.max(initial=-1))
    counts = np.bincount(label * np.int64(known) + predicted, minlength=known * known)
    return Confusion(counts.reshape(known, known))
