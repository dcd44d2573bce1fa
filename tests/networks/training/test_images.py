"""LabelledImages and what chance does to them."""

import numpy as np
import torch
import torch.nn.functional as F

from avhcurate.networks.training.images import (
    Augmentation,
    LabelledImages,
    augment,
    draw_augmentation,
    mirrored_in_turn,
)
from avhcurate.networks.training.recipe import Recipe


def augmented(images, recipe, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return augment(images, recipe, draw_augmentation(len(images), recipe, generator))


def test_crops_move_an_image_by_at_most_the_padding_and_mirrors_keep_its_pixels():
    image = torch.zeros(200, 1, 5, 5, dtype=torch.uint8)
    image[:, :, 2, 1] = 9
    moved = augmented(image, Recipe(epochs=1, crop_padding=1, flip=False))
    assert {tuple(where[2:]) for where in moved.nonzero().tolist()} == {(r, c) for r in (1, 2, 3) for c in (0, 1, 2)}
    flipped = augmented(image, Recipe(epochs=1, crop_padding=0, flip=True))
    assert {tuple(where[2:]) for where in flipped.nonzero().tolist()} == {(2, 1), (2, 3)}
    assert len(flipped.nonzero()) == 200


def test_a_part_of_the_draws_gives_that_part_of_the_batch():
    images = torch.randint(0, 256, (9, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    recipe = Recipe(epochs=1, crop_padding=2)
    draws = draw_augmentation(9, recipe, torch.Generator().manual_seed(2))
    own = slice(1, None, 3)
    assert torch.equal(augment(images, recipe, draws)[own], augment(images[own], recipe, draws.part(own)))


def test_rows_of_a_mapped_array_are_the_pictures(tmp_path):
    stored = np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, (5, 2, 2, 3))
    stored[:] = np.arange(60).reshape(stored.shape)
    labels, rows = np.array([7, 8, 9]), np.array([4, 0, 2])
    pictures = LabelledImages(stored.transpose(0, 3, 1, 2), labels, (0.5,) * 3, (1.0,) * 3, rows)
    assert len(pictures) == 3
    assert pictures.shape == (3, 2, 2)
    taken = pictures.take(torch.tensor([1, 0]))
    assert torch.equal(taken[0], torch.arange(12, dtype=torch.uint8).reshape(2, 2, 3).permute(2, 0, 1))
    assert int(taken[1, 0, 0, 0]) == 48
    part = pictures.part(np.array([2]))
    assert part.labels_of(torch.tensor([0])).tolist() == [9]
    assert int(part.take(torch.tensor([0]))[0, 0, 0, 0]) == 24


def test_crops_beyond_the_edge_show_its_mirror_image():
    recipe = Recipe(epochs=1, crop_padding=2, fast=True, flip=False)
    images = torch.arange(36, dtype=torch.uint8).view(1, 1, 6, 6).repeat(25, 1, 1, 1)
    top, left = (axis.reshape(25, 1) for axis in torch.meshgrid(torch.arange(5), torch.arange(5), indexing="ij"))
    padded = F.pad(images[:1].float(), (2, 2, 2, 2), mode="reflect")[0, 0]
    for crop, y, x in zip(augment(images, recipe, Augmentation(top, left)), top[:, 0], left[:, 0], strict=True):
        torch.testing.assert_close(crop[0].float(), padded[y : y + 6, x : x + 6])


def test_images_are_mirrored_in_turn():
    epochs = [mirrored_in_turn(1000, epoch, seed=1) for epoch in range(3)]
    assert 450 < int(epochs[0].sum()) < 550
    assert torch.equal(epochs[0], ~epochs[1])
    assert torch.equal(epochs[0], epochs[2])
    assert not torch.equal(epochs[0], mirrored_in_turn(1000, 0, seed=2))
