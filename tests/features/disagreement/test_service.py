"""Both sets of the gap over a real table."""

import pandas as pd
import pytest

from avhcurate.errors import CurateError
from avhcurate.features.disagreement.service import SETS, compared_points, disagree, gap_table, members_only


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


def test_what_is_kept_holds_the_members_alone_and_gives_the_same_table(digits):
    gap = disagree(digits, key="avh")
    kept = members_only(gap)
    assert len(kept.points) == len(kept.sets.gap) == sum(map(len, gap.ids.values())) < len(gap.points)
    pd.testing.assert_frame_equal(gap_table(digits, kept), gap_table(digits, gap))
    points = compared_points(gap)
    assert len(points) == gap.sets.samples
    for name in SETS:
        assert set(points["id"][points["set"] == name]) == set(gap.ids[name])
        assert kept.points["id"].iloc[getattr(kept.sets, name)].tolist() == gap.ids[name]


def test_an_unknown_score_is_named(digits):
    with pytest.raises(CurateError, match="hardness"):
        disagree(digits, key="hardness")
