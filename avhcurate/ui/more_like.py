"""More like this: the gallery in the order of the angle to one or several images."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from avhcurate.errors import CurateError
from avhcurate.table.sample import by_angle
from avhcurate.ui import url_state
from avhcurate.ui.cache import HASH_FUNCS
from avhcurate.ui.frame import Opened
from avhcurate.ui.grid_views import GridView, list_view
from avhcurate.ui.page_choices import Choice, read_ids, write_ids
from avhcurate.ui.user_errors import show_user_error

#: Images that others are compared with, at most.
MOST = 20


#: The ids to be like, in the address; none for the order of a column.
LIKE: Choice[tuple[int, ...]] = Choice("gallery.like", (), lambda text: read_ids(text, most=MOST), write_ids)


def more_like(ids: Sequence[int]) -> None:
    """Orders the gallery by likeness to these samples, without any by a score; to be called in a widget's callback."""
    url_state.change(row=1, sample=None)
    LIKE.put(tuple(ids[:MOST]))


def like_view(page: Opened) -> GridView | None:
    """The samples of the page's filters by the angle to the images in the address; None where there are none.

    Where that cannot be, because the run has no features, say, it says why.
    """
    if not (like := LIKE.of(page.view)):
        return None
    names = ", ".join(map(str, like[:5])) + (f" and {len(like) - 5} more" if len(like) > 5 else "")
    with st.container(key="chips_like"):
        st.button(
            f"Like image {names}",
            icon=":material/close:",
            icon_position="right",
            key="chip.like",
            help="Back to the order of a score.",
            on_click=more_like,
            args=((),),
        )
    try:
        ids, angles = _by_angle(page.table, page.filters, like)
    except CurateError as error:
        show_user_error(error)
        return None
    return list_view(page, ids, score="angle", values=pd.Series(angles, ids), filters=page.filters)


_by_angle = st.cache_data(hash_funcs=HASH_FUNCS, max_entries=8, show_spinner="Comparing images …")(by_angle)
