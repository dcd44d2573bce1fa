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
from avhcurate.workspace.disk.columns import is_text, listed, plain_cells, plain_values

#: No sample, or one of several; a name that no sample has.
_NONE = -1
_UNKNOWN = -2
#: Parts of a path that are looked at.
_DEEPEST = 100


@dataclass(frozen=True)
class RowMatches:
    """The sample of each row, int64, -1 for none; the column that names it; how many rows name a part of its path."""

    column: str
    ids: np.ndarray
    by_part: int = 0


def match_samples(sheet: VoteSheet, paths: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Return the sample of each row of a sheet, int64, -1 for none, and messages about rows that do not match well."""
    if sheet.counts is not None and not sheet.samples:
        return np.arange(len(paths)), []
    matches = match_rows(sheet.samples, paths)
    messages = []
    missing = np.flatnonzero(matches.ids < 0)
    rows = len(matches.ids)
    if len(missing):
        examples = _examples(sheet.samples[matches.column].take(missing[:1000]))
        messages.append(
            f"{len(missing)} of {rows} rows match no image and were left out (column {matches.column!r}: {examples})"
        )
    if matches.by_part:
        messages.append(f"{matches.by_part} of {rows} rows match by a part of the path")
    return matches.ids, messages


def match_rows(columns: dict[str, pa.ChunkedArray], paths: pa.ChunkedArray) -> RowMatches:
    """Match rows by columns that may name their sample, best first; the first one that a row fills in decides.

    Raises `CurateError` where no row matches. Paths go before numbers, since a column `id` may number the answers.
    Where there are paths and none is of this dataset, its ids are those of another one.
    """
    plain = {title: plain_values(column) for title, column in columns.items()}
    numbers = {title: column for title, column in plain.items() if not is_text(column.type)}
    # A sample may be called 7, but not where a column is one of ids.
    texts = {
        title: column.cast(pa.string())
        for title, column in columns.items()
        if is_text(column.type) and not (title in numbers and title.casefold() in ID_COLUMNS)
    }
    for position, title in enumerate(texts):
        ids, whole = match_paths(pc.coalesce(*list(texts.values())[position:]), paths)
        if (ids >= 0).any():
            return RowMatches(title, ids, int(((ids >= 0) & ~whole).sum()))
    empty = pa.array(["", None], pa.string())
    names = [title for title in texts if title not in numbers and not pc.all(pc.is_in(texts[title], empty)).as_py()]
    for title, column in numbers.items():
        ids = _match_numbers(column, len(paths))
        if (ids >= 0).any() and (not names or title.casefold() == CIFAR10_INDEX):
            return RowMatches(title, ids)
    title = next(iter(names or columns))
    message = (
        f"No row names an image of this dataset. Column {title!r} has {_examples(columns[title][:1000])}, a path of "
        f"the dataset is {paths[0].as_py()!r}. Give the path, a unique end of it, or the id."
    )
    if names and numbers:
        message += f" Leave {listed(names)} out if {listed(numbers)} names the images."
    raise CurateError(message)


def _examples(column: pa.ChunkedArray) -> str:
    return listed(column.unique().to_pylist(), 3)


def _match_numbers(column: pa.ChunkedArray, samples: int) -> np.ndarray:
    """Return a column as ids, -1 for other rows."""
    try:
        ids = column.cast(pa.int64()).fill_null(_NONE).to_numpy()
    except pa.ArrowException:  # fractions or dates
        return np.full(len(column), _NONE, np.int64)
    return np.where((ids >= 0) & (ids < samples), ids, _NONE)


def match_paths(column: pa.ChunkedArray, paths: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Return the id that each value means, -1 where it means none or may mean several, and whether by a whole path.

    A value is a path, its end, a path that ends with that of a sample, or a file name without ending. Numbers are such
    names only where other values of the column are. The apostrophe that our CSV files put before a formula is ignored.
    """
    stems = is_text(plain_values(column).type)
    rows, unique = pd.factorize(pd.Series(column.cast(pa.string()).to_pandas(), dtype="str").str.strip())
    texts = pd.Series(unique, dtype="str")
    plain = plain_paths(paths)
    sought = plain_paths(pa.chunked_array([pa.array(texts, pa.string())]))
    depths = _depth(plain)
    sought_depths = _depth(sought)
    deepest = min(_DEEPEST, int(depths.max(initial=0)))
    whole = _Names(plain)
    ids = _Names(pd.Series(paths.cast(pa.string()).to_pandas(), dtype="str")).ids(texts)
    unknown = ids == _UNKNOWN
    ids[unknown] = whole.ids(sought[unknown])
    exact = ids >= 0
    for depth in range(1, deepest + 1):  # a sample's path ends with the text
        unknown = (ids == _UNKNOWN) & (sought_depths == depth)
        if unknown.any():
            ids[unknown] = _Names(_end(plain[depths >= depth], depth)).ids(sought[unknown])
    for depth in range(deepest, 0, -1):  # the text ends with a sample's path; the longest one decides
        unknown = (ids == _UNKNOWN) & (sought_depths > depth)
        ids[unknown] = whole.ids(_end(sought[unknown], depth))
    unknown = (ids == _UNKNOWN) & (sought_depths == 1) & ~sought.str.contains(".", regex=False).to_numpy(bool)
    if stems and unknown.any():
        ids[unknown] = _Names(_end(plain, 1).str.replace(r"\.[^.]*$", "", regex=True)).ids(sought[unknown])
    return np.append(np.maximum(ids, _NONE), _NONE)[rows], np.append(exact, True)[rows]


class _Names:
    """Names of samples, (n,) with their ids as index."""

    def __init__(self, names: pd.Series) -> None:
        first = ~names.duplicated().to_numpy()
        self._known = pd.Index(names[first])
        self._ids = np.append(np.where(names.duplicated(keep=False), _NONE, names.index)[first], _UNKNOWN)

    def ids(self, texts: pd.Series) -> np.ndarray:
        """Return the sample that has each text as its name: -1 where several do, -2 where none does."""
        return self._ids[self._known.get_indexer(pd.Index(texts))]


def plain_paths(paths: pa.ChunkedArray) -> pd.Series:
    """Return paths with slashes only, and none before them."""
    texts = plain_cells(pc.utf8_trim_whitespace(paths.cast(pa.string())))
    texts = pc.replace_substring_regex(pc.replace_substring(texts, "\\", "/"), r"^(\./|/)+", "")
    return pd.Series(texts.to_pandas(), dtype="str")


def _depth(paths: pd.Series) -> np.ndarray:
    return paths.str.count("/").fillna(0).to_numpy(np.int64) + 1


def _end(paths: pd.Series, depth: int) -> pd.Series:
    """Return the last parts of each path, so many of them."""
    return paths.str.replace(rf"(?s)^.*/((?:[^/]*/){{{depth - 1}}}[^/]*)$", r"\1", regex=True)
