"""The trainer: what it learns, what repeats to the bit, what it refuses."""

import copy
import os
import socket
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD

from avhcurate import scores
from avhcurate.errors import CurateError
from avhcurate.networks.models.loading import ModelSpec, load_model
from avhcurate.networks.training.checkpoints import read_checkpoint, save_weights
from avhcurate.networks.training.evaluation import accuracy
from avhcurate.networks.training.images import normalise
from avhcurate.networks.training.recipe import Recipe
from avhcurate.networks.training.trainer import train
from tests.fakes.refusals import refused
from tests.fakes.trainer import PLAIN, Wavering, bits, linear, stripes, wavering


def test_training_learns_what_tells_the_classes_apart():
    evaluations, module = [], linear()
    returned = train(module, stripes(), PLAIN, held_out=stripes(), device="cpu", on_eval=evaluations.append)
    assert returned is module
    assert not module.training
    assert [one.epoch for one in evaluations] == [1, 2, 3, 4, 5]
    assert [one.step for one in evaluations] == [5, 10, 15, 20, 25]
    assert evaluations[-1].train_loss < evaluations[0].train_loss
    assert evaluations[-1].accuracy == evaluations[-1].train_accuracy == accuracy(module, stripes()) == 1.0


def test_one_step_is_nesterov_sgd_by_hand():
    """Against torch's own optimizer on the whole data as one batch, at the rates of the schedule."""
    data = stripes()
    recipe = replace(PLAIN, epochs=3, batch_size=40, drops=(2,), learning_rate=0.2)
    module, other = linear(), linear()
    train(module, data, recipe, device="cpu")
    optimizer = SGD(other.parameters(), lr=0.2, momentum=0.9, weight_decay=5e-4, nesterov=True)
    pixels = normalise(data.images, torch.tensor(data.mean), torch.tensor(data.std))
    for rate in (0.2, 0.2, 0.02):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        nn.functional.cross_entropy(other(pixels), data.labels).backward()
        optimizer.step()
    torch.testing.assert_close(module[1].weight, other[1].weight)


def test_order_augmentation_and_dropout_come_from_the_seed_alone(digit_halves):
    known, _ = digit_halves
    recipe = Recipe(epochs=1, batch_size=100, crop_padding=1, seed=3)
    found = []
    for draws, seed in ((0, 3), (17, 3), (0, 4)):
        module = wavering()
        torch.rand(draws)
        before = torch.get_rng_state()
        found.append(bits(train(module, known, replace(recipe, seed=seed), device="cpu")))
        assert torch.equal(torch.get_rng_state(), before)
    assert found[0] == found[1] != found[2]


def test_held_out_samples_never_enter_a_batch(digit_halves):
    """Labels that no batch may hold would fail the loss, and their pixels are not seen in training mode."""
    known, held = digit_halves
    marked = replace(held, images=torch.full_like(held.images, 255))
    seen = []

    class Watching(Wavering):
        def forward(self, x):
            seen.append((self.training, float(x.min())))
            return super().forward(x)

    train(Watching(), known, Recipe(epochs=1, crop_padding=0), held_out=marked, device="cpu")
    brightest = (1 - held.mean[0]) / held.std[0]
    resting = [least for training, least in seen if not training]
    assert all(least < brightest - 0.1 for training, least in seen if training)
    assert any(least == pytest.approx(brightest, abs=1e-4) for least in resting)


def test_evaluations_are_the_scores_of_the_network_as_it_then_is(digit_halves, digits_net):
    known, held = digit_halves
    evaluations = []
    recipe = Recipe(epochs=2, batch_size=64, crop_padding=1, flip=False, learning_rate=0.05)
    module = train(digits_net(), known, recipe, held_out=held, device="cpu", early=(0, 0.5), on_eval=evaluations.append)
    assert [one.step for one in evaluations] == [0, 8, 15, 30]
    assert evaluations[0].train_loss is None
    assert evaluations[0].accuracy == pytest.approx(accuracy(digits_net(), held))
    features = []
    module.head.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    with torch.inference_mode():
        mean, std = torch.tensor(held.mean), torch.tensor(held.std)
        logits = module(normalise(held.images, mean, std))
    weights = module.head.weight.detach()
    expected = scores.per_sample(features[0].numpy(), weights.numpy(), logits.numpy(), held.labels.numpy())
    for key in ("loss", "confidence", "margin", "avh", "norm", "el2n"):
        np.testing.assert_allclose(evaluations[-1].samples[key], expected[key], rtol=1e-4, atol=1e-5)
    assert (evaluations[-1].samples["correct"] == (logits.argmax(1) == held.labels).numpy()).all()


def test_a_fast_recipe_ends_with_the_average_also_of_buffers(digit_halves):
    known, _ = digit_halves
    recipe = Recipe(epochs=1, batch_size=300, crop_padding=0, learning_rate=0.0)
    plain = train(wavering(), known, recipe, device="cpu")
    averaged = train(wavering(), known, replace(recipe, fast=True), device="cpu")
    assert not torch.equal(plain.norm.running_mean, averaged.norm.running_mean)
    assert int(averaged.norm.num_batches_tracked) == 3


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["avh", "cosine"])
def test_losses_on_directions_train_the_digits(digit_halves, digits_net, loss, tmp_path):
    known, held = digit_halves
    evaluations = []
    recipe = Recipe(epochs=6, batch_size=64, learning_rate=0.05, crop_padding=1, flip=False, loss=loss, clip=1.0)
    module = train(digits_net(), known, recipe, held_out=held, device="cpu", on_eval=evaluations.append)
    assert evaluations[-1].accuracy >= 0.9
    # The network alone, whose logits know nothing of the loss, ranks as the angles do: no bias, equal lengths.
    assert accuracy(module, held) == evaluations[-1].accuracy
    assert torch.equal(module.head.bias, torch.zeros(10))
    torch.testing.assert_close(module.head.weight.norm(dim=1), torch.ones(10))
    save_weights(module, tmp_path / "weights.safetensors")
    loaded = load_model(ModelSpec(name="avhcurate:digits", weights=tmp_path / "weights.safetensors"))
    assert not loaded.bias.any()


def test_a_loss_that_is_no_number_ends_training_with_epoch_and_step_and_what_to_lower(tmp_path):
    file = tmp_path / "c.pt"
    with refused("epoch 1", "step 0", "now 0"):
        train(linear(), replace(stripes(), std=(0.0,)), PLAIN, device="cpu")
    wild = replace(PLAIN, learning_rate=1e6, weight_decay=1e3, drops=(49,), epochs=50)
    with pytest.raises(CurateError, match=r"in epoch \d+, step \d. Lower the learning rate"):
        train(linear(), stripes(), wild, device="cpu", checkpoint=file, checkpoint_seconds=0.0)
    assert all(tensor.isfinite().all() for tensor in read_checkpoint(file)["learner"].values())


def test_a_frozen_body_keeps_every_bit_its_statistics_too(digit_halves, digits_net):
    known, _ = digit_halves
    module = digits_net()
    before = copy.deepcopy(module.state_dict())
    train(module, known, Recipe(epochs=1, crop_padding=0, freeze=True), device="cpu")
    moved = {name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"head.weight", "head.bias"}


def test_a_head_that_is_a_pointwise_convolution_trains_and_keeps_its_names():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 4, 2, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 2, 1), nn.Flatten())
    names = list(module.state_dict())
    data, evaluations = stripes(), []
    recipe = replace(PLAIN, epochs=3, loss="avh", clip=1.0)
    train(module, data, recipe, held_out=data, device="cpu", on_eval=evaluations.append)
    assert list(module.state_dict()) == names
    assert evaluations[-1].accuracy == accuracy(module, data)


def test_a_network_without_a_linear_head_and_too_few_samples_are_refused():
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.ReLU())
    with pytest.raises(CurateError, match="linear"):
        train(module, stripes(), PLAIN, device="cpu")
    with refused(1, 2):
        train(linear(), stripes(1), PLAIN, device="cpu")


#: What `torchrun` would start twice; the first process trains alone before it joins.
PARALLEL = """
    import os, sys
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    from avhcurate.workspace.disk.jobs import Cancelled, Progress
    from avhcurate.networks.training.distributed import joined
    from avhcurate.networks.training.recipe import Recipe
    from avhcurate.networks.training.trainer import train
    from tests.fakes.trainer import first_digits

    pictures = first_digits(100)

    def run(checkpoint, stop, evaluations):
        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        recipe = Recipe(epochs=2, batch_size=50, crop_padding=1, loss="avh", clip=1.0)
        return train(module, pictures, recipe, held_out=pictures, device="cpu", early=(0,),
                     on_eval=evaluations.append, checkpoint=checkpoint, progress=Progress(should_stop=lambda: stop))

    def work(folder, leads):
        evaluations = []
        whole = run(folder / "whole.pt", False, evaluations)
        assert [one.step for one in evaluations] == ([0, 2, 4] if leads else [])
        try:
            run(folder / "cut.pt", leads, [])
            raise AssertionError("not cancelled")
        except Cancelled:
            pass
        again = run(folder / "cut.pt", False, [])
        for one, two in zip(whole.parameters(), again.parameters(), strict=True):
            assert torch.equal(one, two)
        if leads:
            torch.save({key: torch.from_numpy(v) for key, v in evaluations[-1].samples.items()}, folder / "last.pt")

    folder, leads = Path(sys.argv[1]), os.environ["RANK"] == "0"
    if leads:
        os.environ["WORLD_SIZE"] = "1"
        evaluations = []
        run(folder / "alone.pt", False, evaluations)
        torch.save({key: torch.from_numpy(v) for key, v in evaluations[-1].samples.items()}, folder / "first.pt")
        os.environ["WORLD_SIZE"] = "2"
    with joined():  # one group for all: a second one might find the first one's port not free yet
        work(folder, leads)
"""


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path):
    """The same batches and augmentation, and so nearly the same weights."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    # Processes of their own, as torchrun makes them: one that is forked may find torch's threads locked for ever.
    running = []
    for rank in ("0", "1"):
        numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2"}
        command = [sys.executable, "-c", textwrap.dedent(PARALLEL), str(tmp_path)]
        running.append(subprocess.Popen(command, env={**os.environ, **place, **numbers}))
    try:
        assert [process.wait(timeout=300) for process in running] == [0, 0]
    finally:
        for process in running:
            process.kill()
    alone, pair = (torch.load(tmp_path / name) for name in ("first.pt", "last.pt"))
    for key in ("avh", "norm", "loss", "margin"):
        torch.testing.assert_close(alone[key], pair[key], rtol=1e-3, atol=1e-4)
    assert len(pair["correct"]) == 100
