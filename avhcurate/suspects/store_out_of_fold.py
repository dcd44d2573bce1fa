"""Honest scores of training samples: heads cross-validated on a run's frozen features, written fold by fold."""

from pathlib import Path
from typing import Any

from avhcurate.data.runs import RunFolder
from avhcurate.disk.provenance import Provenance
from avhcurate.disk.shards import ShardedFolder

#: Where they lie in the folder of a run.
FOLDER = "out_of_fold"


class OutOfFoldRecord(Provenance):
    """The record of a cross-validation, `out_of_fold.json`; `finished` and what follows are set when it is complete.

    `classes`: the labels that occur, in the order of the heads' rows. `samples` are labelled and scored by the run;
    `copies` of them are equal to an earlier one to the last bit, and share its fold. `alone` counts classes with fewer
    samples than folds: a fold may lack them. `accuracy`: share of samples whose out-of-fold prediction is their label.
    """

    name: str
    run: str
    folds: int
    seed: int
    recipe: dict[str, Any]
    classes: list[int]
    samples: int
    copies: int
    alone: int
    accuracy: float | None = None


class OutOfFoldFolder(ShardedFolder[OutOfFoldRecord]):
    """One folder in `RUN/out_of_fold/`: `out_of_fold.json`, `head-F.safetensors` a fold, and a shard of scores a fold.

    A fold's scores are written after its head: where they are, the fold is whole. A row a sample, from the head that
    did not see it: id, fold, predicted, confidence, avh, avc (of the predicted class), angular_gap, entropy, and the
    angular view (avc_given, rival, avc_rival, margin, avc_entropy), classes as labels of the dataset.
    """

    FILE, KIND, WHAT, AGAIN = "out_of_fold.json", OutOfFoldRecord, "out-of-fold scoring", "run it again"

    def head_path(self, fold: int) -> Path:
        return self.root / f"head-{fold}.safetensors"


def out_of_fold_at(run: RunFolder, name: str) -> OutOfFoldFolder:
    """The folder of that name in a run, there or not."""
    return OutOfFoldFolder(run.root / FOLDER / name)
