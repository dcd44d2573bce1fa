"""Votes, softmax and angles of one sample, class by class, in one chart."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from avhcurate.datasets.table.sample import Inspection
from avhcurate.ui.charts.chart_style import ABOVE, SLATE, TEAL, VIOLET, as_text, bare

#: With more classes than this, only those with the largest values are drawn.
_MOST_CLASSES = 12


def class_bars(classes: Sequence[str], sample: Inspection, *, simulated: bool = False) -> go.Figure:
    """Draw votes and softmax of a sample as bars by class, angles (rad) as dots on their own axis; None is left out.

    Of many classes those with a large vote or probability or a small angle are drawn, in the order of the classes.
    """
    angles = sample.angles
    series = {("Human votes", "Simulated votes")[simulated]: sample.votes, "Softmax": sample.softmax}
    shown = {name: np.asarray(values) for name, values in series.items() if values is not None}
    heights = [values / max(float(values.max()), 1e-12) for values in shown.values()]
    if angles is not None:
        heights.append((angles.max() - angles) / max(float(np.ptp(angles)), 1e-12))
    order = np.sort(np.argsort(-np.max(heights, axis=0), kind="stable")[:_MOST_CLASSES])
    names = [as_text(classes[index]) for index in order]
    figure = go.Figure()
    for name, values in shown.items():
        hover = f"%{{x}}: %{{y:.3f}}<extra>{name}</extra>"
        color = {"Softmax": SLATE}.get(name, TEAL)
        figure.add_bar(name=name, x=names, y=values[order], offsetgroup=name, marker_color=color, hovertemplate=hover)
    if angles is not None:
        figure.add_scatter(
            name="Angle",
            x=names,
            y=np.degrees(angles[order]),
            yaxis="y2",
            mode="markers",
            marker={"size": 9, "color": VIOLET},
            hovertemplate="%{x}: %{y:.1f}°<extra>angle to the class</extra>",
        )
    bare(figure, height=260, y="share, probability", margin={"t": 28})
    figure.update_xaxes(type="category")
    figure.update_layout(barmode="group", bargap=0.25, showlegend=True, legend=ABOVE)
    # The nearest class stands highest, as its bars do; as many ticks as the other axis has would stand at odd numbers.
    right = {"title": "angle", "ticksuffix": "°", "overlaying": "y", "side": "right", "tickmode": "auto"}
    return figure.update_layout(yaxis2=right | {"autorange": "reversed", "showgrid": False})
