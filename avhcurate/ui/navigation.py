"""The navigation along the top: pages in four groups, the open one laid out and the others as menus."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from avhcurate.ui.layout import in_a_row
from avhcurate.workspace.disk.app_files import PAGES

#: By group, in their order: file, title, icon and purpose of each page.
GROUPS: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "Look": (
        ("home", "Home", "home", "What is loaded, counts and balance, and scoring jobs."),
        ("gallery", "Gallery", "grid_view", "Look at samples by score; tag, relabel, exclude and export them."),
        ("map", "Map", "bubble_chart", "Where samples lie by angle: draw around a group, see its images, act on them."),
    ),
    "Judge": (
        ("disagreement", "Disagreement", "compare_arrows", "Where people and the network find different things hard."),
        ("correlation", "Correlation", "show_chart", "How each score follows human judgement, overall and per bin."),
        ("models", "Models", "balance", "Two networks side by side: what each gets right and finds hard."),
    ),
    "Fix": (
        (
            "suspects",
            "Suspects",
            "flag",
            "Labels that are likely wrong, with the evidence; accept, keep or skip by key.",
        ),
        (
            "quality",
            "Quality",
            "filter_b_and_w",
            "Near duplicates, leaks between splits, and dark, blurred or odd images.",
        ),
        (
            "annotate",
            "Annotate",
            "how_to_vote",
            "Judge images, blind to the model and to others: every answer is a vote.",
        ),
        (
            "annotators",
            "Annotators",
            "groups",
            "How many votes there are, how good the annotators, how reliable HSF is.",
        ),
        ("saved", "Saved", "bookmark", "Named views and sets of samples, and who decided what, when."),
    ),
    "Learn": (
        (
            "pseudo_labels",
            "Pseudo-labels",
            "label",
            "Class-balanced selection for self-training, by confidence or by AVC.",
        ),
        ("self_training", "Self-training", "autorenew", "Rounds of selecting pseudo-labels and learning from them."),
        ("training_dynamics", "Training dynamics", "timeline", "AVH, norm, accuracy and loss as a network learns."),
        ("degradation", "Degradation", "blur_on", "Whether scores follow contrast, noise, blur and JPEG step by step."),
        ("toy", "Toy", "scatter_plot", "AVH and norm against the exact Bayes error, on a network trained live."),
    ),
}

#: The pages of each group.
Pages = Mapping[str, list[Any]]


def pages() -> Pages:
    """Return the pages of the app by group; those whose file is there."""
    return {
        group: [
            st.Page(PAGES / f"{file}.py", title=title, icon=f":material/{icon}:", help=purpose)
            for file, title, icon, purpose in entries
            if (PAGES / f"{file}.py").exists()
        ]
        for group, entries in GROUPS.items()
    }


def place() -> Any:
    """Return where the navigation goes; to be called before anything else is drawn on the page."""
    return in_a_row("center", gap="xsmall", key="navigation")


def show(groups: Pages, current: Any, query: Mapping[str, str]) -> None:
    """Links to all pages, each with the parameters of the address; the group of the page `current` is laid out."""
    for group, entries in groups.items():
        # A menu closes by itself when one of its pages opens: it gives way to the links of its group.
        if current in entries:
            menu = in_a_row("center", gap="xsmall", width="content", key="navigation_open")
            menu.markdown(f"**{group}**", width="content")
        else:
            menu = st.popover(group, type="tertiary", key=f"navigation.{group}")
        with menu:
            for page in entries:
                st.page_link(page, query_params=dict(query))
