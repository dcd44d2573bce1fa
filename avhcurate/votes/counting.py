"""Counts the votes that HSF uses: imported ones and those collected in the app, of one kind."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pandas as pd

from avhcurate.data.datasets import DatasetFolder, VotesRecord, count_matrix
from avhcurate.votes import bins, hsf
from avhcurate.votes.grids import CONTROLS
from avhcurate.votes.hsf_source import HsfSource, Key, SourceChoice, left_out
from avhcurate.votes.log import ResponseLog
from avhcurate.votes.log_columns import ResponseColumns, ResponseView

#: Counts that are kept: of two kinds of votes, with and without the annotators that a rule leaves out.
_RECENT = 4
_NONE = CONTROLS.index("none")


@dataclass(frozen=True)
class VoteCounts:
    """Votes of each sample, by id: `votes` (N,) int32, and among them those for the given label, `hits` of `asked`.

    `asked` is 0 where a sample has no label, so that its votes say nothing about it.
    """

    votes: np.ndarray
    hits: np.ndarray
    asked: np.ndarray

    def __add__(self, other: "VoteCounts") -> "VoteCounts":
        return VoteCounts(self.votes + other.votes, self.hits + other.hits, self.asked + other.asked)


@dataclass(frozen=True)
class _Recent:
    """Counts of the first `rows` rows of the log, and what else they depend on."""

    depends_on: tuple[ResponseColumns, int, Key, bytes]
    rows: int
    counts: VoteCounts


class VoteCounter:
    """Counts the votes of a dataset as of now; `update` counts the responses given since.

    `record` describes the votes in use, None without any; `source` tells where they come from.
    """

    def __init__(self, dataset: DatasetFolder, log: ResponseLog) -> None:
        self.dataset, self.log = dataset, log
        record = dataset.record
        self.classes, self.labels, self._fingerprint = record.classes, dataset.labels(), record.fingerprint
        self._attached = record.votes
        self._imported = _imported(dataset, self.labels)
        self._places: tuple[ResponseColumns | None, np.ndarray] = (None, np.empty(0, np.int64))
        self._paths: pd.Index | None = None
        self._recent: list[_Recent] = []
        self._busy = threading.Lock()
        self._version: tuple[int, ...] | None = None
        self.counts = _no_counts(len(self.labels))
        self.record: VotesRecord | None = None
        self.source = HsfSource(None, "auto", None, 0, 0, 0, 0)
        self.update()

    def update(self) -> np.ndarray:
        """Counts again where responses, statuses or choices are new; the ids whose counts changed."""
        columns = self.log.columns(self.dataset.name)
        if columns.version == self._version:
            return np.empty(0, np.int64)
        version, before = columns.version, self.counts
        chosen = SourceChoice.of(columns)
        key = self._key(columns, chosen)
        excluded = left_out(columns, key == "k-way", chosen.control_filter)
        collected = self.collected(columns, key, excluded)
        imported = self._imported.get(key or "")
        self.counts = collected if imported is None else imported + collected if collected.votes.any() else imported
        self.source = self._source(columns, key, chosen, collected, excluded)
        self.record = self._record(version)
        self._version = version
        changed = (self.counts.votes != before.votes) | (self.counts.hits != before.hits)
        return np.flatnonzero(changed | (self.counts.asked != before.asked))

    def frame(self, ids: np.ndarray, edges: Sequence[float]) -> pd.DataFrame:
        """`id, hsf, hsf_low, hsf_high, votes, hsf_bin, _hsf_bin` of some samples; missing where there are no votes."""
        table = hsf.from_ticks(self.counts.hits[ids], self.counts.asked[ids])
        votes = self.counts.votes[ids]
        index = pd.Series(bins.bin_index(table["hsf"], edges))
        names = dict(enumerate(bins.bin_labels(edges)))
        return table.assign(
            id=ids,
            votes=pd.Series(votes, dtype="Int64").where(votes > 0),
            hsf_bin=index.map(names),
            _hsf_bin=index.where(index >= 0),
        )

    def sources(self) -> dict[str, int]:
        """Votes by where HSF could come from, all annotators who are not excluded by hand counted."""
        return self._available(self.log.columns(self.dataset.name))

    def votes(self, id: int | None = None) -> pd.DataFrame | None:
        """The votes in use, by id, or those of one sample: as `DatasetFolder.votes`, collected ones included."""
        key = self.source.key
        if key is None:
            return None
        if not self.source.collected:
            return self.dataset.votes(id)
        ids = (
            np.flatnonzero(self.counts.votes)
            if id is None
            else np.array([id][: int(self.counts.votes[id] > 0)], np.int64)
        )
        if key == "tick":
            return pd.DataFrame({"id": ids, "selected": self.counts.hits[ids], "shown": self.counts.asked[ids]})
        counts = self._by_class(ids)
        some = counts.any(axis=1)
        return pd.DataFrame({"id": ids[some], "counts": list(counts[some])})

    def by_annotator(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The collected votes in use that are about the given label, (V,) each: annotator, id, whether it is for it."""
        columns, key = self.log.columns(self.dataset.name), self.source.key
        if key not in ("k-way", "tick"):
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, bool)
        excluded = left_out(columns, key == "k-way", self.source.control_filter)
        ids, labels, ticked, annotators = self._votes(columns, columns.rows, key, excluded)
        for_label = labels == self.labels[ids]
        about = for_label if key == "tick" else self.labels[ids] >= 0
        return annotators[about], ids[about], (for_label & ticked if key == "tick" else for_label)[about]

    def ids(self, columns: ResponseColumns) -> np.ndarray:
        """The id of each path in the log, -1 where the dataset has no such sample any more."""
        of_columns, ids = self._places
        texts = columns.paths.texts
        if of_columns is not columns:
            ids = np.empty(0, np.int64)
        if len(ids) < len(texts):
            if self._paths is None:
                self.dataset.refuse_another_import(self._fingerprint, again="open it again")
                self._paths = pd.Index(self.dataset.samples(["path"])["path"])
            ids = np.concatenate([ids, self._paths.get_indexer(pd.Index(texts[len(ids) :], dtype="str"))])
            self._places = (columns, ids)
        return ids

    def class_numbers(self, columns: ResponseColumns) -> np.ndarray:
        """The class index of each class name in the log, -1 where the dataset has no such class any more."""
        index = {name: number for number, name in enumerate(self.classes)}
        return np.array([index.get(name, -1) for name in columns.classes.texts], np.int64)

    def collected(self, columns: ResponseColumns, key: Key | None, excluded: np.ndarray) -> VoteCounts:
        """Standing votes of one kind in the log, without the annotators whose numbers are in `excluded`."""
        if key not in ("k-way", "tick"):
            return _no_counts(len(self.labels))
        depends_on = (columns, columns.version[1], key, excluded.tobytes())
        with self._busy:
            rows = columns.rows  # read here, so that nobody has counted more of them before
            recent = next((item for item in self._recent if item.depends_on == depends_on), None)
            # Nothing was retracted since, nor did an annotator drop out: only new responses are to be counted.
            start, counts = (recent.rows, recent.counts) if recent else (0, _no_counts(len(self.labels)))
            if start < len(rows):
                counts = counts + self._count(columns, rows[start:] if start else rows, key, excluded)
            others = [item for item in self._recent if item is not recent][: _RECENT - 1]
            self._recent = [_Recent(depends_on, len(rows), counts), *others]
        return counts

    def _count(self, columns: ResponseColumns, rows: ResponseView, key: Key, excluded: np.ndarray) -> VoteCounts:
        samples = len(self.labels)
        ids, labels, ticked, _ = self._votes(columns, rows, key, excluded)
        for_label = labels == self.labels[ids]
        if key == "tick":  # a tick says nothing about another label
            shown = _occurrences(ids[for_label], samples)
            return VoteCounts(shown, _occurrences(ids[for_label & ticked], samples), shown)
        votes = _occurrences(ids, samples)
        return VoteCounts(votes, _occurrences(ids[for_label], samples), np.where(self.labels >= 0, votes, 0))

    def _votes(
        self, columns: ResponseColumns, rows: ResponseView, key: Key, excluded: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Ids, class indices, ticks and annotators' numbers of the rows that are votes of a kind for what exists."""
        votes = rows[rows["standing"] & (rows["control"] == _NONE) & (rows["classify"] == (key == "k-way"))]
        if len(excluded):
            votes = votes[~np.isin(votes["annotator"], excluded)]
        ids, labels = self.ids(columns)[votes["path"]], self.class_numbers(columns)[votes["answer"]]
        exists = (ids >= 0) & (labels >= 0)
        return ids[exists], labels[exists], votes["selected"][exists] == 1, votes["annotator"][exists]

    def _by_class(self, ids: np.ndarray) -> np.ndarray:
        """Votes for each class, (n, K) int32."""
        counts = np.zeros((len(ids), len(self.classes)), np.int32)
        place = np.full(len(self.labels), -1)
        place[ids] = np.arange(len(ids))
        if (
            self.source.imported
            and (attached := self.dataset.votes(int(ids[0]) if len(ids) == 1 else None)) is not None
        ):
            row = place[attached["id"]]
            if (row >= 0).any():
                counts[row[row >= 0]] = np.stack(attached["counts"][row >= 0].to_list())
        columns = self.log.columns(self.dataset.name)
        excluded = left_out(columns, True, self.source.control_filter)
        collected, labels, _, _ = self._votes(columns, columns.rows, "k-way", excluded)
        row = place[collected]
        np.add.at(counts, (row[row >= 0], labels[row >= 0]), 1)
        return counts

    def _available(self, columns: ResponseColumns) -> dict[str, int]:
        available: dict[str, int] = {}
        for key in ("k-way", "tick", "simulated"):
            counts = self.collected(columns, key, left_out(columns, key == "k-way", None))
            number = int(counts.votes.sum())
            if key in self._imported:
                number += int(self._imported[key].votes.sum())
            if number:
                available[key] = number
        return available

    def _key(self, columns: ResponseColumns, chosen: SourceChoice) -> Key | None:
        available = self._available(columns)
        if chosen.key in available:
            return chosen.key  # type: ignore[return-value]
        human: list[Key] = [key for key in ("k-way", "tick") if key in available]
        if human:
            return max(human, key=lambda key: available[key])
        return "simulated" if available else None

    def _source(
        self,
        columns: ResponseColumns,
        key: Key | None,
        chosen: SourceChoice,
        collected: VoteCounts,
        excluded: np.ndarray,
    ) -> HsfSource:
        imported = int(self._imported[key].votes.sum()) if key in self._imported else 0
        rows = columns.rows
        annotators = rows["annotator"][rows["classify"] == (key == "k-way")] if key != "simulated" else []
        of_design = np.flatnonzero(np.bincount(annotators))
        counted = int(collected.votes.sum())
        return HsfSource(
            key,
            chosen.key,
            chosen.control_filter,
            imported,
            counted,
            len(np.setdiff1d(of_design, excluded)) if counted else 0,
            len(np.intersect1d(of_design, excluded)),
        )

    def _record(self, version: tuple[int, ...]) -> VotesRecord | None:
        source, attached = self.source, self._attached
        if source.key is None:
            return None
        if not source.collected:
            return attached
        app = f"{source.annotators:,} annotator{'' if source.annotators == 1 else 's'} in the app"
        imported = attached if source.imported else None
        content = f"{attached.fingerprint if attached else ''} {source} {version}"
        return VotesRecord(
            kind="k-way" if source.key == "k-way" else "tick",
            source=f"{imported.source} and {app}" if imported else app,
            total=int(self.counts.votes.sum()),
            samples=int((self.counts.votes > 0).sum()),
            fingerprint=blake2b(content.encode(), digest_size=32).hexdigest(),
            note=imported.note if imported else "",
            messages=imported.messages if imported else [],
        )


def _imported(dataset: DatasetFolder, labels: np.ndarray) -> dict[str, VoteCounts]:
    """The attached votes, by the key of their source; read in parts, since they have K counts a sample."""
    record = dataset.record.votes
    if record is None:
        return {}
    whole = VoteCounts(*(np.zeros(len(labels), np.int32) for _ in range(3)))
    for votes in dataset.votes_in_parts():
        ids = votes["id"].to_numpy()
        if "counts" in votes.schema.names:
            counts = count_matrix(votes["counts"])
            whole.hits[ids], whole.asked[ids] = hsf.selections(counts, labels[ids])
            whole.votes[ids] = counts.sum(axis=1)
        else:
            whole.hits[ids], whole.asked[ids] = hsf.ticks(votes["selected"], votes["shown"])
            whole.votes[ids] = whole.asked[ids]
    return {"simulated" if record.simulated else record.kind: whole}


def _occurrences(ids: np.ndarray, samples: int) -> np.ndarray:
    """How often each id occurs, (samples,) int32."""
    return np.bincount(ids, minlength=samples).astype(np.int32)


def _no_counts(samples: int) -> VoteCounts:
    """No vote for any sample, which takes no memory and cannot be written."""
    nothing = np.broadcast_to(np.int32(0), samples)
    return VoteCounts(nothing, nothing, nothing)
