"""Importing a manifest or a list: its columns are found, or named; what is unclear is refused; names of classes."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from avhcurate.cli import app
from avhcurate.datasets.sources.manifest import class_list
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError, Option
from avhcurate.workspace.images.decoding import decode
from tests.fakes.refusals import refused
from tests.fakes.sources import class_names_of, grey_images, greys, png, rows, said, write_csv


def test_manifest_paths_start_at_its_own_folder(workspace, tmp_path):
    grey_images(tmp_path / "d", "img/0.png", "img/1.png", "with space.png", "3.png")
    root = tmp_path / "d"
    text = f"file,label,split\nimg/0.png,cat,train\n{root}/img/1.png,dog,\nfile://{root}/with%20space.png,cat,test\n"
    folder = import_dataset(workspace, "d", write_csv(root / "m.csv", text + "./3.png,,test\n"))
    assert [row[1:] for row in rows(folder)] == [("train", "cat"), (None, "dog"), ("test", "cat"), ("test", None)]
    assert rows(folder)[0][0] == "img/0.png"
    assert greys(folder) == [0, 1, 2, 3]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiter_and_byte_order_mark_are_found_out(workspace, tmp_path, delimiter):
    grey_images(tmp_path, "a.png", "b.png")
    text = "\ufeff" + "\n".join(delimiter.join(row) for row in [("path", "label"), ("a.png", "x"), ("b.png", "y")])
    folder = import_dataset(workspace, "d", write_csv(tmp_path / "m.csv", text))
    assert rows(folder) == [("a.png", None, "x"), ("b.png", None, "y")]


def test_image_column_is_found_by_the_look_of_its_values(workspace, tmp_path):
    grey_images(tmp_path, "a.png", "b.png")
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
        ("left,right,label", "a.png,b.png,0", "left, right. Choose one by --image-column"),
        ("path,target,category", "a.png,0,1", "target, category. Choose one by --label-column"),
        ("name,age", "Ada,36", "No column names the images"),
        ("path,path,label", "a.png,a.png,1", "several columns called path"),
        ("path,label", "gone.png,0", "None of the 1 images"),
        ("path,label", ",0", "names no image"),
        ("path,label", "a.png,0.5", "not class indices"),
        ("path,label", "a.png,-2", "label -2"),
        ("path,label", "a.png,999999", "looks like an identifier"),
        ("path,label", "a.png,1\na.png,2", "several rows that differ, first 'a.png'"),
        ("path,label", "", "m.csv has no rows"),
        ("", "", "m.csv"),
    ],
)
def test_unclear_or_wrong_manifest_is_refused(workspace, tmp_path, header, row, words):
    grey_images(tmp_path, "a.png", "b.png")
    with pytest.raises(CurateError) as caught:
        import_dataset(workspace, "d", write_csv(tmp_path / "m.csv", f"{header}\n{row}\n"))
    assert words in str(caught.value)
    assert workspace.names() == []


@pytest.mark.parametrize("option", ["label_column", "split_column"])
def test_a_column_that_is_not_there_is_refused_with_all_that_are(workspace, tmp_path, option):
    grey_images(tmp_path, "a.png")
    manifest = write_csv(tmp_path / "m.csv", "file,class\na.png,cat\n")
    with refused(Option(option), "'clas'", "class"):
        import_dataset(workspace, "d", manifest, **{option: "clas"})


def test_named_columns_override_what_would_be_found(workspace, tmp_path):
    grey_images(tmp_path, "a.png", "b.png")
    text = "left,right,label,coarse,fold\na.png,b.png,x,u,1\nb.png,a.png,y,v,2\n"
    source = write_csv(tmp_path / "m.csv", text)
    folder = import_dataset(workspace, "d", source, image_column="right", label_column="coarse", split_column="fold")
    assert rows(folder) == [("b.png", "1", "u"), ("a.png", "2", "v")]
    with refused(Option("image_column"), "'middle'", "left, right, label, coarse, fold"):
        import_dataset(workspace, "e", source, image_column="middle")


def test_users_columns_are_kept_under_free_names(workspace, tmp_path):
    grey_images(tmp_path, "a.png", "b.png")
    text = "file,label,ID,avh,_row,weather,taken\na.png,x,7,0.1,r,sun,2024-01-02\nb.png,y,8,0.2,s,rain,2024-01-03\n"
    folder = import_dataset(workspace, "d", write_csv(tmp_path / "m.csv", text))
    samples = folder.samples()
    users = [name for name in samples.columns if name not in ("id", "path", "split", "label", "_file", "_row")]
    assert users == ["user_ID", "user_avh", "user_row", "weather", "taken"]
    assert samples["user_ID"].tolist() == [7, 8]
    assert samples["user_row"].tolist() == ["r", "s"]
    assert "ID to user_ID, avh to user_avh, _row to user_row" in said(folder)


def test_repeated_and_empty_rows_are_skipped_and_counted(workspace, tmp_path):
    grey_images(tmp_path, "a.png", "b.png")
    folder = import_dataset(
        workspace, "d", write_csv(tmp_path / "m.csv", "path,label\na.png,0\n,1\nb.png,1\na.png,0\n")
    )
    assert [path for path, *_ in rows(folder)] == ["a.png", "b.png"]
    assert folder.record.skipped == 2
    assert "1 rows name no image" in said(folder)
    assert "1 rows repeat another" in said(folder)


def test_parquet_manifest_takes_class_names_beside_the_labels(workspace, tmp_path):
    grey_images(tmp_path, "a.png", "b.png", "c.png")
    table = {"path": ["a.png", "b.png", "c.png"], "label": [4, 1, 2], "label_name": ["crane", "crane", "owl"]}
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    folder = import_dataset(workspace, "d", tmp_path / "m.parquet")
    assert folder.record.classes == ["0", "crane (1)", "owl", "3", "crane (4)"]
    assert not folder.record.classes_declared
    assert "label_name" not in folder.samples()


def test_manifest_of_web_addresses_is_imported_and_read(workspace, tmp_path, web):
    grey_images(web.folder, "a.png", "b.png")
    source = write_csv(tmp_path / "m.csv", f"url,label\n{web.url}/b.png,x\n{web.url}/a.png,y\n")
    folder = import_dataset(workspace, "d", source)
    assert [path for path, *_ in rows(folder)] == [f"{web.url}/b.png", f"{web.url}/a.png"]
    assert [int(decode(data)[0, 0, 0]) for data in folder.images().read([0, 1])] == [1, 0]


@pytest.mark.parametrize(
    ("labels", "classes", "codes"),
    [
        (["01", "02", "10"], ["01", "02", "10"], [0, 1, 2]),
        (["1", "2", "4"], ["0", "1", "2", "3", "4"], [1, 2, 4]),
        (["1.0", "", "0.0"], ["0", "1"], [1, -1, 0]),
        (["1", "NaN", "0"], ["0", "1"], [1, -1, 0]),
        (["-1", "", "1"], ["0", "1"], [-1, -1, 1]),
        (["True", "false", ""], ["false", "true"], [1, 0, -1]),
        (["nan", "roti", ""], ["nan", "roti"], [0, 1, -1]),
        (["NA", "null", "None"], ["NA", "None", "null"], [0, 2, 1]),
    ],
)
def test_labels_of_a_csv_are_names_unless_all_are_plain_numbers(workspace, tmp_path, labels, classes, codes):
    grey_images(tmp_path, "a.png", "b.png", "c.png")
    lines = [f"{name}.png,{label}" for name, label in zip("abc", labels, strict=True)]
    folder = import_dataset(workspace, "d", write_csv(tmp_path / "m.csv", "\n".join(["path,label", *lines])))
    assert folder.record.classes == classes
    assert folder.labels().tolist() == codes


def test_codes_keep_their_zeros_and_an_exports_safe_cells_are_themselves_again(workspace, tmp_path):
    grey_images(tmp_path, "-a.png", "b.png")
    source = write_csv(
        tmp_path / "m.csv", "path,label,patient,age,note\n'-a.png,cat,007,7,'=1+1\nb.png,'-dog,12,70,'tis\n"
    )
    folder = import_dataset(workspace, "d", source)
    assert rows(folder) == [("-a.png", None, "cat"), ("b.png", None, "-dog")]
    assert folder.samples()["patient"].tolist() == ["007", "12"]
    assert folder.samples()["age"].tolist() == [7, 70]
    assert folder.samples()["note"].tolist() == ["=1+1", "'tis"]


def test_categories_of_pandas_are_labels_and_columns_as_their_values_are(workspace, tmp_path):
    grey_images(tmp_path, "a.png", "b.png", "c.png")
    frame = pd.DataFrame(
        {
            "path": pd.Categorical(["a.png", "b.png", "c.png"]),
            "label": pd.Categorical(["dog", None, "cat"], categories=["dog", "owl", "cat"]),
            "split": pd.Categorical(["train", "test", "train"]),
            "site": pd.Categorical(["x", "y", None]),
            "size": pd.Categorical([10, 20, 10]),
        }
    )
    frame.to_parquet(tmp_path / "m.parquet")
    folder = import_dataset(workspace, "d", tmp_path / "m.parquet")
    assert folder.record.classes == ["cat", "dog"]
    assert folder.labels().tolist() == [1, -1, 0]
    samples = folder.samples()
    assert samples["split"].tolist() == ["train", "test", "train"]
    assert samples["site"].fillna("").tolist() == ["x", "y", ""]
    assert samples["size"].tolist() == [10, 20, 10]


def test_a_coco_file_gives_each_image_its_one_category(workspace, tmp_path):
    grey_images(tmp_path, *(f"images/{number}.png" for number in range(4)))
    content = {
        "images": [{"id": number, "file_name": f"{number}.png"} for number in range(4)],
        "categories": [{"id": 9, "name": "dog"}, {"id": 3, "name": "cat"}, {"id": 4, "name": "cow"}],
        "annotations": [
            {"image_id": image, "category_id": kind} for image, kind in ((0, 9), (0, 9), (1, 3), (2, 3), (2, 9))
        ],
    }
    source = tmp_path / "annotations.json"
    source.write_text(json.dumps(content))
    folder = import_dataset(workspace, "d", source)
    assert [row[::2] for row in rows(folder)] == [("0.png", "dog"), ("1.png", "cat"), ("2.png", None), ("3.png", None)]
    assert folder.record.classes == ["cat", "cow", "dog"]
    assert folder.record.classes_declared
    assert "1 images have annotations of several categories, and so no label here" in folder.record.messages
    assert greys(folder) == [0, 1, 2, 3]
    source.write_text("{}")
    with pytest.raises(CurateError, match="is not a COCO file"):
        import_dataset(workspace, "other", source)


def visda(root, classes, *, validation=False):
    """VisDA-17's layout: CLASS/FILE, and image_list.txt with a line `CLASS/FILE INDEX` an image."""
    lines = []
    for index, name in enumerate(classes):
        for number in range(2):
            file = f"{name}/{'val' if validation else 'src'} {number}.png"
            (root / name).mkdir(parents=True, exist_ok=True)
            (root / file).write_bytes(png(10 * index + number))
            lines.append(f"{file} {index}")
    (root / "image_list.txt").write_text("\n".join(lines) + "\n")
    return root / "image_list.txt"


def test_a_visda_list_takes_its_class_names_from_the_folders(workspace, tmp_path):
    order = class_list("visda17")
    assert len(order) == 12
    assert order[:3] == ["aeroplane", "bicycle", "bus"]
    assert order[-2:] == ["train", "truck"]
    folder = import_dataset(workspace, "source", f"list:{visda(tmp_path / 'train', order)}")
    assert folder.record.classes == order
    assert folder.record.classes_declared
    assert class_names_of(folder) == [name for name in order for _ in range(2)]
    assert greys(folder) == [10 * index + number for index in range(12) for number in range(2)]
    assert folder.samples()["path"][0] == "aeroplane/src 0.png"


def test_a_list_without_class_folders_takes_names_from_the_option(workspace, tmp_path):
    images = tmp_path / "images"
    (images / "trunk00").mkdir(parents=True)
    (images / "trunk00" / "a.png").write_bytes(png(1))
    (images / "trunk00" / "b.png").write_bytes(png(2))
    listed = tmp_path / "test.txt"
    listed.write_text("trunk00/a.png 11\ntrunk00/b.png 0\ntrunk00/b.png 0\n\n")
    source = f"list:{listed}"
    folder = import_dataset(workspace, "named", source, root=images, classes=class_list("visda17"))
    assert class_names_of(folder) == ["truck", "aeroplane"]
    assert greys(folder) == [1, 2]
    assert "1 rows repeat another" in folder.record.messages[0]
    bare = import_dataset(workspace, "bare", source, root=images)
    assert bare.record.classes == [str(index) for index in range(12)]
    assert not bare.record.classes_declared


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.png cat\n", "Line 1 .* does not end in a class index"),
        ("a.png 0\na.png 1\n", "several rows that differ"),
        ("a.png\n", "Line 1"),
        ("\n", "Line 1"),
        ("b.png 0\n", r"None of the 1 images .* another folder with --root"),
    ],
)
def test_a_list_of_another_kind_is_refused(workspace, tmp_path, text, words):
    (tmp_path / "a.png").write_bytes(png(0))
    (tmp_path / "l.txt").write_text(text)
    with pytest.raises(CurateError, match=words):
        import_dataset(workspace, "d", f"list:{tmp_path / 'l.txt'}")


def test_class_lists_come_from_a_file_or_from_the_text(tmp_path):
    (tmp_path / "classes.txt").write_text("cat\n dog \n\n")
    assert class_list(str(tmp_path / "classes.txt")) == ["cat", "dog"]
    assert class_list("cat,dog") == ["cat", "dog"]
    many = [f"class number {number}" for number in range(300)]
    assert class_list(",".join(many)) == many
    (tmp_path / "latin.txt").write_bytes("caf\xe9\n".encode("latin-1"))
    unclear = {"gone.txt": "neither a file", "cat,cat": "twice", str(tmp_path / "latin.txt"): "not UTF-8"}
    for text, words in unclear.items():
        with pytest.raises(CurateError, match=words):
            class_list(text)


def test_the_command_line_takes_root_and_classes(workspace, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.png").write_bytes(png(0))
    listed = tmp_path / "lists" / "l.txt"
    listed.parent.mkdir()
    listed.write_text("a.png 1\n")
    call = ["import", "d", f"list:{listed}", "--root", str(images), "--classes", "cat,dog"]
    done = CliRunner().invoke(app, [*call, "--workspace", str(workspace.root)])
    assert done.exit_code == 0, done.output
    assert class_names_of(workspace.dataset("d")) == ["dog"]
    for source, option in {str(images): "--root", f"wds:{tmp_path}/a.tar": "--root"}.items():
        ended = CliRunner().invoke(app, ["import", "e", source, *call[3:], "--workspace", str(workspace.root)])
        assert option in str(ended.exception)
