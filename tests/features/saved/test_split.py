"""Splits: exact shares in every stratum, groups whole, the same by seed; written as a table, as exports and as sets."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.features.saved.split_service import apportion, make_split, save_parts, split, write_split
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.refusals import refused

SHARES = (0.8, 0.1, 0.1)
ANY_SHARES = st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.5), (0.6, 0.2, 0.1, 0.1), (0.9, 0.1), (1 / 3, 1 / 3, 1 / 3)])
STRATA = st.lists(st.integers(0, 5), min_size=1, max_size=120).map(np.array)


def test_parts_are_alike_by_class_and_bin(digits):
    found = make_split(digits.decisions, digits.votes, digits.run, SHARES, seed=1)
    frame = digits.samples.frame(columns=["id", "curated_label_name", "hsf_bin"]).merge(
        found.rows[["id", "part"]], on="id"
    )
    assert len(frame) == digits.samples.size == found.strata["n"].sum()
    counted = frame.groupby(["curated_label_name", "hsf_bin"], dropna=False)["part"].value_counts()
    for _, row in found.strata.iterrows():
        for part, share in zip(found.counts, SHARES, strict=True):
            want = counted.get((row["curated_label_name"], row["hsf_bin"], part), 0)
            assert row[part] == want
            assert abs(want - share * row["n"]) < 1
    small = found.strata["n"] < 3
    assert (found.strata["note"] != "").equals(small)
    assert small.any()


def test_the_table_and_its_manifest_say_the_same(digits, tmp_path):
    found = make_split(digits.decisions, digits.votes, digits.run, SHARES, by=("class",))
    for suffix, read in ((".csv", pd.read_csv), (".parquet", pd.read_parquet)):
        out = tmp_path / f"split{suffix}"
        write_split(found, out)
        rows = read(out)
        assert rows["part"].value_counts().to_dict() == found.counts
        manifest = json.loads((tmp_path / f"split{suffix}.manifest.json").read_text())
        assert manifest["parts"] == found.counts
        assert sum(stratum["train"] for stratum in manifest["strata"]) == found.counts["train"]
        assert (manifest["seed"], manifest["by"], manifest["split"]["train"]) == (0, ["class"], 0.8)
        with pytest.raises(CurateError, match="--force"):
            write_split(found, out)
    with refused("split.xls", ".csv", ".jsonl", ".parquet"):
        write_split(found, tmp_path / "split.xls")


def test_parts_become_sets_that_share_no_sample(own_digits):
    workspace = Workspace(own_digits.dataset.root.parents[1])
    found = make_split(own_digits.decisions, own_digits.votes, own_digits.run, SHARES)
    assert save_parts(workspace, own_digits.decisions, found, "s") == ["s train", "s validation", "s test"]
    ids = [
        own_digits.samples.frame(Filters(sets=(f"s {name}",)), columns=["id"])["id"].tolist() for name in found.counts
    ]
    assert [len(part) for part in ids] == list(found.counts.values())
    assert sorted(np.concatenate(ids)) == list(range(1797))
    with refused(1, 60):
        save_parts(workspace, own_digits.decisions, found, "x" * 51)  # "... train" would fit, "... validation" does not
    assert len(Saved(workspace, "digits").sets()) == 3


def test_without_strata_only_the_shares_count_and_a_column_keeps_its_values_together(digits):
    thousand = make_split(
        digits.decisions, digits.votes, digits.run, (0.75, 0.25), by=(), filters=Filters(where="id < 1000")
    )
    assert thousand.counts == {"train": 750, "test": 250}
    found = make_split(digits.decisions, digits.votes, digits.run, (0.5, 0.5), by=(), group="split")
    assert (found.rows.groupby("split")["part"].nunique() == 1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": ("colour",)}, "by colour"),
        ({"group": "nothing"}, "Unknown column nothing"),
        ({"group": "tags"}, "cannot group images"),
        ({"filters": Filters(where="id < 0")}, "nothing to split"),
    ],
)
def test_what_cannot_be_split_says_why(digits, options, message):
    with pytest.raises(CurateError, match=message):
        make_split(digits.decisions, digits.votes, digits.run, (0.5, 0.5), **options)


def test_a_split_is_made_from_a_shell(own_demo_root, tmp_path, cli):
    out = tmp_path / "split.csv"

    def run(*more):
        arguments = ["split", "digits", "--shares", "0.7,0.3", "--by", "class", "--out", out, *more]
        ended = cli(*arguments, "--workspace", own_demo_root)
        assert ended.code == 0, ended.err
        return ended.out

    said = json.loads(run("--as-sets", "half", "--json"))
    rows = pd.read_csv(out)
    assert rows["part"].value_counts().to_dict() == said["parts"]
    assert said["sets"] == ["half train", "half test"]
    again = rows["part"].tolist()
    assert set(rows["hsf_source"]) == {"simulated"}
    assert "come from simulated votes" in run("--force")
    assert pd.read_csv(out)["part"].tolist() == again
    run("--force", "--seed", "1")
    assert pd.read_csv(out)["part"].tolist() != again


# --- the rules ---------------------------------------------------------------------------------------------------


def counts(parts, strata, shares):
    return np.array([np.bincount(parts[strata == one], minlength=len(shares)) for one in np.unique(strata)])


@settings(deadline=None)
@given(STRATA, ANY_SHARES, st.integers(0, 99))
def test_every_stratum_is_divided_by_largest_remainder(strata, shares, seed):
    parts = split(strata, shares, seed=seed)
    exact = np.unique(strata, return_counts=True)[1][:, None] * np.array(shares)
    got = counts(parts, strata, shares)
    assert (np.abs(got - exact) < 1).all()
    assert (parts == split(strata, shares, seed=seed)).all()
    # Whoever is rounded up had a remainder at least as large as whoever is rounded down.
    remainder, up = exact - np.floor(exact + 1e-9), got > np.floor(exact + 1e-9)
    for row in range(len(got)):
        if up[row].any() and (~up[row]).any():
            assert remainder[row][up[row]].min() >= remainder[row][~up[row]].max() - 1e-6


@settings(deadline=None)
@given(st.data(), STRATA, ANY_SHARES, st.integers(0, 99))
def test_groups_stay_whole(data, strata, shares, seed):
    groups = np.array(data.draw(st.lists(st.integers(-1, 12), min_size=len(strata), max_size=len(strata))))
    parts = split(strata, shares, seed=seed, groups=groups)
    for group in set(groups[groups >= 0]):
        assert len(set(parts[groups == group])) == 1
    assert (parts >= 0).all()


def test_pairs_leave_room_for_exact_shares():
    strata = np.repeat([0, 1], 200)
    groups = np.full(400, -1)
    groups[:60] = np.arange(60) // 2  # duplicates in pairs, all in one stratum
    parts = split(strata, SHARES, seed=3, groups=groups)
    assert counts(parts, strata, SHARES).tolist() == [[160, 20, 20], [160, 20, 20]]


def test_strata_of_one_do_not_all_favour_the_same_of_equal_parts():
    parts = split(np.arange(40), (0.5, 0.5), seed=0)
    assert np.bincount(parts).tolist() == [20, 20]


@given(st.integers(0, 10**6), st.lists(st.floats(0.01, 1), min_size=1, max_size=6).map(np.array))
def test_seats_sum_and_differ_from_the_exact_share_by_less_than_one(n, quotas):
    seats = apportion(n, quotas)
    assert seats.sum() == n
    assert (np.abs(seats - n * quotas / quotas.sum()) < 1 + 1e-6).all()


@pytest.mark.parametrize("shares", [(1.0,), (0.5, 0.4), (1.2, -0.2), (0.5, 0.5, 0.0), (float("nan"), 0.5)])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(CurateError, match="sum to 1"):
        split(np.zeros(4, int), shares, seed=0)
