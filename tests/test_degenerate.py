"""Tiny and degenerate datasets: what computes gives a number or a reason, never a traceback."""

from contextlib import suppress

import numpy as np
import pytest

import avhcurate
from avhcurate.errors import CurateError
from avhcurate.features.annotate import vote_quality
from avhcurate.features.correlation import analyses, ui
from avhcurate.features.correlation.service import correlate, export_table

#: What computes, by a dataset and a folder to write to.
COMPUTED = [
    lambda found, _: ui.summary(correlate(found.sample_table)),
    lambda found, _: export_table(correlate(found.sample_table)),
    *(lambda found, _, key=key: analyses.analyse(found.sample_table, key) for key in analyses.ANALYSES),
    lambda found, _: vote_quality.need(found.sample_table, score="confidence", width=0.2),
    lambda found, _: vote_quality.vote_quality(found.sample_table, "classify"),
    lambda found, _: found.disagree(),
    lambda found, _: found.suspects(),
    lambda found, _: found.predict(),
    lambda found, _: found.select("avc-centred", 0.5),
    lambda found, _: found.select("lrent", 0.5),
    lambda found, _: found.split([0.8, 0.2]),
    lambda found, folder: found.report(folder / "d.html", images=False),
]


def dataset_of(case, root):
    """Return a dataset of (samples, classes, embeddings, labels, votes)."""
    samples, classes, embeddings, labelled, voted = case
    rng = np.random.default_rng(0)
    labels = np.arange(samples) % classes
    if labelled == "first":
        labels[:] = 0
    elif labelled == "half":
        labels[samples // 2 :] = -1
    images = rng.integers(0, 255, (samples, 4, 4, 3), np.uint8)
    names = [f"c{number}" for number in range(classes)]
    found = avhcurate.dataset("d", images, labels, classes=names, workspace=root)
    features, weights = rng.normal(size=(samples, 3)), rng.normal(size=(classes, 3))
    if embeddings == "tied":
        features[:] = 1.0
    elif embeddings == "one at 0":
        features[0] = 0.0
    found = found.attach(features, class_weights=weights)
    votes = rng.integers(0, 5, (samples, classes))
    if voted == "one each":
        votes = np.eye(classes, dtype=int)[rng.integers(classes, size=samples)]
    elif voted == "for the label":
        votes = 6 * np.eye(classes, dtype=int)[labels]
    elif voted == "on few":
        votes[3:] = 0
    if voted != "none":
        found.votes(votes)
    return found


@pytest.mark.parametrize(
    "case",
    [
        (12, 12, "random", "cycle", "random"),
        (2, 2, "one at 0", "first", "one each"),
        (40, 1, "random", "cycle", "for the label"),
        (40, 2, "tied", "half", "on few"),
    ],
)
def test_every_computation_gives_a_number_or_a_reason(case, tmp_path):
    """A reason is a CurateError: one line for the user. Anything else that is raised fails."""
    found = dataset_of(case, tmp_path / "workspace")
    for compute in COMPUTED:
        with suppress(CurateError):
            compute(found, tmp_path)


def test_what_cannot_be_computed_says_what_is_missing(tmp_path):
    one_class = dataset_of((40, 1, "random", "cycle", "random"), tmp_path / "one")
    with pytest.raises(CurateError, match="has no centred AVC"):
        one_class.select("avc-centred", 0.5)
    copies = dataset_of((40, 2, "tied", "cycle", "random"), tmp_path / "copies")
    with pytest.raises(CurateError, match="Different images among the voted samples of d: 1"):
        copies.predict()
