"""Which queues the collected votes came from, and how likely each sample was to be asked about.

A queue that asks about hard samples first gives votes of a selection: correlations over it are not those of the
dataset. A queue may draw instead, hard samples likelier; its record keeps how likely, and a sample counts as many times
in a weighted correlation as the inverse of its probability (Horvitz and Thompson 1952). Votes may come in batches, each
drawn with a record of its own from the samples that no batch before it has asked about.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from avhcurate.data.datasets import DatasetFolder
from avhcurate.disk.files import write_parquet
from avhcurate.errors import CurateError
from avhcurate.stats.ranks import rank_shares
from avhcurate.votes.counting import VoteCounter
from avhcurate.votes.log_columns import ResponseColumns
from avhcurate.votes.responses import Design

#: Queues whose votes are not those of samples taken at random.
BIASED = ("hardest", "disagreement", "informative")
#: How much likelier the first sample of a drawn queue is to come next than the last.
FAVOUR = 20.0
#: Rate of samples that are kept for later: they come when all others have, and have next to no chance before.
LAST = 1e-9
#: Kind of the settings of a collection among the choices of the log.
SETTINGS = "collection"
#: Settings that decide how a queue draws: with others it has another record.
DECIDING = ("queue", "score", "seed", "prediction")

_FOLDER = "queues"


@dataclass(frozen=True)
class QueueUse:
    """Collected votes in use by the queue that asked for them, a key of `QUEUES`; `weights` (N,) by id.

    A weight is the inverse of the probability that the sample was asked about, in any batch; NaN where it has no vote.
    None where no queue is biased, or where probabilities are not known: one asked in strict order, kept no record, or
    does not know some of the samples, which an import has brought since.
    """

    votes: dict[str, int]
    weights: np.ndarray | None = None

    @property
    def biased(self) -> int:
        """Votes that a biased queue asked for."""
        return sum(self.votes.get(queue, 0) for queue in BIASED)


def draw_rates(wanted: np.ndarray) -> np.ndarray:
    """How likely each sample is to come next, (N,) in [1, FAVOUR], by how much it is wanted; NaN is wanted least.

    >>> draw_rates(np.array([0.1, 0.9, np.nan])).round(1).tolist()
    [2.1, 9.5, 1.0]
    """
    return FAVOUR ** np.nan_to_num(rank_shares(wanted))


def draw_times(rates: np.ndarray, seed: int | Sequence[int]) -> np.ndarray:
    """When each sample comes, (N,): an exponential time with its rate, so that they are drawn without replacement.

    Never, infinity, at a rate of 0.
    """
    times = np.random.default_rng(seed).exponential(size=len(rates))
    return np.divide(times, rates, out=np.full(len(rates), np.inf), where=rates > 0)


@dataclass(frozen=True)
class DrawnBatch:
    """Samples that one record drew: its rates and times, (N,) each, and a mask (N,) of those asked about under it."""

    rates: np.ndarray
    times: np.ndarray
    asked: np.ndarray


def inclusion(batches: Sequence[DrawnBatch], groups: np.ndarray | None = None) -> np.ndarray:
    """Probability (N,) that a sample was asked about in one of the batches, oldest first.

    A batch takes the first by `times` of those not asked about before; with groups (N,), those of each group in turn.
    Given the time of the first sample that it did not take, the samples came independently (Rosen 1997), and a sample
    escapes all batches with the product of the chances to escape each. A rate may depend on the votes of batches
    before, but not on whether the sample itself was among them.

    >>> times, first = np.array([0.1, 0.2, 0.3, 0.4]), np.array([True, True, False, False])
    >>> inclusion([DrawnBatch(np.ones(4), times, first)]).round(3).tolist()
    [0.259, 0.259, 0.259, 0.259]
    >>> inclusion([DrawnBatch(np.ones(4), times, first), DrawnBatch(np.ones(4), times[::-1], ~first)]).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    size = len(batches[0].rates)
    groups = np.zeros(size, np.int64) if groups is None else groups
    left, escapes = np.ones(size, bool), np.ones(size)
    for batch in batches:
        for group in np.unique(groups):
            rows = groups == group
            times, number = np.sort(batch.times[rows & left]), int((batch.asked & left)[rows].sum())
            if not number:
                continue
            end = times[number] if number < len(times) else np.inf
            drawn = rows & (batch.rates > 0)
            escapes[drawn] *= np.exp(-batch.rates[drawn] * end)
        left &= ~batch.asked
    return 1 - escapes


def write_record(
    dataset: DatasetFolder, paths: np.ndarray, rates: np.ndarray, seed: int, *, used: Iterable[int] = ()
) -> int:
    """Keeps how a queue draws, by path; returns the record's number, 1 or more, and more than any that was `used`."""
    folder = dataset.root / _FOLDER
    folder.mkdir(exist_ok=True)
    kept = (int(path.stem) for path in folder.glob("*.parquet") if path.stem.isdigit())
    number = 1 + max([*kept, *used], default=0)
    # Batches are independent draws, whatever the seed of their collection.
    rows = pd.DataFrame({"path": paths, "rate": rates, "time": draw_times(rates, [seed, number])})
    write_parquet(_record_path(dataset, number), rows)
    return number


def read_record(dataset: DatasetFolder, number: int) -> pd.DataFrame:
    """`path, rate, time` of a queue that draws; refused where the record is gone."""
    try:
        return pq.read_table(_record_path(dataset, number)).to_pandas()
    except OSError as error:
        raise CurateError(
            f"the record of how queue {number} of {dataset.name} draws is gone: save the collection's settings again"
        ) from error


def record_covers(dataset: DatasetFolder, number: int, paths: np.ndarray) -> bool:
    """Whether a record is there and gives each of some samples a chance."""
    try:
        rates = read_record(dataset, number).set_index("path")["rate"]
    except CurateError:
        return False
    return bool((rates.reindex(paths) > 0).all())


def carry_records(old: DatasetFolder, new: DatasetFolder) -> None:
    """Takes the records over to a new version of a dataset, whose votes they explain.

    Each keeps the labels under which it drew: a grid's queue goes through the samples of each label in turn.
    """
    labels = _label_names(old)
    for file in sorted((old.root / _FOLDER).glob("*.parquet")):
        rows = pq.read_table(file).to_pandas()
        if "label" not in rows:
            rows["label"] = labels.reindex(rows["path"]).to_numpy()
        (new.root / _FOLDER).mkdir(exist_ok=True)
        write_parquet(new.root / _FOLDER / file.name, rows)


def queue_use(counter: VoteCounter) -> QueueUse:
    """Where the collected votes in use came from; none where HSF uses imported ones, which are of a whole dataset."""
    source, dataset = counter.source, counter.dataset
    if source.imported or not source.collected or source.key not in ("k-way", "tick"):
        return QueueUse({})
    columns = counter.log.columns(dataset.name)
    design: Design = "classify" if source.key == "k-way" else "select"
    history = [(at, json.loads(text)) for at, text in counter.log.choices(dataset.name, SETTINGS)]
    ids, place = _asked(counter, columns, design, np.array([at for at, _ in history]))
    votes: dict[str, int] = {}
    for number, times in enumerate(np.bincount(place, minlength=len(history)).tolist()):
        queue = history[number][1].get("queue", "random") if history else "random"
        if times:
            votes[queue] = votes.get(queue, 0) + times
    records = np.array(_records([settings for _, settings in history]) or [0])
    use = QueueUse(votes)
    return QueueUse(votes, _weights(counter, ids, records[place], design)) if use.biased else use


def _records(history: Sequence[Mapping[str, Any]]) -> list[int]:
    """The number of the record of each settings, 0 without one, or where one number was given to several draws.

    An earlier version counted from 1 again after an import, so that the file is of the last of them.
    """
    numbers = [int(settings.get("record", 0)) for settings in history]
    draws: dict[int, set[tuple[Any, ...]]] = {}
    for number, settings in zip(numbers, history, strict=True):
        draws.setdefault(number, set()).add(tuple(settings.get(name) or "" for name in DECIDING))
    return [number if len(draws[number]) == 1 else 0 for number in numbers]


def _asked(
    counter: VoteCounter, columns: ResponseColumns, design: Design, since: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of the standing votes of a design, oldest first: the sample, -1 for none, and the settings they were given under.

    Settings hold from a time on (`since`).
    """
    rows = columns.rows
    rows = rows[rows["standing"] & (rows["control"] == 0) & (rows["classify"] == (design == "classify"))]
    order = np.argsort(rows["at"], kind="stable")
    place = np.maximum(np.searchsorted(since, rows["at"][order], side="right") - 1, 0)
    return counter.ids(columns)[rows["path"][order]], place


def _weights(counter: VoteCounter, ids: np.ndarray, records: np.ndarray, design: Design) -> np.ndarray | None:
    """Weights (N,) by the records under which votes came in, oldest first; None where one asked without a record."""
    voted = counter.counts.votes > 0
    first, at = np.unique(ids[ids >= 0], return_index=True)
    of = np.full(len(voted), -1)
    of[first] = records[ids >= 0][at]
    # The batches in the order in which they began.
    _, began = np.unique(records, return_index=True)
    numbers = records[np.sort(began)]
    if not numbers.all() or (of[voted] < 0).any():
        return None
    labels = _label_names(counter.dataset)
    batches, unknown = [], np.ones(len(voted), bool)
    for number in numbers:
        try:
            rows = read_record(counter.dataset, int(number)).set_index("path").reindex(labels.index)
        except CurateError:
            return None
        rates, times = rows["rate"].fillna(0).to_numpy(float), rows["time"].fillna(np.inf).to_numpy(float)
        if not rates[of == number].all():
            return None  # votes of samples that the queue did not know, or could not ask about
        if design == "select" and "label" in rows and (rows["label"] != labels)[rows["rate"].notna()].any():
            return None  # it went through other groups
        unknown &= rows["rate"].isna().to_numpy()
        batches.append(DrawnBatch(rates, times, of == number))
    if unknown.any():
        return None  # samples that came later, which weights of the others do not speak for
    chances = inclusion(batches, counter.labels if design == "select" else None)
    return np.where(voted, 1 / np.maximum(chances, 1e-9), np.nan)


def _label_names(dataset: DatasetFolder) -> pd.Series:
    """The class name of each sample's label by path, "" where it has none."""
    names = np.array([*dataset.record.classes, ""], object)
    return pd.Series(names[dataset.labels()], index=dataset.samples(["path"])["path"].to_numpy(object))


def _record_path(dataset: DatasetFolder, number: int) -> Path:
    return dataset.root / _FOLDER / f"{number:04d}.parquet"
