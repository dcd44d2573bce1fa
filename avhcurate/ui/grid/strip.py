"""The strip at the foot of a page: how many labels are decided, their images before and after, and the label file."""

from functools import partial

import streamlit as st

from avhcurate.datasets.export.service import export_bytes
from avhcurate.datasets.table.columns import KEPT
from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.base.export_menu import download
from avhcurate.ui.base.frame import Opened, while_allowed
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.page_choices import gallery_link
from avhcurate.ui.base.url_state import View
from avhcurate.ui.components.strip import KEY, StripData, decided_counts
from avhcurate.ui.grid.pairs import Pair, pairs_html
from avhcurate.workspace.disk.app_files import PAGES

#: Session state: the address at which the pictures were opened; they are closed at another one, and on another page.
_OPEN = "strip.open"
#: Pictures of a kind that are shown.
_SHOWN = 40
#: What is decided about images, in the order of `SampleTable.decision_counts`, and the filters that choose these.
_KINDS = {
    "relabelled": Filters(where="curated_label IS DISTINCT FROM label"),
    "excluded": Filters(excluded=True),
    "kept": Filters(tags=(KEPT,), where="curated_label IS NOT DISTINCT FROM label"),
}


@st.fragment
@while_allowed
def show_strip(page: Opened) -> None:
    """Draw the strip, in a band of its own below the page: see frame.css."""
    opened = page.opened
    opened.refresh()
    with in_a_row(key="strip"):
        counts = StripData(dataset=page.dataset.name, entry=opened.samples.entry, counts=opened.samples.decision_counts)
        decided_counts(counts, on_open=_open)
        data = partial(export_bytes, opened, Filters(), "csv")
        file = f"{page.dataset.name}-labels.csv"
        download("Download labels", data, file, key="strip.labels", type="tertiary", help="All that are not excluded.")
    if st.session_state.get(KEY, {}).get("open") and st.session_state.get(_OPEN) == st.query_params.to_dict():
        _pictures(page)


def _open() -> None:
    st.session_state[_OPEN] = st.query_params.to_dict()


def _close() -> None:
    st.session_state.pop(_OPEN, None)


@st.dialog("Before and after", width="large", icon=":material/compare:", on_dismiss=_close)
@while_allowed
def _pictures(page: Opened) -> None:
    """Draw the images of each kind of decision, the first of many, and the way to all of them."""
    opened = page.opened
    names = ["id", "label_name", "curated_label_name"]
    words = {kind: kind for kind in ("excluded", "kept")}
    for count, (kind, filters) in zip(opened.samples.decision_counts, _KINDS.items(), strict=True):
        if not count:
            continue
        with in_a_row("center"):
            st.markdown(f"**{count:,} {kind}**", width="content")
            gallery_link("In the gallery", View(page.dataset.name, page.view.run, filters=filters).to_query())
        rows = opened.samples.page(filters, limit=_SHOWN, columns=names).astype(object).fillna("no label")
        pairs = [Pair(id, before, words.get(kind, after), kind == "excluded") for id, before, after in rows.to_numpy()]
        st.html(pairs_html(opened.samples, pairs))
    query = page.view.choosing("saved.part", "changes").elsewhere
    st.page_link(PAGES / "saved.py", label="By day and person", icon=":material/history:", query_params=query)
