"""Matches rows of a table with samples: by path, by the end of a path, by a unique file name, or by id.

A folder in a path says as much as a file name: `fish/1.png` is another image than `bird/1.png`. It is the same as
`/data/fish/1.png` and as `1.png` at the root of a dataset, since one path ends with the other.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.errors import CurateError
from avhcurate.people.files.sheet import CIFAR10_INDEX, ID_COLUMNS, VoteSheet
from avhcurate.workspace.disk.columns import is_text, listed, plain_values
from avhcurate.workspace.disk.formulas import plain_cells

#: How a row names its sample: by its path (or id), by a path of which one ends with the other, by file name.
EXACT, BY_END, BY_NAME = 0, 1, 2
#: No sample, or one of several; a name that no sample has.
_NONE, _UNKNOWN = -1, -2
#: Parts of a path that are looked at.
_DEEPEST = 100
#: Keys of `SampleNames`: paths as they are written, without what comes before them, and file names without ending.
_WRITTEN, _WHOLE, _STEM = -2, -1, 0


@dataclass(frozen=True)
class RowMatches:
    """The sample of each row, int64, -1 for none; the column that names most of them; how each does (`EXACT`, ...)."""

    column: str
    ids: np.ndarray
    rules: np.ndarray

    def count(self, rule: int) -> int:
        return int(((self.ids >= 0) & (self.rules == rule)).sum())

    def message(self) -> list[str]:
        """Return what the user should know of rows that do not name their sample by its whole path."""
        counts = {"the end of their path": self.count(BY_END), "file name alone": self.count(BY_NAME)}
        parts = [f"{number} match by {what}" for what, number in counts.items() if number]
        return [f"of {len(self.ids)} rows, {' and '.join(parts)}"] if parts else []


def match_samples(sheet: VoteSheet, paths: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Return the sample of each row of a sheet, int64, -1 for none, and messages about rows that do not match well."""
    if sheet.counts is not None and not sheet.samples:
        if len(sheet.counts) != len(paths):
            raise CurateError(
                f"The votes have {len(sheet.counts)} rows without names of samples, but the dataset has {len(paths)} "
                "samples. Give one row per sample, in order of id."
            )
        return np.arange(len(paths)), []
    found = match_rows(sheet.samples, paths)
    missing = np.flatnonzero(found.ids < 0)
    if not len(missing):
        return found.ids, found.message()
    examples = _examples(sheet.samples[found.column].take(missing[:1000]))
    left_out = (
        f"{len(missing)} of {len(found.ids)} rows match no sample and were left out "
        f"(column {found.column!r}: {examples})"
    )
    return found.ids, [left_out, *found.message()]


def match_rows(columns: dict[str, pa.ChunkedArray], paths: pa.ChunkedArray) -> RowMatches:
    """Match rows by columns that may name their sample, best first.

    Raises `CurateError` where no row matches. Paths go before numbers, since a column `id` may number the answers.
    Where there are paths and none is of this dataset, its ids are those of another one.
    """
    plain = {title: plain_values(column) for title, column in columns.items()}
    numbers = {title: column for title, column in plain.items() if not is_text(column.type)}
    # A sample may be called 7, but not where a column is one of ids.
    texts = {
        title: column
        for title, column in columns.items()
        if is_text(column.type) and not (title in numbers and title.casefold() in ID_COLUMNS)
    }
    if texts:
        found = _match_texts(texts, paths)
        if (found.ids >= 0).any():
            return found
    empty = pa.array(["", None], pa.string())
    names = [title for title in texts if title not in numbers and not pc.all(pc.is_in(texts[title], empty)).as_py()]
    for title, column in numbers.items():
        ids = _match_numbers(column, len(paths))
        if (ids >= 0).any() and (not names or title.casefold() == CIFAR10_INDEX):
            return RowMatches(title, ids, np.full(len(ids), EXACT))
    title = next(iter(names or columns))
    message = (
        f"No row names a sample of this dataset. Column {title!r} has {_examples(columns[title][:1000])}, a path of "
        f"the dataset is {paths[0].as_py()!r}. Give the path, a unique end of it, or the id."
    )
    if names and numbers:
        message += f" Leave {listed(names)} out if {listed(numbers)} names the samples."
    raise CurateError(message)


def _examples(column: pa.ChunkedArray) -> str:
    return listed(column.unique().to_pylist(), 3)


def _match_texts(texts: dict[str, pa.ChunkedArray], paths: pa.ChunkedArray) -> RowMatches:
    """Match by columns of text; a row whose first one names no sample may name one in the next."""
    names = SampleNames(paths)
    size = len(next(iter(texts.values())))
    ids, rules, foreign = np.full(size, _NONE), np.full(size, EXACT), np.zeros(size, bool)
    matched: dict[str, int] = {}
    for title, column in texts.items():
        found, how = names.match_by_rules(column)
        # A file name says nothing where the row has the path of another dataset's image.
        found[foreign & (how == BY_NAME)] = _NONE
        matched[title] = int((found >= 0).sum())
        new = (ids < 0) & (found >= 0)
        ids[new], rules[new] = found[new], how[new]
        foreign |= (found < 0) & _plain(column).str.contains("/", regex=False).fillna(False).to_numpy(bool)
    return RowMatches(max(matched, key=lambda title: matched[title]), ids, rules)


def _match_numbers(column: pa.ChunkedArray, samples: int) -> np.ndarray:
    """Return a column as ids, -1 where there is no such sample."""
    try:
        ids = column.cast(pa.int64()).fill_null(_NONE).to_numpy()
    except pa.ArrowException:  # fractions or dates
        return np.full(len(column), _NONE, np.int64)
    return np.where((ids >= 0) & (ids < samples), ids, _NONE)


class SampleNames:
    """Names of samples: their paths, ends of these, and file names without ending."""

    def __init__(self, paths: pa.ChunkedArray) -> None:
        self._written = pd.Series(paths.cast(pa.string()).to_pandas(), dtype="str")
        self._plain = _plain(paths)
        self._depths = _depth(self._plain)
        self._known: dict[int, tuple[pd.Index, np.ndarray]] = {}

    def match(self, column: pa.ChunkedArray) -> np.ndarray:
        """Return the id that each value means, -1 where it means none or may mean several."""
        return self.match_by_rules(column)[0]

    def match_by_rules(self, column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
        """Return the id that each value means, -1 where it means none or may mean several, and the rule.

        Numbers are not file names without ending, unless other values of the column are names. The apostrophe that
        our CSV files put before a formula is ignored.
        """
        stems = is_text(plain_values(column).type)
        rows, unique = pd.factorize(pd.Series(column.cast(pa.string()).to_pandas(), dtype="str").str.strip())
        texts = pd.Series(unique, dtype="str")
        plain = _plain(pa.chunked_array([pa.array(texts, pa.string())]))
        depths = _depth(plain)
        deepest = min(_DEEPEST, int(self._depths.max(initial=0)))
        ids = self._ids(_WRITTEN, texts)
        asked = ids == _UNKNOWN
        ids[asked] = self._ids(_WHOLE, plain[asked])
        exact = ids >= 0
        for depth in range(1, deepest + 1):  # a sample's path ends with the text
            asked = (ids == _UNKNOWN) & (depths == depth)
            ids[asked] = self._ids(depth, plain[asked])
        for depth in range(deepest, 0, -1):  # the text ends with a sample's path; the longest one decides
            asked = (ids == _UNKNOWN) & (depths > depth)
            ids[asked] = self._ids(_WHOLE, _end(plain[asked], depth))
        if stems:
            asked = (ids == _UNKNOWN) & (depths == 1) & ~plain.str.contains(".", regex=False).to_numpy(bool)
            ids[asked] = self._ids(_STEM, plain[asked])
        rules = np.select([exact, depths > 1], [EXACT, BY_END], BY_NAME)
        ids = np.maximum(ids, _NONE)
        return np.append(ids, _NONE)[rows], np.append(rules, EXACT)[rows]

    def _ids(self, key: int, texts: pd.Series) -> np.ndarray:
        """Return the sample that has each text as its name of a kind: -1 where several do, -2 where none does."""
        if texts.empty:
            return np.empty(0, np.int64)
        if key not in self._known:
            names = self._names(key)
            ids = np.where(names.duplicated(keep=False), _NONE, names.index)
            first = ~names.duplicated().to_numpy()
            self._known[key] = pd.Index(names[first]), ids[first]
        known, ids = self._known[key]
        return np.append(ids, _UNKNOWN)[known.get_indexer(pd.Index(texts))]

    def _names(self, key: int) -> pd.Series:
        if key == _WRITTEN:
            return self._written
        if key == _WHOLE:
            return self._plain
        if key == _STEM:
            return _end(self._plain, 1).str.replace(r"\.[^.]*$", "", regex=True)
        return _end(self._plain[self._depths >= key], key)


def _plain(paths: pa.ChunkedArray) -> pd.Series:
    """Return paths with slashes only, and none before them."""
    texts = plain_cells(pc.utf8_trim_whitespace(paths.cast(pa.string())))
    texts = pc.replace_substring_regex(pc.replace_substring(texts, "\\", "/"), r"^(\./|/)+", "")
    return pd.Series(texts.to_pandas(), dtype="str")


def _depth(paths: pd.Series) -> np.ndarray:
    """Return the number of parts of each path."""
    return paths.str.count("/").fillna(0).to_numpy(np.int64) + 1


def _end(paths: pd.Series, depth: int) -> pd.Series:
    """Return the last parts of each path, so many of them."""
    return paths.str.replace(rf"(?s)^.*/((?:[^/]*/){{{depth - 1}}}[^/]*)$", r"\1", regex=True)
