"""Fits linear heads on a run's frozen features, and scores each sample by the head that has not seen it."""

import itertools
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from avhcurate.errors import CurateError, Option
from avhcurate.measures import scores
from avhcurate.measures.stats.downsample import evenly_spread
from avhcurate.measures.stats.folds import stratified_folds
from avhcurate.measures.stats.ranks import spearman, standard_ranks
from avhcurate.networks.scoring.heads import RECIPE, Fits, fit_folds
from avhcurate.networks.scoring.settings import ScoreSettings
from avhcurate.networks.scoring.shards import Engine
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.run_records import FittedHeads
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.sample_groups import check_groups, duplicates_digest, sample_groups
from avhcurate.workspace.disk.provenance import settings_digest

#: Samples on which the heads of two folds are compared.
_COMPARED = 2000


def heads_to_fit(folds: int = 5, seed: int = 0, groups: str | None = None) -> FittedHeads:
    """Return the record of heads before they are fitted; `groups` is the column whose values share a fold."""
    return FittedHeads(folds=folds, seed=seed, groups=groups, recipe=RECIPE)


def head_settings(settings: ScoreSettings) -> tuple[FittedHeads | None, str | None]:
    """Return the heads to fit, if `--head` asks for any ("fit", "fit:LAYER"), and the layer that it names.

    >>> fit, layer = head_settings(ScoreSettings(dataset="pets", model="avhcurate:digits", head="fit:fc", folds=3))
    >>> fit.folds, layer
    (3, 'fc')
    """
    word, colon, layer = (settings.head or "").partition(":")
    if word != "fit":
        return None, settings.head
    if settings.classes_from_model:
        raise CurateError(
            f"{Option('classes_from_model', True)} takes rows of the model's own head.",
            fix=f"Leave it or {Option('head', 'fit')} out",
        )
    if colon and not layer:
        raise CurateError(
            f"{Option('head')} fit: does not name a layer.",
            fix=f"Give {Option('head', 'fit')}, or {Option('head', 'fit:LAYER')}",
        )
    return heads_to_fit(settings.folds or 5, settings.seed or 0, settings.groups), layer or None


def check_fit(dataset: DatasetFolder, fit: FittedHeads) -> None:
    """Refuse what cannot be fitted, before the pass over the images."""
    labels = dataset.labels_to_learn()
    sizes = np.bincount(labels[labels >= 0])
    if (classes := np.count_nonzero(sizes)) < 2:
        raise CurateError(
            f"Dataset {dataset.name!r} has labels of {classes} class, and a head needs two or more. Import it with "
            "labels."
        )
    if sizes.max() < 2:
        raise CurateError(
            f"No class of dataset {dataset.name!r} has two labelled images, so no head would know one like the "
            "image that it judges. Import it with fewer classes."
        )
    check_groups(dataset, fit.groups)
    if not 2 <= fit.folds <= (labels >= 0).sum():
        raise CurateError(
            f"{Option('folds')} {fit.folds}: give 2 or more, and not more than there are labelled images."
        )


def number_of_classes(dataset: DatasetFolder) -> int:
    """Return K: the dataset's classes, or as many as its labels name where their number is not declared."""
    return max(len(dataset.record.classes), int(dataset.labels().max()) + 1)


def name_of(model: str, dataset: DatasetFolder, inputs: dict[str, Any], heads: FittedHeads | None) -> str:
    """Return the name of a run: the model's as a folder's, and eight hexadecimal digits of what decides its numbers.

    `inputs`: what decides those of the network, besides the dataset and the heads to fit.
    """
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", model).strip("-.")[:60]
    inputs = inputs | {"dataset": dataset.record.version} | dataset.lock_note()
    if heads is not None:
        slug += "-fit"
        inputs["heads"] = heads.model_dump(include={"folds", "seed", "groups", "recipe"}) | duplicates_digest(dataset)
    return f"{slug}-{settings_digest(inputs)[:8]}"


def fit_heads(
    dataset: DatasetFolder,
    run: RunFolder,
    ids: np.ndarray,
    digests: np.ndarray | None,
    *,
    engine: Engine,
    tell: Callable[[int, int, str], None],
    check: Callable[[], None],
) -> FittedHeads:
    """Fit the heads of a run whose features are written, that of all and that of each fold, and return the record.

    `ids` ascending are the scored samples, `digests` (n,) those of their files, None where these are not known. Heads
    that are on disk are kept. `check` raises Cancelled when asked to stop.
    """
    settings = run.record.fitted
    started = time.perf_counter()
    labels = dataset.labels_to_learn()
    assert settings is not None
    labelled = labels[ids] >= 0
    ids = ids[labelled]
    if digests is not None:
        digests = digests[labelled]
    targets = labels[ids].astype(np.int64)
    groups, duplicates = sample_groups(dataset, run.features(), ids, digests=digests, column=settings.groups)
    of_sample = stratified_folds(targets, groups, folds=settings.folds, seed=settings.seed)
    fits = Fits(
        open=run.features,
        ids=ids,
        targets=targets,
        groups=groups,
        num_classes=number_of_classes(dataset),
        of_sample=of_sample,
        seed=settings.seed,
        shards=range(-1, int(of_sample.max()) + 1),
        check=check,
    )
    fit_folds(run, fits, engine=engine, tell=tell)
    folds = np.full(len(labels), -1, np.int16)
    folds[ids] = of_sample
    run.write_folds(folds)
    return settings.model_copy(
        update={
            "samples": len(ids),
            "duplicates": duplicates,
            "agreement": _agreement(run, ids, targets, settings.folds),
            "seconds": round(time.perf_counter() - started, 3),
        }
    )


def scores_by_head(
    run: RunFolder,
    ids: np.ndarray,
    features: np.ndarray,
    labels: np.ndarray,
    *,
    keys: Iterable[str] | None = None,
    logits: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return `scores.per_sample` of samples with their features (n, D), each by the head that has scored it.

    The logits (n, K) are by default those of the heads.
    """
    columns: dict[str, np.ndarray] = {}
    judges = list(run.heads_of(ids))
    if not judges:
        # No samples have the columns of any head: that of all, or of the first fold.
        judges = [(np.arange(0), *run.head(-1 if run.has_class_weights else 0))]
    for places, class_weights, bias in judges:
        x = features[places]
        f = x @ class_weights.T + bias
        if logits is not None:
            f = logits[places]
        for key, column in scores.per_sample(x, class_weights, f, labels[places], keys=keys).items():
            columns.setdefault(key, np.zeros(len(ids), column.dtype))[places] = column
    return columns


def out_of_fold(tables: Iterable[pa.Table], labels: np.ndarray) -> dict[str, float]:
    """Return the accuracy and mean loss of the labelled samples of score tables."""
    right = []
    losses = []
    for table in tables:
        of_row = labels[table["id"].to_numpy()]
        compared = (of_row >= 0) & table["predicted"].is_valid().to_numpy()
        right.append(table["predicted"].fill_null(-1).to_numpy()[compared] == of_row[compared])
        losses.append(table["loss"].to_numpy()[compared])
    return {"accuracy": float(np.concatenate(right).mean()), "loss": float(np.concatenate(losses).mean())}


def _agreement(run: RunFolder, ids: np.ndarray, targets: np.ndarray, folds: int) -> float:
    """Return the mean Spearman correlation of AVH by the heads of two folds, on some samples."""
    places = evenly_spread(len(ids), _COMPARED)
    features = run.features_of(ids[places]).astype(np.float64)
    avh = np.stack(
        [scores.avh(features, run.head(fold)[0].astype(np.float64), targets[places]) for fold in range(folds)]
    )
    avh = avh[:, np.isfinite(avh).all(axis=0)]
    alike = [spearman(*pair) for pair in itertools.combinations(map(standard_ranks, avh), 2)]
    return round(float(np.mean(alike)), 6)
