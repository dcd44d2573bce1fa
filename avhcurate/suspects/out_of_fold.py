"""Out-of-fold scores: linear heads cross-fitted on a run's frozen features, as `score --head fit` fits them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import softmax

from avhcurate import scores
from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.runs import RunFolder
from avhcurate.data.sample_groups import sample_groups
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.disk.provenance import now, settings_digest, versions
from avhcurate.errors import CurateError
from avhcurate.stats.folds import stratified_folds
from avhcurate.suspects.rules import AngularView, angular_view
from avhcurate.suspects.store import OutOfFoldFolder, OutOfFoldRecord

# Torch takes seconds to import, and a page that only reads results must not wait for it.
if TYPE_CHECKING:
    from avhcurate.training.probe import ProbeHead

#: Columns of the table: scores of `scores.SCORES`, and those of the angular view.
SCORES_KEPT = ("confidence", "avh", "avc", "angular_gap", "entropy")
VIEW_KEPT = ("avc_given", "rival", "avc_rival", "margin")

_BLOCK = 8192
#: Part of the folder's name: raise it when the same settings give other numbers.
_VERSION = 2


def recipe() -> dict[str, Any]:
    """How a head is fitted: one linear layer, so that its angles are angles of the run's own embedding."""
    from avhcurate.training.cross_fitting import RECIPE

    return RECIPE


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
    its label away, and so do the duplicates of Image quality where it has been measured. The folder is named by its
    settings: the same call again resumes after the last complete fold, or does nothing. Raises Cancelled when asked to
    stop, and CurateError for fewer than two classes or too few samples.
    """
    ids, labels = labelled(dataset, run)
    classes, targets = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise CurateError(f"dataset {dataset.name} has samples of {len(classes)} class: a label cannot be wrong there")
    copies, _ = sample_groups(dataset, run, ids)
    of_sample = stratified_folds(targets, copies, folds=folds, seed=seed)
    groups = settings_digest(copies.tolist())
    settings = [_VERSION, dataset.record.fingerprint, folds, seed, recipe(), groups]
    folder = OutOfFoldFolder.of(run, settings_digest(settings)[:12])
    work = _CrossValidation(folder, run.features(), ids, targets, classes, copies, of_sample, folds, seed)
    with folder.alone():
        if folder.complete:
            return folder
        if not folder.begun:
            folder.write_record(_record(folder, run, work))
        done = 0
        for fold in range(folds):
            cancelled = f"cancelled before fold {fold + 1} of {folds}: the same command resumes"
            progress.tell(done, len(ids), f"fold {fold + 1} of {folds}", cancelled=cancelled)
            if not folder.has_shard(fold):
                work.score(fold, lambda: progress.check(cancelled))  # noqa: B023
            done += int((of_sample == fold).sum())
        progress.report(done, len(ids), "")
        work.finish()
    return folder


def labelled(dataset: DatasetFolder, run: RunFolder) -> tuple[np.ndarray, np.ndarray]:
    """Ids, ascending, and labels of the samples that have a label and that the run has scored."""
    ids = run.scored_ids()
    blocks = [ids[at : at + _BLOCK] for at in range(0, len(ids), _BLOCK)]
    norms = np.concatenate([np.empty(0), *(np.linalg.norm(run.features_of(block), axis=1) for block in blocks)])
    ids = ids[np.isfinite(norms) & (norms > 0)]  # an embedding of zeros has no direction
    labels = dataset.labels()[ids]
    if not (labels >= 0).any():
        raise CurateError(f"run {run.name} has scored no sample with a label: suspects need labels to doubt")
    return ids[labels >= 0], labels[labels >= 0].astype(np.int64)


def probabilities(folder: OutOfFoldFolder, run: RunFolder, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids, ascending, and out-of-fold softmax probabilities (n, K) float32; 0 for classes without samples."""
    from avhcurate.training.probe import ProbeHead

    rows = pq.read_table(folder.scores_path, columns=["id", "fold"])
    ids, of_sample, classes = rows["id"].to_numpy(), rows["fold"].to_numpy(), np.array(folder.record.classes)
    probs = np.zeros((len(ids), num_classes), np.float32)
    for fold in range(folder.record.folds):
        head, places = ProbeHead.load(folder.head_path(fold)), np.flatnonzero(of_sample == fold)
        for at in range(0, len(places), _BLOCK):
            part = places[at : at + _BLOCK]
            probs[part[:, None], classes] = softmax(head.logits(run.features_of(ids[part])), axis=1)
    return ids, probs


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
    copies: np.ndarray
    of_sample: np.ndarray
    folds: int
    seed: int

    def score(self, fold: int, check: Callable[[], None]) -> None:
        """Fits on all other folds, scores this one, and commits both; `check` may raise."""
        from avhcurate.training.cross_fitting import fit_head
        from avhcurate.training.linear_head import Samples

        started, held = time.perf_counter(), self.of_sample == fold
        samples = Samples(self.features, self.ids, self.targets, self.copies, len(self.classes))
        head, _ = fit_head(samples.part(~held), seed=self.seed, check=check)
        head.save(self.folder.head_path(fold))
        ids, targets = self.ids[held], self.targets[held]
        blocks = [slice(at, at + _BLOCK) for at in range(0, len(ids), _BLOCK)]
        parts = [self._rows(head, ids[block], targets[block], fold) for block in blocks]
        self.folder.write_shard(fold, pa.concat_tables(parts), seconds=time.perf_counter() - started)

    def _rows(self, head: "ProbeHead", ids: np.ndarray, targets: np.ndarray, fold: int) -> pa.Table:
        embedded = head.embed(np.asarray(self.features[ids])).astype(np.float64)
        weights = head.class_weights.astype(np.float64)
        logits = embedded @ weights.T + head.bias
        scored = scores.per_sample(embedded, weights, logits, targets, keys=SCORES_KEPT)
        view = angular_view(scores.angles(embedded, weights), targets)
        columns = {"id": ids, "fold": np.full(len(ids), fold), "predicted": self.classes[scored["predicted"]]}
        columns |= {key: scored[key] for key in SCORES_KEPT} | {key: getattr(view, key) for key in VIEW_KEPT}
        return pa.table(columns | {"rival": self.classes[view.rival]})

    def finish(self) -> None:
        """One table by id of all folds, and the record."""
        shards = [self.folder.shard(fold) for fold in range(self.folds)]
        # A column more is in the shards of an earlier version.
        whole = pa.concat_tables(shards, promote_options="default").sort_by("id")
        accuracy = float((whole["predicted"].to_numpy() == self.classes[self.targets]).mean())
        seconds = sum(self.folder.shard_seconds(fold) for fold in range(self.folds))
        self.folder.finish([whole], {"finished": now(), "seconds": round(seconds, 3), "accuracy": accuracy})


def _record(folder: OutOfFoldFolder, run: RunFolder, work: _CrossValidation) -> OutOfFoldRecord:
    return OutOfFoldRecord(
        name=folder.name,
        run=run.name,
        dataset_fingerprint=run.record.dataset_fingerprint,
        folds=work.folds,
        seed=work.seed,
        recipe=recipe(),
        classes=work.classes.tolist(),
        samples=len(work.ids),
        copies=len(work.copies) - len(np.unique(work.copies)),
        alone=int((np.bincount(work.targets) < work.folds).sum()),
        versions=versions("torch", "numpy", "scipy"),
        started=now(),
    )
