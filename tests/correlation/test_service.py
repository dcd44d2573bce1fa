"""The correlations of a real table: scipy's numbers in every group, filters, files and their marks."""

import pandas as pd
import pytest
from scipy import stats

from avhcurate.correlation.service import correlate, export_table, to_latex
from avhcurate.errors import CurateError
from avhcurate.export.tabular import write_csv_file
from avhcurate.scores import SCORES
from avhcurate.table.filters import Filters


def test_the_correlation_table_equals_scipy_in_every_group(digits):
    found = correlate(digits)
    frame = digits.frame(Filters())
    assert list(found.table.columns) == ["score", "bin", "n", "spearman", "ci_low", "ci_high", "fisher_z", "p_value"]
    assert set(found.table["score"]) == {
        key for key, score in SCORES.items() if score.needs not in ("training", "prototypes")
    }
    for row in found.table.itertuples():
        group = frame if row.bin == "all" else frame[frame["hsf_bin"] == row.bin]
        group = group[group[row.score].notna() & group["hsf"].notna()]
        assert row.n == len(group)
        expected = stats.spearmanr(group[row.score].astype("float64"), group["hsf"]).statistic
        assert row.spearman == pytest.approx(expected, abs=1e-9)
    by_bin = found.table[found.table["score"] == "avh"].set_index("bin")["n"]
    assert by_bin["all"] == by_bin.drop("all").sum() == frame["hsf"].notna().sum()


def test_filters_narrow_the_correlations(digits):
    some = correlate(digits, keys=["avh"], filters=Filters(splits=("test",)))
    assert some.table["n"].iloc[0] == digits.count(Filters(splits=("test",)))
    assert list(some.table["score"].unique()) == ["avh"]


def test_correlation_files_are_marked_simulated_and_latex_has_a_row_a_score(digits, tmp_path):
    found = correlate(digits, keys=["avh", "confidence"])
    write_csv_file(export_table(found), tmp_path / "c.csv")
    written = pd.read_csv(tmp_path / "c.csv")
    assert set(written["hsf_source"]) == {"simulated"}
    assert list(written.columns[:8]) == list(found.table.columns)
    latex = to_latex(found)
    assert "SIMULATED" in latex
    assert latex.count(r"\\") == 4
    with pytest.raises(CurateError, match="--force"):
        write_csv_file(export_table(found), tmp_path / "c.csv")


def test_what_is_missing_is_named(digits):
    with pytest.raises(CurateError, match="hardness"):
        correlate(digits, keys=["hardness"])
    with pytest.raises(CurateError, match="widen"):
        correlate(digits, filters=Filters(where="avh > 5"))
