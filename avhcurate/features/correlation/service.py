"""How each score follows human judgement: the correlation table, its comparisons, and the noise ceiling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.datasets.table.columns import quote
from avhcurate.datasets.table.empty_view import chooses_by, empty_view, no_votes, not_scored
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable, check_scores
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError, Run
from avhcurate.features.correlation.study import correlated
from avhcurate.measures.scores import Score
from avhcurate.measures.stats import correlation
from avhcurate.measures.stats.intervals import ratio
from avhcurate.measures.stats.multiple_testing import holm
from avhcurate.measures.stats.rank_influence import NO_ESTIMATE, fisher_estimate, spearman_influence
from avhcurate.people import bins, reliability
from avhcurate.people.queues import QueueUse, queue_use
from avhcurate.people.reliability import Reliability
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.images.measures import MEASURES, PROXIES, RANKED

#: What scores are compared with by default.
HSF = "hsf"
#: Bins of a measure in place of HSF, of about equally many samples.
_BINS = 5
_DISATTENUATED = ["disattenuated", "disattenuated_low", "disattenuated_high"]
#: Columns that choose samples by their HSF.
_OF_HSF = {"hsf", "hsf_low", "hsf_high", "hsf_bin"}
#: Signs that LaTeX writes in another way.
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\n": " "}
_LATEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"}
#: The remarks of `stats.correlation.remarks`, in words.
REMARKS = {
    "too few": "fewer than 3 images",
    "constant": "the score or HSF is constant",
    "few": f"fewer than {correlation.FEW} images",
}


@dataclass(frozen=True)
class Correlations:
    """`table` has the export columns; `pairs` tests two scores each.

    `ceiling` is the reliability of HSF of these samples. `simulated`: the votes are not people's. `against` is what the
    scores are compared with, "hsf", a measure of the images or a column of the user. `bins`: the samples of each bin
    by its name. `ranked` describes the scores by key; a column of the user without a known harder end has a
    correlation, but no agreement and no pair. `queue`: where collected votes came from; `weighted`: correlations as if
    all samples had been as likely to be asked about, see `weighted_table`, where the queue kept its chances.
    """

    table: pd.DataFrame
    pairs: pd.DataFrame
    ceiling: Reliability
    simulated: bool
    against: str = HSF
    bins: Mapping[str, Filters] = field(default_factory=dict)
    ranked: Mapping[str, Score] = field(default_factory=lambda: RANKED)
    queue: QueueUse = field(default_factory=lambda: QueueUse({}))
    weighted: pd.DataFrame | None = None

    def sign(self, key: str) -> int:
        """Return the factor that turns a correlation until positive means agreement; 0 without a known harder end."""
        return -self.ranked[key].sign * self.toward

    def images(self, key: str, group: str) -> Filters:
        """Return the filters of the samples that the row of a score counts, all or in one bin."""
        both = Filters(where=f"{quote(key)} IS NOT NULL AND {quote(self.against)} IS NOT NULL")
        return self.bins.get(group, Filters()).narrowed(both)

    @property
    def toward(self) -> int:
        """Return +1 where a low value of what scores are compared with is hard, -1 where a high one is, 0 unknown."""
        if self.against == HSF:
            return 1
        return -self.ranked[self.against].sign

    @property
    def remarks(self) -> pd.Series:
        """Return a key of `REMARKS` for each row of the table, or ""."""
        return correlation.remarks(self.table)

    @property
    def own(self) -> bool:
        """Whether scores are compared with a column of the user."""
        return self.against != HSF and self.ranked[self.against].needs == "table"

    @property
    def keys(self) -> list[str]:
        """Return the scores of the table, in order."""
        return list(dict.fromkeys(self.table["score"]))

    @property
    def counts(self) -> "pd.Series[int]":
        """Return the samples of each bin, those of all first, for the score that has most."""
        return self.table.groupby("bin", sort=False)["n"].max()

    @property
    def unsaid(self) -> list[str]:
        """Return the columns of the user without a known harder end."""
        keys = dict.fromkeys([*self.keys, self.against])
        return [key for key in keys if key != HSF and not self.ranked[key].harder]


def correlate(
    samples: SampleTable,
    run: RunFolder | None,
    votes: Votes,
    *,
    keys: Sequence[str] | None = None,
    filters: Filters | None = None,
    edges: Sequence[float] | None = None,
    against: str = HSF,
) -> Correlations:
    """Return Spearman of the scores with HSF over the samples that satisfy `filters`, all and per bin.

    Default: every score of the table, the measures of the images that may replace HSF, and the user's columns with a
    known harder end. `against` one of these measures or columns takes it in place of HSF, in five bins of about equally
    many samples: a second proxy of human hardness, which needs no votes. Refused without votes, with nothing to
    correlate, and when no sample has both.
    """
    filters = filters or Filters()
    scores = checked_keys(samples, run, keys, against)
    columns = samples.numbers(filters, [against, *scores])
    ids = columns.pop("id").astype(np.int32)
    target = columns[against]
    if against not in scores:
        del columns[against]
    if np.isnan(target).all():
        raise no_sample(samples, filters, against)
    ceiling = Reliability(0)
    use = QueueUse({})
    if against == HSF:
        ceiling = noise_ceiling(samples, votes, filters, ids)
        use = queue_use(votes)
        edges = bins.check_edges(edges or samples.edges)
        index = bins.bin_index(target, edges)
        labels = bins.bin_labels(edges)
        within = {label: Filters(hsf_bins=(number,)) for number, label in enumerate(labels)}
    else:
        index, labels = bins.quantile_bins(target, _BINS)
        ends = pd.Series(target, dtype=float).groupby(index).agg(["min", "max"])
        within = {
            labels[number]: Filters(where=f"{quote(against)} BETWEEN {low!r} AND {high!r}")
            for number, low, high in ends.itertuples()
            if number >= 0
        }
    index = index.astype(np.int16)
    toward = 1
    if against != HSF:
        toward = -samples.ranked[against].sign
    # What takes the place of HSF is turned until low means hard.
    harder = {key: samples.ranked[key].hard_end for key in scores if samples.ranked[key].sign * toward}
    found = correlated(columns, target, index, labels, harder=harder, toward=toward)
    weighted = None
    if use.weights is not None:
        values = {key: column.astype(float) for key, column in columns.items()}
        weighted = weighted_table(values, target, use.weights[ids], index, labels)
    return Correlations(
        table=found.table,
        pairs=found.pairs,
        ceiling=ceiling,
        simulated=samples.simulated,
        against=against,
        bins=within,
        ranked=samples.ranked,
        queue=use,
        weighted=weighted,
    )


def no_sample(samples: SampleTable, filters: Filters, against: str) -> CurateError:
    """Return the error for filters that leave no sample with what scores are compared with."""
    lacking = f"a {against}"
    if against == HSF:
        lacking = "human votes"
    return empty_view(samples, filters, f"No image in view has {lacking}. Widen the filters.", needs=against)


def possible_targets(samples: SampleTable) -> list[str]:
    """Return what scores can be compared with: HSF where there are votes, measures and own columns in its place."""
    targets = [*_proxies(samples), *samples.own("number")]
    if samples.votes:
        return [HSF, *targets]
    return targets


def said_columns(samples: SampleTable) -> list[str]:
    """Return the user's columns with a known harder end, which join the table by themselves."""
    return [name for name in samples.own("number") if samples.ranked[name].harder]


def default_keys(samples: SampleTable, columns: Sequence[str], against: str = HSF) -> list[str]:
    """Return every score of the table, the measures that may replace HSF and some columns, without `against`."""
    return [key for key in [*samples.scores, *_proxies(samples), *columns] if key != against]


def _proxies(samples: SampleTable) -> list[str]:
    return [key for key in PROXIES if key in samples.measures]


def noise_ceiling(samples: SampleTable, votes: Votes, filters: Filters, ids: np.ndarray) -> Reliability:
    """Return the reliability of HSF of the samples in view (their `ids`), and the best Spearman of any score."""
    if samples.votes is None:
        raise no_votes(samples.name)
    if chooses_by(filters, _OF_HSF):
        return Reliability(len(ids), reason="the images in view are chosen by their HSF, and so by its noise")
    counts = votes.counts
    return reliability.of_ticks(counts.hits[ids], counts.asked[ids])


def agreement(result: Correlations) -> pd.DataFrame:
    """Return the correlation table with `agreement, low, high`: Spearman and its interval, turned by the hard ends.

    Positive always means that the score finds hard what people find hard. NaN where the hard end of a column of the
    user is not known.
    """
    table = result.table
    sign = table["score"].map(result.sign).replace(0, np.nan)
    ends = np.sort([sign * table["ci_low"], sign * table["ci_high"]], axis=0)
    return table.assign(agreement=sign * table["spearman"], low=ends[0], high=ends[1])


def overall(result: Correlations) -> pd.DataFrame:
    """Return the rows of `agreement` that are over all samples, a score each, closest to people first."""
    rows = agreement(result)
    return rows[rows["bin"] == correlation.ALL].sort_values("agreement", ascending=False, kind="stable")


def remark_texts(result: Correlations) -> list[str]:
    """Return each remark with the bins that it is about, in words."""
    bins_of = result.table["bin"][result.remarks != ""].groupby(result.remarks)
    return [f"{REMARKS[str(remark)]}: {', '.join(dict.fromkeys(names))}" for remark, names in bins_of]


def export_table(result: Correlations) -> pd.DataFrame:
    """Return the table as files have it: further columns, and one that names simulated votes or what replaces HSF.

    `p_holm`: p corrected by Holm's method for the scores tried in the same bin. `disattenuated`, of the rows `all`: the
    correlation over the noise ceiling, with an interval like Fieller's. No score exceeds 1 but by chance, and one
    without ties stays below 1 where many samples share an HSF. Where a biased queue asked for the votes, `queue` names
    it, and the columns of `weighted_table` are there if it kept its chances.
    """
    table = result.table.assign(p_holm=result.table.groupby("bin", sort=False)["p_value"].transform(holm))
    if result.against != HSF:
        return table.assign(against=result.against)
    table[_DISATTENUATED] = [disattenuated(result, row) for row in table.itertuples()]
    if result.weighted is not None:
        table = table.merge(result.weighted, on=["score", "bin"], how="left")
    return marked(table, result.queue, simulated=result.simulated)


def marked(rows: pd.DataFrame, queue: QueueUse, *, simulated: bool) -> pd.DataFrame:
    """Return the rows with columns that name a biased queue and simulated votes."""
    if queue.biased:
        rows = rows.assign(queue=" and ".join(sorted(queue.votes)))
    if simulated:
        rows = rows.assign(hsf_source="simulated")
    return rows


def disattenuated(result: Correlations, row: Any) -> tuple[float, float, float]:
    """Return a correlation of the rows `all` over the noise ceiling, with the ends of its interval; NaN for none."""
    ceiling = result.ceiling
    if row.bin != correlation.ALL or ceiling.reason or not ceiling.ceiling > 0:
        return (float("nan"),) * 3
    return ratio((row.spearman, row.ci_low, row.ci_high), (ceiling.ceiling, ceiling.ceiling_low, ceiling.ceiling_high))


def to_latex(result: Correlations) -> str:
    """Return the table in LaTeX as Chen et al. print theirs: a row a score, a column a bin; n and Fisher z in front.

    Needs the LaTeX package booktabs.
    """
    counts = result.counts
    groups = counts.index.map(str)
    rows = [["Score", "$z$", *map(_escape, groups)], ["samples", "", *map(str, counts)]]
    for key, of_score in result.table.groupby("score", sort=False):
        values = [of_score["fisher_z"].iloc[0], *of_score["spearman"]]
        rows.append([_escape(result.ranked[str(key)].name), *values])
    table = pd.DataFrame(rows[1:], columns=rows[0])
    formats = "lr" + "r" * len(groups)
    number = "${:.3f}$".format
    latex = table.to_latex(index=False, na_rep="--", float_format=number, escape=False, column_format=formats)
    return f"% {_source(result)}, signs kept.\n{latex}"


def _source(result: Correlations) -> str:
    if result.against != HSF:
        return f"Spearman with {_escape(result.ranked[result.against].name)}"
    if result.simulated:
        return "Human votes: SIMULATED panel; Spearman with HSF"
    return "Human votes: people; Spearman with HSF"


def checked_keys(samples: SampleTable, run: RunFolder | None, keys: Sequence[str] | None, against: str) -> list[str]:
    """Return the scores to correlate, by default all; refused where the table lacks one of them or `against`."""
    name = samples.name
    if keys is None:
        keys = default_keys(samples, said_columns(samples), against)
    scores = list(dict.fromkeys(keys))
    unknown = [key for key in scores if key not in samples.ranked]
    if run is None and (unknown or not scores):
        raise not_scored(name)
    if against == HSF and samples.votes is None:
        raise no_votes(name)
    if against != HSF and against not in samples.ranked:
        unknown.append(against)
    if missing := [key for key in unknown if key in MEASURES]:
        raise CurateError(f"{', '.join(missing)} of {name} are not measured yet.", fix=Run("quality", name))
    if against in unknown or against in samples.scores:
        raise CurateError(
            f"Scores cannot be compared with {against}. Choose hsf, {', '.join(PROXIES)} or a column of numbers."
        )
    if unknown or not scores:
        check_scores(samples, unknown)
    return scores


def _escape(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in text)


# --- votes of a queue that drew ----------------------------------------------------------------------------------

_WEIGHTED = ("weighted", "weighted_low", "weighted_high")


def weighted_table(
    scores: Mapping[str, np.ndarray], hsf: np.ndarray, weights: np.ndarray, index: np.ndarray, labels: Sequence[str]
) -> pd.DataFrame:
    """Return Spearman with HSF as if every sample had been as likely to be asked about, NaN where it does not vary.

    Columns `score, bin, weighted, weighted_low, weighted_high`. A sample counts as the inverse of the chance that it
    was asked about (Horvitz and Thompson 1952), in the ranks too. scores, hsf and weights (N,), NaN for none; index
    (N,) the bin of each sample in `labels`, -1 for none. The intervals are of Fisher's z by the influence of each
    sample; below `FEW` samples there is none.
    """
    rows = []
    for key, values in scores.items():
        usable = ~np.isnan(values) & ~np.isnan(hsf)
        groups = {correlation.ALL: usable} | {label: usable & (index == n) for n, label in enumerate(labels)}
        for label, members in groups.items():
            rho, influence = spearman_influence(values[members], hsf[members], weights[members])
            interval = NO_ESTIMATE
            if len(influence) >= correlation.FEW:
                interval = fisher_estimate(rho, influence)
            rows.append([key, label, rho, interval.low, interval.high])
    return pd.DataFrame(rows, columns=["score", "bin", *_WEIGHTED])
