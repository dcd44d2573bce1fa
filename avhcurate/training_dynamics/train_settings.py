"""What to train and how, and the samples to train on and to hold out, none of which is in both."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.workspace import Workspace
from avhcurate.errors import CurateError
from avhcurate.table.dataset_table import open_table
from avhcurate.table.filters import Filters
from avhcurate.table.subset import Subset, read_subset, rest_of, same_classes
from avhcurate.training.recipe import Recipe

#: Evaluations within the first epoch, where angles move most, and one before it.
EARLY = (0.0, 0.25, 0.5, 0.75)
#: Samples trained on that are evaluated too.
TRAIN_SAMPLE = 2000
#: Peak learning rates from scratch and from weights, and the limit of the gradient.
RATE, TUNING_RATE, CLIP = 0.05, 0.01, 1.0

#: How to train from scratch unless the user says otherwise.
USUAL = Recipe(epochs=20, learning_rate=RATE, clip=CLIP)


@dataclass(frozen=True)
class TrainSettings:
    """What to train, on what, how; what is None is chosen.

    model: as for scoring; weights: a file to start from, or "pretrained" for those of the name, None for random ones.
    recipe: how; what it says of crops and mirror images gives way to `crop_padding` and `flip`, and where those are
        None to the network's input: crops wander by an eighth of its side, and images in colour are mirrored.
    held_out: a dataset with the same classes to evaluate on; train_where, held_out_where: conditions on the samples.
        Without any of them split "train" is trained on and the rest held out, or where there is no such split a
        tenth of each class, by `split_seed`.
    train_sample: so many of the samples trained on, a share of each class, are evaluated too; 0 for none.
    early, every: when to evaluate, as in `training.evaluation.EvalSchedule`.
    """

    model: str
    recipe: Recipe = USUAL
    weights: Path | str | None = None
    crop_padding: int | None = None
    flip: bool | None = None
    head: str | None = None
    resize: int | None = None
    crop: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    held_out: str | None = None
    train_where: str = ""
    held_out_where: str = ""
    split_seed: int = 0
    train_sample: int = TRAIN_SAMPLE
    early: tuple[float, ...] = EARLY
    every: int = 1
    device: str = "auto"
    sync_batchnorm: bool = False
    tensorboard: bool = False


#: Share held out where the dataset has no split "train".
SHARE = 0.1

_TRAIN = ("train", "training")


def train_and_held_out(workspace: Workspace, name: str, settings: TrainSettings) -> tuple[Subset, Subset]:
    """The labelled samples to train on, with curated labels, and those to evaluate on, with given ones.

    No sample is in both. Raises CurateError when there are none, when classes differ, or when conditions overlap.
    """
    dataset = workspace.dataset(name)
    if settings.held_out in (None, name):
        train, held_out = _within(workspace, dataset, settings)
    else:
        other = workspace.dataset(str(settings.held_out))
        if not same_classes(dataset.record, other.record):
            ours, theirs = dataset.record.classes, other.record.classes
            raise CurateError(
                f"datasets {dataset.name!r} and {other.name!r} have other classes ({', '.join(ours[:3])}, ... and "
                f"{', '.join(theirs[:3])}, ...): hold out one with the same classes in the same order"
            )
        train = _labelled(workspace, dataset, settings.train_where, curated=True)
        held_out = _labelled(workspace, other, settings.held_out_where, curated=False)
    for subset, use in ((train, "train on"), (held_out, "hold out")):
        if not len(subset.ids):
            raise CurateError(f"dataset {subset.dataset.name!r} has no labelled samples to {use} ({subset.where})")
    return train, held_out


def _within(workspace: Workspace, dataset: DatasetFolder, settings: TrainSettings) -> tuple[Subset, Subset]:
    """Both subsets from one dataset."""
    conditions = settings.train_where, settings.held_out_where
    # With only one condition, the other part is the rest.
    train_where, held_out_where = (
        ours or (rest_of(other) if other else "") for ours, other in zip(conditions, conditions[::-1], strict=True)
    )
    train = _labelled(workspace, dataset, train_where, curated=True)
    held_out = _labelled(workspace, dataset, held_out_where, curated=False)
    if not any(conditions):
        return _by_split(dataset, train, held_out) or _by_chance(train, held_out, settings.split_seed)
    if both := len(np.intersect1d(train.ids, held_out.ids)):
        raise CurateError(
            f"{both} samples satisfy both --train-where and --held-out-where: what is held out must not be trained "
            "on, so add (...) IS NOT TRUE to one of them"
        )
    return train, held_out


def _by_split(dataset: DatasetFolder, train: Subset, held_out: Subset) -> tuple[Subset, Subset] | None:
    """Split "train" and the rest; None where one of the two is empty."""
    split = dataset.samples(["split"])["split"].astype("string").str.lower().fillna("").to_numpy()
    training = np.isin(split, _TRAIN)
    first, rest = train.only(training[train.ids]), held_out.only(~training[held_out.ids])
    if not len(first.ids) or not len(rest.ids):
        return None
    return replace(first, where="split = 'train'"), replace(rest, where="split <> 'train'")


def _by_chance(train: Subset, held_out: Subset, seed: int) -> tuple[Subset, Subset]:
    """All but a tenth of each class, and that tenth, chosen by its given label."""
    chosen = held_out.only(stratified(held_out.labels, SHARE, seed=seed))
    words = f"a tenth of each class, seed {seed}"
    return replace(_without(train, chosen.ids), where=f"all but {words}"), replace(chosen, where=words)


def stratified(labels: np.ndarray, share: float, *, seed: int) -> np.ndarray:
    """Chooses a share of every class (N,) bool, at least one of each that has two or more.

    >>> int(stratified(np.array([0] * 20 + [1] * 10), 0.1, seed=0).sum())
    3
    """
    draws = np.random.default_rng(seed).random(len(labels))
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max(round(share * len(members)), min(1, len(members) - 1))
        chosen[members[np.argsort(draws[members])[:count]]] = True
    return chosen


def _labelled(workspace: Workspace, dataset: DatasetFolder, where: str, *, curated: bool) -> Subset:
    # What a person excluded is not trained on; it is evaluated on all the same, as it is scored.
    filters = Filters(where=where, excluded=False if curated else None)
    label = "curated_label" if curated else "label"
    subset = read_subset(open_table(workspace, dataset.name), filters, label=label)
    return subset.only(subset.labels >= 0)


def _without(subset: Subset, ids: np.ndarray) -> Subset:
    return subset.only(~np.isin(subset.ids, ids))
