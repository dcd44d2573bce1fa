"""Exports of many images: packed into one file, in a shell or by a job of the page."""

import io
import itertools
import os
import re
import zipfile

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from avhcurate.datasets.export.service import export, pack
from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.base import export_menu
from avhcurate.workspace.disk.jobs import Cancelled, Jobs, Progress
from tests.conftest import SCRIPT_TIMEOUT_S
from tests.fakes.waiting import wait_until


def test_images_dated_before_zip_knows_dates_are_packed(tmp_path):
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "old.png").write_bytes(b"an image")
    os.utime(tmp_path / "all" / "old.png", (0, 0))
    with open(tmp_path / "all.zip", "wb") as stream:
        pack(tmp_path / "all", stream)
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.read("all/old.png") == b"an image"


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_an_export_that_is_cancelled_between_batches_or_while_it_packs_leaves_nothing(digits, tmp_path, asked):
    times = itertools.count(1)
    with pytest.raises(Cancelled):
        export(
            digits, Filters(), "folder", tmp_path / "a.zip", progress=Progress(should_stop=lambda: next(times) == asked)
        )
    assert list(tmp_path.iterdir()) == []


def _menu(only):
    from avhcurate.datasets.table import filters, open_dataset
    from avhcurate.ui.base import export_menu as menu
    from avhcurate.workspace.data import workspace

    opened = open_dataset.open_dataset(workspace.find_workspace(), "digits")
    menu.export_choice(opened, filters.Filters(classes=(1,)), 1, key="gallery", only=only)


@pytest.mark.slow
def test_more_images_than_a_download_takes_are_packed_by_a_job_and_linked(own_demo_root, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(own_demo_root))
    monkeypatch.setattr(export_menu, "LARGEST_ZIP", 0)
    app = AppTest.from_function(_menu, args=((1, 11),), default_timeout=SCRIPT_TIMEOUT_S).run()
    app.selectbox(key="gallery.export_format").set_value("folder").run()
    assert not app.markdown
    app.button(key="gallery.pack").click().run()
    job = wait_until(lambda: (newest := Jobs(own_demo_root).newest()) and not newest.active and newest)
    assert (job.verb, job.state) == ("export", "done"), job.message
    (link,) = (one.value for one in app.run().markdown)
    client = TestClient(Starlette(routes=export_menu.routes()))
    address = re.search(r"\((/exports/.*?)\)", link)[1]
    with zipfile.ZipFile(io.BytesIO(client.get(address).content)) as archive:
        images = [name for name in archive.namelist() if name.endswith(".png")]
    assert len(images) == 2
    assert client.get("/exports/digits/dataset.json").status_code == 404
    assert client.get("/exports/none/a.zip").status_code == 404
