"""COCO and Label Studio as one file, which names the images where they lie."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from avhcurate.datasets.export.tabular import ExportSelection, Row, batches
from avhcurate.datasets.export.text import text_file
from avhcurate.datasets.export.tools import LOCAL, write_coco_stream, write_tasks
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError, Option
from avhcurate.workspace.data.prediction import PredictionFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.images.decoding import BrokenImage, stored_size


def write_coco_file(
    decisions: Decisions, votes: Votes, prediction: PredictionFolder | None, selection: ExportSelection, path: Path
) -> int:
    """Write COCO's annotations alone; `file_name` is the whole path of each image."""
    with text_file(path) as stream:
        return write_coco_stream(decisions, _in_place(decisions, votes, prediction, selection), stream, str)


def write_label_studio_file(
    decisions: Decisions,
    votes: Votes,
    prediction: PredictionFolder | None,
    run: RunFolder | None,
    selection: ExportSelection,
    path: Path,
) -> int:
    """Write tasks alone, whose images are files below Label Studio's document root, the root of this machine."""

    def address(file: Path) -> str:
        return f"{LOCAL}{quote(file.as_posix().lstrip('/'))}"

    with text_file(path) as stream:
        placed = _in_place(decisions, votes, prediction, selection)
        return write_tasks(decisions.samples, votes, run, placed, stream, address)


def _in_place(
    decisions: Decisions, votes: Votes, prediction: PredictionFolder | None, selection: ExportSelection
) -> Iterator[tuple[Row, Path]]:
    """Yield the row and the file of every sample whose image can be read."""
    source = decisions.dataset.images()
    for batch in batches(decisions, votes, prediction, selection):
        for row in batch.to_pylist():
            file = source.local_file(row["id"])
            if file is None:
                raise CurateError(
                    f"The image of {row['path']} is no file of its own, and a .json holds no images.",
                    fix=f"Give {Option('out', 'FOLDER')} without an ending, which gets the images too",
                )
            try:
                stored_size(file)
            except BrokenImage:
                continue
            yield row, Path(os.path.abspath(file))
