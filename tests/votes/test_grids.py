"""What an annotator is shown: grids hold what they should, no image comes twice, checks cannot be counted out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.errors import CurateError
from avhcurate.votes.grids import (
    GridDesign,
    is_check,
    known_members,
    negative_pool,
    next_grid,
    prototypes,
    similar_classes,
)

CANDIDATES, POSITIVES, NEGATIVES = np.arange(100), np.arange(200, 260), np.arange(300, 360)


def kinds(grid):
    return {name: set(grid.rows[grid.control == name].tolist()) for name in np.unique(grid.control)}


def test_a_grid_holds_42_candidates_and_three_controls_of_either_kind_shuffled():
    grid = next_grid(7, CANDIDATES, POSITIVES, NEGATIVES, seed=1)
    found = kinds(grid)
    assert {name: len(rows) for name, rows in found.items()} == {"none": 42, "positive": 3, "negative": 3}
    assert found["none"] == set(range(42))  # the front of the queue
    assert found["positive"] <= set(POSITIVES)
    assert found["negative"] <= set(NEGATIVES)
    assert grid.label == 7
    assert grid.rows.tolist() != sorted(grid.rows.tolist())


def test_the_seed_alone_decides():
    first, second, other = (next_grid(0, CANDIDATES, POSITIVES, NEGATIVES, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.rows, second.rows)
    assert first.rows.tolist() != other.rows.tolist()


@settings(max_examples=30, deadline=None)
@given(candidates=st.integers(1, 60), known=st.integers(0, 20), seed=st.integers(0, 5))
def test_an_annotator_who_goes_on_meets_every_candidate_once_and_nothing_twice(candidates, known, seed):
    design, asked = GridDesign(10, 2, 2), np.arange(candidates)
    members = np.arange(known)  # the first are candidates as well
    seen, grids = np.array([], int), []
    while (grid := next_grid(0, asked, members, NEGATIVES, seen=seen, design=design, seed=seed)) is not None:
        grids.append(grid)
        seen = np.concatenate([seen, grid.rows])
    assert len(set(seen.tolist())) == len(seen)
    shown = np.concatenate([grid.rows[grid.control != "negative"] for grid in grids])
    assert set(range(candidates)) <= set(shown.tolist())


def test_the_last_grid_is_padded_to_look_like_any_other():
    grid = next_grid(0, np.arange(16), POSITIVES, NEGATIVES, seed=0)
    assert len(grid.rows) == len(set(grid.rows.tolist())) == 48
    found = kinds(grid)
    assert found["none"] == set(range(16))
    assert len(found["padding"]) == 26
    assert len(found["padding"] & set(POSITIVES)) == 13
    assert len(found["positive"]) == len(found["negative"]) == 3


def test_without_pools_there_are_no_controls_and_no_padding():
    grid = next_grid(0, [1, 2], [], [], seed=0)
    assert kinds(grid) == {"none": {1, 2}}
    assert next_grid(0, [1, 2], POSITIVES, NEGATIVES, seen=[1, 2]) is None


def test_a_design_without_candidates_is_refused():
    with pytest.raises(CurateError, match="one candidate"):
        GridDesign(0)


def test_the_most_similar_class_has_the_smallest_angle_whatever_the_length():
    angle = np.deg2rad([0, 10, 25, 180])
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.array([[1], [9], [0.1], [3]])
    assert similar_classes(vectors).tolist() == [[1, 2, 3], [0, 2, 3], [1, 0, 3], [2, 1, 0]]


def test_classes_without_a_vector_come_last():
    vectors = np.array([[1.0, 0.0], [np.nan, np.nan], [0.0, 1.0], [0.0, 0.0]])
    assert similar_classes(vectors)[0].tolist()[0] == 2
    with pytest.raises(CurateError, match="two classes"):
        similar_classes(vectors[:1])


def test_prototypes_are_mean_directions():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(60, 5)) * rng.uniform(0.1, 9, (60, 1)), rng.integers(3, size=60)
    by_hand = [np.mean([f / np.linalg.norm(f) for f in features[labels == k]], axis=0) for k in range(3)]
    np.testing.assert_allclose(prototypes(features, labels, 4)[:3], by_hand)
    assert np.isnan(prototypes(features, labels, 4)[3]).all()


def test_negatives_come_from_the_next_class_only_where_the_nearest_has_too_few():
    known = [[0], [1, 2, 3], [7, 8], []]
    assert negative_pool([3, 2, 1], known.__getitem__, needed=2).tolist() == [7, 8]
    assert negative_pool([3, 2, 1], known.__getitem__, needed=3).tolist() == [7, 8, 1, 2, 3]


def test_known_members_are_unanimous_first_then_easy_then_any():
    labels = np.array([0, 0, 0, 0, 1])
    votes, hsf = np.array([10, 5, 4, 10, 10]), np.array([1.0, 1.0, 1.0, 0.9, 1.0])
    avh = np.array([0.5, 0.4, 0.3, 0.1, 0.0])
    sure = known_members(labels, 0, hsf=hsf, votes=votes, score=avh)
    assert sure.tolist() == [0, 1]  # most votes first; four votes are too few
    more = known_members(labels, 0, hsf=hsf, votes=votes, score=avh, needed=3)
    assert set(more.tolist()) >= {0, 1, 3}
    easy = known_members(labels, 0, score=avh)
    assert easy.tolist() == [3]
    hardest = known_members(labels, 0, score=avh, harder="low")
    assert hardest.tolist() == [0]
    assert known_members(labels, 0).tolist() == [0, 1, 2, 3]


def test_samples_without_a_score_are_no_known_members():
    found = known_members([0, 0, 0], 0, score=[np.nan, 0.4, np.nan], needed=3)
    assert found.tolist() == [1]


@pytest.mark.parametrize("share", [0.05, 0.13, 0.2, 1 / 3, 0.37, 0.5])
def test_checks_come_as_often_as_asked_and_at_no_fixed_place(share):
    checks = np.array([is_check(position, share=share, seed=3) for position in range(2000)])
    assert checks.mean() == pytest.approx(share, abs=0.002)
    if share < 0.5:
        assert len(set(np.diff(np.flatnonzero(checks)))) > 1
    assert checks.tolist() != [is_check(position, share=share, seed=4) for position in range(2000)]


def test_a_share_that_makes_no_sense_is_refused():
    assert not any(is_check(position, share=0) for position in range(50))
    with pytest.raises(CurateError, match=r"0\.5"):
        is_check(0, share=0.9)
