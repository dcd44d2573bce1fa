"""Accuracy on one dataset or split against that on another, for every network that has scored both."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.compare import statistics
from avhcurate.compare.samples import LabelledSamples, comparable_runs, labelled_samples, read_scores, scored
from avhcurate.compare.statistics import FittedLine
from avhcurate.data.runs import RunFolder
from avhcurate.errors import CurateError
from avhcurate.stats.correlation import ALL
from avhcurate.stats.intervals import wilson
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.table.titles import titles
from avhcurate.votes import bins

#: A bin of fewer samples on either side gives no point.
LEAST_IN_BIN = 10


@dataclass(frozen=True)
class Side:
    """A dataset, or one split of it, with the filters that apply there."""

    table: DatasetTable
    split: str | None
    filters: Filters

    @property
    def samples(self) -> LabelledSamples:
        return labelled_samples(
            self.table, self.filters if self.split is None else self.filters.with_(splits=(self.split,))
        )


@dataclass(frozen=True)
class Transfer:
    """Accuracy of each network on two sides: `points` are rows `model, bin, x, y, x_n, y_n` and Wilson's ends.

    A point for every HSF bin with `LEAST_IN_BIN` samples or more on both sides (`left_out` have fewer); where either
    side has no votes, one for all samples. `line`: the least-squares line through the points.
    """

    points: pd.DataFrame
    line: FittedLine | None
    models: int
    left_out: int
    by_bin: bool


def transfer(x: Side, y: Side) -> Transfer:
    """Compares the accuracy on two sides of every network that has scored both.

    The same network means the same weights and head; a head that a run fitted is of that run alone. Refused where the
    two tables were opened with different HSF bins.
    """
    if x.table.edges != y.table.edges:
        raise CurateError("the two sides have different HSF bins: open both with the same edges")
    sides = [(side, side.samples, _by_network(side.table)) for side in (x, y)]
    shared = [network for network in sides[0][2] if network in sides[1][2]]
    by_bin = all((samples.bin >= 0).any() for _, samples, _ in sides)
    called = titles(x.table.dataset)
    labels = bins.bin_labels(x.table.edges) if by_bin else (ALL,)
    rows, left_out = [], 0
    for network in shared:
        each = [_accuracies(runs[network], samples, len(labels) if by_bin else 0) for _, samples, runs in sides]
        for number, label in enumerate(labels):
            (x_hits, x_n), (y_hits, y_n) = ((int(hits[number]), int(n[number])) for hits, n in each)
            if min(x_n, y_n) < LEAST_IN_BIN:
                left_out += 1
                continue
            x_low, x_high = map(float, wilson(x_hits, x_n))
            y_low, y_high = map(float, wilson(y_hits, y_n))
            name = called[sides[0][2][network].name]
            rows.append((name, label, x_hits / x_n, y_hits / y_n, x_n, y_n, x_low, x_high, y_low, y_high))
    names = ["model", "bin", "x", "y", "x_n", "y_n", "x_low", "x_high", "y_low", "y_high"]
    points = pd.DataFrame(rows, columns=names)
    line = statistics.fit_line(points["x"].to_numpy(float), points["y"].to_numpy(float))
    return Transfer(points, line, len(shared), left_out, by_bin)


def _by_network(table: DatasetTable) -> dict[tuple[str, str, str], RunFolder]:
    """The run of each network that scored most samples, the newest of several."""
    runs: dict[tuple[str, str, str], RunFolder] = {}
    for run in sorted(comparable_runs(table), key=lambda run: -run.record.samples):
        runs.setdefault(run.record.network, run)
    return runs


def _accuracies(run: RunFolder, samples: LabelledSamples, number: int) -> tuple[np.ndarray, np.ndarray]:
    """How many a run has right and how many it scored, in each of `number` bins (0: of all samples together)."""
    some = samples.at(scored(run, samples.ids))
    right = read_scores(run, some.ids, ())["predicted"] == some.labels
    index = some.bin if number else np.zeros(len(some), np.int64)
    inside = index >= 0
    size = max(1, number)
    hits = np.bincount(index[inside], weights=right[inside], minlength=size)
    return hits, np.bincount(index[inside], minlength=size)
