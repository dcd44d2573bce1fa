"""Source and target of self-training: two disjoint subsets with the same classes, and their runs by one network."""

import numpy as np

from avhcurate.data.datasets import DatasetFolder
from avhcurate.data.runs import RunFolder
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import Progress
from avhcurate.errors import CurateError
from avhcurate.self_training.settings import Settings
from avhcurate.table.dataset_table import open_table
from avhcurate.table.filters import Filters
from avhcurate.table.subset import Subset, read_subset, rest_of, same_classes


def check_pair(workspace: Workspace, settings: Settings) -> None:
    """Refuses datasets that do not fit: one without a condition that splits it, or two with different classes."""
    if settings.source == settings.target and not settings.source_where + settings.target_where:
        raise CurateError(
            f"source and target are both {settings.source!r}: split it by --source-where and --target-where, or name "
            "two datasets"
        )
    source, target = (workspace.dataset(name).record for name in (settings.source, settings.target))
    if len(source.classes) < 2:
        raise CurateError(f"the source {source.name!r} has {len(source.classes)} classes: it needs labels of 2 or more")
    if same_classes(source, target):
        return
    if sorted(target.classes) == sorted(source.classes):
        place = next(i for i, pair in enumerate(zip(source.classes, target.classes, strict=True)) if pair[0] != pair[1])
        difference = (
            f"the same classes in another order (class {place} is {source.classes[place]!r} in {source.name!r} and "
            f"{target.classes[place]!r} in {target.name!r}): import one with labels in the other's order"
        )
    else:
        theirs, ours = set(target.classes) - set(source.classes), set(source.classes) - set(target.classes)
        difference = (
            f"other classes ({_names(ours)} only in {source.name!r}, {_names(theirs)} only in {target.name!r}): the "
            "names must be the same, in the same order"
        )
    raise CurateError(f"{source.name!r} and {target.name!r} have {difference}")


def _names(classes: set[str]) -> str:
    named = sorted(classes)
    return ", ".join(named[:3]) + (", ..." if len(named) > 3 else "") if named else "none"


def domains(
    workspace: Workspace, settings: Settings, runs: tuple[RunFolder, RunFolder] | None = None
) -> tuple[Subset, Subset]:
    """The samples to learn from, with curated labels, and those to adapt to, with given labels; none is in both.

    With runs, only the samples that they have embedded.
    """
    names, conditions = (settings.source, settings.target), [settings.source_where, settings.target_where]
    same = names[0] == names[1]
    if same:  # with only one condition, the other part is the rest
        conditions = [ours or rest_of(other) for ours, other in zip(conditions, conditions[::-1], strict=True)]
    tables = [open_table(workspace, name, runs[at].name if runs else None) for at, name in enumerate(names)]
    filters = [Filters(where=where) for where in conditions]
    scored = runs is not None
    source = read_subset(tables[0], filters[0], label="curated_label", scored=scored)
    source = source.only(source.labels >= 0)
    target = read_subset(tables[1], filters[1], scored=scored)
    if same and (both := len(np.intersect1d(source.ids, target.ids))):
        raise CurateError(
            f"{both} samples satisfy both --source-where and --target-where: the labels of the target must not be "
            "learnt from, so add (...) IS NOT TRUE to one of them"
        )
    if len(np.unique(source.labels)) < 2:
        raise CurateError(
            f"the source {names[0]!r} ({conditions[0] or 'all'}) has no samples of two classes to learn from"
        )
    if not len(target.ids):
        raise CurateError(f"the target {names[1]!r} ({conditions[1] or 'all'}) has no samples to adapt to")
    return source, target


def paired_runs(workspace: Workspace, settings: Settings, progress: Progress) -> tuple[RunFolder, RunFolder]:
    """Complete runs over all samples of source and target, by the same weights, head, preprocessing and precision.

    Without a model it is the newest that scored both. Without weights, existing runs of the model are taken; otherwise,
    and where one is missing, both datasets are scored, which resumes and does nothing where all is done. Raises
    CurateError when there is neither a pair nor a model to score with.
    """
    first, second = (workspace.dataset(name) for name in (settings.source, settings.target))
    if settings.weights is None and (pair := known_runs(first, second, settings.model, settings.precision)):
        return pair
    if settings.model is None:
        raise CurateError(
            f"no model has scored both {first.name!r} and {second.name!r}: name one by --model, and what is missing is "
            "scored first"
        )
    from avhcurate.models.loading import ModelSpec
    from avhcurate.scoring.service import score_dataset

    def scored(name: str) -> RunFolder:
        return score_dataset(
            workspace,
            name,
            ModelSpec(name=str(settings.model), weights=settings.weights),
            device=settings.device,
            precision=settings.precision,
            progress=progress.through(lambda done, total, _: progress.report(done, total, f"scoring {name}")),
        )

    return scored(first.name), scored(second.name)


def known_runs(
    first: DatasetFolder, second: DatasetFolder, model: str | None, precision: str
) -> tuple[RunFolder, RunFolder] | None:
    """The newest complete runs of both over all samples, by one network of the wanted model and precision.

    model: as for scoring, or the name of a run of the second. None where there are no such runs.
    """
    theirs, ours = (
        [run for run in reversed(one.runs()) if run.complete and run.record.limit is None and run.has_features]
        for one in (first, second)
    )
    for run in ours:
        fits = precision in ("auto", run.record.precision) or not model
        other = next((other for other in theirs if _network(other) == _network(run)), None)
        if fits and other and model in (None, run.name, run.record.model):
            return other, run
    return None


def _network(run: RunFolder) -> tuple[object, ...]:
    """What two runs must share for their features to compare."""
    record = run.record
    return record.weights_sha256, record.head, record.preprocess, record.precision, record.width
