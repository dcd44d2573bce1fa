"""Exclusion by a rule: shown before it is done, it leaves out whom it says, and is taken back whole by who did it."""

import json

import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.annotate import annotators, exclusion, setup
from avhcurate.people.annotators import ExclusionRule
from avhcurate.workspace.data.people import user
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.votes import answer_all, collect, truth
from tests.fakes.workspaces import copied

EACH = 30
RULE = ExclusionRule(control_accuracy=0.7)


@pytest.fixture(scope="module")
def voted_root(demo_root, tmp_path_factory):
    """Two careful annotators, two who always say one class more; a third of the images are checks."""
    root = copied(demo_root, tmp_path_factory.mktemp("rule") / "demo")
    opened = open_dataset(Workspace(root), "digits")
    collect(opened, queue="hardest", target=10, control_share=0.3)
    right = truth(opened)
    for name in ("ann", "bob"):
        answer_all(opened, name, right, EACH)
    for name in ("mal", "mia"):
        answer_all(opened, name, lambda id: (right(id) + 1) % 10, EACH)
    setup.choose_source(opened.votes, key="k-way", who="boss")
    return root


@pytest.fixture
def root(voted_root, tmp_path):
    return copied(voted_root, tmp_path / "voted")


@pytest.fixture
def opened(root):
    return open_dataset(Workspace(root), "digits")


@pytest.fixture
def voted(opened):
    return opened.votes


def left_out(votes, rule=RULE):
    return exclusion.left_out_by(votes, annotators.annotators(votes), rule)


def states(votes):
    rows = annotators.annotators(votes)
    return {row["annotator"]: row["by"] for row in rows.to_dict("records")}


def test_a_rule_says_whom_and_how_many_votes_it_leaves_out_and_does_that(voted):
    before = setup.source(voted)
    outside = left_out(voted)
    assert outside.rows["annotator"].tolist() == ["mal", "mia"]
    assert outside.text == f"2 of 4 annotators and {outside.rows['votes'].sum()} of {before.collected} votes"
    assert setup.source(voted) == before, "it has only been looked at"
    exclusion.exclude(voted, outside.rows, who="lead")
    after = setup.source(voted)
    assert (after.collected, after.left_out) == (before.collected - outside.rows["votes"].sum(), 2)
    assert (voted.samples.frame()["hsf"].dropna() == 1).all()
    assert states(voted) == {"ann": "", "bob": "", "mal": "rule: lead", "mia": "rule: lead"}
    assert left_out(voted).rows.empty, "who does not count is not left out again"


def test_undo_takes_back_ones_own_newest_rule_as_if_it_had_never_been(opened, voted):
    start = states(voted)
    exclusion.exclude(voted, left_out(voted).rows, who="lead")
    exclusion.exclude(voted, left_out(voted, ExclusionRule(answers=EACH + 1)).rows, who="boss")
    assert exclusion.undo(voted, who="lead") == ["mal", "mia"]
    assert states(voted) == {"ann": "rule: boss", "bob": "rule: boss", "mal": "", "mia": ""}
    assert exclusion.undo(voted, who="lead") == []
    assert exclusion.undo(voted, who="boss") == ["ann", "bob"]
    assert states(voted) == start
    assert left_out(voted).rows["annotator"].tolist() == ["mal", "mia"], "a rule may leave them out again"
    source = setup.choose_source(opened.votes, key="k-way", control_filter=0.7, who="boss")
    assert source.left_out == 2, "nor does the least control accuracy of the source spare them"
    changes = annotators.status_changes(voted)
    assert changes["action"].value_counts().to_dict() == {"exclude": 4, "undo": 4}


def test_what_was_said_by_hand_holds_against_a_rule_and_its_undo(voted):
    annotators.set_status(voted, "mal", "include", who="lead")
    assert left_out(voted).rows["annotator"].tolist() == ["mia"]
    shown = left_out(voted).rows
    annotators.set_status(voted, "mia", "include", who="boss")  # after the rule was shown, before it is applied
    exclusion.exclude(voted, shown, who="lead")
    assert set(states(voted).values()) == {""}
    annotators.set_status(voted, "mia", "exclude", who="boss")
    assert exclusion.undo(voted, who="lead") == []
    assert states(voted)["mia"] == "hand: boss"


def test_the_verb_shows_first_excludes_on_request_and_undoes(root, voted, cli):
    at = ("--workspace", root)
    call = ("annotators", "digits", "--control-accuracy", "0.7", "--seconds", "0.1")
    shown = cli(*call, *at).out
    assert "would leave out 2 of 4 annotators" in shown
    assert "--exclude does it" in shown
    assert not annotators.annotators(voted)["excluded"].any()
    found = json.loads(cli(*call, "--exclude", "--json", *at).out)
    assert (found["left_out"], found["annotators"], found["excluded"]) == (2, 4, True)
    assert [row["annotator"] for row in found["rows"]] == ["mal", "mia"]
    assert found["votes_left_out"] == sum(row["votes"] for row in found["rows"])
    assert states(voted)["mal"] == f"rule: {user()}"
    assert "leave out none of the 2 annotators" in cli(*call, "--exclude", *at).out
    assert json.loads(cli("annotators", "digits", "--undo", "--json", *at).out) == {"included": ["mal", "mia"]}
    assert cli("annotators", "digits", "--undo", *at).code == 3
    for words in (("--exclude",), ("--undo", "--answers", 3), ("--pairs", "--answers", 3), ("--agreement", 2)):
        assert cli("annotators", "digits", *words, *at).code == 2
