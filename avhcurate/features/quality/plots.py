"""Histograms of the measures of a dataset's images, and of the angle to the nearest other image."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.charts.chart_style import BLUE, GREY, SLATE, bare, leads, note_above
from avhcurate.workspace.images.measures import MEASURES

#: Small histograms side by side.
_COLUMNS = 5


def measure_histograms(bars: Mapping[str, pd.DataFrame], *, measure: str = "") -> go.Figure:
    """Draw a small histogram of each measure from bars `low, high, n, to`, that of `measure` emphasised."""
    rows = -(-len(bars) // _COLUMNS)
    titles = [f"{MEASURES[key].name}, {MEASURES[key].unit}".removesuffix(", ").replace(" ", "<br>", 1) for key in bars]
    figure = make_subplots(rows, _COLUMNS, subplot_titles=titles, horizontal_spacing=0.035, vertical_spacing=0.34)
    for number, (key, counts) in enumerate(bars.items()):
        counts = counts[counts["n"] > 0]
        figure.add_bar(
            x=(counts["low"] + counts["high"]) / 2,
            y=counts["n"],
            width=0.92 * (counts["high"] - counts["low"]).clip(lower=1e-9),
            marker={"color": {measure: BLUE}.get(key, SLATE)},
            customdata=counts[["low", "high"]].to_numpy(float),
            hovertemplate="%{customdata[0]:.4g} to %{customdata[1]:.4g}: %{y:,} images<extra></extra>",
            **leads(counts["n"], counts["to"]),
            row=number // _COLUMNS + 1,
            col=number % _COLUMNS + 1,
        )
    bare(figure, height=40 + 130 * rows, margin={"t": 40})
    figure.update_annotations(font_size=11)
    figure.update_yaxes(showticklabels=False, showgrid=False)
    return figure.update_xaxes(nticks=4, showgrid=False, tickfont={"size": 11})


def similarity_histogram(nearest: np.ndarray, *, cut: float) -> go.Figure:
    """Draw the angle of each image's embedding (N,) to the nearest other, on a log scale; `cut` is a cosine.

    An angle, since the relevant cosines are all too close to 1 for any scale.
    """
    ids = np.flatnonzero(np.isfinite(nearest))
    cosines = np.append(nearest[ids].astype(float), cut)
    angles = np.maximum(np.degrees(np.arccos(np.clip(cosines, -1, 1))), 1e-2)
    limit = angles[-1]
    edges = np.geomspace(0.9 * angles.min(), 1.1 * angles.max(), 61)
    bar = np.searchsorted(edges, angles[:-1], side="right") - 1
    counts = np.bincount(bar, minlength=len(edges) - 1)
    figure = go.Figure()
    figure.add_bar(
        x=edges[:-1],
        y=counts,
        width=0.92 * np.diff(edges),
        offset=0,
        marker={"color": np.where(edges[:-1] <= limit, BLUE, SLATE)},
        hovertemplate="from %{x:.3g}°: %{y:,} images<extra></extra>",
        **leads(
            counts, [Filters(excluded=None, ids=tuple(ids[bar == number].tolist())) for number in range(len(counts))]
        ),
    )
    note = f"copies up to {limit:.3g}°, cosine {cut:.4f}"
    figure.add_vline(x=limit, line={"color": GREY, "dash": "dash"})
    note_above(figure, np.log10(limit), note, anchor="right")  # on a log axis, a note lies at its power of ten
    bare(figure, height=230, x="angle to the nearest other image", y="images", margin={"t": 28})
    return figure.update_xaxes(type="log", ticksuffix="°")
