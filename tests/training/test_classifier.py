"""Fitting images held in memory: what moves, what repeats, what is refused."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from torch import nn

from avhcurate.training.classifier import Recipe, accuracy, augment, fit, normalise, one_cycle, save_weights

MEAN, STD = torch.tensor([0.5]), torch.tensor([0.25])


def stripes(n=40):
    """Images of a bright left or right half, one class each."""
    labels = torch.arange(n) % 2
    images = torch.zeros(n, 1, 4, 4, dtype=torch.uint8)
    images[labels == 0, :, :, :2] = 200
    images[labels == 1, :, :, 2:] = 200
    return images, labels


def linear(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 2))


PLAIN = Recipe(epochs=5, batch_size=8, crop_padding=0, flip=False)


def test_fitting_learns_what_tells_the_classes_apart():
    images, labels = stripes()
    module, epochs = linear(), []
    fit(module, images, labels, PLAIN, mean=MEAN, std=STD, held_out=(images, labels), on_epoch=epochs.append)
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5]
    assert epochs[-1].loss < epochs[0].loss
    assert epochs[-1].accuracy == accuracy(module, images, labels, mean=MEAN, std=STD) == 1.0


def test_fitting_follows_the_type_of_the_module():
    images, labels = stripes()
    module = linear().double()
    fit(module, images, labels, PLAIN, mean=MEAN.double(), std=STD.double())
    assert module[1].weight.dtype == torch.float64


def test_order_and_augmentation_come_from_the_seed_alone():
    images, labels = stripes()
    recipe = Recipe(epochs=2, batch_size=8, crop_padding=1, flip=True, seed=3)
    weights = []
    for draws in (0, 17):
        module = linear()
        torch.rand(draws)
        fit(module, images, labels, recipe, mean=MEAN, std=STD)
        weights.append(module[1].weight)
    assert torch.equal(*weights)


def test_a_loss_that_is_no_number_ends_training_with_epoch_and_step():
    images, labels = stripes()
    with pytest.raises(FloatingPointError, match="epoch 1, step 0"):
        fit(linear(), images, labels, PLAIN, mean=MEAN, std=torch.tensor([0.0]))


def test_the_rate_rises_and_falls_to_nothing():
    rates = [one_cycle(step / 100, 0.2) for step in range(101)]
    assert max(rates) == rates[20] == 1
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[100] == 0


def test_crops_move_an_image_by_at_most_the_padding_and_mirrors_keep_its_pixels():
    image = torch.zeros(200, 1, 5, 5, dtype=torch.uint8)
    image[:, :, 2, 1] = 9
    generator = torch.Generator().manual_seed(0)
    moved = augment(image, Recipe(epochs=1, crop_padding=1, flip=False), generator)
    assert {tuple(where[2:]) for where in moved.nonzero().tolist()} == {(r, c) for r in (1, 2, 3) for c in (0, 1, 2)}
    flipped = augment(image, Recipe(epochs=1, crop_padding=0, flip=True), generator)
    assert {tuple(where[2:]) for where in flipped.nonzero().tolist()} == {(2, 1), (2, 3)}
    assert len(flipped.nonzero()) == 200


def test_normalised_pixels_are_in_units_of_the_deviation():
    pixels = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1)
    assert normalise(pixels, MEAN, STD).flatten().tolist() == [-2, 2]


SAVE = """
import sys, torch
from pathlib import Path
from avhcurate.training.classifier import save_weights
torch.manual_seed(0)
module = torch.nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last)
save_weights(module, Path(sys.argv[1]), {name: name for name in "hgfedcba"})
"""


def test_equal_weights_give_equal_files_in_every_process(tmp_path):
    files = [tmp_path / name for name in ("one", "two")]
    for file in files:
        subprocess.run([sys.executable, "-c", SAVE, str(file)], check=True)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_saved_weights_are_safetensors_with_their_metadata(tmp_path):
    module, file = nn.Linear(3, 2), tmp_path / "new folder" / "weights.safetensors"
    save_weights(module, file, {"versions": json.dumps({"torch": "2"}), "name": "läufer"})
    with safe_open(file, "pt") as saved:
        assert saved.metadata() == {"versions": '{"torch": "2"}', "name": "läufer"}
        assert torch.equal(saved.get_tensor("weight"), module.weight)
        assert torch.equal(saved.get_tensor("bias"), module.bias)
    assert int.from_bytes(file.read_bytes()[:8], "little") % 8 == 0
    assert [path.name for path in file.parent.iterdir()] == ["weights.safetensors"]
