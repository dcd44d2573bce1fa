"""Both sets of the gap over a real table."""

import pytest

from avhcurate.disagreement.service import SETS, disagree, gap_table
from avhcurate.errors import CurateError


def test_the_two_sets_lie_beyond_their_cuts_and_never_meet(digits):
    gap = disagree(digits, key="avh")
    rows = gap_table(digits, gap)
    humans, network = (rows[rows["set"] == name] for name in SETS)
    low, high = gap.sets.score_cuts
    assert (humans["hsf"] <= 0.2).all()
    assert (humans["avh"] <= low).all()
    assert (network["hsf"] >= 0.8).all()
    assert (network["avh"] >= high).all()
    assert not set(humans["id"]) & set(network["id"])
    assert len(rows) == sum(len(ids) for ids in gap.ids.values()) > 0
    assert rows["hsf_source"].unique().tolist() == ["simulated"]


def test_an_unknown_score_is_named(digits):
    with pytest.raises(CurateError, match="hardness"):
        disagree(digits, key="hardness")
