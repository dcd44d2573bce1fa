"""What runs the network of a run: recorded, the same after a resume, and of no weight in the scores."""

import pickle
import shutil

import numpy as np
import pandas as pd
import pytest

from avhcurate.networks.models import backends, engine
from avhcurate.networks.models.backends import AS_IS, FEW_IMAGES, MISSING, OPENVINO
from avhcurate.networks.models.engine import Network
from avhcurate.networks.models.loading import ModelSpec, load_model
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import SILENT, Cancelled, Progress
from avhcurate.workspace.images.decoding import decode
from tests.fakes.refusals import refused

pytestmark = pytest.mark.filterwarnings("error::DeprecationWarning")

SPEC = ModelSpec(name="avhcurate:digits")


def _converted(name, *arguments, **options):
    return backends.find_backend(OPENVINO, *arguments, **options)


def test_few_images_are_scored_as_they_are_and_the_record_says_so(digits):
    backend = digits.run.record.backend
    assert (backend.name, backend.why) == (AS_IS, FEW_IMAGES)


def test_a_resumed_run_keeps_its_backend_and_scores_the_same_or_says_that_it_is_gone(fresh, digits, monkeypatch):
    seen = []
    progress = Progress(lambda done, *_: seen.append(done), lambda: 1024 in seen)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "find_backend", _converted)
        with pytest.raises(Cancelled):
            score_dataset(fresh, "digits", SPEC, progress=progress)
    (begun,) = fresh.dataset("digits").runs()
    assert begun.record.backend.name == OPENVINO
    with monkeypatch.context() as patch:
        patch.setattr(backends, "compiled", lambda *_, **__: 1 / 0)
        with refused("openvino", "division by zero"):
            score_dataset(fresh, "digits", SPEC)
    assert begun.has_shard(0)
    run = score_dataset(fresh, "digits", SPEC)
    assert (run.name, run.record.backend.name) == (begun.name, OPENVINO)
    assert (run.name, "openvino" in run.record.versions) == (digits.run.name, True)
    assert len(list(fresh.networks.iterdir())) == 1
    np.testing.assert_allclose(run.features(), digits.run.features(), rtol=1e-4, atol=1e-5)
    ours, plain = (pd.read_parquet(each.scores_path) for each in (run, digits.run))
    np.testing.assert_array_equal(ours["predicted"], plain["predicted"])
    np.testing.assert_allclose(ours["avh"], plain["avh"], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("refused", [True, False])
def test_bfloat16_is_judged_once_a_run_by_its_first_images(fresh, tmp_path, cli, refused, monkeypatch):
    """And a run that was cut short goes on as it began, in another process too."""
    other = Workspace(shutil.copytree(fresh.root, tmp_path / "other"))
    judged = []

    def judge(exact, reduced, module, images):
        judged.append(images.numpy())
        return "its errors are made up" * refused

    def run_on(workspace, progress=SILENT):
        return score_dataset(workspace, "digits", SPEC, precision="bfloat16", batch_size=64, progress=progress)

    monkeypatch.setattr(backends, "_FEW_PIXELS", 0)
    monkeypatch.setattr(backends, "_has_bfloat16", lambda: True)
    with monkeypatch.context() as patch:
        patch.setattr(backends, "_refused", judge)
        whole = run_on(other)
        seen = []
        with pytest.raises(Cancelled):
            run_on(fresh, Progress(lambda done, *_: seen.append(done), lambda: 1024 in seen))
    dataset = fresh.dataset("digits")
    first = [load_model(SPEC).preprocess.prepare(decode(dataset.images().read_one(id))) for id in range(16)]
    np.testing.assert_array_equal(judged, [first, first])
    monkeypatch.setattr(backends, "_refused", lambda *_: 1 / 0)
    # As a worker of a cluster gets it.
    network = Network(load_model(SPEC), precision=whole.record.precision, backend=whole.record.backend.name)
    network = pickle.loads(pickle.dumps(network)).open()
    assert network.precision == whole.record.precision == ("float32" if refused else "bfloat16")
    resumed = score_dataset(fresh, "digits", SPEC, precision="bfloat16")
    assert (resumed.name, resumed.record.batch_size) == (whole.name, 64)
    np.testing.assert_array_equal(resumed.features(), whole.features())
    pd.testing.assert_frame_equal(pd.read_parquet(resumed.scores_path), pd.read_parquet(whole.scores_path))
    out = cli("score", "digits", "--model", SPEC.name, "--precision", "bfloat16", "--workspace", fresh.root).out
    assert ("The network ran in float32: its errors are made up\n" in out) == refused


def test_a_run_on_a_gpu_says_that_products_were_rounded(cli, fresh):
    run = score_dataset(fresh, "digits", SPEC)
    run.write_record(run.record.model_copy(update={"precision": "tf32"}))
    out = cli("score", "digits", "--model", SPEC.name, "--workspace", fresh.root).out
    assert "rounded to TF32" in out
    assert "`--precision float32`" in out


def test_where_openvino_is_missing_score_says_what_is_left(cli, fresh, monkeypatch):
    monkeypatch.setattr(backends, "_FEW_PIXELS", 0)
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    out = cli("score", "digits", "--model", "avhcurate:digits", "--limit", "50", "--workspace", fresh.root).out
    assert f"The network ran as it is, which may be slower: {MISSING}\n" in out
