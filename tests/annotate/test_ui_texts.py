"""Sentences about votes: where HSF comes from, and how many more votes are needed."""

from avhcurate.annotate.ui_setup import source_text
from avhcurate.annotate.ui_vote_quality import need_text
from avhcurate.stats.sample_size import votes_needed
from avhcurate.votes.hsf_source import HsfSource


def test_the_source_of_hsf_is_told_with_its_origins():
    assert source_text(HsfSource(None, "auto", None, 0, 0, 0, 0)) == "There are no votes yet."
    assert "not from people" in source_text(HsfSource("simulated", "auto", None, 500, 0, 0, 0))
    both = source_text(HsfSource("k-way", "auto", None, 1, 5, 1, 2))
    assert (
        both
        == "HSF comes from 1 imported vote and 5 votes that 1 annotator gave in the app; 2 annotators are left out."
    )


def test_what_is_needed_is_told():
    need = votes_needed(0.35, 100, reliability=0.6, votes=10, width=0.2)
    assert f"cannot make it narrower than {need.width_at_best:.3f}" in need_text(need)
    assert f"{need.samples_needed - 100} more samples" in need_text(need)
    assert "already" in need_text(votes_needed(0.35, 10_000, reliability=0.6, votes=10, width=0.2))
