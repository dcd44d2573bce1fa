"""Linear heads out of fold on a run's frozen features, for suspects of a network that was trained on the labels."""

import numpy as np

from avhcurate.errors import CurateError
from avhcurate.features.suspects.store import OutOfFoldFolder, OutOfFoldRecord
from avhcurate.measures.stats.folds import stratified_folds
from avhcurate.networks.scoring.heads import RECIPE, Fits, fit_folds
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.sample_groups import sample_groups
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.provenance import now, settings_digest, versions

_BLOCK = 8192
_SEED = 0


def cross_validate(
    dataset: DatasetFolder, run: RunFolder, *, folds: int, progress: Progress = SILENT
) -> OutOfFoldFolder:
    """Return heads such that every labelled sample of a run has one that was fitted without it.

    Folds are stratified by label. Samples with equal features share a fold, because a copy would give its label away,
    and so do the duplicates that Image quality has found. The folder is named by its settings: the same call again
    resumes after the last head, or does nothing. Raises Cancelled when asked to stop, and CurateError for fewer than
    two classes or too few samples.
    """
    ids, labels = labelled(dataset, run)
    classes, targets = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise CurateError(
            f"Dataset {dataset.name} has images of {len(classes)} class, so no label can be wrong. Suspects need two "
            "classes or more."
        )
    copies, _ = sample_groups(dataset, run.features(), ids)
    of_sample = stratified_folds(targets, copies, folds=folds, seed=_SEED)
    groups = settings_digest(copies.tolist())
    digest = settings_digest([dataset.record.version, folds, _SEED, RECIPE, groups, *dataset.lock_note().values()])
    folder = OutOfFoldFolder.of(run, digest[:12])
    with folder.alone():
        if folder.complete:
            return folder
        if not folder.begun:
            folder.write_record(
                OutOfFoldRecord(
                    name=folder.name,
                    run=run.name,
                    dataset_fingerprint=run.record.dataset_fingerprint,
                    folds=folds,
                    seed=_SEED,
                    recipe=RECIPE,
                    classes=classes.tolist(),
                    versions=versions("numpy", "scipy"),
                    started=now(),
                )
            )
        fits = Fits(
            open=run.features,
            ids=ids,
            targets=targets,
            groups=copies,
            num_classes=len(classes),
            of_sample=of_sample,
            seed=_SEED,
            shards=range(int(of_sample.max()) + 1),
            check=lambda: progress.check("cancelled while heads were fitted: the same command resumes"),
        )
        fit_folds(folder, fits, tell=progress.report)
        of_id = np.full(dataset.record.samples, -1, np.int16)
        of_id[ids] = of_sample
        folder.write_folds(of_id)
        folder.write_record(folder.record.model_copy(update={"finished": now()}))
        progress.report(len(ids), len(ids), "")
    return folder


def labelled(dataset: DatasetFolder, run: RunFolder) -> tuple[np.ndarray, np.ndarray]:
    """Return ids, ascending, and labels of the samples that have a label and that the run has scored."""
    ids = run.scored_ids()
    if run.has_features:
        blocks = np.split(ids, range(_BLOCK, len(ids), _BLOCK))
        norms = np.concatenate([np.linalg.norm(run.features_of(block), axis=1) for block in blocks])
        ids = ids[np.isfinite(norms) & (norms > 0)]  # an embedding of zeros has no direction
    labels = dataset.labels_to_learn()[ids]
    if not (labels >= 0).any():
        raise CurateError(
            f"Run {run.name} has scored no image with a label, and suspects are doubtful labels. Import the dataset "
            "with labels."
        )
    return ids[labels >= 0], labels[labels >= 0].astype(np.int64)
