"""VisDA-17, rendered objects to photographs, with the network and schedule of AVH's paper.

    python -m benchmarks.visda17 --data FOLDER --workspace FOLDER

`--data` holds VisDA's classification track as it is unpacked: `train/image_list.txt` and `validation/image_list.txt`
with a line `path label_index` an image, and the images below `train` and `validation`. It begins with an estimate of
what is left. The same command resumes, from the middle of a round too, also after `--minutes`, and returns 0 when all
is done. Labels of the validation part are used for evaluation only. The table also has the rows of AVH's paper (Chen
et al. 2020, https://doi.org/10.48550/arXiv.1912.02279); nothing here has been run on the real data yet.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from avhcurate.datasets.sources.manifest import class_list
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.features.pseudo_labels.rules import RULES
from avhcurate.lab.self_training import service as self_training_service
from avhcurate.lab.self_training.service import self_train_dataset
from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.networks.models.loading import ModelSpec, new_model
from avhcurate.networks.models.runtime import find_device
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.recipe import PRECISIONS, Recipe
from avhcurate.networks.training.trainer import train
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import SILENT, Progress
from benchmarks.cost import Work, estimate, measure
from benchmarks.resumable import add_minutes, run_until, say

#: ResNet-101 with a head 2048-512-ReLU-12: angles are taken at the 512 outputs of the ReLU.
MODEL = "avhcurate:resnet101-visda"
#: How a round is trained. Epochs and rate are ours: the paper does not print its own.
RECIPE = Recipe(epochs=2, batch_size=32, learning_rate=1e-3, weight_decay=5e-4, clip=1.0)
NAMES = ("visda-train", "visda-validation")

#: Accuracy in percent, in the order of the classes; the last row is the paper's own selection by AVC.
PAPER = {
    "CBST": (87.2, 78.8, 56.5, 55.4, 85.1, 79.2, 83.8, 77.7, 82.8, 88.8, 69.0, 72.0),
    "CRST": (88.0, 79.2, 61.0, 60.0, 87.5, 81.4, 86.3, 78.8, 85.6, 86.6, 73.9, 68.8),
    "proposed": (93.3, 80.2, 78.9, 60.9, 88.4, 89.7, 88.9, 79.6, 89.5, 86.8, 81.5, 60.0),
}


def import_both(workspace: Workspace, data: Path) -> list[str]:
    """Import the two lists if they are not imported yet, and return the classes."""
    classes = class_list("visda17")
    assert classes is not None
    for name, part in zip(NAMES, ("train", "validation"), strict=True):
        source = f"list:{data.absolute() / part / 'image_list.txt'}"
        import_dataset(workspace, name, source, classes=classes)
    return classes


def settings(arguments: argparse.Namespace, rule: str, seed: int) -> SelfTrainSettings:
    """Return the settings of one self-training."""
    return SelfTrainSettings(
        source=NAMES[0],
        target=NAMES[1],
        model=arguments.model,
        weights=arguments.weights,
        rule=rule,
        seed=seed,
        rounds=arguments.rounds,
        trainer="full",
        device=arguments.device,
    )


def recipe_of(arguments: argparse.Namespace) -> Recipe:
    """Return how a round is trained: the numbers of the command line, or the usual ones."""
    given = {name: getattr(arguments, name) for name in ("epochs", "batch_size", "learning_rate")}
    given = {name: value for name, value in given.items() if value is not None}
    return replace(RECIPE, precision=arguments.precision, **given)


def table(folders: list[SelfTrainingFolder], classes: list[str]) -> str:
    """Return accuracies per class in percent as Markdown: the source, the end of each run, and the paper's rows."""
    rows: dict[str, Any] = {}
    for folder in folders:
        record, last = folder.record, folder.rounds()[-1]
        rows[f"source only, seed {record.seed}"] = 100 * folder.classes(0)["accuracy"]
        rows[f"{record.rule}, seed {record.seed}"] = 100 * folder.classes(last)["accuracy"]
    lines = ["| | " + " | ".join(classes) + " | mean |", "|---" * (len(classes) + 2) + "|"]
    for name, values in (rows | {f"paper: {name}": values for name, values in PAPER.items()}).items():
        shares = pd.Series(values, dtype=float)
        cells = [f"{value:.1f}" if value == value else "-" for value in [*shares, shares.mean()]]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def left(workspace: Workspace, arguments: argparse.Namespace, rules: Sequence[str], seeds: Sequence[int]) -> str:
    """Return the estimate of what is left to do, a row per rule: only the training."""
    recipe, device = recipe_of(arguments), find_device(arguments.device)
    images = [workspace.dataset(name).record.samples for name in NAMES]
    trainings = workspace.dataset(NAMES[1]).self_trainings()
    done = {(run.record.rule, run.record.seed): run.rounds() for run in trainings}
    model = new_model(ModelSpec(name=arguments.model), len(PAPER["CBST"]))
    shape, head = (3, model.preprocess.crop, model.preprocess.crop), model.head_name
    usual = settings(arguments, "avc", 0)

    def some(steps: int) -> None:
        n = steps * recipe.batch_size
        pixels = torch.randint(256, (n, *shape), dtype=torch.uint8)
        labels = torch.arange(n) % len(PAPER["CBST"])
        data = LabelledImages(pixels, labels, model.preprocess.mean, model.preprocess.std)
        train(model.module, data, replace(recipe, epochs=1), head=head, device=device)

    def steps_of(number: int) -> int:
        samples = images[0]
        if number:
            samples += round(usual.schedule.portion(number) * images[1])
        return recipe.epochs * -(-samples // recipe.batch_size)

    cost, works = measure(some, device.type), []
    for rule in rules:
        missing = [n for seed in seeds for n in range(usual.most_rounds + 1) if n not in done.get((rule, seed), [])]
        if missing:
            works.append(Work(f"{rule}, {len(missing)} rounds", 1, sum(map(steps_of, missing)), cost))
    return estimate(works, device.type)


def run(arguments: argparse.Namespace, progress: Progress = SILENT) -> bool:
    """Train what is missing and print the table."""
    workspace = Workspace(arguments.workspace)
    classes = import_both(workspace, arguments.data)
    rules, seeds = arguments.rules.split(","), [int(seed) for seed in arguments.seeds.split(",")]
    say(left(workspace, arguments, rules, seeds) + "\n")
    folders = []
    for seed, rule in product(seeds, rules):
        one = settings(arguments, rule, seed)
        folders.append(self_train_dataset(workspace, one, recipe=recipe_of(arguments), progress=progress))
        say(str(self_training_service.summary(folders[-1])))
    say(table(folders, classes))
    return True


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--rules", default="confidence,lrent,avc", help=f"some of {', '.join(RULES)}")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--weights", type=Path, help="a file, or 'random' [default: published weights]")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="float32", choices=PRECISIONS)
    add_minutes(parser)
    arguments = parser.parse_args(argv)
    return run_until(lambda progress: run(arguments, progress), arguments.minutes)


if __name__ == "__main__":
    sys.exit(main())
