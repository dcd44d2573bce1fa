"""How a network learns: AVH, norm, accuracy and loss of held-out samples over the epochs, overall and by HSF bin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
#: Epochs that may have a tick where the start is stretched.
_TICKS = (0, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000)


@dataclass(frozen=True)
class Course:
    """One training to draw.

    `curves`: a row for each epoch and bin, `epoch, bin, n`, and for each of `PANELS` the mean and, as KEY_se, its
    standard error. `fitted`: `epoch, train_accuracy, train_loss` over the samples learnt from. `drops`: epochs at
    which the learning rate falls. `settled`: by panel, the epoch by which the curve over all samples has made 95 % of
    its way, NaN where that cannot be said; it may lie between two evaluations.
    """

    title: str
    curves: pd.DataFrame
    fitted: pd.DataFrame | None = None
    drops: Sequence[float] = ()
    settled: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EpochAxis:
    """Where an epoch lies. With `first`, the smallest epoch after 0, the start is stretched: equal steps are then
    about equal ratios, and 0 has its place.
    """

    last: float
    first: float | None = None

    def place(self, epochs: Any) -> np.ndarray:
        """The place of each epoch on the axis.

        >>> EpochAxis(3, first=1).place([0, 1, 3]).tolist()
        [0.0, 1.0, 2.0]
        """
        values = np.asarray(epochs, float)
        return values if self.first is None else np.log2(1 + values / self.first)

    def layout(self) -> dict[str, Any]:
        """Range and ticks, as Plotly takes them."""
        low, high = self.place([0, self.last])
        layout: dict[str, Any] = {"range": [low - 0.02 * (high - low), high + 0.02 * (high - low)], "showgrid": False}
        if self.first is None:
            return layout
        ticks = [tick for tick in _TICKS if tick == 0 or self.first <= tick <= self.last]
        return layout | {"tickvals": self.place(ticks).tolist(), "ticktext": [f"{tick:g}" for tick in ticks]}


def courses(
    shown: Sequence[Course], bins: Sequence[str], *, stretched: bool = False, simulated: bool = False
) -> go.Figure:
    """A panel for each of `PANELS`; of several trainings a column each, their panels in rows that share an axis.

    `bins`: the HSF bins to draw beside the curve over all samples, from hard to easy.
    """
    alone = len(shown) == 1
    rows, columns = (2, 2) if alone else (len(PANELS), len(shown))
    names = [name for name, _ in PANELS.values()]
    figure = make_subplots(
        rows,
        columns,
        shared_yaxes=False if alone else "rows",
        subplot_titles=names if alone else [course.title for course in shown],
        horizontal_spacing=0.08 if alone else 0.025,
        vertical_spacing=0.13 if alone else 0.04,
    )
    axis = _axis(shown, stretched)
    drawing = _Drawing(figure, bins, axis)
    for number, course in enumerate(shown):
        for panel, key in enumerate(PANELS):
            row, column = (1 + panel // 2, 1 + panel % 2) if alone else (1 + panel, 1 + number)
            drawing.panel(course, key, {"row": row, "col": column})
    bare(figure, height=560 if alone else 60 + 195 * rows, margin={"t": 66})
    title = {"text": of_hsf(simulated) if bins else "", "font": {"size": 12}}
    figure.update_layout(showlegend=True, legend=AT_TOP | {"traceorder": "normal", "title": title})
    figure.update_annotations(font_size=14)
    figure.update_xaxes(**axis.layout())
    figure.update_xaxes(title_text="epoch", row=rows)
    for panel, (key, name) in enumerate(zip(PANELS, names, strict=True)):
        where = {"row": 1 + panel // 2, "col": 1 + panel % 2} if alone else {"row": 1 + panel}
        figure.update_yaxes(tickformat=".0%" if key == "accuracy" else None, **where)
        if not alone:
            figure.update_yaxes(title_text=name, row=1 + panel, col=1)
    return figure


def _axis(shown: Sequence[Course], stretched: bool) -> EpochAxis:
    epochs = np.concatenate([course.curves["epoch"].to_numpy(float) for course in shown] or [np.zeros(0)])
    last = float(epochs.max(initial=0.0)) or 1.0
    return EpochAxis(last, float(epochs[epochs > 0].min(initial=last)) if stretched else None)


class _Drawing:
    """Draws panels into one figure; a name is in its legend once, and acts on all panels."""

    def __init__(self, figure: go.Figure, bins: Sequence[str], axis: EpochAxis) -> None:
        self.figure, self.axis = figure, axis
        self.colors = dict(zip(bins, ramp(len(bins)), strict=True)) | {ALL: TEAL}
        self._named: set[str] = set()

    def panel(self, course: Course, key: str, place: dict[str, int]) -> None:
        for name, color in self.colors.items():
            rows = course.curves[course.curves["bin"] == name].sort_values("epoch")
            if len(rows):
                self._band(rows, key, name, color, place)
                self._line(rows, key, name, color, place)
        self._fitted(course, key, place)
        self._settled(course, key, place)
        self._drops(course, place)  # last: Plotly draws no line into a panel without a trace

    def _legend(self, name: str, label: str, rank: int) -> dict[str, Any]:
        first = name not in self._named
        self._named.add(name)
        return {"name": label, "legendgroup": name, "showlegend": first, "legendrank": rank}

    def _band(self, rows: pd.DataFrame, key: str, name: str, color: str, place: dict[str, int]) -> None:
        x, mean = self.axis.place(rows["epoch"]), rows[key].to_numpy(float)
        half = BAND * np.nan_to_num(rows[f"{key}_se"].to_numpy(float))
        area = band(x.round(4), (mean - half).round(6), (mean + half).round(6), faded(color, 0.14))
        self.figure.add_scatter(**area, legendgroup=name, **place)

    def _line(self, rows: pd.DataFrame, key: str, name: str, color: str, place: dict[str, int]) -> None:
        everything, (title, form) = name == ALL, PANELS[key]
        who = "all samples" if everything else f"HSF {name}"
        error = np.nan_to_num(rows[f"{key}_se"].to_numpy(float))
        self.figure.add_scatter(
            x=self.axis.place(rows["epoch"]).round(4),
            y=rows[key].to_numpy(float).round(6),
            mode="lines+markers" if len(rows) < 40 else "lines",
            line={"color": color, "width": 3 if everything else 1.8},
            marker={"size": 6 if everything else 4},
            customdata=np.stack([rows["epoch"].to_numpy(float), rows["n"].to_numpy(float), error], axis=1),
            hovertemplate=f"{title} %{{y:{form}}}, standard error %{{customdata[2]:.2g}}<br>{who}, "
            "epoch %{customdata[0]:.3g}, n %{customdata[1]:,}<extra></extra>",
            **self._legend(name, "all samples" if everything else name, 1 if everything else 2),
            **place,
        )

    def _fitted(self, course: Course, key: str, place: dict[str, int]) -> None:
        column = _FITTED.get(key)
        if column is None or course.fitted is None:
            return
        rows = course.fitted.dropna(subset=[column])
        if rows.empty:
            return
        self.figure.add_scatter(
            x=self.axis.place(rows["epoch"]).round(4),
            y=rows[column].to_numpy(float).round(6),
            mode="lines",
            line={"color": GREY, "width": 1.5, "dash": "dot"},
            customdata=rows["epoch"].to_numpy(float),
            hovertemplate=f"{PANELS[key][0]} %{{y:{PANELS[key][1]}}}<br>while learning, epoch %{{customdata:.3g}}"
            "<extra></extra>",
            **self._legend("fitted", "training data", 3),
            **place,
        )

    def _drops(self, course: Course, place: dict[str, int]) -> None:
        line = {"color": faded(GREY, 0.9), "width": 1.2, "dash": "dash"}
        reached = course.curves["epoch"].max() if len(course.curves) else 0
        for drop in course.drops:
            if drop <= reached:
                self.figure.add_vline(x=float(self.axis.place(drop)), line=line, layer="below", **place)
        if course.drops:
            entry = self._legend("drops", "rate drops", 5)
            self.figure.add_scatter(x=[None], y=[None], mode="lines", line=line, hoverinfo="skip", **entry, **place)

    def _settled(self, course: Course, key: str, place: dict[str, int]) -> None:
        rows = course.curves[course.curves["bin"] == ALL].sort_values("epoch")
        epoch = course.settled.get(key, np.nan)
        if rows.empty or not np.isfinite(epoch):
            return
        self.figure.add_scatter(
            x=self.axis.place([epoch]).round(4),
            y=[round(float(np.interp(epoch, rows["epoch"], rows[key])), 6)],
            mode="markers",
            marker={"color": TEAL, "symbol": "diamond", "size": 13, "line": {"color": "white", "width": 1.5}},
            customdata=[epoch],
            hovertemplate=f"{PANELS[key][0]} has made 95 % of its way by epoch %{{customdata:.3g}}<extra></extra>",
            **self._legend("settled", "settled (95 %)", 4),
            **place,
        )
