"""The recipe `cifar-fast`: rates of biases, a first layer from the data, resuming, the command."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from avhcurate.networks.models.own import CifarFast
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.learner import make_learner, parameter_groups
from avhcurate.networks.training.recipe import RECIPES, Recipe, as_numbers
from avhcurate.networks.training.trainer import train
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.datasets import add_dataset

FAST = RECIPES["cifar-fast"].recipe


def halves(n=40, side=16):
    """LabelledImages of a bright left or right half on some noise, one class each."""
    labels = torch.arange(n) % 2
    images = torch.randint(0, 60, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images[labels == 0, :, :, : side // 2] += 150
    images[labels == 1, :, :, side // 2 :] += 150
    return LabelledImages(images, labels, (0.5,) * 3, (0.25,) * 3)


def narrow(seed=0):
    torch.manual_seed(seed)
    return CifarFast(2, (24, 24, 24))


def test_biases_of_norms_learn_faster_with_as_much_decay():
    recipe = Recipe(epochs=1, weight_decay=0.1, fast=True)
    learner = make_learner(narrow(), halves(), recipe)
    usual, quick = parameter_groups(learner, recipe)
    norms = [layer for layer in learner.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert [id(bias) for bias in quick["params"]] == [id(norm.bias) for norm in norms]
    assert quick["rate"] * quick["weight_decay"] == pytest.approx(0.1)
    assert (usual["rate"], quick["rate"]) == (1, 64)


def test_the_first_layer_is_taken_from_the_images_once():
    """Weights that have one, as those of a file to start from, keep it."""
    data, recipe, module = halves(), replace(FAST, epochs=1, batch_size=20), narrow()
    drawn = module.filters.clone()
    train(module, data, recipe, device="cpu")
    assert module.fitted
    taken = module.filters.clone()
    assert not torch.equal(taken, drawn)
    train(module, replace(data, images=255 - data.images), recipe, device="cpu")
    assert torch.equal(module.filters, taken)


@pytest.mark.slow
def test_the_command_trains_by_the_recipe_but_for_what_is_given(cli, tmp_path):
    rng = np.random.default_rng(0)
    photos = {
        f"{name}/{number}.png": np.clip(rng.normal(tone, 30, (20, 20, 3)), 0, 255).astype("uint8")
        for name, tone in {"dark": 40, "light": 200, "mid": 120}.items()
        for number in range(10)
    }
    add_dataset(Workspace(tmp_path / "space"), tmp_path, photos, "photos")
    space = ("--workspace", tmp_path / "space")
    given = ("--epochs", "1", "--batch-size", "9", "--device", "cpu")
    code, _, error = cli("train", "photos", "--recipe", "cifar-fast", *given, *space)
    assert code == 0, error
    (training,) = Workspace(tmp_path / "space").dataset("photos").trainings()
    assert training.record.model == "avhcurate:cifar-fast"
    expected = as_numbers(replace(FAST, epochs=1, batch_size=9).for_images(3, 32))
    assert {key: training.record.recipe.get(key) for key in expected} == expected
    code, _, error = cli("train", "photos", *space)
    assert code == 2
    assert "Use --model, or --recipe cifar-fast" in error
