"""Near duplicates between what is learnt from and what is held out: planted ones are counted."""

import shutil

import numpy as np

from avhcurate.datasets.table.subset import Subset
from avhcurate.lab.training_dynamics.held_out import held_out_copies
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.workspace import Workspace


def parts(dataset):
    """Subsets of the pets by split; of the test split, both images are copies of training ones."""
    samples = dataset.samples(["id", "split"])
    ids = {split: rows["id"].to_numpy(np.int64) for split, rows in samples.groupby("split")}
    return {split: Subset(dataset, chosen, np.zeros(len(chosen), int)) for split, chosen in ids.items()}


def test_copies_across_splits_and_datasets_are_counted(planted_root, tmp_path):
    pets = parts(Workspace(planted_root).dataset("pets"))
    assert len(pets["test"].ids) == 2
    assert held_out_copies(pets["train"], pets["test"]) == 2
    assert held_out_copies(pets["test"], pets["train"].only(pets["train"].ids > 3)) < 2
    again = parts(DatasetFolder(shutil.copytree(pets["train"].dataset.root, tmp_path / "again")))
    assert held_out_copies(pets["train"], again["test"]) == 2
    assert held_out_copies(pets["train"], again["train"]) == len(pets["train"].ids)


def test_without_measures_nothing_is_claimed(planted_root, tmp_path):
    folder = DatasetFolder(shutil.copytree(planted_root / "datasets" / "pets", tmp_path / "pets"))
    folder.quality.clear()
    unmeasured = parts(folder)
    assert held_out_copies(unmeasured["train"], unmeasured["test"]) is None
