"""All runs of a dataset side by side: how accurate and calibrated each is, and how its hardness follows HSF.

"Right" means that the predicted class is the given label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.titles import titles
from avhcurate.features.compare.samples import Scored, hardness_of_run, read_scores, shared_samples
from avhcurate.features.training_dynamics.discoveries import avh_follows_hsf, norm_is_inconsistent
from avhcurate.features.training_dynamics.findings import Finding, Model
from avhcurate.measures.scores import SCORES
from avhcurate.measures.stats.calibration import Calibration, calibrate
from avhcurate.measures.stats.correlation import ALL, correlate
from avhcurate.measures.stats.intervals import share
from avhcurate.measures.stats.ranks import rank_shares
from avhcurate.people import bins

_COLUMNS = ("max_confidence", "loss", "el2n", "avh", "relative_avh", "norm")


@dataclass(frozen=True)
class SideBySide:
    """Runs on the samples that all of them scored; `table` has a row a run.

    `agreement`: `run, score, bin, n, spearman, ci_low, ci_high`. `avh`: its Spearman between the runs (R, R).
    `findings`: the verdicts on discoveries 4 and 5. `calibrations`: by run. `ranks`: percentile ranks of hardness (n,)
    float32 by run, of the samples `ids` (n,): of AVH, or of what replaces it in a run without class weights. `voted`:
    whether any of them has votes.
    """

    table: pd.DataFrame
    agreement: pd.DataFrame
    avh: pd.DataFrame
    findings: list[Finding]
    calibrations: dict[str, Calibration]
    ranks: dict[str, np.ndarray]
    ids: np.ndarray
    voted: bool
    labelled: int
    simulated: bool


def side_by_side(
    table: DatasetTable,
    names: Sequence[str] | None = None,
    *,
    keys: Sequence[str] = ("avh",),
    filters: Filters | None = None,
) -> SideBySide:
    """Compare runs (names of runs or models; default: `default_runs`) on the samples in view that all have scored.

    Refused without a run, for an unknown one or for an unknown score, and where no sample was scored by all.
    """
    shared = shared_samples(table, names, keys, filters)
    samples, called = shared.samples, titles(table.dataset)
    labels, hsf = samples["label"].to_numpy(), samples["hsf"].to_numpy()
    rows: list[dict[str, Any]] = []
    read: dict[str, Scored] = {}
    ranks: dict[str, np.ndarray] = {}
    calibrations: dict[str, Calibration] = {}
    for run in shared.runs:
        own = hardness_of_run(run)
        scores = read[run.name] = read_scores(run, samples["id"].to_numpy(), {*_COLUMNS, *keys, own})
        right = scores["right"] = scores["predicted"] == labels
        ranks[run.name] = rank_shares(SCORES[own].sign * scores[own]).astype(np.float32)
        row = {"run": run.name, "model": called[run.name], "classes": run.record.num_classes}
        row |= _quality(labels, scores) | {"not_scored": shared.left_out[run.name]}
        sure = np.isfinite(scores["max_confidence"])  # for no sample where the run has no logits
        one = calibrations[run.name] = calibrate(scores["max_confidence"][sure], right[sure])
        row |= {"ece": one.ece, "ece_low": one.low, "ece_high": one.high, "ece_chance": one.chance}
        rows.append(row)
    agreement = _agreement(samples, read, keys, table.edges)
    models = [Model(called[name], one["right"], one["avh"], one["norm"]) for name, one in read.items()]
    return SideBySide(
        table=_with_agreement(pd.DataFrame(rows), agreement),
        agreement=agreement,
        avh=_between({called[name]: one["avh"] for name, one in read.items()}),
        findings=[avh_follows_hsf(models, hsf), norm_is_inconsistent(models, hsf)],
        calibrations=calibrations,
        ranks=ranks,
        ids=samples["id"].to_numpy(),
        voted=bool((samples["people"] >= 0).any()),
        labelled=shared.labelled,
        simulated=table.simulated,
    )


def hard_for_all(runs: SideBySide, *, hard: float) -> list[int]:
    """Return ids of samples at or above percentile `hard` of AVH in every run, highest mean percentile first."""
    every = np.stack(list(runs.ranks.values()))
    rows = np.flatnonzero((every >= hard).all(axis=0))
    return runs.ids[rows[np.argsort(-every[:, rows].mean(axis=0), kind="stable")]].tolist()


def export_table(runs: SideBySide) -> pd.DataFrame:
    """Return the table as files have it; a column `hsf_source` says so when the votes are simulated."""
    if runs.simulated:
        return runs.table.assign(hsf_source="simulated")
    return runs.table


def _quality(labels: np.ndarray, scores: Scored) -> dict[str, Any]:
    right = pd.Series(scores["right"])
    n, accuracy, low, high = share(int(right.sum()), len(right))
    return {
        "n": n,
        "accuracy": accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "class_accuracy": float(right.groupby(labels).mean().mean()),
        "brier": float(np.mean(scores["el2n"] ** 2)),  # EL2N is the root of Brier's score of a sample
        "nll": float(np.mean(scores["loss"])),
        **{key: float(pd.Series(scores[key]).mean()) for key in ("avh", "relative_avh", "norm")},
    }


def _agreement(
    samples: pd.DataFrame, read: Mapping[str, Scored], keys: Sequence[str], edges: Sequence[float]
) -> pd.DataFrame:
    """Return how each score of each run follows HSF, over all samples and in each bin."""
    parts = []
    for key in keys:
        of_runs = {name: one[key] for name, one in read.items()}
        rows = correlate(of_runs, samples["hsf"].to_numpy(), samples["bin"].to_numpy(), bins.bin_labels(edges))
        parts.append(rows.rename(columns={"score": "run"}).assign(score=key))
    return pd.concat(parts, ignore_index=True)


def _with_agreement(table: pd.DataFrame, agreement: pd.DataFrame) -> pd.DataFrame:
    """Return the table with Spearman of each score with HSF over all samples: `KEY_hsf` and its `_n, _low, _high`."""
    overall = agreement[agreement["bin"] == ALL].set_index("run")
    for key, rows in overall.groupby("score", sort=False):
        found = rows[["n", "spearman", "ci_low", "ci_high"]]
        table = table.join(found.set_axis([f"{key}_hsf{end}" for end in ("_n", "", "_low", "_high")], axis=1), on="run")
    return table


def _between(columns: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return Spearman between every two runs (R, R), each on the samples that have both; 1 on the diagonal."""
    matrix = pd.DataFrame(columns).corr("spearman")
    return matrix.mask(np.eye(len(matrix), dtype=bool), 1.0)
