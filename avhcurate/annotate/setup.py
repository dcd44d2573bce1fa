"""How the votes of a dataset are collected, and which of them HSF uses: settings in the log, the same for everybody.

Two designs. `select`: which of these images show the class? `classify`: which class is this image?
"""

import json
import time
from dataclasses import asdict, dataclass, replace

import numpy as np

from avhcurate.annotate.task_pool import QUEUES, Queue, TaskPool, task_pool
from avhcurate.data.people import Role, require
from avhcurate.errors import CurateError
from avhcurate.scores import SCORES
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.votes.annotators import ExclusionRule
from avhcurate.votes.grids import GridDesign, is_check
from avhcurate.votes.hsf_source import CHOICE, SOURCES, HsfSource, SourceChoice
from avhcurate.votes.log_columns import ResponseColumns
from avhcurate.votes.queues import BIASED, DECIDING, SETTINGS, record_covers, write_record
from avhcurate.votes.responses import DESIGNS, Design

#: An e-mail address, by which people are signed in, may be as long.
LONGEST_NAME = 254
#: The class of a collection whose classes are all gone, so that it does not ask about all of them.
NO_CLASS = -1


@dataclass(frozen=True)
class CollectionSettings:
    """How votes are collected on a dataset.

    target: votes wanted a sample. control_share: share of attention checks among single images. candidates, positives,
    negatives: tiles of a grid. classes: asked about in grids, () for all. definitions: (class name, what it means).
    rule: when to tick an image, "" for that of ImageNetV2. drawn: hardest or disagreement draw samples, the first ones
    likelier, so that correlations can be weighted, as informative and random always do; record: number of the record of
    how, see `votes.queues`. prediction: the one whose model the queue informative asks for.
    """

    design: Design = "select"
    queue: Queue = "random"
    score: str = "avh"
    target: int = 10
    control_share: float = 0.1
    candidates: int = 42
    positives: int = 3
    negatives: int = 3
    classes: tuple[int, ...] = ()
    definitions: tuple[tuple[str, str], ...] = ()
    rule: str = ""
    seed: int = 0
    lease_minutes: float = 10.0
    drawn: bool = False
    record: int = 0
    prediction: str = ""

    @property
    def grid(self) -> GridDesign:
        return GridDesign(self.candidates, self.positives, self.negatives)

    @property
    def lease_seconds(self) -> float:
        return 60 * self.lease_minutes

    def order(self, pool: TaskPool, votes: np.ndarray) -> np.ndarray:
        """Ids that still need votes, of which each has `votes` (N,), the next one first."""
        if self.record:
            return pool.drawn_order(self.record, votes, target=self.target)
        return pool.order(self.queue, votes, score=self.score, target=self.target, seed=self.seed)

    def scope(self, pool: TaskPool) -> np.ndarray:
        """Mask (N,) of the samples that the collection asks about."""
        if self.design == "classify":
            return pool.eligible.copy()
        labelled = pool.eligible & (pool.labels >= 0)
        return labelled & np.isin(pool.labels, self.classes) if self.classes else labelled


def configure(table: DatasetTable, settings: CollectionSettings, *, who: str) -> CollectionSettings:
    """Writes how votes are collected from now on; invalid settings are refused. Answers so far stay."""
    require(Role.CURATOR, "setting up a collection", name=annotator_name(who))  # before a record is written
    settings = _drawing(table, settings)
    _check(table, settings)
    settings = _with_record(table, settings)
    with table.response_log.transaction(table.present_name()) as log:
        log.choose(SETTINGS, json.dumps(asdict(settings)), who=annotator_name(who), at=time.time())
    return settings


def _drawing(table: DatasetTable, settings: CollectionSettings) -> CollectionSettings:
    """The settings with the prediction that they go by, and the record of before where that is still right."""
    informative = settings.queue == "informative"
    # A new prediction knows the votes of the batch before: the queue draws anew, with a record of its own.
    prediction = table.prediction.name if informative and table.prediction else ""
    settings = replace(settings, drawn=settings.drawn or informative, prediction=prediction, record=0)
    before = settings_of(table)
    if not _draws(settings) or before is None or not before.record:
        return settings
    same = all(getattr(before, name) == getattr(settings, name) for name in DECIDING)
    pool = task_pool(table)
    # One that does not know samples that an import has brought since is over: the next record has them too.
    fits = same and record_covers(table.dataset, before.record, pool.paths[pool.eligible])
    return replace(settings, record=before.record) if fits else settings


def _with_record(table: DatasetTable, settings: CollectionSettings) -> CollectionSettings:
    """The settings of a queue that draws with a record of how."""
    if settings.record or not _draws(settings):
        return settings
    pool = task_pool(table)
    rates = pool.rates(settings.queue, score=settings.score, seed=settings.seed)
    choices = table.response_log.choices(table.dataset.name, SETTINGS)
    used = [json.loads(text).get("record", 0) for _, text in choices]
    return replace(settings, record=write_record(table.dataset, pool.paths, rates, settings.seed, used=used))


def _draws(settings: CollectionSettings) -> bool:
    """Whether the queue draws.

    A random order does too, so that the chances are known when another queue goes on from its votes.
    """
    return settings.queue == "random" or (settings.drawn and settings.queue in BIASED)


def settings_of(table: DatasetTable) -> CollectionSettings | None:
    """The newest settings of the collection; None before the first."""
    return _read_settings(table, columns_of(table))


def required_settings(
    table: DatasetTable, columns: ResponseColumns, design: Design | None = None
) -> CollectionSettings:
    """The settings in the log; `CurateError` where there are none, or where they are of another design."""
    settings = _read_settings(table, columns)
    if settings is None:
        raise CurateError("no votes are collected on this dataset yet: set up a collection first")
    if design is not None and settings.design != design:
        raise CurateError(f"votes are collected by the design {settings.design} now, not {design}: reload the page")
    return settings


def choose_source(
    table: DatasetTable, *, chosen: str = "auto", control_filter: float | None = None, who: str
) -> HsfSource:
    """Writes which votes HSF uses from now on, for everybody.

    control_filter: annotators with a smaller share of right answers to controls do not count; None for no limit.
    """
    if chosen not in SOURCES:
        raise CurateError(f"HSF has no source {chosen!r}: choose {', '.join(SOURCES)}")
    ExclusionRule(control_accuracy=control_filter)
    with table.response_log.transaction(table.present_name()) as log:
        log.choose(CHOICE, SourceChoice(chosen, control_filter).text, who=annotator_name(who), at=time.time())
    return source(table)


def source(table: DatasetTable) -> HsfSource:
    """Which votes HSF uses now."""
    table.refresh()
    return table.counter.source


def columns_of(table: DatasetTable) -> ResponseColumns:
    """The log of the table's dataset, as it is now."""
    return table.response_log.columns(table.dataset.name)


def annotator_name(text: str) -> str:
    """The name without blanks around it; refused where it cannot stand in the log."""
    name = text.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise CurateError(f"an annotator has a name of 1 to {LONGEST_NAME} printable characters")
    return name


def _read_settings(table: DatasetTable, columns: ResponseColumns) -> CollectionSettings | None:
    text = columns.choices.get(SETTINGS)
    if text is None:
        return None
    fields = {
        name: value for name, value in json.loads(text).items() if name in CollectionSettings.__dataclass_fields__
    }
    # Saved before an import that gave classes other numbers, they are meant by name.
    meant = table.class_lists.at_time(columns.chosen_at[SETTINGS])
    chosen = table.class_lists.numbers_now(fields.get("classes", ()), meant)
    there = tuple(number for number in chosen if number is not None)
    fields["classes"] = there or ((NO_CLASS,) if chosen else ())
    fields["definitions"] = tuple((name, text) for name, text in fields.get("definitions", ()))
    return CollectionSettings(**fields)


def _check(table: DatasetTable, settings: CollectionSettings) -> None:
    """Refuses settings that give no tasks."""
    if settings.design not in DESIGNS or settings.queue not in QUEUES:
        raise CurateError(f"choose a design of {', '.join(DESIGNS)} and a queue of {', '.join(QUEUES)}")
    if not 1 <= settings.target <= 1000:
        raise CurateError(f"the target is 1 to 1000 votes a sample; it was {settings.target}")
    if settings.queue == "hardest" and settings.score not in SCORES:
        raise CurateError(f"no score is called {settings.score}: choose from {', '.join(SCORES)}")
    if not 0 < settings.lease_minutes <= 24 * 60:
        raise CurateError("a lease lasts more than 0 minutes and up to a day")
    is_check(0, share=settings.control_share)
    if settings.grid.size > 400:
        raise CurateError(f"a grid of {settings.grid.size} images is too much at once: 400 are the most")
    pool = task_pool(table)
    if len(pool.classes) < 2:
        raise CurateError("a collection needs a dataset with two classes or more")
    if settings.design == "select" and not settings.scope(pool).any():
        raise CurateError("no sample has a label of these classes: choose others")
    if unknown := [label for label in settings.classes if not 0 <= label < len(pool.classes)]:
        raise CurateError(f"there is no class {unknown[0]}: labels run from 0 to {len(pool.classes) - 1}")
    settings.order(pool, np.zeros(len(pool.labels), np.int64))
