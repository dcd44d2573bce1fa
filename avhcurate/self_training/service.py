"""Starts and resumes the self-training of a model from one dataset to another."""

import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

from avhcurate.data.self_trainings import SelfTrainingFolder, SelfTrainingRecord
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.provenance import now, settings_digest, versions
from avhcurate.errors import CurateError
from avhcurate.pseudo_labels.rules import RULES, Rule
from avhcurate.self_training.domains import check_pair
from avhcurate.self_training.loop import self_train
from avhcurate.self_training.settings import Settings, TrainerSetup
from avhcurate.table.subset import Subset
from avhcurate.training.recipe import Recipe


def self_train_dataset(
    workspace: Workspace,
    settings: Settings,
    *,
    progress: Progress = SILENT,
) -> SelfTrainingFolder:
    """Trains on the source, adapts to the target by rounds of pseudo-labels, and returns the complete self-training,
    which is stored with the target.

    It learns from the curated labels of the source's samples that are not excluded; the target's given labels serve the
    report alone. For a probe, a dataset that the model has not scored yet is scored first: its run is the cache of its
    features. The name holds a digest of all settings and inputs: the same call resumes a self-training that was cut
    short, and does nothing where all is done.

    Raises Cancelled when asked to stop, after which the same call resumes, and CurateError for a user's mistake. Under
    `torchrun`, for the whole network, every process calls this, and only the first writes.
    """
    from avhcurate.self_training import network_trainer, probe_trainer
    from avhcurate.self_training.evaluation import TargetEvaluator
    from avhcurate.training.distributed import joined

    check_pair(workspace, settings)
    trainers = network_trainer if isinstance(settings.how, Recipe) else probe_trainer
    with joined() as group:
        setup: TrainerSetup = trainers.set_up(workspace, settings, progress, group)
        record = _record(settings, setup)
        folder = SelfTrainingFolder.of(setup.target.dataset, record.name)
        with folder.alone() if group.leads else nullcontext():
            if group.broadcast(folder.complete):
                progress.report(1, 1, "complete already")
                return folder
            if group.leads and not folder.begun:
                folder.write_record(record)
            stopped = self_train(
                setup.make_trainer(folder),
                setup.target.ids,
                rule=settings.rule,
                evaluator=TargetEvaluator(setup.target.labels, record.classes),
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
    runs = [replace(settings, rule=rule, seed=seed) for seed in seeds for rule in rules]
    if len(runs) == 1:
        return [self_train_dataset(workspace, runs[0], progress=progress)]
    folders = []
    for number, one in enumerate(runs):

        def tell(done: int, total: int, message: str, number: int = number, one: Settings = one) -> None:
            text = f"{one.rule}, seed {one.seed}, {message}".rstrip(", ")
            progress.report(number * total + done, len(runs) * total, text)

        folders.append(self_train_dataset(workspace, one, progress=progress.through(tell)))
    return folders


def _record(settings: Settings, setup: TrainerSetup) -> SelfTrainingRecord:
    """The record, named by rule, seed and a fingerprint of everything that the results depend on."""
    source, target = setup.source, setup.target
    decisive = {
        "trainer": setup.about["trainer"],
        "recipe": setup.about["recipe"],
        "classes": source.dataset.record.classes,
        "rule": settings.rule,
        "alpha": RULES[settings.rule].alpha if settings.alpha is None else settings.alpha,
        "schedule": vars(settings.schedule),
        "rounds": settings.most_rounds,
        "seed": settings.seed,
    }
    network = {key: setup.about[key] for key in ("model", "weights_sha256", "head", "preprocess", "precision")}
    attached = [part.run.record.attached for part in (source, target) if part.run]
    if any(attached):  # of the network's files the record of the run hashes the head alone
        network["files"] = [[file.sha256 for file in one.files] if one else [] for one in attached]
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
        **(setup.about | decisive),
    )


def _digest(part: Subset) -> str:
    """Digest of a subset's samples and labels, the target's too, on which only the report depends."""
    content = part.ids.tobytes() + part.labels.tobytes()
    return f"{part.dataset.record.fingerprint} {hashlib.sha256(content).hexdigest()}"


def _finish(folder: SelfTrainingFolder, stopped: str) -> None:
    rounds = folder.rounds()
    seconds = round(sum(folder.report(number).seconds for number in rounds), 3)
    changes = {"finished": now(), "done": rounds[-1], "stopped": stopped, "seconds": seconds}
    folder.write_record(folder.record.model_copy(update=changes))
    for checkpoint in folder.root.glob("round-*.pt"):
        checkpoint.unlink()
