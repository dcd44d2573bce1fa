"""How sources are put together: clumps do not vouch for themselves, held-out errors choose, a pair that stands out."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from avhcurate.features.suspects import weighing

EVEN = np.full((3, 3), 1 / 3)


def says(rng, wrong, distance):
    """What an opinion says whose right and wrong labels are so far apart."""
    return rng.normal(size=len(wrong)) + distance * wrong


def chosen(seed=0, **distances):
    """Which opinions are chosen, of the distances between their right and drawn wrong labels."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(3000) < 0.1
    given = {name: says(rng, np.zeros(len(wrong)), 0) for name in distances}
    drawn = [({name: says(rng, wrong, distance) for name, distance in distances.items()}, wrong)]
    return weighing.best(given, drawn)


def test_two_good_opinions_count_together_and_one_that_knows_nothing_is_left_out():
    assert chosen(heads=3.0, neighbours=3.0) == ["heads", "neighbours"]
    assert chosen(heads=3.0, neighbours=0.0) == ["heads"]
    assert chosen(heads=0.2, neighbours=3.0) == ["neighbours"]


def test_the_product_of_two_opinions_finds_more_than_either():
    rng = np.random.default_rng(0)
    wrong = rng.random(3000) < 0.05
    opinions = {"heads": says(rng, wrong, 2.0), "neighbours": says(rng, wrong, 2.0)}
    both, *alone = (
        average_precision_score(wrong, weighing.together(opinions, names))
        for names in (["heads", "neighbours"], ["heads"], ["neighbours"])
    )
    assert both > max(alone) + 0.1


def test_labels_that_an_opinion_doubts_already_do_not_count_against_it():
    """Errors that are there look like false alarms to a test that knows only the drawn ones."""
    rng = np.random.default_rng(0)
    real, wrong = rng.random((2, 3000)) < 0.08
    given = {"finds": says(rng, real, 6.0), "misses": says(rng, real, 0.0)}
    drawn = {"finds": says(rng, real | wrong, 6.0), "misses": says(rng, wrong, 3.0)}
    assert weighing.best(given, [(drawn, wrong & ~real)]) == ["finds"]


def test_wrong_labels_that_lie_together_do_not_vouch_for_each_other():
    labels = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    near = np.array([[1, 2, 4]])
    doubted, vouched = (
        weighing.of_neighbours(near, labels, np.where(labels == 1, trust, 0.9), labels[:1])[0] for trust in (0.1, 0.9)
    )
    assert doubted > 0 > vouched
    none = weighing.of_neighbours(np.full((2, 3), -1), labels, np.ones(8), labels[:2])
    assert none.tolist() == [0, 0]
    unlabelled = weighing.of_neighbours(near, np.where(np.arange(8) == 4, -1, labels), np.ones(8), labels[:1])
    assert unlabelled[0] == pytest.approx(-2 / 3)


def test_a_label_that_a_class_often_gets_is_doubted_more_than_one_that_it_never_gets():
    named = weighing.naming(np.array([[80.0, 20, 0], [0, 100, 0], [0, 0, 100]]))
    probs = np.array([[0.7, 0.3, 0.0], [0.7, 0.0, 0.3]])
    often, never = weighing.of_heads(probs, np.array([1, 2]), named)
    assert often > never
    even = weighing.of_heads(probs, np.array([1, 2]), EVEN)
    assert even[0] == pytest.approx(even[1])
    assert np.isfinite(weighing.of_heads(np.eye(3), np.array([0, 1, 0]), EVEN)).all()


def test_drawn_labels_are_other_classes_that_occur_and_follow_the_confusions():
    labels = np.repeat([0, 1, 3], 2000)
    confused = np.zeros((5, 5))
    confused[0, 1] = 50  # looks like 0, labelled 1
    confused[0, 2] = 50  # which does not occur
    wrong = weighing.draw_wrong_labels(labels, weighing.naming(confused), np.random.default_rng(0))
    changed = wrong != labels
    assert set(wrong) == {0, 1, 3}
    assert 0.08 < changed.mean() < 0.12
    assert (wrong[changed & (labels == 0)] == 1).mean() > 0.9
    assert set(wrong[changed & (labels == 1)]) == {0, 3}


PAIR = np.array([[70.0, 30, 0, 0], [4, 96, 0, 0], [0, 2, 98, 0], [1, 0, 9, 90]])


def test_a_pair_is_said_only_where_it_stands_out():
    assert weighing.often_called(PAIR) == (0, 1)
    both = PAIR.copy()
    both[1] = 30, 70, 0, 0
    assert weighing.often_called(both) in {(0, 1), (1, 0)}, "a pair may be confused in both directions"
    elsewhere = PAIR.copy()
    elsewhere[3] = 0, 0, 15, 85
    for none in (PAIR / 10, elsewhere, np.eye(4) * 50, np.zeros((4, 4)), both[:2, :2]):
        assert weighing.often_called(none) is None
    assert weighing.often_called(PAIR[:2, :2]) == (0, 1)


def test_no_evidence_is_in_the_middle_and_equal_numbers_say_nothing():
    seen = weighing.surprise(np.array([np.nan, 3.0, 1.0]))
    assert seen[1] > seen[0] > seen[2]
    assert np.ptp(weighing.surprise(np.zeros(5))) == 0
    assert np.isfinite(weighing.surprise(np.full(3, np.nan))).all()
