"""The Degradation page: the form that starts the job, results in words, figures and a table, one image by level."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.errors import CurateError
from avhcurate.lab.degradation import service, statistics
from avhcurate.lab.degradation.corruptions import KINDS
from avhcurate.lab.degradation.plots import curve_panels, measure_name
from avhcurate.lab.degradation.service import (
    KEYS,
    DegradationFolder,
    DegradationRecord,
    Degraded,
    degradations,
)
from avhcurate.lab.degradation.settings import KIND_KEYS, DegradeSettings
from avhcurate.lab.degradation.statistics import ACCURACY, ORIGINAL
from avhcurate.measures.scores import SCORES
from avhcurate.ui.base import url_state
from avhcurate.ui.base.cache import HASH_FUNCS, file_key, kept
from avhcurate.ui.base.export_menu import download
from avhcurate.ui.base.frame import Opened, mirrored
from avhcurate.ui.base.job_forms import first_job, job_form, of_run
from avhcurate.ui.base.layout import apart, help_menu, in_a_row
from avhcurate.ui.base.page_choices import choose_result, chosen_result, some_of, switch
from avhcurate.ui.base.score_help import explain_scores, format_score
from avhcurate.ui.base.user_errors import plain, said
from avhcurate.ui.charts.chart_style import of_hsf
from avhcurate.ui.charts.html_table import estimate, html_table, table_row, tint
from avhcurate.ui.charts.show import show_chart

#: With the key of a degradation's folder.
_HASH_FUNCS = HASH_FUNCS | {DegradationFolder: lambda folder: file_key(folder.scores_path)}

MEASURES = some_of("degradation.scores", [*KEYS, ACCURACY], ["avh", "confidence", "norm", ACCURACY])
BY_BIN = switch("degradation.bins")
#: Which degradation of the run is shown, in the address.
_MADE = "degradation.made"

#: What a score should do as images get worse, by its sign.
_DOES = {1: "should rise", -1: "should fall"}

_ABOUT = """
Images of this run are degraded step by step, and the same network scores every step. People find a harsher level
harder (Geirhos et al. 2018), so the level stands for human hardness where there are no votes. A good score of hardness
**rises with it in every single image**: its Spearman correlation with the level, over the levels of one image, is high.

Degradation acts on the network's square input, resized and cropped, so levels mean the same for images of any size.
Level 0 is the image itself, shared by all kinds.
"""

_EXAMPLE_CSS = """
<style>
.avh-strip-name { margin: 0.5rem 0 0.25rem; font-weight: 600; font-size: 0.9rem; }
.avh-strip-name small { font-weight: 400; opacity: 0.65; margin-left: 0.4em; }
.avh-strip { display: flex; gap: 8px; overflow-x: auto; padding-bottom: 4px; }
.avh-strip figure { margin: 0; flex: 1 1 0; min-width: 84px; max-width: 150px; }
.avh-strip img { width: 100%; aspect-ratio: 1; display: block; border-radius: 6px; background: #8883; }
.avh-strip img.pixels { image-rendering: pixelated; }
.avh-strip figcaption { font-size: 0.75rem; line-height: 1.3; padding-top: 3px; font-variant-numeric: tabular-nums; }
.avh-strip figcaption b { float: right; font-weight: 600; }
.avh-strip figcaption span { display: block; opacity: 0.72; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.avh-strip figcaption span.wrong { color: #e8590c; opacity: 1; }
</style>
"""


# --- the job -----------------------------------------------------------------------------------------------------


def start_form(page: Opened) -> None:
    """Draw the form that starts the job."""
    record = page.run.record
    with job_form("degradation.start_", DegradeSettings, **of_run(page)) as form:
        with in_a_row():
            form.ask(
                "kinds",
                widget=st.pills,
                options=KIND_KEYS,
                default=KIND_KEYS,
                selection_mode="multi",
                format_func=lambda key: KINDS[key].name,
            )
            form.ask("limit", step=100)
            form.submit("Degrade images")
        with st.expander("More"), in_a_row():
            form.ask("weights", placeholder=f"those of the run: {record.weights_source}", width=360)
            form.ask_where()


def explain(page: Opened) -> None:
    """Explain the degradations, kind by kind, in the menu *Help*."""
    with page.help:
        st.markdown(_ABOUT)
        for kind in KINDS.values():
            st.markdown(f"**{kind.name}** — {kind.sentence} Levels: {', '.join(kind.ticks(kind.strengths))}.")
            st.caption(kind.reference)


def empty(page: Opened) -> None:
    """Say what degradation measures, with the form, before the first job."""
    settings = DegradeSettings(**of_run(page))
    title = "No degraded images of this run yet"
    first_job(page, title, "blur_on", "Degrade some images", _ABOUT, settings, start_form)


# --- results -----------------------------------------------------------------------------------------------------


def chosen_degradation(page: Opened) -> DegradationFolder | None:
    """Return the degradation that the address asks for, else the newest; None where there is none."""
    return chosen_result(_MADE, degradations(page.run))


def _title_of(folder: DegradationFolder) -> str:
    record = folder.record
    kinds = ", ".join(record.strengths)
    return f"{record.samples:,} images, {kinds}, {record.started:%d %b %H:%M}"


result_of = kept("Reading the degraded images …", funcs=_HASH_FUNCS)(service.read)
_example = kept("Degrading the example …", most=24, funcs=_HASH_FUNCS)(service.example)


def choose_curves(page: Opened, result: Degraded) -> tuple[list[str], bool]:
    """Ask for curves, whether to split by HSF bin, and for another degradation of the run."""
    with in_a_row(gap="medium"):
        measures = MEASURES.show(
            st.multiselect,
            "Curves",
            {key: measure_name(key) for key in (*KEYS, ACCURACY)},
            max_selections=6,
            width=420,
            placeholder="Choose scores",
        )
        by_bin = bool(result.bins) and BY_BIN.show(st.toggle, "By HSF bin")
        choose_result(_MADE, "Degradation", degradations(page.run), _title_of, width=330)
        explain(page)
    return measures, by_bin


def curves(result: Degraded, measures: Sequence[str], *, by_bin: bool, simulated: bool) -> None:
    """Draw means over the images at every level."""
    if not measures:
        st.caption("Choose a score to see its curves.")
        return
    groups = {"all": result.ids}
    votes = ""
    if by_bin:
        groups = result.bins
        votes = f" by {of_hsf(simulated)}"
    table = statistics.curves(result.rows, measures, groups)
    show_chart(curve_panels(table, result.folder.record.strengths), key="degradation.curves")
    sizes = ", ".join(f"{group} n {len(ids):,}" for group, ids in groups.items())
    st.caption(f"Means over the images{votes} with 95 % intervals; milder levels on the left: {sizes}.")


def summary_text(summary: pd.DataFrame) -> str:
    """Say in how many images AVH rises with the level."""
    avh = summary[(summary["score"] == "avh") & (summary["n"] > 0)]
    if avh.empty:
        return "AVH has no correlation with the level here: there are no labels, or it never varies."
    low = 100 * avh["expected"].min()
    high = 100 * avh["expected"].max()
    return f"**AVH** rises with the level in {low:.0f} % to {high:.0f} % of {avh['n'].max():,} images, by degradation."


def table_html(summary: pd.DataFrame) -> str:
    """Return a row a score, a column a kind: median Spearman with its interval, and the expected share."""
    kinds = summary["kind"].unique()
    by_cell = summary.set_index(["score", "kind"])
    rows = []
    for key in KEYS:
        score = SCORES[key]
        cells = [_cell(by_cell.loc[(key, kind)], score.sign) for kind in kinds]
        rows.append(table_row(escape(score.name), [_DOES[score.sign], *cells], title=escape(score.sentence)))
    heads = [escape(KINDS[kind].name) for kind in kinds]
    return html_table(["Score", "As images get worse", *heads], rows, tinted=True)


def _cell(row: Any, sign: int) -> str:
    if not row["n"]:
        return "<td>–</td>"
    style = tint(row["median"] * sign, 0.5 * abs(row["median"]))
    median = estimate(row["median"], row["ci_low"], row["ci_high"], 2)
    expected, low, high = (100 * row[f"expected{end}"] for end in ("", "_low", "_high"))
    share = f"{expected:.0f} % ({low:.0f} to {high:.0f}) of {row['n']:,}"
    return f"<td style='{style}'>{median}<small>{share}</small></td>"


def table(result: Degraded, *, name: str) -> None:
    """Draw the table of all scores, with its download."""
    with apart():
        st.header("All scores")
        with in_a_row("center", width="content", gap="xsmall"):
            with help_menu("degradation.explain"):
                explain_scores(KEYS)
            download("CSV", result.summary.to_csv(index=False), f"{name}-degradation.csv", key="degradation.csv")
    st.html(table_html(result.summary))
    st.caption(
        "Median over images of the Spearman correlation with the level, and the share of images that go the expected "
        "way, each with its 95 % interval. Images whose score is the same at every level are not counted."
    )


# --- one image ---------------------------------------------------------------------------------------------------


def example(page: Opened, result: Degraded) -> None:
    """Draw one image at every level with the network's prediction: that of the address, or the first in view."""
    wanted = page.view.sample
    if wanted is not None and wanted >= page.samples.size:
        st.warning(f"The dataset has no image {wanted}.", icon=":material/link_off:")
        wanted = None
    with in_a_row(gap="medium"):
        st.header("One image", width="content")
        st.number_input(
            "Image",
            0,
            page.samples.size - 1,
            value=None,
            step=1,
            key=mirrored("degradation.sample", wanted),
            width=140,
            placeholder="first in view",
            on_change=_keep_sample,
            help="The number of any image of the dataset.",
        )
    id = int(result.ids[0])
    if wanted is not None:
        id = wanted
    try:
        images = _example(page.dataset, result.folder, id)
    except CurateError as error:
        st.warning(said(error.text), icon=":material/broken_image:")
        return
    rows = result.rows[result.rows["id"] == id].set_index(["kind", "level"])
    caption = f"Image {id}, {page.samples.sample(id)['label_name'] or 'no label'}."
    if rows.empty:
        caption += " It is not among the images in view, so it has no scores here."
    st.caption(plain(caption) + " Each image with its relative AVH and the predicted class.")
    record = result.folder.record
    strips = [_strip(page, record, kind, images, rows.to_dict("index")) for kind in record.strengths]
    st.html(_EXAMPLE_CSS + "".join(strips))


def _strip(
    page: Opened, record: DegradationRecord, kind: str, images: dict[tuple[str, int], bytes], scored: Mapping[Any, Any]
) -> str:
    """Return the images of one kind, from level 0 on."""
    name = escape(KINDS[kind].name)
    unit = escape(KINDS[kind].unit)
    style = ""
    figures = []
    if record.side <= 64:
        style = "pixels"
    for level, tick in enumerate(KINDS[kind].ticks(record.strengths[kind])):
        step = (kind, level)
        text = escape(tick)
        words = ""
        if not level:
            step = (ORIGINAL, 0)
            text = "original"
        if step in scored:
            words = _caption(page, scored[step])
        figures.append(
            f"<figure><img src='data:image;base64,{base64.b64encode(images[step]).decode()}' alt='{name}, {text}' "
            f"class='{style}'>"
            f"<figcaption>{text}{words}</figcaption></figure>"
        )
    return f"<p class='avh-strip-name'>{name} <small>{unit}</small></p><div class='avh-strip'>{''.join(figures)}</div>"


def _caption(page: Opened, row: Mapping[Any, Any]) -> str:
    """Return the relative AVH, which varies more than AVH where there are many classes, and the prediction."""
    name = ""
    if not pd.isna(row["predicted"]):
        name = escape(page.samples.classes[int(row["predicted"])])
    wrong = ""
    if row["correct"] == 0:
        wrong = " class='wrong'"
    return f"<b>{format_score('relative_avh', row['relative_avh'])}</b><span{wrong} title='{name}'>{name}</span>"


def _keep_sample() -> None:
    url_state.change(sample=st.session_state["degradation.sample"])
