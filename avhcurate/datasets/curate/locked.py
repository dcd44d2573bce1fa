"""The locked part of a dataset: images whose labels nothing learns from, by which decisions can be judged later."""

from typing import Any

import numpy as np

from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.empty_view import empty_view
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.titles import all_trainings
from avhcurate.errors import CurateError, Option, Run, Text
from avhcurate.measures.stats.folds import stratified_draw
from avhcurate.networks.scoring.settings import ScoreSettings
from avhcurate.workspace.data.bursts import AUTO, found_text
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.event import LOCK, Event
from avhcurate.workspace.data.run_records import RunRecord
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.sample_groups import check_groups, sample_groups
from avhcurate.workspace.data.workspace import Workspace

#: The share that is drawn unless another is asked for, and the most: what is locked teaches nothing.
SHARE = 0.2
MOST = 0.5
#: Labelled images from which a fifth is locked before the first score: a fifth of fewer tells of no usual gain.
LEAST = 200


def locked_mask(dataset: DatasetFolder) -> np.ndarray:
    """Return which samples are locked, (N,) bool by id; none where no part is."""
    return dataset.locked()


def lock(
    decisions: Decisions,
    run: RunFolder | None,
    *,
    share: float | None = None,
    where: str = "",
    groups: str | None = None,
    seed: int = 0,
) -> Event:
    """Lock a part of a dataset and return the event.

    Of the labelled samples that are not excluded, all that satisfy `where`; with a `share`, or without a condition, a
    draw by chance of that share of each class, by default `SHARE`. Copies that Image quality knows, and samples with
    one value of the column `groups` ("auto": of one burst), are locked together or not at all, also those that do not
    satisfy it. Undone as every entry of the history, after which what is computed learns from their labels. Raises
    CurateError for another share, nothing to lock, nothing left to learn from, and a dataset that has a locked part.
    """
    dataset = decisions.dataset
    decisions.refresh()
    if decisions.samples.locked_by:
        raise CurateError(
            f"Dataset {dataset.name!r} has a locked part.",
            fix=f"Undo it first by {Run('history', dataset.name, undo=str(decisions.samples.locked_by))}",
        )
    if share is None and not where:
        share = SHARE
    if share is not None and not 0 < share <= MOST:
        raise CurateError(f"{Option('share')} {share:g}: give a number above 0, and {MOST:g} at most.")
    check_groups(dataset, groups)
    filters = Filters(where=where)
    offered = decisions.samples.order(filters)
    labels = dataset.labels()
    offered = offered[labels[offered] >= 0]
    if not len(offered):
        raise empty_view(
            decisions.samples, filters, "No such image has a label to lock. Widen the condition.", needs="label"
        )
    features = None
    if groups == AUTO and run is not None and run.has_features:
        features = run.features()
    group_of, joined = sample_groups(dataset, features, np.arange(decisions.samples.size), column=groups)
    drawn = offered
    if share is not None:
        drawn = offered[stratified_draw(labels[offered], group_of[offered], share=share, seed=seed)]
    if not len(drawn):
        raise CurateError(f"{Option('share')} {share:g} of {len(offered)} images is none. Give a larger one.")
    inside = np.isin(group_of, group_of[drawn])
    if not (labels[~inside] >= 0).any():
        raise CurateError("Every labelled image would be locked, and nothing left to learn from. Narrow the condition.")
    copies = dataset.quality.ready(dataset.record.fingerprint)
    details: dict[str, Any] = {"share": share, "where": where, "groups": groups, "seed": seed, "copies": copies}
    details |= {"joined": joined}
    decisions.log.lock(
        decisions.present_id(), decisions.samples.paths_of(np.flatnonzero(inside).tolist()), details=details
    )
    decisions.refresh()
    event = decisions.log.last(dataset.id, [LOCK])
    assert event is not None
    return event


def untouched(decisions: Decisions) -> bool:
    """Return whether a fifth is locked before the first score: nothing is locked, decided or scored, and `LEAST`
    images of two classes or more have a label.
    """
    labels = decisions.dataset.labels()
    labelled = labels[labels >= 0]
    if len(labelled) < LEAST or np.ptp(labelled) == 0:
        return False
    dataset = decisions.dataset
    return not (dataset.locked_by or dataset.runs() or decisions.log.last(dataset.id))


def lock_first(decisions: Decisions, run: RunFolder | None, *, groups: str | None = None) -> str:
    """Lock a fifth of a dataset that is `untouched`, and return the sentence that says so; "" of any other."""
    if not untouched(decisions):
        return ""
    event = lock(decisions, run, groups=groups)
    return f"A fifth, {event.samples:,} images, is locked, so that Payoff can tell later whether your decisions helped."


def lock_before(workspace: Workspace, settings: ScoreSettings) -> str:
    """Lock a fifth before the first heads are fitted to a dataset, as `lock_first`; what learns no label needs none."""
    if not settings.lock or not (settings.head or "").startswith("fit"):
        return ""
    return lock_first(
        open_dataset(workspace, settings.dataset).decisions,
        open_dataset(workspace, settings.dataset).run,
        groups=settings.groups,
    )


def told(decisions: Decisions, run: RunFolder | None) -> Text:
    """Return how much is locked, and what to do next, in sentences; none where nothing is."""
    event = decisions.log.last(decisions.dataset.id, [LOCK])
    if event is None:
        return Text()
    text = f"{event.samples:,} images are locked: nothing learns from their labels."
    if not event.details["copies"]:
        text += " Image quality was not measured, so copies may lie on both sides."
    if event.details["groups"] == AUTO:
        text += f" {found_text(event.details['joined'])}"
    if run is not None and run.record.knows(event.id):
        text += f" {run.name} was made before and may know them. "
        return Text(text, _again(decisions.dataset, run.record), ".")
    return Text(text)


def _again(dataset: DatasetFolder, record: RunRecord) -> Text:
    """Return how to make a run anew that may know locked labels."""
    if record.attached:
        return Text(f"Attach embeddings alone, or outputs that know none of them: {Run('attach', dataset.name, '...')}")
    if record.refits:
        return Text(f"Let Payoff fit its head again: {Run('payoff', dataset.name)}")
    return Text(f"Train it again: {Run('train', dataset.name, '...')}")


def refuse_before_lock(dataset: DatasetFolder, run: RunFolder) -> None:
    """Refuse a run that may know labels of the locked part, by itself or by the training that its weights are from."""
    record = run.record
    teacher = _teacher(dataset, record)
    if not (teacher or record.knows(dataset.locked_by)):
        return
    what = f"{teacher or run.name} was made before a part of {dataset.name!r} was locked, and may know its labels."
    fix = _again(dataset, record)
    if teacher:
        fix = Text(f"Train it again: {Run('train', dataset.name, '...')}")
    raise CurateError(what, fix=fix)


def may_know(dataset: DatasetFolder, record: RunRecord) -> bool:
    """Return whether a run may know locked labels, by itself or by the training that its weights are from."""
    return record.knows(dataset.locked_by) or bool(_teacher(dataset, record))


def lags(dataset: DatasetFolder, record: RunRecord) -> bool:
    """Return whether only the heads of a run know locked labels, so that they can be fitted again without them."""
    return record.refits and record.knows(dataset.locked_by) and not _teacher(dataset, record)


def _teacher(dataset: DatasetFolder, record: RunRecord) -> str:
    """Return the training on the dataset that made the weights of a run and may know locked labels; "" for none."""
    locked_by = dataset.locked_by
    for _, training in all_trainings(dataset):
        of_weights = training.weights_sha256 == record.weights_sha256
        if of_weights and training.dataset_fingerprint == dataset.record.fingerprint and training.knows(locked_by):
            return training.name
    return ""


def judged_since(decisions: Decisions, run: RunFolder | None) -> int:
    """Return the number of the newest entry before the locked part and the open run were both there.

    Decisions after it can be judged by the locked part: what they were made from knows none of its labels. Raises
    CurateError without a locked part, and for a run that may know its labels.
    """
    dataset = decisions.dataset
    if not dataset.locked_by:
        raise CurateError(f"Dataset {dataset.name!r} has no locked part to judge by.", fix=Run("lock", dataset.name))
    since = dataset.locked_by
    if run is None:
        return since
    refuse_before_lock(dataset, run)
    return max(since, decisions.log.version(dataset.id, until=run.record.finished))
