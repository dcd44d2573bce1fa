"""Runs of networks that were planted beside the real one of the digits, compared on the same samples; statistics."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import precision_recall_fscore_support

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.features.compare import plots, run_pair, samples
from avhcurate.features.compare import service as compare_service
from avhcurate.features.compare.run_pair import compare_pair, mcnemar
from avhcurate.features.compare.service import by_class, confusion, most_confused, side_by_side
from avhcurate.measures.stats import correlation_tests
from avhcurate.measures.stats.calibration import calibrate
from avhcurate.measures.stats.multiple_testing import holm
from avhcurate.people.attach import attach_votes
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.workspaces import copied

HARD = ("[0, 0.2)", "[0.2, 0.4)")
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def planted(demo_root, tmp_path_factory, add_run):
    """The demo with `sharp`, right in the two hardest bins and else wrong on 7, and `part`, which lacks 100 ids."""
    root = copied(demo_root, tmp_path_factory.mktemp("planted") / "workspace")
    table = open_dataset(Workspace(root), "digits").samples.frame(columns=["id", "label", "hsf_bin"])
    hard, seven = table["hsf_bin"].isin(HARD).to_numpy(), (table["label"] == 7).to_numpy()
    labels = table["label"].to_numpy()

    def sharp(rows):
        predicted = np.where(hard, labels, np.where(seven, 1, rows["predicted"]))
        flipped = np.where(hard, rows["avh"].min(), rows["avh"])
        return rows.assign(predicted=predicted.astype("int32"), avh=flipped, norm=-rows["norm"])

    add_run(root, "sharp-1", sharp)
    add_run(root, "part-2", lambda rows: rows[rows["id"] >= 100])
    return root


@pytest.fixture(scope="module")
def opened(planted):
    return open_dataset(Workspace(planted), "digits", "sharp-1")


@pytest.fixture(scope="module")
def names(opened):
    return (
        next(run.name for run in opened.dataset.runs() if run.record.model == "avhcurate:digits"),
        "sharp-1",
        "part-2",
    )


@pytest.fixture(scope="module")
def pair(opened, names):
    return compare_pair(opened.samples, opened.votes, names[0], "sharp-1")


def rows_of(opened, name):
    rows = pq.read_table(opened.dataset.run(name).scores_path).to_pandas().set_index("id")
    return rows.join(opened.samples.frame(columns=["id", "label", "hsf", "hsf_bin", "split"]).set_index("id"))


def test_the_table_says_what_the_files_say(opened, names):
    found = side_by_side(opened.samples, opened.votes, names[:2], keys=["avh", "norm"])
    assert found.table["run"].tolist() == list(names[:2])
    rows = rows_of(opened, names[0])
    row = found.table.iloc[0]
    right = rows["predicted"] == rows["label"]
    assert (row["n"], row["accuracy"]) == (1797, pytest.approx(right.mean()))
    assert row["class_accuracy"] == pytest.approx(right.groupby(rows["label"]).mean().mean())
    # Brier and NLL again from the features, head and labels.
    run = opened.dataset.run(names[0])
    logits = run.features().astype(float) @ run.class_weights().T + run.bias()
    probs = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    labels = rows["label"].to_numpy(int)
    assert row["brier"] == pytest.approx(((probs - np.eye(10)[labels]) ** 2).sum(axis=1).mean(), rel=1e-4)
    assert row["nll"] == pytest.approx(-np.log(probs[np.arange(1797), labels]).mean(), rel=1e-3)
    assert row["avh_hsf"] == pytest.approx(rows["avh"].corr(rows["hsf"], method="spearman"))
    assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
    in_bin = found.agreement.set_index(["run", "score", "bin"])["spearman"]
    some = rows[rows["hsf_bin"] == "[0.8, 1]"]
    expected = some["avh"].corr(some["hsf"], method="spearman")
    assert in_bin[names[0], "avh", "[0.8, 1]"] == pytest.approx(expected)


def test_samples_that_a_run_has_not_scored_are_left_out_and_counted(opened, names):
    found = side_by_side(opened.samples, opened.votes, names)
    assert (len(compare_service.hardness_ranks(opened.samples, opened.votes, names)), found.labelled) == (1697, 1797)
    assert found.table.set_index("run")["not_scored"].to_dict() == {names[0]: 0, "sharp-1": 0, "part-2": 100}
    assert set(found.table["n"]) == {1697}
    pair = compare_pair(opened.samples, opened.votes, "part-2", names[0])
    assert pair.left_out == (100, 0)
    # The part has the numbers of the real run: aligned by id, both sides are the same.
    assert (pair.points["a_rank"] == pair.points["b_rank"]).all()
    assert pair.points.index.min() == 100
    assert pair.only == (0, 0, 1.0)


def test_who_is_right_finds_the_network_that_is_perfect_on_hard_bins(opened, names, pair):
    every = run_pair.who_is_right(pair).set_index(["judge", "slice"])
    rows = every["right"].unstack("judge")
    assert (every.loc["b"].loc[list(HARD), ["right", "right_high"]] == 1).all(axis=None)
    assert rows.loc[HARD[0], "people"] < 0.1
    assert (rows.loc[list(HARD), "people"] < rows.loc[list(HARD), "b"]).all()
    of_bin = rows_of(opened, names[0]).query("hsf_bin == '[0, 0.2)'")
    assert rows.loc[HARD[0], "a"] == pytest.approx((of_bin["predicted"] == of_bin["label"]).mean())
    n = every.loc["a"]["n"]
    assert n.iloc[1:].sum() == n["all"] == 1797


def test_of_ticks_people_are_right_where_more_than_half_ticked(own_demo_root, add_run, tmp_path):
    add_run(own_demo_root, "other-1", lambda rows: rows)
    (tmp_path / "ticks.csv").write_text("id,selected,shown\n0,5,10\n1,6,10\n2,0,3\n4,1,1\n")
    attach_votes(Workspace(own_demo_root), "digits", tmp_path / "ticks.csv", force=True)
    opened = open_dataset(Workspace(own_demo_root), "digits")
    found = compare_pair(opened.samples, opened.votes, *[run.name for run in samples.comparable_runs(opened.dataset)])
    assert found.points["people"][:6].tolist() == [0, 1, 0, -1, 1, -1]
    rows = run_pair.who_is_right(found).query("judge == 'people'").set_index("slice")
    assert rows.loc["all", ["n", "right"]].tolist() == [4, 0.5]
    assert rows["n"].tolist() == [4, 1, 0, 1, 1, 1]
    assert run_pair.outcomes(found)["n"].sum() == 4
    side = side_by_side(opened.samples, opened.votes)
    assert (side.table["avh_hsf_n"] == 4).all()
    assert "hsf_source" not in side.table


def test_the_combinations_add_up_and_lead_to_their_samples(pair):
    rows = run_pair.outcomes(pair)
    assert (len(rows), rows["n"].sum()) == (8, 1797)
    for row in rows.itertuples():
        ids = pair.ids(f"people == {row.people} and a == {row.a} and b == {row.b}")
        assert len(ids) == row.n
        assert (pair.points.loc[ids, ["people", "a", "b"]] == [row.people, row.a, row.b]).all(axis=None)


def test_confusions_are_those_of_a_cross_table_with_precision_recall_and_f1(opened, names):
    rows, counts = rows_of(opened, "sharp-1"), confusion(opened.samples, Filters())
    crossed = pd.crosstab(rows["label"], rows["predicted"]).reindex(range(10), columns=range(10), fill_value=0)
    assert (counts == crossed.to_numpy()).all()
    confused = most_confused(counts, 5)
    assert confused[:2] == [7, 1]
    often = counts[confused[::2], confused[1::2]]
    assert (len(often), often.tolist()) == (5, sorted(often.tolist(), reverse=True))
    of_class = by_class(counts, opened.samples.classes)
    theirs = precision_recall_fscore_support(rows["label"], rows["predicted"])
    for key, expected in zip(("precision", "recall", "f1", "recall_n"), theirs, strict=True):
        assert np.allclose(of_class[key], expected)


def test_hard_for_one_is_what_was_planted(opened, names, pair):
    ids = pair.ids("a_rank >= 0.8 and b_rank <= 0.2", "a_rank - b_rank")
    assert len(ids) > 20
    hard = rows_of(opened, names[0]).loc[ids]
    assert hard["hsf_bin"].isin(HARD).all()  # there the planted network finds everything easy
    assert (hard["avh"] >= rows_of(opened, names[0])["avh"].quantile(0.79)).all()
    ranks = pair.points[["a_rank", "b_rank"]]
    assert set(ids) == set(ranks[(ranks["a_rank"] >= 0.8) & (ranks["b_rank"] <= 0.2)].index)
    assert (ranks.loc[ids, "a_rank"] - ranks.loc[ids, "b_rank"]).is_monotonic_decreasing


def test_the_test_between_runs_is_the_dependent_one_on_the_same_samples(opened, names):
    found = compare_pair(opened.samples, opened.votes, names[0], "sharp-1", keys=["avh", "confidence"])
    a, b = rows_of(opened, names[0]), rows_of(opened, "sharp-1")
    harder = {"a": "high", "b": "high"}
    expected = correlation_tests.compare({"a": a["avh"], "b": b["avh"]}, a["hsf"], harder=harder).iloc[0]
    row = found.tests[(found.tests["score"] == "avh") & (found.tests["bin"] == "all")].iloc[0]
    assert (row["difference"], row["p_value"]) == pytest.approx((expected["difference"], expected["p_value"]))
    assert row["difference"] > 0  # the planted network finds easy what people find hard
    of_bin = found.tests[(found.tests["score"] == "confidence") & (found.tests["bin"] == "[0.8, 1]")].iloc[0]
    assert of_bin["n"] == (a["hsf_bin"] == "[0.8, 1]").sum()
    assert of_bin["difference"] == 0  # both have the same confidences
    np.testing.assert_allclose(found.tests["p_holm"], holm(found.tests["p_value"]))


def test_discovery_five_holds_where_one_network_was_turned(opened, names):
    found = side_by_side(opened.samples, opened.votes, names[:2])
    four, five = found.findings
    assert (four.discovery, five.discovery, five.verdict) == (4, 5, "holds")
    same = side_by_side(opened.samples, opened.votes, [names[0], "part-2"])
    assert same.findings[1].verdict == "does not hold"


def test_runs_of_different_class_counts_are_compared_by_relative_avh(own_demo_root, add_run):
    add_run(own_demo_root, "wide-1", lambda rows: rows.assign(avh=rows["avh"] / 2), num_classes=20)
    opened = open_dataset(Workspace(own_demo_root), "digits")
    first = opened.dataset.run("avhcurate:digits").name
    pair = compare_pair(opened.samples, opened.votes, first, "wide-1")
    assert (pair.measure, pair.num_classes) == ("relative_avh", 20)
    assert (pair.points["a_rank"] == pair.points["b_rank"]).all()


def test_by_default_each_network_counts_once(own_demo_root, add_run):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    own = opened.dataset.run("avhcurate:digits")
    same = own.record.weights_sha256
    add_run(own_demo_root, "again-1", lambda rows: rows[:1000], weights_sha256=same)
    add_run(own_demo_root, "tiny-2", lambda rows: rows[:300])
    add_run(own_demo_root, "other-3", lambda rows: rows)
    chosen = samples.default_runs(samples.comparable_runs(opened.dataset))
    assert sorted(chosen) == sorted([own.name, "other-3"])


def test_mistakes_say_what_there_is(opened, names):
    with pytest.raises(CurateError, match="Name each run once"):
        compare_pair(opened.samples, opened.votes, names[0], names[0])
    with pytest.raises(CurateError, match="A run has no score aum"):
        side_by_side(opened.samples, opened.votes, names, keys=["aum"])
    with pytest.raises(CurateError, match="has no run 'nothing'"):
        side_by_side(opened.samples, opened.votes, ["nothing"])


def test_the_verb_prints_and_writes_the_same_table(planted, names, tmp_path, cli):
    words = ["models", "digits", "--workspace", planted, "--runs"]
    runs = ",".join(names[:2])
    code, out, _ = cli(*words, runs, "--out", tmp_path / "models.csv")
    assert code == 0
    assert "SIMULATED" in out
    assert "AVH follows HSF in every model" in out
    found = side_by_side(
        open_dataset(Workspace(planted), "digits").samples,
        open_dataset(Workspace(planted), "digits").votes,
        names[:2],
        keys=["avh", "confidence"],
    )
    written = pd.read_csv(tmp_path / "models.csv")
    assert set(written["hsf_source"]) == {"simulated"}
    assert written["ece"].tolist() == pytest.approx(found.table["ece"].tolist())
    assert [row["run"] for row in json.loads(cli(*words, runs, "--json").out)["rows"]] == list(names[:2])
    code, _, err = cli(*words, runs, "--out", tmp_path / "models.csv")
    assert (code, "already exists" in err) == (2, True)
    assert cli(*words, "x").code == 2


def test_mcnemar_is_the_binomial_of_those_that_only_one_has_right():
    one, other = pd.Series([0] * 30), pd.Series([0] * 30)
    one[:12] = other[11:14] = 1  # 11 only first, 2 only second, 1 both
    p = 2 * sum(np.prod([(13 - i) / (i + 1) for i in range(k)]) for k in range(3)) / 2**13
    assert mcnemar(one, other) == (11, 2, pytest.approx(p))
    assert mcnemar(one, one) == (0, 0, 1.0)


def test_reliability_has_a_line_a_run_through_its_bins():
    found = calibrate(RNG.random(200), RNG.random(200) < 0.5)
    figure = plots.reliability(dict.fromkeys("ab", found), {"a": "one", "b": "two"}, linked=True)
    assert [trace.name for trace in figure.data] == ["one", "two"]
    assert list(figure.data[0].y) == found.bins["accuracy"].tolist()
