"""A run's folder: features by id, shards that are whole or absent, a table that is complete or refused."""

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from avhcurate.errors import CurateError
from avhcurate.workspace.data.run_records import RunRecord
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.files import temporary_name


def record(**changes: object) -> RunRecord:
    known = {
        "name": "net-0",
        "model": "net",
        "weights_sha256": "0",
        "weights_source": "random",
        "preprocess": {"crop": 8},
    }
    known |= {"classes": ["a", "b"], "num_classes": 2, "width": 3, "dataset_fingerprint": "f", "samples": 5}
    return RunRecord.model_validate({"started": datetime(2026, 1, 1, tzinfo=UTC), **known, **changes})


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "net-0")
    folder.create(record(), np.eye(2, 3, dtype=np.float32), np.array([1, 2], np.float32), rows=10)
    return folder


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "avh": pa.array([id / 10 for id in ids], pa.float32())})


def test_a_new_run_is_begun_and_not_complete(run: RunFolder) -> None:
    assert (run.begun, run.complete) == (True, False)
    assert run.record == record()
    np.testing.assert_array_equal(run.class_weights(), np.eye(2, 3))
    np.testing.assert_array_equal(run.bias(), [1, 2])
    np.testing.assert_array_equal(run.features(), np.zeros((10, 3)))


def test_features_go_to_the_rows_of_their_ids(run: RunFolder) -> None:
    features = np.asfortranarray(np.arange(15.0).reshape(5, 3) + 1)
    ids = np.array([1, 2, 5, 6, 9])
    run.write_rows("features.npy", ids, features)
    expected = np.zeros((10, 3), np.float32)
    expected[ids] = features
    np.testing.assert_array_equal(run.features(), expected)
    np.testing.assert_array_equal(run.features_of(np.array([6, 1])), expected[[6, 1]])
    run.write_rows("features.npy", np.array([2]), np.full((1, 3), 7))
    assert run.features()[1:4].tolist() == [[1, 2, 3], [7, 7, 7], [0, 0, 0]]


def test_a_run_on_all_samples_takes_its_room_at_once_and_one_on_some_as_they_come(tmp_path: Path) -> None:
    def features(samples: int) -> os.stat_result:
        folder = RunFolder(tmp_path / str(samples))
        folder.create(record(width=256, samples=samples), np.zeros((2, 256)), np.zeros(2), rows=10_000)
        assert not np.load(folder.root / "features.npy", mmap_mode="r")[-1].any()
        return (folder.root / "features.npy").stat()

    whole, some = features(10_000), features(10)
    assert whole.st_size == some.st_size > 10_000_000
    assert some.st_blocks * 512 < 1_000_000
    assert whole.st_blocks * 512 >= whole.st_size


def test_the_finished_table_holds_the_shards_in_order(run: RunFolder) -> None:
    run.write_shard(0, rows(0, 1, 2), seconds=1.5)
    assert (run.has_shard(0), run.has_shard(1)) == (True, False)
    run.write_shard(1, rows(7, 9), seconds=2.5)
    assert run.shard_seconds(0) + run.shard_seconds(1) == 4
    run.finish((run.shard(shard) for shard in (0, 1)), {"finished": datetime(2026, 1, 2, tzinfo=UTC), "skipped": 1})
    assert run.complete
    assert run.record.skipped == 1
    assert pd.read_parquet(run.scores_path)["id"].tolist() == [0, 1, 2, 7, 9]
    files = sorted(path.name for path in run.root.iterdir())
    assert files == ["bias.npy", "class_weights.npy", "features.npy", "run.json", "scores.parquet"]


def test_a_table_with_a_sample_too_few_is_never_put_in_place(run: RunFolder) -> None:
    run.write_shard(0, rows(0, 1, 2), seconds=1)
    with pytest.raises(RuntimeError, match="3 rows for 5 images"):
        run.finish([run.shard(0)], {"finished": datetime(2026, 1, 2, tzinfo=UTC)})
    assert not run.complete
    assert not run.scores_path.exists()
    assert run.has_shard(0)


def test_one_writer_at_a_time(run: RunFolder) -> None:
    with run.alone(), pytest.raises(CurateError, match="Another process"), RunFolder(run.root).alone():
        pass


def test_what_a_killed_process_left_goes_before_the_next_writes(run: RunFolder) -> None:
    left = temporary_name(run.root / "near.npy")
    left.write_bytes(b"")
    with run.alone():
        assert not left.exists()
