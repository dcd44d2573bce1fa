"""One training: its record, and the metrics of each sample that it is evaluated on, held out or learnt from."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, model_validator

from avhcurate.disk.arrays import read_npy
from avhcurate.disk.files import write_array, write_atomic, write_parquet
from avhcurate.disk.folders import ResultFolder
from avhcurate.disk.provenance import WorkRecord, now
from avhcurate.disk.schema import SCHEMA_VERSION, NewerVersion
from avhcurate.stats.epoch_scores import NEEDED, EpochScores

#: The samples that a training is evaluated on: those held out, or some of those that it learns from.
Part = Literal["held out", "learnt from"]


class _Files(NamedTuple):
    """Where a part's ids, evaluations and scores of the epochs lie, and what the columns of these begin with."""

    ids: str
    evaluations: str
    scores: str
    prefix: str = ""


_FILES: dict[Part, _Files] = {
    "held out": _Files("ids.npy", "dynamics", "dynamics.parquet"),
    "learnt from": _Files("train_ids.npy", "train_dynamics", "train_dynamics.parquet", "train_"),
}
#: Metrics of each sample at an evaluation, float32 but for the first, a bool; NaN where not defined.
SAMPLE_COLUMNS = ("correct", "loss", "confidence", "margin", "avh", "norm", "el2n")
#: The summary of an evaluation: `n` samples with a label, and their means.
OVERALL_COLUMNS = (
    "epoch",
    "step",
    "seconds",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "n",
    "accuracy",
    "loss",
    "confidence",
    "avh",
    "norm",
    "margin",
    "el2n",
)


_OLD_NAMES = {"trained_where": "train_where", "trained_samples": "train_samples"} | {
    f"recorded{end}": f"held_out{end}" for end in ("", "_fingerprint", "_where", "_samples")
}


class TrainingRecord(WorkRecord):
    """Inputs and settings of a training, `training.json`; `finished` and `weights_sha256` are set when it is complete.

    `dataset` is the one trained on, `held_out` the one held out (both may be the same); `where`
    texts are the conditions that chose the samples, "" for all. `drops` are the epochs at which the learning rate
    falls by a step. `parameters` counts the network's.
    """

    name: str
    model: str
    loss: str
    recipe: dict[str, Any]
    seed: int
    epochs: int
    drops: list[float] = Field(default_factory=list)
    dataset: str
    dataset_fingerprint: str
    train_where: str = ""
    train_samples: int
    held_out: str
    held_out_fingerprint: str
    held_out_where: str = ""
    held_out_samples: int
    #: how many of them have a near duplicate among the samples trained on; None where images were not measured
    held_out_copies: int | None = None
    classes: list[str]
    num_classes: int
    parameters: int
    device: str
    precision: str
    started: datetime
    weights_sha256: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _old_names(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Reads the field names of earlier versions."""
        return {_OLD_NAMES.get(name, name): value for name, value in values.items()}


@dataclass(frozen=True)
class EpochEval:
    """Metrics of one evaluation, after `step` steps and `epoch` epochs (0 before training, 0.25 within the first).

    `seconds` is training time so far, evaluations not counted; `train_loss` and `train_accuracy` are running means
    since the last evaluation, None at the first. `samples` holds `SAMPLE_COLUMNS`, each (n,), in the order of the
    held-out samples; it is empty where none are held out. `learnt` holds the same of samples learnt from.
    """

    epoch: float
    step: int
    seconds: float
    learning_rate: float
    train_loss: float | None
    train_accuracy: float | None
    samples: Mapping[str, np.ndarray] = field(default_factory=dict)
    learnt: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def accuracy(self) -> float | None:
        """Share of the held-out samples that are right."""
        return float(self.samples["correct"].mean()) if len(self.samples.get("correct", ())) else None


class TrainingFolder(ResultFolder[TrainingRecord]):
    """The folder of one training.

    Files: `training.json`, `ids.npy`; an evaluation is `dynamics/STEP.parquet` (a row a held-out sample, in order of
    `ids.npy`) and then `dynamics/STEP.json` (its means), each renamed into place: where the second is, the
    evaluation is whole. `dynamics.parquet` (a row a held-out sample: id and the scores of the dynamics) once it is
    complete. `train_ids.npy`, `train_dynamics/` and `train_dynamics.parquet` are the same of some samples learnt from;
    trainings of earlier versions lack them. `checkpoint.pt` and `weights.safetensors` are the trainer's.
    """

    HOME, FILE, TABLE, KIND = "training", "training.json", "dynamics.parquet", TrainingRecord
    WHAT, AGAIN = "training", "remove the folder and train again"

    @property
    def dynamics_path(self) -> Path:
        """A row a held-out sample: id and the scores of `stats.epoch_scores`; there when complete."""
        return self.root / self.TABLE

    @property
    def train_dynamics_path(self) -> Path | None:
        """The same of samples learnt from, whose columns begin with "train_"; None where there are none."""
        path = self.root / _FILES["learnt from"].scores
        return path if path.exists() else None

    @property
    def checkpoint_path(self) -> Path:
        return self.root / "checkpoint.pt"

    @property
    def weights_path(self) -> Path:
        return self.root / "weights.safetensors"

    def create(self, record: TrainingRecord, ids: np.ndarray, learnt: np.ndarray | None = None) -> None:
        """Begins the training, which is evaluated on held-out samples `ids` (n,) and on some that it learns from.

        The record is written last.
        """
        parts: dict[Part, np.ndarray | None] = {"held out": ids, "learnt from": learnt}
        for part, of_part in parts.items():
            if of_part is not None and (part == "held out" or len(of_part)):
                write_array(self.root / _FILES[part].ids, np.asarray(of_part, np.int64))
        self.write_record(record)

    def ids(self, part: Part = "held out") -> np.ndarray:
        """Ids of the samples, (n,) int64, in the order of an evaluation's rows; those learnt from are of the dataset
        trained on, and none where the training is of an earlier version."""
        path = self.root / _FILES[part].ids
        return np.array(read_npy(path)) if part == "held out" or path.exists() else np.empty(0, np.int64)

    def append(self, evaluation: EpochEval) -> None:
        """Writes an evaluation, whole or not at all; a second one at the same step is ignored.

        Raises ValueError for columns that do not fit and for an evaluation at a step before the last one's.
        """
        table, step = _table(evaluation.samples, len(self.ids())), int(evaluation.step)
        learnt = self.ids("learnt from")
        if step in (steps := self._steps()):
            return
        if steps and step < steps[-1]:
            raise ValueError(f"an evaluation at step {step} comes after one at step {steps[-1]}: truncate first")
        if len(learnt):
            write_parquet(self._evaluation_path(step, "learnt from"), _table(evaluation.learnt, len(learnt)))
        write_parquet(self._path(step, "parquet"), table)
        write_atomic(self._path(step, "json"), json.dumps(_overall(evaluation)) + "\n")

    def evaluations(self) -> pd.DataFrame:
        """A row an evaluation, oldest first: `OVERALL_COLUMNS`; what is missing is NaN. Reads no sample's file."""
        rows = [self._evaluation(step) for step in self._steps()]
        frame = pd.DataFrame(rows, columns=list(OVERALL_COLUMNS))
        return frame.astype({name: "int64" if name in ("step", "n") else "float64" for name in OVERALL_COLUMNS})

    def samples(self, index: int, columns: Sequence[str] | None = None, *, part: Part = "held out") -> pd.DataFrame:
        """Evaluation number `index` (as the rows of `evaluations`): id and `SAMPLE_COLUMNS`, or some of them."""
        wanted = [name for name in columns or SAMPLE_COLUMNS if name != "id"]
        frame = pq.read_table(self._evaluation_path(self._steps()[index], part), columns=wanted).to_pandas()
        return frame[wanted].assign(id=self.ids(part))[["id", *wanted]]

    def truncate(self, after_step: int) -> None:
        """Removes the evaluations after a step, the last first: that part is trained again."""
        for step in [step for step in self._steps() if step > after_step][::-1]:
            self._path(step, "json").unlink(missing_ok=True)
        for files in _FILES.values():  # an evaluation cut short, or what it left behind
            for path in (self.root / files.evaluations).glob("*"):
                if path.suffix == ".tmp" or not (self.root / "dynamics" / path.name).with_suffix(".json").exists():
                    path.unlink(missing_ok=True)

    def dynamics(self, part: Part = "held out") -> dict[str, np.ndarray]:
        """Scores of the evaluations at whole epochs so far, by key, in the order of `ids`; see `stats.epoch_scores`.

        One evaluation is in memory at a time.
        """
        scores = EpochScores(len(self.ids(part)))
        for step, epoch in self._epochs():
            if epoch >= 1 and math.isclose(epoch, round(epoch), abs_tol=1e-6):
                samples = pq.read_table(self._evaluation_path(step, part), columns=list(NEEDED))
                scores.add({name: samples[name].to_numpy() for name in NEEDED})
        return scores.scores()

    def epoch_scores(self, part: Part = "held out") -> pd.DataFrame:
        """`id` and the scores of `dynamics` by key, a row a sample; once the training is complete, those it stored."""
        files = _FILES[part]
        if self.complete and len(self.ids(part)):
            stored = pq.read_table(self.root / files.scores).to_pandas()
            return stored.rename(columns=lambda name: name.removeprefix(files.prefix))
        return pd.DataFrame({"id": self.ids(part), **self.dynamics(part)})

    def finish(self, weights_sha256: str) -> None:
        """Completes the training: the scores of its dynamics, then the record with the fingerprint of its weights."""
        for part, files in _FILES.items():
            if part == "held out" or len(self.ids(part)):
                found = self.dynamics(part).items()
                scores = {files.prefix + key: pa.array(values, from_pandas=True) for key, values in found}
                write_parquet(self.root / files.scores, pa.table({"id": self.ids(part), **scores}))
        changes = {"finished": now(), "weights_sha256": weights_sha256}
        self.write_record(self.record.model_copy(update=changes))

    def _epochs(self) -> list[tuple[int, float]]:
        return [(step, self._evaluation(step)["epoch"]) for step in self._steps()]

    def _evaluation(self, step: int) -> dict[str, Any]:
        """What the file of an evaluation holds; one of a newer version is refused."""
        row: dict[str, Any] = json.loads(self._path(step, "json").read_bytes())
        if (version := row.get("schema_version", SCHEMA_VERSION)) > SCHEMA_VERSION:
            raise NewerVersion(f"an evaluation of {self.WHAT} {self.name!r}", version)
        return row

    def _steps(self) -> list[int]:
        """Steps of the whole evaluations, ascending."""
        return sorted(int(path.stem) for path in (self.root / "dynamics").glob("[0-9]*.json"))

    def _evaluation_path(self, step: int, part: Part) -> Path:
        return self.root / _FILES[part].evaluations / f"{step:09d}.parquet"

    def _path(self, step: int, suffix: str) -> Path:
        return self.root / "dynamics" / f"{step:09d}.{suffix}"


def _table(samples: Mapping[str, np.ndarray], n: int) -> pa.Table:
    missing = [name for name in SAMPLE_COLUMNS if name not in samples]
    wrong = [name for name in SAMPLE_COLUMNS if name in samples and np.shape(samples[name]) != (n,)]
    if missing or wrong:
        raise ValueError(
            f"an evaluation needs a value for each of {n} samples; missing: {missing}, of other shape: {wrong}"
        )
    kinds = {name: bool if name == "correct" else np.float32 for name in SAMPLE_COLUMNS}
    return pa.table({name: np.asarray(samples[name]).astype(kind) for name, kind in kinds.items()})


def _overall(evaluation: EpochEval) -> dict[str, Any]:
    """The row of an evaluation; means are over samples with a label, and a mean over none is missing."""
    labelled = ~np.isnan(np.asarray(evaluation.samples["confidence"], np.float64))
    means = {name: _mean(np.asarray(evaluation.samples[name])[labelled]) for name in SAMPLE_COLUMNS}
    names = ("seconds", "learning_rate", "train_loss", "train_accuracy")
    values = {name: getattr(evaluation, name) for name in names}
    course = {name: None if value is None or math.isnan(value) else float(value) for name, value in values.items()}
    place = {
        "schema_version": SCHEMA_VERSION,
        "epoch": float(evaluation.epoch),
        "step": int(evaluation.step),
        "n": int(labelled.sum()),
    }
    return place | course | {"accuracy": means.pop("correct")} | means


def _mean(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean(dtype=np.float64)) if len(finite) else None
