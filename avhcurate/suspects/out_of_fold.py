"""Honest scores of samples that a model has learnt from: heads cross-validated on its frozen features."""

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate import scores
from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.runs import RunFolder
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.provenance import now, settings_digest, versions
from avhcurate.errors import CurateError
from avhcurate.stats.folds import identical_rows, stratified_folds
from avhcurate.suspects.rules import AngularView, angular_view
from avhcurate.suspects.store_out_of_fold import OutOfFoldFolder, OutOfFoldRecord, out_of_fold_at

# Torch takes seconds to import, and a page that only reads shall not wait for it.
if TYPE_CHECKING:
    from avhcurate.training.probe import ProbeHead

#: Columns of the table that are scores of the one table of scores, and those of the angular view.
SCORES_KEPT = ("confidence", "avh", "avc", "angular_gap", "entropy")
VIEW_KEPT = ("avc_given", "rival", "avc_rival", "margin", "avc_entropy")

_BLOCK = 8192
#: Part of the name of what is stored: to be raised when the same settings give other numbers.
_VERSION = 1


def recipe_for(samples: int) -> dict[str, int | float | bool | None]:
    """How a head is trained: one linear layer, so that its angles are angles of the run's own embedding.

    Twenty passes over the samples, in at least 400 steps, else few samples would leave it untrained, and at most 10000.
    """
    from avhcurate.training.probe import ProbeRecipe

    steps = 20 * -(-samples // ProbeRecipe.batch_size)
    return asdict(ProbeRecipe(hidden=None, steps=min(max(steps, 400), 10_000), learning_rate=1e-2))


def cross_validate(
    dataset: DatasetFolder,
    run: RunFolder,
    *,
    folds: int = 5,
    seed: int = 0,
    progress: Progress = SILENT,
) -> OutOfFoldFolder:
    """Scores every labelled sample of a run by a linear head that was trained without it, on the frozen features.

    Folds are stratified by label; samples whose features are equal to the last bit share one, since a copy would give
    its label away. Near duplicates that are not equal may still lie in different folds. What is stored is named by all
    that decides it: the same again resumes after the last whole fold, or does nothing. Raises Cancelled when asked to
    stop, and CurateError where there are not two classes or not enough samples.
    """
    ids, labels = labelled(dataset, run)
    classes, targets = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise CurateError(f"dataset {dataset.name} has samples of {len(classes)} class: a label cannot be wrong there")
    features = run.features()
    copies = identical_rows(features, ids)
    of_sample = stratified_folds(targets, copies, folds=folds, seed=seed)
    recipe = recipe_for(len(ids))
    folder = out_of_fold_at(run, _name(dataset, folds, seed, recipe))
    work = _CrossValidation(folder, features, ids, targets, classes, of_sample, folds, seed)
    with folder.alone():
        if folder.complete:
            return folder
        if not folder.begun:
            folder.write_record(_record(folder, run, work, copies, recipe))
        done = 0
        for fold in range(folds):
            cancelled = f"cancelled before fold {fold + 1} of {folds}: the same command resumes"
            progress.tell(done, len(ids), f"fold {fold + 1} of {folds}", cancelled=cancelled)
            if not folder.has_shard(fold):
                work.score(fold)
            done += int((of_sample == fold).sum())
        progress.report(done, len(ids), "")
        work.finish()
    return folder


def labelled(dataset: DatasetFolder, run: RunFolder) -> tuple[np.ndarray, np.ndarray]:
    """Ids, ascending, and labels of the samples that have a label and that the run has scored."""
    ids = run.scored_ids()
    ids = ids[np.isfinite(run_norms(run, ids))]
    labels = dataset.labels()[ids]
    if not (labels >= 0).any():
        raise CurateError(f"run {run.name} has scored no sample with a label: suspects need labels to doubt")
    return ids[labels >= 0], labels[labels >= 0].astype(np.int64)


def run_norms(run: RunFolder, ids: np.ndarray) -> np.ndarray:
    """Length of each embedding; NaN for one of zeros, which has no direction."""
    parts = [np.linalg.norm(run.features_of(ids[at : at + _BLOCK]), axis=1) for at in range(0, len(ids), _BLOCK)]
    found = np.concatenate(parts) if parts else np.empty(0)
    return np.where(found > 0, found, np.nan)


def probabilities(folder: OutOfFoldFolder, run: RunFolder, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids, ascending, and out-of-fold softmax probabilities (n, K) float32; 0 for classes without samples."""
    from avhcurate.training.probe import ProbeHead

    rows = pq.read_table(folder.scores_path, columns=["id", "fold"])
    ids, of_sample, classes = rows["id"].to_numpy(), rows["fold"].to_numpy(), np.array(folder.record.classes)
    found = np.zeros((len(ids), num_classes), np.float32)
    for fold in range(folder.record.folds):
        head, places = ProbeHead.load(folder.head_path(fold)), np.flatnonzero(of_sample == fold)
        for at in range(0, len(places), _BLOCK):
            part = places[at : at + _BLOCK]
            found[part[:, None], classes] = softmax(head.logits(run.features_of(ids[part])))
    return ids, found


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows as probabilities."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def view_of(table: pa.Table) -> AngularView:
    """The angular view that a table of `cross_validate` holds."""
    return AngularView(table["avh"].to_numpy(), **{name: table[name].to_numpy() for name in VIEW_KEPT})


@dataclass(frozen=True)
class _CrossValidation:
    """A cross-validation under way: `targets` count the `classes` that occur."""

    folder: OutOfFoldFolder
    features: np.ndarray
    ids: np.ndarray
    targets: np.ndarray
    classes: np.ndarray
    of_sample: np.ndarray
    folds: int
    seed: int

    def score(self, fold: int) -> None:
        """Trains on all other folds, scores this one, and commits both."""
        from avhcurate.training.probe import ProbeRecipe, train_probe

        started, held = time.perf_counter(), self.of_sample == fold
        head = train_probe(
            np.asarray(self.features[self.ids[~held]]),
            self.targets[~held],
            num_classes=len(self.classes),
            recipe=ProbeRecipe(**self.folder.record.recipe),
            seed=self.seed,
        )
        head.save(self.folder.head_path(fold))
        ids, targets = self.ids[held], self.targets[held]
        blocks = [slice(at, at + _BLOCK) for at in range(0, len(ids), _BLOCK)]
        parts = [self._rows(head, ids[block], targets[block], fold) for block in blocks]
        self.folder.write_shard(fold, pa.concat_tables(parts), seconds=time.perf_counter() - started)

    def _rows(self, head: "ProbeHead", ids: np.ndarray, targets: np.ndarray, fold: int) -> pa.Table:
        embedded = head.embed(np.asarray(self.features[ids])).astype(np.float64)
        weights = head.class_weights.astype(np.float64)
        logits = embedded @ weights.T + head.bias
        found = scores.per_sample(embedded, weights, logits, targets, keys=SCORES_KEPT)
        view = angular_view(scores.angles(embedded, weights), targets)
        columns = {"id": ids, "fold": np.full(len(ids), fold), "predicted": self.classes[found["predicted"]]}
        columns |= {key: found[key] for key in SCORES_KEPT} | {key: getattr(view, key) for key in VIEW_KEPT}
        return pa.table(columns | {"rival": self.classes[view.rival]})

    def finish(self) -> None:
        """One table by id of all folds, and the record."""
        whole = pa.concat_tables([self.folder.shard(fold) for fold in range(self.folds)]).sort_by("id")
        accuracy = float((whole["predicted"].to_numpy() == self.classes[self.targets]).mean())
        seconds = sum(self.folder.shard_seconds(fold) for fold in range(self.folds))
        self.folder.finish([whole], {"finished": now(), "seconds": round(seconds, 3), "accuracy": accuracy})


def _name(dataset: DatasetFolder, folds: int, seed: int, recipe: dict[str, Any]) -> str:
    settings = [_VERSION, dataset.record.fingerprint, folds, seed, recipe]
    return settings_digest(settings)[:12]


def _record(
    folder: OutOfFoldFolder, run: RunFolder, work: _CrossValidation, copies: np.ndarray, recipe: dict[str, Any]
) -> OutOfFoldRecord:
    return OutOfFoldRecord(
        name=folder.name,
        run=run.name,
        dataset_fingerprint=run.record.dataset_fingerprint,
        folds=work.folds,
        seed=work.seed,
        recipe=recipe,
        classes=work.classes.tolist(),
        samples=len(work.ids),
        copies=len(copies) - len(np.unique(copies)),
        alone=int((np.bincount(work.targets) < work.folds).sum()),
        versions=versions("torch", "numpy", "scipy"),
        started=now(),
    )
