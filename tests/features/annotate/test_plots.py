"""The collection's figures: lines that end at the number of votes, bars that add up."""

import numpy as np
import pandas as pd

from avhcurate.features.annotate.plots import votes_of_samples, votes_over_time


def _votes(**numbers):
    rows = [(name, number) for name, count in numbers.items() for number in range(count)]
    at = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta([number for _, number in rows], unit="min")
    return pd.DataFrame({"annotator": [name for name, _ in rows], "at": at})


def test_each_line_ends_at_the_votes_of_its_annotator():
    figure = votes_over_time(_votes(ann=7, bob=1200))
    ends = {trace.name: (trace.y[-1], len(trace.y)) for trace in figure.data}
    assert ends["ann"] == (7, 7)
    assert ends["bob"][0] == 1200
    assert ends["bob"][1] <= 400
    assert all((np.diff(trace.y) > 0).all() for trace in figure.data)


def test_many_annotators_share_a_line_and_no_vote_is_left_out():
    votes = _votes(**{"<i>a": 9}, b=8, c=7, d=6, e=5, f=4)
    figure = votes_over_time(votes)
    assert [trace.name for trace in figure.data] == ["‹i›a", "b", "c", "d", "others"]
    assert sum(trace.y[-1] for trace in figure.data) == len(votes)


def test_bars_and_the_note_add_up_to_the_samples_and_those_with_the_target_stand_out():
    figure = votes_of_samples(np.array([0, 0, 1, 3, 5, 5, 6]), target=5)
    bars = figure.data[0]
    assert dict(zip(bars.x.tolist(), bars.y.tolist(), strict=True)) == {1: 1, 2: 0, 3: 1, 4: 0, 5: 2, 6: 1}
    assert "2 images have none yet" in figure.layout.xaxis.title.text
    colors = list(bars.marker.color)
    assert len(set(colors[:4])) == 1
    assert len(set(colors[4:])) == 1
    assert colors[0] != colors[4]
