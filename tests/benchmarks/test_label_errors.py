"""Label errors by cross-validated networks: what is stopped goes on, and planted errors come first."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from benchmarks import label_errors
from benchmarks.label_errors import main

#: Rows of the training file whose label is replaced by the next class.
WRONG = (4, 17, 33)


@pytest.fixture(scope="module")
def mislabelled(planted, tmp_path_factory):
    """The planted files, three training labels wrong and two test images that people take for another class."""
    folder = tmp_path_factory.mktemp("mislabelled")
    train, test = (pq.read_table(planted / f"{name}.parquet") for name in ("train", "test"))
    labels = train["label"].to_numpy().copy()
    labels[list(WRONG)] = (labels[list(WRONG)] + 1) % 3
    pq.write_table(train.set_column(1, "label", [labels]), folder / "train.parquet")
    counts = np.zeros((len(test), 3), int)
    counts[np.arange(len(test)), test["label"].to_numpy()] = 10
    counts[:2] = 10 - counts[:2]
    pq.write_table(test.set_column(2, "human_counts", [counts.tolist()]), folder / "test.parquet")
    return folder


@pytest.fixture
def options(mislabelled, tmp_path):
    files = [f"--{name}={mislabelled}/{name}.parquet" for name in ("train", "test")]
    return [*files, f"--out={tmp_path}", "--folds=2", "--epochs=12", "--width=8", "--threads=1"]


def test_planted_errors_of_training_images_come_first_and_people_judge_the_test_images(options, tmp_path, capsys):
    assert main(options) == 0
    assert main([*options, "--report"]) == 0
    suspects = pd.read_csv(tmp_path / "suspects.csv", keep_default_na=False)
    first = suspects[:3]
    assert set(zip(first["file"], first["row"], strict=True)) == {("training", row) for row in WRONG}
    assert (first["suggested"] == (first["label"] + 2) % 3).all()
    assert (suspects.loc[suspects["file"] == "training", "hsf"] == "").all()
    assert "Test images, of 60 of which people doubt 2:" in capsys.readouterr().out


def test_a_stopped_call_keeps_the_folds_that_are_done_and_goes_on(options, tmp_path, monkeypatch):
    train, calls = label_errors.train, []

    def second_is_stopped(*arguments, progress, **named):
        calls.append(named["checkpoint"].name)
        if len(calls) == 2:
            progress = label_errors.Progress(should_stop=lambda: True)
        return train(*arguments, progress=progress, **named)

    monkeypatch.setattr(label_errors, "train", second_is_stopped)
    assert main(options) == 1
    assert [path.name for path in tmp_path.glob("*.npz")] == ["width8-epochs12-seed0-fold0of2.npz"]
    assert main(options) == 0
    assert calls == [f"width8-epochs12-seed0-fold{fold}of2.checkpoint" for fold in (0, 1, 1)]
    with np.load(tmp_path / "width8-epochs12-seed0-fold1of2.npz") as arrays:
        assert arrays["logits"].shape == (60, 3)
    assert not list(tmp_path.glob("*.checkpoint"))
    assert main([*options, "--report", "--width=16"]) == 2  # of other settings there is nothing yet
