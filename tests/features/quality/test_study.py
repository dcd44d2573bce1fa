"""Odd images and near duplicates of a list of images, without a workspace."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

import avhcurate
from tests.fakes.refusals import refused


@pytest.fixture(scope="module")
def images():
    return [photo(seed) for seed in range(6)]


def photo(seed):
    """Coarse coloured patches under fine grain: no two alike, none of them blurred."""
    rng = np.random.default_rng(seed)
    patches = Image.fromarray(rng.integers(40, 216, size=(6, 8, 3), dtype=np.uint8)).resize((128, 96))
    return np.clip(np.asarray(patches) + rng.normal(scale=12, size=(96, 128, 3)), 0, 255).astype(np.uint8)


def jpeg(pixels, **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **options)
    return stream.getvalue()


def test_copies_and_flaws_of_images_in_memory_are_those_of_files(images, tmp_path):
    blurred = np.asarray(Image.fromarray(images[3]).filter(ImageFilter.GaussianBlur(30)))
    black = np.zeros_like(images[0])
    given = [*images, jpeg(images[0], quality=60), np.fliplr(images[1]), blurred, black, b"no image"]
    found = avhcurate.quality(given)
    assert found.table["flaw"].tolist() == [""] * 8 + ["blurred", "black", "broken"]
    assert found.table["group"].tolist() == [1, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0]
    assert found.copies.pairs[["first", "second", "how"]].values.tolist() == [[0, 6, "hash"], [1, 7, "turned"]]
    assert found.limits["black"] == 0.03
    paths = [tmp_path / f"{number}.png" for number in range(len(images))]
    for path, pixels in zip(paths, images, strict=True):
        Image.fromarray(pixels).save(path)
    measures = ["brightness", "contrast", "sharpness", "width", "height"]
    of_files = avhcurate.quality([*paths, tmp_path / "none.png"]).table
    np.testing.assert_array_equal(of_files[measures][:6], found.table[measures][:6])
    assert of_files["flaw"].iloc[-1] == "broken"


def test_embeddings_find_copies_that_look_otherwise_and_limits_are_the_callers(images):
    features = np.random.default_rng(0).normal(size=(6, 64))
    features[4] = features[2] * 1.001
    found = avhcurate.quality(images, features, near=0.99, upright=True, limits={"tiny": 9999})
    assert found.table["group"].tolist() == [0, 0, 1, 0, 1, 0]
    assert found.copies.similarity == 0.99
    assert found.copies.nearest[2] == pytest.approx(1)
    assert set(found.table["flaw"]) == {"tiny"}


def test_embeddings_of_other_images_are_refused(images):
    with refused("features", 6):
        avhcurate.quality(images, np.ones((5, 2)))
