"""A collection over an import of a changed source: annotators go on, and weights are right or none."""

import json

import numpy as np
import pytest

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.features.annotate import queue, setup
from avhcurate.features.annotate.setup import CollectionSettings
from avhcurate.people.queues import SETTINGS, queue_use, read_record, write_record
from tests.fakes.sources import grey_images
from tests.fakes.votes import say

RANDOM = CollectionSettings(design="classify", control_share=0.0, target=1)


@pytest.fixture
def photos(workspace, tmp_path):
    """A table of 16 photos of two classes."""
    grey_images(tmp_path / "photos", *(f"{name}/{number}.png" for name in "ab" for number in range(8)))
    import_dataset(workspace, "p", tmp_path / "photos")
    return open_table(workspace, "p")


def with_more(workspace, tmp_path, *names):
    """The table after an import of the same folder with more images."""
    grey_images(tmp_path / "photos", *names)
    import_dataset(workspace, "p", tmp_path / "photos", force=True)
    return open_table(workspace, "p")


def answer(table, number, who="ann"):
    """Paths that an annotator is asked about one by one, each answered."""
    paths = []
    for _ in range(number):
        (question,) = queue.next_questions(table, who, ahead=1)
        assert say(table, who, question, 0) == ""
        paths.append(table.paths()[question.id])
    table.refresh()
    return paths


def drawn(table, rates, **changes):
    """Settings of a queue that draws hard samples, which a model of the tests' own rates."""
    paths = table.dataset.samples(["path"])["path"].to_numpy(object)
    number = write_record(table.dataset, paths, rates)
    settings = RANDOM.with_(queue="hardest", record=number, **changes)
    choose(table, settings)
    return settings


def choose(table, settings):
    with table.response_log.transaction(table.dataset.name) as log:
        log.choose(SETTINGS, json.dumps(settings.model_dump() | {"class_names": table.own_classes}), who="lead", at=0.0)


def test_annotators_go_on_after_images_were_added_and_the_new_ones_come_last(photos, workspace, tmp_path):
    setup.configure(photos, RANDOM, who="lead")
    order = read_record(photos.dataset, 1).sort_values("time").index.tolist()
    first = answer(photos, 5)
    table = with_more(workspace, tmp_path, "a/new.png", "b/new.png")
    assert first + answer(table, 11) == order
    assert sorted(answer(table, 2)) == ["a/new.png", "b/new.png"]
    assert queue.next_questions(table, "ann") == ()


def test_saved_again_the_queue_draws_anew_from_all_that_is_left(photos, workspace, tmp_path):
    assert setup.configure(photos, RANDOM, who="lead").record == 1
    first = answer(photos, 5)
    table = with_more(workspace, tmp_path, "a/new.png")
    again = setup.configure(table, setup.settings_of(table), who="lead")
    assert again.record == 2
    assert set(read_record(table.dataset, 2).index) == set(table.paths())
    assert sorted(first + answer(table, 12)) == sorted(table.paths())
    assert setup.configure(table, again, who="lead").record == 2


def test_votes_are_weighted_by_the_record_that_asked_before_the_import_and_by_the_one_after(
    photos, workspace, tmp_path
):
    drawn(photos, np.linspace(1, 20, 16))
    before = answer(photos, 5)
    assert queue_use(photos.counter).weights is not None
    table = with_more(workspace, tmp_path, "a/new.png", "a/newer.png")
    use = queue_use(table.counter)
    assert (use.votes, use.weights) == ({"hardest": 5}, None)  # the new images had no chance yet

    setup.configure(table, setup.settings_of(table).with_(queue="random"), who="lead")
    after = answer(table, 4)
    weights = queue_use(table.counter).weights
    first, second = (read_record(table.dataset, number) for number in (1, 2))
    for path, weight in zip(table.paths(), weights, strict=True):
        if path not in before + after:
            assert np.isnan(weight)
            continue
        escapes = 1.0
        for record, gone in ((first, before), (second, before + after)):
            end = record["time"].drop(gone, errors="ignore").min()
            escapes *= np.exp(-record["rate"].get(path, 0.0) * end)
        assert weight == pytest.approx(1 / (1 - escapes))
