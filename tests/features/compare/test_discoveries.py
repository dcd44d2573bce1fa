"""Discoveries 4 and 5 on planted models: what holds, what does not, and what is too little data."""

import numpy as np
import pytest

from avhcurate.features.compare.discoveries import Figure, Finding, Model, avh_follows_hsf, norm_is_inconsistent


def model(name, *, accuracy=0.8, avh=0.1, follows=0.0, norm=0.0, n=600, seed=0):
    """A network with so much accuracy, mean AVH, and correlation of AVH and of the norm with `HSF`."""
    rng, human = np.random.default_rng(seed), (HSF[:n] - 0.5) * np.sqrt(12)
    noise = rng.normal(size=(2, n))
    return Model(
        name,
        np.arange(n) < accuracy * n,
        avh + 0.02 * (follows * human + np.sqrt(1 - follows**2) * noise[0]),
        norm * human + np.sqrt(1 - norm**2) * noise[1],
    )


HSF = np.random.default_rng(9).random(600)


@pytest.mark.parametrize(
    ("correlations", "four", "five"),
    [
        ((-0.5, -0.4), "holds", "does not hold"),
        ((-0.5, 0.4), "does not hold", "holds"),
        ((-0.5, 0.0), "too little data", "holds"),
        ((0.0, 0.0), "too little data", "too little data"),
        ((-0.5,), "too little data", "too little data"),
    ],
)
def test_avh_follows_hsf_and_the_norm_does_not_consistently(correlations, four, five):
    models = [model(str(n), follows=rho, norm=rho, seed=n) for n, rho in enumerate(correlations)]
    assert avh_follows_hsf(models, HSF).verdict == four
    assert norm_is_inconsistent(models, HSF).verdict == five


def test_without_votes_nothing_is_judged():
    models = [model("a", follows=-0.9), model("b", follows=-0.9, seed=1)]
    few = np.where(np.arange(600) < 50, HSF, np.nan)
    found = avh_follows_hsf(models, few)
    assert found.verdict == "too little data"
    assert found.sentence(simulated=True) == "It needs two models on the same 100 images with human votes."


def test_simulated_votes_are_named_where_they_matter():
    figures = [Figure("a", 0.1, 0.05, 0.15, 200)]
    assert Finding(4, "holds", figures).sentence(simulated=True).endswith("simulated votes.")
    assert "simulated" not in Finding(3, "holds", figures).sentence(simulated=True)
