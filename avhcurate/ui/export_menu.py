"""Downloads: one button, and a choice of export formats."""

import mimetypes
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from avhcurate.datasets.export.images import bytes_of_images
from avhcurate.datasets.export.service import FOLDERS, FORMATS, MOST_BYTES, export_bytes
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.ui import cache
from avhcurate.ui.packs import pack_choice

#: Names of the formats.
ABOUT = {
    "csv": "CSV",
    "jsonl": "JSON lines",
    "parquet": "Parquet",
    "folder": "Folder per class",
    "hf": "Hugging Face dataset",
    "fiftyone": "FiftyOne",
    "label-studio": "Label Studio",
    "cleanlab": "cleanlab arrays",
    "coco": "COCO",
}
#: Samples whose images a download takes, at most; a job packs more.
LARGEST_ZIP = 2000
#: Media types that `mimetypes` may not know.
_MIME = {"jsonl": "application/jsonl", "parquet": "application/vnd.apache.parquet", "tex": "application/x-tex"}


def download(label: str, data: Any, file_name: str, *, key: str, **look: Any) -> None:
    """Draw a button that downloads a file without running the page again; `data` may be a function that makes it."""
    mime = _MIME.get(file_name.rpartition(".")[2]) or mimetypes.guess_type(file_name)[0]
    icon = ":material/download:"
    st.download_button(label, data, file_name, mime, key=key, icon=icon, on_click="ignore", **look)


def samples_label(count: int, format: str) -> str:
    """Return the label of a download; it names the format, so that a change of the choice shows on the button."""
    return f"Download {count:,} samples as {ABOUT.get(format, format)}"


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=cache.HASH_FUNCS)
def _bytes_of_images(table: DatasetTable, filters: Filters) -> int:
    return bytes_of_images(table, filters)


def export_choice(
    table: DatasetTable,
    filters: Filters,
    count: int,
    *,
    key: str,
    only: Sequence[int] | None = None,
    order: Callable[[], np.ndarray] | None = None,
) -> None:
    """Ask for an export format, and draw the download; `only` are ids to export instead of the filters' samples.

    `order` returns the ids in the order of the page, which can then be chosen instead of that of the dataset.
    """
    if only is not None:
        filters = Filters(excluded=None, ids=tuple(only))
    if order is not None and not st.toggle("In the order shown", key=f"{key}.export_order"):
        order = None
    formats = [format for format in FORMATS if format != "cleanlab" or table.run is not None]
    names = {format: ABOUT.get(format, format) for format in formats}
    format = st.selectbox("Format", formats, format_func=names.__getitem__, key=f"{key}.export_format")
    ending = format
    if format in FOLDERS:
        ending = "zip"
        if count > LARGEST_ZIP or _bytes_of_images(table, filters) > MOST_BYTES:
            pack_choice(table, filters, format, count, key=key)
            return
    data = partial(export_bytes, table, filters, format, order=order)
    file = f"{table.dataset.name}-{count}.{ending}"
    download(samples_label(count, format), data, file, key=f"{key}.download", type="primary", disabled=not count)
    if table.simulated:
        st.caption("HSF columns come from simulated votes; the file says so.")
