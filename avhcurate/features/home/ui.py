"""The Home page: what the app is for, what is loaded and how it is spread, own columns, runs and notes on the data."""

from functools import partial
from html import escape
from itertools import islice
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate import plugins
from avhcurate.datasets.curate.columns import NONE, describe_columns, set_harder
from avhcurate.datasets.export import service as export
from avhcurate.datasets.sources.demo import is_demo
from avhcurate.datasets.sources.settings import SECONDS, DemoSettings
from avhcurate.datasets.table.columns import FEW, quote
from avhcurate.datasets.table.facets import facet_of, histogram, value_counts
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.titles import titles
from avhcurate.features.home.plots import hsf_histogram
from avhcurate.features.quality import service as quality
from avhcurate.measures.scores import SCORES
from avhcurate.people.bins import bin_labels
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.frame import SIMULATED, Opened, attempt, mirrored
from avhcurate.ui.base.job_forms import job_button
from avhcurate.ui.base.layout import empty_state, fact, halves, in_a_row
from avhcurate.ui.base.page_choices import one_of
from avhcurate.ui.base.score_help import format_score, score_name
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import counted, people, shortened
from avhcurate.ui.base.url_state import View
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts.chart_style import count_bars
from avhcurate.ui.charts.charts_by_class import choose_classes
from avhcurate.ui.charts.show import show_chart
from avhcurate.ui.server.image_routes import image_url
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.app_files import PAGES
from avhcurate.workspace.disk.jobs import Jobs

PURPOSE = (
    "Some images are hard for people and easy for a network, and others the reverse. See which in your data, correct "
    "labels, and leave with a label file."
)
_CSS = """
<style>
.doorway { display: flex; flex-wrap: wrap; gap: 1rem; }
.doorway figure { flex: 1 1 9rem; max-width: 16rem; margin: 0; }
.doorway img { width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 0.5rem; background: #80808022; }
.doorway figcaption { font-size: 0.875rem; line-height: 1.4; margin-top: 0.4rem; }
.doorway b { display: block; font-weight: 600; }
</style>
"""
#: In place of a column, the classes.
CLASSES = "label"
_ENDS = {"high": "High", "low": "Low", NONE: "Not said"}
_HARDER = "Which end means a harder image. It is kept with the dataset."
_DEMO = """
See every page with real content: trains, maps and measures the digits in the background.
That takes about {minutes} minutes on two cores; how many are left is shown all the time.
Cancel it whenever you like: finished steps stay.
"""
_NO_LABELS = """
No image of this dataset has a label. AVC, confidence, the norm, the map, image quality and votes work without; labels
would add AVH, loss, accuracy and label suspects. Label images in their details, or give a file of labels.
"""


def welcome() -> None:
    """Draw what to do in a workspace without datasets: load the demo or import images."""
    empty_state(
        "No dataset yet",
        "folder_open",
        "Look around with the built-in handwritten digits, which takes some seconds, or bring your own images.",
        partial(job_button, "Load the digits demo", "play_arrow", DemoSettings, key="frame.demo"),
    )


def broken_plugins() -> None:
    """Name the plugins that are left out, and why; importing `export` loads the last of them."""
    assert export.FORMATS
    for plugin in plugins.found.values():
        if plugin.problem:
            text = f"{plugin.name} of the plugin {plugin.package} is left out: {plugin.problem}"
            st.warning(plain(text), icon=":material/extension_off:")


def offer_demo(page: Opened) -> None:
    """Draw the button that fills every page, on the digits only and until its job runs or was done once."""
    jobs = [job for job in Jobs(page.workspace.root).all() if job.verb == "demo" and "--full" in job.argv]
    if not is_demo(page.dataset) or any(job.active or job.state == "done" for job in jobs):
        return
    with st.container(border=True):
        st.markdown(_DEMO.format(minutes=round(sum(SECONDS.values()) / 60)))
        job_button("Fill every page", "auto_awesome", partial(DemoSettings, full=True), key="home.fill")


def in_short(page: Opened) -> str:
    """Return images, classes and votes of the dataset in a line."""
    record = page.dataset.record
    votes = page.samples.votes
    parts = [counted(record.samples, "image"), f"{len(record.classes):,} classes", "no votes yet"]
    if votes is not None:
        parts[-1] = counted(votes.total, "vote")
    text = " · ".join(parts)
    if page.samples.simulated:
        text += f" {SIMULATED}"
    return text


def without_labels(samples: SampleTable) -> None:
    """Say what labels would add to a dataset without any."""
    if samples.group_counts("label")["value"].isna().all():
        st.info(_NO_LABELS, icon=":material/label_off:")


def dataset_facts(samples: SampleTable, dataset: DatasetFolder) -> None:
    """Draw where the images come from, and images, classes, votes and runs in a row."""
    record = dataset.record
    votes = samples.votes
    runs = [run.name for run in dataset.runs() if run.complete]
    st.caption(plain(f"{record.kind.capitalize()} imported {record.created:%d %B %Y} from {record.source}"))
    with in_a_row("top", gap="medium"):
        fact("Images", f"{record.samples:,}", f"{record.skipped:,} skipped at import")
        by = f"labels by the {record.labels_by}" if record.labels_by else ""
        fact("Classes", f"{len(record.classes):,}", by)
        if votes is None:
            fact("Human votes", "–", "none attached")
        else:
            kind = {False: "Human votes", True: "Simulated votes"}[votes.simulated]
            note = f"{votes.total / votes.samples:.0f} an image, {votes.kind}, on {votes.samples:,} images"
            fact(kind, f"{votes.total:,}", note)
        fact("Model runs", f"{len(runs):,}", plain(", ".join(titles(dataset)[run] for run in runs[-1:])))


def spread(page: Opened) -> None:
    """Draw HSF and classes of all images."""
    opened = page.opened
    filters = page.filters
    hsf, spread_by = halves()
    with hsf:
        st.markdown("**Human selection frequency**")
        if opened.samples.votes is None:
            st.caption("No votes yet: attach a file of votes above, or collect some on the page Annotate.")
        else:
            bars = histogram(opened.samples, "hsf", filters)
            bins = opened.samples.group_counts("hsf_bin", filters).set_index("value")["n"]
            counts = bins.reindex(bin_labels(opened.samples.edges), fill_value=0).tolist()
            figure = hsf_histogram(bars, counts, edges=opened.samples.edges, simulated=opened.samples.simulated)
            show_chart(figure, key="home.hsf")
    with spread_by:
        group = choose_group(page)
        facet = facet_of(opened.samples, group)
        rows = pd.DataFrame(columns=["name", "n", "to"])
        if facet is not None:
            rows = value_counts(opened.samples, facet, filters, limit=FEW + len(opened.samples.classes))
            rows = rows.assign(name=[shortened(name, 40) for name in rows["name"]])
        rows = choose_classes(rows, rows["n"], names="name", what="images a class", key="home.classes")
        show_chart(count_bars(rows), key="home.classes")


_leaks = kept()(quality.leaks)


def leaks(page: Opened) -> None:
    """Say how many images outside the training split have a copy in it, and accuracy with and without them."""
    opened = page.opened
    view = page.view
    label = "See the copies"
    if not opened.dataset.quality.ready(opened.dataset.record.fingerprint):
        if opened.samples.group_counts("split")["value"].nunique() < 2:
            return
        texts = ["Nothing has looked for copies of an image in two splits."]
        label = "Look for copies"
    elif texts := _leaks(opened.samples, opened.dataset):
        view = view.choosing("quality.view", "duplicates").choosing("quality.only", "leak")
    else:
        return
    st.markdown("**Copies across splits**")
    for text in texts:
        st.markdown(plain(text))
    st.page_link(PAGES / "quality.py", label=label, icon=":material/filter_b_and_w:", query_params=view.elsewhere)


def messages(samples: SampleTable, dataset: DatasetFolder) -> None:
    """Draw messages of the import and of the votes, and images that could not be read."""
    notes = list(dataset.record.messages)
    if samples.votes:
        notes += samples.votes.messages
    problems = samples.group_counts("problem", Filters(excluded=None, where="problem IS NOT NULL"))
    if len(problems):
        reasons = "; ".join(f"{row.value} ({row.n:,})" for row in problems.head(5).itertuples())
        notes.append(
            f"{problems['n'].sum():,} images could not be scored: {reasons}. The SQL condition `problem IS NOT NULL` "
            "under More filters shows them in the gallery."
        )
    if notes:
        with st.expander(f"Notes on the data ({len(notes)})", icon=":material/info:"):
            st.markdown("\n".join(f"- {plain(text)}" for text in notes))


def picture(page: Opened) -> None:
    """Draw two images: sure for people and not for the network, the reverse, or where none is so hardest, easiest."""
    if figures := [_figure(page, title, row) for title, row in _extremes(page.samples, page.opened.run).items()]:
        st.html(f"{_CSS}<div class='doorway'>{''.join(figures)}</div>")


#: Where one side is sure and the other is not: which images those are, by at least five votes, and their order.
_APART = {
    "People sure, network not": ("hsf > .8 AND confidence < .5 AND votes >= 5", "hsf - confidence DESC"),
    "Network sure, people not": ("confidence > .8 AND hsf < .5 AND votes >= 5", "hsf - confidence"),
}


@kept()
def _extremes(samples: SampleTable, run: RunFolder | None) -> dict[str, dict[str, Any]]:
    """Return the row of each of the two images by its title; none without a run."""
    if run is None:
        return {}
    confidence = ["confidence"] * run.has_logits
    rows: dict[str, dict[str, Any]] = {}
    if samples.votes is not None and confidence:
        rows = _first_rows(samples, _APART, ["hsf", "confidence"])
    score = samples.hardness
    turn = "-" * (SCORES[score].harder == "low")
    usable = " AND ".join(f"isfinite({quote(name)})" for name in [score, *confidence])
    ends = {"Hardest": (usable, f"{turn}{quote(score)} DESC"), "Easiest": (usable, f"{turn}{quote(score)}")}
    rows |= _first_rows(samples, ends, [score, *confidence])
    return dict(islice(rows.items(), len(ends)))


def _first_rows(
    samples: SampleTable, wanted: dict[str, tuple[str, str]], columns: list[str]
) -> dict[str, dict[str, Any]]:
    """Return by title the first image of a condition in an order; none where no image fulfils it."""
    rows: dict[str, dict[str, Any]] = {}
    for title, (condition, order) in wanted.items():
        for (id,) in samples.query(
            f"SELECT id FROM samples WHERE NOT excluded AND {condition} ORDER BY {order}, id LIMIT 1"
        ):
            named = list(dict.fromkeys(["id", "label_name", "predicted_name", *columns]))
            # Somebody may have excluded it since.
            row = samples.frame(Filters(ids=(id,), excluded=None), columns=named).iloc[0]
            rows[title] = {str(name): value for name, value in row.items()}
    return rows


def _figure(page: Opened, title: str, row: dict[str, Any]) -> str:
    id = int(row["id"])
    label = f"“{row['label_name']}”"
    notes = []
    if "hsf" in row:
        notes.append(f"{row['hsf']:.0%} of {people(page.samples.simulated)} chose {label}")
    else:
        notes.append(
            f"{score_name(page.samples.hardness)} {format_score(page.samples.hardness, row[page.samples.hardness])}"
        )
    if pd.notna(row.get("confidence")):
        notes.append(f"the network is {row['confidence']:.0%} sure of {label}")
    if pd.notna(row["predicted_name"]) and row["predicted_name"] != row["label_name"]:
        notes.append(f"it predicts “{row['predicted_name']}”")
    source = escape(image_url(page.samples, id))
    text = escape("; ".join(notes))
    return f"<figure><img src='{source}' alt='Image {id}'><figcaption><b>{title}</b>{text}.</figcaption></figure>"


def ways(page: Opened) -> None:
    """Draw the ways on and the last step, each with the open dataset and run."""
    view = View(dataset=page.view.dataset, run=page.view.run, edges=page.view.edges)
    hardest = view.to_query()
    if page.opened.run:
        score = page.samples.hardness
        hardest |= View(sort=score, descending=SCORES[score].harder == "high").to_query()
    with st.container(key="doorway", gap="small"):
        for file, label, icon, query in (
            ("gallery", "The hardest images", "whatshot", hardest),
            ("disagreement", "Where people and network disagree", "compare_arrows", view.to_query()),
            ("suspects", "Labels that may be wrong", "flag", view.to_query()),
            ("certificate", "Are the labels good enough to ship?", "workspace_premium", view.to_query()),
        ):
            st.page_link(PAGES / f"{file}.py", label=label, icon=f":material/{icon}:", query_params=query)


def own_columns(page: Opened) -> None:
    """Draw the columns with what they hold, and the harder end of each that holds numbers."""
    opened = page.opened
    if not opened.samples.kinds:
        return
    with st.expander(
        f"Your columns ({len(opened.samples.kinds):,})", icon=":material/table_chart:", key="home.columns"
    ):
        st.dataframe(_described(page), hide_index=True, key="home.columns_held")
        numbers = opened.samples.own("number")
        if not numbers:
            return
        with in_a_row():
            column = st.selectbox("Column", numbers, key="home.column", width=320)
            st.segmented_control(
                "Harder end",
                list(_ENDS),
                format_func=_ENDS.__getitem__,
                required=True,
                # A key for each column, since what it showed of another one is not a choice.
                key=mirrored(f"home.harder.{column}", opened.samples.ranked[column].harder or NONE),
                on_change=_set_harder,
                args=(page, column),
                **for_curators(help=_HARDER),
            )


def _described(page: Opened) -> pd.DataFrame:
    rows = describe_columns(page.samples)
    for end in ("low", "high"):
        rows[end] = [format_score(name, value) for name, value in zip(rows["column"], rows[end], strict=True)]
    return rows.rename(columns=str.capitalize)


def _set_harder(page: Opened, column: str) -> None:
    attempt(set_harder, page.workspace, page.samples, page.dataset, {column: st.session_state[f"home.harder.{column}"]})


def choose_group(page: Opened) -> str:
    """Return what the samples are counted by: classes, or a column of few values."""
    names = {CLASSES: "Classes"} | {name: shortened(name, 60) for name in page.samples.groups}
    choice = one_of("home.group", list(names), CLASSES)
    return choice.show(st.selectbox, "Images by", names, label_visibility="collapsed", width=240)
