"""The locked part: how it is drawn, where it is recorded, and that nothing outside of it depends on its labels."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avhcurate import scores
from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.curate.history import describe, undo_entry
from avhcurate.datasets.curate.locked import LEAST, judged_since, lock, lock_before, lock_first, locked_mask
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset, open_dataset
from avhcurate.datasets.table.subset import read_subset
from avhcurate.errors import CurateError, Option, Run
from avhcurate.features.annotate.next_labels import next_labels
from avhcurate.features.annotate.task_pool import task_pool
from avhcurate.features.predicted_hsf.service import predict_hsf
from avhcurate.features.suspects import service as suspects_service
from avhcurate.features.suspects.service import find_suspects
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.features.suspects.store import suspects_of
from avhcurate.networks.models.loading import ModelSpec
from avhcurate.networks.scoring import heads, shard_scores
from avhcurate.networks.scoring.fitted_heads import heads_to_fit
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.networks.scoring.settings import ScoreSettings
from avhcurate.workspace.data.event import LOCK
from avhcurate.workspace.data.people import acting, acting_as
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.provenance import now
from tests.fakes.datasets import bare_dataset
from tests.fakes.refusals import refused
from tests.fakes.sources import attach

#: Forty samples of four classes and ten without a label.
LABELS = np.append(np.repeat([0, 1, 2, 3], 10), np.full(10, -1))


@pytest.fixture
def made(workspace):
    labels = [None if label < 0 else int(label) for label in LABELS]
    bare_dataset(workspace, [f"{id}.png" for id in range(50)], labels, "abcd")
    return open_dataset(workspace, "d")


def test_a_fifth_of_each_class_is_locked_and_recorded(made, workspace):
    assert not locked_mask(made.dataset).any()
    event = lock(made.decisions, made.run)
    mask = locked_mask(made.dataset)
    assert np.bincount(LABELS[mask]).tolist() == [2, 2, 2, 2]
    assert (event.action, event.samples, event.details["share"]) == ("lock", 8, 0.2)
    assert (describe(event, made.samples.classes), made.decisions.log.history("d")[0][0].id) == ("locked", event.id)
    learnt = made.dataset.labels_to_learn()
    assert np.array_equal(learnt, np.where(mask, -1, LABELS))
    assert np.array_equal(made.dataset.labels(), LABELS)
    for opened in made, open_dataset(workspace, "d"):
        assert np.array_equal(opened.samples.frame()["locked"], mask)
        assert opened.samples.count(Filters(where="locked")) == 8
    assert "locked" in made.samples.standard


def test_the_draw_is_that_of_its_seed(workspace):
    masks = []
    for name, seed in ("a", 0), ("b", 0), ("c", 1):
        bare_dataset(workspace, [f"{id}.png" for id in range(50)], [int(y) % 4 for y in range(50)], "abcd", name)
        opened = open_dataset(workspace, name)
        lock(opened.decisions, opened.run, seed=seed)
        masks.append(locked_mask(opened.dataset))
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])


def test_only_samples_that_satisfy_the_condition_and_are_not_excluded_are_drawn(made):
    annotate(made.decisions, range(5), "exclude")
    lock(made.decisions, made.run, where="id < 15", share=0.4)
    assert np.flatnonzero(locked_mask(made.dataset)).min() >= 5
    assert np.flatnonzero(locked_mask(made.dataset)).max() < 15
    assert np.bincount(LABELS[locked_mask(made.dataset)]).tolist() == [2, 2]


def test_a_condition_without_a_share_locks_all_that_satisfies_it(made):
    event = lock(made.decisions, made.run, where="id >= 12 AND id < 40")
    assert np.flatnonzero(locked_mask(made.dataset)).tolist() == list(range(12, 40)), "more than half, and no draw"
    assert (event.samples, event.details["share"]) == (28, None)


def test_a_part_that_leaves_nothing_to_learn_from_is_refused(made):
    with pytest.raises(CurateError, match="Every labelled image would be locked"):
        lock(made.decisions, made.run, where="id >= 0")
    assert not locked_mask(made.dataset).any()


def many(workspace, number=LEAST):
    bare_dataset(workspace, [f"{id}.png" for id in range(number)], [id % 4 for id in range(number)], "abcd", "many")
    return open_dataset(workspace, "many")


def test_a_fifth_is_locked_before_the_first_score_of_enough_labels_alone(workspace):
    assert lock_first(many(workspace, LEAST - 1).decisions, many(workspace, LEAST - 1).run) == ""
    opened = many(workspace)
    said = lock_first(opened.decisions, opened.run)
    assert said == "A fifth, 40 images, is locked, so that Payoff can tell later whether your decisions helped."
    assert locked_mask(opened.dataset).sum() == 40
    assert lock_first(opened.decisions, opened.run) == ""
    undo_entry(opened.decisions, str(opened.samples.locked_by))
    annotate(opened.decisions, [1], "tag", "seen")
    assert lock_first(opened.decisions, opened.run) == "", "where something was decided"


@pytest.mark.parametrize(
    ("options", "locks"),
    [({"head": "fit"}, True), ({}, False), ({"head": "fit", "lock": False}, False), ({"head": "fit:fc"}, True)],
)
def test_only_heads_that_are_to_be_fitted_need_a_lock(workspace, options, locks):
    opened = many(workspace)
    said = lock_before(workspace, ScoreSettings(dataset="many", model="avhcurate:digits", **options))
    assert bool(said) == bool(opened.dataset.locked_by) == locks


def test_a_group_is_locked_whole_or_not_at_all(make_dataset):
    files = pa.array([b""] * 60, pa.binary())
    rows = {"image": files, "label": [f"c{id % 3}" for id in range(60)], "patient": [f"p{id // 6}" for id in range(60)]}
    opened = make_dataset(pa.table(rows))
    event = lock(opened.decisions, opened.run, groups="patient", share=0.3)
    inside = opened.samples.frame().groupby("patient")["locked"].mean()
    assert set(inside) == {0.0, 1.0}
    assert event.samples == 6 * inside.sum() == 18
    undo_entry(opened.decisions, str(opened.samples.locked_by))
    with refused(Option("groups"), "owner", "'pets'", "path, split, patient"):
        lock(opened.decisions, opened.run, groups="owner")


def test_a_lock_is_undone_as_an_entry_of_the_history_and_never_by_the_way(made):
    event = lock(made.decisions, made.run)
    assert undo(made.decisions) is None
    other = open_dataset(made.workspace, "d")
    assert undo_entry(made.decisions, event.key) == "lock"
    other.refresh()
    for opened in made, other:
        assert not locked_mask(opened.dataset).any()
        assert opened.samples.count(Filters(where="locked")) == 0
    assert np.array_equal(made.dataset.labels_to_learn(), LABELS)
    assert lock(made.decisions, made.run).id > event.id


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0}, "--share 0: give a number above 0, and 0.5 at most"),
        ({"share": 0.8}, "--share 0.8: give a number above 0"),
        ({"share": 0.01}, "--share 0.01 of 40 images is none. Give a larger one"),
        ({"where": "id >= 40"}, "No such image has a label to lock. Widen the condition"),
    ],
)
def test_what_cannot_be_locked_is_refused(made, options, message):
    with pytest.raises(CurateError, match=message):
        lock(made.decisions, made.run, **options)
    assert not locked_mask(made.dataset).any()


def test_a_second_lock_is_refused_with_the_way_to_undo_the_first(made):
    event = lock(made.decisions, made.run)
    with refused("'d'", Run("history", "d", undo=str(event.id))):
        lock(made.decisions, made.run)


def test_the_lock_follows_its_images_through_another_import(made, workspace):
    lock(made.decisions, made.run)
    paths = made.samples.frame(Filters(where="locked"))["path"].tolist()
    bare_dataset(workspace, [f"{id}.png" for id in reversed(range(50))], [0] * 50, "abcd")
    again = open_dataset(workspace, "d")
    assert sorted(again.samples.frame(Filters(where="locked"))["path"]) == sorted(paths)


def test_the_command_line_locks_says_so_and_undoes(own_demo_root, cli):
    said = cli("lock", "digits", "--workspace", own_demo_root).out
    assert said.startswith(
        "359 images are locked: nothing learns from their labels. Image quality was not measured, so "
    )
    assert "may know" not in said, "a network that was there before learnt nothing from the labels"
    assert cli("lock", "digits", "--undo", "--workspace", own_demo_root).out == "undone: lock\n"
    ended = cli("lock", "digits", "--share", "0.1", "--json", "--workspace", own_demo_root)
    told = json.loads(ended.out)
    assert (told["share"], told["copies"]) == (0.1, False)
    opened = open_dataset(Workspace(own_demo_root), "digits")
    assert locked_mask(opened.dataset).sum() == told["locked"]
    assert cli("suspects", "digits", "--workspace", own_demo_root).code == 0
    assert cli("lock", "digits", "--undo", "--workspace", own_demo_root).out == "undone: lock\n"
    assert cli("lock", "digits", "--undo", "--workspace", own_demo_root).code == 3
    assert not opened.dataset.locked().any()


def test_what_was_made_before_the_lock_is_no_yardstick_and_what_comes_after_is(made_up):
    dataset, run = made_up(np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 3)
    opened = open_dataset(Workspace(dataset.root.parents[1]), "dots")
    with refused("'dots'", Run("lock", "dots")):
        judged_since(opened.decisions, opened.run)
    run.write_record(run.record.model_copy(update={"fitted": heads_to_fit()}))
    opened = open_dataset(opened.workspace, "dots")
    event = lock(opened.decisions, opened.run)
    with refused("made-up", "'dots'", Run("payoff", "dots")):
        judged_since(opened.decisions, opened.run)
    run.write_record(run.record.model_copy(update={"locked": event.id}))
    annotate(opened.decisions, [1], "relabel", 0)
    assert judged_since(opened.decisions, opened.run) == event.id
    run.write_record(run.record.model_copy(update={"finished": now()}))
    assert judged_since(opened.decisions, opened.run) == event.id + 1
    undo_entry(opened.decisions, event.key)
    lock(opened.decisions, opened.run)
    with pytest.raises(CurateError, match="was made before"):
        judged_since(opened.decisions, opened.run)


def test_a_lock_that_changes_while_a_run_is_made_is_noticed(own_demo_root, monkeypatch):
    space = Workspace(own_demo_root)
    sum_by_class = shard_scores.sum_by_class

    def locked_meanwhile(*arguments):
        lock(open_dataset(space, "digits").decisions, open_dataset(space, "digits").run)
        return sum_by_class(*arguments)

    monkeypatch.setattr(shard_scores, "sum_by_class", locked_meanwhile)
    with refused("'digits'"):
        score_dataset(space, "digits", ModelSpec(name="avhcurate:digits"), limit=40)
    monkeypatch.undo()
    again = score_dataset(space, "digits", ModelSpec(name="avhcurate:digits"), limit=40)
    assert again.record.locked == space.dataset("digits").locked_by
    first = space.dataset("digits").default_run
    assert first.name != again.name, "a network that was there before knows no label"
    first.write_record(first.record.model_copy(update={"fitted": heads_to_fit()}))
    assert space.dataset("digits").default_run.name == again.name, "runs that know locked labels come after it"


def test_a_lock_that_comes_while_suspects_are_sought_is_noticed(own_demo_root, monkeypatch):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    examine = suspects_service.LabelSearch.examine

    def locked_meanwhile(*arguments):
        lock(
            open_dataset(Workspace(own_demo_root), "digits").decisions,
            open_dataset(Workspace(own_demo_root), "digits").run,
        )
        return examine(*arguments)

    monkeypatch.setattr(suspects_service.LabelSearch, "examine", locked_meanwhile)
    with pytest.raises(CurateError, match="changed meanwhile"):
        find_suspects(opened.run, opened.votes, SuspectsSettings(dataset="digits", sources=["angular"]))
    assert suspects_of(opened.run) == []


@pytest.mark.slow
def test_the_gallery_offers_locked_images_once_there_are_some(open_page, own_demo_root):
    assert not [toggle for toggle in open_page("gallery", own_demo_root).toggle if toggle.key == "filter.locked"]
    lock(
        open_dataset(Workspace(own_demo_root), "digits").decisions, open_dataset(Workspace(own_demo_root), "digits").run
    )
    app = open_page("gallery", own_demo_root)
    app.toggle(key="filter.locked").set_value(True).run()
    assert app.query_params["locked"] == "true"


def test_attached_outputs_know_no_locked_label_but_score_each_by_its_own(workspace, tmp_path):
    labels = np.arange(60) % 3
    bare_dataset(workspace, [f"{id}.png" for id in range(60)], labels.tolist(), "abc", "dots")
    features = np.eye(3)[labels] + np.random.default_rng(0).normal(scale=0.3, size=(60, 3))
    np.save(tmp_path / "dots.npy", features)
    before = attach(workspace, "dots", str(tmp_path / "dots.npy"))
    opened = open_dataset(workspace, "dots")
    lock(opened.decisions, opened.run)
    outside = ~locked_mask(opened.dataset)
    after = attach(workspace, "dots", str(tmp_path / "dots.npy"))
    assert after.name != before.name
    rows = pd.read_parquet(after.scores_path)
    theirs = scores.prototypes(features[outside], labels[outside], 3)
    wanted = scores.prototype_distance(features.astype(np.float32), theirs.astype(np.float32), labels)
    assert np.allclose(rows["prototype_distance"], wanted, atol=1e-5)
    hardness = rows["prototype_hardness"]
    assert hardness[outside].notna().all()
    assert hardness[~outside].isna().all()


# --- what nothing outside may know -------------------------------------------------------------------------------


def flip_locked(opened: OpenDataset) -> None:
    """Gives every locked sample the first label, or the second, in the file of a dataset that keeps its fingerprint."""
    path = opened.dataset.samples_path
    rows = pq.read_table(path)
    labels = opened.dataset.labels()
    flipped = np.where(locked_mask(opened.dataset), labels == 0, labels)
    place = rows.column_names.index("label")
    pq.write_table(rows.set_column(place, rows.field(place), pa.array(flipped, pa.int32())), path)


def learnt_from(workspace: Workspace) -> Iterator[tuple[str, object]]:
    """Yields what each reader of labels makes of the digits, by name, without the rows of locked samples."""
    run = score_dataset(workspace, "digits", ModelSpec(name="avhcurate:digits"), fit=heads_to_fit(folds=3))
    opened = open_dataset(workspace, "digits", run.name)
    outside = ~locked_mask(opened.dataset)
    for file in sorted(run.root.glob("**/*.npy")):
        yield f"{run.name}/{file.relative_to(run.root)}", np.load(file)
    predict_hsf(opened.samples, opened.run, opened.votes)
    for options in {}, {"sources": ["angular", "neighbours", "votes"], "out_of_fold": True}:
        found = find_suspects(opened.run, opened.votes, SuspectsSettings(dataset="digits", **options))
        suspects = found.suspects()
        assert outside[suspects["id"]].all()
        assert outside[np.concatenate([*suspects["near_given"], *suspects["near_suggested"]])].all()
        yield found.name, suspects
        yield f"{found.name} weights", found.record.weights
    again = open_dataset(workspace, "digits", run.name)
    yield "table", again.samples.frame()[outside]
    pool = task_pool(again.votes, again.run)
    for queue in ("random", "hardest", "informative"):
        rates = pool.rates(again.samples, again.dataset, again.prediction, queue, "avh")
        assert not rates[~outside].any()
        yield queue, rates
    yield "known members", pool.checks
    yield "next labels", next_labels(again.samples, again.run, again.dataset, 30).ids
    yield (
        "to train on",
        read_subset(again.samples, again.run, again.dataset, Filters(excluded=None), label="curated_label").labels,
    )
    for key in ("accuracy", "loss", "agreement", "samples"):
        yield key, getattr(run.record.fitted, key)


def equal(one: object, other: object) -> bool:
    """Whether two results are equal to the last bit."""
    if isinstance(one, pd.DataFrame):
        one, other = one.to_dict("list"), other.to_dict("list")
    return str(one) == str(other) if not isinstance(one, np.ndarray) else one.tobytes() == other.tobytes()


@pytest.mark.slow
def test_nothing_outside_the_lock_depends_on_a_locked_label(own_demo_root, tmp_path, monkeypatch):
    monkeypatch.setattr(heads, "STRENGTHS", (1.0,))
    lock(
        open_dataset(Workspace(own_demo_root), "digits").decisions, open_dataset(Workspace(own_demo_root), "digits").run
    )
    flipped = Workspace(shutil.copytree(own_demo_root, tmp_path / "flipped"))
    flip_locked(open_dataset(flipped, "digits"))
    before, after = dict(learnt_from(Workspace(own_demo_root))), dict(learnt_from(flipped))
    assert len(before) > 20
    assert before.keys() == after.keys()
    assert [name for name in before if not equal(before[name], after[name])] == []


def test_a_lock_is_undone_in_the_window_where_it_was_made(own_digits):
    with acting_as(replace(acting(), window="one")):
        event = lock(own_digits.decisions, own_digits.run)
        assert undo(own_digits.decisions, actions=[LOCK]).id == event.id
    assert not locked_mask(own_digits.dataset).any()
