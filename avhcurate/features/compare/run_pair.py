"""Two runs sample by sample: who is right, what each confuses, and what is hard for one and easy for the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from sklearn.metrics import confusion_matrix

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.titles import titles
from avhcurate.errors import CurateError
from avhcurate.features.compare import statistics
from avhcurate.features.compare.samples import Scored, read_scores, shared_samples
from avhcurate.measures.scores import SCORES
from avhcurate.measures.stats import correlation_tests
from avhcurate.measures.stats.correlation import ALL
from avhcurate.measures.stats.intervals import share
from avhcurate.measures.stats.multiple_testing import holm
from avhcurate.measures.stats.ranks import rank_shares
from avhcurate.people import bins
from avhcurate.workspace.data.runs import RunFolder


@dataclass(frozen=True)
class RunPair:
    """Two runs on the samples that both scored.

    `points`: `id, label, hsf, bin, people, a_predicted, b_predicted, a_right, b_right, a, b, a_rank, b_rank`, a row a
    sample; a and b are AVH, relative AVH where the runs have different numbers of classes, or what both have in its
    place (`measure`); ranks are shares in (0, 1), large = hard. `tests`: a row a score and bin, as
    `correlation_tests.compare`. `only`: how many only A has right, how many only B, and McNemar's p. `left_out`:
    labelled samples in view that A, and that B has not scored.
    """

    names: tuple[str, str]
    titles: tuple[str, str]
    measure: str
    points: pd.DataFrame
    tests: pd.DataFrame
    only: tuple[int, int, float]
    left_out: tuple[int, int]
    labelled: int
    num_classes: int
    edges: tuple[float, ...]
    simulated: bool

    @property
    def voted(self) -> bool:
        return bool((self.points["people"] >= 0).any())

    @property
    def judges(self) -> dict[str, str]:
        """Who can be right, by name, with the column that says so: people only with votes."""
        runs = {"a": "a_right", "b": "b_right"}
        if self.voted:
            return {"people": "people"} | runs
        return runs

    @property
    def judged(self) -> pd.DataFrame:
        """The points with votes; without any, all points."""
        if self.voted:
            return self.points[self.points["people"] >= 0]
        return self.points

    def ids(self, chosen: pd.Series) -> list[int]:
        """Return the ids of the chosen points, hardest first."""
        points = self.points[chosen]
        order = np.argsort(-(points["a_rank"] + points["b_rank"]).to_numpy(), kind="stable")
        return points["id"].iloc[order].astype(int).tolist()


def compare_pair(
    table: DatasetTable,
    first: str,
    second: str,
    *,
    keys: Sequence[str] = ("avh",),
    filters: Filters | None = None,
) -> RunPair:
    """Compare run A with run B, sample by sample. Refused for one run twice and as `side_by_side`."""
    shared = shared_samples(table, [first, second], keys, filters)
    samples, runs = shared.samples, shared.runs
    measure = _measure(runs)
    points, read = samples.copy(), {}
    for side, run in zip("ab", runs, strict=True):
        read[side] = read_scores(run, samples["id"].to_numpy(), {measure, *keys})
        points[f"{side}_predicted"] = read[side]["predicted"]
        points[f"{side}_right"] = read[side]["predicted"] == samples["label"]
        points[side] = read[side][measure]
        points[f"{side}_rank"] = rank_shares(read[side][measure])
    called = titles(table.dataset)
    a, b = (run.name for run in runs)
    return RunPair(
        names=(a, b),
        titles=(called[a], called[b]),
        measure=measure,
        points=points,
        tests=_tests(samples, read, keys, table.edges),
        only=statistics.mcnemar(points["a_right"].to_numpy(), points["b_right"].to_numpy()),
        left_out=(shared.left_out[a], shared.left_out[b]),
        labelled=shared.labelled,
        num_classes=max(*(run.record.num_classes for run in runs), int(samples["label"].max()) + 1),
        edges=table.edges,
        simulated=table.simulated,
    )


def _measure(runs: Sequence[RunFolder]) -> str:
    """Return the measure of hardness that both runs have; refused where they share none."""
    usual = "avh"
    if len({run.record.num_classes for run in runs}) > 1:
        usual = "relative_avh"
    both = set.intersection(*(set(pq.read_schema(run.scores_path).names) for run in runs))
    for key in (usual, "prototype_hardness", "loss"):
        if key in both:
            return key
    raise CurateError(
        f"Runs {runs[0].name} and {runs[1].name} share no measure of hardness: one lacks logits, the other embeddings."
    )


def _tests(samples: pd.DataFrame, read: dict[str, Scored], keys: Sequence[str], edges: Sequence[float]) -> pd.DataFrame:
    """Return `score, bin`, then the test of A against B, and `p_holm`, p by Holm's method for all rows."""
    parts = []
    for key in keys:
        harder = dict.fromkeys("ab", SCORES[key].hard_end)
        for name, rows in _groups(samples["bin"], edges):
            scores = {side: read[side][key][rows] for side in "ab"}
            one = correlation_tests.compare(scores, samples["hsf"].to_numpy()[rows], harder=harder)
            parts.append(one.assign(score=key, bin=name))
    tests = pd.concat(parts, ignore_index=True)
    return tests.assign(p_holm=holm(tests["p_value"]))


def _groups(bin_index: pd.Series, edges: Sequence[float]) -> list[tuple[str, np.ndarray]]:
    """Return the name and rows of all samples, then of each HSF bin."""
    of_bins = [(label, np.flatnonzero(bin_index == number)) for number, label in enumerate(bins.bin_labels(edges))]
    return [(ALL, np.arange(len(bin_index))), *of_bins]


def who_is_right(pair: RunPair) -> pd.DataFrame:
    """Return, per HSF bin, `all` first: `bin, n`, then `people, a, b` (shares right), each with `_low, _high` (Wilson).

    Over the samples with votes. Without votes the one row `all`, and no people.
    """
    points = pair.judged
    groups = _groups(points["bin"], pair.edges)
    if not pair.voted:
        groups = groups[:1]
    rows = []
    for name, places in groups:
        row: dict[str, Any] = {"bin": name, "n": len(places)}
        for judge, column in pair.judges.items():
            hits = int(points[column].iloc[places].sum())
            _, row[judge], row[f"{judge}_low"], row[f"{judge}_high"] = share(hits, len(places))
        rows.append(row)
    return pd.DataFrame(rows)


def outcomes(pair: RunPair) -> pd.DataFrame:
    """Return `people, a, b, n, share`: how often each combination of right (True) and wrong occurs, most first.

    Over the samples with votes; without any, over all, and people is missing.
    """
    right = pd.DataFrame({judge: pair.judged[column].astype(bool) for judge, column in pair.judges.items()})
    every = pd.MultiIndex.from_product([(True, False)] * len(pair.judges), names=list(pair.judges))
    table = right.value_counts().reindex(every, fill_value=0).rename("n").reset_index()
    table["share"] = table["n"] / max(1, len(right))
    return table.sort_values("n", ascending=False, kind="stable", ignore_index=True)


def with_outcome(pair: RunPair, **right: bool) -> list[int]:
    """Return ids of the samples that people, A and B (`people`, `a`, `b`) get right or wrong, hardest first."""
    chosen = [pair.points[pair.judges[judge]] == is_right for judge, is_right in right.items()]
    return pair.ids(pd.concat(chosen, axis=1).all(axis=1))


def confusions(pair: RunPair) -> tuple[np.ndarray, np.ndarray]:
    """Return the confusion matrices (K, K) of A and of B: row the given label, column the predicted class."""
    classes, labels = np.arange(pair.num_classes), pair.points["label"]
    a, b = (confusion_matrix(labels, pair.points[f"{side}_predicted"], labels=classes) for side in "ab")
    return a, b


def most_confused(pairs: pd.DataFrame, num_classes: int, *, most: int) -> list[int]:
    """Return at most `most` classes of the most confused pairs, in the order of the classes."""
    if num_classes <= most:
        return list(range(num_classes))
    named = pd.unique(pairs[["label", "predicted"]].to_numpy().ravel())
    return sorted(named[:most].tolist())


def in_cell(pair: RunPair, side: str, label: int, predicted: int) -> list[int]:
    """Return ids of samples of a label that A ("a") or B ("b") predicts so, hardest first."""
    points = pair.points
    return pair.ids((points[f"{side}_predicted"] == predicted) & (points["label"] == label))


def hard_for_one(pair: RunPair, *, for_a: bool, easy: float, hard: float) -> list[int]:
    """Return ids of the samples hard for A (from its percentile `hard`) and easy for B (up to `easy`), or the reverse.

    Widest difference of percentiles first.
    """
    one, other = pair.points["a_rank"], pair.points["b_rank"]
    if not for_a:
        one, other = other, one
    widest = (one - other)[(one >= hard) & (other <= easy)].sort_values(ascending=False, kind="stable")
    return pair.points.loc[widest.index, "id"].astype(int).tolist()
