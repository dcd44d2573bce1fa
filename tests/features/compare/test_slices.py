"""Slices of the digits, recounted by pandas: own columns, splits, bins, tags, sets and views, and what stands out."""

import datetime
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import norm, t

import avhcurate
from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.compare.slices import possible_slices, slice_runs
from avhcurate.features.compare.study import FEW, WORSE
from avhcurate.measures.stats.calibration import calibrate
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.refusals import refused
from tests.fakes.workspaces import copied

N = 1797
BY = ["split", "light", "glare", "taken", "hsf_bin", "odd", "few", "hard", "tags"]


@pytest.fixture(scope="module")
def root(demo_root, tmp_path_factory, add_run):
    """The digits with own columns, a tag, a set and a view, and `dim-1`, wrong on half of what is dim."""
    root = copied(demo_root, tmp_path_factory.mktemp("sliced") / "workspace")
    path = Workspace(root).dataset("digits").samples_path
    rng = np.random.default_rng(0)
    dim = rng.random(N) < 0.2
    days = [datetime.date(2024, 1 + int(month), 9) for month in rng.integers(0, 3, N)]
    columns = {
        "light": pa.array(np.where(dim, "dim", "day"), mask=np.arange(N) < 5),
        "glare": pa.array(rng.exponential(1, N), mask=np.arange(N) % 9 == 0),
        "taken": pa.array(days),
        "serial": pa.array([f"s{number}" for number in range(N)]),
    }
    rows = pq.read_table(path)
    for name, values in columns.items():
        rows = rows.append_column(name, values)
    pq.write_table(rows, path)

    def wrong_on_dim(scores):
        turned = np.where(dim & (np.arange(N) % 2 == 0), (scores["predicted"] + 1) % 10, scores["predicted"])
        return scores.assign(predicted=turned.astype("int32"))

    add_run(root, "dim-1", wrong_on_dim)
    avhcurate.open(root, "digits").tag("hsf < 0.3", "odd")
    saved = Saved(Workspace(root), "digits")
    saved.save_set("few", range(6))
    saved.save_view("hard", {"range": '["avh",0.05,null]', "class": "1,2", "excluded": "null"}, "gallery")
    return root


@pytest.fixture(scope="module")
def opened(root):
    return open_dataset(Workspace(root), "digits")


@pytest.fixture(scope="module")
def sliced(opened):
    return slice_runs(opened.samples, opened.votes, opened.workspace, BY)


def test_every_slice_is_what_pandas_counts(opened, sliced):
    rows = sliced.table.set_index(["run", "by", "slice"])
    frame = opened.samples.frame().set_index("id")
    # The intervals of all rows that are judged hold at once.
    assert sliced.compared == sliced.table["verdict"].isin(["", FEW]).eq(False).sum() > 20
    z, tail = norm.ppf(1 - 0.025 / sliced.compared), 1 - 0.025 / sliced.compared
    for run in opened.dataset.runs():
        scores = pq.read_table(run.scores_path).to_pandas().set_index("id")
        for key, images in sliced.images.items():
            row, ids = rows.loc[(run.name, *key)], opened.samples.frame(images, columns=["id"])["id"]
            some, labels = scores.loc[ids], frame.loc[ids, "label"]
            right = (some["predicted"].to_numpy() == labels.to_numpy(int)).astype(float)
            p, n = right.mean(), len(ids)
            assert (row["n"], row["accuracy"]) == (n, pytest.approx(p))
            half = z * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n) / (1 + z * z / n)
            assert row["accuracy_high"] - row["accuracy_low"] == pytest.approx(2 * half)
            assert row["ece"] == pytest.approx(calibrate(some["max_confidence"], right).ece)
            assert row["ece_low"] <= row["ece"]
            for name, values in {"avh": some["avh"].astype(float), "hsf": frame.loc[ids, "hsf"].dropna()}.items():
                assert (row[f"{name}_n"], row[name]) == (len(values), pytest.approx(values.mean()))
                if len(values) > 1:
                    reach = t.ppf(tail, len(values) - 1) * values.std() / np.sqrt(len(values))
                    assert row[f"{name}_high"] == pytest.approx(min(1, values.mean() + reach))


def test_what_samples_are_sliced_by(opened, sliced):
    frame = opened.samples.frame()
    names = sliced.table.drop_duplicates(["by", "slice"]).groupby("by")["slice"].agg(set)
    assert names["split"] == {"train", "test"}
    assert names["light"] == {"dim", "day", "none"}
    assert names["taken"] == {"2024-01", "2024-02", "2024-03"}
    assert (names["odd"], names["few"], names["hard"], names["tags"]) == ({"odd"}, {"few"}, {"hard"}, {"odd"})
    assert 3 < len(names["glare"]) <= 9
    n = sliced.table[sliced.table["run"] == "dim-1"].groupby("by")["n"].sum()
    assert (n[["split", "light", "glare", "taken", "hsf_bin"]] == N).all()
    assert n["few"] == 6
    assert n["hard"] == (frame["label"].isin([1, 2]) & (frame["avh"] >= 0.05)).sum()
    assert {"hsf_bin", "split", "label", "light", "glare", "taken", "odd", "few", "hard"} <= set(
        possible_slices(opened.samples, opened.workspace)
    )
    assert "serial" not in possible_slices(opened.samples, opened.workspace)


def test_the_worst_slice_of_the_worst_run_comes_first_and_a_small_one_has_no_verdict(sliced):
    rows = sliced.table
    assert (rows["by"][:2] == "").all()  # all samples of both runs
    first = rows.iloc[2]
    assert (first["run"], first["by"], first["slice"], first["verdict"]) == ("dim-1", "light", "dim", WORSE)
    judged = rows[2 : 2 + sliced.compared]
    assert judged["accuracy"].is_monotonic_increasing
    assert set(rows["verdict"][2 + sliced.compared :]) == {FEW}
    assert {"few", "none"} <= set(rows["slice"][2 + sliced.compared :])
    assert rows.query("run != 'dim-1' and by == 'light' and slice == 'dim'")["verdict"].item() != WORSE


def test_slices_lie_within_the_view_and_are_counted_in_it(opened):
    within = Filters(where="glare > 0.3", ranges=(("glare", None, 1.2),), tags=("odd",))
    rows = slice_runs(
        opened.samples, opened.votes, opened.workspace, ["glare", "tags", "few"], ["dim-1"], filters=within
    )
    assert rows.table["n"].iloc[0] == opened.samples.count(within)
    for row in rows.table.itertuples():
        assert opened.samples.count(within.narrowed(rows.images[row.by, row.slice])) == row.n > 0


def test_what_cannot_be_sliced_by_is_said(opened):
    with refused("lihgt", "hsf_bin, split, label, tags, light"):
        slice_runs(opened.samples, opened.votes, opened.workspace, ["lihgt"])
    with refused("serial", 100):
        slice_runs(opened.samples, opened.votes, opened.workspace, ["serial"])
    Saved(opened.workspace, "digits").save_view("low", {"bin": "0", "edges": "0,0.1,1"}, "gallery")
    with refused("low", "0.0,0.2,0.4,0.6,0.8,1.0"):
        slice_runs(opened.samples, opened.votes, opened.workspace, ["low"])


@pytest.mark.slow
def test_the_verb_and_the_method_give_the_table(root, sliced, cli, tmp_path):
    words = ["models", "digits", "--workspace", root, "--by", ",".join(BY)]
    code, out, _ = cli(*words)
    assert code == 0
    assert "worse than the rest" in out
    assert f"Intervals hold at once for the {sliced.compared} rows that are judged (95 %, Bonferroni)." in out
    printed = json.loads(cli(*words, "--json").out)
    assert (len(printed["rows"]), printed["compared"]) == (len(sliced.table), sliced.compared)
    cli(*words, "--out", tmp_path / "slices.csv")
    expected = sliced.table.reset_index(drop=True)
    for rows in (pd.DataFrame(printed["rows"]), pd.read_csv(tmp_path / "slices.csv", keep_default_na=False)):
        assert rows["slice"].tolist() == expected["slice"].tolist()
    digits = avhcurate.open(root, "digits")
    pd.testing.assert_frame_equal(digits.models(by=BY), expected)
    assert set(digits.models(["dim-1"], by="light", where="label = 9")["slice"]) == {"all", "dim", "day"}
