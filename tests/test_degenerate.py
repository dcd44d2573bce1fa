"""Tiny and degenerate datasets: what computes gives a number or a reason, never a traceback."""

import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

import avhcurate
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.features.annotate import annotators
from avhcurate.features.annotate.next_labels import next_labels
from avhcurate.features.compare.run_pair import compare_pair
from avhcurate.features.compare.service import by_class, confusion, side_by_side
from avhcurate.features.correlation import analyses, ui
from avhcurate.features.correlation.service import correlate, export_table
from avhcurate.features.predicted_hsf.plots import curve_chart


def drawn_curve(found):
    """Return the learning curve of a prediction, as the page draws it."""
    found.predict()
    return curve_chart(found.opened.prediction.record, 0.5)


#: What computes, by a dataset and a folder to write to.
COMPUTED = [
    lambda found, _: ui.summary(correlate(found.opened.samples, found.opened.run, found.opened.votes)),
    lambda found, _: export_table(correlate(found.opened.samples, found.opened.run, found.opened.votes)),
    *(
        lambda found, _, key=key: analyses.analyse(found.opened.samples, found.opened.run, found.opened.votes, key)
        for key in analyses.ANALYSES
    ),
    lambda found, _: annotators.need(found.opened.samples, found.opened.votes, score="confidence", width=0.2),
    lambda found, _: annotators.vote_quality(found.opened.votes, "classify"),
    lambda found, _: found.disagree(),
    lambda found, _: found.suspects(),
    lambda found, _: drawn_curve(found),
    lambda found, _: found.disagree(predicted=True),
    lambda found, _: found.select("avc-centred", 0.5),
    lambda found, _: found.select("lrent", 0.5),
    lambda found, _: found.split([0.8, 0.2]),
    lambda found, _: next_labels(found.opened.samples, found.opened.run, found.opened.dataset, 5),
    lambda found, _: side_by_side(found.opened.samples, found.opened.votes, keys=["avh", "confidence"]),
    lambda found, _: compare_pair(found.opened.samples, found.opened.votes, "first-1", "second-1", keys=["avh"]),
    lambda found, _: by_class(confusion(found.opened.samples, Filters()), found.opened.samples.classes),
    lambda found, _: found.quality(),
    lambda found, folder: found.report(folder / "d.html", images=False),
]


def outputs_of(kind, samples, classes, embeddings, rng):
    """Return what a run is attached from."""
    features, weights = rng.normal(size=(samples, 3)), rng.normal(size=(classes, 3))
    if embeddings == "tied":
        features[:] = 1.0
    elif embeddings == "one at 0":
        features[0] = 0.0
    if kind == "class weights":
        return {"features": features, "class_weights": weights}
    logits = features @ weights.T
    if kind == "masked logits":
        logits[rng.random(logits.shape) < 0.3] = -np.inf
        logits[:, 0] = 0.0
        return {"features": features, "logits": logits}
    return {"probs": np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)}


def dataset_of(case, root):
    """Return a dataset of (samples, classes, embeddings, labels, votes, outputs), with two runs."""
    samples, classes, embeddings, labelled, voted, outputs = case
    rng = np.random.default_rng(0)
    labels = np.arange(samples) % classes
    if labelled == "first":
        labels[:] = 0
    elif labelled == "half":
        labels[samples // 2 :] = -1
    images = rng.integers(0, 255, (samples, 4, 4, 3), np.uint8)
    names = [f"c{number}" for number in range(classes)]
    found = avhcurate.dataset("d", images, labels, classes=names, workspace=root)
    for name in ("second-1", "first-1"):
        found = found.attach(**outputs_of(outputs, samples, classes, embeddings, rng), name=name)
    votes = rng.integers(0, 5, (samples, classes))
    if voted == "one each":
        votes = np.eye(classes, dtype=int)[rng.integers(classes, size=samples)]
    elif voted == "for the label":
        votes = 6 * np.eye(classes, dtype=int)[labels]
    elif voted == "on few":
        votes[3:] = 0
    with suppress(CurateError):  # no vote at all is refused
        found.votes(votes * (voted != "none"))
    return found


@settings(max_examples=2, derandomize=True, deadline=None, database=None, phases=[Phase.explicit, Phase.generate])
@given(
    st.tuples(
        st.sampled_from([1, 3, 31, 60]),
        st.sampled_from([1, 2, 50]),
        st.sampled_from(["random", "tied", "one at 0"]),
        st.sampled_from(["cycle", "first", "half"]),
        st.sampled_from(["random", "one each", "for the label", "on few", "none"]),
        st.sampled_from(["class weights", "masked logits", "probabilities"]),
    )
)
@example((12, 12, "random", "cycle", "random", "class weights"))
@example((2, 2, "one at 0", "first", "one each", "class weights"))
@example((40, 1, "random", "cycle", "for the label", "masked logits"))
@example((40, 2, "tied", "half", "on few", "probabilities"))
@pytest.mark.slow
def test_every_computation_gives_a_number_or_a_reason(case):
    """A reason is a CurateError: one line for the user. Anything else that is raised fails."""
    with tempfile.TemporaryDirectory() as folder:
        found = dataset_of(case, Path(folder) / "workspace")
        for compute in COMPUTED:
            with suppress(CurateError):
                compute(found, Path(folder))


def test_what_cannot_be_computed_says_what_is_missing(tmp_path):
    one_class = dataset_of((40, 1, "random", "cycle", "random", "class weights"), tmp_path / "one")
    with pytest.raises(CurateError, match="Centred AVC needs two classes"):
        one_class.select("avc-centred", 0.5)
    with pytest.raises(CurateError, match="has one class"):
        one_class.suspects()
    copies = dataset_of((40, 2, "tied", "cycle", "random", "class weights"), tmp_path / "copies")
    with pytest.raises(CurateError, match="Different images among the voted images of d: 1"):
        copies.predict()
