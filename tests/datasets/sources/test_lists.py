"""Importing lists of paths and class indices, and names for the classes."""

import pytest
from typer.testing import CliRunner

from avhcurate.cli import app
from avhcurate.datasets.sources.manifest import class_list
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from tests.fakes.sources import class_names_of, greys, png


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
    refused = {
        "gone.txt": "neither a file",
        "cat,cat": "twice",
        str(tmp_path / "latin.txt"): "not UTF-8",
    }
    for text, words in refused.items():
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
    for source, option in {str(images): "--classes", f"wds:{tmp_path}/a.tar": "--root"}.items():
        refused = CliRunner().invoke(app, ["import", "e", source, *call[3:], "--workspace", str(workspace.root)])
        assert option in str(refused.exception)
