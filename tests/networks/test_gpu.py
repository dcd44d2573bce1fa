"""What an NVIDIA GPU gives, next to what a CPU gives: a run, resumed, with fitted heads, degraded; and a training."""

import shutil

import numpy as np
import pandas as pd
import pytest

from avhcurate.lab.degradation.service import degrade_dataset
from avhcurate.lab.degradation.settings import DegradeSettings
from avhcurate.networks.models.loading import ModelSpec
from avhcurate.networks.scoring.fitted_heads import heads_to_fit
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.networks.training.evaluation import accuracy
from avhcurate.networks.training.trainer import train
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.fakes.trainer import PLAIN, linear, stripes

pytestmark = pytest.mark.gpu

SPEC = ModelSpec(name="avhcurate:digits")
DEVICE = "cuda"


def table(folder):
    return pd.read_parquet(folder.scores_path)


@pytest.fixture(scope="module")
def workspace(demo_root, tmp_path_factory):
    """The digits, of which these tests make runs."""
    return Workspace(shutil.copytree(demo_root, tmp_path_factory.mktemp("gpu") / "demo"))


@pytest.fixture(scope="module")
def run(workspace):
    return score_dataset(workspace, "digits", SPEC, device=DEVICE)


def test_scores_are_those_of_a_cpu_with_products_rounded_by_default(run, digits):
    assert (run.record.precision, run.record.device.split()[0]) == ("tf32", DEVICE)
    assert run.record.rank_agreement.spearman["avh"] > 0.999
    ours, exact = table(run), table(digits.run)
    assert (ours["predicted"] == exact["predicted"]).mean() > 0.995
    np.testing.assert_allclose(ours["avh"], exact["avh"], atol=5e-3)


def test_a_cancelled_run_goes_on_with_the_same_numbers(workspace, own_demo_root):
    other, seen = Workspace(own_demo_root), []
    progress = Progress(lambda done, *_: seen.append(done), lambda: 1024 in seen)
    options = {"device": DEVICE, "precision": "bfloat16"}
    with pytest.raises(Cancelled):
        score_dataset(other, "digits", SPEC, batch_size=100, progress=progress, **options)
    resumed = score_dataset(other, "digits", SPEC, **options)
    whole = score_dataset(workspace, "digits", SPEC, batch_size=100, **options)
    np.testing.assert_array_equal(resumed.features(), whole.features())


def test_float32_does_not_round_products(digits, own_demo_root):
    workspace = Workspace(own_demo_root)
    shutil.rmtree(workspace.dataset("digits").run().root)
    run = score_dataset(workspace, "digits", SPEC, device=DEVICE, precision="float32")
    assert run.record.device.startswith(DEVICE)
    np.testing.assert_allclose(run.features(), digits.run.features(), rtol=1e-3, atol=1e-4)


def test_heads_are_fitted_on_the_features_of_a_gpu(workspace):
    exact, ours = (
        score_dataset(workspace, "digits", SPEC, device=device, limit=300, fit=heads_to_fit(folds=2)).record
        for device in ("cpu", DEVICE)
    )
    assert ours.fitted.accuracy == pytest.approx(exact.fitted.accuracy, abs=0.02)


def test_a_run_of_a_gpu_is_degraded_on_it_and_level_0_repeats_its_scores(workspace, run):
    settings = DegradeSettings(dataset="digits", model=run.name, limit=50, device=DEVICE)
    folder = degrade_dataset(workspace, settings)
    assert folder.record.precision == run.record.precision
    rows = table(folder).query("level == 0").set_index("id")
    np.testing.assert_allclose(rows["avh"], table(run).set_index("id").loc[rows.index, "avh"], atol=1e-3)


def test_a_training_on_a_gpu_learns_what_tells_the_classes_apart():
    evaluations = []
    module = train(linear(), stripes(), PLAIN, held_out=stripes(), device=DEVICE, on_eval=evaluations.append)
    assert evaluations[-1].train_loss < evaluations[0].train_loss
    assert evaluations[-1].accuracy == accuracy(module.cpu(), stripes()) == 1.0
