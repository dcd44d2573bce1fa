"""Compare rules of self-training of a whole network, four pairs of PACS: `python -m benchmarks.self_training_full`.

efficientnet-lite0 with ImageNet weights is fine-tuned end to end on a source domain at 96 pixels, then adapts to a
target domain without its labels in seven rounds, under the gates of AVH's paper (Chen et al. 2020,
https://doi.org/10.48550/arXiv.1912.02279) and of centred AVC, by the trainer and the loop of `self-train --trainer
full`. All rules begin at the same source's network of a seed; `source` is that network. Training and selection use no
label of the target. The rate was chosen on held-out photos, and photo is also the target of two pairs; epochs, portions
and rounds were fixed beforehand.

    python -m benchmarks.self_training_full --data pacs_128.parquet --out FOLDER --minutes 150

It begins with an estimate of what is left. One finished training is one file under FOLDER. The same command goes on
where it was stopped, within a round too, and returns 0 when all is done; run twice at once it shares the work.
`--report` prints the tables of what is there, `--rates` what chose the rate.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from filelock import FileLock, Timeout
from safetensors.torch import load_file

from avhcurate.features.pseudo_labels.rules import RULES
from avhcurate.lab.self_training.loop import PseudoLabelled, TargetEvaluator, self_train
from avhcurate.lab.self_training.network_trainer import FullTrainer
from avhcurate.lab.self_training.settings import Schedule
from avhcurate.networks.models.loading import ModelSpec, NewModel, new_model
from avhcurate.networks.models.runtime import find_device
from avhcurate.networks.training.checkpoints import save_weights
from avhcurate.networks.training.evaluation import accuracy
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.recipe import Recipe, as_numbers
from avhcurate.networks.training.trainer import train
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.disk.files import sha256, write_json
from avhcurate.workspace.disk.jobs import SILENT, Progress
from benchmarks.cost import Work, estimate, measure
from benchmarks.gates import read_gate, read_gates
from benchmarks.markdown import table
from benchmarks.pacs_data import Pacs, read_pacs
from benchmarks.resumable import add_results, processor_time, run_until, say
from benchmarks.self_training import READ_GATES, Task, brief
from benchmarks.self_training_results import GatesResult, Result, refuse_other_results, report_full

MODEL = "efficientnet-lite0"
#: Pairs that differ in kind.
PAIRS = (("photo", "sketch"), ("sketch", "photo"), ("art_painting", "cartoon"), ("cartoon", "photo"))
#: The source alone, CBST, CRST (LRENT), AVC and centred AVC.
METHODS = ("source", "confidence", "lrent", "avc", "avc-centred")
SIZE, SOURCE_EPOCHS, ROUND_EPOCHS = 96, 5, 1
SCHEDULE = Schedule()
#: Of `RATES` the rate that did best on photos held out (`--rates`). In float32: where
#: processors multiply bfloat16 no faster, a step under autocast takes half as long again.
RECIPE = Recipe(epochs=ROUND_EPOCHS, batch_size=32, learning_rate=0.01, crop_padding=SIZE // 8, flip=True)
#: Peak rates tried, the gradient of any length; the one taken also with one of length 1 at most.
RATES = (0.001, 0.003, 0.01, 0.03, 0.1)


class Place(NamedTuple):
    """The data with its SHA-256, the folder of the results and the device."""

    pacs: Pacs
    sha256: str
    out: Path
    device: torch.device

    def images(self, domain: str, model: NewModel) -> LabelledImages:
        """Return the images of a domain."""
        whole = LabelledImages(self.pacs.images, self.pacs.labels, model.preprocess.mean, model.preprocess.std)
        return whole.part(np.flatnonzero(self.pacs.domains == domain))


def place_of(options: argparse.Namespace) -> Place:
    """Return the data, folder and device of the options."""
    return Place(read_pacs(options.data, SIZE), sha256(options.data), options.out, find_device(options.device))


class FromSource(FullTrainer):
    """The product's trainer, whose round 0 takes the source's network that is there."""

    begin: Path

    def fit(self, round: int, pseudo: PseudoLabelled | None) -> None:
        """Load the network of that file for round 0."""
        if round:
            super().fit(round, pseudo)
        else:
            self.module.load_state_dict(load_file(self.begin))


def network(classes: int, seed: int) -> NewModel:
    """Return a network with ImageNet weights and a new head."""
    return new_model(ModelSpec(name=MODEL, resize=SIZE, crop=SIZE, seed=seed), classes, pretrained=True)


def source_network(source: str, seed: int, place: Place, progress: Progress) -> Path:
    """Return the file of the network fine-tuned on a source; make it where it is missing."""
    path = place.out / f"source-{source}-{seed}.safetensors"
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            model = network(len(place.pacs.classes), seed)
            say(f"seed {seed}: {SOURCE_EPOCHS} epochs on {source}")
            recipe, checkpoint = replace(RECIPE, epochs=SOURCE_EPOCHS, seed=seed), path.with_suffix(".pt")
            images = place.images(source, model)
            given = {"head": model.head_name, "device": place.device, "checkpoint": checkpoint, "progress": progress}
            save_weights(train(model.module, images, recipe, **given), path)
            checkpoint.unlink(missing_ok=True)
    return path


def trainer_of(task: Task, place: Place, folder: Path, progress: Progress) -> FromSource:
    """Return a new trainer for a task."""
    model = network(len(place.pacs.classes), task.seed)
    trainer = FromSource(
        model.module,
        place.images(task.source, model),
        place.images(task.target, model),
        num_classes=len(place.pacs.classes),
        recipe=replace(RECIPE, seed=task.seed),
        checkpoints=folder,
        head=model.head_name,
        device=place.device,
        progress=lambda _: progress,
    )
    trainer.begin = source_network(task.source, task.seed, place, progress)
    return trainer


def make(task: Task, place: Place, progress: Progress) -> Result | GatesResult:
    """What a task ends with. Raises Cancelled when asked to stop; the next call then goes on."""
    classes = place.pacs.classes
    truth = place.pacs.labels[torch.from_numpy(place.pacs.domains == task.target)].numpy()
    folder = SelfTrainingFolder(under_way(task, place.out))
    folder.root.mkdir(parents=True, exist_ok=True)
    trainer = trainer_of(task, place, folder.root, progress)
    if task.method == READ_GATES:
        trainer.fit(0, None)
        gates = read_gates(trainer.outputs(), truth, task.seed)
        return GatesResult(source=task.source, target=task.target, seed=task.seed, classes=classes, gates=gates)
    rule, rounds = ("confidence", 0) if task.method == "source" else (task.method, None)
    evaluator = TargetEvaluator(truth, classes)
    ids = np.arange(len(truth))
    given = {"evaluator": evaluator, "folder": folder, "schedule": SCHEDULE, "rounds": rounds, "progress": progress}
    with processor_time(folder.root / "seconds") as so_far:
        self_train(trainer, ids, rule=rule, **given)  # type: ignore[arg-type]
        return result(task, folder, truth, place, so_far())


def under_way(task: Task, out: Path) -> Path:
    """Return the folder of a task's rounds until its result is written."""
    return out / "under-way" / task.file.replace("/", "-").removesuffix(".json")


def result(task: Task, folder: SelfTrainingFolder, truth: np.ndarray, place: Place, seconds: float) -> Result:
    """Return the result of the rounds on disk."""
    rounds = folder.rounds()
    first, last, classes = folder.report(0), folder.report(rounds[-1]), folder.classes(rounds[-1])
    assert last.accuracy.value is not None
    assert last.mean_accuracy.value is not None
    return Result(
        **task._asdict(),
        accuracy=last.accuracy.value,
        mean_accuracy=last.mean_accuracy.value,
        per_class=classes["accuracy"].tolist(),
        classes=place.pacs.classes,
        start=first.accuracy.value,
        rounds=[
            brief(folder, number, truth, task.method).model_copy(
                update={"auroc": gate_area(task.method, folder, number, truth)}
            )
            for number in rounds[1:]
        ],
        samples_per_class=classes["samples"].tolist(),
        seconds=round(seconds, 3),
        recipe=recipe(),
        data_sha256=place.sha256,
        versions={name: version(name) for name in ("torch", "numpy", "scipy")},
        finished=datetime.now(UTC),
    )


def recipe() -> dict[str, object]:
    """Return how a result was trained, for its record."""
    return as_numbers(RECIPE) | {"size": SIZE, "source_epochs": SOURCE_EPOCHS}


def gate_area(method: str, folder: SelfTrainingFolder, number: int, truth: np.ndarray) -> float | None:
    """How the gate of a method ranked right candidates above wrong ones, within a class, in a round; of `lrent`, whose
    gate is a sum over the classes, how confidence did.
    """
    column = "avc" if RULES[method].gate.startswith("avc") else "confidence"  # type: ignore[index]
    rows = folder.selection(number, ["candidate", column])
    return read_gate(rows[column].to_numpy(), rows["candidate"].to_numpy(int), truth).within


def tasks(seeds: int) -> list[Task]:
    """Seed by seed, so that what there is at any time is whole for some seeds."""
    methods = (READ_GATES, *METHODS)
    return [Task(seed, *pair, "full", method) for seed in range(seeds) for pair in PAIRS for method in methods]


def run(options: argparse.Namespace, progress: Progress = SILENT) -> bool:
    """Train what is missing, and return whether all is done."""
    out = options.out
    (out / "gates").mkdir(parents=True, exist_ok=True)
    wanted = [task for task in tasks(options.seeds) if not (out / task.file).exists()]
    if not wanted:
        return True
    place = place_of(options)
    refuse_other_results(out, place.sha256, {"full": recipe()})
    say(left(wanted, place) + "\n")
    for task in wanted:
        progress.check("stopped: the same command goes on")
        try:
            with FileLock(f"{out / task.file}.lock", timeout=0):
                if (out / task.file).exists():
                    continue
                found = make(task, place, progress)
                write_json(out / task.file, found)
                shutil.rmtree(under_way(task, out))
                if isinstance(found, Result):
                    say(f"{task.file}: {found.accuracy:.1%} right, {found.seconds:.0f} s")
        except Timeout:
            say(f"{task.file} is under way in another process")
    return all((out / task.file).exists() for task in wanted)


def tell_rates(place: Place, progress: Progress) -> None:
    """Accuracy on a tenth of the first source, held out, after two epochs on the rest, by peak rate."""
    rows = []
    for rate, clip in [*((rate, None) for rate in RATES), (RECIPE.learning_rate, 1.0)]:
        model = network(len(place.pacs.classes), 0)
        images = place.images(PAIRS[0][0], model)
        order, held = np.random.default_rng(0).permutation(len(images)), len(images) // 10
        recipe = replace(RECIPE, epochs=2, learning_rate=rate, clip=clip)
        given = {"head": model.head_name, "device": place.device, "progress": progress}
        train(model.module, images.part(np.sort(order[held:])), recipe, **given)
        right = accuracy(model.module.to("cpu"), images.part(order[:held]))
        rows.append([f"{rate:g}", f"{clip or 'any'}", f"{100 * right:.1f}", f"{held}"])
    say(table(["peak rate", "longest gradient", "held out, percent right", "images"], rows))


def left(wanted: Sequence[Task], place: Place) -> str:
    """The estimate of what is left to do: steps of training, and batches at inference after each round."""
    model = network(len(place.pacs.classes), 0)
    sizes = {name: int((place.pacs.domains == name).sum()) for pair in PAIRS for name in pair}
    portions = sum(SCHEDULE.portion(number) for number in range(1, SCHEDULE.rounds + 1))
    batch = RECIPE.batch_size

    def steps_of(task: Task) -> float:
        return (SCHEDULE.rounds * sizes[task.source] + portions * sizes[task.target]) * ROUND_EPOCHS / batch

    def train_some(steps: int) -> None:
        images = place.images(PAIRS[0][0], model).part(np.arange(steps * batch))
        train(model.module, images, replace(RECIPE, epochs=1), head=model.head_name, device=place.device)

    def embed_some(steps: int) -> None:
        images = place.images(PAIRS[0][0], model).part(np.arange(steps * batch))
        given = {"num_classes": len(place.pacs.classes), "recipe": RECIPE, "checkpoints": place.out}
        FullTrainer(model.module, images, images, head=model.head_name, device=place.device, **given).outputs()

    rules = [task for task in wanted if task.method in RULES]
    sources = {(task.source, task.seed) for task in wanted}
    sources = {one for one in sources if not (place.out / f"source-{one[0]}-{one[1]}.safetensors").exists()}
    cost = measure(train_some, place.device.type)
    of_sources = sum(SOURCE_EPOCHS * sizes[source] / batch for source, _ in sources)
    embedded = sum(sizes[task.target] * (SCHEDULE.rounds + 1 if task in rules else 1) / batch for task in wanted)
    return estimate(
        [
            Work("sources", len(sources), round(of_sources / max(1, len(sources))), cost),
            Work("rules", len(rules), round(sum(map(steps_of, rules)) / max(1, len(rules))), cost),
            Work("embedding", len(wanted), round(embedded / len(wanted)), measure(embed_some, place.device.type)),
        ],
        place.device.type,
    )


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="Parquet file with image bytes, label and domain")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rates", action="store_true", help="only print the held-out accuracy of each learning rate")
    add_results(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)

    def work(progress: Progress) -> bool:
        if options.rates:
            tell_rates(place_of(options), progress)
            return True
        done = options.report or run(options, progress)
        if options.report or done:
            say(report_full(options.out, METHODS))
        return done

    return run_until(work, options.minutes)


if __name__ == "__main__":
    sys.exit(main())
