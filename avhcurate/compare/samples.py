"""The labelled samples that compared runs share, with what each run says of them.

A sample takes part when it is in view, has a label and was scored by every run compared; what is left out is counted.
Samples are aligned by id.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from avhcurate.data.runs import RunFolder
from avhcurate.errors import CurateError
from avhcurate.scores import SCORES
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.table.sample_table import hardness_key
from avhcurate.votes import bins

#: Scores that every run has, and so can be compared between runs.
KEYS = tuple(
    key for key, score in SCORES.items() if score.needs not in ("training", "neighbours") and not score.within_class
)
#: The newest runs that are compared unless others are asked for, so that many over many samples fit into memory.
MOST_RUNS = 12


@dataclass(frozen=True)
class LabelledSamples:
    """Labelled samples by id, (n,) each: `bin` is the HSF bin, -1 for none.

    `people` is 1 where most votes went to the given label (more than to any other class; of ticks, more than half), 0
    where they did not, -1 without votes.
    """

    ids: np.ndarray
    labels: np.ndarray
    hsf: np.ndarray
    bin: np.ndarray
    people: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def voted(self) -> bool:
        return bool((self.people >= 0).any())

    def at(self, rows: np.ndarray) -> "LabelledSamples":
        return LabelledSamples(*(column[rows] for column in vars(self).values()))


def comparable_runs(table: DatasetTable) -> list[RunFolder]:
    """The complete runs of the dataset, newest first."""
    return [run for run in table.dataset.runs() if run.complete][::-1]


def default_runs(runs: Sequence[RunFolder]) -> list[str]:
    """Names of the newest run of each network, `MOST_RUNS` at most; a run on a part gives way to one on all samples,
    and one on less than half of what the largest scored is left out.
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
    samples: LabelledSamples
    left_out: dict[str, int]
    labelled: int


def shared_samples(
    table: DatasetTable, names: Sequence[str] | None, keys: Sequence[str], filters: Filters | None
) -> Shared:
    """The runs of these names (default: `default_runs`), checked, and the samples in view that all of them scored."""
    runs = _named_runs(table, names)
    unknown = [key for key in keys if key not in KEYS]
    if unknown or not keys:
        raise CurateError(
            f"no score of a run is called {', '.join(unknown) or '(none)'}: choose from {', '.join(KEYS)}"
        )
    every = labelled_samples(table, filters)
    if not len(every.ids):
        raise CurateError(
            "no sample in view has a label, and networks are compared by what they get right: label some in their "
            f"details, give a file by `avhcurate relabel {table.dataset.name} --from FILE`, or widen the filters"
        )
    by_run = {run.name: scored(run, every.ids) for run in runs}
    rows = np.flatnonzero(np.logical_and.reduce(list(by_run.values())))
    if not len(rows):
        raise CurateError("no labelled sample in view was scored by all of these runs: widen the filters or drop a run")
    left_out = {name: int((~has).sum()) for name, has in by_run.items()}
    return Shared(runs, every.at(rows), left_out, len(every))


def _named_runs(table: DatasetTable, names: Sequence[str] | None) -> list[RunFolder]:
    name = table.dataset.name
    runs = comparable_runs(table)
    if not runs:
        raise CurateError(f"no model has scored {name} yet: run `avhcurate score {name} --model MODEL`")
    chosen = [table.dataset.run(one) for one in (default_runs(runs) if names is None else names)]
    if unfinished := [run.name for run in chosen if not run.complete]:
        raise CurateError(
            f"the run {unfinished[0]} is not finished: run `avhcurate score {name} ...` again to resume it"
        )
    if not chosen or len({run.name for run in chosen}) < len(chosen):
        raise CurateError(f"name each run once; {name} has {', '.join(run.name for run in runs)}")
    return chosen


def labelled_samples(table: DatasetTable, filters: Filters | None) -> LabelledSamples:
    """The labelled samples in view."""
    frame = table.frame(filters or Filters(), columns=["id", "label", "hsf"])
    frame = frame[frame["label"].notna()]
    ids, labels = frame["id"].to_numpy(np.int64), frame["label"].to_numpy(np.int64)
    hsf = frame["hsf"].to_numpy(float)
    return LabelledSamples(ids, labels, hsf, bins.bin_index(hsf, table.edges), _people(table, ids, labels))


def _people(table: DatasetTable, ids: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether most votes of each sample went to its label, as `LabelledSamples.people`."""
    people = np.full(len(ids), -1, np.int8)
    votes = table.vote_counts()
    if votes is None or votes.empty:
        return people
    rows = pd.Index(votes["id"]).get_indexer(ids)
    voted, rows = np.flatnonzero(rows >= 0), rows[rows >= 0]
    if "counts" in votes:
        counts = np.stack(votes["counts"].to_list())[rows]
        for_label = np.zeros(len(rows), counts.dtype)  # a label without a column in the counts got no vote
        inside = np.flatnonzero(labels[voted] < counts.shape[1])
        for_label[inside] = counts[inside, labels[voted][inside]]
        counts[inside, labels[voted][inside]] = 0
        people[voted] = for_label > counts.max(axis=1)
        return people
    selected, shown = (votes[name].to_numpy()[rows] for name in ("selected", "shown"))
    people[voted[shown > 0]] = (2 * selected > shown)[shown > 0]
    return people


def hardness_of_run(run: RunFolder) -> str:
    """Key of the score that stands for how hard a sample is for a run: AVH where it has class weights."""
    return hardness_key(pq.read_schema(run.scores_path).names)


def scored(run: RunFolder, ids: np.ndarray) -> np.ndarray:
    """Which of `ids` (n,) the run has scored, (n,) bool."""
    rows = pq.read_table(run.scores_path, columns=["id", "predicted"])
    return np.isin(ids, rows.filter(rows["predicted"].is_valid())["id"].to_numpy(), assume_unique=True)


def read_scores(run: RunFolder, ids: np.ndarray, columns: Collection[str]) -> dict[str, np.ndarray]:
    """`predicted` and columns of a run at ids (n,) that it scored; NaN where a score is missing."""
    stored = set(pq.read_schema(run.scores_path).names)
    rows = pq.read_table(run.scores_path, columns=["id", "predicted", *(name for name in columns if name in stored)])
    places = pd.Index(rows["id"].to_numpy()).get_indexer(ids)
    read = {"predicted": rows["predicted"].fill_null(-1).to_numpy()[places]}
    for name in columns:
        read[name] = rows[name].to_numpy().astype(np.float64)[places] if name in stored else np.full(len(ids), np.nan)
    return read
