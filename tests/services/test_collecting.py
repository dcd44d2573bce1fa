"""Collecting votes: what is handed out, which answers are taken, who counts, and that HSF follows the log at once."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import uuid
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avhcurate.curation.annotators import ExclusionRule
from avhcurate.curation.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.services import annotate_setup, annotator_status, answering, handing_out, tables
from avhcurate.services.annotate_setup import CollectionSettings
from avhcurate.services.annotating import annotate
from avhcurate.services.correlating import noise_ceiling
from avhcurate.services.inspecting import inspect
from avhcurate.services.tables import open_table
from avhcurate.services.voting import attach, attach_votes
from avhcurate.storage.ballots import Response
from avhcurate.storage.datasets import DatasetRecord
from avhcurate.storage.workspace import Workspace

CLASSES = ["cat", "dog", "bird"]


def make_dataset(workspace, labels, *, name="pets", paths=None, classes=CLASSES):
    """A dataset as an import leaves it, without images, which nothing here looks at; labels None for none."""
    paths = paths or [f"{id:04d}.png" for id in range(len(labels))]
    columns = {
        "id": pa.array(range(len(labels)), pa.int64()),
        "path": pa.array(paths, pa.string()),
        "split": pa.array([None] * len(labels), pa.string()),
        "label": pa.array(labels, pa.int32()),
        "_file": pa.array(paths, pa.string()),
        "_row": pa.array([None] * len(labels), pa.int64()),
    }
    folder = workspace.create(name)
    record = DatasetRecord(
        name=name,
        source="made",
        kind="folder",
        classes=classes,
        classes_declared=True,
        samples=len(labels),
        fingerprint=uuid.uuid4().hex,
    )
    folder.write(record, pa.table(columns))
    return workspace.adopt(name, folder)


@pytest.fixture
def pets(workspace, database, monkeypatch):
    """A table of 60 pets, 20 of each class, on either database; nobody has voted."""
    monkeypatch.setenv("AVHCURATE_DATABASE_URL", database)
    make_dataset(workspace, [0, 1, 2] * 20)
    return open_table(workspace, "pets")


def collect(table, design="classify", **changes):
    return annotate_setup.configure(table, CollectionSettings(design=design, **changes), who="boss")


def say(table, who, question, label, *, nonce=None, ms=700):
    nonce = nonce or uuid.uuid4().hex
    return answering.answer(table, who, question.task, question.id, label, nonce=nonce, reaction_ms=ms)


def tick(table, who, grid, ticked, *, nonce=None, ms=30_000):
    nonce = nonce or uuid.uuid4().hex
    return answering.submit_grid(table, who, grid.task, grid.ids, ticked, nonce=nonce, reaction_ms=ms)


def answer_all(table, who, say_what, number):
    """Answers `number` images, each by `say_what(id)`."""
    left = number
    while left:
        for question in handing_out.next_questions(table, who, ahead=min(10, left)):
            assert say(table, who, question, say_what(question.id)).accepted
            left -= 1


def truth(table):
    labels = table.dataset.labels()
    return lambda id: int(labels[id])


def members(grid, table):
    labels = table.dataset.labels()
    return [id for id in grid.ids if labels[id] == grid.label]


# --- what is handed out


def test_an_image_that_one_holds_is_not_given_to_another_beyond_the_target(pets):
    collect(pets, target=2, control_share=0.0)
    given = Counter()
    for who in ("ann", "bob", "cyd", "dan", "eve", "fay"):
        questions = handing_out.next_questions(pets, who, ahead=20)
        assert len({question.id for question in questions}) == 20
        given.update(question.id for question in questions)
    assert set(given.values()) == {2}
    assert len(given) == 60
    assert handing_out.next_questions(pets, "gil", ahead=20) == ()


def test_a_lease_that_ran_out_is_given_to_another(pets, monkeypatch):
    collect(pets, target=1, control_share=0.0, lease_minutes=5)
    first = handing_out.next_questions(pets, "ann", ahead=60)
    assert len(first) == 60
    assert handing_out.next_questions(pets, "bob") == ()
    later = time.time() + 301
    monkeypatch.setattr(time, "time", lambda: later)
    second = handing_out.next_questions(pets, "bob", ahead=10)
    assert len(second) == 10
    assert say(pets, "bob", second[0], 0).accepted
    late = next(question for question in first if question.id == second[0].id)
    assert say(pets, "ann", late, 0).kind == "taken"
    still_free = next(question for question in first if question.id not in {other.id for other in second})
    assert say(pets, "ann", still_free, 1).accepted


def test_a_reload_gives_the_same_images_in_the_same_order(pets):
    collect(pets)
    first = handing_out.next_questions(pets, "ann", ahead=6)
    assert handing_out.next_questions(pets, "ann", ahead=6) == first
    say(pets, "ann", first[0], 0)
    assert handing_out.next_questions(pets, "ann", ahead=6)[:5] == first[1:]


def test_everybody_sees_each_image_once_and_all_of_them(pets):
    collect(pets, target=3, control_share=0.0)
    for who in ("ann", "bob", "cyd"):
        answer_all(pets, who, truth(pets), 60)
        assert handing_out.next_questions(pets, who) == ()
    found = annotator_status.responses(pets)
    assert found.groupby("annotator")["id"].nunique().tolist() == [60, 60, 60]
    progress = handing_out.progress(pets, "ann")
    assert (progress.answers, progress.left, progress.done, progress.votes) == (60, 0, 60, 180)
    assert progress.wanted == 180


def test_fewest_votes_first_asks_about_what_has_none(pets):
    collect(pets, queue="random", control_share=0.0)
    answer_all(pets, "ann", truth(pets), 40)
    collect(pets, queue="fewest", control_share=0.0)
    seen = set(annotator_status.responses(pets)["id"])
    for question in handing_out.next_questions(pets, "bob", ahead=20):
        assert question.id not in seen


def test_an_excluded_sample_is_not_asked_about(pets):
    annotate(pets, list(range(30)), "exclude")
    collect(pets, control_share=0.0)
    assert {question.id for question in handing_out.next_questions(pets, "ann", ahead=60)} == set(range(30, 60))


def test_checks_are_mixed_in_by_their_share_and_look_like_the_others(own_digits):
    collect(own_digits, control_share=0.2, target=5)
    answer_all(own_digits, "ann", truth(own_digits), 100)
    rows = annotator_status.responses(own_digits, controls=True)
    checks = rows[rows["control"] == "attention"]
    assert len(checks) == 20
    assert (checks["expected"].astype(int) == own_digits.dataset.labels()[checks["id"]]).all()
    assert rows["id"].is_unique
    # The checks are images that the model finds easy for their class.
    easier = own_digits.frame(columns=["label", "avh"]).groupby("label")["avh"].rank(pct=True)
    assert (easier[checks["id"]] < 0.5).all()
    question = handing_out.next_questions(own_digits, "ann")[0]
    assert set(asdict(question)) == {"task", "id", "expires"}


def test_hardest_first_follows_the_score(own_digits):
    collect(own_digits, queue="hardest", score="avh", control_share=0.0)
    ids = [question.id for question in handing_out.next_questions(own_digits, "ann", ahead=20)]
    avh = own_digits.frame(columns=["avh"])["avh"]
    assert ids == avh.sort_values(ascending=False, kind="stable").index[:20].tolist()


def test_a_queue_that_needs_models_says_so(pets):
    for queue, message in (("hardest", "needs a model run"), ("disagreement", "two have been run")):
        with pytest.raises(CurateError, match=message):
            collect(pets, queue=queue)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": 0}, "1 to 1000"),
        ({"control_share": 0.7}, "between 0 and 0.5"),
        ({"design": "guess"}, "choose a design"),
        ({"queue": "best"}, "a queue of"),
        ({"design": "select", "classes": (7,)}, "no sample has a label"),
        ({"candidates": 0}, "one candidate"),
        ({"candidates": 1000}, "too much at once"),
        ({"lease_minutes": 0}, "more than nothing"),
    ],
)
def test_settings_by_which_nobody_could_be_asked_are_refused(workspace, changes, message):
    make_dataset(workspace, [0, 1, 2])
    table = open_table(workspace, "pets")
    with pytest.raises(CurateError, match=message):
        annotate_setup.configure(table, CollectionSettings(**changes), who="boss")
    assert annotate_setup.settings_of(table) is None


def test_settings_stand_for_everybody_and_after_a_restart(workspace):
    make_dataset(workspace, [0, 1, 2])
    wanted = CollectionSettings(design="select", classes=(1, 2), definitions=(("dog", "It barks."),), seed=7)
    annotate_setup.configure(open_table(workspace, "pets"), wanted, who="boss")
    assert annotate_setup.settings_of(open_table(workspace, "pets")) == wanted


# --- grids


def test_a_grid_holds_candidates_and_controls_of_the_right_classes(own_digits):
    collect(own_digits, "select", target=3)
    grid = handing_out.next_grid(own_digits, "ann", label=3)
    assert len(grid.ids) == len(set(grid.ids)) == 48
    tick(own_digits, "ann", grid, members(grid, own_digits))
    rows = annotator_status.responses(own_digits, controls=True)
    assert rows["control"].value_counts().to_dict() == {"none": 42, "positive": 3, "negative": 3}
    labels = pd.Series(own_digits.dataset.labels()[rows["id"]])
    assert (labels[rows["control"] != "negative"] == 3).all()
    negatives = set(labels[rows["control"] == "negative"])
    weights = own_digits.run.class_weights()
    unit = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    assert negatives == {int(np.argsort(-(unit @ unit[3]))[1])}


def test_grids_of_one_annotator_show_no_image_twice_for_a_class_and_end_when_all_are_seen(pets):
    collect(pets, "select", candidates=6, positives=1, negatives=1, target=5)
    shown = defaultdict(list)
    while (grid := handing_out.next_grid(pets, "ann")) is not None:
        assert len(grid.ids) <= 8
        shown[grid.label] += grid.ids
        assert tick(pets, "ann", grid, members(grid, pets)).accepted
    for label, ids in shown.items():
        assert len(ids) == len(set(ids))
        assert set(np.flatnonzero(pets.dataset.labels() == label)) <= set(ids)
    assert set(shown) == {0, 1, 2}
    assert handing_out.progress(pets, "ann").left == 0


def test_classes_take_turns_and_the_chosen_one_comes_when_asked_for(pets):
    collect(pets, "select", candidates=4, positives=1, negatives=1, classes=(0, 2))
    labels = []
    for _ in range(4):
        grid = handing_out.next_grid(pets, "ann")
        labels.append(grid.label)
        tick(pets, "ann", grid, [])
    assert sorted(labels[:2]) == sorted(labels[2:]) == [0, 2]
    assert handing_out.next_grid(pets, "ann", label=2).label == 2
    assert handing_out.next_grid(pets, "ann", label=0).label == 0
    assert len(pets.response_log.leases("pets", "select", "ann")) == 6
    with pytest.raises(CurateError, match="does not ask about class 1"):
        handing_out.next_grid(pets, "ann", label=1)


def test_two_at_once_share_out_a_class(pets):
    collect(pets, "select", candidates=10, positives=0, negatives=0, target=1, classes=(0,))
    grids = [handing_out.next_grid(pets, who) for who in ("ann", "bob")]
    assert sorted([*grids[0].ids, *grids[1].ids]) == list(range(0, 60, 3))
    assert handing_out.next_grid(pets, "cyd") is None


def test_a_grid_is_taken_whole_and_only_as_it_was_shown(pets):
    collect(pets, "select", candidates=4, positives=1, negatives=1)
    grid = handing_out.next_grid(pets, "ann")
    others = [id for id in range(60) if id not in grid.ids][:6]
    reply = answering.submit_grid(pets, "ann", grid.task, others, [], nonce="n", reaction_ms=9000)
    assert (reply.accepted, reply.kind) == (False, "stale")
    assert tick(pets, "ann", grid, [], ms=100).kind == "fast"
    with pytest.raises(CurateError, match="not on screen"):
        tick(pets, "ann", grid, others)
    assert annotator_status.responses(pets, controls=True).empty
    assert tick(pets, "ann", grid, grid.ids[:2], nonce="n").accepted
    assert tick(pets, "ann", grid, grid.ids[:2], nonce="n").accepted
    assert tick(pets, "ann", grid, [], nonce="m").kind == "answered"
    rows = annotator_status.responses(pets, controls=True)
    assert len(rows) == 6
    assert set(rows["id"][rows["selected"] == True]) == set(grid.ids[:2])  # noqa: E712


def test_a_grid_that_is_taken_back_comes_again_as_it_was(pets):
    collect(pets, "select", candidates=4, positives=1, negatives=1)
    grid = handing_out.next_grid(pets, "ann")
    tick(pets, "ann", grid, grid.ids[1:3])
    following = handing_out.next_grid(pets, "ann")
    again = answering.take_back(pets, "ann")
    assert again.ids == grid.ids
    assert set(again.ticked) == set(grid.ids[1:3])
    assert again.task != grid.task
    assert handing_out.next_grid(pets, "ann") == again
    assert annotator_status.responses(pets).empty
    assert tick(pets, "ann", again, []).accepted
    assert handing_out.next_grid(pets, "ann").ids == following.ids


# --- which answers are taken


def test_a_stale_answer_is_refused_and_says_so(pets):
    collect(pets)
    first, second = handing_out.next_questions(pets, "ann", ahead=2)
    wrong = answering.answer(pets, "ann", first.task, second.id, 0, nonce="n", reaction_ms=700)
    assert (wrong.accepted, wrong.kind) == (False, "stale")
    assert "Another image" in wrong.reason
    assert say(pets, "bob", first, 0).kind == "stale"
    assert answering.answer(pets, "ann", "made up", first.id, 0, nonce="n", reaction_ms=700).kind == "stale"
    assert annotator_status.responses(pets).empty


def test_an_impossibly_fast_answer_is_refused_and_the_image_stays(pets):
    collect(pets)
    question = handing_out.next_questions(pets, "ann")[0]
    assert say(pets, "ann", question, 0, ms=99).kind == "fast"
    assert handing_out.next_questions(pets, "ann")[0] == question
    assert say(pets, "ann", question, 0, ms=100).accepted


def test_an_answer_sent_again_counts_once_and_another_one_is_refused(pets):
    collect(pets, control_share=0.0)
    question = handing_out.next_questions(pets, "ann")[0]
    assert say(pets, "ann", question, 0, nonce="n").accepted
    assert say(pets, "ann", question, 0, nonce="n").accepted
    assert say(pets, "ann", question, 1, nonce="m").kind == "answered"
    assert annotator_status.responses(pets)["label"].tolist() == [0]


def test_what_makes_no_sense_is_refused(pets):
    with pytest.raises(CurateError, match="set up a collection"):
        handing_out.next_questions(pets, "ann")
    collect(pets)
    question = handing_out.next_questions(pets, "ann")[0]
    with pytest.raises(CurateError, match="labels run from 0 to 2"):
        say(pets, "ann", question, 3)
    with pytest.raises(CurateError, match="nonce"):
        answering.answer(pets, "ann", question.task, question.id, 0, nonce="", reaction_ms=700)
    for name in ("", "  ", "x" * 61, "a\nb"):
        with pytest.raises(CurateError, match="1 to 60 printable"):
            handing_out.next_questions(pets, name)
    with pytest.raises(CurateError, match="reload"):
        handing_out.next_grid(pets, "ann")


def test_backspace_takes_answers_back_one_by_one_and_asks_them_again_first(pets):
    collect(pets)
    first, second, third, *_ = handing_out.next_questions(pets, "ann", ahead=5)
    say(pets, "ann", first, 0)
    say(pets, "ann", second, 1)
    back = answering.take_back(pets, "ann")
    assert back.id == second.id
    assert answering.take_back(pets, "ann").id == first.id
    assert answering.take_back(pets, "ann") is None
    following = [question.id for question in handing_out.next_questions(pets, "ann", ahead=5)]
    assert following[:3] == [first.id, second.id, third.id]
    assert annotator_status.responses(pets).empty
    assert len(annotator_status.responses(pets, standing=False, controls=True)) == 2
    assert say(pets, "ann", back, 2).accepted


def test_a_backspace_that_is_sent_again_takes_back_no_second_answer(pets):
    collect(pets)
    first, second, *_ = handing_out.next_questions(pets, "ann", ahead=5)
    say(pets, "ann", first, 0, nonce="one")
    say(pets, "ann", second, 1, nonce="two")
    back = answering.take_back(pets, "ann", of="two")
    assert back.id == second.id
    assert answering.take_back(pets, "ann", of="two") == back
    assert len(annotator_status.responses(pets, controls=True)) == 1
    assert say(pets, "ann", back, 2).accepted
    assert answering.take_back(pets, "ann", of="two") is None
    assert answering.take_back(pets, "ann", of="unknown") is None
    assert answering.take_back(pets, "bob", of="one") is None
    assert len(annotator_status.responses(pets, controls=True)) == 2
    assert answering.take_back(pets, "ann", of="one").id == first.id


def test_an_image_that_cannot_be_seen_is_not_asked_about_again(pets):
    collect(pets, control_share=0.0, target=1)
    first, *others = handing_out.next_questions(pets, "ann", ahead=60)
    for _ in range(2):
        answering.skip(pets, "ann", first.task)
    answering.skip(pets, "ann", "unknown")
    assert handing_out.next_questions(pets, "ann", ahead=60) == tuple(others)
    assert handing_out.progress(pets, "ann").left == 59
    assert [question.id for question in handing_out.next_questions(pets, "bob", ahead=60)] == [first.id]


# --- who counts, and what HSF is made of


def test_votes_reach_hsf_its_bins_and_its_interval_at_once(pets):
    collect(pets, control_share=0.0, target=4)
    assert pets.votes is None
    for who, wrong in (("ann", False), ("bob", False), ("cyd", False), ("dan", True)):
        answer_all(pets, who, (lambda id: (truth(pets)(id) + 1) % 3) if wrong else truth(pets), 60)
    pets.refresh()
    frame = pets.frame()
    assert (frame["hsf"] == 0.75).all()
    assert (frame["votes"] == 4).all()
    assert frame["hsf_bin"].unique().tolist() == ["[0.6, 0.8)"]
    assert frame["hsf_low"].iloc[0] == pytest.approx(0.3006, abs=1e-4)
    assert pets.count(Filters(hsf_bins=(3,))) == 60
    assert (pets.votes.kind, pets.votes.total, pets.votes.samples, pets.votes.simulated) == ("k-way", 240, 60, False)
    assert inspect(pets, 0).votes.tolist() == [0.75, 0.25, 0]
    assert noise_ceiling(pets).samples == 60


def test_excluding_and_including_an_annotator_moves_hsf_and_opens_places(pets):
    collect(pets, control_share=0.0, target=2)
    answer_all(pets, "ann", truth(pets), 60)
    answer_all(pets, "bob", lambda id: (truth(pets)(id) + 1) % 3, 60)
    pets.refresh()
    assert (pets.frame()["hsf"] == 0.5).all()
    assert handing_out.next_questions(pets, "cyd") == ()
    annotator_status.exclude(pets, "bob", why="always wrong", who="boss")
    assert (pets.frame()["hsf"] == 1.0).all()
    assert annotate_setup.source(pets).left_out == 1
    assert len(handing_out.next_questions(pets, "cyd", ahead=60)) == 60
    found = annotator_status.annotators(pets).set_index("annotator")
    assert found["excluded"].to_dict() == {"ann": False, "bob": True}
    assert (found.loc["bob", "why"], found.loc["bob", "by"]) == ("always wrong", "hand: boss")
    annotator_status.include(pets, "bob", who="boss")
    assert (pets.frame()["hsf"] == 0.5).all()
    assert annotator_status.status_changes(pets)["action"].tolist() == ["include", "exclude"]


def test_a_withdrawn_annotator_is_gone_from_hsf_and_tables(pets):
    collect(pets, control_share=0.0)
    answer_all(pets, "ann", truth(pets), 60)
    answer_all(pets, "bob", lambda id: 0, 30)
    assert annotator_status.withdraw(pets, "bob") == 30
    assert (pets.frame()["hsf"] == 1.0).all()
    assert annotator_status.annotators(pets)["annotator"].tolist() == ["ann"]
    annotator_status.withdraw(pets, "ann")
    assert pets.frame()["hsf"].isna().all()
    assert pets.frame()["votes"].isna().all()
    assert pets.votes is None


def test_the_control_filter_leaves_out_who_fails_controls_unless_included_by_hand(own_digits):
    collect(own_digits, control_share=0.5, target=5)
    answer_all(own_digits, "ann", truth(own_digits), 40)
    answer_all(own_digits, "bob", lambda id: (truth(own_digits)(id) + 1) % 10, 40)
    found = annotator_status.annotators(own_digits).set_index("annotator")
    assert found["control_accuracy"].to_dict() == {"ann": 1.0, "bob": 0.0}
    assert annotate_setup.source(own_digits).collected == 40
    source = annotate_setup.choose_source(own_digits, control_filter=0.8, who="boss")
    assert (source.collected, source.annotators, source.left_out) == (20, 1, 1)
    assert (own_digits.frame()["hsf"].dropna() == 1.0).all()
    found = annotator_status.annotators(own_digits).set_index("annotator")
    assert (found.loc["bob", "why"], found.loc["bob", "by"]) == ("0 of 20 controls right, below 80%", "rule")
    annotator_status.include(own_digits, "bob", who="boss")
    assert annotate_setup.source(own_digits).collected == 40


def test_a_rule_of_the_moment_excludes_by_hand_and_says_why(pets):
    collect(pets, control_share=0.0, target=4)
    for who in ("ann", "bob", "cyd"):
        answer_all(pets, who, truth(pets), 60)
    answer_all(pets, "dan", lambda id: (truth(pets)(id) + 1) % 3, 60)
    found = annotator_status.apply_rule(pets, ExclusionRule(agreement=0.5), who="boss")
    assert found["annotator"].tolist() == ["dan"]
    assert (pets.frame()["hsf"] == 1.0).all()
    assert "below 50 %" in annotator_status.annotators(pets).set_index("annotator").loc["dan", "why"]
    annotator_status.include(pets, "dan", who="boss")
    assert annotator_status.apply_rule(pets, ExclusionRule(agreement=0.5), who="boss").empty


def test_collected_votes_replace_simulated_ones_and_can_give_way_to_them_again(own_digits):
    before = own_digits.frame(columns=["hsf", "votes"])
    collect(own_digits, control_share=0.0)
    answer_all(own_digits, "ann", truth(own_digits), 5)
    own_digits.refresh()
    assert not own_digits.simulated
    assert own_digits.frame()["votes"].sum() == 5
    source = annotate_setup.source(own_digits)
    assert (source.key, source.imported, source.collected, source.annotators) == ("k-way", 0, 5, 1)
    assert own_digits.counter.sources() == {"k-way": 5, "simulated": int(before["votes"].sum())}
    source = annotate_setup.choose_source(own_digits, chosen="simulated", who="boss")
    assert own_digits.simulated
    assert (source.key, source.collected) == ("simulated", 0)
    pd.testing.assert_frame_equal(own_digits.frame(columns=["hsf", "votes"]), before)


def test_imported_votes_and_collected_ones_of_the_same_kind_add_up(pets, workspace, tmp_path):
    np.save(tmp_path / "counts.npy", np.tile([2, 1, 0], (60, 1)))
    attach_votes(workspace, "pets", tmp_path / "counts.npy")
    table = open_table(workspace, "pets")
    collect(table, control_share=0.0)
    answer_all(table, "ann", lambda id: 2, 60)
    table.refresh()
    expected = np.array([2, 1, 1])[table.dataset.labels()] / 4
    assert table.frame()["hsf"].to_numpy() == pytest.approx(expected)
    assert np.stack(table.vote_counts()["counts"].to_list()).tolist() == [[2, 1, 1]] * 60
    assert table.vote_counts(7)["counts"].iloc[0].tolist() == [2, 1, 1]
    assert table.votes.total == 240
    assert "counts.npy and 1 annotator in the app" in table.votes.source


def test_ticks_and_choices_are_never_mixed_and_the_larger_one_is_used(pets):
    collect(pets, control_share=0.0)
    answer_all(pets, "ann", truth(pets), 10)
    collect(pets, "select", candidates=12, positives=0, negatives=0)
    grid = handing_out.next_grid(pets, "bob")
    tick(pets, "bob", grid, [])
    assert pets.counter.sources() == {"k-way": 10, "tick": 12}
    assert annotate_setup.source(pets).key == "tick"
    assert pets.frame()["votes"].sum() == 12
    assert set(pets.vote_counts().columns) == {"id", "selected", "shown"}
    source = annotate_setup.choose_source(pets, chosen="k-way", who="boss")
    assert (source.key, source.collected) == ("k-way", 10)
    assert (pets.frame()["hsf"].dropna() == 1.0).all()


def test_a_choice_without_votes_falls_back_to_what_there_is(pets):
    collect(pets, control_share=0.0)
    answer_all(pets, "ann", truth(pets), 3)
    source = annotate_setup.choose_source(pets, chosen="tick", who="boss")
    assert (source.key, source.chosen) == ("k-way", "tick")
    with pytest.raises(CurateError, match="cannot be made of"):
        annotate_setup.choose_source(pets, chosen="magic", who="boss")


def test_a_sample_without_a_label_keeps_its_votes_and_has_no_hsf(workspace):
    make_dataset(workspace, [0, None, 2])
    table = open_table(workspace, "pets")
    collect(table, control_share=0.0)
    answer_all(table, "ann", lambda id: 0, 3)
    table.refresh()
    frame = table.frame()
    assert frame["votes"].tolist() == [1, 1, 1]
    assert frame["hsf"].tolist() == pytest.approx([1, float("nan"), 0], nan_ok=True)


def test_votes_outlive_a_reimport_in_another_order_with_other_labels(workspace):
    make_dataset(workspace, [0, 1, 2, 0], paths=["a", "b", "c", "d"])
    table = open_table(workspace, "pets")
    collect(table, control_share=0.0)
    answer_all(table, "ann", truth(table), 4)
    make_dataset(workspace, [0, 0, 1], paths=["c", "a", "new"], classes=["cat", "bird", "dog"])
    again = open_table(workspace, "pets").frame().set_index("path")
    assert again["hsf"].to_dict() == pytest.approx({"c": 0.0, "a": 1.0, "new": float("nan")}, nan_ok=True)


def test_a_workspace_that_was_removed_and_made_anew_starts_without_votes(workspace):
    import shutil

    for _ in range(2):
        make_dataset(workspace, [0, 1, 2])
        table = open_table(workspace, "pets")
        assert annotate_setup.settings_of(table) is None
        collect(table, control_share=0.0)
        answer_all(table, "ann", truth(table), 3)
        shutil.rmtree(workspace.root)


def test_a_plain_address_of_postgresql_means_the_driver_of_the_extra(workspace, monkeypatch):
    for scheme in ("postgres", "postgresql"):
        monkeypatch.setenv("AVHCURATE_DATABASE_URL", f"{scheme}://ann@host/name")
        assert tables._address(workspace) == "postgresql+psycopg://ann@host/name"


# --- HSF equals a recount, whatever happened

PATHS = ["a", "b", "c", "d"]
WHO = ["ann", "bob", "cyd"]
_some_labels = st.lists(st.sampled_from([0, 1, 2, None]), min_size=4, max_size=4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("classify"), st.sampled_from(WHO), st.sampled_from(PATHS), st.sampled_from(CLASSES)),
        st.tuples(st.just("check"), st.sampled_from(WHO), st.sampled_from(PATHS), st.sampled_from(CLASSES)),
        st.tuples(st.just("select"), st.sampled_from(WHO), st.sampled_from(CLASSES), st.sets(st.sampled_from(PATHS))),
        st.tuples(st.just("take back"), st.sampled_from(WHO), st.sampled_from(["classify", "select"])),
        st.tuples(st.sampled_from(["exclude", "include", "withdraw"]), st.sampled_from(WHO)),
        st.tuples(st.just("attach"), st.lists(st.integers(0, 3), min_size=12, max_size=12)),
        st.tuples(st.just("import again"), _some_labels, st.permutations(PATHS)),
        st.tuples(st.just("choose"), st.sampled_from(["auto", "k-way", "tick"]), st.sampled_from([None, 0.5, 1.0])),
        st.tuples(st.just("look")),
    ),
    max_size=30,
)


@pytest.fixture(scope="module")
def common_workspace():
    """A workspace whose database is quick: in memory where the system has a place for that."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Workspace(folder)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(labels=_some_labels, steps=STEPS)
def test_hsf_after_any_order_of_events_equals_a_recount_from_the_log(common_workspace, labels, steps):
    workspace, name = common_workspace, f"d{uuid.uuid4().hex[:8]}"
    make_dataset(workspace, labels, name=name, paths=PATHS)
    table = open_table(workspace, name)
    for step in steps:
        table = _take(step, workspace, table)
    table.refresh()
    expected = _slow_recount(workspace, table)
    frame = table.frame()
    assert frame["hsf"].tolist() == pytest.approx([hsf for hsf, _ in expected], nan_ok=True)
    assert [0 if pd.isna(votes) else votes for votes in frame["votes"]] == [votes for _, votes in expected]
    again = open_table(workspace, name).frame()
    pd.testing.assert_frame_equal(again, frame)


def _take(step, workspace, table):
    what, *values = step
    name, at = table.dataset.name, time.time()
    if what in ("classify", "check"):
        who, path, answer = values
        control, expected = ("attention", "cat") if what == "check" else ("none", None)
        task = uuid.uuid4().hex
        with table.response_log.transaction(name) as log:
            if path not in log.answered("classify", who, [path]):  # as nobody is asked the same twice
                ballot = Response(0, path, answer, None, control, expected)
                log.record("classify", who, task, [ballot], nonce=task, reaction_ms=700, at=at)
    elif what == "select":
        who, asked, ticked = values
        task = uuid.uuid4().hex
        with table.response_log.transaction(name) as log:
            new = [path for path in PATHS if path not in log.answered("select", who, PATHS, asked)]
            controls = ["positive", "none", "none", "negative"]
            tiles = [
                Response(place, path, asked, path in ticked, controls[place], None) for place, path in enumerate(new)
            ]
            if tiles:
                log.record("select", who, task, tiles, nonce=task, reaction_ms=7000, at=at)
    elif what == "take back":
        with table.response_log.transaction(name) as log:
            newest = log.newest(values[1], values[0])
            if newest is not None:
                log.retract(newest, at=at)
    elif what == "exclude":
        annotator_status.exclude(table, values[0], why="so", who="boss")
    elif what == "include":
        annotator_status.include(table, values[0], who="boss")
    elif what == "withdraw":
        annotator_status.withdraw(table, values[0])
    elif what == "choose":
        annotate_setup.choose_source(table, chosen=values[0], control_filter=values[1], who="boss")
    elif what == "attach" and sum(values[0]):
        counts = np.array(values[0], np.int32).reshape(4, 3)
        kept = np.flatnonzero(counts.sum(axis=1))
        votes = pa.table(
            {"id": pa.array(kept, pa.int64()), "counts": pa.array(counts[kept].tolist(), pa.list_(pa.int32()))}
        )
        attach(table.dataset, votes, source="a file", messages=[], force=True)
        return open_table(workspace, name)
    elif what == "import again":
        make_dataset(workspace, values[0], name=name, paths=values[1])
        return open_table(workspace, name)
    elif what == "look":
        table.refresh()
    return table


def _slow_recount(workspace, table):
    """(HSF, votes) of each sample, from the rows of the database one by one, in plain Python."""
    name = table.dataset.name
    with sqlite3.connect(workspace.annotations_path) as connection:
        connection.row_factory = sqlite3.Row

        def read(log):
            return [
                dict(row) for row in connection.execute(f"SELECT * FROM {log} WHERE dataset = ? ORDER BY id", [name])
            ]

        ballots, takebacks, rulings, choices = map(read, ("ballots", "takebacks", "rulings", "choices"))
    gone = {row["task"] for row in takebacks}
    ballots = [row for row in ballots if row["task"] not in gone]
    ruled = {row["annotator"]: row["action"] for row in rulings}
    chosen, limit = "auto", None
    for row in choices:
        chosen, _, text = row["value"].partition(" ")
        limit = float(text) if text else None
    samples = table.dataset.samples(["path", "label"])
    label_of = {row["path"]: None if pd.isna(row["label"]) else CLASSES[row["label"]] for _, row in samples.iterrows()}
    imported = table.dataset.votes()
    path_of = dict(enumerate(samples["path"]))
    from_file = {} if imported is None else dict(zip(imported["id"].map(path_of), imported["counts"], strict=True))

    def trusted(who, design):
        controls = [
            row for row in ballots if (row["annotator"], row["design"]) == (who, design) and row["control"] != "none"
        ]
        right = 0
        for row in controls:
            if row["control"] == "attention":
                right += row["answer"] == row["expected"]
            else:
                right += row["selected"] == (row["control"] == "positive")
        return limit is None or len(controls) < 5 or right / len(controls) >= limit

    def votes(design, filtered):
        """For each sample, whether each vote is for its label; None where that cannot be said."""
        found = {path: [] for path in label_of}
        for row in ballots:
            who, path = row["annotator"], row["path"]
            if (
                row["design"] != design
                or row["control"] != "none"
                or path not in label_of
                or ruled.get(who) == "exclude"
            ):
                continue
            if filtered and ruled.get(who) != "include" and not trusted(who, design):
                continue
            if design == "select" and row["answer"] == label_of[path]:
                found[path].append(bool(row["selected"]))
            if design == "classify":
                found[path].append(None if label_of[path] is None else row["answer"] == label_of[path])
        if design == "classify":
            for path, counts in from_file.items():
                for cls, count in zip(CLASSES, counts, strict=True):
                    found[path] += [None if label_of[path] is None else cls == label_of[path]] * int(count)
        return found

    number = {
        key: sum(map(len, votes(design, False).values())) for key, design in (("k-way", "classify"), ("tick", "select"))
    }
    key = chosen if number.get(chosen) else ("k-way" if number["k-way"] >= number["tick"] else "tick")
    used = votes("classify" if key == "k-way" else "select", True)
    result = []
    for path in samples["path"]:
        said = used[path]
        judged = [vote for vote in said if vote is not None]
        result.append((sum(judged) / len(judged) if judged else float("nan"), len(said)))
    return result


# --- many at once


@pytest.mark.slow
def test_fifty_annotators_at_once_lose_nothing_double_nothing_and_waste_nothing(database, tmp_path, monkeypatch):
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        # In memory, so that 10,000 commits do not wait for a disk.
        url = database if database.startswith("postgres") else f"sqlite:///{folder}/annotations.db"
        monkeypatch.setenv("AVHCURATE_DATABASE_URL", url)
        workspace = Workspace(tmp_path / "workspace")
        make_dataset(workspace, [0, 1, 2] * 400)
        table = open_table(workspace, "pets")
        collect(table, control_share=0.1, target=10)
        acknowledged, problems = [], []

        def annotate_200(who):
            done = 0
            try:
                while done < 200:
                    for question in handing_out.next_questions(table, who, ahead=min(20, 200 - done)):
                        nonce = uuid.uuid4().hex
                        replies = [say(table, who, question, question.id % 3, nonce=nonce) for _ in range(1 + done % 2)]
                        assert all(reply.accepted for reply in replies)
                        acknowledged.append((who, question.id))
                        done += 1
            except BaseException as problem:
                problems.append(problem)
                raise

        threads = [threading.Thread(target=annotate_200, args=(f"w{number}",)) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        found = annotator_status.responses(table, controls=True)
        written = list(zip(found["annotator"], found["id"], strict=True))
        assert len(acknowledged) == 50 * 200
        assert sorted(written) == sorted(acknowledged)
        assert len(set(written)) == len(written)
        votes = found[found["control"] == "none"]["id"].value_counts()
        assert votes.max() <= 10
        table.refresh()
        assert table.frame()["votes"].sum() == len(found[found["control"] == "none"])
        assert (table.frame()["hsf"].dropna() == 1.0).all()


def test_a_killed_server_loses_no_acknowledged_answer(workspace, database, monkeypatch):
    monkeypatch.setenv("AVHCURATE_DATABASE_URL", database)
    make_dataset(workspace, [0, 1, 2] * 100)
    table = open_table(workspace, "pets")
    collect(table)
    script = f"""
        import threading, uuid
        from avhcurate.services import annotate_setup, annotator_status, answering, handing_out
        from avhcurate.services.tables import open_table
        from avhcurate.storage.workspace import Workspace
        table = open_table(Workspace({str(workspace.root)!r}), "pets")
        def annotate(who):
            while True:
                for question in handing_out.next_questions(table, who):
                    reply = answering.answer(
                        table, who, question.task, question.id, 0, nonce=uuid.uuid4().hex, reaction_ms=500
                    )
                    if reply.accepted:
                        print(f"{{who}} {{question.id}}\\n", end="", flush=True)
        for who in ("ann", "bob", "cyd"):
            threading.Thread(target=annotate, args=(who,)).start()
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    acknowledged = [next(process.stdout) for _ in range(40)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += process.stdout.readlines()
    process.wait()
    found = annotator_status.responses(table, controls=True)
    kept = {f"{who} {id}\n" for who, id in zip(found["annotator"], found["id"], strict=True)}
    assert {line for line in acknowledged if line.endswith("\n")} <= kept
    assert len(kept) <= len(acknowledged) + 3
    question = handing_out.next_questions(table, "ann")[0]
    assert say(table, "ann", question, 0).accepted
