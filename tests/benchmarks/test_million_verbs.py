"""What verbs cost: each runs on the made-up workspace, and its own use is read."""

import numpy as np
import pytest

from benchmarks.million import make
from benchmarks.million_verbs import PHOTOS, SMALL, VERBS, beside, cost_of, import_photos
from tests.fakes.datasets import write_images


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = tmp_path_factory.mktemp("made-up")
    make(root, 240, 220)
    return root


@pytest.mark.slow
def test_a_verb_of_the_table_runs_and_its_use_is_its_own(workspace):
    cost = cost_of(VERBS["quality"], workspace)
    assert cost.code == 0, cost.said
    assert cost.processor > 0
    assert 0.05 < cost.peak < 5
    assert "20 groups of near duplicates" in cost.said


@pytest.mark.slow
def test_verbs_of_small_matrices_run_quiet_and_beside_busy_processes(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    stripes = {f"{number % 2}/{number}.png": rng.integers(0, 90, (8, 8), np.uint8) for number in range(60)}
    for name, pixels in stripes.items():
        pixels[4 * int(name[0]) :][:4] += 120
    monkeypatch.setitem(SMALL, "score --head fit", ("score", PHOTOS, "--model", "avhcurate:digits", "--head", "fit"))
    import_photos(tmp_path / "workspace", str(write_images(tmp_path / "stripes", stripes)))
    rows = list(beside(tmp_path / "workspace", 1))
    assert [row[0] for row in rows] == list(SMALL)
    for name, quiet, loaded, ratio, *_ in rows:
        assert float(quiet) > 0, name
        assert float(ratio) == pytest.approx(float(loaded) / float(quiet), rel=0.2), name
