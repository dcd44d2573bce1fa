"""Further analyses: what adds to confidence, correlations within classes, hard samples, other annotators.

Every correlation is turned by the score's hard end, so that it is positive where the score agrees with people. Samples
are those in view with HSF and the score.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError, Option
from avhcurate.features.correlation.service import HSF, checked_keys, marked, no_sample
from avhcurate.measures.stats.correlation import COLUMNS, Z, correlate, standard_error
from avhcurate.measures.stats.detection import auroc
from avhcurate.measures.stats.multiple_testing import holm
from avhcurate.measures.stats.random_effects import random_effects
from avhcurate.measures.stats.rank_influence import Estimate, partial_spearman
from avhcurate.measures.stats.ranks import resample, spearman, standard_ranks
from avhcurate.people.queues import queue_use

#: The score that others may add to, where the table has it.
BASE = "confidence"
#: HSF below which a sample is called hard.
BELOW = 0.5
#: The row over all classes.
ALL_CLASSES = "mean of classes"
_RESAMPLES = 400


def _voted(table: DatasetTable, keys: Sequence[str] | None, filters: Filters) -> tuple[list[str], pd.DataFrame]:
    """Return the scores with a known harder end, and `id, hsf, label` and them, turned until high is easy."""
    chosen = [key for key in checked_keys(table, keys, HSF) if table.ranked[key].harder]
    if not chosen:
        raise CurateError("It is not known which end of these scores is harder. Choose other scores.")
    columns = list(dict.fromkeys(["id", HSF, "label", *chosen]))
    samples = table.frame(filters, columns=columns).dropna(subset=[HSF]).reset_index(drop=True)
    if samples.empty:
        raise no_sample(table, filters, HSF)
    for key in chosen:
        samples[key] = -table.ranked[key].sign * samples[key].astype(float)
    return chosen, samples


def adding(table: DatasetTable, keys: Sequence[str] | None, filters: Filters) -> pd.DataFrame:
    """Return what each score adds to confidence, and confidence to it: partial and semipartial Spearman with HSF.

    Columns `score, base, n`, then `partial`, `semipartial` and `base_partial`, the reverse, each with `_low`, `_high`
    and `_p`; `partial_p_holm`. Scores that rank the samples as confidence does have none.
    """
    if keys is not None:
        keys = [*keys, BASE]
    chosen, samples = _voted(table, keys, filters)
    if BASE not in chosen:
        raise CurateError(
            "This run has no confidence: its outputs lack logits.", fix=f"Attach it again with {Option('logits')}"
        )
    samples = samples.dropna(subset=BASE)
    rows = []
    for key in chosen:
        if key != BASE:
            scored = samples.dropna(subset=key)
            x, base, human = (scored[name].to_numpy(float) for name in (key, BASE, HSF))
            forth = partial_spearman(x, human, base)
            back = partial_spearman(base, human, x)
            rows.append(
                {"score": key, "base": BASE, "n": len(scored)}
                | _columns("partial", forth.partial)
                | _columns("semipartial", forth.semipartial)
                | _columns("base_partial", back.partial)
            )
    result = pd.DataFrame(rows)
    if rows:
        result["partial_p_holm"] = holm(result["partial_p"])
    return result


def by_class(table: DatasetTable, keys: Sequence[str] | None, filters: Filters) -> pd.DataFrame:
    """Return Spearman with HSF within each class, signs kept, and its mean over the classes as units.

    The columns of the correlation table, then `class, p_holm` (over the classes of a score), and of the rows
    `mean of classes`, which is DerSimonian and Laird's on the scale of Fisher's z with Hartung and Knapp's interval:
    `classes`, the number of those with a correlation and its standard error, over `n` samples; `spread`, the standard
    deviation of Fisher's z between them; `differ_p`, that they are all the same.
    """
    chosen, samples = _voted(table, keys, filters)
    numbers = np.unique(samples["label"].dropna().astype(int))
    index = pd.Index(numbers).get_indexer(samples["label"])
    names = [table.classes[number] for number in numbers]
    scores = {key: -table.ranked[key].sign * samples[key] for key in chosen}
    rows = correlate(scores, samples[HSF], index, names)
    parts = []
    for key, of_score in rows.groupby("score", sort=False):
        of_classes = of_score[1:].rename(columns={"bin": "class"})  # the first row is over all samples
        of_classes["p_holm"] = holm(of_classes["p_value"])
        parts += [_mean_of_classes(str(key), of_classes), of_classes]
    result = pd.concat(parts, ignore_index=True).assign(bin="all")
    return result[[*COLUMNS, "class", "p_holm", "classes", "spread", "differ_p"]]


def _mean_of_classes(key: str, rows: pd.DataFrame) -> pd.DataFrame:
    errors = [standard_error(rho, n) for rho, n in zip(rows["spearman"], rows["n"], strict=True)]
    mean = random_effects(rows["fisher_z"], errors)
    counted = np.isfinite(rows["fisher_z"]) & np.isfinite(errors)  # three samples have no standard error
    rho, low, high = np.tanh([mean.value, mean.low, mean.high])
    row = {
        "score": key,
        "class": ALL_CLASSES,
        "n": int(rows["n"][counted].sum()),
        "spearman": rho,
        "ci_low": low,
        "ci_high": high,
        "fisher_z": mean.value,
        "p_value": mean.p_value,
        "classes": mean.n,
        "spread": mean.spread,
        "differ_p": mean.differ_p,
    }
    return pd.DataFrame([row])


def finding_hard(table: DatasetTable, keys: Sequence[str] | None, filters: Filters) -> pd.DataFrame:
    """Return how well each score finds the samples with an HSF below `BELOW`.

    Columns `score, n, hard, auroc, auroc_low, auroc_high, auroc_p`.
    """
    chosen, samples = _voted(table, keys, filters)
    rows = []
    for key in chosen:
        scored = samples.dropna(subset=key)
        hard = scored[HSF].to_numpy(float) < BELOW
        area = auroc(-scored[key].to_numpy(float), hard)
        rows.append({"score": key, "n": len(scored), "hard": int(hard.sum())} | _columns("auroc", area))
    return pd.DataFrame(rows)


def over_annotators(table: DatasetTable, keys: Sequence[str] | None, filters: Filters) -> pd.DataFrame:
    """Return the agreement with HSF and its 95 % interval over bootstrap resamples of the annotators.

    Columns `score, n, agreement, annotators, annotators_low, annotators_high`. A resample has fewer different
    annotators, so its HSF is noisier and its correlation weaker: percentiles would lie below the agreement. The
    interval is the spread of resamples around the agreement, on the scale of Fisher's z. In simulations it holds the
    mean agreement of other panels in 92 to 94 %, with 5 or 10 annotators, alike or not.
    """
    source = table.counter.source
    if source.imported or not source.collected:
        raise CurateError("The annotators of imported votes are not known. Collect votes on the page Annotate.")
    chosen, samples = _voted(table, keys, filters)
    annotators, ids, hits = table.counter.by_annotator()
    names, code = np.unique(annotators, return_inverse=True)
    if len(names) < 2:
        raise CurateError("One annotator has voted. Two or more are needed to resample them.")
    scored = {key: samples.dropna(subset=key) for key in chosen}
    drawn: dict[str, list[float]] = {key: [] for key in chosen}
    rng = np.random.default_rng(0)
    for _ in range(_RESAMPLES):
        times = resample(len(names), rng)[code]
        votes = np.bincount(ids, times, table.size)
        hits_drawn = np.bincount(ids, times * hits, table.size)
        hsf = np.divide(hits_drawn, votes, out=np.full(table.size, np.nan), where=votes > 0)
        for key, rows in scored.items():
            drawn[key].append(_spearman(rows[key], hsf[rows["id"]]))
    agreements = []
    for key, rows in scored.items():
        agreement = _spearman(rows[key], rows[HSF].to_numpy(float))
        ends = spread_around(agreement, drawn[key])
        agreements.append((key, len(rows), agreement, len(names), *ends))
    columns = ["score", "n", "agreement", "annotators", "annotators_low", "annotators_high"]
    return pd.DataFrame(agreements, columns=columns)


def _spearman(x: pd.Series, y: np.ndarray) -> float:
    known = ~np.isnan(y)
    if known.sum() < 3:
        return float("nan")
    return spearman(standard_ranks(x.to_numpy(float)[known]), standard_ranks(y[known]))


def spread_around(agreement: float, drawn: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval around an agreement by the spread of resamples on the scale of Fisher's z."""
    usable = np.array(drawn)[~np.isnan(drawn)]
    if len(usable) < 2 or not abs(agreement) < 1:
        return float("nan"), float("nan")
    reach = Z * np.std(np.arctanh(np.clip(usable, -1 + 1e-9, 1 - 1e-9)), ddof=1)
    return float(np.tanh(np.arctanh(agreement) - reach)), float(np.tanh(np.arctanh(agreement) + reach))


def _columns(name: str, value: Estimate) -> dict[str, Any]:
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high, f"{name}_p": value.p_value}


#: The title and the function of each analysis by its key.
ANALYSES: Mapping[str, tuple[str, Callable[..., pd.DataFrame]]] = {
    "adding": ("Adds to confidence", adding),
    "classes": ("Per class", by_class),
    "hard": ("Finding hard images", finding_hard),
    "annotators": ("Other annotators", over_annotators),
}


def analyse(
    table: DatasetTable, analysis: str, *, keys: Sequence[str] | None = None, filters: Filters | None = None
) -> pd.DataFrame:
    """Return the table of an analysis by its key; columns mark simulated votes and a biased queue."""
    if analysis not in ANALYSES:
        raise CurateError(f"Unknown analysis {analysis}. Choose one of {', '.join(ANALYSES)}.")
    _, function = ANALYSES[analysis]
    return marked(function(table, keys, filters or Filters()), queue_use(table.counter), simulated=table.simulated)
