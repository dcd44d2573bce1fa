"""Two runs sample by sample: who is right, and what is hard for one and easy for the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.titles import titles
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError
from avhcurate.features.compare.samples import Shared, shared_samples
from avhcurate.measures.scores import SCORES
from avhcurate.measures.stats import correlation_tests
from avhcurate.measures.stats.correlation import ALL
from avhcurate.measures.stats.intervals import share
from avhcurate.measures.stats.multiple_testing import holm
from avhcurate.measures.stats.ranks import rank_shares
from avhcurate.people.bins import bin_labels


@dataclass(frozen=True)
class RunPair:
    """Two runs, A and B, on the samples that both scored.

    `points`: a row a sample by id: `label, hsf, bin`, who is right (`people, a, b`: 1, 0, or -1 without votes), and
    `a_predicted, b_predicted, a_rank, b_rank`; ranks of hardness are shares in (0, 1), large = hard: by AVH, by
    relative AVH where the runs have different numbers of classes, or by what both have in its place (`measure`).
    `bins`: names of the HSF bins. `tests`: a row a score and bin, as `correlation_tests.compare`. `only`: how many only
    A has right, how many only B, and McNemar's p. `left_out`: labelled samples in view not scored by A and by B.
    """

    names: tuple[str, str]
    titles: tuple[str, str]
    measure: str
    points: pd.DataFrame
    bins: tuple[str, ...]
    tests: pd.DataFrame
    only: tuple[int, int, float]
    left_out: tuple[int, int]
    labelled: int
    num_classes: int

    @property
    def judges(self) -> list[str]:
        """Columns of those who can be right: people only with votes."""
        if (self.points["people"] >= 0).any():
            return ["people", "a", "b"]
        return ["a", "b"]

    @property
    def judged_points(self) -> pd.DataFrame:
        """The points with votes; without any, all points."""
        return self.points[self.points["people"] >= min(0, self.points["people"].max())]

    def ids(self, where: str, order: str = "a_rank + b_rank") -> list[int]:
        """Return the ids of points by an expression over their columns, those with the highest `order` first."""
        values: Any = self.points.query(where).eval(order)
        return values.sort_values(ascending=False, kind="stable").index.tolist()


def compare_pair(
    samples: SampleTable,
    votes: Votes,
    first: str,
    second: str,
    *,
    keys: Sequence[str] = ("avh",),
    filters: Filters | None = None,
) -> RunPair:
    """Compare run A with run B, sample by sample. Refused for one run twice and as `side_by_side`."""
    shared = shared_samples(samples, votes, [first, second], keys, filters)
    called = titles(votes.dataset)
    measure = _measure(shared)
    points = shared.samples.copy()
    a, b = shared.scores
    for side, scores in zip("ab", shared.scores.values(), strict=True):
        points[side] = scores.right.astype(np.int8)
        points[f"{side}_predicted"] = scores["predicted"].astype(np.int32)
        points[f"{side}_rank"] = rank_shares(scores[measure].to_numpy())
    return RunPair(
        names=(a, b),
        titles=(called[a], called[b]),
        measure=measure,
        points=points,
        bins=bin_labels(samples.edges),
        tests=_tests(shared, keys, bin_labels(samples.edges)),
        only=mcnemar(points["a"], points["b"]),
        left_out=(shared.left_out[a], shared.left_out[b]),
        labelled=shared.labelled,
        num_classes=max(*(run.num_classes for run in shared.runs), int(points["label"].max()) + 1),
    )


def mcnemar(first: pd.Series, second: pd.Series) -> tuple[int, int, float]:
    """Return how many only the first has right, only the second, and the exact p that both are right equally often.

    Q. McNemar, Psychometrika 12 (1947) 153-157, by the binomial distribution.

    >>> mcnemar(pd.Series([1, 1, 1, 0]), pd.Series([0, 0, 0, 1]))
    (3, 1, 0.625)
    """
    first_only = int((first > second).sum())
    second_only = int((second > first).sum())
    if first_only + second_only == 0:
        return 0, 0, 1.0
    return first_only, second_only, float(binomtest(first_only, first_only + second_only).pvalue)


def _measure(shared: Shared) -> str:
    """Return the measure of hardness that both runs have; refused where they share none."""
    usual = "avh"
    if len({run.num_classes for run in shared.runs}) > 1:
        usual = "relative_avh"
    for key in (usual, "prototype_hardness", "loss"):
        if all(scores[key].notna().any() for scores in shared.scores.values()):
            return key
    a, b = shared.scores
    raise CurateError(f"Runs {a} and {b} share no measure of hardness: one lacks logits, the other embeddings.")


def _tests(shared: Shared, keys: Sequence[str], labels: Sequence[str]) -> pd.DataFrame:
    """Return `score, bin`, then the test of A against B, and `p_holm`, p by Holm's method for all rows."""
    hsf = shared.samples["hsf"]
    parts = []
    for key in keys:
        a, b = (run_scores[key] for run_scores in shared.scores.values())
        harder = dict.fromkeys("ab", SCORES[key].hard_end)
        for name, rows in _groups(shared.samples["bin"], labels):
            test = correlation_tests.compare({"a": a[rows], "b": b[rows]}, hsf[rows], harder=harder)
            parts.append(test.assign(score=key, bin=name))
    tests = pd.concat(parts, ignore_index=True)
    return tests.assign(p_holm=holm(tests["p_value"]))


def _groups(numbers: pd.Series, labels: Sequence[str]) -> list[tuple[str, pd.Series]]:
    """Return the name of all samples and of each HSF bin, and which samples these are, by their `numbers` of bins."""
    return [(ALL, numbers >= -1), *((label, numbers == number) for number, label in enumerate(labels))]


def who_is_right(pair: RunPair) -> pd.DataFrame:
    """Return the share that people, A and B get right in each HSF bin, `all` first, with Wilson's interval.

    Columns `slice, judge, n, right, right_low, right_high`, over the samples with votes.
    """
    rows = []
    for name, inside in _groups(pair.judged_points["bin"], pair.bins):
        points = pair.judged_points[inside]
        rows += [(name, judge, *share(int(points[judge].sum()), len(points))) for judge in pair.judges]
    return pd.DataFrame(rows, columns=["slice", "judge", "n", "right", "right_low", "right_high"])


def outcomes(pair: RunPair) -> pd.DataFrame:
    """Return `people, a, b, n, share`: how often each combination of right (1) and wrong (0) occurs, most first.

    Over the samples with votes; without any, over all, and people is missing.
    """
    combinations = pd.MultiIndex.from_product([(1, 0)] * len(pair.judges), names=pair.judges)
    table = pair.judged_points[pair.judges].value_counts().reindex(combinations, fill_value=0).rename("n").reset_index()
    table["share"] = table["n"] / max(1, table["n"].sum())
    return table.sort_values("n", ascending=False, kind="stable", ignore_index=True)
