"""What annotators are asked: settings, never beyond the target, nothing twice, controls among the images, grids."""

import time
from collections import Counter, defaultdict
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.features.annotate import annotators, answers, setup
from avhcurate.features.annotate import queue as annotate_queue
from avhcurate.features.annotate.setup import CollectionSettings
from tests.fakes.votes import answer_all, collect, members, say, tick, truth


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": 0}, "greater than or equal to 1"),
        ({"control_share": 0.7}, "less than or equal to 0.5"),
        ({"design": "guess"}, "'classify' or 'select'"),
        ({"queue": "best"}, "'random', 'hardest'"),
        ({"design": "select", "classes": (7,)}, "No image has a label"),
        ({"candidates": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_give_no_tasks_are_refused(pets, changes, message):
    with pytest.raises(CurateError, match=message):
        setup.configure(pets.votes, pets.run, pets.prediction, CollectionSettings(**changes), who="boss")
    assert setup.settings_of(pets.votes) is None


def test_settings_hold_for_everybody_and_after_a_restart(pets, workspace):
    wanted = CollectionSettings(design="select", classes=(1, 2), definitions=(("dog", "It barks."),))
    setup.configure(pets.votes, pets.run, pets.prediction, wanted, who="boss")
    # A random order keeps a record of its chances, the first.
    assert setup.settings_of(open_dataset(workspace, "pets").votes) == wanted.with_(record=1)


def test_an_image_that_one_holds_is_not_given_to_another_beyond_the_target(pets):
    collect(pets, target=2, control_share=0.0)
    given = Counter()
    for who in ("ann", "bob", "cyd", "dan", "eve", "fay"):
        questions = annotate_queue.next_questions(pets.decisions, pets.votes, pets.run, who, ahead=20)
        assert len({question.id for question in questions}) == 20
        given.update(question.id for question in questions)
    assert set(given.values()) == {2}
    assert len(given) == 60
    assert annotate_queue.next_questions(pets.decisions, pets.votes, pets.run, "gil", ahead=20) == ()


def test_a_lease_that_ran_out_is_given_to_another(pets, monkeypatch):
    collect(pets, target=1, control_share=0.0)
    first = annotate_queue.next_questions(pets.decisions, pets.votes, pets.run, "ann", ahead=60)
    assert len(first) == 60
    assert annotate_queue.next_questions(pets.decisions, pets.votes, pets.run, "bob") == ()
    later = time.time() + 601
    monkeypatch.setattr(time, "time", lambda: later)
    second = annotate_queue.next_questions(pets.decisions, pets.votes, pets.run, "bob", ahead=10)
    assert len(second) == 10
    assert say(pets, "bob", second[0], 0) == ""
    late = next(question for question in first if question.id == second[0].id)
    assert say(pets, "ann", late, 0) == answers.TAKEN
    still_free = next(question for question in first if question.id not in {other.id for other in second})
    assert say(pets, "ann", still_free, 1) == ""


def test_a_reload_gives_the_same_images_in_the_same_order(pets):
    collect(pets)
    first = annotate_queue.next_questions(pets.decisions, pets.votes, pets.run, "ann", ahead=6)
    assert annotate_queue.next_questions(pets.decisions, pets.votes, pets.run, "ann", ahead=6) == first
    say(pets, "ann", first[0], 0)
    assert annotate_queue.next_questions(pets.decisions, pets.votes, pets.run, "ann", ahead=6)[:5] == first[1:]


def test_everybody_sees_each_image_once_and_all_of_them(pets):
    collect(pets, target=3, control_share=0.0)
    for who in ("ann", "bob", "cyd"):
        answer_all(pets, who, truth(pets), 60)
        assert annotate_queue.next_questions(pets.decisions, pets.votes, pets.run, who) == ()
    found = annotators.responses(pets.votes)
    assert found.groupby("annotator")["id"].nunique().tolist() == [60, 60, 60]
    progress = annotate_queue.progress(pets.decisions, pets.votes, pets.run, "ann")
    assert (progress.answers, progress.left, progress.done, progress.votes) == (60, 0, 60, 180)
    collect(pets, queue="fewest", target=4, control_share=0.0)
    answer_all(pets, "dan", truth(pets), 40)
    seen = set(annotators.responses(pets.votes).query("annotator == 'dan'")["id"])
    assert not seen & {
        question.id for question in annotate_queue.next_questions(pets.decisions, pets.votes, pets.run, "eve", ahead=20)
    }


def test_an_excluded_sample_is_not_asked_about(pets):
    annotate(pets.decisions, list(range(30)), "exclude")
    collect(pets, control_share=0.0)
    assert {
        question.id for question in annotate_queue.next_questions(pets.decisions, pets.votes, pets.run, "ann", ahead=60)
    } == set(range(30, 60))


def test_checks_are_mixed_in_by_their_share_and_look_like_the_others(own_digits):
    collect(own_digits, control_share=0.2, target=5)
    answer_all(own_digits, "ann", truth(own_digits), 100)
    rows = annotators.responses(own_digits.votes, controls=True)
    checks = rows[rows["control"] == "attention"]
    assert len(checks) == 20
    assert (checks["expected"].astype(int) == own_digits.dataset.labels()[checks["id"]]).all()
    assert rows["id"].is_unique
    # The checks are images that the model finds easy for their class.
    easier = own_digits.samples.frame(columns=["label", "avh"]).groupby("label")["avh"].rank(pct=True)
    assert (easier[checks["id"]] < 0.5).all()
    question = annotate_queue.next_questions(own_digits.decisions, own_digits.votes, own_digits.run, "ann")[0]
    assert set(asdict(question)) == {"task", "id"}
    # They are counted apart from answers, ten answers at a time, so that no single one is given away.
    for answered in (80, 89):
        progress = annotate_queue.progress(own_digits.decisions, own_digits.votes, own_digits.run, "ann")
        assert progress.answered == answered
        assert progress.apart == "checks among the first 100, not counted: 20"
        answer_all(own_digits, "ann", truth(own_digits), 9)


def test_hard_ones_come_first_by_the_score(own_digits):
    collect(own_digits, queue="hardest", score="avh", control_share=0.0)
    ids = [
        question.id
        for question in annotate_queue.next_questions(
            own_digits.decisions, own_digits.votes, own_digits.run, "ann", ahead=60
        )
    ]
    avh = own_digits.samples.frame(columns=["avh"])["avh"]
    assert avh.rank(pct=True)[ids].mean() > 0.6


def test_a_queue_that_needs_models_says_so(pets):
    needs = {"hardest": "a model run", "disagreement": "two have been run", "informative": "avhcurate predict"}
    for queue, message in needs.items():
        with pytest.raises(CurateError, match=message):
            collect(pets, queue=queue)


def test_a_grid_holds_candidates_and_controls_of_the_right_classes(own_digits):
    collect(own_digits, "select", target=3, classes=(3,))
    grid = annotate_queue.next_grid(own_digits.decisions, own_digits.votes, own_digits.run, "ann")
    assert len(grid.ids) == len(set(grid.ids)) == 48
    tick(own_digits, "ann", grid, members(grid, own_digits))
    rows = annotators.responses(own_digits.votes, controls=True)
    assert rows["control"].value_counts().to_dict() == {"none": 42, "positive": 3, "negative": 3}
    labels = pd.Series(own_digits.dataset.labels()[rows["id"]])
    assert (labels[rows["control"] != "negative"] == 3).all()
    negatives = set(labels[rows["control"] == "negative"])
    weights = own_digits.run.class_weights()
    unit = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    assert negatives == {int(np.argsort(-(unit @ unit[3]))[1])}


def test_grids_of_one_annotator_show_no_image_twice_for_a_class_and_end_when_all_are_seen(pets):
    collect(pets, "select", candidates=6, controls=1, target=5)
    shown = defaultdict(list)
    while (grid := annotate_queue.next_grid(pets.decisions, pets.votes, pets.run, "ann")) is not None:
        assert len(grid.ids) <= 8
        shown[pets.samples.classes.index(grid.class_name)] += grid.ids
        assert tick(pets, "ann", grid, members(grid, pets)) == ""
    for label, ids in shown.items():
        assert len(ids) == len(set(ids))
        assert set(np.flatnonzero(pets.dataset.labels() == label)) <= set(ids)
    assert set(shown) == {0, 1, 2}
    assert annotate_queue.progress(pets.decisions, pets.votes, pets.run, "ann").left == 0


def test_classes_take_turns(pets):
    collect(pets, "select", candidates=4, controls=1, classes=(0, 2))
    labels = []
    for _ in range(4):
        grid = annotate_queue.next_grid(pets.decisions, pets.votes, pets.run, "ann")
        labels.append(grid.class_name)
        tick(pets, "ann", grid, [])
    assert sorted(labels[:2]) == sorted(labels[2:]) == ["bird", "cat"]
