"""All runs of a dataset side by side: how accurate and calibrated each is, and how its hardness follows HSF.

"Right" means that the predicted class is the given label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.compare import statistics
from avhcurate.compare.samples import LabelledSamples, hardness_of_run, read_scores, shared_samples
from avhcurate.scores import SCORES
from avhcurate.stats import calibration, correlation_tests
from avhcurate.stats.calibration import BINNINGS, Calibration
from avhcurate.stats.correlation import ALL, correlate
from avhcurate.stats.intervals import wilson
from avhcurate.stats.multiple_testing import holm
from avhcurate.stats.ranks import rank_shares
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.table.titles import titles
from avhcurate.training_dynamics.discoveries_models import avh_follows_hsf, hsf_columns, norm_is_inconsistent
from avhcurate.training_dynamics.findings import Finding, Model
from avhcurate.votes import bins

_COLUMNS = ("max_confidence", "loss", "el2n", "avh", "relative_avh", "norm")


@dataclass(frozen=True)
class SideBySide:
    """Runs on the samples that all of them scored; `table` has a row a run.

    `agreement`: `run, score, bin, n, spearman, ci_low, ci_high`. `pairs`: the test of every two runs by every score
    over all samples, as `correlation_tests.compare` gives it, with `score` and `p_holm`, p by Holm's method for all of
    them. `avh`, `norm`: Spearman between the runs
    (R, R).
    `follows`: AVH and norm with HSF of every run, `findings` the verdicts on discoveries 4 and 5.
    `calibrations`: by run and binning. `ranks`: percentile ranks of hardness (n,) float32 by run, of the samples `ids`
    (n,): of AVH, or of what stands for it in a run without class weights. `voted`: whether any of them has votes.
    """

    table: pd.DataFrame
    agreement: pd.DataFrame
    pairs: pd.DataFrame
    avh: pd.DataFrame
    norm: pd.DataFrame
    follows: pd.DataFrame
    findings: list[Finding]
    calibrations: dict[tuple[str, str], Calibration]
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
    """Compares runs (names of runs or models; default: `default_runs`) on the samples in view that all have scored.

    Refused without a run, for an unknown one or for an unknown score, and where no sample was scored by all.
    """
    shared = shared_samples(table, names, keys, filters)
    samples, called = shared.samples, titles(table.dataset)
    rows: list[dict[str, Any]] = []
    columns: dict[str, dict[str, np.ndarray]] = {}
    calibrations: dict[tuple[str, str], Calibration] = {}
    for run in shared.runs:
        own = hardness_of_run(run)
        read = read_scores(run, samples.ids, {*_COLUMNS, *keys, own})
        right = read["predicted"] == samples.labels
        columns[run.name] = {name: read[name] for name in {"avh", "norm", *keys}} | {"right": right}
        columns[run.name]["hardness"] = SCORES[own].sign * read[own]
        sure = np.isfinite(read["max_confidence"])  # of no sample where the run has no logits
        for binning in BINNINGS:
            one = calibration.calibrate(read["max_confidence"][sure], right[sure], binning=binning)
            calibrations[run.name, binning] = one
        rows.append(
            {"run": run.name, "model": called[run.name], "classes": run.record.num_classes}
            | _quality(samples, right, read)
            | {"not_scored": shared.left_out[run.name]}
            | _calibration_columns(run.name, calibrations)
        )
    summary = pd.DataFrame(rows)
    agreement = _agreement(samples, columns, keys, table.edges)
    for key in keys:
        summary = summary.merge(_overall(agreement, key), on="run", how="left")
    models = [Model(called[name], c["right"], c["avh"], c["norm"]) for name, c in columns.items()]
    return SideBySide(
        summary,
        agreement,
        _pairs(samples, columns, keys),
        _between(columns, "avh", called),
        _between(columns, "norm", called),
        summary[["run", "model"]].join(pd.DataFrame(hsf_columns(model, samples.hsf) for model in models)),
        [avh_follows_hsf(models, samples.hsf), norm_is_inconsistent(models, samples.hsf)],
        calibrations,
        {name: rank_shares(c["hardness"]).astype(np.float32) for name, c in columns.items()},
        samples.ids,
        samples.voted,
        shared.labelled,
        table.simulated,
    )


def hard_for_all(runs: SideBySide, *, hard: float) -> np.ndarray:
    """Ids of the samples at or above percentile `hard` of AVH in every run, highest mean percentile first."""
    return runs.ids[statistics.hard_for_all(list(runs.ranks.values()), hard=hard)]


def export_table(runs: SideBySide) -> pd.DataFrame:
    """The table as files have it; a column `hsf_source` says so when the votes are simulated."""
    return runs.table.assign(hsf_source="simulated") if runs.simulated else runs.table


def _quality(samples: LabelledSamples, right: np.ndarray, read: dict[str, np.ndarray]) -> dict[str, Any]:
    n, hits = len(samples), int(right.sum())
    low, high = wilson(hits, n)
    return {
        "n": n,
        "accuracy": hits / n,
        "accuracy_low": float(low),
        "accuracy_high": float(high),
        "class_accuracy": float(pd.Series(right).groupby(samples.labels).mean().mean()),
        "brier": float(np.mean(read["el2n"] ** 2)),  # EL2N is the distance whose square is Brier's score of a sample
        "nll": float(np.mean(read["loss"])),
        **{key: float(pd.Series(read[key]).mean()) for key in ("avh", "relative_avh", "norm")},
    }


def _calibration_columns(name: str, calibrations: dict[tuple[str, str], Calibration]) -> dict[str, float]:
    columns: dict[str, float] = {}
    for binning in BINNINGS:
        one = calibrations[name, binning]
        key = f"ece_{binning}"
        columns |= {key: one.ece, f"{key}_low": one.low, f"{key}_high": one.high, f"{key}_chance": one.chance}
    return columns


def _agreement(
    samples: LabelledSamples, columns: dict[str, dict[str, np.ndarray]], keys: Sequence[str], edges: Sequence[float]
) -> pd.DataFrame:
    parts = []
    for key in keys:
        of_runs = {name: column[key] for name, column in columns.items()}
        one = correlate(of_runs, samples.hsf, samples.bin, bins.bin_labels(edges)).rename(columns={"score": "run"})
        one.insert(1, "score", key)
        parts.append(one)
    return pd.concat(parts, ignore_index=True)


def _overall(agreement: pd.DataFrame, key: str) -> pd.DataFrame:
    """Of each run the Spearman of a score with HSF over all samples, as columns of the table."""
    rows = agreement[(agreement["score"] == key) & (agreement["bin"] == ALL)]
    names = {"n": f"{key}_hsf_n", "spearman": f"{key}_hsf", "ci_low": f"{key}_hsf_low", "ci_high": f"{key}_hsf_high"}
    return rows[["run", *names]].rename(columns=names)


def _pairs(samples: LabelledSamples, columns: dict[str, dict[str, np.ndarray]], keys: Sequence[str]) -> pd.DataFrame:
    parts = []
    for key in keys:
        of_runs = {name: column[key] for name, column in columns.items()}
        tests = correlation_tests.compare(of_runs, samples.hsf, harder=dict.fromkeys(of_runs, SCORES[key].hard_end))
        tests.insert(0, "score", key)
        parts.append(tests)
    pairs = pd.concat(parts, ignore_index=True)
    return pairs.assign(p_holm=holm(pairs["p_value"]))


def _between(columns: dict[str, dict[str, np.ndarray]], key: str, called: dict[str, str]) -> pd.DataFrame:
    """Spearman of a score between every two runs (R, R), each on the samples that have both; 1 on the diagonal."""
    matrix = pd.DataFrame({called[name]: column[key] for name, column in columns.items()}).corr("spearman")
    return matrix.mask(np.eye(len(matrix), dtype=bool), 1.0)
