"""Exports of many images: packed by a job into one file of the workspace, which a link fetches."""

import os
import zipfile

import pytest

<<<<<<< HEAD
from avhcurate.curate import saved
from avhcurate.data import background
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import Cancelled, Jobs, Progress
from avhcurate.errors import CurateError
from avhcurate.export import service as exports
from avhcurate.export.packs import pack_path, packs
from avhcurate.export.service import export, export_bytes
from avhcurate.sources.service import import_dataset
=======
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import SILENT, Cancelled, Progress
from avhcurate.errors import CurateError
from avhcurate.export import export
from avhcurate.export.packs import pack
>>>>>>> 84e3867 (Details are one dialog with one image; large exports are named by their command)
from avhcurate.table.dataset_table import open_table
from avhcurate.table.filters import Filters


def _images(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name.rsplit("/", 2)[-2] for name in archive.namelist() if name.endswith(".png")}, archive.namelist()


def _draw(root):
    from avhcurate.table.filters import Filters
    from avhcurate.ui.export_menu import export_choice
    from avhcurate.ui.frame import show_messages

    show_messages()
    table, filters = open_table(Workspace(root), "digits"), Filters(classes=(3,), where="id < 900")
    export_choice(table, filters, table.count(filters), key="gallery")


def _draw_all(root):
    from avhcurate.table.filters import Filters
    from avhcurate.ui.export_menu import export_choice

    export_choice(open_table(Workspace(root), "digits"), Filters(), 1, key="gallery")


<<<<<<< HEAD
def test_a_selection_that_a_running_job_packs_is_not_replaced(own_demo_root, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(own_demo_root))
    table, jobs = open_table(Workspace(own_demo_root), "digits"), Jobs(own_demo_root)
    jobs.create("export", "digits", [])
    with pytest.raises(CurateError, match="is running"):
        ui_packs._start(table, Filters(), "folder", [1, 2])
    assert saved.sets(Workspace(own_demo_root), "digits") == []


def test_packs_and_leftovers_of_more_than_a_week_ago_go_and_newer_ones_stay(own_demo_root):
    workspace = Workspace(own_demo_root)
    folder = pack_path(workspace, "digits", "folder").parent
    (folder / ".old.zip.abc123-1-0123abcd.tmp" / "old").mkdir(parents=True)
    (folder / "old.zip").write_bytes(b"")
    (folder / "new.zip").write_bytes(b"")
    for old in folder.glob("*old*"):
        os.utime(old, (0, 0))
    pack_path(workspace, "digits", "folder")
    assert [path.name for path in folder.iterdir()] == ["new.zip"]
=======
def test_images_dated_before_zip_knows_dates_are_packed(tmp_path):
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "old.png").write_bytes(b"an image")
    os.utime(tmp_path / "all" / "old.png", (0, 0))
    with open(tmp_path / "all.zip", "wb") as stream:
        pack(tmp_path / "all", stream, SILENT)
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.read("all/old.png") == b"an image"
>>>>>>> 84e3867 (Details are one dialog with one image; large exports are named by their command)


def _no_process(*_, **__):
    raise CurateError("it would start")


def test_a_cancelled_pack_leaves_nothing(digits, tmp_path):
    with pytest.raises(Cancelled):
        export(digits, Filters(), "folder", tmp_path / "all.zip", progress=Progress(should_stop=lambda: True))
    assert list(tmp_path.iterdir()) == []
