"""Columns of lists of numbers are kept at import, by id, and offered by what they seem to be."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avhcurate.datasets.sources.service import import_dataset
from tests.fakes.datasets import write_images
from tests.fakes.sources import attach

N = 12
EMBEDDING = np.random.default_rng(0).normal(size=(N, 5)).astype(np.float32)
PROBS = np.random.default_rng(1).dirichlet(np.ones(2), N)


def table(paths, embedding=EMBEDDING, **more):
    labels = [("cat", "dog")[number % 2] for number in range(N)]
    return pa.table({"path": paths, "label": labels, "embedding": list(embedding), "out": list(PROBS), **more})


def kept_values(folder, name):
    return np.stack(pq.read_table(folder.list_path(name))["values"].to_numpy())


@pytest.fixture
def manifest(tmp_path):
    write_images(tmp_path, {f"{number}.png": "red" for number in range(N)})
    return tmp_path / "pets.parquet"


def test_lists_of_a_manifest_are_kept_for_the_rows_that_are_samples(workspace, manifest):
    paths = [f"{number}.png" for number in range(N)]
    paths[3] = None
    boxes = [[0.5] * (1 + number % 2) for number in range(N)]
    gaps = [None if number == 5 else row for number, row in enumerate(EMBEDDING)]
    pq.write_table(table(paths, gaps, box=boxes, votes=[[3, 4]] * N), manifest, row_group_size=5)
    folder = import_dataset(workspace, "pets", manifest)
    kept = folder.lists
    assert {name: (column.width, column.role) for name, column in kept.items()} == {
        "embedding": (5, "features"),
        "out": (2, "probs"),
    }
    samples = [number for number in range(N) if number != 3]
    np.testing.assert_array_equal(kept_values(folder, "out"), PROBS[samples].astype(np.float32))
    assert pq.read_table(folder.list_path("embedding"))["id"].to_pylist() == [0, 1, 2, 3, *range(5, 11)]
    assert any("box" in text and "its lists have [1, 2] numbers" in text for text in folder.record.messages)
    assert folder.record.votes is not None  # lists of whole numbers are votes still
    run = attach(workspace, "pets", "embedding", probs="out", by="path")
    assert run.record.attached.files[0].source == "column 'embedding'"
    assert run.record.skipped == 1
    np.testing.assert_array_equal(run.features()[5], EMBEDDING[6])


def test_lists_beside_image_bytes_are_kept_and_new_ones_replace_them_without_losing_a_run(workspace, manifest):
    paths = [f"{number}.png" for number in range(N)]
    pq.write_table(table(paths), manifest)
    folder = import_dataset(workspace, "pets", manifest)
    run = attach(workspace, "pets", probs="out")
    before = folder.list_path("embedding")
    assert import_dataset(workspace, "pets", manifest).list_path("embedding") == before
    pq.write_table(table(paths, EMBEDDING + 1), manifest)
    again = import_dataset(workspace, "pets", manifest)
    np.testing.assert_array_equal(kept_values(again, "embedding"), EMBEDDING + 1)
    assert not before.exists()
    assert [one.name for one in again.runs()] == [run.name]
    assert len([text for text in again.record.messages if "'embedding'" in text]) == 1

    images = [{"bytes": (manifest.parent / path).read_bytes(), "path": path} for path in paths]
    source = table(paths).set_column(0, "image", pa.array(images))
    pq.write_table(source, manifest.parent / "bytes.parquet")
    inside = import_dataset(workspace, "inside", manifest.parent / "bytes.parquet")
    np.testing.assert_array_equal(kept_values(inside, "embedding"), EMBEDDING)
