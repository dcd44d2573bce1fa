"""Pairs of classes and parts of a class, on embeddings whose answer is known."""

import numpy as np

from avhcurate.features.classes.rules import angles_between, pairs_of, two_parts


def test_close_classes_alone_or_crossed_votes_alone_do_not_come_first():
    names = ["cat", "lynx", "dog", "bus"]
    between = np.full((4, 4), 90.0)
    between[0, 1] = 40  # cat and lynx: close, and crossed
    between[0, 2] = 35  # cat and dog: closest, never crossed
    chosen = np.diag([60, 60, 60, 60])
    chosen[0, 1] = chosen[1, 0] = 20
    chosen[2, 3] = chosen[3, 2] = 30  # dog and bus: crossed most, far apart
    rows = pairs_of(names, chosen, between, between)
    assert rows.loc[0, ["first", "second"]].tolist() == ["cat", "lynx"]
    assert rows.loc[0, "crossings"] == 0.25
    assert len(rows) == 6


def test_a_class_without_weights_is_placed_by_its_votes():
    between = angles_between(np.array([[1.0, 0.0], [np.nan, np.nan], [0.0, 1.0]]))
    chosen = np.array([[5, 5, 0], [5, 5, 0], [0, 0, 9]])
    rows = pairs_of(["a", "b", "c"], chosen, between, between)
    assert rows.loc[0, ["first", "second"]].tolist() == ["a", "b"]
    assert np.isnan(rows.loc[0, "means"])


def test_two_parts_are_those_that_were_put_together():
    rng = np.random.default_rng(0)
    centres = np.eye(16)[[0, 5]]
    of = np.repeat([0, 1], [40, 20])
    part, apart = two_parts(centres[of] * rng.uniform(1, 9, (60, 1)) + rng.normal(0, 0.05, (60, 16)))
    assert (part == (of == 1)).all()
    _, alone = two_parts(centres[[0] * 60] + rng.normal(0, 0.05, (60, 16)))
    assert apart > 0.9 > 0.3 > alone
    assert two_parts(np.ones((4, 3)))[1] == 0
