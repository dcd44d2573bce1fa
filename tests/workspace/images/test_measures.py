"""Measures of pixels against independent formulas, and the hash against imagehash."""

import math

import numpy as np
import pytest
from PIL import Image, ImageFilter

from avhcurate.workspace.images.decoding import square_luma
from avhcurate.workspace.images.measures import MEASURES, PROXIES
from avhcurate.workspace.images.pixels import HASH_SIDE, TURNS, measure_pixels, perceptual_hashes


def photo(seed=0, side=64):
    """Smooth patches of colour with edges between them, as photographs have."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))


def blurred(rgb, radius):
    return np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(radius)))


def grey_of(rgb):
    return square_luma(Image.fromarray(rgb), HASH_SIDE)


def hash_of(grey):
    return int(perceptual_hashes(grey[None])[0, 0])


def test_measures_are_what_their_formulas_say_pixel_by_pixel():
    rgb = photo(side=12)
    luma = [[(0.299 * r + 0.587 * g + 0.114 * b) / 255 for r, g, b in row] for row in rgb.tolist()]
    flat = [value for row in luma for value in row]
    mean = sum(flat) / len(flat)

    def at(y, x):
        return 255 * luma[min(max(y, 0), 11)][min(max(x, 0), 11)]

    laplacian = [
        at(y - 1, x) + at(y + 1, x) + at(y, x - 1) + at(y, x + 1) - 4 * at(y, x) for y in range(12) for x in range(12)
    ]
    middle = sum(laplacian) / 144
    levels = [round(255 * value) for value in flat]
    shares = [levels.count(level) / 144 for level in set(levels)]
    expected = {
        "brightness": mean,
        "contrast": math.sqrt(sum((value - mean) ** 2 for value in flat) / 144),
        "sharpness": math.log10(1 + sum((value - middle) ** 2 for value in laplacian) / 144),
        "information": -sum(share * math.log2(share) for share in shares),
        "colour": sum(max(p) - min(p) for row in rgb.tolist() for p in row) / 144 / 255,
    }
    # Of many images at once, and in parts, each has what it has alone.
    images = [photo(seed, side=12) for seed in range(1, 500)] + [rgb]
    together = measure_pixels(images)
    assert {key: values[-1] for key, values in together.items()} == pytest.approx(expected)
    assert {key: values[7] for key, values in together.items()} == pytest.approx(
        {key: values[0] for key, values in measure_pixels(images[7:8]).items()}, rel=1e-12
    )
    assert set(expected) == set(PROXIES) < set(MEASURES)


def test_a_hash_survives_what_leaves_the_picture_and_tells_others_apart():
    pictures = [photo(seed) for seed in range(20)]
    hashes = [hash_of(grey_of(rgb)) for rgb in pictures]

    def bits(rgb, number):
        return (hash_of(grey_of(rgb)) ^ hashes[number]).bit_count()

    for number, rgb in enumerate(pictures):
        brighter = np.clip(rgb * 1.1 + 5, 0, 255).astype(np.uint8)
        larger = np.asarray(Image.fromarray(rgb).resize((150, 150), Image.Resampling.BICUBIC))
        assert max(bits(brighter, number), bits(larger, number), bits(blurred(rgb, 1), number)) <= 4
    apart = [(a ^ b).bit_count() for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(apart) > 10


def test_hashes_of_the_attitudes_are_those_of_the_image_laid_down_so():
    grey = grey_of(photo(3))
    laid = {
        "mirrored": np.fliplr(grey),
        "flipped": np.flipud(grey),
        "turned_180": np.rot90(grey, 2),
        "transposed": grey.T,
        "turned_90": np.rot90(grey),
        "transversed": np.rot90(grey, 2).T,
    }
    hashes = perceptual_hashes(np.stack([grey, np.rot90(grey)]))
    assert hashes[0, 1:].tolist() == [hash_of(laid[turn]) for turn in TURNS]
    assert hashes[1, 1 + TURNS.index("turned_180")] == hash_of(np.rot90(grey, 3))


def test_the_hash_is_imagehashs_to_the_bit():
    imagehash = pytest.importorskip("imagehash")  # an independent check, no more
    for seed in range(10):
        rgb = photo(seed)
        expected = int(str(imagehash.phash(Image.fromarray(rgb))), 16)
        assert hash_of(grey_of(rgb)) == expected
