"""A choice of export formats with its download; of large folders with images, the command that writes them."""

import shlex
from collections.abc import Sequence
from functools import partial

import streamlit as st

from avhcurate.curation.filters import Filters
from avhcurate.services.exporting import FOLDERS, FORMATS, export_bytes
from avhcurate.services.tables import DatasetTable

#: What each format is for, in the order of the menu.
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
#: Images of more samples are not packed for a download: the command line writes links or streams them.
LARGEST_ZIP = 2000


def export_choice(
    table: DatasetTable, filters: Filters, count: int, *, key: str, only: Sequence[int] | None = None
) -> None:
    """What to export the samples as, and the button; `only` are ids that count instead of the filters."""
    formats = [format for format in FORMATS if format != "cleanlab" or table.run is not None]
    format = st.selectbox("Format", formats, format_func=ABOUT.__getitem__, key=f"{key}.export_format")
    name = table.dataset.name
    if format in FOLDERS and count > LARGEST_ZIP:
        st.caption(f"A folder of {count:,} images is written by the command line. Save them as a set, then:")
        st.code(f"avhcurate export {shlex.quote(name)} --set SET --format {format} --out FOLDER", language="bash")
        return
    st.download_button(
        f"Download {count:,} samples",
        data=partial(export_bytes, table, filters, format, only=only),
        file_name=f"{name}-{count}.{'zip' if format in FOLDERS else format}",
        icon=":material/download:",
        type="primary",
        key=f"{key}.download",
        on_click="ignore",
        disabled=not count,
    )
    if table.simulated:
        st.caption("HSF columns come from simulated votes; the file says so.")
