"""Splits on the page Saved: shares, strata and seed, counts, download, and sets."""

from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from avhcurate.datasets.export.settings import SplitSettings
from avhcurate.datasets.export.tabular import frame_text
from avhcurate.features.saved.split_service import STRATA, Split, make_split, save_parts
from avhcurate.ui.base.export_menu import download
from avhcurate.ui.base.frame import Opened, attempt
from avhcurate.ui.base.layout import closing_popover, fact, in_a_row
from avhcurate.ui.base.page_choices import Choice, number, some_of
from avhcurate.ui.base.signin import for_curators

#: The command line splits more samples than these.
_MOST = 200_000
_BY_NAMES = {"class": "Class", "hsf": "HSF bin"}
_SHARES: Choice[str] = Choice("saved.shares", "0.8,0.1,0.1", str)
_BY = some_of("saved.by", list(STRATA), list(STRATA), none="neither")
_SEED = number("saved.seed", 0, low=0, high=10**9)
_GROUP: Choice[str] = Choice("saved.group", "", str)


def show_split(page: Opened) -> None:
    st.caption("Divides the images that match the filters.")
    chosen = _settings(page)
    if page.count > _MOST:
        st.write(f"{page.count:,} images are too many for this page. Use the command line:")
        st.code(chosen.with_(out=Path("split.parquet")).line, language="bash")
        st.caption("This divides all images. To divide the filtered ones, save them as a set and add --set NAME.")
        return
    about: dict[str, Any] = {"by": chosen.by, "seed": chosen.seed, "group": chosen.group}
    _result(page, make_split(page.table, chosen.shares, filters=page.filters, **about))


def _settings(page: Opened) -> SplitSettings:
    table = page.table
    columns = [*(name for name in table.measured if name == "duplicate_group"), *table.user_columns]
    with in_a_row():
        about = "Two or more numbers that sum to 1, for train, validation and test."
        shares = _SHARES.show(st.text_input, "Shares", width=200, help=about)
        names = {key: title for key, title in _BY_NAMES.items() if key != "hsf" or table.votes}
        by = _BY.show(st.pills, "Stratify by", names, selection_mode="multi")
        seed = int(_SEED.asked())
        _SEED.show(st.number_input, "Seed", 0, 10**9, value=seed, width=130)
        together = "Images with the same value of this column go to one part."
        names = {"": "Nothing"} | {name: name for name in columns}
        group = _GROUP.show(st.selectbox, "Keep together", names, width=200, help=together)
    values: dict[str, Any] = {"shares": shares, "by": tuple(by), "seed": seed, "group": group or None}
    return SplitSettings(dataset=table.dataset.name, **values)


def _result(page: Opened, split: Split) -> None:
    with in_a_row("top", gap="medium"):
        for name, count in split.counts.items():
            fact(name.capitalize(), f"{count:,}", f"{count / len(split.rows):.1%}")
    with in_a_row():
        data = partial(frame_text, split.rows, "csv")
        file = f"{page.dataset.name}-split.csv"
        download("Download CSV", data, file, key="saved.download_split", type="primary")
        with closing_popover("Save as sets", icon=":material/bookmark_add:", key="saved.split_sets", **for_curators()):
            st.text_input("Name before the name of the part", "split", key="saved.split_name")
            st.button("Save", type="primary", key="saved.save_split", on_click=_save, args=(page, split))
    st.markdown(f"**Strata: {len(split.strata):,}**")
    names = {"curated_label_name": "Class", "hsf_bin": "HSF bin", "n": "Images", "note": "Note"}
    strata = split.strata.loc[:, (split.strata != "").any()].rename(columns=names)  # most have no note
    st.dataframe(strata, hide_index=True, key="saved.strata")


def _save(page: Opened, split: Split) -> None:
    about = {"done": "Every part is a set now", "closes": "saved.split_sets"}
    attempt(save_parts, page.workspace, page.table, split, st.session_state["saved.split_name"], **about)
