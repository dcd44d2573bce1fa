"""The Training dynamics page: the form that starts a training, trainings, curves, the five discoveries, the data map.

The map is to draw regions on, and the images that lie in one are shown.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.datasets.table.titles import titles
from avhcurate.errors import Text
from avhcurate.features.compare.discoveries import Figure, Finding
from avhcurate.lab.training_dynamics import service
from avhcurate.lab.training_dynamics.held_out import leak_text
from avhcurate.lab.training_dynamics.plots import ALL, COLORS, courses, data_map, downsampled, with_learnt
from avhcurate.lab.training_dynamics.settings import TrainSettings
from avhcurate.people.bins import bin_labels
from avhcurate.ui.base import job_forms as forms
from avhcurate.ui.base import url_state
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.frame import Opened, while_allowed
from avhcurate.ui.base.layout import help_menu, in_a_row
from avhcurate.ui.base.page_choices import one_of, some_of
from avhcurate.ui.base.text import PAPER
from avhcurate.ui.base.url_state import View
from avhcurate.ui.base.user_errors import plain, said
from avhcurate.ui.charts import regions
from avhcurate.ui.charts.regions import Region, write_region
from avhcurate.ui.charts.show import show_chart
from avhcurate.ui.grid.grid_actions import nothing_matches
from avhcurate.ui.grid.grid_bar import sample_grid
from avhcurate.ui.grid.grid_views import GridView
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.trainings import Part, TrainingFolder
from avhcurate.workspace.disk.job_record import duration

#: Networks that are usually trained here, the project's own first.
MODELS = (
    "avhcurate:resnet20",
    "avhcurate:resnet56",
    "avhcurate:resnet18",
    "avhcurate:cifar-fast",
    "avhcurate:cnn9",
    "avhcurate:vgg-small",
    "avhcurate:alexnet-small",
    "avhcurate:digits",
    "torchvision:resnet18",
    "torchvision:resnet50",
)
LOSS_NAMES = {"softmax": "Softmax", "avh": "AVH loss", "cosine": "Cosine softmax"}
#: Trainings side by side; more columns would be too narrow.
MOST = 4
#: Seconds between two updates while a training is under way.
_OFTEN = 2.0
_VERDICTS: dict[str, tuple[Literal["green", "orange", "gray"], str]] = {
    "holds": ("green", "check_circle"),
    "does not hold": ("orange", "cancel"),
    "too little data": ("gray", "hourglass_empty"),
}
_WHY = f"""
Training shows how images are learnt: each held-out image is evaluated several times in the first epoch and after
every epoch. Its loss, confidence, margin, AVH and norm are kept. The curves then show what the paper ({PAPER}) says of
training, on your data; the map shows which images were learnt early, late or never.
"""
ABOUT_VERDICTS = """
A discovery is a claim about one number of each training, model or comparison. It **holds** when the 95 % interval of
every number lies on the claimed side. It **does not hold** when one lies on the other side, at 95 % over all of them
together. Otherwise there is **too little data**.
"""

_ABOUT_MAP = r"""
Each point is a image. Over the evaluations at the end of each epoch, **confidence** is the mean of the probability
that the network gave to its label, **variability** its standard deviation, **correctness** the share of epochs in
which it was right (Swayamdipta et al. 2020). As in the paper, it is of some of the images learnt from, or of those
held out. The two are never mixed: a network believes what it has seen.

Low in the corner on the left lie images that the network hardly ever believes: wrong labels and odd images are among
them. Far to the right lie those on which it changes its mind.
"""

COLOR = one_of("dynamics.color", list(COLORS), "correctness")
_PARTS: dict[Part, str] = {"held out": "Held out", "learnt from": "Learnt from"}
PART = one_of("dynamics.samples", tuple(_PARTS), "held out")
REGION = regions.region_choice("dynamics")
#: Share of the samples in a region that a button selects.
_TENTH = 0.1

_curves_of = kept(most=32)(service.curves)
_findings = kept("Testing the discoveries …")(service.findings)
#: A row per sample in view: its place on the data map, and what it can be coloured and ordered by.
points = kept("Reading every epoch …")(service.data_map)


# --- the job -----------------------------------------------------------------------------------------------------


def first_start(page: Opened) -> None:
    """Show what the page is for, and the form, before there is a training or while the first one begins."""
    dataset = page.dataset
    settings = TrainSettings(dataset=dataset.name, model=usual_model(dataset))
    title = f"No training has evaluated {plain(dataset.name)} yet"
    forms.first_job(page, title, "timeline", "Train a network", _WHY, settings, start_form)
    forms.await_more(lambda: len(dataset.trainings()))


def usual_model(dataset: DatasetFolder) -> str:
    """Return the project's own network that scored the dataset or was trained on it last, else a small ResNet."""
    models = [run.record.model for run in dataset.runs()]
    models += [training.record.model for training in dataset.trainings()]
    return [MODELS[0], *(model for model in models if model.startswith("avhcurate:"))][-1]


def start_form(page: Opened) -> None:
    """Draw the options of a training and the button that starts it."""
    dataset = page.dataset
    others = forms.partners(page.workspace, dataset)
    fixed: dict[str, Any] = {}
    if not others:
        fixed["dataset"] = dataset.name
    with forms.job_form("train.", TrainSettings, then=partial(_show, dataset.name), **fixed) as fields:
        with in_a_row():
            fields.ask_model(forms.models(usual_model(dataset), usual=MODELS), width=230)
            fields.ask("loss", format_func=LOSS_NAMES.__getitem__, width=160)
            fields.ask("epochs", "seeds", width=110)
            if others:
                fields.ask("dataset", "held_out", widget=st.selectbox, options=[dataset.name, *others], width=180)
            fields.submit("Start training", "model_training")
        st.caption(
            "Learns from the split “train” and evaluates on the rest. Without such a split a tenth of each class is "
            "held out."
        )
        with st.expander("More"):
            with in_a_row():
                fields.ask("learning_rate", "drops", "batch_size", "precision", "device")
            with in_a_row():
                fields.ask("train_where", placeholder="such as hsf > 0.4", width=230)
                fields.ask("held_out_where", placeholder="such as split = 'val'", width=230)
                fields.ask("train_sample", width=190)
                fields.ask("pretrained")


def _show(shown: str, settings: TrainSettings) -> None:
    """Show the newest training, which now begins, on the dataset that it holds out."""
    view = url_state.current()
    if settings.subject == shown:
        url_state.write(view.choosing("dynamics.trainings", ""))
    else:
        url_state.write(View(dataset=settings.subject))


# --- the trainings -----------------------------------------------------------------------------------------------


def choose(page: Opened, trainings: Sequence[TrainingFolder]) -> list[TrainingFolder]:
    """Ask which of `trainings` are shown side by side."""
    by_name = {training.name: training for training in trainings}
    called = titles(page.dataset)
    names = some_of("dynamics.trainings", list(by_name), list(by_name)[:1], most=MOST).show(
        st.multiselect,
        "Trainings",
        {name: called[name] for name in by_name},
        max_selections=MOST,
        placeholder="The newest",
        help=f"Up to {MOST}, side by side. Newest first.",
        width="stretch",
    )
    return [by_name[name] for name in names]


def describe(training: TrainingFolder) -> str:
    """Return data, size, progress and device of a training, in a line."""
    record = training.record
    evaluations = training.evaluations()
    epoch, seconds = evaluations[["epoch", "seconds"]].max().fillna(0.0)
    if training.main_part == "learnt from":
        learnt = f"learns from {record.train_samples:,} images of {record.dataset} and holds none out"
        return plain(f"{record.model} · {learnt} · epoch {epoch:.3g} in {duration(seconds)} on {record.device}")
    parts = [
        record.model,
        f"learnt from {record.train_samples:,} images of {record.dataset} {record.train_where}".strip(),
        f"evaluated on {record.held_out_samples:,} of {record.held_out} {record.held_out_where}".strip(),
        f"and on {len(training.ids('learnt from')):,} of those learnt from",
        f"{record.parameters:,} parameters",
        f"epoch {epoch:.3g} of {record.epochs} in {duration(seconds)} on {record.device}",
    ]
    return said(Text(" · ".join(parts), " · ", leak_text(record.held_out_copies, record.dataset, record.held_out)))


def need_samples(page: Opened, trainings: Sequence[TrainingFolder]) -> None:
    """End the page where the filters leave none of the samples that the trainings were evaluated on."""
    ids = page.samples.frame(page.filters, columns=["id"])["id"].to_numpy()
    if not any(np.isin(training.ids(training.main_part), ids).any() for training in trainings):
        nothing_matches("No training was evaluated on the images in view", "  \n".join(map(describe, trainings)))


# --- curves --------------------------------------------------------------------------------------------------


def curves(page: Opened, trainings: Sequence[TrainingFolder], *, live: bool) -> None:
    """Show what the trainings have reached, and their curves; while one is running (`live`) they grow."""
    pause = None
    names = [training.name for training in trainings]
    if live:
        pause = _OFTEN
    with page.result:
        st.fragment(_reached, run_every=pause)(page, names)
    st.fragment(_curves, run_every=pause)(page, names)


@while_allowed
def _reached(page: Opened, names: list[str]) -> None:
    called = titles(page.dataset)
    curves = {
        name: _curves_of(page.samples, page.votes, page.dataset.training(name), filters=page.filters) for name in names
    }
    parts = {name: page.dataset.training(name).main_part for name in names}
    st.markdown("  \n".join(reached(called[name], rows, parts[name]) for name, rows in curves.items()))


def reached(name: str, curves: pd.DataFrame, part: Part = "held out") -> str:
    """Say in a sentence what a training has reached.

    >>> rows = {"epoch": [0, 2], "bin": "all", "n": 9, "accuracy": [0.1, 0.9], "avh": [0.08, 0.041]}
    >>> reached("digits", pd.DataFrame(rows))
    '**digits**: 90.0 % of 9 images held out right after epoch 2; mean AVH 0.080 at first, 0.041 now.'
    """
    rows = curves[(curves["bin"] == ALL) & (curves["n"] > 0)]
    if rows.empty:
        return f"**{plain(name)}** is not evaluated yet."
    first = rows.iloc[0]
    last = rows.iloc[-1]
    share = f"{100 * last['accuracy']:.1f} % of {last['n']:,} images {part}"
    text = f"**{plain(name)}**: {share} right after epoch {last['epoch']:.3g}"
    if math.isnan(last["avh"]):
        return f"{text}."
    return f"{text}; mean AVH {first['avh']:.3f} at first, {last['avh']:.3f} now."


@while_allowed
def _curves(page: Opened, names: list[str]) -> None:
    called = titles(page.dataset)
    by_title = {called[name]: page.dataset.training(name) for name in names}
    st.header("Curves over the epochs")
    st.caption("  \n".join(map(describe, by_title.values())))
    drawn = {}
    images = {}
    for title, training in by_title.items():
        curves = _curves_of(page.samples, page.votes, training, filters=page.filters)
        drawn[title] = with_learnt(curves, training.evaluations())
        images[title] = service.images(page.samples, page.votes, training, filters=page.filters)
    if all(rows.empty for rows in drawn.values()):
        st.markdown(":material/hourglass_empty: The first evaluation is still to come.")
        return
    show_chart(courses(drawn, simulated=page.samples.simulated, images=images), key="dynamics.curves")
    st.caption(
        "Means over images held out, or learnt from where none are; bands are 95 % of the mean (1.96 standard "
        "errors). Colours go from the HSF bin that is hardest for people to the easiest. Click a name in the legend to "
        "hide its curves, a point to see its images."
    )


# --- the five discoveries ------------------------------------------------------------------------------------


def findings(page: Opened, trainings: Sequence[TrainingFolder]) -> None:
    """Show the five discoveries, tested on those that hold images out, and on all models of the dataset."""
    trainings = [training for training in trainings if training.main_part == "held out"]
    if not trainings:
        st.caption("They are about images held out, and this training holds none out.")
        return
    with st.container(border=True, gap="small"):
        for finding in _findings(page.samples, page.opened.run, page.votes, trainings, filters=page.filters):
            _finding(finding, simulated=page.samples.simulated)


def _finding(finding: Finding, *, simulated: bool) -> None:
    color, icon = _VERDICTS[finding.verdict]
    verdict, text, figures = st.columns([2, 11, 1.4], vertical_alignment="center", gap="small")
    verdict.badge(finding.verdict, color=color, icon=f":material/{icon}:")
    sentence = plain(finding.sentence(simulated=simulated))
    text.markdown(f"**{finding.discovery} · {plain(finding.title)}**  \n{sentence}")
    if finding.figures:
        with figures.popover("Figures", type="tertiary", key=f"dynamics.figures.{finding.discovery}"):
            key = f"dynamics.table.{finding.discovery}"
            st.dataframe(figures_table(finding.figures), hide_index=True, width=620, row_height=28, key=key)


def figures_table(figures: Sequence[Figure]) -> pd.DataFrame:
    """Return figures as rows, with their intervals.

    >>> figures_table([Figure("a", 0.5, 0.25, 0.75, 100)]).values.tolist()
    [['a, n 100', '0.5', '0.25 to 0.75']]
    """
    rows = [(figure.label, f"{figure.value:.4g}", f"{figure.low:.4g} to {figure.high:.4g}") for figure in figures]
    return pd.DataFrame(rows, columns=["Figure", "Value", "95 % interval"])


# --- the data map ------------------------------------------------------------------------------------------------


def choose_part(page: Opened, training: TrainingFolder) -> Part:
    """Return whether the map is of samples held out or of samples learnt from, where these are of this dataset."""
    parts = service.parts(page.dataset, training)
    if len(parts) > 1:
        return PART.show(st.segmented_control, "Images", _PARTS, label_visibility="collapsed")
    return next(iter(parts), "held out")


def choose_region(page: Opened, points: pd.DataFrame) -> tuple[str, str]:
    """Ask for colour and tool, and offer regions; return the tool, as `regions.choose_tool`."""
    colors = {key: name for key, name in COLORS.items() if points[key].notna().any()}
    with in_a_row(gap="medium"):
        COLOR.show(st.segmented_control, "Colour", colors)
        tool = regions.choose_tool("dynamics")
        for label, region in corners(points).items():
            st.button(label, key=f"dynamics.corner.{label}", on_click=regions.answer, args=(REGION, region))
        if REGION.asked() is not None:
            regions.clear_button(REGION)
        with help_menu("dynamics.about_map"):
            st.markdown(_ABOUT_MAP)
    return tool


def corners(points: pd.DataFrame) -> dict[str, Region]:
    """Return regions worth seeing, each with about a tenth of the samples."""
    varied = float(points["variability"].quantile(1 - _TENTH, interpolation="higher"))
    doubted = float(points["confidence_mean"].quantile(_TENTH, interpolation="lower"))
    return {
        "Most varied tenth": Region((varied, math.inf), (-math.inf, math.inf)),
        "Least believed tenth": Region((-math.inf, math.inf), (-math.inf, doubted)),
    }


def chart(page: Opened, points: pd.DataFrame, part: Part, tool: tuple[str, str]) -> int | None:
    """Draw the map and take over a region drawn on it; return the id of a point just clicked."""
    color = COLOR.asked()
    region = REGION.asked()
    drawn = downsampled(points)
    outline = None
    if region is not None:
        outline = region.outline(-0.02, 1.02)
    figure = data_map(
        drawn,
        color=color,
        bins=bin_labels(page.samples.edges),
        outline=outline,
        dragmode=tool[0],
        simulated=page.samples.simulated,
    )
    clicked = regions.chart(
        figure,
        REGION,
        key="dynamics.map",
        alt=f"Data map of {len(points):,} images: mean confidence against variability, coloured by {COLORS[color]}",
    )
    note = f"{len(points):,} images {part}"
    if len(drawn) < len(points):
        note += f", {len(drawn):,} of them drawn, a random part where it is crowded. A selection holds all"
    st.caption(f"{note}. {tool[1]}")
    return clicked


def images(page: Opened, points: pd.DataFrame, part: Part, *, subject: str) -> GridView | None:
    """Show the images of the region in a grid; return the view of them, None where none are chosen.

    `subject` names what the map is of: a selection of images made on another is void.
    """
    region = REGION.asked()
    if region is None:
        return None
    inside = points[region.holds(points["variability"], points["confidence_mean"])]
    st.markdown(f"**{len(inside):,} of {len(points):,} images in the region**, least believed first")
    if inside.empty:
        return None
    score = "confidence_mean"
    values = inside.sort_values(score, kind="stable").set_index("id")[score]
    if part == "learnt from":
        score = f"train_{score}"
    subject = f"{subject} {part} {write_region(region)}"
    return sample_grid(page, values.index.tolist(), subject=subject, score=score, values=values)
