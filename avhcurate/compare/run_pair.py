"""Two runs sample by sample: who is right, what each confuses, and what is hard for one and easy for the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from avhcurate.compare import statistics
from avhcurate.compare.samples import LabelledSamples, read_scores, shared_samples
from avhcurate.data.runs import RunFolder
from avhcurate.errors import CurateError
from avhcurate.scores import SCORES
from avhcurate.stats import correlation_tests
from avhcurate.stats.correlation import ALL
from avhcurate.stats.intervals import wilson
from avhcurate.stats.multiple_testing import holm
from avhcurate.stats.ranks import rank_shares
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.table.titles import titles
from avhcurate.votes import bins


@dataclass(frozen=True)
class RunPair:
    """Two runs on the samples that both scored.

    `points`: `id, label, hsf, bin, people, a_predicted, b_predicted, a_right, b_right, a, b, a_rank, b_rank`, a row a
    sample; a and b are AVH, relative AVH where the runs have different numbers of classes, or what both have in
    its place (`measure`); ranks are shares
    in (0, 1), large = hard. `tests`: a row a score and bin, as `correlation_tests.compare`. `only`: how many A alone
    has right, how many B alone, and McNemar's p. `spearman`: of a with b. `left_out`: labelled samples in view that A,
    that B has not scored.
    """

    names: tuple[str, str]
    titles: tuple[str, str]
    measure: str
    points: pd.DataFrame
    tests: pd.DataFrame
    only: tuple[int, int, float]
    spearman: float
    left_out: tuple[int, int]
    labelled: int
    num_classes: int
    edges: tuple[float, ...]
    simulated: bool

    @property
    def voted(self) -> bool:
        return bool((self.points["people"] >= 0).any())


def compare_pair(
    table: DatasetTable,
    first: str,
    second: str,
    *,
    keys: Sequence[str] = ("avh",),
    filters: Filters | None = None,
) -> RunPair:
    """Compares run A with run B, sample by sample. Refused for one run twice and as `side_by_side`."""
    shared = shared_samples(table, [first, second], keys, filters)
    samples, runs = shared.samples, shared.runs
    classes = [run.record.num_classes for run in runs]
    measure = _measure(runs, same_classes=len(set(classes)) == 1)
    a, b = (read_scores(run, samples.ids, {measure, *keys}) for run in runs)
    points = pd.DataFrame(
        {"id": samples.ids, "label": samples.labels, "hsf": samples.hsf, "bin": samples.bin, "people": samples.people}
    )
    for side, read in (("a", a), ("b", b)):
        points[f"{side}_predicted"] = read["predicted"]
        points[f"{side}_right"] = read["predicted"] == samples.labels
        points[side] = read[measure]
        points[f"{side}_rank"] = rank_shares(read[measure])
    called = titles(table.dataset)
    names = runs[0].name, runs[1].name
    return RunPair(
        names,
        (called[names[0]], called[names[1]]),
        measure,
        points,
        _tests(samples, a, b, keys, table.edges),
        statistics.mcnemar(points["a_right"].to_numpy(), points["b_right"].to_numpy()),
        float(points[["a", "b"]].corr("spearman").to_numpy()[0, 1]),
        (shared.left_out[names[0]], shared.left_out[names[1]]),
        shared.labelled,
        max(*classes, int(samples.labels.max()) + 1),
        table.edges,
        table.simulated,
    )


def _measure(runs: Sequence[RunFolder], *, same_classes: bool) -> str:
    """The measure of hardness that both runs have; refused where they share none."""
    both = set.intersection(*(set(pq.read_schema(run.scores_path).names) for run in runs))
    usual = "avh" if same_classes else "relative_avh"
    for key in (usual, "prototype_hardness", "loss"):
        if key in both:
            return key
    raise CurateError(
        f"runs {runs[0].name} and {runs[1].name} share no measure of hardness: one lacks logits, the other embeddings"
    )


def _tests(
    samples: LabelledSamples,
    a: dict[str, np.ndarray],
    b: dict[str, np.ndarray],
    keys: Sequence[str],
    edges: Sequence[float],
) -> pd.DataFrame:
    """`score, bin`, then the test of A against B, and `p_holm`, p by Holm's method for all rows."""
    parts = []
    for key in keys:
        harder = dict.fromkeys("ab", SCORES[key].hard_end)
        for name, rows in _groups(samples.bin, edges):
            one = correlation_tests.compare({"a": a[key][rows], "b": b[key][rows]}, samples.hsf[rows], harder=harder)
            one.insert(0, "score", key)
            one.insert(1, "bin", name)
            parts.append(one)
    tests = pd.concat(parts, ignore_index=True)
    return tests.assign(p_holm=holm(tests["p_value"]))


def _groups(bin_index: np.ndarray, edges: Sequence[float]) -> list[tuple[str, np.ndarray]]:
    """Name and rows of all samples, then of each HSF bin."""
    of_bins = [(label, np.flatnonzero(bin_index == number)) for number, label in enumerate(bins.bin_labels(edges))]
    return [(ALL, np.arange(len(bin_index))), *of_bins]


def who_is_right(pair: RunPair) -> pd.DataFrame:
    """Per HSF bin, `all` first: `bin, n, share`, then `people, a, b` (shares right), each with `_low, _high` (Wilson).

    Where there are votes, all three over the samples that have them; `share` is the mean share of votes for the given
    label. Without votes the one row `all`, and NaN for people.
    """
    points = pair.points[pair.points["people"] >= 0] if pair.voted else pair.points
    rows = []
    for name, places in _groups(points["bin"].to_numpy(), pair.edges)[: None if pair.voted else 1]:
        within = points.iloc[places]
        row: dict[str, Any] = {"bin": name, "n": len(within), "share": float(within["hsf"].mean())}
        for judge, column in (("people", "people"), ("a", "a_right"), ("b", "b_right")):
            n = len(within) if judge != "people" or pair.voted else 0
            hits = int(within[column].sum()) if n else 0
            low, high = wilson(hits, n)
            row |= {judge: hits / n if n else np.nan, f"{judge}_low": float(low), f"{judge}_high": float(high)}
        rows.append(row)
    return pd.DataFrame(rows)


def outcomes(pair: RunPair) -> pd.DataFrame:
    """`people, a, b, n, share`: how often each combination of right (True) and wrong occurs, most first.

    Over the samples with votes; without any, over all, and people is missing.
    """
    points = pair.points[pair.points["people"] >= 0] if pair.voted else pair.points
    judges = ({"people": "people"} if pair.voted else {}) | {"a": "a_right", "b": "b_right"}
    right = pd.DataFrame({judge: points[column].astype(bool) for judge, column in judges.items()})
    every = pd.MultiIndex.from_product([(True, False)] * right.shape[1], names=list(right))
    table = right.value_counts().reindex(every, fill_value=0).rename("n").reset_index()
    if not pair.voted:
        table.insert(0, "people", None)
    table["share"] = table["n"] / max(1, len(points))
    return table.sort_values("n", ascending=False, kind="stable", ignore_index=True)


def with_outcome(pair: RunPair, people: bool | None, a: bool, b: bool) -> np.ndarray:
    """Ids of the samples that people (None: whatever they say), A and B get right (True) or wrong, hardest first."""
    points = pair.points
    chosen = (points["a_right"] == a) & (points["b_right"] == b)
    if people is not None:
        chosen &= points["people"] == int(people)
    return _hardest_first(points[chosen])


def confusions(pair: RunPair) -> tuple[np.ndarray, np.ndarray]:
    """Confusion matrices (K, K) of A and of B: row the given label, column the predicted class."""
    labels = pair.points["label"].to_numpy()
    a, b = (
        statistics.confusion(labels, pair.points[f"{side}_predicted"].to_numpy(), pair.num_classes) for side in "ab"
    )
    return a, b


def most_confused(pairs: pd.DataFrame, num_classes: int, *, most: int, first: Sequence[int] = ()) -> list[int]:
    """At most `most` classes, `first` and then those of the most confused pairs, in the order of the classes."""
    if num_classes <= most:
        return list(range(num_classes))
    named = pairs[["label", "predicted"]].to_numpy().ravel()
    return sorted(int(label) for label in list(dict.fromkeys([*first, *named]))[:most])


def in_cell(pair: RunPair, side: str, label: int, predicted: int) -> np.ndarray:
    """Ids of the samples of a label that A ("a"), B ("b") or exactly one of them ("d") predicts so, hardest first."""
    points = pair.points
    says = {name: points[f"{name}_predicted"] == predicted for name in "ab"}
    chosen = says["a"] ^ says["b"] if side == "d" else says[side]
    return _hardest_first(points[chosen & (points["label"] == label)])


def hard_for_one(pair: RunPair, *, for_a: bool, easy: float, hard: float) -> np.ndarray:
    """Ids of the samples hard for A (at or above its percentile `hard`) and easy for B (at or below `easy`), or the
    reverse; widest difference of percentiles first.
    """
    ranks = [pair.points[f"{side}_rank"].to_numpy() for side in ("ab" if for_a else "ba")]
    return pair.points["id"].to_numpy()[statistics.hard_for_one(*ranks, easy=easy, hard=hard)]


def _hardest_first(points: pd.DataFrame) -> np.ndarray:
    mean = points["a_rank"].to_numpy() + points["b_rank"].to_numpy()
    return points["id"].to_numpy()[np.argsort(-mean, kind="stable")]
