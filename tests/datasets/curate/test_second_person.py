"""A second person: never the one who decided, blind; by how many people labels were decided, in every export."""

import json

import pandas as pd
import pytest

from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.curate.second_person import confirmed_only, second_person
from avhcurate.datasets.export.service import export
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.features.annotate.annotators import set_status
from avhcurate.features.annotate.queue import next_questions, progress
from avhcurate.people.queues import queue_use
from tests.fakes.votes import answer_all, collect, say
from tests.fakes.workspaces import by


@pytest.fixture
def decided(pets):
    """Cats, dogs and birds in turn: ann relabels 1, 2 and 4 as cats, bob keeps 5, excludes 6 as wrong and 7 as dark."""
    by("ann", annotate, pets.decisions, [1, 2, 4], "relabel", 0)
    by("bob", annotate, pets.decisions, [5], "tag", "label-ok")
    by("bob", annotate, pets.decisions, [6], "exclude")
    by("bob", annotate, pets.decisions, [7], "exclude", "dark")
    collect(pets, queue="decided", control_share=0.0)
    return pets


def answered(opened, who):
    """What somebody is asked about now."""
    return {question.id for question in next_questions(opened.decisions, opened.votes, opened.run, who, ahead=20)}


def far(opened, *who):
    """How far the collection is, and what is left for somebody."""
    return progress(opened.decisions, opened.votes, opened.run, *who)


def test_another_person_is_asked_once_about_each_decision_and_never_who_decided(decided):
    assert answered(decided, "ann") == {5, 6}
    assert answered(decided, "bob") == {1, 2, 4}
    assert answered(decided, "cyd") == set()  # ann and bob have them
    assert (far(decided).samples, far(decided).wanted, far(decided, "ann").left) == (5, 5, 2)
    for question in next_questions(decided.decisions, decided.votes, decided.run, "ann"):
        assert vars(question).keys() == {"task", "id"}
        assert say(decided, "ann", question, 2) == ""
    assert answered(decided, "dan") == set()
    assert (far(decided).done, queue_use(decided.votes).biased) == (2, 2)
    by("ann", undo, decided.decisions)  # three labels at once
    assert far(decided).samples == 2
    with pytest.raises(CurateError, match="which class"):
        collect(decided, design="select", queue="decided")


def test_agreement_takes_the_first_answer_after_the_decision_of_people_who_count(pets):
    collect(pets, control_share=0.0, target=3)
    truth = [0, 0, 0, 1, 0, 2]
    answer_all(pets, "early", lambda id: truth[id % 6], 60)
    by("ann", annotate, pets.decisions, [0, 3], "tag", "label-ok")
    by("ann", annotate, pets.decisions, [1, 2, 4], "relabel", 0)
    by("ann", annotate, pets.decisions, [8], "exclude")
    second = second_person(pets.decisions, pets.votes)
    assert second.rows["agree"].tolist() == [1, 1, 1, 0, 1, 1]  # 3 is a cat, whom early calls a dog
    assert (second.confirmed, second.agreement[0], second.contradicted["id"].tolist()) == (5, 0, [3])
    answer_all(pets, "ann", lambda id: 1, 59)
    answer_all(pets, "late", lambda id: 0, 59)
    second = second_person(pets.decisions, pets.votes)
    assert second.agreement[:2] == (5, 1.0)  # what ann says herself is nothing more
    assert "same" in second.kappa.reason
    assert second.people(pets.samples.frame(columns=["id"])["id"].to_numpy()[:5], [0, 0, 0, 0, 1]).tolist() == [
        3,
        3,
        3,
        2,
        0,
    ]
    set_status(pets.votes, "late", "exclude", who="boss")
    assert (
        second_person(pets.decisions, pets.votes).agreement[0],
        second_person(pets.decisions, pets.votes).confirmed,
    ) == (0, 5)


def test_exports_say_by_how_many_people_and_hold_confirmed_decisions_alone_where_asked(decided, tmp_path):
    says = {1: 0, 2: 1, 4: 0, 5: 2, 6: 0}
    for who, number in (("ann", 2), ("cyd", 3)):
        answer_all(decided, who, says.__getitem__, number)
    out = tmp_path / "all.csv"
    assert export(decided, Filters(), "csv", out) == 58
    rows = pd.read_csv(out).set_index("id")
    assert rows["curated_label"][[1, 2, 4, 5]].tolist() == [0, 0, 0, 2]
    assert rows["deciders"][[0, 1, 2, 4, 5]].tolist() == [0, 2, 1, 2, 2]
    manifest = json.loads((tmp_path / "all.csv.manifest.json").read_text())
    assert manifest["labels_decided_by"] == {"nobody": 54, "one": 1, "two_or_more": 3}
    assert manifest["second_person_agrees"]["decisions"] == 5
    assert manifest["second_person_agrees"]["value"] == pytest.approx(3 / 5)  # 6 is a cat after all, 2 a dog
    assert manifest["cohen_kappa"]["decisions"] == 4

    alone = confirmed_only(decided)
    assert export(alone, Filters(), "csv", tmp_path / "confirmed.csv") == 59  # 6 is back, 7 is dark
    rows = pd.read_csv(tmp_path / "confirmed.csv").set_index("id")
    assert rows["curated_label"][[1, 2, 4, 5, 6]].tolist() == [0, 2, 0, 2, 0]
    assert rows["deciders"][[1, 2, 4, 5, 6]].tolist() == [2, 0, 2, 2, 0]
    assert decided.samples.sample(6)["excluded"]
    assert decided.samples.sample(2)["curated_label"] == 0
