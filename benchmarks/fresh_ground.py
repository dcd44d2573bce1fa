"""Whether the gate on centred AVC is ahead where it was not found: `python -m benchmarks.fresh_ground`.

It was found on twelve pairs of PACS's domains, on features of a network trained on ImageNet. Here the features are
those of networks trained from scratch on images of the source, and the shifts are degradations: the digits turned, in
noise, blurred, faded and compressed; and CIFAR-10's test images degraded in the four ways of `avhcurate degrade`.
Heads, steps, portions and rounds are those of `benchmarks.self_training`; kinds and levels below were fixed before the
first run.

    python -m benchmarks.fresh_ground --out FOLDER
    python -m benchmarks.fresh_ground --out FOLDER --ground cifar --train cifar10_train.parquet \
        --test cifar10h_test.parquet --networks resnet18=weights.safetensors

Of the digits, each seed has a network of its own, trained on one half; the source is that half, the target the other.
Of CIFAR-10, the source are `--samples` training images and the target as many test images, drawn by the seed, for each
network. One finished training is one file in a folder of its ground under FOLDER. The same command goes on where it was
stopped. `--report` prints the tables of what is there; p by Holm is over all grounds there, or those named by `--only`.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from PIL import Image
from pydantic import BaseModel
from scipy import stats

from avhcurate.degradation.corruptions import KINDS, degrade
from avhcurate.disk.files import sha256, write_json
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.errors import CurateError
from avhcurate.images.decoding import decode
from avhcurate.models.loading import ModelSpec, load_model
from avhcurate.models.own import CIFAR_MEAN, CIFAR_STD, DIGITS_MEAN, DIGITS_STD, CifarResNet18
from avhcurate.stats.intervals import mean_over_seeds
from avhcurate.stats.multiple_testing import holm
from avhcurate.training.digits import read_digits
from avhcurate.training.digits import train as train_digits
from avhcurate.training.images import LabelledImages
from avhcurate.training.learner import make_learner
from avhcurate.training.probe import train_probe
from avhcurate.training.recipe import Recipe
from benchmarks.markdown import table as markdown
from benchmarks.resumable import add_results, run_until, say, settle
from benchmarks.self_training import HEADS, Pacs, Task, train_one
from benchmarks.self_training_results import finished

#: The source alone, CBST, AVC and centred AVC.
METHODS = ("source", "confidence", "avc", "centred")
#: Strengths by kind: for turning, degrees; for the others, levels of `KINDS`, from 1.
DIGITS = {"turn": (15, 30, 45), "noise": (3, 4, 5), "blur": (3, 4, 5), "contrast": (1, 3, 5), "jpeg": (3, 4, 5)}
CIFAR = {"noise": (2, 3, 4), "blur": (2, 3, 4), "contrast": (2, 3, 4), "jpeg": (3, 4, 5)}
SOURCE = "source"


def narrow_resnet18(num_classes: int = 10) -> CifarResNet18:
    """ResNet-18 of half its width, a fourth of its work, for `avhcurate train --model benchmarks.fresh_ground:...`."""
    return CifarResNet18(num_classes, width=32)


class CifarSettings(BaseModel):
    """What decides the numbers of a network on CIFAR-10, beside its weights, the shift and the seed."""

    network: str
    samples: int
    train_sha256: str
    test_sha256: str


class Ground(NamedTuple):
    """A source and its shifts as domains of `benchmarks.self_training`, and what it is called."""

    name: str
    data: Pacs


def shifted(images: np.ndarray, kind: str, level: int, seed: int) -> np.ndarray:
    """Images (N, S, S, C) uint8 under one shift.

    >>> shifted(np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1), "turn", 90, 0)[0, :, :, 0].tolist()
    [[1, 3], [0, 2]]
    """
    if kind == "turn":
        turned = [Image.fromarray(one.squeeze(-1)).rotate(level, Image.Resampling.BILINEAR) for one in images]
        return np.stack([np.asarray(one)[..., None] for one in turned])
    strength = KINDS[kind].strengths[level - 1]
    return np.stack([degrade(one, kind, [strength], seed=seed, id=row)[0] for row, one in enumerate(images)])


def features_of(module: torch.nn.Module, images: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """Embeddings (N, D) of images (N, S, S, C) uint8."""
    pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    data = LabelledImages(pixels, torch.zeros(len(pixels), dtype=torch.int64), mean, std)
    learner = make_learner(module, data, Recipe(epochs=1)).eval()
    with torch.inference_mode():
        parts = [learner(batch)[0].numpy() for _, batch in data.batches(torch.device("cpu"), torch.float32)]
    learner.hook.remove()
    return np.concatenate(parts)


def domains_of(
    module: torch.nn.Module,
    source: tuple[np.ndarray, np.ndarray],
    target: tuple[np.ndarray, np.ndarray],
    shifts: dict[str, tuple[int, ...]],
    statistics: tuple[Sequence[float], Sequence[float]],
    seed: int,
    fingerprint: str,
) -> Pacs:
    """Features of the source, and of the target under every shift, each a domain of its own."""
    sets = {SOURCE: source[0]}
    for kind, levels in shifts.items():
        sets |= {f"{kind} {level}": shifted(target[0], kind, level, seed) for level in levels}
    labels = {name: source[1] if name == SOURCE else target[1] for name in sets}
    return Pacs(
        np.concatenate([features_of(module, images, *statistics) for images in sets.values()]),
        np.concatenate(list(labels.values())),
        np.repeat(list(sets), [len(images) for images in sets.values()]),
        [str(k) for k in range(int(source[1].max()) + 1)],
        fingerprint,
    )


def digits(seed: int) -> Ground:
    """A network of its own for each seed, trained on the half that is the source."""
    data = read_digits()
    halves = [
        (data.images[data.split == half][..., None], data.labels[data.split == half]) for half in ("train", "test")
    ]
    module = train_digits(data, seed=seed).module
    return Ground("digits", domains_of(module, *halves, DIGITS, (DIGITS_MEAN, DIGITS_STD), seed, "scikit-learn"))


def settle_cifar(options: argparse.Namespace) -> None:
    """Stores the settings of each network's results; CurateError when its folder holds those of others."""
    if any(path is None or not path.is_file() for path in (options.train, options.test)):
        raise CurateError("--ground cifar wants --train and --test, Parquet files of CIFAR-10 with `image` and `label`")
    data = {"train_sha256": sha256(options.train), "test_sha256": sha256(options.test)}
    for network in options.networks:
        name = network.partition("=")[0]
        settle(options.out / called(network), CifarSettings(network=name, samples=options.samples, **data))


def cifar(seed: int, options: argparse.Namespace) -> Iterator[Ground]:
    """A network of each file, with images drawn by the seed."""
    parts = []
    for path in (options.train, options.test):
        table = pq.read_table(path, columns=["image", "label"])
        rows = np.sort(np.random.default_rng(seed).permutation(len(table))[: options.samples])
        images = [decode(one["bytes"].as_py()) for one in table["image"].take(rows)]
        parts.append((np.stack([np.asarray(one) for one in images]), table["label"].to_numpy()[rows].astype(np.int64)))
    for network in options.networks:
        name, _, weights = network.partition("=")
        model = load_model(
            ModelSpec(name=name if ":" in name else f"avhcurate:{name}", weights=Path(weights)), num_classes=10
        )
        data = domains_of(model.module, *parts, CIFAR, (CIFAR_MEAN, CIFAR_STD), seed, sha256(options.test))
        yield Ground(called(network), data)


def grounds_of(options: argparse.Namespace) -> tuple[list[str], dict[str, tuple[int, ...]]]:
    """Names of the grounds that are asked for, and their shifts."""
    if options.ground == "digits":
        return ["digits"], DIGITS
    return [called(network) for network in options.networks], CIFAR


def targets_of(shifts: dict[str, tuple[int, ...]]) -> list[str]:
    """The domains that shifts make of a target."""
    return [f"{kind} {level}" for kind, levels in shifts.items() for level in levels]


def called(network: str) -> str:
    """The ground of a network NAME=FILE, which says its weights apart from others in a file of the same name."""
    weights = Path(network.partition("=")[2])
    if not weights.is_file():
        raise CurateError(f"--networks {network}: {weights} does not exist, give NAME=FILE")
    return f"CIFAR-10, {weights.stem} {sha256(weights)[:8]}"


def run(options: argparse.Namespace, progress: Progress = SILENT) -> bool:
    """Trains what is not there yet."""
    names, shifts = grounds_of(options)
    if options.ground == "cifar":
        settle_cifar(options)
    targets = targets_of(shifts)
    for seed in range(options.seeds):
        files = [Task(seed, SOURCE, target, "paper", method).file for target in targets for method in METHODS]
        if all((options.out / name / file).exists() for name in names for file in files):
            continue
        for ground in [digits(seed)] if options.ground == "digits" else cifar(seed, options):
            adapt_all(ground, targets, seed, options.out / ground.name, progress)
    return True


def adapt_all(ground: Ground, targets: Sequence[str], seed: int, out: Path, progress: Progress) -> None:
    """Every method on every shift, from one head on the source."""
    out.mkdir(parents=True, exist_ok=True)
    features, labels = ground.data.part(SOURCE)
    size = len(ground.data.classes)
    begin = train_probe(features, labels, num_classes=size, recipe=HEADS["paper"], seed=seed)
    for target in targets:
        said = []
        for method in METHODS:
            progress.check("stopped: the same command goes on")
            task = Task(seed, SOURCE, target, "paper", method)
            if not (out / task.file).exists():
                write_json(out / task.file, train_one(task, ground.data, begin))
                said.append(method)
        if said:
            say(f"{ground.name}, seed {seed}, {target}: {', '.join(said)}")


def compare(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Each gate less confidence in points: a row a ground, gate and kind of shift (levels averaged, paired over seeds),
    and one over the kinds of a ground (seeds averaged, the kind as the unit); p by Holm's method over all rows.
    """
    rows = []
    for ground, table in tables.items():
        wide = table.assign(kind=table["target"].str.partition(" ")[0]).pivot_table(
            index="kind", columns=["method", "seed"], values="accuracy"
        )
        for method in ("avc", "centred"):
            lead = wide[method] - wide["confidence"]
            for kind, values in [*lead.iterrows(), ("all kinds", lead.mean(axis=1))]:
                values = values.dropna()
                p = stats.ttest_1samp(values, 0).pvalue if len(values) > 1 and np.ptp(values) else np.nan
                rows.append((ground, method, kind, values, p))
    found = pd.DataFrame(rows, columns=["ground", "method", "kind", "lead", "p"])
    return found.assign(holm=holm(found["p"].to_numpy(float)))


def whole_seeds(folder: Path) -> pd.DataFrame:
    """The results in a ground's folder of the seeds that have every shift and method."""
    table, targets = finished(folder), targets_of(DIGITS if folder.name == "digits" else CIFAR)
    sizes = table.groupby("seed")["seed"].transform("size")
    return table[sizes == len(targets) * len(METHODS)]


def report(out: Path, only: Sequence[str] | None = None) -> str:
    """Accuracies by kind of shift, and the gates compared, of the seeds that are whole; Holm over the grounds `only`,
    by default all.
    """
    folders = [folder for folder in sorted(out.glob("*/")) if any(folder.glob("*-*.json"))]
    if unknown := set(only or ()) - {folder.name for folder in folders}:
        raise CurateError(f"there is no {', '.join(unknown)} in {out}: it holds {', '.join(f.name for f in folders)}")
    tables = {folder.name: whole_seeds(folder) for folder in folders if not only or folder.name in only}
    tables = {name: table for name, table in tables.items() if len(table)}
    if not tables:
        raise CurateError(f"{out} holds no seed with every shift and method yet: let the benchmark run on")
    parts = []
    for ground, table in tables.items():
        kinds = table["target"].str.partition(" ")[0]
        means = table.groupby(["method", kinds])["accuracy"].mean().unstack().reindex(list(METHODS))
        cells = [[str(m), *(f"{v:.1f}" for v in row), f"{row.mean():.1f}"] for m, row in means.iterrows()]
        parts.append(
            f"{ground}, {table['seed'].nunique()} seeds, percent right on the target, mean over levels and seeds:"
        )
        parts.append(markdown(["", *means.columns, "mean"], cells))
    rows = []
    for one in compare(tables).itertuples():
        mean = mean_over_seeds(one.lead)
        interval = f"{mean.value:+.2f} ({mean.low:+.2f} to {mean.high:+.2f})"
        better = f"{(one.lead > 0).sum()} of {len(one.lead)}"
        rows.append([one.ground, one.method, one.kind, interval, better, f"{one.p:.3f}", f"{one.holm:.3f}"])
    parts.append("Less `confidence` (CBST), points with the 95 % interval; p of the paired t-test; Holm over all rows.")
    parts.append(markdown(["ground", "gate", "shift", "points", "better in", "p", "p by Holm"], rows))
    return "\n\n".join(parts)


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ground", choices=("digits", "cifar"), default="digits")
    parser.add_argument("--seeds", type=int, default=10, help="how many")
    parser.add_argument("--train", type=Path, help="Parquet file of CIFAR-10's training images")
    parser.add_argument("--test", type=Path, help="the same of its test images")
    parser.add_argument(
        "--networks", nargs="*", default=[], help="NAME=FILE, networks of `avhcurate:NAME` or PACKAGE.MODULE:FACTORY"
    )
    parser.add_argument("--samples", type=int, default=2000, help="images of the source, and of the target")
    parser.add_argument(
        "--only", action="append", metavar="GROUND", help="a folder of --out that the tables are of; repeat it [all]"
    )
    add_results(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)

    def work(progress: Progress) -> bool:
        done = options.report or run(options, progress)
        say(report(options.out, options.only))
        return done

    return run_until(work, options.minutes)


if __name__ == "__main__":
    sys.exit(main())
