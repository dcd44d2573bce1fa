"""The labelled samples that compared runs share, and what each run says of them.

A sample takes part when it is in view, has a label and was scored by every run compared; what is left out is counted.
Samples are aligned by id.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError
from avhcurate.measures.scores import SCORES
from avhcurate.people import bins
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder

#: Scores that every run has, and so can be compared between runs.
KEYS = tuple(
    key for key, score in SCORES.items() if score.needs not in ("training", "neighbours") and not score.within_class
)
#: The newest runs that are compared unless others are asked for, so that many over many samples fit into memory.
MOST_RUNS = 12


def comparable_runs(dataset: DatasetFolder) -> list[RunFolder]:
    """Return the complete runs of the dataset, newest first."""
    return [run for run in dataset.runs() if run.complete][::-1]


def default_runs(runs: Sequence[RunFolder]) -> list[str]:
    """Return names of the newest run of each network, `MOST_RUNS` at most.

    A run on all samples goes before one on a part, and one on less than half of what the largest scored is left out.
    """
    # Of each network the run that scored most samples, the first of several.
    best = {run.record.network: run for run in sorted(runs, key=lambda run: -run.record.samples)[::-1]}
    samples = {run.name: run.record.samples for run in best.values()}
    names = [run.name for run in runs if 2 * samples.get(run.name, -1) >= max(samples.values())]
    return names[:MOST_RUNS]


@dataclass(frozen=True)
class RunScores:
    """What a run says of some labelled samples: each column is read when it is asked for, so that few are in memory."""

    run: RunFolder
    samples: pd.DataFrame

    def __getitem__(self, key: str) -> pd.Series:
        """Return `predicted` or a score by id; NaN where the run did not score the sample or lacks the score."""
        ids = self.samples.index.to_numpy()
        if key not in pq.read_schema(self.run.scores_today).names:
            return pd.Series(np.nan, self.samples.index)
        rows = pq.read_table(self.run.scores_today, columns=["id", key])
        values = rows[key].to_numpy()
        scored = rows["id"].to_numpy()
        if values.dtype != np.float32:
            values = values.astype(float)
        of_all = np.full(1 + max(scored.max(initial=0), ids.max(initial=0)), np.nan, values.dtype)
        of_all[scored] = values
        return pd.Series(of_all[ids], self.samples.index, copy=False)

    @property
    def right(self) -> pd.Series:
        """Whether the predicted class is the given label."""
        return self["predicted"] == self.samples["label"]


@dataclass(frozen=True)
class Shared:
    """Runs on the `samples` (see `labelled_samples`) that all of them scored, of `labelled` ones in view.

    By name of run: what it says of them in `scores`; `left_out` is how many samples it did not score.
    """

    runs: list[RunFolder]
    samples: pd.DataFrame
    scores: dict[str, RunScores]
    left_out: dict[str, int]
    labelled: int


def shared_samples(
    samples: SampleTable, votes: Votes, names: Sequence[str] | None, keys: Sequence[str], filters: Filters | None
) -> Shared:
    """Return the runs of these names (default: `default_runs`) on the samples in view that all of them scored."""
    runs = _named_runs(samples, votes.dataset, names)
    unknown = [key for key in keys if key not in KEYS]
    if unknown or not keys:
        raise CurateError(f"A run has no score {', '.join(unknown) or '(none)'}. Choose from {', '.join(KEYS)}.")
    labelled = labelled_samples(samples, votes, filters)
    if labelled.empty:
        raise CurateError("No image in view has a label to compare the runs by. Label some, or widen the filters.")
    missing = {run.name: RunScores(run, labelled)["predicted"].isna() for run in runs}
    rows = labelled
    lacking = np.logical_or.reduce(list(missing.values()))
    if lacking.any():
        rows = labelled[~lacking]
    if rows.empty:
        raise CurateError("No labelled image in view was scored by all of these runs. Widen the filters or drop a run.")
    scores = {run.name: RunScores(run, rows) for run in runs}
    left_out = {name: int(lacks.sum()) for name, lacks in missing.items()}
    return Shared(runs=runs, samples=rows, scores=scores, left_out=left_out, labelled=len(labelled))


def _named_runs(samples: SampleTable, dataset: DatasetFolder, names: Sequence[str] | None) -> list[RunFolder]:
    runs = comparable_runs(dataset)
    if names is None:
        names = default_runs(runs)
    selected = [dataset.run(name) for name in names]
    if not selected or len({run.name for run in selected if run.complete}) < len(selected):
        has = ", ".join(run.name for run in runs) or "none"
        raise CurateError(f"Name each run once, and finished ones. {samples.name} has {has}.")
    return selected


def labelled_samples(samples: SampleTable, votes: Votes, filters: Filters | None) -> pd.DataFrame:
    """Return the labelled samples in view by id: `label, hsf, bin, people`; `bin` is the HSF bin, -1 for none.

    `people` is 1 where most votes went to the given label (more than to any other class; of ticks, more than half), 0
    where they did not, -1 without votes.
    """
    columns = samples.numbers(filters or Filters(), ["label", "hsf"])
    labelled = ~np.isnan(columns["label"])
    ids = columns["id"][labelled].astype(np.int32)
    hsf = columns["hsf"][labelled]
    rows = {
        "label": columns["label"][labelled].astype(np.int32),
        "hsf": hsf,
        "bin": bins.bin_index(hsf, samples.edges).astype(np.int16),
        "people": votes.majority()[ids],
    }
    return pd.DataFrame(rows, pd.Index(ids, name="id", copy=False))
