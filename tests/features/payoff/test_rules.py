"""The gain of decisions: what is known exactly, what a simulation knows, and what must come out as nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t as student

from avhcurate.features.payoff import rules


@pytest.fixture(scope="module")
def people() -> tuple[np.ndarray, np.ndarray]:
    """Features (600, 20) and labels of three classes that a head can nearly tell."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 600)
    centres = 2 * rng.normal(size=(3, 20))
    return (centres[labels] + 2 * rng.normal(size=(600, 20))).astype(np.float32), labels


def difference(seed: int, locked: int = 400, classes: int = 4) -> np.ndarray:
    """Heads that differ on a fifth of the locked images, each by eighths."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((locked, classes), np.float32)
    for row in rng.permutation(locked)[: locked // 5]:
        gone, come = rng.permutation(classes)[:2]
        share = rng.integers(1, 9) / 8
        rows[row, gone] -= share
        rows[row, come] += share
    return rows


def test_a_gain_by_hand():
    rows = np.array([[-1.0, 1.0], [0, 0], [0.5, -0.5], [0, 0]])
    said = rules.gain(rows, np.array([1, 0, 1, 1]), {}, [])
    assert said.gain == pytest.approx((1 - 0.5) / 4)
    by_label = np.array([1, 0, -0.5, 0])
    half = 1.05 * student.ppf(0.975, 3) * by_label.std(ddof=1) / 2
    assert (said.high - said.gain, said.gain - said.low) == pytest.approx((half, half))
    assert (said.locked, said.checked, said.verdict) == (4, 0, "cannot tell")


def test_where_all_differing_images_are_checked_the_gain_is_that_of_the_truth():
    rows = difference(0)
    rng = np.random.default_rng(1)
    truth = rng.integers(-1, 4, len(rows))
    given = np.where(rng.random(len(rows)) < 0.3, rng.integers(0, 4, len(rows)), np.maximum(truth, 0))
    checks = {int(row): int(truth[row]) for row in np.flatnonzero(rows.any(axis=1))}
    said = rules.gain(rows, given, checks, [])
    expected = np.where(truth >= 0, rows[np.arange(len(rows)), truth], 0).mean()
    assert said.gain == pytest.approx(expected, abs=1e-9)
    assert said.checked == len(checks)


def test_checks_correct_labels_that_are_wrong_without_bias_and_intervals_hold():
    holds, off = [], []
    for seed in range(300):
        rows = difference(seed)
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, 4, len(rows))
        given = np.where(rng.random(len(rows)) < 0.25, rng.integers(0, 4, len(rows)), truth)
        drawn = rules.draws(rows, 30, seed=seed).tolist()
        said = rules.gain(rows, given, {row: int(truth[row]) for row in drawn}, drawn)
        by_truth = rows[np.arange(len(rows)), truth]
        # The interval is about images like these: the truth of these alone has an error of its own.
        error = student.ppf(0.975, 399) * by_truth.std(ddof=1) / np.sqrt(len(rows))
        off.append(said.gain - by_truth.mean())
        holds.append(abs(off[-1]) <= np.hypot(said.high - said.gain, error))
    assert abs(np.mean(off)) < 3 * np.std(off) / np.sqrt(len(off))
    assert np.mean(holds) > 0.92


def test_checks_that_were_drawn_for_all_decisions_correct_a_kind_of_them_without_bias():
    off = []
    for seed in range(300):
        rows = difference(seed)
        rest = difference(seed + 1000)
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, 4, len(rows))
        given = np.where(rng.random(len(rows)) < 0.4, rng.integers(0, 4, len(rows)), truth)
        drawn = rules.draws(rows + rest, 40, seed=seed).tolist()
        checks = {row: int(truth[row]) for row in drawn}
        said = rules.gain(rows, given, checks, drawn, rows + rest)
        off.append(said.gain - rows[np.arange(len(rows)), truth].mean())
    assert abs(np.mean(off)) < 3 * np.std(off) / np.sqrt(len(off))


def test_images_on_which_heads_differ_more_are_drawn_more_often_and_a_longer_list_begins_alike():
    rows = np.array([[0.0, 0.0], [0.25, -0.25], [-1.0, 1.0], [0.0, 0.0]])
    drawn = rules.draws(rows, 20_000)
    assert np.bincount(drawn, minlength=4) / 20_000 == pytest.approx([0, 0.2, 0.8, 0], abs=0.02)
    assert drawn[:50].tolist() == rules.draws(rows, 50).tolist()
    assert not len(rules.draws(np.zeros((3, 2)), 5))


def test_few_checks_do_not_count_and_a_gap_ends_them():
    rows = difference(5)
    given = np.zeros(len(rows), int)
    drawn = rules.draws(rows, 60).tolist()
    few = dict.fromkeys(drawn[: rules.LEAST_CHECKS - 1], 1)
    assert rules.gain(rows, given, few, drawn) == rules.gain(rows, given, {}, drawn)
    later = drawn[30]
    first = drawn.index(later)
    gap = {row: 1 for row in drawn if row != later}
    said = rules.gain(rows, given, gap, drawn)
    assert (said.draws, said.checked) == (first, len(set(drawn[:first])))


def test_more_checks_narrow_the_interval():
    rows = difference(7)
    truth = np.random.default_rng(7).integers(0, 4, len(rows))
    drawn = rules.draws(rows, 40).tolist()
    said = rules.gain(rows, np.zeros(len(rows), int), {row: int(truth[row]) for row in drawn}, drawn)
    assert said.half_width(0) == pytest.approx(said.high - said.gain)
    assert said.half_width(50) < said.half_width(0)


# --- heads ---------------------------------------------------------------------------------------------------------


def test_heads_of_the_same_labels_do_not_differ(people):
    x, labels = people
    (same,) = rules.differences(x[:400], labels[:400], [labels[:400].copy()], x[400:], labels[400:], 3, 1.0)
    assert not same.by_class.any()
    drawn = rules.draws(same.by_class, 10).tolist()
    said = rules.gain(same.by_class, labels[400:], {}, drawn, of_heads=same.of_heads)
    assert (said.gain, said.low, said.high, said.verdict) == (0, 0, 0, "cannot tell")


def test_repaired_labels_help_and_spoilt_ones_hurt(people):
    x, labels = people
    rng = np.random.default_rng(0)
    spoilt = np.where(rng.random(400) < 0.4, (labels[:400] + 1) % 3, labels[:400])
    after = [labels[:400], (spoilt + 1) % 3, np.where(spoilt == labels[:400], spoilt, -1)]
    found = rules.differences(x[:400], spoilt, after, x[400:], labels[400:], 3, 1.0)
    helped, hurt, left_out = (rules.gain(one.by_class, labels[400:], {}, [], of_heads=one.of_heads) for one in found)
    assert helped.verdict == "helped"
    assert hurt.verdict == "hurt"
    assert left_out.gain > 0


def test_each_kind_of_head_is_counted_and_their_spread_widens_the_interval(people):
    x, labels = people
    spoilt = np.where(np.arange(400) % 5 == 0, (labels[:400] + 1) % 3, labels[:400])
    (found,) = rules.differences(x[:400], spoilt, [labels[:400]], x[400:], labels[400:], 3, 1.0)
    rows = np.arange(len(labels) - 400)
    assert found.by_head.shape == (6, len(rows))
    assert np.allclose(found.by_head.mean(axis=0), found.by_class[rows, labels[400:]], atol=1e-6)
    assert found.of_heads == pytest.approx(np.var(found.by_head.mean(axis=1), ddof=1), rel=1e-4)
    alone = rules.gain(found.by_class, labels[400:], {}, [])
    together = rules.gain(found.by_class, labels[400:], {}, [], of_heads=found.of_heads)
    assert together.gain == alone.gain
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(np.sqrt(1 + found.of_heads / alone.of_labels))


def test_how_many_locked_images_decide_a_gain_is_told_unless_heads_differ_by_more():
    gain = rules.Gain(gain=0.02, low=-0.01, high=0.05, locked=400, checked=0, of_labels=2e-4, of_heads=2e-5)
    larger = round(gain.needed)
    assert larger > 400
    decided = replace(gain, locked=larger, of_labels=2e-4 * 400 / larger)
    assert decided.half_width(0) == pytest.approx(0.02, rel=0.02)
    assert replace(gain, of_heads=1e-3).needed == math.inf


def test_the_penalty_is_never_an_end_of_those_that_are_tried(people):
    x, labels = people
    groups = np.arange(len(x))
    for one in (labels, np.random.default_rng(0).integers(0, 3, len(x))):
        penalty = rules.choose_penalty(x, one, 3, groups)
        assert penalty.value in rules.PENALTIES[1:-1]
        assert penalty.losses[penalty.value] == min(penalty.losses[tried] for tried in rules.PENALTIES[1:-1])
    assert penalty.value > rules.choose_penalty(x, labels, 3, groups).value  # chance labels want the stronger one


def test_principal_axes_are_those_of_the_images_that_heads_learn_from():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 200)).astype(np.float32)
    features[:200, 0] *= 50
    features[200:, 1] *= 50
    x = rules.principal(features, np.arange(200))
    assert x.shape == (300, rules.AXES)
    assert abs(np.corrcoef(x[:200, 0], features[:200, 0])[0, 1]) > 0.999
