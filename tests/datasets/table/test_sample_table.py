"""The joined table: DuckDB's rows against pandas, missing values, conditions and annotations. Details of a sample."""

import math
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table import build, columns, conditions, sample
from avhcurate.datasets.table.columns import STANDARD
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.sample import inspect, lookalike, neighbours, rows_of
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.measures.scores import SCORES
from avhcurate.networks.neighbours.service import find_neighbours
from avhcurate.people.bins import bin_labels

#: The scores that need more than a run with class weights.
DYNAMICS = [key for key, score in SCORES.items() if score.training]
HELD_OUT_DYNAMICS = [key for key in DYNAMICS if not key.startswith("train_")]
PROTOTYPES = [key for key, score in SCORES.items() if score.needs == "prototypes"]
PLAIN = [key for key, score in SCORES.items() if score.needs not in ("training", "prototypes", "neighbours")]
EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
BINS = bin_labels(EDGES)
N, CLASSES = 400, ("cat", "dog", "eel")


def files_in(folder, *names):
    return {name: folder / f"{name}.parquet" for name in ("samples", "scores", *names)}


def make_table(folder):
    rng = np.random.default_rng(0)
    label = pd.array(rng.integers(0, 3, N), dtype="Int32")
    label[7] = pd.NA
    samples = pd.DataFrame(
        {
            "id": np.arange(N),
            "path": [f"images/{i}.png" for i in range(N)],
            "split": rng.choice(["train", "test", None], N),
            "label": label,
            "Taken On": rng.choice(["mon", "tue"], N),
            "_file": "secret",
            "_row": pd.NA,
        }
    )
    scores = pd.DataFrame({"id": np.arange(N), "predicted": rng.integers(0, 3, N).astype("int32")})
    for key in PLAIN:
        scores[key] = rng.choice(np.linspace(0, 1, 30), N).astype("float32")
    scores.loc[5, PLAIN] = np.nan
    scores["problem"] = None
    hsf = rng.integers(0, 11, N) / 10
    votes = pd.DataFrame({"id": np.arange(N), "hsf": hsf, "hsf_low": hsf, "hsf_high": hsf, "votes": 10})
    votes["_hsf_bin"] = np.minimum((hsf * 5 + 1e-9).astype(int), 4)
    votes = votes[votes["id"] % 9 != 0]
    samples.to_parquet(folder / "samples.parquet")
    scores.to_parquet(folder / "scores.parquet")
    table = SampleTable(files_in(folder), CLASSES, votes=lambda ids: votes[votes["id"].isin(ids)], edges=EDGES)
    state = {"path": ["images/3.png", "images/4.png", "gone.png"], "tags": [["odd", "seen"], ["seen"], ["odd"]]}
    table.annotate(pa.table({**state, "curated_label": [2, None, 1], "excluded": [False, True, False]}))
    return table


@pytest.fixture(scope="module", params=["in memory", "on disk"])
def table(request, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "on disk":
            patch.setattr(build, "MOST_IN_MEMORY", 0)
            patch.setattr(build, "AT_ONCE", 150)
        return make_table(tmp_path_factory.mktemp("table"))


def test_missing_values_are_null_and_never_zero_and_private_columns_are_not_shown(table):
    assert set(STANDARD) < set(table.columns)
    assert not [name for name in table.frame().columns if name.startswith("_")]
    frame = table.frame().set_index("id")
    assert frame.loc[5, PLAIN].isna().all()
    assert pd.isna(frame.loc[7, "label"])
    assert frame.loc[7, "label_name"] is None or pd.isna(frame.loc[7, "label_name"])
    assert frame.loc[0, ["hsf", "votes", "hsf_bin"]].isna().all()
    assert table.sample(5)["avh"] is None


def test_annotations_join_by_path_and_the_relabel_wins(table):
    frame = table.frame().set_index("id")
    assert frame.loc[3, "tags"].tolist() == ["odd", "seen"]
    assert (frame.loc[3, "curated_label"], frame.loc[3, "curated_label_name"]) == (2, "eel")
    assert frame.loc[4, "curated_label"] == frame.loc[4, "label"]
    assert frame.loc[4, "excluded"]
    assert frame["excluded"].sum() == 1


CONDITIONS = st.builds(
    Filters,
    hsf_bins=st.lists(st.sampled_from([0, 1, 2, 3, 4, None]), max_size=2, unique=True).map(tuple),
    classes=st.lists(st.sampled_from([0, 1, 2, None]), max_size=2, unique=True).map(tuple),
    splits=st.lists(st.sampled_from(["train", "test", None]), max_size=2, unique=True).map(tuple),
    tags=st.lists(st.sampled_from(["odd", "seen"]), max_size=2, unique=True).map(tuple),
    ranges=st.lists(
        st.tuples(st.sampled_from(["avh", "hsf"]), st.floats(0, 1), st.sampled_from([0.5, 1, None])), max_size=2
    ).map(tuple),
    mistakes=st.booleans(),
    excluded=st.sampled_from([True, False, None]),
)


def by_pandas(frame, filters):
    keep = pd.Series(True, frame.index)
    for column, chosen in (("hsf_bin", filters.hsf_bins), ("label", filters.classes), ("split", filters.splits)):
        if chosen:
            values = [c if c is None or column != "hsf_bin" else BINS[c] for c in chosen]
            keep &= frame[column].isin(values) | (frame[column].isna() & (None in chosen))
    for tag in filters.tags:
        keep &= frame["tags"].map(lambda tags, tag=tag: tag in tags)
    for column, low, high in filters.ranges:
        keep &= frame[column].astype("float64").between(low, math.inf if high is None else high)
    if filters.mistakes:
        keep &= (frame["predicted"] != frame["label"]).fillna(False)
    if filters.excluded is not None:
        keep &= frame["excluded"] == filters.excluded
    return frame[keep]


@settings(max_examples=15, deadline=None)
@given(filters=CONDITIONS, descending=st.booleans(), offset=st.sampled_from([0, 7]))
def test_rows_and_their_order_equal_pandas_and_the_url_brings_the_filters_back(table, filters, descending, offset):
    assert Filters.from_query(filters.to_query()) == filters
    expected = by_pandas(table.frame(), filters)
    assert table.count(filters) == len(expected)
    assert table.paths(filters) == expected["path"].tolist()
    ordered = expected.sort_values(["avh", "id"], ascending=[not descending, True], na_position="last")
    page = table.page(filters, sort="avh", descending=descending, offset=offset, limit=20)
    assert page["id"].tolist() == ordered["id"].tolist()[offset : offset + 20]


@pytest.mark.parametrize("text", ["avh > 0.5 OR TRUE", "label_name = 'cat' -- all", "list_contains(tags, 'odd')"])
def test_a_condition_narrows_and_never_widens(table, text):
    plain = set(table.paths(Filters(classes=(0,))))
    assert set(table.paths(Filters(classes=(0,), where=text))) <= plain


def test_percentiles_are_shares_of_samples_not_above(table):
    frame = table.frame()
    share = (frame["avh"] <= frame["avh"][10]).sum() / frame["avh"].notna().sum()
    assert table.percentiles(10)["avh"] == pytest.approx(share)
    assert table.percentiles(5) == {}


def test_unknown_ids_and_columns_are_named(table):
    with pytest.raises(CurateError, match="Unknown sample 4000"):
        table.sample(4000)
    with pytest.raises(CurateError, match="hardness"):
        table.page(sort="hardness")
    with pytest.raises(CurateError, match=r"No sample has id 4000\. Ids run from 0 to 399"):
        table.paths_of([1, 4000])
    assert table.paths_of([2, 1]) == ["images/2.png", "images/1.png"]


def test_the_scores_of_a_training_join_by_id_behind_the_others_and_win_over_a_users_column(tmp_path):
    make_table(tmp_path)
    samples = pd.read_parquet(tmp_path / "samples.parquet").assign(aum="the user's own")
    samples.to_parquet(tmp_path / "samples.parquet")
    ids = np.arange(0, N, 2)[::-1]
    values = {key: np.linspace(0, n + 1, len(ids), dtype="float32") for n, key in enumerate(HELD_OUT_DYNAMICS)}
    pd.DataFrame({"id": ids, **values}).assign(forgetting=np.nan).to_parquet(tmp_path / "dynamics.parquet")
    with_training = SampleTable(files_in(tmp_path, "dynamics"), CLASSES)
    assert with_training.scores == (*PLAIN, *HELD_OUT_DYNAMICS)
    assert with_training.user_columns == ("Taken On",)
    assert [name for name in with_training.standard if name not in DYNAMICS] == list(STANDARD)
    frame = with_training.frame().set_index("id")
    np.testing.assert_array_equal(frame.loc[ids, "aum"], values["aum"])
    assert frame.loc[np.arange(1, N, 2), list(HELD_OUT_DYNAMICS)].isna().all(axis=None)
    assert frame["forgetting"].isna().all()
    assert with_training.count(Filters(where="learning_speed > 1")) == (values["learning_speed"] > 1).sum()
    without = SampleTable(files_in(tmp_path), CLASSES)
    assert without.scores == tuple(PLAIN)
    assert without.standard == STANDARD
    assert without.user_columns == ("Taken On", "aum")
    assert set(without.frame()["aum"]) == {"the user's own"}


def test_the_angular_gap_within_class_is_worked_out_for_runs_of_earlier_versions_too(table, tmp_path):
    make_table(tmp_path)
    older = pd.read_parquet(tmp_path / "scores.parquet").drop(columns=["class_angular_gap", "grand"])
    older.to_parquet(tmp_path / "scores.parquet")
    old = SampleTable(files_in(tmp_path), CLASSES)
    assert [key for key in PLAIN if key not in old.scores] == ["grand"]
    assert old.frame()["grand"].isna().all()
    frame = table.frame()
    gap = frame["angular_gap"].astype(float).groupby(frame["label"].fillna(-1))
    expected = (frame["angular_gap"] - gap.transform("mean")) / gap.transform(lambda values: values.std(ddof=0))
    for found in (frame, old.frame()):
        np.testing.assert_allclose(found["class_angular_gap"], expected.where(frame["label"].notna()), rtol=1e-6)


def test_a_run_without_class_weights_has_the_scores_that_its_file_holds_and_its_own_hardness(tmp_path):
    make_table(tmp_path)
    kept = pd.read_parquet(tmp_path / "scores.parquet")[["id", "predicted", "loss", "norm", "prototype_distance"]]
    own = {"prototype_hardness": np.linspace(0, 1, len(kept)), "prototype_angle": np.linspace(1, 0, len(kept))}
    kept.assign(**own).to_parquet(tmp_path / "scores.parquet")
    table = SampleTable(files_in(tmp_path), CLASSES)
    assert table.scores == ("loss", "norm", "prototype_distance", "prototype_hardness", "prototype_angle")
    assert table.hardness == "prototype_hardness"
    assert [name for name in table.standard if name not in PROTOTYPES] == list(STANDARD)
    frame = table.frame()
    assert frame["avh"].isna().all()
    assert frame["prototype_angle"].notna().all()
    before = SampleTable({"samples": tmp_path / "samples.parquet"}, CLASSES)
    assert (before.scores, before.hardness) == ((), "avh")
    assert before.frame()[["avh", "predicted", "hsf"]].isna().all(axis=None)
    assert before.count(Filters(ranges=(("avh", 0.0, 1.0),))) == 0


@pytest.mark.skipif(os.name == "nt", reason="an open file keeps its name there")
def test_rows_on_disk_leave_no_file_and_take_what_people_decide_and_vote(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "MOST_IN_MEMORY", 0)
    monkeypatch.setattr(build, "AT_ONCE", 100)
    table = make_table(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["samples.parquet", "scores.parquet"]
    (where,) = table.query("SELECT path FROM duckdb_databases() WHERE database_name = 'stored'")
    assert where[0].startswith(str(tmp_path))
    before = table.frame(Filters(excluded=None)).set_index("id")
    paths = before["path"].iloc[[2, 399, 250]].tolist()
    state = {"path": paths, "tags": [["new"]] * 3, "curated_label": [1, None, 0], "excluded": [False, True, False]}
    table.annotate(pa.table(state))
    changed = {"hsf": 0.5, "hsf_low": 0.25, "hsf_high": 0.75, "votes": 12, "hsf_bin": "[0.4, 0.6)", "_hsf_bin": 2}
    table.update_votes(pa.Table.from_pylist([{"id": id} | changed for id in (0, 299)]))
    after = table.frame(Filters(excluded=None)).set_index("id")
    assert after.index.tolist() == list(range(N))
    batches = pa.Table.from_batches(table.batches(Filters(excluded=None), columns=["id", "path"], rows=64))
    assert batches.to_pydict() == {"id": after.index.tolist(), "path": after["path"].tolist()}
    # Numbers come in the same order, though decisions have moved rows; each column is on disk.
    read = table.numbers(Filters(excluded=None), ["hsf", "label", *PLAIN])
    assert read["id"].tolist() == after.index.tolist()
    assert {read[key].dtype for key in PLAIN} <= {np.dtype("f4"), np.dtype("f8")}
    for name in ("hsf", "label", *PLAIN):
        np.testing.assert_array_equal(read[name], after[name].to_numpy(float, na_value=np.nan))
    assert len(table.numbers(Filters(where="FALSE"), ["hsf"])["hsf"]) == 0
    assert after["path"][["new" in tags for tags in after["tags"]]].tolist() == [paths[0], paths[2], paths[1]]
    assert after.loc[[2, 250], "curated_label_name"].tolist() == ["dog", "cat"]
    assert table.frame(Filters(excluded=True))["path"].tolist() == ["images/4.png", paths[1]]
    assert after.loc[[0, 299], "votes"].tolist() == [12, 12]
    others = [frame.drop([0, 299])[["hsf", "hsf_bin"]] for frame in (before, after)]
    assert others[0].equals(others[1])
    assert after[PLAIN].equals(before[PLAIN])


def test_a_condition_that_takes_too_long_is_stopped_and_the_table_answers_on(monkeypatch, table):
    hours = "SELECT count(*) FROM range(100_000_000) a, range(100_000) b, samples"
    with monkeypatch.context() as shorter:
        shorter.setattr(conditions, "LONGEST_S", 0.2)
        with pytest.raises(CurateError, match="took longer than"):
            table._read(hours, Filters(where="id >= 0"))
    assert table.count(Filters(where="id >= 0", excluded=None)) == table.size


@pytest.mark.parametrize("own", [False, True])
def test_a_plugins_score_is_a_column_and_a_column_of_the_users_goes_before_it(tmp_path, monkeypatch, own):
    monkeypatch.setitem(SCORES, "mine", replace(SCORES["entropy"], key="mine", plugin=True))
    monkeypatch.setattr(columns, "COLUMNS", (*columns.COLUMNS, columns.score_column(SCORES["mine"])))
    samples = pd.DataFrame({"id": [0, 1], "path": ["a", "b"], "split": None, "label": pd.array([0, 1], "Int32")})
    samples = samples.assign(_file="", _row=pd.NA, **({"mine": ["x", "y"]} if own else {}))
    samples.to_parquet(tmp_path / "samples.parquet")
    scored = pd.DataFrame({"id": [0, 1], "predicted": pd.array([0, 1], "Int32"), "mine": [0.25, 0.5], "problem": None})
    scored.to_parquet(tmp_path / "scores.parquet")
    table = SampleTable(files_in(tmp_path), CLASSES)
    assert table.frame()["mine"].tolist() == (["x", "y"] if own else [0.25, 0.5])
    assert (table.scores, table.user_columns) == (((), ("mine",)) if own else (("mine",), ()))


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
def test_an_open_table_has_one_thread_of_its_own(tmp_path):
    def threads():
        return len(os.listdir("/proc/self/task"))

    make_table(tmp_path)  # what DuckDB and Arrow start once
    before = threads()
    kept = [make_table(tmp_path) for _ in range(3)]
    assert threads() - before <= len(kept)


def test_softmax_angles_votes_and_percentiles_agree_with_the_table(digits):
    hardest = int(digits.samples.page(sort="avh", descending=True, limit=1)["id"][0])
    found, row = inspect(digits.samples, digits.run, digits.votes, hardest), digits.samples.sample(hardest)
    assert found.percentiles["avh"] == 1
    assert found.softmax.sum() == pytest.approx(1)
    assert found.softmax[row["label"]] == pytest.approx(row["confidence"], rel=1e-3)
    assert found.softmax.argmax() == row["predicted"]
    assert found.angles[row["label"]] == pytest.approx(row["target_angle"], rel=1e-4)
    assert found.votes[row["label"]] == pytest.approx(row["hsf"])


def test_neighbours_are_the_smallest_angles_by_an_independent_formula(digits):
    features = np.asarray(digits.run.features(), np.float64)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    angles = np.arccos(np.clip(unit @ unit[7], -1, 1))
    angles[7] = np.inf
    found = neighbours(digits.samples, digits.run, digits.neighbours, 7, count=5)
    np.testing.assert_allclose(found.angles, np.sort(angles)[:5], atol=1e-6)


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("searched", [False, True])
def test_the_lookalike_is_the_nearest_image_of_the_other_class_whose_weights_are_nearest(own_digits, searched):
    if searched:
        find_neighbours(own_digits.dataset, own_digits.run)
    opened = open_dataset(own_digits.workspace, "digits")
    assert bool(opened.neighbours) is searched
    features, weights = unit(opened.run.features()), unit(opened.run.class_weights())
    labels, angles = opened.dataset.labels(), np.arccos(features @ weights.T)
    hardest = [int(id) for id in opened.samples.page(sort="avh", descending=True, limit=8)["id"]]
    for id in [*hardest, 0, 1]:
        near = lookalike(opened.samples, opened.run, opened.neighbours, id)
        label, other = near.labels
        assert label == labels[id]
        assert other == np.delete(np.arange(10), label)[np.delete(angles[id], label).argmin()]
        assert near.angles == pytest.approx((angles[id, label], angles[id, other]), abs=1e-5)
        members = np.flatnonzero(labels == other)
        assert near.id == members[(features[members] @ features[id]).argmax()]
        assert not near.partly
    annotate(opened.decisions, [near.id], "exclude")
    opened.refresh()
    assert lookalike(opened.samples, opened.run, opened.neighbours, id).id not in (near.id, id)
    annotate(opened.decisions, [id], "relabel", other)
    opened.refresh()
    assert lookalike(opened.samples, opened.run, opened.neighbours, id).labels[0] == other


def test_there_is_no_lookalike_without_a_run_a_label_or_class_weights_and_of_many_some_are_compared(
    own_digits, made_up, workspace, monkeypatch
):
    monkeypatch.setattr(sample, "MEMBERS", 5)
    assert lookalike(own_digits.samples, own_digits.run, own_digits.neighbours, 0).partly
    _, run = made_up([[1, 0], [0, 1], [1, 1], [0, 0]], [0, 1, -1, 0])
    dots = open_dataset(workspace, "dots", run.name)
    assert [lookalike(dots.samples, dots.run, dots.neighbours, id) is None for id in range(4)] == [
        False,
        False,
        True,
        True,
    ]
    run.root.joinpath("class_weights.npy").unlink()
    assert lookalike(dots.samples, dots.run, dots.neighbours, 0) is None
    dots.run = None
    assert lookalike(dots.samples, dots.run, dots.neighbours, 0) is None


def test_rows_come_in_the_order_asked_for_and_an_unknown_sample_is_refused(digits):
    assert rows_of(digits.samples, [9, 3, 5], columns=["id", "path"])["id"].tolist() == [9, 3, 5]
    assert rows_of(digits.samples, [], columns=["id"]).empty
    with pytest.raises(CurateError, match="Unknown sample 5000"):
        inspect(digits.samples, digits.run, digits.votes, 5000)
