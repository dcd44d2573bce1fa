"""How many of the next suspects would be changed: told without bias where doubt tells it, and said with an interval."""

import numpy as np
import pytest

from avhcurate.features.suspects import stopping


@pytest.mark.slow
def test_the_forecast_is_right_on_average_and_its_interval_holds():
    off, holds = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        doubt = np.sort(rng.normal(size=400))[::-1]
        changed = rng.random(400) < 1 / (1 + np.exp(-(3 * doubt - 3)))
        reviewed = int(rng.integers(50, 200))
        following = slice(reviewed, reviewed + stopping.NEXT)
        said = stopping.forecast(doubt[:reviewed], changed[:reviewed], doubt[following])
        came = changed[following].sum()
        off.append(said.changes - came)
        holds.append(said.low <= came <= said.high)
    assert abs(np.mean(off)) < 1.5
    assert np.mean(np.abs(off)) < 5
    assert np.mean(holds) > 0.9


def test_few_changes_to_come_are_a_reason_to_stop():
    doubt = np.arange(160)[::-1].astype(float)
    said = stopping.forecast(doubt[:110], doubt[:110] > 130, doubt[110:])
    assert said.changes < stopping.FEW
    assert "tired decisions lower it" in said.text
    many = stopping.forecast(doubt[:110], doubt[:110] > 20, doubt[110:])
    assert many.text == f"About {many.changes:.0f} of the next 50 would be changed ({many.low:.0f} to {many.high:.0f})."


@pytest.mark.parametrize("changed", [np.zeros(60, bool), np.ones(60, bool)])
def test_decisions_that_are_all_alike_are_no_certainty(changed):
    said = stopping.forecast(np.linspace(1, 0.5, 60), changed, np.linspace(0.5, 0.1, 50))
    assert 0 <= said.low <= said.changes <= said.high <= 50
    assert said.high > said.low
