"""Runs side by side: how accurate and calibrated each is, how its hardness follows HSF, and what it confuses.

"Right" means that the predicted class is the given label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_rows import HARDNESS
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.titles import titles
from avhcurate.datasets.table.votes import Votes
from avhcurate.features.compare.discoveries import Finding, Model, avh_follows_hsf, norm_is_inconsistent
from avhcurate.features.compare.samples import (
    KEYS,
    RunScores,
    shared_samples,
)
from avhcurate.measures.scores import SCORES
from avhcurate.measures.stats.calibration import Calibration, calibrate
from avhcurate.measures.stats.correlation import ALL, correlate
from avhcurate.measures.stats.correlation_tests import compare
from avhcurate.measures.stats.intervals import share, wilson
from avhcurate.measures.stats.ranks import Scratch, rank_shares
from avhcurate.people import bins


@dataclass(frozen=True)
class SideBySide:
    """Runs on the samples that all of them scored.

    `table`: a row a run, with Spearman of each score with HSF over all samples, `KEY_hsf` and its `_n, _low, _high`; a
    column `hsf_source` says so when the votes are simulated.
    `agreement`: `run, score, bin, n, spearman, ci_low, ci_high`. `avh`: its Spearman between the runs (R, R).
    `findings`: the verdicts on discoveries 4 and 5. `calibrations`: by run. `voted`: whether any sample has votes.
    `labelled`: how many labelled samples are in view.
    """

    table: pd.DataFrame
    agreement: pd.DataFrame
    avh: pd.DataFrame
    findings: list[Finding]
    calibrations: dict[str, Calibration]
    voted: bool
    labelled: int

    @property
    def n(self) -> int:
        """How many samples all runs have scored."""
        return int(self.table["n"].iloc[0])


def side_by_side(
    samples: SampleTable,
    votes: Votes,
    names: Sequence[str] | None = None,
    *,
    keys: Sequence[str] = ("avh",),
    filters: Filters | None = None,
) -> SideBySide:
    """Compare runs (names of runs or models; default: `default_runs`) on the samples in view that all have scored.

    Refused without a run, for an unknown one or for an unknown score, and where no sample was scored by all.
    """
    shared = shared_samples(samples, votes, names, keys, filters)
    rows = shared.samples
    called = titles(votes.dataset)
    records = []
    models = []
    calibrations = {}
    columns = {key: Scratch() for key in {*keys, "avh", "norm"}}
    for run, scores in shared.scores.items():
        for key, of_runs in columns.items():
            of_runs[run] = scores[key].to_numpy()
        row, calibrations[run] = _judged(scores, called[run], shared.left_out[run])
        records.append(row)
        models.append(Model(called[run], scores.right.to_numpy(), columns["avh"][run], columns["norm"][run]))
    labels = bins.bin_labels(samples.edges)
    parts = [correlate(columns[key], rows["hsf"], rows["bin"], labels).assign(key=key) for key in keys]
    agreement = pd.concat(parts, ignore_index=True).rename(columns={"score": "run", "key": "score"})
    by_run = pd.DataFrame(records)
    for key in keys:
        overall = agreement[(agreement["bin"] == ALL) & (agreement["score"] == key)].set_index("run")
        for end, column in {"_n": "n", "": "spearman", "_low": "ci_low", "_high": "ci_high"}.items():
            by_run[f"{key}_hsf{end}"] = by_run["run"].map(overall[column])
    if samples.simulated:
        by_run["hsf_source"] = "simulated"
    avh = np.eye(len(models))
    # HSF does not count in how two runs agree.
    pairs = compare(columns["avh"], np.zeros(len(rows), np.float32), harder=dict.fromkeys(columns["avh"], "high"))
    first, second = np.triu_indices(len(avh), 1)
    avh[first, second] = avh[second, first] = pairs["between"]
    hsf = rows["hsf"].to_numpy()
    return SideBySide(
        table=by_run,
        agreement=agreement,
        avh=pd.DataFrame(avh, by_run["model"].tolist(), by_run["model"].tolist()),
        findings=[avh_follows_hsf(models, hsf), norm_is_inconsistent(models, hsf)],
        calibrations=calibrations,
        voted=bool((rows["people"] >= 0).any()),
        labelled=shared.labelled,
    )


def _judged(scores: RunScores, model: str, left_out: int) -> tuple[dict[str, Any], Calibration]:
    """Return the row of a run in `SideBySide.table`, without agreements, and its calibration."""
    right = scores.right
    confidence = scores["max_confidence"]
    sure = confidence.notna()  # for no sample where the run has no logits
    calibration = calibrate(confidence[sure], right[sure])
    n, accuracy, low, high = share(int(right.sum()), len(right))
    row = {
        "run": scores.run.name,
        "model": model,
        "classes": scores.run.num_classes,
        "n": n,
        "accuracy": accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "class_accuracy": right.groupby(scores.samples["label"]).mean().mean(),
        "brier": float((scores["el2n"].astype(float) ** 2).mean()),  # the root of Brier's score of a sample
        "nll": scores["loss"].astype(float).mean(),
        "avh": scores["avh"].astype(float).mean(),
        "relative_avh": scores["relative_avh"].astype(float).mean(),
        "norm": scores["norm"].astype(float).mean(),
        "not_scored": left_out,
        "ece": calibration.ece,
        "ece_low": calibration.low,
        "ece_high": calibration.high,
        "ece_chance": calibration.chance,
    }
    return row, calibration


def hardness_ranks(
    samples: SampleTable, votes: Votes, names: Sequence[str] | None = None, *, filters: Filters | None = None
) -> pd.DataFrame:
    """Return percentile ranks of hardness in (0, 1), float32: a row a sample by id and a column a run.

    Of the samples of `side_by_side`, by AVH, or by what replaces it in a run without class weights.
    """
    shared = shared_samples(samples, votes, names, KEYS[:1], filters)
    ranks = {}
    for name, scores in shared.scores.items():
        measure = next((key for key in HARDNESS if scores[key].notna().any()), HARDNESS[0])
        ranks[name] = rank_shares(SCORES[measure].sign * scores[measure].to_numpy()).astype(np.float32)
    return pd.DataFrame(ranks, shared.samples.index)


# --- confusions --------------------------------------------------------------------------------------------------


def confusion(samples: SampleTable, filters: Filters) -> np.ndarray:
    """Count (K, K) the images in view that have a label and a prediction: row the label, column the prediction."""
    condition, parameters = filters.to_sql(samples)
    query = f"SELECT label, predicted, count(*) FROM samples WHERE {condition} AND label + predicted >= 0 GROUP BY ALL"
    rows = np.array(samples.query(query, parameters, where=filters.where), int).reshape(-1, 3)
    num_classes = max(len(samples.classes), 1 + rows[:, :2].max(initial=-1))
    counts = np.zeros((num_classes, num_classes), int)
    counts[rows[:, 0], rows[:, 1]] = rows[:, 2]
    return counts


def most_confused(counts: np.ndarray, limit: int) -> list[int]:
    """Return the classes of the pairs that are confused most often, at most `limit` pairs, label before prediction."""
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    pairs = np.unravel_index(np.argsort(-wrong, axis=None, kind="stable")[:limit], wrong.shape)
    return np.transpose(pairs).ravel().tolist()


def by_class(counts: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Return a row a class: `name`, and `precision, recall, f1`, each with its `KEY_n` images and `KEY_to`.

    Precision is the share right of the images that are predicted so, recall that of those labelled so, with Wilson's
    intervals `KEY_low, KEY_high`; F1 is their harmonic mean, over the images of either. `KEY_to` are the filters of the
    images. NaN without any image.
    """
    right = pd.Series(counts.diagonal())
    predicted = counts.sum(axis=0)
    labelled = counts.sum(axis=1)
    rows = pd.DataFrame({"name": classes})
    for key, n in (("precision", predicted), ("recall", labelled)):
        rows[key] = right / n
        rows[f"{key}_n"] = n
        rows[f"{key}_low"], rows[f"{key}_high"] = wilson(right, n)
    rows["f1"] = 2 * right / (predicted + labelled)
    rows["f1_n"] = predicted + labelled - right
    rows[["f1_low", "f1_high"]] = np.nan
    both = "label IS NOT NULL AND predicted IS NOT NULL AND (label = {0} OR predicted = {0})"
    numbers = range(len(classes))
    to: dict[str, Any] = {
        "precision_to": [Filters(predicted=(number,), where="label IS NOT NULL") for number in numbers],
        "recall_to": [Filters(classes=(number,), where="predicted IS NOT NULL") for number in numbers],
        "f1_to": [Filters(where=both.format(number)) for number in numbers],
    }
    return rows.assign(**to)
