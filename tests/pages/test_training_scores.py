"""The scores of a training's epochs on the pages: offered where the open run has them, and nowhere else."""

import re

import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.measures.scores import SCORES
from avhcurate.measures.stats.epoch_scores import KEYS
from avhcurate.workspace.data.workspace import Workspace

NAMES = {SCORES[key].name for key in KEYS}


@pytest.fixture
def trained(trained_root):
    """Name of a run whose weights come from a training."""
    dataset = Workspace(trained_root).dataset("digits")
    weights = dataset.trainings()[0].record.weights_sha256
    return next(run.name for run in dataset.runs() if run.record.weights_sha256 == weights)


def test_the_gallery_sorts_by_them_filters_by_them_and_its_details_list_them(open_page, trained_root, trained, grids):
    opened = open_dataset(Workspace(trained_root), "digits", trained)
    expected = opened.samples.page(sort="forgetting", descending=True, limit=60)
    chosen = int(expected["id"][0])
    app = open_page("gallery", trained_root, run=trained, sort="forgetting", sample=str(chosen))
    assert set(app.selectbox(key="gallery.sort").options) >= NAMES
    assert set(app.multiselect(key="filter.columns").options) >= NAMES
    tiles = grids(app)["Images"]["tiles"]
    assert [tile["id"] for tile in tiles] == expected["id"].tolist()
    assert tiles[0]["score"] == f"{expected['forgetting'][0]:.0f}"
    assert set(app.dataframe[0].value["Score"]) >= NAMES
    narrowed = open_page("gallery", trained_root, run=trained, range='["learning_speed",0,0.2]')
    assert f"{int((opened.samples.frame()['learning_speed'] <= 0.2).sum()):,} of" in narrowed.sidebar.caption[0].value


def test_runs_of_one_model_are_told_apart_by_loss_and_seed(open_page, trained_root):
    options = open_page("models", trained_root).multiselect(key="models.runs").options
    called = sorted(re.sub(r" · [\d.]+ %.*", "", option) for option in options)
    assert called == ["avhcurate:digits", "digits · cross-entropy · seed 0", "digits · cross-entropy · seed 1"]


def test_a_run_that_comes_from_no_training_neither_shows_nor_offers_them(open_page, demo_root, words):
    app = open_page("correlation", demo_root, correlation__first="aum", correlation__scores="aum,avh")
    assert not any(f">{name}</th>" in words(app) for name in NAMES)
    assert not NAMES & set(app.selectbox(key="correlation.first").options)
    assert app.selectbox(key="correlation.first").value == "avh"
    assert app.multiselect(key="correlation.scores").value == ["avh"]
    app = open_page("disagreement", demo_root, gap__score="aum")
    assert app.selectbox(key="gap.score").value == "avh"
    app = open_page("gallery", demo_root, sort="aum", range='["aum",0,1]')
    assert not NAMES & set(app.selectbox(key="gallery.sort").options)
    assert "Unknown column aum to sort by" in app.warning[0].value
    assert "the filter was left out" in app.warning[0].value
