"""Exports of many images in the browser: a job packs them into a file of the workspace, which a link then fetches."""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from avhcurate.curate import saved
from avhcurate.data.workspace import Workspace, find_workspace
from avhcurate.disk.jobs import Jobs
from avhcurate.errors import CurateError
from avhcurate.export.packs import find_pack, pack_path, packs
from avhcurate.export.settings import ExportSettings
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.ui.answers import NEVER_KEPT, base_path
from avhcurate.ui.frame import attempt, while_allowed
from avhcurate.ui.job_forms import start
from avhcurate.ui.job_panel import progress_text
from avhcurate.ui.save_set import own_set
from avhcurate.ui.signin import for_curators, who
from avhcurate.ui.user_errors import plain

Ids = Sequence[int] | None
#: Links that are shown at once.
_SHOWN = 3


def pack_choice(table: DatasetTable, filters: Filters, format: str, count: int, only: Ids, *, key: str) -> None:
    """The button that packs samples by a job, how far it is, and links to what was packed."""
    st.caption(f"{count:,} images are packed by a job first, in the order of the dataset; the file is kept for a week.")
    st.button(
        f"Pack {count:,} images",
        icon=":material/folder_zip:",
        type="primary",
        key=f"{key}.pack",
        on_click=attempt,
        args=(_start, table, filters, format, only),
        **for_curators("Packing many images"),
    )
    st.fragment(_show_packs, run_every=1.0)(table.dataset.name)


def _start(table: DatasetTable, filters: Filters, format: str, only: Ids) -> None:
    workspace, name = find_workspace(), table.present_name()
    if only is not None:
        Jobs(workspace.root).refuse_second()
        last = own_set("last exported selection")
        saved.save_set(workspace, name, last, only, who=who())
        filters = Filters(excluded=None, sets=(last,))
    query = filters.to_query() | {"edges": ",".join(f"{edge:g}" for edge in table.edges)}
    model = None
    if table.run:
        model = table.run.name
    settings = ExportSettings(
        dataset=name,
        format=format,
        out=pack_path(workspace, name, format),
        model=model,
        view=f"?{urlencode(query)}",
    )
    start(workspace.root, settings)


@while_allowed
def _show_packs(dataset: str) -> None:
    workspace = find_workspace()
    job = Jobs(workspace.root).newest()
    if job is not None and job.verb == "export" and job.dataset == dataset and job.state != "done":
        state = progress_text(job) if job.active else f"{job.state} {job.message.removeprefix('avhcurate: ')}"
        st.caption(f":material/folder_zip: {plain(state)}")
    for path in packs(workspace, dataset)[:_SHOWN]:
        st.markdown(f"[:material/download: {plain(path.name)}]({pack_url(dataset, path.name)})")
        st.caption(f"{path.stat().st_size / 1e6:,.1f} MB")


def pack_url(dataset: str, name: str) -> str:
    """Address of a packed export."""
    return f"{base_path()}/exports/{quote(dataset, safe='')}/{quote(name, safe='')}"


def packed(request: Request) -> Response:
    """A packed export, as a download."""
    dataset, name = request.path_params["dataset"], request.path_params["name"]
    workspace: Workspace = find_workspace()
    try:
        path = find_pack(workspace, dataset, name)
    except CurateError as error:
        return PlainTextResponse(str(error), 404, NEVER_KEPT)
    return FileResponse(path, headers=NEVER_KEPT, media_type="application/zip", filename=path.name)


def routes() -> list[Route]:
    """The route, below `server.baseUrlPath` like Streamlit's own."""
    return [Route(f"{base_path()}/exports/{{dataset}}/{{name}}", packed)]
