"""What HSF is made of: imported votes and those collected in the app, of one way of asking, counted together."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np
import pandas as pd

from avhcurate.curation import bins, hsf
from avhcurate.curation.annotators import ExclusionRule
from avhcurate.curation.tasks import CONTROLS
from avhcurate.storage.ballots import BallotBox
from avhcurate.storage.datasets import DatasetFolder, VotesRecord, count_matrix
from avhcurate.storage.ledger import Ledger, Rows

Key = Literal["k-way", "tick", "simulated"]
#: What HSF can be made of. The first two are different measures, and are never added up.
SOURCES = {
    "auto": "whichever has more human votes; simulated ones where there are none",
    "k-way": "votes for one of the classes (which class is this?)",
    "tick": "ticks for the given label (does this belong to the class?)",
    "simulated": "votes of the simulated panel",
}
#: Counts that are remembered: two ways of asking, with and without the annotators that a rule leaves out.
_RECENT = 4
_NONE, _POSITIVE, _NEGATIVE, _ATTENTION = (
    CONTROLS.index(name) for name in ("none", "positive", "negative", "attention")
)


@dataclass(frozen=True)
class Source:
    """What HSF is made of at the moment, of what was `chosen` (a key of SOURCES); `key` None without any votes.

    imported, collected: votes of either origin. annotators: those whose collected votes count; left_out: those whose
    do not. control_filter: least share of right answers to controls, None for no limit.
    """

    key: Key | None
    chosen: str
    control_filter: float | None
    imported: int
    collected: int
    annotators: int
    left_out: int

    @property
    def text(self) -> str:
        """One sentence for people.

        >>> Source("tick", "auto", None, 0, 120, 2, 1).text
        'HSF comes from 120 ticks that 2 annotators gave in the app; 1 annotator is left out.'
        """
        if self.key is None:
            return "There are no votes yet."
        if self.key == "simulated":
            return f"HSF comes from {_number(self.imported, 'simulated vote')}, not from people."
        what = "tick" if self.key == "tick" else "vote"
        parts = [_number(self.imported, f"imported {what}")] if self.imported else []
        if self.collected:
            parts.append(
                f"{_number(self.collected, what)} that {_number(self.annotators, 'annotator')} gave in the app"
            )
        out = f"; {_number(self.left_out, 'annotator')} {'is' if self.left_out == 1 else 'are'} left out"
        return f"HSF comes from {' and '.join(parts)}{out if self.left_out else ''}."


@dataclass(frozen=True)
class Counts:
    """Votes of each sample, by id: `votes` (N,), and among them those for the given label, `hits` of `asked` (N,).

    `asked` is 0 where a sample has no label, so that its votes say nothing about it.
    """

    votes: np.ndarray
    hits: np.ndarray
    asked: np.ndarray

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.votes + other.votes, self.hits + other.hits, self.asked + other.asked)


@dataclass(frozen=True)
class _Recent:
    """What the first so many rows of a ledger were counted to, and what else that depends on."""

    made_of: tuple[Ledger, int, Key, bytes]
    rows: int
    counts: Counts


class Tally:
    """Counts the votes of a dataset as it was when this was made; `update` takes over ballots cast since.

    `record`: what is known of the votes in use, None without any; `source`: where they come from.
    """

    def __init__(self, dataset: DatasetFolder, box: BallotBox) -> None:
        self.dataset, self.box = dataset, box
        record = dataset.record
        self.classes, self.labels = record.classes, dataset.labels()
        self._attached = record.votes
        self._imported = _imported(dataset, self.labels)
        self._places: tuple[Ledger | None, np.ndarray] = (None, np.empty(0, np.int64))
        self._paths: pd.Index | None = None
        self._recent: list[_Recent] = []
        self._busy = threading.Lock()
        self._version: tuple[int, ...] | None = None
        nothing = np.zeros(len(self.labels), np.int64)
        self.counts = Counts(nothing, nothing, nothing)
        self.record: VotesRecord | None = None
        self.source = Source(None, "auto", None, 0, 0, 0, 0)
        self.update()

    def update(self) -> np.ndarray:
        """Counts again where ballots, rulings or choices are new; the ids whose counts changed."""
        ledger = self.box.ledger(self.dataset.name)
        if ledger.version == self._version:
            return np.empty(0, np.int64)
        version, before = ledger.version, self.counts
        chosen = choice(ledger)
        key = self._key(ledger, chosen)
        out = left_out(ledger, key == "k-way", chosen.control_filter)
        collected = self.collected(ledger, key, out)
        self.counts = collected + (self._imported[key] if key in self._imported else _no_counts(len(self.labels)))
        self.source = self._source(ledger, key, chosen, collected, out)
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
        """Votes by what HSF could be made of, all annotators who are not excluded by hand counted."""
        return self._available(self.box.ledger(self.dataset.name))

    def votes(self, id: int | None = None) -> pd.DataFrame | None:
        """The votes in use, by id, or those of one sample: as `DatasetFolder.votes`, collected ones included."""
        key = self.source.key
        if key is None:
            return None
        if not self.source.collected:
            return self.dataset.votes(id)
        ids = np.flatnonzero(self.counts.votes) if id is None else np.array([id][: int(self.counts.votes[id] > 0)])
        if key == "tick":
            return pd.DataFrame({"id": ids, "selected": self.counts.hits[ids], "shown": self.counts.asked[ids]})
        counts = self._by_class(ids)
        some = counts.any(axis=1)
        return pd.DataFrame({"id": ids[some], "counts": list(counts[some])})

    def places(self, ledger: Ledger) -> np.ndarray:
        """The id of each path of a ledger, -1 where the dataset has no such sample any more."""
        known, ids = self._places
        texts = ledger.paths.texts
        if known is not ledger:
            ids = np.empty(0, np.int64)
        if len(ids) < len(texts):
            if self._paths is None:
                self._paths = pd.Index(self.dataset.samples(["path"])["path"])
            ids = np.concatenate([ids, self._paths.get_indexer(pd.Index(texts[len(ids) :], dtype="str"))])
            self._places = (ledger, ids)
        return ids

    def class_numbers(self, ledger: Ledger) -> np.ndarray:
        """The class index of each class name of a ledger, -1 where the dataset has no such class any more."""
        index = {name: number for number, name in enumerate(self.classes)}
        return np.array([index.get(name, -1) for name in ledger.classes.texts], np.int64)

    def collected(self, ledger: Ledger, key: Key | None, out: np.ndarray) -> Counts:
        """Standing votes in the ledger of one way of asking, without the annotators whose numbers are in `out`."""
        if key not in ("k-way", "tick"):
            return _no_counts(len(self.labels))
        made_of = (ledger, ledger.version[1], key, out.tobytes())
        with self._busy:
            rows = ledger.rows  # read here, so that nobody has counted more of them before
            known = next((item for item in self._recent if item.made_of == made_of), None)
            # Nothing was taken back since, nor did somebody else drop out: only new ballots are to be counted.
            start, counts = (known.rows, known.counts) if known else (0, _no_counts(len(self.labels)))
            if start < len(rows):
                counts = counts + self._count(ledger, rows[start:] if start else rows, key, out)
            others = [item for item in self._recent if item is not known][: _RECENT - 1]
            self._recent = [_Recent(made_of, len(rows), counts), *others]
        return counts

    def _count(self, ledger: Ledger, rows: Rows, key: Key, out: np.ndarray) -> Counts:
        samples = len(self.labels)
        rows = _counting(rows, key, out)
        ids, labels = self.places(ledger)[rows["path"]], self.class_numbers(ledger)[rows["answer"]]
        known = (ids >= 0) & (labels >= 0)
        own = known & (labels == self.labels[ids])
        if key == "tick":  # a tick says nothing about another label
            shown = np.bincount(ids[own], minlength=samples)
            return Counts(shown, np.bincount(ids[own & (rows["selected"] == 1)], minlength=samples), shown)
        votes = np.bincount(ids[known], minlength=samples)
        return Counts(votes, np.bincount(ids[own], minlength=samples), np.where(self.labels >= 0, votes, 0))

    def _by_class(self, ids: np.ndarray) -> np.ndarray:
        """Votes for each class, (n, K) int32."""
        counts = np.zeros((len(ids), len(self.classes)), np.int32)
        place = np.full(len(self.labels), -1)
        place[ids] = np.arange(len(ids))
        if (
            self.source.imported
            and (attached := self.dataset.votes(int(ids[0]) if len(ids) == 1 else None)) is not None
        ):
            here = place[attached["id"]]
            if (here >= 0).any():
                counts[here[here >= 0]] = np.stack(attached["counts"][here >= 0].to_list())
        ledger = self.box.ledger(self.dataset.name)
        rows = _counting(ledger.rows, "k-way", left_out(ledger, True, self.source.control_filter))
        where, labels = self.places(ledger)[rows["path"]], self.class_numbers(ledger)[rows["answer"]]
        known = (where >= 0) & (labels >= 0)
        here, labels = place[where[known]], labels[known]
        np.add.at(counts, (here[here >= 0], labels[here >= 0]), 1)
        return counts

    def _available(self, ledger: Ledger) -> dict[str, int]:
        found: dict[str, int] = {}
        for key in ("k-way", "tick", "simulated"):
            counts = self.collected(ledger, key, left_out(ledger, key == "k-way", None))
            number = int(counts.votes.sum())
            if key in self._imported:
                number += int(self._imported[key].votes.sum())
            if number:
                found[key] = number
        return found

    def _key(self, ledger: Ledger, chosen: "Choice") -> Key | None:
        available = self._available(ledger)
        if chosen.key in available:
            return chosen.key  # type: ignore[return-value]
        human: list[Key] = [key for key in ("k-way", "tick") if key in available]
        if human:
            return max(human, key=lambda key: available[key])
        return "simulated" if available else None

    def _source(self, ledger: Ledger, key: Key | None, chosen: "Choice", collected: Counts, out: np.ndarray) -> Source:
        imported = int(self._imported[key].votes.sum()) if key in self._imported else 0
        rows = ledger.rows
        annotators = rows["annotator"][rows["classify"] == (key == "k-way")] if key != "simulated" else []
        of_design = np.flatnonzero(np.bincount(annotators))
        counted = int(collected.votes.sum())
        return Source(
            key,
            chosen.key,
            chosen.control_filter,
            imported,
            counted,
            len(np.setdiff1d(of_design, out)) if counted else 0,
            len(np.intersect1d(of_design, out)),
        )

    def _record(self, version: tuple[int, ...]) -> VotesRecord | None:
        source, attached = self.source, self._attached
        if source.key is None:
            return None
        if not source.collected:
            return attached
        here = f"{_number(source.annotators, 'annotator')} in the app"
        with_imported = attached is not None and source.imported
        content = b"".join(array.tobytes() for array in (self.counts.votes, self.counts.hits, self.counts.asked))
        return VotesRecord(
            kind="k-way" if source.key == "k-way" else "tick",
            source=f"{attached.source} and {here}" if attached is not None and with_imported else here,
            total=int(self.counts.votes.sum()),
            samples=int((self.counts.votes > 0).sum()),
            fingerprint=blake2b(content + repr(version).encode(), digest_size=32).hexdigest(),
            note=attached.note if attached is not None and with_imported else "",
            messages=attached.messages if attached is not None and with_imported else [],
        )


@dataclass(frozen=True)
class Choice:
    """What HSF is to be made of: a key of SOURCES, and the least control accuracy of an annotator who counts."""

    key: str = "auto"
    control_filter: float | None = None


#: Under which the choice stands in the log.
CHOICE = "source"


def choice(ledger: Ledger) -> Choice:
    """The choice that stands."""
    key, _, limit = ledger.choices.get(CHOICE, "auto ").partition(" ")
    return Choice(key, float(limit) if limit else None)


def written(choice: Choice) -> str:
    """A choice as it stands in the log.

    >>> written(Choice("tick", 0.7))
    'tick 0.7'
    """
    return f"{choice.key} {'' if choice.control_filter is None else repr(float(choice.control_filter))}"


def left_out(ledger: Ledger, classify: bool, control_filter: float | None) -> np.ndarray:
    """Numbers of the annotators whose answers do not count: excluded by hand, or below the control accuracy.

    Who was included by hand counts whatever the rule says.
    """
    names = ledger.annotators.texts
    ruled = {name: action for name, (action, _, _) in ledger.rulings.items()}
    out = np.array([ruled.get(name) == "exclude" for name in names], bool)
    if control_filter is not None:
        right, controls = control_hits(ledger, classify)
        judged = controls >= max(1, ExclusionRule().least_controls)
        kept = np.array([ruled.get(name) == "include" for name in names], bool)
        out |= judged & (right < control_filter * controls) & ~kept
    return np.flatnonzero(out)


def control_hits(ledger: Ledger, classify: bool) -> tuple[np.ndarray, np.ndarray]:
    """Right answers to controls, and controls, of each annotator in one design: (annotators,) each."""
    rows = ledger.rows
    rows = rows[rows["standing"] & (rows["classify"] == classify) & (rows["control"] != _NONE)]
    control = rows["control"]
    right = np.select(
        [control == _POSITIVE, control == _NEGATIVE, control == _ATTENTION],
        [rows["selected"] == 1, rows["selected"] == 0, rows["answer"] == rows["expected"]],
        False,
    )
    judged = np.isin(control, (_POSITIVE, _NEGATIVE)) | ((control == _ATTENTION) & (rows["expected"] >= 0))
    number = len(ledger.annotators.texts)
    of = rows["annotator"]
    return np.bincount(of[right & judged], minlength=number), np.bincount(of[judged], minlength=number)


def _counting(rows: Rows, key: Key, out: np.ndarray) -> Rows:
    """The rows that are votes of one way of asking by annotators who count."""
    counts = rows["standing"] & (rows["control"] == _NONE) & (rows["classify"] == (key == "k-way"))
    return rows[counts & ~np.isin(rows["annotator"], out)] if len(out) else rows[counts]


def _imported(dataset: DatasetFolder, labels: np.ndarray) -> dict[str, Counts]:
    """The attached votes, under what HSF made of them would be."""
    record, votes = dataset.record.votes, dataset.votes_table()
    if record is None or votes is None:
        return {}
    ids = votes["id"].to_numpy()
    whole = _no_counts(len(labels))
    if "counts" in votes.column_names:
        counts = count_matrix(votes["counts"])
        whole.hits[ids], whole.asked[ids] = hsf.selections(counts, labels[ids])
        whole.votes[ids] = counts.sum(axis=1)
    else:
        whole.hits[ids], whole.asked[ids] = hsf.ticks(votes["selected"], votes["shown"])
        whole.votes[ids] = whole.asked[ids]
    return {"simulated" if record.simulated else record.kind: whole}


def _no_counts(samples: int) -> Counts:
    return Counts(*(np.zeros(samples, np.int64) for _ in range(3)))


def _number(number: int, what: str) -> str:
    """A count and its noun.

    >>> _number(1, "vote"), _number(2000, "vote")
    ('1 vote', '2,000 votes')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"
