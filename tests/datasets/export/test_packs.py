"""Exports of many images: packed into one file in a shell, and how the page says so."""

import os
import zipfile

import pytest
from streamlit.testing.v1 import AppTest

from avhcurate.datasets.export.packs import pack
from avhcurate.datasets.export.service import export
from avhcurate.datasets.table.filters import Filters
from avhcurate.ui import export_menu
from avhcurate.workspace.disk.jobs import SILENT, Cancelled, Progress


def test_images_dated_before_zip_knows_dates_are_packed(tmp_path):
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "old.png").write_bytes(b"an image")
    os.utime(tmp_path / "all" / "old.png", (0, 0))
    with open(tmp_path / "all.zip", "wb") as stream:
        pack(tmp_path / "all", stream, SILENT)
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.read("all/old.png") == b"an image"


def test_a_cancelled_pack_leaves_nothing(digits, tmp_path):
    with pytest.raises(Cancelled):
        export(digits, Filters(), "folder", tmp_path / "all.zip", progress=Progress(should_stop=lambda: True))
    assert list(tmp_path.iterdir()) == []


def _menu(root):
    from avhcurate.datasets.table import dataset_table, filters
    from avhcurate.ui import export_menu as menu
    from avhcurate.workspace.data import workspace

    table = dataset_table.open_table(workspace.Workspace(root), "digits")
    menu.export_choice(table, filters.Filters(classes=(1, 2)), 1, key="gallery")


@pytest.mark.parametrize(("most", "shown"), [(0, 1), (1, 0)])
def test_more_images_than_a_download_takes_are_left_to_the_shell(demo_root, monkeypatch, most, shown):
    monkeypatch.setattr(export_menu, "LARGEST_ZIP", most)
    app = AppTest.from_function(_menu, args=(str(demo_root),), default_timeout=60).run()
    app.selectbox(key="gallery.export_format").set_value("folder").run()
    assert len(app.code) == shown
    for one in app.code:
        assert "--model=avhcurate-digits" in one.value
        assert "--view='?class=1%2C2'" in one.value or "'--view=?class=1%2C2'" in one.value
