"""The benchmark of predicted HSF on the digits: what it prints is what a prediction gives for images without votes."""

import pytest

from benchmarks import predicted


def test_votes_predict_closer_than_confidence_and_hold_what_they_claim_but_for_the_hard(demo_root, digits):
    table = predicted.measure(demo_root, "digits", digits.run.name, 3)
    (row,) = table.loc[[200]].to_dict("records")
    assert list(table.index) == [200]
    assert row["predicted"] > row["confidence"] + 0.1
    assert row["held"] == pytest.approx(0.9, abs=0.06)
    assert row["lowest 5 %"] > 0.75
    assert row["HSF 0 to 0.4"] < 0.75 < row["HSF 0.8 to 1.01"]
    assert 0 < row["±"] < 0.2
