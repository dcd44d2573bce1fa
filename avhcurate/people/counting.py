"""Counts the votes that HSF uses: imported ones and those collected in the app, of one kind."""

import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.people import bins, hsf
from avhcurate.people.hsf_source import DESIGN_OF, SETTINGS, HsfSource, left_out, source_choice
from avhcurate.people.log import ResponseLog
from avhcurate.people.log_columns import ResponseColumns
from avhcurate.workspace.data.class_changes import ClassChanges, added_up
from avhcurate.workspace.data.dataset_records import VotesRecord
from avhcurate.workspace.data.datasets import DatasetFolder, count_matrix

#: Counts that are kept: of two designs, with and without the annotators that a control filter leaves out.
_KEPT = 4


@dataclass(frozen=True)
class VoteCounts:
    """Votes of each sample, by id: `votes` (N,) int32, and among them those for the given label, `hits` of `asked`.

    `asked` is 0 where a sample has no label, so that its votes say nothing about it.
    """

    votes: np.ndarray
    hits: np.ndarray
    asked: np.ndarray

    @classmethod
    def none(cls, samples: int) -> "VoteCounts":
        """Return counts without a vote, which take no memory and cannot be written."""
        nothing = np.broadcast_to(np.int32(0), samples)
        return cls(nothing, nothing, nothing)

    def __add__(self, other: "VoteCounts") -> "VoteCounts":
        if not other.votes.any():
            return self
        return VoteCounts(self.votes + other.votes, self.hits + other.hits, self.asked + other.asked)


class VoteCounter:
    """Counts the votes of a dataset as of now; `update` counts the responses given since.

    `record` describes the votes in use, None without any; `source` says where they come from.
    """

    def __init__(self, dataset: DatasetFolder, log: ResponseLog) -> None:
        self.dataset = dataset
        self.log = log
        record = dataset.record
        self.classes = record.classes
        self._changes = record.changes or ClassChanges()
        #: The class that each one is a part of, -1 for none, and of no class.
        self._whole = np.append(self._changes.whole_numbers(self.classes), -1)
        self.labels = dataset.labels()
        self._fingerprint = record.fingerprint
        self._attached = record.votes
        self._imported = _imported(dataset, self.labels)
        self._ids: tuple[ResponseColumns | None, np.ndarray] = (None, np.empty(0, np.int64))
        self._paths: pd.Index | None = None
        # Rows of the log that are counted, and the counts, by what decides them.
        self._kept: dict[tuple[ResponseColumns, int, str, bytes], tuple[int, VoteCounts]] = {}
        self._busy = threading.Lock()
        self._version: tuple[int, ...] | None = None
        self.counts = self._none = VoteCounts.none(len(self.labels))
        self.record: VotesRecord | None = None
        self.source = HsfSource()
        self.update()

    def update(self) -> np.ndarray:
        """Count again where responses, statuses or choices are new; return the ids whose counts changed."""
        columns = self.log.columns(self.dataset.id)
        if columns.version == self._version:
            return np.empty(0, np.int64)
        version = columns.version
        before = self.counts
        choice, control_filter = source_choice(columns)
        key = self._key(columns, choice)
        design = DESIGN_OF[key]
        excluded = left_out(columns, design, control_filter)
        imported = self._imported.get(key, self._none)
        collected = self.collected(columns, design, excluded)
        self.counts = imported + collected
        annotators = np.unique(columns.rows["annotator"][columns.of_design(design)])
        counted = np.setdiff1d(annotators, excluded)
        self.source = HsfSource(
            key=key,
            choice=choice,
            control_filter=control_filter,
            imported=int(imported.votes.sum()),
            collected=int(collected.votes.sum()),
            annotators=len(counted),
            left_out=len(annotators) - len(counted),
        )
        self.record = self._record(version)
        self._version = version
        return np.flatnonzero((self.counts.votes != before.votes) | (self.counts.hits != before.hits))

    def hsf_columns(self, ids: np.ndarray, edges: Sequence[float]) -> pa.Table:
        """Return `id, hsf, hsf_low, hsf_high, votes, _hsf_bin` of some samples; null without votes."""
        votes = self.counts.votes[ids]
        # Of many samples few differ in their votes: each pair of numbers is worked out once.
        encoded = pa.array(self.counts.hits[ids].astype(np.int64) << 32 | self.counts.asked[ids]).dictionary_encode()
        pairs = encoded.dictionary.to_numpy()
        columns = hsf.from_ticks(pairs >> 32, pairs & 0xFFFFFFFF)
        index = bins.bin_index(columns["hsf"], edges)
        columns["_hsf_bin"] = np.where(index >= 0, index, np.nan)
        columns = {name: column[encoded.indices.to_numpy()] for name, column in columns.items()}
        columns |= {"id": ids, "votes": np.where(votes > 0, votes, np.nan)}
        return pa.table({name: pa.array(column, from_pandas=True) for name, column in columns.items()})

    def sources(self) -> dict[str, int]:
        """Return the votes of each kind that HSF could use, with all annotators who are not excluded by hand."""
        return self._available(self.log.columns(self.dataset.id))

    def by_sample(self, id: int | None = None) -> pd.DataFrame | None:
        """Return the votes in use by id, or those of one sample, as `DatasetFolder.votes` with collected ones."""
        if self.source.key is None:
            return None
        if not self.source.collected:
            return self.dataset.votes(id)
        ids = np.flatnonzero(self.counts.votes)
        if id is not None:
            ids = ids[ids == id]
        if self.source.key == "tick":
            return pd.DataFrame({"id": ids, "selected": self.counts.hits[ids], "shown": self.counts.asked[ids]})
        counts = self._by_class(ids)
        voted = counts.any(axis=1)
        return pd.DataFrame({"id": ids[voted], "counts": list(counts[voted])})

    def by_parent(self) -> pd.DataFrame:
        """Return by id the k-way votes for the parent of the label or one of its classes, `hits`, and all, `votes`.

        Votes that name a parent count here and nowhere else.
        """
        votes = self.by_sample()
        if votes is None or "counts" not in votes:
            return pd.DataFrame(columns=["hits", "votes"], dtype=float)
        code, names = pd.factorize(np.array(self.dataset.record.parents_of(self.classes), object))
        rows = pd.DataFrame(added_up(np.stack(votes["counts"].to_list()), code, len(names)), votes["id"], names)
        if self.source.imported:
            rows = rows.add(self.dataset.parent_votes().reindex(columns=names, fill_value=0), fill_value=0)
        hits = rows.to_numpy()[np.arange(len(rows)), code[self.labels[rows.index]]]
        return pd.DataFrame({"hits": hits, "votes": rows.sum(axis=1)}, rows.index)

    def majority(self) -> np.ndarray:
        """Return for each sample (N,) whether most votes are for its label, 1 or 0; -1 without votes or a label.

        Most: more than for any other class; of ticks, more than half. Imported votes are read in parts, since they have
        K counts a sample.
        """
        half = 2 * self.counts.hits > self.counts.asked
        majority = np.where(self.counts.asked > 0, half, np.int8(-1))
        if self.source.key is None:
            return majority
        parts: Iterable[pa.Table | pa.RecordBatch] = self.dataset.votes_in_parts()
        if self.source.collected:
            parts = [pa.Table.from_pandas(self.by_sample())]
        for votes in parts:
            if "counts" not in votes.schema.names:
                break
            ids = votes["id"].to_numpy()
            labelled = self.labels[ids] >= 0
            ids = ids[labelled]
            counts = count_matrix(votes["counts"])[labelled]
            cells = np.arange(len(ids)), self.labels[ids]
            for_label = counts[cells]
            counts[cells] = 0
            majority[ids] = for_label > counts.max(axis=1)
        return majority

    def answers(self, design: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the votes of a design that count, oldest first, (V,) each: the row of the log, id and class index."""
        columns = self.log.columns(self.dataset.id)
        return self._votes(columns, 0, design, left_out(columns, design, self.source.control_filter))

    def ids(self, columns: ResponseColumns) -> np.ndarray:
        """Return the id of each path in the log, -1 where the dataset no longer has such a sample."""
        counted, ids = self._ids
        texts = columns.paths.texts
        if counted is not columns:
            ids = np.empty(0, np.int64)
        if len(ids) < len(texts):
            if self._paths is None:
                self.dataset.refuse_another_import(self._fingerprint, again="open it again")
                self._paths = pd.Index(self.dataset.samples(["path"])["path"])
            ids = np.concatenate([ids, self._paths.get_indexer(pd.Index(texts[len(ids) :], dtype="str"))])
            self._ids = (columns, ids)
        return ids

    def class_numbers(self, columns: ResponseColumns) -> np.ndarray:
        """Return the class index of each class name in the log, -1 where the dataset no longer has such a class."""
        return pd.Index(self.classes).get_indexer(pd.Index(self._changes.now(columns.classes.texts), dtype="str"))

    def collected(self, columns: ResponseColumns, design: str, excluded: np.ndarray) -> VoteCounts:
        """Return the standing votes of a design in the log, without the annotators whose numbers are in `excluded`."""
        if not design:
            return self._none
        key = (columns, columns.version[1], design, excluded.tobytes())  # another answer may have been retracted
        with self._busy:
            size = len(columns.rows)  # read here, so that no other thread has counted more of them before
            rows, counts = self._kept.pop(key, (0, self._none))
            if rows < size:
                counts = counts + self._count(columns, rows, design, excluded)
            self._kept[key] = size, counts
            if len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        return counts

    def _count(self, columns: ResponseColumns, start: int, design: str, excluded: np.ndarray) -> VoteCounts:
        rows, ids, labels = self._votes(columns, start, design, excluded)
        hits = labels == self.labels[ids]
        if design == "select":  # a tick says nothing about another label
            ids = ids[hits]
            hits = rows["selected"][hits] == 1
        votes = np.bincount(ids, minlength=len(self.labels)).astype(np.int32)
        hits_of = np.bincount(ids[hits], minlength=len(self.labels)).astype(np.int32)
        return VoteCounts(votes, hits_of, np.where(self.labels >= 0, votes, 0))

    def _votes(
        self, columns: ResponseColumns, start: int, design: str, excluded: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the rows from `start` on that are votes of a design for what exists, with id and class index."""
        rows = columns.votes(design, start)
        rows = rows[~np.isin(rows["annotator"], excluded)]
        ids = self.ids(columns)[rows["path"]]
        labels = self.class_numbers(columns)[rows["answer"]]
        given = self.labels[ids]
        labels = np.where((labels >= 0) & (labels == self._whole[given]), given, labels)
        exists = (ids >= 0) & (labels >= 0)
        return rows[exists], ids[exists], labels[exists]

    def _by_class(self, ids: np.ndarray) -> np.ndarray:
        """Return the votes for each class, (n, K) int32."""
        counts = np.zeros((len(ids), len(self.classes)), np.int32)
        row_of = np.full(len(self.labels), -1)
        row_of[ids] = np.arange(len(ids))
        attached = self.dataset.votes(int(ids[0]) if len(ids) == 1 else None)
        if self.source.imported and attached is not None and len(attached):
            row = row_of[attached["id"]]
            counts[row[row >= 0]] = np.stack(attached["counts"].to_list())[row >= 0]
        _, collected, labels = self.answers("classify")
        row = row_of[collected]
        np.add.at(counts, (row[row >= 0], labels[row >= 0]), 1)
        return counts

    def _available(self, columns: ResponseColumns) -> dict[str, int]:
        available = {}
        for key in ("k-way", "tick", "simulated"):
            design = DESIGN_OF[key]
            collected = self.collected(columns, design, left_out(columns, design, None))
            number = int(collected.votes.sum() + self._imported.get(key, self._none).votes.sum())
            if number:
                available[key] = number
        return available

    def _key(self, columns: ResponseColumns, choice: str) -> str | None:
        available = self._available(columns)
        if choice in available:
            return choice
        kinds = [key for key in available if key != "simulated"]
        if choice == "wanted":
            new = [key for key in kinds if key not in self._imported]
            wanted = [key for key in new if self._as_wanted(columns, key)]
            kinds = wanted or [key for key in available if key in self._imported] or kinds
        return max(kinds or available, key=lambda key: available[key], default=None)

    def _as_wanted(self, columns: ResponseColumns, key: str) -> bool:
        """Return whether half of the images have as many collected votes of a kind as the collection asks for."""
        design = DESIGN_OF[key]
        counts = self.collected(columns, design, left_out(columns, design, None))
        target = json.loads(columns.choices.get(SETTINGS, '{"target": 1}'))["target"]
        return 2 * np.mean(counts.votes >= target) >= 1

    def _record(self, version: tuple[int, ...]) -> VotesRecord | None:
        source = self.source
        attached = self._attached
        if source.key is None:
            return None
        if not source.collected:
            return attached
        where = f"the app (annotators: {source.annotators:,})"
        record = VotesRecord(kind="tick", source=where, total=0, samples=0, fingerprint="")
        if source.imported and attached is not None:
            record = attached.model_copy(update={"source": f"{attached.source} and {where}"})
        content = f"{record.fingerprint} {source} {version}"
        changes = {
            "kind": source.key,
            "total": int(self.counts.votes.sum()),
            "samples": int((self.counts.votes > 0).sum()),
            "fingerprint": blake2b(content.encode(), digest_size=32).hexdigest(),
        }
        return record.model_copy(update=changes)


def _imported(dataset: DatasetFolder, labels: np.ndarray) -> dict[str | None, VoteCounts]:
    """Return the attached votes by the key of their source, read in parts, since they have K counts a sample."""
    record = dataset.record.votes
    if record is None:
        return {}
    votes = np.zeros(len(labels), np.int32)
    hits = votes.copy()
    for part in dataset.votes_in_parts():
        if not len(part):  # their classes are gone
            continue
        ids = part["id"].to_numpy()
        if "counts" in part.schema.names:
            counts = count_matrix(part["counts"])
            hits[ids], _ = hsf.selections(counts, labels[ids])
            votes[ids] = hsf.row_sums(counts)
        else:
            hits[ids] = part["selected"]
            votes[ids] = part["shown"]
    asked = np.where(labels >= 0, votes, 0)
    return {"simulated" if record.simulated else record.kind: VoteCounts(votes, hits, asked)}
