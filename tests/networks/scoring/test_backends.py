"""What runs the network of a run: recorded, the same after a resume, and of no weight in the scores."""

import numpy as np
import pandas as pd
import pytest

from avhcurate.errors import CurateError
from avhcurate.networks.models import backends, engine
from avhcurate.networks.models.backends import AS_IS, FEW_IMAGES, PACKED
from avhcurate.networks.models.loading import ModelSpec
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.workspace.disk.jobs import Cancelled, Progress

pytestmark = pytest.mark.filterwarnings("error::DeprecationWarning")

SPEC = ModelSpec(name="avhcurate:digits")


@pytest.fixture
def begun(fresh, monkeypatch):
    """A run by a packed graph, cancelled after its first shard."""
    monkeypatch.setattr(engine, "find_backend", _packed)
    seen = []
    with pytest.raises(Cancelled):
        score_dataset(fresh, "digits", SPEC, progress=_until(seen, 1024))
    monkeypatch.undo()
    return fresh.dataset("digits").runs()[0]


def _packed(name, *arguments, **options):
    return backends.find_backend(PACKED, *arguments, **options)


def _until(seen, done):
    return Progress(lambda at, *_: seen.append(at), lambda: bool(seen) and seen[-1] >= done)


def test_few_images_are_scored_as_they_are_and_the_record_says_so(digits):
    backend = digits.run.record.backend
    assert (backend.name, backend.why) == (AS_IS, FEW_IMAGES)


def test_a_resumed_run_keeps_its_backend_and_scores_the_same(begun, fresh, digits):
    assert begun.record.backend.name == PACKED
    run = score_dataset(fresh, "digits", SPEC)
    assert run.name == begun.name == digits.run.name
    assert run.record.backend.name == PACKED
    np.testing.assert_allclose(run.features(), digits.run.features(), rtol=1e-4, atol=1e-5)
    ours, plain = (pd.read_parquet(each.scores_path) for each in (run, digits.run))
    np.testing.assert_array_equal(ours["predicted"], plain["predicted"])
    np.testing.assert_allclose(ours["avh"], plain["avh"], rtol=1e-4)


def test_a_run_whose_backend_is_gone_is_not_gone_on_with(begun, fresh, monkeypatch):
    monkeypatch.setattr(backends, "packed_graph", lambda *_: 1 / 0)
    with pytest.raises(CurateError, match=r"began with torch packed.*division by zero.*remove its folder"):
        score_dataset(fresh, "digits", SPEC)
    assert begun.has_shard(0)
