"""How the votes of a dataset are collected, and which of them HSF uses: settings in the log, the same for everybody.

Two designs. `select`: which of these images show the class? `classify`: which class is this image?
"""

import json
import time

import numpy as np

from avhcurate.datasets.curate.annotations import check_text
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError
from avhcurate.features.annotate.next_labels import next_labels
from avhcurate.features.annotate.task_pool import UNRECORDED, Queue, TaskPool, task_pool
from avhcurate.people.counting import VoteCounts
from avhcurate.people.grids import CANDIDATES, GRID_CONTROLS
from avhcurate.people.hsf_source import CHOICE, SETTINGS, SOURCES, HsfSource, left_out, source_choice
from avhcurate.people.log_columns import ResponseColumns
from avhcurate.people.queues import DECIDING, record_covers, write_record
from avhcurate.people.responses import Design
from avhcurate.workspace.data.class_lists import present_numbers
from avhcurate.workspace.data.people import Role, require
from avhcurate.workspace.data.prediction import PredictionFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.settings import VerbSettings, option

#: The length of an e-mail address, by which people are signed in.
LONGEST_NAME = 254
#: The class of a collection whose classes are all gone, so that it does not ask about all of them.
NO_CLASS = -1
#: Images that the queue `diverse` puts in order; others follow at random.
BATCH = 1000
#: Seconds for which an annotator has an image.
LEASE_S = 600.0


class CollectionSettings(VerbSettings):
    """How votes are collected on a dataset.

    target: votes wanted per sample. score: of the queue `hardest`. classes: asked about in grids, () for all.
    definitions: (class name, what it means). rule: when to tick an image, "" for that of ImageNetV2. record: number of
    the record of how the queue draws, see `votes.queues`. prediction: the one whose model the queue `informative` asks
    for.
    """

    design: Design = option("select")
    queue: Queue = option("random")
    score: str = option("avh")
    target: int = option(
        10, "Images with so many are no longer asked about.", low=1, high=1000, label="Votes per image"
    )
    control_share: float = option(
        0.1, "Share of images with a clear answer.", low=0, high=0.5, label="Attention checks"
    )
    skip: bool = option(
        False,
        "Annotators may say that they cannot tell, which is kept but is not a vote. CIFAR-10H had no such choice.",
        label="Cannot tell",
    )
    candidates: int = option(CANDIDATES, "The images that votes are about.", low=1, high=200, label="Images of a grid")
    controls: int = option(
        GRID_CONTROLS,
        "Images of the class, and as many of the most similar one, to see whether an annotator looks.",
        low=0,
        high=20,
    )
    classes: tuple[int, ...] = option(())
    definitions: tuple[tuple[str, str], ...] = option(())
    rule: str = option("")
    record: int = option(0)
    prediction: str = option("")

    def scope(self, pool: TaskPool) -> np.ndarray:
        """Return a mask (N,) of the samples that the collection asks about."""
        if self.design == "classify":
            return pool.eligible
        labelled = pool.eligible & (pool.labels >= 0)
        if self.classes:
            labelled &= np.isin(pool.labels, self.classes)
        return labelled


def configure(
    votes: Votes,
    run: RunFolder | None,
    prediction: PredictionFolder | None,
    settings: CollectionSettings,
    *,
    who: str,
) -> CollectionSettings:
    """Write how votes are collected from now on; refuse settings that give no tasks. Answers so far stay."""
    require(Role.CURATOR, "setting up a collection", name=annotator_name(who))  # before a record is written
    pool = task_pool(votes, run)
    if len(pool.classes) < 2:
        raise CurateError("A collection needs a dataset with two classes or more.")
    if settings.design == "select" and not settings.scope(pool).any():
        raise CurateError("No image has a label of these classes. Choose others.")
    if settings.design == "select" and settings.queue == "decided":
        raise CurateError("A second person says which class an image is.", fix="Choose the design Choose the class")
    settings = _with_record(votes, run, prediction, settings)
    first = not {SETTINGS, CHOICE} & columns_of(votes).choices.keys()
    with votes.log.transaction(votes.present_id()) as log:
        text = json.dumps(settings.model_dump() | {"class_names": votes.classes})
        log.choose(SETTINGS, text, who=annotator_name(who), at=time.time())
        if first:  # one that was begun before stays as it is
            log.choose(CHOICE, "wanted ", who=annotator_name(who), at=time.time())
    return settings


def _with_record(
    votes: Votes, run: RunFolder | None, prediction: PredictionFolder | None, settings: CollectionSettings
) -> CollectionSettings:
    """Return the settings with the prediction that they use, and the record of how the queue draws.

    The record of before stays where it is still right. A random order has one too, so that the chances are known when
    another queue continues with its votes.
    """
    used_prediction = ""
    if settings.queue == "informative" and prediction is not None:
        # A new prediction knows the votes of the batch before: the queue draws again, with a record of its own.
        used_prediction = prediction.name
    settings = settings.with_(prediction=used_prediction, record=0)
    if settings.queue in UNRECORDED:
        return settings
    pool = task_pool(votes, run)
    before = settings_of(votes) or settings
    same = all(getattr(before, name) == getattr(settings, name) for name in DECIDING)
    # A record that does not know the samples of a later import is over: the next one has them too.
    if same and before.record and record_covers(votes.dataset, before.record, pool.paths[pool.eligible]):
        return settings.with_(record=before.record)
    times = None
    if settings.queue == "diverse":
        rates = np.zeros(len(pool.paths))
        times = np.full(len(rates), np.inf)
        first = next_labels(votes.samples, run, votes.dataset, BATCH).ids
        times[first] = np.arange(len(first))
    else:
        rates = pool.rates(votes.samples, votes.dataset, prediction, settings.queue, settings.score)
    choices = votes.log.choices(votes.dataset.id, SETTINGS)
    used = [json.loads(text)["record"] for _, text in choices]
    return settings.with_(record=write_record(votes.dataset, pool.paths, rates, times=times, used=used))


def settings_of(votes: Votes) -> CollectionSettings | None:
    """Return the newest settings of the collection; None before the first."""
    text = columns_of(votes).choices.get(SETTINGS)
    if text is None:
        return None
    fields = json.loads(text)
    numbers = present_numbers(fields["classes"], votes.dataset.names_now(fields.pop("class_names")), votes.classes)
    classes = [number for number in numbers if number is not None]
    if numbers:
        classes = classes or [NO_CLASS]
    return CollectionSettings(**(fields | {"classes": classes}))


def required_settings(votes: Votes, design: Design | None = None) -> CollectionSettings:
    """Return the settings in the log; refuse where there are none, or where they are of another design."""
    settings = settings_of(votes)
    if settings is None:
        raise CurateError("No votes are collected on this dataset yet. Set up a collection first.")
    if design not in (None, settings.design):
        raise CurateError(f"Votes are now collected by the design {settings.design}, not {design}. Reload the page.")
    return settings


def choose_source(votes: Votes, *, key: str = "auto", control_filter: float | None = None, who: str) -> HsfSource:
    """Write which votes HSF uses from now on, for everybody.

    control_filter: annotators with a smaller share of right answers to controls do not count; None for no limit.
    """
    if key not in SOURCES:
        raise CurateError(f"{key!r} is not a source of HSF. Choose one of {', '.join(SOURCES)}.")
    text = f"{key} "
    if control_filter is not None:
        text += repr(float(control_filter))
    with votes.log.transaction(votes.present_id()) as log:
        log.choose(CHOICE, text, who=annotator_name(who), at=time.time())
    return source(votes)


def source(votes: Votes) -> HsfSource:
    """Return which votes HSF uses now."""
    votes.refresh()
    return votes.source


def columns_of(votes: Votes) -> ResponseColumns:
    """Return the present log of the table's dataset."""
    return votes.log.columns(votes.dataset.id)


def collected(votes: Votes, columns: ResponseColumns, design: str) -> VoteCounts:
    """Return the votes of a design that count, by the annotators who count."""
    return votes.collected(columns, design, excluded(columns, design))


def excluded(columns: ResponseColumns, design: str) -> np.ndarray:
    """Return the numbers of the annotators who do not count."""
    return left_out(columns, design, source_choice(columns)[1])


def annotator_name(text: str) -> str:
    """Return the name without blanks around it; refuse one that is empty, too long or not printable."""
    return check_text(text, "name", LONGEST_NAME)
