"""Training in folds: whoever judges an image has not seen it, cut short it resumes, and nothing mixes the networks."""

import numpy as np
import pytest
import torch

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.sample import inspect
from avhcurate.errors import CurateError
from avhcurate.features.suspects.service import find_suspects
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.lab.training_dynamics.train import train_folds
from avhcurate.networks.models.head import FeatureTap
from avhcurate.networks.models.loading import ModelSpec, new_model
from avhcurate.networks.scoring.dataset_model import rebuild_model
from avhcurate.networks.training import trainer
from avhcurate.networks.training.digits import read_digits
from avhcurate.networks.training.images import LabelledImages
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.lab.training_dynamics.conftest import SETTINGS

FOLDS = SETTINGS.with_(folds=3, epochs=2, batch_size=100)


@pytest.mark.slow
def test_each_image_is_judged_by_a_network_that_never_saw_it_also_when_cut_short(fresh, open_page):
    relabelled, excluded = 7, 11
    opened = open_dataset(fresh, "digits")
    annotate(opened.decisions, [relabelled], "relabel", opened.samples.classes[3])
    annotate(opened.decisions, [excluded], "exclude")
    done = []

    def report(at, total, message):
        done.append((at, message))

    progress = Progress(report, lambda: any("fold 2 of 3, epoch 2" in text for _, text in done))
    with pytest.raises(Cancelled):
        train_folds(fresh, FOLDS, progress=progress)
    (run,) = fresh.dataset("digits").runs()
    assert (run.complete, run.has_head(0), run.has_head(1)) == (False, True, False)
    first = run.head(0)[0]

    run = train_folds(fresh, FOLDS)
    assert run.complete
    np.testing.assert_array_equal(run.head(0)[0], first)
    folds, digits = run.folds(), read_digits()
    assert np.bincount(folds).tolist() == [599, 599, 599]
    assert 0.8 < run.record.fitted.accuracy < 1

    # The same network, without interruption, on the images of the other folds.
    labels = digits.labels.copy()
    labels[relabelled] = 3
    learnt = np.flatnonzero((folds != 1) & (np.arange(len(labels)) != excluded))
    model = new_model(ModelSpec(name=FOLDS.model), 10)
    shape, images = model.preprocess, torch.from_numpy(digits.images)[:, None]
    module = trainer.train(
        model.module, LabelledImages(images[learnt], labels[learnt], shape.mean, shape.std), FOLDS.make_recipe()
    )
    tap = FeatureTap(module, module.get_submodule(model.head_name), own_logits=True)
    judged = np.flatnonzero(folds == 1)
    pixels = (images[judged].float() / 255 - shape.mean[0]) / shape.std[0]
    with torch.inference_mode():
        features, logits = tap(pixels)
    np.testing.assert_allclose(run.features_of(judged), features, atol=2e-5)
    np.testing.assert_allclose(run.logits_of(judged), logits, atol=2e-5)
    opened = open_dataset(fresh, "digits", run.name)
    rows = opened.samples.frame(Filters(excluded=None), columns=["id", "predicted", "confidence"]).sort_values("id")
    wanted = torch.softmax(logits.double(), 1).numpy()[np.arange(len(judged)), digits.labels[judged]]
    np.testing.assert_allclose(rows["confidence"].to_numpy()[judged], wanted, atol=2e-5)
    assert inspect(opened.samples, opened.run, opened.votes, int(judged[0])).angles.shape == (10,)

    # What would mix the networks is refused with the reason; the other sources judge.
    found = find_suspects(opened.run, opened.votes, SuspectsSettings(dataset="digits")).record
    assert found.sources == ["angular", "cleanlab"]
    assert "several networks" in found.missing["neighbours"]
    for refused in (run.features, run.class_weights, lambda: rebuild_model(run, None)):
        with pytest.raises(CurateError, match="networks"):
            refused()
    assert "of several networks" in open_page("map", fresh.root, run=run.name).main.markdown[-1].value
    assert train_folds(fresh, FOLDS).record.finished == run.record.finished
