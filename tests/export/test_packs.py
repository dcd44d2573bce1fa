"""Exports of many images: packed by a job into one file of the workspace, which a link fetches."""

import os
import time
import zipfile

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from avhcurate.curate import saved
from avhcurate.data import background
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import Cancelled, Jobs, Progress
from avhcurate.errors import CurateError
from avhcurate.export import service as exports
from avhcurate.export.packs import pack_path, packs
from avhcurate.export.service import export, export_bytes
from avhcurate.sources.service import import_dataset
from avhcurate.table.dataset_table import open_table
from avhcurate.table.filters import Filters
from avhcurate.ui import export_menu
from avhcurate.ui import packs as ui_packs


def _images(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name.rsplit("/", 2)[-2] for name in archive.namelist() if name.endswith(".png")}, archive.namelist()


def _draw(root):
    from avhcurate.data.workspace import Workspace
    from avhcurate.table.dataset_table import open_table
    from avhcurate.table.filters import Filters
    from avhcurate.ui.export_menu import export_choice
    from avhcurate.ui.frame import show_messages

    show_messages()
    table, filters = open_table(Workspace(root), "digits"), Filters(classes=(3,), where="id < 900")
    export_choice(table, filters, table.count(filters), key="gallery")


def test_the_button_starts_a_job_whose_file_holds_what_the_page_shows(own_demo_root, monkeypatch, cli):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(own_demo_root))
    monkeypatch.setattr(export_menu, "LARGEST_ZIP", 80)
    monkeypatch.setattr(background, "launch", _no_process)
    app = AppTest.from_function(_draw, kwargs={"root": own_demo_root}, default_timeout=30).run()
    app.selectbox(key="gallery.export_format").select("folder").run()
    app.button(key="gallery.pack").click().run()
    assert "it would start" in app.error[0].value
    job = Jobs(own_demo_root).newest()
    assert (job.verb, job.dataset) == ("export", "digits")
    assert cli(*job.argv, "--workspace", own_demo_root).code == 0
    (path,) = packs(Workspace(own_demo_root), "digits")
    folders, names = _images(path)
    assert folders == {"3"}
    assert {f"{path.stem}/samples.csv", f"{path.stem}/manifest.json"} <= set(names)
    assert app.button(key="gallery.pack").label == f"Pack {len(names) - 2:,} images"
    assert any(path.name.replace("-", "") in link.value.replace("-", "") for link in app.run().markdown)


def test_images_of_more_bytes_than_a_download_takes_are_packed_by_a_job(tmp_path, workspace, monkeypatch):
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    Image.effect_noise((300, 300), 60).save(tmp_path / "photos" / "cat" / "a.png")
    import_dataset(workspace, "digits", tmp_path / "photos")
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(workspace.root))
    size = (tmp_path / "photos" / "cat" / "a.png").stat().st_size
    for most, packed in ((size + 1000, False), (size - 1, True)):
        monkeypatch.setattr(export_menu, "MOST_BYTES", most)
        app = AppTest.from_function(_draw_all, kwargs={"root": workspace.root}, default_timeout=30).run()
        app.selectbox(key="gallery.export_format").select("folder").run()
        assert any(button.key == "gallery.pack" for button in app.button) == packed
    monkeypatch.setattr(exports, "MOST_BYTES", size - 1)
    with pytest.raises(CurateError, match="a download at most"):
        export_bytes(open_table(workspace, "digits"), Filters(), "folder")


def _draw_all(root):
    from avhcurate.data.workspace import Workspace
    from avhcurate.table.dataset_table import open_table
    from avhcurate.table.filters import Filters
    from avhcurate.ui.export_menu import export_choice

    export_choice(open_table(Workspace(root), "digits"), Filters(), 1, key="gallery")


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


def _no_process(*_, **__):
    raise CurateError("it would start")


def test_a_cancelled_pack_leaves_nothing(digits, tmp_path):
    with pytest.raises(Cancelled):
        export(digits, Filters(), "folder", tmp_path / "all.zip", progress=Progress(should_stop=lambda: True))
    assert list(tmp_path.iterdir()) == []


def test_the_link_serves_packs_by_name_and_nothing_else(own_demo_root, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(own_demo_root))
    workspace, client = Workspace(own_demo_root), TestClient(Starlette(routes=ui_packs.routes()))
    path = pack_path(workspace, "digits", "folder")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK packed")
    answer = client.get(ui_packs.pack_url("digits", path.name))
    assert (answer.status_code, answer.content) == (200, b"PK packed")
    assert "attachment" in answer.headers["content-disposition"]
    for other in ("none.zip", "..%2f..%2fannotations.db", "%2e%2e"):
        assert client.get(f"/exports/digits/{other}").status_code == 404
    assert client.get(f"/exports/..%2fexports%2fdigits/{path.name}").status_code == 404
    long_ago = time.time() - 8 * 86_400
    os.utime(path, (long_ago, long_ago))
    pack_path(workspace, "digits", "folder")
    assert packs(workspace, "digits") == []
