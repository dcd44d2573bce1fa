"""Which queues the collected votes came from, and how likely each sample was to be asked about.

A queue that asks about hard samples first gives votes of a selection: correlations over it are not those of the
dataset. A queue may draw instead, hard samples likelier; its record keeps how likely, and a sample counts as many times
in a weighted correlation as the inverse of its probability (Horvitz and Thompson 1952). Votes may come in batches, each
drawn with a record of its own from the samples that no earlier batch has asked about.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from avhcurate.errors import CurateError
from avhcurate.measures.stats.ranks import rank_shares
from avhcurate.people.asked import ASKED
from avhcurate.people.counting import VoteCounter
from avhcurate.people.hsf_source import DESIGN_OF, SETTINGS
from avhcurate.people.log_columns import ResponseColumns
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.disk.files import write_parquet

#: Queues whose votes are not those of samples taken at random.
BIASED = ("hardest", "disagreement", "informative", "diverse", "asked", "decided")
#: How much likelier the first sample of a drawn queue is to come next than the last.
FAVOUR = 20.0
#: Rate of samples that are kept for later: they come after all others and have next to no chance before.
LAST = 1e-9
#: Settings that decide how a queue draws: with others it has another record.
DECIDING = ("queue", "score", "prediction")

_FOLDER = "queues"


@dataclass(frozen=True)
class QueueUse:
    """Collected votes in use by the queue that asked for them, a key of `QUEUES`; `weights` (N,) by id.

    A weight is the inverse of the probability that the sample was asked about, in any batch; NaN where it has no vote.
    `weights` is None where no queue is biased, or where probabilities are not known: a queue asked in strict order,
    kept no record, or does not know samples that an import has brought since.
    """

    votes: dict[str, int]
    weights: np.ndarray | None = None

    @property
    def biased(self) -> int:
        """Votes that a biased queue asked for."""
        return sum(self.votes.get(queue, 0) for queue in BIASED)


def draw_rates(wanted: np.ndarray) -> np.ndarray:
    """Return how likely each sample is to come next, (N,) in [1, FAVOUR], by how much it is wanted; NaN is least.

    >>> draw_rates(np.array([0.1, 0.9, np.nan])).round(1).tolist()
    [2.1, 9.5, 1.0]
    """
    return FAVOUR ** np.nan_to_num(rank_shares(wanted))


def draw_times(rates: np.ndarray, seed: int) -> np.ndarray:
    """Return when each sample comes, (N,): exponential times with these rates, infinity at a rate of 0.

    In their order, samples are drawn without replacement.
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
    """Return the probability (N,) that a sample was asked about in one of the batches, oldest first.

    A batch takes the first by `times` of those not asked about before; with groups (N,), those of each group in turn.
    Given the time of the first sample that it did not take, the samples came independently (Rosen 1997), and a sample
    escapes all batches with the product of the chances to escape each. A rate may depend on the votes of earlier
    batches, but not on whether the sample itself was among them.

    >>> times, first = np.array([0.1, 0.2, 0.3, 0.4]), np.array([True, True, False, False])
    >>> inclusion([DrawnBatch(np.ones(4), times, first)]).round(3).tolist()
    [0.259, 0.259, 0.259, 0.259]
    >>> inclusion([DrawnBatch(np.ones(4), times, first), DrawnBatch(np.ones(4), times[::-1], ~first)]).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    size = len(batches[0].rates)
    if groups is None:
        groups = np.zeros(size, np.int64)
    unasked = np.ones(size, bool)
    escapes = np.ones(size)
    for batch in batches:
        for group in np.unique(groups[batch.asked & unasked]):
            rows = groups == group
            number = int((batch.asked & unasked & rows).sum())
            times = np.append(np.sort(batch.times[rows & unasked]), np.inf)
            drawn = rows & (batch.rates > 0)
            escapes[drawn] *= np.exp(-batch.rates[drawn] * times[number])
        unasked &= ~batch.asked
    return 1 - escapes


def write_record(
    dataset: DatasetFolder,
    paths: np.ndarray,
    rates: np.ndarray,
    *,
    times: np.ndarray | None = None,
    used: Iterable[int] = (),
) -> int:
    """Keep how a queue draws, by path; return the record's number, which is more than any that was `used`.

    A queue that draws nothing has `times` of its own, and rates of 0: its chances are not known.
    """
    folder = dataset.root / _FOLDER
    folder.mkdir(exist_ok=True)
    number = max([0, *used, *(int(path.stem) for path in folder.glob("*.parquet"))]) + 1
    if times is None:
        times = draw_times(rates, number)  # batches are independent
    write_parquet(_record_path(dataset, number), pd.DataFrame({"path": paths, "rate": rates, "time": times}))
    return number


def read_record(dataset: DatasetFolder, number: int) -> pd.DataFrame:
    """Return `rate, time` and perhaps `label` of a queue that draws, by path; refuse where the record is gone."""
    try:
        return pq.read_table(_record_path(dataset, number)).to_pandas().set_index("path")
    except OSError as error:
        raise CurateError(
            f"The record of how queue {number} of {dataset.name} draws is gone. Save the collection's settings again."
        ) from error


def record_covers(dataset: DatasetFolder, number: int, paths: np.ndarray) -> bool:
    """Return whether a record is there and gives each of some samples a chance."""
    try:
        rates = read_record(dataset, number)["rate"]
    except CurateError:
        return False
    return bool((rates.reindex(paths) > 0).all())


def carry_records(old: DatasetFolder, new: DatasetFolder) -> None:
    """Take the records over to a new version of a dataset, whose votes they explain.

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
    """Return which queues the collected votes in use came from; none where HSF uses imported ones."""
    source = counter.source
    dataset = counter.dataset
    if source.imported or not source.collected:
        return QueueUse({})
    design = DESIGN_OF[source.key]
    choices = counter.log.choices(dataset.id, SETTINGS)
    written = [json.loads(text) for _, text in choices] or [{}]
    history = pd.DataFrame([{"queue": "random", "record": 0} | settings for settings in written])[["queue", "record"]]
    columns = counter.log.columns(dataset.id)
    rows = columns.votes(design)
    rows = rows[np.argsort(rows["at"], kind="stable")]
    # The settings that each vote was given under, oldest vote first.
    at = np.searchsorted([at for at, _ in choices], rows["at"], side="right") - 1
    settings = history.iloc[np.maximum(at, 0)].reset_index(drop=True)
    settings.loc[_were_asked(counter, columns, rows), ["queue", "record"]] = "asked", 0
    use = QueueUse({str(queue): int(number) for queue, number in settings["queue"].value_counts().sort_index().items()})
    if not use.biased:
        return use
    records = settings["record"].to_numpy(np.int64)
    return replace(use, weights=_weights(counter, counter.ids(columns)[rows["path"]], records, design))


def _were_asked(counter: VoteCounter, columns: ResponseColumns, rows: np.ndarray) -> np.ndarray:
    """Return which votes, rows of the log, came after somebody had asked people about the image, (n,) bool."""
    dataset = counter.dataset
    first = open_events(dataset.root.parents[1]).first_tagged(dataset.id, ASKED)
    since = np.array([first.get(path, np.inf) for path in columns.paths.texts])
    return rows["at"] >= since[rows["path"]]


def _weights(counter: VoteCounter, ids: np.ndarray, records: np.ndarray, design: str) -> np.ndarray | None:
    """Return weights (N,) by the records under which votes came, oldest first; None where a chance is not known."""
    voted = counter.counts.votes > 0
    samples, first = np.unique(ids[ids >= 0], return_index=True)
    record_of = np.full(len(voted), -1)
    record_of[samples] = records[ids >= 0][first]
    if not records.all() or (record_of[voted] < 0).any():
        return None
    labels = _label_names(counter.dataset)
    batches = []
    in_record = np.zeros(len(voted), bool)
    for number in pd.unique(records):
        try:
            rows = read_record(counter.dataset, int(number)).reindex(labels.index)
        except CurateError:
            return None
        has_rate = rows["rate"].notna().to_numpy()
        if design == "select" and "label" in rows and (rows["label"] != labels)[has_rate].any():
            return None  # it went through other groups
        rates = rows["rate"].fillna(0).to_numpy()
        batch = DrawnBatch(rates, rows["time"].fillna(np.inf).to_numpy(), record_of == number)
        if not rates[batch.asked].all():
            return None  # votes of samples that the queue did not know, or could not ask about
        in_record |= has_rate
        batches.append(batch)
    if not in_record.all():
        return None  # samples that came later, which weights of the others do not speak for
    groups = counter.labels if design == "select" else None
    return np.where(voted, 1 / np.maximum(inclusion(batches, groups), 1e-9), np.nan)


def _label_names(dataset: DatasetFolder) -> pd.Series:
    """Return the class name of each sample's label by path, "" where it has none."""
    names = np.array([*dataset.record.classes, ""], object)
    return pd.Series(names[dataset.labels()], index=dataset.samples(["path"])["path"].to_numpy(object))


def _record_path(dataset: DatasetFolder, number: int) -> Path:
    return dataset.root / _FOLDER / f"{number:04d}.parquet"
