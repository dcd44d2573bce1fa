"""The section of the Correlation page on predicted HSF: the job, what it reached, and how many votes a target needs."""

import numpy as np
import streamlit as st

from avhcurate.features.predicted_hsf.learning_curve import forecast_of
from avhcurate.features.predicted_hsf.plots import curve_chart
from avhcurate.features.predicted_hsf.service import FEWEST
from avhcurate.features.predicted_hsf.settings import PredictSettings
from avhcurate.people.queues import BIASED
from avhcurate.ui.charts import show_chart
from avhcurate.ui.frame import Opened
from avhcurate.ui.grid_actions import gallery_link
from avhcurate.ui.html_table import estimate, html_table, table_row
from avhcurate.ui.job_forms import JobForm
from avhcurate.ui.job_panel import job_panel
from avhcurate.ui.layout import halves
from avhcurate.ui.page_choices import number
from avhcurate.ui.score_help import explain_scores
from avhcurate.ui.text import counted, signed
from avhcurate.workspace.data.prediction import PredictionRecord

_TARGET = number("predicted.target", 0.5, low=0.05, high=0.99)

_ABOUT = """
With votes on some images, a model of these votes predicts the HSF of all others, with an interval: from the scores,
the embedding and the class. Predictions are columns of their own (`hsf_predicted`, `human_gap`) to sort, filter and
export by, and are never counted as votes.
"""


def section(page: Opened) -> None:
    """Draw predicted HSF of the dataset: how to get it, or what it reached."""
    st.header("Predicted HSF", help=_ABOUT)
    job = job_panel(page.workspace)
    busy = job is not None and job.active
    if page.table.prediction is None:
        st.markdown(_ABOUT)
        _form(page, "Predict HSF", busy=busy)
        return
    record = page.table.prediction.record
    st.markdown(summary(record))
    votes = page.table.votes
    if votes and (votes.fingerprint, votes.simulated) != (record.votes_fingerprint, record.votes_simulated):
        st.warning("The votes have changed since. Predict again to use them all.", icon=":material/update:")
    left, right = halves()
    with left:
        st.markdown("**How much votes help**")
        label = "Target: Spearman with HSF"
        target = float(
            _TARGET.show(st.number_input, label, page.view, min_value=0.05, max_value=0.99, step=0.01, width=190)
        )
        show_chart(curve_chart(record, target), key="predicted.curve")
        st.markdown(needed_sentence(record, target))
    with right:
        st.markdown("**What the intervals hold**")
        st.html(_coverage(record))
        st.caption(
            f"Intervals are for HSF of {counted(record.votes, 'vote')}. They claim {record.level:.0%} over all images "
            "like the voted ones and by predicted HSF, not by the HSF that people gave: an image that is harder for "
            "people than expected is outside. A voted image is judged by a model that did not know its votes."
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        gallery_link("Lowest predicted HSF", page.view, sort="hsf_predicted", descending=False, caption="hsf_predicted")
        gallery_link("Hard only for the network", page.view, sort="human_gap", descending=True, caption="human_gap")
        gallery_link("Hard only for people", page.view, sort="human_gap", descending=False, caption="human_gap")
        explain_scores(["hsf_predicted", "human_gap"], label="About predicted HSF", key="predicted.explain")
    _form(page, "Predict again", busy=busy)


def summary(record: PredictionRecord) -> str:
    """Return what was predicted from what, and what it reached, in a few sentences."""
    votes = "simulated votes" if record.votes_simulated else "votes"
    sentences = [
        f"HSF of {record.samples:,} images is predicted from {votes} on {record.learnt:,} of them and "
        f"{counted(len(record.runs), 'run')}: predicted, not voted."
    ]
    if not record.curve or record.curve[-1].rho is None:
        return sentences[0]
    last = record.curve[-1]
    reached = f"**{_between(last.rho, last.low, last.high, 3)}**, n {last.n:,}"
    sentences.append(f"Over images held out, Spearman with HSF is {reached}.")
    if record.weighted:
        sentences.append("It is weighted to the dataset.")
    elif set(record.queues) & set(BIASED):
        sentences.append("It is of the images that a biased queue asked for.")
    if record.confidence_rho is not None:
        difference = _between(record.gain, record.gain_low, record.gain_high, 3)
        sentences.append(f"Confidence reaches {signed(record.confidence_rho, 3)}; the difference is {difference}.")
    if record.ceiling is not None:
        sentences.append(f"The noise ceiling is {record.ceiling:.2f}.")
    return " ".join(sentences)


def _between(value: float | None, low: float | None, high: float | None, digits: int) -> str:
    """Return a value with the ends of its interval, where they are known."""
    text = signed(value or 0.0, digits)
    if low is None or high is None:
        return text
    return f"{text} ({signed(low, digits)} to {signed(high, digits)})"


def needed_sentence(record: PredictionRecord, target: float) -> str:
    """Return how many voted images a target needs by the forecast, and how sure that is."""
    reached = [point for point in record.curve if point.rho is not None and point.rho >= target]
    if reached:
        first = min(reached, key=lambda point: point.learnt)
        rho = _between(first.rho, first.low, first.high, 2)
        return f"{target:.2f} is reached with votes on {first.learnt:,} images: {rho}."
    found = forecast_of(record)
    if found is None:
        return "There are too few votes for a forecast."
    needed, (fewest, most) = found.needed(target), found.needed_range(target)
    if needed is None:
        low, high = (float(end[0]) for end in found.band(np.inf))
        limit = f"the curve levels off near {_between(found.limit, low, high, 2)}"
        if fewest is None:
            return f"{target:.2f} is out of reach with these inputs: {limit}."
        return f"{target:.2f} may be out of reach with these inputs: {limit}. More runs may reach further."
    ends = f"95 %: from {_rounded(fewest or needed)}"
    if most is not None:
        ends += f" to {_rounded(most)}"
    if needed > record.samples:
        return f"{target:.2f} would need votes on about {_rounded(needed)} images ({ends}), more than the dataset has."
    more = _rounded(max(0, needed - record.learnt))
    return f"{target:.2f} needs votes on about {_rounded(needed)} images ({ends}), **{more} more**, by a forecast."


def _rounded(count: int) -> str:
    """Return a count of which two digits are known.

    >>> _rounded(1234), _rounded(7)
    ('1,200', '7')
    """
    return f"{round(count, min(0, 2 - len(str(count)))):,}"


def _coverage(record: PredictionRecord) -> str:
    rows = []
    for kind, group in (("HSF", record.coverage), ("Predicted", record.coverage_predicted)):
        for row in group:
            title = f"{kind} {row.bin}".replace("HSF all", "All")
            share = estimate(row.coverage, row.coverage_low, row.coverage_high, 1, percent=True)
            rows.append(table_row(title, [f"{row.n:,}", share, f"{row.width:.2f}"]))
    return html_table(["Images", "n", "In the interval", "Mean width"], rows)


def _form(page: Opened, label: str, *, busy: bool) -> None:
    """Draw the button that starts the job, where there are enough votes."""
    asked = int((page.table.counter.counts.asked > 0).sum())
    if page.table.run is None or asked < FEWEST:
        st.caption(f"It needs a scored run and votes on {FEWEST} images. Images with votes: {asked:,}.")
        return
    usual = PredictSettings(dataset=page.table.dataset.name, runs=(page.table.run.name,))
    form = JobForm(
        page.workspace.root, "predicted.", PredictSettings, busy=busy, dataset=usual.dataset, runs=usual.runs
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        form.ask("level", width=130)
        form.submit(label, button=st.button, key="predicted.start")
        st.code(usual.line, language="bash", width="content")
