"""Write datasets of Hugging Face's library as Parquet with the images inside."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.files import replacing, write_tables

#: Rows in memory at once, as many as the library takes of images.
_ROWS = 100


def write_hugging_face(dataset: Any, place: Path) -> None:
    """Write a `datasets.Dataset` as one Parquet file; images in files of their own are read into it.

    `to_parquet` would write the path of such an image and not its bytes. Raises CurateError if an image is gone.
    """
    from datasets.table import embed_table_storage

    whole = dataset.with_format("arrow")

    def blocks() -> Iterator[pa.Table]:
        for block in whole.iter(_ROWS):
            yield embed_table_storage(block)
        if not len(whole):
            yield whole.features.arrow_schema.empty_table()

    try:
        with replacing(place) as stream:
            write_tables(stream, blocks(), compression="none")
    except FileNotFoundError as problem:
        raise CurateError(
            f"An image of the Hugging Face dataset no longer exists ({problem.filename or problem}). Put its file "
            "back, or load the dataset again."
        ) from problem
