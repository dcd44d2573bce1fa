"""Bounds on the number of wrong labels: exact against brute force, and true at all looks at once."""

import itertools

import numpy as np
import pytest
from scipy.stats import beta, betabinom, binom, hypergeom

from avhcurate.measures.stats.acceptance import bounds, looks_expected, most_errors


@pytest.mark.parametrize(("size", "looks"), [(30, 0), (30, 1), (30, 12), (30, 29), (30, 30), (7, 3)])
def test_the_interval_has_every_number_that_brute_force_leaves(size, looks):
    """The mixture is summed over all numbers of wrong labels here, where the module has its closed form."""
    at_most, alpha = 0.2, 0.05
    numbers = np.arange(size + 1)
    prior = betabinom.pmf(numbers, size, 1, 2 / at_most)
    for wrong in range(looks + 1):
        chance = hypergeom.pmf(wrong, size, numbers, looks)
        inside = numbers[chance > alpha * (prior @ chance)]
        assert bounds(wrong, looks, size, at_most=at_most, alpha=alpha) == (inside.min(), inside.max())
        assert len(inside) == np.ptp(inside) + 1, "an interval has no gaps"


def test_the_truth_is_outside_at_any_look_in_at_most_five_of_a_hundred_reviews():
    """All orders of a small lot are followed by their exact chances: with a peek after each look, not by a draw."""
    size = 40
    for number in (0, 1, 2, 5, 12, 30, 40):
        chances = {0: 1.0}
        missed = 0.0
        for n in range(1, size + 1):
            then: dict[int, float] = {}
            for k, chance in chances.items():
                share = (number - k) / (size - n + 1)
                for found, part in ((k + 1, share), (k, 1 - share)):
                    if part > 0:
                        then[found] = then.get(found, 0.0) + chance * part
            chances = {}
            for k, chance in then.items():
                low, high = bounds(k, n, size, at_most=0.1)
                if low <= number <= high:
                    chances[k] = chance
                else:
                    missed += chance
        assert missed <= 0.05
        assert sum(chances.values()) == pytest.approx(1 - missed)


def test_peeking_costs_less_than_a_third_of_what_a_fixed_number_of_looks_says():
    size = 20_000
    for wrong, looks in ((0, 200), (2, 400), (8, 800)):
        fixed = max(number for number in range(2_000) if hypergeom.cdf(wrong, size, number, looks) > 0.05)
        _, high = bounds(wrong, looks, size, at_most=0.02)
        assert fixed < high < 1.4 * fixed


def test_when_all_were_looked_at_the_number_is_exact_and_before_any_look_nothing_is_known():
    for wrong, size in itertools.product((0, 3, 20), (20, 635)):
        assert bounds(wrong, size, size, at_most=0.02) == (wrong, wrong)
    assert bounds(0, 0, 50, at_most=0.02) == (0, 50)
    assert bounds(4, 4, 50, at_most=0.5)[1] == 50


def test_looks_that_are_expected_are_those_after_which_half_of_drawn_reviews_are_done():
    size, allowed, at_most = 1_000, 50, 0.05
    rng = np.random.default_rng(0)
    for share in (0.0, 0.0125, 0.025):
        (expected,) = looks_expected(size, allowed, [share], at_most=at_most)
        labels = np.arange(size) < round(share * size)
        found = np.array([rng.permutation(labels).cumsum() for _ in range(400)])
        _, high = bounds(found, np.arange(1, size + 1), size, at_most=at_most)
        done = (high <= allowed).argmax(axis=1) + 1
        assert (done < expected).mean() <= 0.55
        assert (done <= expected).mean() >= 0.45
    assert looks_expected(size, allowed, [0.0, 0.06, 0.0], at_most=at_most)[1] is None
    assert looks_expected(20, 0, [0.0], at_most=0.02) == [20], "no wrong label is allowed: each is looked at"


@pytest.mark.parametrize(("errors", "pairs"), [(0, 50), (3, 50), (49, 50), (0, 1)])
def test_the_most_errors_are_those_under_which_so_few_are_unlikely(errors, pairs):
    share = most_errors(errors, pairs, alpha=0.05)
    assert binom.cdf(errors, pairs, share) == pytest.approx(0.05)
    assert share == pytest.approx(beta.ppf(0.95, errors + 1, pairs - errors))
    assert most_errors(pairs, pairs) == 1.0
