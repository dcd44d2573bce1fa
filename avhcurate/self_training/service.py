"""Self-training of a dataset from another, started and resumed; `self_training_results` reads the outcome."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.provenance import now, settings_digest, versions
from avhcurate.errors import CurateError
from avhcurate.pseudo_labels.rules import RULES, Rule
from avhcurate.self_training.domains import check_pair, domains
from avhcurate.self_training.loop import Schedule
from avhcurate.self_training.paired_runs import paired_runs
from avhcurate.self_training.store import FOLDER, SelfTrainingFolder, SelfTrainingRecord
from avhcurate.table.subset import Subset
from avhcurate.training.recipe import Recipe, as_numbers

# Torch takes seconds to import, and a page that only reads results shall not wait for it.
if TYPE_CHECKING:
    from avhcurate.self_training.loop import Trainer
    from avhcurate.training.distributed import ProcessGroup
    from avhcurate.training.probe import ProbeRecipe


@dataclass(frozen=True)
class Settings:
    """Source, target and method of a self-training; what is None is chosen.

    source, target: datasets with the same classes, or twice the same one with a condition on each.
    model: as for scoring, or of a probe the name of a run of the target; weights: a file, "random", None for the
        model's own.
    rule, schedule, rounds, alpha: see `self_training.loop.self_train`.
    how: a `ProbeRecipe` trains a head on frozen features, as does None; a `Recipe` the whole network. Its seed gives
        way to `seed`, its precision to a `precision` that is not "auto", and what it says of crops and mirror images to
        the network's input: crops wander by an eighth of its side, and images in colour are mirrored.
    """

    source: str
    target: str
    model: str | None = None
    weights: Path | Literal["random"] | None = None
    rule: Rule = "avc"
    schedule: Schedule = field(default_factory=Schedule)
    rounds: int | None = None
    alpha: float | None = None
    seed: int = 0
    how: "ProbeRecipe | Recipe | None" = None
    source_where: str = ""
    target_where: str = ""
    device: str = "auto"
    precision: str = "auto"

    @property
    def names(self) -> tuple[str, str]:
        """Source and target."""
        return self.source, self.target

    @property
    def conditions(self) -> tuple[str, str]:
        """On the samples of source and target."""
        return self.source_where, self.target_where

    @property
    def most(self) -> int:
        """The largest number of rounds."""
        return self.schedule.rounds if self.rounds is None else self.rounds


@dataclass(frozen=True)
class _Task:
    """The samples, the fields of the record about network and trainer, and a function that makes the trainer."""

    source: Subset
    target: Subset
    about: dict[str, Any]
    trainer: "Callable[[SelfTrainingFolder], Trainer]"


def self_train_dataset(
    workspace: Workspace,
    settings: Settings,
    *,
    progress: Progress = SILENT,
) -> SelfTrainingFolder:
    """Trains on the source, adapts to the target by rounds of pseudo-labels, and returns the complete self-training,
    which lies with the target.

    It learns from the curated labels of the source's samples that are not excluded; the target's given labels serve the
    report alone. For a probe, a dataset that the model has not scored yet is scored first: its run is the cache of its
    features. The self-training is named by what decides its numbers: the same call resumes one that was cut short, and
    does nothing where all is done.

    Raises Cancelled when asked to stop, after which the same call resumes, and CurateError for what the user
    can mend. Under `torchrun`, for the whole network, every process calls this, and the first alone writes.
    """
    from avhcurate.self_training.evaluation import TargetEvaluator
    from avhcurate.self_training.loop import self_train
    from avhcurate.training.distributed import joined

    _check(settings)
    check_pair(workspace, *settings.names, settings.conditions)
    with joined() as group:
        task = (_full if isinstance(settings.how, Recipe) else _probe)(workspace, settings, progress, group)
        record = _record(settings, task)
        folder = SelfTrainingFolder(task.target.dataset.root / FOLDER / record.name)
        with folder.alone() if group.leads else nullcontext():
            if group.told(folder.complete):
                progress.report(1, 1, "complete already")
                return folder
            if group.leads and not folder.begun:
                folder.write_record(record)
            stopped = self_train(
                task.trainer(folder),
                task.target.ids,
                rule=settings.rule,
                evaluator=TargetEvaluator(task.target.labels, record.classes),
                folder=folder,
                schedule=settings.schedule,
                rounds=record.rounds,
                alpha=settings.alpha,
                progress=progress,
                group=group,
            )
            if group.leads:
                _finish(folder, stopped)
    return folder


def self_train_all(
    workspace: Workspace,
    settings: Settings,
    rules: Sequence[Rule],
    seeds: Sequence[int],
    *,
    progress: Progress = SILENT,
) -> list[SelfTrainingFolder]:
    """`self_train_dataset` by each rule with each seed in turn, seed by seed."""
    for name, values in (("rule", rules), ("seeds", seeds)):
        if not values or len(set(values)) < len(values):
            raise CurateError(f"--{name} {','.join(map(str, values))}: give one or more, each once")
    found = []
    runs = [replace(settings, rule=rule, seed=seed) for seed in seeds for rule in rules]
    for number, own in enumerate(runs):

        def tell(done: int, total: int, message: str, number: int = number, own: Settings = own) -> None:
            what = f"{own.rule}, seed {own.seed}, {message}".rstrip(", ")
            progress.report(number * total + done, len(runs) * total, what)

        part = progress if len(runs) == 1 else progress.through(tell)
        found.append(self_train_dataset(workspace, own, progress=part))
    return found


# --- what learns -------------------------------------------------------------------------------------------------


def _probe(workspace: Workspace, settings: Settings, progress: Progress, group: "ProcessGroup") -> _Task:
    """A head on the features of two runs."""
    from avhcurate.self_training.probe_trainer import ProbeTrainer
    from avhcurate.training.probe import ProbeRecipe

    if group.size > 1:
        raise CurateError("a probe is trained by one process: leave torchrun out")
    runs = paired_runs(
        workspace,
        settings.names,
        model=settings.model,
        weights=settings.weights,
        device=settings.device,
        precision=settings.precision,
        progress=progress,
    )
    source, target = domains(workspace, settings.names, settings.conditions, runs)
    run = runs[1].record
    recipe = settings.how if isinstance(settings.how, ProbeRecipe) else ProbeRecipe()

    def trainer(_: SelfTrainingFolder) -> ProbeTrainer:
        features = [run.features_of(part.ids) for run, part in zip(runs, (source, target), strict=True)]
        size = len(source.dataset.record.classes)
        return ProbeTrainer(
            features[0], source.labels, features[1], num_classes=size, recipe=recipe, seed=settings.seed
        )

    about = {
        "source_run": runs[0].name, "target_run": runs[1].name, "model": run.model,
        "weights_sha256": run.weights_sha256, "weights_source": run.weights_source, "head": run.head,
        "preprocess": run.preprocess, "trainer": "probe", "recipe": vars(recipe), "device": run.device,
        "precision": run.precision,
    }  # fmt: skip
    return _Task(source, target, about, trainer)


def _full(workspace: Workspace, settings: Settings, progress: Progress, group: "ProcessGroup") -> _Task:
    """The whole network on images, which are decoded here once."""
    from avhcurate.models.loading import ModelSpec, new_model
    from avhcurate.models.registry import find_architecture
    from avhcurate.models.runtime import find_device
    from avhcurate.self_training.network_trainer import FullTrainer
    from avhcurate.table.subset_images import decode_images, image_caches

    assert isinstance(settings.how, Recipe)
    if settings.model is None:
        raise CurateError("the whole network is to be trained: name it by --model")
    source, target = domains(workspace, settings.names, settings.conditions)
    device, size = find_device(settings.device), len(source.dataset.record.classes)
    file = settings.weights if isinstance(settings.weights, Path) else None
    spec = ModelSpec(name=settings.model, weights=file, seed=settings.seed)
    published = settings.weights is None and find_architecture(settings.model).pretrained is not None
    model = new_model(spec, size, pretrained=published)
    precision = settings.how.precision if settings.precision == "auto" else settings.precision
    shape = model.preprocess
    recipe = replace(
        settings.how, seed=settings.seed, precision=precision, crop_padding=shape.crop // 8, flip=shape.channels == 3
    )
    caches = image_caches(workspace, (source, target), shape)
    (source, source_images), (target, target_images) = decode_images((source, target), caches, group, progress)

    def trainer(folder: SelfTrainingFolder) -> FullTrainer:
        last, n = settings.most, len(target.ids)

        def of_round(number: int) -> Progress:
            def tell(done: int, total: int, message: str) -> None:
                share = number + done / total
                progress.report(int(share * n), (last + 1) * n, f"round {number} of {last}, {message}")

            return progress.through(tell)

        return FullTrainer(
            model.module,
            source_images,
            target_images,
            num_classes=size,
            recipe=recipe,
            checkpoints=folder.root,
            head=model.head_name,
            device=device,
            group=group,
            progress=of_round,
        )

    about = {
        "source_run": None, "target_run": None, "model": settings.model, "weights_sha256": model.weights_sha256,
        "weights_source": model.source, "head": model.head_name, "preprocess": asdict(shape),
        "trainer": "full", "recipe": {name: value for name, value in as_numbers(recipe).items() if name != "seed"},
        "device": str(device), "precision": recipe.precision,
    }  # fmt: skip
    return _Task(source, target, about, trainer)


# --- the record --------------------------------------------------------------------------------------------------


def _check(settings: Settings) -> None:
    """Refuses settings out of range before anything is scored."""
    if settings.rule not in RULES:
        raise CurateError(f"there is no rule {settings.rule!r}: choose one of {', '.join(RULES)}")
    if settings.rounds is not None and settings.rounds < 1:
        raise CurateError(f"--rounds {settings.rounds}: give 1 or more")
    if settings.seed < 0:
        raise CurateError(f"seed {settings.seed}: give a whole number from 0 on")
    if settings.alpha is not None and not 0 < settings.alpha < np.inf:
        raise CurateError(f"--alpha {settings.alpha:g}: give a number above 0, as 0.25")


def _record(settings: Settings, task: _Task) -> SelfTrainingRecord:
    """The record, named by rule, seed and a fingerprint of everything that the results depend on."""
    source, target = task.source, task.target
    decisive = {
        "trainer": task.about["trainer"],
        "recipe": task.about["recipe"],
        "classes": source.dataset.record.classes,
        "rule": settings.rule,
        "alpha": RULES[settings.rule].alpha if settings.alpha is None else settings.alpha,
        "schedule": vars(settings.schedule),
        "rounds": settings.most,
        "seed": settings.seed,
    }
    network = {key: task.about[key] for key in ("model", "weights_sha256", "head", "preprocess", "precision")}
    inputs = decisive | {"source": _digest(source), "target": _digest(target), "network": network}
    return SelfTrainingRecord(
        name=f"{settings.source}-{settings.rule}-seed{settings.seed}-{settings_digest(inputs)[:8]}",
        source=settings.source,
        source_fingerprint=source.dataset.record.fingerprint,
        source_where=source.where,
        source_samples=len(source.ids),
        target=settings.target,
        target_fingerprint=target.dataset.record.fingerprint,
        target_where=target.where,
        target_samples=len(target.ids),
        target_left_out=target.left_out,
        versions=versions("torch", "numpy", "scipy"),
        started=now(),
        **(task.about | decisive),
    )


def _digest(part: Subset) -> str:
    """Digest of a subset's samples and labels, the target's too, on which only the report depends."""
    content = part.ids.tobytes() + part.labels.tobytes()
    return f"{part.dataset.record.fingerprint} {hashlib.sha256(content).hexdigest()}"


def _finish(folder: SelfTrainingFolder, stopped: str) -> None:
    done = folder.rounds()
    changes = {
        "finished": now(),
        "done": done[-1],
        "stopped": stopped,
        "seconds": round(sum(folder.report(number).seconds for number in done), 3),
    }
    folder.write_record(folder.record.model_copy(update=changes))
    for checkpoint in folder.root.glob("round-*.pt"):
        checkpoint.unlink()
