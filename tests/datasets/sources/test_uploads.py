"""Uploads: a zip of images becomes the source of a dataset, and none leaves the workspace or fills the disk."""

import io
import stat
import zipfile

import pytest

from avhcurate.datasets.sources import uploads
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.sources.uploads import keep_upload
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from tests.fakes.sources import png


def zipped(files, **options):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream


PETS = {"pets/cat/a.png": png(1), "pets/dog/a.png": png(2), "__MACOSX/pets/cat/._a.png": b"x", "pets/run.sh": b"x"}


def test_a_zip_of_folders_becomes_a_dataset_and_is_kept_once(workspace):
    place = keep_upload(workspace, "C:\\photos\\My pets.zip", zipped(PETS))
    assert place.is_relative_to(workspace.root)
    assert keep_upload(workspace, "My pets.zip", zipped(PETS)) == place
    assert sorted(path.name for path in place.parent.rglob("*") if path.is_file()) == ["a.png", "a.png"]
    import_dataset(workspace, "pets", place)
    opened = open_dataset(workspace, "pets")
    assert (opened.samples.classes, opened.samples.size) == (("cat", "dog"), 2)


def test_a_manifest_in_the_zip_is_the_source_and_one_alone_is_kept(workspace):
    manifest = b"path,label\ncat/a.png,tabby\n"
    place = keep_upload(workspace, "pets.zip", zipped({"labels.csv": manifest, "cat/a.png": png(0)}))
    assert place.name == "labels.csv"
    import_dataset(workspace, "pets", place)
    assert open_dataset(workspace, "pets").samples.classes == ("tabby",)
    assert keep_upload(workspace, "votes.csv", io.BytesIO(b"sample,label\n")).read_bytes() == b"sample,label\n"


@pytest.mark.parametrize("named", ["/etc/hostname", "../../../../etc/hostname"])
def test_a_manifest_in_a_zip_names_nothing_of_this_machine(workspace, named):
    manifest = f"path,label\na.png,cat\n{named},dog\n".encode()
    place = keep_upload(workspace, "pets.zip", zipped({"labels.csv": manifest, "a.png": png(0)}))
    with pytest.raises(CurateError, match="which is not in it"):
        import_dataset(workspace, "pets", place)
    assert workspace.names() == []


def link():
    info = zipfile.ZipInfo("cat/link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"../../outside.png": png(0)}, "leaves its folder"),
        ({"/etc/outside.png": png(0)}, "leaves its folder"),
        ({"cat\\..\\..\\outside.png": png(0)}, "leaves its folder"),
        ({"C:/outside.png": png(0)}, "leaves its folder"),
        ({"cat/a.png:b.png": png(0)}, "not a valid name"),
        ({link(): "/etc/passwd"}, "holds a link"),
        ({"cat/A.png": png(0), "cat/a.png": png(0)}, "a name twice"),
        ({"notes.pdf": b"x", "inner.zip": b"x"}, "holds no image"),
        ({f"cat/{number}.png": b"x" for number in range(6)}, "more than the limit"),
        ({"cat/bomb.png": bytes(3 << 20)}, "unpacks to more than the limit"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_zip_that_leaves_its_folder_or_fills_the_disk_is_refused_and_leaves_nothing(
    workspace, monkeypatch, files, said
):
    monkeypatch.setattr(uploads, "MOST_FILES", 5)
    monkeypatch.setattr("avhcurate.workspace.disk.budget.SPARE", 1 << 20)
    with pytest.raises(CurateError, match=said):
        keep_upload(workspace, "pets.zip", zipped(files))
    assert [path for path in workspace.root.rglob("*") if path.is_file()] == []
    assert not list(workspace.root.parent.rglob("outside.png"))


def test_sizes_that_a_zip_lies_about_are_not_believed(workspace, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_FILE_BYTES", 1000)
    data = bytearray(zipped({"cat/a.png": bytes(5000)}).getvalue())
    # Both headers then say that the file has ten bytes.
    true, false = (5000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    with pytest.raises(CurateError, match=r"cannot be unpacked|more than is taken"):
        keep_upload(workspace, "pets.zip", io.BytesIO(bytes(data).replace(true, false)))
    assert [path for path in workspace.root.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_that_unpacks_without_bounds_is_refused(workspace, method):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("cat/a.png", bytes(5000))
    with pytest.raises(CurateError, match="not packed by Deflate"):
        keep_upload(workspace, "pets.zip", stream)


def garbled(data, begin):
    """The data with 0xFF in place of some bytes."""
    return data[:begin] + b"\xff" * 8 + data[begin + 8 :]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("pets.exe", b"x"),
        ("pets.zip", b"no zip"),
        ("pets.zip", garbled(zipped({"cat/a.png": png(0)}).getvalue(), 40)),  # what is packed, behind its header
        ("pets.tar", b""),
    ],
)
def test_other_files_and_damaged_ones_are_refused(workspace, name, data):
    with pytest.raises(CurateError, match=r"is not a zip|cannot be unpacked"):
        keep_upload(workspace, name, io.BytesIO(data))
