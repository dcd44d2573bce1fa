"""How the votes of a dataset are collected, and which of them HSF uses: settings in the log, the same for everybody.

Two designs. `select`: which of these images show the class? `classify`: which class is this image?
"""

import json
import time
from dataclasses import asdict, dataclass, replace

import numpy as np

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.errors import CurateError
from avhcurate.features.annotate.task_pool import QUEUES, Queue, TaskPool, task_pool
from avhcurate.measures.scores import SCORES
from avhcurate.people.grids import CANDIDATES, GRID_CONTROLS
from avhcurate.people.hsf_source import CHOICE, SOURCES, HsfSource
from avhcurate.people.log_columns import ResponseColumns
from avhcurate.people.queues import DECIDING, SETTINGS, record_covers, write_record
from avhcurate.people.responses import DESIGNS, Design
from avhcurate.workspace.data.class_lists import present_numbers
from avhcurate.workspace.data.people import Role, require

#: The length of an e-mail address, by which people are signed in.
LONGEST_NAME = 254
#: The class of a collection whose classes are all gone, so that it does not ask about all of them.
NO_CLASS = -1
#: Seconds for which an annotator has an image.
LEASE_S = 600.0


@dataclass(frozen=True)
class CollectionSettings:
    """How votes are collected on a dataset.

    target: votes wanted per sample. score: of the queue `hardest`. control_share: share of attention checks among
    single images. candidates: tiles of a grid; controls: further ones of each kind. classes: asked about in grids, ()
    for all. definitions: (class name, what it means). rule: when to tick an image, "" for that of ImageNetV2. record:
    number of the record of how the queue draws, see `votes.queues`. prediction: the one whose model the queue
    `informative` asks for.
    """

    design: Design = "select"
    queue: Queue = "random"
    score: str = "avh"
    target: int = 10
    control_share: float = 0.1
    candidates: int = CANDIDATES
    controls: int = GRID_CONTROLS
    classes: tuple[int, ...] = ()
    definitions: tuple[tuple[str, str], ...] = ()
    rule: str = ""
    record: int = 0
    prediction: str = ""

    def order(self, pool: TaskPool, votes: np.ndarray) -> np.ndarray:
        """Return the ids that still need votes, of which each has `votes` (N,), the next one first."""
        if self.record:
            return pool.drawn_order(self.record, votes, target=self.target)
        return pool.fewest_order(votes, target=self.target)

    def scope(self, pool: TaskPool) -> np.ndarray:
        """Return a mask (N,) of the samples that the collection asks about."""
        if self.design == "classify":
            return pool.eligible.copy()
        labelled = pool.eligible & (pool.labels >= 0)
        if self.classes:
            labelled &= np.isin(pool.labels, self.classes)
        return labelled


def configure(table: DatasetTable, settings: CollectionSettings, *, who: str) -> CollectionSettings:
    """Write how votes are collected from now on; refuse settings that are not valid. Answers so far stay."""
    require(Role.CURATOR, "setting up a collection", name=annotator_name(who))  # before a record is written
    _check(table, settings)
    settings = _with_record(table, settings)
    with table.response_log.transaction(table.present_id()) as log:
        text = json.dumps(asdict(settings) | {"class_names": table.own_classes})
        log.choose(SETTINGS, text, who=annotator_name(who), at=time.time())
    return settings


def _with_record(table: DatasetTable, settings: CollectionSettings) -> CollectionSettings:
    """Return the settings with the prediction that they use, and the record of how the queue draws.

    The record of before stays where it is still right. A random order has one too, so that the chances are known when
    another queue goes on from its votes.
    """
    prediction = ""
    if settings.queue == "informative" and table.prediction is not None:
        # A new prediction knows the votes of the batch before: the queue draws again, with a record of its own.
        prediction = table.prediction.name
    settings = replace(settings, prediction=prediction, record=0)
    if settings.queue == "fewest":
        return settings
    pool, before = task_pool(table), settings_of(table)
    before = before or settings
    same = all(getattr(before, name) == getattr(settings, name) for name in DECIDING)
    # A record that does not know the samples of a later import is over: the next one has them too.
    if same and before.record and record_covers(table.dataset, before.record, pool.paths[pool.eligible]):
        return replace(settings, record=before.record)
    rates = pool.rates(settings.queue, settings.score)
    choices = table.response_log.choices(table.dataset.id, SETTINGS)
    used = [json.loads(text)["record"] for _, text in choices]
    return replace(settings, record=write_record(table.dataset, pool.paths, rates, used=used))


def settings_of(table: DatasetTable) -> CollectionSettings | None:
    """Return the newest settings of the collection; None before the first."""
    return _read_settings(table, columns_of(table))


def required_settings(
    table: DatasetTable, columns: ResponseColumns, design: Design | None = None
) -> CollectionSettings:
    """Return the settings in the log; refuse where there are none, or where they are of another design."""
    settings = _read_settings(table, columns)
    if settings is None:
        raise CurateError("No votes are collected on this dataset yet. Set up a collection first.")
    if design is not None and settings.design != design:
        raise CurateError(f"Votes are now collected by the design {settings.design}, not {design}. Reload the page.")
    return settings


def choose_source(
    table: DatasetTable, *, chosen: str = "auto", control_filter: float | None = None, who: str
) -> HsfSource:
    """Write which votes HSF uses from now on, for everybody.

    control_filter: annotators with a smaller share of right answers to controls do not count; None for no limit.
    """
    if chosen not in SOURCES:
        raise CurateError(f"{chosen!r} is not a source of HSF. Choose one of {', '.join(SOURCES)}.")
    text = f"{chosen} "
    if control_filter is not None:
        text += repr(float(control_filter))
    with table.response_log.transaction(table.present_id()) as log:
        log.choose(CHOICE, text, who=annotator_name(who), at=time.time())
    return source(table)


def source(table: DatasetTable) -> HsfSource:
    """Return which votes HSF uses now."""
    table.refresh()
    return table.counter.source


def columns_of(table: DatasetTable) -> ResponseColumns:
    """Return the present log of the table's dataset."""
    return table.response_log.columns(table.dataset.id)


def annotator_name(text: str) -> str:
    """Return the name without blanks around it; refuse one that is empty, too long or not printable."""
    name = text.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise CurateError(f"The name of an annotator must have 1 to {LONGEST_NAME} printable characters.")
    return name


def _read_settings(table: DatasetTable, columns: ResponseColumns) -> CollectionSettings | None:
    if SETTINGS not in columns.choices:
        return None
    fields = json.loads(columns.choices[SETTINGS])
    chosen = present_numbers(fields["classes"], fields.pop("class_names"), table.own_classes)
    fields["classes"] = tuple(number for number in chosen if number is not None)
    if chosen and not fields["classes"]:
        fields["classes"] = (NO_CLASS,)
    fields["definitions"] = tuple((name, text) for name, text in fields["definitions"])
    return CollectionSettings(**fields)


def _check(table: DatasetTable, settings: CollectionSettings) -> None:
    """Refuse settings that give no tasks."""
    if settings.design not in DESIGNS or settings.queue not in QUEUES:
        raise CurateError(f"Choose a design of {', '.join(DESIGNS)} and a queue of {', '.join(QUEUES)}.")
    if not 1 <= settings.target <= 1000:
        raise CurateError(f"The target is {settings.target} votes per sample. It must be between 1 and 1000.")
    if settings.queue == "hardest" and settings.score not in SCORES:
        raise CurateError(f"Unknown score {settings.score}. Choose one of {', '.join(SCORES)}.")
    if not 0 <= settings.control_share <= 0.5:
        raise CurateError("The share of attention checks must be between 0 and 0.5.")
    if settings.candidates < 1 or settings.controls < 0 or settings.candidates + 2 * settings.controls > 400:
        raise CurateError("A grid must have at least one candidate and at most 400 images with its controls.")
    pool = task_pool(table)
    if len(pool.classes) < 2:
        raise CurateError("A collection needs a dataset with two classes or more.")
    if settings.design == "select" and not settings.scope(pool).any():
        raise CurateError("No sample has a label of these classes. Choose others.")
    if settings.classes and max(settings.classes) >= len(pool.classes):
        raise CurateError(f"Unknown class {max(settings.classes)}. Labels run from 0 to {len(pool.classes) - 1}.")
