"""Votes, softmax and AVC of one sample, class by class, in one grouped bar chart."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from avhcurate.ui.chart_style import ABOVE, as_text, bare

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
    """Grouped bars per class from arrays (K), None left out; AVC, which is flat, has its own axis on the right.

    Of many classes those with a large value anywhere are drawn, in the order of the classes.
    """
    series = {("Human votes", "Simulated votes")[simulated]: votes, "Softmax": softmax, "AVC": avc}
    shown = {name: np.asarray(values) for name, values in series.items() if values is not None}
    height = np.max([values / max(float(values.max()), 1e-12) for values in shown.values()], axis=0)
    order = np.sort(np.argsort(-height, kind="stable")[:most])
    figure = go.Figure()
    for name, values in shown.items():
        figure.add_bar(
            name=name,
            x=[as_text(classes[index]) for index in order],
            y=values[order],
            yaxis={"AVC": "y2"}.get(name, "y"),
            offsetgroup=name,
            hovertemplate=f"%{{x}}: %{{y:.3f}}<extra>{name}</extra>",
        )
    bare(figure, height=260, y="share, probability", margin={"t": 28})
    figure.update_xaxes(type="category")
    figure.update_layout(barmode="group", bargap=0.25, showlegend=True, legend=ABOVE)
    # As many ticks as the other axis has would stand at odd numbers.
    right = {"title": "AVC", "overlaying": "y", "side": "right", "tickmode": "auto", "rangemode": "tozero"}
    return figure.update_layout(yaxis2=right | {"showgrid": False, "tickformat": ".2~g"})
