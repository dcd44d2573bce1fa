"""Which answers are taken, once each, and how they are retracted; none is lost, whoever answers at once."""

import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.removal import rename_dataset
from avhcurate.errors import CurateError
from avhcurate.features.annotate import annotators, answers, queue
from avhcurate.features.annotate.vote_files import responses_in_use
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.refusals import refused
from tests.fakes.votes import collect, make_labelled, say, tick


def test_a_grid_is_taken_whole_and_only_as_it_was_shown(pets):
    collect(pets, "select", candidates=4, controls=1)
    grid = queue.next_grid(pets.decisions, pets.votes, pets.run, "ann")
    others = [id for id in range(60) if id not in grid.ids][:6]
    reply = answers.submit_grid(
        pets.decisions, pets.votes, pets.run, "ann", grid.task, others, [], nonce="n", reaction_ms=9000
    )
    assert reply == answers.STALE
    assert tick(pets, "ann", grid, [], ms=100) == answers.FAST
    with pytest.raises(CurateError, match="not on screen"):
        tick(pets, "ann", grid, others)
    assert annotators.responses(pets.votes, controls=True).empty
    assert tick(pets, "ann", grid, grid.ids[:2], nonce="n") == ""
    assert tick(pets, "ann", grid, grid.ids[:2], nonce="n") == ""
    assert tick(pets, "ann", grid, [], nonce="m") == answers.ANSWERED
    rows = annotators.responses(pets.votes, controls=True)
    assert len(rows) == 6
    assert set(rows["id"][rows["selected"] == True]) == set(grid.ids[:2])  # noqa: E712


def test_cannot_tell_is_kept_is_no_vote_and_only_where_the_collection_allows_it(pets):
    collect(pets, control_share=0.0, target=1)
    first, second = queue.next_questions(pets.decisions, pets.votes, pets.run, "ann", ahead=2)
    with pytest.raises(CurateError, match="asks for a class of every image"):
        say(pets, "ann", first, None)
    collect(pets, control_share=0.0, target=1, skip=True)
    assert say(pets, "ann", first, None) == say(pets, "ann", second, 2) == ""
    pets.refresh()
    assert [len(annotators.responses(pets.votes)), queue.progress(pets.decisions, pets.votes, pets.run).votes] == [2, 1]
    assert responses_in_use(pets.votes)["path"].tolist() == [pets.samples.sample(second.id)["path"]]
    (row,) = annotators.annotators(pets.votes)[["votes", "skipped", "controls"]].to_dict("records")
    assert row == {"votes": 1, "skipped": 1, "controls": 0}
    asked = {
        who: {one.id for one in queue.next_questions(pets.decisions, pets.votes, pets.run, who, ahead=60)}
        for who in ("ann", "bob")
    }
    assert {who: first.id in ids for who, ids in asked.items()} == {"ann": False, "bob": True}
    assert answers.take_back(pets.votes, "ann", of="")
    assert answers.take_back(pets.votes, "ann", of="")
    assert {one.id for one in queue.next_questions(pets.decisions, pets.votes, pets.run, "ann", ahead=2)} == {
        first.id,
        second.id,
    }


def test_a_grid_that_is_taken_back_comes_again_as_it_was(pets):
    collect(pets, "select", candidates=4, controls=1)
    grid = queue.next_grid(pets.decisions, pets.votes, pets.run, "ann")
    tick(pets, "ann", grid, grid.ids[1:3])
    following = queue.next_grid(pets.decisions, pets.votes, pets.run, "ann")
    assert answers.take_back(pets.votes, "ann")
    again = queue.next_grid(pets.decisions, pets.votes, pets.run, "ann")
    assert again.ids == grid.ids
    assert set(again.ticked) == set(grid.ids[1:3])
    assert again.task != grid.task
    assert annotators.responses(pets.votes).empty
    assert tick(pets, "ann", again, []) == ""
    assert queue.next_grid(pets.decisions, pets.votes, pets.run, "ann").ids == following.ids


def test_a_stale_or_impossibly_fast_answer_is_refused_and_says_so(pets):
    collect(pets)
    first, second = queue.next_questions(pets.decisions, pets.votes, pets.run, "ann", ahead=2)
    wrong = answers.answer(
        pets.decisions, pets.votes, pets.run, "ann", first.task, second.id, 0, nonce="n", reaction_ms=700
    )
    assert wrong == answers.STALE
    assert say(pets, "bob", first, 0) == answers.STALE
    assert say(pets, "ann", first, 0, ms=99) == answers.FAST
    assert (
        answers.answer(pets.decisions, pets.votes, pets.run, "ann", "made up", first.id, 0, nonce="n", reaction_ms=700)
        == answers.STALE
    )
    assert annotators.responses(pets.votes).empty
    assert queue.next_questions(pets.decisions, pets.votes, pets.run, "ann")[0] == first
    assert say(pets, "ann", first, 0, ms=100) == ""


def test_an_answer_in_a_window_that_was_open_during_a_renaming_is_kept(pets, workspace):
    collect(pets)
    (question,) = queue.next_questions(pets.decisions, pets.votes, pets.run, "ann", ahead=1)
    rename_dataset(workspace, "pets", "animals")
    assert say(pets, "ann", question, 0) == ""
    assert len(annotators.responses(open_dataset(workspace, "animals").votes)) == 1


def test_an_answer_sent_again_counts_once_and_another_one_is_refused(pets):
    collect(pets, control_share=0.0)
    question = queue.next_questions(pets.decisions, pets.votes, pets.run, "ann")[0]
    assert say(pets, "ann", question, 0, nonce="n") == ""
    assert say(pets, "ann", question, 0, nonce="n") == ""
    assert say(pets, "ann", question, 1, nonce="m") == answers.ANSWERED
    assert annotators.responses(pets.votes)["label"].tolist() == [0]


def test_what_makes_no_sense_is_refused(pets):
    with pytest.raises(CurateError, match="Set up a collection"):
        queue.next_questions(pets.decisions, pets.votes, pets.run, "ann")
    collect(pets)
    question = queue.next_questions(pets.decisions, pets.votes, pets.run, "ann")[0]
    with refused(3, 0, 2):
        say(pets, "ann", question, 3)
    for name in ("", "  ", "x" * 255, "a\nb"):
        with pytest.raises(CurateError, match="1 to 254 printable"):
            queue.next_questions(pets.decisions, pets.votes, pets.run, name)
    with pytest.raises(CurateError, match="Reload"):
        queue.next_grid(pets.decisions, pets.votes, pets.run, "ann")


def test_backspace_takes_answers_back_one_by_one_and_asks_them_again_first(pets):
    collect(pets)
    first, second, third, *_ = queue.next_questions(pets.decisions, pets.votes, pets.run, "ann", ahead=5)
    say(pets, "ann", first, 0)
    say(pets, "ann", second, 1)
    assert [answers.take_back(pets.votes, "ann") for _ in range(3)] == [True, True, False]
    again = queue.next_questions(pets.decisions, pets.votes, pets.run, "ann", ahead=5)
    assert [question.id for question in again[:3]] == [first.id, second.id, third.id]
    assert annotators.responses(pets.votes).empty
    assert annotators.responses(pets.votes, controls=True).empty
    assert len(pets.votes.log.columns(pets.dataset.id).rows) == 2  # what was taken back is not deleted
    assert say(pets, "ann", again[1], 2) == ""


def test_a_backspace_that_is_sent_again_takes_back_no_second_answer(pets):
    collect(pets)
    first, second, *_ = queue.next_questions(pets.decisions, pets.votes, pets.run, "ann", ahead=5)
    say(pets, "ann", first, 0, nonce="one")
    say(pets, "ann", second, 1, nonce="two")
    assert all(answers.take_back(pets.votes, "ann", of="two") for _ in range(2))
    assert len(annotators.responses(pets.votes, controls=True)) == 1
    back = queue.next_questions(pets.decisions, pets.votes, pets.run, "ann", ahead=5)[0]
    assert back.id == second.id
    assert say(pets, "ann", back, 2) == ""
    answers.take_back(pets.votes, "ann", of="two")
    assert not answers.take_back(pets.votes, "ann", of="unknown")
    assert not answers.take_back(pets.votes, "bob", of="one")
    assert len(annotators.responses(pets.votes, controls=True)) == 2
    answers.take_back(pets.votes, "ann", of="one")
    assert annotators.responses(pets.votes, controls=True)["id"].tolist() == [second.id]


@pytest.mark.slow
def test_fifty_annotators_at_once_lose_nothing_double_nothing_and_waste_nothing(database, tmp_path, monkeypatch):
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        # In memory, so that hundreds of commits do not wait for a disk.
        url = database if database.startswith("postgres") else f"sqlite:///{folder}/annotations.db"
        monkeypatch.setenv("AVHCURATE_DATABASE_URL", url)
        workspace = Workspace(tmp_path / "workspace")
        make_labelled(workspace, [0, 1, 2] * 100)
        opened = open_dataset(workspace, "pets")
        collect(opened, control_share=0.1, target=10)

        def annotate(who):
            acknowledged = []
            while (done := len(acknowledged)) < 8:
                for question in queue.next_questions(opened.decisions, opened.votes, opened.run, who, ahead=8 - done):
                    nonce = uuid.uuid4().hex
                    assert not any(
                        say(opened, who, question, question.id % 3, nonce=nonce) for _ in range(1 + done % 2)
                    )
                    acknowledged.append((who, question.id))
            return acknowledged

        with ThreadPoolExecutor(50) as pool:
            acknowledged = list(chain.from_iterable(pool.map(annotate, [f"w{number}" for number in range(50)])))
        found = annotators.responses(opened.votes, controls=True)
        written = list(zip(found["annotator"], found["id"], strict=True))
        assert len(acknowledged) == 50 * 8
        assert sorted(written) == sorted(acknowledged)
        assert len(set(written)) == len(written)
        votes = found[found["control"] == "none"]["id"].value_counts()
        assert votes.max() <= 10
        opened.refresh()
        assert opened.samples.frame()["votes"].sum() == len(found[found["control"] == "none"])
        assert (opened.samples.frame()["hsf"].dropna() == 1.0).all()
