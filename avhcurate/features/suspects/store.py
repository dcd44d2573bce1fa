"""Folders of a run: out-of-fold scores and lists of suspects."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from pydantic import Field

from avhcurate.errors import CurateError
from avhcurate.features.suspects.rules import SOURCES
from avhcurate.workspace.data.dataset_records import VotesRecord
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import FoldHeads, RunFolder
from avhcurate.workspace.disk.folders import ResultFolder
from avhcurate.workspace.disk.provenance import Provenance, WorkRecord


class OutOfFoldRecord(Provenance):
    """The record of a cross-validation, `out_of_fold.json`. `finished` is set when it is complete.

    `classes`: the labels that occur, in the order of the heads' rows. `accuracy`: share of samples whose out-of-fold
    prediction is their label, set when they are judged.
    """

    name: str
    run: str
    folds: int
    seed: int
    recipe: dict[str, Any]
    classes: list[int]
    accuracy: float | None = None


class OutOfFoldFolder(FoldHeads, ResultFolder[OutOfFoldRecord]):
    """One folder in `RUN/out_of_fold/`: `out_of_fold.json`, the heads of the folds, then `folds.npy`."""

    HOME = "out_of_fold"
    FILE = "out_of_fold.json"
    TABLE = "folds.npy"
    KIND = OutOfFoldRecord
    WHAT = "cross-validation"
    AGAIN = "remove the folder and run it again"


class SuspectsRecord(WorkRecord):
    """The settings and counts of a list of suspects, `suspects.json`.

    `samples` have a label and are scored by the run; `listed` of them are in the table. `doubting`: how many each
    source doubts. `weights`: the share of each source in the order. `often`: a class, and which one it is often called.
    `missing`: why a source is not among `sources`. `heads`: the cross-validation, None for the run's own head.
    `votes`: those of the source of that name. `asked`: when this list was last asked for.
    """

    name: str
    run: str
    dataset_fingerprint: str
    sources: list[str]
    missing: dict[str, str]
    heads: OutOfFoldRecord | None
    votes: VotesRecord | None
    samples: int
    listed: int
    doubting: dict[str, int]
    verdicts: dict[str, int]
    asked: datetime
    weights: dict[str, float] = Field(default_factory=dict)
    often: tuple[int, int] | None = None

    @property
    def simulated(self) -> bool:
        return self.votes is not None and self.votes.simulated

    @property
    def address(self) -> str:
        """The names of its run and of itself, by which `suspects_at` finds it."""
        return f"{self.run}/{self.name}"

    @property
    def weights_text(self) -> str:
        """Return how much each source counts, as a sentence."""
        shares = [f"{SOURCES[key].lower()} {share:.0%}" for key, share in self.weights.items() if key in SOURCES]
        return f"Weights: {', '.join(shares)}."

    def often_text(self, names: Sequence[str]) -> str:
        """Return which class is often called another, of classes with these names, as a sentence; "" for none."""
        if self.often is None:
            return ""
        one, other = self.often
        return f"“{names[one]}” is often called “{names[other]}”: these labels come first."


class SuspectsFolder(ResultFolder[SuspectsRecord]):
    """One folder in `RUN/suspects/`: `suspects.parquet`, then `suspects.json`."""

    HOME = "suspects"
    FILE = "suspects.json"
    TABLE = "suspects.parquet"
    KIND = SuspectsRecord
    WHAT = "list of suspects"
    AGAIN = "remove the folder and find them again"

    @property
    def table_path(self) -> Path:
        return self.root / self.TABLE

    def suspects(self) -> pd.DataFrame:
        """Return the suspects by rank, a row each.

        id, label, suggested (-1 for none), verdict, rank, doubt, agreement, spoke; SOURCE_score, SOURCE_suggested,
        SOURCE_doubts of each source; predicted, confidence, rival, nearer, margin (rad, or of probability); with class
        weights avh, avh_share, avc_given, avc_rival, avc_share; neighbours_known (how many of them have a label);
        votes_n, votes_share, votes_low, votes_high of the votes' suggestion; near_given and near_suggested, ids of the
        nearest samples of either label (far down the list only of those among its neighbours).
        """
        return pq.read_table(self.table_path).to_pandas()


def suspects_at(dataset: DatasetFolder, address: str) -> SuspectsFolder:
    """Return a list of suspects of a dataset; raise CurateError if it is gone."""
    run, _, name = address.partition("/")
    for folder in suspects_of(dataset.run(run)):
        if folder.root.name == name:
            return folder
    raise CurateError("This list of suspects was replaced; nothing was changed. Reload the page.")


def suspects_of(run: RunFolder) -> list[SuspectsFolder]:
    """Return the lists of suspects of a run by the classes of today that know no label which is locked, in the order
    in which they were last asked for.
    """
    dataset = DatasetFolder(run.root.parents[1])
    locked_by = dataset.locked_by
    version = dataset.record.version
    lists = [folder for folder in SuspectsFolder.all_of(run, by="asked") if folder.complete and folder.is_of(version)]
    return [folder for folder in lists if not folder.record.knows(locked_by)]
