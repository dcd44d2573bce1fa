"""Who counts, what that does to HSF, what votes say about themselves (one annotator is careless), and figures."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.features.annotate import annotators, plots, queue, setup
from avhcurate.features.annotate.plots import votes_of_samples, votes_over_time
from avhcurate.measures.stats.correlation import fisher_interval
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.votes import answer_all, collect, members, tick, truth
from tests.fakes.workspaces import copied

CAREFUL = ("ann", "bob", "cid")
EACH = 30


def give(opened, annotator, number, *, off=0, every=1):
    """Lets an annotator answer questions, of every so many images with a class so far off the given label."""
    right = truth(opened)
    answer_all(
        opened, annotator, lambda id: (right(id) + off * (id % every == 0)) % len(opened.samples.classes), number
    )
    opened.refresh()


def test_excluding_and_including_an_annotator_moves_hsf_and_opens_places(pets):
    collect(pets, control_share=0.0, target=2)
    give(pets, "ann", 60)
    give(pets, "bob", 60, off=1)
    assert (pets.samples.frame()["hsf"] == 0.5).all()
    assert queue.next_questions(pets.decisions, pets.votes, pets.run, "cyd") == ()
    annotators.set_status(pets.votes, "bob", "exclude", why="always wrong", who="boss")
    assert (pets.samples.frame()["hsf"] == 1.0).all()
    assert setup.source(pets.votes).left_out == 1
    assert len(queue.next_questions(pets.decisions, pets.votes, pets.run, "cyd", ahead=60)) == 60
    found = annotators.annotators(pets.votes).set_index("annotator")
    assert found["excluded"].to_dict() == {"ann": False, "bob": True}
    assert (found.loc["bob", "why"], found.loc["bob", "by"]) == ("always wrong", "hand: boss")
    annotators.set_status(pets.votes, "bob", "include", who="boss")
    assert (pets.samples.frame()["hsf"] == 0.5).all()
    assert annotators.status_changes(pets.votes)["action"].tolist() == ["include", "exclude"]


def test_a_withdrawn_annotator_is_gone_from_hsf_and_tables(pets):
    collect(pets, control_share=0.0)
    give(pets, "ann", 60)
    give(pets, "bob", 30, off=1)
    assert annotators.withdraw(pets.votes, "bob") == 30
    assert (pets.samples.frame()["hsf"] == 1.0).all()
    assert annotators.annotators(pets.votes)["annotator"].tolist() == ["ann"]
    annotators.withdraw(pets.votes, "ann")
    assert pets.samples.frame()["hsf"].isna().all()
    assert pets.samples.frame()["votes"].isna().all()
    assert pets.samples.votes is None


def test_the_control_filter_leaves_out_who_fails_controls_unless_included_by_hand(own_digits):
    collect(own_digits, control_share=0.5, target=5)
    give(own_digits, "ann", 40)
    give(own_digits, "bob", 40, off=1)
    found = annotators.annotators(own_digits.votes).set_index("annotator")
    assert found["control_accuracy"].to_dict() == {"ann": 1.0, "bob": 0.0}
    assert setup.choose_source(own_digits.votes, who="boss").collected == 40
    source = setup.choose_source(own_digits.votes, control_filter=0.8, who="boss")
    assert (source.collected, source.annotators, source.left_out) == (20, 1, 1)
    assert (own_digits.samples.frame()["hsf"].dropna() == 1.0).all()
    found = annotators.annotators(own_digits.votes).set_index("annotator")
    assert (found.loc["bob", "why"], found.loc["bob", "by"]) == ("0 of 20 controls right, below 80%", "rule")
    annotators.set_status(own_digits.votes, "bob", "include", who="boss")
    assert setup.source(own_digits.votes).collected == 40


def ask(root):
    """The digits with a collection that asks everybody about the same images first, a fifth of them checks."""
    opened = open_dataset(Workspace(root), "digits")
    collect(opened, queue="hardest", target=10, control_share=0.2)
    return opened


@pytest.fixture
def asked(own_demo_root):
    return ask(own_demo_root)


@pytest.fixture(scope="module")
def voted_root(demo_root, tmp_path_factory):
    """Three careful annotators and one who always says one class more."""
    root = tmp_path_factory.mktemp("voted") / "demo"
    opened = ask(copied(demo_root, root))
    for name in CAREFUL:
        give(opened, name, EACH)
    give(opened, "mal", EACH, off=1)
    return root


@pytest.fixture
def voted(voted_root, tmp_path):
    return open_dataset(Workspace(copied(voted_root, tmp_path / "voted")), "digits")


def test_votes_are_those_of_the_log_without_controls(voted):
    quality = annotators.vote_quality(voted.votes, "classify")
    answers = annotators.responses(voted.votes, controls=True)
    plain = answers[answers["control"] == "none"]
    assert len(quality.votes) == len(plain) < len(answers)
    assert quality.by_sample.sum() == len(plain)
    np.testing.assert_array_equal(quality.by_sample, np.bincount(plain["id"], minlength=voted.samples.size))


def test_agreement_rises_without_who_guesses(voted):
    before = annotators.vote_quality(voted.votes, "classify")
    table = before.table.set_index("annotator")
    assert table["control_accuracy"].to_dict() == {"ann": 1, "bob": 1, "cid": 1, "mal": 0}
    assert table.loc["mal", "agreement"] < table.loc[list(CAREFUL), "agreement"].min()
    annotators.set_status(voted.votes, "mal", "exclude", who="lead")
    after = annotators.vote_quality(voted.votes, "classify")
    assert before.alpha.value < after.alpha.value == pytest.approx(1)
    assert before.kappa.value < after.kappa.value == pytest.approx(1)
    assert set(after.votes["annotator"]) == set(CAREFUL)
    assert set(after.table["annotator"]) == {*CAREFUL, "mal"}


def test_each_two_annotators_are_compared_on_the_images_of_both(voted):
    quality = annotators.vote_quality(voted.votes, "classify")
    pairs = annotators.annotator_pairs(quality)
    said = {name: rows.set_index("id")["label"] for name, rows in quality.votes.groupby("annotator")}
    assert len(pairs) == 4 * 3 / 2
    for row in pairs.to_dict("records"):
        both = pd.concat([said[row["first"]], said[row["second"]]], axis=1, join="inner")
        same = both.iloc[:, 0] == both.iloc[:, 1]
        assert (row["n"], row["agreement"]) == (len(both), same.mean())
        assert row["agreement"] == (0 if "mal" in (row["first"], row["second"]) else 1)
    figure = plots.annotator_pairs(quality.votes, pairs)
    cells = figure.data[1]
    assert len(cells.meta["n"]) == 16
    place = list(figure.layout.yaxis.ticktext).index("ann") * 4 + list(figure.layout.xaxis.ticktext).index("bob")
    counts = dict(zip(map(frozenset, pairs[["first", "second"]].to_numpy()), pairs["n"], strict=True))
    assert cells.meta["n"][place] == counts[frozenset(("ann", "bob"))]


def test_of_very_many_annotators_those_with_the_most_votes_are_compared():
    votes = pd.DataFrame(
        {"id": np.tile([0, 1, 2], 1000), "annotator": np.repeat([f"a{n:03d}" for n in range(1000)], 3)}
    )
    votes = votes.assign(label=0)[~((votes["id"] == 2) & (votes["annotator"] < "a801"))]
    pairs = annotators.annotator_pairs(SimpleNamespace(votes=votes, design="classify"))
    assert len(pairs) == annotators.MOST_PAIRED * (annotators.MOST_PAIRED - 1) / 2
    assert len({*pairs["first"], *pairs["second"]} & {f"a{n:03d}" for n in range(801, 1000)}) == 199


def test_the_verb_prints_annotators_and_each_two_of_them(voted_root, cli, tmp_path):
    at = ("--workspace", voted_root)
    found = json.loads(cli("annotators", "digits", "--json", *at).out)
    quality = annotators.vote_quality(open_dataset(Workspace(voted_root), "digits").votes, "classify")
    assert [row["annotator"] for row in found["annotators"]] == [*CAREFUL, "mal"]
    assert found["fleiss_kappa"]["value"] == pytest.approx(quality.kappa.value)
    assert found["krippendorff_alpha"]["samples"] == quality.alpha.samples
    text = cli("annotators", "digits", *at).out
    assert f"Fleiss' kappa: {quality.kappa.text}" in text
    assert f"Krippendorff's alpha: {quality.alpha.text}" in text
    assert cli("annotators", "digits", "--pairs", "--out", tmp_path / "pairs.csv", *at).code == 0
    pairs = pd.read_csv(tmp_path / "pairs.csv")
    assert len(pairs) == 6
    assert "mal" in pairs.loc[0, ["first", "second"]].to_list()
    assert json.loads(cli("annotators", "digits", "--pairs", "--json", *at).out)["pairs"][0]["kappa"] < 0.1


def test_answers_of_a_file_have_annotators_without_a_collection_and_counts_have_none(own_demo_root, tmp_path, cli):
    at = ("--workspace", own_demo_root)
    ended = cli("annotators", "digits", *at)
    assert (ended.code, "votes --log" in ended.err or "--log" in ended.err) == (3, True)
    samples = open_dataset(Workspace(own_demo_root), "digits").samples
    rows = samples.frame(columns=["path", "label_name"]).head(20)
    answers = pd.concat([rows.assign(annotator=name, label=rows["label_name"]) for name in ("ann", "bob")])
    answers[["path", "annotator", "label"]].to_csv(tmp_path / "votes.csv", index=False)
    assert cli("votes", "digits", tmp_path / "votes.csv", "--log", *at).code == 0
    found = json.loads(cli("annotators", "digits", "--json", *at).out)
    assert [(row["annotator"], row["votes"], row["agreement"]) for row in found["annotators"]] == [
        ("ann", 20, 1),
        ("bob", 20, 1),
    ]


def test_how_many_more_votes_starts_from_the_correlation_there_is(voted):
    annotators.set_status(voted.votes, "mal", "exclude", why="", who="lead")
    for name in ("eve", "fay", "gil"):  # who all find the same images hard
        give(voted, name, EACH, off=1, every=3)
    known = voted.samples.frame(columns=["hsf", "avh"]).dropna()
    need = annotators.need(voted.samples, voted.votes, score="avh", width=0.05)
    assert need.samples == len(known)
    low, high = fisher_interval(spearmanr(known["hsf"], known["avh"])[0], len(known))
    assert need.width_now == pytest.approx(high - low)
    assert need.width_now > 0.05
    assert need.samples_needed > len(known)


def test_ticks_count_for_the_given_label_only(asked):
    collect(asked, "select", candidates=6, controls=2, target=5)
    for name in ("ann", "bob"):
        for _ in range(3):
            grid = queue.next_grid(asked.decisions, asked.votes, asked.run, name)
            assert tick(asked, name, grid, members(grid, asked)) == ""
    asked.refresh()
    quality = annotators.vote_quality(asked.votes, "select")
    assert len(quality.votes) == 2 * 3 * 6
    assert quality.votes["selected"].all()
    assert quality.alpha.reason, "every vote is a tick, so chance would agree as well"
    assert quality.kappa.reason == quality.alpha.reason
    assert (quality.table["control_accuracy"] == 1).all()


def test_quality_of_nothing_is_empty_and_says_why(asked):
    quality = annotators.vote_quality(asked.votes, "classify")
    assert quality.votes.empty
    assert quality.table.empty
    assert quality.alpha.reason
    assert annotators.annotator_pairs(quality).empty
    assert quality.reliability.reason
    assert not quality.by_sample.any()
    assert annotators.disputed_labels(asked.votes, "classify").empty
    give(asked, "ann", 2)
    setup.choose_source(asked.votes, who="boss")
    with pytest.raises(CurateError, match="Collect more votes"):
        annotators.need(asked.samples, asked.votes, score="avh", width=0.1)


def test_what_people_say_against_the_label_is_found_by_dawid_skene(asked):
    for name in CAREFUL:  # who see in every third image something else than its label
        give(asked, name, EACH, off=1, every=3)
    give(asked, "mal", EACH, off=5)
    found = annotators.disputed_labels(asked.votes, "classify")
    labels = asked.dataset.labels()
    seen = annotators.vote_quality(asked.votes, "classify").by_sample
    several = found[found["votes"] >= 3]
    assert set(several["id"]) == set(np.flatnonzero((seen >= 3) & (np.arange(len(seen)) % 3 == 0)))
    assert (several["said"] == (labels[several["id"]] + 1) % 10).all()
    assert found["prob"].is_monotonic_decreasing


def votes(**numbers):
    rows = [(name, number) for name, count in numbers.items() for number in range(count)]
    at = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta([number for _, number in rows], unit="min")
    return pd.DataFrame({"annotator": [name for name, _ in rows], "at": at})


def test_each_line_ends_at_the_votes_of_its_annotator():
    figure = votes_over_time(votes(ann=7, bob=1200))
    ends = {trace.name: (trace.y[-1], len(trace.y)) for trace in figure.data}
    assert ends["ann"] == (7, 7)
    assert ends["bob"][0] == 1200
    assert ends["bob"][1] <= 400
    assert all((np.diff(trace.y) > 0).all() for trace in figure.data)


def test_many_annotators_share_a_line_and_no_vote_is_left_out():
    many = votes(**{"<i>a": 9}, b=8, c=7, d=6, e=5, f=4)
    figure = votes_over_time(many)
    assert [trace.name for trace in figure.data] == ["‹i›a", "b", "c", "d", "others"]
    assert sum(trace.y[-1] for trace in figure.data) == len(many)


def test_bars_and_the_note_add_up_to_the_samples_and_those_with_the_target_stand_out():
    figure = votes_of_samples(np.array([0, 0, 1, 3, 5, 5, 6]), target=5)
    bars = figure.data[0]
    assert dict(zip(bars.x.tolist(), bars.y.tolist(), strict=True)) == {1: 1, 2: 0, 3: 1, 4: 0, 5: 2, 6: 1}
    assert "2 images have none yet" in figure.layout.xaxis.title.text
    colors = list(bars.marker.color)
    assert len(set(colors[:4])) == 1
    assert len(set(colors[4:])) == 1
    assert colors[0] != colors[4]
