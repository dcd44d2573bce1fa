"""The section of the Correlation page on predicted HSF: the job, what it reached, and how many votes a target needs."""

import numpy as np
import streamlit as st

from avhcurate.features.predicted_hsf.learning_curve import forecast_of
from avhcurate.features.predicted_hsf.plots import curve_chart
from avhcurate.features.predicted_hsf.service import FEWEST, added_text, coverage_text
from avhcurate.features.predicted_hsf.settings import PredictSettings
from avhcurate.people.queues import BIASED
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.job_forms import job_form
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.base.layout import halves, help_menu, in_a_row
from avhcurate.ui.base.page_choices import gallery_link, number
from avhcurate.ui.base.score_help import explain_scores
from avhcurate.ui.base.text import counted, signed
from avhcurate.ui.charts.html_table import estimate, html_table, table_row
from avhcurate.ui.charts.show import show_chart
from avhcurate.workspace.data.consensus import TOLD_APART
from avhcurate.workspace.data.prediction import PredictionRecord

_TARGET = number("predicted.target", 0.5, low=0.05, high=0.99)

_ABOUT = f"""
With votes on some images, a model of these votes predicts the HSF of all others, with an interval: from the scores,
the embedding and the class. Predictions are columns of their own (`hsf_predicted`, `human_gap`) to sort, filter and
export by, and are never counted as votes. {TOLD_APART}
"""


def section(page: Opened) -> None:
    """Draw predicted HSF of the dataset: how to get it, or what it reached."""
    st.header("Predicted HSF", help=_ABOUT)
    job_panel()
    if page.opened.prediction is None:
        st.markdown("With votes on some images, a model of these votes predicts the HSF of all others.")
        _form(page, "Predict HSF")
        return
    record = page.opened.prediction.record
    st.markdown(summary(record))
    votes = page.samples.votes
    if votes and (votes.fingerprint, votes.simulated) != (record.votes_fingerprint, record.votes_simulated):
        st.warning("The votes have changed since. Predict again to use them all.", icon=":material/update:")
    votes_help, intervals_hold = halves()
    with votes_help:
        st.markdown("**How much votes help**")
        target = _TARGET.show(st.number_input, "Target: Spearman with HSF", 0.05, 0.99, step=0.01, width=190)
        show_chart(curve_chart(record, target), key="predicted.curve")
        st.markdown(needed_sentence(record, target))
        if record.added:
            st.caption(added_text(record))
    with intervals_hold:
        st.markdown("**What the intervals hold**")
        st.html(_coverage(record))
        st.caption(f"{coverage_text(record)} A voted image is judged by a model that did not know its votes.")
    with in_a_row("center", gap="small"):
        for title, column, descending in (
            ("Lowest predicted HSF", "hsf_predicted", False),
            ("Hard only for the network", "human_gap", True),
            ("Hard only for people", "human_gap", False),
        ):
            gallery_link(title, sort=column, descending=descending, caption=column)
        with help_menu("predicted.explain"):
            explain_scores(["hsf_predicted", "human_gap"])
    _form(page, "Predict again")


def summary(record: PredictionRecord) -> str:
    """Return what was predicted from what, and what it reached, in a few sentences."""
    votes = "votes"
    if record.votes_simulated:
        votes = "simulated votes"
    sentences = [
        f"HSF of {record.samples:,} images is predicted from {votes} on {record.learnt:,} of them and "
        f"{counted(len(record.runs), 'run')} ({', '.join(record.runs)}): predicted, not voted."
    ]
    for last in record.curve[-1:]:
        reached = _between(last.rho, last.low, last.high, 3)
        sentences.append(f"Over images held out, Spearman with HSF is **{reached}**, n {last.n:,}.")
    if record.weighted:
        sentences.append("It is weighted to the dataset.")
    elif set(record.queues) & set(BIASED):
        sentences.append("It is of the images that a biased queue asked for.")
    if record.confidence_rho is not None:
        difference = _between(record.gain, record.gain_low, record.gain_high, 3)
        sentences.append(f"Confidence reaches {signed(record.confidence_rho, 3)}; the difference is {difference}.")
    if record.ceiling_low is not None and record.ceiling_high is not None:
        sentences.append(f"The noise ceiling is {record.ceiling_low:.2f} to {record.ceiling_high:.2f}.")
    return " ".join(sentences)


def _between(value: float | None, low: float | None, high: float | None, digits: int) -> str:
    """Return a value with the ends of its interval."""
    if value is None or low is None or high is None:
        return "unknown"
    return f"{signed(value, digits)} ({signed(low, digits)} to {signed(high, digits)})"


def needed_sentence(record: PredictionRecord, target: float) -> str:
    """Return how many voted images a target needs by the forecast, and how sure that is."""
    for point in record.curve:
        if point.rho is not None and point.rho >= target:
            rho = _between(point.rho, point.low, point.high, 2)
            return f"{target:.2f} is reached with votes on {point.learnt:,} images: {rho}."
    curve = forecast_of(record)
    if curve is None:
        return "There are too few votes for a forecast."
    upper, likely, lower = curve.needed(target)
    if likely is None:
        low, high = (float(end[0]) for end in curve.band(np.inf))
        limit = _between(curve.limit, low, high, 2)
        return f"{target:.2f} is out of reach by the forecast: the curve levels off near {limit}. More runs may help."
    text = f"{target:.2f} needs votes on about {_rounded(likely)} images (95 %: from {_rounded(upper or likely)}"
    if lower is not None:
        text += f" to {_rounded(lower)}"
    if likely > record.samples:
        return f"{text}) by the forecast, more than the dataset has."
    return f"{text}), **{_rounded(max(0, likely - record.learnt))} more**, by the forecast."


def _rounded(count: int) -> str:
    """Return a count of which two digits are known.

    >>> _rounded(1234), _rounded(7)
    ('1,200', '7')
    """
    return f"{round(count, min(0, 2 - len(str(count)))):,}"


def _coverage(record: PredictionRecord) -> str:
    rows = []
    for row in record.coverage:
        share = estimate(row.coverage, row.coverage_low, row.coverage_high, 1, percent=True)
        rows.append(table_row(f"{row.of} {row.bin}", [f"{row.n:,}", share, f"{row.width:.2f}"]))
    return html_table(["Images", "n", "In the interval", "Mean width"], rows)


def _form(page: Opened, label: str) -> None:
    """Draw the button that starts the job, where there are enough votes."""
    voted = int((page.votes.counts.asked > 0).sum())
    if page.opened.run is None or voted < FEWEST:
        st.caption(f"It needs a scored run and votes on {FEWEST} images. Images with votes: {voted:,}.")
        return
    name = page.dataset.name
    with job_form("predicted.", PredictSettings, dataset=name) as form, in_a_row():
        form.ask("level", width=130)
        form.submit(label, key="predicted.start")
        st.code(PredictSettings(dataset=name).line, language="bash", width="content")
