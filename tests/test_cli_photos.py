"""`avhcurate demo --photos` and its offer on Home: public photos with known wrong labels, downloaded once agreed to."""

import dataclasses
import gzip
import hashlib
import json

import pytest
from typer.testing import CliRunner

from avhcurate.cli import app
from avhcurate.datasets.sources import fetch
from avhcurate.datasets.sources.fetch import PHOTOS, PUBLIC, fetch_public
from avhcurate.features.suspects.store import suspects_of
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk import network
from avhcurate.workspace.disk.jobs import Jobs
from tests.fakes.refusals import refused
from tests.fakes.sources import tar_shard

#: Folders of two classes as the archive has them.
WORDNET = {"cat": "n01440764", "dog": "n03028079"}
WRONG = "train/n01440764/n01440764_003.JPEG"


@pytest.fixture
def photos(home, web, monkeypatch):
    """A small archive in the true layout on our own server, one of whose labels is wrong; and its bytes."""
    members = {}
    lines = ["path,noisy_labels_0,noisy_labels_1,noisy_labels_5,noisy_labels_25,noisy_labels_50,is_valid"]
    for name, number in WORDNET.items():
        for photo in sorted((home / "photos" / name).iterdir()):
            path = f"{'val' if photo.stem == '006' else 'train'}/{number}/{number}_{photo.stem}.JPEG"
            members[f"imagenette2-160/{path}"] = photo.read_bytes()
            given = WORDNET["dog"] if path == WRONG else number
            lines.append(f"{path},{number},{number},{given},{given},{given},{path.startswith('val')}")
    members["imagenette2-160/noisy_imagenette.csv"] = "\n".join(lines).encode()
    archive = gzip.compress(tar_shard(home / "made.tar", members).read_bytes())
    (web.folder / "imagenette.tgz").write_bytes(archive)
    public = PUBLIC[PHOTOS]
    md5 = hashlib.md5(archive, usedforsecurity=False).hexdigest()
    wanted = dataclasses.replace(public.files[0], places=(f"{web.url}/imagenette.tgz",), checksum=f"md5:{md5}")
    monkeypatch.setitem(fetch.PUBLIC, PHOTOS, dataclasses.replace(public, files=(wanted,)))
    return web


def test_the_wrong_labels_come_with_the_right_ones_beside(workspace, photos):
    folder = fetch_public(workspace, PHOTOS).folder
    rows = folder.samples()
    labels = [folder.record.classes[label] for label in rows["label"]]
    wrong = [path for path, label, true in zip(rows["path"], labels, rows["true_label"], strict=True) if label != true]
    assert wrong == [WRONG.replace("n01440764/", "")]
    assert rows["split"].tolist() == ["val" if path.startswith("val/") else "train" for path in rows["path"]]
    assert (labels.count("tench"), labels.count("church")) == (5, 7)


def test_nothing_is_asked_of_a_server_before_yes(photos):
    ended = CliRunner().invoke(app, ["demo", "--photos"])
    public = PUBLIC[PHOTOS]
    assert all(text in ended.output for text in (public.title, public.megabytes, public.licence))
    assert "Add --yes" in str(ended.exception)
    assert photos.asked == []


def test_one_call_goes_to_the_wrong_label_and_resumes(cli, home, photos):
    photos.faults["/imagenette.tgz"] = [("cut", 2000)]
    ended = cli("demo", "--photos", "--yes")
    assert (ended.code, "imagenette: 12 images" in ended.out) == (0, True), ended
    assert photos.ranges("imagenette.tgz") == ["", "bytes=2000-"]
    space = Workspace(home / "workspace")
    dataset = space.dataset(PHOTOS)
    wrong = suspects_of(dataset.run())[-1].suspects().iloc[0]
    assert dataset.samples()["path"][wrong["id"]] == WRONG.replace("n01440764/", "")
    job = Jobs(space.root).newest()
    assert (job.verb, job.dataset, job.state) == ("demo", PHOTOS, "done")
    assert job.opens == f"suspects?dataset={PHOTOS}&run={dataset.run().name}"
    assert cli("demo", "--photos", "--yes").code == 0
    assert len(photos.asked) == 2


def test_where_no_server_answers_the_digits_are_named(home, photos, monkeypatch):
    public = PUBLIC[PHOTOS]
    wanted = dataclasses.replace(public.files[0], places=("http://127.0.0.1:1/imagenette.tgz",))
    monkeypatch.setitem(fetch.PUBLIC, PHOTOS, dataclasses.replace(public, files=(wanted,)))
    ended = CliRunner().invoke(app, ["demo", "--photos", "--yes"])
    assert "could not be fetched" in str(ended.exception)
    assert "The digits need no network: run `avhcurate demo`." in str(ended.exception)
    assert Workspace(home / "workspace").names() == []


def test_the_two_demos_exclude_each_other(cli, home):
    assert "Leave one of them out" in cli("demo", "--photos", "--full").err


def test_an_archive_that_says_no_labels_is_refused(workspace, tmp_path):
    tree = tmp_path / "mirror" / "imagenette2-160"
    (tree / "train" / "n01440764").mkdir(parents=True)
    (tree / "train" / "n01440764" / "a.JPEG").write_bytes(b"x")
    with refused("noisy_imagenette.csv"):
        fetch_public(workspace, PHOTOS, mirror=str(tmp_path / "mirror"))
    header = "path,noisy_labels_0,noisy_labels_5\ntrain/n01440764/a.JPEG,n01440764,n00000000\n"
    (tree / "noisy_imagenette.csv").write_text(header)
    with refused("noisy_imagenette.csv", "a.JPEG"):
        fetch_public(workspace, PHOTOS, mirror=str(tmp_path / "mirror"))


# --- on Home ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def routes(tmp_path, monkeypatch):
    """A table of routes to write, of a machine without proxies."""
    monkeypatch.setattr(network, "getproxies", dict)
    monkeypatch.setattr(network, "_ROUTES_6", tmp_path / "none")
    monkeypatch.setattr(network, "_ROUTES", tmp_path / "route")

    def write(*lines):
        (tmp_path / "route").write_text("\n".join(["Iface\tDestination\tGateway", *lines]))

    return write


HERE, OUT = "eth0\t000200C0\t00000000", "eth0\t00000000\t010200C0"


def test_home_offers_them_by_size_and_licence_and_downloads_at_a_click(
    open_page, tmp_path, words, routes, photos, monkeypatch
):
    routes(HERE, OUT)
    started = []
    monkeypatch.setattr(
        "avhcurate.workspace.data.background.start", lambda root, argv, **job: started.append((argv, job["dataset"]))
    )
    page = open_page("home", tmp_path / "workspace")
    assert all(text in words(page) for text in ("13,394 photos", "about 99 MB", "research that is not commercial"))
    assert started == []
    page.button(key="home.fetch_photos").click().run()
    assert started == [(["demo", "--photos", "--yes"], PHOTOS)]
    assert photos.asked == []


def test_without_a_network_the_offer_says_so_and_the_digits_stay(open_page, tmp_path, words, routes):
    routes(HERE)
    page = open_page("home", tmp_path / "workspace")
    assert "This machine has no network" in words(page)
    keys = {button.key for button in page.button}
    assert ("home.fetch_photos" in keys, "frame.demo" in keys) == (False, True)


@pytest.mark.parametrize(
    ("lines", "proxies", "offline", "so"),
    [
        ((HERE, OUT), {}, "", True),
        ((HERE,), {}, "", False),
        ((), {}, "", False),
        ((HERE,), {"https": "http://proxy:3128"}, "", True),
        ((HERE, OUT), {}, "1", False),
    ],
)
def test_whether_there_is_a_network_follows_from_routes_and_proxies(routes, monkeypatch, lines, proxies, offline, so):
    routes(*lines)
    monkeypatch.setattr(network, "getproxies", lambda: proxies)
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    assert network.has_network() is so


def test_review_takes_a_dataset_of_the_hub_as_it_takes_a_folder(cli, home, web, monkeypatch):
    from avhcurate.cli import review
    from avhcurate.workspace.disk.image_parquet import LabelledImage, write_images

    monkeypatch.setenv("HF_ENDPOINT", web.url)
    opened = []
    monkeypatch.setattr(review, "show", lambda space, address, again=False: opened.append(address))
    rows = [
        LabelledImage(f"{name}/{photo.name}", photo.read_bytes(), label)
        for label, name in enumerate(WORDNET)
        for photo in sorted((home / "photos" / name).iterdir())
    ]
    commit = "c0ffee" + "0" * 34
    file = web.folder / "datasets/org/pets/resolve" / commit / "data/train-00000-of-00001.parquet"
    write_images(file, rows, list(WORDNET))
    about = {"rfilename": "data/train-00000-of-00001.parquet", "size": file.stat().st_size}
    info = {"id": "org/pets", "sha": commit, "siblings": [about]}
    web.routes["/api/datasets/org/pets/revision/main?blobs=true"] = (json.dumps(info).encode(), {})
    ended = cli("review", "hf:org/pets")
    assert (ended.code, "pets: 12 images, 2 classes" in ended.out) == (0, True), ended
    assert opened == [f"suspects?dataset=pets&run={Workspace(home / 'workspace').dataset('pets').run().name}"]
