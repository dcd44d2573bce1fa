"""The navigation along the top: five tabs, and a menu of the analyses; their places never move."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from avhcurate.workspace.disk.app_files import added_pages, page_file

#: The pages that are always in sight: file, title, icon and purpose of each.
TABS = (
    ("home", "Home", "home", "Where to begin, and how to bring your own images."),
    ("gallery", "Gallery", "grid_view", "Look at images by score; tag, relabel, exclude and export them."),
    ("map", "Map", "bubble_chart", "Images that the network sees alike lie close together."),
    ("suspects", "Suspects", "flag", "Labels that are likely wrong, with the evidence."),
    ("annotate", "Annotate", "how_to_vote", "Judge images, blind to the model and to others."),
)
#: The other pages, by column of the menu: file, title, icon, and the question that each answers.
ANALYSES = {
    "People and network": [
        ("disagreement", "Disagreement", "compare_arrows", "What is hard for people, and what for the network?"),
        ("correlation", "Correlation", "show_chart", "Which score follows people?"),
        ("models", "Models", "balance", "Which network is right, and where?"),
        ("annotators", "Annotators", "groups", "How far can the votes be trusted?"),
    ],
    "Data": [
        ("quality", "Quality", "filter_b_and_w", "Which images are copies, blurred or broken?"),
        ("classes", "Classes", "view_column", "Which classes are one, and which are two?"),
        ("pseudo_labels", "Pseudo-labels", "label", "Which of the model's own labels can be trusted?"),
        ("saved", "Saved", "bookmark", "Which sets, views and decisions are kept?"),
        ("payoff", "Payoff", "verified", "Did the decisions help?"),
        ("certificate", "Certificate", "workspace_premium", "Are the labels good enough to ship?"),
    ],
}
for _name, _page in added_pages().items():
    ANALYSES.setdefault(_page.column, []).append((_name, _page.title, _page.icon, _page.question))
#: The title of each page by its file.
TITLES = {file: title for entries in (TABS, *ANALYSES.values()) for file, title, *_ in entries}
#: Pixels that a column of the menu needs.
_COLUMN = 220

#: The pages by the header under which they stand, "" for the tabs.
Pages = Mapping[str, list[Any]]


def pages() -> Pages:
    """Return the pages of the app: the tabs, then the analyses."""
    return {
        header: [
            st.Page(page_file(file), title=title, icon=f":material/{icon}:", help=purpose, url_path=file)
            for file, title, icon, purpose in entries
        ]
        for header, entries in {"": TABS, **ANALYSES}.items()
    }


def show(pages: Pages, current: Any, query: Mapping[str, str]) -> None:
    """Draw links to all pages, each with the parameters of the address."""
    tabs, *_ = pages.values()
    for page in tabs:
        st.page_link(page, query_params=dict(query), width="content")
    key = f"navigation.{current.url_path}"  # a page's own menu is closed
    type: Any = "secondary"
    if current in tabs:
        type = "tertiary"
    with st.popover("Analysis", type=type, key=key), st.container(key="navigation_menu"):
        grid = st.grid(len(ANALYSES), min_column_width=_COLUMN)
        for header, entries in ANALYSES.items():
            with grid.cell(), st.container(gap=None):
                st.markdown(f"**{header}**")
                for page, (*_, question) in zip(pages[header], entries, strict=True):
                    st.page_link(page, query_params=dict(query))
                    st.caption(question)
