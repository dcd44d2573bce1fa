"""Further looks at how scores follow people: what adds to confidence, classes, hard samples, single votes, resampling.

Every correlation is turned by the score's hard end, so that it is positive where the score agrees with people. Samples
are those in view with HSF and the score.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from avhcurate.correlation.service import HSF, checked_keys, empty_of
from avhcurate.errors import CurateError
from avhcurate.stats.correlation import correlate, standard_error
from avhcurate.stats.detection import auroc, lift
from avhcurate.stats.multiple_testing import holm
from avhcurate.stats.partial_correlation import partial_spearman
from avhcurate.stats.random_effects import random_effects
from avhcurate.stats.ranks import Resampled, resample, spearman, standard_ranks
from avhcurate.stats.vote_regression import vote_slope
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.votes.queues import queue_use

#: The score that others may add to, where the table has it.
BASE = "confidence"
#: HSF below which a sample is called hard.
BELOW = 0.5
#: The row over all classes.
ALL_CLASSES = "mean of classes"
_RESAMPLES = 400
#: Standard errors from the middle of a 95 % interval to its ends, and the strongest correlation of a resample.
_Z, _MOST = float(ndtri(0.975)), 1 - 1e-9
#: Share of samples that a person would look at, for the lift.
_FIRST = 0.1


@dataclass(frozen=True)
class _Voted:
    """Samples in view with HSF: `frame` has id, hsf, label, perhaps duplicate_group, and the scores, high = easy."""

    table: DatasetTable
    keys: tuple[str, ...]
    frame: pd.DataFrame

    @classmethod
    def of(cls, table: DatasetTable, keys: Sequence[str] | None, filters: Filters | None) -> "_Voted":
        chosen = tuple(key for key in checked_keys(table, keys, HSF) if table.ranked[key].harder)
        grouped = ["duplicate_group"] * ("duplicate_group" in table.measured)
        columns = list(dict.fromkeys(["id", HSF, "label", *grouped, *chosen]))
        frame = table.frame(filters or Filters(), columns=columns).dropna(subset=[HSF]).reset_index(drop=True)
        if frame.empty:
            raise empty_of(table, filters or Filters())
        if not chosen:
            raise CurateError("none of the scores has a harder end that is known: choose others")
        turned = {key: -table.ranked[key].sign * frame[key].astype(float) for key in chosen}
        return cls(table, chosen, frame.assign(label=frame["label"].fillna(-1).astype(int), **turned))

    def each(self, *others: str) -> Iterator[tuple[str, pd.DataFrame]]:
        """Every score with the samples that have it, and the other columns."""
        for key in self.keys:
            yield key, self.frame.dropna(subset=[key, *others])


def adding(table: DatasetTable, *, keys: Sequence[str] | None = None, filters: Filters | None = None) -> pd.DataFrame:
    """What each score adds to confidence, and confidence to it: partial and semipartial Spearman with HSF.

    Columns `score, base, n, partial, partial_low, partial_high, partial_p, partial_p_holm, semipartial,
    semipartial_low, semipartial_high`, and `base_partial, base_partial_low, base_partial_high, base_partial_p`: the
    reverse. Scores that rank the samples as confidence does have none.
    """
    voted = _Voted.of(table, None if keys is None else [*keys, BASE], filters)
    if BASE not in voted.keys:
        raise CurateError("this run has no confidence that a score could add to: its outputs lack logits")
    rows = []
    for key, frame in voted.each(BASE):
        if key == BASE:
            continue
        x, base, human = (frame[name].to_numpy(float) for name in (key, BASE, HSF))
        there, back = partial_spearman(x, human, base), partial_spearman(base, human, x)
        rows.append(
            {"score": key, "base": BASE, "n": len(frame)}
            | _with_interval("partial", there.partial, p=True)
            | _with_interval("semipartial", there.semipartial)
            | _with_interval("base_partial", back.partial, p=True)
        )
    result = pd.DataFrame(rows)
    if rows:
        result.insert(list(result.columns).index("partial_p") + 1, "partial_p_holm", holm(result["partial_p"]))
    return result


def adds_sentence(rows: pd.DataFrame, score: str = "avh", name: str = "AVH") -> str:
    """Whether a score adds to confidence, and confidence to it, in one sentence; "" where that is not known.

    >>> row = {"score": "avh", "base": "confidence", "n": 90, "partial": 0.1, "partial_low": 0.0, "partial_high": 0.2}
    >>> row |= {"partial_p": 0.05, "base_partial": 0.3, "base_partial_low": 0.2, "base_partial_high": 0.4}
    >>> print(adds_sentence(pd.DataFrame([row | {"base_partial_p": 0.001}])))
    It is not clear that AVH adds to confidence: 0.10 [0.00, 0.20] given it; confidence adds to AVH: 0.30 [0.20, 0.40].
    """
    found = rows[rows["score"] == score]
    if found.empty or found["partial"].isna().any():
        return ""
    row = found.iloc[0]
    parts = []
    for what, of, given, end in (("partial", name, BASE, " given it"), ("base_partial", BASE, name, "")):
        value, low, high = (row[f"{what}{part}"] for part in ("", "_low", "_high"))
        says = f"{of} adds to {given}" if low > 0 else f"{of} goes against people given {given}"
        if low <= 0 <= high:
            says = f"it is not clear that {of} adds to {given}"
        parts.append(f"{says}: {value:.2f} [{low:.2f}, {high:.2f}]{end}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def by_class(table: DatasetTable, *, keys: Sequence[str] | None = None, filters: Filters | None = None) -> pd.DataFrame:
    """Spearman with HSF within each class, signs kept, and its mean over the classes with the class as the unit.

    The columns of the correlation table, then `class, p_holm` (over the classes of a score), and of the rows
    `mean of classes`, which is DerSimonian and Laird's on the scale of Fisher's z with Hartung and Knapp's interval:
    `classes`, the number of those with a correlation and its standard error, over `n` samples; `spread`, the standard
    deviation of Fisher's z between them; `differ_p`, that they are all the same.
    """
    voted = _Voted.of(table, keys, filters)
    labels = voted.frame["label"].to_numpy()
    names = {number: name for number, name in enumerate(table.classes) if (labels == number).any()}
    code = {number: place for place, number in enumerate(names)}
    index = np.array([code.get(label, -1) for label in labels.tolist()], np.int64)
    signs = {key: -table.ranked[key].sign for key in voted.keys}
    scores = {key: signs[key] * voted.frame[key] for key in voted.keys}
    rows = correlate(scores, voted.frame[HSF], index, list(names.values()))
    # The first row of each score is over all samples; a class may have its name.
    rows = rows[rows.duplicated("score")].rename(columns={"bin": "class"})
    rows["p_holm"] = rows.groupby("score", sort=False)["p_value"].transform(lambda p: holm(p))
    means = []
    for key, of_score in rows.groupby("score", sort=False):
        errors = [standard_error(rho, n) for rho, n in zip(of_score["spearman"], of_score["n"], strict=True)]
        mean = random_effects(of_score["fisher_z"], errors)
        counted = np.isfinite(of_score["fisher_z"]) & np.isfinite(errors)  # three samples have no standard error
        means.append(
            {
                "score": key,
                "class": ALL_CLASSES,
                "n": int(of_score["n"][counted].sum()),
                "spearman": np.tanh(mean.value),
                "ci_low": np.tanh(mean.low),
                "ci_high": np.tanh(mean.high),
                "fisher_z": mean.value,
                "p_value": mean.p_value,
                "classes": mean.n,
                "spread": mean.spread,
                "differ_p": mean.differ_p,
            }
        )
    result = pd.concat([pd.DataFrame(means), rows], ignore_index=True).assign(bin="all")
    contract = ["score", "bin", "n", "spearman", "ci_low", "ci_high", "fisher_z", "p_value"]
    order = result["score"].map({key: place for place, key in enumerate(voted.keys)}).argsort(kind="stable")
    return result.iloc[order][[*contract, "class", "p_holm", "classes", "spread", "differ_p"]].reset_index(drop=True)


def finding_hard(
    table: DatasetTable, *, keys: Sequence[str] | None = None, filters: Filters | None = None, below: float = BELOW
) -> pd.DataFrame:
    """How well each score finds the samples whose HSF is below a number: AUROC, and the lift of its first tenth.

    Columns `score, below, n, hard, auroc, auroc_low, auroc_high, auroc_p, picked, lift, lift_low, lift_high`.
    """
    if not 0 < below <= 1:
        raise CurateError(f"samples are called hard below an HSF above 0 and up to 1; it was {below}")
    rows = []
    for key, frame in _Voted.of(table, keys, filters).each():
        hardness, hard = -frame[key].to_numpy(float), frame[HSF].to_numpy(float) < below
        picked = lift(hardness, hard, share=_FIRST)
        rows.append(
            {"score": key, "below": below, "n": len(frame), "hard": int(hard.sum())}
            | _with_interval("auroc", auroc(hardness, hard), p=True)
            | {"picked": picked.picked}
            | _with_interval("lift", picked)
        )
    return pd.DataFrame(rows)


def single_votes(
    table: DatasetTable, *, keys: Sequence[str] | None = None, filters: Filters | None = None
) -> pd.DataFrame:
    """Each score in a beta-binomial regression of the votes, the class as an effect: 51 votes count as 51.

    Columns `score, n, votes`; `odds_ratio, odds_ratio_low, odds_ratio_high, odds_ratio_p`: odds of a vote for the label
    by one standard deviation of the score towards easy; `within`, correlation of two votes of one sample beyond score
    and class; `gain`, log likelihood a sample over that of the class alone, in nats.
    """
    counts, rows = table.counter.counts, []
    for key, frame in _Voted.of(table, keys, filters).each():
        finite = frame[np.isfinite(frame[key])]
        ids = finite["id"].to_numpy(np.int64)
        found = vote_slope(
            finite[key].to_numpy(float), counts.hits[ids], counts.asked[ids], finite["label"].to_numpy(np.int64)
        )
        ends = {"odds_ratio": found.slope, "odds_ratio_low": found.low, "odds_ratio_high": found.high}
        rows.append(
            {"score": key, "n": found.n, "votes": found.votes}
            | {name: float(np.exp(value)) for name, value in ends.items()}
            | {"odds_ratio_p": found.p_value, "within": found.within, "gain": found.gain}
        )
    return pd.DataFrame(rows)


def resampled(
    table: DatasetTable, *, keys: Sequence[str] | None = None, filters: Filters | None = None, seed: int = 0
) -> pd.DataFrame:
    """Spearman with HSF and its intervals when other things are drawn than samples: near duplicates, annotators.

    Columns `score, n, agreement, samples_low, samples_high`; `groups, groups_low, groups_high`: percentiles over 400
    bootstrap resamples of groups of near duplicates, a sample without one being a group; `annotators, annotators_low,
    annotators_high`: by the spread over as many resamples of the annotators who collected the votes. A resample of
    annotators has fewer different ones, so its HSF is noisier and its correlation weaker: percentiles would lie below
    the agreement, and the spread is laid about it on the scale of Fisher's z. Missing where there are no such groups,
    or where votes were imported, whose annotators are not known.
    """
    voted = _Voted.of(table, keys, filters)
    drawn = {"samples": _over_groups(voted, np.arange(len(voted.frame)), seed)}
    if "duplicate_group" in voted.frame:
        group = voted.frame["duplicate_group"].astype("Float64").to_numpy(float, na_value=np.nan)
        alone = np.where(np.isnan(group), -1.0 - np.arange(len(group)), group)
        groups, code = np.unique(alone, return_inverse=True)
        if len(groups) < len(code):
            drawn["groups"] = _over_groups(voted, code, seed)
    if (of_annotators := _over_annotators(voted, seed)) is not None:
        drawn["annotators"] = of_annotators
    rows = []
    for key, frame in voted.each():
        agreement = spearman(*(standard_ranks(frame[name].to_numpy(float)) for name in (key, HSF)))
        row: dict[str, Any] = {"score": key, "n": len(frame), "agreement": agreement}
        for what in ("samples", "groups", "annotators"):
            number, values = drawn.get(what, (0, {}))
            known = [value for value in values.get(key, []) if value == value]
            low, high = _ends(agreement, known, about=what == "annotators")
            row |= {what: number or None, f"{what}_low": low, f"{what}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def _ends(agreement: float, drawn: Sequence[float], *, about: bool) -> tuple[float, float]:
    """Ends of a 95 % interval from resamples: their percentiles, or their spread `about` the agreement."""
    if not len(drawn):
        return float("nan"), float("nan")
    if not about:
        low, high = np.quantile(drawn, [0.025, 0.975])
        return float(low), float(high)
    if not abs(agreement) < 1:
        return float("nan"), float("nan")
    centre, reach = np.arctanh(agreement), _Z * np.std(np.arctanh(np.clip(drawn, -_MOST, _MOST)), ddof=1)
    return float(np.tanh(centre - reach)), float(np.tanh(centre + reach))


def _over_groups(voted: _Voted, group: np.ndarray, seed: int) -> tuple[int, dict[str, list[float]]]:
    """Number of groups, and for each score its agreement in resamples of whole groups, group (n,) 0 to G - 1."""
    number = int(group.max()) + 1
    values: dict[str, list[float]] = {}
    for key, frame in voted.each():
        of_row = group[frame.index.to_numpy()]
        x, y = (Resampled(frame[name].to_numpy(float)) for name in (key, HSF))
        # Every score has the same resamples, drawn again: of a million samples they would take gigabytes.
        rng = np.random.default_rng(seed)
        times = (resample(number, rng)[of_row] for _ in range(_RESAMPLES))
        values[key] = [spearman(x.standard_ranks(one), y.standard_ranks(one), one) for one in times]
    return number, values


def _over_annotators(voted: _Voted, seed: int) -> tuple[int, dict[str, list[float]]] | None:
    """The same in resamples of annotators, whose votes make another HSF of each sample."""
    source = voted.table.counter.source
    if source.imported or not source.collected:
        return None
    annotators, ids, hits = voted.table.counter.by_annotator()
    names, code = np.unique(annotators, return_inverse=True)
    if len(names) < 2:
        return None
    rng, size = np.random.default_rng(seed), voted.table.size
    scores = {key: (frame["id"].to_numpy(), frame[key].to_numpy(float)) for key, frame in voted.each()}
    values: dict[str, list[float]] = {key: [] for key in scores}
    for _ in range(_RESAMPLES):
        times = resample(len(names), rng)[code].astype(float)
        votes, chosen = np.bincount(ids, times, size), np.bincount(ids, times * hits, size)
        hsf = np.divide(chosen, votes, out=np.full(size, np.nan), where=votes > 0)
        for key, (of, score) in scores.items():
            there = ~np.isnan(hsf[of])
            x, y = (standard_ranks(part[there]) if there.sum() > 2 else None for part in (score, hsf[of]))
            values[key].append(spearman(x, y))
    return len(names), values


def _with_interval(name: str, found: Any, *, p: bool = False) -> dict[str, float]:
    columns = {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return columns | ({f"{name}_p": found.p_value} if p else {})


#: Each analysis by its key: what it is called, and its function.
ANALYSES: Mapping[str, tuple[str, Callable[..., pd.DataFrame]]] = {
    "adding": ("Adds to confidence", adding),
    "classes": ("Per class", by_class),
    "hard": ("Finding hard samples", finding_hard),
    "votes": ("Single votes", single_votes),
    "resampled": ("Duplicates and annotators", resampled),
}


def analyse(
    table: DatasetTable,
    analysis: str,
    *,
    keys: Sequence[str] | None = None,
    filters: Filters | None = None,
    below: float = BELOW,
) -> pd.DataFrame:
    """The table of an analysis by its key; columns `hsf_source` and `queue` mark simulated votes and a biased queue."""
    if analysis not in ANALYSES:
        raise CurateError(f"there is no analysis {analysis}: choose {', '.join(ANALYSES)}")
    more = {"below": below} if analysis == "hard" else {}
    result = ANALYSES[analysis][1](table, keys=keys, filters=filters, **more)
    if (use := queue_use(table.counter)).biased:
        result = result.assign(queue=" and ".join(sorted(use.votes)))
    return result.assign(hsf_source="simulated") if table.simulated else result
