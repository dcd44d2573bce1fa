"""Two questions about small networks, each answered by trainings of minutes: `python -m benchmarks.small_trainings`.

`bias`: does a bias in the head decide whether AVH follows people as closely as confidence? Two networks, each with and
without it, learn from half of CIFAR-10's training images, drawn by the seed, and are compared on CIFAR-10H.

    python -m benchmarks.small_trainings bias --train cifar10_train.parquet --test cifar10h_test.parquet --out FOLDER

`jpeg`: what does JPEG cost at 32 pixels? One network learns from the photos and drawings of PACS, shrunk to 32 pixels a
side and kept as PNG or as JPEG of quality 75 with half the colour resolution, and is judged on a fifth of them.

    python -m benchmarks.small_trainings jpeg --test pacs_128.parquet --out FOLDER

A training leaves one file under FOLDER; the same command resumes within a training too. `--report` prints the table.
"""

import argparse
import io
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from scipy.stats import spearmanr
from torch import nn
from torch.nn import functional

from avhcurate.measures import scores
from avhcurate.networks.models.own import CIFAR_MEAN, CIFAR_STD, CifarFast, VggSmall
from avhcurate.networks.training.evaluation import accuracy
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.recipe import RECIPES, Recipe
from avhcurate.networks.training.trainer import train
from avhcurate.workspace.disk.files import write_atomic
from avhcurate.workspace.disk.jobs import Progress
from avhcurate.workspace.images.decoding import decode, encode_png
from benchmarks.markdown import table
from benchmarks.resumable import add_results, run_until, say
from benchmarks.seeds import Mean, mean_over_seeds

SIDE = 32
SEEDS = {"bias": 5, "jpeg": 3}
#: In float32, for processors without bfloat16 too.
FAST = replace(RECIPES["cifar-fast"].recipe, epochs=4, precision="float32")
PLAIN = Recipe(epochs=4, batch_size=128, learning_rate=0.1, clip=1.0)
#: The longer training for the fewer images of PACS.
JPEG_RECIPE = replace(FAST, epochs=8)


def fast(num_classes: int, *, bias: bool = False) -> nn.Module:
    """Return the network of `cifar-fast` in a quarter of its width."""
    return CifarFast(num_classes, (16, 64, 64), head_bias=bias)


def vgg(num_classes: int, *, bias: bool) -> nn.Module:
    """Return the small VGG in half of its width."""
    network = VggSmall(num_classes, width=16)
    if not bias:
        network.head = nn.Linear(network.head.in_features, num_classes, bias=False)
    return network


class Study(NamedTuple):
    """A network by what makes it, and its recipe."""

    make: Callable[..., nn.Module]
    recipe: Recipe


NETWORKS = {"fast-16": Study(fast, FAST), "vgg-16": Study(vgg, PLAIN)}


class Trained(NamedTuple):
    """Where trainings leave their files, and what stops them."""

    out: Path
    progress: Progress

    def network(self, name: str, module: nn.Module, images: LabelledImages, recipe: Recipe) -> nn.Module:
        """Return the module after its training, which resumes from its checkpoint."""
        checkpoint = self.out / f"{name}.checkpoint"
        return train(module, images, recipe, device="cpu", checkpoint=checkpoint, progress=self.progress)

    def keep(self, name: str, record: Mapping[str, object]) -> None:
        """Write the record of a training, which then needs no checkpoint."""
        write_atomic(self.path(name), json.dumps(record, indent=2) + "\n")
        (self.out / f"{name}.checkpoint").unlink(missing_ok=True)
        say(f"{name}: {record}")

    def path(self, name: str) -> Path:
        return self.out / f"{name}.json"


def images_of(path: Path, again: Callable[[np.ndarray], bytes] | None = None) -> LabelledImages:
    """Return the images of a Parquet file at 32 pixels a side; `again` encodes them once more before they are used."""
    file = pq.ParquetFile(path)
    found = []
    for batch in file.iter_batches(500, columns=["image"]):
        for encoded in batch["image"].field("bytes"):
            image = Image.fromarray(decode(encoded.as_py())).resize((SIDE, SIDE), Image.Resampling.BOX)
            pixels = np.asarray(image)
            if again is not None:
                pixels = decode(again(pixels))
            found.append(torch.from_numpy(pixels.copy()).permute(2, 0, 1))
    labels = file.read(columns=["label"])["label"].to_numpy().astype(np.int64)
    return LabelledImages(torch.stack(found), torch.from_numpy(labels), CIFAR_MEAN, CIFAR_STD)


def as_jpeg(pixels: np.ndarray) -> bytes:
    """Return a JPEG of quality 75 with half the colour resolution, as the images of CIFAR-10 here are."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "jpeg", quality=75, subsampling=2)
    return stream.getvalue()


def as_png(pixels: np.ndarray) -> bytes:
    return encode_png(Image.fromarray(pixels))


def hsf_of(path: Path) -> np.ndarray:
    """Return HSF (N,) of the test file: votes for the label over votes."""
    columns = pq.read_table(path, columns=["label", "human_counts"])
    counts = np.array(columns["human_counts"].to_pylist(), float)
    return counts[np.arange(len(counts)), columns["label"].to_numpy()] / counts.sum(axis=1)


@torch.inference_mode()
def agreements(module: nn.Module, images: LabelledImages, hsf: np.ndarray) -> dict[str, float]:
    """Return the share that is right, and Spearman with HSF of AVH and confidence: positive follows people."""
    head, taken = module.get_submodule("head"), []
    hook = head.register_forward_hook(lambda _, inputs, logits: taken.append((inputs[0], logits)))
    for _, batch in images.batches(torch.device("cpu"), torch.float32):
        module(batch)
    hook.remove()
    features, logits = (torch.cat(parts).numpy() for parts in zip(*taken, strict=True))
    labels = torch.as_tensor(images.labels).numpy()
    keys = ("avh", "confidence")
    found = scores.per_sample(features, head.weight.detach().numpy(), logits, labels, keys=keys)  # type: ignore[union-attr,operator]
    return {
        "right": float((logits.argmax(1) == labels).mean()),
        "right_views": right_by_views(module, images),
        "avh": -float(spearmanr(found["avh"], hsf).statistic),
        "confidence": float(spearmanr(found["confidence"], hsf).statistic),
    }


@torch.inference_mode()
def right_by_views(module: nn.Module, images: LabelledImages) -> float:
    """Return the share that is right by the mean logits of six views: as it is and shifted two ways, each mirrored."""
    hits = 0
    for index, batch in images.batches(torch.device("cpu"), torch.float32):
        wide = functional.pad(batch, (1, 1, 1, 1), mode="reflect")
        shifted = (batch, wide[:, :, :-2, :-2], wide[:, :, 2:, 2:])
        logits = torch.stack([module(view) for one in shifted for view in (one, one.flip(3))]).mean(0)
        hits += int((logits.argmax(1) == images.labels_of(index)).sum())
    return hits / len(images)


def half(images: LabelledImages, seed: int) -> LabelledImages:
    """Return a half of the images that is drawn by the seed."""
    drawn = np.random.default_rng(seed).permutation(len(images))
    return images.part(np.sort(drawn[: len(images) // 2]))


def run_bias(options: argparse.Namespace, trained: Trained) -> None:
    """Train each network with each seed, with and without a bias in its head."""
    learnt, held_out, hsf = images_of(options.train), images_of(options.test), hsf_of(options.test)
    classes = int(max(learnt.labels)) + 1
    for seed in range(SEEDS["bias"]):
        for name, study in NETWORKS.items():
            for bias in (False, True):
                title = f"{name}-{'bias' if bias else 'none'}-seed{seed}"
                if not trained.path(title).exists():
                    torch.manual_seed(seed)
                    module = study.make(classes, bias=bias)
                    module = trained.network(title, module, half(learnt, seed), replace(study.recipe, seed=seed))
                    trained.keep(title, agreements(module, held_out, hsf))


def run_jpeg(options: argparse.Namespace, trained: Trained) -> None:
    """Train one network with each seed on the PNG and the JPEG files, and judge it on both."""
    ways = {"png": images_of(options.test, as_png), "jpeg": images_of(options.test, as_jpeg)}
    classes, n = int(max(ways["png"].labels)) + 1, len(ways["png"])
    for seed in range(SEEDS["jpeg"]):
        judges, learnt = np.array_split(np.random.default_rng(seed).permutation(n), [n // 5])
        for way, images in ways.items():
            title = f"{way}-seed{seed}"
            if not trained.path(title).exists():
                torch.manual_seed(seed)
                module = trained.network(title, fast(classes), images.part(learnt), replace(JPEG_RECIPE, seed=seed))
                trained.keep(title, {other: accuracy(module, ways[other].part(judges)) for other in ways})


def read(out: Path, name: str) -> list[dict[str, float]]:
    """Return the records of a training, one a seed."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(out.glob(f"{name}-seed*.json"))]


def spread(mean: Mean, decimals: int = 3) -> str:
    return f"{mean.value:+.{decimals}f} ({mean.low:+.{decimals}f} to {mean.high:+.{decimals}f}, n = {mean.n})"


def gap(record: Mapping[str, float]) -> float:
    """Return AVH less confidence, in Fisher's z."""
    return float(np.arctanh(record["avh"]) - np.arctanh(record["confidence"]))


def report_bias(out: Path) -> str:
    """Return the table of the question `bias`."""
    rows = []
    for name in NETWORKS:
        gaps = {}
        for bias in ("none", "bias"):
            records = read(out, f"{name}-{bias}")
            gaps[bias] = [gap(record) for record in records]
            means = [np.mean([record[key] for record in records]) for key in ("right", "avh", "confidence")]
            rows.append(
                [name, bias, f"{means[0]:.1%}", *(f"{m:.3f}" for m in means[1:]), spread(mean_over_seeds(gaps[bias]))]
            )
        moved = mean_over_seeds(np.subtract(gaps["bias"], gaps["none"]))
        rows.append([name, "moved by the bias", "", "", "", f"{spread(moved)}, p = {moved.p:.2g}"])
    return table(["network", "head", "right", "AVH", "confidence", "AVH less confidence, z"], rows)


def report_jpeg(out: Path) -> str:
    """Return the table of the question `jpeg`."""
    png, jpeg = read(out, "png"), read(out, "jpeg")
    base = np.array([record["png"] for record in png])
    rows = [
        [learnt, judged, f"{np.mean(values):.1%}", spread(mean_over_seeds(100 * (np.array(values) - base)), 2)]
        for learnt, judged, values in (
            ("PNG", "PNG", base),
            ("PNG", "JPEG", [record["jpeg"] for record in png]),
            ("JPEG", "JPEG", [record["jpeg"] for record in jpeg]),
        )
    ]
    return table(["learnt from", "judged on", "right", "points against PNG"], rows)


QUESTIONS = {"bias": (run_bias, report_bias), "jpeg": (run_jpeg, report_jpeg)}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Two questions about small networks.")
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument("--train", type=Path, help="Parquet file of training images, for `bias`")
    parser.add_argument("--test", type=Path, help="Parquet file of test images with human_counts, or of PACS")
    add_results(parser)
    options = parser.parse_args(arguments)
    run, report = QUESTIONS[options.question]

    def work(progress: Progress) -> bool:
        if not options.report:
            options.out.mkdir(parents=True, exist_ok=True)
            run(options, Trained(options.out, progress))
        say(report(options.out))
        return True

    return run_until(work, options.minutes)


if __name__ == "__main__":
    sys.exit(main())
