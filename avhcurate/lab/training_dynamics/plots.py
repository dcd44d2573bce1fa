"""How a network learns: AVH, norm, accuracy and loss over the epochs, overall and by HSF bin, and the data map.

The data map: how sure the network was of each sample's label over the epochs, and how much that varied.
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError, Run
from avhcurate.measures.stats.downsample import cells_of, downsample
from avhcurate.ui.charts.chart_style import (
    AT_TOP,
    GREY,
    TEAL,
    add_region,
    as_text,
    band,
    bare,
    faded,
    leads,
    of_hsf,
    ramp,
)

if TYPE_CHECKING:
    from avhcurate.notebook.plots import Plots

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

#: As many points as a browser draws and links with ease.
MOST_POINTS = 20_000
#: What the points can be coloured by, and its name.
COLORS = {"correctness": "Correctness", "hsf_bin": "HSF bin", "avh": "AVH"}
#: The standard deviation of a number between 0 and 1 is at most this.
_MOST_VARIABLE = 0.5
_CELLS = 30
_NO_VOTES = "no votes"

# --- curves ------------------------------------------------------------------------------------------------------


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
    """Draw a panel for each of `PANELS` with a value; of several trainings a column each, whose rows share an axis.

    A training has a row for each epoch and bin: `epoch, bin, n`, and for each of `PANELS` the mean and, as KEY_se, its
    standard error, NaN where missing. A bin is `ALL`, `LEARNT` or one of HSF, of which the hardest come first.
    `images`: the filters of the samples of each training and bin, which a point leads to.
    """
    panels = [key for key in PANELS if any(curves[key].notna().any() for curves in shown.values())] or [*PANELS]
    names = [PANELS[key][0] for key in panels]
    alone = len(shown) == 1
    rows = len(panels)
    grid: dict[str, Any] = {"cols": len(shown), "subplot_titles": list(shown), "shared_yaxes": "rows"}
    if alone:
        rows = math.ceil(len(panels) / 2)
        grid = {"cols": 2, "subplot_titles": names}
    figure = make_subplots(rows, **grid, vertical_spacing=0.1)
    bare(figure, height=80 + 240 * rows, margin={"t": 66})
    drawn = dict.fromkeys(name for curves in shown.values() for name in curves["bin"])
    bins = [name for name in drawn if name not in (ALL, LEARNT)]
    colors = {ALL: TEAL} | dict(zip(bins, ramp(len(bins)), strict=True)) | {LEARNT: GREY}
    in_legend: set[str] = set()
    for number, (training, curves) in enumerate(shown.items()):
        to = images.get(training, {})
        for panel, key in enumerate(panels):
            cell = {"row": 1 + panel, "col": 1 + number}
            if alone:
                cell = {"row": 1 + panel // 2, "col": 1 + panel % 2}
            for name, color in colors.items():
                points = curves[(curves["bin"] == name) & curves[key].notna()].sort_values("epoch")
                if len(points):
                    marks = leads(points["n"], to[name]) if name in to else {}
                    _curve(figure, points, key, color, marks, showlegend=name not in in_legend, **cell)
                    in_legend.add(name)
            if key == "accuracy":
                figure.update_yaxes(**cell, tickformat=".0%")
            if not alone and not number:
                figure.update_yaxes(**cell, title_text=names[panel])
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


def training(self: "Plots", *names: str, where: str | Filters | None = None) -> go.Figure:
    """Draw AVH, norm, accuracy and loss over the epochs of trainings, by name; without one, of the newest."""
    from avhcurate.datasets.table.titles import titles
    from avhcurate.lab.training_dynamics import service
    from avhcurate.notebook.opened import filters_of

    opened = self.dataset.opened
    folder = opened.dataset
    trainings = [folder.training(name) for name in names] or folder.trainings()[-1:]
    if not trainings:
        raise CurateError(f"{folder.name} has no training.", fix=Run("train", folder.name, model="MODEL"))
    called = titles(folder)
    shown = {}
    for course in trainings:
        curves = service.curves(opened.samples, opened.votes, course, filters=filters_of(where))
        shown[called[course.name]] = with_learnt(curves, course.evaluations())
    return courses(shown, simulated=opened.samples.simulated)


# --- the data map ------------------------------------------------------------------------------------------------


def downsampled(points: pd.DataFrame, *, most: int = MOST_POINTS) -> pd.DataFrame:
    """Return at most `most` rows of `variability, confidence_mean, ...`, in their order: a random part where crowded.

    The map is cut into cells, and each keeps up to the same number of its points, so rare samples stay.

    >>> crowd = pd.DataFrame({"variability": [0.1] * 9 + [0.4], "confidence_mean": [0.9] * 9 + [0.5]})
    >>> downsampled(crowd, most=4)["variability"].tolist()
    [0.1, 0.1, 0.1, 0.4]
    """
    x = points["variability"].to_numpy(float)
    y = points["confidence_mean"].to_numpy(float)
    cells = cells_of(x, y, (0.0, _MOST_VARIABLE, 0.0, 1.0), columns=_CELLS, rows=_CELLS)
    return points.iloc[downsample(cells, most=most, even=True)]


def data_map(
    points: pd.DataFrame,
    *,
    color: str = "correctness",
    bins: Sequence[str] = (),
    outline: tuple[Sequence[float], Sequence[float]] | None = None,
    dragmode: str | bool = "select",
    simulated: bool = False,
) -> go.Figure:
    """Draw points `id, variability, confidence_mean, correctness, label_name` and the column of `color`.

    `outline`: corners x, y of the region that is selected. A point carries its id as custom data.
    """
    import plotly.express as px

    # Orange is hard, blue is easy: a low correctness is hard, a high AVH is. The hardest last, so that they lie on top.
    colors: dict[str, Any] = {"color_continuous_scale": ramp(9), "range_color": (0, 1)}
    points = points.sort_values(color, ascending=color == "avh", na_position="first", kind="stable")
    names = points["label_name"].astype(object).fillna("no label")  # of a class that was retired since
    points = points.assign(label_name=names.astype(str).map(as_text))
    if color == "avh":  # a few extreme values must not leave the rest in one colour
        ends = points["avh"].quantile([0.01, 0.99]).fillna(0).tolist()
        colors = {"color_continuous_scale": ramp(9)[::-1], "range_color": ends}
    elif color == "hsf_bin":
        points = points.assign(hsf_bin=points["hsf_bin"].where(points["hsf_bin"].isin(list(bins)), _NO_VOTES))
        of_bin = dict(zip(bins, ramp(len(bins)), strict=True)) | {_NO_VOTES: faded(GREY, 0.6)}
        colors = {"color_discrete_map": of_bin, "category_orders": {"hsf_bin": [_NO_VOTES, *reversed(bins)]}}
    figure = px.scatter(
        points.round({"variability": 4, "confidence_mean": 4, "avh": 4, "correctness": 3}),
        x="variability",
        y="confidence_mean",
        color=color,
        custom_data=["id", "label_name", color],
        labels=COLORS | {"hsf_bin": of_hsf(simulated)},
        render_mode="webgl",
        **colors,
    )
    figure.update_traces(
        marker={"size": 5, "opacity": 0.65},
        hovertemplate="image %{customdata[0]}, label %{customdata[1]}<br>confidence %{y:.3f}, variability %{x:.3f}<br>"
        f"{COLORS[color]} %{{customdata[2]}}<extra></extra>",
    )
    figure.for_each_trace(lambda trace: trace.update(ids=trace.customdata[:, 0].astype(str)))
    add_region(figure, outline)
    x = "variability: far right is ambiguous"
    y = "confidence: high is easy to learn, low is hard"
    bare(figure, height=520, x=x, y=y, margin={"t": 8})
    figure.update_layout(
        dragmode=dragmode,
        clickmode="event+select",
        newselection_line_width=1.5,
        showlegend=color == "hsf_bin",
        legend={"itemsizing": "constant", "y": 0.8},
        coloraxis_colorbar={"title_side": "right", "thickness": 9, "len": 0.8},
    )
    return figure.update_yaxes(range=[-0.02, 1.02])
