"""How each score follows people: all scores ranked below the noise ceiling, and some of them bin by bin."""

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.correlation.service import Correlations
from avhcurate.ui.chart_style import (
    ABOVE,
    BLUE,
    GREY,
    ORANGE,
    SERIES,
    SYMBOLS,
    bare,
    faded,
    intervals,
    note_above,
    of_hsf,
)

#: Scores that the ranking highlights: AVH, and the one it is compared with.
_HIGHLIGHTED = {"avh": BLUE, "confidence": ORANGE}
#: Characters of the name of a column of the user's.
_LONGEST = 40


def agreement(result: Correlations) -> pd.DataFrame:
    """The correlation table with `agreement, low, high` added: Spearman and its interval, turned by the known hard ends
    so that positive always means that the score finds hard what people find hard.

    NaN where the hard end of a column of the user's is not said.
    """
    table = result.table
    sign = table["score"].map(result.sign).replace(0, np.nan)
    ends = pd.DataFrame({"one": sign * table["ci_low"], "other": sign * table["ci_high"]})
    return table.assign(
        agreement=sign * table["spearman"], low=ends.min(axis=1, skipna=False), high=ends.max(axis=1, skipna=False)
    )


def ranking(
    result: Correlations, *, ceiling: tuple[float, float, float] | None = None, against: str | None = None
) -> go.Figure:
    """A dot with its interval for each score of the rows `all`, closest to people on top.

    `ceiling`: the noise ceiling with the ends of its interval, if there is one. `against` names what replaces HSF.
    """
    rows = agreement(result)
    rows = rows[rows["bin"] == "all"].dropna(subset=["agreement"])
    rows = rows.sort_values("agreement", ascending=True, kind="stable")
    names = _titles(result, rows["score"])
    figure = go.Figure()
    if ceiling and not np.isnan(ceiling[0]):
        value, low, high = ceiling
        figure.add_vrect(x0=low, x1=high, fillcolor=faded(GREY, 0.25), line_width=0, layer="below")
        figure.add_vline(x=value, line={"color": GREY, "width": 1.5, "dash": "dash"})
        note_above(figure, value, f"noise ceiling {value:.2f}", anchor="right")
    figure.add_vline(x=0, line={"color": faded(GREY, 0.7), "width": 1})
    figure.add_scatter(
        x=rows["agreement"],
        y=names,
        mode="markers",
        marker={"size": 9, "color": [_HIGHLIGHTED.get(key, GREY) for key in rows["score"]]},
        error_x=intervals(rows["agreement"], rows["low"], rows["high"]),
        customdata=np.stack([rows["spearman"], rows["low"], rows["high"], rows["n"]], axis=1) if len(rows) else None,
        hovertemplate="%{y}: %{x:.3f} [%{customdata[1]:.3f}, %{customdata[2]:.3f}]<br>"
        "Spearman %{customdata[0]:.3f}, n %{customdata[3]:,}<extra></extra>",
    )
    for key, name, value, high in zip(rows["score"], names, rows["agreement"], rows["high"], strict=True):
        font = {"size": 12, "color": _HIGHLIGHTED.get(key, GREY)}
        x = value if np.isnan(high) else high
        figure.add_annotation(x=x, y=name, text=f"{value:.2f}", showarrow=False, xanchor="left", xshift=6, font=font)
    bare(
        figure,
        height=90 + 25 * len(rows),
        x=f"agreement with {escape(against) if against else of_hsf(result.simulated)}",
        margin={"t": 26, "r": 16},
    )
    figure.update_yaxes(type="category", showgrid=False)
    ends = [0.0, *rows["low"].dropna(), *rows["high"].dropna(), *rows["agreement"]]
    return figure.update_xaxes(range=[min(ends) - 0.03, 1.03 if ceiling else max(ends) + 0.08])


def per_bin(result: Correlations, keys: Sequence[str], *, against: str | None = None) -> go.Figure:
    """For each of `keys` a dot with its interval in every bin of HSF or `against`, hollow where samples are few."""
    rows = agreement(result)
    rows = rows[rows["bin"] != "all"]
    bins = list(dict.fromkeys(rows["bin"]))
    counts = rows.groupby("bin", sort=False)["n"].max().reindex(bins)
    figure = go.Figure()
    figure.add_hline(y=0, line={"color": faded(GREY, 0.7), "width": 1})
    for number, (key, title) in enumerate(zip(keys, _titles(result, keys), strict=True)):
        of_score = rows[rows["score"] == key].set_index("bin").reindex(bins).reset_index()
        color, symbol = SERIES[number % len(SERIES)], SYMBOLS[number % len(SYMBOLS)]
        place = np.arange(len(bins)) + _dodge(number, len(keys))
        figure.add_scatter(
            x=place,
            y=of_score["agreement"],
            mode="markers",
            name=title,
            marker={"size": 10, "color": color, "symbol": [symbol + "-open" * bool(n < 10) for n in of_score["n"]]},
            error_y=intervals(of_score["agreement"], of_score["low"], of_score["high"], color=color),
            customdata=np.stack([of_score["spearman"], of_score["low"], of_score["high"], of_score["n"]], axis=1),
            hovertemplate=f"{title}: %{{y:.3f}} [%{{customdata[1]:.3f}}, %{{customdata[2]:.3f}}]<br>"
            "Spearman %{customdata[0]:.3f}, n %{customdata[3]:,}<extra></extra>",
        )
    bare(
        figure,
        height=360,
        x=escape(against) if against else of_hsf(result.simulated),
        y="agreement within the bin",
        margin={"t": 30},
    )
    figure.update_layout(showlegend=len(keys) > 1, legend=ABOVE)
    names = [label.replace(", ", ",<br>") if against else label for label in counts.index]  # of more digits than HSF's
    ticks = [f"{name}<br>n {n:,}" for name, n in zip(names, counts, strict=True)]
    return figure.update_xaxes(
        tickvals=list(range(len(bins))), ticktext=ticks, range=[-0.5, len(bins) - 0.5], showgrid=False
    )


def _titles(result: Correlations, keys: Iterable[str]) -> list[str]:
    """Short names of scores, all different, that Plotly shows as they are."""
    short = [" ".join(result.ranked[key].name.split())[:_LONGEST] for key in keys]
    names = [name if short.count(name) == 1 else f"{name} ({at + 1})" for at, name in enumerate(short)]
    # A per cent sign before a brace would begin a value of a hover text.
    return [escape(name).replace("%", "&#37;") for name in names]


def _dodge(number: int, count: int) -> float:
    """Offset of one of `count` dots around a tick."""
    return (number - (count - 1) / 2) * min(0.16, 0.7 / max(1, count))
