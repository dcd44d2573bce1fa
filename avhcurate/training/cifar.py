"""Trains a CIFAR ResNet on Parquet files with image bytes: `python -m avhcurate.training.cifar --help`."""

import argparse
from pathlib import Path

import pyarrow.parquet as pq
import torch
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image

from avhcurate.models.cifar import DEPTHS, MEAN, STD, CifarResNet
from avhcurate.models.runtime import cure_allocator
from avhcurate.training.classifier import Epoch, Recipe, fit, save_weights


def read_images(path: Path) -> tuple[Tensor, Tensor]:
    """Images (N, 3, 32, 32) uint8 and labels (N,) int64 of a Parquet file in the Hugging Face layout."""
    table = pq.read_table(path, columns=["image", "label"])
    encoded = table["image"].combine_chunks().field("bytes")
    decoded = [
        decode_image(torch.frombuffer(bytearray(b.as_py()), dtype=torch.uint8), ImageReadMode.RGB) for b in encoded
    ]
    return torch.stack(decoded), torch.from_numpy(table["label"].to_numpy().astype("int64"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a CIFAR ResNet and save its weights as safetensors.")
    parser.add_argument("--train", type=Path, required=True, help="Parquet file of training images")
    parser.add_argument(
        "--test", type=Path, required=True, help="Parquet file of held-out images, for the accuracy only"
    )
    parser.add_argument("--out", type=Path, required=True, help="where the weights go (.safetensors)")
    parser.add_argument("--depth", type=int, default=20, choices=DEPTHS)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    cure_allocator()
    torch.manual_seed(arguments.seed)
    module = CifarResNet(arguments.depth)
    recipe = Recipe(epochs=arguments.epochs, seed=arguments.seed, precision=torch.bfloat16)

    def report(epoch: Epoch) -> None:
        print(
            f"epoch {epoch.number:3d}  loss {epoch.loss:.4f}  held out {epoch.accuracy:.4f}  {epoch.seconds:.0f} s",
            flush=True,
        )
        save_weights(module, arguments.out, {"epoch": str(epoch.number), "accuracy": f"{epoch.accuracy:.4f}"})

    images, labels = read_images(arguments.train)
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    fit(module, images, labels, recipe, mean=mean, std=std, held_out=read_images(arguments.test), on_epoch=report)


if __name__ == "__main__":
    main()
