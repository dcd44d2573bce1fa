"""The labelled samples that compared runs share, and what each run says of them.

A sample takes part when it is in view, has a label and was scored by every run compared; what is left out is counted.
Samples are aligned by id.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import HARDNESS
from avhcurate.errors import CurateError
from avhcurate.measures.scores import SCORES
from avhcurate.people import bins
from avhcurate.workspace.data.runs import RunFolder

#: Scores that every run has, and so can be compared between runs.
KEYS = tuple(
    key for key, score in SCORES.items() if score.needs not in ("training", "neighbours") and not score.within_class
)
#: The newest runs that are compared unless others are asked for, so that many over many samples fit into memory.
MOST_RUNS = 12
#: What is read of every run that has it.
_COLUMNS = ("max_confidence", "loss", "el2n", "norm", "relative_avh", *HARDNESS)


def comparable_runs(table: DatasetTable) -> list[RunFolder]:
    """Return the complete runs of the dataset, newest first."""
    return [run for run in table.dataset.runs() if run.complete][::-1]


def by_network(runs: Sequence[RunFolder]) -> dict[tuple[str, str, str], RunFolder]:
    """Return the run of each network that scored most samples, the first of several."""
    best: dict[tuple[str, str, str], RunFolder] = {}
    for run in sorted(runs, key=lambda run: -run.record.samples):
        best.setdefault(run.record.network, run)
    return best


def default_runs(runs: Sequence[RunFolder]) -> list[str]:
    """Return names of the newest run of each network, `MOST_RUNS` at most.

    A run on all samples goes before one on a part, and one on less than half of what the largest scored is left out.
    """
    samples = {run.name: run.record.samples for run in by_network(runs).values()}
    chosen = [run.name for run in runs if 2 * samples.get(run.name, -1) >= max(samples.values())]
    return chosen[:MOST_RUNS]


@dataclass(frozen=True)
class Shared:
    """Runs on the `samples` (see `labelled_samples`) that all of them scored, of `labelled` ones in view.

    By name of run: `scores` are rows by id of `predicted`, `right` and scores, NaN where the run lacks one; `left_out`
    is how many samples it did not score.
    """

    runs: list[RunFolder]
    samples: pd.DataFrame
    scores: dict[str, pd.DataFrame]
    left_out: dict[str, int]
    labelled: int


def shared_samples(
    table: DatasetTable, names: Sequence[str] | None, keys: Sequence[str], filters: Filters | None
) -> Shared:
    """Return the runs of these names (default: `default_runs`) on the samples in view that all of them scored."""
    runs = _named_runs(table, names)
    unknown = [key for key in keys if key not in KEYS]
    if unknown or not keys:
        raise CurateError(f"A run has no score {', '.join(unknown) or '(none)'}. Choose from {', '.join(KEYS)}.")
    every = labelled_samples(table, filters)
    if every.empty:
        raise CurateError("No sample in view has a label to compare the runs by. Label some, or widen the filters.")
    missing = {run.name: read_scores(run, every.index)["predicted"].isna() for run in runs}
    samples = every[~np.logical_or.reduce(list(missing.values()))]
    if samples.empty:
        raise CurateError(
            "No labelled sample in view was scored by all of these runs. Widen the filters or drop a run."
        )
    scores = {}
    for run in runs:
        rows = read_scores(run, samples.index, {*_COLUMNS, *keys}).astype({"predicted": int})
        scores[run.name] = rows.assign(right=rows["predicted"] == samples["label"])
    left_out = {name: int(lacks.sum()) for name, lacks in missing.items()}
    return Shared(runs=runs, samples=samples, scores=scores, left_out=left_out, labelled=len(every))


def _named_runs(table: DatasetTable, names: Sequence[str] | None) -> list[RunFolder]:
    runs = comparable_runs(table)
    if names is None:
        names = default_runs(runs)
    chosen = [table.dataset.run(one) for one in names]
    if not chosen or len({run.name for run in chosen if run.complete}) < len(chosen):
        has = ", ".join(run.name for run in runs) or "none"
        raise CurateError(f"Name each run once, and finished ones. {table.dataset.name} has {has}.")
    return chosen


def labelled_samples(table: DatasetTable, filters: Filters | None) -> pd.DataFrame:
    """Return the labelled samples in view by id: `label, hsf, bin, people`; `bin` is the HSF bin, -1 for none.

    `people` is 1 where most votes went to the given label (more than to any other class; of ticks, more than half), 0
    where they did not, -1 without votes.
    """
    frame = table.frame(filters or Filters(), columns=["id", "label", "hsf"]).dropna(subset=["label"])
    frame = frame.astype({"id": np.int64, "label": np.int64, "hsf": float}).set_index("id")
    frame["bin"] = bins.bin_index(frame["hsf"].to_numpy(), table.edges)
    frame["people"] = _people(table, frame["label"]).astype(np.int8).reindex(frame.index, fill_value=-1)
    return frame


def _people(table: DatasetTable, labels: pd.Series) -> pd.Series:
    """Return by id, of samples with votes, whether most went to their label."""
    votes = table.vote_counts()
    if votes is None:
        return pd.Series()
    votes = votes[votes["id"].isin(labels.index)].set_index("id")
    if "counts" not in votes:
        votes = votes[votes["shown"] > 0]
        return 2 * votes["selected"] > votes["shown"]
    if votes.empty:
        return pd.Series()
    counts, own = np.stack(votes["counts"].to_list()), labels[votes.index].to_numpy()
    missing = max(0, own.max() + 1 - counts.shape[1])
    counts = np.pad(counts, ((0, 0), (0, missing)))  # a label without a column in the counts got no vote
    place = np.arange(len(own))
    for_label = counts[place, own].copy()
    counts[place, own] = 0
    return pd.Series(for_label > counts.max(axis=1), votes.index)


def read_scores(run: RunFolder, ids: pd.Index, columns: Collection[str] = ()) -> pd.DataFrame:
    """Return `predicted` and columns of a run by id; NaN where it did not score the sample or lacks the score."""
    stored = [name for name in columns if name in pq.read_schema(run.scores_path).names]
    rows = pd.read_parquet(run.scores_path, columns=["id", "predicted", *stored]).set_index("id")
    return rows.reindex(ids).reindex(columns=["predicted", *columns]).astype(float)
