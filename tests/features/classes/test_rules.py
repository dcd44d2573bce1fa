"""Pairs of classes and parts of a class, on embeddings whose answer is known."""

import numpy as np
import pytest
from scipy import sparse

from avhcurate.features.classes.rules import pairs_of, two_parts


def directions(*degrees):
    """Means of classes at angles in a plane."""
    return np.array([[np.cos(np.radians(angle)), np.sin(np.radians(angle))] for angle in degrees])


def test_close_classes_alone_or_crossed_votes_alone_do_not_come_first():
    names = ["cat", "lynx", "dog", "bus"]
    means = directions(0, 40, -35, 180)  # cat and lynx: close, and crossed; cat and dog: closest, never crossed
    chosen = np.diag([60, 60, 60, 60])
    chosen[0, 1] = chosen[1, 0] = 20
    chosen[2, 3] = chosen[3, 2] = 30  # dog and bus: crossed most, far apart
    rows = pairs_of(names, chosen, means, means)
    assert rows.loc[0, ["first", "second"]].tolist() == ["cat", "lynx"]
    assert rows.loc[0, "crossings"] == 0.25
    assert rows.loc[0, "means"] == pytest.approx(40)
    assert len(rows) == 6


def test_a_class_without_weights_is_placed_by_its_votes():
    means = np.array([[1.0, 0.0], [np.nan, np.nan], [0.0, 1.0]])
    chosen = np.array([[5, 5, 0], [5, 5, 0], [0, 0, 9]])
    rows = pairs_of(["a", "b", "c"], chosen, means, means)
    assert rows.loc[0, ["first", "second"]].tolist() == ["a", "b"]
    assert np.isnan(rows.loc[0, "means"])


def test_of_very_many_classes_those_that_cross_and_the_nearest_are_looked_at():
    number = 2000
    rng = np.random.default_rng(0)
    means = rng.normal(size=(number, 32))
    means[700] = means[12] + rng.normal(0, 0.05, 32)
    means[1500] = means[4] + rng.normal(0, 0.3, 32)
    crossed = sparse.coo_array(
        (np.array([9] * number + [6, 6]), ([*range(number), 4, 1500], [*range(number), 1500, 4])), (number, number)
    )
    rows = pairs_of([str(k) for k in range(number)], crossed, means, means)
    assert len(rows) < 11 * number  # not the two millions of all
    pairs = rows.set_index(["first", "second"])
    assert pairs.loc[("4", "1500"), "crossings"] == pytest.approx(12 / 30)
    close = means[12] @ means[700] / np.linalg.norm(means[12]) / np.linalg.norm(means[700])
    assert rows["means"].min() == pairs.loc[("12", "700"), "means"] == pytest.approx(np.degrees(np.arccos(close)))
    assert rows.loc[0, ["first", "second"]].tolist() == ["4", "1500"]


def test_two_parts_are_those_that_were_put_together():
    rng = np.random.default_rng(0)
    centres = np.eye(16)[[0, 5]]
    of = np.repeat([0, 1], [40, 20])
    part, apart = two_parts(centres[of] * rng.uniform(1, 9, (60, 1)) + rng.normal(0, 0.05, (60, 16)))
    assert (part == (of == 1)).all()
    _, alone = two_parts(centres[[0] * 60] + rng.normal(0, 0.05, (60, 16)))
    assert apart > 0.9 > 0.3 > alone
    assert two_parts(np.ones((4, 3)))[1] == 0
    assert two_parts(np.ones((0, 3)))[1] == 0
