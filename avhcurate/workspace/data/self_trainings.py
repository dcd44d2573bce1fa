"""One self-training on disk: its record, and a folder a round with the selection, the weights and the report."""

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, Field

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.files import write_json, write_parquet
from avhcurate.workspace.disk.folders import ResultFolder
from avhcurate.workspace.disk.provenance import StoredRecord, WorkRecord

if TYPE_CHECKING:
    import pandas as pd

#: Prefix of the columns of a selection that say what each gate lets pass of the same outputs.
BY = "by_"


class SelfTrainingRecord(WorkRecord):
    """Inputs and settings, `self-training.json`; `finished` and the fields after it are set when it is complete.

    source: the dataset with labels to learn from; target: the one whose samples get pseudo-labels. `where` texts are
    the conditions that chose the samples, "" for all. `weights_sha256`, `head`, `preprocess` and `code` are those of
    the network at the start: for a `trainer` "probe" the one that both runs hold features of; "full" has no runs.
    `target_left_out` counts samples without an embedding in the run or, for "full", without a readable image.
    `schedule` is `start, step, end`. `recipe` is the trainer's.
    `done`: rounds of selecting and training that are complete; `stopped` says why it ended; `seconds` is the
    time of all rounds.
    """

    name: str
    source: str
    source_fingerprint: str
    source_run: str | None = None
    source_where: str = ""
    source_samples: int
    target: str
    target_fingerprint: str
    target_run: str | None = None
    target_where: str = ""
    target_samples: int
    target_left_out: int = 0
    model: str
    weights_sha256: str
    weights_source: str
    head: str
    preprocess: dict[str, Any]
    code: dict[str, str] | None = None
    trainer: str
    recipe: dict[str, Any]
    rule: str
    alpha: float | None
    schedule: dict[str, float]
    rounds: int
    seed: int
    classes: list[str]
    device: str
    precision: str
    started: datetime
    done: int = 0
    stopped: str = ""


class Share(BaseModel):
    """A share of `n` samples with its 95 % interval; None where n is 0.

    It is Wilson's; that of a mean over classes comes from theirs, that of a calibration error from the bootstrap (see
    `stats.calibration.calibrate`).
    """

    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None


class RoundReport(StoredRecord):
    """Metrics of one round. Round 0 trains on the source alone and selects nothing.

    In a later round, `portion` to `mean_confidence` are about the selection from the outputs of the network of the
    round before; `accuracy` and the fields after it are about the network after training, over the whole target.

    changed: samples whose pseudo-label, or its absence, is not that of the round before. left_out: samples whose
    embedding was not finite, which no rule selects. precision: share of the
    selected samples whose pseudo-label is their label, the paper's true-positive rate. recall: share of all samples
    with a label that are selected with it. Means are over the selected samples, of AVH and of the softmax probability
    of the pseudo-label, without those that have none. mean_accuracy: mean over the classes that have a sample with a
    label. ece: expected calibration error of the largest probability, in [0, 1]. What needs labels is None without any.
    """

    round: int
    samples: int
    portion: float | None = None
    selected: int = 0
    changed: int = 0
    left_out: int = 0
    empty_classes: list[str] = Field(default_factory=list)
    precision: Share = Share(n=0)
    recall: Share = Share(n=0)
    mean_avh: float | None = None
    mean_confidence: float | None = None
    accuracy: Share = Share(n=0)
    mean_accuracy: Share = Share(n=0)
    ece: Share = Share(n=0)
    seconds: float = 0.0


class SelfTrainingFolder(ResultFolder[SelfTrainingRecord]):
    """The folder of one self-training.

    Files: `self-training.json`, and `rounds/NN/` for each round that is whole, renamed into place: `report.json`,
    `classes.parquet`, what the trainer keeps (`head.safetensors` of a probe), and from round 1 on
    `selection.parquet`.
    """

    HOME = "self-training"
    FILE = "self-training.json"
    KIND = SelfTrainingRecord
    WHAT = "self-training"
    AGAIN = "remove the folder and run it again"

    def rounds(self) -> list[int]:
        """Numbers of the rounds that are whole: 0, 1, ..."""
        return sorted(int(path.name) for path in (self.root / "rounds").glob("[0-9]*") if path.is_dir())

    def round(self, number: int) -> Path:
        """Return the folder of a round that is whole; another is refused."""
        rounds = self.rounds()
        if number not in rounds:
            raise CurateError(f"Self-training {self.name} has no round {number}. It has {len(rounds)} rounds, from 0.")
        return self._path(number)

    def commit(
        self,
        report: RoundReport,
        classes: "pd.DataFrame",
        selection: "pd.DataFrame | None",
        save: Callable[[Path], None],
    ) -> None:
        """Put a round on the disk, whole or not at all; `save(folder)` writes what the trainer keeps."""
        path = self._path(report.round)
        making = path.with_name(f".{path.name}.tmp")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        save(making)
        write_parquet(making / "classes.parquet", classes)
        if selection is not None:
            write_parquet(making / "selection.parquet", selection)
        write_json(making / "report.json", report)
        making.rename(path)

    def report(self, number: int) -> RoundReport:
        return RoundReport.model_validate_json((self.round(number) / "report.json").read_bytes())

    def classes(self, number: int) -> "pd.DataFrame":
        """Return a row a class of a round: see `self_training.loop.TargetEvaluator`."""
        return pq.read_table(self.round(number) / "classes.parquet").to_pandas()

    def selection(self, number: int, columns: list[str] | None = None) -> "pd.DataFrame":
        """Return the selection of a round, a row a sample of the target in order of id; from round 1 on.

        id, predicted, candidate (-1 for none), pseudo_label (missing where not selected), confidence, avc, threshold,
        rank_in_class (missing for none), selected, for every gate a column `by_GATE` that says whether it would let the
        sample pass with this candidate, and `soft_label` where the run trains on soft labels.
        """
        import pandas as pd

        if not number:
            raise CurateError("Round 0 learns only from the source and selects nothing. Choose a round from 1 on.")
        rows = pq.read_table(self.round(number) / "selection.parquet", columns=columns)
        return rows.to_pandas(types_mapper={pa.int32(): pd.Int32Dtype()}.get)

    def _path(self, number: int) -> Path:
        return self.root / "rounds" / f"{number:02d}"
