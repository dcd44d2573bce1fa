"""When does an angle follow people better than softmax? `python -m benchmarks.when_angles --help`.

    python -m benchmarks.when_angles --train cifar10_train.parquet --test cifar10h_test.parquet --out when_angles
    python -m benchmarks.when_angles --test cifar10h_test.parquet --out when_angles --report

Trains `NETWORKS`, and `FACTORS`, each of which differs from one network in one thing, with each seed in turn. The test
images are evaluated after every epoch and never trained on. A training leaves its outputs (.npz) and what the tables
need of it (.json), so the same command goes on where it was stopped, also within a training and where only the .json
files are left, as in `benchmarks/records`; `--minutes` stops it, and it returns 0 when all is done.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.parquet as pq
import torch
from pydantic import BaseModel
from torch import Tensor, nn

from avhcurate.data.trainings import EpochEval
from avhcurate.disk.files import replacing
from avhcurate.disk.jobs import Progress
from avhcurate.models.own import CifarFast, Cnn9, VggSmall
from avhcurate.stats.epoch_scores import NEEDED
from avhcurate.training.images import LabelledImages
from avhcurate.training.losses import AVHLoss, CosineLoss
from avhcurate.training.recipe import RECIPES, Recipe
from avhcurate.training.trainer import train
from benchmarks.resumable import add_results, processor_time, run_until, say, settle
from benchmarks.train_cifar import read_images

FAST = replace(RECIPES["cifar-fast"].recipe, epochs=4)
#: For networks whose first layer is learnt, without what `cifar-fast` adds.
PLAIN = Recipe(epochs=4, batch_size=128, learning_rate=0.1, clip=1.0, precision="bfloat16")
#: What each factor is compared with.
BASE = "fast-16"


@dataclass(frozen=True)
class Study:
    """A network by what makes it for K classes, and its recipe."""

    make: Callable[[int], nn.Module]
    recipe: Recipe = FAST


def fast(width: int, *, head_bias: bool = False) -> Callable[[int], nn.Module]:
    """Makes `CifarFast` with a first block so wide and the others four times."""
    return lambda num_classes: CifarFast(num_classes, (width, 4 * width, 4 * width), head_bias=head_bias)


#: Architectures and widths.
NETWORKS = {
    "fast-64": Study(fast(64), replace(FAST, epochs=16)),
    "fast-32": Study(fast(32)),
    "fast-16": Study(fast(16)),
    "vgg-16": Study(lambda num_classes: VggSmall(num_classes, width=16), PLAIN),
    "cnn9-16": Study(lambda num_classes: Cnn9(num_classes, width=16), PLAIN),
}
#: One thing changed of `BASE`.
FACTORS = {
    "no label smoothing": Study(fast(16), replace(FAST, label_smoothing=0)),
    "AVH loss": Study(fast(16), replace(FAST, loss="avh", label_smoothing=0)),
    "cosine softmax": Study(fast(16), replace(FAST, loss="cosine", label_smoothing=0)),
    "bias in the head": Study(fast(16, head_bias=True)),
    "twice as long": Study(fast(16), replace(FAST, epochs=2 * FAST.epochs)),
    "half as long": Study(fast(16), replace(FAST, epochs=FAST.epochs // 2)),
    "no weight decay": Study(fast(16), replace(FAST, weight_decay=0)),
    "five times the weight decay": Study(fast(16), replace(FAST, weight_decay=5 * FAST.weight_decay)),
}
#: Factors whose loss is without label smoothing, so that the network without it is what they are compared with.
UNSMOOTHED = ("AVH loss", "cosine softmax")
STUDIES = NETWORKS | FACTORS


class Settings(BaseModel):
    """What decides the numbers, beside the study and the seed: the files of one folder have the same."""

    epochs: int | Literal["of each recipe"]


def file_of(out: Path, name: str, seed: int, suffix: str = ".npz") -> Path:
    """Where a training leaves its outputs and, with the suffix .json, its figures."""
    return out / f"{name.replace(' ', '-')}-seed{seed}{suffix}"


def run(
    name: str,
    seed: int,
    learnt: LabelledImages,
    held_out: LabelledImages,
    out: Path,
    *,
    epochs: int | None = None,
    progress: Progress,
) -> None:
    """One training, unless it is done: `features, class_weights, bias, logits` of the images held out, and each epoch.

    The logits are those of the loss. `evaluations` is (epochs, columns, samples) in the order of `NEEDED`.
    """
    path, study = file_of(out, name, seed), STUDIES[name]
    if path.exists():
        return
    recipe = replace(study.recipe, seed=seed, epochs=epochs or study.recipe.epochs)
    folder = path.with_suffix("")
    torch.manual_seed(seed)
    module = study.make(int(max(learnt.labels)) + 1)

    def keep(evaluation: EpochEval) -> None:
        with replacing(folder / f"{evaluation.step:08d}.npy") as stream:
            np.save(stream, np.stack([evaluation.samples[key].astype(np.float32) for key in NEEDED]))
        print(f"{name}, seed {seed}: epoch {evaluation.epoch:.0f}, {evaluation.accuracy:.4f} right", flush=True)

    with processor_time(folder / "seconds") as so_far:
        module = train(
            module,
            learnt,
            recipe,
            held_out=held_out,
            device="cpu",
            on_eval=keep,
            checkpoint=folder / "training.checkpoint",
            progress=progress,
        )
        arrays = outputs(module, recipe, held_out)
        evaluations = np.stack([np.load(file) for file in sorted(folder.glob("*.npy"))])
        with replacing(path) as stream:
            np.savez(stream, evaluations=evaluations, cpu_seconds=so_far(), **arrays)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


@torch.inference_mode()
def outputs(module: nn.Module, recipe: Recipe, images: LabelledImages) -> dict[str, np.ndarray]:
    """`features` (N, D), `class_weights` (K, D), and `logits` (N, K) of the loss that the network learnt by."""
    head, taken = module.get_submodule("head"), []
    hook = head.register_forward_hook(lambda _, inputs, logits: taken.append((inputs[0], logits)))
    for _, batch in images.batches(torch.device("cpu"), torch.float32):
        module(batch)
    hook.remove()
    features, logits = (torch.cat(parts) for parts in zip(*taken, strict=True))
    weights: Tensor = head.weight  # type: ignore[assignment]
    directional = {"avh": AVHLoss, "cosine": CosineLoss}
    if recipe.loss in directional:
        logits = directional[recipe.loss](scale=recipe.scale).logits(features, weights)
    return {"features": features.numpy(), "class_weights": weights.numpy(), "logits": logits.numpy()}


def read_hsf(path: Path) -> np.ndarray:
    """HSF (N,) of the test file: votes for the label over votes."""
    table = pq.read_table(path, columns=["label", "human_counts"])
    counts = np.array(table["human_counts"].to_pylist(), float)
    return counts[np.arange(len(counts)), table["label"].to_numpy()] / counts.sum(axis=1)


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Networks on CIFAR-10, and how their scores follow CIFAR-10H.")
    parser.add_argument("--train", type=Path, help="Parquet file of training images")
    parser.add_argument("--test", type=Path, required=True, help="Parquet file of test images with human_counts")
    parser.add_argument("--only", action="append", choices=STUDIES, help="a network or a factor; repeat it for more")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, help="in place of each recipe's")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    add_results(parser)
    return parser.parse_args(arguments)


def run_all(options: argparse.Namespace, progress: Progress) -> None:
    """Trains what is not there yet, and keeps what the tables need of it."""
    from benchmarks.when_angles_results import keep, read_network

    settle(options.out, Settings(epochs=options.epochs or "of each recipe"))
    torch.set_num_threads(options.threads)
    learnt, held_out, hsf = read_images(options.train), read_images(options.test), read_hsf(options.test)
    labels = torch.as_tensor(held_out.labels).numpy()
    for seed in map(int, options.seeds.split(",")):
        for name in options.only or STUDIES:
            if not file_of(options.out, name, seed, ".json").exists():
                run(name, seed, learnt, held_out, options.out, epochs=options.epochs, progress=progress)
                keep(read_network(options.out, name, seed, labels, hsf), options.out)


def main(arguments: Sequence[str] | None = None) -> int:
    from benchmarks.when_angles_results import report

    options = parsed(arguments)

    def work(progress: Progress) -> bool:
        if options.report:
            labels = torch.as_tensor(read_images(options.test).labels).numpy()
            say(report(options.out, read_hsf(options.test), labels))
        else:
            run_all(options, progress)
        return True

    return run_until(work, options.minutes)


if __name__ == "__main__":
    sys.exit(main())
