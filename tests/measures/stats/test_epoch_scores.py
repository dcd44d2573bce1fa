"""Scores of how samples were learnt: the pass over the epochs against slow loops over the samples."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from avhcurate.measures.scores import SCORES
from avhcurate.measures.stats.epoch_scores import KEYS, NEEDED, EpochScores


def fold(epochs):
    dynamics = EpochScores(len(epochs[0]["correct"]))
    for epoch in epochs:
        dynamics.add(epoch)
    return dynamics.scores()


def by_hand(history):
    """The scores of one sample, `history` a list of its (correct, confidence, margin, el2n) by epoch."""
    right = [row[0] for row in history]
    confidence = [row[1] for row in history]
    count, mean = len(history), sum(confidence) / len(history)
    streak = 0
    while streak < count and right[count - 1 - streak]:
        streak += 1
    return {
        "aum": sum(row[2] for row in history) / count,
        "confidence_mean": mean,
        "variability": (sum((value - mean) ** 2 for value in confidence) / count) ** 0.5,
        "correctness": sum(right) / count,
        "forgetting": sum(a and not b for a, b in itertools.pairwise(right)) if any(right) else count,
        "el2n_mean": sum(row[3] for row in history) / count,
        "learning_speed": streak / count,
    }


SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 6))


@st.composite
def histories(draw):
    """(epochs, samples) of each column."""
    shape = draw(SHAPES)
    unit = arrays.arrays(np.float64, shape, elements=st.floats(0, 1, width=32))
    logits = arrays.arrays(np.float64, shape, elements=st.floats(-50, 50, width=32))
    return {
        "correct": draw(arrays.arrays(bool, shape)),
        "confidence": draw(unit),
        "margin": draw(logits),
        "el2n": draw(unit),
    }


@settings(max_examples=30, deadline=None)
@given(histories())
def test_one_pass_equals_a_loop_over_each_samples_history(history):
    epochs = [{key: values[t] for key, values in history.items()} for t in range(len(history["correct"]))]
    got = fold(epochs)
    assert tuple(got) == KEYS
    for i in range(history["correct"].shape[1]):
        rows = list(zip(*(history[key][:, i] for key in NEEDED), strict=True))
        for key, value in by_hand(rows).items():
            np.testing.assert_allclose(got[key][i], value, rtol=1e-5, atol=1e-6, err_msg=key)


@settings(max_examples=30, deadline=None)
@given(histories())
def test_scores_lie_within_the_ranges_that_the_table_of_scores_gives(history):
    count = len(history["correct"])
    got = fold([{key: values[t] for key, values in history.items()} for t in range(count)])
    bounds = {"-∞": -np.inf, "∞": np.inf, "0": 0, "1": 1, "1/2": 0.5, "T": count, "√2": 2**0.5}
    for key in KEYS:
        known = got[key][~np.isnan(got[key])]
        assert (known >= bounds[SCORES[key].low] - 1e-6).all(), key
        assert (known <= bounds[SCORES[key].high] + 1e-6).all(), key
    assert (got["learning_speed"] <= got["correctness"] + 1e-6).all()
    # Right once and wrong at the end was forgotten on the way.
    never = got["correctness"] == 0
    assert (got["forgetting"][never] == count).all()
    assert (got["forgetting"][~never] <= count / 2).all()
    assert (got["forgetting"][(got["learning_speed"] == 0) & (got["correctness"] > 0)] >= 1).all()


def test_each_score_points_from_an_easy_sample_to_a_hard_one():
    """One is right and sure from the first epoch, one flickers, one is never right."""
    easy = [(True, 0.9, 5.0, 0.1)] * 8
    flickering = [(t % 2 == 0, 0.2 + 0.6 * (t % 2 == 0), (-1.0) ** t, 0.7) for t in range(8)]
    never = [(False, 0.05, -4.0, 1.2)] * 8
    epochs = [dict(zip(NEEDED, np.array(rows).T, strict=True)) for rows in zip(easy, flickering, never, strict=True)]
    got = fold(epochs)
    for key in KEYS:
        if key not in ("variability", "forgetting"):  # those find the flickering one
            assert SCORES[key].sign * (got[key][2] - got[key][0]) > 0, key
        assert SCORES[key].sign * (got[key][1] - got[key][0]) > 0, key
    assert got["forgetting"][1] == 4
    assert got["forgetting"][2] == 8


def test_a_small_deviation_keeps_its_digits_and_without_epochs_or_label_scores_are_missing():
    values = 0.999999 + 1e-7 * np.sin(np.arange(400))
    got = fold([{"correct": [True], "confidence": [v], "margin": [0.0], "el2n": [0.0]} for v in values])
    assert got["variability"][0] == pytest.approx(values.std(), rel=1e-4)
    nan = np.full(2, np.nan)
    unlabelled = fold([{"correct": [False, True], "confidence": nan, "margin": nan, "el2n": nan}] * 2)
    for missing in (EpochScores(3).scores(), unlabelled):
        assert all(np.isnan(values).all() for values in missing.values())


def test_a_missing_value_at_one_epoch_counts_as_if_the_epoch_had_not_been():
    rng = np.random.default_rng(1)
    epochs = [{"correct": rng.random(40) < 0.6, **{key: rng.random(40) for key in NEEDED[1:]}} for _ in range(6)]
    spoilt = [dict(epoch) for epoch in epochs]
    for key in NEEDED[1:]:
        spoilt[2][key] = np.where(np.arange(40) < 10, np.nan, spoilt[2][key])
    whole, without, got = fold(epochs), fold([*epochs[:2], *epochs[3:]]), fold(spoilt)
    for key in KEYS:
        np.testing.assert_allclose(got[key][:10], without[key][:10], rtol=1e-6, err_msg=key)
        np.testing.assert_array_equal(got[key][10:], whole[key][10:], err_msg=key)
