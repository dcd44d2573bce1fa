"""Predicted HSF of a dataset on disk: a record of the model of votes, and a table with a row a sample."""

import pandas as pd
import pyarrow.parquet as pq
from pydantic import BaseModel, Field

from avhcurate.errors import Run, Text
from avhcurate.workspace.disk.folders import ShardedFolder
from avhcurate.workspace.disk.provenance import Provenance

#: Columns of the table that the sample table takes over; `information` is for the queue of that name.
PREDICTED = ("hsf_predicted", "hsf_predicted_low", "hsf_predicted_high")


class CurvePoint(BaseModel):
    """Spearman `rho` between HSF and predictions for n samples held out, by models of the votes of `learnt` samples."""

    learnt: int
    n: int
    rho: float | None
    low: float | None
    high: float | None


class CoverageRow(BaseModel):
    """Share of n HSF that lie in their intervals, of a mean `width`, in a bin of HSF, predicted HSF or width."""

    of: str = "HSF"
    bin: str
    n: int
    coverage: float
    coverage_low: float
    coverage_high: float
    width: float


class RunGain(BaseModel):
    """What a run adds to the Spearman of predictions with HSF, and the ends of its 95 % interval, paired by sample."""

    run: str
    adds: float | None
    low: float | None
    high: float | None


class PredictionRecord(Provenance):
    """The record of a prediction, `prediction.json`; `finished` and what follows are set when it is complete.

    `voted` samples have votes, `learnt` of them taught the model. The intervals are of HSF of `votes` votes (the median
    of the voted samples) at `level`. `folds` were cross-fitted by `seed`; `weighted`: queues with known chances asked
    for the votes, and each sample counts by the inverse of its chance. `coverage` is told over all, by bins of HSF,
    and by fifths of the predicted HSF and of the width. `confidence_rho`: Spearman of the confidence of the first run
    with the same HSF; `gain`: that of the predictions, each without its own votes, less this one, with the ends of its
    95 % interval, paired by sample; `added`: what each of several runs adds; `ceiling`: the highest that any score can
    be expected to have, with its interval.
    """

    name: str
    runs: list[str]
    votes_fingerprint: str
    votes_simulated: bool
    queues: dict[str, int] = Field(default_factory=dict)
    samples: int
    voted: int
    learnt: int
    votes: int
    level: float
    folds: int
    seed: int
    weighted: bool = False
    inputs: dict[str, int] = Field(default_factory=dict)
    curve: list[CurvePoint] = Field(default_factory=list)
    coverage: list[CoverageRow] = Field(default_factory=list)
    confidence_rho: float | None = None
    added: list[RunGain] = Field(default_factory=list)
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    ceiling: float | None = None
    ceiling_low: float | None = None
    ceiling_high: float | None = None


class PredictionFolder(ShardedFolder[PredictionRecord]):
    """One folder in `DATASET/predictions/`: `prediction.json` and `scores.parquet`.

    A row a sample: `id`, the columns of `PREDICTED`, and `information` (nats): what its votes would tell the model.
    A sample with votes is predicted by a model that did not know them. Null without a score, and without a label or
    with one that is locked.
    """

    HOME = "predictions"
    FILE = "prediction.json"
    KIND = PredictionRecord
    WHAT = "prediction"
    AGAIN = Text(f"remove the folder and {Run('predict')} again")

    def table(self) -> pd.DataFrame:
        return pq.read_table(self.scores_path).to_pandas()
