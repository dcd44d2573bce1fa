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


#: What a run says of samples, (n,) each by name: the predicted class, and scores.
Scored = dict[str, np.ndarray]


def comparable_runs(table: DatasetTable) -> list[RunFolder]:
    """Return the complete runs of the dataset, newest first."""
    return [run for run in table.dataset.runs() if run.complete][::-1]


def default_runs(runs: Sequence[RunFolder]) -> list[str]:
    """Return names of the newest run of each network, `MOST_RUNS` at most.

    A run on all samples goes before one on a part, and one on less than half of what the largest scored is left out.
    """
    largest = max((run.record.samples for run in runs), default=0)
    best: dict[tuple[str, str, str], RunFolder] = {}
    for run in sorted(runs, key=lambda run: -run.record.samples):  # stable: newest first among equals
        if 2 * run.record.samples >= largest:
            best.setdefault(run.record.network, run)
    chosen = {run.name for run in best.values()}
    return [run.name for run in runs if run.name in chosen][:MOST_RUNS]


@dataclass(frozen=True)
class Shared:
    """Runs, the `samples` that all of them scored of `labelled` ones, and by run how many it did not (`left_out`)."""

    runs: list[RunFolder]
    samples: pd.DataFrame
    left_out: dict[str, int]
    labelled: int


def shared_samples(
    table: DatasetTable, names: Sequence[str] | None, keys: Sequence[str], filters: Filters | None
) -> Shared:
    """Return the runs of these names (default: `default_runs`), and the samples in view that all of them scored."""
    runs = _named_runs(table, names)
    unknown = [key for key in keys if key not in KEYS]
    if unknown or not keys:
        raise CurateError(f"A run has no score {', '.join(unknown) or '(none)'}. Choose from {', '.join(KEYS)}.")
    every = labelled_samples(table, filters)
    if every.empty:
        raise CurateError("No sample in view has a label to compare the runs by. Label some, or widen the filters.")
    by_run = {run.name: scored(run, every["id"].to_numpy()) for run in runs}
    samples = every[np.logical_and.reduce(list(by_run.values()))].reset_index(drop=True)
    if samples.empty:
        raise CurateError(
            "No labelled sample in view was scored by all of these runs. Widen the filters or drop a run."
        )
    left_out = {name: int((~has).sum()) for name, has in by_run.items()}
    return Shared(runs=runs, samples=samples, left_out=left_out, labelled=len(every))


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
    """Return the labelled samples in view: `id, label, hsf, bin, people`; `bin` is the HSF bin, -1 for none.

    `people` is 1 where most votes went to the given label (more than to any other class; of ticks, more than half), 0
    where they did not, -1 without votes.
    """
    frame = table.frame(filters or Filters(), columns=["id", "label", "hsf"]).dropna(subset=["label"])
    frame = frame.astype({"id": np.int64, "label": np.int64, "hsf": float}).reset_index(drop=True)
    frame["bin"] = bins.bin_index(frame["hsf"].to_numpy(), table.edges)
    frame["people"] = _people(table, frame["id"].to_numpy(), frame["label"].to_numpy())
    return frame


def _people(table: DatasetTable, ids: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return whether most votes of each sample went to its label, as in `labelled_samples`."""
    people = np.full(len(ids), -1, np.int8)
    votes = table.vote_counts()
    if votes is None or votes.empty:
        return people
    rows = pd.Index(votes["id"]).get_indexer(ids)
    voted = np.flatnonzero(rows >= 0)
    rows, labels = rows[voted], labels[voted]
    if "counts" not in votes:
        selected, shown = (votes[name].to_numpy()[rows] for name in ("selected", "shown"))
        people[voted[shown > 0]] = (2 * selected > shown)[shown > 0]
        return people
    counts = np.stack(votes["counts"].to_list())[rows]
    missing = max(0, labels.max(initial=0) + 1 - counts.shape[1])
    counts = np.pad(counts, ((0, 0), (0, missing)))  # a label without a column in the counts got no vote
    place = np.arange(len(labels))
    for_label = counts[place, labels].copy()
    counts[place, labels] = 0
    people[voted] = for_label > counts.max(axis=1)
    return people


def hardness_of_run(run: RunFolder) -> str:
    """Return the key of the score that says how hard a sample is for a run: AVH where it has class weights."""
    names = pq.read_schema(run.scores_path).names
    return next((key for key in HARDNESS if key in names), HARDNESS[0])


def scored(run: RunFolder, ids: np.ndarray) -> np.ndarray:
    """Return which of `ids` (n,) the run has scored, (n,) bool."""
    rows = pq.read_table(run.scores_path, columns=["id", "predicted"])
    return np.isin(ids, rows.filter(rows["predicted"].is_valid())["id"].to_numpy(), assume_unique=True)


def read_scores(run: RunFolder, ids: np.ndarray, columns: Collection[str]) -> Scored:
    """Return `predicted` and columns of a run at ids (n,) that it scored; NaN where a score is missing."""
    stored = [name for name in columns if name in pq.read_schema(run.scores_path).names]
    rows = pq.read_table(run.scores_path, columns=["id", "predicted", *stored])
    places = pd.Index(rows["id"].to_numpy()).get_indexer(ids)
    read = {name: np.full(len(ids), np.nan) for name in columns}
    read |= {name: rows[name].to_numpy().astype(np.float64)[places] for name in stored}
    return read | {"predicted": rows["predicted"].fill_null(-1).to_numpy()[places]}
