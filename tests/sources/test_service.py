"""Importing: every form of source gives the samples that a user means, once, and says what it could not take."""

import io
import json
import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.workspace import Workspace
from avhcurate.disk.tabular import read_table
from avhcurate.errors import CurateError
from avhcurate.images.decoding import decode
from avhcurate.sources.folder import scan_folder
from avhcurate.sources.service import import_dataset


def png(grey: int) -> bytes:
    """A tiny image that its grey value tells from others."""
    stream = io.BytesIO()
    Image.new("RGB", (4, 3), (grey, grey, grey)).save(stream, "PNG")
    return stream.getvalue()


def write_images(root: Path, *names: str) -> None:
    for grey, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(grey))


def rows(folder: DatasetFolder) -> list[tuple[str, str | None, str | None]]:
    """(path, split, class name) of each sample in order of id."""
    samples, classes = folder.samples(), folder.record.classes
    assert samples["id"].tolist() == list(range(len(samples)))
    names = [None if pd.isna(label) else classes[label] for label in samples["label"]]
    splits = [None if pd.isna(split) else split for split in samples["split"]]
    return list(zip(samples["path"], splits, names, strict=True))


def said(folder: DatasetFolder) -> str:
    return " | ".join(folder.record.messages)


# -- folders


def test_folder_of_classes_gives_sorted_classes_and_their_images(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path / "pets", "dog/b.png", "cat/sub/deep/a.png", "cat/z.JPG", "Ant/1.webp")
    folder = import_dataset(workspace, "pets", tmp_path / "pets")
    assert folder.record.classes == ["Ant", "cat", "dog"]
    assert folder.record.classes_declared
    assert rows(folder) == [
        ("Ant/1.webp", None, "Ant"),
        ("cat/sub/deep/a.png", None, "cat"),
        ("cat/z.JPG", None, "cat"),
        ("dog/b.png", None, "dog"),
    ]
    assert [int(decode(data)[0, 0, 0]) for data in folder.images().read(range(4))] == [3, 1, 2, 0]


def test_train_and_test_on_the_first_level_are_splits(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path / "d", "train/cat/a.png", "train/dog/b.png", "test/dog/c.png", "test/loose.png")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    assert rows(folder) == [
        ("test/dog/c.png", "test", "dog"),
        ("test/loose.png", "test", None),
        ("train/cat/a.png", "train", "cat"),
        ("train/dog/b.png", "train", "dog"),
    ]


def test_a_class_beside_train_makes_train_a_class(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path / "d", "train/a.png", "plane/b.png")
    assert import_dataset(workspace, "d", tmp_path / "d").record.classes == ["plane", "train"]


def test_hidden_and_foreign_files_are_skipped_and_counted(workspace: Workspace, tmp_path: Path) -> None:
    root = tmp_path / "d"
    write_images(root, "a/1.png", "a/._1.png", ".thumbs/x.png", "b/2.png")
    (root / "a" / "notes.txt").write_text("hello")
    (root / "a" / "dead.png").symlink_to("nowhere")
    os.mkfifo(root / "a" / "pipe.png")
    record = import_dataset(workspace, "d", root).record
    assert (record.samples, record.skipped) == (2, 5)
    assert "1 files are no images" in record.messages[0]
    assert "2 hidden" in record.messages[1]
    assert "2 names could not be read" in record.messages[2]


def test_folders_full_of_links_to_each_other_end_soon(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path / "d", "a/1.png")
    for one in range(45):
        (tmp_path / "elsewhere" / str(one)).mkdir(parents=True)
        (tmp_path / "d" / f"c{one}").symlink_to(tmp_path / "elsewhere" / str(one))
        for other in range(45):
            (tmp_path / "elsewhere" / str(one) / f"to{other}").symlink_to(tmp_path / "elsewhere" / str(other))
    (tmp_path / "d" / "everything").symlink_to("/")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    assert rows(folder) == [("a/1.png", None, "a")]
    assert "were not followed, first 'c0/to0'" in said(folder)
    assert "everything" in scan_folder(tmp_path / "d").loops


def test_a_folder_deeper_than_python_recurses_is_read(workspace: Workspace, tmp_path: Path) -> None:
    name = "a/" * 1500 + "1.png"
    here = os.getcwd()
    (tmp_path / "d").mkdir()
    os.chdir(tmp_path / "d")  # the whole path is longer than one call may name, a step at a time it is not
    try:
        for part in name.split("/")[:-1]:
            os.mkdir(part)
            os.chdir(part)
    finally:
        os.chdir(here)
    assert scan_folder(tmp_path / "d").images == []
    subprocess.run(["rm", "-r", str(tmp_path / "d")], check=True)  # Python's own way recurses


def test_links_are_followed_out_of_the_folder_but_not_in_circles(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path, "elsewhere/x.png", "d/a/1.png")
    (tmp_path / "d" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "d" / "a" / "up").symlink_to(tmp_path / "d")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    assert [path for path, *_ in rows(folder)] == ["a/1.png", "b/x.png"]


def test_images_without_class_folders_are_unlabelled(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path / "d", "1.png", "2.png")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    assert folder.labels().tolist() == [-1, -1]
    assert folder.record.classes == []
    assert "2 images lie in no class folder" in said(folder)


def test_one_class_is_imported_with_a_word_about_it(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path / "d", "only/1.png")
    assert "one class only, 'only'" in said(import_dataset(workspace, "d", tmp_path / "d"))


def test_folder_without_images_is_refused_with_what_it_holds(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(CurateError, match="no images"):
        import_dataset(workspace, "d", tmp_path / "d")
    (tmp_path / "d" / "labels.csv").write_text("path,label\n")
    with pytest.raises(CurateError, match=r"labels\.csv: import that file"):
        import_dataset(workspace, "d", tmp_path / "d")
    assert workspace.names() == []


@pytest.mark.parametrize("name", ["gone", "archive.zip"])
def test_what_is_no_source_is_refused(workspace: Workspace, tmp_path: Path, name: str) -> None:
    (tmp_path / "archive.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(CurateError, match="give a folder"):
        import_dataset(workspace, "d", tmp_path / name)


def test_nothing_is_written_beside_the_images(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path / "d", "a/1.png", "b/2.png")
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "d").rglob("*"))
    import_dataset(workspace, "d", tmp_path / "d")
    assert sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "d").rglob("*")) == before


# -- manifests


def write_csv(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_manifest_paths_start_at_its_own_folder(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path / "d", "img/0.png", "img/1.png", "with space.png", "3.png")
    root = tmp_path / "d"
    text = f"file,label,split\nimg/0.png,cat,train\n{root}/img/1.png,dog,\nfile://{root}/with%20space.png,cat,test\n"
    folder = import_dataset(workspace, "d", write_csv(root / "m.csv", text + "./3.png,,test\n"))
    assert [row[1:] for row in rows(folder)] == [("train", "cat"), (None, "dog"), ("test", "cat"), ("test", None)]
    assert rows(folder)[0][0] == "img/0.png"
    assert [int(decode(data)[0, 0, 0]) for data in folder.images().read(range(4))] == [0, 1, 2, 3]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiter_and_byte_order_mark_are_found_out(workspace: Workspace, tmp_path: Path, delimiter: str) -> None:
    write_images(tmp_path, "a.png", "b.png")
    text = "\ufeff" + "\n".join(delimiter.join(row) for row in [("path", "label"), ("a.png", "x"), ("b.png", "y")])
    folder = import_dataset(workspace, "d", write_csv(tmp_path / "m.csv", text))
    assert rows(folder) == [("a.png", None, "x"), ("b.png", None, "y")]


def test_image_column_is_found_by_the_look_of_its_values(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png")
    text = "photograph,class,remark\na.png,1,so\nb.png,0,la la\n"
    folder = import_dataset(workspace, "d", write_csv(tmp_path / "m.csv", text))
    assert folder.record.image_column == "photograph"
    assert folder.labels().tolist() == [1, 0]
    assert folder.record.classes == ["0", "1"]
    assert not folder.record.classes_declared
    assert folder.samples()["remark"].tolist() == ["so", "la la"]


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("left,right,label", "a.png,b.png,0", "left, right; choose one with --image-column"),
        ("path,target,category", "a.png,0,1", "target, category; choose one with --label-column"),
        ("name,age", "Ada,36", "no column names the images"),
        ("path,path,label", "a.png,a.png,1", "several columns called path"),
        ("path,label", "gone.png,0", "none of the 1 images"),
        ("path,label", ",0", "empty in every row"),
        ("path,label", "a.png,0.5", "no class index"),
        ("path,label", "a.png,-2", "label -2"),
        ("path,label", "a.png,999999", "looks like an identifier"),
        ("path,label", "a.png,1\na.png,2", "several rows that differ, first 'a.png'"),
        ("path,label", "gs-unknown://bucket/a.png,1", "gs-unknown:// addresses cannot be read"),
    ],
)
def test_unclear_or_wrong_manifest_is_refused(
    workspace: Workspace, tmp_path: Path, header: str, row: str, words: str
) -> None:
    write_images(tmp_path, "a.png", "b.png")
    with pytest.raises(CurateError) as refused:
        import_dataset(workspace, "d", write_csv(tmp_path / "m.csv", f"{header}\n{row}\n"))
    assert words in str(refused.value)
    assert workspace.names() == []


@pytest.mark.parametrize("text", ["", "path,label\n"])
def test_manifest_without_rows_is_refused(workspace: Workspace, tmp_path: Path, text: str) -> None:
    with pytest.raises(CurateError, match=r"m\.csv"):
        import_dataset(workspace, "d", write_csv(tmp_path / "m.csv", text))


def test_named_columns_override_what_would_be_found(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png")
    text = "left,right,label,coarse,fold\na.png,b.png,x,u,1\nb.png,a.png,y,v,2\n"
    source = write_csv(tmp_path / "m.csv", text)
    folder = import_dataset(workspace, "d", source, image_column="right", label_column="coarse", split_column="fold")
    assert rows(folder) == [("b.png", "1", "u"), ("a.png", "2", "v")]
    with pytest.raises(CurateError, match="its columns are left, right, label, coarse, fold"):
        import_dataset(workspace, "e", source, image_column="middle")


def test_users_columns_are_kept_under_free_names(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png")
    text = "file,label,ID,avh,_row,weather,taken\na.png,x,7,0.1,r,sun,2024-01-02\nb.png,y,8,0.2,s,rain,2024-01-03\n"
    folder = import_dataset(workspace, "d", write_csv(tmp_path / "m.csv", text))
    samples = folder.samples()
    users = [name for name in samples.columns if name not in ("id", "path", "split", "label", "_file", "_row")]
    assert users == ["user_ID", "user_avh", "user_row", "weather", "taken"]
    assert samples["user_ID"].tolist() == [7, 8]
    assert samples["user_row"].tolist() == ["r", "s"]
    assert "ID to user_ID, avh to user_avh, _row to user_row" in said(folder)


def test_late_surprises_in_a_csv_column_make_it_text(tmp_path: Path) -> None:
    lines = ["path,label", *(f"x{row}.png,{row % 10}" for row in range(150_000)), "last.png,cat"]
    table = read_table(write_csv(tmp_path / "m.csv", "\n".join(lines)))
    assert table["label"].to_pylist()[-2:] == ["9", "cat"]


def test_repeated_and_empty_rows_are_skipped_and_counted(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png")
    folder = import_dataset(
        workspace, "d", write_csv(tmp_path / "m.csv", "path,label\na.png,0\n,1\nb.png,1\na.png,0\n")
    )
    assert [path for path, *_ in rows(folder)] == ["a.png", "b.png"]
    assert folder.record.skipped == 2
    assert "1 rows name no image" in said(folder)
    assert "1 rows repeat another" in said(folder)


def test_label_of_minus_one_and_missing_label_mean_unlabelled(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png", "c.png")
    folder = import_dataset(workspace, "d", write_csv(tmp_path / "m.csv", "path,label\na.png,-1\nb.png,\nc.png,1\n"))
    assert folder.labels().tolist() == [-1, -1, 1]
    assert folder.samples()["label"].isna().tolist() == [True, True, False]


def test_manifest_without_labels_is_imported_and_says_so(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path, "a.png")
    folder = import_dataset(workspace, "d", write_csv(tmp_path / "m.csv", "path\na.png\n"))
    assert folder.labels().tolist() == [-1]
    assert "unlabelled" in said(folder)


def test_parquet_manifest_takes_class_names_beside_the_labels(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png", "c.png")
    table = {"path": ["a.png", "b.png", "c.png"], "label": [4, 1, 2], "label_name": ["crane", "crane", "owl"]}
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    folder = import_dataset(workspace, "d", tmp_path / "m.parquet")
    assert folder.record.classes == ["0", "crane (1)", "owl", "3", "crane (4)"]
    assert not folder.record.classes_declared
    assert "label_name" not in folder.samples()


def test_names_that_are_no_class_names_stay_a_column_of_the_user(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png")
    source = write_csv(tmp_path / "m.csv", "path,label,label_name\na.png,0,a red car\nb.png,0,a blue car\n")
    folder = import_dataset(workspace, "d", source)
    assert folder.record.classes == ["0"]
    assert folder.samples()["user_label_name"].tolist() == ["a red car", "a blue car"]


def test_manifest_of_web_addresses_is_imported_and_read(workspace: Workspace, tmp_path: Path, web) -> None:
    write_images(web.folder, "a.png", "b.png")
    source = write_csv(tmp_path / "m.csv", f"url,label\n{web.url}/b.png,x\n{web.url}/a.png,y\n")
    folder = import_dataset(workspace, "d", source)
    assert [path for path, *_ in rows(folder)] == [f"{web.url}/b.png", f"{web.url}/a.png"]
    assert [int(decode(data)[0, 0, 0]) for data in folder.images().read([0, 1])] == [1, 0]


# -- Parquet with image bytes


def image_table(greys: list[int], *, paths: list[str | None] | None = None, **columns: object) -> pa.Table:
    images = [
        {"bytes": png(grey), "path": path} for grey, path in zip(greys, paths or [None] * len(greys), strict=True)
    ]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.table({"image": pa.array(images, kind), **columns})


def with_features(table: pa.Table, **features: object) -> pa.Table:
    info = {"info": {"features": {"image": {"_type": "Image"}, **features}}}
    return table.replace_schema_metadata({"huggingface": json.dumps(info)})


def class_label(*names: str) -> dict[str, object]:
    return {"_type": "ClassLabel", "names": list(names)}


def test_hugging_face_shards_give_splits_classes_and_names(workspace: Workspace, tmp_path: Path) -> None:
    data = tmp_path / "repo" / "data"
    data.mkdir(parents=True)
    features = {"label": class_label("cat", "dog", "owl"), "weather": class_label("sun", "rain")}
    for name, greys in {
        "train-00000-of-00002": [0, 1],
        "train-00001-of-00002": [2],
        "test-00000-of-00001": [3],
    }.items():
        table = image_table(greys, label=[grey % 2 for grey in greys], weather=[grey % 2 for grey in greys])
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
    assert [int(decode(image)[0, 0, 0]) for image in folder.images().read(range(4))] == [3, 0, 1, 2]


def test_unique_image_paths_become_the_names(workspace: Workspace, tmp_path: Path) -> None:
    table = image_table([0, 1], paths=["cat/0.png", "dog/1.png"], label=["cat", "dog"], split=["train", None])
    pq.write_table(table, tmp_path / "d.parquet")
    folder = import_dataset(workspace, "d", tmp_path / "d.parquet")
    assert rows(folder) == [("cat/0.png", "train", "cat"), ("dog/1.png", None, "dog")]


def test_repeated_image_paths_give_way_to_file_and_row(workspace: Workspace, tmp_path: Path) -> None:
    pq.write_table(image_table([0, 1], paths=["0.png", "0.png"], label=[0, 1]), tmp_path / "d.parquet")
    folder = import_dataset(workspace, "d", tmp_path / "d.parquet")
    assert [path for path, *_ in rows(folder)] == ["d.parquet#0", "d.parquet#1"]
    assert "not unique" in said(folder)


def test_plain_bytes_and_classes_in_the_schema_are_understood(workspace: Workspace, tmp_path: Path) -> None:
    table = pa.table({"picture": [png(5), png(6)], "y": pa.array([1, 0], pa.int8())})
    pq.write_table(table.replace_schema_metadata({"classes": "cat, dog,owl"}), tmp_path / "d.parquet")
    folder = import_dataset(workspace, "d", tmp_path / "d.parquet")
    assert folder.record.classes == ["cat", "dog", "owl"]
    assert folder.labels().tolist() == [1, 0]
    assert int(decode(folder.images().read_one(1))[0, 0, 0]) == 6


def test_images_alone_are_enough(workspace: Workspace, tmp_path: Path) -> None:
    pq.write_table(pa.table({"png": [png(5), png(6)]}), tmp_path / "d.parquet")
    folder = import_dataset(workspace, "d", tmp_path / "d.parquet")
    assert rows(folder) == [("d.parquet#0", None, None), ("d.parquet#1", None, None)]


def test_nested_columns_and_second_images_are_left_out_by_name(workspace: Workspace, tmp_path: Path) -> None:
    table = image_table([0], label=[0], mask=[png(1)], boxes=[[1.0, 2.0]], weather=["sun"])
    pq.write_table(table, tmp_path / "d.parquet")
    folder = import_dataset(workspace, "d", tmp_path / "d.parquet")
    assert "boxes" in said(folder)
    assert set(folder.samples()) == {"id", "path", "split", "label", "weather", "_file", "_row"}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"label": [0, 3]}, "labels up to 3 (1 samples beyond the range), but 2 classes"),
        ({"label": ["cat", "owl"]}, "names owl, not among the declared classes"),
        ({"fine": [0, 1], "coarse": [0, 1]}, "fine, coarse; choose one with --label-column"),
    ],
)
def test_labels_must_fit_the_declared_classes(
    workspace: Workspace, tmp_path: Path, columns: dict[str, object], words: str
) -> None:
    table = with_features(image_table([0, 1], **columns), **dict.fromkeys(columns, class_label("cat", "dog")))
    pq.write_table(table, tmp_path / "d.parquet")
    with pytest.raises(CurateError) as refused:
        import_dataset(workspace, "d", tmp_path / "d.parquet")
    assert words in str(refused.value)


def test_columns_of_one_name_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    table = image_table([0], label=[0])
    pq.write_table(
        pa.Table.from_arrays([*table.columns, table["label"]], ["image", "label", "label"]), tmp_path / "d.parquet"
    )
    with pytest.raises(CurateError, match="several columns called label"):
        import_dataset(workspace, "d", tmp_path / "d.parquet")


def test_truncated_parquet_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    pq.write_table(image_table([0], label=[0]), tmp_path / "d.parquet")
    content = (tmp_path / "d.parquet").read_bytes()
    (tmp_path / "d.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(CurateError, match="is it complete"):
        import_dataset(workspace, "d", tmp_path / "d.parquet")


def test_column_of_counts_becomes_votes_and_says_so(workspace: Workspace, tmp_path: Path) -> None:
    counts = pa.array([[3, 1], None, [0, 0]], pa.list_(pa.int16(), 2))
    pq.write_table(image_table([0, 1, 2], label=[0, 1, 1], human_counts=counts), tmp_path / "d.parquet")
    folder = import_dataset(workspace, "d", tmp_path / "d.parquet")
    votes = folder.votes()
    assert votes is not None
    assert [(id, list(row)) for id, row in zip(votes["id"], votes["counts"], strict=True)] == [(0, [3, 1])]
    record = folder.record.votes
    assert record is not None
    assert (record.kind, record.total, record.samples, record.simulated) == ("k-way", 4, 1, False)
    assert "human_counts" in record.messages[0]


def test_counts_say_how_many_classes_there_are_where_labels_do_not(workspace: Workspace, tmp_path: Path) -> None:
    pq.write_table(image_table([0], label=[1], votes=[[1, 2, 3]]), tmp_path / "d.parquet")
    record = import_dataset(workspace, "d", tmp_path / "d.parquet").record
    assert (record.classes, record.classes_declared) == (["0", "1", "2"], True)


def test_votes_may_be_a_named_column_or_a_file(workspace: Workspace, tmp_path: Path) -> None:
    table = image_table(
        [0, 1], label=[0, 1], first=[[1, 0], [0, 1]], second_votes=[[5, 5], [6, 4]], votes=[[1, 2], [3, 4]]
    )
    pq.write_table(table, tmp_path / "d.parquet")
    source = tmp_path / "d.parquet"
    assert import_dataset(workspace, "open", source).votes() is None
    named = import_dataset(workspace, "named", source, votes="first").record.votes
    assert named is not None
    assert named.total == 2
    np.save(tmp_path / "v.npy", np.array([[9, 1], [0, 2]]))
    from_file = import_dataset(workspace, "file", source, votes=tmp_path / "v.npy").record.votes
    assert from_file is not None
    assert from_file.total == 12
    with pytest.raises(CurateError, match="no column 'third'"):
        import_dataset(workspace, "none", source, votes="third")
    np.save(tmp_path / "bad.npy", np.ones((3, 2), int))
    with pytest.raises(CurateError, match="3 rows"):
        import_dataset(workspace, "bad", source, votes=tmp_path / "bad.npy")
    assert workspace.names() == ["file", "named", "open"]


# -- importing again


def snapshot(folder: DatasetFolder) -> dict[str, tuple[int, bytes]]:
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.root.rglob("*") if path.is_file()
    }


def test_importing_the_same_again_changes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path / "d", "a/1.png", "b/2.png")
    before = snapshot(import_dataset(workspace, "d", tmp_path / "d"))
    assert snapshot(import_dataset(workspace, "d", tmp_path / "d")) == before
    assert snapshot(import_dataset(workspace, "d", tmp_path / "d", force=True)) == before


def test_changed_source_is_refused_and_says_what_changed(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path / "d", "a/1.png", "a/2.png", "b/3.png")
    before = snapshot(import_dataset(workspace, "d", tmp_path / "d"))
    (tmp_path / "d" / "a" / "1.png").unlink()
    write_images(tmp_path / "d", "c/4.png", "c/5.png")
    with pytest.raises(CurateError, match="--force") as refused:
        import_dataset(workspace, "d", tmp_path / "d")
    assert "2 samples added; 1 samples gone; classes a, b became a, b, c" in str(refused.value)
    assert snapshot(workspace.dataset("d")) == before


def test_changed_bytes_or_labels_are_noticed(workspace: Workspace, tmp_path: Path) -> None:
    pq.write_table(image_table([0, 1], label=[0, 1]), tmp_path / "d.parquet")
    import_dataset(workspace, "d", tmp_path / "d.parquet")
    pq.write_table(image_table([0, 2], label=[0, 1]), tmp_path / "d.parquet")
    with pytest.raises(CurateError, match="files or columns differ"):
        import_dataset(workspace, "d", tmp_path / "d.parquet")
    pq.write_table(image_table([0, 1], label=[1, 1]), tmp_path / "d.parquet")
    with pytest.raises(CurateError, match="1 samples with another label"):
        import_dataset(workspace, "d", tmp_path / "d.parquet")


def test_force_drops_what_was_computed_and_keeps_votes_by_path(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path / "d", "a/1.png", "b/2.png", "b/3.png")
    np.save(tmp_path / "v.npy", np.array([[1, 9], [2, 8], [3, 7]]))
    folder = import_dataset(workspace, "d", tmp_path / "d", votes=tmp_path / "v.npy")
    folder.thumbnails.write_shard(0, {0: b"old"})
    (folder.root / "runs" / "x").mkdir(parents=True)
    (tmp_path / "d" / "a" / "1.png").unlink()
    write_images(tmp_path / "d", "a/0.png")
    folder = import_dataset(workspace, "d", tmp_path / "d", force=True)
    assert folder.thumbnails.get(0) is None
    assert not (folder.root / "runs").exists()
    votes = folder.votes()
    assert votes is not None
    assert [(id, list(row)) for id, row in zip(votes["id"], votes["counts"], strict=True)] == [(1, [2, 8]), (2, [3, 7])]
    assert folder.record.votes is not None
    assert "1 samples with votes are gone" in folder.record.votes.messages[-1]


def test_moved_source_is_the_same_dataset_in_another_place(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path / "d", "a/1.png", "b/2.png")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    folder.thumbnails.write_shard(0, {0: b"kept"})
    (tmp_path / "d").rename(tmp_path / "moved")
    folder = import_dataset(workspace, "d", tmp_path / "moved")
    assert folder.thumbnails.get(0) == b"kept"
    assert folder.record.source == str(tmp_path / "moved")
    assert folder.images().read_one(0) == png(0)


def test_unreadable_record_is_replaced_by_force(workspace: Workspace, tmp_path: Path) -> None:
    write_images(tmp_path / "d", "a/1.png", "b/2.png")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    (folder.root / "dataset.json").write_text("{}")
    with pytest.raises(CurateError, match="--force"):
        import_dataset(workspace, "d", tmp_path / "d")
    assert import_dataset(workspace, "d", tmp_path / "d", force=True).record.samples == 2


# -- sources by name


def write_idx(path: Path, array: np.ndarray) -> None:
    """A file of MNIST's format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def test_torchvision_dataset_comes_from_files_that_are_there(workspace: Workspace) -> None:
    raw = workspace.downloads / "torchvision" / "files" / "MNIST" / "raw"
    for part, size in {"train": 3, "t10k": 2}.items():
        write_idx(raw / f"{part}-images-idx3-ubyte", np.full((size, 28, 28), size * 10))
        write_idx(raw / f"{part}-labels-idx1-ubyte", np.arange(size))
    folder = import_dataset(workspace, "mnist", "torchvision:MNIST")
    assert [row[1] for row in rows(folder)] == ["test"] * 2 + ["train"] * 3
    assert folder.record.classes[:2] == ["0 - zero", "1 - one"]
    assert folder.record.source == "torchvision:MNIST"
    assert (decode(folder.images().read_one(4)) == 30).all()
    assert import_dataset(workspace, "mnist", "torchvision:MNIST").record == folder.record


def test_torchvision_datasets_of_other_layouts_come_with_their_classes(workspace: Workspace) -> None:
    files = workspace.downloads / "torchvision" / "files"
    write_images(files / "eurosat" / "2750", "Forest/a.jpg", "River/b.jpg", "River/c.jpg")
    folder = import_dataset(workspace, "euro", "torchvision:EuroSAT")
    assert rows(folder) == [(f"all/{n:07d}.png", "all", name) for n, name in enumerate(["Forest", "River", "River"])]
    write_images(files / "food-101" / "images", "pie/0.jpg", "soup/1.jpg", "soup/2.jpg")
    (files / "food-101" / "meta").mkdir()
    for split, listed in {
        "train": {"pie": ["pie/0"], "soup": ["soup/1"]},
        "test": {"pie": [], "soup": ["soup/2"]},
    }.items():
        (files / "food-101" / "meta" / f"{split}.json").write_text(json.dumps(listed))
    folder = import_dataset(workspace, "food", "torchvision:Food101")
    assert {row[1] for row in rows(folder)} == {"train", "test"}
    assert decode(folder.images().read_one(0))[0, 0].tolist() == [2, 2, 2]


def test_torchvisions_pickles_are_held_against_their_checksum_before_they_are_opened(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return (Path.touch, (tmp_path / "harm",))

    def offline(*arguments: object, **options: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    batches = workspace.downloads / "torchvision" / "files" / "cifar-10-batches-py"
    batches.mkdir(parents=True)
    for name in ("batches.meta", "test_batch", *(f"data_batch_{number}" for number in range(1, 6))):
        (batches / name).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CurateError, match="could not be fetched"):
        import_dataset(workspace, "d", "torchvision:CIFAR10")
    assert not (tmp_path / "harm").exists()


def test_torchvision_without_network_says_what_to_do(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*arguments: object, **options: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(CurateError, match="connect to the network, or put its files under"):
        import_dataset(workspace, "d", "torchvision:CIFAR10")
    with pytest.raises(CurateError, match="torchvision has no dataset 'CIFAR'"):
        import_dataset(workspace, "d", "torchvision:CIFAR")
    assert workspace.names() == []


def test_hugging_face_dataset_comes_with_its_splits(workspace: Workspace, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    write_images(tmp_path / "repo", "train/cat/0.png", "train/dog/1.png", "test/dog/2.png")
    folder = import_dataset(workspace, "d", f"hf:{tmp_path / 'repo'}")
    assert sorted(row[1:] for row in rows(folder)) == [("test", "dog"), ("train", "cat"), ("train", "dog")]
    assert folder.record.classes == ["cat", "dog"]
    greys = {int(decode(data)[0, 0, 0]) for data in folder.images().read(range(3))}
    assert greys == {0, 1, 2}


def test_hugging_face_fault_says_what_to_do(workspace: Workspace, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    with pytest.raises(CurateError, match="download its Parquet files and import their folder"):
        import_dataset(workspace, "d", f"hf:{tmp_path / 'gone'}")


# -- real data


def test_cifar10h_comes_with_its_human_counts(workspace: Workspace, shared_data: Path) -> None:
    folder = import_dataset(workspace, "cifar10h", shared_data / "cifar10h_test.parquet")
    record = folder.record
    assert (record.samples, len(record.classes), record.classes_declared) == (10_000, 10, True)
    assert record.votes is not None
    assert (record.votes.samples, record.votes.total) == (10_000, 511_000)
    votes = folder.votes()
    assert votes is not None
    agreement = np.mean(np.stack(votes["counts"]).argmax(axis=1) == folder.labels())
    assert agreement > 0.99


def test_pacs_keeps_its_domains(workspace: Workspace, shared_data: Path) -> None:
    folder = import_dataset(workspace, "pacs", shared_data / "pacs_128.parquet")
    assert folder.samples()["domain"].nunique() == 4
    assert [row[2] for row in rows(folder)[:1]] == ["dog"]
    first = next(folder.images().read([9990]))
    assert isinstance(first, bytes)
    assert decode(first).shape == (128, 128, 3)


def test_imagenet_sample_has_gaps_in_its_class_list(workspace: Workspace, shared_data: Path) -> None:
    record = import_dataset(workspace, "photos", shared_data / "imagenet_sample_300.parquet").record
    assert (record.samples, record.classes_declared, record.classes[1]) == (300, False, "goldfish")
    assert record.classes[2] == "2"
