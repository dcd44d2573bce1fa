"""How a network learns: AVH, norm, accuracy and loss of held-out samples over the epochs, overall and by HSF bin."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from avhcurate.ui.chart_style import AT_TOP, GREY, TEAL, band, bare, faded, of_hsf, ramp

#: What is drawn, in the order of the panels: key, name and the form of its values.
PANELS = {
    "avh": ("Mean AVH", ".4f"),
    "norm": ("Mean norm |x|", ".2f"),
    "accuracy": ("Accuracy", ".1%"),
    "loss": ("Mean loss", ".3f"),
}
#: Name of the curve over all samples in the column `bin`.
ALL = "all"
#: Half the width of a band, in standard errors: about 95 %.
BAND = 1.96
#: The training samples' own curves, by panel.
_FITTED = {"accuracy": "train_accuracy", "loss": "train_loss"}


@dataclass(frozen=True)
class Course:
    """One training to draw.

    `curves`: a row for each epoch and bin, `epoch, bin, n`, and for each of `PANELS` the mean and, as KEY_se, its
    standard error. `fitted`: `epoch, train_accuracy, train_loss` over the samples learnt from. `drops`: epochs at
    which the learning rate falls. `settled`: by panel, the epoch by which the curve over all samples has made 95 % of
    its way.
    """

    title: str
    curves: pd.DataFrame
    fitted: pd.DataFrame | None = None
    drops: Sequence[float] = ()
    settled: Mapping[str, float] = field(default_factory=dict)


def courses(shown: Sequence[Course], bins: Sequence[str], *, simulated: bool = False) -> go.Figure:
    """Draw a panel for each of `PANELS`; of several trainings a column each, whose rows share an axis.

    `bins`: the HSF bins to draw in addition to the curve over all samples, from hard to easy.
    """
    names, alone = [name for name, _ in PANELS.values()], len(shown) == 1
    rows, columns, titles, shared = len(PANELS), len(shown), [course.title for course in shown], "rows"
    if alone:
        rows, columns, titles, shared = 2, 2, names, ""
    figure = make_subplots(rows, columns, shared_yaxes=shared or False, subplot_titles=titles, vertical_spacing=0.1)
    bare(figure, height=80 + 240 * rows, margin={"t": 66})
    colors = dict(zip(bins, ramp(len(bins)), strict=True)) | {ALL: TEAL}
    named: set[str] = set()
    for number, course in enumerate(shown):
        for panel, key in enumerate(PANELS):
            place = {"row": 1 + panel, "col": 1 + number}
            if alone:
                place = {"row": 1 + panel // 2, "col": 1 + panel % 2}
            for trace in _traces(course, key, colors):
                trace.showlegend = trace.showlegend is not False and trace.name not in named
                named.add(trace.name)
                figure.add_trace(trace, **place)
            if key == "accuracy":
                figure.update_yaxes(**place, tickformat=".0%")
            if not alone and not number:
                figure.update_yaxes(**place, title_text=names[panel])
            for drop in course.drops:
                if drop <= course.curves["epoch"].max():
                    figure.add_vline(x=drop, line={"color": GREY, "width": 1.2, "dash": "dash"}, layer="below", **place)
    figure.update_layout(showlegend=True, legend=AT_TOP | {"traceorder": "normal"})
    if bins:
        figure.update_layout(legend_title={"text": of_hsf(simulated), "font": {"size": 12}})
    figure.update_annotations(font_size=14)
    figure.update_xaxes(showgrid=False, rangemode="tozero")
    return figure.update_xaxes(title_text="epoch", row=rows)


def _traces(course: Course, key: str, colors: Mapping[str, str]) -> Iterator[go.Scatter]:
    """Yield the bands and curves of a panel; a name acts on all panels."""
    title, form = PANELS[key]
    for name, color in colors.items():
        rows = course.curves[course.curves["bin"] == name].sort_values("epoch")
        if len(rows):
            epochs, mean = rows["epoch"].to_numpy(float), rows[key].to_numpy(float)
            error = np.nan_to_num(rows[f"{key}_se"].to_numpy(float))
            low, high = (mean - BAND * error).round(6), (mean + BAND * error).round(6)
            area = band(epochs, low, high, faded(color, 0.14))
            yield go.Scatter(area | {"showlegend": False, "legendgroup": name})
            who, width, rank = f"HSF {name}", 1.8, 2
            if name == ALL:
                who, width, rank = "all samples", 3, 1
            yield go.Scatter(
                x=epochs,
                y=mean.round(6),
                mode="lines+markers",
                line={"color": color, "width": width},
                customdata=np.stack([rows["n"].to_numpy(float), error], axis=1),
                hovertemplate=f"{title} %{{y:{form}}}, standard error %{{customdata[1]:.2g}}<br>{who}, "
                "epoch %{x:.3g}, n %{customdata[0]:,}<extra></extra>",
                name=who.removeprefix("HSF "),
                legendgroup=name,
                legendrank=rank,
            )
    if key in _FITTED and course.fitted is not None:
        fitted = course.fitted.dropna(subset=[_FITTED[key]])
        yield go.Scatter(
            x=fitted["epoch"],
            y=fitted[_FITTED[key]].astype(float).round(6),
            mode="lines",
            line={"color": GREY, "width": 1.5, "dash": "dot"},
            hovertemplate=f"{title} %{{y:{form}}}<br>while learning, epoch %{{x:.3g}}<extra></extra>",
            name="training data",
            legendgroup="fitted",
            legendrank=3,
        )
    whole = course.curves[course.curves["bin"] == ALL].sort_values("epoch")
    if key in course.settled and len(whole):
        epoch = course.settled[key]
        yield go.Scatter(
            x=[epoch],
            y=[round(float(np.interp(epoch, whole["epoch"], whole[key])), 6)],
            mode="markers",
            marker={"color": TEAL, "symbol": "diamond", "size": 13, "line": {"color": "white", "width": 1.5}},
            hovertemplate=f"{title} has made 95 % of its way by epoch %{{x:.3g}}<extra></extra>",
            name="settled (95 %)",
            legendgroup="settled",
            legendrank=4,
        )
