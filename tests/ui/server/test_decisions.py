"""Decisions of browsers: each once, about what it names, in the name of who sent it; whatever a browser may send."""

import errno
import json
import tracemalloc
from dataclasses import asdict
from unittest.mock import Mock, patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from avhcurate.datasets.curate.history import history_entries
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.removal import remove_dataset
from avhcurate.errors import Unavailable
from avhcurate.features.annotate import ui as annotate_ui
from avhcurate.ui.base import signin
from avhcurate.ui.server import decisions
from avhcurate.workspace.data.people import Person, Role
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.datasets import add_dataset
from tests.fakes.decisions import TAKERS, decide, decision

ANYTHING = st.sampled_from(
    [None, True, -1, 0, 7, 2.5, "a", "", "x" * 500, [], [1, 2], [[0, 1]], [[1]], [True], {"a": 1}, float("inf")]
)
DECISION = ANYTHING | st.fixed_dictionaries(
    {"kind": st.sampled_from([*TAKERS, "drop table"]), "dataset": st.just("digits")},
    optional=dict.fromkeys(
        ("nonce", "version", "window", "ids", "value", "of", "who", "task", "choice", "ms", "ticked"), ANYTHING
    ),
)


def entries(root):
    return [
        (one.action, one.value, one.samples)
        for one in history_entries(open_dataset(Workspace(root), "digits").decisions)[0]
    ]


@given(sent=st.lists(DECISION, max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_browser_sends_each_gets_an_answer_and_nothing_breaks(demo_root, sent):
    outcomes = decisions.take(Workspace(demo_root), sent, Person("ann", Role.VIEWER), TAKERS)
    assert len(outcomes) == len(sent)
    assert all(one.why for one in outcomes)
    json.dumps([asdict(one) for one in outcomes])


def test_what_is_no_list_is_nothing():
    for sent in (None, 7, "a", {"kind": "tag"}):
        assert decisions.take(Workspace("."), sent, Person("ann", Role.OWNER), TAKERS) == []


@pytest.mark.slow
def test_a_decision_that_comes_again_is_done_once_also_an_undo(own_demo_root):
    both = decision("exclude", 3), decision("exclude", 4)
    undo = decision("undo")
    for _ in range(3):
        outcomes = decide(own_demo_root, *both, undo)
        assert [one.why for one in outcomes] == ["", "", ""]
    found, _ = history_entries(open_dataset(Workspace(own_demo_root), "digits").decisions)
    assert [(one.action, one.undone_by is not None) for one in found] == [("exclude", True), ("exclude", False)]


def test_a_decision_about_a_dataset_that_is_gone_is_refused_and_changes_no_other(own_demo_root, tmp_path):
    workspace = Workspace(own_demo_root)
    add_dataset(workspace, tmp_path, {"cat/a.png": Image.new("RGB", (8, 8))}, "one")
    version = workspace.dataset("one").record.fingerprint[:12]
    sent = decision("exclude", 0, dataset="one", version=version)
    (stale,) = decide(own_demo_root, {**sent, "version": "0" * 12})
    assert stale.why == "one was imported anew, or its classes changed; nothing was changed. Reload the page."
    workspace.rename("one", "two")
    (renamed,) = decide(own_demo_root, sent)
    assert renamed.why == "one was renamed to two; nothing was changed."
    remove_dataset(workspace, "two")
    (removed,) = decide(own_demo_root, sent)
    assert removed.why == "one was removed; nothing was changed."
    assert entries(own_demo_root) == []


@pytest.mark.parametrize("error", [OSError("a fault of ours"), Unavailable("The database cannot be opened.")])
def test_what_cannot_be_done_now_ends_the_answer_and_is_done_when_it_comes_again(own_demo_root, error):
    sent = decision("tag", 1, value="a"), decision("tag", 2, value="b")
    tag = TAKERS["tag"]

    def away(decisions, one):
        if one.value == "b":
            raise error
        return tag(decisions, one)

    with patch.dict(TAKERS, {"tag": away}):
        assert [one.nonce for one in decide(own_demo_root, *sent)] == [sent[0]["nonce"]]
    assert len(decide(own_demo_root, *sent)) == 2
    assert entries(own_demo_root) == [("tag", "b", 1), ("tag", "a", 1)]


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (ZeroDivisionError("a fault of ours"), True),
        (Unavailable("The database cannot be opened."), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
    ],
)
def test_what_always_fails_is_refused_after_some_tries_and_lets_those_behind_it_through(own_demo_root, error, refused):
    sent = decision("exclude", 1), decision("tag", 2, value="b")
    with patch.dict(TAKERS, {"exclude": Mock(side_effect=error)}):
        for _ in range(decisions._MOST_TRIES - 1):
            assert decide(own_demo_root, *sent) == []
        outcomes = decide(own_demo_root, *sent)
    if not refused:
        assert outcomes == []
        return
    failed, done = outcomes
    assert failed.why.count(". ") == 1
    assert failed.why.startswith("The server tried this 10 times")
    assert (done.why, entries(own_demo_root)) == ("", [("tag", "b", 1)])


def test_people_decide_in_their_own_name_and_by_their_role(own_demo_root):
    (viewer,) = decide(own_demo_root, decision("tag", 1, value="a"), person=Person("bob", Role.VIEWER))
    assert "needs the role curator" in viewer.why
    decide(own_demo_root, decision("tag", 1, value="a"), person=Person("ann", Role.CURATOR))
    (entry,) = history_entries(open_dataset(Workspace(own_demo_root), "digits").decisions)[0]
    assert (entry.who, entry.value) == ("ann", "a")
    other = decision("answer", 1, who="bob", task="t", ms=900)
    (refused,) = decide(own_demo_root, other, person=Person("ann", Role.ANNOTATOR))
    assert refused.why


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANNOTATOR, Role.OWNER])
@pytest.mark.parametrize(
    ("ids", "why"),
    [
        ([[0, 20_000_000]], "The dataset has 1,797 images, and this is about others. Reload the page."),
        ([[0, 10**300]], "The dataset has 1,797 images, and this is about others. Reload the page."),
        ([[5, 1], [0, 1797]] * 20_000, "This names images more than once. Reload the page."),
    ],
    ids=["beyond", "far beyond", "overlapping"],
)
def test_images_that_a_dataset_does_not_have_are_refused_before_they_are_taken_apart(demo_root, role, ids, why):
    curators = [kind for kind in TAKERS if kind not in decisions.ANNOTATING]
    sent = [decision(kind, ids=ids, who="ann", task="t", value="a") for kind in TAKERS]
    decide(demo_root, sent[0])  # opens the table
    tracemalloc.start()
    outcomes = decide(demo_root, *sent, person=Person("ann", role))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40_000_000  # of the messages themselves: what they name would take gigabytes
    for one, kind in zip(outcomes, TAKERS, strict=True):
        if (kind in curators and role is not Role.OWNER) or role is Role.VIEWER:
            assert one.why.startswith("This decision needs the role "), one
        else:
            assert one.why == why


def test_annotators_decide_what_the_page_annotate_sends():
    assert tuple(annotate_ui.TAKERS) == decisions.ANNOTATING


@pytest.mark.parametrize("letters", [0, 1, 11, 13, 64])
def test_a_part_of_a_version_or_more_of_it_is_another_one(own_demo_root, letters):
    whole = Workspace(own_demo_root).dataset("digits").record.version
    (refused,) = decide(own_demo_root, decision("exclude", 1, version=whole[:letters]))
    assert refused.why.startswith("digits was imported anew")
    (done,) = decide(own_demo_root, decision("exclude", 1, version=whole[:12]))
    assert done.why == ""


@pytest.fixture
def client(own_demo_root, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(own_demo_root))
    return TestClient(Starlette(routes=decisions.routes(TAKERS)))


def test_the_route_answers_each_decision_and_refuses_what_is_too_long(client, own_demo_root):
    version = Workspace(own_demo_root).dataset("digits").record.fingerprint[:12]
    sent = [decision("tag", 1, value="a", version=version)]
    answer = client.post(decisions.decisions_url(), json=sent)
    ((outcome,),) = answer.json().values()
    assert (outcome["why"], outcome["text"], outcome["undo"]) == ("", "1 image tagged a", True)
    assert answer.headers["cache-control"] == "no-store"
    assert client.post(decisions.decisions_url(), content="[" * 100_000).json() == {"outcomes": []}
    assert client.post(decisions.decisions_url(), content=b"\xff").json() == {"outcomes": []}
    assert client.post(decisions.decisions_url(), content=" " * 16_000_001).status_code == 413
    assert client.get(decisions.decisions_url()).status_code == 405


def test_with_a_login_only_the_person_of_the_session_decides(client, own_demo_root, monkeypatch):
    monkeypatch.setattr(signin, "sign_in_configured", lambda: True)
    sent = [decision("tag", 1, value="a", version=Workspace(own_demo_root).dataset("digits").record.fingerprint[:12])]
    ((outcome,),) = client.post(decisions.decisions_url(), json=sent).json().values()
    assert "needs the role curator" in outcome["why"]
    assert entries(own_demo_root) == []


def test_a_browser_keeps_decisions_by_workspace_and_person(tmp_path, monkeypatch):
    one, two = Workspace(tmp_path / "one"), Workspace(tmp_path / "two")
    names = {decisions.keeper(one), decisions.keeper(two)}
    monkeypatch.setattr(signin, "who", lambda: "ann@example.org")
    names.add(decisions.keeper(one))
    assert len(names) == 3


def test_a_decision_waits_while_the_database_is_away(workspace, make_dataset, monkeypatch):
    opened = make_dataset({"cat/a.png": "red", "dog/b.png": "blue"})
    sent = decision("exclude", 0, dataset="pets"), decision("exclude", 1, dataset="pets")
    with monkeypatch.context() as away:
        away.setenv("AVHCURATE_DATABASE_URL", f"sqlite:///{workspace.root}/absent/annotations.db")
        assert decide(workspace.root, *sent) == []
    assert [one.why for one in decide(workspace.root, *sent)] == ["", ""]
    opened.refresh()
    assert [(one.action, one.samples) for one in history_entries(opened.decisions)[0]] == [
        ("exclude", 1),
        ("exclude", 1),
    ]
