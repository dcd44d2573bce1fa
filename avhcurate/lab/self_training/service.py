"""Starts and resumes the self-training of a model from one dataset to another; its rounds as tables."""

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq

from avhcurate.features.pseudo_labels.rules import RULES
from avhcurate.lab.self_training.loop import TargetEvaluator, TrainerSetup, self_train
from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.networks.training.recipe import Recipe
from avhcurate.workspace.data.self_trainings import BY, SelfTrainingFolder, SelfTrainingRecord
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, settings_digest, versions

if TYPE_CHECKING:  # torch takes seconds to import, and this module is light
    from avhcurate.lab.self_training.probe import ProbeRecipe

#: What a summary has of the record, and of the last round.
_RECORD = ["source", "target", "model", "rule", "seed", "stopped", "seconds"]
_LAST = [
    *("accuracy", "accuracy_low", "accuracy_high"),
    *("mean_accuracy", "mean_accuracy_low", "mean_accuracy_high", "selected", "precision", "ece"),
]


def self_train_dataset(
    workspace: Workspace,
    settings: SelfTrainSettings,
    *,
    recipe: "ProbeRecipe | Recipe | None" = None,
    progress: Progress = SILENT,
) -> SelfTrainingFolder:
    """Train on the source, adapt to the target by rounds of pseudo-labels, and return the complete self-training,
    which is stored with the target.

    It learns from the curated labels of the source's samples that are not excluded; the target's given labels are only
    used in reports. For a probe, a dataset that the model has not scored yet is scored first. `recipe` is used instead
    of that of the settings: a `ProbeRecipe` for a probe, a `Recipe` for the whole network. The name depends on all
    settings and inputs: the same call resumes a self-training that was cut short, and does nothing for a complete one.

    Raises Cancelled when asked to stop, and CurateError for a mistake of the user.
    """
    from avhcurate.lab.self_training import network_trainer, probe

    trainers = {"full": network_trainer, "probe": probe}
    setup = trainers[settings.trainer].set_up(workspace, settings, recipe, progress)
    record = _record(settings, setup)
    folder = SelfTrainingFolder.of(setup.target.dataset, record.name)
    with folder.alone():
        if folder.complete:
            progress.report(1, 1, "complete already")
            return folder
        if not folder.begun:
            folder.write_record(record)
        stopped = self_train(
            setup.make_trainer(folder),
            setup.target.ids,
            rule=settings.rule,
            evaluator=TargetEvaluator(setup.target.labels, record.classes),
            folder=folder,
            schedule=settings.schedule,
            rounds=record.rounds,
            progress=progress,
        )
        _finish(folder, stopped)
    return folder


def _record(settings: SelfTrainSettings, setup: TrainerSetup) -> SelfTrainingRecord:
    """Return the record, named by rule, seed and a fingerprint of everything that the results depend on."""
    source = setup.source
    target = setup.target
    details = setup.details
    decisive = {
        "trainer": details["trainer"],
        "recipe": details["recipe"],
        "classes": source.dataset.record.classes,
        "rule": settings.rule,
        "alpha": RULES[settings.rule].alpha,
        "schedule": vars(settings.schedule),
        "rounds": settings.most_rounds,
        "seed": settings.seed,
    }
    keys = ("model", "weights_sha256", "head", "preprocess", "precision", "code")
    network = {key: details[key] for key in keys if details[key] is not None}
    attached = [part.run.record.attached for part in (source, target) if part.run]
    # The record of a run hashes only the head of an attached network's files.
    files = [[file.sha256 for file in outputs.files] for outputs in attached if outputs]
    inputs = decisive | {"source": source.digest, "target": target.digest, "network": network, "files": files}
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
        locked=source.locked,
        **(details | decisive),
    )


def _finish(folder: SelfTrainingFolder, stopped: str) -> None:
    rounds = folder.rounds()
    seconds = round(sum(folder.report(number).seconds for number in rounds), 3)
    changes = {"finished": now(), "done": rounds[-1], "stopped": stopped, "seconds": seconds}
    folder.write_record(folder.record.model_copy(update=changes))
    for checkpoint in folder.root.glob("round-*.pt"):
        checkpoint.unlink()


# --- results -----------------------------------------------------------------------------------------------------


def table(folder: SelfTrainingFolder) -> pd.DataFrame:
    """Return a row per round, from 0 (the source alone): the numbers of a `RoundReport`, missing as NaN.

    A share is the columns `accuracy, accuracy_low, accuracy_high, accuracy_n`, and so on.
    """
    reports = (folder.report(number) for number in folder.rounds())
    rows = [report.model_dump(exclude={"empty_classes", "schema_version"}) for report in reports]
    frame = pd.json_normalize(rows, sep="_").rename(columns=lambda name: name.removesuffix("_value"))
    return frame.astype(dict.fromkeys(frame.select_dtypes(object), "float64"))


def gates(folder: SelfTrainingFolder, number: int) -> list[str]:
    """Return the gates whose selection a round has stored, the run's own first."""
    gate_of_rule = RULES[folder.record.rule].gate  # type: ignore[index]
    columns = pq.read_schema(folder.round(number) / "selection.parquet").names
    stored = [name.removeprefix(BY) for name in columns if name.startswith(BY)]
    return sorted(stored, key=lambda gate: gate != gate_of_rule)


def selections(folder: SelfTrainingFolder, number: int) -> pd.DataFrame:
    """Return a row per sample of a round by id: `candidate, confidence, avc`, and `by_GATE`: whether it selects it."""
    columns = ["id", "candidate", "confidence", "avc", *(BY + gate for gate in gates(folder, number))]
    return folder.selection(number, columns).set_index("id")


def summary(folder: SelfTrainingFolder) -> dict[str, Any]:
    """Return the name of a self-training, accuracies on the target before and after, and its last selection."""
    record = folder.record
    rounds = table(folder)
    rounds = rounds.astype(object).where(rounds.notna(), None)
    first = rounds.iloc[0]
    last = rounds.iloc[-1]
    return {
        "self_training": folder.name,
        **{key: getattr(record, key) for key in _RECORD},
        "rounds": last["round"],
        "samples": record.target_samples,
        "left_out": record.target_left_out + last["left_out"],
        "source_only": first["accuracy"],
        "mean_accuracy_before": first["mean_accuracy"],
        **last[_LAST],
        "empty_classes": folder.report(last["round"]).empty_classes,
    }
