"""The recipe `cifar-fast`: rates of biases, a first layer from the data, resuming to the bit, the command."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import Cancelled, Progress
from avhcurate.models.own import CifarFast
from avhcurate.training.images import LabelledImages, normalise
from avhcurate.training.recipe import RECIPES, Recipe, as_numbers
from avhcurate.training.trainer import train

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
    """One step by hand: the bias moves by `bias_rate` times the rate, and all shrink by the same share."""
    data = halves(side=2)
    torch.manual_seed(0)
    module = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2))
    nn.init.constant_(module[0].bias, 0.5)
    before = copy.deepcopy(module).train()
    pixels = normalise(data.images, torch.tensor(data.mean), torch.tensor(data.std))
    nn.functional.cross_entropy(before(pixels), data.labels).backward()
    recipe = Recipe(
        epochs=1, batch_size=40, schedule="constant", momentum=0, weight_decay=0.1, bias_rate=8, crop_padding=0
    )
    train(module, data, replace(recipe, flip=False), device="cpu")
    for name, times in (("0.bias", 8), ("0.weight", 1), ("2.bias", 1)):
        old = before.get_parameter(name)
        expected = old * (1 - recipe.learning_rate * recipe.weight_decay) - times * recipe.learning_rate * old.grad
        torch.testing.assert_close(module.get_parameter(name), expected)


def test_a_training_cut_short_resumes_to_the_same_bits(tmp_path):
    data, recipe = halves(), replace(FAST, epochs=3, batch_size=10)
    whole = train(narrow(), data, recipe, device="cpu")
    steps, file = 0, tmp_path / "training.checkpoint"

    def should_stop():
        nonlocal steps
        steps += 1
        return steps in (3, 6)

    for _ in range(2):
        with pytest.raises(Cancelled):
            train(narrow(), data, recipe, device="cpu", checkpoint=file, progress=Progress(should_stop=should_stop))
    cut = train(narrow(), data, recipe, device="cpu", checkpoint=file)
    resumed = cut.state_dict()
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.state_dict().items())


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


def test_the_command_trains_by_the_recipe_but_for_what_is_given(cli, tmp_path):
    rng = np.random.default_rng(0)
    for name, tone in (("dark", 40), ("light", 200), ("mid", 120)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(10):
            pixels = np.clip(rng.normal(tone, 30, (20, 20, 3)), 0, 255).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    space = ("--workspace", tmp_path / "space")
    assert cli("import", "photos", tmp_path / "photos", *space)[0] == 0
    given = ("--epochs", "1", "--batch-size", "9", "--label-smoothing", "0", "--early", "none", "--device", "cpu")
    code, _, error = cli("train", "photos", "--recipe", "cifar-fast", *given, *space)
    assert code == 0, error
    (training,) = Workspace(tmp_path / "space").dataset("photos").trainings()
    assert training.record.model == "avhcurate:cifar-fast"
    expected = as_numbers(replace(FAST, epochs=1, batch_size=9, label_smoothing=0))
    assert {key: training.record.recipe.get(key) for key in expected} == expected
    code, _, error = cli("train", "photos", *space)
    assert code == 2
    assert "which network? Give --model, or --recipe cifar-fast" in error
