"""Parts of the Correlation page: the table, its summary in words, and the comparison of two scores."""

from collections.abc import Iterator
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.features.correlation import service
from avhcurate.features.correlation.service import HSF, REMARKS, Correlations, overall
from avhcurate.ui.base import frame
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.layout import in_a_row
from avhcurate.ui.base.page_choices import one_of, some_of
from avhcurate.ui.base.score_help import column_name, score_name
from avhcurate.ui.base.text import listed, p_text, people, shortened, signed
from avhcurate.ui.charts.html_table import estimate, html_table, table_row, tint
from avhcurate.workspace.images.measures import PROXIES, RANKED

#: The address's text for no column of the user: no column has that name.
_NO_COLUMN = "_"
#: A difference whose p-value is at least this is called unclear.
_CLEAR = 0.05
#: `correlation.service.correlate`, kept until what it correlates changes.
correlate = kept("Correlating …")(service.correlate)


def choose_against(page: Opened) -> str:
    """Choose what the scores are compared with: HSF, or in its place a measure of the images or an own column."""
    opened = page.opened
    possible = service.possible_targets(opened.samples)
    if len(possible) == 1:
        return possible[0]
    return one_of("correlation.against", [HSF, *PROXIES, *opened.samples.own("number")], HSF).show(
        st.selectbox,
        "Against",
        possible,
        format_func=_short_name,
        help="HSF, the judgement of people, or what replaces it where there are no votes: a measure of the images or a "
        "column of yours.",
        width=240,
    )


def choose_columns(page: Opened) -> list[str]:
    """Choose the user's columns that join the scores; by default those with a known harder end."""
    columns = page.samples.own("number")
    if not columns:
        return []
    return some_of("correlation.columns", columns, service.said_columns(page.samples), none=_NO_COLUMN).show(
        st.multiselect,
        "Your columns",
        list(columns),
        format_func=lambda key: shortened(key, 60),
        placeholder="Add columns to the table",
        width=420,
    )


def choose_shown(result: Correlations) -> list[str]:
    """Choose the scores of the figure by bins."""
    scores = _directed(result)
    return some_of("correlation.scores", [*RANKED, *scores], ["avh", "confidence"]).show(
        st.multiselect,
        "Scores",
        scores,
        format_func=_short_name,
        max_selections=5,
        label_visibility="collapsed",
        placeholder="Choose scores",
    )


def _short_name(key: str) -> str:
    return shortened(score_name(key), 60)


def _directed(result: Correlations) -> list[str]:
    """Return the scores of the table with a known harder end."""
    return [key for key in result.keys if result.ranked[key].harder]


# --- in words ----------------------------------------------------------------------------------------------------


def pair_of(result: Correlations, first: str, second: str) -> pd.Series:
    """Return the row of two scores among the pairs, where they may stand in the other order."""
    pairs = result.pairs
    wanted = pairs[["first", "second"]].isin([first, second]).all(axis=1)
    return pairs[wanted].iloc[0]


def verdict(pair: Any, *, against: str = "people") -> str:
    """Say which of two scores follows people, or what replaces them, more closely."""
    first = column_name(pair.first)
    second = column_name(pair.second)
    if pd.isna(pair.p_value):
        return (
            f"**{first}** and **{second}** cannot be compared here: n {pair.n:,}, or one of them does not vary or puts "
            f"the images in the very order of {against}."
        )
    if abs(pair.difference) < 1e-9:
        return (
            f"**{first}** and **{second}** put these {pair.n:,} images in the same order: both follow {against} at "
            f"{pair.first_agreement:.3f}."
        )
    at = signed(pair.first_agreement, 3)
    second_at = signed(pair.second_agreement, 3)
    test = f"({p_text(pair.p_value)}, n {pair.n:,})"
    if pair.p_value >= _CLEAR:
        return f"No clear difference: **{first}** follows {against} at {at}, **{second}** at {second_at} {test}."
    if pair.difference > 0:
        return f"**{first}** follows {against} more closely than **{second}**: {at} against {second_at} {test}."
    return f"**{second}** follows {against} more closely than **{first}**: {second_at} against {at} {test}."


def summary(result: Correlations) -> str:
    """Say what the table says in a few plain sentences, whichever score wins."""
    rows = overall(result).dropna(subset="agreement")
    # Scores of a training are over fewer samples, so they are not ranked with the others.
    trained = [key for key in result.keys if result.ranked[key].training]
    rows = rows[~rows["score"].isin(trained) | (rows["n"] == rows["n"].max())]
    if rows.empty:
        target = column_name(result.against)
        return f"No score has a correlation with {target} here: there are too few images, or none of them varies."
    sentences = [_leader(result, rows)]
    if {"avh", "confidence"} <= set(rows["score"]):
        sentences.append(verdict(pair_of(result, "avh", "confidence"), against=compared_with(result)))
    if result.against != HSF:
        return " ".join(sentences)
    if not result.ceiling.reason:
        sentences.append(
            "The votes are noisy themselves: the most that a score can be expected to reach is "
            f"{result.ceiling.ceiling_text}."
        )
    opposed = [column_name(key) for key in rows["score"][rows["high"] < 0]]
    if opposed:
        sentences.append(f"Against the judgement of {compared_with(result)}: {listed(opposed)}.")
    return " ".join(sentences)


def _leader(result: Correlations, rows: pd.DataFrame) -> str:
    """Say which score comes first, and where AVH stands."""
    best = rows.iloc[0]
    against = compared_with(result)
    text = f"**{column_name(best['score'])}** follows {against} most closely, at {signed(best['agreement'], 3)}"
    if pd.isna(best["low"]):
        text += f", of {best['n']:,} images only"
    elif best["low"] <= 0:
        text += ", though its interval reaches 0"
    shown = rows["agreement"].round(3)
    of_avh = shown[rows["score"] == "avh"]
    if len(of_avh) and best["score"] != "avh":
        rank = 1 + (shown > of_avh.iloc[0]).sum()
        if rank == 1:
            text += ", and AVH as closely"
        else:
            text += f"; AVH is number {rank} of {len(rows)}, at {signed(of_avh.iloc[0], 3)}"
    return f"{text}."


def compared_with(result: Correlations) -> str:
    """Say who or what the scores are compared with."""
    if result.against == HSF:
        return people(result.simulated)
    name = column_name(result.against)
    if result.own:
        return f"your column {name}"
    return f"the {name.lower()} of the images"


def notes(result: Correlations) -> list[str]:
    """Return what is to be known of the table, a line each."""
    lines = [_ceiling_note(result)]
    if texts := service.remark_texts(result):
        lines.append(f"Dashed cells, marked *, deserve little trust. {'; '.join(texts)}.")
    if result.unsaid:
        names = listed([column_name(key) for key in result.unsaid])
        lines.append(
            f"It is not known which end of {names} is harder, so there is a correlation and no agreement. Set it on "
            "Home under “Your columns”."
        )
    if result.against == HSF:
        lines.append("Which score to use for what, by the networks that we measured: docs/scores-for.md.")
    return lines


def _ceiling_note(result: Correlations) -> str:
    """Say what the noise ceiling and the reliability behind it are, with intervals, or why there is none."""
    ceiling = result.ceiling
    name = column_name(result.against)
    if result.against != HSF:
        hard = {1: "An image with less of it counts as harder. ", -1: "An image with more of it is harder. ", 0: ""}
        return f"{name} takes the place of HSF here. {hard[result.toward]}Bins hold about equally many images."
    if ceiling.reason:
        return f"Noise ceiling: {ceiling.ceiling_text}."
    return (
        f"Noise ceiling **{ceiling.ceiling_text}** (95 %): the root of the Spearman of {ceiling.low:.2f} to "
        f"{ceiling.high:.2f} to expect between this HSF and that of as many further votes of the {ceiling.samples:,} "
        "images with votes in view."
    )


def needs() -> Opened:
    """Return the frame; end a page without a run, or with nothing to compare scores with: votes, measures, columns."""
    samples = frame.with_data().samples
    if samples.measures or samples.own("number"):
        return frame.with_run()
    return frame.with_votes()


# --- the table ---------------------------------------------------------------------------------------------------


def table_html(result: Correlations) -> str:
    """Return the table with intervals: a row a score, a column for all and each bin, n in the header.

    A cell's colour shows the correlation's sign and size; cells of few samples are marked, with the reason. Its title
    has p, p by Holm's method for the scores of the column, Fisher's z and the correlation over the noise ceiling.
    """
    heads = [f"{escape(str(group))}<small>n {n:,}</small>" for group, n in result.counts.items()]
    if result.weighted is not None:
        heads.insert(1, "weighted<small>to all images</small>")
    return html_table(["Score", "Hard end", *heads], _rows(result), tinted=True)


def _rows(result: Correlations) -> Iterator[str]:
    table = service.export_table(result).assign(remark=result.remarks)
    table["fewer"] = table["n"] < table.groupby("bin", sort=False)["n"].transform("max")
    ends = {"high": "↑ high", "low": "↓ low", "": "not known"}
    for key, rows in table.groupby("score", sort=False):
        score = result.ranked[str(key)]
        cells = [ends[score.harder], *map(_cell, rows.itertuples())]
        if result.weighted is not None:
            of_all = rows.iloc[0]
            cells.insert(2, estimate(of_all["weighted"], of_all["weighted_low"], of_all["weighted_high"], 3))
        yield table_row(escape(shortened(score.name, 32)), cells, title=escape(score.sentence))


def _cell(row: Any) -> str:
    remark = escape(REMARKS.get(row.remark, ""))
    mark = ""
    kind = ""
    if remark:
        mark = "*"
        kind = " class='few'"
    if pd.isna(row.spearman):
        return f"<td{kind} title='{remark}'>–<small>{remark}</small></td>"
    notes = []
    if pd.notna(row.ci_low):
        notes.append(f"{signed(row.ci_low, 2)} to {signed(row.ci_high, 2)}")
    if row.fewer:
        notes.append(f"n {row.n:,}")
    titles = [f"{p_text(row.p_value)}, by Holm {p_text(row.p_holm)}"]
    for column, words in (
        ("fisher_z", "Fisher z"),
        ("disattenuated", "over the ceiling"),
        ("weighted", "weighted to all images"),
    ):
        value = getattr(row, column, float("nan"))
        if pd.notna(value):
            titles.append(f"{words} {signed(value, 3)}")
    title = "; ".join(filter(None, [escape(", ".join(titles)), remark]))
    value = f"{signed(row.spearman, 3)}{mark}"
    if row.bin == "all":
        value = f"<b>{value}</b>"
    style = tint(row.spearman, min(0.55, 0.75 * abs(row.spearman)))
    return f"<td{kind} style='{style}' title='{title}'>{value}<small>{' · '.join(notes)}</small></td>"


# --- two scores --------------------------------------------------------------------------------------------------


def compare(result: Correlations) -> None:
    """Draw a choice of two scores and the test between them; a score that is not in the table becomes the default."""
    scores = _directed(result)
    if len(scores) < 2 or not result.toward:
        st.caption("Two scores whose harder ends are known can be compared here.")
        return
    with in_a_row():
        first, second = (
            one_of(f"correlation.{name}", [*RANKED, *scores], default).show(
                st.selectbox, label, scores, format_func=_short_name, width=200
            )
            for name, label, default in (("first", "Compare", "avh"), ("second", "with", "confidence"))
        )
    if first == second:
        st.caption("Choose two different scores.")
        return
    pair = pair_of(result, first, second)
    st.markdown(verdict(pair, against=compared_with(result)))
    if pd.notna(pair.p_value):
        st.caption(
            f"Difference of Fisher z, {column_name(pair['first'])} minus {column_name(pair['second'])}: "
            f"{_interval(pair.difference, pair.ci_low, pair.ci_high)}; of the correlations themselves "
            f"{_interval(pair.gap, pair.gap_low, pair.gap_high)}; the two scores correlate at "
            f"{signed(pair['between'], 3)} with each other. Corrected for the "
            f"{len(result.pairs):,} pairs of scores by Holm's method: {p_text(pair.p_holm)}."
        )
    if result.weighted is not None:
        st.caption("This comparison is not weighted to the whole dataset.")


def _interval(value: float, low: float, high: float) -> str:
    return f"{signed(value, 3)} [{signed(low, 3)}, {signed(high, 3)}]"
