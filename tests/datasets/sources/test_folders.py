"""Importing a folder: classes, splits, links, and what is skipped and said."""

import os

import pytest

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from tests.fakes.refusals import refused
from tests.fakes.sources import grey_images, greys, rows, said


def test_folder_of_classes_gives_sorted_classes_and_their_images(workspace, tmp_path):
    grey_images(tmp_path / "pets", "dog/b.png", "cat/sub/deep/a.png", "cat/z.JPG", "Ant/1.webp")
    folder = import_dataset(workspace, "pets", tmp_path / "pets")
    assert folder.record.classes == ["Ant", "cat", "dog"]
    assert folder.record.classes_declared
    assert rows(folder) == [
        ("Ant/1.webp", None, "Ant"),
        ("cat/sub/deep/a.png", None, "cat"),
        ("cat/z.JPG", None, "cat"),
        ("dog/b.png", None, "dog"),
    ]
    assert greys(folder) == [3, 1, 2, 0]


def test_train_and_test_on_the_first_level_are_splits(workspace, tmp_path):
    grey_images(tmp_path / "d", "train/cat/a.png", "train/dog/b.png", "test/dog/c.png", "test/loose.png")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    assert rows(folder) == [
        ("test/dog/c.png", "test", "dog"),
        ("test/loose.png", "test", None),
        ("train/cat/a.png", "train", "cat"),
        ("train/dog/b.png", "train", "dog"),
    ]


def test_hidden_and_foreign_files_are_skipped_and_counted(workspace, tmp_path):
    root = tmp_path / "d"
    grey_images(root, "a/1.png", "a/._1.png", ".thumbs/x.png", "b/2.png")
    (root / "a" / "notes.txt").write_text("hello")
    (root / "a" / "dead.png").symlink_to("nowhere")
    os.mkfifo(root / "a" / "pipe.png")
    record = import_dataset(workspace, "d", root).record
    assert (record.samples, record.skipped) == (2, 5)
    assert {"2 hidden files or folders were skipped", "2 names that cannot be read were skipped"} <= {*record.messages}
    assert "1 files that are not images by their names were skipped" in record.messages


def test_a_workspace_below_the_images_is_refused_and_nothing_is_written(cli, tmp_path, monkeypatch):
    grey_images(tmp_path, "cat/a.png", "dog/b.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AVHCURATE_WORKSPACE", raising=False)
    for source in (".", tmp_path):
        ended = cli("import", "pets", source)
        assert (ended.code, "--workspace" in ended.err) == (2, True)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["cat", "dog"]


def test_folders_full_of_links_to_each_other_end_soon(workspace, tmp_path):
    grey_images(tmp_path / "d", "a/1.png")
    for one in range(45):
        (tmp_path / "elsewhere" / str(one)).mkdir(parents=True)
        (tmp_path / "d" / f"c{one}").symlink_to(tmp_path / "elsewhere" / str(one))
        for other in range(45):
            (tmp_path / "elsewhere" / str(one) / f"to{other}").symlink_to(tmp_path / "elsewhere" / str(other))
    (tmp_path / "d" / "everything").symlink_to("/")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    assert rows(folder) == [("a/1.png", None, "a")]
    assert "links to folders that were read already were skipped" in said(folder)


def test_links_are_followed_out_of_the_folder_but_not_in_circles(workspace, tmp_path):
    grey_images(tmp_path, "elsewhere/x.png", "d/a/1.png")
    (tmp_path / "d" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "d" / "a" / "up").symlink_to(tmp_path / "d")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    assert [path for path, *_ in rows(folder)] == ["a/1.png", "b/x.png"]


def test_images_without_class_folders_are_unlabelled(workspace, tmp_path):
    grey_images(tmp_path / "d", "1.png", "2.png", "only/3.png")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    assert folder.labels().tolist() == [-1, -1, 0]
    assert "2 images are in no class folder" in said(folder)
    assert "only one class" in said(folder)


def test_folder_without_images_is_refused_with_what_it_holds(workspace, tmp_path):
    (tmp_path / "d").mkdir()
    with pytest.raises(CurateError, match="no images"):
        import_dataset(workspace, "d", tmp_path / "d")
    (tmp_path / "d" / "labels.csv").write_text("path,label\n")
    with refused("labels.csv"):
        import_dataset(workspace, "d", tmp_path / "d")
    assert workspace.names() == []


def test_what_is_no_source_is_refused(workspace, tmp_path):
    (tmp_path / "archive.zip").write_bytes(b"PK\x03\x04")
    for name in ("gone", "archive.zip"):
        with pytest.raises(CurateError, match="Give a folder"):
            import_dataset(workspace, "d", tmp_path / name)
