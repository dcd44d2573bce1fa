"""The locked part of a dataset: images whose labels nothing learns from, by which decisions can be judged later."""

import numpy as np

from avhcurate.datasets.curate.annotations import user
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.empty_view import empty_view
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError, Option, Run
from avhcurate.measures.stats.folds import stratified_draw
from avhcurate.workspace.data.events import LOCK, Event
from avhcurate.workspace.data.sample_groups import check_groups, sample_groups

#: The share that is proposed, and the most: what is locked teaches nothing.
SHARE = 0.2
MOST = 0.5


def locked_mask(table: DatasetTable) -> np.ndarray:
    """Return which samples are locked, (N,) bool by id; none where no part is."""
    return table.dataset.locked()


def lock(
    table: DatasetTable, *, share: float = SHARE, where: str | None = None, groups: str | None = None, seed: int = 0
) -> Event:
    """Lock a part of a dataset and return the event.

    `share` of the labelled samples of each class, that satisfy `where` and are not excluded, is drawn by chance. Copies
    that Image quality knows, and samples with one value of the column `groups`, are locked together or not at all, also
    those that do not satisfy it. Undone as every entry of the history, after which what is computed learns from their
    labels. Raises CurateError for another share, nothing to draw from, and a dataset that has a locked part.
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
    filters = Filters(where=where or "")
    offered = table.order(filters)
    labels = dataset.labels()
    offered = offered[labels[offered] >= 0]
    if not len(offered):
        raise empty_view(table, filters, "No such sample has a label to lock. Widen the condition.", needs="label")
    group_of, _ = sample_groups(dataset, None, np.arange(table.size), column=groups)
    drawn = offered[stratified_draw(labels[offered], group_of[offered], share=share, seed=seed)]
    if not len(drawn):
        raise CurateError(f"{Option('share')} {share:g} of {len(offered)} samples is none. Give a larger one.")
    ids = np.flatnonzero(np.isin(group_of, group_of[drawn]))
    copies = dataset.quality.ready(dataset.record.fingerprint)
    details = {"share": share, "where": where, "groups": groups, "seed": seed, "copies": copies}
    table.log.lock(table.present_id(), table.paths_of(ids.tolist()), who=user(), details=details)
    table.refresh()
    event = table.log.last(dataset.id, [LOCK])
    assert event is not None
    return event
