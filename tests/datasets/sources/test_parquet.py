"""Importing Parquet with image bytes, and the votes that such files carry."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError, Option
from avhcurate.workspace.images.decoding import decode
from tests.fakes.refusals import refused
from tests.fakes.sources import greys, image_table, png, rows, said


def with_features(table, **features):
    info = {"info": {"features": {"image": {"_type": "Image"}, **features}}}
    return table.replace_schema_metadata({"huggingface": json.dumps(info)})


def class_label(*names):
    return {"_type": "ClassLabel", "names": list(names)}


def test_hugging_face_shards_give_splits_classes_and_names(workspace, tmp_path):
    data = tmp_path / "repo" / "data"
    data.mkdir(parents=True)
    features = {"label": class_label("cat", "dog", "owl"), "weather": class_label("sun", "rain")}
    for name, tones in {
        "train-00000-of-00002": [0, 1],
        "train-00001-of-00002": [2],
        "test-00000-of-00001": [3],
    }.items():
        table = image_table(tones, label=[tone % 2 for tone in tones], weather=[tone % 2 for tone in tones])
        pq.write_table(with_features(table, **features), data / f"{name}.parquet")
    folder = import_dataset(workspace, "d", tmp_path / "repo")
    assert folder.record.classes == ["cat", "dog", "owl"]
    assert folder.record.classes_declared
    assert rows(folder) == [
        ("data/test-00000-of-00001.parquet#0", "test", "dog"),
        ("data/train-00000-of-00002.parquet#0", "train", "cat"),
        ("data/train-00000-of-00002.parquet#1", "train", "dog"),
        ("data/train-00001-of-00002.parquet#0", "train", "cat"),
    ]
    assert folder.samples()["weather"].tolist() == ["rain", "sun", "rain", "sun"]
    assert greys(folder) == [3, 0, 1, 2]


def test_unique_image_paths_become_the_names(workspace, tmp_path):
    table = image_table([0, 1], paths=["cat/0.png", "dog/1.png"], label=["cat", "dog"], split=["train", None])
    pq.write_table(table, tmp_path / "d.parquet")
    folder = import_dataset(workspace, "d", tmp_path / "d.parquet")
    assert rows(folder) == [("cat/0.png", "train", "cat"), ("dog/1.png", None, "dog")]


def test_plain_bytes_and_classes_in_the_schema_are_understood(workspace, tmp_path):
    table = pa.table({"picture": [png(5), png(6)], "y": pa.array([1, 0], pa.int8())})
    pq.write_table(table.replace_schema_metadata({"classes": "cat, dog,owl"}), tmp_path / "d.parquet")
    folder = import_dataset(workspace, "d", tmp_path / "d.parquet")
    assert folder.record.classes == ["cat", "dog", "owl"]
    assert folder.labels().tolist() == [1, 0]
    assert int(decode(folder.images().read_one(1))[0, 0, 0]) == 6


def test_nested_columns_and_second_images_are_left_out_by_name(workspace, tmp_path):
    table = image_table([0], label=[0], mask=[png(1)], boxes=[[1.0, 2.0]], weather=["sun"])
    pq.write_table(table, tmp_path / "d.parquet")
    folder = import_dataset(workspace, "d", tmp_path / "d.parquet")
    assert "boxes" in said(folder)
    assert set(folder.samples()) == {"id", "path", "split", "label", "weather", "_file", "_row"}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"label": [0, 3]}, "labels up to 3, but 2 classes"),
        ({"label": ["cat", "owl"]}, "names owl, not among the declared classes"),
        ({"fine": [0, 1], "coarse": [0, 1]}, "fine, coarse. Choose one by --label-column"),
    ],
)
def test_labels_must_fit_the_declared_classes(workspace, tmp_path, columns, words):
    table = with_features(image_table([0, 1], **columns), **dict.fromkeys(columns, class_label("cat", "dog")))
    pq.write_table(table, tmp_path / "d.parquet")
    with pytest.raises(CurateError) as caught:
        import_dataset(workspace, "d", tmp_path / "d.parquet")
    assert words in str(caught.value)


def test_truncated_parquet_is_refused(workspace, tmp_path):
    pq.write_table(image_table([0], label=[0]), tmp_path / "d.parquet")
    content = (tmp_path / "d.parquet").read_bytes()
    (tmp_path / "d.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(CurateError, match="Is it complete"):
        import_dataset(workspace, "d", tmp_path / "d.parquet")


#: pyarrow writes a missing list of fixed length from 25 on.
_WRITTEN = int(pa.__version__.split(".")[0]) >= 25


@pytest.mark.parametrize("length", [-1, pytest.param(2, marks=pytest.mark.skipif(not _WRITTEN, reason="pyarrow < 25"))])
def test_column_of_counts_becomes_votes_and_says_so(workspace, tmp_path, length):
    counts = pa.array([[3, 1], None, [0, 0]], pa.list_(pa.int16(), length))
    pq.write_table(image_table([0, 1, 2], label=[0, 1, 1], human_counts=counts), tmp_path / "d.parquet")
    folder = import_dataset(workspace, "d", tmp_path / "d.parquet")
    votes = folder.votes()
    assert [(id, list(row)) for id, row in zip(votes["id"], votes["counts"], strict=True)] == [(0, [3, 1])]
    record = folder.record.votes
    assert (record.kind, record.total, record.samples, record.simulated) == ("k-way", 4, 1, False)
    assert "human_counts" in record.messages[0]


def test_votes_may_be_a_named_column_or_a_file(workspace, tmp_path):
    table = image_table(
        [0, 1], label=[0, 1], first=[[1, 0], [0, 1]], second_votes=[[5, 5], [6, 4]], votes=[[1, 2], [3, 4]]
    )
    pq.write_table(table, tmp_path / "d.parquet")
    source = tmp_path / "d.parquet"
    assert import_dataset(workspace, "open", source).votes() is None
    named = import_dataset(workspace, "named", source, votes="first").record.votes
    assert named.total == 2
    np.save(tmp_path / "v.npy", np.array([[9, 1], [0, 2]]))
    from_file = import_dataset(workspace, "file", source, votes=tmp_path / "v.npy").record.votes
    assert from_file.total == 12
    with pytest.raises(CurateError, match="no column 'third'"):
        import_dataset(workspace, "none", source, votes="third")
    np.save(tmp_path / "bad.npy", np.ones((3, 2), int))
    with pytest.raises(CurateError, match="3 rows"):
        import_dataset(workspace, "bad", source, votes=tmp_path / "bad.npy")
    assert workspace.names() == ["file", "named", "open"]


def test_another_column_of_images_is_another_dataset(workspace, tmp_path):
    source = tmp_path / "d.parquet"
    pq.write_table(image_table([0, 1], label=[0, 1]).append_column("depth", image_table([9, 8])["image"]), source)
    before = import_dataset(workspace, "d", source).record
    assert import_dataset(workspace, "d", source, image_column="image").record == before
    with refused("'d'", Option("force", True)):
        import_dataset(workspace, "d", source, image_column="depth")
    folder = import_dataset(workspace, "d", source, image_column="depth", force=True)
    assert greys(folder) == [9, 8]
    assert folder.record.fingerprint != before.fingerprint


def test_cifar10h_comes_with_its_human_counts(workspace, shared_data):
    folder = import_dataset(workspace, "cifar10h", shared_data / "cifar10h_test.parquet")
    record = folder.record
    assert (record.samples, len(record.classes), record.classes_declared) == (10_000, 10, True)
    assert (record.votes.samples, record.votes.total) == (10_000, 511_000)
    votes = folder.votes()
    agreement = np.mean(np.stack(votes["counts"]).argmax(axis=1) == folder.labels())
    assert agreement > 0.99
