"""How sources are weighed: noise counts little, votes decide, and what others do not confirm counts less."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from avhcurate.features.suspects import weighing
from avhcurate.measures.stats.ranks import rank_shares


def made_up(rng, n=2000, wrong=0.05):
    """Which labels are wrong, rows of all, and what a source says where its right and wrong labels are so far apart."""
    is_wrong = rng.random(n) < wrong

    def source(distance, says=is_wrong):
        return (rng.normal(size=n) + distance * says)[:, None], (rng.normal(size=n) + distance)[:, None]

    return is_wrong, np.arange(n), source


def together(some, **sources):
    own, drawn = ({name: pair[side] for name, pair in sources.items()} for side in (0, 1))
    return weighing.weigh(own, drawn, some, np.ones(len(some)))


def test_the_good_source_is_not_thrown_away_among_poor_ones():
    is_wrong, some, source = made_up(np.random.default_rng(0))
    clear, weak, noise = source(4.0), source(0.3), source(0.0)
    weighed = together(some, clear=clear, weak=weak, noise=noise)
    equal = np.mean([rank_shares(pair[0][:, 0]) for pair in (clear, weak, noise)], axis=0)
    alone, mixed = (average_precision_score(is_wrong, order) for order in (clear[0][:, 0], equal))
    assert average_precision_score(is_wrong, weighed.doubt) > alone - 0.02 > mixed + 0.2
    assert weighed.weights["clear"] > 0.9
    assert sum(weighed.weights.values()) == pytest.approx(1)


@pytest.mark.parametrize("wrong", [0.02, 0.05, 0.1])
def test_a_source_that_tells_drawn_labels_but_not_the_errors_that_are_there_does_no_harm(wrong):
    """As neighbours do where errors come in clumps: they share the wrong label."""
    is_wrong, some, source = made_up(np.random.default_rng(1), wrong=wrong)
    first, second = source(4.0), source(4.0)
    misled = source(4.0, says=np.zeros(len(some), bool))
    weighed = together(some, first=first, second=second, misled=misled)
    best = max(average_precision_score(is_wrong, one[0][:, 0]) for one in (first, second))
    assert average_precision_score(is_wrong, weighed.doubt) > best


def test_votes_of_few_images_decide_there_and_say_nothing_elsewhere():
    rng = np.random.default_rng(2)
    is_wrong, some, source = made_up(rng)
    network = source(1.0, says=rng.random(len(some)) < 0.2)  # the mistakes of the network are its own
    votes = np.where(is_wrong, 0.9, 0.05) + rng.uniform(-0.05, 0.05, len(some))
    voted = rng.random(len(some)) < 0.5
    votes = np.where(voted, votes, np.nan)[:, None]
    weighed = together(
        some, network=network, votes=(votes, np.where(voted, rng.uniform(0.5, 1, len(some)), np.nan)[:, None])
    )
    first = np.argsort(-weighed.doubt)[: (is_wrong & voted).sum()]
    assert (is_wrong & voted)[first].mean() > 0.95
    unvoted = np.flatnonzero(~voted)
    order = np.argsort(network[0][unvoted, 0])
    assert (np.diff(weighed.doubt[unvoted][order]) > -3).all(), "without votes the network's order stands, up to folds"


def test_drawn_labels_are_other_classes_that_occur_and_follow_the_confusions():
    labels = np.repeat([0, 1, 3], 400)
    confused = np.zeros((5, 5))
    confused[1, 0] = 50  # labelled 1, and looks like 0
    drawn = weighing.draw_wrong_labels(labels, confused)
    assert set(drawn.labels) == {0, 1, 3}
    assert (drawn.labels != labels).all()
    of_first = np.bincount(drawn.labels[:400], weights=drawn.importance[:400], minlength=5)
    assert of_first[1] > of_first[3]
    assert drawn.likely[1, 0] > drawn.likely[3, 0]
    many = weighing.draw_wrong_labels(labels)
    assert (many.labels != labels).all()
    assert set(many.labels) == {0, 1, 3}


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_samples_equal_numbers_and_no_evidence_are_weighed(n):
    rows = np.arange(n)
    nothing, same = np.full((n, 1), np.nan), np.zeros((n, 2))
    weighed = weighing.weigh(
        {"votes": nothing, "cleanlab": same}, {"votes": nothing, "cleanlab": same}, rows, np.ones(n)
    )
    assert np.isfinite(weighed.doubt).all()
    assert set(weighed.weights) == {"votes", "cleanlab"}
