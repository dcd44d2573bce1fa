"""The Disagreement page: score and cuts, the scatter chart, both sets with their actions."""

from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.export.text import csv_text
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.features.disagreement.plots import MOST_POINTS, downsampled, gap_scatter
from avhcurate.features.disagreement.service import SETS, Gap, disagree, gap_table
from avhcurate.features.disagreement.study import HSF_CUTS, SCORE_CUTS, Cuts
from avhcurate.measures.scores import SCORES
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.export_menu import download, samples_label
from avhcurate.ui.base.frame import Opened, attempt
from avhcurate.ui.base.layout import apart, closing_popover, in_a_row, turn, turns
from avhcurate.ui.base.page_choices import Choice, one_of, switch
from avhcurate.ui.base.score_help import explain_scores, format_score, score_name
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import counted
from avhcurate.ui.charts.show import clicked_id
from avhcurate.ui.grid.grid_actions import undo_button
from avhcurate.ui.grid.grid_bar import narrow_grid
from avhcurate.ui.grid.grid_views import GridView
from avhcurate.workspace.data.prediction import PredictionFolder
from avhcurate.workspace.data.runs import RunFolder

_TAGS = {"hard_for_humans": "hard-for-humans", "hard_for_network": "hard-for-network"}


def _read_cuts(text: str) -> tuple[float, float]:
    low, high = map(float, text.split(":"))
    if not 0 <= low <= high <= 1:
        raise ValueError(text)
    return low, high


def _write_cuts(cuts: tuple[float, float]) -> str:
    return f"{cuts[0]:.6g}:{cuts[1]:.6g}"


SCORE = one_of("gap.score", list(SCORES), "avh")
HUMAN = switch("gap.predicted")
BY_HSF = Choice("gap.hsf", (HSF_CUTS.low, HSF_CUTS.high), _read_cuts, _write_cuts)
BY_SCORE = Choice("gap.cuts", (SCORE_CUTS.low, SCORE_CUTS.high), _read_cuts, _write_cuts)


def choose_settings(page: Opened) -> dict[str, Any]:
    """Draw the choices of the score and of the cuts of both scales; return arguments of `disagree`."""
    key = SCORE.asked()
    if key not in page.samples.scores:
        key = page.samples.hardness  # the run's own measure of hardness
    predicted = False
    with in_a_row(gap="small"):
        key = SCORE.show(st.selectbox, "Score", page.samples.scores, value=key, format_func=score_name, width=160)
        if page.opened.prediction is not None:
            help_text = "Compares all images by the HSF that a model of the votes predicts, not only those with votes."
            predicted = HUMAN.show(st.toggle, "Predicted HSF", help=help_text)
        hsf_cuts = BY_HSF.show(st.slider, "HSF: hard below, easy above", 0.0, 1.0, step=0.05, width=215)
        label = f"{score_name(key)}: easiest and hardest share"
        score_cuts = BY_SCORE.show(st.slider, label, 0.0, 1.0, step=0.01, width=215)
    with page.help:
        explain_scores([key, "hsf"])
    return {
        "key": key,
        "predicted": predicted,
        "hsf_cuts": Cuts(*hsf_cuts),
        "score_cuts": Cuts(*score_cuts, quantile=True),
    }


@kept("Comparing people with the network …")
def compare(
    samples: SampleTable,
    run: RunFolder | None,
    prediction: PredictionFolder | None,
    filters: Filters,
    settings: dict[str, Any],
) -> Gap:
    """Return both sets of the gap with the points to draw: a part of them if they are many."""
    gap = disagree(samples, run, prediction, filters=filters, **settings)
    return replace(gap, points=downsampled(gap.points))


def chart(page: Opened, gap: Gap) -> int | None:
    """Draw HSF against the score; return the id of a point that was just clicked."""
    score = score_name(gap.key)
    ids = gap.ids
    names = {key: f"{title} · {counted(len(ids[key]), 'image')}" for key, title in SETS.items()}
    page.result.markdown(" · ".join(f"**{len(ids[key]):,}** {title.lower()}" for key, title in SETS.items()))
    # A new key drops the click once it is answered, else every later run would open the sample again.
    event = st.plotly_chart(
        gap_scatter(gap, gap.points, score=score, names=names),
        key=f"gap.chart.{turns('gap')}",
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"{gap.human} against {score}: {names['hard_for_humans']}; {names['hard_for_network']}",
    )
    note = f"{gap.sets.samples:,} images have both {gap.human} and {score}."
    if len(gap.points) < gap.sets.samples:
        note += f" {MOST_POINTS:,} of them are drawn: both sets as far as they fit, and a random part of the rest."
    st.caption(f"{note} Click a point to open it.")
    clicked = clicked_id(event)
    if clicked is not None:
        turn("gap")
    return clicked


def gallery(page: Opened, gap: Gap, name: str) -> GridView | None:
    """Draw one set of the gap as a grid with its n and actions."""
    ids = gap.ids[name]
    with apart():
        st.markdown(f"**{SETS[name]}**", width="content")
        with in_a_row("center", width="content", gap="xsmall"):
            if ids:
                _actions(page, gap, name)
    st.caption(_sentence(gap, name, len(ids)))
    if not ids:
        st.markdown("No image lies beyond both cuts. Move them inwards.")
        return None
    return narrow_grid(page, ids, key=f"gap.{name}", label=SETS[name], score=gap.key)


def _sentence(gap: Gap, name: str, n: int) -> str:
    """Say how many samples a set has and where it begins."""
    sets, (low, high) = gap.sets, (format_score(gap.key, cut) for cut in gap.sets.score_cuts)
    hsf = f"{gap.human} ≥ {sets.hsf_cuts[1]:.2g}"
    if name == "hard_for_humans":
        hsf = f"{gap.human} ≤ {sets.hsf_cuts[0]:.2g}"
    score = f"{score_name(gap.key)} ≥ {high}"
    if (name == "hard_for_humans") == (sets.sign > 0):
        score = f"{score_name(gap.key)} ≤ {low}"
    share = 100 * n / max(1, sets.samples)
    return f"{n:,} of {sets.samples:,} images ({share:.1f} %) · {hsf} and {score} · widest gap first"


def _actions(page: Opened, gap: Gap, name: str) -> None:
    n = len(gap.ids[name])
    with closing_popover("Tag", icon=":material/label:", key=f"gap.tag.{name}", **for_curators()):
        st.text_input("Tag", value=_TAGS[name], key=f"gap.tag_name.{name}")
        with in_a_row():
            st.button(
                f"Tag {n:,} images",
                type="primary",
                key=f"gap.add.{name}",
                on_click=_tag,
                args=(page.decisions, gap, name),
            )
            undo_button(page.decisions, key=f"gap.undo.{name}")
    file = f"{page.dataset.name}-{_TAGS[name]}.csv"
    download(samples_label(n, "csv"), partial(export_set, page.samples, gap, name), file, key=f"gap.download.{name}")


def export_set(samples: SampleTable, gap: Gap, name: str) -> bytes:
    """Return one set of the gap as CSV; a column says so where HSF comes from simulated votes."""
    rows = gap_table(samples, gap)
    return csv_text(rows[rows["set"] == name]).encode()


def _tag(decisions: Decisions, gap: Gap, name: str) -> None:
    tag = st.session_state[f"gap.tag_name.{name}"]
    ids = gap.ids[name]
    done = f"{counted(len(ids), 'image')} tagged {tag}"
    attempt(annotate, decisions, ids, "tag", tag, done=done, closes=f"gap.tag.{name}")
