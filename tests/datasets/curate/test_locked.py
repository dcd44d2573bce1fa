"""The locked part: how it is drawn, where it is recorded, and that nothing outside of it depends on its labels."""

import numpy as np
import pyarrow as pa
import pytest

from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.curate.history import describe, undo_entry
from avhcurate.datasets.curate.locked import lock, locked_mask
from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from tests.fakes.datasets import bare_dataset

#: Forty samples of four classes and ten without a label.
LABELS = np.append(np.repeat([0, 1, 2, 3], 10), np.full(10, -1))


@pytest.fixture
def made(workspace):
    labels = [None if label < 0 else int(label) for label in LABELS]
    bare_dataset(workspace, [f"{id}.png" for id in range(50)], labels, "abcd")
    return open_table(workspace, "d")


def test_a_fifth_of_each_class_is_locked_and_recorded(made, workspace):
    assert not locked_mask(made).any()
    event = lock(made)
    locked = locked_mask(made)
    assert np.bincount(LABELS[locked]).tolist() == [2, 2, 2, 2]
    assert (event.action, event.samples, event.details["share"]) == ("lock", 8, 0.2)
    assert (describe(event, made.classes), made.log.history("d")[0][0].id) == ("locked", event.id)
    learnt = made.dataset.labels_to_learn()
    assert np.array_equal(learnt, np.where(locked, -1, LABELS))
    assert np.array_equal(made.dataset.labels(), LABELS)
    for table in made, open_table(workspace, "d"):
        assert np.array_equal(table.frame()["locked"], locked)
        assert table.count(Filters(where="locked")) == 8
    assert "locked" in made.standard


def test_the_draw_is_that_of_its_seed(workspace):
    masks = []
    for name, seed in ("a", 0), ("b", 0), ("c", 1):
        bare_dataset(workspace, [f"{id}.png" for id in range(50)], [int(y) % 4 for y in range(50)], "abcd", name)
        table = open_table(workspace, name)
        lock(table, seed=seed)
        masks.append(locked_mask(table))
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])


def test_only_samples_that_satisfy_the_condition_and_are_not_excluded_are_drawn(made):
    annotate(made, range(5), "exclude")
    lock(made, where="id < 15", share=0.4)
    assert np.flatnonzero(locked_mask(made)).min() >= 5
    assert np.flatnonzero(locked_mask(made)).max() < 15
    assert np.bincount(LABELS[locked_mask(made)]).tolist() == [2, 2]


def test_a_group_is_locked_whole_or_not_at_all(make_dataset):
    files = pa.array([b""] * 60, pa.binary())
    rows = {"image": files, "label": [f"c{id % 3}" for id in range(60)], "patient": [f"p{id // 6}" for id in range(60)]}
    table = make_dataset(pa.table(rows))
    event = lock(table, groups="patient", share=0.3)
    inside = table.frame().groupby("patient")["locked"].mean()
    assert set(inside) == {0.0, 1.0}
    assert event.samples == 6 * inside.sum() == 18
    with pytest.raises(CurateError, match="--groups owner: dataset 'pets' has the columns path, "):
        lock(table_without_lock(table), groups="owner")


def table_without_lock(table):
    undo_entry(table, str(table.locked_by))
    return table


def test_a_lock_is_undone_as_an_entry_of_the_history_and_never_by_the_way(made):
    event = lock(made)
    assert undo(made) is None
    other = open_table(made.workspace, "d")
    assert undo_entry(made, event.key) == "lock"
    other.refresh()
    for table in made, other:
        assert not locked_mask(table).any()
        assert table.count(Filters(where="locked")) == 0
    assert np.array_equal(made.dataset.labels_to_learn(), LABELS)
    assert lock(made).id > event.id


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0}, "--share 0: give a number above 0, and 0.5 at most"),
        ({"share": 0.8}, "--share 0.8: give a number above 0"),
        ({"share": 0.01}, "--share 0.01 of 40 samples is none. Give a larger one"),
        ({"where": "id >= 40"}, "No such sample has a label to lock. Widen the condition"),
    ],
)
def test_what_cannot_be_locked_is_refused(made, options, message):
    with pytest.raises(CurateError, match=message):
        lock(made, **options)
    assert not locked_mask(made).any()


def test_a_second_lock_is_refused_with_the_way_to_undo_the_first(made):
    event = lock(made)
    with pytest.raises(CurateError, match=f"has a locked part. Undo it first.*history d --undo {event.id}"):
        lock(made)


def test_the_lock_follows_its_images_through_another_import(made, workspace):
    lock(made)
    paths = made.frame(Filters(where="locked"))["path"].tolist()
    bare_dataset(workspace, [f"{id}.png" for id in reversed(range(50))], [0] * 50, "abcd")
    again = open_table(workspace, "d")
    assert sorted(again.frame(Filters(where="locked"))["path"]) == sorted(paths)
