"""Degradations on pixels: what each does to an image, in figures that do not come from its own code."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from avhcurate.lab.degradation.corruptions import KINDS, degrade, steps, strengths, variants
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.training.digits import read_digits


@pytest.fixture(scope="module")
def photograph():
    """A photograph of 224 x 224 pixels."""
    return Preprocess(resize=224, crop=224).prepare(load_sample_image("flower.jpg"))


@pytest.fixture(scope="module")
def digit():
    """A grey scan of 8 x 8 pixels."""
    return read_digits().images[10][..., None]


@pytest.mark.parametrize("image", ["photograph", "digit"])
def test_contrast_scales_the_deviation_and_the_distance_from_grey(image, request):
    image = request.getfixturevalue(image)
    (half,) = degrade(image, "contrast", [0.5])
    assert half.std() == pytest.approx(image.std() / 2, abs=0.3)
    assert half.mean() - 127.5 == pytest.approx((image.mean() - 127.5) / 2, abs=0.5)


def test_noise_is_seeded_by_sample_and_no_other_image_changes_it(photograph, digit):
    one = degrade(photograph, "noise", [0.2, 0.6], id=7)
    degrade(digit, "noise", [0.9], id=8)
    np.testing.assert_array_equal(degrade(photograph, "noise", [0.2, 0.6], id=7), one)
    np.testing.assert_array_equal(degrade(photograph, "noise", [0.6], id=7)[0], one[1])
    assert (degrade(photograph, "noise", [0.2], id=8)[0] != one[0]).mean() > 0.9


def test_noise_is_uniform_of_its_width_and_the_same_in_all_channels():
    grey = np.full((224, 224, 3), 128, np.uint8)
    (noisy,) = degrade(grey, "noise", [0.2])
    added = noisy.astype(int) - 128
    assert (added[..., 0] == added[..., 1]).all()
    assert abs(added).max() == 51
    assert added.std() == pytest.approx(51 / np.sqrt(3), rel=0.01)
    assert added.mean() == pytest.approx(0, abs=0.5)


def test_blur_is_the_gaussian_filter_of_that_share_of_the_side(photograph):
    from scipy.ndimage import gaussian_filter

    (blurred,) = degrade(photograph, "blur", [5 / 224])
    expected = gaussian_filter(photograph.astype(float), (5, 5, 0), mode="reflect", truncate=8)
    assert np.abs(blurred - expected).max() < 1


def test_jpeg_is_the_less_faithful_the_lower_its_quality():
    rng = np.random.default_rng(0)
    images = [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    tops = rng.integers(0, 200, 8)
    crops = [image[top : top + 224, top : top + 224] for image in images for top in tops]
    errors = [np.square(degrade(crop, "jpeg", KINDS["jpeg"].strengths) - crop.astype(float)) for crop in crops]
    assert (np.diff(np.mean([error.mean(axis=(1, 2, 3)) for error in errors], axis=0)) > 0).all()


@pytest.mark.parametrize("image", ["photograph", "digit"])
def test_every_step_keeps_shape_and_type_and_level_0_is_the_image_itself(image, request):
    image = request.getfixturevalue(image)
    levels = strengths(KINDS, len(image))
    made, named = variants(image, levels, id=1), steps(levels)
    assert made.shape == (len(named), *image.shape)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made[0], image)
    for kind in KINDS:
        (of_kind,) = degrade(image, kind, levels[kind][3:4], id=1)
        np.testing.assert_array_equal(made[named.index((kind, 4))], of_kind)
