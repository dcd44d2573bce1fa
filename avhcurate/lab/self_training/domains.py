"""Source and target of self-training: two disjoint subsets with the same classes, and their runs by one network."""

import numpy as np

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset
from avhcurate.datasets.table.subset import Subset, read_subset, refuse_other_classes, refuse_overlap, rest_of
from avhcurate.errors import CurateError, Option
from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Progress
from avhcurate.workspace.disk.provenance import settings_digest


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
        source_where = source_where or rest_of(target_where)
        target_where = target_where or rest_of(source_where)
    scored = runs is not None
    datasets = _pair(workspace, settings)
    shown = runs or [dataset.default_run for dataset in datasets]
    of_source, of_target = (OpenDataset(workspace, dataset, run) for dataset, run in zip(datasets, shown, strict=True))
    source = read_subset(
        of_source.samples,
        of_source.run,
        of_source.dataset,
        Filters(where=source_where),
        label="curated_label",
        scored=scored,
    )
    source = source.only(source.labels >= 0)
    target = read_subset(
        of_target.samples, of_target.run, of_target.dataset, Filters(where=target_where), scored=scored
    )
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
    source, target = _pair(workspace, settings)
    if settings.weights is None and (runs := _runs_by_one_network(source, target, settings.model)):
        return runs
    if settings.model is None:
        raise CurateError(
            f"No model has scored both {source.name!r} and {target.name!r}.",
            fix=f"Name one by {Option('model')}: what is missing is scored first",
        )
    from avhcurate.networks.models.loading import ModelSpec
    from avhcurate.networks.scoring.service import score_dataset

    spec = ModelSpec(name=settings.model, weights=settings.weights)  # type: ignore[arg-type]
    names = dict.fromkeys((source.name, target.name))
    scored = {}
    for number, name in enumerate(names):
        part = progress.part(number, len(names), f"scoring {name}")
        scored[name] = score_dataset(workspace, name, spec, device=settings.device, progress=part)
    return scored[source.name], scored[target.name]


def _pair(workspace: Workspace, settings: SelfTrainSettings) -> tuple[DatasetFolder, DatasetFolder]:
    """Return source and target; refuse one without a condition that splits it, and two with different classes."""
    source = workspace.dataset(settings.source)
    target = workspace.dataset(settings.target)
    if source.name == target.name and not settings.source_where + settings.target_where:
        raise CurateError(
            f"Source and target are both {source.name!r}.",
            fix=f"Split it by {Option('source_where')} and {Option('target_where')}, or name two datasets",
        )
    classes = len(source.record.classes)
    if classes < 2:
        raise CurateError(f"The source {source.name!r} has {classes} classes. It needs 2 or more.")
    refuse_other_classes(source.record, target.record)
    return source, target


def _runs_by_one_network(
    source: DatasetFolder, target: DatasetFolder, model: str | None
) -> tuple[RunFolder, RunFolder] | None:
    """Return complete runs of both, by one network of the model; None without such runs.

    The default run of the target comes first, then newer before older ones. model: as for scoring, or the name of a run
    of the target.
    """
    of_source = {_network(run): run for run in reversed(_whole_runs(source))}
    default = target.default_run
    for run in sorted(_whole_runs(target), key=lambda run: default is None or run.name != default.name):
        if model in (None, run.name, run.record.model) and _network(run) in of_source:
            return of_source[_network(run)], run
    return None


def _whole_runs(dataset: DatasetFolder) -> list[RunFolder]:
    """Return the complete runs of all samples that have embeddings, newest first."""
    return [run for run in reversed(dataset.runs()) if run.complete and run.record.limit is None and run.has_features]


def _network(run: RunFolder) -> str:
    """Return a text of what two runs must share for their features to compare."""
    names = {"weights_sha256", "head", "code", "preprocess", "precision", "width"}
    return settings_digest(run.record.model_dump(include=names))
