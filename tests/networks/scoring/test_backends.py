"""What runs the network of a run: recorded, the same after a resume, and of no weight in the scores."""

import numpy as np
import pandas as pd
import pytest

from avhcurate.errors import CurateError
from avhcurate.networks.models import backends, engine
from avhcurate.networks.models.backends import AS_IS, FEW_IMAGES, MISSING, OPENVINO
from avhcurate.networks.models.loading import ModelSpec
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.workspace.disk.jobs import Cancelled, Progress

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
        with pytest.raises(CurateError, match=r"began with openvino.*division by zero.*remove its folder"):
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


def test_where_openvino_is_missing_score_says_what_is_left(cli, fresh, monkeypatch):
    monkeypatch.setattr(backends, "_FEW_PIXELS", 0)
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    out = cli("score", "digits", "--model", "avhcurate:digits", "--limit", "50", "--workspace", fresh.root).out
    assert f"The network ran as it is, which may be slower: {MISSING}\n" in out
