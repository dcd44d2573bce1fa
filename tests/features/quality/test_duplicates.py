"""Pairs, groups and keepers against searches by hand, and copies planted among samples that are none."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from avhcurate.features.quality.duplicates import (
    LEAST_SIMILARITY,
    NEIGHBOURS,
    groups,
    hash_pairs,
    keepers,
    near_pairs,
    similarity_cut,
    turned_pairs,
)
from avhcurate.features.quality.plots import similarity_histogram
from avhcurate.measures.stats.neighbours import nearest_of
from avhcurate.ui.charts.chart_style import BLUE


@pytest.fixture(scope="module")
def planted():
    """300 embeddings in ten tight classes, and near copies of the first 12: (features, their rows)."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(10, 24))
    rows = centres[rng.integers(0, 10, 300)] + 0.4 * rng.normal(size=(300, 24))
    copies = rows[:12] * rng.uniform(0.5, 2, (12, 1)) + 1e-3 * rng.normal(size=(12, 24))
    return np.concatenate([rows, copies]).astype(np.float32)


@pytest.mark.parametrize("bits", [0, 3, 6])
def test_hashes_within_reach_are_the_pairs_that_comparing_all_finds(bits):
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 2**63, 120, dtype=np.uint64)
    flips = [sum(1 << int(bit) for bit in rng.choice(64, count, replace=False)) for count in rng.integers(0, 9, 60)]
    hashes = np.concatenate([hashes, hashes[:60] ^ np.array(flips, np.uint64), hashes[:5]])
    differing = {(a, b): (int(hashes[a]) ^ int(hashes[b])).bit_count() for a, b in combinations(range(185), 2)}
    near = {pair for pair, count in differing.items() if count <= bits}
    found = {tuple(pair) for pair in hash_pairs(hashes, bits=bits).tolist()}
    assert found <= near
    assert groups(len(hashes), np.array(sorted(near))).tolist() == groups(len(hashes), np.array(sorted(found))).tolist()


def neighbours_of(features):
    """Ids and cosines (N, NEIGHBOURS) of the nearest of all, as the run's graph has them."""
    near, angles = nearest_of(features, np.arange(len(features)), count=NEIGHBOURS)
    return near, np.cos(angles)


def test_the_cut_lies_between_copies_and_the_tight_classes(planted):
    near, cosines = neighbours_of(planted)
    cut = similarity_cut(cosines)
    assert near_pairs(near, cosines, cut).tolist() == [[row, 300 + row] for row in range(12)]
    usual = np.sort(cosines[12:300, 0])
    assert len(near_pairs(near, cosines, LEAST_SIMILARITY)) > 12  # a fixed cosine would have joined whole classes
    assert usual[-1] < cut
    assert similarity_cut(np.full((5, 3), np.nan)) == similarity_cut(np.empty((0, 3))) == LEAST_SIMILARITY
    assert similarity_cut(np.full((50, 1), 0.2)) == LEAST_SIMILARITY
    assert similarity_cut(np.ones((50, 10))) > 0.999999


@pytest.mark.parametrize(("copied", "copies"), [(30, 1), (150, 1), (300, 1), (300, 3)])
def test_the_cut_finds_the_copies_of_a_tenth_of_the_images_of_half_and_of_all(planted, copied, copies):
    rng, rows = np.random.default_rng(2), planted[:300]
    again = np.concatenate([rows[:copied] + 0.02 * rng.normal(size=(copied, 24)) for _ in range(copies)])
    near, cosines = neighbours_of(np.concatenate([rows, again]).astype(np.float32))
    found = near_pairs(near, cosines, similarity_cut(cosines))
    original = np.concatenate([np.arange(300), np.tile(np.arange(copied), copies)])
    true = original[found[:, 0]] == original[found[:, 1]]
    assert true.sum() == copied * copies * (copies + 1) / 2
    assert (~true).sum() <= 1  # half a pair is expected by chance


def test_turned_hashes_within_reach_are_the_pairs_that_comparing_all_finds():
    rng = np.random.default_rng(3)
    hashes, turned = rng.integers(0, 2**63, 90, dtype=np.uint64), rng.integers(0, 2**63, (90, 3), dtype=np.uint64)
    for row in range(0, 60, 2):
        bits = rng.choice(64, int(rng.integers(0, 5)), replace=False)
        turned[row, row % 3] = hashes[row + 1] ^ np.bitwise_or.reduce(np.uint64(1) << bits.astype(np.uint64))
    turned[80, 0] = hashes[80]  # symmetric: no copy of itself
    near = {
        tuple(sorted((a, b)))
        for a in range(90)
        for b in range(90)
        if a != b and min((int(hashes[a]) ^ int(other)).bit_count() for other in turned[b]) <= 2
    }
    assert {tuple(pair) for pair in turned_pairs(hashes, turned, bits=2).tolist()} == near
    assert len(near) > 10


def test_groups_are_the_sets_that_chains_of_pairs_join():
    assert groups(7, np.array([[5, 2], [2, 6], [1, 3]])).tolist() == [0, 1, 2, 1, 0, 2, 2]
    assert groups(3, np.empty((0, 2), int)).tolist() == [0, 0, 0]


def test_the_copy_to_keep_is_held_out_then_largest_then_sharpest_then_first():
    rows = [
        *((1, 4, "Train", 900, 3.0), (1, 7, "val", 100, 1.0)),
        *((2, 0, None, 100, 9.0), (2, 1, None, 400, 2.0)),
        *((3, 9, "train", 100, 1.0), (3, 8, "train", 100, 2.0)),
        *((4, 6, None, 100, 1.0), (4, 5, None, 100, 1.0)),
    ]
    members = pd.DataFrame(rows, columns=["group", "id", "split", "pixels", "sharpness"]).assign(excluded=False)
    assert members["id"][keepers(members)].tolist() == [7, 1, 8, 5]
    members["excluded"] = members["id"].isin([7, 9, 6, 5])  # the best one; another; the whole group
    assert members["id"][keepers(members)].tolist() == [4, 1, 8, 5]


def test_bars_below_the_cut_are_the_copies():
    degrees = np.array([0.0, 0.5, 2.0, 20.0, 30.0, 40.0])
    figure = similarity_histogram(np.append(np.cos(np.radians(degrees)), np.nan), cut=np.cos(np.radians(5)))
    (bar,) = figure.data
    colors = np.array(bar.marker.color)
    assert sum(bar.y) == 6
    assert np.array(bar.y)[colors == BLUE].sum() == 3
    assert (np.array(bar.x)[colors == BLUE] <= 5).all()
    assert figure.layout.annotations[0].text.startswith("copies up to 5°")
