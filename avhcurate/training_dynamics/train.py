"""Trains a network on a dataset, evaluates it on held-out samples, and scores them with the trained weights."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.trainings import EpochEval, TrainingFolder, TrainingRecord
from avhcurate.data.workspace import Workspace
from avhcurate.disk.app_files import install_command
from avhcurate.disk.files import sha256
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.provenance import now, settings_digest, versions
from avhcurate.errors import CurateError
from avhcurate.models.loading import ModelSpec, NewModel, new_model
from avhcurate.models.runtime import find_device
from avhcurate.scoring.service import score_dataset
from avhcurate.table.subset import Subset
from avhcurate.table.subset_images import decode_images, image_caches
from avhcurate.training import trainer
from avhcurate.training.batch_norm import check_sync_batchnorm
from avhcurate.training.checkpoints import checkpoint_step, save_weights
from avhcurate.training.distributed import ProcessGroup, joined
from avhcurate.training.evaluation import EvalSchedule
from avhcurate.training.recipe import Recipe, as_numbers
from avhcurate.training_dynamics.leaks import held_out_copies
from avhcurate.training_dynamics.train_settings import TRAIN_SAMPLE, TrainSettings, stratified, train_and_held_out


def train_model(
    workspace: Workspace,
    name: str,
    settings: TrainSettings,
    *,
    progress: Progress = SILENT,
) -> TrainingFolder:
    """Trains on dataset `name` and returns the complete training, which is stored with the dataset held out.

    Training uses the curated labels of samples that are not excluded; evaluations and scores use the given ones, also
    of samples learnt from. The training is named by what decides its numbers: the same call resumes one that was cut
    short, and does nothing where all is done. At the end the dataset held out is scored with the trained weights.

    `progress` counts samples: those to decode, then all in each epoch. Raises Cancelled when asked to stop, after which
    the same call resumes, and CurateError for mistakes of the user's. Under `torchrun` every process calls this, and
    only the first writes.
    """
    with joined() as group:
        return _Training(workspace, settings, group, progress).train(name)


def train_seeds(
    workspace: Workspace,
    name: str,
    settings: TrainSettings,
    seeds: Sequence[int],
    *,
    progress: Progress = SILENT,
) -> list[TrainingFolder]:
    """`train_model` with each seed of weights and order in turn; the samples held out are the same."""
    if not seeds or len(set(seeds)) < len(seeds):
        raise CurateError(f"--seeds {','.join(map(str, seeds))}: give different numbers, as 0,1,2")
    trainings = []
    for number, seed in enumerate(seeds):
        seeded = replace(settings, recipe=replace(settings.recipe, seed=seed))

        def tell(done: int, total: int, message: str, number: int = number, seed: int = seed) -> None:
            seed_message = f"seed {seed}, {message}" if message else ""
            progress.report(number * total + done, len(seeds) * total, seed_message)

        part = progress if len(seeds) == 1 else progress.through(tell)
        trainings.append(train_model(workspace, name, seeded, progress=part))
    return trainings


def summary(training: TrainingFolder) -> dict[str, Any]:
    """The name of a training, and means over the held-out samples at the last evaluation."""
    record, last = training.record, training.evaluations().iloc[-1]
    means = {key: round(float(last[key]), 6) for key in ("accuracy", "avh", "norm", "loss", "train_loss", "seconds")}
    return {
        "training": training.name,
        "trained_on": record.dataset,
        "recorded_on": record.held_out,
        "model": record.model,
        "loss_function": record.loss,
        "seed": record.seed,
        "epochs": record.epochs,
        "trained_samples": record.train_samples,
        "held_out_samples": record.held_out_samples,
        "train_sample": len(training.ids("learnt from")),
        "held_out_copies": record.held_out_copies,
        "weights": str(training.weights_path),
        "broken_images": record.recipe.get("broken_images", 0),
    } | means


@dataclass
class _Training:
    """One training under way, in one of the processes of `group`."""

    workspace: Workspace
    settings: TrainSettings
    group: ProcessGroup
    progress: Progress
    #: images to decode and samples to train on, for the progress
    total: int = 1

    def train(self, name: str) -> TrainingFolder:
        settings, device = self.settings, find_device(self.settings.device)
        # What would stop the training once it has begun is checked before anything is written.
        if settings.tensorboard:
            _summary_writer()
        train, held_out = train_and_held_out(self.workspace, name, settings)
        num_classes = len(train.dataset.record.classes)
        if num_classes < 2 or len(np.unique(train.labels)) < 2:
            raise CurateError(f"{name!r} has samples of one class to train on: a network tells two or more apart")
        model = new_model(self._spec(), num_classes, pretrained=settings.weights == "pretrained")
        if settings.sync_batchnorm:
            check_sync_batchnorm(device, model.module)
        recipe = self._recipe(model)
        training = TrainingFolder.of(held_out.dataset, _name(settings, recipe, model, train, held_out, num_classes))
        with training.alone() if self.group.leads else nullcontext():
            if not self.group.broadcast(training.complete):
                self._run(training, model, recipe, train, held_out)
            if self.group.leads:
                self._score(training, held_out.dataset)
        return training

    def _spec(self) -> ModelSpec:
        settings = self.settings
        return ModelSpec(
            name=settings.model,
            weights=None if settings.weights in (None, "pretrained") else Path(str(settings.weights)),
            head=settings.head,
            resize=settings.resize,
            crop=settings.crop,
            mean=settings.mean,
            std=settings.std,
            seed=settings.recipe.seed,
        )

    def _recipe(self, model: NewModel) -> Recipe:
        settings, shape = self.settings, model.preprocess
        return replace(
            settings.recipe,
            crop_padding=shape.crop // 8 if settings.crop_padding is None else settings.crop_padding,
            flip=shape.channels == 3 if settings.flip is None else settings.flip,
        )

    def _run(self, training: TrainingFolder, model: NewModel, recipe: Recipe, train: Subset, held_out: Subset) -> None:
        settings, leads = self.settings, self.group.leads
        device = find_device(settings.device)
        subsets = train, held_out
        caches = image_caches(self.workspace, subsets, model.preprocess)
        # One that goes on has its samples, each with a place in its evaluations.
        begun = training.begun
        missing = sum(
            len(cache.missing(part.ids, again=not begun)) for cache, part in zip(caches, subsets, strict=True)
        )
        total = self.total = missing + recipe.epochs * len(train.ids)
        reading = self.progress.through(lambda done, _, message: self.progress.report(done, total, message))
        parts = decode_images(subsets, caches, self.group, reading, again=not begun)
        (train, images), (held_out, held_out_images) = parts
        if begun:
            _check_same_samples(training, train, held_out)
        elif leads:
            chosen = self._sample_of(train).ids
            training.create(self._record(training, model, recipe, train, held_out, device), held_out.ids, chosen)
        step = checkpoint_step(training.checkpoint_path)
        if leads:
            training.truncate(step)
        with _tensorboard(training.root, step) if settings.tensorboard and leads else nullcontext() as log:

            def on_eval(evaluation: EpochEval) -> None:
                training.append(evaluation)
                if log is not None:
                    log(evaluation)

            learnt = np.flatnonzero(np.isin(train.ids, self.group.broadcast(training.ids("learnt from"))))
            given = _given(train)[learnt]
            module = trainer.train(
                model.module,
                images,
                recipe,
                held_out=held_out_images,
                learnt=replace(images.part(learnt), labels=given) if len(learnt) else None,
                head=model.head_name,
                device=device,
                schedule=EvalSchedule(early=settings.early, every=settings.every),
                on_eval=on_eval,
                progress=self.progress.through(
                    lambda done, _, message: self.progress.report(missing + done, total, message)
                ),
                checkpoint=training.checkpoint_path,
                sync_batchnorm=settings.sync_batchnorm,
            )
        if leads:
            named = {"training": training.name, "classes": json.dumps(train.dataset.record.classes)}
            save_weights(module, training.weights_path, named)
            training.finish(sha256(training.weights_path))
            training.checkpoint_path.unlink(missing_ok=True)

    def _sample_of(self, train: Subset) -> Subset:
        """The samples trained on that are evaluated too; of each class its share."""
        share = min(1.0, self.settings.train_sample / len(train.ids))
        return train.only(stratified(train.labels, share, seed=self.settings.split_seed) & (share > 0))

    def _record(
        self,
        training: TrainingFolder,
        model: NewModel,
        recipe: Recipe,
        train: Subset,
        held_out: Subset,
        device: torch.device,
    ) -> TrainingRecord:
        settings, classes = self.settings, train.dataset.record.classes
        name = f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
        extra = {
            "weights": model.source,
            "weights_sha256": model.weights_sha256,
            "new_head": model.new_head,
            "preprocess": vars(model.preprocess),
            "broken_images": train.left_out + held_out.left_out,
            "processes": self.group.size,
        }
        return TrainingRecord(
            name=training.name,
            model=settings.model,
            loss=recipe.loss,
            recipe=as_numbers(recipe) | extra,
            seed=recipe.seed,
            epochs=recipe.epochs,
            drops=list(recipe.rate_drops),
            dataset=train.dataset.name,
            dataset_fingerprint=train.dataset.record.fingerprint,
            train_where=train.where,
            train_samples=len(train.ids),
            held_out=held_out.dataset.name,
            held_out_fingerprint=held_out.dataset.record.fingerprint,
            held_out_where=held_out.where,
            held_out_samples=len(held_out.ids),
            classes=classes,
            num_classes=len(classes),
            parameters=sum(parameter.numel() for parameter in model.module.parameters()),
            device=name if self.group.size == 1 else f"{self.group.size} x {name}",
            precision=recipe.precision,
            versions=versions("torch", "torchvision", "numpy"),
            held_out_copies=held_out_copies(train, held_out),
            started=now(),
        )

    def _score(self, training: TrainingFolder, dataset: DatasetFolder) -> None:
        """Scores the dataset held out with the trained weights, so that every page shows them."""

        def tell(done: int, samples: int, _: str) -> None:
            self.progress.report(self.total, self.total, f"scoring, {done} of {samples}")

        spec = self._spec().model_copy(update={"weights": training.weights_path})
        score_dataset(
            self.workspace, dataset.name, spec, device=self.settings.device, progress=self.progress.through(tell)
        )


def _check_same_samples(training: TrainingFolder, train: Subset, held_out: Subset) -> None:
    """Refuses to go on where other images can be read than when the training began."""
    record, now_there = training.record, (len(train.ids), len(held_out.ids))
    if now_there != (record.train_samples, record.held_out_samples):
        raise CurateError(
            f"training {training.name} began with {record.train_samples} images and {record.held_out_samples} held "
            f"out, and now {now_there[0]} and {now_there[1]} can be read: remove it by `avhcurate remove "
            f"{record.held_out} --training {training.name}`, and train again"
        )


def _name(
    settings: TrainSettings,
    recipe: Recipe,
    model: NewModel,
    train: Subset,
    held_out: Subset,
    num_classes: int,
) -> str:
    """Model, loss and seed as a folder's name, and eight hexadecimal digits of what decides the numbers."""
    inputs = {
        "recipe": as_numbers(recipe),
        "weights": model.weights_sha256,
        "head": model.head_name,
        "classes": num_classes,
        "preprocess": vars(model.preprocess),
        "looks": [[float(position) for position in settings.early], settings.every],
        "datasets": [part.dataset.record.fingerprint for part in (train, held_out)],
        "samples": [
            hashlib.sha256(part.ids.tobytes() + part.labels.tobytes()).hexdigest() for part in (train, held_out)
        ],
    }
    if (train.labels != _given(train)).any():
        inputs["learnt"] = "given labels"  # earlier versions evaluated samples learnt from by the curated ones
    if settings.train_sample != TRAIN_SAMPLE:
        inputs["train_sample"] = settings.train_sample
    if settings.sync_batchnorm:
        inputs["sync_batchnorm"] = True
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", settings.model).strip("-.")[:40]
    return f"{slug}-{recipe.loss}-seed{recipe.seed}-{settings_digest(inputs)[:8]}"


def _given(subset: Subset) -> np.ndarray:
    """The given labels (n,) int64 of its samples, -1 for none."""
    return subset.dataset.labels()[subset.ids].astype(np.int64)


@contextmanager
def _tensorboard(root: Path, begun: int) -> Iterator[Callable[[EpochEval], None]]:
    """Logs means of evaluations in the training's folder; what was logged after step `begun` no longer shows."""
    with _summary_writer()(str(root / "tensorboard"), purge_step=begun + 1) as writer:

        def log(evaluation: EpochEval) -> None:
            rows = {
                "learning_rate": evaluation.learning_rate,
                "train/loss": evaluation.train_loss,
                "train/accuracy": evaluation.train_accuracy,
            }
            samples = evaluation.samples.items()
            rows |= {f"held_out/{key}": float(np.nanmean(values)) for key, values in samples if len(values)}
            for key, value in rows.items():
                if value is not None:
                    writer.add_scalar(key, value, evaluation.step)
            writer.flush()

        yield log


def _summary_writer() -> Any:
    """TensorBoard's writer; CurateError where the package is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise CurateError(f"--tensorboard needs the package tensorboard: {install_command('tensorboard')}") from None
    return SummaryWriter
