"""Fits linear heads on a run's frozen features, and scores each sample by the head that has not seen it."""

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import spearmanr

from avhcurate import scores
from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.runs import FittedHeads, RunFolder
from avhcurate.data.sample_groups import sample_groups
from avhcurate.disk.files import write_json
from avhcurate.errors import CurateError
from avhcurate.stats.downsample import evenly_spread
from avhcurate.stats.folds import stratified_folds
from avhcurate.training.cross_fitting import RECIPE, PenaltyChoice, fit_head
from avhcurate.training.linear_head import Samples

#: Samples on which the heads of two folds are compared.
_COMPARED = 2000


@dataclass(frozen=True)
class FitSettings:
    """What the user says about fitted heads: how many folds, from which seed, and the column whose groups share one."""

    folds: int = 5
    seed: int = 0
    groups: str | None = None

    def check(self, dataset: DatasetFolder) -> None:
        """Refuses what cannot be fitted, before the pass over the images."""
        labels = dataset.labels()
        classes = np.unique(labels[labels >= 0])
        if len(classes) < 2:
            raise CurateError(
                f"dataset {dataset.name!r} has labels of {len(classes)} class and a head tells two or more apart: "
                "import it with labels"
            )
        columns = pq.read_schema(dataset.samples_path).names
        if self.groups and (self.groups.startswith("_") or self.groups not in columns):
            known = [name for name in columns if name not in ("id", "label") and not name.startswith("_")]
            raise CurateError(f"--groups {self.groups}: dataset {dataset.name!r} has the columns {', '.join(known)}")
        if not 2 <= self.folds <= (labels >= 0).sum():
            raise CurateError(f"--folds {self.folds}: give 2 or more, and not more than there are labelled samples")

    def record(self) -> FittedHeads:
        """As a record has it before anything is fitted."""
        return FittedHeads(folds=self.folds, seed=self.seed, groups=self.groups, recipe=RECIPE)


def head_settings(
    head: str | None, *, groups: str | None, folds: int | None, seed: int | None, classes_from_model: bool
) -> tuple[FitSettings | None, str | None]:
    """The settings of fitted heads, if `head` asks for any ("fit", "fit:LAYER"), and the layer that it names.

    >>> head_settings("fit:fc", groups=None, folds=3, seed=None, classes_from_model=False)
    (FitSettings(folds=3, seed=0, groups=None), 'fc')
    """
    word, colon, layer = (head or "").partition(":")
    if word != "fit":
        if groups is not None or folds is not None or seed is not None:
            raise CurateError("--groups, --folds and --seed are of fitted heads: add --head fit")
        return None, head
    if classes_from_model:
        raise CurateError("--classes-from-model takes rows of the model's own head: leave out --head fit, or it")
    if colon and not layer:
        raise CurateError("--head fit: names no layer: give --head fit, or --head fit:LAYER")
    given: dict[str, Any] = {"folds": folds, "seed": seed, "groups": groups}
    return FitSettings(**{name: value for name, value in given.items() if value is not None}), layer or None


def number_of_classes(dataset: DatasetFolder) -> int:
    """K: the dataset's classes, or as many as its labels name where their number is not declared."""
    return max(len(dataset.record.classes), int(dataset.labels().max()) + 1)


@dataclass(frozen=True)
class HeadFitting:
    """The fitting of a run whose features are written: `ids` ascending, `digests` (n,) of their files, labels (N,).

    `tell` reports what is done, and raises Cancelled when asked to stop, as `check` does alone.
    """

    dataset: DatasetFolder
    run: RunFolder
    settings: FittedHeads
    ids: np.ndarray
    digests: np.ndarray
    labels: np.ndarray
    tell: Callable[[str], None]
    check: Callable[[], None]

    def fit(self) -> FittedHeads:
        """Fits what is missing: the head of each fold, then that of all; each is on disk before the next begins."""
        started, settings = time.perf_counter(), self.settings
        labelled = self.labels[self.ids] >= 0
        ids, targets = self.ids[labelled], self.labels[self.ids[labelled]].astype(np.int64)
        groups, duplicates = sample_groups(
            self.dataset, self.run, ids, digests=self.digests[labelled], column=settings.groups
        )
        of_sample = stratified_folds(targets, groups, folds=settings.folds, seed=settings.seed)
        samples = Samples(self.run.features(), ids, targets, groups, number_of_classes(self.dataset))
        folds = np.full(len(self.labels), -1, np.int16)
        folds[ids] = of_sample
        chosen = [self._head(fold, samples.part(of_sample != fold)) for fold in range(settings.folds)]
        chosen.append(self._head(-1, samples))
        self.run.write_folds(folds)
        agreement, angle = _agreement(self.run, ids, targets, settings.folds)
        changes = {
            "chosen": chosen,
            "samples": len(ids),
            "duplicates": duplicates,
            "alone": _alone(targets, groups, settings.folds),
            "agreement": agreement,
            "angle": angle,
            "seconds": round(time.perf_counter() - started, 3),
        }
        return settings.model_copy(update=changes)

    def _head(self, fold: int, samples: Samples) -> dict[str, Any]:
        which = f"head {fold + 1 or self.settings.folds + 1} of {self.settings.folds + 1}"
        path = self.run.root / "heads" / f"penalty-{fold if fold >= 0 else 'all'}.json"
        self.tell(f"fitting {which}")
        if not self.run.has_head(fold):
            head, choice = fit_head(samples, seed=self.settings.seed, check=self.check)
            write_json(path, choice)
            self.run.write_head(head.class_weights, head.bias, fold)
        return PenaltyChoice.model_validate_json(path.read_bytes()).model_dump(exclude={"schema_version"})


def scores_by_head(
    run: RunFolder, ids: np.ndarray, features: np.ndarray, labels: np.ndarray, *, keys: Iterable[str] | None = None
) -> dict[str, np.ndarray]:
    """`scores.per_sample` of samples with their features (n, D), each by the head that has scored it in the run."""
    found: dict[str, np.ndarray] = {}
    # No samples have no head, yet the columns of any.
    for places, class_weights, bias in run.heads_of(ids) if len(ids) else [(slice(0), *run.head())]:
        x = features[places]
        values = scores.per_sample(x, class_weights, x @ class_weights.T + bias, labels[places], keys=keys)
        for key, column in values.items():
            found.setdefault(key, np.zeros(len(ids), column.dtype))[places] = column
    return found


def out_of_fold(tables: Iterable[pa.Table], labels: np.ndarray) -> dict[str, float]:
    """Accuracy and mean loss of the labelled samples of score tables."""
    right, losses = [], []
    for table in tables:
        of_row = labels[table["id"].to_numpy()]
        known = (of_row >= 0) & table["predicted"].is_valid().to_numpy()
        right.append(table["predicted"].fill_null(-1).to_numpy()[known] == of_row[known])
        losses.append(table["loss"].to_numpy()[known])
    return {"accuracy": float(np.concatenate(right).mean()), "loss": float(np.concatenate(losses).mean())}


def _agreement(run: RunFolder, ids: np.ndarray, targets: np.ndarray, folds: int) -> tuple[float | None, float | None]:
    """Mean Spearman correlation of AVH by two folds' heads, and mean angle in degrees of a class's weights in two."""
    heads = [run.head(fold)[0].astype(np.float64) for fold in range(folds)]
    some = evenly_spread(len(ids), min(_COMPARED, len(ids)))
    features = run.features_of(ids[some]).astype(np.float64)
    avh = [scores.avh(features, weights, targets[some]) for weights in heads]
    pairs = list(itertools.combinations(range(folds), 2))
    known = np.isfinite(avh).all(axis=0)
    alike = [spearmanr(avh[a][known], avh[b][known]).statistic for a, b in pairs]
    units = [weights / np.linalg.norm(weights, axis=1, keepdims=True) for weights in heads]
    angles = [np.degrees(np.arccos(np.clip((units[a] * units[b]).sum(axis=1), -1, 1))) for a, b in pairs]
    return round(float(np.mean(alike)), 6), round(float(np.mean(angles)), 4)


def _alone(targets: np.ndarray, groups: np.ndarray, folds: int) -> int:
    """Classes that occur in fewer groups than there are folds."""
    pairs = np.unique(np.stack([targets, groups]), axis=1)
    return int((np.unique(pairs[0], return_counts=True)[1] < folds).sum())
