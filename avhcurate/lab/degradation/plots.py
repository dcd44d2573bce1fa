"""The figure of degradation: curves of scores over the levels."""

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from avhcurate.datasets.table.filters import Filters
from avhcurate.lab.degradation.corruptions import KINDS
from avhcurate.lab.degradation.statistics import ACCURACY
from avhcurate.measures.scores import SCORES
from avhcurate.ui.charts.chart_style import AT_TOP, SLATE, bare, intervals, leads, ramp

_ROW = 150
_HEAD = 90


def measure_name(key: str) -> str:
    """Return the name of a measure.

    >>> measure_name("avh"), measure_name("accuracy")
    ('AVH', 'Accuracy')
    """
    if key == ACCURACY:
        return "Accuracy"
    return SCORES[key].name


def curve_panels(curves: pd.DataFrame, strengths: Mapping[str, Sequence[float]]) -> go.Figure:
    """Draw a row a measure, a column a kind: means over the images at every level with their intervals.

    The group is `all`, or HSF bins with a line each, from the hardest for people (orange) to the easiest (blue).
    """
    kinds = list(strengths)
    measures = list(curves["measure"].unique())
    groups = list(curves["group"].unique())
    figure = make_subplots(
        len(measures),
        len(kinds),
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.02,
        vertical_spacing=0.14 / max(2, len(measures)),
        column_titles=[KINDS[kind].name for kind in kinds],
        row_titles=[measure_name(measure) for measure in measures],
    )
    colors = dict(zip(groups, ramp(len(groups)), strict=True)) | {"all": SLATE}
    for (measure, kind, group), line in curves.groupby(["measure", "kind", "group"], sort=False):
        row = measures.index(str(measure)) + 1
        column = kinds.index(str(kind)) + 1
        color = colors[group]
        figure.add_scatter(
            x=line["level"],
            y=line["mean"],
            mode="lines+markers",
            line={"color": color, "width": 2},
            marker={"size": 5},
            name=group,
            legendgroup=group,
            showlegend=(row, column) == (1, 1),
            error_y=intervals(line["mean"], line["ci_low"], line["ci_high"], color=color, thickness=1.2),
            customdata=line[["ci_low", "ci_high", "n"]],
            hovertemplate="%{y:.4~g} [%{customdata[0]:.4~g}, %{customdata[1]:.4~g}], n %{customdata[2]:,}",
            **leads(line["n"], _images(line["ids"])),
            row=row,
            col=column,
        )
    bare(figure, height=_HEAD + _ROW * len(measures), margin={"t": 64})
    figure.update_layout(showlegend=len(groups) > 1, legend=AT_TOP)
    figure.update_annotations(font_size=14)
    for column, kind in enumerate(kinds, 1):
        ticks = KINDS[kind].ticks(strengths[kind])
        figure.update_xaxes(
            tickvals=list(range(len(ticks))), ticktext=ticks, tickangle=0, tickfont_size=10, showgrid=False, col=column
        )
        figure.update_xaxes(title_text=KINDS[kind].unit, title_font_size=12, row=len(measures), col=column)
    return figure


def _images(ids: pd.Series) -> Filters | list[Filters]:
    """Return the filters of the images at each level; one for all where they are the same, as they mostly are."""
    if ids.nunique() == 1:
        return Filters(ids=ids.iloc[0])
    return [Filters(ids=of_level) for of_level in ids]
