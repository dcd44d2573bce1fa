"""Further analyses: what adds to confidence or other scores, correlations within classes, hard samples, parents.

Every correlation is turned by the score's hard end, so that it is positive where the score agrees with people. Samples
are those in view with HSF and the score.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ttest_1samp

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.levels import at_parents
from avhcurate.datasets.table.sample_table import SampleTable, check_scores
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError, Option, Run
from avhcurate.features.correlation.service import HSF, checked_keys, marked, no_sample
from avhcurate.measures.stats.correlation import ALL, COLUMNS, correlate
from avhcurate.measures.stats.detection import auroc
from avhcurate.measures.stats.multiple_testing import holm
from avhcurate.measures.stats.rank_influence import (
    Estimate,
    estimate,
    fisher_estimate,
    partial_spearman,
    semipartial_spearman,
    spearman_influence,
)
from avhcurate.people import bins
from avhcurate.people.queues import queue_use
from avhcurate.workspace.data.runs import RunFolder

#: The score that others may add to, where the table has it.
BASE = "confidence"
#: HSF below which a sample is called hard.
BELOW = 0.5
#: The row over all classes.
ALL_CLASSES = "mean of classes"


def _voted(
    samples: SampleTable,
    run: RunFolder | None,
    keys: Sequence[str] | None,
    filters: Filters,
    held: Sequence[str] = (),
) -> tuple[list[str], pd.DataFrame]:
    """Return the scores with a known harder end, and `id, hsf, label`, `held` and them, turned until high is easy."""
    scores = [key for key in checked_keys(samples, run, keys, HSF) if samples.ranked[key].harder]
    if not scores:
        raise CurateError("It is not known which end of these scores is harder. Choose other scores.")
    columns = list(dict.fromkeys(["id", HSF, "label", *scores, *held]))
    rows = samples.frame(filters, columns=columns).dropna(subset=[HSF]).reset_index(drop=True)
    if rows.empty:
        raise no_sample(samples, filters, HSF)
    for key in scores:
        rows[key] = -samples.ranked[key].sign * rows[key].astype(float)
    return scores, rows


def adding(samples: SampleTable, run: RunFolder | None, keys: Sequence[str] | None, filters: Filters) -> pd.DataFrame:
    """Return what each score adds to confidence, and confidence to it: partial Spearman with HSF.

    Columns `score, base, n`, then `partial` and `base_partial`, the reverse, each with `_low`, `_high`
    and `_p`; `partial_p_holm`. Scores that rank the samples as confidence does have none.
    """
    if keys is not None:
        keys = [*keys, BASE]
    scores, voted = _voted(samples, run, keys, filters)
    if BASE not in scores:
        raise CurateError(
            "This run has no confidence: its outputs lack logits.", fix=f"Attach it again with {Option('logits')}"
        )
    voted = voted.dropna(subset=BASE)
    rows = []
    for key in scores:
        if key != BASE:
            scored = voted.dropna(subset=key)
            x, base, human = (scored[name].to_numpy(float) for name in (key, BASE, HSF))
            rows.append(
                {"score": key, "base": BASE, "n": len(scored)}
                | _columns("partial", partial_spearman(x, human, base))
                | _columns("base_partial", partial_spearman(base, human, x))
            )
    result = pd.DataFrame(rows)
    if rows:
        result["partial_p_holm"] = holm(result["partial_p"])
    return result


def beyond(
    samples: SampleTable,
    run: RunFolder | None,
    keys: Sequence[str] | None,
    filters: Filters,
    *,
    held: Sequence[str] = (BASE,),
    edges: Sequence[float] | None = None,
) -> pd.DataFrame:
    """Return how each score follows HSF beyond those `held`: semipartial Spearman, over all samples and per HSF bin.

    Columns `score, bin, n, held`, `spearman` of the same samples, then `semipartial` with `_low`, `_high` and `_p`, and
    `semipartial_p_holm` over the scores of the bin. Within bins HSF varies less, so all correlations are lower there.
    """
    held = list(dict.fromkeys(held))
    if not held:
        raise CurateError("No score is held. Choose one or more, as confidence.")
    checked_keys(samples, run, held, HSF)
    scores, voted = _voted(samples, run, keys, filters, held)
    edges = bins.check_edges(edges or samples.edges)
    labels = np.array([ALL, *bins.bin_labels(edges)], object)
    voted["bin"] = labels[1 + bins.bin_index(voted[HSF], edges)]
    voted = voted.dropna(subset=held)
    rows = []
    for key in scores:
        if key not in held:
            scored = voted.dropna(subset=key)
            for label in labels:
                of_bin = scored[(scored["bin"] == label) | (label == ALL)]
                x, human = (of_bin[name].to_numpy(float) for name in (key, HSF))
                row = {"score": key, "bin": label, "n": len(of_bin), "held": ", ".join(held)}
                row["spearman"], _ = spearman_influence(x, human)
                value = semipartial_spearman(x, human, of_bin[held].to_numpy(float).T)
                rows.append(row | _columns("semipartial", value))
    if not rows:
        raise CurateError("Every score is held, so none is left. Choose another one.")
    result = pd.DataFrame(rows)
    return result.assign(semipartial_p_holm=result.groupby("bin", sort=False)["semipartial_p"].transform(holm))


def by_class(samples: SampleTable, run: RunFolder | None, keys: Sequence[str] | None, filters: Filters) -> pd.DataFrame:
    """Return Spearman with HSF within each class, signs kept, and its mean over the classes as units.

    The columns of the correlation table, then `class, p_holm` (over the classes of a score), and of the rows
    `mean of classes` `classes`, the number of those with a correlation: the mean of Fisher's z of these, with Student's
    interval and p, over `n` samples.
    """
    scores, voted = _voted(samples, run, keys, filters)
    index, numbers = pd.factorize(voted["label"], sort=True)
    columns = {key: -samples.ranked[key].sign * voted[key] for key in scores}
    rows = correlate(columns, voted[HSF], index, [samples.classes[number] for number in numbers])
    rows = rows.rename(columns={"bin": "class"})
    rows = rows[rows.groupby("score").cumcount() > 0]  # the first is over all samples
    rows["p_holm"] = rows.groupby("score")["p_value"].transform(holm)
    means = [_mean_of_classes(key, rows[rows["score"] == key].dropna(subset="fisher_z")) for key in scores]
    return (
        pd.concat([pd.DataFrame(means), rows])
        .assign(bin="all")
        .reindex(columns=[*COLUMNS, "class", "p_holm", "classes"])
    )


def _mean_of_classes(key: str, rows: pd.DataFrame) -> dict[str, Any]:
    z = rows["fisher_z"].to_numpy()
    row = {"score": key, "class": ALL_CLASSES, "n": int(rows["n"].sum()), "classes": len(z)}
    if len(z) > 1:
        mean = ttest_1samp(z, 0)
        low, high = np.tanh(mean.confidence_interval())
        row |= {"spearman": np.tanh(z.mean()), "ci_low": low, "ci_high": high}
        row |= {"fisher_z": z.mean(), "p_value": mean.pvalue}
    return row


def finding_hard(
    samples: SampleTable, run: RunFolder | None, keys: Sequence[str] | None, filters: Filters
) -> pd.DataFrame:
    """Return how well each score finds the samples with an HSF below `BELOW`.

    Columns `score, n, hard, auroc, auroc_low, auroc_high, auroc_p`.
    """
    scores, voted = _voted(samples, run, keys, filters)
    rows = []
    for key in scores:
        scored = voted.dropna(subset=key)
        hard = scored[HSF].to_numpy(float) < BELOW
        area = auroc(-scored[key].to_numpy(float), hard)
        rows.append({"score": key, "n": len(scored), "hard": int(hard.sum())} | _columns("auroc", area))
    return pd.DataFrame(rows)


def by_parent(
    samples: SampleTable, run: RunFolder | None, keys: Sequence[str] | None, filters: Filters, *, votes: Votes
) -> pd.DataFrame:
    """Return how each score, and AVH of the parent, follow HSF, and HSF of the parent more or less than AVH does.

    Columns `score, n`, then `hsf` and `hsf_parent`, Spearman with each, and `over_avh`, the difference to that of AVH
    with HSF of the parent, each with `_low`, `_high` and `_p`. AVH and HSF of the parent are those of `at_parents`.
    """
    if not samples.parents:
        raise CurateError("The classes have no parents.", fix=Run("classes", samples.name, parents="FILE"))
    check_scores(samples, ["avh"])
    scores, voted = _voted(samples, run, keys and [*keys, "avh"], filters)
    voted = voted.join(at_parents(samples, run, votes, filters)[["hsf_parent", "avh_parent"]], on="id")
    voted["avh_parent"] *= -1
    rows = []
    for key in [*scores, "avh_parent"]:
        scored = voted.dropna(subset=["avh", "hsf_parent", key])
        x, avh, human, of_parent = (scored[name].to_numpy(float) for name in (key, "avh", HSF, "hsf_parent"))
        rho, influence = spearman_influence(x, of_parent)
        of_avh, influence_of_avh = spearman_influence(avh, of_parent)
        row = {"score": key, "n": len(scored)} | _columns("hsf", fisher_estimate(*spearman_influence(x, human)))
        row |= _columns("hsf_parent", fisher_estimate(rho, influence))
        if key != "avh" and len(scored):
            row |= _columns("over_avh", estimate(rho - of_avh, influence - influence_of_avh))
        rows.append(row)
    return pd.DataFrame(rows)


def _columns(name: str, value: Estimate) -> dict[str, Any]:
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high, f"{name}_p": value.p_value}


#: The title and the function of each analysis by its key.
ANALYSES: Mapping[str, tuple[str, Callable[..., pd.DataFrame]]] = {
    "adding": ("Adds to confidence", adding),
    "beyond": ("Beyond other scores", beyond),
    "classes": ("Per class", by_class),
    "hard": ("Finding hard images", finding_hard),
    "parents": ("Parents", by_parent),
}


def analyse(
    samples: SampleTable,
    run: RunFolder | None,
    votes: Votes,
    analysis: str,
    *,
    keys: Sequence[str] | None = None,
    filters: Filters | None = None,
    against: str = HSF,
    **options: Any,
) -> pd.DataFrame:
    """Return the table of an analysis by its key; columns mark simulated votes and a biased queue.

    `options` are those of its function.
    """
    if analysis not in ANALYSES:
        raise CurateError(f"Unknown analysis {analysis}. Choose one of {', '.join(ANALYSES)}.")
    if against != HSF:
        raise CurateError(f"An analysis needs human votes. Leave out {Option('against')}.")
    _, function = ANALYSES[analysis]
    if function is by_parent:
        options["votes"] = votes
    rows = function(samples, run, keys, filters or Filters(), **options)
    return marked(rows, queue_use(votes), simulated=samples.simulated)
