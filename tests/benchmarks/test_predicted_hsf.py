"""The benchmark of predicted HSF: the share needed, a replay that judges images nobody was asked about, resuming."""

import json
from types import SimpleNamespace

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


def test_a_call_goes_on_where_one_of_the_same_runs_stopped_within_a_line_too(monkeypatch, tmp_path, capsys):
    made = []

    def predicted(data, voted, draw):
        made.append((voted, draw))
        bins = [{"bin": name, "n": 5, "coverage": 0.9, "width": 0.2} for name in ("all", "fifth 1")]
        return {"rho": 0.5, "confidence": 0.4, "strength": [1, 1], "bins": bins}

    table = SimpleNamespace(dataset=SimpleNamespace(record=SimpleNamespace(fingerprint="f")))
    faked = {"open_table": lambda *_: table, "Replayed": lambda *_: object(), "predicted": predicted}
    faked |= {"runs_of": lambda _, names: [SimpleNamespace(name=name) for name in names]}
    for name, value in faked.items():
        monkeypatch.setattr(benchmark, name, value)
    out = tmp_path / "results.jsonl"

    def call(runs, voted="10"):
        made.clear()
        benchmark.main([str(tmp_path), "pets", f"--out={out}", f"--runs={runs}", f"--voted={voted}", "--draws=2"])
        return len(made)

    assert [call("one"), call("one"), call("other")] == [2, 0, 2]
    whole = out.read_text()
    out.write_text(whole + '{"voted": 20, "draw": 0, "rh')
    assert call("one") == 0
    assert out.read_text() == whole
    earlier = [
        {name: row[name] for name in row if name not in ("dataset", "runs")}
        for row in map(json.loads, whole.splitlines())
    ]
    out.write_text("".join(json.dumps(row) + "\n" for row in earlier[:2]))
    assert call("one") == 0  # results from before they named their runs
    assert "| 10 | 2 |" in capsys.readouterr().out


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
