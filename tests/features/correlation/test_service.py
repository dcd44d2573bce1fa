"""The correlations of a real table: scipy's numbers in every group, filters, files and their marks."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.columns import set_harder
from avhcurate.datasets.export.tabular import write_table
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError, NothingFound, Run
from avhcurate.features.correlation.analyses import analyse
from avhcurate.features.correlation.service import correlate, export_table, to_latex, weighted_table
from avhcurate.measures.scores import SCORES
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.refusals import refused
from tests.fakes.workspaces import HOSTILE_COLUMN, copied


def test_the_correlation_table_equals_scipy_in_every_group(digits):
    found = correlate(digits.samples, digits.run, digits.votes)
    frame = digits.samples.frame(Filters())
    assert list(found.table.columns) == ["score", "bin", "n", "spearman", "ci_low", "ci_high", "fisher_z", "p_value"]
    lacking = ("training", "prototypes", "neighbours")
    assert set(found.table["score"]) == {key for key, score in SCORES.items() if score.needs not in lacking}
    for row in found.table.itertuples():
        group = frame if row.bin == "all" else frame[frame["hsf_bin"] == row.bin]
        group = group[group[row.score].notna() & group["hsf"].notna()]
        assert row.n == len(group)
        expected = spearmanr(group[row.score].astype("float64"), group["hsf"]).statistic
        assert row.spearman == pytest.approx(expected, abs=1e-9)
    by_bin = found.table[found.table["score"] == "avh"].set_index("bin")["n"]
    assert by_bin["all"] == by_bin.drop("all").sum() == frame["hsf"].notna().sum()


def test_filters_narrow_the_correlations(digits):
    some = correlate(digits.samples, digits.run, digits.votes, keys=["avh"], filters=Filters(splits=("test",)))
    assert some.table["n"].iloc[0] == digits.samples.count(Filters(splits=("test",)))
    assert list(some.table["score"].unique()) == ["avh"]


def test_correlation_files_are_marked_simulated_and_latex_has_a_row_a_score(digits, tmp_path):
    found = correlate(digits.samples, digits.run, digits.votes, keys=["avh", "confidence"])
    write_table(export_table(found), tmp_path / "c.csv")
    written = pd.read_csv(tmp_path / "c.csv")
    assert set(written["hsf_source"]) == {"simulated"}
    assert list(written.columns[:8]) == list(found.table.columns)
    latex = to_latex(found)
    assert "SIMULATED" in latex
    assert latex.count(r"\\") == 4
    with pytest.raises(CurateError, match="--force"):
        write_table(export_table(found), tmp_path / "c.csv")


def test_votes_of_excluded_samples_only_are_not_the_same_as_none(own_digits):
    annotate(own_digits.decisions, Filters(where="id < 1700"), "exclude")
    some = Filters(where="id < 1700")
    opened = own_digits
    correlated = partial(correlate, opened.samples, opened.run, opened.votes)
    for find in (correlated, partial(analyse, opened.samples, opened.run, opened.votes, analysis="adding")):
        with refused(1700, Run("exclude", "digits", include=True, where="CONDITION"), kind=NothingFound):
            find(filters=some)
        with refused(kind=NothingFound):
            find(filters=Filters(where="avh > 5"))


# --- columns of the user's own --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def columns(columns_root):
    return open_dataset(Workspace(columns_root), "digits")


@pytest.fixture(scope="module")
def said(columns_root, tmp_path_factory):
    """The same with the harder ends said."""
    space = Workspace(copied(columns_root, tmp_path_factory.mktemp("said") / "workspace"))
    opened = open_dataset(space, "digits")
    set_harder(space, opened.samples, opened.dataset, {"my_score": "high", HOSTILE_COLUMN: "low"})
    return open_dataset(space, "digits")


@pytest.mark.parametrize("name", ["my_score", HOSTILE_COLUMN])
def test_an_own_number_is_correlated_beside_the_scores_and_in_place_of_hsf(columns, name):
    frame = columns.samples.frame(Filters())
    found = correlate(columns.samples, columns.run, columns.votes, keys=["avh", name])
    row = found.table[(found.table["score"] == name) & (found.table["bin"] == "all")].iloc[0]
    expected = frame[name].astype(float).corr(frame["hsf"], method="spearman")
    assert (row["spearman"], row["n"]) == (pytest.approx(expected), frame[name].notna().sum())
    assert found.unsaid == [name]
    assert found.pairs.empty
    against = correlate(columns.samples, columns.run, columns.votes, keys=["avh", "confidence"], against=name)
    expected = frame["avh"].corr(frame[name].astype(float), method="spearman")
    assert against.table["spearman"].iloc[0] == pytest.approx(expected)
    assert against.pairs.empty
    assert name in export_table(against)["against"].to_list()


def test_a_column_joins_by_itself_once_its_harder_end_is_said_and_is_compared(said, columns):
    assert "my_score" not in set(correlate(columns.samples, columns.run, columns.votes).table["score"])
    found = correlate(said.samples, said.run, said.votes)
    assert list(dict.fromkeys(found.table["score"]))[-2:] == ["my_score", HOSTILE_COLUMN]
    pair = found.pairs.set_index(["first", "second"]).loc[("avh", "my_score")]
    assert pair["second_agreement"] > 0.7 > pair["first_agreement"] > 0  # my_score is 1 - HSF with a little noise
    assert pair["difference"] < 0


def test_a_proxy_of_which_much_is_hard_turns_the_signs(said):
    with_hsf = correlate(said.samples, said.run, said.votes, keys=["avh", "confidence"])
    with_own = correlate(said.samples, said.run, said.votes, keys=["avh", "confidence"], against="my_score")
    assert (with_hsf.toward, with_own.toward) == (1, -1)
    for one, other in zip(with_hsf.pairs.itertuples(), with_own.pairs.itertuples(), strict=True):
        assert one.first_agreement * other.first_agreement > 0
        assert one.second_agreement * other.second_agreement > 0


@pytest.mark.parametrize(
    ("keys", "against", "reason"),
    [
        (["avh", "place"], "hsf", "Unknown score place"),
        (["hardness"], "hsf", "hardness"),
        (["avh"], "taken", "cannot be compared with taken.*column of numbers"),
        (["sharpness"], "hsf", "not measured yet"),
    ],
)
def test_columns_that_are_not_numbers_are_refused(columns, keys, against, reason):
    with pytest.raises(CurateError, match=reason):
        correlate(columns.samples, columns.run, columns.votes, keys=keys, against=against)


# --- votes of a queue that drew -----------------------------------------------------------------------------------


def made_up(rng, size):
    """Two scores, high where HSF is low, and the chance that a queue asks: the higher the first, the likelier."""
    ease = rng.normal(size=size)
    scores = {"close": -ease + rng.normal(size=size), "far": -ease + 2 * rng.normal(size=size)}
    return scores, ease, np.where(scores["close"] > 0.5, 0.9, 0.1)


def test_with_equal_weights_they_are_the_usual_correlations():
    rng = np.random.default_rng(0)
    scores, hsf, _ = made_up(rng, 200)
    scores["far"][:50] = np.nan
    index = (hsf > 0).astype(int)
    index[:20] = -1
    table = weighted_table(scores, hsf, np.full(200, 3.0), index, ["low", "high"]).set_index(["score", "bin"])
    for at, label in ((0, "low"), (1, "high")):
        rows = (index == at) & ~np.isnan(scores["far"])
        expected = spearmanr(scores["far"][rows], hsf[rows]).statistic
        assert table.loc[("far", label), "weighted"] == pytest.approx(expected)


def test_intervals_cover_what_the_whole_dataset_would_have_said():
    rng = np.random.default_rng(1)
    scores, hsf, _ = made_up(rng, 200_000)
    whole = {key: spearmanr(values, hsf).statistic for key, values in scores.items()}
    covered = 0
    bent = []
    for _ in range(60):
        scores, hsf, chance = made_up(rng, 1000)
        asked = rng.random(1000) < chance
        part = {key: values[asked] for key, values in scores.items()}
        row = weighted_table({"close": part["close"]}, hsf[asked], 1 / chance[asked], np.zeros(asked.sum(), int), [])
        covered += row["weighted_low"].item() <= whole["close"] <= row["weighted_high"].item()
        bent.append(spearmanr(part["close"], hsf[asked]).statistic)
    assert covered >= 52  # 95 % of 60 less three standard errors
    assert np.mean(bent) > whole["close"] + 0.05  # without weights it is another correlation


def test_what_does_not_vary_has_none_and_few_samples_have_no_interval():
    scores, hsf = {"close": np.arange(6.0), "far": np.ones(6)}, np.array([0.1, 0.3, 0.2, 0.6, 0.4, 0.5])
    table = weighted_table(scores, hsf, np.ones(6), np.zeros(6, int), ["all of them"]).set_index(["score", "bin"])
    assert table.loc[("close", "all"), "weighted"] == pytest.approx(0.771, abs=1e-3)
    assert table.loc[("close", "all"), ["weighted_low", "weighted_high"]].isna().all()
    assert table.loc["far"].isna().all(axis=None)
