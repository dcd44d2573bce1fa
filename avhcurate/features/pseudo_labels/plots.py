"""Charts of pseudo-labels: how many each class gives, and their accuracy by portion."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.ui.chart_style import ABOVE, BLUE, GREY, SERIES, SYMBOLS, as_text, band, bare, faded


def selected_per_class(classes: pd.DataFrame) -> go.Figure:
    """For each row of `label_name, candidates, selected` a pale bar of candidates with the selected ones in it."""
    figure, names = go.Figure(), [as_text(name) for name in classes["label_name"]]
    for column, color in (("candidates", faded(GREY, 0.3)), ("selected", BLUE)):
        figure.add_bar(
            x=classes[column],
            y=names,
            orientation="h",
            name=column,
            marker={"color": color},
            hovertemplate=f"%{{y}}: %{{x:,}} {column}<extra></extra>",
        )
    for name, candidates, selected in zip(names, classes["candidates"], classes["selected"], strict=True):
        x, text = max(candidates, selected), f"{selected:,} of {candidates:,}"
        figure.add_annotation(x=x, y=name, text=text, showarrow=False, xanchor="left", xshift=6, font={"size": 12})
    bare(figure, height=max(300, 22 * len(classes) + 30), margin={"r": 80})
    figure.update_layout(barmode="overlay", bargap=0.3)
    figure.update_xaxes(visible=False, rangemode="tozero")
    return figure.update_yaxes(type="category", autorange="reversed", showgrid=False, dtick=1)


def accuracy_by_portion(curve: pd.DataFrame, *, rule: str, portion: float, names: dict[str, str]) -> go.Figure:
    """Lines of `rule, portion, n, accuracy, low, high`, one a rule, with the interval of `rule` as a band.

    `names` are the rules by key, in order; the chosen portion is marked.
    """
    figure = go.Figure()
    figure.add_vline(x=portion, line={"color": faded(GREY, 0.7), "width": 1, "dash": "dot"})
    for number, (key, name) in enumerate(names.items()):
        rows = curve[curve["rule"] == key].sort_values("portion")
        color = SERIES[number]
        if key == rule:
            portions, low, high = (rows[column].to_numpy(float) for column in ("portion", "low", "high"))
            figure.add_scatter(**band(portions, low, high, faded(color, 0.15)), name=f"{name}, 95 % interval")
        figure.add_scatter(
            x=rows["portion"],
            y=rows["accuracy"],
            mode="lines+markers",
            name=name,
            line={"color": color, "width": 3 if key == rule else 1.5},
            marker={"color": color, "symbol": SYMBOLS[number], "size": 8 if key == rule else 6},
            customdata=np.stack([rows["n"], rows["low"], rows["high"]], axis=1),
            hovertemplate=f"{name} at %{{x:.2f}}: %{{y:.1%}} [%{{customdata[1]:.1%}}, %{{customdata[2]:.1%}}]<br>"
            "n %{customdata[0]:,}<extra></extra>",
        )
    bare(figure, height=300, x="portion", y="accuracy of the pseudo-labels", margin={"t": 30})
    figure.update_layout(showlegend=True, legend=ABOVE)
    figure.update_xaxes(range=[0, 1.03], tickformat=".1f", showgrid=False)
    return figure.update_yaxes(tickformat=".1%")
