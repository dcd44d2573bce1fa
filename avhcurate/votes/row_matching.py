"""Matches rows of a table with samples: by path, by the end of a path, by a unique file name, or by id.

A folder in a path says as much as a file name: `fish/1.png` is another image than `bird/1.png`. It is the same as
`/data/fish/1.png` and as `1.png` at the root of a dataset, where one path ends as the other is.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.disk.columns import is_text, listed, plain_values
from avhcurate.disk.formulas import plain_cells
from avhcurate.errors import CurateError
from avhcurate.votes.files import VoteSheet
from avhcurate.votes.files.sheet import CIFAR10_INDEX, ID_COLUMNS

#: How a row names its sample: by its path (or id), by a path that ends as the sample's or the other way, by file name.
EXACT, BY_END, BY_NAME = 0, 1, 2
#: No sample, or one of several; a name that no sample has.
_NONE, _UNKNOWN = -1, -2
#: In place of a number of parts of a path: all of them, or the file name without its ending.
_WHOLE, _STEM = 0, -1
#: Parts of a path that are looked at.
_DEEPEST = 100


@dataclass(frozen=True)
class RowMatches:
    """The sample of each row, int64, -1 where it names none, in which column most name one, and how (`EXACT`, ...)."""

    column: str
    ids: np.ndarray
    rules: np.ndarray

    def count(self, rule: int) -> int:
        return int(((self.ids >= 0) & (self.rules == rule)).sum())

    def message(self) -> list[str]:
        """What the user should know of rows that do not name their sample by its whole path."""
        counts = {"the end of their path": self.count(BY_END), "file name alone": self.count(BY_NAME)}
        parts = [f"{number} match by {what}" for what, number in counts.items() if number]
        return [f"of {len(self.ids)} rows, {' and '.join(parts)}"] if parts else []


def match_samples(sheet: VoteSheet, paths: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """The sample of each row, int64, -1 where it names none; messages when some do not, or not by its whole path."""
    if sheet.counts is not None and not sheet.samples:
        if len(sheet.counts) != len(paths):
            raise CurateError(
                f"the votes have {len(sheet.counts)} rows and name no samples, but the dataset has {len(paths)}: "
                "give a row for each sample, in order of id"
            )
        return np.arange(len(paths)), []
    found = match_rows(sheet.samples, paths)
    missing = np.flatnonzero(found.ids < 0)
    if not len(missing):
        return found.ids, found.message()
    left_out = (
        f"{len(missing)} of {len(found.ids)} rows name no sample and were left out (column {found.column!r}: "
        f"{_examples(sheet.samples[found.column], missing)})"
    )
    return found.ids, [left_out, *found.message()]


def match_rows(columns: dict[str, pa.ChunkedArray], paths: pa.ChunkedArray) -> RowMatches:
    """The sample of each row by columns that may name it, best first; `CurateError` where no row names one.

    Paths go before numbers, since a column `id` may well number the answers. Where paths are given and none is of this
    dataset, its ids are those of another.
    """
    plain = {title: plain_values(column) for title, column in columns.items()}
    numbers = {title: column for title, column in plain.items() if not is_text(column.type)}
    # A sample may be called 7, but not where a column is one of ids.
    texts = {
        title: pc.utf8_trim_whitespace(column.cast(pa.string()))
        for title, column in columns.items()
        if is_text(column.type) and not (title in numbers and title.casefold() in ID_COLUMNS)
    }
    found = _match_texts(texts, paths) if texts else None
    if found is not None and (found.ids >= 0).any():
        return found
    names = [title for title in texts if title not in numbers and _has_values(texts[title])]
    for title, column in numbers.items():
        ids = _match_numbers(column, len(paths))
        if (ids >= 0).any() and (not names or title.casefold() == CIFAR10_INDEX):
            return RowMatches(title, ids, np.full(len(ids), EXACT))
    title = next(iter(names or columns))
    more = f"; leave {listed(names)} out where samples are meant by {listed(numbers)}" if names and numbers else ""
    raise CurateError(
        f"no row names a sample of this dataset: column {title!r} says {_examples(columns[title])}, a sample is called "
        f"{paths[0].as_py()!r}: give the path, as much of its end as no other has, or the id{more}"
    )


def _examples(column: pa.ChunkedArray, rows: np.ndarray | None = None) -> str:
    rows = np.arange(min(1000, len(column))) if rows is None else rows[:1000]
    return listed(column.take(rows).unique().to_pylist(), 3)


def _has_values(texts: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.not_equal(texts, "")).as_py())


def _match_texts(texts: dict[str, pa.ChunkedArray], paths: pa.ChunkedArray) -> RowMatches:
    """Matches by columns of text: a row whose first one names no sample may name one in the next."""
    names = SampleNames(paths)
    best, most = next(iter(texts)), 0
    size = len(texts[best])
    ids, rules, elsewhere = np.full(size, _NONE), np.full(size, EXACT), pa.nulls(size, pa.string())
    for title, column in texts.items():
        found, how = names.match_by_rules(column)
        # The file name of a path that this dataset has not says no more than that path.
        again = pc.or_(pc.equal(column, elsewhere), pc.equal(column, _stem(elsewhere)))
        found[pc.fill_null(again, False).to_numpy() & (how == BY_NAME)] = _NONE
        best, most = max((best, most), (title, int((found >= 0).sum())), key=lambda one: one[1])
        new = (ids < 0) & (found >= 0)
        ids[new], rules[new] = found[new], how[new]
        if len(texts) > 1:
            foreign = pc.and_(pc.greater(_depth(_plain(column)), 1), pa.array(found < 0))
            elsewhere = pc.if_else(pc.fill_null(foreign, False), _end(_plain(column), 1), elsewhere)
    return RowMatches(best, ids, rules)


def _match_numbers(column: pa.ChunkedArray, samples: int) -> np.ndarray:
    """Column of ids, -1 where there is no such sample."""
    try:
        ids = column.cast(pa.int64()).fill_null(_NONE).to_numpy()
    except pa.ArrowException:  # fractions, dates: no ids
        return np.full(len(column), _NONE, np.int64)
    return np.where((ids >= 0) & (ids < samples), ids, _NONE)


class SampleNames:
    """What samples are called: their paths, ends of these, and file names without ending."""

    def __init__(self, paths: pa.ChunkedArray) -> None:
        self.paths = paths.cast(pa.string()).combine_chunks()
        self._ends: dict[int, tuple[pa.Array, np.ndarray]] = {}

    @cached_property
    def plain(self) -> pa.Array:
        return _plain(self.paths)

    @cached_property
    def depths(self) -> pa.Array:
        return _depth(self.plain)

    def match(self, column: pa.ChunkedArray) -> np.ndarray:
        """The id that each value means, -1 where it means none or may mean several."""
        return self.match_by_rules(column)[0]

    def match_by_rules(self, column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
        """The id that each value means, -1 where it means none or may mean several, and how it says so.

        Bare numbers are no names without ending, unless others of the column are names. A text that a CSV of ours
        keeps from being a formula is meant as it was.
        """
        rows, values = pd.factorize(pc.utf8_trim_whitespace(column.cast(pa.string())).to_pandas())
        texts = pa.array(values, pa.string())
        ids = pc.index_in(texts, value_set=self.paths).fill_null(_NONE).to_numpy().astype(np.int64)
        rules = np.full(len(ids), EXACT)
        stems = is_text(plain_values(column).type)
        plain = plain_cells(texts)
        safe = pc.not_equal(plain, texts).to_numpy(zero_copy_only=False)
        for spelled, asked in ((texts, ids < 0), (plain, safe)):
            rows_asked = np.flatnonzero(asked & (ids < 0))
            if len(rows_asked):
                ids[rows_asked], rules[rows_asked] = self._match(spelled.take(rows_asked), stems)
        return np.append(ids, _NONE)[rows], np.append(rules, EXACT)[rows]

    def _match(self, texts: pa.Array, stems: bool) -> tuple[np.ndarray, np.ndarray]:
        """By the path; else by the one sample whose path ends so; else by the longest path that ends the text."""
        plain = _plain(texts)
        depths = _depth(plain).to_numpy()
        deepest = min(_DEEPEST, pc.max(self.depths).as_py() or 0)
        ids = self._of_end(plain, _WHOLE)
        exact = ids >= 0
        for depth in np.unique(depths[(ids == _UNKNOWN) & (depths <= deepest)]):
            asked = (ids == _UNKNOWN) & (depths == depth)
            ids[asked] = self._of_end(plain.filter(asked), int(depth))
        for depth in range(min(deepest, max(depths, default=0) - 1), 0, -1):
            asked = (ids == _UNKNOWN) & (depths > depth)
            ids[asked] = self._of_end(_end(plain.filter(asked), depth), _WHOLE)
        if stems:
            asked = (ids == _UNKNOWN) & (depths == 1) & pc.invert(pc.match_substring(plain, ".")).to_numpy(False)
            ids[asked] = self._of_end(plain.filter(asked), _STEM)
        rules = np.where(exact, EXACT, np.where(depths > 1, BY_END, BY_NAME))
        return np.where(ids >= 0, ids, _NONE), rules

    def _of_end(self, texts: pa.Array, depth: int) -> np.ndarray:
        """The sample whose path ends with each text, of so many parts: -1 where several do, -2 where none does."""
        if not len(texts):
            return np.empty(0, np.int64)
        if depth not in self._ends:
            self._ends[depth] = _grouped(self._names(depth))
        names, ids = self._ends[depth]
        place = pc.index_in(texts, value_set=names).fill_null(-1).to_numpy()
        return np.append(ids, _UNKNOWN)[place]

    def _names(self, depth: int) -> pa.Array:
        if depth == _WHOLE:
            return self.plain
        if depth == _STEM:
            return _stem(_end(self.plain, 1))
        return pc.if_else(pc.greater_equal(self.depths, depth), _end(self.plain, depth), pa.scalar(None, pa.string()))


def _grouped(names: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Each name, and the id of the sample that has it, -1 where several have."""
    grouped = pa.table({"name": names, "id": np.arange(len(names))}).filter(pc.is_valid(names)).group_by("name")
    grouped = grouped.aggregate([("id", "min"), ("id", "count")])
    ids = np.where(grouped["id_count"].to_numpy() == 1, grouped["id_min"].to_numpy(), _NONE)
    return grouped["name"].combine_chunks(), ids


def _plain(paths: pa.Array) -> pa.Array:
    """Paths with slashes only, and none before them."""
    return pc.replace_substring_regex(pc.replace_substring(paths, "\\", "/"), r"^(\./|/)+", "")


def _depth(paths: pa.Array) -> pa.Array:
    """The number of a path's parts."""
    return pc.add(pc.count_substring(paths, "/"), 1)


def _end(paths: pa.Array, depth: int) -> pa.Array:
    """The last parts of paths, so many; of a shorter one all."""
    return pc.replace_substring_regex(paths, rf"(?s)^.*/((?:[^/]*/){{{depth - 1}}}[^/]*)$", r"\1")


def _stem(names: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(names, r"\.[^.]*$", "")
