"""Trains a network on all folds but each one in turn, and scores each sample by the network that has not seen it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from avhcurate.networks.models.loading import NewModel
from avhcurate.networks.scoring.fitted_heads import out_of_fold, scores_by_head
from avhcurate.networks.scoring.shard_scores import score_columns
from avhcurate.networks.training import trainer
from avhcurate.networks.training.evaluation import embed
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.learner import Learner
from avhcurate.networks.training.recipe import Recipe, as_numbers
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.run_records import SHARD, FittedHeads, RunRecord
from avhcurate.workspace.data.runs import FOLD_FEATURES, RunFolder
from avhcurate.workspace.disk.jobs import Progress
from avhcurate.workspace.disk.provenance import now, settings_digest, versions


@dataclass(frozen=True)
class FoldNetworks:
    """Networks to train on a dataset, one for each fold, all alike at first: `new` gives the untrained one, `name`d.

    ids (n,): the samples with images. folds (n,): which network judges each. learnt (n,) bool: those to learn from, by
    the labels of the images. duplicates: as of `FittedHeads`; locked: as of `RunRecord`.
    """

    dataset: DatasetFolder
    name: str
    new: Callable[[], NewModel]
    recipe: Recipe
    device: torch.device
    ids: np.ndarray
    images: LabelledImages
    folds: np.ndarray
    learnt: np.ndarray
    duplicates: dict[str, int]
    locked: int

    def train(self, slug: str, progress: Progress) -> RunFolder:
        """Return the complete run, called by `slug` and by all that decides its numbers.

        The same call resumes: networks that are done stay, and one that was cut short continues from its checkpoint.
        """
        model = self.new()
        inputs = {
            "dataset": self.dataset.record.version,
            "model": [self.name, model.head_name],
            "recipe": as_numbers(self.recipe),
            "weights": model.weights_sha256,
            "preprocess": asdict(model.preprocess),
            "samples": [rows.tolist() for rows in (self.ids, self.folds, self.learnt, np.asarray(self.images.labels))],
        }
        if model.code:
            inputs["code"] = model.code
        digest = settings_digest(inputs)
        run = RunFolder.of(self.dataset, f"{slug}-folds-{digest[:8]}")
        count = int(self.folds.max()) + 1
        with run.alone():
            if run.complete:
                return run
            if not run.begun:
                self._begin(run, model, digest, count)
            for fold in range(count):
                if not run.has_head(fold):
                    self._train_fold(run, fold, progress.part(fold, count, f"fold {fold + 1} of {count}"))
            tables = list(_tables(run, self.dataset.labels()))
            record = run.record
            assert record.fitted is not None
            update = out_of_fold(tables, self.dataset.labels_to_learn()) | {"seconds": record.seconds}
            run.finish(tables, {"finished": now(), "fitted": record.fitted.model_copy(update=update)})
        return run

    def _begin(self, run: RunFolder, model: NewModel, digest: str, count: int) -> None:
        dataset = self.dataset.record
        recipe = as_numbers(self.recipe)
        folds = np.full(dataset.samples, -1, np.int16)
        folds[self.ids] = self.folds
        run.write_folds(folds)
        layer: Any = model.module.get_submodule(model.head_name)
        record = RunRecord(
            name=run.name,
            model=self.name,
            head=model.head_name,
            weights_sha256=digest,
            weights_source=f"trained in {count} folds",
            preprocess=asdict(model.preprocess),
            device=str(self.device),
            classes=dataset.classes,
            num_classes=len(dataset.classes),
            classes_named=True,
            width=layer.weight.shape[1],
            dataset_fingerprint=dataset.fingerprint,
            samples=len(folds),
            seed=self.recipe.seed,
            skipped=len(folds) - len(self.ids),
            versions=versions("torch", "torchvision", "numpy"),
            started=now(),
            code=model.code,
            locked=self.locked,
            labelled=self.dataset.labelled,
            fitted=FittedHeads(
                folds=count,
                seed=self.recipe.seed,
                groups=None,
                recipe=recipe | {"weights": model.source, "weights_sha256": model.weights_sha256},
                samples=int(self.learnt.sum()),
                duplicates=self.duplicates,
                networks=True,
            ),
        )
        run.create(record, rows=len(folds))

    def _train_fold(self, run: RunFolder, fold: int, progress: Progress) -> None:
        """Train the network of a fold; keep the embeddings of the fold and, last, the network's head."""
        started = time.perf_counter()
        model = self.new()
        held_out = np.flatnonzero(self.folds == fold)
        checkpoint = run.root / f"checkpoint-{fold}.pt"
        module = trainer.train(
            model.module,
            self.images.part(np.flatnonzero(self.learnt & (self.folds != fold))),
            self.recipe,
            head=model.head_name,
            device=self.device,
            progress=progress,
            checkpoint=checkpoint,
        )
        learner = Learner(module, model.head_name, None).to(self.device)
        run.write_rows(FOLD_FEATURES, self.ids[held_out], embed(learner, self.images.part(held_out), self.device))
        seconds = (run.record.seconds or 0) + time.perf_counter() - started
        run.write_record(run.record.model_copy(update={"seconds": round(seconds, 3)}))
        run.write_head(*learner.numbers(), fold)
        checkpoint.unlink()


def _tables(run: RunFolder, labels: np.ndarray) -> Iterator[pa.Table]:
    """Yield the scores of all samples, some at a time, each by the network of its fold."""
    folds = run.folds()
    assert folds is not None
    for ids in np.split(np.arange(len(labels)), range(SHARD, len(labels), SHARD)):
        usable = folds[ids] >= 0
        scored = ids[usable]
        values = scores_by_head(run, scored, run.features_of(scored), labels[scored])
        problem = pc.if_else(usable, pa.scalar(None, pa.string()), "the image cannot be read")
        columns = {"id": pa.array(ids, pa.int64())} | score_columns(values, usable)
        yield pa.table(columns | {"problem": problem})
