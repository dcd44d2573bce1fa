"""Images that somebody asks people about come first for three people, blind, and their votes are known as such."""

import pytest

from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.features.annotate import queue
from avhcurate.features.annotate.queue import next_grid, next_questions
from avhcurate.people.asked import ASKED, answers_about
from avhcurate.people.queues import queue_use
from tests.fakes.decisions import decide, decision
from tests.fakes.votes import answer_all, collect, say, tick, truth


def test_an_image_comes_first_until_three_have_answered_and_not_beyond(pets):
    collect(pets, target=1, control_share=0.0)
    answer_all(pets, "ann", truth(pets), 1)
    annotate(pets.decisions, [41], "tag", ASKED)
    for who, label in (("ann", 2), ("bob", 1), ("cyd", 2)):
        assert queue.TaskQueue(pets.decisions, pets.votes, pets.run, who).wanted.max() == 3
        first = next_questions(pets.decisions, pets.votes, pets.run, who, ahead=2)[0]
        assert first.id == 41
        assert vars(first).keys() == {"task", "id"}  # all that the annotator's page is told
        assert say(pets, who, first, label) == ""
    assert 41 not in {question.id for question in next_questions(pets.decisions, pets.votes, pets.run, "dan", ahead=60)}
    name = pets.samples.classes
    assert answers_about(pets.votes, [41]) == {41: {name[2]: 2, name[1]: 1}}
    use = queue_use(pets.votes)
    assert use.votes == {"asked": 3, "random": 1}
    assert (use.biased, use.weights) == (3, None)


def test_what_is_decided_or_taken_back_is_no_longer_asked(pets):
    collect(pets, queue="asked", control_share=0.0)
    assert next_questions(pets.decisions, pets.votes, pets.run, "ann") == ()
    annotate(pets.decisions, [4], "tag", ASKED)
    annotate(pets.decisions, [5, 6], "tag", ASKED)
    annotate(pets.decisions, [5], "tag", "label-ok")
    progress = queue.progress(pets.decisions, pets.votes, pets.run, "ann")
    assert (progress.samples, progress.done, progress.left) == (2, 0, 2)
    undo(pets.decisions, actions=["tag"])
    undo(pets.decisions, actions=["tag"])  # both that came last
    assert [question.id for question in next_questions(pets.decisions, pets.votes, pets.run, "ann")] == [4]


def test_grids_begin_with_the_class_of_an_image_that_is_asked_about(pets):
    collect(pets, design="select", target=1, candidates=5, controls=0)
    labels = pets.dataset.labels()
    for label in range(3):
        id = int((labels == label).nonzero()[0][-1])
        annotate(pets.decisions, [id], "tag", ASKED)
        grid = next_grid(pets.decisions, pets.votes, pets.run, f"ann{label}")
        assert grid.class_name == pets.samples.classes[label]
        assert id in grid.ids
        assert tick(pets, f"ann{label}", grid, [other for other in grid.ids if other != id]) == ""
        assert answers_about(pets.votes, [id]) == {id: {f"not {pets.samples.classes[label]}": 1}}
        annotate(pets.decisions, [id], "untag", ASKED)


@pytest.mark.parametrize("settings", [{}, {"skip": True}])
def test_asking_sets_up_a_collection_only_where_there_is_none(own_digits, settings):
    root = own_digits.workspace.root
    if settings:
        collect(own_digits, **settings)
    assert [one.why for one in decide(root, decision("ask", 7, nonce="a"), decision("ask", 7, nonce="a"))] == ["", ""]
    collection = queue.required_settings(own_digits.votes)
    assert (collection.queue == "asked") == (not settings)
    question = next_questions(own_digits.decisions, own_digits.votes, own_digits.run, "ann")[0]
    assert question.id == 7
    assert say(own_digits, "ann", question, None) == ""
    assert answers_about(own_digits.votes, [7]) == {7: {"cannot tell": 1}}
    decide(root, decision("undo", of="a"))
    own_digits.refresh()
    assert not own_digits.samples.sample(7)["tags"]
