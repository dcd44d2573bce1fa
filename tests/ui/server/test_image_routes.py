"""Images over HTTP: by id from the index only, with honest cache headers."""

import io

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from avhcurate.datasets.curate import classes
from avhcurate.datasets.curate.annotations import undo
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.ui.server import image_routes
from avhcurate.ui.server.image_routes import image_url
from avhcurate.workspace.data.event import CLASS_ACTIONS
from avhcurate.workspace.data.workspace import Workspace

SIZE = (400, 300)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Three images of one class: a photo of 400 x 300, one that is no image, a tiny one."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "cat").mkdir()
    ramp = np.linspace(0, 255, SIZE[0] * SIZE[1] * 3).astype("uint8").reshape(SIZE[1], SIZE[0], 3)
    Image.fromarray(ramp).save(folder / "cat" / "a.jpg")
    (folder / "cat" / "b.jpg").write_bytes(b"not an image")
    Image.new("RGB", (8, 8), "red").save(folder / "cat" / "c.png")
    found = Workspace(tmp_path_factory.mktemp("workspace"))
    import_dataset(found, "cats", folder)
    return found


@pytest.fixture
def cats(workspace):
    """The images, as the pages know them."""
    return open_dataset(workspace, "cats")


@pytest.fixture
def client(workspace, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(workspace.root))
    return TestClient(Starlette(routes=image_routes.routes()))


def _size(answer: httpx.Response) -> tuple[int, int]:
    return Image.open(io.BytesIO(answer.content)).size


def test_a_thumbnail_is_made_where_none_is_stored(client):
    answer = client.get("/images/cats/0")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert _size(answer) == (256, 192)


def test_a_stored_thumbnail_is_served_as_it_is(client, workspace):
    workspace.dataset("cats").thumbnails.write_shard(0, {2: b"\x89PNG stored"})
    assert client.get("/images/cats/2").content == b"\x89PNG stored"
    assert _size(client.get("/images/cats/2?size=full")) == (8, 8)


def test_a_large_image_is_shrunk_to_be_looked_at_and_whole_when_its_own_pixels_count(client, monkeypatch):
    monkeypatch.setitem(image_routes._SIDES, "full", 200)
    sizes = {size: _size(client.get(f"/images/cats/0?size={size}")) for size in ("full", "whole", "huge")}
    assert sizes == {"full": (200, 150), "whole": SIZE, "huge": (256, 192)}


@pytest.mark.parametrize(
    "path",
    [
        "/images/cats/3",
        "/images/cats/999999999999999999999",
        "/images/cats/-1",
        "/images/cats/" + 5000 * "9",
        "/images/cats/\u0663",
        "/images/dogs/0",
        "/images/%2e%2e/0",
        "/images/..%2f..%2fetc/0",
        "/images/cats/cat/a.jpg",
        "/images/cats/a.jpg",
    ],
)
def test_only_an_id_of_a_dataset_in_the_index_is_found(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert not answer.headers["content-type"].startswith("image/")


def test_a_broken_image_gets_a_placeholder_that_is_never_kept(client, cats):
    answer = client.get(image_url(cats.samples, 1))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "no-store"


def test_an_address_of_an_import_that_was_replaced_or_a_part_of_one_shows_no_image(client, cats):
    for version in ("0123456789ab", cats.samples.imported[:1], cats.samples.imported[:11]):
        answer = client.get(f"/images/cats/0?v={version}")
        assert (answer.status_code, answer.headers["content-type"]) == (409, "image/svg+xml")
        assert answer.headers["cache-control"] == "no-store"


def test_addresses_hold_whatever_becomes_of_the_classes(client, workspace, tmp_path):
    for name in ("ant", "bee", "cow"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (20, 10)).save(tmp_path / name / "a.png")
    import_dataset(workspace, "three", tmp_path)
    opened = open_dataset(workspace, "three")
    address = image_url(opened.samples, 2)

    def assert_there():
        assert image_url(open_dataset(workspace, "three").samples, 2) == address
        assert client.get(address).status_code == 200

    assert_there()
    for change in (
        lambda: classes.merge(opened.decisions, opened.workspace, ["ant", "bee"], "ant"),
        lambda: classes.rename(opened.decisions, opened.workspace, "cow", "ox"),
    ):
        change()
        assert_there()
    for _ in range(2):
        undo(open_dataset(workspace, "three").decisions, actions=CLASS_ACTIONS)
        assert_there()


def test_a_versioned_image_is_kept_for_good_and_privately(client, cats):
    answer = client.get(image_url(cats.samples, 0))
    assert {"private", "immutable"} <= set(answer.headers["cache-control"].split(", "))
    assert client.get("/images/cats/0").headers["cache-control"] == "private, no-cache"


def test_a_image_that_the_browser_has_is_not_sent_again(client):
    tag = client.get("/images/cats/0").headers["etag"]
    again = client.get("/images/cats/0", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/images/cats/0?size=full").headers["etag"] != tag


def test_every_answer_forbids_guessing_its_type(client):
    for path in ("/images/cats/0", "/images/cats/1", "/images/cats/99"):
        assert client.get(path).headers["x-content-type-options"] == "nosniff"


def test_a_dataset_imported_again_shows_its_new_images(client, workspace, tmp_path):
    (tmp_path / "cat").mkdir()
    Image.new("RGB", (20, 10)).save(tmp_path / "cat" / "new.png")
    import_dataset(workspace, "fresh", tmp_path)
    address = image_url(open_dataset(workspace, "fresh").samples, 0)
    assert _size(client.get(address)) == (20, 10)
    Image.new("RGB", (30, 10)).save(tmp_path / "cat" / "new.png")
    import_dataset(workspace, "fresh", tmp_path, force=True)
    assert _size(client.get(image_url(open_dataset(workspace, "fresh").samples, 0))) == (30, 10)
    assert client.get(address).status_code == 409


def test_several_thumbnails_come_in_one_answer_which_is_kept_if_all_are_there(client, cats):
    def several(*addresses):
        answer = client.get("/images/several", params={"at": addresses})
        return answer, [int(size) for size in answer.headers["sizes"].split(",")]

    addresses = [image_url(cats.samples, id) for id in (0, 1, 2)]
    each = [client.get(address).content for address in addresses]
    answer, sizes = several(addresses[2], addresses[0])
    assert (answer.content, sizes) == (each[2] + each[0], [len(each[2]), len(each[0])])
    assert "immutable" in answer.headers["cache-control"]
    others = ["/images/cats/0?v=0ther", "/images/cats/0", "/images/cats/x?v=1", "http://[", "7"]
    answer, sizes = several(addresses[1], *others, addresses[0])  # the first is no image
    assert (answer.content, sizes) == (each[0], [0, 0, 0, 0, 0, 0, len(each[0])])
    assert answer.headers["cache-control"] == "no-store"
