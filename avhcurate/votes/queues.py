"""Which queues the collected votes came from, and how likely each sample was to be asked about.

A queue that asks about hard samples first gives votes of a selection: correlations over it are not those of the
dataset. A queue may draw instead, hard samples likelier; its record keeps how likely, and a sample counts as many times
in a weighted correlation as the inverse of its probability (Horvitz and Thompson 1952).
"""

import json
from dataclasses import dataclass
from pathlib import Path

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
#: Kind of the settings of a collection among the choices of the log.
SETTINGS = "collection"


@dataclass(frozen=True)
class QueueUse:
    """Collected votes in use by the queue that asked for them, a key of `QUEUES`; `weights` (N,) by id.

    A weight is the inverse of the probability that the sample was asked about, NaN where it has no vote. None where no
    queue is biased, or where its probabilities are not known: it asked in strict order, or votes came in other ways
    too.
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


def draw_times(rates: np.ndarray, seed: int) -> np.ndarray:
    """When each sample comes, (N,): an exponential time with its rate, so that they are drawn without replacement."""
    return np.random.default_rng(seed).exponential(size=len(rates)) / rates


def inclusion(rates: np.ndarray, times: np.ndarray, asked: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """Probability (N,) that a sample was among those asked about, mask (N,), which are about the first by `times`.

    With groups (N,), those of each group were asked about in turn. Given the time of the first sample that was not, the
    samples came independently (Rosen 1997).

    >>> inclusion(np.ones(4), np.array([0.1, 0.2, 0.3, 0.4]), np.array([True, True, False, False])).round(3).tolist()
    [0.259, 0.259, 0.259, 0.259]
    """
    groups = np.zeros(len(rates), np.int64) if groups is None else groups
    chances = np.empty(len(rates))
    for group in np.unique(groups):
        rows = groups == group
        number = int(asked[rows].sum())
        end = np.sort(times[rows])[number] if number < rows.sum() else np.inf
        chances[rows] = -np.expm1(-rates[rows] * end)
    return chances


def write_record(dataset: DatasetFolder, paths: np.ndarray, rates: np.ndarray, seed: int) -> int:
    """Keeps how a queue draws, by path; returns the record's number, 1 or more."""
    folder = dataset.root / "queues"
    folder.mkdir(exist_ok=True)
    number = 1 + max((int(path.stem) for path in folder.glob("*.parquet") if path.stem.isdigit()), default=0)
    rows = pd.DataFrame({"path": paths, "rate": rates, "time": draw_times(rates, seed)})
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


def queue_use(counter: VoteCounter) -> QueueUse:
    """Where the collected votes in use came from; none where HSF uses imported ones, which are of a whole dataset."""
    source, dataset = counter.source, counter.dataset
    if source.imported or not source.collected or source.key not in ("k-way", "tick"):
        return QueueUse({})
    columns = counter.log.columns(dataset.name)
    design: Design = "classify" if source.key == "k-way" else "select"
    history = [(at, json.loads(text)) for at, text in counter.log.choices(dataset.name, SETTINGS)]
    asked_by = _asked_by(columns, design, np.array([at for at, _ in history]))
    votes: dict[str, int] = {}
    records: dict[int, int] = {}
    for number, times in enumerate(asked_by):
        settings = history[number][1] if history else {}
        queue, record = settings.get("queue", "random"), settings.get("record", 0)
        if times:
            votes[queue] = votes.get(queue, 0) + times
            records[record] = records.get(record, 0) + times
    use = QueueUse(votes)
    (only,) = records if len(records) == 1 else (0,)
    return QueueUse(votes, _weights(counter, only, design)) if use.biased and only else use


def _asked_by(columns: ResponseColumns, design: Design, since: np.ndarray) -> list[int]:
    """Standing votes of a design that were given under each of the settings, which hold from a time on."""
    rows = columns.rows
    rows = rows[rows["standing"] & (rows["control"] == 0) & (rows["classify"] == (design == "classify"))]
    place = np.maximum(np.searchsorted(since, rows["at"], side="right") - 1, 0)
    return np.bincount(place, minlength=max(1, len(since))).tolist()


def _weights(counter: VoteCounter, record: int, design: Design) -> np.ndarray | None:
    try:
        rows = read_record(counter.dataset, record)
    except CurateError:
        return None
    drawn = rows.set_index("path").reindex(counter.dataset.samples(["path"])["path"])
    known = drawn["rate"].notna().to_numpy()
    asked = counter.counts.votes > 0
    weights = np.full(len(asked), np.nan)
    if not known[asked].all():
        return None  # votes of samples that the queue did not know
    groups = counter.labels[known] if design == "select" else None
    chances = inclusion(drawn["rate"].to_numpy()[known], drawn["time"].to_numpy()[known], asked[known], groups)
    weights[known] = np.where(asked[known], 1 / np.maximum(chances, 1e-9), np.nan)
    return weights


def _record_path(dataset: DatasetFolder, number: int) -> Path:
    return dataset.root / "queues" / f"{number:04d}.parquet"
