"""One training: its record, and the metrics of each sample that it is evaluated on, held out or learnt from."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from avhcurate.measures.stats.epoch_scores import NEEDED, EpochScores
from avhcurate.workspace.disk.arrays import read_npy
from avhcurate.workspace.disk.files import write_array, write_atomic, write_parquet
from avhcurate.workspace.disk.folders import ResultFolder
from avhcurate.workspace.disk.json_text import parsed
from avhcurate.workspace.disk.provenance import WorkRecord, now

if TYPE_CHECKING:
    import pandas as pd

#: The samples that a training is evaluated on: those held out, or some of those that it learns from.
Part = Literal["held out", "learnt from"]


#: What the names of a part's files, and of its columns of scores, begin with.
_PREFIX: dict[Part, str] = {"held out": "", "learnt from": "train_"}
#: Metrics of each sample at an evaluation, float32 but for the first, a bool; NaN where not defined.
SAMPLE_COLUMNS = ("correct", "loss", "confidence", "margin", "avh", "norm", "el2n")
#: The summary of an evaluation: `n` samples with a label, and their means.
OVERALL_COLUMNS = (
    *("epoch", "step", "seconds", "learning_rate", "train_loss", "train_accuracy"),
    *("n", "accuracy", "loss", "confidence", "avh", "norm", "margin", "el2n"),
)


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
        return float(self.samples["correct"].mean()) if len(self.samples.get("correct", ())) else None


class TrainingFolder(ResultFolder[TrainingRecord]):
    """The folder of one training.

    Files: `training.json`, `ids.npy`; an evaluation is `dynamics/STEP.parquet` (a row for each held-out sample, in the
    order of `ids.npy`) and then `dynamics/STEP.json` (its means), each renamed into place: where the second is, the
    evaluation is whole. `dynamics.parquet` (id and the scores of the dynamics) once it is complete. `train_ids.npy`,
    `train_dynamics/` and `train_dynamics.parquet` are the same of some samples learnt from. `checkpoint.pt` and
    `weights.safetensors` are the trainer's.
    """

    HOME = "training"
    FILE = "training.json"
    TABLE = "dynamics.parquet"
    KIND = TrainingRecord
    WHAT = "training"
    AGAIN = "remove the folder and train again"

    @property
    def dynamics_path(self) -> Path:
        """A row for each held-out sample: id and the scores of `stats.epoch_scores`; there when complete."""
        return self.root / self.TABLE

    @property
    def train_dynamics_path(self) -> Path | None:
        """The same of samples learnt from, whose columns begin with "train_"; None where there are none."""
        path = self.root / "train_dynamics.parquet"
        return path if path.exists() else None

    @property
    def checkpoint_path(self) -> Path:
        return self.root / "checkpoint.pt"

    @property
    def weights_path(self) -> Path:
        return self.root / "weights.safetensors"

    def create(self, record: TrainingRecord, ids: np.ndarray, learnt: np.ndarray | Sequence[int] = ()) -> None:
        """Begin the training, which is evaluated on held-out samples `ids` (n,) and on some that it learns from.

        The record is written last.
        """
        write_array(self.root / "ids.npy", np.asarray(ids, np.int64))
        write_array(self.root / "train_ids.npy", np.asarray(learnt, np.int64))
        self.write_record(record)

    @property
    def main_part(self) -> Part:
        """Return what it is evaluated on: samples learnt from only where it holds none out."""
        if self.record.held_out_samples:
            return "held out"
        return "learnt from"

    def ids(self, part: Part = "held out") -> np.ndarray:
        """Return the ids of the samples, (n,) int64, in the order of an evaluation's rows.

        Those learnt from are of the dataset trained on, and there may be none.
        """
        return np.array(read_npy(self.root / f"{_PREFIX[part]}ids.npy"))

    def append(self, evaluation: EpochEval) -> None:
        """Write an evaluation, whole or not at all; a second one at the same step is ignored.

        Raise ValueError for columns that do not fit and for an evaluation at a step before the last one's.
        """
        step = int(evaluation.step)
        steps = self._steps()
        if step in steps:
            return
        if steps and step < steps[-1]:
            raise ValueError(f"an evaluation at step {step} comes after one at step {steps[-1]}: truncate first")
        tables: dict[Part, pa.Table] = {"held out": _table(evaluation.samples, len(self.ids()))}
        if count := len(self.ids("learnt from")):
            tables["learnt from"] = _table(evaluation.learnt, count)
        for part in reversed(tables):
            write_parquet(self._evaluation_path(step, part), tables[part])
        write_atomic(self._path(step), json.dumps(_overall(evaluation)) + "\n")

    def evaluations(self) -> "pd.DataFrame":
        """Return a row for each evaluation, oldest first: `OVERALL_COLUMNS`; what is missing is NaN."""
        import pandas as pd

        rows = [parsed(self._path(step).read_bytes()) for step in self._steps()]
        frame = pd.DataFrame(rows, columns=list(OVERALL_COLUMNS))
        return frame.astype("float64").astype({"step": "int64", "n": "int64"})

    def samples(self, index: int, columns: Sequence[str] | None = None, *, part: Part = "held out") -> "pd.DataFrame":
        """Return evaluation number `index` (as the rows of `evaluations`): id and `SAMPLE_COLUMNS`, or some of them."""
        wanted = [name for name in columns or SAMPLE_COLUMNS if name != "id"]
        frame = pq.read_table(self._evaluation_path(self._steps()[index], part), columns=wanted).to_pandas()
        return frame[wanted].assign(id=self.ids(part))[["id", *wanted]]

    def truncate(self, after_step: int) -> None:
        """Remove the evaluations after a step, the last first: that part is trained again."""
        for step in [step for step in self._steps() if step > after_step][::-1]:
            self._path(step).unlink(missing_ok=True)
        whole = {path.stem for path in map(self._path, self._steps())}
        for path in self.root.glob("*dynamics/*"):  # an interrupted evaluation, or what it left
            if path.suffix == ".tmp" or path.stem not in whole:
                path.unlink(missing_ok=True)

    def dynamics(self, part: Part = "held out") -> dict[str, np.ndarray]:
        """Return the scores of the evaluations at whole epochs so far, by key, in the order of `ids`.

        See `stats.epoch_scores`. One evaluation is in memory at a time.
        """
        scores = EpochScores(len(self.ids(part)))
        for epoch, step in self.evaluations()[["epoch", "step"]].itertuples(index=False):
            if epoch >= 1 and math.isclose(epoch, round(epoch), abs_tol=1e-6):
                samples = pq.read_table(self._evaluation_path(step, part), columns=list(NEEDED))
                scores.add({name: samples[name].to_numpy() for name in NEEDED})
        return scores.scores()

    def epoch_scores(self, part: Part = "held out") -> "pd.DataFrame":
        """Return `id` and the scores of `dynamics` by key, a row for each sample; once complete, those it stored."""
        prefix = _PREFIX[part]
        if self.complete and len(self.ids(part)):
            stored = pq.read_table(self.root / f"{prefix}dynamics.parquet").to_pandas()
            return stored.rename(columns=lambda name: name.removeprefix(prefix))
        return pa.table({"id": self.ids(part), **self.dynamics(part)}).to_pandas()

    def finish(self, weights_sha256: str | None = None) -> None:
        """Complete the training: the scores of its dynamics, then the record with the fingerprint of its weights."""
        for part, prefix in _PREFIX.items():
            if part == "held out" or len(self.ids(part)):
                scores = self.dynamics(part).items()
                columns = {prefix + key: pa.array(values, from_pandas=True) for key, values in scores}
                write_parquet(self.root / f"{prefix}dynamics.parquet", pa.table({"id": self.ids(part), **columns}))
        changes = {"finished": now(), "weights_sha256": weights_sha256}
        self.write_record(self.record.model_copy(update=changes))

    def reopen(self) -> None:
        """Go on with a complete training."""
        self.write_record(self.record.model_copy(update={"finished": None}))

    def _steps(self) -> list[int]:
        return sorted(int(path.stem) for path in (self.root / "dynamics").glob("[0-9]*.json"))

    def _evaluation_path(self, step: int, part: Part) -> Path:
        return self.root / f"{_PREFIX[part]}dynamics" / f"{step:09d}.parquet"

    def _path(self, step: int) -> Path:
        return self.root / "dynamics" / f"{step:09d}.json"


def _table(samples: Mapping[str, np.ndarray], n: int) -> pa.Table:
    wrong = [name for name in SAMPLE_COLUMNS if np.shape(samples.get(name, ())) != (n,)]
    if wrong:
        raise ValueError(f"an evaluation needs a value for each of {n} images; missing or of other shape: {wrong}")
    kinds = dict.fromkeys(SAMPLE_COLUMNS, np.float32) | {"correct": bool}
    return pa.table({name: np.asarray(samples.get(name, ())).astype(kind) for name, kind in kinds.items()})


def _overall(evaluation: EpochEval) -> dict[str, Any]:
    """Return the row of an evaluation; means are over samples with a label, and a mean over none is missing."""
    import pandas as pd

    samples = pd.DataFrame({name: np.asarray(evaluation.samples.get(name, ())) for name in SAMPLE_COLUMNS})
    labelled = samples[samples["confidence"].notna()].astype("float64").replace([np.inf, -np.inf], np.nan)
    course = {name: getattr(evaluation, name) for name in OVERALL_COLUMNS[:6]}
    row = course | {"n": len(labelled)} | labelled.mean().rename({"correct": "accuracy"}).to_dict()
    return {str(name): None if value is None or math.isnan(value) else value for name, value in row.items()}
