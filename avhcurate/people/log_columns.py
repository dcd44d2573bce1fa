"""The response log in memory, as one array of rows, so that votes are counted in milliseconds."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.people.grids import CONTROLS

_ROW = np.dtype(
    [
        ("id", "int64"),
        ("at", "float64"),
        *((name, "int32") for name in ("annotator", "path", "answer", "expected", "reaction_ms", "place")),
        ("selected", "int8"),
        ("control", "int8"),
        ("classify", "bool"),
        ("standing", "bool"),
    ]
)


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
        """Return the number of a text; -1 where it has none."""
        return self._numbers.get(text, -1)

    def numbers(self, texts: Iterable[str | None]) -> np.ndarray:
        """Return the numbers of texts, new ones where needed, -1 for None: (n,) int32."""
        codes, unique = pd.factorize(np.array(list(texts), object))
        for text in unique:
            if text not in self._numbers:
                self._numbers[text] = len(self.texts)
                self.texts.append(text)
        return np.array([*(self._numbers[text] for text in unique), -1], np.int32)[codes]


class ResponseColumns:
    """Every response of one dataset, in order of the log; names are numbers in it.

    Fields of `rows`: id; classify (else select); annotator, path, answer, expected: numbers of `annotators`, `paths`,
    `classes` (expected -1 for none); selected: 1, 0, -1 for classify; control: index of CONTROLS; reaction_ms, at;
    place within its task; standing: not retracted. `statuses`: the newest (action, why, who) on each annotator;
    `choices`: the newest value of each kind.
    """

    COLUMNS = (
        *("id", "design", "annotator", "path", "answer", "selected", "control", "expected", "reaction_ms", "place"),
        "at",
    )

    def __init__(self) -> None:
        self.annotators = Vocabulary()
        self.paths = Vocabulary()
        self.classes = Vocabulary()
        self.statuses: dict[str, tuple[str, str, str]] = {}
        self.choices: dict[str, str] = {}
        self.version: tuple[int, ...] = (0,) * 5
        self._rows = np.empty(0, _ROW)
        self._size = 0

    @property
    def rows(self) -> np.ndarray:
        """The responses, oldest first, as they are now: later ones do not join what was read."""
        return self._rows[: self._size]

    def of_design(self, design: str, start: int = 0) -> np.ndarray:
        """Return a mask of the rows of a design, `classify` or `select`, from the row `start` on."""
        if not design:
            return np.zeros(self._size - start, bool)
        return self.rows["classify"][start:] == (design == "classify")

    def votes(self, design: str, start: int = 0) -> np.ndarray:
        """Return the rows that are standing votes of a design, from the row `start` on."""
        rows = self.rows[start:]
        return rows[rows["standing"] & (rows["control"] == 0) & self.of_design(design, start)]

    def append(self, rows: Sequence[Any]) -> None:
        """Add rows of `COLUMNS`, whose ids are higher than those of earlier rows."""
        if not rows:
            return
        values: dict[str, Any] = dict(zip(self.COLUMNS, zip(*rows, strict=True), strict=True))
        values["classify"] = [design == "classify" for design in values.pop("design")]
        values["selected"] = pd.array(values["selected"], "Int8").fillna(-1)
        values["control"] = [CONTROLS.index(name) for name in values["control"]]
        texts = {"annotator": self.annotators, "path": self.paths, "answer": self.classes, "expected": self.classes}
        for name, vocabulary in texts.items():
            values[name] = vocabulary.numbers(values[name])
        values["standing"] = True
        end = self._size + len(rows)
        if end > len(self._rows):
            grown = np.empty(max(end, 2 * len(self._rows)), _ROW)
            grown[: self._size] = self.rows
            self._rows = grown
        for name, column in values.items():
            self._rows[name][self._size : end] = column
        self._size = end

    def retract(self, ids: Sequence[int]) -> None:
        """Mark responses as retracted, in a copy, so that what a reader has does not change."""
        self._rows = self._rows.copy()
        self._rows["standing"][np.searchsorted(self.rows["id"], ids)] = False
