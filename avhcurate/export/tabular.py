"""Exports of one table in one file: csv, JSON lines, Parquet."""

from pathlib import Path

import pyarrow.parquet as pq

from avhcurate.export.columns import batches, frames, rows
from avhcurate.export.safety import csv_text
from avhcurate.export.streams import json_text, text_file
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters


def write_csv(table: DatasetTable, filters: Filters, path: Path) -> None:
    with text_file(path) as stream:
        for number, frame in enumerate(frames(table, filters)):
            frame["tags"] = frame["tags"].map(";".join)
            stream.write(csv_text(frame, header=number == 0))


def write_jsonl(table: DatasetTable, filters: Filters, path: Path) -> None:
    with text_file(path) as stream:
        for row in rows(table, filters):
            stream.write(json_text(row) + "\n")


def write_parquet(table: DatasetTable, filters: Filters, path: Path) -> None:
    writer = None
    for batch in batches(table, filters):
        writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd")
        writer.write_batch(batch)
    if writer:
        writer.close()
