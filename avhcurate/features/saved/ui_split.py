"""Splits on the page Saved: shares, strata and seed, counts, download, and sets."""

import shlex
from functools import partial

import streamlit as st

from avhcurate.datasets.export.tabular import frame_text
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.errors import CurateError
from avhcurate.features.saved.split_rules import check_shares
from avhcurate.features.saved.split_service import STRATA, Split, make_split, save_parts
from avhcurate.ui.export_menu import download
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.layout import closing_popover
from avhcurate.ui.page_choices import Choice, number, some_of
from avhcurate.ui.signin import for_curators, who
from avhcurate.ui.user_errors import show_user_error

#: The command line splits more samples than these.
_MOST = 200_000
_BY_NAMES = {"class": "Class", "hsf": "HSF bin"}


def _read_shares(text: str) -> str:
    try:
        check_shares([float(part) for part in text.split(",")])
    except CurateError as error:
        raise ValueError(text) from error
    return ",".join(part.strip() for part in text.split(","))


_SHARES: Choice[str] = Choice("saved.shares", "0.8,0.1,0.1", _read_shares)
_BY = some_of("saved.by", list(STRATA), list(STRATA), none="neither")
_SEED = number("saved.seed", 0, low=0, high=10**9)
_GROUP: Choice[str] = Choice("saved.group", "", str)


def show_split(page: Opened) -> None:
    st.caption("Divides the samples that match the filters.")
    shares, by, seed, group = _settings(page)
    if page.count > _MOST:
        st.write(f"{page.count:,} samples are too many for this page. Use the command line:")
        words = ["avhcurate", "split", page.table.dataset.name, "--shares", shares, "--by", ",".join(by)]
        if group:
            words += ["--group", group]
        words += ["--seed", str(seed), "--out", "split.parquet"]
        st.code(shlex.join(words), language="bash")
        if page.filters.active:
            st.caption("This divides all samples. To divide the filtered ones, save them as a set and add --set NAME.")
        return
    try:
        fractions = [float(part) for part in shares.split(",")]
        split = make_split(page.table, fractions, by=by, seed=seed, group=group or None, filters=page.filters)
    except CurateError as error:
        show_user_error(error)
        return
    _result(page, split)


def _settings(page: Opened) -> tuple[str, list[str], int, str]:
    view, group = page.view, _GROUP.of(page.view)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shares = _SHARES.show(
            st.text_input,
            "Shares",
            view,
            on_change=partial(attempt, _keep_shares),
            width=200,
            help="Two or more numbers that sum to 1, for train, validation and test.",
        )
        by = _BY.show(st.pills, "Stratify by", view, {key: _BY_NAMES[key] for key in STRATA}, selection_mode="multi")
        seed = int(_SEED.of(view))
        _SEED.show(st.number_input, "Seed", view, 0, 10**9, value=seed, width=130)
        if columns := _groupings(page.table):
            _GROUP.show(
                st.selectbox,
                "Keep together",
                view,
                ["", *columns],
                value=group,
                format_func=lambda name: name or "Nothing",
                width=200,
                help="Samples with the same value of this column go to one part.",
            )
    return shares, by, seed, group


def _groupings(table: DatasetTable) -> list[str]:
    """Return the columns that can keep samples together: groups of near duplicates, and the user's own."""
    measured = [name for name in ("duplicate_group",) if name in table.measured]
    return [*measured, *table.user_columns]


def _keep_shares() -> None:
    try:
        _SHARES.put(_read_shares(st.session_state[_SHARES.name]))
    except ValueError:
        raise CurateError(
            "The shares are not valid. Give two or more numbers above 0 that sum to 1, as 0.8,0.1,0.1."
        ) from None


def _result(page: Opened, split: Split) -> None:
    with st.container(horizontal=True, gap="medium"):
        for name, count in split.counts.items():
            st.metric(
                name.capitalize(),
                f"{count:,}",
                f"{count / len(split.rows):.1%}",
                delta_color="off",
                delta_arrow="off",
                width="content",
            )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        data, file = partial(frame_text, split.rows, "csv"), f"{page.table.dataset.name}-split.csv"
        download("Download CSV", data, file, key="saved.download_split", type="primary")
        with closing_popover("Save as sets", icon=":material/bookmark_add:", key="saved.split_sets", **for_curators()):
            st.text_input("Name before the name of the part", "split", key="saved.split_name")
            st.button("Save", type="primary", key="saved.save_split", on_click=_save, args=(page, split))
    small = int((split.strata["note"] != "").sum())
    st.markdown(f"**Strata: {len(split.strata):,}**")
    if small:
        st.caption(f"{small:,} of them have fewer samples than there are parts, so some parts get none.")
    st.dataframe(split.strata, hide_index=True, key="saved.strata")


def _save(page: Opened, split: Split) -> None:
    name = st.session_state["saved.split_name"]
    about = {"who": who(), "done": "Every part is a set now", "closes": "saved.split_sets"}
    attempt(save_parts, page.workspace, page.table, split, name, **about)
