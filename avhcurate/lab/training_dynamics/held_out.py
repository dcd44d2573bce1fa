"""The samples to train on and to hold out: none is in both, and near duplicates in both are counted."""

from dataclasses import replace

import numpy as np
import pandas as pd

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.subset import Subset, read_subset, refuse_other_classes, refuse_overlap, rest_of
from avhcurate.errors import CurateError, Option, Run
from avhcurate.features.quality.duplicates import equal_pairs, groups, hash_pairs
from avhcurate.lab.training_dynamics.settings import TrainSettings
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.images.pixels import HASH_SIDE

#: Share held out where the dataset has no split "train".
_SHARE = 0.1
_TRAIN = ("train", "training")


def train_and_held_out(workspace: Workspace, settings: TrainSettings) -> tuple[Subset, Subset]:
    """Return the labelled samples to train on, with curated labels, and those to evaluate on, with given ones.

    No sample is in both. Raises CurateError when there are none, when classes differ, or when conditions overlap.
    """
    dataset = workspace.dataset(settings.dataset)
    other = workspace.dataset(settings.subject)
    train_where = settings.train_where
    held_out_where = settings.held_out_where
    refuse_other_classes(dataset.record, other.record)
    same = other.name == dataset.name
    if same and train_where + held_out_where:  # with only one condition, the other part is the rest
        train_where = train_where or rest_of(held_out_where)
        held_out_where = held_out_where or rest_of(train_where)
    # Excluded samples are not trained on; they are evaluated, as they are scored.
    train = _labelled(workspace, dataset, "curated_label", Filters(where=train_where, excluded=False))
    held_out = _labelled(workspace, other, "label", Filters(where=held_out_where, excluded=None))
    if same and not train_where:
        train, held_out = _by_split(train, held_out) or _by_chance(train, held_out)
    if same:
        refuse_overlap(train, held_out, f"{Option('train_where')} and {Option('held_out_where')}")
    for subset, use in ((train, "train on"), (held_out, "hold out")):
        if not len(subset.ids):
            raise CurateError(f"Dataset {subset.dataset.name!r} has no labelled samples to {use} ({subset.where}).")
    return train, held_out


def _by_split(train: Subset, held_out: Subset) -> tuple[Subset, Subset] | None:
    """Return split "train" and the rest; None where one of the two is empty."""
    training = train.dataset.samples(["split"])["split"].astype("string").str.lower().isin(_TRAIN).to_numpy(bool)
    train = train.only(training[train.ids])
    held_out = held_out.only(~training[held_out.ids])
    if not len(train.ids) or not len(held_out.ids):
        return None
    return replace(train, where="split = 'train'"), replace(held_out, where="split <> 'train'")


def _by_chance(train: Subset, held_out: Subset) -> tuple[Subset, Subset]:
    """Return all but a tenth of each class, and that tenth, chosen by its given label."""
    held_out = held_out.only(stratified(held_out.labels, _SHARE))
    train = train.only(~np.isin(train.ids, held_out.ids))
    return replace(train, where="all but a tenth of each class"), replace(held_out, where="a tenth of each class")


def stratified(labels: np.ndarray, share: float) -> np.ndarray:
    """Choose a share of every class at random, (N,) bool: at least one of each that has two or more, none for 0.

    >>> int(stratified(np.array([0] * 20 + [1] * 10), 0.1).sum())
    3
    """
    draws = pd.Series(np.random.default_rng(0).random(len(labels))).groupby(np.asarray(labels))
    sizes = draws.transform("size")
    counts = np.maximum((share * sizes).round(), np.minimum(1, sizes - 1))
    return (draws.rank() <= counts).to_numpy() & (share > 0)


def _labelled(workspace: Workspace, dataset: DatasetFolder, label: str, filters: Filters) -> Subset:
    subset = read_subset(
        open_dataset(workspace, dataset.name).samples,
        open_dataset(workspace, dataset.name).run,
        open_dataset(workspace, dataset.name).dataset,
        filters,
        label=label,
    )
    return subset.only(subset.labels >= 0)


# --- near duplicates ---------------------------------------------------------------------------------------------


def held_out_copies(train: Subset, held_out: Subset) -> int | None:
    """Return how many held-out samples equal one learnt from, or nearly; None where images were not measured."""
    subsets = (train, held_out)
    if not all(subset.dataset.quality.ready(subset.dataset.record.fingerprint) for subset in subsets):
        return None
    rows = pd.concat([_measured(subset) for subset in subsets], ignore_index=True)
    hashed = np.flatnonzero(rows["phash"].notna())
    similar = hashed[hash_pairs(rows["phash"].iloc[hashed].to_numpy(np.uint64))]
    group = groups(len(rows), np.concatenate([equal_pairs(rows["sha256"]), similar]))
    of_train, of_held_out = np.split(group, [len(train.ids)])
    return int(np.isin(of_held_out, of_train[of_train > 0]).sum())


def leak_text(copies: int | None, learnt_from: str, held_out: str) -> str:
    """Return what is known of near duplicates between the two, in a sentence.

    >>> leak_text(2, "pets", "pets")
    'Held-out samples with a near duplicate among those learnt from: 2. Their accuracy is too high.'
    """
    if copies is None:
        runs = " and ".join(f"{Run('quality', name)}" for name in dict.fromkeys((learnt_from, held_out)))
        return f"Near duplicates are not known. {runs} before training."
    if not copies:
        return "No held-out sample has a near duplicate among those learnt from."
    return f"Held-out samples with a near duplicate among those learnt from: {copies:,}. Their accuracy is too high."


def _measured(subset: Subset) -> pd.DataFrame:
    measures = subset.dataset.quality.measures().set_index("id").reindex(subset.ids)
    large = measures[["width", "height"]].min(axis=1) >= HASH_SIDE
    return measures.reindex(columns=["sha256", "phash"]).assign(phash=lambda rows: rows["phash"].where(large))
