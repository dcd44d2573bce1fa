"""The Degradation page: the form that starts the job, and the results in words, figures and a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.degradation import service, statistics
from avhcurate.degradation.corruptions import KINDS
from avhcurate.degradation.plots import agreement_boxes, curve_panels, measure_name
from avhcurate.degradation.service import DEFAULT_LIMIT, KEYS, Degraded
from avhcurate.degradation.statistics import ACCURACY, ORIGINAL
from avhcurate.degradation.store import DegradationFolder, degradations
from avhcurate.errors import CurateError
from avhcurate.scores import SCORES
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters
from avhcurate.ui.cache import HASH_FUNCS, file_key
from avhcurate.ui.charts import show_chart
from avhcurate.ui.export_menu import download
from avhcurate.ui.frame import Opened
from avhcurate.ui.html_table import html_table, table_row, tint
from avhcurate.ui.job_forms import PlacedCommand, fill_page, job_form, number, option, row, text
from avhcurate.ui.layout import empty_state
from avhcurate.ui.page_choices import choose_result, chosen_result, some_of, switch
from avhcurate.ui.score_help import explain_scores, score_name
from avhcurate.ui.text import PAPER, listed, signed

#: With the key of a degradation's folder.
DEGRADATION_HASH_FUNCS = HASH_FUNCS | {DegradationFolder: lambda folder: file_key(folder.scores_path)}

SHOWN_KINDS = some_of("degradation.kinds", list(KINDS), list(KINDS))
MEASURES = some_of("degradation.scores", [*KEYS, ACCURACY], ["avh", "confidence", "norm", ACCURACY])
BY_BIN = switch("degradation.bins")
#: Which degradation of the run is shown, in the address.
_MADE = "degradation.made"

#: The scores in the summary: what they should do as images get worse.
_SPOKEN = {"avh": "rises", "confidence": "falls", "norm": "falls"}

_ABOUT = """
Images of this run are degraded step by step, and the same network scores every step. People find a harsher level
harder (Geirhos et al. 2018), so the level is a proxy of human hardness where there are no votes, and a good score of
hardness **rises with it in every single image**: its Spearman correlation with the level, over the levels of one image,
is high.

Degradation acts on the network's square input: decoded, resized and cropped, not yet normalised. So levels mean the
same for photographs of any size. Level 0 is the image itself, shared by all kinds.
"""


# --- the job -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Degrade(PlacedCommand):
    """Options of `avhcurate degrade`; `limit` None takes all.

    >>> Degrade("pets", "resnet-1", kinds=["blur"]).argv
    ['degrade', 'pets', '--model=resnet-1', '--kinds=blur']
    """

    verb = "degrade"
    dataset: str
    model: str = ""
    kinds: Sequence[str] = option(
        st.pills,
        label="Degradations",
        options=list(KINDS),
        selection_mode="multi",
        format_func=lambda key: KINDS[key].name,
        write=lambda kinds: "" if set(kinds) == set(KINDS) else ",".join(kinds),
    )
    limit: int | None = number(
        "Spread evenly over the run's; empty for all.",
        "all",
        140,
        step=100,
        label="Images",
        default=DEFAULT_LIMIT,
        write=lambda count: count or 0,
    )
    weights: str = text("Path on the server of the run's weights, where they came from a file.", width=360)

    def __post_init__(self) -> None:
        if not self.kinds:
            raise CurateError("which degradations? Choose one or more")


def start_form(page: Opened, *, busy: bool) -> None:
    """The form that starts the job."""
    assert page.table.run is not None
    record = page.table.run.record
    about = {"dataset": page.table.dataset.name, "model": page.table.run.name}
    with job_form(page.workspace.root, "degradation.start_", Degrade, busy=busy, **about) as form:
        with row():
            form.ask("kinds", default=list(KINDS))
            form.ask("limit", value=min(DEFAULT_LIMIT, record.samples))
            form.submit("Degrade images")
        with st.expander("More"), row():
            form.ask("weights", placeholder=f"those of the run: {record.weights_source}")
            form.ask_where()


def about() -> None:
    """A popover that explains the degradations, kind by kind."""
    with st.popover("About the degradations", icon=":material/help:", type="tertiary", key="degradation.about"):
        st.markdown(_ABOUT)
        for kind in KINDS.values():
            st.markdown(f"**{kind.name}** — {kind.sentence} Levels: {', '.join(map(kind.text, kind.strengths))}.")
            st.caption(kind.reference)


def empty(page: Opened, *, busy: bool) -> None:
    """Shown before the first job: what degradation measures, and the form."""
    empty_state("No degraded images of this run yet", "blur_on", _ABOUT, partial(_first_form, page, busy=busy))


def _first_form(page: Opened, *, busy: bool) -> None:
    assert page.table.run is not None
    fill_page(page.workspace.root, Degrade(page.table.dataset.name, page.table.run.name, list(KINDS)), busy=busy)
    start_form(page, busy=busy)


# --- results -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DegradationResult:
    """A degradation with its scores, summary and correlations, of the images in view."""

    folder: DegradationFolder
    degraded: Degraded
    summary: pd.DataFrame
    rhos: pd.DataFrame
    typical: int | None


def chosen_degradation(page: Opened) -> DegradationFolder | None:
    """The degradation that the address asks for, else the newest; None where there is none."""
    assert page.table.run is not None
    return chosen_result(_MADE, page.view, degradations(page.table.run))


def _title_of(folder: DegradationFolder) -> str:
    record = folder.record
    kinds = "all kinds" if len(record.strengths) == len(KINDS) else ", ".join(record.strengths)
    return f"{record.samples:,} images, {kinds}, {record.started:%d %b %H:%M}"


@st.cache_resource(max_entries=8, show_spinner="Reading the degraded images …", hash_funcs=DEGRADATION_HASH_FUNCS)
def result_of(table: DatasetTable, folder: DegradationFolder, filters: Filters) -> DegradationResult:
    """Scores, summary and correlations over the images in view."""
    degraded = service.read(table, folder, filters)
    rhos, typical = statistics.level_correlations(degraded.rows, KEYS), statistics.typical(degraded.rows, "avh")
    return DegradationResult(folder, degraded, service.summarise(degraded), rhos, typical)


def choose_curves(page: Opened, result: DegradationResult) -> tuple[list[str], list[str], bool]:
    """Asks for kinds, curves, and whether to split by HSF bin."""
    every = result.degraded.kinds
    kinds = [kind for kind in SHOWN_KINDS.of(page.view) if kind in every] or every
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        SHOWN_KINDS.show(
            st.pills,
            "Degradations",
            page.view,
            {kind: KINDS[kind].name for kind in every},
            value=kinds,
            selection_mode="multi",
            on_change=_keep_kinds,
            args=(len(every),),
        )
        measures = MEASURES.show(
            st.multiselect,
            "Curves",
            page.view,
            {key: measure_name(key) for key in (*KEYS, ACCURACY)},
            max_selections=6,
            width=420,
            placeholder="Choose scores",
        )
        by_bin = bool(result.degraded.bins) and BY_BIN.show(st.toggle, "By HSF bin", page.view)
        assert page.table.run is not None
        choose_result(_MADE, "Degradation", page.view, degradations(page.table.run), _title_of, width=330)
        about()
    return kinds, measures, by_bin


def _keep_kinds(number: int) -> None:
    wanted = st.session_state[SHOWN_KINDS.name]
    SHOWN_KINDS.put([kind for kind in KINDS if kind in wanted] if 0 < len(wanted) < number else list(KINDS))


def curves(
    result: DegradationResult, kinds: Sequence[str], measures: Sequence[str], *, by_bin: bool, simulated: bool
) -> None:
    """Means over the images at every level."""
    if not measures:
        st.caption("Choose a score to see its curves.")
        return
    rows = result.degraded.rows
    rows = rows[rows["kind"].isin([ORIGINAL, *kinds])]
    table = statistics.curves(rows, measures, result.degraded.bins if by_bin else None)
    strengths = {kind: result.degraded.record.strengths[kind] for kind in kinds}
    show_chart(curve_panels(table, strengths), key="degradation.curves")
    first = table[(table["level"] == 0) & (table["kind"] == kinds[0]) & (table["measure"] == measures[0])]
    sizes = ", ".join(f"{group} n {n:,}" for group, n in zip(first["group"], first["n"], strict=True))
    votes = " of simulated votes" if simulated and by_bin else ""
    of = f"HSF bins{votes}: {sizes}" if by_bin else f"n {result.degraded.images:,} images at every level"
    st.caption(f"Means over the images with 95 % intervals; milder levels on the left. {of}.")


def boxes(result: DegradationResult, kinds: Sequence[str]) -> None:
    """The spread of each image's correlation with the level."""
    show_chart(agreement_boxes(result.rhos, kinds, KEYS), key="degradation.boxes")
    st.caption(
        "Each image's own Spearman correlation of the score with the level, turned by the score's hard end: at 1 the "
        "score finds the image harder at every step. Boxes hold half of the images, whiskers nine tenths."
    )


def summary_text(summary: pd.DataFrame, kinds: Sequence[str]) -> str:
    """How the scores follow the level, in a few sentences."""
    rows = summary[summary["kind"].isin(kinds) & (summary["n"] > 0)]
    sentences: list[str] = []
    for key, does in _SPOKEN.items():
        of_score = rows[rows["score"] == key]
        if len(of_score):
            share, middle = _range(of_score["expected"], _percent), _range(of_score["median"], lambda x: signed(x, 2))
            images = f"{of_score['n'].max():,} images" if not sentences else "images"
            sentences.append(
                f"**{score_name(key)}** {does} with the level in {share} of {images} (median Spearman {middle})."
            )
    if not sentences:
        return "No score has a correlation with the level here: there are no labels, or no score varies."
    avh = rows[rows["score"] == "avh"]
    against, unclear = avh["expected_high"] < 0.5, (avh["expected_low"] <= 0.5) & (avh["expected_high"] >= 0.5)
    if len(avh) and not (against | unclear).any():
        sentences.append(f"So AVH follows every degradation here, as the paper ({PAPER}) expects.")
    for of_these, says in (
        (against, f"Unlike in the paper ({PAPER}), AVH rises in a minority of images under {{}}."),
        (unclear, "Under {} too few images tell whether AVH rises in most of them."),
    ):
        if of_these.any():
            named = ", ".join(KINDS[kind].name.lower() for kind in avh["kind"][of_these])
            sentences.append(says.format(named))
    best = rows.assign(agreement=rows["median"] * rows["score"].map({key: SCORES[key].sign for key in KEYS}))
    # Relative AVH orders the steps of an image as AVH does.
    means = best[best["score"] != "relative_avh"].groupby("score", sort=False)["agreement"].mean()
    tied = [score_name(str(key)) for key in means.index[means > means.max() - 5e-3]]
    if len(tied) <= 3:
        follow = "follow" if len(tied) > 1 else "follows"
        sentences.append(f"Over these kinds {listed(tied)} {follow} the level most closely, at {means.max():.2f}.")
    return " ".join(sentences)


def _range(values: pd.Series, text: Any) -> str:
    low, high = text(values.min()), text(values.max())
    return low if low == high else f"{low} to {high}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def table_html(summary: pd.DataFrame, kinds: Sequence[str]) -> str:
    """A row a score, a column a kind: median Spearman with its interval, and the share that goes the expected way."""
    counts = summary.groupby("kind", sort=False)["n"].max()
    heads = [f"{escape(KINDS[kind].name)}<small>n {counts[kind]:,}</small>" for kind in kinds]
    by_cell, rows = summary.set_index(["score", "kind"]), []
    for key in KEYS:
        score = SCORES[key]
        does = "should rise" if score.sign > 0 else "should fall"
        cells = (_cell(by_cell.loc[(key, kind)], score.sign, int(counts[kind])) for kind in kinds)
        rows.append(table_row(escape(score.name), [does, *cells], title=escape(score.sentence)))
    return html_table(["Score", "As images get worse", *heads], rows, tinted=True)


def _cell(row: Any, sign: int, whole: int) -> str:
    if not row["n"]:
        return "<td>–<small>no image has a correlation</small></td>"
    style = tint(row["median"] * sign, 0.5 * abs(row["median"]))
    notes = [] if pd.isna(row["ci_low"]) else [f"{signed(row['ci_low'], 2)} to {signed(row['ci_high'], 2)}"]
    notes += [f"n {row['n']:,}"] if row["n"] < whole else []
    interval = f"{_percent(row['expected_low'])} to {_percent(row['expected_high'])}"
    title = f"{_percent(row['expected'])} of {row['n']:,} images go the expected way ({interval})"
    if row["constant"]:
        title += f"; {row['constant']:,} do not vary"
    small = f"<small>{' · '.join(notes)}</small>" if notes else ""
    return (
        f"<td style='{style}' title='{escape(title)}'><b>{signed(row['median'], 2)}</b>"
        f"<span>{_percent(row['expected'])}</span>{small}</td>"
    )


def table(result: DegradationResult, kinds: Sequence[str], *, name: str) -> None:
    """The table of all scores, with its download."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("All scores")
        with st.container(horizontal=True, width="content", vertical_alignment="center", gap="xsmall"):
            explain_scores(KEYS, label="About the scores", key="degradation.explain")
            download("CSV", result.summary.to_csv(index=False), f"{name}-degradation.csv", key="degradation.csv")
    st.html(table_html(result.summary, kinds))
    constant = " Images whose score is the same at every level are left out of n."
    st.caption(
        "Median over images of the Spearman correlation with the level, signs kept, and the share of images that go "
        "the expected way. Below: the median's 95 % interval by order statistics; point at a cell for the share's."
        + (constant if result.summary["constant"].any() else "")
    )
