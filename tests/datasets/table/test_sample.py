"""The details of one sample agree with what the run has stored."""

import numpy as np
import pytest

from avhcurate.datasets.table.sample import inspect, neighbours, rows_of
from avhcurate.errors import CurateError


def test_softmax_angles_votes_and_percentiles_agree_with_the_table(digits):
    hardest = int(digits.page(sort="avh", descending=True, limit=1)["id"][0])
    found, row = inspect(digits, hardest), digits.sample(hardest)
    assert found.percentiles["avh"] == 1
    assert found.softmax.sum() == pytest.approx(1)
    assert found.softmax[row["label"]] == pytest.approx(row["confidence"], rel=1e-3)
    assert found.softmax.argmax() == row["predicted"]
    assert found.angles[row["label"]] == pytest.approx(row["target_angle"], rel=1e-4)
    assert found.votes[row["label"]] == pytest.approx(row["hsf"])


def test_neighbours_are_the_smallest_angles_by_an_independent_formula(digits):
    features = np.asarray(digits.run.features(), np.float64)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    angles = np.arccos(np.clip(unit @ unit[7], -1, 1))
    angles[7] = np.inf
    found = neighbours(digits, 7, count=5)
    np.testing.assert_allclose(found.angles, np.sort(angles)[:5], atol=1e-6)


def test_rows_come_in_the_order_asked_for_and_an_unknown_sample_is_refused(digits):
    assert rows_of(digits, [9, 3, 5], columns=["id", "path"])["id"].tolist() == [9, 3, 5]
    assert rows_of(digits, [], columns=["id"]).empty
    with pytest.raises(CurateError, match="Unknown sample 5000"):
        inspect(digits, 5000)
