"""Parts of the Annotators page about votes: exclusion by a rule, agreement, reliability, disputed labels, export."""

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from avhcurate.datasets.curate.annotations import user
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.sample import rows_of
from avhcurate.errors import CurateError
from avhcurate.features.annotate import annotators
from avhcurate.features.annotate import vote_quality as annotate_vote_quality
from avhcurate.features.annotate.plots import hsf_course
from avhcurate.features.annotate.vote_quality import VoteQuality
from avhcurate.features.annotate.votes_out import write_votes
from avhcurate.measures.stats.sample_size import Need
from avhcurate.measures.stats.vote_mixture import MOST_VOTES
from avhcurate.people.annotators import LEAST_COMPARED, LEAST_CONTROLS, LEAST_TIMED, ExclusionRule
from avhcurate.ui import cache
from avhcurate.ui.charts import show_chart
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.export_menu import download
from avhcurate.ui.frame import Opened, attempt
from avhcurate.ui.grid_views import GridView, tiles_view
from avhcurate.ui.layout import fact, halves
from avhcurate.ui.score_help import score_name
from avhcurate.ui.selection import browsing_grid
from avhcurate.ui.signin import for_curators, who
from avhcurate.ui.text import counted
from avhcurate.ui.tiles import make_tiles, tile_columns
from avhcurate.ui.user_errors import plain, show_user_error

_MEANING = """
- **Fleiss' kappa** and **Krippendorff's alpha**: how far annotators agree beyond chance. 1 is full agreement, 0 that of
  chance. Intervals are 95 %, bootstrapped over images.
- **Reliability**: the Spearman correlation to expect between this HSF and HSF of as many further votes, from a mixture
  of binomials fitted to the votes.
- **Noise ceiling**: its square root, the highest Spearman with HSF that any score can be expected to reach.
- Images that are hard for people lower agreement even where all are careful: it describes images and annotators.
"""

#: The most votes that Dawid-Skene runs on without a click, and the most tiles that show its result.
_CHEAP, _MOST = 20_000, 24

#: What each format is called, and how its file ends.
_FORMATS = {
    "long-csv": ("CSV", ".csv"),
    "long-parquet": ("Parquet", ".parquet"),
    "counts": ("Counts", ".parquet"),
    "label-studio": ("Label Studio", ".json"),
    "imagenetv2": ("ImageNetV2", ".json"),
}


def _votes_key(table: DatasetTable) -> str:
    return f"{cache.cache_key(table)}\n{table.response_log.columns(table.dataset.id).version}"


#: For caches of results over the collected votes, which change with every answer, status and choice.
VOTES_HASH = cache.HASH_FUNCS | {DatasetTable: _votes_key}

vote_quality = st.cache_resource(max_entries=8, show_spinner="Reading the votes …", hash_funcs=VOTES_HASH)(
    annotate_vote_quality.vote_quality
)


_disputed_labels = st.cache_data(max_entries=8, show_spinner="Weighing the votes …", hash_funcs=VOTES_HASH)(
    annotate_vote_quality.disputed_labels
)


# --- exclusion by a rule -----------------------------------------------------------------------------------------


def exclusion_rule(page: Opened, quality: VoteQuality) -> None:
    """Draw limits that annotators must keep, who does not, and a button that excludes them."""
    with st.expander("Exclude by a rule", icon=":material/rule:"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            limits = ExclusionRule(
                control_accuracy=_limit("Controls right, at least", "control_accuracy", LEAST_CONTROLS, "controls"),
                agreement=_limit("Agreement, at least", "agreement", LEAST_COMPARED, "compared votes"),
                too_fast=_limit("Impossibly fast, at most", "too_fast", LEAST_TIMED, "timed answers"),
            )
        if limits == ExclusionRule():
            st.caption("Enter a limit to see who would be excluded. The rule does nothing until you apply it.")
            return
        excluded = annotators.excluded_by(page.table, quality.table, limits)
        if excluded.empty:
            st.caption("Every annotator who counts keeps this rule.")
            return
        names = excluded["annotator"].tolist()
        reasons = zip(names, excluded["reason"], strict=True)
        st.markdown("\n".join(f"- **{plain(name)}**: {plain(why)}" for name, why in reasons))
        st.button(
            f"Exclude {counted(len(names), 'annotator')}",
            key="annotators.apply",
            icon=":material/block:",
            on_click=_apply,
            args=(page, limits),
            **for_curators("Excluding annotators"),
        )


def _limit(label: str, key: str, least: int, what: str) -> float | None:
    value = st.number_input(
        label,
        0,
        100,
        None,
        step=5,
        key=f"annotators.rule.{key}",
        placeholder="% (off)",
        help=f"In percent. It judges annotators with at least {least} {what}.",
        width=210,
    )
    if value is None:
        return None
    return value / 100


def _apply(page: Opened, limits: ExclusionRule) -> None:
    attempt(annotators.apply_rule, page.table, limits, who=who() or user(), done="The rule is applied")


# --- agreement and reliability -----------------------------------------------------------------------------------


def agreement_facts(quality: VoteQuality) -> None:
    """Draw kappa, alpha, reliability and the noise ceiling, and how HSF moved as votes came in."""
    reliability = quality.reliability
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("Agreement and reliability")
        with st.popover("What these mean", icon=":material/help:", type="tertiary", key="annotators.meaning"):
            st.markdown(_MEANING)
    left, right = halves()
    with left:
        with st.container(horizontal=True, gap="medium"):
            for one in (quality.kappa, quality.alpha):
                note = f"{one.low:.2f}–{one.high:.2f}, {one.samples:,} images, {one.answers:,} answers"
                fact(one.name, _value(one.value), one.reason or note)
        with st.container(horizontal=True, gap="medium"):
            for name, value, low, high in (
                ("Reliability of HSF", reliability.reliability, reliability.low, reliability.high),
                ("Noise ceiling", reliability.ceiling, reliability.ceiling_low, reliability.ceiling_high),
            ):
                note = reliability.reason or f"{low:.2f}–{high:.2f}, {reliability.samples:,} samples"
                fact(name, _value(value), note)
    with right:
        st.markdown("**How HSF moved as votes came in**")
        if len(quality.course) < 2:
            st.caption("A curve needs samples with two votes or more.")
        else:
            show_chart(hsf_course(quality.course), key="annotators.course")


def _value(value: float) -> str:
    return f"{value:.2f}".replace("nan", "–")


def votes_needed(page: Opened) -> None:
    """Draw how many more votes are needed to know the correlation of a score with HSF as narrowly as asked."""
    st.header("How many more votes?")
    if page.table.run is None:
        st.caption("A correlation needs scores: score the dataset with a model first.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("Until the 95 % interval of", width="content")
        scores = list(page.table.scores)
        score = st.selectbox(
            "Score", scores, format_func=score_name, key="annotators.score", label_visibility="collapsed", width=170
        )
        st.markdown("with HSF is at most", width="content")
        width = st.number_input(
            "Width", 0.01, 1.0, 0.1, step=0.01, key="annotators.width", label_visibility="collapsed", width=130
        )
        st.markdown("wide:", width="content")
    try:
        st.markdown(plain(need_text(annotate_vote_quality.need(page.table, score=score, width=width))))
    except CurateError as error:
        show_user_error(error)


def need_text(need: Need) -> str:
    """Return how many more votes or samples are needed, in a sentence or two."""
    now = f"The interval of the correlation is {need.width_now:.3f} wide"
    if need.width_now <= need.width:
        return f"{now}. That is already as narrow as asked."
    samples = f"{need.samples_needed - need.samples} more samples with {need.votes:.3g} votes each"
    if need.votes_needed is None:
        return (
            f"{now}. Up to {MOST_VOTES} votes on each of the same {need.samples} samples cannot be expected to make it "
            f"narrower than {need.width_at_best:.3f}; {samples} would."
        )
    return (
        f"{now}. {need.votes_needed} votes per sample at least, {need.more_votes} more in all, can be expected to make "
        f"it {need.width:.3g}; {samples} would do so too."
    )


# --- disputed labels ------------------------------------------------------------------------------------------------


def disputed_labels(page: Opened, quality: VoteQuality) -> GridView | None:
    """Draw disputed labels as tiles, the surest first; return the view of them."""
    st.header("Where people contradict the label")
    st.caption(
        "Dawid and Skene (1979): an annotator who is often wrong counts less. It finds labels to check; HSF stays the "
        "plain share of votes, which measures how hard an image is."
    )
    if len(quality.votes) > _CHEAP and not st.toggle("Find disputed labels", key="annotators.opinions"):
        return None
    disputed = _disputed_labels(page.table, quality.design)
    if disputed.empty:
        st.caption("No label is contradicted so far.")
        return None
    shown = disputed.head(_MOST)
    st.caption(
        f"{len(shown):,} of {counted(len(disputed), 'image')}, the surest first, with what people say and how probable "
        "that is."
    )
    view = tiles_view(_tiles(page, shown), about=f"disputed {page.table.dataset.name}")
    browsing_grid(view, key="annotators.contradicted", tile_size=110, label="Where people contradict the label")
    return view


def _tiles(page: Opened, shown: pd.DataFrame) -> list[Tile]:
    rows = rows_of(page.table, shown["id"].tolist(), columns=tile_columns("hsf"))
    tiles = make_tiles(rows, page.table.dataset.name, page.version, score="hsf")
    names = dict(enumerate(page.table.classes))
    said = [f"people: {names.get(label, 'something else')}" for label in shown["said"]]
    return [
        replace(tile, score="", sub=what, note=f"{prob:.2f}", differs=True)
        for tile, what, prob in zip(tiles, said, shown["prob"], strict=True)
    ]


# --- export ------------------------------------------------------------------------------------------------------


def export_menu(page: Opened) -> None:
    """Draw the download of the answers behind HSF, as a file of the format chosen."""
    table = page.table
    if table.votes is None:
        return
    st.header("Export the votes")
    st.caption("Every answer that HSF uses, with its annotator and time where they are known.")
    possible = [name for name in _FORMATS if name != "imagenetv2" or table.votes.kind == "tick"]
    with st.container(horizontal=True, vertical_alignment="center"):
        name = st.segmented_control(
            "Format",
            possible,
            default=possible[0],
            format_func=lambda name: _FORMATS[name][0],
            required=True,
            key="annotators.format",
            label_visibility="collapsed",
        )
        about, suffix = _FORMATS[name]
        file = f"{table.dataset.name}-votes-{name}{suffix}"
        download(f"Download votes as {about}", partial(file_of, table, name), file, key="annotators.download")
    if table.simulated:
        st.caption("These votes are simulated; the file says so.")


def file_of(table: DatasetTable, format: str) -> bytes:
    """Return the bytes of the votes in a format of `annotate.votes_out`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"votes{_FORMATS[format][1]}"
        write_votes(table, format, path)
        return path.read_bytes()
