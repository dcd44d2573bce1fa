"""Images of a training: decoded once as the network wants them, and those that cannot be left out."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from avhcurate.lab.training_dynamics.train import train_model
from avhcurate.networks.models.loading import ModelSpec, new_model
from avhcurate.networks.training.image_cache import ImageCache
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.lab.training_dynamics.conftest import PHOTOS, SETTINGS, photos


def test_images_are_decoded_once_as_the_network_wants_them_and_broken_ones_left_out(fresh, tmp_path):
    import_dataset(fresh, "photos", photos(tmp_path, "photos", 10, broken=1))
    dataset = fresh.dataset("photos")
    model = new_model(ModelSpec(name="avhcurate:resnet20"), 3)
    store = ImageCache(tmp_path / "cache", dataset, model.preprocess)
    ids = np.arange(len(dataset.labels()))
    with pytest.raises(Cancelled):
        store.decode(ids, progress=Progress(should_stop=lambda: True))
    store.decode(ids[5:])
    assert set(store.missing(ids)) <= {0, 1, 2, 3, 4}
    store.decode(ids)
    assert (~store.whole(ids)).sum() == 3
    for id in (0, 20):
        with Image.open(io.BytesIO(dataset.images().read_one(id))) as image:
            expected = model.preprocess.prepare(np.asarray(image.convert("RGB")))
        np.testing.assert_array_equal(store.images()[id].transpose(1, 2, 0), expected)
    training = train_model(fresh, PHOTOS.with_(epochs=1))
    assert training.record.recipe["broken_images"] == 3
    assert training.record.train_samples + training.record.held_out_samples == 30


def test_a_disk_without_room_is_refused_before_anything_is_decoded(fresh, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(CurateError, match="Make room"):
        train_model(fresh, SETTINGS)
