"""Histograms of the measures of a dataset's images, and of the angle to the nearest other image."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from avhcurate.ui.chart_style import BLUE, GREY, ORANGE, bare, faded, note_above
from avhcurate.workspace.images.measures import MEASURES

#: Small histograms side by side.
_COLUMNS = 5


def measure_histograms(bars: Mapping[str, pd.DataFrame], *, chosen: str = "") -> go.Figure:
    """Draw a small histogram of each measure from bars `low, high, n`, that of `chosen` emphasised."""
    rows = -(-len(bars) // _COLUMNS)
    figure = make_subplots(
        rows, _COLUMNS, subplot_titles=[_title(key) for key in bars], horizontal_spacing=0.035, vertical_spacing=0.34
    )
    for place, (key, counts) in enumerate(bars.items()):
        row, column = divmod(place, _COLUMNS)
        filled = np.flatnonzero(counts["n"])
        counts = counts.iloc[filled[0] : filled[-1] + 1]  # without the empty bins at both ends
        figure.add_bar(
            x=(counts["low"] + counts["high"]) / 2,
            y=counts["n"],
            width=0.92 * (counts["high"] - counts["low"]).clip(lower=1e-9),
            marker={"color": {chosen: ORANGE}.get(key, BLUE)},
            customdata=counts[["low", "high"]].to_numpy(float),
            hovertemplate=f"{MEASURES[key].name} %{{customdata[0]:.4g}} to %{{customdata[1]:.4g}}: "
            "%{y:,} samples<extra></extra>",
            row=row + 1,
            col=column + 1,
        )
    bare(figure, height=40 + 130 * rows, margin={"t": 26})
    figure.update_annotations(font_size=12)
    figure.update_yaxes(showticklabels=False, showgrid=False)
    return figure.update_xaxes(nticks=4, showgrid=False, tickfont={"size": 11})


def similarity_histogram(nearest: np.ndarray, *, cut: float) -> go.Figure:
    """Draw the angle of each image's embedding to the nearest other, on a log scale; `cut` is a cosine.

    An angle, since the relevant cosines are all too close to 1 for any scale.
    """
    angles = np.degrees(np.arccos(np.clip(nearest[np.isfinite(nearest)].astype(float), -1, 1)))
    logs = np.log10(np.maximum(angles, 1e-2))
    limit = float(np.log10(max(np.degrees(np.arccos(min(cut, 1.0))), 1e-2)))
    counts, edges = np.histogram(logs, bins=60, range=(min([limit, *logs]) - 0.05, max([limit, *logs]) + 0.05))
    middle = (edges[1:] + edges[:-1]) / 2
    figure = go.Figure()
    figure.add_bar(
        x=middle,
        y=counts,
        width=0.92 * np.diff(edges),
        marker={"color": np.where(middle <= limit, ORANGE, BLUE)},
        customdata=np.stack([10 ** edges[:-1], 10 ** edges[1:]], axis=1),
        hovertemplate="%{customdata[0]:.3g}° to %{customdata[1]:.3g}°: %{y:,} samples<extra></extra>",
    )
    figure.add_vline(x=limit, line={"color": GREY, "width": 1.5, "dash": "dash"})
    note = f"copies up to {10**limit:.3g}°, cosine {cut:.4f}"
    anchor = "right"
    if limit < middle.mean():
        anchor = "left"
    note_above(figure, limit, note, anchor=anchor)
    bare(figure, height=230, x="angle to the nearest other image", y="samples", margin={"t": 28})
    low, high = int(np.floor(edges[0])), int(np.ceil(edges[-1]))
    ticks = [power + np.log10(step) for power in range(low, high + 1) for step in (1, 3)]
    figure.update_yaxes(gridcolor=faded(GREY, 0.2))
    return figure.update_xaxes(
        tickvals=ticks, ticktext=[f"{10**tick:.2g}°" for tick in ticks], range=[edges[0], edges[-1]], showgrid=False
    )


def _title(key: str) -> str:
    measure = MEASURES[key]
    return f"{measure.name}, {measure.unit}".removesuffix(", ")
