"""A training of the user's own, recorded: what its logits say of each sample, batch by batch, by epoch."""

import atexit
import math
import time
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch

from avhcurate.errors import CurateError
from avhcurate.measures import scores
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.trainings import SAMPLE_COLUMNS, EpochEval, TrainingFolder, TrainingRecord
from avhcurate.workspace.disk.provenance import now, versions

_KEYS = ("loss", "confidence", "margin", "el2n")


class HeardTraining:
    """Records samples `ids` (n,) of a dataset while a network learns from them, an evaluation for each epoch.

    Scores are of the given labels, as those of any training. It is complete when the process ends; the same `name`
    goes on with it later.
    """

    def __init__(self, dataset: DatasetFolder, ids: np.ndarray, name: str = "") -> None:
        self.dataset = dataset
        self.folder = TrainingFolder.of(dataset, f"heard-{name or f'{now():%Y%m%d-%H%M%S-%f}'}")
        #: Samples that an epoch has.
        self.size = len(ids)
        self._open = ExitStack()
        self._open.enter_context(self.folder.alone())
        atexit.register(self.finish)
        self._ids = np.unique(ids)
        self._epoch = self._step = 0
        self._began = time.monotonic()
        if self.folder.begun:
            self._ids = self.folder.ids("learnt from")
            self.folder.reopen()
            epoch, step, seconds = self.folder.evaluations()[["epoch", "step", "seconds"]].max().fillna(0)
            self._epoch, self._step = int(epoch), int(step)
            self._began -= seconds
        self._classes = dataset.record.classes
        self._labels = dataset.labels()[self._ids].astype(np.int64)
        self._begin()

    def _begin(self) -> None:
        self._heard = 0
        self._columns = {key: np.full(len(self._ids), np.nan, np.float32) for key in SAMPLE_COLUMNS}

    def hear(self, ids: Any, logits: Any) -> None:
        """Record the logits (B, K) of a batch of samples; those that the training did not begin with are left out."""
        numbers = torch.as_tensor(ids).cpu().numpy()
        values = torch.as_tensor(logits).detach().float().cpu()
        values = values.masked_fill(values.isinf(), math.nan)  # of a network that diverges
        wanted = (len(numbers), len(self._classes))
        if tuple(values.shape) != wanted:
            raise CurateError(f"The logits have shape {tuple(values.shape)}. Give {wanted}: images, classes.")
        if not self.folder.begun:
            self._create(str(getattr(logits, "device", "cpu")), str(values.dtype).removeprefix("torch."))
        known = np.isin(numbers, self._ids)
        rows = np.searchsorted(self._ids, numbers[known])
        labels = torch.from_numpy(self._labels[rows])
        measured = scores.per_sample(logits=values[torch.from_numpy(known)], labels=labels, keys=_KEYS)
        self._columns["correct"][rows] = (measured["predicted"] == labels).numpy()
        for key in _KEYS:
            self._columns[key][rows] = measured[key].numpy()
        self._step += 1
        self._heard += len(numbers)
        if self._heard >= self.size:
            self.end_epoch()

    def end_epoch(self) -> None:
        """Write what was heard since the last epoch as the next one; nothing where nothing was."""
        if not self._heard:
            return
        self._epoch += 1
        self.folder.append(
            EpochEval(
                epoch=self._epoch,
                step=self._step,
                seconds=time.monotonic() - self._began,
                learning_rate=math.nan,
                train_loss=None,
                train_accuracy=None,
                learnt=self._columns | {"correct": self._columns["correct"] == 1},
            )
        )
        self._begin()

    def finish(self) -> None:
        """Complete the training with what was heard last, and let others write it."""
        atexit.unregister(self.finish)
        with self._open:
            if self.folder.root.exists():  # its dataset may be gone
                self.end_epoch()
                if self.folder.begun:
                    self.folder.finish()

    def _create(self, device: str, precision: str) -> None:
        dataset = self.dataset
        record = dataset.record
        locked_by = 0
        if not dataset.locked()[self._ids].any():
            locked_by = dataset.locked_by
        self.folder.create(
            TrainingRecord(
                name=self.folder.name,
                model=self.folder.name,
                loss="",
                recipe={},
                seed=0,
                epochs=0,
                dataset=dataset.name,
                dataset_fingerprint=record.fingerprint,
                train_samples=len(self._ids),
                held_out=dataset.name,
                held_out_fingerprint=record.fingerprint,
                held_out_samples=0,
                classes=self._classes,
                num_classes=len(self._classes),
                parameters=0,
                device=device,
                precision=precision,
                versions=versions("torch", "numpy"),
                started=now(),
                locked=locked_by,
            ),
            ids=np.empty(0, np.int64),
            learnt=self._ids,
        )
