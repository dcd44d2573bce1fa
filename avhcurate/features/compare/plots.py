"""Model runs side by side: reliability, rank agreement, slices, who is right, and confusions."""

from collections.abc import Mapping, Sequence
from itertools import cycle, product
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.datasets.table.filters import Filters
from avhcurate.features.compare.study import FEW
from avhcurate.measures.stats.calibration import Calibration
from avhcurate.ui.charts.chart_style import (
    ABOVE,
    GREY,
    SERIES,
    SYMBOLS,
    as_text,
    bare,
    faded,
    intervals,
    leads,
    matrix,
    short_names,
)


def reliability(calibrations: Mapping[str, Calibration], titles: Mapping[str, str], *, linked: bool) -> go.Figure:
    """Draw accuracy against mean confidence in each bin, a line a run; a larger dot holds more samples.

    `titles` are those of the runs. `linked`: a run counts the images in view, so that a dot can lead to its own.
    """
    figure = go.Figure()
    line: dict[str, Any] = {"color": GREY, "width": 1, "dash": "dash"}
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, layer="below", line=line)
    for (run, name), color in zip(titles.items(), cycle(SERIES), strict=False):
        rows = calibrations[run].bins
        size = np.sqrt(calibrations[run].bins["n"] / max(1, calibrations[run].n))
        marks: dict[str, Any] = {}
        if linked:
            ends = ["", *(f"max_confidence > {low!r} AND " for low in rows["low"].tolist()[1:])]
            tests = zip(ends, rows["high"].tolist(), strict=True)
            to = [Filters(where=f"label IS NOT NULL AND {low}max_confidence <= {high!r}") for low, high in tests]
            marks = leads(rows["n"], to, run=run)
        figure.add_scatter(
            x=rows["confidence"],
            y=rows["accuracy"],
            mode="lines+markers",
            name=as_text(name),
            line={"color": color, "width": 1.5},
            marker={"size": 5 + 9 * size, "opacity": 0.85},
            customdata=rows[["n", "low", "high"]].to_numpy(),
            hovertemplate="confidence %{x:.3f} (%{customdata[1]:.3f} to %{customdata[2]:.3f})"
            "<br>accuracy %{y:.3f}, n %{customdata[0]:,}",
            **marks,
        )
    bare(figure, height=400, x="mean confidence of the bin", y="accuracy of the bin")
    below = {"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0}
    figure.update_layout(showlegend=len(titles) > 1, legend=below)
    figure.update_xaxes(range=[-0.02, 1.02])
    return figure.update_yaxes(range=[-0.02, 1.02])


def rank_matrix(rhos: pd.DataFrame) -> go.Figure:
    """Draw Spearman of every two runs, (R, R), with the numbers in the cells."""
    numbers = [str(number + 1) for number in range(len(rhos))]
    called = short_names(rhos.index, longest=34)
    names = [f"{number} · {name}" for number, name in zip(numbers, called, strict=True)]
    rho = rhos.to_numpy()
    text = np.char.mod("%.2f", rho)
    pairs = zip(product(called, called), rho.flat, strict=True)
    hover = [f"{one} and {other}: {value:.3f}" for (one, other), value in pairs]
    return matrix(text, rho, hover, names, numbers)


def confusion_matrix(counts: np.ndarray, labels: Sequence[int], classes: Sequence[str], *, run: str) -> go.Figure:
    """Draw the confusion matrix (K, K) of the classes `labels`: row the given label, column the predicted class.

    Colour says how often the two are confused, so that the diagonal does not outshine it.
    """
    part = counts[np.ix_(labels, labels)]
    shade = -part.astype(float)
    np.fill_diagonal(shade, 0)
    hover = []
    to = []
    for label, predicted in product(labels, labels):
        name = as_text(classes[label])
        hover.append(f"label {name}, predicted {as_text(classes[predicted])}: {counts[label, predicted]:,}")
        to.append(Filters(classes=(label,), predicted=(predicted,)))
    text = np.where(part == 0, "", part.astype(str))
    names = short_names(classes[label] for label in labels)
    figure = matrix(text, shade, hover, names, names, **leads(part.ravel(), to, run=run))
    figure.update_xaxes(title_text="predicted")
    return figure.update_yaxes(title_text="given label")


def by_class(rows: pd.DataFrame, *, run: str) -> go.Figure:
    """Draw precision, recall and F1 of each class from rows of `service.by_class`, shares with their intervals."""
    figure = go.Figure()
    names = short_names(rows["name"])
    for number, (key, title) in enumerate({"precision": "precision", "recall": "recall", "f1": "F1"}.items()):
        figure.add_scatter(
            x=rows[key],
            y=np.arange(len(rows)) + (number - 1) * 0.22,
            mode="markers",
            name=title,
            marker={"color": SERIES[number], "symbol": SYMBOLS[number], "size": 8},
            error_x=intervals(rows[key], rows[f"{key}_low"], rows[f"{key}_high"], color=faded(SERIES[number], 0.6)),
            text=rows["name"].map(as_text),
            customdata=rows[f"{key}_n"],
            hovertemplate=f"%{{text}}, {title} %{{x:.1%}}, n %{{customdata:,}}<extra></extra>",
            **leads(rows[f"{key}_n"], rows[f"{key}_to"], run=run),
        )
    bare(figure, height=100 + 34 * len(rows), margin={"t": 30})
    figure.update_layout(showlegend=True, legend=ABOVE)
    figure.update_xaxes(tickformat=".0%")
    ticks = {"tickvals": list(range(len(rows))), "ticktext": names}
    return figure.update_yaxes(range=[len(rows) - 0.5, -0.5], showgrid=False, **ticks)


def slices(rows: pd.DataFrame, measure: str, images: Mapping[tuple[str, str], Filters]) -> go.Figure:
    """Draw a bar with its interval for every slice and model, in the order of the rows, pale where it is not judged.

    `images` are the filters of slices by `by` and `slice`; without them the bars lead nowhere.
    """
    figure = go.Figure()
    for (model, of_run), color in zip(rows.groupby("model", sort=False), cycle(SERIES), strict=False):
        keys = list(zip(of_run["by"], of_run["slice"], strict=True))
        marks = {}
        if images:
            marks = leads(of_run["n"], [images[key] for key in keys])
        opacity = np.where(of_run["verdict"] == FEW, 0.2, 0.5)
        figure.add_bar(
            x=of_run[measure],
            y=short_names((" ".join(key).strip() for key in keys), longest=40),
            orientation="h",
            name=as_text(str(model)),
            marker={"color": color, "opacity": opacity},
            error_x=intervals(of_run[measure], of_run[f"{measure}_low"], of_run[f"{measure}_high"], color=color),
            customdata=of_run[["n", "verdict"]].to_numpy(),
            hovertemplate="%{y}: %{x:.3f}, n %{customdata[0]:,}<br>%{customdata[1]}<extra></extra>",
            **marks,
        )
    runs = len(figure.data)
    bare(figure, height=90 + (14 + 14 * runs) * len(rows) // runs, margin={"t": 30})
    figure.update_layout(showlegend=runs > 1, legend=ABOVE)
    return figure.update_yaxes(type="category", autorange="reversed", showgrid=False, dtick=1)
