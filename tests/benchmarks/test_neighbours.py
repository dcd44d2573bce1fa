"""Made-up features of the benchmark of neighbour graphs: whole or absent, and apart by what they are made of."""

import sys

import numpy as np
import pytest

from benchmarks import neighbours


def test_features_that_were_not_made_to_the_end_are_not_there(tmp_path, monkeypatch):
    path = tmp_path / "made-up.npy"
    with monkeypatch.context() as broken:
        broken.setattr(neighbours, "_BLOCK", 0)  # the loop over blocks ends in an error
        with pytest.raises(ValueError, match="zero"):
            neighbours.make(path, 30, 8, 3)
    assert not path.exists()
    neighbours.make(path, 30, 8, 3)
    assert np.load(path).shape == (30, 8)


def test_other_clusters_are_other_features(tmp_path, monkeypatch):
    searched = []
    monkeypatch.setattr(
        neighbours.subprocess, "run", lambda argv, check: searched.append(argv[argv.index("--features") + 1])
    )
    for clusters in ("3", "4"):
        argv = ["neighbours", f"--out={tmp_path}", "--samples=30", "--width=8", f"--clusters={clusters}"]
        monkeypatch.setattr(sys, "argv", argv)
        neighbours.main()
    assert len(set(searched)) == 2
    assert not np.array_equal(*map(np.load, searched))
