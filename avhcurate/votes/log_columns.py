"""The response log in memory, column by column, so that votes are counted in milliseconds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

import numpy as np
import pandas as pd

from avhcurate.votes.grids import CONTROLS

_FIELDS = {
    **{"id": np.int64, "at": np.float64, "classify": np.bool_, "standing": np.bool_},
    **dict.fromkeys(("annotator", "path", "answer", "expected", "reaction_ms", "place"), np.int32),
    **dict.fromkeys(("selected", "control"), np.int8),
}


class ResponseView:
    """Some rows of the log: `rows["answer"]` is a column of them, `rows[mask]` fewer of them.

    Each column lies in memory by itself, and only those that are asked for are read.
    """

    def __init__(self, columns: Mapping[str, np.ndarray], size: int, chosen: np.ndarray | None = None) -> None:
        self._columns, self._size, self._chosen = columns, size, chosen

    def __len__(self) -> int:
        return self._size if self._chosen is None else len(self._chosen)

    @overload
    def __getitem__(self, which: str) -> np.ndarray: ...

    @overload
    def __getitem__(self, which: np.ndarray | slice) -> "ResponseView": ...

    def __getitem__(self, which: str | np.ndarray | slice) -> "np.ndarray | ResponseView":
        if isinstance(which, str):
            column = self._columns[which][: self._size]
            return column if self._chosen is None else column[self._chosen]
        if isinstance(which, slice):
            which = np.arange(len(self))[which]
        elif which.dtype == np.bool_:
            which = np.flatnonzero(which)
        return ResponseView(self._columns, self._size, which if self._chosen is None else self._chosen[which])


class Vocabulary:
    """Numbers of texts, in order of first appearance.

    >>> words = Vocabulary()
    >>> words.numbers(["b", "a", "b"]).tolist(), words.texts
    ([0, 1, 0], ['b', 'a'])
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of a text; -1 where it has none."""
        return self._numbers.get(text, -1)

    def numbers(self, texts: Iterable[str | None]) -> np.ndarray:
        """Numbers of texts, new ones where needed, -1 for None: (n,) int32."""
        codes, unique = pd.factorize(np.array(list(texts), object))
        for text in unique:
            if text not in self._numbers:
                self._numbers[text] = len(self.texts)
                self.texts.append(text)
        return np.array([*(self._numbers[text] for text in unique), -1], np.int32)[codes]


class ResponseColumns:
    """Every response of one dataset, in order of the log; names are numbers in it.

    Columns of `rows`: id; classify (else select); annotator, path, answer, expected: numbers of `annotators`, `paths`,
    `classes` (expected -1 for none); selected: 1, 0, -1 for classify; control: index of CONTROLS; reaction_ms, at;
    place within its task; standing: not retracted. `statuses`: the newest (action, why, who) on each annotator;
    `choices`: the newest value of each kind, `chosen_at`: its time.
    """

    COLUMNS = (
        *("id", "design", "annotator", "path", "answer", "selected", "control", "expected", "reaction_ms", "place"),
        "at",
    )

    def __init__(self) -> None:
        self.annotators, self.paths, self.classes = Vocabulary(), Vocabulary(), Vocabulary()
        self.statuses: dict[str, tuple[str, str, str]] = {}
        self.choices: dict[str, str] = {}
        self.chosen_at: dict[str, float] = {}
        self.version: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
        self._columns: dict[str, np.ndarray] = {name: np.empty(0, kind) for name, kind in _FIELDS.items()}
        self._size = 0

    @property
    def rows(self) -> ResponseView:
        """The responses, oldest first, as they are now: later ones do not join what was read."""
        return ResponseView(self._columns, self._size)

    def append(self, rows: Sequence[Any]) -> None:
        """Adds rows of `COLUMNS`, whose ids are higher than those of earlier rows."""
        if not rows:
            return
        new = dict(zip(self.COLUMNS, zip(*rows, strict=True), strict=True))
        controls = {name: number for number, name in enumerate(CONTROLS)}
        values: dict[str, Any] = {name: new[name] for name in ("id", "reaction_ms", "place", "at")}
        values["classify"] = [name == "classify" for name in new["design"]]
        values["selected"] = [-1 if tick is None else tick for tick in new["selected"]]
        values["control"] = [controls[name] for name in new["control"]]
        values["annotator"], values["path"] = self.annotators.numbers(new["annotator"]), self.paths.numbers(new["path"])
        values["answer"] = self.classes.numbers(new["answer"])
        values["expected"] = self.classes.numbers(new["expected"])
        self._reserve(self._size + len(rows))
        end = self._size + len(rows)
        for name, column in self._columns.items():
            column[self._size : end] = values.get(name, True)
        self._size = end

    def retract(self, ids: Sequence[int]) -> None:
        """Marks responses as retracted."""
        places = np.searchsorted(self.rows["id"], ids)
        # A copy, so that a reader's view does not change.
        self._columns = self._columns | {"standing": self._columns["standing"].copy()}
        self._columns["standing"][places] = False

    def _reserve(self, size: int) -> None:
        room = len(self._columns["id"])
        if size > room:
            grown: dict[str, np.ndarray] = {name: np.empty(max(size, 2 * room), kind) for name, kind in _FIELDS.items()}
            for name, column in grown.items():
                column[: self._size] = self._columns[name][: self._size]
            self._columns = grown
