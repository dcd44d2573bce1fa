"""Weighted correlations: what a biased queue asked about is turned into what the dataset would have said."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from avhcurate.features.correlation.service import weighted_table


def made_up(rng, size):
    """Two scores, high where HSF is low, and the chance that a queue asks: the higher the first, the likelier."""
    ease = rng.normal(size=size)
    scores = {"close": -ease + rng.normal(size=size), "far": -ease + 2 * rng.normal(size=size)}
    return scores, ease, np.where(scores["close"] > 0.5, 0.9, 0.1)


def test_with_equal_weights_they_are_the_usual_correlations():
    rng = np.random.default_rng(0)
    scores, hsf, _ = made_up(rng, 200)
    scores["far"][:50] = np.nan
    index = (hsf > 0).astype(int)
    index[:20] = -1
    table = weighted_table(scores, hsf, np.full(200, 3.0), index, ["low", "high"]).set_index(["score", "bin"])
    for at, label in ((0, "low"), (1, "high")):
        rows = (index == at) & ~np.isnan(scores["far"])
        assert table.loc[("far", label), "weighted"] == pytest.approx(
            spearmanr(scores["far"][rows], hsf[rows]).statistic
        )


def test_intervals_cover_what_the_whole_dataset_would_have_said():
    rng = np.random.default_rng(1)
    scores, hsf, _ = made_up(rng, 200_000)
    whole = {key: spearmanr(values, hsf).statistic for key, values in scores.items()}
    covered = 0
    bent = []
    for _ in range(60):
        scores, hsf, chance = made_up(rng, 1000)
        asked = rng.random(1000) < chance
        part = {key: values[asked] for key, values in scores.items()}
        row = weighted_table({"close": part["close"]}, hsf[asked], 1 / chance[asked], np.zeros(asked.sum(), int), [])
        covered += row["weighted_low"].item() <= whole["close"] <= row["weighted_high"].item()
        bent.append(spearmanr(part["close"], hsf[asked]).statistic)
    assert covered >= 52  # 95 % of 60 less three standard errors
    assert np.mean(bent) > whole["close"] + 0.05  # without weights it is another correlation


def test_what_does_not_vary_has_none_and_few_samples_have_no_interval():
    scores, hsf = {"close": np.arange(6.0), "far": np.ones(6)}, np.array([0.1, 0.3, 0.2, 0.6, 0.4, 0.5])
    table = weighted_table(scores, hsf, np.ones(6), np.zeros(6, int), ["all of them"]).set_index(["score", "bin"])
    assert table.loc[("close", "all"), "weighted"] == pytest.approx(0.771, abs=1e-3)
    assert table.loc[("close", "all"), ["weighted_low", "weighted_high"]].isna().all()
    assert table.loc["far"].isna().all(axis=None)
