"""The Annotators page: progress of the collection, its annotators, exclusion, agreement, disputed labels, export."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import streamlit as st

from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError
from avhcurate.features.annotate import annotators, plots, ui_setup
from avhcurate.features.annotate.annotators import VoteQuality
from avhcurate.features.annotate.queue import CollectionProgress
from avhcurate.features.annotate.setup import CollectionSettings
from avhcurate.features.annotate.vote_files import FORMATS, write_votes
from avhcurate.measures.stats.sample_size import Need
from avhcurate.people.agreement import Agreement
from avhcurate.people.reliability import Reliability
from avhcurate.people.responses import Design
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.export_menu import download
from avhcurate.ui.base.frame import Opened, attempt, show_user_error
from avhcurate.ui.base.layout import apart, fact, halves, help_menu, in_a_row
from avhcurate.ui.base.score_help import score_name
from avhcurate.ui.base.signin import for_curators, only_for
from avhcurate.ui.base.text import counted
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts.show import show_chart
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.grid.grid_bar import narrow_grid
from avhcurate.ui.grid.grid_views import GridView
from avhcurate.workspace.data.people import Role, user

_MEANING = """
- **Fleiss' kappa** and **Krippendorff's alpha**: how far annotators agree beyond chance, over images with two answers
  or more. 1 is full agreement, 0 that of chance. In kappa each image weighs the same, in alpha by its answers.
  Intervals are 95 %, bootstrapped over images.
- **Reliability**: the Spearman correlation to expect between this HSF and HSF of as many further votes, from a mixture
  of binomials fitted to the votes.
- **Noise ceiling**: its square root, the highest Spearman with HSF that any score can be expected to reach.
- Images that are hard for people lower agreement even where all are careful: it describes images and annotators.
"""

#: The most votes that Dawid-Skene runs on without a click, and the most tiles that show its result.
_CHEAP = 20_000
_MOST = 24
#: The most votes of which annotators are compared two by two without a click.
_CHEAP_PAIRS = 200_000
#: From fewer votes a sample forecasts of the correlation are low (`stats.sample_size`).
_FEW_VOTES = 10


quality_of = kept("Reading the votes …")(annotators.vote_quality)
_disputed_labels = kept("Weighing the votes …")(annotators.disputed_labels)


@kept("Comparing annotators …")
def _annotator_pairs(votes: Votes, design: Design) -> pd.DataFrame:
    return annotators.annotator_pairs(quality_of(votes, design))


# --- the collection and its annotators ----------------------------------------------------------------------------


def progress_facts(progress: CollectionProgress, settings: CollectionSettings) -> None:
    """Draw the numbers of votes, of samples that have enough of them, and of annotators."""
    images = max(1, progress.samples)
    with in_a_row("top", gap="medium"):
        fact("Votes collected", f"{progress.votes:,}", f"of {progress.wanted:,} wanted")
        fact("Votes per image", f"{progress.votes / images:.1f}", f"{progress.wanted / images:.3g} wanted")
        fact("Images done", f"{progress.done:,}", f"of {progress.samples:,}")
        fact("Annotators", f"{progress.annotators:,}", ui_setup.DESIGNS[settings.design].lower())
    st.progress(min(1.0, progress.votes / max(1, progress.wanted)))


def progress_charts(quality: VoteQuality, target: int) -> None:
    """Draw votes over time, and how many votes the samples have; `target` are enough."""
    over_time, of_samples = halves()
    with over_time:
        st.markdown("**Votes over time**")
        show_chart(plots.votes_over_time(quality.votes), key="annotators.time")
    with of_samples:
        st.markdown("**Votes of each image**")
        show_chart(plots.votes_of_samples(quality.by_sample, target=target), key="annotators.each")


def annotators_table(page: Opened, quality: VoteQuality) -> None:
    """Draw a row per annotator; some can be excluded or included, or the answers of one removed for good."""
    st.header("Annotators")
    share = st.column_config.NumberColumn
    st.dataframe(
        shown(quality.table),
        hide_index=True,
        key="annotators.table",
        column_config={
            "Votes": share(help="Without answers to controls, whose class is known."),
            "Cannot tell": share(help="Answers that are kept but are not votes."),
            "Controls right": share(format="%.0f %%", help="Right answers to images whose answer is known."),
            "Agreement": share(format="%.0f %%", help="Votes that say what most others say of the same image."),
            "Median time": share(format="%.1f s", help="Of an image or a tile of a grid."),
            "Last seen": st.column_config.DatetimeColumn(format="distance"),
        },
    )
    _actions(page, quality.table.set_index("annotator"))


def status_history(page: Opened) -> None:
    """Draw who was excluded and included, when, why and by whom."""
    rows = annotators.status_changes(page.votes)
    if len(rows):
        with st.expander(f"Exclusions and inclusions ({len(rows):,})", icon=":material/history:"):
            rows.columns = ["When", "Annotator", "Action", "Why", "By"]
            st.dataframe(rows, hide_index=True, key="annotators.history")


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the table in the form shown: shares in percent with 95 % intervals (Wilson) and n, times in seconds."""
    table = pd.DataFrame({"Annotator": rows["annotator"], "Votes": rows["votes"], "Cannot tell": rows["skipped"]})
    table["State"] = ("excluded (" + rows["by"] + "): " + rows["why"]).where(rows["excluded"], "counts")
    for title, share, ends, number in (
        ("Controls right", "control_accuracy", "control", "controls"),
        ("Agreement", "agreement", "agreement", "compared"),
    ):
        columns = [100 * rows[name].astype(float) for name in (f"{ends}_low", f"{ends}_high")]
        table[title] = 100 * rows[share].astype(float)
        table[f"{title}, 95 %"] = [
            f"{low:.0f}–{high:.0f} %, n {n:,}" if n else "n 0"
            for low, high, n in zip(*columns, rows[number], strict=True)
        ]
    return table.assign(**{"Median time": rows["median_ms"].astype(float) / 1000, "Last seen": rows["last"]})


def _actions(page: Opened, rows: pd.DataFrame) -> None:
    with in_a_row():
        selected = st.multiselect("Annotators to change", rows.index.tolist(), key="annotators.chosen")
        st.text_input("Reason", key="annotators.why", width=240)
        excluded = [name for name in selected if rows.loc[name, "excluded"]]
        counting = [name for name in selected if name not in excluded]
        for verb, icon, names in (("Exclude", "block", counting), ("Include", "undo", excluded)):
            st.button(
                verb,
                key=f"annotators.{verb.lower()}",
                icon=f":material/{icon}:",
                **for_curators(f"{verb[:-1]}ing annotators", disabled=not names),
                on_click=_set_status,
                args=(page, verb.lower(), names),
            )
    if len(selected) == 1:
        with st.popover("Withdraw …", icon=":material/delete_forever:", type="tertiary", key="annotators.withdraw"):
            _withdrawal(page, selected[0], int(rows.loc[selected[0], "answers"]))


def _withdrawal(page: Opened, name: str, answers: int) -> None:
    st.write(
        f"All {answers:,} answers of **{plain(name)}** on this dataset are deleted, and the name with them. "
        "**This cannot be undone.** To keep the answers and not count them, exclude the annotator instead."
    )
    typed = st.text_input("Type the name to confirm", key="annotators.confirm")
    st.button(
        f"Delete {answers:,} answers",
        type="primary",
        key="annotators.really",
        on_click=attempt,
        args=(annotators.withdraw, page.votes, name),
        kwargs={"done": f"The answers of {name} are deleted"},
        **only_for(Role.OWNER, "Removing the answers of others", disabled=typed.strip() != name),
    )


def _set_status(page: Opened, action: Literal["exclude", "include"], names: Sequence[str]) -> None:
    why: Any = ""
    if action == "exclude":
        why = st.session_state["annotators.why"]
    for name in names:
        done = f"{name}: {action}d"
        attempt(annotators.set_status, page.votes, name, action, why=why, who=user(), done=done)


# --- agreement and reliability -----------------------------------------------------------------------------------


def agreement_facts(quality: VoteQuality) -> None:
    """Draw kappa, alpha, reliability and the noise ceiling."""
    with apart():
        st.header("Agreement and reliability")
        with help_menu("annotators.meaning"):
            st.markdown(_MEANING)
    with in_a_row("top", gap="medium"):
        for agreement in (quality.kappa, quality.alpha):
            estimate(agreement, agreement.name, agreement.value, agreement.low, agreement.high)
        hsf = quality.reliability
        estimate(hsf, "Reliability of HSF", hsf.reliability, hsf.low, hsf.high)
        ends = f"{hsf.ceiling_low:.2f}–{hsf.ceiling_high:.2f}".replace("nan–nan", "–")
        fact("Noise ceiling", ends, hsf.reason or "the interval alone")


def estimate(of_votes: Agreement | Reliability, name: str, value: float, low: float, high: float) -> None:
    note = of_votes.reason or f"{low:.2f}–{high:.2f}, {of_votes.samples:,} images"
    fact(name, f"{value:.2f}".replace("nan", "–"), note)


def annotator_pairs(page: Opened, quality: VoteQuality) -> None:
    """Draw how far each two annotators agree: the busiest as a heat map, all as a table."""
    if quality.votes["annotator"].nunique() < 2:
        return
    st.header("Annotator against annotator")
    if len(quality.votes) > _CHEAP_PAIRS and not st.toggle("Compare each two", key="annotators.compare"):
        return
    pairs = _annotator_pairs(page.votes, quality.design)
    if pairs.empty:
        st.caption("No two annotators have voted on the same image.")
        return
    show_chart(plots.annotator_pairs(quality.votes, pairs), key="annotators.pairs")
    st.caption(
        "Share of the images with a vote of both on which they say the same, of the twelve with the most votes. Click "
        "a cell to see these images. The table begins with those who surely agree least, by the upper end of the "
        f"interval, of at most {annotators.MOST_PAIRED} annotators, those with the most votes."
    )
    st.dataframe(
        pairs_shown(pairs),
        hide_index=True,
        key="annotators.pairs_table",
        height=250,
        column_config={
            "Say the same": st.column_config.NumberColumn(format="%.0f %%"),
            "Cohen's kappa": st.column_config.NumberColumn(
                format="%.2f", help="Agreement beyond chance; empty where both gave one and the same answer throughout."
            ),
        },
    )


def pairs_shown(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs in the form shown: shares in percent, intervals (Wilson) as text."""
    ends = pairs[["low", "high"]].to_numpy()
    kappas = pairs[["kappa_low", "kappa_high"]].to_numpy()
    return pd.DataFrame(
        {
            "One": pairs["first"],
            "Other": pairs["second"],
            "Images": pairs["n"],
            "Say the same": 100 * pairs["agreement"],
            "Say the same, 95 %": [f"{100 * low:.0f}–{100 * high:.0f} %" for low, high in ends],
            "Cohen's kappa": pairs["kappa"],
            "Kappa, 95 %": [f"{low:.2f}–{high:.2f}".replace("nan–nan", "–") for low, high in kappas],
        }
    )


def votes_needed(page: Opened) -> None:
    """Draw how many more votes are needed to know the correlation of a score with HSF as narrowly as asked."""
    st.header("How many more votes?")
    if page.opened.run is None:
        st.caption("A correlation needs scores: score the dataset with a model first.")
        return
    with in_a_row():
        scores = list(page.samples.scores)
        score = st.selectbox("Correlation with HSF of", scores, format_func=score_name, key="annotators.score")
        width = st.number_input("Width of its 95 % interval", 0.01, 1.0, 0.1, step=0.01, key="annotators.width")
    try:
        st.markdown(need_text(annotators.need(page.samples, page.votes, score=score, width=width)))
    except CurateError as error:
        show_user_error(error)


def need_text(need: Need) -> str:
    """Return how many more votes or samples are needed, in a sentence or two."""
    now = f"The interval is {need.width_now:.3f} wide"
    if need.width_now <= need.width:
        return f"{now}. That is already as narrow as asked."
    samples = f"{need.samples_needed - need.samples} more images with {need.votes:.3g} votes each"
    if need.votes_needed is None:
        return f"{now}. More votes cannot be expected to make it narrower than {need.width_at_best:.3f}; {samples} can."
    text = (
        f"{now}. {need.votes_needed} votes per image at least, {need.more_votes} more in all, can be expected to make "
        f"it {need.width:.3g}, or {samples}."
    )
    if need.votes < _FEW_VOTES:
        text += (
            " Forecasts from so few votes an image are low: by 0.016 to 0.034 from 3 votes and 0.003 to 0.011 from 5, "
            "for the correlation that 40 gave on CIFAR-10H. Fewer may do."
        )
    return text


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
    disputed = _disputed_labels(page.votes, quality.design)
    shown = disputed.head(_MOST)
    st.caption(f"{len(shown):,} of {counted(len(disputed), 'image')}, the surest first, with what people say.")
    if disputed.empty:
        return None
    names = dict(enumerate(page.samples.classes))
    rows = shown.set_index("id")

    def look(tile: Tile) -> Tile:
        row: Any = rows.loc[tile.id]
        people = f"people: {names.get(row['said'], 'something else')}"
        return replace(tile, predicted="", score="", sub=people, note=f"{row['prob']:.2f}", differs=True)

    title = "Where people contradict the label"
    return narrow_grid(page, rows.index.tolist(), key="annotators.contradicted", label=title, score="hsf", look=look)


# --- export ------------------------------------------------------------------------------------------------------


def export_menu(page: Opened) -> None:
    """Draw the download of the answers behind HSF, as a file of the format chosen."""
    opened = page.opened
    if opened.samples.votes is None:
        return
    st.header("Export the votes")
    st.caption("Every answer that HSF uses, with its annotator and time where they are known.")
    with in_a_row():
        ending = st.selectbox(
            "Format", [".csv", ".parquet"], 0, FORMATS.__getitem__, key="annotators.format", width=200
        )
        file = f"{opened.samples.name}-votes{ending}"
        download(
            "Download votes", partial(file_of, opened.samples, opened.votes, ending), file, key="annotators.download"
        )
    if opened.samples.simulated:
        st.caption("These votes are simulated; the file says so.")


def file_of(samples: SampleTable, votes: Votes, ending: str) -> bytes:
    """Return the bytes of a file of the votes that ends so."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"votes{ending}"
        write_votes(samples, votes, path)
        return path.read_bytes()
