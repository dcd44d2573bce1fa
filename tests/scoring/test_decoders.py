"""Runs whose images a GPU decodes, without one: recorded, named apart, never mixed, compared with the processors'."""

import io
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from avhcurate.disk.jobs import Cancelled, Progress
from avhcurate.errors import CurateError
from avhcurate.images import nvjpeg
from avhcurate.images.decoding import decode
from avhcurate.images.nvjpeg import CPU, NVJPEG
from avhcurate.models.engine import Network
from avhcurate.models.loading import ModelSpec
from avhcurate.scoring import service
from avhcurate.scoring.service import score_dataset
from avhcurate.scoring.shards import LocalEngine
from tests.fakes.datasets import add_dataset

SPEC = ModelSpec(name="avhcurate:digits")
SAMPLES = 1040


class Gpu(Network):
    """A network that says it runs on a GPU."""

    @property
    def device_name(self) -> str:
        return "cuda (a fake)"


class GpuEngine(LocalEngine):
    def network(self, model, **options):
        return Gpu(model, **(options | {"device": "cpu"}))


@dataclass
class Asked:
    """Images that the fake GPU decoded, and how long one takes in a trial."""

    images: int = 0
    milliseconds: float = 0.1


@pytest.fixture
def gpu(monkeypatch):
    """A GPU whose pixels are a little brighter."""
    asked = Asked()

    def decode_all(encoded, device):
        asked.images += len(encoded)
        return [np.minimum(decode(data), 247) + 8 for data in encoded]

    def timed(run, images):
        times.append(asked.milliseconds if times else 1.0)
        return times[-1]

    times = []
    monkeypatch.setattr(nvjpeg, "_on_gpu", decode_all)
    monkeypatch.setattr(nvjpeg, "_milliseconds", timed)
    return asked


@pytest.fixture
def photos(workspace, tmp_path):
    """Grey noise under two labels, as JPEG, in two shards."""
    rng, images = np.random.default_rng(0), {}
    for number in range(SAMPLES):
        stream = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(stream, "JPEG")
        images[f"{'cat' if number % 2 else 'dog'}/{number:04}.jpg"] = stream.getvalue()
    add_dataset(workspace, tmp_path, images)
    return workspace


def score(workspace, **options):
    return score_dataset(workspace, "pets", SPEC, **options)


@pytest.fixture(autouse=True)
def any_number_of_classes(monkeypatch):
    """The digits' ten classes for pets' two."""
    monkeypatch.setattr(service, "load_model", lambda spec, num_classes=None: load(spec))


load = service.load_model


def test_a_gpus_pixels_make_a_run_of_their_own_that_tells_how_far_its_order_is_the_same(photos, gpu):
    plain = score(photos)
    run = score(photos, decode=NVJPEG, engine=GpuEngine())
    assert run.name != plain.name
    assert plain.record.decoder is None
    assert (run.record.decoder.name, run.record.decoder.tried) == (NVJPEG, {CPU: 1.0, NVJPEG: 0.1})
    assert gpu.images == SAMPLES  # not those of the comparison
    assert run.record.rank_agreement.samples == 200
    assert 0.9 < run.record.rank_agreement.spearman["avh"] < 1
    ours, theirs = (pd.read_parquet(each.scores_path)["avh"] for each in (run, plain))
    assert 0 < np.abs(ours - theirs).max() < 0.1


def test_a_run_cut_short_goes_on_with_the_decoder_that_it_began_with(photos, gpu):
    seen = []
    stop = Progress(lambda at, *_: seen.append(at), lambda: bool(seen) and seen[-1] >= 1024)
    with pytest.raises(Cancelled):
        score(photos, decode=NVJPEG, engine=GpuEngine(), progress=stop)
    before = gpu.images
    gpu.milliseconds = 9.0  # a trial now would choose otherwise
    run = score(photos, decode=NVJPEG, engine=GpuEngine())
    assert run.record.decoder.name == NVJPEG
    assert gpu.images > before


def test_where_a_trial_finds_no_gain_the_processors_decode(photos, gpu):
    gpu.milliseconds = 2.0
    run = score(photos, decode=NVJPEG, engine=GpuEngine())
    assert (run.record.decoder.name, run.record.decoder.why) == (CPU, "nvJPEG is not faster")
    assert gpu.images == 0
    assert run.record.rank_agreement is None


def test_without_a_gpu_or_by_another_name_it_is_refused(photos):
    with pytest.raises(CurateError, match=r"needs an NVIDIA GPU.*runs on cpu"):
        score(photos, decode=NVJPEG)
    with pytest.raises(CurateError, match="--decode fast: choose from cpu, nvjpeg"):
        score(photos, decode="fast")
    assert not photos.dataset("pets").runs()
