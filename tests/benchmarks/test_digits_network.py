"""The embedded network: its data, its training, and the weights in the repository."""

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from avhcurate.networks.models import DIGITS_WEIGHTS
from avhcurate.networks.models.own import DIGITS_MEAN, DIGITS_STD, DigitsNet
from avhcurate.networks.training.digits import read_digits
from benchmarks.digits_network import main, train, write


@pytest.fixture(scope="module")
def digits():
    return read_digits()


@pytest.fixture(scope="module")
def committed():
    module = DigitsNet()
    module.load_state_dict(load_file(DIGITS_WEIGHTS))
    return module.eval()


def share_right(module, digits, half):
    chosen = digits.split == half
    pixels = (torch.from_numpy(digits.images[chosen])[:, None] / 255 - DIGITS_MEAN[0]) / DIGITS_STD[0]
    with torch.inference_mode():
        return float((module(pixels).argmax(1).numpy() == digits.labels[chosen]).mean())


def test_the_split_is_the_documented_one_and_its_training_half_normalises_pixels(digits):
    """Weights are committed for these very halves: what they held out must stay held out."""
    assert np.flatnonzero(digits.split == "test")[:12].tolist() == [0, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 17]
    pixels = digits.images[digits.split == "train"] / 255
    assert (pixels.mean(), pixels.std()) == pytest.approx((DIGITS_MEAN[0], DIGITS_STD[0]), abs=1e-3)


def test_committed_weights_are_small_and_read_held_out_digits(committed, digits):
    assert DIGITS_WEIGHTS.stat().st_size < 1_000_000
    with safe_open(DIGITS_WEIGHTS, "pt") as file:
        said = file.metadata()
    for half in ("train", "test"):
        assert share_right(committed, digits, half) == pytest.approx(float(said[f"{half}_accuracy"]), abs=1e-4)
    assert share_right(committed, digits, "test") >= 0.98


def test_angles_of_the_committed_network_pass_ninety_degrees(committed, digits):
    with torch.inference_mode():
        features = []
        hook = committed.embed.register_forward_hook(lambda module, inputs, output: features.append(output))
        committed((torch.from_numpy(digits.images)[:, None] / 255 - DIGITS_MEAN[0]) / DIGITS_STD[0])
        hook.remove()
        cosines = torch.cosine_similarity(features[0][:, None], committed.head.weight, dim=2)
    assert features[0].shape == (1797, 64)
    assert (cosines < 0).float().mean() > 0.3


def test_training_twice_writes_the_same_bytes_and_leaves_torch_as_it_was(tmp_path, monkeypatch, capsys):
    before = torch.get_num_threads(), torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(5)
    files = [tmp_path / "one", tmp_path / "two"]
    monkeypatch.setattr("sys.argv", ["digits", "--epochs", "1", "--out", str(files[0])])
    main()
    assert str(files[0]) in capsys.readouterr().out
    write(files[1], epochs=1)
    drawn = torch.rand(3)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert (torch.get_num_threads(), torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled()) == before
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), drawn)
    with safe_open(files[0], "pt") as file:
        assert file.metadata()["made_by"] == "python -m benchmarks.digits_network --epochs 1 --seed 0"
        head = file.get_tensor("head.weight")
    assert not torch.equal(head, train(read_digits(), epochs=1, seed=1)[0].head.weight)
