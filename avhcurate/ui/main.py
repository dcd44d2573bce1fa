"""The main script: sign-in, navigation, the shared frame, then the page."""

from pathlib import Path

import streamlit as st

from avhcurate.data.workspace import find_workspace
from avhcurate.errors import CurateError
from avhcurate.ui import sidebar
from avhcurate.ui.signin import ask_to_sign_in, show_account
from avhcurate.ui.user_errors import show_user_error

_HERE = Path(__file__).parent
PAGES = _HERE.parents[1] / "pages"
#: File, title, icon and purpose of each page, in the order of the navigation.
STORIES = (
    ("home", "Home", "home", "What is loaded, counts and balance, and scoring jobs."),
    ("gallery", "Gallery", "grid_view", "Look at samples by score; tag, relabel, exclude and export them."),
    ("map", "Map", "bubble_chart", "Where samples lie by angle: draw around a group, see its images, act on them."),
    ("disagreement", "Disagreement", "compare_arrows", "Where people and the network find different things hard."),
    ("correlation", "Correlation", "show_chart", "How each score follows human judgement, overall and per bin."),
    ("models", "Models", "balance", "Two networks side by side: what each gets right and finds hard."),
    ("suspects", "Suspects", "flag", "Labels that are likely wrong, with the evidence; accept, keep or skip by key."),
    ("quality", "Quality", "filter_b_and_w", "Near duplicates, leaks between splits, and dark, blurred or odd images."),
    ("annotate", "Annotate", "how_to_vote", "Judge images, blind to the model and to others: every answer is a vote."),
    ("annotators", "Annotators", "groups", "How many votes there are, how good the annotators, how reliable HSF is."),
    ("pseudo_labels", "Pseudo-labels", "label", "Class-balanced selection for self-training, by confidence or by AVC."),
    ("self_training", "Self-training", "autorenew", "Rounds of selecting pseudo-labels and learning from them."),
    ("training_dynamics", "Training dynamics", "timeline", "AVH, norm, accuracy and loss as a network learns."),
    ("degradation", "Degradation", "blur_on", "Whether scores follow contrast, noise, blur and JPEG step by step."),
    ("saved", "Saved", "bookmark", "Named views and sets of samples, and who decided what, when."),
    ("toy", "Toy", "scatter_plot", "AVH and norm against the exact Bayes error, on a network trained live."),
)
#: Pages on which people judge images: there the frame shows nothing of a model or of other people's votes.
BLIND = {"annotate"}


def main() -> None:
    st.set_page_config(page_title="AVH Curate", page_icon=str(_HERE / "icon.svg"), layout="wide")
    pages = [
        st.Page(PAGES / f"{file}.py", title=title, icon=f":material/{icon}:", help=purpose)
        for file, title, icon, purpose in STORIES
        if (PAGES / f"{file}.py").exists()
    ]
    st.logo(_HERE / "logo.svg", size="large")
    page = st.navigation(pages, position="hidden")
    ask_to_sign_in()
    try:
        sidebar.draw(find_workspace(), pages, page=page.url_path or "home", blind=page.url_path in BLIND)
        with st.sidebar:
            show_account()
        page.run()
    except CurateError as error:
        show_user_error(error)


if __name__ == "__main__":
    main()
