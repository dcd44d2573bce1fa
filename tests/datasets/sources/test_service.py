"""Importing again: the same changes nothing, what changed is said, force keeps what people did."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from tests.fakes.sources import grey_images, image_table, png


def snapshot(folder):
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.root.rglob("*") if path.is_file()
    }


def test_importing_the_same_again_changes_nothing(workspace, tmp_path):
    grey_images(tmp_path / "d", "a/1.png", "b/2.png")
    before = snapshot(import_dataset(workspace, "d", tmp_path / "d"))
    assert snapshot(import_dataset(workspace, "d", tmp_path / "d")) == before
    assert snapshot(import_dataset(workspace, "d", tmp_path / "d", force=True)) == before


def test_changed_source_is_refused_and_says_what_changed(workspace, tmp_path):
    grey_images(tmp_path / "d", "a/1.png", "a/2.png", "b/3.png")
    before = snapshot(import_dataset(workspace, "d", tmp_path / "d"))
    (tmp_path / "d" / "a" / "1.png").unlink()
    grey_images(tmp_path / "d", "c/4.png", "c/5.png")
    with pytest.raises(CurateError, match="--force") as refused:
        import_dataset(workspace, "d", tmp_path / "d")
    assert "2 samples added; 1 samples gone; classes a, b became a, b, c" in str(refused.value)
    assert snapshot(workspace.dataset("d")) == before


def test_changed_bytes_or_labels_are_noticed(workspace, tmp_path):
    pq.write_table(image_table([0, 1], label=[0, 1]), tmp_path / "d.parquet")
    import_dataset(workspace, "d", tmp_path / "d.parquet")
    pq.write_table(image_table([0, 2], label=[0, 1]), tmp_path / "d.parquet")
    with pytest.raises(CurateError, match="files or columns differ"):
        import_dataset(workspace, "d", tmp_path / "d.parquet")
    pq.write_table(image_table([0, 1], label=[1, 1]), tmp_path / "d.parquet")
    with pytest.raises(CurateError, match="1 samples with another label"):
        import_dataset(workspace, "d", tmp_path / "d.parquet")


def test_force_drops_what_was_computed_and_keeps_votes_by_path(workspace, tmp_path):
    grey_images(tmp_path / "d", "a/1.png", "b/2.png", "b/3.png")
    np.save(tmp_path / "v.npy", np.array([[1, 9], [2, 8], [3, 7]]))
    folder = import_dataset(workspace, "d", tmp_path / "d", votes=tmp_path / "v.npy")
    folder.thumbnails.write_shard(0, {0: b"old"})
    (folder.root / "runs" / "x").mkdir(parents=True)
    (tmp_path / "d" / "a" / "1.png").unlink()
    grey_images(tmp_path / "d", "a/0.png")
    folder = import_dataset(workspace, "d", tmp_path / "d", force=True)
    assert folder.thumbnails.get(0) is None
    assert not (folder.root / "runs").exists()
    votes = folder.votes()
    assert [(id, list(row)) for id, row in zip(votes["id"], votes["counts"], strict=True)] == [(1, [2, 8]), (2, [3, 7])]
    assert "1 samples with votes are gone" in folder.record.votes.messages[-1]


def test_moved_source_is_the_same_dataset_in_another_place(workspace, tmp_path):
    grey_images(tmp_path / "d", "a/1.png", "b/2.png")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    folder.thumbnails.write_shard(0, {0: b"kept"})
    (tmp_path / "d").rename(tmp_path / "moved")
    folder = import_dataset(workspace, "d", tmp_path / "moved")
    assert folder.thumbnails.get(0) == b"kept"
    assert folder.record.source == str(tmp_path / "moved")
    assert folder.images().read_one(0) == png(0)


def test_damaged_samples_are_written_again_from_the_source(workspace, tmp_path):
    grey_images(tmp_path / "d", "a/1.png", "b/2.png")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    before = folder.samples()
    folder.samples_path.write_bytes(folder.samples_path.read_bytes()[:-20])
    assert import_dataset(workspace, "d", tmp_path / "d").samples().equals(before)


def test_unreadable_record_is_replaced_by_force(workspace, tmp_path):
    grey_images(tmp_path / "d", "a/1.png", "b/2.png")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    (folder.root / "dataset.json").write_text("{}")
    with pytest.raises(CurateError, match="--force"):
        import_dataset(workspace, "d", tmp_path / "d")
    assert import_dataset(workspace, "d", tmp_path / "d", force=True).record.samples == 2
