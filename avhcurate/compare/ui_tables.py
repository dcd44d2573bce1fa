"""Tables of the Models page: the runs, how AVH and norm follow HSF, the tests between runs, and who is right."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from avhcurate.compare.pair import RunPair
from avhcurate.compare.service import SideBySide
from avhcurate.stats.calibration import BINNINGS
from avhcurate.ui.html_table import estimate, html_table, table_row
from avhcurate.ui.score_help import score_name
from avhcurate.ui.text import p_text

TEST_NOTE = (
    "Agreement is Spearman with HSF turned by the score's hard end: above 0, the run finds hard what has a low HSF. "
    "Meng, Rosenthal and Rubin's test of two correlations on the same samples, with its 95 % interval of the "
    "difference of Fisher z; p-values are not corrected for the number of comparisons."
)


def people(simulated: bool) -> str:
    """Whose judgement HSF is."""
    return "the simulated panel" if simulated else "people"


def runs_html(found: SideBySide, keys: Sequence[str]) -> str:
    """A row a run: accuracy, calibration, mean AVH, and Spearman of each of `keys` with HSF where there are votes."""
    table = found.table
    keys = keys if found.samples.voted else []
    measure = "avh" if table["classes"].nunique() == 1 else "relative_avh"
    hsf = "HSF, simulated" if found.simulated else "HSF"
    heads = ["Run", "n", "Accuracy", "Per class", "ECE<small>equal mass</small>", "ECE<small>equal width</small>"]
    heads += ["Brier", "NLL", "Mean AVH" if measure == "avh" else "Relative AVH"]
    heads += [f"{escape(score_name(key))}<small>with {hsf}</small>" for key in keys]
    rows = []
    for row in table.to_dict("records"):
        cells = [
            f"{row['n']:,}",
            _interval(row, "accuracy", 1, percent=True),
            f"{100 * row['class_accuracy']:.1f}",
            *(_ece(row, f"ece_{binning}") for binning in BINNINGS),
            f"{row['brier']:.4f}",
            f"{row['nll']:.4f}",
            f"{row[measure]:.4f}",
            *(_interval(row, f"{key}_hsf", 3) for key in keys),
        ]
        name = f"{escape(row['model'])}<small>{row['classes']} classes</small>"
        rows.append(table_row(name, cells, title=escape(row["run"])))
    return html_table(heads, rows)


def hsf_html(found: SideBySide) -> str:
    """A row a run: Spearman of AVH and of the norm with HSF."""
    hsf = "HSF (simulated votes)" if found.simulated else "HSF"
    rows = [
        table_row(escape(row["model"]), [f"{row['n']:,}", *(_interval(row, key, 3) for key in ("avh", "norm"))])
        for row in found.follows.rename(columns={"avh_spearman": "avh", "norm_spearman": "norm"}).to_dict("records")
    ]
    return html_table(["Run", "n", f"AVH with {hsf}", f"Norm with {hsf}"], rows)


def tests_html(found: SideBySide, names: Mapping[str, str]) -> str:
    """The test of every two runs, each score in its row; `names` of the runs."""
    rows = [
        table_row(
            escape(f"{names[str(row.first)]} − {names[str(row.second)]}"),
            [escape(score_name(str(row.score))), *_test(row)],
        )
        for row in found.pairs.itertuples()
    ]
    return html_table(["First − second", "Score", "n", "First", "Second", "Difference of z", "p"], rows)


def agreement_html(found: RunPair) -> str:
    """Run A against run B: agreement with HSF by score, over all samples and per bin."""
    rows = [
        table_row(escape(score_name(str(row.score))), [escape(str(row.bin)), *_test(row)])
        for row in found.tests.itertuples()
    ]
    return html_table(["Score", "HSF bin", "n", "A", "B", "Difference of z", "p"], rows)


def right_html(rows: pd.DataFrame, *, majority: str) -> str:
    """Shares right of A, B and, where it has a name, the `majority`: a row an HSF bin."""
    heads = ["Votes for the label", f"Majority<small>{majority}</small>"] if majority else []
    body = []
    for row in rows.to_dict("records"):
        cells = [f"{row['n']:,}"]
        if majority:
            share = "–" if row["share"] != row["share"] else f"{100 * row['share']:.1f} %"
            cells += [share, _interval(row, "people", 1, percent=True)]
        cells += [_interval(row, side, 1, percent=True) for side in "ab"]
        body.append(table_row(escape(row["bin"]), cells))
    return html_table(["HSF bin", "n", *heads, "A", "B"], body)


def _interval(row: Mapping[Any, Any], key: str, digits: int, *, percent: bool = False) -> str:
    return estimate(row[key], row[f"{key}_low"], row[f"{key}_high"], digits, percent=percent)


def _ece(row: Mapping[Any, Any], key: str) -> str:
    ends = f"{row[f'{key}_low']:.3f} to {row[f'{key}_high']:.3f}"
    return f"{row[key]:.3f}<small>{ends}</small><small>chance {row[f'{key}_chance']:.3f}</small>"


def _test(row: Any) -> list[str]:
    """n, both agreements, the difference of Fisher z with its interval, and p."""
    nan = float("nan")
    agreements = [estimate(value, nan, nan, 3) for value in (row.first_agreement, row.second_agreement)]
    tested = row.p_value == row.p_value
    difference = estimate(row.difference, row.ci_low, row.ci_high, 3) if tested else "–"
    return [f"{row.n:,}", *agreements, difference, p_text(row.p_value) if tested else "–"]
