"""Parts of the Correlation page: the table, its summary in words, and the comparison of two scores."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from avhcurate.correlation import service
from avhcurate.correlation.plots import agreement
from avhcurate.correlation.service import HSF, REMARKS, Correlations
from avhcurate.correlation.weighting import PAIR_COLUMNS
from avhcurate.images.measures import PROXIES, RANKED
from avhcurate.stats.correlation_tests import Comparison
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.ui.cache import HASH_FUNCS
from avhcurate.ui.frame import Opened
from avhcurate.ui.html_table import estimate, html_table, table_row, tint
from avhcurate.ui.page_choices import one_of, some_of, switch
from avhcurate.ui.score_help import column_name, score_name
from avhcurate.ui.text import listed, p_text, people, shortened, signed
from avhcurate.ui.url_state import View

BOOTSTRAP = switch("correlation.bootstrap")

#: The address's text for no column of the user's: no column has that name.
_NO_COLUMN = "_"
#: A difference whose p-value is at least this is called unclear.
_CLEAR = 0.05
#: Bootstrap intervals of more samples would keep the page waiting for longer than a minute.
MOST_TO_BOOTSTRAP = 10_000
#: `correlation.service.correlate`, kept until what it correlates changes.
correlate = st.cache_resource(max_entries=16, show_spinner="Correlating …", hash_funcs=HASH_FUNCS)(service.correlate)


def choose_against(page: Opened) -> str:
    """What the scores are compared with: HSF, or in its place a measure of the images or a column of the user's."""
    table = page.table
    possible = service.possible_targets(table)
    if len(possible) == 1:
        return possible[0]
    own = table.own("number")
    widget: Any = st.selectbox if own else st.segmented_control
    return one_of("correlation.against", [HSF, *PROXIES, *own], HSF).show(
        widget,
        "Against",
        page.view,
        possible,
        format_func=lambda key: shortened(score_name(key), 60),
        help="HSF, the judgement of people, or what replaces it where there are no votes: a measure of the images or a "
        "column of yours.",
        width=240 if own else "content",
    )


def choose_columns(page: Opened) -> list[str]:
    """The user's columns that are correlated beside the scores; those whose harder end is said, until others are."""
    own = page.table.own("number")
    if not own:
        return []
    return some_of("correlation.columns", own, service.said_columns(page.table), none=_NO_COLUMN).show(
        st.multiselect,
        "Your columns",
        page.view,
        list(own),
        format_func=lambda key: shortened(key, 60),
        placeholder="Add columns to the table",
        width=420,
    )


def choose_shown(result: Correlations, view: View) -> list[str]:
    """The scores of the figure by bins."""
    scores = _directed(result)
    return some_of("correlation.scores", [*RANKED, *scores], ["avh", "confidence"]).show(
        st.multiselect,
        "Scores",
        view,
        scores,
        format_func=lambda key: shortened(score_name(key), 60),
        max_selections=5,
        label_visibility="collapsed",
        placeholder="Choose scores",
    )


def _directed(result: Correlations) -> list[str]:
    """The scores of the table whose harder end is known."""
    return [key for key in dict.fromkeys(result.table["score"]) if result.ranked[key].harder]


def comparison_of(result: Correlations, first: str, second: str) -> Comparison:
    """The comparison of any two scores, in the order asked."""
    row, turned = _pair(result, first, second)
    pair = Comparison(*(row[name] for name in Comparison._fields))
    return pair.swapped() if turned else pair


def _pair(result: Correlations, first: str, second: str) -> tuple[pd.Series, bool]:
    """The row of two scores among the pairs, and whether they stand there in the other order."""
    pairs = result.pairs
    there = pairs[(pairs["first"] == first) & (pairs["second"] == second)]
    if len(there):
        return there.iloc[0], False
    return pairs[(pairs["first"] == second) & (pairs["second"] == first)].iloc[0], True


def verdict(pair: Comparison, first: str, second: str, *, against: str = "people") -> str:
    """Which of two scores follows people, or the measure in their place, more closely, in one sentence."""
    one, other = column_name(first), column_name(second)
    if pair.p_value != pair.p_value:
        why = f"n {pair.n:,}, or one of them does not vary or puts the samples in the very order of {against}"
        return f"**{one}** and **{other}** cannot be compared here: {why}."
    if abs(pair.difference) < 1e-9:
        same = f"**{one}** and **{other}** put these {pair.n:,} samples in the same order"
        return f"{same}: both follow {against} at {pair.first_agreement:.3f}."
    at = {one: signed(pair.first_agreement, 3), other: signed(pair.second_agreement, 3)}
    test = f"({p_text(pair.p_value)}, n {pair.n:,})"
    if pair.p_value >= _CLEAR:
        return f"No clear difference: **{one}** follows {against} at {at[one]}, **{other}** at {at[other]} {test}."
    better, worse = (one, other) if pair.difference > 0 else (other, one)
    return f"**{better}** follows {against} more closely than **{worse}**: {at[better]} against {at[worse]} {test}."


def summary(result: Correlations) -> str:
    """What the table says, in a few plain sentences, whichever score wins."""
    rows = agreement(result)
    rows = rows[rows["bin"] == "all"].dropna(subset=["agreement"])
    of_training = np.array([result.ranked[key].training for key in rows["score"]], bool)
    if rows["n"][of_training].max() == rows["n"].max():
        of_training[:] = False
    rows, recorded = rows[~of_training], rows[of_training]  # over fewer samples, they cannot be ranked with the others
    if rows.empty:
        what = column_name(result.against)
        return f"No score has a correlation with {what} here: there are too few samples, or none of them varies."
    rows = rows.sort_values("agreement", ascending=False, kind="stable")
    values: dict[str, float] = dict(zip(rows["score"], rows["agreement"].astype(float), strict=True))
    best, top = next(iter(values.items()))
    against = compared_with(result)
    avh = f"; AVH {_place(values, 'avh')}, at {signed(values['avh'], 2)}" if "avh" in values and best != "avh" else ""
    low, n = rows["low"].iloc[0], int(rows["n"].iloc[0])
    unclear = ", though its interval reaches 0" if low <= 0 else "" if low > 0 else f", of {n:,} samples only"
    sentences = [f"**{column_name(best)}** follows {against} most closely, at {signed(top, 2)}{unclear}{avh}."]
    if {"avh", "confidence"} <= set(values):
        sentences.append(_avh_or_confidence(comparison_of(result, "avh", "confidence")))
    if not result.ceiling.reason and result.ceiling.ceiling > 0 and top > 0:
        sentences.append(
            f"The votes are noisy themselves: no score can be expected above {result.ceiling.ceiling:.2f}, "
            f"and the best reaches {top / result.ceiling.ceiling:.0%} of that."
        )
    for key, part in (("aum", "held out"), ("train_aum", "learnt from")):
        of_part = recorded[recorded["score"].str.startswith("train_") == key.startswith("train_")]
        if of_part.empty:
            continue
        leader = of_part.sort_values("agreement").iloc[-1]
        sentences.append(
            f"Of the scores of the training, over the {of_part['n'].max():,} samples {part}, "
            f"**{column_name(leader['score'])}** comes closest, at {signed(leader['agreement'], 2)}; the SQL condition "
            f"`{key} IS NOT NULL` compares all scores on those."
        )
    opposed = [column_name(key) for key in rows["score"][rows["high"] < 0]]
    if opposed and result.against == HSF:
        goes = "go" if len(opposed) > 1 else "goes"
        sentences.append(f"{listed(opposed)} {goes} against what {against} say{'s' * result.simulated}.")
    return " ".join(filter(None, sentences))


def compared_with(result: Correlations) -> str:
    """Who or what the scores are compared with, in a sentence."""
    if result.against != HSF:
        name = column_name(result.against)
        return f"your column {name}" if result.own else f"the {name.lower()} of the images"
    return people(result.simulated)


def _place(values: Mapping[str, float], key: str) -> str:
    """Rank of a score; scores that agree equally with people, to three digits, share it."""
    place = 1 + sum(value > values[key] + 5e-4 for value in values.values())
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place if place not in (11, 12, 13) else 0, "th")
    return f"comes {place}{ending} of {len(values)}"


def _avh_or_confidence(pair: Comparison) -> str:
    if pair.p_value != pair.p_value:
        return ""
    if pair.p_value >= _CLEAR:
        return f"Between AVH and confidence there is no clear difference ({p_text(pair.p_value)})."
    does = "better" if pair.difference > 0 else "worse"
    values = f"{signed(pair.first_agreement, 2)} against {signed(pair.second_agreement, 2)}"
    return f"AVH does {does} than confidence here: {values} ({p_text(pair.p_value)})."


def table_html(result: Correlations) -> str:
    """The table with intervals: a row a score, a column for all and each bin, n in the header.

    A cell's colour shows the correlation's sign and size; cells of few samples are marked, with the reason. Its title
    has p, p by Holm's method for the scores of the column, Fisher's z and the correlation over the noise ceiling.
    """
    groups = list(dict.fromkeys(result.table["bin"]))
    counts = result.table.groupby("bin", sort=False)["n"].max()
    heads = [f"{escape(group)}<small>n {counts[group]:,}</small>" for group in groups]
    if result.weighted is not None:
        heads.insert(1, "weighted<small>to all samples</small>")
    return html_table(["Score", "Hard end", *heads], _rows(result, groups), tinted=True)


def _rows(result: Correlations, groups: list[str]) -> Iterator[str]:
    table = service.export_table(result).assign(remark=result.remarks)
    table["fewer"] = table["n"] < table.groupby("bin", sort=False)["n"].transform("max")
    for key, rows in table.groupby("score", sort=False):
        score = result.ranked[str(key)]
        by_bin = {row.bin: row for row in rows.itertuples()}
        end = {"high": "↑ high", "low": "↓ low", "": "not said"}[score.harder]
        cells = [_cell(by_bin[group]) for group in groups]
        if result.weighted is not None:
            of_all: Any = by_bin[groups[0]]
            cells.insert(1, estimate(of_all.weighted, of_all.weighted_low, of_all.weighted_high, 3))
        yield table_row(escape(shortened(score.name, 32)), [end, *cells], title=escape(score.sentence))


def _cell(row: Any) -> str:
    remark = escape(REMARKS.get(row.remark, ""))
    kind = " class='few'" if remark else ""
    if pd.isna(row.spearman):
        return f"<td{kind} title='{remark}'>–<small>{remark}</small></td>"
    notes = [] if pd.isna(row.ci_low) else [f"{signed(row.ci_low, 2)} to {signed(row.ci_high, 2)}"]
    notes += [f"n {row.n:,}"] if row.fewer else []
    style = tint(row.spearman, min(0.55, 0.75 * abs(row.spearman)))
    z = "" if pd.isna(row.fisher_z) else f", Fisher z {signed(row.fisher_z, 3)}"
    over = "" if pd.isna(getattr(row, "disattenuated", None)) else f", over the ceiling {signed(row.disattenuated, 3)}"
    p = f"{p_text(row.p_value)}, by Holm {p_text(row.p_holm)}"
    weighted = getattr(row, "weighted", float("nan"))
    to_all = "" if pd.isna(weighted) else f", weighted to all samples {signed(weighted, 3)}"
    title = f"{escape(p + z + over + to_all)}{'; ' * bool(remark)}{remark}"
    mark = "*" if remark else ""
    value = f"{signed(row.spearman, 3)}{mark}"
    value = f"{f'<b>{value}</b>' if row.bin == 'all' else value}<small>{' · '.join(notes)}</small>"
    return f"<td{kind} style='{style}' title='{title}'>{value}</td>"


def ceiling_sentence(result: Correlations) -> str:
    """The noise ceiling and the reliability behind it, with intervals, or why there is none."""
    ceiling = result.ceiling
    if result.against != HSF:
        taken = {
            1: "an image with less of it is taken to be harder. ",
            -1: "an image with more of it is harder. ",
            0: "",
        }
        name = column_name(result.against)
        return f"{name} takes the place of HSF here: {taken[result.toward]}Bins hold about equally many samples."
    if ceiling.reason:
        return f"No noise ceiling: {ceiling.reason}."
    return (
        f"Noise ceiling **{ceiling.ceiling:.3f}** [{ceiling.ceiling_low:.3f}, {ceiling.ceiling_high:.3f}]: the root of "
        f"the Spearman of **{ceiling.reliability:.3f}** [{ceiling.low:.3f}, {ceiling.high:.3f}] to expect between this "
        f"HSF and that of as many further votes of the {ceiling.samples:,} samples with votes in view."
    )


def marks_sentence(result: Correlations) -> str:
    """What the dashed cells mean, when there are any."""
    texts = service.remark_texts(result)
    return f"Dashed cells, marked *, deserve little trust. {'; '.join(texts)}." if texts else ""


def unsaid_sentence(result: Correlations) -> str:
    """Which columns of the user's have no agreement, and how to say what it needs."""
    if not result.unsaid:
        return ""
    names = listed([column_name(key) for key in result.unsaid])
    return (
        f"Nobody has said which end of {names} is harder, so there is a correlation and no agreement: say it on Home "
        "under Your columns, or by `avhcurate columns`."
    )


def which_sentence(result: Correlations) -> str:
    """Where to read what other networks say of the choice of a score; "" where nothing is compared with people."""
    if result.against != HSF:
        return ""
    return "Which score to use for what, by the networks that we measured: docs/results.md, “Use this score when”."


def notes(result: Correlations) -> list[str]:
    """What is to be known of the table, a line each."""
    lines = [ceiling_sentence(result), marks_sentence(result), unsaid_sentence(result), which_sentence(result)]
    return list(filter(None, lines))


def others(table: DatasetTable) -> str:
    """What scores can be compared with besides HSF, as a sentence goes on; "" where there is nothing."""
    kinds = ["a measure of the images"] if table.measures else []
    kinds += ["a column of yours"] if table.own("number") else []
    return "".join(f" or {kind}" for kind in kinds)


def compare(result: Correlations, view: View) -> None:
    """Two scores to choose, and the test between them; one that the table does not have gives way to the default."""
    scores = _directed(result) if result.toward else []
    if len(scores) < 2:
        st.caption("Two scores whose harder ends are known can be compared here.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first, second = (
            one_of(f"correlation.{name}", [*RANKED, *scores], default).show(
                st.selectbox, label, view, scores, format_func=lambda key: shortened(score_name(key), 60), width=200
            )
            for name, label, default in (("first", "Compare", "avh"), ("second", "with", "confidence"))
        )
    if first == second:
        st.caption("Choose two different scores.")
        return
    pair = comparison_of(result, first, second)
    st.markdown(verdict(pair, first, second, against=compared_with(result)))
    if pair.p_value == pair.p_value:
        st.caption(
            f"Difference of Fisher z {signed(pair.difference, 3)} "
            f"[{signed(pair.ci_low, 3)}, {signed(pair.ci_high, 3)}]; "
            f"of the correlations themselves {signed(pair.gap, 3)} [{signed(pair.gap_low, 3)}, "
            f"{signed(pair.gap_high, 3)}]; the two scores correlate at {signed(pair.between, 3)} with each other. "
            f"{_tested_by(pair)} corrected for the {len(result.pairs):,} pairs of scores by Holm's method, "
            f"{p_text(_pair(result, first, second)[0]['p_holm'])}."
        )
    if text := weighted_sentence(result, first, second):
        st.caption(text)


def weighted_sentence(result: Correlations, first: str, second: str) -> str:
    """The same comparison as if all samples had been as likely to be asked about; "" where no chances are known.

    `result.pairs` has it in the order of the table.
    """
    if result.weighted is None:
        return ""
    row, turned = _pair(result, first, second)
    value, low, high, p = (float(row[name]) for name in PAIR_COLUMNS)
    if p != p:
        return (
            "Weighted to the whole dataset the two cannot be compared: one of them does not vary, or follows exactly."
        )
    if turned:
        value, low, high = -value, -high, -low
    ends = f"{signed(value, 3)} [{signed(low, 3)}, {signed(high, 3)}]"
    return f"Weighted to the whole dataset the difference of Fisher z is {ends}, {p_text(p)}, not corrected for pairs."


def _tested_by(pair: Comparison) -> str:
    """Which of the two standard errors the test uses, and the other."""
    meng, ranks = f"{pair.error:.4f} by Meng, Rosenthal and Rubin", f"{pair.rank_error:.4f} by a jackknife of ranks"
    if pair.by_ranks:
        return f"Standard error {ranks}, in place of {meng}, since they differ by more than a tenth;"
    return f"Standard error {meng}; it is {ranks};"
