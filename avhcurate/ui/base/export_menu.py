"""Downloads: one button, and a choice of export formats; more images are packed by a job, and a link fetches them."""

import mimetypes
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from avhcurate.datasets.curate.saved import LONGEST_NAME, Saved
from avhcurate.datasets.export.images import bytes_of_images
from avhcurate.datasets.export.service import FOLDERS, FORMATS, MOST_BYTES, export_bytes
from avhcurate.datasets.export.settings import ExportSettings
from avhcurate.datasets.table.address_values import write_value
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset
from avhcurate.errors import CurateError
from avhcurate.ui.base import cache
from avhcurate.ui.base.answers import NEVER_KEPT, base_path
from avhcurate.ui.base.job_forms import job_button
from avhcurate.ui.base.signin import who
from avhcurate.ui.base.text import counted
from avhcurate.ui.base.user_errors import plain
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import find_workspace

#: Names of the formats.
ABOUT = {
    "csv": "CSV",
    "jsonl": "JSON lines",
    "parquet": "Parquet",
    "folder": "Folder per class",
    "yolo": "YOLO (split and class)",
    "webdataset": "WebDataset",
    "hf": "Hugging Face dataset",
    "fiftyone": "FiftyOne",
    "label-studio": "Label Studio",
    "cleanlab": "cleanlab arrays",
    "coco": "COCO",
}
#: Samples whose images a download takes, at most; a job packs more.
LARGEST_ZIP = 2000
#: Seconds for which a pack is kept.
_KEPT_S = 7 * 86_400
#: Links that are shown at once.
_SHOWN = 3
#: Media types that `mimetypes` may not know.
_MIME = {"jsonl": "application/jsonl", "parquet": "application/vnd.apache.parquet", "tex": "application/x-tex"}


def download(label: str, data: Any, file_name: str, *, key: str, **widget: Any) -> None:
    """Draw a button that downloads a file without running the page again; `data` may be a function that makes it."""
    mime = _MIME.get(file_name.rpartition(".")[2]) or mimetypes.guess_type(file_name)[0]
    st.download_button(label, data, file_name, mime, key=key, icon=":material/download:", on_click="ignore", **widget)


def samples_label(count: int, format: str) -> str:
    """Return the label of a download; it names the format, so that a change of the choice shows on the button."""
    return f"Download {counted(count, 'image')} as {_title(format)}"


def _title(format: str) -> str:
    return ABOUT.get(format, format)


_bytes_of_images = st.cache_data(max_entries=32, show_spinner=False, hash_funcs=cache.HASH_FUNCS)(bytes_of_images)


def export_choice(
    opened: OpenDataset,
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
    formats = [format for format in FORMATS if format != "cleanlab" or opened.run is not None]
    format = st.selectbox("Format", formats, format_func=_title, key=f"{key}.export_format")
    ending = format
    if format in FOLDERS:
        ending = "zip"
        if count > LARGEST_ZIP or _bytes_of_images(opened.samples, opened.dataset, filters) > MOST_BYTES:
            _pack_choice(opened.decisions, opened.run, filters, format, count, key=key)
            return
    data = partial(export_bytes, opened, filters, format, order=order)
    file = f"{opened.samples.name}-{count}.{ending}"
    download(samples_label(count, format), data, file, key=f"{key}.download", type="primary", disabled=not count)
    if opened.samples.simulated:
        st.caption("HSF columns come from simulated votes; the file says so.")


# --- packs -------------------------------------------------------------------------------------------------------


def _pack_choice(
    decisions: Decisions, run: RunFolder | None, filters: Filters, format: str, count: int, *, key: str
) -> None:
    """Draw the button that packs samples by a job, and links to what was packed."""
    st.caption("A job packs the images, in the order of the dataset. The file is kept for a week.")
    settings = partial(_pack_settings, decisions, run, filters, format)
    job_button(f"Pack {counted(count, 'image')}", "folder_zip", settings, key=f"{key}.pack")
    for path in _packs(decisions.samples.name)[:_SHOWN]:
        address = f"{base_path()}/exports/{quote(decisions.samples.name)}/{quote(path.name)}"
        st.markdown(f"[:material/download: {plain(path.name)}]({address}) ({path.stat().st_size / 1e6:,.1f} MB)")


def _pack_settings(decisions: Decisions, run: RunFolder | None, filters: Filters, format: str) -> ExportSettings:
    """Return the options of the job; packs older than a week are removed, a selection is saved as a set."""
    workspace = find_workspace()
    name = decisions.present_name()
    for old in _packs(name):
        if time.time() - old.stat().st_mtime > _KEPT_S:
            old.unlink()
    if filters.ids is not None:
        last = f"last exported selection {who()}"[:LONGEST_NAME].strip()
        Saved(workspace, name).save_set(last, filters.ids)
        filters = Filters(excluded=None, sets=(last,))
    query = filters.to_query() | {"edges": write_value(decisions.samples.edges)}
    out = _pack_folder(name) / f"{name}-{format}-{datetime.now(UTC):%Y%m%d-%H%M%S}.zip"
    settings = ExportSettings(dataset=name, format=format, out=out, view=f"?{urlencode(query)}")
    if run is not None:
        settings = settings.with_(model=run.name)
    return settings


def _pack_folder(dataset: str) -> Path:
    return find_workspace().dataset(dataset).root / "exports"


def _packs(dataset: str) -> list[Path]:
    """Return the finished packs of a dataset, newest first."""
    return sorted(_pack_folder(dataset).glob("[!.]*.zip"), key=lambda path: path.stat().st_mtime, reverse=True)


def packed(request: Request) -> Response:
    """Answer with a pack, which the browser may choose among those there are."""
    try:
        packs = {path.name: path for path in _packs(request.path_params["dataset"])}
        path = packs[request.path_params["name"]]
    except (CurateError, KeyError):
        return PlainTextResponse("Unknown export. Make it again.", 404, NEVER_KEPT)
    return FileResponse(path, headers=NEVER_KEPT, media_type="application/zip", filename=path.name)


def routes() -> list[Route]:
    """Return the route, below `server.baseUrlPath` like Streamlit's own."""
    return [Route(f"{base_path()}/exports/{{dataset}}/{{name}}", packed)]
