"""Samples that a file lists, by path or by id."""

import csv

import pyarrow.parquet as pq

from avhcurate.errors import CurateError
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.disk.formulas import plain_cell


def listed_ids(dataset: DatasetFolder, content: bytes) -> tuple[list[int], list[str]]:
    """Return the ids of the samples that a file lists, each once, and its entries that are not in the dataset.

    Its `content` is CSV with a column `path` or `id`, or text with a path or an id in each line.
    """
    paths = pq.read_table(dataset.samples_path, columns=["path"])["path"].to_pylist()
    ids = {str(id): id for id in range(len(paths))} | {path: id for id, path in enumerate(paths)}
    found = {text: ids.get(text, ids.get(plain_cell(text))) for text in _entries(content)}
    chosen = dict.fromkeys(id for id in found.values() if id is not None)
    if not chosen:
        raise CurateError(f"The file lists no sample of {dataset.name}. Write a path or an id in each line.")
    return list(chosen), [text for text, id in found.items() if id is None]


def _entries(content: bytes) -> list[str]:
    try:
        lines = content.decode("utf-8-sig").splitlines()
        rows = [row for row in csv.reader(lines) if row]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise CurateError(f"The file is not CSV or text in UTF-8 ({problem}).") from problem
    header = [cell.strip() for row in rows[:1] for cell in row]
    for key in ("path", "id"):
        if key in header:
            column = header.index(key)
            return [row[column].strip() for row in rows[1:] if len(row) > column and row[column].strip()]
    return [line.strip() for line in lines if line.strip()]
