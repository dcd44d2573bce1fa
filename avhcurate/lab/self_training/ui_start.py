"""The form that starts self-training, with defaults from the workspace."""

import streamlit as st

from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.ui.base import job_forms as forms
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.score_help import RULE_NAMES
from avhcurate.ui.base.user_errors import plain
from avhcurate.workspace.data.datasets import DatasetFolder

STORY = (
    "Does a model get better on images without labels? It learns from a source with labels, then round by round from "
    "its own pseudo-labels of this dataset, the target.  \nLabels of the target are only used in reports. Filters on "
    "the left only narrow the gallery."
)
_TRAINERS = {"probe": "A head on frozen features", "full": "The whole network"}
_TRAIN_SPLIT = "split = 'train'"
_WHY = """
Choose where the labels come from. In every round the rule selects the images of this dataset whose class-balanced
label it trusts, learns from the source and from those, and labels the dataset again. Afterwards this page shows whether
the model got better and what AVC chose that softmax did not; the labels of any round can be exported. A head on frozen
features takes seconds to minutes. A dataset that the network has not scored yet is scored first.
"""


def first_start(page: Opened) -> None:
    """Show what the page is for, and the form, before there is a run or while the first one starts."""
    title = f"No model has been adapted to {plain(page.dataset.name)} yet"
    forms.first_job(page, title, "autorenew", _WHY, _usual(page), form)


def await_round(page: Opened) -> None:
    """Run the page again as soon as there is another round to show."""

    def rounds() -> int:
        return sum(1 + len(folder.rounds()) for folder in page.dataset.self_trainings())

    forms.await_more(rounds)


def _usual(page: Opened) -> SelfTrainSettings:
    """Return what the form proposes: another dataset as the source, else the training split of this one."""
    target = page.dataset
    source_name = [*forms.partners(page.workspace, target), target.name][0]
    where = ""
    if source_name == target.name:
        where = _TRAIN_SPLIT
    model = _models(target, page.workspace.dataset(source_name))[0]
    return SelfTrainSettings(source=source_name, target=target.name, model=model, source_where=where)


def _models(*datasets: DatasetFolder) -> list[str]:
    """Return networks to choose from: what has scored the datasets, newest first, then all others."""
    return forms.models(*(run.record.model for one in datasets for run in reversed(one.runs()) if run.complete))


def form(page: Opened) -> None:
    """Draw source, rule and network of a self-training, and the button that starts the job."""
    target = page.dataset
    others = forms.partners(page.workspace, target)
    titles = {name: name for name in others} | {target.name: f"{target.name} (a part of it)"}
    if not others:
        st.caption(
            "No other dataset here has these classes in this order. This one is split by conditions: one for the "
            "source, the rest is the target."
        )
    with in_a_row():
        source = st.selectbox(
            "Learn from",
            list(titles),
            key="selftrain.start_source",
            width=200,
            format_func=titles.__getitem__,
            help="The source: its curated labels are learnt, excluded images are not.",
        )
        trainer = st.segmented_control(
            "What learns",
            list(_TRAINERS),
            default="probe",
            required=True,
            key="selftrain.start_trainer",
            format_func=_TRAINERS.__getitem__,
            help="The whole network takes a GPU, or hours.",
        )
    known = {"target": target.name, "source": source, "trainer": trainer}
    with forms.job_form("selftrain.start_", SelfTrainSettings, **known) as fields:
        with in_a_row():
            fields.ask("rule", format_func=RULE_NAMES.__getitem__, width=180)
            fields.ask_model(_models(target, page.workspace.dataset(source)), width=260)
            fields.ask("portion", "rounds", "seed")
        where = ""
        if source == target.name:
            where = _TRAIN_SPLIT
        with in_a_row():
            fields.ask("source_where", value=where, placeholder="all", width=300)
            fields.ask("target_where", placeholder="all the rest", width=300)
        with st.expander("More"), in_a_row():
            fields.ask("epochs", "learning_rate", "weights", "device")
        fields.submit("Start self-training", "autorenew")
