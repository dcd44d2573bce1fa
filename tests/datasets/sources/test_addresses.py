"""Photos where they lie: folders of classes and manifests at addresses, listed at import, read there, never copied."""

import itertools
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from avhcurate.cli import app
from avhcurate.datasets.sources.service import import_dataset, name_for
from avhcurate.errors import CurateError
from avhcurate.networks.scoring.service import score_settings
from avhcurate.networks.scoring.settings import ScoreSettings
from avhcurate.ui.server.image_routes import read_image
from avhcurate.workspace.disk import remote
from avhcurate.workspace.images.decoding import decode
from tests.fakes.refusals import refused
from tests.fakes.sources import greys, png, rows, write_csv

PHOTOS = {"train/cat/1.png": 1, "train/dog/2 b.png": 2, "test/dog/3.png": 3}
IMPORTED = [
    ("test/dog/3.png", "test", "dog"),
    ("train/cat/1.png", "train", "cat"),
    ("train/dog/2 b.png", "train", "dog"),
]


@pytest.fixture
def bucket(s3):
    """The bucket `pictures` with photos in folders of classes, what else lies in one, and manifests of them."""
    for name, grey in PHOTOS.items():
        s3.put_object(Bucket="pictures", Key=f"photos/{name}", Body=png(grey))
    for name in ("photos/", "photos/train/", "photos/notes.txt", "photos/.cache/x.png"):
        s3.put_object(Bucket="pictures", Key=name, Body=b"")
    lines = [{"file_name": f"photos/{name}", "label": name.split("/")[1], "n": grey} for name, grey in PHOTOS.items()]
    csv = "".join(f"{line['file_name']},{line['label']},{line['n']}\n" for line in lines)
    s3.put_object(Bucket="pictures", Key="m.csv", Body=f"path,label,n\n{csv}".encode())
    s3.put_object(Bucket="pictures", Key="m.jsonl", Body="\n".join(map(json.dumps, lines)).encode())
    return s3


@pytest.mark.parametrize("source", ["s3://pictures/photos", "s3://pictures/photos/"])
def test_a_prefix_whose_folders_are_classes_is_labelled_by_them(workspace, bucket, source):
    folder = import_dataset(workspace, "d", source)
    assert rows(folder) == IMPORTED
    assert greys(folder) == [3, 1, 2]
    assert folder.record.source == source
    assert folder.record.messages == [
        "1 hidden files or folders were skipped",
        "1 files that are not images by their names were skipped",
    ]


def test_it_has_the_names_of_a_copy_on_this_machine(workspace, bucket, tmp_path):
    for name, grey in PHOTOS.items():
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(png(grey))
    there = import_dataset(workspace, "there", "s3://pictures/photos")
    assert rows(there) == rows(import_dataset(workspace, "here", tmp_path / "photos"))


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl"])
def test_the_paths_of_a_manifest_start_where_it_lies(workspace, bucket, name):
    folder = import_dataset(workspace, "d", f"s3://pictures/{name}")
    assert greys(folder) == [1, 2, 3]
    assert [label for _, _, label in rows(folder)] == ["cat", "dog", "dog"]
    assert folder.samples()["n"].tolist() == [1, 2, 3]


def test_a_manifest_here_may_name_images_below_an_address(workspace, bucket, tmp_path):
    manifest = write_csv(tmp_path / "m.csv", "path,label\ntrain/cat/1.png,cat\ntest/dog/3.png,dog\n")
    assert greys(import_dataset(workspace, "d", manifest, root="s3://pictures/photos")) == [1, 3]


def test_images_that_have_changed_in_the_bucket_make_another_version(workspace, bucket):
    folder = import_dataset(workspace, "d", "s3://pictures/photos")
    assert import_dataset(workspace, "d", "s3://pictures/photos").record == folder.record
    bucket.put_object(Bucket="pictures", Key="photos/train/cat/1.png", Body=png(9))
    bucket.put_object(Bucket="pictures", Key="photos/train/cat/4.png", Body=png(4))
    with pytest.raises(CurateError, match=r"source has changed.*1 images added"):
        import_dataset(workspace, "d", "s3://pictures/photos")
    assert greys(import_dataset(workspace, "d", "s3://pictures/photos", force=True)) == [3, 9, 4, 2]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("s3://gone/photos", ["s3://gone/photos does not exist", "environment"]),
        ("s3://pictures/none", ["s3://pictures/none does not exist", "environment"]),
        ("s3://pictures/none.csv", ["s3://pictures/none.csv does not exist"]),
        ("gs://bucket/photos", ["gs:// needs the extra gcs", "[gcs]"]),
        ("az://container/m.parquet", ["az:// needs the extra azure", "[azure]"]),
        ("nope://bucket/photos", ["nope://bucket/photos", "not known"]),
        ("https://ann:secret@x.org/photos", ["holds a password"]),
        ("s3://key:secret@bucket/photos", ["holds a password"]),
        ("https://x.org/m.csv?X-Amz-Signature=secret", ["holds a password or a signature"]),
        ("wds:https://x.org/a.tar?sig=secret", ["holds a password or a signature"]),
    ],
)
def test_what_is_not_there_or_may_not_be_kept_is_an_error_at_import(workspace, bucket, source, words):
    with pytest.raises(CurateError) as problem:
        import_dataset(workspace, "d", source)
    assert all(word in str(problem.value) for word in words)
    assert "secret" not in str(problem.value)
    assert workspace.names() == []


def test_a_password_in_an_address_is_kept_by_no_job(workspace):
    ended = CliRunner().invoke(app, ["review", "https://ann:secret@x.org/photos", "--workspace", str(workspace.root)])
    assert "holds a password" in str(ended.exception)
    assert not [path for path in workspace.root.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


def test_a_bucket_that_may_not_be_read_is_an_error_at_import(workspace, web, s3, monkeypatch):
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", web.url)
    s3fs.S3FileSystem.clear_instance_cache()
    web.faults["/pictures"] = [403] * 9
    with refused("s3://pictures/photos cannot be read", "Forbidden"):
        import_dataset(workspace, "d", "s3://pictures/photos")


def test_images_that_may_be_listed_and_not_read_are_an_error_at_import(workspace, bucket, monkeypatch):
    def forbid(url, **_):
        raise remote.RemoteError("Access Denied")

    monkeypatch.setattr("avhcurate.datasets.sources.addresses.read_url", forbid)
    with refused("None of 3 images", "Access Denied"):
        import_dataset(workspace, "d", "s3://pictures/photos")


@pytest.mark.parametrize("named", ["/etc/hostname", "file:///etc/hostname", "../../etc/hostname.png"])
def test_a_manifest_at_an_address_reaches_no_file_of_this_machine(workspace, web, named):
    (web.folder / "a.png").write_bytes(png(1))
    write_csv(web.folder / "m.csv", f"path,label\na.png,cat\n{named},dog\n")
    if named.startswith(".."):
        _, image = greys(import_dataset(workspace, "d", f"{web.url}/m.csv"))
        assert "404" in str(image)
        return
    with refused("/etc/hostname", "file of this machine"):
        import_dataset(workspace, "d", f"{web.url}/m.csv")


@pytest.mark.parametrize("scheme", ["local", "file"])
def test_nor_does_a_scheme_that_means_this_machine(tmp_path, scheme):
    (tmp_path / "a.png").write_bytes(png(1))
    with pytest.raises(remote.RemoteError, match="names a file of this machine"):
        remote.read_url(f"{scheme}://{tmp_path}/a.png", most=100)


# --- a web server ----------------------------------------------------------------------------------------------------


@pytest.fixture
def index(web):
    """Photos in folders of classes, with the index pages that servers make."""
    for name, grey in PHOTOS.items():
        (web.folder / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (web.folder / "photos" / name).write_bytes(png(grey))
    for folder in [path for path in web.folder.rglob("*") if path.is_dir()]:
        names = [f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir()]
        links = "".join(f'<a href="{name.replace(" ", "%20")}">{name}</a>' for name in names)
        page = (
            f'<a href="?C=N;O=D">Name</a><a href="../">Up</a><a href="/">Top</a><a href="https://x.org/">X</a>{links}'
        )
        place = f"/{folder.relative_to(web.folder)}/"
        web.routes[place] = (page.encode(), {"Content-Type": "text/html"})
    return web


def test_a_server_is_listed_by_its_index_pages_and_no_further(workspace, index):
    folder = import_dataset(workspace, "d", f"{index.url}/photos")
    assert rows(folder) == IMPORTED
    assert greys(folder) == [3, 1, 2]
    assert "/" not in {path for path, *_ in index.asked}


def test_a_server_without_index_pages_says_so(workspace, web):
    web.routes["/photos/"] = (b"Hello", {})
    with refused("index page", "list its files"):
        import_dataset(workspace, "d", f"{web.url}/photos")


@pytest.mark.parametrize("fault", [403, 404])
def test_a_server_that_refuses_is_an_error_with_its_status(workspace, index, fault):
    index.faults["/photos/train/"] = [fault]
    with refused(f"HTTP {fault}", "netrc"):
        import_dataset(workspace, "d", f"{index.url}/photos")


def test_a_manifest_that_is_cut_is_asked_for_again(workspace, index):
    write_csv(index.folder / "m.csv", "path,label\nphotos/train/cat/1.png,cat\nphotos/train/dog/2 b.png,dog\n")
    index.faults["/m.csv"] = [("cut", 10), 503]
    assert greys(import_dataset(workspace, "d", f"{index.url}/m.csv")) == [1, 2]
    assert len(index.ranges("m.csv")) == 3


def test_a_server_that_never_ends_is_given_up(workspace, web, monkeypatch):
    write_csv(web.folder / "m.csv", "path,label\na.png,cat\n")
    hours = itertools.count(0, 3600)
    monkeypatch.setattr(remote.time, "monotonic", lambda: next(hours), raising=False)
    with refused("m.csv", "no whole answer in time"):
        import_dataset(workspace, "d", f"{web.url}/m.csv")


def test_a_mistake_in_a_manifest_names_its_address(workspace, web):
    write_csv(web.folder / "m.csv", "path,label\n")
    with refused(f"{web.url}/m.csv has no rows"):
        import_dataset(workspace, "d", f"{web.url}/m.csv")


# --- after the import ------------------------------------------------------------------------------------------------


def test_thumbnails_are_kept_and_images_are_read_where_they_are(workspace, s3):
    for grey in (7, 8):
        s3.put_object(Bucket="pictures", Key=f"unlabelled/{grey}.png", Body=png(grey))
    import_dataset(workspace, "d", "s3://pictures/unlabelled")
    score_settings(workspace, ScoreSettings(dataset="d", model="avhcurate:digits"))
    for grey in (7, 8):
        s3.delete_object(Bucket="pictures", Key=f"unlabelled/{grey}.png")
    assert [np.unique(decode(read_image(workspace, "d", id))).tolist() for id in range(2)] == [[7], [8]]
    (gone,) = workspace.dataset("d").images().read([0])
    assert gone.reason == "cannot be read: file not found"


def test_a_dataset_is_called_as_its_address_and_found_by_it(workspace, bucket):
    assert name_for(workspace, "s3://pictures/photos/") == "photos"
    import_dataset(workspace, "mine", "s3://pictures/photos/")
    assert name_for(workspace, "s3://pictures/photos/") == "mine"
    assert name_for(workspace, "s3://pictures/photos/train") == "train"


# --- the hub ---------------------------------------------------------------------------------------------------------


def test_images_in_a_repository_of_the_hub_are_read_there(workspace, web, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", web.url)
    monkeypatch.setenv("HF_TOKEN", "secret")
    api = "/api/datasets/org/pets"
    tree = []
    for grey, path in enumerate(("photos/cat/a.png", "photos/dog/b c.png")):
        file = web.folder / "datasets/org/pets/resolve/main" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(grey))
        tree.append({"type": "file", "oid": str(grey), "size": len(png(grey)), "path": path})
    web.routes[api] = (json.dumps({"id": "org/pets", "sha": "c0ffee" + "0" * 34, "siblings": []}).encode(), {})
    web.routes[f"{api}/tree/main/photos?recursive=true&expand=false"] = (json.dumps(tree).encode(), {})
    folder = import_dataset(workspace, "d", "hf://datasets/org/pets/photos")
    assert rows(folder) == [("cat/a.png", None, "cat"), ("dog/b c.png", None, "dog")]
    assert greys(folder) == [0, 1]
    assert {said for *_, said in web.asked} == {"Bearer secret"}
    monkeypatch.setenv("AVHCURATE_REMOTE_HOSTS", "huggingface.co")
    with refused("127.0.0.1", "AVHCURATE_REMOTE_HOSTS"):
        import_dataset(workspace, "e", "hf://datasets/org/pets/photos")
