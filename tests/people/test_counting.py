"""HSF follows the log at once: the source of its votes, and a recount after any order of events."""

import sqlite3
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.sample import inspect
from avhcurate.features.annotate import annotators, queue, setup
from avhcurate.features.correlation.service import noise_ceiling
from avhcurate.people.attach import attach, attach_votes
from avhcurate.people.log import Lease
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.votes import CLASSES, answer_all, collect, make_labelled, tick, truth


def test_votes_reach_hsf_its_bins_and_its_interval_at_once(pets):
    collect(pets, control_share=0.0, target=4)
    assert pets.samples.votes is None
    for who, wrong in (("ann", False), ("bob", False), ("cyd", False), ("dan", True)):
        answer_all(pets, who, (lambda id: (truth(pets)(id) + 1) % 3) if wrong else truth(pets), 60)
    pets.refresh()
    frame = pets.samples.frame()
    assert (frame["hsf"] == 0.75).all()
    assert (frame["votes"] == 4).all()
    assert frame["hsf_bin"].unique().tolist() == ["[0.6, 0.8)"]
    assert frame["hsf_low"].iloc[0] == pytest.approx(0.3006, abs=1e-4)
    assert pets.samples.count(Filters(hsf_bins=(3,))) == 60
    assert (
        pets.samples.votes.kind,
        pets.samples.votes.total,
        pets.samples.votes.samples,
        pets.samples.votes.simulated,
    ) == ("k-way", 240, 60, False)
    assert inspect(pets.samples, pets.run, pets.votes, 0).votes.tolist() == [0.75, 0.25, 0]
    assert noise_ceiling(pets.samples, pets.votes, Filters(), np.arange(60)).samples == 60


def test_answers_replace_more_simulated_votes_once_a_person_says_so_and_give_way_again(own_digits):
    before = own_digits.samples.frame(columns=["hsf", "votes"])
    collect(own_digits, control_share=0.0)
    answer_all(own_digits, "ann", truth(own_digits), 5)
    own_digits.refresh()
    assert own_digits.samples.simulated
    pd.testing.assert_frame_equal(own_digits.samples.frame(columns=["hsf", "votes"]), before)
    assert own_digits.votes.sources() == {"k-way": 5, "simulated": int(before["votes"].sum())}
    source = setup.choose_source(own_digits.votes, key="k-way", who="boss")
    assert not own_digits.samples.simulated
    assert own_digits.samples.frame()["votes"].sum() == 5
    assert (source.key, source.imported, source.collected, source.annotators) == ("k-way", 0, 5, 1)
    source = setup.choose_source(own_digits.votes, key="simulated", who="boss")
    assert own_digits.samples.simulated
    assert (source.key, source.collected) == ("simulated", 0)
    pd.testing.assert_frame_equal(own_digits.samples.frame(columns=["hsf", "votes"]), before)


def test_answers_replace_more_simulated_votes_once_half_of_the_images_have_as_many_as_wanted(pets, workspace, tmp_path):
    np.save(tmp_path / "counts.npy", np.tile([2, 1, 0], (60, 1)))
    attach_votes(workspace, "pets", tmp_path / "counts.npy", simulated=True)
    opened = open_dataset(workspace, "pets")
    collect(opened, control_share=0.0, target=1)
    for number, simulated in ((29, True), (1, False)):
        answer_all(opened, "ann", truth(opened), number)
        opened.refresh()
        assert opened.samples.simulated is simulated
    assert opened.samples.frame()["votes"].sum() == 30
    assert opened.votes.sources() == {"k-way": 30, "simulated": 180}


def test_a_vote_file_yields_to_answers_of_another_kind_once_half_of_the_images_have_as_many_as_wanted(pets, workspace):
    ticks = pa.table({"id": np.arange(3), "selected": np.array([1, 1, 0]), "shown": np.ones(3, int)})
    attach(pets.dataset, ticks, source="a file", messages=[])
    opened = open_dataset(workspace, "pets")
    collect(opened, control_share=0.0, target=1)
    for number, kind in ((29, "tick"), (1, "k-way")):
        answer_all(opened, "ann", truth(opened), number)
        assert setup.source(opened.votes).key == kind
    assert opened.samples.frame()["votes"].sum() == 30
    assert setup.choose_source(opened.votes, key="tick", who="boss").imported == 3
    assert opened.samples.frame()["votes"].sum() == 3


def test_simulated_votes_that_come_after_the_settings_stay_too(pets, workspace, tmp_path):
    collect(pets, control_share=0.0, target=1)
    np.save(tmp_path / "counts.npy", np.tile([2, 1, 0], (60, 1)))
    attach_votes(workspace, "pets", tmp_path / "counts.npy", simulated=True)
    opened = open_dataset(workspace, "pets")
    answer_all(opened, "ann", truth(opened), 5)
    opened.refresh()
    assert opened.samples.simulated
    setup.choose_source(opened.votes, key="auto", who="boss")  # which prefers people
    assert opened.samples.frame()["votes"].sum() == 5


def test_imported_votes_and_collected_ones_of_the_same_kind_add_up(pets, workspace, tmp_path):
    np.save(tmp_path / "counts.npy", np.tile([2, 1, 0], (60, 1)))
    attach_votes(workspace, "pets", tmp_path / "counts.npy")
    opened = open_dataset(workspace, "pets")
    collect(opened, control_share=0.0)
    answer_all(opened, "ann", lambda id: 2, 60)
    opened.refresh()
    expected = np.array([2, 1, 1])[opened.dataset.labels()] / 4
    assert opened.samples.frame()["hsf"].to_numpy() == pytest.approx(expected)
    assert np.stack(opened.votes.by_sample()["counts"].to_list()).tolist() == [[2, 1, 1]] * 60
    assert opened.votes.by_sample(7)["counts"].iloc[0].tolist() == [2, 1, 1]
    assert opened.samples.votes.total == 240
    assert "counts.npy and the app (annotators: 1)" in opened.samples.votes.source


def test_ticks_and_choices_are_never_mixed_and_the_larger_one_is_used(pets):
    collect(pets, control_share=0.0)
    answer_all(pets, "ann", truth(pets), 10)
    collect(pets, "select", candidates=12, controls=0)
    grid = queue.next_grid(pets.decisions, pets.votes, pets.run, "bob")
    tick(pets, "bob", grid, [])
    assert pets.votes.sources() == {"k-way": 10, "tick": 12}
    assert setup.source(pets.votes).key == "tick"
    assert pets.samples.frame()["votes"].sum() == 12
    assert set(pets.votes.by_sample().columns) == {"id", "selected", "shown"}
    source = setup.choose_source(pets.votes, key="k-way", who="boss")
    assert (source.key, source.collected) == ("k-way", 10)
    assert (pets.samples.frame()["hsf"].dropna() == 1.0).all()


def test_a_sample_without_a_label_keeps_its_votes_and_has_no_hsf(workspace):
    make_labelled(workspace, [0, None, 2])
    opened = open_dataset(workspace, "pets")
    collect(opened, control_share=0.0)
    answer_all(opened, "ann", lambda id: 0, 3)
    opened.refresh()
    frame = opened.samples.frame()
    assert frame["votes"].tolist() == [1, 1, 1]
    assert frame["hsf"].tolist() == pytest.approx([1, float("nan"), 0], nan_ok=True)


def test_votes_outlive_a_reimport_in_another_order_with_other_labels(workspace):
    make_labelled(workspace, [0, 1, 2, 0], paths=["a", "b", "c", "d"])
    opened = open_dataset(workspace, "pets")
    collect(opened, control_share=0.0)
    answer_all(opened, "ann", truth(opened), 4)
    make_labelled(workspace, [0, 0, 1], paths=["c", "a", "new"], classes=["cat", "bird", "dog"])
    again = open_dataset(workspace, "pets").samples.frame().set_index("path")
    assert again["hsf"].to_dict() == pytest.approx({"c": 0.0, "a": 1.0, "new": float("nan")}, nan_ok=True)


PATHS = ["a", "b", "c", "d"]
WHO = ["ann", "bob", "cyd"]
_some_labels = st.lists(st.sampled_from([0, 1, 2, None]), min_size=4, max_size=4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("classify"), st.sampled_from(WHO), st.sampled_from(PATHS), st.sampled_from(CLASSES)),
        st.tuples(st.just("check"), st.sampled_from(WHO), st.sampled_from(PATHS), st.sampled_from(CLASSES)),
        st.tuples(st.just("select"), st.sampled_from(WHO), st.sampled_from(CLASSES), st.sets(st.sampled_from(PATHS))),
        st.tuples(st.just("take back"), st.sampled_from(WHO), st.sampled_from(["classify", "select"])),
        st.tuples(st.sampled_from(["exclude", "include", "withdraw"]), st.sampled_from(WHO)),
        st.tuples(st.just("attach"), st.lists(st.integers(0, 3), min_size=12, max_size=12)),
        st.tuples(st.just("import again"), _some_labels, st.permutations(PATHS)),
        st.tuples(
            st.just("choose"), st.sampled_from(["wanted", "auto", "k-way", "tick"]), st.sampled_from([None, 0.5, 1.0])
        ),
        st.tuples(st.just("look")),
    ),
    max_size=30,
)


@pytest.fixture(scope="module")
def common_workspace():
    """A workspace whose database is quick: in memory where the system has a place for that."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Workspace(folder)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(labels=_some_labels, steps=STEPS)
@pytest.mark.slow
def test_hsf_after_any_order_of_events_equals_a_recount_from_the_log(common_workspace, labels, steps):
    workspace, name = common_workspace, f"d{uuid.uuid4().hex[:8]}"
    make_labelled(workspace, labels, name=name, paths=PATHS)
    opened = open_dataset(workspace, name)
    for step in steps:
        opened = _take(step, workspace, opened)
    opened.refresh()
    expected = _slow_recount(workspace, opened)
    frame = opened.samples.frame()
    assert frame["hsf"].tolist() == pytest.approx([hsf for hsf, _ in expected], nan_ok=True)
    assert [0 if pd.isna(votes) else votes for votes in frame["votes"]] == [votes for _, votes in expected]
    again = open_dataset(workspace, name).samples.frame()
    pd.testing.assert_frame_equal(again, frame)


def _take(step, workspace, opened):
    what, *values = step
    name, at = opened.samples.name, time.time()
    if what in ("classify", "check"):
        who, path, answer = values
        control, expected = ("attention", "cat") if what == "check" else ("none", None)
        task = uuid.uuid4().hex
        with opened.votes.log.transaction(name) as log:
            if path not in _answered(opened, "classify", who):  # as nobody is asked the same twice
                answered = Lease(task, path, class_name=answer, control=control, expected=expected)
                log.record("classify", who, [answered], nonce=task, reaction_ms=700, at=at)
    elif what == "select":
        who, asked, ticked = values
        task = uuid.uuid4().hex
        with opened.votes.log.transaction(name) as log:
            met = _answered(opened, "select", who, asked)
            controls = ["positive", "none", "none", "negative"]
            new = [path for path in PATHS if path not in met]
            numbered = zip(range(4), new, controls, strict=False)
            tiles = [Lease(task, path, place, asked, kind, ticked=path in ticked) for place, path, kind in numbered]
            if tiles:
                log.record("select", who, tiles, nonce=task, reaction_ms=7000, at=at)
    elif what == "take back":
        with opened.votes.log.transaction(name) as log:
            newest = log.given(values[1], values[0])
            if newest is not None:
                log.retract(newest.task, at=at)
    elif what in ("exclude", "include"):
        annotators.set_status(opened.votes, values[0], what, why="so", who="boss")
    elif what == "withdraw":
        annotators.withdraw(opened.votes, values[0])
    elif what == "choose":
        setup.choose_source(opened.votes, key=values[0], control_filter=values[1], who="boss")
    elif what == "attach" and sum(values[0]):
        counts = np.array(values[0], np.int32).reshape(4, 3)
        kept = np.flatnonzero(counts.sum(axis=1))
        lists = pa.array(counts[kept].tolist(), pa.list_(pa.int32()))
        votes = pa.table({"id": pa.array(kept, pa.int64()), "counts": lists})
        attach(opened.dataset, votes, source="a file", messages=[], force=True)
        return open_dataset(workspace, name)
    elif what == "import again":
        make_labelled(workspace, values[0], name=name, paths=values[1])
        return open_dataset(workspace, name)
    elif what == "look":
        opened.refresh()
    return opened


def _answered(opened, design, who, asked=None):
    """The paths that an annotator has answered, of a grid those for a class."""
    rows = annotators.responses(opened.votes, design=design, controls=True)
    rows = rows[rows["annotator"] == who]
    if asked is not None:
        rows = rows[rows["answer"] == asked]
    return set(rows["path"])


def _slow_recount(workspace, opened):
    """(HSF, votes) of each sample, from the rows of the database one by one, in plain Python."""
    name = opened.samples.name
    with sqlite3.connect(workspace.annotations_path) as connection:
        connection.row_factory = sqlite3.Row

        def read(log):
            rows = connection.execute(f"SELECT * FROM {log} WHERE dataset = ? ORDER BY id", [name])
            return list(map(dict, rows))

        ballots, takebacks, rulings, choices = map(read, ("ballots", "takebacks", "rulings", "choices"))
    gone = {row["task"] for row in takebacks}
    ballots = [row for row in ballots if row["task"] not in gone]
    ruled = {row["annotator"]: row["action"] for row in rulings}
    chosen, limit = "auto", None
    for row in choices:
        chosen, _, text = row["value"].partition(" ")
        limit = float(text) if text else None
    samples = opened.dataset.samples(["path", "label"])
    label_of = {row["path"]: None if pd.isna(row["label"]) else CLASSES[row["label"]] for _, row in samples.iterrows()}
    imported = opened.dataset.votes()
    path_of = dict(enumerate(samples["path"]))
    from_file = {} if imported is None else dict(zip(imported["id"].map(path_of), imported["counts"], strict=True))

    def trusted(who, design):
        controls = [
            row for row in ballots if (row["annotator"], row["design"]) == (who, design) and row["control"] != "none"
        ]
        right = 0
        for row in controls:
            if row["control"] == "attention":
                right += row["answer"] == row["expected"]
            else:
                right += row["selected"] == (row["control"] == "positive")
        return limit is None or len(controls) < 5 or right / len(controls) >= limit

    def votes(design, filtered):
        """For each sample, whether each vote is for its label; None where that cannot be said."""
        found = {path: [] for path in label_of}
        for row in ballots:
            who, path = row["annotator"], row["path"]
            if (row["design"], row["control"]) != (design, "none") or path not in label_of:
                continue
            if ruled.get(who) == "exclude":
                continue
            if filtered and ruled.get(who) != "include" and not trusted(who, design):
                continue
            if design == "select" and row["answer"] == label_of[path]:
                found[path].append(bool(row["selected"]))
            if design == "classify":
                found[path].append(None if label_of[path] is None else row["answer"] == label_of[path])
        if design == "classify":
            for path, counts in from_file.items():
                for cls, count in zip(CLASSES, counts, strict=True):
                    found[path] += [None if label_of[path] is None else cls == label_of[path]] * int(count)
        return found

    of_kind = {"k-way": votes("classify", False), "tick": votes("select", False)}
    number = {key: sum(map(len, by_path.values())) for key, by_path in of_kind.items()}
    key = chosen if number.get(chosen) else ("k-way" if number["k-way"] >= number["tick"] else "tick")
    if chosen == "wanted" and from_file:
        ticked = sum(map(bool, of_kind["tick"].values()))
        key = "tick" if 2 * ticked >= len(samples) else "k-way"
    used = votes("classify" if key == "k-way" else "select", True)
    result = []
    for path in samples["path"]:
        said = used[path]
        judged = [vote for vote in said if vote is not None]
        result.append((sum(judged) / len(judged) if judged else float("nan"), len(said)))
    return result
