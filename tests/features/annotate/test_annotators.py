"""Who counts, and what that does to HSF and the tasks of others."""

from avhcurate.features.annotate import annotators, queue, setup
from tests.fakes.votes import answer_all, collect, truth


def test_excluding_and_including_an_annotator_moves_hsf_and_opens_places(pets):
    collect(pets, control_share=0.0, target=2)
    answer_all(pets, "ann", truth(pets), 60)
    answer_all(pets, "bob", lambda id: (truth(pets)(id) + 1) % 3, 60)
    pets.refresh()
    assert (pets.frame()["hsf"] == 0.5).all()
    assert queue.next_questions(pets, "cyd") == ()
    annotators.set_status(pets, "bob", "exclude", why="always wrong", who="boss")
    assert (pets.frame()["hsf"] == 1.0).all()
    assert setup.source(pets).left_out == 1
    assert len(queue.next_questions(pets, "cyd", ahead=60)) == 60
    found = annotators.annotators(pets).set_index("annotator")
    assert found["excluded"].to_dict() == {"ann": False, "bob": True}
    assert (found.loc["bob", "why"], found.loc["bob", "by"]) == ("always wrong", "hand: boss")
    annotators.set_status(pets, "bob", "include", who="boss")
    assert (pets.frame()["hsf"] == 0.5).all()
    assert annotators.status_changes(pets)["action"].tolist() == ["include", "exclude"]


def test_a_withdrawn_annotator_is_gone_from_hsf_and_tables(pets):
    collect(pets, control_share=0.0)
    answer_all(pets, "ann", truth(pets), 60)
    answer_all(pets, "bob", lambda id: 0, 30)
    assert annotators.withdraw(pets, "bob") == 30
    assert (pets.frame()["hsf"] == 1.0).all()
    assert annotators.annotators(pets)["annotator"].tolist() == ["ann"]
    annotators.withdraw(pets, "ann")
    assert pets.frame()["hsf"].isna().all()
    assert pets.frame()["votes"].isna().all()
    assert pets.votes is None


def test_the_control_filter_leaves_out_who_fails_controls_unless_included_by_hand(own_digits):
    collect(own_digits, control_share=0.5, target=5)
    answer_all(own_digits, "ann", truth(own_digits), 40)
    answer_all(own_digits, "bob", lambda id: (truth(own_digits)(id) + 1) % 10, 40)
    found = annotators.annotators(own_digits).set_index("annotator")
    assert found["control_accuracy"].to_dict() == {"ann": 1.0, "bob": 0.0}
    assert setup.source(own_digits).collected == 40
    source = setup.choose_source(own_digits, control_filter=0.8, who="boss")
    assert (source.collected, source.annotators, source.left_out) == (20, 1, 1)
    assert (own_digits.frame()["hsf"].dropna() == 1.0).all()
    found = annotators.annotators(own_digits).set_index("annotator")
    assert (found.loc["bob", "why"], found.loc["bob", "by"]) == ("0 of 20 controls right, below 80%", "rule")
    annotators.set_status(own_digits, "bob", "include", who="boss")
    assert setup.source(own_digits).collected == 40
