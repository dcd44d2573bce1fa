"""Curves over epochs: the numbers are the table's, wherever an evaluation lies."""

import numpy as np
import pandas as pd
import pytest

from avhcurate.features.training_dynamics.plots import ALL, BAND, PANELS, Course, courses

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
    """Lines of a legend group that are curves, not bands or marks."""
    return [
        trace
        for trace in figure.data
        if trace.legendgroup == name and trace.hovertemplate and trace.fill is None and trace.x[0] is not None
    ]


def panel_of(figure, trace):
    return figure.layout["yaxis" + trace.yaxis[1:]]


@pytest.mark.parametrize("number", [1, 3])
def test_each_panel_draws_the_means_of_the_table_for_every_bin(number):
    shown = [Course(f"training {seed}", table(seed)) for seed in range(number)]
    figure = courses(shown, BINS)
    for name in (ALL, *BINS):
        drawn = lines(figure, name)
        assert len(drawn) == number * len(PANELS)
        expected = [course.curves[course.curves["bin"] == name][key] for course in shown for key in PANELS]
        for trace, values in zip(drawn, expected, strict=True):
            np.testing.assert_allclose(trace.y, values, atol=1e-6)
            np.testing.assert_allclose(trace.x, EPOCHS)
            assert set(trace.customdata[:, 0]) == {100 if name == ALL else 50}


def test_bands_reach_95_percent_of_the_mean_to_both_sides():
    course = Course("one", table())
    bands = [trace for trace in courses([course], BINS).data if trace.fill == "toself" and trace.legendgroup == ALL]
    rows = course.curves[course.curves["bin"] == ALL]
    for trace, key in zip(bands, PANELS, strict=True):
        upper, lower = trace.y[: len(rows)], trace.y[len(rows) :][::-1]
        np.testing.assert_allclose(upper - lower, 2 * BAND * rows[f"{key}_se"], atol=3e-6)


def test_a_missing_standard_error_gives_a_band_without_width_and_no_hole():
    frame = table()
    frame.loc[:, [f"{key}_se" for key in PANELS]] = np.nan
    band = next(trace for trace in courses([Course("one", frame)], BINS).data if trace.fill == "toself")
    assert np.isfinite(np.asarray(band.y, float)).all()


def test_without_votes_only_the_curve_over_all_samples_is_drawn():
    figure = courses([Course("one", table(bins=(ALL,)))], ())
    assert {trace.legendgroup for trace in figure.data} == {ALL}
    assert not figure.layout.legend.title.text


def test_simulated_votes_are_called_so():
    assert "simulated" in courses([Course("one", table())], BINS, simulated=True).layout.legend.title.text


def test_every_name_is_in_the_legend_once_even_if_the_first_training_lacks_it():
    first, second = Course("one", table(bins=(ALL, BINS[0]))), Course("two", table(), drops=[1.0])
    figure = courses([first, second], BINS)
    named = [trace.legendgroup for trace in figure.data if trace.showlegend]
    assert sorted(named) == sorted([ALL, *BINS])


def test_rate_drops_are_vertical_lines_in_every_panel_once_they_are_reached():
    figure = courses([Course("one", table(), drops=[2.0, 20.0])], BINS)
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(2.0, 2.0)] * len(PANELS)


def test_the_epoch_of_settling_is_marked_on_the_curve():
    course = Course("one", table(), settled={"avh": 1.0, "loss": 1.25})
    marks = [trace for trace in courses([course], BINS).data if trace.legendgroup == "settled"]
    found = [(trace.x[0], trace.y[0]) for trace in marks]
    everything = course.curves[course.curves["bin"] == ALL].set_index("epoch")
    between = 0.75 * everything["loss"][1.0] + 0.25 * everything["loss"][2.0]
    assert found == [(1.0, everything["avh"][1.0]), (1.25, pytest.approx(between, abs=1e-5))]


def test_samples_learnt_from_have_their_own_curve_for_accuracy_and_loss():
    fitted = pd.DataFrame({"epoch": [0, 1, 2], "train_accuracy": [np.nan, 0.5, 0.6], "train_loss": [np.nan, 1, 0.5]})
    figure = courses([Course("one", table(), fitted=fitted)], BINS)
    own = [trace for trace in figure.data if trace.legendgroup == "fitted"]
    assert [list(trace.y) for trace in own] == [[0.5, 0.6], [1, 0.5]]
    assert [list(trace.x) for trace in own] == [[1, 2], [1, 2]]


def test_trainings_side_by_side_share_the_axis_of_each_quantity():
    figure = courses([Course("one", table(0)), Course("two", table(1))], BINS)
    for trace in lines(figure, ALL):
        axis = panel_of(figure, trace)
        assert axis.matches is not None or axis.title.text in {name for name, _ in PANELS.values()}
    assert [note.text for note in figure.layout.annotations] == ["one", "two"]


def test_the_evaluation_before_training_can_be_drawn_by_itself():
    assert len(lines(courses([Course("one", table(epochs=(0,)))], BINS), ALL)) == len(PANELS)


def test_an_empty_training_beside_a_full_one_leaves_its_column_empty():
    empty = Course("two", table().iloc[:0], drops=[1.0])
    figure = courses([Course("one", table()), empty], BINS)
    assert len(lines(figure, ALL)) == len(PANELS)
