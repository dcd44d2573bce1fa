"""Roles: who gave them, what each may do, refused by the services themselves and never in another's name."""

import io
from functools import partial

import pytest

from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.curate.history import history_entries, undo_entry
from avhcurate.datasets.curate.keys import save_keys
from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.export.service import export
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.sources.uploads import keep_upload
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.removal import remove_dataset, rename_dataset
from avhcurate.errors import CurateError
from avhcurate.features.annotate import annotators, answers, queue, setup
from avhcurate.lab.toy import service as toy
from avhcurate.lab.toy.settings import ToySettings
from avhcurate.people.attach import attach_votes
from avhcurate.workspace.data import background, people
from avhcurate.workspace.data.events import EventLog
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.people import NotAllowed, Person, Role
from avhcurate.workspace.data.roles import grant, revoke, role_history, role_of, roles
from avhcurate.workspace.disk.jobs import Jobs
from tests.fakes.datasets import write_images
from tests.fakes.sources import write_csv
from tests.fakes.votes import collect, make_labelled, say
from tests.fakes.workspaces import by

ANN = "ann@x.org"


@pytest.fixture
def pets(workspace):
    make_labelled(workspace, [0, 1, 2] * 4)
    opened = open_dataset(workspace, "pets")
    collect(opened)
    for who, label in (("carl", 0), ("dora", 0), ("bob", 1)):
        question = next(
            one
            for one in queue.next_questions(opened.decisions, opened.votes, opened.run, who, ahead=12)
            if one.id == 0
        )
        assert say(opened, who, question, label) == ""
    return opened


@pytest.fixture
def act_as(monkeypatch):
    """Lets somebody of a role act, as the server does for who is signed in."""
    return lambda role, name=ANN: monkeypatch.setattr(people, "_who", lambda: Person(name, role))


def _actions(workspace, opened, tmp_path):
    """What each role is the first that may do it, as calls of the services in Ann's name."""
    name, root = opened.samples.name, workspace.root
    votes = write_csv(tmp_path / "votes.csv", "path,label\npets/0.png,cat\n")
    collection = setup.CollectionSettings(design="classify", target=7)
    return {
        Role.ANNOTATOR: {
            "ask": partial(queue.next_questions, opened.decisions, opened.votes, opened.run, ANN, ahead=1),
            "answer": partial(
                answers.answer, opened.decisions, opened.votes, opened.run, ANN, "t", 0, 1, nonce="n", reaction_ms=900
            ),
            "take back": partial(answers.take_back, opened.votes, ANN),
            "withdraw": partial(annotators.withdraw, opened.votes, ANN),
        },
        Role.CURATOR: {
            "tag": partial(annotate, opened.decisions, [0], "tag", "odd"),
            "undo": partial(undo, opened.decisions),
            "undo one": partial(undo_entry, opened.decisions, "2"),
            "save a set": partial(Saved(workspace, name).save_set, "some", [0, 1]),
            "save a view": partial(Saved(workspace, name).save_view, "view", {}, "gallery"),
            "rename a set": partial(Saved(workspace, name).rename, "set", "old", "new"),
            "keys": partial(save_keys, opened.decisions, "1 tag odd"),
            "exclude": partial(annotators.set_status, opened.votes, "bob", "exclude", who=ANN),
            "collect": partial(setup.configure, opened.votes, opened.run, opened.prediction, collection, who=ANN),
            "source of HSF": partial(setup.choose_source, opened.votes, who=ANN),
            "job": partial(background.start, root, ["list"], verb="list"),
            "toy": partial(toy.trained, root, ToySettings()),
            "cancel": partial(background.cancel, root, Jobs(root).create("list", "", []).id),
            "upload": partial(keep_upload, workspace, "a.csv", io.BytesIO(b"path\n")),
            "export": partial(export, opened, Filters(), "csv", tmp_path / "out.csv", force=True),
            "import": partial(import_dataset, workspace, "new", write_images(tmp_path / "new", {"cat/a.png": "red"})),
            "votes": partial(attach_votes, workspace, name, votes),
        },
        Role.OWNER: {
            "withdraw others": partial(annotators.withdraw, opened.votes, "bob"),
            "rename": partial(rename_dataset, workspace, "others", "animals"),
            "remove": partial(remove_dataset, workspace, "pets"),
            "grant": partial(grant, open_events(workspace.root), "bob@x.org", "owner"),
            "revoke": partial(revoke, open_events(workspace.root), "bob@x.org"),
        },
    }


def _prepare(workspace, opened):
    """What the actions act on."""
    for tag in ("one", "two", "three"):
        by(ANN, annotate, opened.decisions, [1], "tag", tag)
    Saved(workspace, "pets").save_set("old", [0])
    grant(open_events(workspace.root), "bob@x.org", "viewer")
    make_labelled(workspace, [0, 1], name="others")


def _files(workspace):
    """Every file of a workspace with its time, but those of the database and of locks."""
    files = (path for path in workspace.root.rglob("*") if path.is_file())
    return {path: path.stat().st_mtime_ns for path in files if ".db" not in path.name and path.suffix != ".lock"}


def _no_process(*_, **__):
    raise CurateError("it would start")


@pytest.mark.parametrize("role", [None, *Role])
def test_each_role_may_do_what_it_names_and_nothing_above(workspace, pets, tmp_path, act_as, monkeypatch, role):
    for starts in (background, toy):
        monkeypatch.setattr(starts, "launch", _no_process)
    _prepare(workspace, pets)
    actions = _actions(workspace, pets, tmp_path)
    act_as(role)
    refused = set()
    for named in actions.values():
        for name, call in named.items():
            before = _files(workspace)
            try:
                call()
            except NotAllowed:
                refused.add(name)
                assert _files(workspace) == before, name
            except CurateError:  # allowed, and wrong for another reason
                continue
    assert refused == {name for least, named in actions.items() if (role or 0) < least for name in named}


def test_who_is_signed_in_cannot_sign_as_another_and_history_says_who_it_was(workspace, pets, act_as):
    act_as(Role.OWNER)
    (question,) = queue.next_questions(pets.decisions, pets.votes, pets.run, ANN, ahead=1)
    for call in (
        partial(say, pets, "bob@x.org", question, 1),
        partial(queue.next_questions, pets.decisions, pets.votes, pets.run, "bob@x.org", ahead=1),
        partial(annotators.set_status, pets.votes, "bob", "exclude", who="bob@x.org"),
    ):
        with pytest.raises(NotAllowed, match=f"signed in as {ANN}"):
            call()
    annotate(pets.decisions, [0], "tag", "odd")
    assert say(pets, ANN, question, 1) == ""
    assert [entry.who for entry in history_entries(pets.decisions)[0]] == [ANN]
    assert annotators.responses(pets.votes)["annotator"].tolist()[-1] == ANN


def test_the_newest_entry_stands_and_the_highest_of_ones_own_and_ones_groups_counts(database):
    log = EventLog(database)
    for subject, role in (("ann@x.org", Role.ANNOTATOR), ("group:lab", Role.CURATOR), ("everyone", Role.VIEWER)):
        grant(log, subject, str(role))
    assert role_of(log, "Ann@X.org") == Role.ANNOTATOR
    assert role_of(log, "ann@x.org", ["lab", "others"]) == Role.CURATOR
    assert role_of(log, "group:lab") == role_of(log, "bob@x.org", ["Lab"]) == Role.VIEWER
    revoke(log, "everyone")
    grant(log, "ann@x.org", "owner")
    assert (role_of(log, "bob@x.org"), role_of(log, "ann@x.org")) == (None, Role.OWNER)


def test_the_shell_gives_the_first_owner_and_the_history_names_who_gave_whom_what(cli, workspace, act_as):
    def roles_verb(*words):
        return cli("roles", *words, "--workspace", workspace.root)

    assert "roles grant" in roles_verb("list").out
    assert roles_verb("grant", "Ann@x.org", "owner").out == "ann@x.org is owner\n"
    assert roles_verb("grant", ANN, "king").code == roles_verb("revoke", "bob").code == 2
    act_as(Role.OWNER)
    grant(open_events(workspace.root), "group:lab", "annotator")
    assert [entry.name for entry in roles(open_events(workspace.root))] == [ANN, "group:lab"]
    newest = role_history(open_events(workspace.root))[0]
    assert (newest.who, newest.details) == (ANN, "annotator")
