"""The pixels that a network sees."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, Normalize
from torchvision.transforms._presets import ImageClassification

from avhcurate.errors import CurateError
from avhcurate.networks.models.preprocess import Preprocess
from tests.fakes.refusals import refused


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """Smooth colours with some grain, 375 x 500, as a photograph has them."""
    random = np.random.default_rng(7)
    coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((500, 375), Image.BICUBIC)
    return np.clip(np.asarray(coarse) + random.normal(0, 6, (375, 500, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (232, 224), (255, 224), (224, 224), (600, 480)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pixels_are_those_of_torchvisions_own_transforms(photo, resize, crop, interpolation):
    prepared = Preprocess(resize, crop, interpolation=interpolation).prepare(photo)
    mode = InterpolationMode(interpolation)
    reference = ImageClassification(crop_size=crop, resize_size=resize, mean=(0,) * 3, std=(1,) * 3, interpolation=mode)
    expected = reference(Image.fromarray(photo)).mul(255).round().permute(1, 2, 0).numpy()
    differences = np.abs(prepared - expected)
    assert prepared.dtype == np.uint8
    assert prepared.shape == (crop, crop, 3)
    assert differences.max() <= 1
    assert (differences > 0).mean() < 0.02


def test_an_image_smaller_than_the_crop_is_enlarged_and_a_long_strip_does_not_fill_the_memory():
    prepared = Preprocess(None, 32).prepare(np.full((8, 12, 3), 200, np.uint8))
    assert prepared.shape == (32, 32, 3)
    assert (prepared == 200).all()
    for shape in ((1, 40000, 3), (40000, 1, 3), (3, 50000, 3)):
        assert (Preprocess(256, 224).prepare(np.full(shape, 9, np.uint8)) == 9).all()


def test_squash_keeps_both_ends_of_a_wide_image():
    wide = np.zeros((50, 200, 3), np.uint8)
    wide[:, :20], wide[:, -20:] = 255, 255
    squashed = Preprocess(100, 100, squash=True).prepare(wide)
    cropped = Preprocess(100, 100).prepare(wide)
    assert squashed[:, 0].min() > 250
    assert squashed[:, -1].min() > 250
    assert cropped.max() == 0


def test_one_channel_is_luma_and_leaves_grey_exactly_as_it_is():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    luma = Preprocess(None, 16, mean=(0.5,), std=(0.5,))
    np.testing.assert_array_equal(luma.prepare(grey.repeat(3, axis=2)), grey)
    colours = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(luma.prepare(colours)[..., 0], np.asarray(Image.fromarray(colours).convert("L")))


def test_overrides_keep_crop_within_resize():
    base = Preprocess(256, 224)
    assert (base.overridden(resize=160).resize, base.overridden(resize=160).crop) == (160, 160)
    assert (base.overridden(crop=320).resize, base.overridden(crop=320).crop) == (320, 320)
    assert (base.overridden(crop=192).resize, base.overridden(crop=192).crop) == (256, 192)
    assert base.overridden() == base
    assert base.overridden(std=(0.3,)).std == (0.3, 0.3, 0.3)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ({"resize": 200, "crop": 224}, "--resize 200 and --crop 224"),
        ({"resize": 0}, "--resize 0"),
        ({"crop": -1}, "--crop -1"),
        ({"mean": (0.4, 0.5)}, "--mean"),
        ({"mean": (123.7, 116.3, 103.5)}, "divide by 255"),
        ({"mean": (float("nan"),)}, "--mean"),
        ({"std": (0.2, 0.0, 0.2)}, "--std"),
        ({"std": (0.2, 0.2, 0.2, 0.2)}, "--std"),
    ],
)
def test_an_override_that_makes_no_sense_is_refused_by_name(override, named):
    with pytest.raises(CurateError, match=named):
        Preprocess(256, 224).overridden(**override)
    with refused("'lanczos'", "nearest, bilinear, bicubic"):
        Preprocess(256, 224, interpolation="lanczos")


def test_a_jpeg_keeps_twice_what_network_and_thumbnail_want_unless_the_network_takes_pixels_as_they_are():
    assert Preprocess(resize=300, crop=224).least == 600
    assert Preprocess(resize=32, crop=32).least == 512
    assert Preprocess(resize=None, crop=224).least is None
    assert Preprocess(resize=256, crop=224, interpolation="nearest").least is None
    record = asdict(Preprocess(resize=300, crop=224))
    assert Preprocess.from_record(record).least == 600
    del record["draft"]
    assert Preprocess.from_record(record).least is None, "versions without it decoded each JPEG whole"


def test_mean_and_std_are_in_the_units_of_torchvisions_normalize():
    preprocess = Preprocess(None, 4)
    prepared = torch.from_numpy(preprocess.prepare(np.full((4, 4, 3), 128, np.uint8))).permute(2, 0, 1) / 255
    normalised = Normalize(preprocess.mean, preprocess.std)(prepared)
    assert normalised[0, 0, 0].item() == pytest.approx((128 / 255 - 0.485) / 0.229, abs=1e-6)
