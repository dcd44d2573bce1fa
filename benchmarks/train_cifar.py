"""Train a CIFAR ResNet on Parquet files with image bytes: `python -m benchmarks.train_cifar --help`."""

import argparse
from pathlib import Path

import pyarrow.parquet as pq
import torch
from torchvision.io import ImageReadMode, decode_image

from avhcurate.networks.models.own import CIFAR_DEPTHS, CIFAR_MEAN, CIFAR_STD, CifarResNet
from avhcurate.networks.training.checkpoints import save_weights
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.recipe import Recipe
from avhcurate.networks.training.trainer import train
from avhcurate.workspace.data.trainings import EpochEval


def read_images(path: Path) -> LabelledImages:
    """Return images (N, 3, 32, 32) and labels of a Parquet file in the Hugging Face layout."""
    table = pq.read_table(path, columns=["image", "label"])
    encoded = table["image"].combine_chunks().field("bytes")
    decoded = [
        decode_image(torch.frombuffer(bytearray(b.as_py()), dtype=torch.uint8), ImageReadMode.RGB) for b in encoded
    ]
    labels = torch.from_numpy(table["label"].to_numpy().astype("int64"))
    return LabelledImages(torch.stack(decoded), labels, CIFAR_MEAN, CIFAR_STD)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a CIFAR ResNet and save its weights as safetensors.")
    parser.add_argument("--train", type=Path, required=True, help="Parquet file of training images")
    parser.add_argument("--test", type=Path, required=True, help="Parquet file of held-out images to evaluate on")
    parser.add_argument("--out", type=Path, required=True, help="file to write the weights to (.safetensors)")
    parser.add_argument("--depth", type=int, default=20, choices=CIFAR_DEPTHS)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    module = CifarResNet(arguments.depth)
    recipe = Recipe(epochs=arguments.epochs, seed=arguments.seed, precision="bfloat16")
    evaluations: list[EpochEval] = []

    def report(evaluation: EpochEval) -> None:
        evaluations.append(evaluation)
        print(
            f"epoch {evaluation.epoch:3.0f}  loss {evaluation.train_loss:.4f}  held out {evaluation.accuracy:.4f}  "
            f"{evaluation.seconds:.0f} s",
            flush=True,
        )

    train(
        module,
        read_images(arguments.train),
        recipe,
        held_out=read_images(arguments.test),
        device=arguments.device,
        on_eval=report,
        checkpoint=arguments.out.with_suffix(".checkpoint"),
    )
    save_weights(module, arguments.out, {"epochs": str(recipe.epochs), "accuracy": f"{evaluations[-1].accuracy:.4f}"})
    arguments.out.with_suffix(".checkpoint").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
