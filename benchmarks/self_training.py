"""Self-training on PACS, all ordered pairs of domains: `python -m benchmarks.self_training`.

A probe on frozen efficientnet-lite0 features learns from one domain with labels and adapts to another without them: by
self-training under each rule of selection and under gates beyond AVH's paper, and by the other methods of its table
(Chen et al. 2020, https://doi.org/10.48550/arXiv.1912.02279). Labels of the target are used for evaluation only: every
number of the recipes below was fixed beforehand, and accuracy is over all images of the target domain, which the
methods have seen without labels.

    python -m benchmarks.self_training --data pacs_128.parquet --out FOLDER

The head is the paper's, linear-ReLU-linear 512 wide; `one-layer` (angles at the features themselves) and `no-relu`
(angles at 512 outputs without ReLU) answer where angles are best taken. All methods have the same seeds and number of
steps; self-training starts from the source's head of the same seed. One finished training is one file under FOLDER. The
same command goes on where it was stopped; run twice at once it shares the work. `--report` prints the tables of what is
there.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from pydantic import BaseModel
from scipy import stats
from scipy.special import softmax

from avhcurate import scores
from avhcurate.disk.files import sha256, temporary_name, write_json
from avhcurate.errors import CurateError
from avhcurate.images.decoding import decode
from avhcurate.models.engine import Network, embed
from avhcurate.models.loading import ModelSpec, load_model
from avhcurate.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.pseudo_labels.rules import RULES, Rule
from avhcurate.self_training.evaluation import TargetEvaluator
from avhcurate.self_training.loop import PseudoLabelled, Schedule, self_train
from avhcurate.self_training.probe_trainer import ProbeTrainer
from avhcurate.self_training.store import RoundReport, SelfTrainingFolder
from avhcurate.stats.intervals import mean_over_seeds
from avhcurate.training.probe import ProbeHead, ProbeRecipe, train_probe
from benchmarks.adaptation import METHODS

MODEL = "efficientnet-lite0"
DOMAINS = ("art_painting", "cartoon", "photo", "sketch")
PAIRS = tuple(itertools.permutations(DOMAINS, 2))
#: How the domains and pairs are called in tables.
SHORT = {"art_painting": "A", "cartoon": "C", "photo": "P", "sketch": "S"}
NAMES = tuple(f"{SHORT[source]}→{SHORT[target]}" for source, target in PAIRS)

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

#: Gates that are no rules, beside the rules; all train on hard labels. `random` shows what a gate's order is worth.
GATES = ("centred", "gap", "tempered", "dropout", "neighbours", "random")
#: The rule `avc-centred` is the gate `centred`.
ALL = ("source", *(rule for rule in RULES if rule != "avc-centred"), *GATES, *METHODS)
#: What the other two heads are compared by.
OF_OTHER_HEADS: tuple[str, ...] = ("source", "confidence", "avc", "centred")
OTHER_SEEDS = 3
#: What is told class by class.
BY_CLASS = ("source", "confidence", "avc", "lrent", "centred", "neighbours", "mmd")


class Round(BaseModel):
    """One round of self-training: what was selected and how right it is, and the accuracy after training.

    jaccard, only_ours, only_theirs: per gate that another rule has, the overlap of both selections and the precisions
    of what one alone selects.
    """

    portion: float
    selected: int
    precision: float | None
    mean_avc: float | None
    mean_confidence: float | None
    jaccard: dict[str, float | None]
    only_ours: dict[str, float | None]
    only_theirs: dict[str, float | None]
    accuracy: float | None


class Result(BaseModel):
    """One training: accuracies over the target in [0, 1], and per class in the order of `classes`.

    start: accuracy of the source's head, from which self-training begins. reach: AVC of the predicted class on the
    target under the source's head, its quantiles at 0.05, 0.5, 0.95; angles: mean angle in degrees to the nearest class
    and to all others. Of self-training alone: its rounds, and per class what the last one selected.
    """

    source: str
    target: str
    head: str
    method: str
    seed: int
    accuracy: float
    mean_accuracy: float
    per_class: list[float]
    classes: list[str]
    start: float | None = None
    rounds: list[Round]
    reach: list[float] | None = None
    angles: list[float] | None = None
    selected_per_class: list[int] | None = None
    precision_per_class: list[float | None] | None = None
    samples_per_class: list[int]
    seconds: float
    recipe: dict[str, object]
    data_sha256: str
    versions: dict[str, str]
    finished: datetime


class Task(NamedTuple):
    """One training to make."""

    seed: int
    source: str
    target: str
    head: str
    method: str

    @property
    def file(self) -> str:
        return f"{self.source}-{self.target}-{self.head}-{self.method}-{self.seed}.json"


class Pacs(NamedTuple):
    """Features (N, 1280) float32, labels (N,), domains (N,), names of the K classes, and the data's SHA-256."""

    features: np.ndarray
    labels: np.ndarray
    domains: np.ndarray
    classes: list[str]
    sha256: str

    def part(self, domain: str) -> tuple[np.ndarray, np.ndarray]:
        """Features and labels of a domain."""
        chosen = self.domains == domain
        return self.features[chosen], self.labels[chosen]


def read_pacs(data: Path, out: Path) -> Pacs:
    """Labels and domains of the file, and the features of its images, which are worked out once and kept in `out`."""
    if not data.is_file():
        raise CurateError(f"--data {data} does not exist: give the Parquet file of PACS")
    file = pq.ParquetFile(data)
    lacking = {"image", "label", "domain"} - set(file.schema_arrow.names)
    if lacking:
        raise CurateError(f"--data {data} lacks the columns {', '.join(sorted(lacking))}")
    fingerprint = sha256(data)
    kept = out / f"features-{MODEL}-{fingerprint[:8]}.npy"
    with FileLock(out / "features.lock"):
        if not kept.exists():
            say(f"Features of {file.metadata.num_rows:,} images by {MODEL} in float32")
            made = temporary_name(kept).with_suffix(".npy")
            np.save(made, np.concatenate(list(features_of(file))))
            made.rename(kept)
    table = file.read(columns=["label", "domain"])
    labels = table["label"].to_numpy().astype(np.int64)
    known = (file.schema_arrow.metadata or {}).get(b"classes", b"").decode()
    classes = known.split(",") if known else [str(k) for k in range(int(labels.max()) + 1)]
    return Pacs(np.load(kept), labels, table["domain"].to_numpy().astype(str), classes, fingerprint)


def features_of(file: pq.ParquetFile) -> Iterator[np.ndarray]:
    """Batches (n, 1280) of the images' features, in the file's order."""
    model = load_model(ModelSpec(name=MODEL))
    network = Network(model, precision="float32")
    batches = (batch["image"].field("bytes").to_pylist() for batch in file.iter_batches(16, columns=["image"]))

    def prepare(encoded: list[bytes]) -> tuple[np.ndarray, None]:
        return np.stack([model.preprocess.prepare(decode(one)) for one in encoded]), None

    return (part.features for part in embed(network, batches, prepare))


@dataclass(frozen=True, kw_only=True)
class Gated(ModelOutputs):
    """Outputs whose gate on AVC uses another score, (N, K), large = confident."""

    gate: np.ndarray

    def blocks(self, gate: str = "avc") -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """In one block."""
        yield logits_of(self), self.gate


def logits_of(outputs: ModelOutputs) -> np.ndarray:
    """(N, K)."""
    return np.asarray(outputs.features @ outputs.class_weights.T + outputs.bias)


def gate_scores(name: str, outputs: ModelOutputs, seed: int) -> np.ndarray:
    """The score (N, K) by which a gate beyond the paper tells samples of a predicted class apart.

    centred: AVC of features and class weights less their means, so that both spread over all directions. gap: the
    smallest angle to any other class less the angle to this one. tempered: softmax of logits divided by each class's
    own deviation over the target. dropout: mean probability under 16 dropouts of half the embedding. neighbours: mean
    probability of the ten samples nearest by angle. random: no score at all.
    """
    features, weights, logits = outputs.features, outputs.class_weights, logits_of(outputs)
    if name == "centred":
        return np.asarray(scores.avc(features - features.mean(0), weights - weights.mean(0)))
    if name == "gap":
        return gaps(np.asarray(scores.angles(features, weights)))
    if name == "tempered":
        return softmax(logits / logits.std(0), axis=1)
    rng = np.random.default_rng(seed)
    if name == "random":
        return rng.random(logits.shape)
    if name == "dropout":
        kept = (2 * rng.integers(0, 2, features.shape).astype(np.float32) for _ in range(16))
        return np.mean([softmax(features * mask @ weights.T + outputs.bias, axis=1) for mask in kept], axis=0)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    return softmax(logits, axis=1)[np.argpartition(-cosine, 10, axis=1)[:, :10]].mean(1)


def gaps(theta: np.ndarray) -> np.ndarray:
    """Smallest angle to any other class less the angle to each: (N, K) -> (N, K).

    >>> gaps(np.array([[1.0, 3.0, 2.0]])).tolist()
    [[1.0, -2.0, -1.0]]
    """
    two = np.partition(theta, 1, axis=1)[:, :2]
    others = np.where(theta == two[:, :1], two[:, 1:], two[:, :1])
    return others - theta


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
        plain = super().outputs()
        if self.gate is None:
            return plain
        return Gated(plain.features, plain.class_weights, plain.bias, gate=gate_scores(self.gate, plain, self.seed))


def adapt(task: Task, pacs: Pacs, begin: ProbeHead) -> tuple[ProbeHead, list[RoundReport], pd.DataFrame | None]:
    """The head of a method, and of self-training its rounds and the last one's table of classes."""
    (source, labels), (target, truth) = pacs.part(task.source), pacs.part(task.target)
    recipe, size = HEADS[task.head], len(pacs.classes)
    if task.method in ("source", *METHODS):
        penalty = None if task.method == "source" else METHODS[task.method](target)
        longer = replace(recipe, steps=SOURCE_STEPS + SCHEDULE.rounds * ROUND_STEPS)
        return train_probe(source, labels, num_classes=size, recipe=longer, seed=task.seed, penalty=penalty), [], None
    rounds = replace(recipe, steps=ROUND_STEPS)
    trainer = Trainer(source, labels, target, num_classes=size, recipe=rounds, seed=task.seed)
    trainer.begin, trainer.gate = begin, task.method if task.method in GATES else None
    rule: Rule = "avc" if task.method in GATES else task.method  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as place:
        folder = SelfTrainingFolder(Path(place))
        evaluator = TargetEvaluator(truth, pacs.classes)
        self_train(trainer, np.arange(len(target)), rule=rule, evaluator=evaluator, folder=folder, schedule=SCHEDULE)
        reports = [folder.report(number) for number in folder.rounds()]
        classes = folder.classes(folder.rounds()[-1])
    assert trainer.head is not None
    return trainer.head, reports, classes


def train_one(task: Task, pacs: Pacs, begin: ProbeHead) -> Result:
    """Trains by one method, and evaluates it."""
    started = time.process_time()
    head, reports, classes = adapt(task, pacs, begin)
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
        rounds=[brief(one) for one in reports[1:]],
        reach=reach,
        angles=angles,
        selected_per_class=None if classes is None else classes["selected"].tolist(),
        precision_per_class=None if classes is None else classes["precision"].replace({np.nan: None}).tolist(),
        samples_per_class=np.bincount(truth, minlength=size).tolist(),
        seconds=round(seconds, 3),
        recipe=asdict(HEADS[task.head]) | {"round_steps": ROUND_STEPS},
        data_sha256=pacs.sha256,
        versions={name: version(name) for name in ("torch", "numpy", "scipy")},
        finished=datetime.now(UTC),
    )


def brief(full: RoundReport) -> Round:
    """What is kept of the product's report of a round."""
    return Round(
        portion=full.portion or 0.0,
        selected=full.selected,
        precision=full.precision.value,
        mean_avc=full.mean_avc,
        mean_confidence=full.mean_confidence,
        jaccard={one.gate: one.jaccard for one in full.overlaps},
        only_ours={one.gate: one.only_ours.value for one in full.overlaps},
        only_theirs={one.gate: one.only_theirs.value for one in full.overlaps},
        accuracy=full.accuracy.value,
    )


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
                found += [Task(seed, source, target, "paper", method) for method in ALL]
        for source, target in PAIRS:
            if seed < other_seeds:
                heads = [head for head in HEADS if head != "paper"]
                found += [Task(seed, source, target, head, m) for head in heads for m in OF_OTHER_HEADS]
    return found


def run(options: argparse.Namespace) -> None:
    """Trains what is not there yet."""
    options.out.mkdir(parents=True, exist_ok=True)
    pacs = read_pacs(options.data, options.out)
    wanted = tasks(options.seeds, min(options.seeds, OTHER_SEEDS))
    for (seed, source, target, head), group in itertools.groupby(wanted, key=lambda task: task[:4]):
        name = options.out / f"{source}-{target}-{head}-{seed}"
        missing = [task for task in group if not (options.out / task.file).exists()]
        if not missing:
            continue
        try:
            with FileLock(f"{name}.lock", timeout=0):
                train_missing(missing, pacs, options.out)
        except Timeout:
            say(f"{name.name} is under way in another process")


def train_missing(missing: Sequence[Task], pacs: Pacs, out: Path) -> None:
    """Trains by several methods from one head of the source."""
    first = missing[0]
    features, labels = pacs.part(first.source)
    recipe, size = HEADS[first.head], len(pacs.classes)
    begin = train_probe(features, labels, num_classes=size, recipe=recipe, seed=first.seed)
    for task in missing:
        if (out / task.file).exists():
            continue
        result = train_one(task, pacs, begin)
        write_json(out / task.file, result)
        say(
            f"seed {task.seed} {task.source} -> {task.target} {task.head} {task.method}: {result.accuracy:.1%} right, "
            f"{result.seconds:.1f} s"
        )


def say(text: str) -> None:
    print(text, flush=True)


def finished(out: Path) -> pd.DataFrame:
    """A row a result; accuracies in percent."""
    rows = []
    for path in sorted(out.glob("*.json")):
        one = Result.model_validate_json(path.read_bytes())
        row = one.model_dump(exclude={"rounds"}) | {"pair": f"{SHORT[one.source]}→{SHORT[one.target]}"}
        rounds = [dict(one.rounds[at]) if one.rounds else dict.fromkeys(Round.model_fields) for at in (0, -1)]
        rows.append(
            row | {f"first_{k}": v for k, v in rounds[0].items()} | {f"last_{k}": v for k, v in rounds[1].items()}
        )
    if not rows:
        raise CurateError(f"{out} holds no result yet: run the benchmark without --report first")
    table = pd.DataFrame(rows)
    for name in ("accuracy", "mean_accuracy", "start", "first_precision", "last_precision"):
        table[name] = 100 * table[name].astype(float)
    return table


def whole(table: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """The rows of the pairs and seeds that have every one of the methods, so that all means are over the same."""
    table = table[table["method"].isin(methods)]
    return table[table.groupby(["pair", "seed"])["method"].transform("nunique") == len(methods)]


def cell(values: Sequence[float] | pd.Series, sign: str = "") -> str:
    """Mean and half of its 95 % interval by Student's t, which needs two values.

    >>> cell([1.0, 2.0, 3.0])
    '2.0 ± 2.5'
    """
    mean = mean_over_seeds(values)
    return f"{mean.value:{sign}.1f}" + ("" if mean.n < 2 else f" ± {mean.high - mean.value:.1f}")


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def accuracy_table(table: pd.DataFrame, methods: Sequence[str]) -> str:
    """Percent right a pair, mean over seeds and half of its interval; last the means over pairs, and of classes."""
    pairs = [pair for pair in NAMES if pair in set(table["pair"])]
    rows = []
    for method in methods:
        own = table[table["method"] == method]
        over = [own[own["pair"] == pair] for pair in pairs]
        means = [f"{np.mean([part[key].mean() for part in over]):.1f}" for key in ("accuracy", "mean_accuracy")]
        rows.append([method, *(cell(part["accuracy"]) for part in over), *means])
    return markdown(["", *pairs, "mean", "mean of classes"], rows)


def against(table: pd.DataFrame, methods: Sequence[str], reference: str = "confidence") -> str:
    """Each method less the reference in points, the pair of domains as the unit."""
    rows = []
    for method in methods:
        if method == reference:
            continue
        cells = [method]
        for key in ("accuracy", "mean_accuracy"):
            wide = table.pivot_table(index="pair", columns="method", values=key)
            difference = wide[method] - wide[reference]
            p = [np.nan, np.nan]
            if len(difference) > 1 and np.ptp(difference):
                p = [stats.ttest_1samp(difference, 0).pvalue, stats.wilcoxon(difference).pvalue]
            cells += [cell(difference, "+"), f"{(difference > 0).sum()} of {len(difference)}", *(f"{v:.3f}" for v in p)]
        rows.append(cells)
    names = [
        f"{what}{of}" for of in ("", " (mean of classes)") for what in ("points", "better in", "t-test p", "Wilcoxon p")
    ]
    return markdown(["", *names], rows)


def selected_table(table: pd.DataFrame, methods: Sequence[str]) -> str:
    """What self-training selects: how right it is at the first and last round, and what differs from confidence's."""
    rows = []
    for method in methods:
        own = table[table["method"] == method]
        if own["last_precision"].isna().all():
            continue
        cells = [cell(own.groupby("pair")[f"{at}_precision"].mean()) for at in ("first", "last")]
        cells.append(f"{own['last_selected'].mean():.0f}")
        for key in ("jaccard", "only_ours", "only_theirs"):
            values = [
                100 * one["confidence"] for one in own[f"first_{key}"] if one and one.get("confidence") is not None
            ]
            cells.append(f"{np.mean(values):.1f}" if values else "-")
        rows.append([method, *cells])
    names = [
        "precision, round 1",
        "precision, last",
        "selected, last",
        "overlap, round 1",
        "only this",
        "only confidence",
    ]
    return markdown(["", *names], rows)


def reach_table(table: pd.DataFrame) -> str:
    """How far AVC reaches on the target under the source's head, and the angles, a pair."""
    rows = []
    for pair in NAMES:
        own = table[(table["pair"] == pair) & (table["method"] == "avc")]
        if len(own):
            values = [np.mean(own[key].tolist(), axis=0) for key in ("reach", "angles")]
            rows.append(
                [pair, f"{own['start'].mean():.1f}", *(f"{v:.3f}" for v in values[0]), *(f"{v:.0f}" for v in values[1])]
            )
    return markdown(["", "source's head", "AVC 5 %", "50 %", "95 %", "nearest class, degrees", "other classes"], rows)


def heads_table(table: pd.DataFrame) -> str:
    """Where angles are taken: means over pairs, and AVC less confidence with the interval over pairs."""
    rows = []
    for head in HEADS:
        own = whole(table[(table["head"] == head) & (table["seed"] < OTHER_SEEDS)], OF_OTHER_HEADS)
        if own.empty:
            continue
        wide = own.pivot_table(index="pair", columns="method", values="accuracy")
        reach, angles = (np.mean(own[key].tolist(), axis=0) for key in ("reach", "angles"))
        cells = [f"{wide[method].mean():.1f}" for method in OF_OTHER_HEADS]
        cells += [
            cell(wide["avc"] - wide["confidence"], "+"),
            f"{(wide['avc'] > wide['confidence']).sum()} of {len(wide)}",
        ]
        rows.append([head, *cells, f"{reach[0]:.3f} to {reach[2]:.3f}", f"{angles[0]:.0f}, {angles[1]:.0f}"])
    names = ["AVC less confidence", "better in", "AVC, 5 % to 95 %", "degrees to the nearest class, to others"]
    return markdown(["", *OF_OTHER_HEADS, *names], rows)


def class_table(table: pd.DataFrame, pair: str, methods: Sequence[str]) -> str:
    """Percent right of each class of the target, mean over seeds."""
    own = table[table["pair"] == pair]
    classes, samples = own["classes"].iloc[0], own["samples_per_class"].iloc[0]
    rows = [
        [
            method,
            *(f"{100 * v:.1f}" for v in np.mean(part["per_class"].tolist(), axis=0)),
            f"{part['mean_accuracy'].mean():.1f}",
        ]
        for method in methods
        for part in [own[own["method"] == method]]
    ]
    rows.append(["samples", *map(str, samples), str(sum(samples))])
    return markdown([pair, *classes, "mean"], rows)


def report(out: Path) -> str:
    """All tables of what is there."""
    everything = finished(out)
    table = whole(everything[everything["head"] == "paper"], ALL)
    if table.empty:
        raise CurateError(f"{out} holds no pair of domains with all methods yet: let the benchmark run on")
    wide = table.pivot_table(index="pair", columns="method", values="accuracy")
    difference = wide["avc"] - wide["confidence"]
    shown = list(dict.fromkeys([p for p in ("P→S",) if p in wide.index] + [difference.idxmax(), difference.idxmin()]))
    blocks = table.groupby(["pair", "seed"]).ngroups
    parts = [
        f"{len(table)} trainings: {len(wide)} pairs of domains, {blocks} pairs and seeds with all {len(ALL)} methods; "
        f"{table['seconds'].sum() / 60:.0f} min of one core.",
        "Percent right on the target, mean over seeds ± half of its 95 % interval over seeds.",
        accuracy_table(table, ALL),
        "Less `confidence` (CBST), points: mean over pairs of the means over seeds ± half of its 95 % interval over "
        "pairs.",
        against(table, ALL),
        "Pseudo-labels: percent right among the selected; overlap (Jaccard) with what `confidence` would select from "
        "the same outputs in round 1, and percent right of what only one of both selects.",
        selected_table(table, ALL),
        "AVC of the predicted class on the target under the source's head: quantiles (1/7 = 0.143 is no evidence).",
        reach_table(table),
        f"Where angles are taken, {OTHER_SEEDS} seeds at most.",
        heads_table(everything),
        "Per class.",
        *(class_table(table, pair, [m for m in BY_CLASS if m in ALL]) for pair in shown),
    ]
    return "\n\n".join(parts)


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="Parquet file with image bytes, label and domain")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--report", action="store_true", help="print the tables of what is there, and train nothing")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    try:
        if options.report:
            print(report(options.out))
        else:
            run(options)
    except CurateError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
