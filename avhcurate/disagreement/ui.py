"""The Disagreement page: score and cuts, the scatter chart, both sets with their actions."""

from dataclasses import dataclass, replace
from functools import partial

import pandas as pd
import streamlit as st

from avhcurate.curate.annotations import annotate
from avhcurate.disagreement.plots import MOST_POINTS, downsampled, gap_scatter
from avhcurate.disagreement.rules import HSF_CUTS, SCORE_CUTS, Cuts
from avhcurate.disagreement.service import SETS, Gap, compared_points, disagree, gap_table, members_only
from avhcurate.errors import CurateError
from avhcurate.export.tabular import frame_text
from avhcurate.scores import SCORES
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.ui import url_state
from avhcurate.ui.cache import HASH_FUNCS
from avhcurate.ui.charts import clicked_id
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.export_menu import download, samples_label
from avhcurate.ui.frame import Opened, attempt, mirrored
from avhcurate.ui.grid_actions import undo_button
from avhcurate.ui.grid_bar import narrow_grid
from avhcurate.ui.grid_views import GridView
from avhcurate.ui.page_choices import Choice, one_of, switch
from avhcurate.ui.popovers import closing_popover
from avhcurate.ui.score_help import explain_scores, format_score, score_name
from avhcurate.ui.signin import for_curators, who
from avhcurate.ui.text import counted

_TAGS = {"hard_for_humans": "hard-for-humans", "hard_for_network": "hard-for-network"}


def _read_cuts(text: str) -> Cuts:
    kind, low, high = text.split(":")
    cuts = Cuts(float(low), float(high), kind == "quantile")
    known = kind in ("quantile", "value") and cuts.low <= cuts.high
    if not known or (cuts.quantile and not 0 <= cuts.low <= cuts.high <= 1):
        raise ValueError(text)
    return cuts


def _write_cuts(cuts: Cuts) -> str:
    if cuts.quantile:
        return f"quantile:{cuts.low:.6g}:{cuts.high:.6g}"
    return f"value:{cuts.low!r}:{cuts.high!r}"  # in full: a rounded cut may leave out the sample that it lies at


SCORE = one_of("gap.score", list(SCORES), "avh")
HUMAN = switch("gap.predicted")
BY_HSF = Choice("gap.hsf", HSF_CUTS, _read_cuts, _write_cuts)
BY_SCORE = Choice("gap.cuts", SCORE_CUTS, _read_cuts, _write_cuts)


@dataclass(frozen=True)
class GapSettings:
    """What the page compares: a score, and where both scales are cut; `predicted`: predicted HSF in place of votes."""

    key: str
    hsf_cuts: Cuts
    score_cuts: Cuts
    predicted: bool = False

    @property
    def name(self) -> str:
        return score_name(self.key)


def settings_of(page: Opened) -> GapSettings:
    """Settings of the address; the run's own measure of hardness where it does not have the score."""
    view, key = page.view, SCORE.of(page.view)
    key = key if key in page.table.scores else page.table.hardness
    predicted = page.table.prediction is not None and HUMAN.of(view)
    return GapSettings(key, BY_HSF.of(view), BY_SCORE.of(view), predicted)


def choose_cuts(page: Opened, settings: GapSettings) -> None:
    """Score, and the cuts of both scales."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        SCORE.show(
            st.selectbox,
            "Score",
            page.view,
            page.table.scores,
            value=settings.key,
            format_func=score_name,
            on_change=_choose_score,
            width=160,
        )
        if page.table.prediction is not None:
            HUMAN.show(
                st.toggle,
                "Predicted HSF",
                page.view,
                value=settings.predicted,
                help="Compares all images by the HSF that a model of the votes predicts, not only those with votes.",
            )
        low, high = sorted((min(1.0, max(0.0, settings.hsf_cuts.low)), min(1.0, max(0.0, settings.hsf_cuts.high))))
        st.slider(
            "HSF: hard below, easy above",
            0.0,
            1.0,
            step=0.05,
            key=mirrored("gap.hsf", (low, high)),
            on_change=_cut_hsf,
            width=215,
        )
        st.segmented_control(
            f"Cut {settings.name} by",
            ["quantile", "value"],
            key=mirrored("gap.by", "quantile" if settings.score_cuts.quantile else "value"),
            on_change=_change_kind,
            args=(page.table, settings),
            required=True,
        )
        _score_slider(page, settings)
        explain_scores([settings.key, "hsf"], label="About", key="gap.explain")


def _score_slider(page: Opened, settings: GapSettings) -> None:
    cuts = settings.score_cuts
    if cuts.quantile:
        ends, step, form, label = (0.0, 1.0), 0.01, "%.2f", f"{settings.name} quantiles"
    else:
        extent = page.table.histogram(settings.key, filters=page.filters, bins=1)
        if extent.empty or not extent["low"][0] < extent["high"][0]:
            st.caption(f"{settings.name} has one value or none here.")
            return
        ends = (float(extent["low"][0]), float(extent["high"][0]))
        step, form, label = (ends[1] - ends[0]) / 500, "%.4g", f"{settings.name} values"
    low, high = (min(max(cut, ends[0]), ends[1]) for cut in (cuts.low, cuts.high))
    st.slider(
        label,
        *ends,
        step=step,
        format=form,
        key=mirrored(f"gap.cuts.{settings.key}.{cuts.quantile}", (low, high)),
        on_change=_cut_score,
        args=(f"gap.cuts.{settings.key}.{cuts.quantile}", cuts.quantile),
        width=215,
    )


@st.cache_resource(max_entries=16, show_spinner="Comparing people with the network …", hash_funcs=HASH_FUNCS)
def compare(table: DatasetTable, filters: Filters, settings: GapSettings) -> tuple[Gap, pd.DataFrame]:
    """Both sets of the gap, and the points to draw: `disagreement.service`, thinned out where they are many."""
    gap = disagree(
        table,
        key=settings.key,
        filters=filters,
        hsf_cuts=settings.hsf_cuts,
        score_cuts=settings.score_cuts,
        predicted=settings.predicted,
    )
    return members_only(gap), downsampled(compared_points(gap))


def chart(settings: GapSettings, gap: Gap, shown: pd.DataFrame) -> int | None:
    """HSF against the score; returns the id of a point that was just clicked."""
    names = {key: f"{title} · n {len(gap.ids[key]):,}" for key, title in SETS.items()}
    figure = gap_scatter(
        shown,
        gap.sets,
        score=settings.name,
        names=names,
        simulated=gap.simulated,
        percentiles=settings.score_cuts.quantile,
        predicted=gap.predicted,
    )
    # A new key drops the click once it is answered, else every later run would open the sample again.
    turn = st.session_state.setdefault("gap.turn", 0)
    human = "predicted HSF" if gap.predicted else "HSF"
    event = st.plotly_chart(
        figure,
        key=f"gap.chart.{turn}",
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"{human} against {settings.name}: {names['hard_for_humans']}; {names['hard_for_network']}",
    )
    parts = [f"{gap.sets.samples:,} samples have both {human} and {settings.name}."]
    if len(shown) < gap.sets.samples:
        parts.append(f"{len(shown):,} of them are drawn, both sets as far as they fit and a random part of the rest.")
        parts.append(f"Every n counts all; the limit is {MOST_POINTS:,} points.")
    st.caption(" ".join([*parts, "Click a point to open it."]))
    clicked = clicked_id(event)
    if clicked is not None:
        st.session_state["gap.turn"] = turn + 1
    return clicked


def gallery(page: Opened, settings: GapSettings, gap: Gap, name: str) -> GridView | None:
    """One set of the gap as a grid with its n and actions."""
    ids = gap.ids[name]
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{SETS[name]}**", width="content")
        with st.container(horizontal=True, vertical_alignment="center", width="content", gap="xsmall"):
            if ids:
                _actions(page, gap, name)
    st.caption(_sentence(settings, gap, name))
    if not ids:
        st.markdown("No sample lies beyond both cuts: move them inwards.")
        return None
    return narrow_grid(page, ids, key=f"gap.{name}", label=SETS[name], score=settings.key, look=_look)


def _look(tile: Tile) -> Tile:
    return replace(tile, sub=tile.sub.replace("predicted", "pred."))  # these tiles are narrow


def _sentence(settings: GapSettings, gap: Gap, name: str) -> str:
    sets, low_is_easy = gap.sets, gap.sets.harder == "high"
    hard_for_humans = name == "hard_for_humans"
    human = "predicted HSF" if gap.predicted else "HSF"
    hsf = f"{human} ≤ {sets.hsf_cuts[0]:.2g}" if hard_for_humans else f"{human} ≥ {sets.hsf_cuts[1]:.2g}"
    below = hard_for_humans == low_is_easy
    cut = sets.score_cuts[0 if below else 1]
    share = len(gap.ids[name]) / sets.samples if sets.samples else 0
    where = f"{hsf} and {settings.name} {'≤' if below else '≥'} {format_score(settings.key, cut)}"
    return f"n {len(gap.ids[name]):,} of {sets.samples:,} ({100 * share:.1f} %) · {where} · widest gap first"


def _actions(page: Opened, gap: Gap, name: str) -> None:
    n = len(gap.ids[name])
    with closing_popover("Tag", icon=":material/label:", key=f"gap.tag.{name}", **for_curators()):
        st.text_input("Tag", value=_TAGS[name], key=f"gap.tag_name.{name}")
        with st.container(horizontal=True):
            st.button(
                f"Tag {n:,} samples", type="primary", key=f"gap.add.{name}", on_click=_tag, args=(page.table, gap, name)
            )
            undo_button(page.table, key=f"gap.undo.{name}")
    with st.popover("Export", icon=":material/download:", key=f"gap.export.{name}"):
        form = st.segmented_control("Format", ["csv", "jsonl"], default="csv", required=True, key=f"gap.format.{name}")
        file = f"{page.table.dataset.name}-{_TAGS[name]}.{form}"
        data = partial(export_set, page.table, gap, name, form)
        download(samples_label(n, form), data, file, key=f"gap.download.{name}", type="primary")
        if gap.simulated:
            st.caption("HSF comes from simulated votes; the file says so.")


def export_set(table: DatasetTable, gap: Gap, name: str, form: str) -> bytes:
    """One set of the gap as CSV or JSON lines."""
    rows = gap_table(table, gap)
    return frame_text(rows[rows["set"] == name], form).encode()


# --- callbacks -----------------------------------------------------------------------------------------------


def _choose_score() -> None:
    """Cuts by value mean nothing for another score."""
    SCORE.keep()
    if not BY_SCORE.of(url_state.current()).quantile:
        BY_SCORE.put(BY_SCORE.default)


def _cut_hsf() -> None:
    low, high = (round(end, 2) for end in st.session_state["gap.hsf"])
    BY_HSF.put(Cuts(low, high))


def _cut_score(key: str, quantile: bool) -> None:
    low, high = st.session_state[key]
    BY_SCORE.put(Cuts(low, high, quantile))


def _change_kind(table: DatasetTable, settings: GapSettings) -> None:
    """Converts the cuts from quantiles to the values that they are at, or returns to the default quantiles.

    Where the quantiles make no sets, as those that ties make one value, the cuts are the ends of the scale.
    """
    if st.session_state["gap.by"] == "quantile":
        BY_SCORE.put(BY_SCORE.default)
        return
    filters = url_state.current().filters
    try:
        low, high = compare(table, filters, settings)[0].sets.score_cuts
    except CurateError:
        extent = table.histogram(settings.key, filters=filters, bins=1)
        low, high = float(extent["low"].min()), float(extent["high"].max())
    if low < high:
        BY_SCORE.put(Cuts(low, high))


def _tag(table: DatasetTable, gap: Gap, name: str) -> None:
    tag, ids = st.session_state[f"gap.tag_name.{name}"], gap.ids[name]
    done = f"{counted(len(ids), 'image')} tagged {tag}"
    attempt(annotate, table, ids, "tag", tag, who=who(), done=done, closes=f"gap.tag.{name}")
