"""Trains a network on all folds but each one in turn, into one run whose outputs are all out of fold."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.subset import read_subset
from avhcurate.datasets.table.subset_images import decode_images, image_caches, readable_images
from avhcurate.errors import CurateError
from avhcurate.features.training_dynamics.settings import TrainSettings
from avhcurate.features.training_dynamics.train import network, network_slug
from avhcurate.measures.stats.folds import stratified_folds
from avhcurate.networks.models.loading import NewModel
from avhcurate.networks.models.runtime import find_device
from avhcurate.networks.scoring.fitted_heads import out_of_fold, scores_by_head
from avhcurate.networks.scoring.image_pass import score_columns
from avhcurate.networks.training import trainer
from avhcurate.networks.training.distributed import joined
from avhcurate.networks.training.evaluation import embed
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.learner import Learner
from avhcurate.networks.training.recipe import as_numbers
from avhcurate.workspace.data.runs import FOLD_FEATURES, SHARD, FittedHeads, RunFolder, RunRecord
from avhcurate.workspace.data.sample_groups import sample_groups
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, settings_digest, versions


def train_folds(
    workspace: Workspace, settings: TrainSettings, *, seed: int = 0, progress: Progress = SILENT
) -> RunFolder:
    """Train a network for each fold on the samples of the others; return the complete run.

    Every image is scored by the one network that has seen neither it nor its copies. Networks learn curated labels of
    samples that are not excluded, and of the condition; scores use the given labels. The folds are even in classes.

    The run is named by all that decides its numbers. The same call again resumes: finished folds stay, and one that was
    cut short goes on from its checkpoint. Raises Cancelled, and CurateError for mistakes of the user.
    """
    with joined() as group:
        if group.size > 1:
            raise CurateError("--folds trains in one process. Run it without torchrun.")
        return _Folds(workspace, settings, seed, progress).train()


@dataclass
class _Folds:
    """One such training in progress."""

    workspace: Workspace
    settings: TrainSettings
    seed: int
    progress: Progress

    def train(self) -> RunFolder:
        settings, count = self.settings, self.settings.folds or 2
        table, self.device = open_table(self.workspace, settings.dataset), find_device(settings.device)
        everyone = read_subset(table, Filters(excluded=None), label="curated_label")
        learnt = read_subset(table, Filters(where=settings.train_where, excluded=False), label="curated_label")
        model = network(settings, self.seed, len(table.dataset.record.classes))
        shape = model.preprocess
        self.recipe = settings.make_recipe(self.seed).for_images(shape.channels, shape.crop)
        caches = image_caches(self.workspace, [everyone], shape)
        decode_images([everyone], caches, self.progress)
        self.samples, images = readable_images(everyone, caches[0])
        ids = self.samples.ids
        groups, duplicates = sample_groups(table.dataset, caches[0].images(), ids)
        self.of_sample = stratified_folds(self.samples.labels, groups, folds=count, seed=self.seed)
        self.learnt = np.isin(ids, learnt.ids) & (self.samples.labels >= 0)
        for fold in range(count):
            if len(np.unique(self.samples.labels[self.learnt & (self.of_sample != fold)])) < 2:
                raise CurateError(f"{settings.dataset!r} has training samples of only one class. Give two or more.")
        digest = settings_digest(self._inputs(model))
        self.run = RunFolder.of(table.dataset, f"{network_slug(settings)}-folds-{digest[:8]}")
        with self.run.alone():
            if not self.run.complete:
                if not self.run.begun:
                    self._begin(model, digest, duplicates)
                for fold in range(count):
                    if not self.run.has_head(fold):
                        part = self.progress.part(fold, count, f"fold {fold + 1} of {count}")
                        self._train_fold(fold, images, part)
                self._finish(table.dataset.labels())
        return self.run

    def _inputs(self, model: NewModel) -> dict[str, object]:
        """Return what decides the numbers."""
        return {
            "recipe": as_numbers(self.recipe),
            "weights": model.weights_sha256,
            "head": model.head_name,
            "classes": self.samples.dataset.record.classes,
            "preprocess": asdict(model.preprocess),
            "samples": self.samples.digest,
            "folds": [self.of_sample.tolist(), self.learnt.tolist()],
        }

    def _begin(self, model: NewModel, digest: str, duplicates: dict[str, int]) -> None:
        dataset, settings = self.samples.dataset, self.settings
        folds = np.full(dataset.record.samples, -1, np.int16)
        folds[self.samples.ids] = self.of_sample
        recipe = as_numbers(self.recipe) | {"weights": model.source, "weights_sha256": model.weights_sha256}
        record = RunRecord(
            name=self.run.name,
            model=settings.network,
            head=model.head_name,
            weights_sha256=digest,
            weights_source=f"trained in {settings.folds} folds",
            preprocess=asdict(model.preprocess),
            device=str(self.device),
            classes=dataset.record.classes,
            num_classes=len(dataset.record.classes),
            classes_named=True,
            width=model.module.get_submodule(model.head_name).weight.shape[1],  # type: ignore[union-attr,index]
            dataset_fingerprint=dataset.record.fingerprint,
            samples=len(folds),
            seed=self.seed,
            skipped=self.samples.left_out,
            versions=versions("torch", "torchvision", "numpy"),
            started=now(),
            fitted=FittedHeads(
                folds=settings.folds or 2,
                seed=self.seed,
                groups=None,
                recipe=recipe,
                samples=int(self.learnt.sum()),
                duplicates=duplicates,
                networks=True,
            ),
        )
        self.run.write_folds(folds)
        self.run.create(record, rows=len(folds))

    def _train_fold(self, fold: int, images: LabelledImages, progress: Progress) -> None:
        """Train the network of a fold; keep its head and the embeddings of the fold, the head last."""
        started = time.perf_counter()
        model = network(self.settings, self.seed, len(self.samples.dataset.record.classes))
        checkpoint = self.run.root / f"checkpoint-{fold}.pt"
        module = trainer.train(
            model.module,
            images.part(np.flatnonzero(self.learnt & (self.of_sample != fold))),
            self.recipe,
            head=model.head_name,
            device=self.device,
            progress=progress,
            checkpoint=checkpoint,
        )
        rows = np.flatnonzero(self.of_sample == fold)
        learner = Learner(module, model.head_name, None).to(self.device)
        self.run.write_rows(FOLD_FEATURES, self.samples.ids[rows], embed(learner, images.part(rows), self.device))
        record = self.run.record
        seconds = (record.seconds or 0) + time.perf_counter() - started
        self.run.write_record(record.model_copy(update={"seconds": round(seconds, 3)}))
        self.run.write_head(*learner.numbers(), fold)
        checkpoint.unlink()

    def _finish(self, labels: np.ndarray) -> None:
        tables, record = list(_tables(self.run, labels)), self.run.record
        assert record.fitted is not None
        update = out_of_fold(tables, labels) | {"seconds": record.seconds}
        self.run.finish(tables, {"finished": now(), "fitted": record.fitted.model_copy(update=update)})


def _tables(run: RunFolder, labels: np.ndarray) -> Iterator[pa.Table]:
    """Yield the scores of all samples, some at a time, each by the network of its fold."""
    folds = run.folds()
    assert folds is not None
    for ids in np.split(np.arange(len(labels)), range(SHARD, len(labels), SHARD)):
        usable = folds[ids] >= 0
        some = ids[usable]
        values = scores_by_head(run, some, run.features_of(some), labels[some])
        problem = np.where(usable, None, "the image cannot be read")
        columns = {"id": pa.array(ids, pa.int64())} | score_columns(values, usable)
        yield pa.table(columns | {"problem": pa.array(problem, pa.string())})
