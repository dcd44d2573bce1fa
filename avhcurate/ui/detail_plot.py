"""Votes, softmax and AVC of one sample, class by class, in one grouped bar chart."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from avhcurate.ui.chart_style import as_text

#: With more classes than this, only those with the largest values are drawn.
_MOST_CLASSES = 12


def class_bars(
    classes: Sequence[str],
    *,
    votes: np.ndarray | None,
    softmax: np.ndarray | None,
    avc: np.ndarray | None,
    simulated: bool = False,
    most: int = _MOST_CLASSES,
) -> go.Figure:
    """Grouped bars per class from arrays (K), None left out; AVC, which is flat, has its own axis on the right."""
    series = [
        ("Simulated votes" if simulated else "Human votes", votes, "y"),
        ("Softmax", softmax, "y"),
        ("AVC", avc, "y2"),
    ]
    shown = [(name, np.asarray(values), axis) for name, values, axis in series if values is not None]
    order = _most_telling([values for _, values, _ in shown], len(classes), most)
    figure = go.Figure()
    for position, (name, values, axis) in enumerate(shown):
        figure.add_bar(
            name=name,
            x=[as_text(classes[index]) for index in order],
            y=values[order],
            yaxis=axis,
            offsetgroup=str(position),
            hovertemplate=f"%{{x}}: %{{y:.3f}}<extra>{name}</extra>",
        )
    figure.update_layout(
        barmode="group",
        bargap=0.25,
        height=260,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        xaxis={"type": "category", "automargin": True},
        yaxis={"title": "share, probability", "rangemode": "tozero"},
        yaxis2={
            "title": "AVC",
            "overlaying": "y",
            "side": "right",
            "tickmode": "auto",  # as many ticks as the other axis has would stand at odd numbers, and beside 0
            "rangemode": "tozero",
            "showgrid": False,
            "tickformat": ".2~g",
        },
    )
    return figure


def _most_telling(values: list[np.ndarray], classes: int, most: int) -> np.ndarray:
    """Classes with a large value anywhere, in the order of the classes."""
    if classes <= most or not values:
        return np.arange(classes)
    height = np.max([part / max(float(part.max()), 1e-12) for part in values], axis=0)
    return np.sort(np.argsort(-height, kind="stable")[:most])
