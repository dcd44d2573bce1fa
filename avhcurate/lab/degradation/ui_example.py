"""One image of the Degradation page at every level."""

import base64
from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.errors import CurateError
from avhcurate.lab.degradation import service
from avhcurate.lab.degradation.corruptions import KINDS
from avhcurate.lab.degradation.service import Degraded
from avhcurate.lab.degradation.statistics import ORIGINAL
from avhcurate.lab.degradation.store import DegradationFolder, DegradationRecord
from avhcurate.lab.degradation.ui import DEGRADATION_HASH_FUNCS
from avhcurate.ui.base import url_state
from avhcurate.ui.base.frame import Opened, mirrored
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.score_help import format_score
from avhcurate.ui.base.user_errors import plain, said


def example(page: Opened, result: Degraded) -> None:
    """Draw one image at every level with the network's prediction: that of the address, or the first in view."""
    wanted = page.view.sample
    if wanted is not None and wanted >= page.table.size:
        st.warning(f"The dataset has no image {wanted}.", icon=":material/link_off:")
        wanted = None
    with in_a_row(gap="medium"):
        st.header("One image", width="content")
        st.number_input(
            "Image",
            0,
            page.table.size - 1,
            value=None,
            step=1,
            key=mirrored("degradation.sample", wanted),
            width=140,
            placeholder="first in view",
            on_change=_keep_sample,
            help="The number of any image of the dataset.",
        )
    id = int(result.ids[0])
    if wanted is not None:
        id = wanted
    try:
        images = _degraded_images(page.table, result.folder, id)
    except CurateError as error:
        st.warning(said(error.text), icon=":material/broken_image:")
        return
    rows = result.rows[result.rows["id"] == id].set_index(["kind", "level"])
    caption = f"Image {id}, {page.table.sample(id)['label_name'] or 'no label'}."
    if rows.empty:
        caption += " It is not among the images in view, so it has no scores here."
    st.caption(plain(caption) + " Each image with its relative AVH and the predicted class.")
    record = result.folder.record
    strips = [_strip(page, record, kind, images, rows.to_dict("index")) for kind in record.strengths]
    st.html(_EXAMPLE_CSS + "".join(strips))


@st.cache_data(max_entries=24, show_spinner="Degrading the example …", hash_funcs=DEGRADATION_HASH_FUNCS)
def _degraded_images(table: DatasetTable, folder: DegradationFolder, id: int) -> dict[tuple[str, int], bytes]:
    return service.example(table, folder.record, id)


def _strip(
    page: Opened, record: DegradationRecord, kind: str, images: dict[tuple[str, int], bytes], scored: Mapping[Any, Any]
) -> str:
    """Return the images of one kind, from level 0 on."""
    name = escape(KINDS[kind].name)
    unit = escape(KINDS[kind].unit)
    style = ""
    figures = []
    if record.side <= 64:
        style = "pixels"
    for level, tick in enumerate(KINDS[kind].ticks(record.strengths[kind])):
        step = (kind, level)
        text = escape(tick)
        words = ""
        if not level:
            step = (ORIGINAL, 0)
            text = "original"
        if step in scored:
            words = _caption(page, scored[step])
        figures.append(
            f"<figure><img src='data:image;base64,{base64.b64encode(images[step]).decode()}' alt='{name}, {text}' "
            f"class='{style}'>"
            f"<figcaption>{text}{words}</figcaption></figure>"
        )
    return f"<p class='avh-strip-name'>{name} <small>{unit}</small></p><div class='avh-strip'>{''.join(figures)}</div>"


def _caption(page: Opened, row: Mapping[Any, Any]) -> str:
    """Return the relative AVH, which varies more than AVH where there are many classes, and the prediction."""
    name = ""
    if not pd.isna(row["predicted"]):
        name = escape(page.table.classes[int(row["predicted"])])
    wrong = ""
    if row["correct"] == 0:
        wrong = " class='wrong'"
    return f"<b>{format_score('relative_avh', row['relative_avh'])}</b><span{wrong} title='{name}'>{name}</span>"


def _keep_sample() -> None:
    url_state.change(sample=st.session_state["degradation.sample"])


_EXAMPLE_CSS = """
<style>
.avh-strip-name { margin: 0.5rem 0 0.25rem; font-weight: 600; font-size: 0.9rem; }
.avh-strip-name small { font-weight: 400; opacity: 0.65; margin-left: 0.4em; }
.avh-strip { display: flex; gap: 8px; overflow-x: auto; padding-bottom: 4px; }
.avh-strip figure { margin: 0; flex: 1 1 0; min-width: 84px; max-width: 150px; }
.avh-strip img { width: 100%; aspect-ratio: 1; display: block; border-radius: 6px; background: #8883; }
.avh-strip img.pixels { image-rendering: pixelated; }
.avh-strip figcaption { font-size: 0.75rem; line-height: 1.3; padding-top: 3px; font-variant-numeric: tabular-nums; }
.avh-strip figcaption b { float: right; font-weight: 600; }
.avh-strip figcaption span { display: block; opacity: 0.72; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.avh-strip figcaption span.wrong { color: #e8590c; opacity: 1; }
</style>
"""
