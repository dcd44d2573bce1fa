"""Trains the network of the embedded digits on half of them, to the same bits on every machine.

    python -m benchmarks.digits_network

writes the weights that come with the program.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import torch

from avhcurate.networks.models import DIGITS_WEIGHTS
from avhcurate.networks.models.own import DIGITS_MEAN, DIGITS_STD, DigitsNet
from avhcurate.networks.models.runtime import one_thread
from avhcurate.networks.training import trainer
from avhcurate.networks.training.checkpoints import save_weights
from avhcurate.networks.training.digits import SPLIT_SEED, Digits, read_digits
from avhcurate.networks.training.evaluation import accuracy
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.recipe import Recipe

EPOCHS = 30
SEED = 0


def train(digits: Digits, *, epochs: int = EPOCHS, seed: int = SEED) -> tuple[DigitsNet, dict[str, float]]:
    """Train a new DigitsNet on the "train" half; return it, float32, and its accuracy on each half.

    Two calls give the same bits. Machines round differently and training amplifies the difference: in float32 two
    machines end with different networks. In float64 the difference vanishes when the weights are rounded to float32.
    """
    images = torch.from_numpy(digits.images)[:, None]
    labels = torch.from_numpy(digits.labels)
    recipe = Recipe(epochs=epochs, batch_size=64, learning_rate=0.05, crop_padding=1, flip=False, seed=seed)
    parts = {}
    for half in ("train", "test"):
        chosen = torch.from_numpy(digits.split == half)
        parts[half] = LabelledImages(images[chosen], labels[chosen], DIGITS_MEAN, DIGITS_STD)
    with _deterministic(seed):
        module = DigitsNet()
        trainer.train(module, parts["train"], recipe, device="cpu")
        module.float()
        return module, {half: accuracy(module, part) for half, part in parts.items()}


def write(path: Path, *, epochs: int = EPOCHS, seed: int = SEED) -> dict[str, float]:
    """Train, write the weights with what made them, and return the accuracy on each half."""
    module, accuracies = train(read_digits(), epochs=epochs, seed=seed)
    metadata = {
        "made_by": f"python -m benchmarks.digits_network --epochs {epochs} --seed {seed}",
        "data": "sklearn.datasets.load_digits, half of each class",
        "split_seed": str(SPLIT_SEED),
        "versions": json.dumps({name: version(name) for name in ("numpy", "scikit-learn", "torch")}),
    }
    save_weights(module, path, metadata | {f"{half}_accuracy": f"{value:.4f}" for half, value in accuracies.items()})
    return accuracies


@contextmanager
def _deterministic(seed: int) -> Iterator[None]:
    """One thread, deterministic kernels, float64 and a fixed seed; restores torch's settings at the end.

    The order in which threads add up differs with their number, and floating-point sums with it.
    """
    kind = torch.get_default_dtype()
    strict = torch.are_deterministic_algorithms_enabled()
    try:
        torch.use_deterministic_algorithms(True)
        torch.set_default_dtype(torch.float64)
        with one_thread(seed=seed):
            yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_default_dtype(kind)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the digits network and save its weights as safetensors.")
    parser.add_argument(
        "--out", type=Path, default=DIGITS_WEIGHTS, help="file of the weights [default: the committed one]"
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()

    accuracies = write(arguments.out, epochs=arguments.epochs, seed=arguments.seed)
    print(f"right: {accuracies['train']:.2%} of the training half, {accuracies['test']:.2%} of the other")
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
