"""How a network learns: AVH, norm, accuracy and loss of held-out samples over the epochs, overall and by HSF bin."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.charts.chart_style import AT_TOP, GREY, TEAL, band, bare, faded, leads, of_hsf, ramp

#: What is drawn, in the order of the panels: key, name and the form of its values.
PANELS = {
    "avh": ("Mean AVH", ".4f"),
    "norm": ("Mean norm |x|", ".2f"),
    "accuracy": ("Accuracy", ".1%"),
    "loss": ("Mean loss", ".3f"),
}
#: Names in the column `bin` of the curves over all held-out samples, and over those learnt from while it learns.
ALL = "all"
LEARNT = "training data"
#: Half the width of a band, in standard errors: about 95 %.
BAND = 1.96


def with_learnt(curves: pd.DataFrame, evaluations: pd.DataFrame) -> pd.DataFrame:
    """Return the curves of a training with those over the samples that it learns from."""
    learnt = evaluations[["epoch", "train_accuracy", "train_loss"]].assign(bin=LEARNT)
    return pd.concat([curves, learnt.rename(columns=lambda name: name.removeprefix("train_"))])


def courses(
    shown: Mapping[str, pd.DataFrame],
    *,
    simulated: bool = False,
    images: Mapping[str, Mapping[str, Filters]] = MappingProxyType({}),
) -> go.Figure:
    """Draw a panel for each of `PANELS`; of several trainings a column each, whose rows share an axis.

    A training has a row for each epoch and bin: `epoch, bin, n`, and for each of `PANELS` the mean and, as KEY_se, its
    standard error, NaN where missing. A bin is `ALL`, `LEARNT` or one of HSF, of which the hardest come first.
    `images`: the filters of the samples of each training and bin, which a point leads to.
    """
    names = [name for name, _ in PANELS.values()]
    alone = len(shown) == 1
    rows = len(PANELS)
    grid: dict[str, Any] = {"cols": len(shown), "subplot_titles": list(shown), "shared_yaxes": "rows"}
    if alone:
        rows = 2
        grid = {"cols": 2, "subplot_titles": names}
    figure = make_subplots(rows, **grid, vertical_spacing=0.1)
    bare(figure, height=80 + 240 * rows, margin={"t": 66})
    drawn = dict.fromkeys(name for curves in shown.values() for name in curves["bin"])
    bins = [name for name in drawn if name not in (ALL, LEARNT)]
    colors = {ALL: TEAL} | dict(zip(bins, ramp(len(bins)), strict=True)) | {LEARNT: GREY}
    in_legend: set[str] = set()
    for number, (training, curves) in enumerate(shown.items()):
        to = images.get(training, {})
        for panel, key in enumerate(PANELS):
            place = {"row": 1 + panel, "col": 1 + number}
            if alone:
                place = {"row": 1 + panel // 2, "col": 1 + panel % 2}
            for name, color in colors.items():
                points = curves[(curves["bin"] == name) & curves[key].notna()].sort_values("epoch")
                if len(points):
                    marks = leads(points["n"], to[name]) if name in to else {}
                    _curve(figure, points, key, color, marks, showlegend=name not in in_legend, **place)
                    in_legend.add(name)
            if key == "accuracy":
                figure.update_yaxes(**place, tickformat=".0%")
            if not alone and not number:
                figure.update_yaxes(**place, title_text=names[panel])
    figure.update_layout(showlegend=True, legend=AT_TOP | {"traceorder": "normal"})
    if bins:
        figure.update_layout(legend_title={"text": of_hsf(simulated), "font": {"size": 12}})
    figure.update_annotations(font_size=14)
    figure.update_xaxes(showgrid=False, rangemode="tozero")
    return figure.update_xaxes(title_text="epoch", row=rows)


def _curve(
    figure: go.Figure,
    points: pd.DataFrame,
    key: str,
    color: str,
    marks: dict[str, Any],
    *,
    row: int,
    col: int,
    showlegend: bool,
) -> None:
    """Draw the mean of a quantity and its band; a name acts on all panels."""
    name = points["bin"].iloc[0]
    title, form = PANELS[key]
    epochs = points["epoch"].to_numpy(float)
    mean = points[key].to_numpy(float)
    error = points[f"{key}_se"].fillna(0).to_numpy(float)
    line = {"color": color, "width": 1.8}
    if name == ALL:
        line["width"] = 3
    if name == LEARNT:
        line["dash"] = "dot"
    else:
        area = band(epochs, (mean - BAND * error).round(6), (mean + BAND * error).round(6), faded(color, 0.14))
        figure.add_scatter(**area, legendgroup=name, row=row, col=col)
    figure.add_scatter(
        x=epochs,
        y=mean.round(6),
        mode="lines+markers",
        marker={"size": 4},
        line=line,
        customdata=np.stack([points["n"].to_numpy(float), error], axis=1),
        hovertemplate=f"{title} %{{y:{form}}}, standard error %{{customdata[1]:.2g}}<br>{name}, epoch %{{x:.3g}}, "
        "n %{customdata[0]:,}<extra></extra>",
        name=name,
        legendgroup=name,
        showlegend=showlegend,
        row=row,
        col=col,
        **marks,
    )
