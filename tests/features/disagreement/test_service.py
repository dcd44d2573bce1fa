"""Both sets of the gap over a real table."""

import pytest

from avhcurate.errors import CurateError
from avhcurate.features.disagreement.service import SETS, disagree, gap_table


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


def test_every_compared_sample_is_a_point_and_the_members_are_in_their_sets(digits):
    gap = disagree(digits, key="avh")
    assert len(gap.points) == gap.sets.samples == 1797
    assert len(gap.members) == sum(map(len, gap.ids.values()))
    for name in SETS:
        assert set(gap.points["id"][gap.points["set"] == name]) == set(gap.ids[name])
    assert gap.points["difficulty"].corr(gap.points["value"], method="spearman") == pytest.approx(1)


def test_an_unknown_score_is_named(digits):
    with pytest.raises(CurateError, match="hardness"):
        disagree(digits, key="hardness")
