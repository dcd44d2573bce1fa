"""The source and target of self-training: two subsets with the same classes and no sample in common."""

import numpy as np

from avhcurate.data.runs import RunFolder
from avhcurate.data.workspace import Workspace
from avhcurate.errors import CurateError
from avhcurate.table.dataset_table import open_table
from avhcurate.table.filters import Filters
from avhcurate.table.subset import Subset, read_subset, same_classes


def check_pair(workspace: Workspace, first: str, second: str, conditions: tuple[str, str] = ("", "")) -> None:
    """Refuses datasets that do not fit: one without a condition that splits it, or two with different classes."""
    source, target = (workspace.dataset(name).record for name in (first, second))
    if first == second and not any(conditions):
        raise CurateError(
            f"source and target are both {first!r}: part it by --source-where and --target-where, or name two datasets"
        )
    if len(source.classes) < 2:
        raise CurateError(f"the source {source.name!r} has {len(source.classes)} classes: it needs labels of 2 or more")
    if same_classes(source, target):
        return
    if sorted(target.classes) == sorted(source.classes):
        place = next(i for i, pair in enumerate(zip(source.classes, target.classes, strict=True)) if pair[0] != pair[1])
        what = (
            f"the same classes in another order (class {place} is {source.classes[place]!r} in {source.name!r} and "
            f"{target.classes[place]!r} in {target.name!r}): import one with labels in the other's order"
        )
    else:
        theirs, ours = set(target.classes) - set(source.classes), set(source.classes) - set(target.classes)
        what = (
            f"other classes ({_names(ours)} only in {source.name!r}, {_names(theirs)} only in {target.name!r}): the "
            "names must be the same, in the same order"
        )
    raise CurateError(f"{source.name!r} and {target.name!r} have {what}")


def domains(
    workspace: Workspace,
    names: tuple[str, str],
    conditions: tuple[str, str],
    runs: tuple[RunFolder, RunFolder] | tuple[None, None] = (None, None),
) -> tuple[Subset, Subset]:
    """The samples to learn from, with curated labels, and those to adapt to, with given labels; none is in both."""
    source_where, target_where = conditions
    if names[0] == names[1]:  # with only one condition, the other part is the rest
        source_where = source_where or f"NOT ({target_where})"
        target_where = target_where or f"NOT ({source_where})"
    first, second = (
        open_table(workspace, name, run.name if run else None) for name, run in zip(names, runs, strict=True)
    )
    scored = runs[0] is not None
    source = read_subset(first, Filters(where=source_where), label="curated_label", scored=scored)
    source = source.only(source.labels >= 0)
    target = read_subset(second, Filters(where=target_where), scored=scored)
    both = len(np.intersect1d(source.ids, target.ids)) if names[0] == names[1] else 0
    if both:
        raise CurateError(
            f"{both} samples satisfy both --source-where and --target-where: the labels of the target must not be "
            "learnt from, so add NOT (...) to one of them"
        )
    if len(np.unique(source.labels)) < 2:
        raise CurateError(
            f"the source {names[0]!r} ({source_where or 'all'}) has no samples of two classes to learn from"
        )
    if not len(target.ids):
        raise CurateError(f"the target {names[1]!r} ({target_where or 'all'}) has no samples to adapt to")
    return source, target


def _names(classes: set[str]) -> str:
    named = sorted(classes)
    return ", ".join(named[:3]) + (", ..." if len(named) > 3 else "") if named else "none"
