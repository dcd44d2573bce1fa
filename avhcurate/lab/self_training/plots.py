"""Rounds of self-training as curves, one line per run."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from avhcurate.ui.charts.chart_style import AT_TOP, SERIES, SYMBOLS, band, bare, faded

#: Quantities that are drawn: name, in two lines so that those of a narrow window do not meet, and number format.
PANELS = {
    "mean_accuracy": ("Accuracy,<br>mean of classes", ".1%"),
    "precision": ("Precision<br>of the selected", ".1%"),
    "selected": ("Selected images", ",.0f"),
    "mean_avh": ("Mean AVH<br>of the selected", ".4f"),
    "mean_confidence": ("Mean confidence<br>of the selected", ".3f"),
    "ece": ("Calibration error<br>(ECE)", ".3f"),
}
_COLUMNS = 3


def curves(runs: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Draw a panel for each of `PANELS` from the rounds of up to five runs: see `service.table`."""
    titles = [name for name, _ in PANELS.values()]
    figure = make_subplots(2, _COLUMNS, subplot_titles=titles, horizontal_spacing=0.1, vertical_spacing=0.17)
    for number, (key, (_, form)) in enumerate(PANELS.items()):
        cell = {"row": 1 + number // _COLUMNS, "col": 1 + number % _COLUMNS}
        for (name, rounds), color, symbol in zip(runs.items(), SERIES, SYMBOLS, strict=False):
            _line(figure, rounds, key, name=name, color=color, symbol=symbol, **cell)
        if form.endswith("%"):
            # Where all are right, the axis would else reach 200 %.
            figure.update_yaxes(tickformat=".1~%", autorangeoptions={"clipmin": 0, "clipmax": 1.01}, **cell)
    bare(figure, height=500, margin={"t": 84})
    figure.update_layout(showlegend=True, legend=AT_TOP | {"traceorder": "normal"})
    figure.update_annotations(font_size=13)
    last = max(1, *(rounds["round"].max() for rounds in runs.values()))
    figure.update_xaxes(range=[-0.15, last + 0.15], dtick=max(1, -(-last // 10)), showgrid=False)
    return figure.update_xaxes(title_text="round", row=2)


def _line(
    figure: go.Figure, rounds: pd.DataFrame, key: str, *, name: str, color: str, symbol: str, row: int, col: int
) -> None:
    """Draw a run in a panel, with the interval over samples as a band where there is one."""
    form = PANELS[key][1]
    numbers = rounds["round"].to_numpy()
    ends = rounds.reindex(columns=[f"{key}_low", f"{key}_high"]).to_numpy(float).round(6)
    bounded = ~np.isnan(ends).any(axis=1)
    if bounded.any():
        low, high = ends[bounded].T
        area = band(numbers[bounded], low, high, faded(color, 0.1))
        figure.add_scatter(**area, legendgroup=name, row=row, col=col)
    figure.add_scatter(
        x=numbers,
        y=rounds[key].round(6),
        mode="lines+markers",
        line={"color": color},
        marker={"symbol": symbol, "size": 7},
        customdata=ends,
        hovertemplate=f"{name}, round %{{x}}: %{{y:{form}}} [%{{customdata[0]:{form}}}, %{{customdata[1]:{form}}}]"
        "<extra></extra>",
        name=name,
        legendgroup=name,
        showlegend=(row, col) == (1, 1),
        row=row,
        col=col,
    )
