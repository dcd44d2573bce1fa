"""Source and target of self-training: two disjoint subsets with the same classes, and their runs by one network."""

from pathlib import Path
from typing import Literal

import numpy as np

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.subset import Subset, read_subset, refuse_other_classes, refuse_overlap, rest_of
from avhcurate.errors import CurateError, Option
from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Progress


def check_pair(workspace: Workspace, settings: SelfTrainSettings) -> None:
    """Refuse datasets that do not fit: one without a condition that splits it, or two with different classes."""
    if settings.source == settings.target and not settings.source_where + settings.target_where:
        raise CurateError(
            f"Source and target are both {settings.source!r}.",
            fix=f"Split it by {Option('source_where')} and {Option('target_where')}, or name two datasets",
        )
    source, target = (workspace.dataset(name).record for name in (settings.source, settings.target))
    if len(source.classes) < 2:
        raise CurateError(f"The source {source.name!r} has {len(source.classes)} classes. It needs 2 or more.")
    refuse_other_classes(source, target)


def domains(
    workspace: Workspace, settings: SelfTrainSettings, runs: tuple[RunFolder, RunFolder] | None = None
) -> tuple[Subset, Subset]:
    """Return the samples to learn from, with curated labels, and those to adapt to, with given labels.

    No sample is in both. With runs, only the samples that they have embedded.
    """
    source_where = settings.source_where
    target_where = settings.target_where
    same = settings.source == settings.target
    if same:  # with only one condition, the other part is the rest
        source_where, target_where = source_where or rest_of(target_where), target_where or rest_of(source_where)
    scored = runs is not None
    datasets = [workspace.dataset(name) for name in (settings.source, settings.target)]
    shown = runs or [dataset.default_run for dataset in datasets]
    tables = [DatasetTable(workspace, dataset, run) for dataset, run in zip(datasets, shown, strict=True)]
    source = read_subset(tables[0], Filters(where=source_where), label="curated_label", scored=scored)
    source = source.only(source.labels >= 0)
    target = read_subset(tables[1], Filters(where=target_where), scored=scored)
    if same:
        refuse_overlap(source, target, f"{Option('source_where')} and {Option('target_where')}")
    if len(np.unique(source.labels)) < 2:
        raise CurateError(
            f"The source {settings.source!r} ({source_where or 'all'}) has no samples of two classes to learn from."
        )
    if not len(target.ids):
        raise CurateError(f"The target {settings.target!r} ({target_where or 'all'}) has no samples to adapt to.")
    return source, target


def paired_runs(workspace: Workspace, settings: SelfTrainSettings, progress: Progress) -> tuple[RunFolder, RunFolder]:
    """Return complete runs of source and target by the same weights, head, preprocessing and precision.

    Without a model it is that of the target's default run, else the newest that scored both. Existing runs of the model
    are used unless weights are given; where one is missing, both datasets are scored. Raises CurateError when there is
    neither a pair nor a model.
    """
    first, second = (workspace.dataset(name) for name in (settings.source, settings.target))
    if settings.weights is None and (pair := known_runs(first, second, settings.model)):
        return pair
    if settings.model is None:
        raise CurateError(
            f"No model has scored both {first.name!r} and {second.name!r}.",
            fix=f"Name one by {Option('model')}: what is missing is scored first",
        )
    from avhcurate.networks.models.loading import ModelSpec
    from avhcurate.networks.scoring.service import score_dataset

    weights: Path | Literal["random"] | None = settings.weights
    if weights == Path("random"):
        weights = "random"
    spec = ModelSpec(name=settings.model, weights=weights)
    names = dict.fromkeys((first.name, second.name))
    runs = {
        name: score_dataset(
            workspace, name, spec, device=settings.device, progress=progress.part(number, len(names), f"scoring {name}")
        )
        for number, name in enumerate(names)
    }
    return runs[first.name], runs[second.name]


def known_runs(first: DatasetFolder, second: DatasetFolder, model: str | None) -> tuple[RunFolder, RunFolder] | None:
    """Return complete runs of both, by one network of the model; None without such runs.

    The default run of the second comes first, then newer before older ones. model: as for scoring, or the name of a run
    of the second.
    """
    theirs, ours = (
        [run for run in reversed(one.runs()) if run.complete and run.record.limit is None and run.has_features]
        for one in (first, second)
    )
    default = second.default_run
    for run in sorted(ours, key=lambda run: default is None or run.name != default.name):
        if model in (None, run.name, run.record.model):
            for other in theirs:
                if _network(other) == _network(run):
                    return other, run
    return None


def _network(run: RunFolder) -> tuple[object, ...]:
    """Return what two runs must share for their features to compare."""
    record = run.record
    return record.weights_sha256, record.head, record.code, record.preprocess, record.precision, record.width
