"""Annotators of the tests: a dataset without images, and answers to what is asked about it."""

import uuid

import pyarrow as pa
import pytest

from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.features.annotate import answers, queue, setup
from avhcurate.features.annotate.setup import CollectionSettings
from avhcurate.workspace.data.datasets import DatasetRecord

CLASSES = ["cat", "dog", "bird"]


def make_labelled(workspace, labels, *, name="pets", paths=None, classes=CLASSES):
    """A dataset as an import leaves it, without images, which nothing here looks at; labels None for none."""
    paths = paths or [f"{id:04d}.png" for id in range(len(labels))]
    columns = {
        "id": pa.array(range(len(labels)), pa.int64()),
        "path": pa.array(paths, pa.string()),
        "split": pa.array([None] * len(labels), pa.string()),
        "label": pa.array(labels, pa.int32()),
        "_file": pa.array(paths, pa.string()),
        "_row": pa.array([None] * len(labels), pa.int64()),
    }
    record = DatasetRecord(
        name=name,
        source="made",
        kind="folder",
        classes=classes,
        classes_declared=True,
        samples=len(labels),
        fingerprint=uuid.uuid4().hex,
    )
    with workspace.lock(name):
        folder = workspace.create(name)
        folder.write(record, pa.table(columns))
        return workspace.adopt(name, folder)


@pytest.fixture
def pets(workspace):
    """A table of 60 pets, 20 of each class; nobody has voted."""
    make_labelled(workspace, [0, 1, 2] * 20)
    return open_table(workspace, "pets")


def collect(table, design="classify", **changes):
    return setup.configure(table, CollectionSettings(design=design, **changes), who="boss")


def say(table, who, question, label, *, nonce=None, ms=700):
    nonce = nonce or uuid.uuid4().hex
    return answers.answer(table, who, question.task, question.id, label, nonce=nonce, reaction_ms=ms)


def tick(table, who, grid, ticked, *, nonce=None, ms=30_000):
    nonce = nonce or uuid.uuid4().hex
    return answers.submit_grid(table, who, grid.task, grid.ids, ticked, nonce=nonce, reaction_ms=ms)


def answer_all(table, who, say_what, number):
    """Answers `number` images, each by `say_what(id)`."""
    left = number
    while left:
        for question in queue.next_questions(table, who, ahead=min(10, left)):
            assert say(table, who, question, say_what(question.id)) == ""
            left -= 1


def truth(table):
    labels = table.dataset.labels()
    return lambda id: int(labels[id])


def members(grid, table):
    labels = table.dataset.labels()
    return [id for id in grid.ids if labels[id] == table.classes.index(grid.class_name)]
