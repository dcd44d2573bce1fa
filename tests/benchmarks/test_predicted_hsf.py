"""The benchmark of predicted HSF: the share needed, and a replay that judges images nobody was asked about."""

import numpy as np
import pandas as pd
import pytest

from avhcurate.predicted_hsf.vote_model import Design
from benchmarks import predicted_hsf as benchmark


def test_the_share_needed_is_read_off_the_curve_between_its_points():
    asked, reached = pd.Series([100, 400, 1600]), pd.Series([0.2, 0.3, 0.4])
    assert benchmark.needed(asked, reached, 0.25) == pytest.approx(200)
    assert np.isnan(benchmark.needed(asked, reached, 0.5))


def test_the_table_of_a_replay_compares_within_draws():
    random = [{"asked": 100, "rho": 0.2}, {"asked": 400, "rho": 0.4}]
    better = [{"asked": 100, "rho": 0.2}, {"asked": 400, "rho": 0.6}]
    rows = [
        {"replay": queue, "draw": draw, "curve": curve}
        for draw in (0, 1)
        for queue, curve in (("random", random), ("informative", better))
    ]
    table = benchmark.replay_table(pd.DataFrame(rows))
    assert "0.200 (0.200 to 0.200)" in table  # the difference at 400
    assert table.endswith("| 0.50 |")  # 0.4 is reached at 200 of 400


def test_a_replay_learns_and_asks_each_image_once(monkeypatch):
    rng = np.random.default_rng(0)
    data = object.__new__(benchmark.Replayed)
    data.ids = np.arange(400)
    data.design = Design(rng.normal(size=(400, 2)), np.empty((400, 0)))
    data.votes = np.full(400, 30)
    data.hits = rng.binomial(30, 1 / (1 + np.exp(-2 * data.design.narrow[:, 0])))
    monkeypatch.setattr(benchmark, "STEPS", (20, 60, 150))
    for queue in ("random", "informative"):
        curve = benchmark.replay(data, queue, 0, 10)
        assert [point["asked"] for point in curve] == [20, 60, 150]
        assert curve[-1]["rho"] > 0.8
