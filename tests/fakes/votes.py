"""Annotators of the tests: a dataset without images, and answers to what is asked about it."""

import uuid

import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.annotate import answers, queue, setup
from avhcurate.features.annotate.setup import CollectionSettings
from tests.fakes.datasets import bare_dataset

CLASSES = ["cat", "dog", "bird"]


def make_labelled(workspace, labels, *, name="pets", paths=None, classes=CLASSES):
    """A dataset without images, see `bare_dataset`, whose paths are numbers unless they are given."""
    return bare_dataset(workspace, paths or [f"{id:04d}.png" for id in range(len(labels))], labels, classes, name)


@pytest.fixture
def pets(workspace):
    """A table of 60 pets, 20 of each class; nobody has voted."""
    make_labelled(workspace, [0, 1, 2] * 20)
    return open_dataset(workspace, "pets")


def collect(opened, design="classify", **changes):
    return setup.configure(
        opened.votes, opened.run, opened.prediction, CollectionSettings(design=design, **changes), who="boss"
    )


def say(opened, who, question, label, *, nonce=None, ms=700):
    nonce = nonce or uuid.uuid4().hex
    return answers.answer(
        opened.decisions, opened.votes, opened.run, who, question.task, question.id, label, nonce=nonce, reaction_ms=ms
    )


def tick(opened, who, grid, ticked, *, nonce=None, ms=30_000):
    nonce = nonce or uuid.uuid4().hex
    return answers.submit_grid(
        opened.decisions, opened.votes, opened.run, who, grid.task, grid.ids, ticked, nonce=nonce, reaction_ms=ms
    )


def answer_all(opened, who, say_what, number):
    """Answers `number` images, each by `say_what(id)`."""
    left = number
    while left:
        for question in queue.next_questions(opened.decisions, opened.votes, opened.run, who, ahead=min(10, left)):
            assert say(opened, who, question, say_what(question.id)) == ""
            left -= 1


def truth(opened):
    labels = opened.dataset.labels()
    return lambda id: int(labels[id])


def members(grid, opened):
    labels = opened.dataset.labels()
    return [id for id in grid.ids if labels[id] == opened.samples.classes.index(grid.class_name)]
