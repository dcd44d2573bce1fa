"""All runs of a dataset side by side: how accurate and calibrated each is, and how its hardness follows HSF.

"Right" means that the predicted class is the given label.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import HARDNESS
from avhcurate.datasets.table.titles import titles
from avhcurate.features.compare.samples import Shared, shared_samples
from avhcurate.features.training_dynamics.discoveries import avh_follows_hsf, norm_is_inconsistent
from avhcurate.features.training_dynamics.findings import Finding, Model
from avhcurate.measures.scores import SCORES
from avhcurate.measures.stats.calibration import Calibration, calibrate
from avhcurate.measures.stats.correlation import ALL, correlate
from avhcurate.measures.stats.intervals import share
from avhcurate.measures.stats.ranks import rank_shares
from avhcurate.people import bins


@dataclass(frozen=True)
class SideBySide:
    """Runs on the samples that all of them scored.

    `table`: a row a run, with Spearman of each score with HSF over all samples, `KEY_hsf` and its `_n, _low, _high`; a
    column `hsf_source` says so when the votes are simulated.
    `agreement`: `run, score, bin, n, spearman, ci_low, ci_high`. `avh`: its Spearman between the runs (R, R).
    `findings`: the verdicts on discoveries 4 and 5. `calibrations`: by run. `ranks`: percentile ranks of hardness,
    float32, a row a sample by id and a column a run: of AVH, or of what replaces it in a run without class weights.
    `voted`: whether any sample has votes.
    """

    table: pd.DataFrame
    agreement: pd.DataFrame
    avh: pd.DataFrame
    findings: list[Finding]
    calibrations: dict[str, Calibration]
    ranks: pd.DataFrame
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
    samples, called, hsf = shared.samples, titles(table.dataset), shared.samples["hsf"].to_numpy()
    rows, ranks, calibrations = [], {}, {}
    for run in shared.runs:
        scores = shared.scores[run.name]
        right, means = scores["right"], scores.mean()
        own = next((key for key in HARDNESS if scores[key].notna().any()), "avh")
        ranks[run.name] = rank_shares(SCORES[own].sign * scores[own].to_numpy()).astype(np.float32)
        sure = scores["max_confidence"].notna()  # for no sample where the run has no logits
        one = calibrations[run.name] = calibrate(scores["max_confidence"][sure], right[sure])
        n, accuracy, low, high = share(int(right.sum()), len(right))
        rows.append(
            {
                "run": run.name,
                "model": called[run.name],
                "classes": run.record.num_classes,
                "n": n,
                "accuracy": accuracy,
                "accuracy_low": low,
                "accuracy_high": high,
                "class_accuracy": float(right.groupby(samples["label"]).mean().mean()),
                "brier": float((scores["el2n"] ** 2).mean()),  # EL2N is the root of Brier's score of a sample
                "nll": means["loss"],
                **means[["avh", "relative_avh", "norm"]],
                "not_scored": shared.left_out[run.name],
                "ece": one.ece,
                "ece_low": one.low,
                "ece_high": one.high,
                "ece_chance": one.chance,
            }
        )
    found, agreement = pd.DataFrame(rows), _agreement(shared, keys, table.edges)
    for key in keys:
        overall = agreement[(agreement["bin"] == ALL) & (agreement["score"] == key)].set_index("run")
        for end, column in {"_n": "n", "": "spearman", "_low": "ci_low", "_high": "ci_high"}.items():
            found[f"{key}_hsf{end}"] = found["run"].map(overall[column])
    if table.simulated:
        found["hsf_source"] = "simulated"
    models = [
        Model(called[name], *(one[column].to_numpy() for column in ("right", "avh", "norm")))
        for name, one in shared.scores.items()
    ]
    avh = pd.DataFrame({called[name]: one["avh"] for name, one in shared.scores.items()}).corr("spearman")
    return SideBySide(
        table=found,
        agreement=agreement,
        avh=avh.mask(np.eye(len(avh), dtype=bool), 1.0),
        findings=[avh_follows_hsf(models, hsf), norm_is_inconsistent(models, hsf)],
        calibrations=calibrations,
        ranks=pd.DataFrame(ranks, samples.index),
        voted=bool((samples["people"] >= 0).any()),
        labelled=shared.labelled,
        simulated=table.simulated,
    )


def _agreement(shared: Shared, keys: Sequence[str], edges: Sequence[float]) -> pd.DataFrame:
    """Return how each score of each run follows HSF, over all samples and in each bin."""
    samples, parts = shared.samples, []
    for key in keys:
        of_runs = {name: one[key] for name, one in shared.scores.items()}
        rows = correlate(of_runs, samples["hsf"], samples["bin"], bins.bin_labels(edges))
        parts.append(rows.rename(columns={"score": "run"}).assign(score=key))
    return pd.concat(parts, ignore_index=True)
