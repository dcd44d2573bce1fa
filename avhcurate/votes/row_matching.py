"""Matches rows of a table with samples: by path, by a unique file name, or by id."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.disk.columns import is_text, listed
from avhcurate.errors import CurateError
from avhcurate.votes.files import VoteSheet


def match_samples(sheet: VoteSheet, paths: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """The sample of each row, int64, -1 where it names none, and a message when some do not."""
    if sheet.counts is not None and not sheet.samples:
        if len(sheet.counts) != len(paths):
            raise CurateError(
                f"the votes have {len(sheet.counts)} rows and name no samples, but the dataset has {len(paths)}: "
                "give a row for each sample, in order of id"
            )
        return np.arange(len(paths)), []
    title, ids = _best_match(sheet.samples, paths)
    missing = np.flatnonzero(ids < 0)
    if not len(missing):
        return ids, []
    examples = listed(sheet.samples[title].take(missing[:1000]).unique().to_pylist(), 3)
    if len(missing) == len(ids):
        raise CurateError(
            f"no row names a sample of this dataset: column {title!r} says {examples}, a sample is called "
            f"{paths[0].as_py()!r}: give the path, a file name that is unique, or the id"
        )
    return ids, [f"{len(missing)} of {len(ids)} rows name no sample and were left out (column {title!r}: {examples})"]


def _best_match(columns: dict[str, pa.ChunkedArray], paths: pa.ChunkedArray) -> tuple[str, np.ndarray]:
    """The id that each row means, -1 where it means none, and the column that says so most often.

    Paths go before numbers, since a column `id` may well number the answers. A row whose first column of text names
    no sample may name one in the next.
    """
    names = SampleNames.of(paths)
    best, most = next(iter(columns)), 0
    ids = np.full(len(columns[best]), -1, np.int64)
    for title, column in columns.items():
        if is_text(column.type):
            matched = names.match(column)
            ids = np.where(ids >= 0, ids, matched)
            best, most = max((best, most), (title, int((matched >= 0).sum())), key=lambda found: found[1])
    if most:
        return best, ids
    for title, column in columns.items():
        ids = _match_numbers(column, len(paths))
        if (ids >= 0).any():
            return title, ids
    return best, ids


def _match_numbers(column: pa.ChunkedArray, samples: int) -> np.ndarray:
    """Column of ids, -1 where there is no such sample."""
    if is_text(column.type):
        column = pc.if_else(pc.match_substring_regex(column, r"^\s*\d{1,12}\s*$"), column, pa.scalar(None, column.type))
        column = pc.utf8_trim_whitespace(column)
    try:
        ids = column.cast(pa.int64()).fill_null(-1).to_numpy()
    except pa.ArrowException:  # fractions, dates: no ids
        return np.full(len(column), -1, np.int64)
    return np.where((ids >= 0) & (ids < samples), ids, -1)


@dataclass(frozen=True)
class SampleNames:
    """What samples are called: their paths, and the file names, with and without ending, that one sample alone has."""

    paths: pa.Array
    file_names: pa.Array
    ids_of_file_names: np.ndarray
    stems: pa.Array
    ids_of_stems: np.ndarray

    @classmethod
    def of(cls, paths: pa.ChunkedArray) -> "SampleNames":
        names = _file_name(paths)
        stems = pc.replace_substring_regex(names, r"\.[^.]*$", "")
        return cls(paths.combine_chunks(), *_single(names), *_single(stems))

    def match(self, column: pa.ChunkedArray) -> np.ndarray:
        """The id that each value means, -1 where it means none or may mean several."""
        column = pc.utf8_trim_whitespace(column.cast(pa.string()))
        exact = pc.index_in(column, value_set=self.paths).fill_null(-1).to_numpy().astype(np.int64)
        place = pc.index_in(_file_name(column), value_set=self.file_names).fill_null(-1).to_numpy()
        by_name = np.where(place >= 0, np.append(self.ids_of_file_names, -1)[place], -1)
        by_name = np.where(by_name >= 0, by_name, self._match_stems(column))
        return np.where(exact >= 0, exact, by_name)

    def _match_stems(self, column: pa.ChunkedArray) -> np.ndarray:
        """As ImageNetV2 calls its images: a file name without ending. Bare numbers are ids, not names."""
        named = pc.match_substring_regex(column, r"^[^.]*[^\d.][^.]*$")
        place = pc.index_in(pc.if_else(named, column, None), value_set=self.stems).fill_null(-1).to_numpy()
        return np.where(place >= 0, np.append(self.ids_of_stems, -1)[place], -1)


def _single(names: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """The names that one sample alone has, and its id."""
    grouped = pa.table({"name": names, "id": np.arange(len(names))}).group_by("name")
    grouped = grouped.aggregate([("id", "min"), ("id", "count")])
    single = grouped.filter(pc.equal(grouped["id_count"], 1))
    return single["name"].combine_chunks(), single["id_min"].to_numpy()


def _file_name(paths: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(paths, r"^.*[/\\\\]", "")
