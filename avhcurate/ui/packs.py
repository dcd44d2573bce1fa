"""Exports of more images than a download takes: a job packs them into a file of the dataset, a link fetches it."""

import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode

import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from avhcurate.datasets.curate import saved
from avhcurate.datasets.export.settings import ExportSettings
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.ui.answers import NEVER_KEPT, base_path
from avhcurate.ui.job_forms import job_button
from avhcurate.ui.signin import who
from avhcurate.ui.user_errors import plain
from avhcurate.workspace.data.workspace import find_workspace

_KEPT_S = 7 * 86_400
#: Links that are shown at once.
_SHOWN = 3


def pack_choice(table: DatasetTable, filters: Filters, format: str, count: int, *, key: str) -> None:
    """Draw the button that packs samples by a job, and links to what was packed."""
    st.caption("A job packs the images, in the order of the dataset. The file is kept for a week.")
    settings = partial(_settings, table, filters, format)
    job_button(f"Pack {count:,} images", "folder_zip", settings, key=f"{key}.pack")
    for path in _packs(table.dataset.name)[:_SHOWN]:
        address = f"{base_path()}/exports/{quote(table.dataset.name)}/{quote(path.name)}"
        st.markdown(f"[:material/download: {plain(path.name)}]({address}) ({path.stat().st_size / 1e6:,.1f} MB)")


def _settings(table: DatasetTable, filters: Filters, format: str) -> ExportSettings:
    """Return the options of the job; packs older than a week are removed, a selection is saved as a set."""
    workspace, name = find_workspace(), table.present_name()
    for old in _packs(name):
        if time.time() - old.stat().st_mtime > _KEPT_S:
            old.unlink()
    if filters.ids is not None:
        last = f"last exported selection {who()}"[: saved.LONGEST_NAME].strip()
        saved.save_set(workspace, name, last, filters.ids)
        filters = Filters(excluded=None, sets=(last,))
    query = filters.to_query() | {"edges": ",".join(f"{edge:g}" for edge in table.edges)}
    out = _folder(name) / f"{name}-{format}-{datetime.now(UTC):%Y%m%d-%H%M%S}.zip"
    settings = ExportSettings(dataset=name, format=format, out=out, view=f"?{urlencode(query)}")
    if table.run is not None:
        settings = settings.with_(model=table.run.name)
    return settings


def _folder(dataset: str) -> Path:
    return find_workspace().dataset(dataset).root / "exports"


def _packs(dataset: str) -> list[Path]:
    """Return the finished packs of a dataset, newest first."""
    return sorted(_folder(dataset).glob("[!.]*.zip"), key=lambda path: path.stat().st_mtime, reverse=True)


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
