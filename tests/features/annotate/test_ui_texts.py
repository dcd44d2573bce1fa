"""Sentences about votes: where HSF comes from, and how many more votes are needed."""

from dataclasses import replace

from avhcurate.features.annotate.ui_setup import source_text
from avhcurate.features.annotate.ui_vote_quality import need_text
from avhcurate.measures.stats.sample_size import Need
from avhcurate.people.hsf_source import HsfSource


def test_the_source_of_hsf_is_told_with_its_origins():
    assert source_text(HsfSource()) == "There are no votes yet."
    assert "500 simulated votes, not people's" in source_text(HsfSource(key="simulated", imported=500))
    both = source_text(HsfSource(key="k-way", imported=1, collected=5, annotators=1, left_out=2))
    assert both == "HSF uses k-way votes: 1 imported, 5 given in the app by 1 annotators (2 left out)."


def test_what_is_needed_is_told():
    need = Need(100, 10.0, 0.2, 0.35, 0.31, None, None, 400)
    assert "cannot be expected to make it narrower than 0.310; 300 more samples" in need_text(need)
    reached = replace(need, votes_needed=20, more_votes=1000)
    assert "20 votes per sample at least, 1000 more in all, can be expected to make it 0.2" in need_text(reached)
    assert "already" in need_text(replace(need, width_now=0.19))
