"""How each score follows people: all scores ranked below the noise ceiling, and some of them bin by bin."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.images.measures import RANKED
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


def agreement(table: pd.DataFrame) -> pd.DataFrame:
    """The correlation table with `agreement, low, high` added: Spearman and its interval, turned by the score's known
    direction so that positive always means that the score finds hard what people find hard.

    >>> rows = pd.DataFrame({"score": ["avh"], "spearman": [-0.3], "ci_low": [-0.4], "ci_high": [-0.2]})
    >>> agreement(rows)[["agreement", "low", "high"]].values.tolist()
    [[0.3, 0.2, 0.4]]
    """
    sign = -table["score"].map({key: score.sign for key, score in RANKED.items()})
    ends = pd.DataFrame({"one": sign * table["ci_low"], "other": sign * table["ci_high"]})
    return table.assign(
        agreement=sign * table["spearman"], low=ends.min(axis=1, skipna=False), high=ends.max(axis=1, skipna=False)
    )


def ranking(
    table: pd.DataFrame,
    *,
    ceiling: tuple[float, float, float] | None = None,
    simulated: bool = False,
    against: str | None = None,
) -> go.Figure:
    """A dot with its interval for each score of the rows `all`, closest to people on top.

    `ceiling`: the noise ceiling with the ends of its interval, if there is one. `against` names what replaces HSF.
    """
    rows = agreement(table[table["bin"] == "all"]).dropna(subset=["agreement"])
    rows = rows.sort_values("agreement", ascending=True, kind="stable")
    names = [RANKED[key].name for key in rows["score"]]
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
        x=f"agreement with {against or of_hsf(simulated)}",
        margin={"t": 26, "r": 16},
    )
    figure.update_yaxes(type="category", showgrid=False)
    ends = [0.0, *rows["low"].dropna(), *rows["high"].dropna(), *rows["agreement"]]
    return figure.update_xaxes(range=[min(ends) - 0.03, 1.03 if ceiling else max(ends) + 0.08])


def per_bin(
    table: pd.DataFrame, keys: Sequence[str], *, simulated: bool = False, against: str | None = None
) -> go.Figure:
    """For each of `keys` a dot with its interval in every bin of HSF or `against`, hollow where samples are few."""
    rows = agreement(table[table["bin"] != "all"])
    bins = list(dict.fromkeys(rows["bin"]))
    counts = rows.groupby("bin", sort=False)["n"].max().reindex(bins)
    figure = go.Figure()
    figure.add_hline(y=0, line={"color": faded(GREY, 0.7), "width": 1})
    for number, key in enumerate(keys):
        of_score = rows[rows["score"] == key].set_index("bin").reindex(bins).reset_index()
        color, symbol = SERIES[number % len(SERIES)], SYMBOLS[number % len(SYMBOLS)]
        place = np.arange(len(bins)) + _dodge(number, len(keys))
        figure.add_scatter(
            x=place,
            y=of_score["agreement"],
            mode="markers",
            name=RANKED[key].name,
            marker={"size": 10, "color": color, "symbol": [symbol + "-open" * bool(n < 10) for n in of_score["n"]]},
            error_y=intervals(of_score["agreement"], of_score["low"], of_score["high"], color=color),
            customdata=np.stack([of_score["spearman"], of_score["low"], of_score["high"], of_score["n"]], axis=1),
            hovertemplate=f"{RANKED[key].name}: %{{y:.3f}} [%{{customdata[1]:.3f}}, %{{customdata[2]:.3f}}]<br>"
            "Spearman %{customdata[0]:.3f}, n %{customdata[3]:,}<extra></extra>",
        )
    bare(figure, height=360, x=against or of_hsf(simulated), y="agreement within the bin", margin={"t": 30})
    figure.update_layout(showlegend=len(keys) > 1, legend=ABOVE)
    names = [label.replace(", ", ",<br>") if against else label for label in counts.index]  # of more digits than HSF's
    ticks = [f"{name}<br>n {n:,}" for name, n in zip(names, counts, strict=True)]
    return figure.update_xaxes(
        tickvals=list(range(len(bins))), ticktext=ticks, range=[-0.5, len(bins) - 0.5], showgrid=False
    )


def _dodge(number: int, count: int) -> float:
    """Offset of one of `count` dots around a tick."""
    return (number - (count - 1) / 2) * min(0.16, 0.7 / max(1, count))
