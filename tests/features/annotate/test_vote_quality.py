"""What collected votes say about themselves: counted anew by hand, and a careless annotator planted among others."""

import itertools
import shutil

import numpy as np
import pytest
from scipy.stats import spearmanr

from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.errors import CurateError
from avhcurate.features.annotate import annotators, queue, setup, vote_quality
from avhcurate.features.annotate import answers as annotate_answers
from avhcurate.features.annotate.setup import CollectionSettings
from avhcurate.measures.stats.correlation import fisher_interval
from avhcurate.people.annotators import ExclusionRule
from avhcurate.workspace.data.workspace import Workspace

NONCES = itertools.count()
CAREFUL = ("ann", "bob", "cid")
EACH = 30


def give(table, annotator, number, say):
    """Lets an annotator answer questions; `say` turns the given label of an image and its id into the class chosen."""
    labels = table.dataset.labels()
    for _ in range(number):
        (question,) = queue.next_questions(table, annotator, ahead=1)
        label = say(int(labels[question.id]), question.id)
        reply = annotate_answers.answer(
            table, annotator, question.task, question.id, label, nonce=str(next(NONCES)), reaction_ms=900
        )
        assert not reply
    table.refresh()


def rightly(label, _):
    return label


def wrongly(label, _):
    return (label + 1) % 10


def ask(root):
    """The digits with a collection that asks everybody about the same images first, a fifth of them checks."""
    table = open_table(Workspace(root), "digits")
    settings = CollectionSettings(design="classify", queue="hardest", target=10, control_share=0.2)
    setup.configure(table, settings, who="lead")
    return table


@pytest.fixture
def asked(own_demo_root):
    return ask(own_demo_root)


@pytest.fixture(scope="module")
def voted_root(demo_root, tmp_path_factory):
    """Three careful annotators and one who always says one class more."""
    root = tmp_path_factory.mktemp("voted") / "demo"
    table = ask(shutil.copytree(demo_root, root))
    for name in CAREFUL:
        give(table, name, EACH, rightly)
    give(table, "mal", EACH, wrongly)
    return root


@pytest.fixture
def voted(voted_root, tmp_path):
    return open_table(Workspace(shutil.copytree(voted_root, tmp_path / "voted")), "digits")


def test_votes_are_those_of_the_log_without_controls(voted):
    quality = vote_quality.vote_quality(voted, "classify")
    answers = annotators.responses(voted, controls=True)
    plain = answers[answers["control"] == "none"]
    assert len(quality.votes) == len(plain) < len(answers)
    assert quality.by_sample.sum() == len(plain)
    np.testing.assert_array_equal(quality.by_sample, np.bincount(plain["id"], minlength=voted.size))


def test_a_rule_names_who_fails_it_and_excludes_them(voted):
    rule = ExclusionRule(control_accuracy=0.7)
    before = vote_quality.vote_quality(voted, "classify")
    table = before.table.set_index("annotator")
    assert table["control_accuracy"].to_dict() == {"ann": 1, "bob": 1, "cid": 1, "mal": 0}
    assert table.loc["mal", "agreement"] < table.loc[list(CAREFUL), "agreement"].min()
    assert annotators.excluded_by(voted, before.table, rule)["annotator"].tolist() == ["mal"]
    annotators.apply_rule(voted, rule, who="lead")
    after = vote_quality.vote_quality(voted, "classify")
    assert "mal" not in set(after.votes["annotator"])
    assert annotators.excluded_by(voted, after.table, rule).empty
    annotators.set_status(voted, "mal", "include", who="lead")
    assert annotators.apply_rule(voted, rule, who="lead").empty, "who was included by hand stays"
    assert after.kappa.value > before.kappa.value
    assert after.alpha.value == pytest.approx(1)
    assert set(after.votes["annotator"]) == set(CAREFUL)
    assert set(after.table["annotator"]) == {*CAREFUL, "mal"}


def test_how_many_more_votes_starts_from_the_correlation_there_is(voted):
    annotators.set_status(voted, "mal", "exclude", why="", who="lead")
    for name in ("eve", "fay", "gil"):  # who all find the same images hard
        give(voted, name, EACH, lambda label, id: label if id % 3 else (label + 1) % 10)
    known = voted.frame(columns=["hsf", "avh"]).dropna()
    need = vote_quality.need(voted, score="avh", width=0.05)
    assert need.samples == len(known)
    low, high = fisher_interval(spearmanr(known["hsf"], known["avh"])[0], len(known))
    assert need.width_now == pytest.approx(high - low)
    assert need.width_now > 0.05
    assert need.samples_needed > len(known)


def test_ticks_count_for_the_given_label_only(asked):
    settings = CollectionSettings(design="select", candidates=6, controls=2, target=5)
    setup.configure(asked, settings, who="lead")
    labels = asked.dataset.labels()
    for name in ("ann", "bob"):
        for _ in range(3):
            grid = queue.next_grid(asked, name)
            ticked = [id for id in grid.ids if labels[id] == asked.classes.index(grid.class_name)]
            reply = annotate_answers.submit_grid(
                asked, name, grid.task, grid.ids, ticked, nonce=str(next(NONCES)), reaction_ms=9000
            )
            assert not reply
    asked.refresh()
    quality = vote_quality.vote_quality(asked, "select")
    assert len(quality.votes) == 2 * 3 * 6
    assert quality.votes["selected"].all()
    assert quality.kappa.reason, "every vote is a tick, so chance would agree as well"
    assert (quality.table["control_accuracy"] == 1).all()


def test_quality_of_nothing_is_empty_and_says_why(asked):
    quality = vote_quality.vote_quality(asked, "classify")
    assert quality.votes.empty
    assert quality.table.empty
    assert quality.kappa.reason
    assert quality.reliability.reason
    assert not quality.by_sample.any()
    assert vote_quality.disputed_labels(asked, "classify").empty
    give(asked, "ann", 2, rightly)
    with pytest.raises(CurateError, match="Collect more votes"):
        vote_quality.need(asked, score="avh", width=0.1)


def test_what_people_say_against_the_label_is_found_by_dawid_skene(asked):
    for name in CAREFUL:  # who see in every third image something else than its label
        give(asked, name, EACH, lambda label, id: (label + 1) % 10 if id % 3 == 0 else label)
    give(asked, "mal", EACH, lambda label, id: (label + 5) % 10)
    found = vote_quality.disputed_labels(asked, "classify")
    labels = asked.dataset.labels()
    seen = vote_quality.vote_quality(asked, "classify").by_sample
    several = found[found["votes"] >= 3]
    assert set(several["id"]) == set(np.flatnonzero((seen >= 3) & (np.arange(len(seen)) % 3 == 0)))
    assert (several["said"] == (labels[several["id"]] + 1) % 10).all()
    assert found["prob"].is_monotonic_decreasing
