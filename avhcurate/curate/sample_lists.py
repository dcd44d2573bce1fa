"""Samples that a file lists, by path or by id."""

import csv
from collections.abc import Mapping

import pyarrow.parquet as pq

from avhcurate.data.datasets import DatasetFolder
from avhcurate.disk.formulas import plain_cell
from avhcurate.errors import CurateError


def listed_ids(dataset: DatasetFolder, content: bytes) -> tuple[list[int], list[str]]:
    """Ids of the samples that a file lists, each once, and its entries that are not in the dataset.

    Its `content` is CSV with a column `path` or `id`, or text with a path or an id a line. Raises CurateError where it
    lists no sample.
    """
    paths = pq.read_table(dataset.samples_path, columns=["path"])["path"].to_pylist()
    ids = {path: id for id, path in enumerate(paths)}
    found = {text: _id_of(text, ids) for text in _entries(content)}
    chosen = dict.fromkeys(id for id in found.values() if id is not None)
    if not chosen:
        raise CurateError(f"the file lists no sample of {dataset.name}: write a path or an id a line")
    return list(chosen), [text for text, id in found.items() if id is None]


def _id_of(text: str, ids: Mapping[str, int]) -> int | None:
    """The id of the sample whose path a text is, as a CSV of ours may write it too, or whose id it is."""
    if found := next((path for path in (text, plain_cell(text)) if path in ids), None):
        return ids[found]
    number = int(text) if text.isdecimal() and len(text) < 20 else len(ids)
    return number if number < len(ids) and text == str(number) else None


def _entries(content: bytes) -> list[str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise CurateError("the file is no text in UTF-8: give a CSV or text file") from problem
    try:
        rows = [row for row in csv.reader(text.splitlines()) if row]
    except csv.Error as problem:
        raise CurateError(f"the file is no CSV ({problem}): give a path or an id a line") from problem
    header = [cell.strip() for cell in rows[0]] if rows else []
    column = next((header.index(key) for key in ("path", "id") if key in header), None)
    if column is None:
        return [line.strip() for line in text.splitlines() if line.strip()]
    return [row[column].strip() for row in rows[1:] if len(row) > column and row[column].strip()]
