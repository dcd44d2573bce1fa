"""`avhcurate review`: from a folder to the first suspect in one call, cut short anywhere and resumed."""

import shutil
import signal
import subprocess
import sys
import textwrap

import pandas as pd
import pytest
from PIL import Image

from avhcurate.cli import photo_review, review
from avhcurate.datasets.sources.service import import_dataset, name_for
from avhcurate.features.map.store import maps
from avhcurate.features.suspects.store import suspects_of
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import JOB_VARIABLE, Jobs


@pytest.fixture
def shown(monkeypatch):
    """The pages that `review` has opened."""
    opened = []
    monkeypatch.setattr(review, "show", lambda space, address, again=False: opened.append(address))
    return opened


def test_a_folder_is_imported_scored_and_examined_in_one_call_and_again_in_none(cli, home, shown):
    (home / "photos" / "cat" / "007.jpg").write_bytes((home / "photos" / "dog" / "001.jpg").read_bytes())
    code, out, err = cli("review", "photos/")
    assert (code, "photos: 13 images, 2 classes" in out) == (0, True), err
    space = Workspace(home / "workspace")
    run = space.dataset("photos").run()
    assert shown == [f"suspects?dataset=photos&run={run.name}"]
    assert run.record.fitted
    wrong = suspects_of(run)[-1].suspects().iloc[0]
    assert space.dataset("photos").samples()["path"][wrong["id"]] == "cat/007.jpg"
    job = Jobs(space.root).newest()
    assert (job.verb, job.dataset, job.state, job.opens) == ("review", "photos", "done", shown[0])
    assert job.argv == ["review", str(home / "photos"), "--dataset=photos"]
    finished = [path.stat().st_mtime_ns for path in run.root.rglob("*.npy")]
    space.rename("photos", "pets")
    assert cli("review", home / "photos").code == 0
    assert space.names() == ["pets"]
    assert shown[1] == f"suspects?dataset=pets&run={run.name}"
    assert [path.stat().st_mtime_ns for path in run.root.rglob("*.npy")] == finished
    assert len(suspects_of(run)) == 1


def test_the_app_opens_what_its_own_job_has_made(cli, home, shown, monkeypatch):
    monkeypatch.setenv(JOB_VARIABLE, Jobs(home / "workspace").create("review", "photos", []).id)
    assert cli("review", "photos").code == 0
    assert shown == []


@pytest.mark.slow
def test_of_many_photos_the_first_suspects_come_from_a_part_which_all_replace(
    cli, home, shown, monkeypatch, open_page, words
):
    for image in (home / "photos").glob("*/*.jpg"):
        Image.open(image).rotate(180).save(image.with_stem(f"{image.stem}-turned"))
    monkeypatch.setattr(photo_review, "_FIRST", 8)
    monkeypatch.setattr(photo_review, "_FIRST_OF_CLASS", 2)
    space, seen = Workspace(home / "workspace"), []

    def show(space, address, again=False):
        job = Jobs(space.root).newest()
        seen.append((again, job.active, job.opens == address))
        shown.append(address)

    monkeypatch.setattr(review, "show", show)
    assert cli("review", "photos").code == 0
    assert seen == [(False, True, True), (True, False, True)]
    first, whole = (space.dataset("photos").run(address.partition("run=")[2]) for address in shown)
    assert (first.record.limit, whole.record.limit) == (8, None)
    assert [suspects_of(run)[-1].record.samples for run in (first, whole)] == [8, 24]
    assert space.dataset("photos").default_run.name == whole.name
    for run, marked in ((first, True), (whole, False)):
        text = words(open_page("suspects", space.root, dataset="photos", run=run.name))
        assert ("**First suspects**: of 8 of 24 images" in text) == marked
    assert cli("review", "photos").code == 0
    assert shown[2:] == shown[1:2]


@pytest.mark.slow
def test_photos_without_classes_get_a_map(cli, home, shown):
    (home / "heap").mkdir()
    for number, image in enumerate(sorted((home / "photos").glob("*/*.jpg")) * 2):
        shutil.copy(image, home / "heap" / f"{number}.jpg")
    code, _, err = cli("review", "heap")
    assert code == 0, err
    run = Workspace(home / "workspace").dataset("heap").run()
    assert shown == [f"map?dataset=heap&run={run.name}"]
    assert maps(run)
    assert not suspects_of(run)


def test_few_photos_without_classes_are_shown_and_one_class_says_what_to_give(cli, home, shown):
    (home / "heap").mkdir()
    for image in sorted((home / "photos" / "cat").glob("*.jpg"))[:5]:
        shutil.copy(image, home / "heap")
    assert cli("review", "heap").code == 0
    run = Workspace(home / "workspace").dataset("heap").run()
    assert shown == [f"gallery?dataset=heap&run={run.name}"]
    shutil.copytree(home / "heap", home / "alone" / "cat")
    ended = cli("review", "alone", "--quiet")
    assert (ended.code, "has one class" in ended.err, "--head" in ended.err) == (2, True, False)


def test_a_dataset_is_called_as_its_source_and_found_by_it(home, workspace):
    photos = home / "photos"
    assert name_for(workspace, str(photos)) == "photos"
    assert name_for(workspace, "hf:lab/my pets.v2.parquet", "my pets (2).zip") == "my-pets-2"
    assert name_for(workspace, "/", "…") == "photos"
    import_dataset(workspace, "photos", photos)
    assert name_for(workspace, "photos/") == "photos"
    other = home / "other" / "photos"
    shutil.copytree(photos, other)
    assert name_for(workspace, str(other)) == "photos-2"


#: Takes up the work again after each death, from one import of torch, until nothing is left to do.
KILLED = """
    import os, sys
    from pathlib import Path
    from avhcurate.cli.photo_review import PhotoReview
    from avhcurate.datasets.sources.settings import ReviewSettings
    from avhcurate.networks.models import extras
    from avhcurate.networks.scoring import heads, service
    from avhcurate.workspace.data.workspace import Workspace
    from avhcurate.workspace.disk.jobs import SILENT
    from tests.fakes.documents import tiny_efficientnet
    from tests.fakes.killing import die_at_rename

    extras.efficientnet_lite = tiny_efficientnet
    heads.STRENGTHS = (64.0, 1.0)
    code = -1
    while code:
        child = os.fork()
        if child == 0:
            die_at_rename(5, False, "/datasets/")
            settings = ReviewSettings(source="photos", dataset="photos", model="efficientnet-lite0")
            PhotoReview(Workspace(Path(sys.argv[1])), settings, SILENT).whole()
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(code)
"""


@pytest.mark.slow
def test_killed_again_and_again_it_comes_to_the_same_suspects(cli, home, shown):
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(home / "killed")]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    codes = list(map(int, ended.stdout.split()))
    assert (codes[:-1], len(codes) > 4) == ([-signal.SIGKILL] * (len(codes) - 1), True)
    assert cli("review", "photos").code == 0
    killed, whole = (Workspace(home / place).dataset("photos").run() for place in ("killed", "workspace"))
    assert killed.name == whole.name
    pd.testing.assert_frame_equal(suspects_of(killed)[-1].suspects(), suspects_of(whole)[-1].suspects())
