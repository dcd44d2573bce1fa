"""The locked part of a dataset: images whose labels nothing learns from, by which decisions can be judged later."""

from typing import Any

import numpy as np

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.empty_view import empty_view
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.titles import all_trainings
from avhcurate.errors import CurateError, Option, Run
from avhcurate.measures.stats.folds import stratified_draw
from avhcurate.workspace.data.bursts import AUTO, found_text
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.events import LOCK, Event
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.sample_groups import check_groups, sample_groups

#: The share that is proposed, and the most: what is locked teaches nothing.
SHARE = 0.2
MOST = 0.5


def locked_mask(table: DatasetTable) -> np.ndarray:
    """Return which samples are locked, (N,) bool by id; none where no part is."""
    return table.dataset.locked()


def lock(
    table: DatasetTable, *, share: float = SHARE, where: str = "", groups: str | None = None, seed: int = 0
) -> Event:
    """Lock a part of a dataset and return the event.

    `share` of the labelled samples of each class, that satisfy `where` and are not excluded, is drawn by chance. Copies
    that Image quality knows, and samples with one value of the column `groups` ("auto": of one burst), are locked
    together or not at all, also those that do not satisfy it. Undone as every entry of the history, after which what is
    computed learns from their labels. Raises CurateError for another share, nothing to draw from, and a dataset that
    has a locked part.
    """
    dataset = table.dataset
    table.refresh()
    if table.locked_by:
        raise CurateError(
            f"Dataset {dataset.name!r} has a locked part.",
            fix=f"Undo it first by {Run('history', dataset.name, undo=str(table.locked_by))}",
        )
    if not 0 < share <= MOST:
        raise CurateError(f"{Option('share')} {share:g}: give a number above 0, and {MOST:g} at most.")
    check_groups(dataset, groups)
    filters = Filters(where=where)
    offered = table.order(filters)
    labels = dataset.labels()
    offered = offered[labels[offered] >= 0]
    if not len(offered):
        raise empty_view(table, filters, "No such sample has a label to lock. Widen the condition.", needs="label")
    features = None
    if groups == AUTO and table.run is not None and table.run.has_features:
        features = table.run.features()
    group_of, joined = sample_groups(dataset, features, np.arange(table.size), column=groups)
    drawn = offered[stratified_draw(labels[offered], group_of[offered], share=share, seed=seed)]
    if not len(drawn):
        raise CurateError(f"{Option('share')} {share:g} of {len(offered)} samples is none. Give a larger one.")
    ids = np.flatnonzero(np.isin(group_of, group_of[drawn]))
    copies = dataset.quality.ready(dataset.record.fingerprint)
    details = {"share": share, "where": where, "groups": groups, "seed": seed, "copies": copies}
    details |= {"joined": joined}
    table.log.lock(table.present_id(), table.paths_of(ids.tolist()), details=details)
    table.refresh()
    event = table.log.last(dataset.id, [LOCK])
    assert event is not None
    return event


def told(table: DatasetTable) -> str:
    """Return how much is locked, and what to do next, in sentences; "" where nothing is."""
    event = table.log.last(table.dataset.id, [LOCK])
    if event is None:
        return ""
    text = f"{event.samples:,} images are locked: nothing learns from their labels."
    if not event.details["copies"]:
        text += " Image quality was not measured, so copies may lie on both sides."
    if event.details["groups"] == AUTO:
        text += f" {found_text(event.details['joined'])}"
    if table.run is not None and table.run.record.knows(event.id):
        text += f" {table.run.name} was made before and may know them. {Run('score', table.dataset.name, '...')} again."
    return text


def refuse_before_lock(dataset: DatasetFolder, run: RunFolder) -> None:
    """Refuse a run that may know labels of the locked part, by itself or by the training that its weights are from."""
    locked_by = dataset.locked_by
    weights = run.record.weights_sha256
    makers: list[Any] = [record for _, record in all_trainings(dataset) if record.weights_sha256 == weights]
    makers = [record for record in makers if record.dataset_fingerprint == dataset.record.fingerprint]
    for record in [run.record, *makers]:
        if record.knows(locked_by):
            raise CurateError(
                f"{record.name} was made before a part of {dataset.name!r} was locked, and may know its labels.",
                fix=f"Make it again, as by {Run('score', dataset.name, model='MODEL')}",
            )


def judged_since(table: DatasetTable) -> int:
    """Return the number of the newest entry before the locked part and the open run were both there.

    Decisions after it can be judged by the locked part: what they were made from knows none of its labels. Raises
    CurateError without a locked part, and for a run that may know its labels.
    """
    dataset = table.dataset
    if not dataset.locked_by:
        raise CurateError(f"Dataset {dataset.name!r} has no locked part to judge by.", fix=Run("lock", dataset.name))
    since = dataset.locked_by
    if table.run is None:
        return since
    refuse_before_lock(dataset, table.run)
    return max(since, table.log.version(dataset.id, until=table.run.record.finished))
