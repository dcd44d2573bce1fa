"""The columns of a prediction as the sample table joins them."""

from collections.abc import Container, Sequence

import pandas as pd

from avhcurate.data.prediction import PREDICTED, PredictionFolder
from avhcurate.votes import bins

#: Columns of an export that a prediction adds, in their order.
PREDICTED_COLUMNS = (*PREDICTED, "hsf_predicted_bin", "human_gap")


def predicted_frame(folder: PredictionFolder, edges: Sequence[float]) -> pd.DataFrame:
    """`id`, the columns of `PREDICTED` and `hsf_predicted_bin`, the HSF bin of the prediction, by id."""
    rows = folder.table()[["id", *PREDICTED]]
    index = pd.Series(bins.bin_index(rows["hsf_predicted"], edges))
    return rows.assign(hsf_predicted_bin=index.map(dict(enumerate(bins.bin_labels(edges)))))


def predicted_columns(scored: Container[str]) -> list[str]:
    """SQL of the columns; the gap is to the confidence of the run `r`, whose file has the columns `scored`."""
    gap = "p.hsf_predicted - r.confidence" if "confidence" in scored else "NULL"
    numbers = [f"p.{key}::DOUBLE AS {key}" for key in PREDICTED]
    return [*numbers, "p.hsf_predicted_bin::VARCHAR AS hsf_predicted_bin", f"({gap})::DOUBLE AS human_gap"]
