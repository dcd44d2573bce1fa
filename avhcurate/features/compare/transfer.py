"""Accuracy on one dataset or split against that on another, for every network that has scored both."""

from typing import Any

import pandas as pd
from scipy.stats import linregress, t

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.titles import titles
from avhcurate.errors import CurateError
from avhcurate.features.compare.samples import RunScores, by_network, comparable_runs, labelled_samples
from avhcurate.measures.stats.correlation import ALL
from avhcurate.measures.stats.intervals import wilson
from avhcurate.people.bins import bin_labels
from avhcurate.workspace.data.runs import RunFolder

#: A bin of fewer samples on either side is not compared.
LEAST_IN_BIN = 10


def transfer(x: DatasetTable, y: DatasetTable, *, x_filters: Filters, y_filters: Filters) -> pd.DataFrame:
    """Return the accuracy on two sides of every network that has scored both: `model, bin`, and of each side
    `x, x_n, x_low, x_high` (Wilson).

    A row for every network and HSF bin with samples on both sides; where either side has no votes, one for all samples.
    `bin` is a category. The same network means the same weights and head; a head that a run fitted is of that run only.
    Refused where the two tables were opened with different HSF bins.
    """
    if x.edges != y.edges:
        raise CurateError("The two sides have different HSF bins. Open both with the same edges.")
    samples = [labelled_samples(x, x_filters), labelled_samples(y, y_filters)]
    labels = bin_labels(x.edges)
    if any((part["bin"] < 0).all() for part in samples):
        samples = [part.assign(bin=0) for part in samples]
        labels = (ALL,)
    called = titles(x.dataset)
    others = by_network(comparable_runs(y))
    columns = [f"{side}{end}" for side in "xy" for end in ("", "_n", "_low", "_high")]
    parts = [pd.DataFrame(columns=["model", *columns], dtype=float)]
    for network, run in by_network(comparable_runs(x)).items():
        if network in others:
            on_x = _accuracy(run, samples[0], "x")
            on_y = _accuracy(others[network], samples[1], "y")
            parts.append(on_x.join(on_y, how="inner").assign(model=called[run.name]))
    points = pd.concat(parts).rename_axis("bin").reset_index()
    return points.assign(bin=pd.Categorical.from_codes(points["bin"].astype(int), pd.Index(labels)))


def fit_line(x: pd.Series, y: pd.Series) -> tuple[Any, float] | None:
    """Return the least-squares line through points (n,), as `scipy.stats.linregress`, and half the 95 % interval of
    its slope (t); None for fewer than three points, or all at one x.

    >>> line, reach = fit_line(pd.Series([0.0, 1.0, 2.0]), pd.Series([1.0, 3.0, 5.0]))
    >>> round(float(line.slope), 6), round(float(line.intercept), 6)
    (2.0, 1.0)
    """
    if len(x) < 3 or x.nunique() == 1:
        return None
    line = linregress(x, y)
    return line, float(t.ppf(0.975, len(x) - 2) * line.stderr)


def _accuracy(run: RunFolder, samples: pd.DataFrame, side: str) -> pd.DataFrame:
    """Return by bin and, named by the side, accuracy, n and Wilson's ends."""
    predicted = RunScores(run, samples)["predicted"]
    judged = predicted.notna() & (samples["bin"] >= 0)
    right = (predicted == samples["label"])[judged].groupby(samples["bin"])
    low, high = wilson(right.sum(), right.size())
    return pd.DataFrame({"": right.mean(), "_n": right.size(), "_low": low, "_high": high}).add_prefix(side)
