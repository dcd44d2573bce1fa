"""Trains a network on a dataset, looks at held-out samples on the way, and scores them with what came of it."""

import hashlib
import re
from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from avhcurate.curation.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.services.subsets import Subset, read_subset, same_classes
from avhcurate.services.tables import open_table
from avhcurate.storage.datasets import DatasetFolder
from avhcurate.storage.files import sha256
from avhcurate.storage.jobs import SILENT, Progress
from avhcurate.storage.provenance import now, settings_digest, versions
from avhcurate.storage.trainings import Observation, TrainingFolder, TrainingRecord
from avhcurate.storage.workspace import Workspace
from avhcurate.training.recipe import Recipe, as_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from avhcurate.models.loading import ModelSpec
    from avhcurate.training.fresh import FreshModel
    from avhcurate.training.looks import Look
    from avhcurate.training.parallel import Group

#: Looks within the first epoch, where angles move most, and one before it.
EARLY = (0.0, 0.25, 0.5, 0.75)
#: Share held out where the dataset has no split "train".
SHARE = 0.1
#: Peak learning rates from scratch and from weights, and the limit of the gradient.
RATE, TUNING_RATE, CLIP = 0.05, 0.01, 1.0

#: How to train from scratch unless the user says otherwise.
USUAL = Recipe(epochs=20, learning_rate=RATE, clip=CLIP)

_TRAIN = ("train", "training")


@dataclass(frozen=True)
class TrainSettings:
    """What to train, on what, how; what is None is chosen.

    model: as for scoring; weights: a file to start from, or "pretrained" for those of the name, None for chance.
    recipe: how; what it says of crops and mirror images gives way to `crop_padding` and `flip`, and where those are
        None to the network's input: crops wander by an eighth of its side, and images in colour are mirrored.
    held_out: a dataset with the same classes to look at; train_where, held_out_where: conditions on the samples.
        Without any of them split "train" is trained on and the rest held out, or where there is no such split a
        tenth of each class, by `split_seed`.
    early, every: when to look, as in `training.looks.Looks`.
    """

    model: str
    recipe: Recipe = USUAL
    weights: Path | str | None = None
    crop_padding: int | None = None
    flip: bool | None = None
    head: str | None = None
    resize: int | None = None
    crop: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    held_out: str | None = None
    train_where: str = ""
    held_out_where: str = ""
    split_seed: int = 0
    early: tuple[float, ...] = EARLY
    every: int = 1
    device: str = "auto"
    sync_batchnorm: bool = False
    tensorboard: bool = False


def train_model(
    workspace: Workspace,
    name: str,
    settings: TrainSettings,
    *,
    progress: Progress = SILENT,
) -> TrainingFolder:
    """Trains on dataset `name` and returns the complete training, which lies with the dataset that was looked at.

    Training uses the curated labels of samples that are not excluded; looks and scores use the given ones. The
    training is named by what decides its numbers: the same call resumes one that was cut short, and does nothing where
    all is done. At the end the dataset looked at is scored with the trained weights.

    `progress` counts samples: those to decode, then each as often as there are epochs. Raises Cancelled when asked to
    stop, after which the same call resumes, and CurateError for what the user can
    mend. Under `torchrun` every process calls this, and the first alone writes.
    """
    from avhcurate.training import parallel

    with parallel.joined() as group:
        return _Job(workspace, settings, group, progress).train(name)


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
    found = []
    for number, seed in enumerate(seeds):
        own = replace(settings, recipe=replace(settings.recipe, seed=seed))

        def tell(done: int, total: int, message: str, number: int = number, seed: int = seed) -> None:
            what = f"seed {seed}, {message}" if message else ""
            progress.report(number * total + done, len(seeds) * total, what)

        part = progress if len(seeds) == 1 else progress.through(tell)
        found.append(train_model(workspace, name, own, progress=part))
    return found


def summary(training: TrainingFolder) -> dict[str, Any]:
    """What a training came to: its name, and means over the held-out samples at the last look."""
    record, last = training.record, training.observations().iloc[-1]
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
        "weights": str(training.weights_path),
    } | means


def choose_parts(workspace: Workspace, name: str, settings: TrainSettings) -> tuple[Subset, Subset]:
    """The labelled samples to train on, with curated labels, and those to look at, with given ones.

    No sample is in both. Raises CurateError when there are none, when classes differ, or when conditions overlap.
    """
    dataset = workspace.dataset(name)
    if settings.held_out in (None, name):
        known, held = _within(workspace, dataset, settings)
    else:
        other = workspace.dataset(str(settings.held_out))
        _refuse_other_classes(dataset, other)
        known = _part(workspace, dataset.name, settings.train_where, curated=True)
        held = _part(workspace, other.name, settings.held_out_where, curated=False)
    for part, what in ((known, "train on"), (held, "hold out")):
        if not len(part.ids):
            raise CurateError(f"dataset {part.dataset.name!r} has no labelled samples to {what} ({part.where})")
    return known, held


def _within(workspace: Workspace, dataset: DatasetFolder, settings: TrainSettings) -> tuple[Subset, Subset]:
    """Both parts from one dataset."""
    known = _part(workspace, dataset.name, settings.train_where, curated=True)
    held = _part(workspace, dataset.name, settings.held_out_where, curated=False)
    if settings.train_where and settings.held_out_where:
        both = np.intersect1d(known.ids, held.ids)
        if len(both):
            raise CurateError(
                f"{len(both)} samples satisfy both --train-where and --held-out-where: what is held out must not be "
                "trained on, so add NOT (...) to one of them"
            )
        return known, held
    if settings.train_where:
        return known, replace(_without(held, known.ids), where=f"NOT ({settings.train_where})")
    if settings.held_out_where:
        return replace(_without(known, held.ids), where=f"NOT ({settings.held_out_where})"), held
    return _by_split(dataset, known, held) or _by_chance(known, held, settings.split_seed)


def _by_split(dataset: DatasetFolder, known: Subset, held: Subset) -> tuple[Subset, Subset] | None:
    """Split "train" and the rest; None where one of the two is empty."""
    split = dataset.samples(["split"])["split"].astype("string").str.lower().fillna("").to_numpy()
    training = np.isin(split, _TRAIN)
    first, rest = known.only(training[known.ids]), held.only(~training[held.ids])
    if not len(first.ids) or not len(rest.ids):
        return None
    return replace(first, where="split = 'train'"), replace(rest, where="split <> 'train'")


def _by_chance(known: Subset, held: Subset, seed: int) -> tuple[Subset, Subset]:
    """All but a tenth of each class, and that tenth, chosen by its given label."""
    chosen = held.only(stratified(held.labels, SHARE, seed=seed))
    words = f"a tenth of each class, seed {seed}"
    return replace(_without(known, chosen.ids), where=f"all but {words}"), replace(chosen, where=words)


def stratified(labels: np.ndarray, share: float, *, seed: int) -> np.ndarray:
    """Chooses a share of every class (N,) bool, at least one of each that has two or more.

    >>> int(stratified(np.array([0] * 20 + [1] * 10), 0.1, seed=0).sum())
    3
    """
    draws = np.random.default_rng(seed).random(len(labels))
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max(round(share * len(members)), min(1, len(members) - 1))
        chosen[members[np.argsort(draws[members])[:count]]] = True
    return chosen


def _part(workspace: Workspace, name: str, where: str, *, curated: bool) -> Subset:
    # What a person excluded is not trained on; it is looked at all the same, as it is scored.
    filters = Filters(where=where, excluded=False if curated else None)
    subset = read_subset(open_table(workspace, name), filters, label="curated_label" if curated else "label")
    return subset.only(subset.labels >= 0)


def _without(part: Subset, ids: np.ndarray) -> Subset:
    return part.only(~np.isin(part.ids, ids))


def _refuse_other_classes(dataset: DatasetFolder, other: DatasetFolder) -> None:
    ours, theirs = dataset.record, other.record
    if not same_classes(ours, theirs):
        raise CurateError(
            f"datasets {dataset.name!r} and {other.name!r} have other classes ({', '.join(ours.classes[:3])}, ... and "
            f"{', '.join(theirs.classes[:3])}, ...): hold out one with the same classes in the same order"
        )


@dataclass
class _Job:
    """One training under way, in one of the processes of `group`."""

    workspace: Workspace
    settings: TrainSettings
    group: "Group"
    progress: Progress
    #: images to decode and samples to train on, for the progress
    total: int = 1

    def train(self, name: str) -> TrainingFolder:
        from avhcurate.training.fresh import fresh_model

        settings = self.settings
        self._refuse_what_is_not_here()
        known, held = choose_parts(self.workspace, name, settings)
        num_classes = len(known.dataset.record.classes)
        if num_classes < 2 or len(np.unique(known.labels)) < 2:
            raise CurateError(f"{name!r} has samples of one class to train on: a network tells two or more apart")
        model = fresh_model(self._spec(), num_classes, pretrained=settings.weights == "pretrained")
        recipe = self._recipe(model)
        training = TrainingFolder(
            held.dataset.root / "training" / _name(settings, recipe, model, known, held, num_classes)
        )
        with training.alone() if self.group.leads else nullcontext():
            if not self.group.told(training.complete):
                self._run(training, model, recipe, known, held)
            if self.group.leads:
                self._score(training, held.dataset)
        return training

    def _refuse_what_is_not_here(self) -> None:
        """Before anything is written: what would stop the training once it has begun."""
        from avhcurate.models.runtime import find_device
        from avhcurate.training.trainer import check_sync_batchnorm

        device = find_device(self.settings.device)
        if self.settings.sync_batchnorm:
            check_sync_batchnorm(device)
        if self.settings.tensorboard:
            _summary_writer()

    def _spec(self) -> "ModelSpec":
        from avhcurate.models.loading import ModelSpec

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

    def _recipe(self, model: "FreshModel") -> Recipe:
        settings, shape = self.settings, model.preprocess
        return replace(
            settings.recipe,
            crop_padding=shape.crop // 8 if settings.crop_padding is None else settings.crop_padding,
            flip=shape.channels == 3 if settings.flip is None else settings.flip,
        )

    def _run(self, training: TrainingFolder, model: "FreshModel", recipe: Recipe, known: Subset, held: Subset) -> None:
        from avhcurate.models.runtime import find_device
        from avhcurate.training.decoded import DecodedImages
        from avhcurate.training.looks import Looks
        from avhcurate.training.pictures import Pictures
        from avhcurate.training.saving import checkpoint_step, save_weights
        from avhcurate.training.trainer import train

        settings, shape, cache = self.settings, model.preprocess, self.workspace.root / "cache"
        device = find_device(settings.device)
        stores = {part.dataset.name: DecodedImages(cache, part.dataset, shape) for part in (known, held)}
        to_decode = sum(len(stores[part.dataset.name].missing(part.ids)) for part in (known, held))
        total = self.total = to_decode + recipe.epochs * len(known.ids)
        if self.group.leads:
            done = 0
            for part in (known, held):

                def decoded(count: int) -> None:
                    nonlocal done
                    done += count
                    cancelled = "cancelled while reading images: the same command resumes"
                    self.progress.tell(done, total, "reading images", cancelled=cancelled)

                stores[part.dataset.name].decode(part.ids, on_done=decoded)
        self.group.told(None)  # the others wait until all is decoded
        broken = 0
        pictures = []
        usable = []
        for part in (known, held):
            store = stores[part.dataset.name]
            whole = store.whole(part.ids)
            broken += int((~whole).sum())
            left = part.only(whole)
            if not len(left.ids):
                raise CurateError(f"none of the {len(whole)} images of {part.dataset.name!r} could be read")
            usable.append(left)
            pictures.append(Pictures(store.images(), left.labels, shape.mean, shape.std, rows=left.ids))
        if self.group.leads and not training.begun:
            training.create(self._record(training, model, recipe, usable[0], usable[1], device, broken), usable[1].ids)
        begun = checkpoint_step(training.checkpoint_path)
        if self.group.leads:
            training.truncate(begun)
        with _board(training, begun) if settings.tensorboard and self.group.leads else nullcontext() as board:

            def look(found: "Look") -> None:
                training.append(Observation(**vars(found)))
                if board is not None:
                    _log(board, found)

            module = train(
                model.module,
                pictures[0],
                recipe,
                held_out=pictures[1],
                head=model.head_name,
                device=device,
                looks=Looks(early=settings.early, every=settings.every),
                on_look=look,
                progress=self.progress.through(
                    lambda done, _, message: self.progress.report(to_decode + done, total, message)
                ),
                checkpoint=training.checkpoint_path,
                sync_batchnorm=settings.sync_batchnorm,
            )
        if self.group.leads:
            save_weights(module, training.weights_path, {"training": training.name})
            training.finish(sha256(training.weights_path))
            training.checkpoint_path.unlink(missing_ok=True)

    def _record(
        self,
        training: TrainingFolder,
        model: "FreshModel",
        recipe: Recipe,
        known: Subset,
        held: Subset,
        device: Any,
        broken: int,
    ) -> TrainingRecord:
        import torch

        settings, classes = self.settings, known.dataset.record.classes
        name = f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
        extra = {
            "weights": model.source,
            "weights_sha256": model.weights_sha256,
            "new_head": model.new_head,
            "preprocess": vars(model.preprocess),
            "broken_images": broken,
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
            dataset=known.dataset.name,
            dataset_fingerprint=known.dataset.record.fingerprint,
            train_where=known.where,
            train_samples=len(known.ids),
            held_out=held.dataset.name,
            held_out_fingerprint=held.dataset.record.fingerprint,
            held_out_where=held.where,
            held_out_samples=len(held.ids),
            classes=classes,
            num_classes=len(classes),
            parameters=sum(parameter.numel() for parameter in model.module.parameters()),
            device=name if self.group.size == 1 else f"{self.group.size} x {name}",
            precision=recipe.precision,
            versions=versions("torch", "torchvision", "numpy"),
            started=now(),
        )

    def _score(self, training: TrainingFolder, dataset: DatasetFolder) -> None:
        """A run of the dataset looked at, with the trained weights, so that every page shows them."""
        from avhcurate.services.scoring import score_dataset

        def tell(done: int, samples: int, _: str) -> None:
            self.progress.report(self.total, self.total, f"scoring, {done} of {samples}")

        spec = self._spec().model_copy(update={"weights": training.weights_path})
        score_dataset(
            self.workspace, dataset.name, spec, device=self.settings.device, progress=self.progress.through(tell)
        )


def _name(
    settings: TrainSettings, recipe: Recipe, model: "FreshModel", known: Subset, held: Subset, num_classes: int
) -> str:
    """Model, loss and seed as a folder's name, and eight hexadecimal digits of what decides the numbers."""
    inputs = {
        "recipe": as_numbers(recipe),
        "weights": model.weights_sha256,
        "head": model.head_name,
        "classes": num_classes,
        "preprocess": vars(model.preprocess),
        "looks": [[float(position) for position in settings.early], settings.every],
        "datasets": [part.dataset.record.fingerprint for part in (known, held)],
        "samples": [hashlib.sha256(part.ids.tobytes() + part.labels.tobytes()).hexdigest() for part in (known, held)],
    }
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", settings.model).strip("-.")[:40]
    return f"{slug}-{recipe.loss}-seed{recipe.seed}-{settings_digest(inputs)[:8]}"


@contextmanager
def _board(training: TrainingFolder, begun: int) -> "Iterator[Any]":
    """A TensorBoard log in the training's folder; what was logged after step `begun` no longer shows."""
    with _summary_writer()(str(training.root / "tensorboard"), purge_step=begun + 1) as writer:
        yield writer


def _summary_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise CurateError("--tensorboard needs the package tensorboard: pip install 'avhcurate[tensorboard]'") from None
    return SummaryWriter


def _log(board: Any, look: "Look") -> None:
    """Means of a look, by step."""
    rows = {"learning_rate": look.learning_rate, "train/loss": look.train_loss, "train/accuracy": look.train_accuracy}
    means = {f"held_out/{key}": float(np.nanmean(values)) for key, values in look.samples.items() if len(values)}
    for key, value in (rows | means).items():
        if value is not None:
            board.add_scalar(key, value, look.step)
    board.flush()
