"""A training's folder: looks that are whole or absent, told once, and readable whenever the writer was killed."""

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avhcurate.errors import CurateError
from avhcurate.workspace.data.trainings import SAMPLE_COLUMNS, EpochEval, TrainingFolder, TrainingRecord

IDS = np.array([3, 4, 9])


def record() -> TrainingRecord:
    known = {"name": "net-0", "model": "net", "loss": "cross-entropy", "recipe": {"learning_rate": 0.1}, "seed": 0}
    known |= {"dataset": "d", "dataset_fingerprint": "f", "train_samples": 7, "epochs": 3, "parameters": 5}
    known |= {"held_out": "d", "held_out_fingerprint": "f", "held_out_samples": 3, "classes": ["a", "b"]}
    known |= {"num_classes": 2, "device": "cpu", "precision": "float32", "started": datetime(2026, 1, 1, tzinfo=UTC)}
    return TrainingRecord.model_validate(known)


def look(epoch: float, *, steps: int = 10, **columns: object) -> EpochEval:
    """A look after `epoch` epochs whose every number is the epoch, unless given."""
    samples = {name: np.full(3, epoch, np.float32) for name in SAMPLE_COLUMNS} | {"correct": np.ones(3, bool)}
    samples |= {name: np.asarray(values) for name, values in columns.items()}
    return EpochEval(epoch, round(epoch * steps), epoch * 60, 0.1, None if epoch == 0 else 1 / epoch, None, samples)


@pytest.fixture
def training(tmp_path: Path) -> TrainingFolder:
    folder = TrainingFolder(tmp_path / "net-0")
    folder.create(record(), IDS)
    return folder


def test_a_look_comes_back_with_its_means_over_labelled_samples(training: TrainingFolder) -> None:
    assert (training.begun, training.complete) == (True, False)
    assert training.evaluations().empty
    nan = np.nan
    training.append(look(0))
    training.append(look(0.5, correct=[True, False, False], confidence=[0.75, 0.25, nan], avh=[0.1, 0.3, nan]))
    rows = training.evaluations()
    assert rows["epoch"].tolist() == [0, 0.5]
    assert rows["step"].tolist() == [0, 5]
    assert rows.loc[1, ["n", "accuracy", "confidence"]].tolist() == [2, 0.5, 0.5]
    assert rows.loc[1, "avh"] == pytest.approx(0.2)
    assert rows["train_loss"].isna().tolist() == [True, False]
    seen = training.samples(1)
    assert seen.columns.tolist() == ["id", *SAMPLE_COLUMNS]
    assert seen["id"].tolist() == IDS.tolist()
    np.testing.assert_array_equal(seen["avh"], np.array([0.1, 0.3, nan], np.float32))
    assert training.samples(0, ["norm"]).columns.tolist() == ["id", "norm"]
    assert training.samples(-1, ["id", "correct"])["correct"].tolist() == [True, False, False]


def test_a_look_written_twice_counts_once_and_the_first_stands(training: TrainingFolder) -> None:
    training.append(look(1))
    training.append(look(2))
    training.append(look(2, avh=[9, 9, 9]))
    assert training.evaluations()["epoch"].tolist() == [1, 2]
    assert training.samples(1)["avh"].tolist() == [2, 2, 2]


def test_a_resume_drops_the_looks_after_its_checkpoint(training: TrainingFolder) -> None:
    for epoch in range(5):
        training.append(look(epoch))
    with pytest.raises(ValueError, match="truncate"):
        training.append(look(1.5))
    training.truncate(20)
    assert training.evaluations()["step"].tolist() == [0, 10, 20]
    training.append(look(2.5))
    training.append(look(3, avh=[7, 7, 7]))
    assert training.evaluations()["epoch"].tolist() == [0, 1, 2, 2.5, 3]
    assert training.samples(4)["avh"].tolist() == [7, 7, 7]
    training.truncate(-1)
    assert training.evaluations().empty
    assert list((training.root / "dynamics").iterdir()) == []


class Killed(BaseException):
    """In place of kill -9: nothing after it runs."""


@pytest.mark.parametrize("step", range(7))
def test_killed_between_any_two_steps_the_folder_is_readable_and_the_look_can_be_made_again(
    training: TrainingFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: int
) -> None:
    """Every write ends in a flush, a rename and the folder's flush: the writer dies before one of them."""
    training.append(look(1))
    left = step

    def die_at(real):
        def call(*arguments):
            nonlocal left
            if left == 0:
                # What a killed process leaves is as it lies on the disk now, temporary files too.
                shutil.copytree(training.root, tmp_path / "killed")
                raise Killed
            left -= 1
            return real(*arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", die_at(os.fsync))
        patch.setattr(os, "replace", die_at(os.replace))
        try:
            training.append(look(2))
        except Killed:
            found = TrainingFolder(tmp_path / "killed")
            assert found.evaluations()["epoch"].tolist() == ([1] if step < 5 else [1, 2])
        else:
            assert step == 6
            found = training
            assert found.evaluations()["epoch"].tolist() == [1, 2]
    found.truncate(15)
    found.append(look(2, avh=[5, 5, 5]))
    assert found.samples(1)["avh"].tolist() == [5, 5, 5]
    suffixes = sorted(path.suffix for path in (found.root / "dynamics").iterdir())
    assert suffixes == [".json", ".json", ".parquet", ".parquet"]


def test_columns_that_do_not_fit_are_refused_and_nothing_is_written(training: TrainingFolder) -> None:
    with pytest.raises(ValueError, match="avh"):
        training.append(look(1, avh=[1, 2]))
    wrong = look(1)
    with pytest.raises(ValueError, match="margin"):
        training.append(EpochEval(1, 10, 1, 0.1, None, None, {k: v for k, v in wrong.samples.items() if k != "margin"}))
    assert training.evaluations().empty


def test_finished_it_holds_a_row_a_recorded_sample_of_whole_epochs_alone(training: TrainingFolder) -> None:
    training.append(look(0, correct=[True, True, True]))
    training.append(look(0.5, confidence=[9, 9, 9]))
    training.append(look(1, correct=[True, False, False], confidence=[0.2, 0.4, np.nan]))
    training.append(look(2, correct=[False, True, False], confidence=[0.4, 0.8, np.nan]))
    training.finish("abc")
    assert training.complete
    assert training.record.weights_sha256 == "abc"
    assert training.train_dynamics_path is None
    found = pd.read_parquet(training.dynamics_path)
    assert found["id"].tolist() == IDS.tolist()
    np.testing.assert_allclose(found["confidence_mean"], [0.3, 0.6, np.nan], rtol=1e-6)
    np.testing.assert_array_equal(found["correctness"], [0.5, 0.5, np.nan])
    np.testing.assert_array_equal(found["forgetting"], [1, 0, np.nan])
    np.testing.assert_array_equal(found["learning_speed"], [0, 0.5, np.nan])
    assert found.isna().sum().sum() == 7  # missing is null for the sample without a label


def test_samples_learnt_from_are_kept_apart_from_those_held_out(tmp_path: Path) -> None:
    training, learnt = TrainingFolder(tmp_path / "net-1"), np.array([0, 7])
    training.create(record(), IDS, learnt)
    for epoch, right in enumerate(([True, False], [False, False], [True, False])):
        of_learnt = {name: np.full(2, epoch / 10, np.float32) for name in SAMPLE_COLUMNS} | {"correct": np.array(right)}
        training.append(replace(look(epoch), learnt=of_learnt))
    assert training.samples(2, part="learnt from")["id"].tolist() == [0, 7]
    with pytest.raises(ValueError, match="avh"):
        training.append(look(3))
    training.truncate(10)
    assert sorted(int(path.stem) for path in (training.root / "train_dynamics").iterdir()) == [0, 10]
    training.append(replace(look(2), learnt=of_learnt))
    training.finish("abc")
    held_out, found = pd.read_parquet(training.dynamics_path), pd.read_parquet(training.train_dynamics_path)
    assert not set(held_out.columns) & set(found.columns) - {"id"}
    assert (held_out["id"].tolist(), found["id"].tolist()) == (IDS.tolist(), [0, 7])
    assert found["train_forgetting"].tolist() == [0, 2]  # never learnt: as often as there were epochs
    pd.testing.assert_frame_equal(training.epoch_scores("held out"), held_out)
    assert training.epoch_scores("learnt from")["forgetting"].tolist() == [0, 2]
    np.testing.assert_allclose(found["train_confidence_mean"], 0.15, rtol=1e-6)
    np.testing.assert_allclose(held_out["confidence_mean"], 1.5, rtol=1e-6)


def test_the_dataset_lists_its_trainings_oldest_first(trained_root: Path) -> None:
    from avhcurate.workspace.data.workspace import Workspace

    dataset = Workspace(trained_root).dataset("digits")
    found = dataset.trainings()
    assert [training.record.seed for training in found] == [0, 1, 2]
    assert [training.complete for training in found] == [True, True, False]
    assert dataset.training(found[1].name).record == found[1].record
    assert found[2].evaluations()["epoch"].tolist() == [0, 1, 2, 3]
    with pytest.raises(CurateError, match=found[0].name):
        dataset.training("other")
    weights = {run.record.weights_sha256 for run in dataset.runs()}
    assert {training.record.weights_sha256 for training in found[:2]} < weights
