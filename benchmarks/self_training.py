"""Compare rules of self-training on PACS, all ordered pairs of domains: `python -m benchmarks.self_training`.

A probe on frozen efficientnet-lite0 features learns from one domain with labels and adapts to another without them: by
self-training under each rule of selection and under gates beyond AVH's paper, and by the other methods of its table
(Chen et al. 2020, https://doi.org/10.48550/arXiv.1912.02279). Training and selection use no label of the target, and
accuracy is over all its images, which the methods have seen without labels. Rates were chosen on a fifth of a source
held out, once for all pairs, where every domain is also a target; all else was fixed beforehand.

    python -m benchmarks.self_training --data pacs_128.parquet --out FOLDER

The head is the paper's, linear-ReLU-linear 512 wide; `one-layer` (angles at the features themselves) and `no-relu`
(angles at 512 outputs without ReLU) answer where angles are best taken. All methods have the same seeds and number of
steps; self-training starts from the source's head of the same seed. One finished training is one file under FOLDER. The
same command goes on where it was stopped, also by `--minutes`; run twice at once it shares the work. `--report` prints
the tables of what is there.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from avhcurate import scores
from avhcurate.features.pseudo_labels import rules
from avhcurate.features.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.features.pseudo_labels.rules import RULES, Rule
from avhcurate.lab.self_training.loop import PseudoLabelled, TargetEvaluator, self_train
from avhcurate.lab.self_training.probe import ProbeHead, ProbeRecipe, ProbeTrainer, train_probe
from avhcurate.lab.self_training.settings import Schedule
from avhcurate.networks.models.engine import Network, embed
from avhcurate.networks.models.loading import ModelSpec, load_model
from avhcurate.workspace.data.self_trainings import BY, SelfTrainingFolder
from avhcurate.workspace.disk.files import sha256, temporary_name, write_json
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.images.decoding import decode
from benchmarks.adaptation import METHODS
from benchmarks.gates import GATES, Gated, gate_scores, read_gates
from benchmarks.pacs_data import open_pacs
from benchmarks.resumable import add_results, run_until, say
from benchmarks.self_training_results import (
    OF_OTHER_HEADS,
    OTHER_SEEDS,
    SHORT,
    GatesResult,
    Result,
    Round,
    refuse_other_results,
    report,
)

MODEL = "efficientnet-lite0"
DOMAINS = tuple(SHORT)
PAIRS = tuple(itertools.permutations(DOMAINS, 2))

#: Steps of mini-batches on the source, and in each round of self-training; other methods make all of them at once.
SOURCE_STEPS, ROUND_STEPS = 200, 40
SCHEDULE = Schedule()
RECIPE = ProbeRecipe(steps=SOURCE_STEPS)
#: Rates are those that are best on a fifth of the source held out.
HEADS = {
    "paper": RECIPE,
    "no-relu": replace(RECIPE, relu=False),
    "one-layer": replace(RECIPE, hidden=None, learning_rate=1e-2),
}

#: The rule `avc-centred` is the gate `centred`.
ALL = ("source", *(rule for rule in RULES if rule != "avc-centred"), *GATES, *METHODS)
#: Stands for no training but for the reading of the gates.
READ_GATES = "gates"


class Task(NamedTuple):
    """One training to make, or the reading of all gates under the source's head."""

    seed: int
    source: str
    target: str
    head: str
    method: str

    @property
    def file(self) -> str:
        if self.method == READ_GATES:
            return f"gates/{self.source}-{self.target}-{self.seed}.json"
        return f"{self.source}-{self.target}-{self.head}-{self.method}-{self.seed}.json"


class Pacs(NamedTuple):
    """Features (N, 1280) float32, labels (N,), domains (N,), names of the K classes, and the data's SHA-256."""

    features: np.ndarray
    labels: np.ndarray
    domains: np.ndarray
    classes: list[str]
    sha256: str

    def part(self, domain: str) -> tuple[np.ndarray, np.ndarray]:
        """Return features and labels of a domain."""
        chosen = self.domains == domain
        return self.features[chosen], self.labels[chosen]


def read_pacs(data: Path, out: Path) -> Pacs:
    """Labels and domains of the file, and the features of its images, which are worked out once and kept in `out`."""
    file, labels, domains, classes = open_pacs(data)
    fingerprint = sha256(data)
    kept = out / f"features-{MODEL}-{fingerprint[:8]}.npy"
    with FileLock(out / "features.lock"):
        if not kept.exists():
            say(f"Features of {file.metadata.num_rows:,} images by {MODEL} in float32")
            made = temporary_name(kept).with_suffix(".npy")
            np.save(made, np.concatenate(list(features_of(file))))
            made.rename(kept)
    return Pacs(np.load(kept), labels, domains, classes, fingerprint)


def features_of(file: pq.ParquetFile) -> Iterator[np.ndarray]:
    """Batches (n, 1280) of the images' features, in the file's order."""
    model = load_model(ModelSpec(name=MODEL))
    network = Network(model, precision="float32")
    batches = (batch["image"].field("bytes").to_pylist() for batch in file.iter_batches(16, columns=["image"]))

    def prepare(encoded: list[bytes]) -> tuple[np.ndarray, None]:
        return np.stack([model.preprocess.prepare(decode(one)) for one in encoded]), None

    return (features for _, features, _ in embed(network, batches, prepare))


class Trainer(ProbeTrainer):
    """The product's trainer, which begins at a head that is there, and may read another gate."""

    begin: ProbeHead
    gate: str | None = None

    def fit(self, round: int, pseudo: PseudoLabelled | None) -> None:
        """The source's head for round 0, `ROUND_STEPS` in each later one."""
        if not round:
            self.head = self.begin
            return
        super().fit(round, pseudo)

    def outputs(self) -> ModelOutputs:
        """See `self_training.Trainer`."""
        assert self.head is not None
        if self.gate is None:
            return super().outputs()
        plain = ModelOutputs(self.head.embed(self.target), self.head.class_weights, self.head.bias)
        return Gated(plain.features, plain.class_weights, plain.bias, gate=gate_scores(self.gate, plain, self.seed))


def adapt(task: Task, pacs: Pacs, begin: ProbeHead) -> tuple[ProbeHead, list[Round]]:
    """Return the head of a method, and the rounds of self-training."""
    (source, labels), (target, truth) = pacs.part(task.source), pacs.part(task.target)
    recipe, size = HEADS[task.head], len(pacs.classes)
    if task.method in ("source", *METHODS):
        penalty = None if task.method == "source" else METHODS[task.method](target)
        longer = replace(recipe, steps=SOURCE_STEPS + SCHEDULE.rounds * ROUND_STEPS)
        return train_probe(source, labels, num_classes=size, recipe=longer, seed=task.seed, penalty=penalty), []
    shorter = replace(recipe, steps=ROUND_STEPS)
    trainer = Trainer(source, labels, target, num_classes=size, recipe=shorter, seed=task.seed)
    trainer.begin, trainer.gate = begin, task.method if task.method in GATES else None
    rule: Rule = "avc" if task.method in GATES else task.method  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as place:
        folder = SelfTrainingFolder(Path(place))
        evaluator = TargetEvaluator(truth, pacs.classes)
        self_train(trainer, np.arange(len(target)), rule=rule, evaluator=evaluator, folder=folder, schedule=SCHEDULE)
        rounds = [brief(folder, number, truth, rule) for number in folder.rounds()[1:]]
    assert trainer.head is not None
    return trainer.head, rounds


def train_one(task: Task, pacs: Pacs, begin: ProbeHead) -> Result:
    """Train by one method, and evaluate it."""
    started = time.process_time()
    head, rounds = adapt(task, pacs, begin)
    seconds = time.process_time() - started
    target, truth = pacs.part(task.target)
    right, size = head.logits(target).argmax(1) == truth, len(pacs.classes)
    per_class = [float(right[truth == k].mean()) for k in range(size)]
    reach, angles = spread(begin, target)
    return Result(
        **task._asdict(),
        accuracy=float(right.mean()),
        mean_accuracy=float(np.mean(per_class)),
        per_class=per_class,
        classes=pacs.classes,
        start=float((begin.logits(target).argmax(1) == truth).mean()),
        rounds=rounds,
        reach=reach,
        angles=angles,
        samples_per_class=np.bincount(truth, minlength=size).tolist(),
        seconds=round(seconds, 3),
        recipe=recipe_of(task.head),
        data_sha256=pacs.sha256,
        versions={name: version(name) for name in ("torch", "numpy", "scipy")},
        finished=datetime.now(UTC),
    )


def recipe_of(head: str) -> dict[str, object]:
    """Return how a result was trained, for its record."""
    return asdict(HEADS[head]) | {"round_steps": ROUND_STEPS}


def gates_of(task: Task, pacs: Pacs, begin: ProbeHead) -> GatesResult:
    """Return how each gate ranks the source head's predictions on the target."""
    target, truth = pacs.part(task.target)
    outputs = ModelOutputs(begin.embed(target), begin.class_weights, begin.bias)
    gates = read_gates(outputs, truth, task.seed)
    return GatesResult(source=task.source, target=task.target, seed=task.seed, classes=pacs.classes, gates=gates)


def brief(folder: SelfTrainingFolder, number: int, truth: np.ndarray, rule: str) -> Round:
    """What is kept of a round: the product's report, and how its selection overlaps those of the other gates."""
    full, rows = folder.report(number), folder.selection(number)
    ours, right = rows["selected"], rows["candidate"] == truth
    own = rules.RULES[rule].gate  # type: ignore[index]
    others = {gate: rows[BY + gate] for gate in rules.GATES if gate != own}
    return Round(
        portion=full.portion or 0.0,
        selected=full.selected,
        precision=full.precision.value,
        jaccard={gate: mean_of((ours & theirs)[ours | theirs]) for gate, theirs in others.items()},
        only_ours={gate: mean_of(right[ours & ~theirs]) for gate, theirs in others.items()},
        only_theirs={gate: mean_of(right[theirs & ~ours]) for gate, theirs in others.items()},
        accuracy=full.accuracy.value,
    )


def mean_of(flags: pd.Series) -> float | None:
    """The share of flags that are set; None without any."""
    if flags.empty:
        return None
    return float(flags.mean())


def spread(head: ProbeHead, features: np.ndarray) -> tuple[list[float], list[float]]:
    """Quantiles of AVC of the predicted class, and the mean angles in degrees to the nearest class and the others."""
    embedded = head.embed(features)
    theta = np.degrees(np.sort(np.asarray(scores.angles(embedded, head.class_weights)), axis=1))
    best = np.asarray(scores.avc(embedded, head.class_weights)).max(1)
    quantiles = np.nanquantile(best, [0.05, 0.5, 0.95]).tolist()
    return quantiles, [float(np.nanmean(theta[:, 0])), float(np.nanmean(theta[:, 1:]))]


def tasks(seeds: int, other_seeds: int) -> list[Task]:
    """Seed by seed, so that what there is at any time is whole for some seeds."""
    found = []
    for seed in range(max(seeds, other_seeds)):
        for source, target in PAIRS:
            if seed < seeds:
                found += [Task(seed, source, target, "paper", method) for method in (READ_GATES, *ALL)]
        for source, target in PAIRS:
            if seed < other_seeds:
                heads = [head for head in HEADS if head != "paper"]
                found += [Task(seed, source, target, head, m) for head in heads for m in OF_OTHER_HEADS]
    return found


def run(options: argparse.Namespace, progress: Progress = SILENT) -> bool:
    """Train what is missing, and return whether all is done."""
    (options.out / "gates").mkdir(parents=True, exist_ok=True)
    pacs = read_pacs(options.data, options.out)
    refuse_other_results(options.out, pacs.sha256, {head: recipe_of(head) for head in HEADS})
    wanted = tasks(options.seeds, min(options.seeds, OTHER_SEEDS))
    if options.only:
        wanted = [task for task in wanted if task.method in options.only.split(",")]
    for (seed, source, target, head), group in itertools.groupby(wanted, key=lambda task: task[:4]):
        name = options.out / f"{source}-{target}-{head}-{seed}"
        missing = [task for task in group if not (options.out / task.file).exists()]
        if not missing:
            continue
        try:
            with FileLock(f"{name}.lock", timeout=0):
                train_missing(missing, pacs, options.out, progress)
        except Timeout:
            say(f"{name.name} is under way in another process")
    return all((options.out / task.file).exists() for task in wanted)


def train_missing(missing: Sequence[Task], pacs: Pacs, out: Path, progress: Progress) -> None:
    """Train by several methods from one head of the source."""
    first = missing[0]
    features, labels = pacs.part(first.source)
    recipe, size = HEADS[first.head], len(pacs.classes)
    begin = train_probe(features, labels, num_classes=size, recipe=recipe, seed=first.seed)
    for task in missing:
        progress.check("stopped: the same command goes on")
        if (out / task.file).exists():
            continue
        if task.method == READ_GATES:
            write_json(out / task.file, gates_of(task, pacs, begin))
            continue
        result = train_one(task, pacs, begin)
        write_json(out / task.file, result)
        say(
            f"seed {task.seed} {task.source} -> {task.target} {task.head} {task.method}: {result.accuracy:.1%} right, "
            f"{result.seconds:.1f} s"
        )


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="Parquet file with image bytes, label and domain")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--only", help=f"some of {READ_GATES}, {', '.join(ALL)} [default: all]")
    add_results(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)

    def work(progress: Progress) -> bool:
        if not options.report:
            return run(options, progress)
        print(report(options.out, ALL, list(HEADS)))
        return True

    return run_until(work, options.minutes)


if __name__ == "__main__":
    sys.exit(main())
