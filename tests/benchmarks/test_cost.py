"""What a step costs: its own time alone, on the clock that counts for the device."""

import pytest

from benchmarks import cost


@pytest.fixture
def clocks(monkeypatch):
    """Seconds that a processor has worked and that the clock shows, which the test moves."""
    seconds = {"processor": 0.0, "clock": 0.0}
    monkeypatch.setattr(cost.time, "process_time", lambda: seconds["processor"])
    monkeypatch.setattr(cost.time, "perf_counter", lambda: seconds["clock"])
    return seconds


@pytest.mark.parametrize(("device", "seconds"), [("cpu", 2.0), ("cuda", 7.0)])
def test_a_step_costs_its_own_time_and_not_that_of_the_beginning_or_of_other_work(clocks, device, seconds):
    def train(steps: int) -> None:
        clocks["processor"] += 100 + 2 * steps
        clocks["clock"] += 300 + 7 * steps

    assert cost.measure(train, device).seconds == pytest.approx(seconds)
