"""How each score follows human judgement: the correlation table, its comparisons, and the noise ceiling."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from avhcurate.errors import CurateError
from avhcurate.images.measures import MEASURES, PROXIES, RANKED
from avhcurate.stats import correlation, correlation_tests
from avhcurate.table.dataset_table import DatasetTable, check_scores
from avhcurate.table.filters import Filters
from avhcurate.votes import bins, reliability
from avhcurate.votes.reliability import Reliability

#: What scores are compared with by default.
HSF = "hsf"
#: Bins of a measure in place of HSF, of about equally many samples.
_BINS = 5
#: The remarks of `stats.correlation.remarks`, in words.
REMARKS = {
    "too few": "fewer than 3 samples",
    "constant": "the score or HSF is constant",
    "few": f"fewer than {correlation.FEW} samples",
}


@dataclass(frozen=True)
class Correlations:
    """`table` has the export columns; `remarks` a key of `REMARKS` for each row, or ""; `pairs` tests two scores each.

    `ceiling` is the reliability of the votes behind HSF. `simulated`: they are not people's. `against` is what the
    scores are compared with, "hsf" or a measure of the images.
    """

    table: pd.DataFrame
    remarks: pd.Series
    pairs: pd.DataFrame
    ceiling: Reliability
    simulated: bool
    against: str = HSF


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

    Default: every score that the table has, and the measures of the images that may replace HSF. `against` one of these
    measures takes it in place of HSF, in five bins of about equally many samples: a second proxy of human hardness, for
    which no votes are needed. Refused without votes, without a run, and when no sample has both.
    """
    chosen = _checked(table, keys, against)
    frame = table.frame(filters or Filters(), columns=list(dict.fromkeys(["id", against, *chosen])))
    if not frame[against].notna().any():
        raise CurateError(
            "no sample in view has human votes: widen the filters or attach votes"
            if against == HSF
            else f"no sample in view has a {against}: widen the filters"
        )
    scores = {key: frame[key] for key in chosen}
    if against == HSF:
        edges = bins.check_edges(edges or table.edges)
        index, labels = bins.bin_index(frame[HSF], edges), bins.bin_labels(edges)
    else:
        index, labels = bins.quantile_bins(frame[against], _BINS)
    rows = correlation.correlate(scores, frame[against], index, labels, ids=frame["id"], bootstrap=bootstrap, seed=seed)
    harder = {key: RANKED[key].harder for key in chosen}
    # A measure takes the place of HSF: it is turned until low means hard.
    proxy = frame[against] if against == HSF else -RANKED[against].sign * frame[against]
    pairs = correlation_tests.compare(scores, proxy, harder=harder, ids=frame["id"])
    ceiling = noise_ceiling(table) if against == HSF else reliability.of_ticks([], [])
    return Correlations(rows, correlation.remarks(rows), pairs, ceiling, table.simulated, against)


def possible_targets(table: DatasetTable) -> list[str]:
    """What scores can be compared with: HSF where there are votes, and the measures that may replace it."""
    return [*([HSF] if table.votes else []), *(key for key in PROXIES if key in table.measures)]


def noise_ceiling(table: DatasetTable) -> Reliability:
    """Split-half reliability of the dataset's votes, all of them, and the best Spearman a score could reach."""
    if table.votes is None:
        raise CurateError(
            f"dataset {table.dataset.name} has no human votes: run `avhcurate votes {table.dataset.name} FILE`"
        )
    counts = table.counter.counts
    voted = counts.votes > 0
    return reliability.of_ticks(counts.hits[voted], counts.asked[voted])


def remark_texts(result: Correlations) -> list[str]:
    """Each remark with the bins that it is about, in words."""
    bins_of = result.table["bin"][result.remarks != ""].groupby(result.remarks)
    return [f"{REMARKS[str(remark)]}: {', '.join(dict.fromkeys(names))}" for remark, names in bins_of]


def export_table(result: Correlations) -> pd.DataFrame:
    """The table as files have it; a further column names simulated votes, or the measure in place of HSF."""
    if result.against != HSF:
        return result.table.assign(against=result.against)
    return result.table.assign(hsf_source="simulated") if result.simulated else result.table


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
    first = result.table["score"].iloc[0]
    counts = result.table[result.table["score"] == first]["n"]
    lines.append(" & ".join(["samples", "", *(f"{n:d}" for n in counts)]) + r" \\")
    for key, rows in result.table.groupby("score", sort=False):
        values = [rows["fisher_z"].iloc[0], *rows["spearman"]]
        lines.append(" & ".join([_escape(RANKED[str(key)].name), *(_number(value) for value in values)]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _source(result: Correlations) -> str:
    if result.against != HSF:
        return f"Spearman with {RANKED[result.against].name} of the images"
    return f"Human votes: {'SIMULATED panel' if result.simulated else 'people'}; Spearman with HSF"


def _checked(table: DatasetTable, keys: Sequence[str] | None, against: str) -> list[str]:
    name = table.dataset.name
    if table.run is None:
        raise CurateError(f"no model has scored {name} yet: run `avhcurate score {name} --model MODEL`")
    if against == HSF and table.votes is None:
        raise CurateError(f"dataset {name} has no human votes: run `avhcurate votes {name} FILE`")
    if against != HSF and against not in MEASURES:
        raise CurateError(f"scores are compared with hsf, {', '.join(PROXIES)}, not {against}")
    others = [key for key in PROXIES if key in table.measures and key != against]
    chosen = [*table.scores, *others] if keys is None else list(keys)
    measured = [key for key in [*chosen, against] if key in MEASURES]
    if missing := [key for key in measured if key not in table.measures]:
        raise CurateError(f"{', '.join(missing)} of {name} are not measured yet: run `avhcurate quality {name}`")
    scores = [key for key in chosen if key not in MEASURES]
    if scores or not chosen:
        check_scores(table, scores)
    return chosen


def _number(value: Any) -> str:
    return "--" if pd.isna(value) else f"${value:.3f}$"


def _escape(text: str) -> str:
    return "".join(f"\\{c}" if c in "&%$#_{}" else c for c in text)
