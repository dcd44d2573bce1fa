"""How each score follows people: all scores ranked below the noise ceiling, and some of them bin by bin."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.datasets.table.columns import quote
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.correlation.service import HSF, Correlations, agreement, overall
from avhcurate.measures.stats.correlation import FEW
from avhcurate.ui.charts.chart_style import (
    ABOVE,
    GREY,
    SERIES,
    SLATE,
    SYMBOLS,
    VIOLET,
    as_text,
    bare,
    faded,
    intervals,
    leads,
    matrix,
    note_above,
    of_hsf,
    short_names,
)

#: Scores that the ranking highlights: AVH, and the one it is compared with.
_HIGHLIGHTED = {"avh": SLATE, "confidence": VIOLET}
#: Characters of the name of a score.
_LONGEST = 40
_HOVER = (
    "[%{customdata[1]:.3f}, %{customdata[2]:.3f}]<br>Spearman %{customdata[0]:.3f}, n %{customdata[3]:,}<extra></extra>"
)


def ranking(result: Correlations) -> go.Figure:
    """Draw a dot with its interval for each score over all samples, closest to people on top, and the noise ceiling."""
    rows = overall(result).dropna(subset="agreement").sort_values("agreement", kind="stable")
    names = _titles(result, rows["score"])
    colors = [_HIGHLIGHTED.get(key, GREY) for key in rows["score"]]
    figure = go.Figure()
    right = rows["high"].fillna(rows["agreement"])
    ends = [0.0, *rows["low"].dropna(), *rows["agreement"], *right]
    limits = [min(ends) - 0.03, max(ends) + 0.08]
    ceiling = result.ceiling
    if result.against == HSF and ceiling.high > 0:
        band = faded(GREY, 0.25)
        figure.add_vrect(x0=ceiling.ceiling_low, x1=ceiling.ceiling_high, fillcolor=band, line_width=0, layer="below")
        title = f"noise ceiling {ceiling.ceiling_low:.2f} to {ceiling.ceiling_high:.2f}"
        note_above(figure, ceiling.ceiling_high, title, anchor="right")
        limits[1] = 1.03
    figure.add_vline(x=0, line={"color": faded(GREY, 0.7), "width": 1})
    figure.add_scatter(
        x=rows["agreement"],
        y=names,
        marker={"size": 9, "color": colors},
        error_x=intervals(rows["agreement"], rows["low"], rows["high"]),
        hovertemplate="%{y}: %{x:.3f} " + _HOVER,
        **_dots(result, rows),
    )
    # One trace: as many annotations would take Plotly most of the time of the page.
    figure.add_scatter(
        x=right,
        y=names,
        mode="text",
        text=[f"\u2002{value:.2f}" for value in rows["agreement"]],
        textposition="middle right",
        textfont={"size": 12, "color": colors},
        hoverinfo="skip",
    )
    margin = {"t": 26, "r": 16}
    bare(figure, height=90 + 25 * len(rows), x=f"agreement with {_target(result)}", margin=margin)
    figure.update_yaxes(type="category", showgrid=False)
    return figure.update_xaxes(range=limits)


def per_bin(result: Correlations, keys: Sequence[str]) -> go.Figure:
    """Draw for each score a dot with its interval in every bin of HSF or what replaces it, hollow for few samples."""
    rows = agreement(result)
    rows = rows[rows["bin"] != "all"]
    counts = result.counts.drop("all")
    figure = go.Figure()
    figure.add_hline(y=0, line={"color": faded(GREY, 0.7), "width": 1})
    step = min(0.16, 0.7 / max(1, len(keys)))
    for number, (key, title) in enumerate(zip(keys, _titles(result, keys), strict=True)):
        of_score = rows[rows["score"] == key]
        color = SERIES[number % len(SERIES)]
        symbol = SYMBOLS[number % len(SYMBOLS)]
        figure.add_scatter(
            x=np.arange(len(counts)) + (number - (len(keys) - 1) / 2) * step,
            y=of_score["agreement"],
            name=title,
            marker={
                "size": 10,
                "color": color,
                "symbol": np.where(of_score["n"] < FEW, f"{symbol}-open", symbol),
            },
            error_y=intervals(of_score["agreement"], of_score["low"], of_score["high"], color=color),
            hovertemplate=f"{title}: %{{y:.3f}} {_HOVER}",
            **_dots(result, of_score),
        )
    bare(figure, height=360, x=_target(result), y="agreement within the bin", margin={"t": 30})
    figure.update_layout(showlegend=len(keys) > 1, legend=ABOVE)
    ticks = [f"{name}<br>n {n:,}" for name, n in counts.items()]
    if result.against != HSF:  # names of HSF's bins are short
        ticks = [tick.replace(", ", ",<br>") for tick in ticks]
    return figure.update_xaxes(
        tickvals=list(range(len(counts))), ticktext=ticks, range=[-0.5, len(counts) - 0.5], showgrid=False
    )


def _dots(result: Correlations, rows: pd.DataFrame) -> dict[str, Any]:
    """Return what dots of these rows say and lead to, as arguments of `add_scatter`."""
    images = [result.images(key, group) for key, group in zip(rows["score"], rows["bin"], strict=True)]
    numbers = rows[["spearman", "low", "high", "n"]].to_numpy()
    return {"mode": "markers", "customdata": numbers, **leads(rows["n"], images)}


def class_matrix(rows: pd.DataFrame, names: Sequence[str], classes: Sequence[str]) -> go.Figure:
    """Draw Spearman of each score within each class, from rows of `score, class, n, spearman`; blue is above 0.

    `names` are those of the scores in order, `classes` those of all classes by label.
    """
    keys = dict(zip(rows["score"].unique(), names, strict=True))
    shown = list(rows["class"].unique())
    cells = rows.set_index(["score", "class"]).loc[[(key, name) for key in keys for name in shown]]
    rho = cells["spearman"].to_numpy(float)
    text = np.where(np.isnan(rho), "–", [f"{value:.2f}" for value in rho])
    hover = []
    to = []
    for (key, name), value, n in zip(cells.index, rho, cells["n"], strict=True):
        hover.append(f"{keys[key]}, {as_text(name)}: {value:.3f}, n {n:,}")
        both = f"{quote(key)} IS NOT NULL AND hsf IS NOT NULL"
        to.append(Filters(classes=(classes.index(name),), where=both))
    size = (len(keys), len(shown))
    row_names = short_names(names, longest=24)
    marks = leads(cells["n"], to)
    return matrix(text.reshape(size), rho.reshape(size), hover, row_names, short_names(shown), **marks)


def _target(result: Correlations) -> str:
    """Return the name of what scores are compared with."""
    if result.against == HSF:
        return of_hsf(result.simulated)
    if result.own:
        return escape(result.against)
    return result.ranked[result.against].name.lower()


def _titles(result: Correlations, keys: Iterable[str]) -> list[str]:
    """Return short names of scores, all different, that Plotly shows literally."""
    short = [" ".join(result.ranked[key].name.split())[:_LONGEST] for key in keys]
    for position, name in enumerate(short):
        if short.count(name) > 1:
            short[position] = f"{name} ({position + 1})"
    # A per cent sign before a brace would begin a value of a hover text.
    return [escape(name).replace("%", "&#37;") for name in short]
