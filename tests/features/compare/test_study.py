"""Slices of arrays: what a recount says, what stands out, what is refused; no workspace is needed."""

import numpy as np
import pytest
from scipy.stats import t

import avhcurate
from avhcurate.features.compare.study import BETTER, FEW, UNCLEAR, WORSE
from avhcurate.measures.stats.calibration import calibrate
from avhcurate.measures.stats.intervals import wilson
from tests.fakes.refusals import refused

N = 2000


@pytest.fixture(scope="module")
def given():
    """Images of three classes, of which a fifth is dim, where the network is right half of the time."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, N)
    labels[:50] = -1
    dim = rng.random(N) < 0.2
    right = rng.random(N) < np.where(dim, 0.5, 0.95)
    seen = np.where(right, labels, (labels + 1) % 3)
    confidence = rng.uniform(0.5, 1, N)
    probs = np.full((N, 3), ((1 - confidence) / 2)[:, None])
    probs[np.arange(N), seen] = confidence
    light = np.where(dim, "dim", "day").astype(object)
    light[100:120] = None
    by = {"light": light, "indoors": rng.random(N) < 0.5, "camera": np.where(np.arange(N) < 55, 7, 8)}
    return labels, probs, by, rng.random(N)


def test_every_slice_is_what_a_recount_says(given):
    labels, probs, by, avh = given
    found = avhcurate.slices(labels, probs, by, avh=avh)
    rows = found.table.set_index(["by", "slice"])
    labelled = labels >= 0
    inside = {
        ("", "all"): labelled,
        ("light", "dim"): labelled & (by["light"] == "dim"),
        ("light", "day"): labelled & (by["light"] == "day"),
        ("indoors", "indoors"): labelled & by["indoors"],
        ("camera", "7"): labelled & (by["camera"] == 7),
        ("camera", "8"): labelled & (by["camera"] == 8),
    }
    assert set(rows.index) == set(inside)
    assert found.compared == 3  # beside the others, a camera has too few images
    for key, some in inside.items():
        row = rows.loc[key]
        right = probs[some].argmax(axis=1) == labels[some]
        low, high = wilson(right.sum(), len(right), comparisons=found.compared)
        wanted = [
            len(right),
            right.mean(),
            float(low),
            float(high),
            calibrate(probs[some].max(axis=1), right).ece,
            avh[some].mean(),
        ]
        columns = ["n", "accuracy", "accuracy_low", "accuracy_high", "ece", "avh"]
        assert row[columns].tolist() == pytest.approx(wanted), key
        reach = t.ppf(1 - 0.025 / found.compared, len(right) - 1) * avh[some].std(ddof=1) / np.sqrt(len(right))
        assert row["avh_high"] == pytest.approx(min(1, row["avh"] + reach))
        assert np.isnan(row["hsf"])


def test_what_is_worse_stands_out_and_a_small_slice_is_not_judged(given):
    labels, probs, by, _ = given
    verdicts = avhcurate.slices(labels, probs, by).table.set_index("slice")["verdict"].to_dict()
    assert verdicts == {"all": "", "dim": WORSE, "day": BETTER, "indoors": UNCLEAR, "7": FEW, "8": FEW}


def test_arrays_that_do_not_fit_are_refused(given):
    labels, probs, by, _ = given
    with refused("probs"):
        avhcurate.slices(labels, probs.ravel(), by)
    with refused("light", N):
        avhcurate.slices(labels, probs, {"light": by["light"][:9]})
    with refused("label"):
        avhcurate.slices(np.full(N, -1), probs, by)
