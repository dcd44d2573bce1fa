"""How each score follows human judgement: the correlation table, its comparisons, and the noise ceiling."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from avhcurate.analysis import correlation, dependent
from avhcurate.curation import bins, reliability
from avhcurate.curation.filters import Filters
from avhcurate.curation.reliability import Reliability
from avhcurate.errors import CurateError
from avhcurate.scores import SCORES
from avhcurate.services.tables import DatasetTable, check_scores
from avhcurate.storage.files import check_free, write_atomic


@dataclass(frozen=True)
class Correlations:
    """`table` has the contract's columns; `remarks` says of each row what is amiss; `pairs` tests two scores at a time.

    `ceiling` is the reliability of the votes behind HSF. `simulated`: they are not people's.
    """

    table: pd.DataFrame
    remarks: pd.Series
    pairs: pd.DataFrame
    ceiling: Reliability
    edges: tuple[float, ...]
    samples: int
    simulated: bool


def correlate(
    table: DatasetTable,
    *,
    keys: Sequence[str] | None = None,
    filters: Filters | None = None,
    edges: Sequence[float] | None = None,
    bootstrap: bool = False,
    seed: int = 0,
) -> Correlations:
    """Spearman of the scores with HSF over the samples that satisfy `filters`, all and per bin.

    Default: every score that the table has. Refused without votes, without a run, and when no sample has both.
    """
    chosen = _checked(table, keys)
    edges = bins.check_edges(edges or table.edges)
    frame = table.frame(filters or Filters(), columns=["id", "hsf", *chosen])
    if not frame["hsf"].notna().any():
        raise CurateError("no sample in view has human votes: widen the filters or attach votes")
    scores = {key: frame[key] for key in chosen}
    index = bins.bin_index(frame["hsf"], edges)
    interval: Literal["analytic", "bootstrap"] = "bootstrap" if bootstrap else "analytic"
    found = correlation.correlate(
        scores, frame["hsf"], index, bins.bin_labels(edges), ids=frame["id"], interval=interval, seed=seed
    )
    harder = {key: SCORES[key].harder for key in chosen}
    pairs = dependent.compare(scores, frame["hsf"], harder=harder, ids=frame["id"])
    return Correlations(
        found, correlation.remarks(found), pairs, noise_ceiling(table), edges, len(frame), table.simulated
    )


def noise_ceiling(table: DatasetTable) -> Reliability:
    """Split-half reliability of the dataset's votes, all of them, and the best Spearman a score could reach."""
    votes = table.vote_counts()
    if votes is None:
        raise CurateError(
            f"dataset {table.dataset.name} has no human votes: run `avhcurate votes {table.dataset.name} FILE`"
        )
    if "counts" in votes:
        labels = table.dataset.labels()[votes["id"]]
        return reliability.of_counts(np.stack(votes["counts"].to_list()), labels)
    return reliability.of_ticks(votes["selected"], votes["shown"])


def contract_table(found: Correlations) -> pd.DataFrame:
    """The table as files have it; a column `hsf_source` says so when the votes are simulated."""
    return found.table.assign(hsf_source="simulated") if found.simulated else found.table


def write_csv(found: Correlations, out: Path, *, force: bool = False) -> None:
    """Writes the contract's columns; an existing file is refused unless `force`."""
    check_free(out, force=force)
    write_atomic(out, contract_table(found).to_csv(index=False))


def to_latex(found: Correlations) -> str:
    """The table of the paper: a row a score, a column a bin, Spearman with its sign; n and Fisher z in front.

    Needs the LaTeX package booktabs.
    """
    groups = list(dict.fromkeys(found.table["bin"]))
    lines = [
        f"% Human votes: {'SIMULATED panel' if found.simulated else 'people'}; Spearman with HSF, signs kept.",
        r"\begin{tabular}{l" + "r" * (len(groups) + 1) + "}",
        r"\toprule",
        " & ".join(["Score", "$z$", *(_escape(group) for group in groups)]) + r" \\",
        r"\midrule",
    ]
    first = found.table["score"].iloc[0]
    counts = found.table[found.table["score"] == first]["n"]
    lines.append(" & ".join(["samples", "", *(f"{n:d}" for n in counts)]) + r" \\")
    for key, rows in found.table.groupby("score", sort=False):
        values = [rows["fisher_z"].iloc[0], *rows["spearman"]]
        lines.append(" & ".join([_escape(SCORES[str(key)].name), *(_number(value) for value in values)]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _checked(table: DatasetTable, keys: Sequence[str] | None) -> list[str]:
    name = table.dataset.name
    if table.run is None:
        raise CurateError(f"no model has scored {name} yet: run `avhcurate score {name} --model MODEL`")
    if table.votes is None:
        raise CurateError(f"dataset {name} has no human votes: run `avhcurate votes {name} FILE`")
    chosen = list(table.scores) if keys is None else list(keys)
    check_scores(table, chosen)
    return chosen


def _number(value: Any) -> str:
    return "--" if pd.isna(value) else f"${value:.3f}$"


def _escape(text: str) -> str:
    return "".join(f"\\{c}" if c in "&%$#_{}" else c for c in text)
