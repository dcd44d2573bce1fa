"""How each score follows human judgement: the correlation table, its comparisons, and the noise ceiling."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from avhcurate.correlation.weighting import weighted_pairs, weighted_table
from avhcurate.errors import CurateError
from avhcurate.images.measures import MEASURES, PROXIES, RANKED
from avhcurate.scores import Score
from avhcurate.stats import correlation, correlation_tests
from avhcurate.stats.multiple_testing import holm
from avhcurate.table.dataset_table import DatasetTable, check_scores
from avhcurate.table.empty_view import chooses_by, empty_view, no_votes
from avhcurate.table.filters import Filters
from avhcurate.votes import bins, reliability
from avhcurate.votes.queues import QueueUse, queue_use
from avhcurate.votes.reliability import Reliability

#: What scores are compared with by default.
HSF = "hsf"
#: Bins of a measure in place of HSF, of about equally many samples.
_BINS = 5
#: Standard errors from the middle of a 95 % interval to its ends.
_Z = float(ndtri(0.975))
_DISATTENUATED = ["disattenuated", "disattenuated_low", "disattenuated_high"]
#: Columns that choose samples by their HSF.
_OF_HSF = {"hsf", "hsf_low", "hsf_high", "hsf_bin"}
#: Signs that LaTeX writes as commands.
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\n": " "}
#: The remarks of `stats.correlation.remarks`, in words.
REMARKS = {
    "too few": "fewer than 3 samples",
    "constant": "the score or HSF is constant",
    "few": f"fewer than {correlation.FEW} samples",
}


@dataclass(frozen=True)
class Correlations:
    """`table` has the export columns; `remarks` a key of `REMARKS` for each row, or ""; `pairs` tests two scores each.

    `ceiling` is the reliability of HSF of these samples. `simulated`: the votes are not people's. `against` is what the
    scores are compared with, "hsf", a measure of the images or a column of the user's. `ranked` describes the scores by
    key; a column of the user's whose harder end is not said has a correlation, but no agreement and no pair. `queue`:
    where collected votes came from; `weighted`: correlations as if all samples had been as likely to be asked about,
    see `weighting`, where the queue kept its chances; `pairs` has its columns then too.
    """

    table: pd.DataFrame
    remarks: pd.Series
    pairs: pd.DataFrame
    ceiling: Reliability
    simulated: bool
    against: str = HSF
    ranked: Mapping[str, Score] = field(default_factory=lambda: RANKED)
    queue: QueueUse = field(default_factory=lambda: QueueUse({}))
    weighted: pd.DataFrame | None = None

    def sign(self, key: str) -> int:
        """Factor that turns a correlation until positive means agreement; 0 where a harder end is not said."""
        return -self.ranked[key].sign * self.toward

    @property
    def toward(self) -> int:
        """Hard end of what scores are compared with: +1 for the low one, as of HSF, -1 for the high one, 0 unsaid."""
        return 1 if self.against == HSF else -self.ranked[self.against].sign

    @property
    def own(self) -> bool:
        """Whether scores are compared with a column of the user's."""
        return self.against != HSF and self.ranked[self.against].needs == "table"

    @property
    def unsaid(self) -> list[str]:
        """The columns of the user's, among the scores and what they are compared with, of unknown harder end."""
        keys = [*dict.fromkeys(self.table["score"]), *([] if self.against == HSF else [self.against])]
        return [key for key in dict.fromkeys(keys) if not self.ranked[key].harder]


def correlate(
    table: DatasetTable,
    *,
    keys: Sequence[str] | None = None,
    filters: Filters | None = None,
    edges: Sequence[float] | None = None,
    bootstrap: bool = False,
    seed: int = 0,
    against: str = HSF,
) -> Correlations:
    """Spearman of the scores with HSF over the samples that satisfy `filters`, all and per bin.

    Default: every score that the table has, the measures of the images that may replace HSF, and the user's columns
    whose harder end is said. `against` one of these measures or columns takes it in place of HSF, in five bins of about
    equally many samples: a second proxy of human hardness, for which no votes are needed. Refused without votes, with
    nothing to correlate, and when no sample has both.
    """
    chosen = checked_keys(table, keys, against)
    frame = table.frame(filters or Filters(), columns=list(dict.fromkeys(["id", against, *chosen])))
    if not frame[against].notna().any():
        raise empty_of(table, filters or Filters(), against)
    scores = {key: frame[key] for key in chosen}
    if against == HSF:
        edges = bins.check_edges(edges or table.edges)
        index, labels = bins.bin_index(frame[HSF], edges), bins.bin_labels(edges)
    else:
        index, labels = bins.quantile_bins(frame[against], _BINS)
    kept: dict[str, np.ndarray] = {}
    rows = correlation.correlate(
        scores, frame[against], index, labels, ids=frame["id"], bootstrap=bootstrap, seed=seed, kept=kept
    )
    ranked = {key: table.ranked[key] for key in dict.fromkeys([*chosen, *([] if against == HSF else [against])])}
    ceiling = noise_ceiling(table, filters) if against == HSF else Reliability(0)
    use = queue_use(table.counter) if against == HSF else QueueUse({})
    result = Correlations(rows, correlation.remarks(rows), rows, ceiling, table.simulated, against, ranked, use)
    pairs = _pairs(result, scores, frame, kept)
    if use.weights is None:
        return replace(result, pairs=pairs)
    values = {key: column.to_numpy(float) for key, column in scores.items()}
    hsf, weights = frame[HSF].to_numpy(float), use.weights[frame["id"].to_numpy()]
    signs = {key: result.sign(key) for key in scores if result.sign(key)}
    beside = weighted_pairs(values, hsf, weights, signs)
    return replace(
        result,
        pairs=pairs.merge(beside, on=["first", "second"], how="left"),
        weighted=weighted_table(values, hsf, weights, index, labels),
    )


def empty_of(table: DatasetTable, filters: Filters, against: str = HSF) -> CurateError:
    """The error for filters that leave no sample with what scores are compared with."""
    what = "human votes" if against == HSF else f"a {against}"
    return empty_view(table, filters, f"no sample in view has {what}: widen the filters", needs=against)


def _pairs(
    result: Correlations, scores: Mapping[str, pd.Series], frame: pd.DataFrame, kept: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Two scores each, of those whose harder end is known; none where that of what they are compared with is not.

    `p_holm` is p corrected by Holm's method for the number of pairs.
    """
    harder = {key: end for key in scores if result.toward and (end := result.ranked[key].harder)}
    # What takes the place of HSF is turned until low means hard.
    proxy = result.toward * frame[result.against]
    chosen = {key: scores[key] for key in harder}
    pairs = correlation_tests.compare(chosen, proxy, harder=harder, ids=frame["id"], kept=kept)
    return pairs.assign(p_holm=holm(pairs["p_value"]))


def possible_targets(table: DatasetTable) -> list[str]:
    """What scores can be compared with: HSF where there are votes, and measures and own columns in its place."""
    return [*([HSF] if table.votes else []), *_proxies(table), *table.own("number")]


def said_columns(table: DatasetTable) -> list[str]:
    """The user's columns whose harder end is said, which join the table by themselves."""
    return [name for name in table.own("number") if table.ranked[name].harder]


def default_keys(table: DatasetTable, columns: Sequence[str], against: str = HSF) -> list[str]:
    """Every score of the table, the measures that may replace HSF and some columns, but what they are compared with."""
    return [key for key in [*table.scores, *_proxies(table), *columns] if key != against]


def _proxies(table: DatasetTable) -> list[str]:
    return [key for key in PROXIES if key in table.measures]


def noise_ceiling(table: DatasetTable, filters: Filters | None = None) -> Reliability:
    """Reliability of HSF of the samples that satisfy `filters`, and the best Spearman a score could reach on them."""
    if table.votes is None:
        raise no_votes(table.dataset.name)
    wanted = filters or Filters()
    ids = table.frame(wanted, columns=["id"])["id"].to_numpy()
    if chooses_by(wanted, _OF_HSF):
        return Reliability(len(ids), reason="the samples in view are chosen by their HSF, and so by its noise")
    counts = table.counter.counts
    return reliability.of_ticks(counts.hits[ids], counts.asked[ids])


def remark_texts(result: Correlations) -> list[str]:
    """Each remark with the bins that it is about, in words."""
    bins_of = result.table["bin"][result.remarks != ""].groupby(result.remarks)
    return [f"{REMARKS[str(remark)]}: {', '.join(dict.fromkeys(names))}" for remark, names in bins_of]


def export_table(result: Correlations) -> pd.DataFrame:
    """The table as files have it: further columns, and one that names simulated votes or the measure in place of HSF.

    `p_holm`: p corrected by Holm's method for the scores tried in the same bin. `disattenuated`, of the rows `all`: the
    correlation over the noise ceiling, with its interval (delta method on the logarithm); no score exceeds 1 but by
    chance. Where a biased queue asked for the votes, `queue` names it, and the columns of `weighting` are there if it
    kept its chances.
    """
    table = result.table.assign(p_holm=result.table.groupby("bin", sort=False)["p_value"].transform(holm))
    if result.against != HSF:
        return table.assign(against=result.against)
    ends = pd.DataFrame([disattenuated(result, row) for row in table.itertuples()], columns=_DISATTENUATED)
    table = pd.concat([table, ends.set_index(table.index)], axis=1)
    if result.weighted is not None:
        table = table.merge(result.weighted, on=["score", "bin"], how="left")
    if result.queue.biased:
        table = table.assign(queue=" and ".join(sorted(result.queue.votes)))
    return table.assign(hsf_source="simulated") if result.simulated else table


def disattenuated(result: Correlations, row: Any) -> tuple[float, float, float]:
    """A correlation of the rows `all` over the noise ceiling, with the ends of its interval; NaN for none."""
    ceiling, missing = result.ceiling, (float("nan"),) * 3
    if row.bin != correlation.ALL or ceiling.reason or not ceiling.ceiling > 0 or not 0 < abs(row.spearman) < 1:
        return missing
    value = row.spearman / ceiling.ceiling
    spread_of_rho = correlation.standard_error(row.spearman, row.n) * (1 - row.spearman**2) / abs(row.spearman)
    spread_of_ceiling = (ceiling.ceiling_high - ceiling.ceiling_low) / (2 * _Z * ceiling.ceiling)
    reach = math.exp(_Z * math.hypot(spread_of_rho, spread_of_ceiling))
    return (value, *sorted((value / reach, value * reach)))


def to_latex(result: Correlations) -> str:
    """The table in LaTeX, as Chen et al. print theirs: a row a score, a column a bin; n and Fisher z in front.

    Needs the LaTeX package booktabs.
    """
    groups = list(dict.fromkeys(result.table["bin"]))
    lines = [
        f"% {_source(result)}, signs kept.",
        r"\begin{tabular}{l" + "r" * (len(groups) + 1) + "}",
        r"\toprule",
        " & ".join(["Score", "$z$", *(_escape(group) for group in groups)]) + r" \\",
        r"\midrule",
    ]
    lines += [" & ".join([name, "", *(f"{n:d}" for n in counts)]) + r" \\" for name, counts in _sizes(result)]
    for key, rows in result.table.groupby("score", sort=False):
        values = [rows["fisher_z"].iloc[0], *rows["spearman"]]
        lines.append(
            " & ".join([_escape(result.ranked[str(key)].name), *(_number(value) for value in values)]) + r" \\"
        )
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def sample_counts(table: pd.DataFrame) -> dict[tuple[int, ...], list[str]]:
    """The scores of a table of correlations by how many samples they are over in each bin, the first score's first.

    >>> rows = [("avh", "all", 9), ("aum", "all", 4), ("norm", "all", 9)]
    >>> sample_counts(pd.DataFrame(rows, columns=["score", "bin", "n"]))
    {(9,): ['avh', 'norm'], (4,): ['aum']}
    """
    groups: dict[tuple[int, ...], list[str]] = {}
    for key, rows in table.groupby("score", sort=False):
        groups.setdefault(tuple(rows["n"].tolist()), []).append(str(key))
    return groups


def _sizes(result: Correlations) -> list[tuple[str, tuple[int, ...]]]:
    """A name and the samples by bin for each group of scores that are over the same samples."""
    first, *others = sample_counts(result.table).items()
    named = [(f"samples of {', '.join(_escape(result.ranked[key].name) for key in keys)}", n) for n, keys in others]
    return [("samples", first[0]), *named]


def _source(result: Correlations) -> str:
    if result.against != HSF:
        name = _escape(" ".join(result.ranked[result.against].name.split()))
        return f"Spearman with {'your column ' if result.own else ''}{name}{'' if result.own else ' of the images'}"
    return f"Human votes: {'SIMULATED panel' if result.simulated else 'people'}; Spearman with HSF"


def checked_keys(table: DatasetTable, keys: Sequence[str] | None, against: str) -> list[str]:
    """The scores to correlate, all by default; refused where the table lacks one of them or what they go against."""
    name = table.dataset.name
    chosen = default_keys(table, said_columns(table), against) if keys is None else list(dict.fromkeys(keys))
    unknown = [key for key in chosen if key not in table.ranked]
    if table.run is None and (unknown or not chosen):
        raise CurateError(f"no model has scored {name} yet: run `avhcurate score {name} --model MODEL`")
    if against == HSF and table.votes is None:
        raise no_votes(name)
    of_images = [against] if against != HSF and against not in table.ranked else []
    if missing := [key for key in [*unknown, *of_images] if key in MEASURES]:
        raise CurateError(f"{', '.join(missing)} of {name} are not measured yet: run `avhcurate quality {name}`")
    if of_images or (against != HSF and against in table.scores):
        raise CurateError(
            f"scores are compared with hsf, {', '.join(PROXIES)} or a column of numbers of yours, not {against}"
        )
    if unknown or not chosen:
        check_scores(table, unknown)
    return chosen


def _number(value: Any) -> str:
    return "--" if pd.isna(value) else f"${value:.3f}$"


def _escape(text: str) -> str:
    return "".join(_LATEX.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)
