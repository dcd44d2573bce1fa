"""Curves over epochs: the numbers are the table's, wherever an evaluation lies."""

import numpy as np
import pandas as pd
import pytest

from avhcurate.lab.training_dynamics.plots import ALL, LEARNT, PANELS, courses

BINS = ("[0, 0.5)", "[0.5, 1]")
EPOCHS = (0, 0.25, 1, 2, 8)


def table(seed=0, bins=(ALL, *BINS), epochs=EPOCHS):
    rng = np.random.default_rng(seed)
    rows = [(epoch, name) for epoch in epochs for name in bins]
    frame = pd.DataFrame(rows, columns=["epoch", "bin"])
    frame["n"] = [100 if name == ALL else 50 for name in frame["bin"]]
    for key in PANELS:
        frame[key] = rng.uniform(0.2, 0.9, len(frame)).round(5)
        frame[f"{key}_se"] = rng.uniform(0.001, 0.01, len(frame)).round(6)
    return frame


def lines(figure, name):
    """Lines of a legend group that are curves, not bands."""
    return [trace for trace in figure.data if trace.legendgroup == name and trace.fill is None]


@pytest.mark.parametrize("number", [1, 3])
def test_each_panel_draws_the_means_of_the_table_for_every_bin(number):
    shown = {f"training {seed}": table(seed) for seed in range(number)}
    figure = courses(shown, simulated=True)
    assert "simulated" in figure.layout.legend.title.text
    for name in (ALL, *BINS):
        drawn = lines(figure, name)
        assert len(drawn) == number * len(PANELS)
        assert sum(trace.showlegend for trace in drawn) == 1
        expected = [curves[curves["bin"] == name][key] for curves in shown.values() for key in PANELS]
        for trace, values in zip(drawn, expected, strict=True):
            np.testing.assert_allclose(trace.y, values, atol=1e-6)
            np.testing.assert_allclose(trace.x, EPOCHS)
            assert set(trace.customdata[:, 0]) == {100 if name == ALL else 50}


def test_without_votes_only_the_curve_over_all_samples_is_drawn():
    figure = courses({"one": table(bins=(ALL,))})
    assert {trace.legendgroup for trace in figure.data} == {ALL}
    assert not figure.layout.legend.title.text


def test_samples_learnt_from_have_their_own_curve_for_accuracy_and_loss():
    learnt = pd.DataFrame({"epoch": [0, 1, 2], "accuracy": [np.nan, 0.5, 0.6], "loss": [np.nan, 1, 0.5]})
    figure = courses({"one": pd.concat([table(), learnt.assign(bin=LEARNT)])})
    own = lines(figure, LEARNT)
    assert [list(trace.y) for trace in own] == [[0.5, 0.6], [1, 0.5]]
    assert [list(trace.x) for trace in own] == [[1, 2], [1, 2]]


def test_trainings_side_by_side_share_the_axis_of_each_quantity_and_one_may_be_empty():
    figure = courses({"one": table(0), "two": table(1)})
    for trace in lines(figure, ALL):
        axis = figure.layout["yaxis" + trace.yaxis[1:]]
        assert axis.matches is not None or axis.title.text in {name for name, _ in PANELS.values()}
    assert [note.text for note in figure.layout.annotations] == ["one", "two"]
    assert len(lines(courses({"one": table(), "two": table().iloc[:0]}), ALL)) == len(PANELS)
