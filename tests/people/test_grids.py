"""What an annotator is shown: grids hold what they should, no image comes twice, checks cannot be counted out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.people.grids import grid_of, is_check, known_members, similar_classes

CANDIDATES, POSITIVES, NEGATIVES = np.arange(100), np.arange(200, 260), np.arange(300, 360)


def kinds(grid):
    rows, control = grid
    return {name: set(rows[control == name].tolist()) for name in np.unique(control)}


def test_a_grid_holds_42_candidates_and_three_controls_of_each_kind_shuffled_by_the_seed():
    grid = grid_of(CANDIDATES, POSITIVES, NEGATIVES, seed=1)
    found = kinds(grid)
    assert {name: len(rows) for name, rows in found.items()} == {"none": 42, "positive": 3, "negative": 3}
    assert found["none"] == set(range(42))  # the front of the queue
    assert found["positive"] <= set(POSITIVES)
    assert found["negative"] <= set(NEGATIVES)
    rows = grid[0].tolist()
    assert rows != sorted(rows)
    assert rows == grid_of(CANDIDATES, POSITIVES, NEGATIVES, seed=1)[0].tolist()
    assert rows != grid_of(CANDIDATES, POSITIVES, NEGATIVES, seed=2)[0].tolist()


@settings(max_examples=20, deadline=None)
@given(candidates=st.integers(1, 60), known=st.integers(0, 20), seed=st.integers(0, 5))
def test_an_annotator_meets_every_candidate_once_and_nothing_twice(candidates, known, seed):
    asked, members = np.arange(candidates), np.arange(known)  # the first are candidates as well
    seen, shown = [], set()
    while (grid := grid_of(asked, members, NEGATIVES, seen=seen, size=10, controls=2, seed=seed)) is not None:
        seen += grid[0].tolist()
        shown |= set(grid[0][grid[1] != "negative"].tolist())
    assert len(set(seen)) == len(seen)
    assert set(range(candidates)) <= shown


def test_the_last_grid_is_padded_to_look_like_any_other():
    found = kinds(grid_of(np.arange(16), POSITIVES, NEGATIVES))
    sizes = {name: len(rows) for name, rows in found.items()}
    assert sizes == {"none": 16, "positive": 3, "negative": 3, "padding": 26}
    assert len(found["padding"] & set(POSITIVES)) == 13


def test_the_most_similar_class_has_the_smallest_angle_and_classes_without_a_vector_come_last():
    angle = np.deg2rad([0, 10, 25, 180])
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.array([[1], [9], [0.1], [3]])
    assert similar_classes(vectors).tolist() == [[1, 2, 3], [0, 2, 3], [1, 0, 3], [2, 1, 0]]
    vectors[1], vectors[3] = np.nan, 0
    assert similar_classes(vectors)[0].tolist()[0] == 2


def test_known_members_are_unanimous_first_then_easy_then_any():
    members = np.arange(4)
    votes, hsf = np.array([10, 5, 4, 10, 10]), np.array([1.0, 1.0, 1.0, 0.9, 1.0])
    hardness = np.array([0.5, 0.4, np.nan, 0.1, 0.0])
    assert known_members(members, hsf=hsf, votes=votes, hardness=hardness).tolist() == [0, 1]  # four votes are too few
    assert set(known_members(members, hsf=hsf, votes=votes, hardness=hardness, needed=3).tolist()) == {0, 1, 3}
    assert known_members(members, hardness=hardness).tolist() == [3]
    assert known_members(members).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("share", [0.05, 1 / 3, 0.5])
def test_checks_come_as_often_as_asked_and_at_no_fixed_place(share):
    checks = np.array([is_check(position, share=share, seed=3) for position in range(2000)])
    assert checks.mean() == pytest.approx(share, abs=0.002)
    if share < 0.5:
        assert len(set(np.diff(np.flatnonzero(checks)))) > 1
    assert checks.tolist() != [is_check(position, share=share, seed=4) for position in range(2000)]
    assert not any(is_check(position, share=0) for position in range(50))
