"""The section of the Correlation page on predicted HSF: the job, what it reached, and how many votes a target needs."""

import math
from dataclasses import dataclass

import numpy as np
import streamlit as st

from avhcurate.data.background import Command
from avhcurate.data.prediction import PredictionRecord
from avhcurate.predicted_hsf.learning_curve import forecast_of
from avhcurate.predicted_hsf.plots import curve_chart
from avhcurate.predicted_hsf.service import FEWEST
from avhcurate.ui.charts import show_chart
from avhcurate.ui.frame import Opened
from avhcurate.ui.grid_actions import gallery_link
from avhcurate.ui.html_table import estimate, html_table, table_row
from avhcurate.ui.job_forms import JobForm, option
from avhcurate.ui.job_panel import job_panel
from avhcurate.ui.layout import halves
from avhcurate.ui.page_choices import number
from avhcurate.ui.score_help import explain_scores
from avhcurate.ui.text import counted, signed
from avhcurate.votes.queues import BIASED

_TARGET = number("predicted.target", 0.5, low=0.05, high=0.99)

_ABOUT = """
With votes on some images, a model of these votes predicts the HSF of all others, with an interval: from the scores,
the embedding and the class. Predictions are columns of their own (`hsf_predicted`, `human_gap`) to sort, filter and
export by, and are never counted as votes.
"""


@dataclass(frozen=True)
class Predict(Command):
    """Options of `avhcurate predict`.

    >>> Predict("pets", "net-1", level=0.8).argv
    ['predict', 'pets', '--runs=net-1', '--level=0.8']
    """

    verb = "predict"
    dataset: str
    runs: str = ""
    level: float = option(
        st.selectbox,
        default=0.9,
        options=[0.8, 0.9, 0.95],
        index=1,
        format_func=lambda level: f"{level:.0%}",
        label="Intervals hold",
        width=130,
        help="Share of HSF that the intervals are to cover, over all images.",
    )


def section(page: Opened) -> None:
    """Predicted HSF of the dataset: how to get it, or what it reached."""
    st.header("Predicted HSF", help=_ABOUT)
    job = job_panel(page.workspace)
    busy = job is not None and job.active
    record = page.table.prediction.record if page.table.prediction else None
    if record is None:
        st.markdown(_ABOUT)
        _form(page, "Predict HSF", busy=busy)
        return
    st.markdown(summary(record))
    votes = page.table.votes
    if votes and (votes.fingerprint, votes.simulated) != (record.votes_fingerprint, record.votes_simulated):
        st.warning("The votes have changed since: predict again to use them all.", icon=":material/update:")
    left, right = halves()
    with left:
        st.markdown("**How much votes help**")
        target = _TARGET.show(
            st.number_input,
            "Target: Spearman with HSF",
            page.view,
            min_value=0.05,
            max_value=0.99,
            step=0.01,
            width=190,
        )
        show_chart(curve_chart(record, float(target)), key="predicted.curve")
        st.markdown(needed_sentence(record, float(target)))
    with right:
        st.markdown("**What the intervals hold**")
        st.html(_coverage(record))
        st.caption(
            f"Intervals are for HSF of {counted(record.votes, 'vote')}, not for the chance behind it, and claim "
            f"{record.level:.0%} over all images like the voted ones and by predicted HSF, not by the HSF that people "
            "gave: an image that they find hard against expectation lies outside. A voted image is judged by a model "
            "that did not know its votes."
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        gallery_link("Lowest predicted HSF", page.view, sort="hsf_predicted", descending=False, caption="hsf_predicted")
        gallery_link("Hard for the network alone", page.view, sort="human_gap", descending=True, caption="human_gap")
        gallery_link("Hard for people alone", page.view, sort="human_gap", descending=False, caption="human_gap")
        explain_scores(["hsf_predicted", "human_gap"], label="About predicted HSF", key="predicted.explain")
    _form(page, "Predict again", busy=busy)


def summary(record: PredictionRecord) -> str:
    """What was predicted from what, and what it reached, in a sentence or two."""
    votes = "simulated votes" if record.votes_simulated else "votes"
    runs = counted(len(record.runs), "run")
    text = (
        f"HSF of {record.samples:,} images is predicted from {votes} on {record.learnt:,} of them and {runs}: "
        "predicted, not voted."
    )
    last = record.curve[-1] if record.curve else None
    if last is None or last.rho is None or last.low is None or last.high is None:
        return text
    ends = f"{signed(last.low, 3)} to {signed(last.high, 3)}, n {last.n:,}"
    biased = set(record.queues) & set(BIASED)
    of_them = (
        " weighted to the dataset," if record.weighted else " of those that its queue asked for," if biased else ""
    )
    found = f"Over images held out,{of_them} Spearman with HSF is **{signed(last.rho, 3)}** ({ends})"
    if record.confidence_rho is not None:
        found += f"; confidence reaches {signed(record.confidence_rho, 3)}"
        if record.gain is not None and record.gain_low is not None and record.gain_high is not None:
            ends = f"{signed(record.gain_low, 3)} to {signed(record.gain_high, 3)}"
            found += f", the difference is {signed(record.gain, 3)} ({ends})"
    if record.ceiling is not None:
        found += f", and the noise ceiling is {record.ceiling:.2f}"
    return f"{text} {found}."


def needed_sentence(record: PredictionRecord, target: float) -> str:
    """How many voted images a target needs by the forecast, and how sure that is."""
    reached = [point for point in record.curve if point.rho is not None and point.rho >= target]
    if reached:
        first = min(reached, key=lambda point: point.learnt)
        ends = (
            "" if first.low is None or first.high is None else f" ({signed(first.low, 2)} to {signed(first.high, 2)})"
        )
        return f"{target:.2f} is reached with votes on {first.learnt:,} images: {signed(first.rho or 0.0, 2)}{ends}."
    if (found := forecast_of(record)) is None:
        return "Too few votes for a forecast."
    fewest, most = found.needed_range(target)
    if (needed := found.needed(target)) is None:
        low, high = (float(end[0]) for end in found.band(np.inf))
        out = "is" if fewest is None else "may be"
        return (
            f"{target:.2f} {out} out of reach with these inputs: the curve levels off near {found.limit:.2f} "
            f"({signed(low, 2)} to {signed(high, 2)}). Another network or several runs may reach further."
        )
    ends = f"{_rounded(fewest or needed)} {'or more, or out of reach' if most is None else f'to {_rounded(most)}'}"
    unsure = f"(95 %: {ends})"
    if needed > record.samples:
        return f"{target:.2f} would need votes on about {_rounded(needed)} images {unsure}, more than the dataset has."
    more = max(0, needed - record.learnt)
    return (
        f"{target:.2f} needs votes on about {_rounded(needed)} images, **{_rounded(more)} more**, by a forecast from "
        f"the curve {unsure}."
    )


def _rounded(count: int) -> str:
    """A count of which two digits are known.

    >>> _rounded(1234), _rounded(7)
    ('1,200', '7')
    """
    return f"{round(count, 2 - len(str(count))) if count > 99 else math.ceil(count):,}"


def _coverage(record: PredictionRecord) -> str:
    rows = (
        table_row(
            "All" if row.bin == "all" else f"{kind} {row.bin}",
            [
                f"{row.n:,}",
                estimate(row.coverage, row.coverage_low, row.coverage_high, 1, percent=True),
                f"{row.width:.2f}",
            ],
        )
        for kind, group in (("HSF", record.coverage), ("Predicted", record.coverage_predicted))
        for row in group
    )
    return html_table(["Images", "n", "In the interval", "Mean width"], rows)


def _form(page: Opened, label: str, *, busy: bool) -> None:
    """The button that starts the job, where there are votes enough."""
    asked = int((page.table.counter.counts.asked > 0).sum())
    if page.table.run is None or asked < FEWEST:
        st.caption(f"Needs a scored run and votes on {FEWEST} images; {counted(asked, 'image')} have votes.")
        return
    usual = Predict(page.table.dataset.name, page.table.run.name)
    form = JobForm(
        page.workspace.root,
        "predicted.",
        Predict,
        busy=busy,
        dataset=usual.dataset,
        runs=usual.runs,
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        form.ask("level")
        form.submit(label, button=st.button, key="predicted.start")
        st.code(usual.line, language="bash", width="content")
