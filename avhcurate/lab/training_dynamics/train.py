"""Trains a network on a dataset, evaluates it on held-out samples and scores them; or trains one for each fold."""

import json
import re
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.subset import Subset, read_subset
from avhcurate.datasets.table.subset_images import decode_images, image_caches, readable_images
from avhcurate.errors import CurateError, Option, Run
from avhcurate.lab.training_dynamics.held_out import held_out_copies, stratified, train_and_held_out
from avhcurate.lab.training_dynamics.settings import TrainSettings
from avhcurate.measures.stats.folds import stratified_folds
from avhcurate.networks.models.loading import ModelSpec, NewModel, decisive, new_model
from avhcurate.networks.models.runtime import find_device
from avhcurate.networks.scoring.fold_networks import FoldNetworks
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.networks.training import trainer
from avhcurate.networks.training.checkpoints import checkpoint_step, save_weights
from avhcurate.networks.training.distributed import ProcessGroup, joined
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.recipe import Recipe, as_numbers
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.sample_groups import sample_groups
from avhcurate.workspace.data.trainings import TrainingFolder, TrainingRecord
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import sha256
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, settings_digest, versions

#: Evaluations before training and within the first epoch, where angles move most.
EARLY = (0.0, 0.25, 0.5, 0.75)


def train_seeds(workspace: Workspace, settings: TrainSettings, *, progress: Progress = SILENT) -> list[Any]:
    """Return what `train_model`, or `train_folds` where there are folds, returns for each seed of weights and order."""
    work: Any = train_model
    if settings.folds:
        work = train_folds
    trainings = []
    for number, seed in enumerate(settings.seeds):
        part = progress
        if settings.seeds[1:]:
            part = progress.part(number, len(settings.seeds), f"seed {seed}")
        trainings.append(work(workspace, settings, seed=seed, progress=part))
    return trainings


def train_model(
    workspace: Workspace, settings: TrainSettings, *, seed: int = 0, progress: Progress = SILENT
) -> TrainingFolder:
    """Train with one seed and return the complete training, which is stored with the dataset held out.

    Training uses the curated labels of samples that are not excluded; evaluations and scores use the given labels. The
    name of the training depends on everything that decides its numbers: the same call resumes one that was cut short,
    and does nothing for a complete one. At the end the dataset held out is scored with the trained weights.

    `progress` counts samples: those to decode, then all in each epoch. Raises Cancelled when asked to stop, and
    CurateError for mistakes of the user. Under `torchrun` every process calls this, and only the first writes.
    """
    with joined() as group:
        return _Training(workspace, settings, seed, group, progress).train()


def summary(training: TrainingFolder) -> dict[str, Any]:
    """Return the name of a training, and means over the held-out samples at the last evaluation."""
    record = training.record
    last = training.evaluations().iloc[-1]
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
        "held_out_copies": record.held_out_copies,
        "weights": str(training.weights_path),
        "broken_images": record.recipe["broken_images"],
    } | means


def train_folds(
    workspace: Workspace, settings: TrainSettings, *, seed: int = 0, progress: Progress = SILENT
) -> RunFolder:
    """Train a network for each fold on the samples of the others; return the complete run.

    Each image is scored by the one network that has seen neither it nor its copies. Networks learn curated labels of
    samples that are not excluded and satisfy the condition; scores use the given labels. Folds are even in classes. The
    same call again resumes. Raises Cancelled, and CurateError for mistakes of the user.
    """
    with joined() as group:
        if group.size > 1:
            raise CurateError(f"{Option('folds')} trains in one process. Run it without torchrun.")
    opened = open_dataset(workspace, settings.dataset)
    new = partial(_network, settings, seed, len(opened.dataset.record.classes))
    shape = new().preprocess
    everyone = read_subset(opened.samples, opened.run, opened.dataset, Filters(excluded=None), label="curated_label")
    learnt = read_subset(
        opened.samples, opened.run, opened.dataset, Filters(where=settings.train_where, excluded=False)
    )
    (cache,) = image_caches(workspace, [everyone], shape)
    decode_images([everyone], [cache], progress)
    samples, images = readable_images(everyone, cache)
    groups, duplicates = sample_groups(opened.dataset, cache.images(), samples.ids)
    networks = FoldNetworks(
        dataset=opened.dataset,
        name=settings.network,
        new=new,
        recipe=settings.make_recipe(seed).for_images(shape.channels, shape.crop),
        device=find_device(settings.device),
        ids=samples.ids,
        images=images,
        folds=stratified_folds(samples.labels, groups, folds=settings.folds or 2, seed=seed),
        learnt=np.isin(samples.ids, learnt.ids) & (samples.labels >= 0),
        duplicates=duplicates,
        locked=learnt.locked,
    )
    _refuse_one_class(settings, samples.labels[networks.learnt])
    return networks.train(_slug(settings), progress)


@dataclass
class _Training:
    """One training in progress, in one of the processes of `group`."""

    workspace: Workspace
    settings: TrainSettings
    seed: int
    group: ProcessGroup
    progress: Progress
    #: images to decode and samples to train on
    total: int = 1

    def train(self) -> TrainingFolder:
        settings = self.settings
        self.device = find_device(settings.device)
        self.parts = train_and_held_out(self.workspace, settings)
        labelled, held_out = self.parts
        _refuse_one_class(settings, labelled.labels)
        self.model = _network(settings, self.seed, len(labelled.dataset.record.classes))
        shape = self.model.preprocess
        self.recipe = settings.make_recipe(self.seed).for_images(shape.channels, shape.crop)
        self.caches = image_caches(self.workspace, self.parts, shape)
        self.folder = TrainingFolder.of(held_out.dataset, _name(settings, self.recipe, self.model, *self.parts))
        lock: Any = nullcontext()
        if self.group.leads:
            lock = self.folder.alone()
        with lock:
            if not self.group.broadcast(self.folder.complete):
                self._run()
            if self.group.leads:
                self._score()
        return self.folder

    def _run(self) -> None:
        # A training that resumes keeps its samples, so it does not try broken images again.
        again = not self.folder.begun
        parts = zip(self.caches, self.parts, strict=True)
        missing = sum(len(cache.missing(part.ids, again=again)) for cache, part in parts)
        total = self.total = missing + self.recipe.epochs * len(self.parts[0].ids)
        if self.group.leads:
            decode_images(self.parts, self.caches, self.progress.after(0, total), again=again)
        self.group.broadcast(None)
        (train, images), (held_out, held_out_images) = map(readable_images, self.parts, self.caches)
        if self.group.leads:
            self._begin(train, held_out)
        self.group.broadcast(None)
        module = trainer.train(
            self.model.module,
            images,
            self.recipe,
            held_out=held_out_images,
            learnt=_learnt(self.folder, train, images),
            head=self.model.head_name,
            device=self.device,
            early=EARLY,
            on_eval=self.folder.append,
            progress=self.progress.after(missing, total),
            checkpoint=self.folder.checkpoint_path,
        )
        if self.group.leads:
            metadata = {"training": self.folder.name, "classes": json.dumps(train.dataset.record.classes)}
            save_weights(module, self.folder.weights_path, metadata)
            self.folder.finish(sha256(self.folder.weights_path))
            self.folder.checkpoint_path.unlink(missing_ok=True)

    def _begin(self, train: Subset, held_out: Subset) -> None:
        """Write the record of a new training; of one that resumes, drop evaluations after its checkpoint."""
        if self.folder.begun:
            _check_same_samples(self.folder, train, held_out)
            self.folder.truncate(checkpoint_step(self.folder.checkpoint_path))
            return
        share = min(1.0, self.settings.train_sample / len(train.ids))
        learnt = train.ids[stratified(train.labels, share)]
        self.folder.create(self._record(train, held_out), held_out.ids, learnt)

    def _record(self, train: Subset, held_out: Subset) -> TrainingRecord:
        recipe = self.recipe
        model = self.model
        device = str(self.device)
        if self.device.type == "cuda":
            device = f"{self.group.size} x cuda ({torch.cuda.get_device_name(self.device)})"
        extra = {
            "weights": model.source,
            "weights_sha256": model.weights_sha256,
            "new_head": model.new_head,
            "preprocess": asdict(model.preprocess),
            "code": model.code,
            "broken_images": train.left_out + held_out.left_out,
            "processes": self.group.size,
        }
        trained_on = train.dataset.record
        tested_on = held_out.dataset.record
        return TrainingRecord(
            name=self.folder.name,
            model=self.settings.network,
            loss=recipe.loss,
            recipe=as_numbers(recipe) | extra,
            seed=recipe.seed,
            epochs=recipe.epochs,
            drops=list(recipe.drops),
            dataset=train.dataset.name,
            dataset_fingerprint=trained_on.fingerprint,
            train_where=train.where,
            train_samples=len(train.ids),
            held_out=held_out.dataset.name,
            held_out_fingerprint=tested_on.fingerprint,
            held_out_where=held_out.where,
            held_out_samples=len(held_out.ids),
            classes=trained_on.classes,
            num_classes=len(trained_on.classes),
            parameters=sum(parameter.numel() for parameter in model.module.parameters()),
            device=device,
            precision=recipe.precision,
            versions=versions("torch", "torchvision", "numpy"),
            held_out_copies=held_out_copies(train, held_out),
            started=now(),
            locked=train.locked,
        )

    def _score(self) -> None:
        """Score the dataset held out with the trained weights, so that every page shows them."""

        def tell(done: int, samples: int, _: str) -> None:
            self.progress.report(self.total, self.total, f"scoring, {done} of {samples}")

        score_dataset(
            self.workspace,
            self.settings.subject,
            _spec(self.settings, self.seed, self.folder.weights_path),
            device=self.settings.device,
            progress=self.progress.through(tell),
        )


def _learnt(training: TrainingFolder, train: Subset, images: LabelledImages) -> LabelledImages | None:
    """Return the samples trained on that are evaluated too, with their given labels; None where there are none."""
    rows = np.flatnonzero(np.isin(train.ids, training.ids("learnt from")))
    if not len(rows):
        return None
    labels = train.dataset.labels()[train.ids[rows]]
    return replace(images.part(rows), labels=labels.astype(np.int64))


def _check_same_samples(training: TrainingFolder, train: Subset, held_out: Subset) -> None:
    """Refuse to resume where other images can be read than when the training began."""
    record = training.record
    if (len(train.ids), len(held_out.ids)) != (record.train_samples, record.held_out_samples):
        raise CurateError(
            f"Training {training.name} began with {record.train_samples} images, {record.held_out_samples} held out. "
            f"Now {len(train.ids)} and {len(held_out.ids)} can be read.",
            fix=f"{Run('remove', record.held_out, training=training.name)} and train again",
        )


def _network(settings: TrainSettings, seed: int, classes: int) -> NewModel:
    """Return the network to train, with its first weights."""
    return new_model(_spec(settings, seed, settings.weights), classes, pretrained=settings.pretrained)


def _refuse_one_class(settings: TrainSettings, labels: np.ndarray) -> None:
    """Refuse training samples of a single class."""
    if len(np.unique(labels)) < 2:
        raise CurateError(f"{settings.dataset!r} has training images of only one class. Give two or more.")


def _slug(settings: TrainSettings) -> str:
    """Return the network's name as part of a folder's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", settings.network).strip("-.")[:40]


def _spec(settings: TrainSettings, seed: int, weights: Path | None) -> ModelSpec:
    return ModelSpec(name=settings.network, weights=weights, resize=settings.resize, crop=settings.crop, seed=seed)


def _name(settings: TrainSettings, recipe: Recipe, model: NewModel, train: Subset, held_out: Subset) -> str:
    """Return the folder's name: model, loss, seed, and eight hexadecimal digits of what decides the numbers."""
    inputs = {
        **decisive(model),
        "recipe": as_numbers(recipe),
        "classes": train.dataset.record.classes,
        "train_sample": settings.train_sample,
        "samples": [train.digest, held_out.digest],
    }
    return f"{_slug(settings)}-{recipe.loss}-seed{recipe.seed}-{settings_digest(inputs)[:8]}"
