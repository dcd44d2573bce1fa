"""Accuracy on one dataset or split against that on another, for every network that has scored both."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.titles import titles
from avhcurate.errors import CurateError
from avhcurate.features.compare import statistics
from avhcurate.features.compare.samples import comparable_runs, labelled_samples, read_scores, scored
from avhcurate.measures.stats.correlation import ALL
from avhcurate.measures.stats.intervals import wilson
from avhcurate.people import bins
from avhcurate.workspace.data.runs import RunFolder

#: A bin of fewer samples on either side is left out.
LEAST_IN_BIN = 10


@dataclass(frozen=True)
class Side:
    """A dataset, or one split of it, with the filters that apply there."""

    table: DatasetTable
    split: str | None
    filters: Filters

    def samples(self) -> pd.DataFrame:
        """Return the labelled samples of the side."""
        filters = self.filters
        if self.split is not None:
            filters = filters.with_(splits=(self.split,))
        return labelled_samples(self.table, filters)


@dataclass(frozen=True)
class Transfer:
    """Accuracy of each network on two sides: `points` are rows `model, bin, x, y, x_n, y_n` and Wilson's ends.

    A point for every HSF bin with `LEAST_IN_BIN` samples or more on both sides (`left_out` have fewer); where either
    side has no votes, one for all samples. `line`: see `fit_line`.
    """

    points: pd.DataFrame
    line: tuple[Any, float] | None
    models: int
    left_out: int
    by_bin: bool


def transfer(x: Side, y: Side) -> Transfer:
    """Compare the accuracy on two sides of every network that has scored both.

    The same network means the same weights and head; a head that a run fitted is of that run only. Refused where the
    two tables were opened with different HSF bins.
    """
    if x.table.edges != y.table.edges:
        raise CurateError("The two sides have different HSF bins. Open both with the same edges.")
    samples, labels = [x.samples(), y.samples()], bins.bin_labels(x.table.edges)
    by_bin = all((part["bin"] >= 0).any() for part in samples)
    if not by_bin:
        samples, labels = [part.assign(bin=0) for part in samples], (ALL,)
    columns = ["network", "bin"]
    found = _accuracies(x.table, samples[0], "x").merge(_accuracies(y.table, samples[1], "y"), on=columns)
    enough = found[["x_n", "y_n"]].min(axis=1) >= LEAST_IN_BIN
    points = found[enough].reset_index(drop=True)
    called, runs = titles(x.table.dataset), _by_network(x.table)
    points["model"] = [called[runs[network].name] for network in points["network"]]
    points["bin"] = [labels[number] for number in points["bin"]]
    return Transfer(
        points=points.drop(columns="network"),
        line=statistics.fit_line(points["x"].to_numpy(float), points["y"].to_numpy(float)),
        models=found["network"].nunique(),
        left_out=int((~enough).sum()),
        by_bin=by_bin,
    )


def _by_network(table: DatasetTable) -> dict[tuple[str, str, str], RunFolder]:
    """Return the run of each network that scored most samples, the newest of several."""
    runs: dict[tuple[str, str, str], RunFolder] = {}
    for run in sorted(comparable_runs(table), key=lambda run: -run.record.samples):
        runs.setdefault(run.record.network, run)
    return runs


def _accuracies(table: DatasetTable, samples: pd.DataFrame, side: str) -> pd.DataFrame:
    """Return `network, bin` and, named by the side, accuracy, n and Wilson's ends."""
    parts = [pd.DataFrame(columns=["network", "bin", "hits", "n"])]
    for network, run in _by_network(table).items():
        some = samples[scored(run, samples["id"].to_numpy()) & (samples["bin"] >= 0)]
        right = read_scores(run, some["id"].to_numpy(), ())["predicted"] == some["label"]
        counts = right.groupby(some["bin"]).agg(hits="sum", n="size").reset_index()
        parts.append(counts.assign(network=[network] * len(counts)))
    found = pd.concat(parts, ignore_index=True)
    hits, n = found.pop("hits").astype(float), found.pop("n").astype(float)
    found[side], found[f"{side}_n"] = hits / n, n.astype(int)
    found[f"{side}_low"], found[f"{side}_high"] = wilson(hits, n)
    return found
